//! Convolutions along time, dilated, causal or centred, with an affine head for every step or for the sequence.
//!
//! Paper     Bai, Kolter, Koltun 2018, arXiv:1803.01271, 3.1–3.2
//! Weights   `convs.i`: `weight` (out, in, k), `bias`; `head`: `weight` (out, c), `bias`
//! Differs   from the paper: no residual connections, no weight norm
//! Shapes    input (B, T, in) → logits (B, T, out), or (B, out) with pooling

use super::mlp::{ACTIVATIONS, activate};
use crate::config::Config;
use crate::graph::Graph;
use crate::kernels::conv::conv2d::Conv1d;
use crate::models::{Inputs, Model, Trains};
use crate::nn::linear;
use crate::shape::Dims;
use crate::tensor::Dtype;

/// `Conv1dSequence`.
pub static CONV1D_SEQUENCE: Model = Model {
    name: "Conv1dSequence",
    title: "One-dimensional convolution over sequences",
    section: "3.5",
    source: "Bai, Kolter, Koltun 2018, arXiv:1803.01271",
    config: &[
        "in_channels",
        "channels",
        "kernel_size",
        "dilations",
        "causal",
        "activation (relu|tanh|sigmoid|gelu)",
        "pooling (none|mean|last)",
        "out_features",
    ],
    inputs: &["input (B, T, in_channels)"],
    outputs: &["logits (B, T, out_features) or (B, out_features)", "debug.hidden.0 (B, T, channels[0])"],
    build,
    trains: Some(Trains {
        output: "logits",
        target: "target",
        losses: &["cross_entropy", "mse", "binary_cross_entropy_with_logits"],
    }),
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let in_channels = config.required_usize("in_channels");
    let channels = config.required_list("channels");
    let kernel_size = config.required_usize("kernel_size");
    let dilations = config.required_list("dilations");
    config.require(config.has("causal"), "causal", || "is missing, expected true or false".into());
    let causal = config.bool("causal", false);
    let activation = config.required_text("activation", ACTIVATIONS);
    let pooling = config.required_text("pooling", &["none", "mean", "last"]);
    let out_features = config.required_usize("out_features");
    config.require(dilations.len() == channels.len(), "dilations", || {
        format!("has {} layers, channels {}", dilations.len(), channels.len())
    });

    let input = inputs.tensor(g, "input", Dtype::F32, &[1, 8, in_channels]); // (B, T, in)
    let [_, t, features] = input.dims();
    if features != in_channels {
        return g.reject("input", format!("is {}, expected (B, T, {in_channels})", Dims(&input.shape())));
    }
    let mut x = input.transpose(1, 2); // (B, in, T)
    for (i, (&c, &dilation)) in channels.iter().zip(&dilations).enumerate() {
        let [_, before, _] = x.dims();
        let w = g.root().at("convs").at(i);
        let (weight, bias) = (w.weight("weight", &[c, before, kernel_size]), w.weight("bias", &[c]));
        // Zeros that keep T: before the first step, or on both sides, an odd one after the last.
        let reach = (kernel_size - 1) * dilation;
        let left = if causal { reach } else { reach / 2 };
        let options = Conv1d { padding: [left, reach - left], dilation, ..Conv1d::default() };
        x = activate(x.conv1d(weight, Some(bias), options), activation); // (B, c, T)
        if i == 0 {
            g.output("debug.hidden.0", x.transpose(1, 2)); // (B, T, c)
        }
    }
    let x = match pooling {
        "mean" => x.mean(&[2], false),             // (B, c)
        "last" => x.slice(2, t - 1, 1).squeeze(2), // (B, c)
        _ => x.transpose(1, 2),                    // (B, T, c)
    };
    g.output("logits", linear(g.root().at("head"), x, out_features, true));
}
