//! The vector-quantised autoencoder: every position of an image's latents becomes the nearest of K vectors.
//!
//! Paper     van den Oord, Vinyals, Kavukcuoglu 2017, arXiv:1711.00937 · Rombach et al. 2022, arXiv:2112.10752
//! Weights   diffusers `VQModel`; the vectors are `quantize.embedding.weight` (K, v)
//! Shapes    sample (B, C, H, W) → sample (B, out, H, W), latents (B, v, h, w), codes (B, h, w)

use super::autoencoder::{AutoencoderConfig, decode, encode};
use crate::config::Config;
use crate::graph::{Graph, Tensor};
use crate::kernels::conv::conv2d::Conv2d;
use crate::models::{Inputs, Model};
use crate::nn::resnet2d::conv;

/// `VQModel`.
pub static VQ_MODEL: Model = Model {
    name: "VQModel",
    title: "Vector-quantised autoencoder",
    section: "6.5",
    source: "van den Oord, Vinyals, Kavukcuoglu 2017, arXiv:1711.00937",
    config: &[
        "sample_size [32]",
        "in_channels [3]",
        "out_channels [3]",
        "block_out_channels [64]",
        "layers_per_block [1]",
        "down_block_types (DownEncoderBlock2D)",
        "up_block_types (UpDecoderBlock2D)",
        "latent_channels [3]",
        "num_vq_embeddings [256]",
        "vq_embed_dim [latent_channels]",
        "norm_num_groups [32]",
        "norm_type (group) [group]",
        "act_fn (silu|swish|gelu|relu|mish) [silu]",
        "mid_block_add_attention [true]",
    ],
    inputs: &["sample (B, in_channels, H, W)"],
    outputs: &[
        "sample (B, out_channels, H, W)",
        "latents (B, vq_embed_dim, h, w)",
        "codes (B, h, w)",
        "debug.quantized (B, vq_embed_dim, h, w)",
    ],
    build,
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let cfg = AutoencoderConfig::read(config, 3);
    config.text("norm_type", "group", &["group"]);
    let num_vq_embeddings = config.usize("num_vq_embeddings", 256);
    let v = config.usize("vq_embed_dim", cfg.latent_channels);
    let Some(sample) = cfg.sample(g, inputs) else { return };
    let root = g.root();

    let h = encode(root.at("encoder"), &cfg, sample, cfg.latent_channels); // (B, c, h, w)
    let latents = conv(root.at("quant_conv"), h, v, 1, Conv2d::default()); // (B, v, h, w)
    g.output("latents", latents);

    let vectors = root.weight("quantize.embedding.weight", &[num_vq_embeddings, v]);
    let codes = nearest(latents, vectors); // (B, h, w)
    g.output("codes", codes);
    let quantized = codes.embedding(vectors).permute(&[0, 3, 1, 2]); // (B, v, h, w)
    g.output("debug.quantized", quantized);

    let z = conv(root.at("post_quant_conv"), quantized, cfg.latent_channels, 1, Conv2d::default()); // (B, c, h, w)
    g.output("sample", decode(root.at("decoder"), &cfg, z)); // (B, out, H, W)
}

/// The row of `vectors (K, v)` nearest to every position of `latents (B, v, h, w)`: `|z − e|²` is smallest where
/// `z·e − |e|²/2` is largest, and that is one product instead of B·h·w·K·v differences.
fn nearest<'g>(latents: Tensor<'g>, vectors: Tensor<'g>) -> Tensor<'g> {
    let [b, v, h, w] = latents.dims();
    let tokens = latents.permute(&[0, 2, 3, 1]).reshape(&[b, h * w, v]); // (B, h·w, v)
    let half = 0.5 * vectors.square().sum(&[-1], false); // (K)
    (tokens.matmul_t(vectors) - half).argmax(-1, false).reshape(&[b, h, w])
}
