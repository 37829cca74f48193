//! Moving elements without changing them.

use crate::kernel::Kernel;

pub mod concat;
pub mod copy;
pub mod pad;
pub mod pad_backward;
pub mod stop_gradient;
pub mod view_backward;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[
    &copy::COPY,
    &concat::CONCAT,
    &pad::PAD,
    &pad_backward::PAD_BACKWARD,
    &stop_gradient::STOP_GRADIENT,
    &stop_gradient::STRAIGHT_THROUGH,
    &view_backward::VIEW_BACKWARD,
];
