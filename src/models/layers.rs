//! The layers of `torch.nn`, each a model under its own name: the keywords of its constructor are the keys of
//! the config, and `input` becomes `output`.

use crate::config::{Config, MAX_SIZE};
use crate::graph::{Graph, Tensor};
use crate::json::Value;
use crate::models::{Inputs, Model};
use crate::shape::{Dims, axis_index};
use crate::tensor::Dtype;

pub mod activation;
pub mod affine;
pub mod conv;
pub mod norm;
pub mod pool;
pub mod resize;

/// Every layer.
pub static MODELS: &[&Model] = &[
    &affine::LINEAR,
    &affine::EMBEDDING,
    &conv::CONV1D,
    &conv::CONV2D,
    &conv::CONV_TRANSPOSE2D,
    &norm::GROUP_NORM,
    &norm::LAYER_NORM,
    &norm::RMS_NORM,
    &norm::BATCH_NORM2D,
    &norm::INSTANCE_NORM2D,
    &pool::MAX_POOL2D,
    &pool::AVG_POOL2D,
    &pool::ADAPTIVE_AVG_POOL2D,
    &resize::INTERPOLATE,
    &activation::SOFTMAX,
    &activation::RELU,
    &activation::LEAKY_RELU,
    &activation::ELU,
    &activation::GELU,
    &activation::SILU,
    &activation::SIGMOID,
    &activation::TANH,
    &activation::SOFTPLUS,
    &activation::HARDSWISH,
    &activation::MISH,
];

/// What the layers have in common.
const LAYER: Model = Model {
    section: "layer",
    source: "PyTorch torch.nn",
    inputs: &["input (…)"],
    outputs: &["output (…)"],
    ..Model::BASE
};

/// The f32 `input`, of `default` shape unless it is given.
#[track_caller]
fn input<'g>(g: &'g Graph, inputs: &Inputs, default: &[usize]) -> Tensor<'g> {
    inputs.tensor(g, "input", Dtype::F32, default)
}

/// Rejects an input that has not `n` elements along `axis`, as the config's `key` says.
#[track_caller]
fn expect(x: Tensor<'_>, axis: i64, n: usize, key: &str) {
    let shape = x.shape();
    if axis_index(axis, shape.len()).map(|a| shape[a]) != Some(n) {
        x.graph().reject("input", format!("is {}, and axis {axis} does not have the {n} of {key}", Dims(&shape)));
    }
}

/// Rejects an input that has not `rank` axes; one fewer is a batch of one to `op`.
#[track_caller]
fn batched<'g>(x: Tensor<'g>, rank: usize, op: impl FnOnce(Tensor<'g>) -> Tensor<'g>) -> Tensor<'g> {
    match rank.checked_sub(x.rank()) {
        Some(0) => op(x),
        Some(1) => {
            let y = op(x.unsqueeze(0));
            if y.rank() == rank { y.squeeze(0) } else { y }
        }
        _ => {
            let message = format!("is {}, expected {} or {rank} axes", Dims(&x.shape()), rank - 1);
            x.graph().reject("input", message);
            x
        }
    }
}

/// A whole number from `least` on for every one of N axes, or a list of N of them.
fn axes<const N: usize>(config: &Config, name: &str, default: usize, least: usize) -> [usize; N] {
    let range = least..=MAX_SIZE;
    if !matches!(config.get(name), Some(Value::Array(_))) {
        return [config.usize_in(name, default, range); N];
    }
    config.list_in(name, &[], range).try_into().unwrap_or_else(|found: Vec<usize>| {
        config.fail(name, format!("found a list of {}, expected {N} numbers", found.len()));
        [default.max(1); N]
    })
}

/// As [`axes`], without a default.
fn required_axes<const N: usize>(config: &Config, name: &str) -> [usize; N] {
    config.require(config.has(name), name, || format!("is missing, expected a whole number, or {N} of them"));
    axes(config, name, 1, 1)
}

/// A number that is added to a variance.
fn epsilon(config: &Config, default: f64) -> f64 {
    let eps = config.f64("eps", default);
    config.require(eps >= 0.0, "eps", || format!("found {eps}, expected a number from 0 on"));
    eps
}

/// Remembers a fault if a keyword that changes the result is there and is not `usual`.
fn only(config: &Config, name: &str, usual: &Value) {
    config.require(config.get(name).is_none_or(|v| v == usual), name, || format!("is not supported, except {usual}"));
}
