//! Convolutions along one and two axes, and the transposed one.

use std::array::from_fn;

use super::{LAYER, axes, batched, expect, input, only, required_axes};
use crate::config::Config;
use crate::graph::{Graph, Tensor};
use crate::json::Value;
use crate::kernels::conv::conv_transpose2d::ConvTranspose2d;
use crate::kernels::conv::conv2d::{Conv1d, Conv2d};
use crate::models::{Inputs, Model};

const CONV: &[&str] = &[
    "in_channels",
    "out_channels",
    "kernel_size",
    "stride [1]",
    "padding (number|same|valid) [0]",
    "dilation [1]",
    "groups [1]",
    "bias [true]",
    "padding_mode (zeros|reflect|replicate|circular) [zeros]",
];

/// `Conv1d`.
pub static CONV1D: Model = Model {
    name: "Conv1d",
    title: "Convolution along a sequence",
    config: CONV,
    inputs: &["input (B, in_channels, T)"],
    outputs: &["output (B, out_channels, T')"],
    build: conv1d,
    ..LAYER
};

/// `Conv2d`.
pub static CONV2D: Model = Model {
    name: "Conv2d",
    title: "Convolution over an image",
    config: CONV,
    inputs: &["input (B, in_channels, H, W)"],
    outputs: &["output (B, out_channels, H', W')"],
    build: conv2d,
    ..LAYER
};

/// `ConvTranspose2d`.
pub static CONV_TRANSPOSE2D: Model = Model {
    name: "ConvTranspose2d",
    title: "Transposed convolution over an image",
    config: &[
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride [1]",
        "padding [0]",
        "output_padding [0]",
        "groups [1]",
        "bias [true]",
        "dilation [1]",
    ],
    inputs: &["input (B, in_channels, H, W)"],
    outputs: &["output (B, out_channels, H', W')"],
    build: conv_transpose2d,
    ..LAYER
};

/// The keywords of a convolution along N axes.
struct Keywords<const N: usize> {
    channels: [usize; 2],
    kernel: [usize; N],
    stride: [usize; N],
    dilation: [usize; N],
    groups: usize,
    bias: bool,
}

impl<const N: usize> Keywords<N> {
    fn read(config: &Config) -> Keywords<N> {
        let channels = ["in_channels", "out_channels"].map(|key| config.required_usize(key));
        let groups = config.usize("groups", 1);
        config.require(channels.iter().all(|c| c.is_multiple_of(groups)), "groups", || {
            format!("found {groups}, which does not divide the {} and {} channels", channels[0], channels[1])
        });
        Keywords {
            channels,
            kernel: required_axes(config, "kernel_size"),
            stride: axes(config, "stride", 1, 1),
            dilation: axes(config, "dilation", 1, 1),
            groups,
            bias: config.bool("bias", true),
        }
    }

    /// Positions added before and after each axis.
    fn padding(&self, config: &Config) -> [[usize; 2]; N] {
        match config.get("padding").and_then(Value::as_str) {
            None => axes(config, "padding", 0, 0).map(|p| [p, p]),
            Some("same") => {
                config.require(self.stride == [1; N], "padding", || "is \"same\", which needs a stride of 1".into());
                from_fn(|a| {
                    let total = self.dilation[a].saturating_mul(self.kernel[a] - 1);
                    [total / 2, total - total / 2]
                })
            }
            Some(_) => {
                config.text("padding", "valid", &["valid", "same"]);
                [[0; 2]; N]
            }
        }
    }

    /// The input, padded if the mode is not zeros, and the zeros that are left to add.
    fn padded<'g>(&self, config: &Config, x: Tensor<'g>) -> (Tensor<'g>, [[usize; 2]; N]) {
        let padding = self.padding(config);
        let mode = config.text("padding_mode", "zeros", &["zeros", "reflect", "replicate", "circular"]);
        if mode == "zeros" || padding == [[0; 2]; N] {
            return (x, padding);
        }
        let from_the_last: Vec<usize> = padding.iter().rev().flatten().copied().collect();
        (x.pad(&from_the_last, mode), [[0; 2]; N])
    }

    /// Weights of `first` channels by `second` of each group, and the bias.
    fn weights<'g>(&self, g: &'g Graph, first: usize, second: usize) -> (Tensor<'g>, Option<Tensor<'g>>) {
        let shape = [&[first, second / self.groups], &self.kernel[..]].concat();
        let w = g.root().weight("weight", &shape);
        (w, self.bias.then(|| g.root().weight("bias", &[self.channels[1]])))
    }
}

fn conv1d(g: &Graph, config: &Config, inputs: &Inputs) {
    let keys = Keywords::<1>::read(config);
    let ([c_in, c_out], groups) = (keys.channels, keys.groups);
    let x = input(g, inputs, &[1, c_in, 32]);
    expect(x, -2, c_in, "in_channels");
    let (w, b) = keys.weights(g, c_out, c_in);
    let y = batched(x, 3, |x| {
        let (x, [padding]) = keys.padded(config, x);
        x.conv1d(w, b, Conv1d { stride: keys.stride[0], padding, dilation: keys.dilation[0], groups })
    });
    g.output("output", y);
}

fn conv2d(g: &Graph, config: &Config, inputs: &Inputs) {
    let keys = Keywords::<2>::read(config);
    let ([c_in, c_out], groups) = (keys.channels, keys.groups);
    let x = input(g, inputs, &[1, c_in, 32, 32]);
    expect(x, -3, c_in, "in_channels");
    let (w, b) = keys.weights(g, c_out, c_in);
    let y = batched(x, 4, |x| {
        let (x, [[top, bottom], [left, right]]) = keys.padded(config, x);
        let padding = [top, bottom, left, right];
        x.conv2d(w, b, Conv2d { stride: keys.stride, padding, dilation: keys.dilation, groups })
    });
    g.output("output", y);
}

fn conv_transpose2d(g: &Graph, config: &Config, inputs: &Inputs) {
    let keys = Keywords::<2>::read(config);
    let ([c_in, c_out], groups) = (keys.channels, keys.groups);
    let (padding, output_padding) = (axes(config, "padding", 0, 0), axes(config, "output_padding", 0, 0));
    only(config, "padding_mode", &Value::from("zeros"));
    let x = input(g, inputs, &[1, c_in, 16, 16]);
    expect(x, -3, c_in, "in_channels");
    let (w, b) = keys.weights(g, c_in, c_out);
    let options = ConvTranspose2d { stride: keys.stride, padding, output_padding, dilation: keys.dilation, groups };
    g.output("output", batched(x, 4, |x| x.conv_transpose2d(w, b, options)));
}
