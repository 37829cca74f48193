//! ViT: a transformer encoder over the patches of an image, with one token more that names it.
//!
//! Paper     Dosovitskiy et al. 2020, arXiv:2010.11929
//! Weights   transformers' `ViTForImageClassification`
//! Differs   dropout does nothing: it is for training; positions are not interpolated: images have `image_size`
//! Shapes    pixel_values (B, C, H, W) → logits (B, num_labels)

use super::{ACTIVATIONS, MAX_LAYERS, activation, num_labels};
use crate::config::Config;
use crate::graph::{Graph, Scope, Tensor};
use crate::kernels::attention::attention::Attend;
use crate::models::{Inputs, Model, Trains};
use crate::nn::{linear, patches};
use crate::tensor::Dtype;

/// `ViTForImageClassification`.
pub static VIT: Model = Model {
    name: "ViTForImageClassification",
    title: "Vision Transformer",
    section: "5.12",
    source: "Dosovitskiy et al. 2020, arXiv:2010.11929",
    config: &[
        "hidden_size [768]",
        "num_hidden_layers [12]",
        "num_attention_heads [12]",
        "intermediate_size [3072]",
        "hidden_act [gelu]",
        "layer_norm_eps [1e-12]",
        "image_size [224]",
        "patch_size [16]",
        "num_channels [3]",
        "qkv_bias [true]",
        "id2label [2 labels]",
    ],
    inputs: &["pixel_values (B, num_channels, image_size, image_size)"],
    outputs: &["logits (B, num_labels)", "debug.hidden_states.1 (B, patches + 1, hidden_size)"],
    prefixes: &["vit"],
    ignorable: |key| key.starts_with("vit.pooler."),
    build,
    init: super::small_normal,
    trains: Some(Trains { output: "logits", target: "labels", losses: &["cross_entropy"] }),
    ..Model::BASE
};

/// Fields of `config.json`; the defaults are the base model with patches of 16.
struct ViTConfig {
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: &'static str,
    layer_norm_eps: f64,
    image_size: [usize; 2],
    patch_size: [usize; 2],
    num_channels: usize,
    qkv_bias: bool,
    num_labels: usize,
}

impl ViTConfig {
    fn read(config: &Config) -> ViTConfig {
        let (hidden_size, heads) = (config.usize("hidden_size", 768), config.usize("num_attention_heads", 12));
        config.require(hidden_size.is_multiple_of(heads), "num_attention_heads", || {
            format!("found {heads}, expected a divisor of hidden_size, {hidden_size}")
        });
        ViTConfig {
            hidden_size,
            num_hidden_layers: config.usize_in("num_hidden_layers", 12, 1..=MAX_LAYERS),
            num_attention_heads: heads,
            intermediate_size: config.usize("intermediate_size", 3072),
            hidden_act: config.text("hidden_act", "gelu", ACTIVATIONS),
            layer_norm_eps: config.positive("layer_norm_eps", 1e-12),
            image_size: config.pair("image_size", [224, 224]),
            patch_size: config.pair("patch_size", [16, 16]),
            num_channels: config.usize("num_channels", 3),
            qkv_bias: config.bool("qkv_bias", true),
            num_labels: num_labels(config),
        }
    }
}

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let cfg = ViTConfig::read(config);
    let [ih, iw] = cfg.image_size;
    let pixel_values = inputs.tensor(g, "pixel_values", Dtype::F32, &[1, cfg.num_channels, ih, iw]); // (B, C, H, W)

    let w = g.root().at("vit");
    let mut x = embeddings(w.at("embeddings"), &cfg, pixel_values); // (B, N + 1, hidden)
    for i in 0..cfg.num_hidden_layers {
        x = layer(w.at("encoder.layer").at(i), &cfg, x);
        if i == 0 {
            g.output("debug.hidden_states.1", x);
        }
    }
    let first = layer_norm(w.at("layernorm"), &cfg, x.slice(1, 0, 1).squeeze(1)); // (B, hidden)
    g.output("logits", linear(g.root().at("classifier"), first, cfg.num_labels, true)); // (B, num_labels)
}

/// The token that will name the image, then its patches row by row, and where each stands.
fn embeddings<'g>(w: Scope<'g>, cfg: &ViTConfig, pixel_values: Tensor<'g>) -> Tensor<'g> {
    let (g, c) = (w.graph(), cfg.hidden_size);
    let projection = w.at("patch_embeddings.projection");
    let [kh, kw] = cfg.patch_size;
    let kernel = projection.weight("weight", &[c, cfg.num_channels, kh, kw]);
    let x = patches(pixel_values, cfg.image_size, kernel, Some(projection.weight("bias", &[c]))); // (B, N, hidden)
    let [b, n, _] = x.dims();
    let first = w.weight("cls_token", &[1, 1, c]).broadcast_to(&[b, 1, c]);
    g.concat(&[first, x], 1) + w.weight("position_embeddings", &[1, n.saturating_add(1), c]) // (B, N + 1, hidden)
}

/// A block: norm, attention, norm, two layers, each half added to what came in.
fn layer<'g>(w: Scope<'g>, cfg: &ViTConfig, x: Tensor<'g>) -> Tensor<'g> {
    let c = cfg.hidden_size;
    let attended = self_attention(w.at("attention.attention"), cfg, layer_norm(w.at("layernorm_before"), cfg, x));
    let x = linear(w.at("attention.output.dense"), attended, c, true) + x;
    let inner = layer_norm(w.at("layernorm_after"), cfg, x);
    let inner = linear(w.at("intermediate.dense"), inner, cfg.intermediate_size, true); // (B, N + 1, intermediate)
    linear(w.at("output.dense"), activation(inner, cfg.hidden_act), c, true) + x
}

fn self_attention<'g>(w: Scope<'g>, cfg: &ViTConfig, x: Tensor<'g>) -> Tensor<'g> {
    let heads = |name: &str| linear(w.at(name), x, cfg.hidden_size, cfg.qkv_bias).heads(cfg.num_attention_heads);
    let [q, k, v] = ["query", "key", "value"].map(heads); // 3 × (B, H, N + 1, D)
    q.attention(k, v, Attend::all()).merge_heads() // (B, N + 1, hidden)
}

fn layer_norm<'g>(w: Scope<'g>, cfg: &ViTConfig, x: Tensor<'g>) -> Tensor<'g> {
    let c = &[cfg.hidden_size];
    x.layer_norm(Some(w.weight("weight", c)), Some(w.weight("bias", c)), cfg.layer_norm_eps)
}
