//! Moving elements without changing them.

use crate::kernel::Kernel;

pub mod copy;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[&copy::COPY];
