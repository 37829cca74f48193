//! Updates of weights by optimizers, in place, over flat arenas.

use crate::kernel::Kernel;

pub mod accumulate;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[&accumulate::ACCUMULATE];
