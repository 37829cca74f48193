//! Generative models: the networks of diffusion models.

use crate::models::Model;

pub mod unet2d;

/// Every generative model.
pub static MODELS: &[&Model] = &[&unet2d::UNET2D];
