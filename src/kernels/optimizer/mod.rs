//! Updates of weights by optimizers, in place, over flat arenas.

use crate::kernel::Kernel;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[];
