//! LeNet: two convolutions, each with an activation and a pooling, then three affine layers.
//!
//! Paper     LeCun, Bottou, Bengio, Haffner 1998, "Gradient-based learning applied to document recognition"
//! Weights   `conv1`, `conv2`: `weight` (out, in, k, k), `bias`; `fc1`, `fc2`, `fc3`: `weight` (out, in), `bias`
//! Differs   every map of the second convolution sees all of the first; pooling has no weights; the last layer
//!           is affine instead of Gaussian
//! Shapes    pixel_values (B, in, H, W) → logits (B, classes)

use super::mlp::{ACTIVATIONS, activate};
use crate::config::Config;
use crate::graph::{Graph, Scope, Tensor};
use crate::kernels::conv::conv2d::Conv2d;
use crate::kernels::pool::Pool2d;
use crate::models::{Inputs, Model, Trains};
use crate::nn::linear;
use crate::shape::Dims;
use crate::tensor::Dtype;

/// `LeNet`.
pub static LENET: Model = Model {
    name: "LeNet",
    title: "LeNet-style convolutional network",
    section: "3.4",
    source: "LeCun, Bottou, Bengio, Haffner 1998",
    config: &[
        "in_channels",
        "image_size [H, W]",
        "conv_channels [c1, c2]",
        "kernel_size",
        "padding (valid|same)",
        "pooling (max|mean|stochastic)",
        "activation (relu|tanh|sigmoid|gelu)",
        "fc_sizes [f1, f2]",
        "num_classes",
    ],
    inputs: &["pixel_values (B, in_channels, H, W)"],
    outputs: &["logits (B, num_classes)", "debug.pool1 (B, c1, H', W')"],
    build,
    trains: Some(Trains { output: "logits", target: "target", losses: &["cross_entropy", "multi_margin"] }),
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let in_channels = config.required_usize("in_channels");
    let image_size = config.required_pair("image_size");
    let conv_channels = config.required_pair("conv_channels");
    let kernel_size = config.required_usize("kernel_size");
    let padding = config.required_text("padding", &["valid", "same"]);
    let pooling = config.required_text("pooling", &["max", "mean", "stochastic"]);
    let activation = config.required_text("activation", ACTIVATIONS);
    let fc_sizes = config.required_pair("fc_sizes");
    let num_classes = config.required_usize("num_classes");
    let odd = padding == "valid" || kernel_size % 2 == 1;
    config.require(odd, "kernel_size", || format!("is {kernel_size}, and padding \"same\" needs an odd one"));

    let image = [in_channels, image_size[0], image_size[1]];
    let x = inputs.tensor(g, "pixel_values", Dtype::F32, &[&[1], &image[..]].concat()); // (B, in, H, W)
    if x.shape().get(1..) != Some(&image[..]) {
        let message = format!("is {}, expected (B, {}, {}, {})", Dims(&x.shape()), image[0], image[1], image[2]);
        return g.reject("pixel_values", message);
    }
    let zeros = if padding == "same" { kernel_size / 2 } else { 0 };
    let block = |name, x, channels| {
        let y = conv(g.root().at(name), x, channels, kernel_size, zeros); // (B, channels, h, w)
        pool(activate(y, activation), pooling) // (B, channels, h/2, w/2)
    };
    let x = block("conv1", x, conv_channels[0]);
    g.output("debug.pool1", x);
    let x = block("conv2", x, conv_channels[1]);

    let [b, c, h, w] = x.dims();
    let x = x.reshape(&[b, c * h * w]); // (B, c2·h·w)
    let x = activate(linear(g.root().at("fc1"), x, fc_sizes[0], true), activation); // (B, f1)
    let x = activate(linear(g.root().at("fc2"), x, fc_sizes[1], true), activation); // (B, f2)
    g.output("logits", linear(g.root().at("fc3"), x, num_classes, true));
}

fn conv<'g>(w: Scope<'g>, x: Tensor<'g>, channels: usize, k: usize, zeros: usize) -> Tensor<'g> {
    let [_, c, _, _] = x.dims();
    let (weight, bias) = (w.weight("weight", &[channels, c, k, k]), w.weight("bias", &[channels]));
    x.conv2d(weight, Some(bias), Conv2d::padded(zeros))
}

/// Windows of 2 × 2 that do not overlap; an odd last row or column is dropped.
fn pool<'g>(x: Tensor<'g>, pooling: &str) -> Tensor<'g> {
    match pooling {
        "max" => x.max_pool2d(Pool2d::square(2)),
        "mean" => x.avg_pool2d(Pool2d::square(2)),
        // In evaluation mode, the mean under the probabilities of drawing.
        _ => x.stochastic_pool2d([2, 2], [2, 2], None),
    }
}
