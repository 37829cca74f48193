//! Updates of weights by optimizers, in place, over flat arenas.

use crate::kernel::Kernel;

pub mod accumulate;
pub mod adadelta;
pub mod adagrad;
pub mod adam;
pub mod clip_scale;
pub mod ema_update;
pub mod ftrl;

pub mod rmsprop;
pub mod sgd;
mod update;

pub use update::{BLOCK, Update};

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[
    &accumulate::ACCUMULATE,
    &sgd::SGD,
    &sgd::MOMENTUM,
    &adagrad::ADAGRAD,
    &rmsprop::RMSPROP,
    &rmsprop::RMSPROP_MOMENTUM,
    &rmsprop::RMSPROP_CENTERED,
    &rmsprop::RMSPROP_CENTERED_MOMENTUM,
    &adadelta::ADADELTA,
    &adam::ADAM,
    &adam::AMSGRAD,
    &adam::ADAMW,
    &adam::ADAMW_AMSGRAD,
    &ftrl::FTRL,
    &clip_scale::SUM_OF_SQUARES,
    &clip_scale::CLIP_SCALE,
    &ema_update::EMA_UPDATE,
];
