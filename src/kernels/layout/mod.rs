//! Moving elements without changing them.

use crate::kernel::Kernel;

pub mod concat;
pub mod copy;
pub mod pad;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[&copy::COPY, &concat::CONCAT, &pad::PAD];
