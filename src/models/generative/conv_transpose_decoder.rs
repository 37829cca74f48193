//! A decoder of images: an affine layer makes a small map of a code, transposed convolutions double it.
//!
//! Paper     Dosovitskiy, Springenberg, Brox 2015, "Learning to generate chairs with convolutional neural networks",
//!           arXiv:1411.5928
//! Weights   `fc`: `weight` (C0·h·w, latent), `bias`; `deconvs.i`: `weight` (in, out, 4, 4), `bias`
//! Differs   one affine layer, and windows of 4 × 4 at a distance of 2 in place of unpooling and a convolution
//! Shapes    input (B, latent) → output (B, C, h·2ⁿ, w·2ⁿ), n one less than `channels` has entries

use super::dense_autoencoder::rows;
use crate::config::Config;
use crate::graph::{Graph, Scope, Tensor};
use crate::kernels::conv::conv_transpose2d::ConvTranspose2d;
use crate::models::feedforward::mlp::{WITH_LINEAR, activate};
use crate::models::{Inputs, Model, Trains};
use crate::nn::linear;

/// `ConvTransposeDecoder`.
pub static CONV_TRANSPOSE_DECODER: Model = Model {
    name: "ConvTransposeDecoder",
    title: "Decoder of images by transposed convolutions",
    section: "11",
    source: "Dosovitskiy, Springenberg, Brox 2015, arXiv:1411.5928",
    config: &[
        "latent_size",
        "base_size [h, w]",
        "channels",
        "activation (relu|tanh|sigmoid|gelu|linear)",
        "output_activation (relu|tanh|sigmoid|gelu|linear)",
    ],
    inputs: &["input (B, latent_size)"],
    outputs: &["output (B, last of channels, H, W)"],
    build,
    trains: Some(Trains { output: "output", target: "target", losses: &["mse", "l1"] }),
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let latent_size = config.required_usize("latent_size");
    let [h, w] = config.required_pair("base_size");
    let channels = config.required_list("channels");
    let activation = config.required_text("activation", WITH_LINEAR);
    let output_activation = config.required_text("output_activation", WITH_LINEAR);
    config.require(channels.len() > 1, "channels", || format!("has {} entries, expected two or more", channels.len()));
    let (Some((&first, rest)), Some(input)) = (channels.split_first(), rows(g, inputs, "input", latent_size)) else {
        return;
    };

    let features = first.saturating_mul(h).saturating_mul(w);
    let x = activate(linear(g.root().at("fc"), input, features, true), activation); // (B, C0·h·w)
    let [b, _] = x.dims();
    let mut x = x.reshape(&[b, first, h, w]); // (B, C0, h, w)
    for (i, &c) in rest.iter().enumerate() {
        let name = if i + 1 < rest.len() { activation } else { output_activation };
        x = activate(doubled(g.root().at("deconvs").at(i), x, c), name); // (B, c, 2h, 2w)
    }
    g.output("output", x);
}

fn doubled<'g>(w: Scope<'g>, x: Tensor<'g>, c: usize) -> Tensor<'g> {
    let [_, c_in, _, _] = x.dims();
    let (weight, bias) = (w.weight("weight", &[c_in, c, 4, 4]), w.weight("bias", &[c]));
    x.conv_transpose2d(weight, Some(bias), ConvTranspose2d { stride: [2, 2], padding: [1, 1], ..Default::default() })
}
