//! Autoencoders of affine layers: an encoder to a code, and a decoder through the same sizes backwards. The denoising
//! one sees a damaged input and is trained to give the clean one.
//!
//! Paper     Hinton, Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks" · Vincent,
//!           Larochelle, Bengio, Manzagol 2008, "Extracting and composing robust features with denoising autoencoders"
//! Weights   `encoder.i`, `decoder.i`: `weight` (out, in), `bias` (out), i = 0 … n − 1
//! Differs   the damage is given, not drawn; without it the denoising autoencoder sees its input as it is. Gaussian
//!           noise beside the paper's masks
//! Init      the papers start from weights pretrained layer by layer (RBMs, shallow denoising autoencoders)
//! Shapes    input (B, in) → code (B, hidden_sizes[n − 1]), output (B, in)

use crate::config::Config;
use crate::graph::{Graph, Scope, Tensor};
use crate::models::feedforward::mlp::{WITH_LINEAR, activate};
use crate::models::{Inputs, Model, Trains};
use crate::nn::linear;
use crate::shape::Dims;
use crate::tensor::Dtype;

/// `Autoencoder`.
pub static AUTOENCODER: Model = Model {
    name: "Autoencoder",
    title: "Autoencoder of affine layers",
    section: "6.1",
    source: "Hinton, Salakhutdinov 2006",
    config: &[
        "input_size",
        "hidden_sizes",
        "activation (relu|tanh|sigmoid|gelu|linear)",
        "output_activation (relu|tanh|sigmoid|gelu|linear)",
    ],
    inputs: &["input (B, input_size)"],
    outputs: &["output (B, input_size)", "code (B, last of hidden_sizes)"],
    build: |g, config, inputs| {
        let cfg = Layers::read(config);
        if let Some(input) = rows(g, inputs, "input", cfg.input_size) {
            cfg.build(g, input);
        }
    },
    trains: Some(Trains {
        output: "output",
        target: "input",
        losses: &["mse", "binary_cross_entropy_with_logits", "l1"],
    }),
    ..Model::BASE
};

/// `DenoisingAutoencoder`.
pub static DENOISING_AUTOENCODER: Model = Model {
    name: "DenoisingAutoencoder",
    title: "Denoising autoencoder",
    section: "6.1",
    source: "Vincent, Larochelle, Bengio, Manzagol 2008",
    config: &[
        "input_size",
        "hidden_sizes",
        "activation (relu|tanh|sigmoid|gelu|linear)",
        "output_activation (relu|tanh|sigmoid|gelu|linear)",
        "corruption (gaussian|masking)",
        "noise_std, for gaussian",
    ],
    inputs: &[
        "input (B, input_size)",
        "noise (B, input_size), standard normal, for gaussian, optional except in training",
        "mask (B, input_size), 0 or 1, for masking, optional except in training",
    ],
    outputs: &["output (B, input_size)", "code (B, last of hidden_sizes)"],
    build: denoising_autoencoder,
    trains: Some(Trains {
        output: "output",
        target: "input",
        losses: &["mse", "binary_cross_entropy_with_logits", "l1"],
    }),
    ..Model::BASE
};

/// The fields of `config.json` that both have.
struct Layers {
    input_size: usize,
    hidden_sizes: Vec<usize>,
    activation: &'static str,
    output_activation: &'static str,
}

impl Layers {
    fn read(config: &Config) -> Layers {
        let hidden_sizes = config.required_list("hidden_sizes");
        config.require(!hidden_sizes.is_empty(), "hidden_sizes", || "is empty, and its last is the code's".into());
        Layers {
            input_size: config.required_usize("input_size"),
            hidden_sizes,
            activation: config.required_text("activation", WITH_LINEAR),
            output_activation: config.required_text("output_activation", WITH_LINEAR),
        }
    }

    fn build(&self, g: &Graph, input: Tensor<'_>) {
        let code = layers(g.root().at("encoder"), input, &self.hidden_sizes, self.activation, self.activation);
        g.output("code", code); // (B, last of hidden_sizes)
        let back: Vec<usize> = self.hidden_sizes.iter().rev().skip(1).copied().chain([self.input_size]).collect();
        let output = layers(g.root().at("decoder"), code, &back, self.activation, self.output_activation);
        g.output("output", output); // (B, in)
    }
}

fn denoising_autoencoder(g: &Graph, config: &Config, inputs: &Inputs) {
    let cfg = Layers::read(config);
    let gaussian = config.required_text("corruption", &["gaussian", "masking"]) == "gaussian";
    let noise_std = if gaussian { config.required_positive("noise_std") } else { 0.0 };
    let Some(input) = rows(g, inputs, "input", cfg.input_size) else { return };
    let shape = input.shape();
    let damaged = if gaussian {
        drawn(g, inputs, "noise", &shape).map(|noise| input + noise_std * noise)
    } else {
        drawn(g, inputs, "mask", &shape).map(|mask| input * mask)
    };
    cfg.build(g, damaged.unwrap_or(input)); // (B, in)
}

/// Affine layers `w.0`, `w.1`, … to `sizes`, with `activation` after each but the last, and `last` after that.
#[track_caller]
pub(super) fn layers<'g>(w: Scope<'g>, mut x: Tensor<'g>, sizes: &[usize], activation: &str, last: &str) -> Tensor<'g> {
    for (i, &size) in sizes.iter().enumerate() {
        let name = if i + 1 < sizes.len() { activation } else { last };
        x = activate(linear(w.at(i), x, size, true), name); // (B, sizes[i])
    }
    x
}

/// The input `name (B, features)`; `None`, and an error of the graph, if it has another shape.
#[track_caller]
pub(super) fn rows<'g>(g: &'g Graph, inputs: &Inputs, name: &str, features: usize) -> Option<Tensor<'g>> {
    let x = inputs.tensor(g, name, Dtype::F32, &[1, features]);
    let fits = matches!(x.shape()[..], [_, n] if n == features);
    if !fits {
        g.reject(name, format!("is {}, expected (B, {features})", Dims(&x.shape())));
    }
    fits.then_some(x)
}

/// The random draw `name` of `shape`: needed in training, and in evaluation there only if it was given.
#[track_caller]
pub(super) fn drawn<'g>(g: &'g Graph, inputs: &Inputs, name: &str, shape: &[usize]) -> Option<Tensor<'g>> {
    if !g.training() && !inputs.has(name) {
        return None;
    }
    let x = inputs.tensor(g, name, Dtype::F32, shape);
    if x.shape() != shape {
        g.reject(name, format!("is {}, expected {}", Dims(&x.shape()), Dims(shape)));
    }
    Some(x)
}
