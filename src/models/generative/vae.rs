//! The variational autoencoder: affine layers to a normal distribution of codes, and from a code back.
//!
//! Paper     Kingma, Welling 2014, arXiv:1312.6114, appendix C
//! Weights   `encoder.i`, `mu`, `logvar`, `decoder.i`: `weight` (out, in), `bias` (out)
//! Differs   noise is given, not drawn, one draw a row. The decoder's last layer is affine: logits of Bernoulli
//!           variables or means of normal ones, as the loss takes them
//! Init      normal with mean 0 and variance 0.01, all parameters (section 5)
//! Shapes    input (B, in) → mu, logvar, z (B, latent), output (B, in); z (B, latent) alone → output (B, in)

use super::dense_autoencoder::{drawn, layers, rows};
use crate::config::Config;
use crate::graph::Graph;
use crate::models::feedforward::mlp::WITH_LINEAR;
use crate::models::{Inputs, Model, Trains};
use crate::nn::linear;

/// `VAE`.
pub static VAE: Model = Model {
    name: "VAE",
    title: "Variational autoencoder of affine layers",
    section: "6.2",
    source: "Kingma, Welling 2014, arXiv:1312.6114",
    config: &["input_size", "hidden_sizes", "latent_size", "activation (relu|tanh|sigmoid|gelu|linear)"],
    inputs: &[
        "input (B, input_size)",
        "eps (B, latent_size), standard normal, optional except in training; without it z = mu",
        "z (B, latent_size), in place of input: decodes it",
    ],
    outputs: &[
        "output (B, input_size)",
        "mu (B, latent_size), with input",
        "logvar (B, latent_size), with input",
        "z (B, latent_size), with input",
    ],
    build,
    trains: Some(Trains { output: "output", target: "input", losses: &["vae"] }),
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let input_size = config.required_usize("input_size");
    let hidden_sizes = config.required_list("hidden_sizes");
    let latent_size = config.required_usize("latent_size");
    let activation = config.required_text("activation", WITH_LINEAR);
    let w = g.root();
    let back: Vec<usize> = hidden_sizes.iter().rev().copied().chain([input_size]).collect();
    let decode = |z| layers(w.at("decoder"), z, &back, activation, "linear"); // (B, in)

    if inputs.has("z") && !inputs.has("input") {
        if let Some(z) = rows(g, inputs, "z", latent_size) {
            g.output("output", decode(z));
        }
        return;
    }
    let Some(input) = rows(g, inputs, "input", input_size) else { return };
    let h = layers(w.at("encoder"), input, &hidden_sizes, activation, activation); // (B, last of hidden_sizes)
    let mu = linear(w.at("mu"), h, latent_size, true); // (B, latent)
    let logvar = linear(w.at("logvar"), h, latent_size, true); // (B, latent)
    let z = drawn(g, inputs, "eps", &mu.shape()).map_or(mu, |eps| mu + (0.5 * logvar).exp() * eps);
    g.output("mu", mu);
    g.output("logvar", logvar);
    g.output("z", z);
    g.output("output", decode(z));
}
