//! Generative models: autoencoders of images, and the networks of diffusion models.

use crate::models::Model;

pub mod autoencoder;
pub mod autoencoder_kl;
pub mod unet2d;
pub mod vq_model;

/// Every generative model.
pub static MODELS: &[&Model] = &[&autoencoder_kl::AUTOENCODER_KL, &vq_model::VQ_MODEL, &unet2d::UNET2D];
