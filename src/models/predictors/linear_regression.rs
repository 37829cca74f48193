//! Linear regression: an affine map.
//!
//! Weights   `weight` (out, in), `bias` (out)
//! Shapes    input (B, in) → output (B, out)

use crate::config::Config;
use crate::graph::{Graph, Tensor};
use crate::models::{Inputs, Model, Trains};
use crate::shape::Dims;
use crate::tensor::Dtype;

/// `LinearRegression`.
pub static LINEAR_REGRESSION: Model = Model {
    name: "LinearRegression",
    title: "Linear regression",
    section: "1.1",
    source: "Legendre 1805",
    config: &["in_features", "out_features"],
    inputs: &["input (B, in_features)"],
    outputs: &["output (B, out_features)"],
    build,
    trains: Some(Trains { output: "output", target: "target", losses: &["mse", "l1", "huber"] }),
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let in_features = config.required_usize("in_features");
    let out_features = config.required_usize("out_features");
    g.output("output", affine(g, inputs, in_features, out_features));
}

/// `input · weightᵀ + bias`: (B, out).
#[track_caller]
pub fn affine<'g>(g: &'g Graph, inputs: &Inputs, in_features: usize, out_features: usize) -> Tensor<'g> {
    let input = inputs.tensor(g, "input", Dtype::F32, &[1, in_features]); // (B, in)
    if input.shape().last() != Some(&in_features) {
        g.reject("input", format!("is {}, and in_features is {in_features}", Dims(&input.shape())));
    }
    let weight = g.root().weight("weight", &[out_features, in_features]);
    input.matmul_t(weight) + g.root().weight("bias", &[out_features])
}
