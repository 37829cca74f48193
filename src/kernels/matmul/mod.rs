//! Matrix products.

use crate::kernel::Kernel;

pub mod epilogue;
#[allow(clippy::module_inception)] // the family has the name of its one kernel
pub mod matmul;
mod matmul_backward;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[&matmul::MATMUL];
