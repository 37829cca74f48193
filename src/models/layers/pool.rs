//! Pooling over windows of an image.

use super::{LAYER, axes, batched, input, only, required_axes};
use crate::config::{Config, MAX_SIZE};
use crate::graph::Graph;
use crate::json::Value;
use crate::kernels::pool::Pool2d;
use crate::models::{Inputs, Model};

const IMAGE: &[usize] = &[1, 4, 16, 16];

const POOL: Model = Model { inputs: &["input (B, C, H, W)"], outputs: &["output (B, C, H', W')"], ..LAYER };

/// `MaxPool2d`.
pub static MAX_POOL2D: Model = Model {
    name: "MaxPool2d",
    title: "The largest element of every window",
    config: &["kernel_size", "stride [kernel_size]", "padding [0]", "dilation [1]", "ceil_mode [false]"],
    build: max_pool2d,
    ..POOL
};

/// `AvgPool2d`.
pub static AVG_POOL2D: Model = Model {
    name: "AvgPool2d",
    title: "The mean of every window",
    config: &["kernel_size", "stride [kernel_size]", "padding [0]", "ceil_mode [false]", "count_include_pad [true]"],
    build: avg_pool2d,
    ..POOL
};

/// `AdaptiveAvgPool2d`.
pub static ADAPTIVE_AVG_POOL2D: Model = Model {
    name: "AdaptiveAvgPool2d",
    title: "Means of windows that cover the image for a given output size",
    config: &["output_size (number, or list in which null keeps a size)"],
    build: adaptive_avg_pool2d,
    ..POOL
};

/// The windows that both kinds have.
fn windows(config: &Config) -> Pool2d {
    let kernel = required_axes(config, "kernel_size");
    Pool2d {
        stride: config.has("stride").then(|| axes(config, "stride", 1, 1)),
        padding: axes(config, "padding", 0, 0),
        ceil_mode: config.bool("ceil_mode", false),
        ..Pool2d::new(kernel)
    }
}

fn max_pool2d(g: &Graph, config: &Config, inputs: &Inputs) {
    let pool = Pool2d { dilation: axes(config, "dilation", 1, 1), ..windows(config) };
    only(config, "return_indices", &Value::Bool(false));
    g.output("output", batched(input(g, inputs, IMAGE), 4, |x| x.max_pool2d(pool)));
}

fn avg_pool2d(g: &Graph, config: &Config, inputs: &Inputs) {
    let pool = Pool2d { count_include_pad: config.bool("count_include_pad", true), ..windows(config) };
    only(config, "divisor_override", &Value::Null);
    g.output("output", batched(input(g, inputs, IMAGE), 4, |x| x.avg_pool2d(pool)));
}

fn adaptive_avg_pool2d(g: &Graph, config: &Config, inputs: &Inputs) {
    let size = output_size(config);
    let y = batched(input(g, inputs, IMAGE), 4, |x| {
        let [_, _, h, w] = x.dims();
        x.adaptive_avg_pool2d([size[0].unwrap_or(h), size[1].unwrap_or(w)])
    });
    g.output("output", y);
}

/// Height and width; `None` keeps that of the input.
fn output_size(config: &Config) -> [Option<usize>; 2] {
    let name = "output_size";
    let Some(Value::Array(items)) = config.get(name) else {
        return [config.has(name).then(|| config.usize(name, 1)); 2];
    };
    let one = |item: &Value| match item {
        Value::Null => Some(None),
        number => number.as_u64().map(|n| n as usize).filter(|n| (1..=MAX_SIZE).contains(n)).map(Some),
    };
    let sizes = items.iter().map(one).collect::<Option<Vec<_>>>();
    sizes.and_then(|s| s.try_into().ok()).unwrap_or_else(|| {
        config.fail(name, "expected a whole number from 1 on, or two of them or of null");
        [None, None]
    })
}
