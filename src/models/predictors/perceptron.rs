//! The perceptron: on which side of a plane a point lies.
//!
//! Weights   `weight` (out, in), `bias` (out)
//! Init      zeros: from there the rule makes at most (R/γ)² mistakes (Novikoff 1962)
//! Shapes    input (B, in) → output (B, out), +1 or −1

use super::linear_regression::affine;
use crate::config::Config;
use crate::graph::Graph;
use crate::models::{Inputs, Model, Trains};
use crate::train::init::Init;

/// `Perceptron`.
pub static PERCEPTRON: Model = Model {
    name: "Perceptron",
    title: "Perceptron",
    section: "1.5",
    source: "Rosenblatt 1958",
    config: &["in_features", "out_features"],
    inputs: &["input (B, in_features)"],
    outputs: &["output (B, out_features)", "debug.activation (B, out_features)"],
    build,
    trains: Some(Trains { output: "debug.activation", target: "target", losses: &["perceptron", "hinge"] }),
    init: |_, _, _| Some(Init::Zeros),
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let in_features = config.required_usize("in_features");
    let out_features = config.required_usize("out_features");
    let activation = affine(g, inputs, in_features, out_features); // (B, out)
    g.output("debug.activation", activation);
    g.output("output", activation.compare("ge", g.scalar(0.0)).r#where(g.scalar(1.0), g.scalar(-1.0)));
}
