//! Attention and the blocks around it: layers of their own, those of `torch.nn`, and the original Transformer.

use crate::config::Config;
use crate::engine::Tensors;
use crate::error::Result;
use crate::graph::{Graph, Tensor};
use crate::models::{Inputs, Model};
use crate::nn::multi_head::TransformerBlock;
use crate::run::ids_in_range;
use crate::shape::Dims;
use crate::tensor::Dtype;

pub mod attention_layer;
pub mod multihead_attention;
pub mod self_attention2d;
pub mod self_attention_layer;
pub mod sinusoidal_positional_encoding;
pub mod transformer;
pub mod transformer_layers;

/// Every model of attention.
pub static MODELS: &[&Model] = &[
    &attention_layer::ATTENTION_LAYER,
    &self_attention_layer::SELF_ATTENTION_LAYER,
    &self_attention_layer::MASKED_SELF_ATTENTION_LAYER,
    &multihead_attention::MULTIHEAD_ATTENTION,
    &self_attention2d::SELF_ATTENTION2D,
    &transformer_layers::TRANSFORMER_ENCODER_LAYER,
    &transformer_layers::TRANSFORMER_DECODER_LAYER,
    &sinusoidal_positional_encoding::SINUSOIDAL_POSITIONAL_ENCODING,
    &transformer::TRANSFORMER,
];

/// Added to a score that is masked. Two of them are still a number of f32, and −1e38 leaves a weight of 0.
const MASKED: f64 = -1.5e38;

/// `masked`, 1 where a query may not attend, as what is added to scores.
fn added(masked: Tensor<'_>) -> Tensor<'_> {
    let g = masked.graph();
    masked.r#where(g.scalar(MASKED), g.scalar(0.0))
}

/// The mask `name` as what is added to scores: i32 is 1 where a key is masked, f32 is added as it is.
#[track_caller]
fn mask<'g>(g: &'g Graph, inputs: &Inputs, name: &str, shape: &[usize]) -> Option<Tensor<'g>> {
    let dtype = inputs.given.as_ref()?.get(name)?.dtype;
    let mask = inputs.optional(g, name, if dtype == Dtype::F32 { dtype } else { Dtype::I32 })?;
    if mask.shape() != shape {
        g.reject(name, format!("is {}, expected {}", Dims(&mask.shape()), Dims(shape)));
        return None;
    }
    // −inf, PyTorch's own mask, becomes finite.
    Some(if dtype == Dtype::F32 { mask.maximum(g.scalar(MASKED)) } else { added(mask) })
}

/// The masks `of_pairs (T, S)` and `of_keys (B, S)` together, as what is added to scores (B, H, T, S).
#[track_caller]
fn bias<'g>(g: &'g Graph, inputs: &Inputs, names: [&str; 2], [b, t, s]: [usize; 3]) -> Option<Tensor<'g>> {
    let [of_pairs, of_keys] = names;
    let pairs = mask(g, inputs, of_pairs, &[t, s]).map(|m| m.reshape(&[1, 1, t, s]));
    let keys = mask(g, inputs, of_keys, &[b, s]).map(|m| m.reshape(&[b, 1, 1, s]));
    match (pairs, keys) {
        (Some(pairs), Some(keys)) => Some(pairs + keys),
        (one, other) => one.or(other),
    }
}

/// Checks that the i32 masks among `names` hold 0 and 1.
fn check_masks(inputs: &Tensors, names: &[&str]) -> Result<()> {
    let given = names.iter().filter_map(|name| Some((name, inputs.get(*name)?)));
    given.filter(|(_, mask)| mask.dtype() == Dtype::I32).try_for_each(|(name, mask)| ids_in_range(name, mask, 2))
}

/// The input `name (B, T, features)`, which stands as `(T, B, features)` unless `batch_first`.
#[track_caller]
fn sequence<'g>(g: &'g Graph, inputs: &Inputs, name: &str, features: usize, batch_first: bool) -> Tensor<'g> {
    let default = if batch_first { [1, 8, features] } else { [8, 1, features] };
    let x = inputs.tensor(g, name, Dtype::F32, &default);
    let [_, _, found] = x.dims();
    if found != features {
        g.reject(name, format!("is {}, expected {features} features", Dims(&x.shape())));
    }
    ordered(x, batch_first)
}

/// Between `(T, B, …)` and `(B, T, …)`, unless `batch_first`.
fn ordered(x: Tensor<'_>, batch_first: bool) -> Tensor<'_> {
    if batch_first { x } else { x.transpose(0, 1) }
}

/// Heads that must divide `width`, the key `of`.
fn heads(config: &Config, name: &str, heads: usize, of: &str, width: usize) -> usize {
    config.require(width.is_multiple_of(heads), name, || format!("found {heads}, expected a divisor of {of}, {width}"));
    heads
}

/// The arguments of the blocks of `torch.nn`, of width `d_model`.
fn block(config: &Config, d_model: usize, nhead: usize) -> TransformerBlock {
    TransformerBlock {
        heads: heads(config, "nhead", nhead, "d_model", d_model),
        dim_feedforward: config.usize("dim_feedforward", 2048),
        activation: config.text("activation", "relu", &["relu", "gelu"]),
        layer_norm_eps: config.positive("layer_norm_eps", 1e-5),
        norm_first: config.bool("norm_first", false),
        bias: config.bool("bias", true),
    }
}
