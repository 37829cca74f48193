//! Matrix products.

use crate::kernel::Kernel;

pub mod epilogue;
pub mod matmul;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[&matmul::MATMUL];
