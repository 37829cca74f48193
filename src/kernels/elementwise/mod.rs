//! One output element from one element of each input.

use crate::kernel::Kernel;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[];
