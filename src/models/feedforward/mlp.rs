//! Multi-layer perceptron: affine layers with an activation after every layer but the last.
//!
//! Weights   `layers.i.weight` (out, in), `layers.i.bias` (out), i = 0 … n
//! Shapes    input (B, in) → output (B, out)

use crate::config::Config;
use crate::graph::{Graph, Tensor};
use crate::models::{Inputs, Model};
use crate::nn::linear;
use crate::shape::Dims;
use crate::tensor::Dtype;

/// `MLP`.
pub static MLP: Model = Model {
    name: "MLP",
    title: "Multi-layer perceptron",
    section: "3.1",
    source: "Rumelhart, Hinton, Williams 1986",
    config: &["in_features", "hidden_sizes", "out_features", "activation (relu|tanh|sigmoid|gelu)"],
    inputs: &["input (B, in_features)"],
    outputs: &["output (B, out_features)", "debug.hidden.0 (B, hidden_sizes[0])"],
    build,
    ..Model::BASE
};

/// Activations the feed-forward models take.
pub const ACTIVATIONS: &[&str] = &["relu", "tanh", "sigmoid", "gelu"];

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let in_features = config.required_usize("in_features");
    let hidden_sizes = config.required_list("hidden_sizes");
    let out_features = config.required_usize("out_features");
    let activation = config.required_text("activation", ACTIVATIONS);

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
    }
    g.output("output", linear(layers.at(hidden_sizes.len()), x, out_features, true));
}

/// The activation called `name`.
#[track_caller]
pub fn activate<'g>(x: Tensor<'g>, name: &str) -> Tensor<'g> {
    match name {
        "relu" => x.relu(),
        "tanh" => x.tanh(),
        "sigmoid" => x.sigmoid(),
        _ => x.gelu(),
    }
}
