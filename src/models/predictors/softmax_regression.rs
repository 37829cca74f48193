//! Softmax regression: the probabilities of several classes.
//!
//! Weights   `weight` (C, in), `bias` (C)
//! Shapes    input (B, in) → logits, probabilities (B, C), predictions (B)

use super::linear_regression::affine;
use crate::config::Config;
use crate::graph::Graph;
use crate::models::{Inputs, Model, Trains};

/// `SoftmaxRegression`.
pub static SOFTMAX_REGRESSION: Model = Model {
    name: "SoftmaxRegression",
    title: "Softmax regression",
    section: "1.4",
    source: "Bridle 1990",
    config: &["in_features", "num_classes"],
    inputs: &["input (B, in_features)"],
    outputs: &["logits (B, num_classes)", "probabilities (B, num_classes)", "predictions (B)"],
    build,
    trains: Some(Trains { output: "logits", target: "target", losses: &["cross_entropy", "multi_margin"] }),
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let in_features = config.required_usize("in_features");
    let num_classes = config.required_usize("num_classes");
    let logits = affine(g, inputs, in_features, num_classes); // (B, C)
    g.output("logits", logits);
    g.output("probabilities", logits.softmax(-1));
    g.output("predictions", logits.argmax(-1, false)); // (B)
}
