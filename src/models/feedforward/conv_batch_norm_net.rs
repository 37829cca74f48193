//! A convolutional classifier with batch normalisation: convolution, norm, ReLU and pooling at every level, then the mean
//! over positions and an affine layer.
//!
//! Paper     Ioffe, Szegedy 2015, "Batch normalization", arXiv:1502.03167 · Lin, Chen, Yan 2014, arXiv:1312.4400 (the mean
//!           over positions)
//! Weights   `convs.i.weight` (out, in, 3, 3), no bias, which the norm would take away; `norms.i`: `weight`, `bias`,
//!           `running_mean`, `running_var`; `head`
//! Shapes    pixel_values (B, in, H, W) → logits (B, classes)

use crate::config::Config;
use crate::graph::Graph;
use crate::kernels::conv::conv2d::Conv2d;
use crate::kernels::pool::Pool2d;
use crate::models::{Inputs, Model, Trains};
use crate::nn::{batch_norm2d, linear};
use crate::shape::Dims;
use crate::tensor::Dtype;

/// `ConvBatchNormNet`.
pub static CONV_BATCH_NORM_NET: Model = Model {
    name: "ConvBatchNormNet",
    title: "Convolutional network with batch normalisation",
    section: "3.4",
    source: "Ioffe, Szegedy 2015, arXiv:1502.03167",
    config: &["in_channels", "channels", "num_classes", "eps [1e-5]", "momentum [0.1]"],
    inputs: &["pixel_values (B, in_channels, H, W)"],
    outputs: &["logits (B, num_classes)", "debug.pool.0 (B, channels[0], H/2, W/2)"],
    ignorable: |key| key.ends_with(".num_batches_tracked"),
    build,
    trains: Some(Trains { output: "logits", target: "target", losses: &["cross_entropy", "multi_margin"] }),
    ..Model::BASE
};

/// Each level halves the image.
const MAX_LEVELS: usize = 12;

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let in_channels = config.required_usize("in_channels");
    let channels = config.required_list("channels");
    let num_classes = config.required_usize("num_classes");
    let eps = config.positive("eps", 1e-5);
    let momentum = config.f64_in("momentum", 0.1, 0.0..=1.0);
    let levels = channels.len();
    config.require((1..=MAX_LEVELS).contains(&levels), "channels", || {
        format!("has {levels} entries, expected 1 to {MAX_LEVELS}")
    });
    config.require(!config.is_null("momentum"), "momentum", || {
        "found null, and a mean over all batches is not supported".into()
    });

    let side = 2usize << levels.min(MAX_LEVELS);
    let mut x = inputs.tensor(g, "pixel_values", Dtype::F32, &[1, in_channels, side, side]); // (B, in, H, W)
    if !matches!(x.shape()[..], [_, c, _, _] if c == in_channels) {
        return g.reject("pixel_values", format!("is {}, expected (B, {in_channels}, H, W)", Dims(&x.shape())));
    }
    let w = g.root();
    for (i, &c) in channels.iter().enumerate() {
        let [_, c_in, _, _] = x.dims();
        let weight = w.at("convs").at(i).weight("weight", &[c, c_in, 3, 3]);
        let y = x.conv2d(weight, None, Conv2d::padded(1)); // (B, c, H/2ⁱ, W/2ⁱ)
        let y = batch_norm2d(w.at("norms").at(i), y, eps, momentum).relu();
        x = y.max_pool2d(Pool2d::square(2)); // (B, c, H/2ⁱ⁺¹, W/2ⁱ⁺¹)
        if i == 0 {
            g.output("debug.pool.0", x);
        }
    }
    let pooled = x.mean(&[2, 3], false); // (B, c)
    g.output("logits", linear(w.at("head"), pooled, num_classes, true)); // (B, classes)
}
