//! Linear regression: an affine map, and in closed form the one nearest to targets, in the sum of squares.
//!
//! Weights   `weight` (out, in), `bias` (out)
//! Differs   `alpha` is scikit-learn's `Ridge(alpha)`, of the closed form alone: the bias is not penalised
//! Shapes    input (B, in) → output (B, out); with target (B, out) also solution.weight (out, in), solution.bias (out)

use super::least_squares;
use crate::config::Config;
use crate::graph::{Graph, Tensor};
use crate::models::{Inputs, Model, Trains};
use crate::programs::Program;
use crate::shape::Dims;
use crate::tensor::Dtype;

/// `LinearRegression`.
pub static LINEAR_REGRESSION: Model = Model {
    name: "LinearRegression",
    title: "Linear regression",
    section: "1.1",
    source: "Legendre 1805",
    config: &["in_features", "out_features", "alpha [0]"],
    inputs: &["input (B, in_features)", "target (B, out_features), optional: asks for the solution"],
    outputs: &[
        "output (B, out_features)",
        "solution.weight (out_features, in_features), with target",
        "solution.bias (out_features), with target",
    ],
    build,
    program: Some(Program {
        needs: &["input", "target"],
        own: &["target"],
        run: |context, inputs| least_squares::solve(context, inputs, columns, false),
    }),
    trains: Some(Trains { output: "output", target: "target", losses: &["mse", "l1", "huber"] }),
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let in_features = config.required_usize("in_features");
    let out_features = config.required_usize("out_features");
    least_squares::alpha(config);
    g.output("output", affine(g, inputs, in_features, out_features));
}

/// The columns of the input: (B, in).
fn columns<'g>(g: &'g Graph, config: &Config, inputs: &Inputs) -> Tensor<'g> {
    input(g, inputs, config.required_usize("in_features"))
}

/// `input` (B, in).
#[track_caller]
fn input<'g>(g: &'g Graph, inputs: &Inputs, in_features: usize) -> Tensor<'g> {
    let input = inputs.tensor(g, "input", Dtype::F32, &[1, in_features]);
    if input.shape().last() != Some(&in_features) {
        g.reject("input", format!("is {}, and in_features is {in_features}", Dims(&input.shape())));
    }
    input
}

/// `input · weightᵀ + bias`: (B, out).
#[track_caller]
pub fn affine<'g>(g: &'g Graph, inputs: &Inputs, in_features: usize, out_features: usize) -> Tensor<'g> {
    let input = input(g, inputs, in_features); // (B, in)
    let weight = g.root().weight("weight", &[out_features, in_features]);
    input.matmul_t(weight) + g.root().weight("bias", &[out_features])
}
