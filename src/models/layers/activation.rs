//! Activations: functions of one number, and the softmax over an axis.

use super::{LAYER, input};
use crate::config::Config;
use crate::graph::{Graph, Tensor};
use crate::models::{Inputs, Model};

fn each(g: &Graph, inputs: &Inputs, function: impl for<'g> FnOnce(Tensor<'g>) -> Tensor<'g>) {
    g.output("output", function(input(g, inputs, &[1, 16])));
}

/// `ReLU`.
pub static RELU: Model = Model {
    name: "ReLU",
    title: "Rectified linear unit: max(x, 0)",
    build: |g, _, inputs| each(g, inputs, |x| x.relu()),
    ..LAYER
};

/// `LeakyReLU`.
pub static LEAKY_RELU: Model = Model {
    name: "LeakyReLU",
    title: "Leaky rectified linear unit",
    config: &["negative_slope [0.01]"],
    build: |g, config, inputs| {
        let slope = config.f64("negative_slope", 0.01);
        each(g, inputs, |x| x.leaky_relu(slope));
    },
    ..LAYER
};

/// `ELU`.
pub static ELU: Model = Model {
    name: "ELU",
    title: "Exponential linear unit",
    config: &["alpha [1]"],
    build: |g, config, inputs| {
        let alpha = config.f64("alpha", 1.0);
        each(g, inputs, |x| x.elu(alpha));
    },
    ..LAYER
};

/// `GELU`.
pub static GELU: Model = Model {
    name: "GELU",
    title: "Gaussian error linear unit",
    config: &["approximate (none|tanh) [none]"],
    build: |g, config, inputs| match config.text("approximate", "none", &["none", "tanh"]) {
        "tanh" => each(g, inputs, |x| x.gelu_tanh()),
        _ => each(g, inputs, |x| x.gelu()),
    },
    ..LAYER
};

/// `SiLU`.
pub static SILU: Model = Model {
    name: "SiLU",
    title: "Sigmoid linear unit (swish)",
    build: |g, _, inputs| each(g, inputs, |x| x.silu()),
    ..LAYER
};

/// `Sigmoid`.
pub static SIGMOID: Model = Model {
    name: "Sigmoid",
    title: "Logistic function",
    build: |g, _, inputs| each(g, inputs, |x| x.sigmoid()),
    ..LAYER
};

/// `Tanh`.
pub static TANH: Model =
    Model { name: "Tanh", title: "Hyperbolic tangent", build: |g, _, inputs| each(g, inputs, |x| x.tanh()), ..LAYER };

/// `Softplus`.
pub static SOFTPLUS: Model = Model {
    name: "Softplus",
    title: "Smooth rectifier: ln(1 + e^(beta x))/beta",
    config: &["beta [1]", "threshold [20]"],
    build: |g, config, inputs| {
        let (beta, threshold) = (config.f64("beta", 1.0), config.f64("threshold", 20.0));
        each(g, inputs, |x| x.softplus(beta, threshold));
    },
    ..LAYER
};

/// `Hardswish`.
pub static HARDSWISH: Model = Model {
    name: "Hardswish",
    title: "Piecewise swish",
    build: |g, _, inputs| each(g, inputs, |x| x.hardswish()),
    ..LAYER
};

/// `Mish`.
pub static MISH: Model =
    Model { name: "Mish", title: "x tanh(ln(1 + e^x))", build: |g, _, inputs| each(g, inputs, |x| x.mish()), ..LAYER };

/// `Softmax`.
pub static SOFTMAX: Model =
    Model { name: "Softmax", title: "Softmax over an axis", config: &["dim"], build: softmax, ..LAYER };

fn softmax(g: &Graph, config: &Config, inputs: &Inputs) {
    let x = input(g, inputs, &[1, 16]);
    // Without `dim` PyTorch takes the first axis of one or three, else the second.
    let default = if matches!(x.rank(), 1 | 3) { 0 } else { 1 };
    g.output("output", x.softmax(config.integer("dim", default, -8..=7)));
}
