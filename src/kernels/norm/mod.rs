//! Normalisations over rows, groups and channels.

use crate::kernel::Kernel;

pub mod layer_norm;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[&layer_norm::LAYER_NORM];
