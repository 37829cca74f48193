//! Losses as one kernel.

use crate::kernel::Kernel;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[];
