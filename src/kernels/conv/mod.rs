//! Convolutions.

use crate::kernel::Kernel;

pub mod conv2d;
pub mod conv2d_backward_data;
pub mod conv2d_backward_weight;
pub mod conv_transpose2d;
mod phases;
mod winograd;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[
    &conv2d::CONV2D,
    &conv_transpose2d::CONV_TRANSPOSE2D,
    &conv2d_backward_data::CONV2D_BACKWARD_DATA,
    &conv2d_backward_weight::CONV2D_BACKWARD_WEIGHT,
];
