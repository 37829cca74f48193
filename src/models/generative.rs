//! Generative models: autoencoders, adversarial networks, and the networks of diffusion models.

use crate::models::Model;

pub mod autoencoder;
pub mod autoencoder_kl;
pub mod conv_transpose_decoder;
pub mod dcgan;
pub mod dense_autoencoder;
pub mod unet2d;
pub mod vae;
pub mod vq_model;

/// Every generative model.
pub static MODELS: &[&Model] = &[
    &dense_autoencoder::AUTOENCODER,
    &dense_autoencoder::DENOISING_AUTOENCODER,
    &vae::VAE,
    &conv_transpose_decoder::CONV_TRANSPOSE_DECODER,
    &autoencoder_kl::AUTOENCODER_KL,
    &vq_model::VQ_MODEL,
    &dcgan::DCGAN,
    &unet2d::UNET2D,
];
