//! Logistic regression: the probability of one of two classes.
//!
//! Weights   `weight` (1, in), `bias` (1)
//! Shapes    input (B, in) → logits, probabilities (B, 1), predictions (B)

use super::linear_regression::affine;
use crate::config::Config;
use crate::graph::Graph;
use crate::models::{Inputs, Model, Trains};

/// `LogisticRegression`.
pub static LOGISTIC_REGRESSION: Model = Model {
    name: "LogisticRegression",
    title: "Logistic regression",
    section: "1.3",
    source: "Cox 1958",
    config: &["in_features"],
    inputs: &["input (B, in_features)"],
    outputs: &["logits (B, 1)", "probabilities (B, 1)", "predictions (B)"],
    build,
    trains: Some(Trains { output: "logits", target: "target", losses: &["binary_cross_entropy_with_logits", "hinge"] }),
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let in_features = config.required_usize("in_features");
    let logits = affine(g, inputs, in_features, 1); // (B, 1)
    let probabilities = logits.sigmoid();
    g.output("logits", logits);
    g.output("probabilities", probabilities);
    let [b, _] = probabilities.dims();
    g.output("predictions", probabilities.compare("ge", g.scalar(0.5)).reshape(&[b])); // (B)
}
