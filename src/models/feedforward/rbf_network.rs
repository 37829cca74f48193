//! A network of radial basis functions: a linear map of Gaussian bumps around centres.
//!
//! Weights   `centers` (K, D), `widths` (K), `weight` (out, K), `bias` (out)
//! Shapes    input (B, D) → output (B, out)

use crate::config::Config;
use crate::graph::Graph;
use crate::models::{Inputs, Model, Trains};
use crate::shape::Dims;
use crate::tensor::Dtype;

/// `RBFNetwork`.
pub static RBF_NETWORK: Model = Model {
    name: "RBFNetwork",
    title: "Radial basis function network",
    section: "3.2",
    source: "Broomhead, Lowe 1988",
    config: &["in_features", "num_centers", "out_features"],
    inputs: &["input (B, in_features)"],
    outputs: &["output (B, out_features)", "debug.phi (B, num_centers)"],
    build,
    trains: Some(Trains { output: "output", target: "target", losses: &["mse", "l1", "huber", "cross_entropy"] }),
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let in_features = config.required_usize("in_features");
    let num_centers = config.required_usize("num_centers");
    let out_features = config.required_usize("out_features");
    let input = inputs.tensor(g, "input", Dtype::F32, &[1, in_features]); // (B, D)
    let [_, features] = input.dims();
    if features != in_features {
        return g.reject("input", format!("is {}, and in_features is {in_features}", Dims(&input.shape())));
    }
    let w = g.root();
    let centers = w.weight("centers", &[num_centers, in_features]);
    let widths = w.weight("widths", &[num_centers]);

    // The differences themselves, not |x|² − 2x·c + |c|², which cancels near a centre.
    let distance = (input.unsqueeze(1) - centers).square().sum(&[-1], false); // (B, K)
    let phi = (-(distance / (2.0 * widths.square()))).exp();
    g.output("debug.phi", phi);
    let output = phi.matmul_t(w.weight("weight", &[out_features, num_centers])); // (B, out)
    g.output("output", output + w.weight("bias", &[out_features]));
}
