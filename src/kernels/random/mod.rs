//! Counter-based random numbers.

use crate::kernel::Kernel;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[];
