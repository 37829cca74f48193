//! Sums and extremes over axes.

use crate::kernel::Kernel;

pub mod over_axes;
pub mod reduce_backward;
mod reduction;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[
    &over_axes::SUM,
    &over_axes::MEAN,
    &over_axes::MAX,
    &over_axes::MIN,
    &over_axes::PROD,
    &over_axes::LOGSUMEXP,
    &over_axes::VARIANCE,
    &over_axes::ARGMAX,
    &over_axes::ARGMIN,
    &reduce_backward::LOGSUMEXP_BACKWARD,
    &reduce_backward::PROD_BACKWARD,
];
