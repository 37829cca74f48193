//! Normalisations. All variances are biased.

use super::{LAYER, batched, epsilon, expect, input, only};
use crate::config::Config;
use crate::graph::{Graph, Tensor};
use crate::json::Value;
use crate::models::{Inputs, Model};
use crate::shape::Dims;

/// `GroupNorm`.
pub static GROUP_NORM: Model = Model {
    name: "GroupNorm",
    title: "Normalisation over groups of channels",
    config: &["num_groups", "num_channels", "eps [1e-5]", "affine [true]"],
    inputs: &["input (B, num_channels, …)"],
    outputs: &["output (B, num_channels, …)"],
    build: group_norm,
    ..LAYER
};

/// `LayerNorm`.
pub static LAYER_NORM: Model = Model {
    name: "LayerNorm",
    title: "Normalisation over the last axes",
    config: &["normalized_shape", "eps [1e-5]", "elementwise_affine [true]", "bias [true]"],
    inputs: &["input (…, normalized_shape)"],
    outputs: &["output (…, normalized_shape)"],
    build: layer_norm,
    ..LAYER
};

/// `RMSNorm`.
pub static RMS_NORM: Model = Model {
    name: "RMSNorm",
    title: "Division by the root mean square over the last axes",
    config: &["normalized_shape", "eps [2^-23]", "elementwise_affine [true]"],
    inputs: &["input (…, normalized_shape)"],
    outputs: &["output (…, normalized_shape)"],
    build: rms_norm,
    ..LAYER
};

/// `BatchNorm2d`, in evaluation mode.
pub static BATCH_NORM2D: Model = Model {
    name: "BatchNorm2d",
    title: "Normalisation of channels by running statistics",
    config: &["num_features", "eps [1e-5]", "affine [true]"],
    inputs: &["input (B, num_features, H, W)"],
    outputs: &["output (B, num_features, H, W)"],
    ignorable: |key| key == "num_batches_tracked",
    build: batch_norm2d,
    ..LAYER
};

/// `InstanceNorm2d`, in evaluation mode.
pub static INSTANCE_NORM2D: Model = Model {
    name: "InstanceNorm2d",
    title: "Normalisation of each channel of each sample",
    config: &["num_features", "eps [1e-5]", "affine [false]", "track_running_stats [false]"],
    inputs: &["input (B, num_features, H, W)"],
    outputs: &["output (B, num_features, H, W)"],
    ignorable: |key| key == "num_batches_tracked",
    build: instance_norm2d,
    ..LAYER
};

/// `weight` and `bias` of `shape`, if the layer has them.
fn affine<'g>(g: &'g Graph, shape: &[usize], weight: bool, bias: bool) -> [Option<Tensor<'g>>; 2] {
    [("weight", weight), ("bias", bias)].map(|(name, has)| has.then(|| g.root().weight(name, shape)))
}

/// Running means and variances.
fn running<'g>(g: &'g Graph, features: usize) -> [Tensor<'g>; 2] {
    ["running_mean", "running_var"].map(|name| g.root().weight(name, &[features]))
}

fn group_norm(g: &Graph, config: &Config, inputs: &Inputs) {
    let num_groups = config.required_usize("num_groups");
    let num_channels = config.required_usize("num_channels");
    let (eps, has) = (epsilon(config, 1e-5), config.bool("affine", true));
    let x = input(g, inputs, &[1, num_channels, 16]);
    expect(x, 1, num_channels, "num_channels");
    let [w, b] = affine(g, &[num_channels], has, has);
    g.output("output", x.group_norm(num_groups, w, b, eps));
}

fn layer_norm(g: &Graph, config: &Config, inputs: &Inputs) {
    let (eps, has) = (epsilon(config, 1e-5), config.bool("elementwise_affine", true));
    let bias = has && config.bool("bias", true);
    last_axes(g, config, inputs, has, bias, |x, w, b| x.layer_norm(w, b, eps));
}

fn rms_norm(g: &Graph, config: &Config, inputs: &Inputs) {
    let (eps, has) = (epsilon(config, f64::from(f32::EPSILON)), config.bool("elementwise_affine", true));
    last_axes(g, config, inputs, has, false, |x, w, _| x.rms_norm(w, eps));
}

/// `norm` over the axes of `normalized_shape`, as one axis.
fn last_axes<'g>(
    g: &'g Graph,
    config: &Config,
    inputs: &Inputs,
    weight: bool,
    bias: bool,
    norm: impl FnOnce(Tensor<'g>, Option<Tensor<'g>>, Option<Tensor<'g>>) -> Tensor<'g>,
) {
    let normalized_shape = match config.get("normalized_shape") {
        Some(Value::Array(_)) => config.required_list("normalized_shape"),
        _ => vec![config.required_usize("normalized_shape")],
    };
    let x = input(g, inputs, &[&[1], &normalized_shape[..]].concat());
    let shape = x.shape();
    let Some(rows) = shape.strip_suffix(&normalized_shape[..]).filter(|_| !normalized_shape.is_empty()) else {
        g.reject("input", format!("is {}, and does not end in {}", Dims(&shape), Dims(&normalized_shape)));
        return;
    };
    let n = normalized_shape.iter().product();
    let [w, b] = affine(g, &normalized_shape, weight, bias).map(|t| t.map(|t| t.reshape(&[n])));
    g.output("output", norm(x.reshape(&[rows, &[n]].concat()), w, b).reshape(&shape));
}

fn batch_norm2d(g: &Graph, config: &Config, inputs: &Inputs) {
    let num_features = config.required_usize("num_features");
    let (eps, has) = (epsilon(config, 1e-5), config.bool("affine", true));
    only(config, "track_running_stats", &Value::Bool(true));
    let x = input(g, inputs, &[1, num_features, 16, 16]);
    let [_, _, _, _] = x.dims();
    expect(x, 1, num_features, "num_features");
    let [mean, variance] = running(g, num_features);
    let [w, b] = affine(g, &[num_features], has, has);
    g.output("output", x.batch_norm(mean, variance, w, b, eps));
}

fn instance_norm2d(g: &Graph, config: &Config, inputs: &Inputs) {
    let num_features = config.required_usize("num_features");
    let (eps, has) = (epsilon(config, 1e-5), config.bool("affine", false));
    let tracked = config.bool("track_running_stats", false);
    let x = input(g, inputs, &[1, num_features, 16, 16]);
    expect(x, -3, num_features, "num_features");
    let [w, b] = affine(g, &[num_features], has, has);
    let y = batched(x, 4, |x| match tracked {
        false => x.instance_norm(w, b, eps),
        true => {
            let [mean, variance] = running(g, num_features);
            x.batch_norm(mean, variance, w, b, eps)
        }
    });
    g.output("output", y);
}
