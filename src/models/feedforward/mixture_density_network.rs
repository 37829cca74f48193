//! A mixture density network: layers whose output is a mixture of isotropic Gaussians.
//!
//! Paper     Bishop 1994, "Mixture density networks", NCRG/94/004, eq. 22–29
//! Weights   `layers.i`, `pi` (K, H), `mu` (K·D, H) with the rows of a component together, `sigma` (K, H)
//! Shapes    input (B, in) → pi, sigma (B, K), mu (B, K, D); with target (B, D) also nll (B)

use std::f64::consts::TAU;

use crate::config::Config;
use crate::graph::{Graph, Tensor};
use crate::models::{Inputs, Model, Trains};
use crate::nn::linear;
use crate::shape::Dims;
use crate::tensor::Dtype;

/// `MixtureDensityNetwork`.
pub static MIXTURE_DENSITY_NETWORK: Model = Model {
    name: "MixtureDensityNetwork",
    title: "Mixture density network",
    section: "3.3",
    source: "Bishop 1994",
    config: &["in_features", "hidden_sizes", "num_components", "out_features"],
    inputs: &["input (B, in_features)", "target (B, out_features), optional"],
    outputs: &[
        "pi (B, num_components)",
        "mu (B, num_components, out_features)",
        "sigma (B, num_components)",
        "nll (B), with target",
    ],
    build,
    trains: Some(Trains { output: "nll", target: "target", losses: &["mdn_nll"] }),
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let in_features = config.required_usize("in_features");
    let hidden_sizes = config.required_list("hidden_sizes");
    let k = config.required_usize("num_components");
    let d = config.required_usize("out_features");
    let input = inputs.tensor(g, "input", Dtype::F32, &[1, in_features]); // (B, in)
    let [b, features] = input.dims();
    if features != in_features {
        return g.reject("input", format!("is {}, and in_features is {in_features}", Dims(&input.shape())));
    }

    let w = g.root();
    let mut h = input;
    for (i, &size) in hidden_sizes.iter().enumerate() {
        h = linear(w.at("layers").at(i), h, size, true).tanh(); // (B, hidden_sizes[i])
    }
    let scores = linear(w.at("pi"), h, k, true); // (B, K)
    let mu = linear(w.at("mu"), h, k * d, true).reshape(&[b, k, d]); // (B, K, D)
    let log_sigma = linear(w.at("sigma"), h, k, true); // (B, K)
    g.output("pi", scores.softmax(-1));
    g.output("mu", mu);
    g.output("sigma", log_sigma.exp());
    if let Some(target) = inputs.optional(g, "target", Dtype::F32) {
        if target.shape() != [b, d] {
            return g.reject("target", format!("is {}, expected ({b}, {d})", Dims(&target.shape())));
        }
        g.output("nll", nll(scores.log_softmax(-1), mu, log_sigma, target)); // (B)
    }
}

/// `−log Σ_k pi_k (2π sigma_k²)^(−D/2) exp(−|target − mu_k|² / (2 sigma_k²))`
///
/// # Shapes
/// `log_pi`, `log_sigma (B, K)` · `mu (B, K, D)` · `target (B, D)` → `(B)`
pub(crate) fn nll<'g>(log_pi: Tensor<'g>, mu: Tensor<'g>, log_sigma: Tensor<'g>, target: Tensor<'g>) -> Tensor<'g> {
    let [_, _, d] = mu.dims();
    let distance = (target.unsqueeze(1) - mu).square().sum(&[-1], false); // (B, K)
    let exponent = 0.5 * distance * (-2.0 * log_sigma).exp();
    let log_norm = d as f64 * log_sigma + 0.5 * d as f64 * TAU.ln();
    -(log_pi - log_norm - exponent).logsumexp(&[-1], false) // (B)
}
