//! Multi-layer perceptron: affine layers with an activation after every layer but the last.
//!
//! Weights   `layers.i.weight` (out, in), `layers.i.bias` (out), i = 0 … n
//! Differs   dropout (Srivastava et al. 2014) by masks that are given, in training only
//! Shapes    input (B, in) → output (B, out)

use crate::config::Config;
use crate::graph::{Graph, Tensor};
use crate::models::{Inputs, Model, Trains};
use crate::nn::linear;
use crate::shape::Dims;
use crate::tensor::Dtype;

/// `MLP`.
pub static MLP: Model = Model {
    name: "MLP",
    title: "Multi-layer perceptron",
    section: "3.1",
    source: "Rumelhart, Hinton, Williams 1986",
    config: &["in_features", "hidden_sizes", "out_features", "activation (relu|tanh|sigmoid|gelu)", "dropout [0]"],
    inputs: &["input (B, in_features)", "dropout.{i} (B, hidden_sizes[i]), 0 or 1, optional, in training"],
    outputs: &["output (B, out_features)", "debug.hidden.0 (B, hidden_sizes[0])"],
    build,
    trains: Some(Trains {
        output: "output",
        target: "target",
        losses: &[
            "cross_entropy",
            "mse",
            "l1",
            "huber",
            "binary_cross_entropy_with_logits",
            "nll",
            "hinge",
            "multi_margin",
            "gaussian_nll",
            "kl_standard_normal",
            "kl_gaussians",
            "kl_divergence",
            "cosine_embedding",
        ],
    }),
    ..Model::BASE
};

/// Activations the feed-forward models take.
pub const ACTIVATIONS: &[&str] = &["relu", "tanh", "sigmoid", "gelu"];

/// Activations of models that may have none.
pub const WITH_LINEAR: &[&str] = &["relu", "tanh", "sigmoid", "gelu", "linear"];

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let in_features = config.required_usize("in_features");
    let hidden_sizes = config.required_list("hidden_sizes");
    let out_features = config.required_usize("out_features");
    let activation = config.required_text("activation", ACTIVATIONS);
    let dropout = config.f64_in("dropout", 0.0, 0.0..=1.0);
    config.require(dropout < 1.0, "dropout", || format!("found {dropout}, which drops everything"));

    let input = inputs.tensor(g, "input", Dtype::F32, &[1, in_features]); // (B, in)
    if input.shape().last() != Some(&in_features) {
        let message = format!("is {}, and in_features is {in_features}", Dims(&input.shape()));
        return g.reject("input", message);
    }
    let layers = g.root().at("layers");
    let mut x = input;
    for (i, &size) in hidden_sizes.iter().enumerate() {
        x = activate(linear(layers.at(i), x, size, true), activation); // (B, hidden_sizes[i])
        if i == 0 {
            g.output("debug.hidden.0", x);
        }
        x = dropped(g, inputs, &format!("dropout.{i}"), x, dropout);
    }
    g.output("output", linear(layers.at(hidden_sizes.len()), x, out_features, true));
}

/// `x · mask / (1 − dropout)`, where the mask `name` is given.
fn dropped<'g>(g: &'g Graph, inputs: &Inputs, name: &str, x: Tensor<'g>, dropout: f64) -> Tensor<'g> {
    let Some(mask) = inputs.optional(g, name, Dtype::F32) else { return x };
    if !g.training() {
        g.reject(name, "is given, and nothing is dropped in evaluation mode");
    } else if mask.shape() != x.shape() {
        g.reject(name, format!("is {}, expected {}", Dims(&mask.shape()), Dims(&x.shape())));
    }
    x * mask * (1.0 / (1.0 - dropout))
}

/// The activation called `name`; `linear` is none.
#[track_caller]
pub fn activate<'g>(x: Tensor<'g>, name: &str) -> Tensor<'g> {
    match name {
        "relu" => x.relu(),
        "tanh" => x.tanh(),
        "sigmoid" => x.sigmoid(),
        "linear" => x,
        _ => x.gelu(),
    }
}
