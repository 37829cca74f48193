//! The variational autoencoder of latent diffusion: an image to the mean and variance of latents, and back.
//!
//! Paper     Kingma, Welling 2014, arXiv:1312.6114 · Rombach et al. 2022, arXiv:2112.10752
//! Weights   diffusers `AutoencoderKL`
//! Differs   the image is decoded from the mean, not from a draw: diffusers' `sample_posterior=False`
//! Shapes    sample (B, C, H, W) → sample (B, out, H, W), latent_dist.mean, latent_dist.logvar (B, c, h, w)

use super::autoencoder::{AutoencoderConfig, decode, encode};
use crate::config::Config;
use crate::graph::Graph;
use crate::kernels::conv::conv2d::Conv2d;
use crate::models::{Inputs, Model};
use crate::nn::resnet2d::conv;

/// `AutoencoderKL`.
pub static AUTOENCODER_KL: Model = Model {
    name: "AutoencoderKL",
    title: "Variational autoencoder of latent diffusion",
    section: "6.4",
    source: "Kingma, Welling 2014, arXiv:1312.6114; Rombach et al. 2022, arXiv:2112.10752",
    config: &[
        "sample_size [32]",
        "in_channels [3]",
        "out_channels [3]",
        "block_out_channels [64]",
        "layers_per_block [1]",
        "down_block_types (DownEncoderBlock2D)",
        "up_block_types (UpDecoderBlock2D)",
        "latent_channels [4]",
        "norm_num_groups [32]",
        "act_fn (silu|swish|gelu|relu|mish) [silu]",
        "mid_block_add_attention [true]",
        "use_quant_conv [true]",
        "use_post_quant_conv [true]",
    ],
    inputs: &["sample (B, in_channels, H, W)"],
    outputs: &[
        "sample (B, out_channels, H, W)",
        "latent_dist.mean (B, latent_channels, h, w)",
        "latent_dist.logvar (B, latent_channels, h, w)",
    ],
    build,
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let cfg = AutoencoderConfig::read(config, 4);
    let use_quant_conv = config.bool("use_quant_conv", true);
    let use_post_quant_conv = config.bool("use_post_quant_conv", true);
    let Some(sample) = cfg.sample(g, inputs) else { return };
    let (root, c) = (g.root(), cfg.latent_channels);

    let h = encode(root.at("encoder"), &cfg, sample, 2 * c); // (B, 2c, h, w)
    let h = if use_quant_conv { conv(root.at("quant_conv"), h, 2 * c, 1, Conv2d::default()) } else { h };
    let [mean, logvar] = h.split(1, [c, c]); // 2 × (B, c, h, w)
    g.output("latent_dist.mean", mean);
    g.output("latent_dist.logvar", logvar.clamp(-30.0, 20.0));

    let z = if use_post_quant_conv { conv(root.at("post_quant_conv"), mean, c, 1, Conv2d::default()) } else { mean };
    g.output("sample", decode(root.at("decoder"), &cfg, z)); // (B, out, H, W)
}
