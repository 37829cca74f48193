//! One output element from one element of each input.

use crate::kernel::Kernel;

pub mod activation;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[];
