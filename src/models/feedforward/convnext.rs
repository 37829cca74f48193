//! ConvNeXt: a convolutional network with the proportions of a Transformer, in four stages that each halve the image.
//!
//! Paper     Liu, Mao, Wu, Feichtenhofer, Darrell, Xie 2022, "A ConvNet for the 2020s", arXiv:2201.03545
//! Weights   transformers' `ConvNextForImageClassification`; `layer_scale_parameter` if `layer_scale_init_value` is above 0
//! Differs   stochastic depth (`drop_path_rate`) does nothing: it is for training; `layer_norm_eps` is that of the last norm
//!           alone, and the others have 1e-6, as in the library
//! Init      normal with deviation `initializer_range`, layer scale `layer_scale_init_value`, biases 0, as in the library
//! Shapes    pixel_values (B, num_channels, H, W) → logits (B, num_labels)

use crate::config::Config;
use crate::graph::{Graph, Scope, Tensor};
use crate::kernels::conv::conv2d::Conv2d;
use crate::models::transformers::{ACTIVATIONS, MAX_LAYERS, activation, num_labels};
use crate::models::{Inputs, Model, Trains};
use crate::nn::linear;
use crate::tensor::Dtype;
use crate::train::init::Init;

/// `ConvNextForImageClassification`.
pub static CONVNEXT: Model = Model {
    name: "ConvNextForImageClassification",
    title: "ConvNeXt",
    section: "3.9",
    source: "Liu et al. 2022, arXiv:2201.03545",
    config: &[
        "num_channels [3]",
        "patch_size [4]",
        "num_stages [4]",
        "hidden_sizes [96, 192, 384, 768]",
        "depths [3, 3, 9, 3]",
        "hidden_act [gelu]",
        "initializer_range [0.02]",
        "layer_norm_eps [1e-12]",
        "layer_scale_init_value [1e-6]",
        "image_size [224]",
        "id2label [2 labels]",
    ],
    inputs: &["pixel_values (B, num_channels, H, W)"],
    outputs: &["logits (B, num_labels)", "debug.hidden_states.1 (B, hidden_sizes[0], H/patch_size, W/patch_size)"],
    build,
    init,
    trains: Some(Trains { output: "logits", target: "labels", losses: &["cross_entropy"] }),
    ..Model::BASE
};

/// Fields of `config.json`; the defaults are ConvNeXt-T, with 29 million weights.
struct ConvNextConfig {
    num_channels: usize,
    patch_size: [usize; 2],
    hidden_sizes: Vec<usize>,
    depths: Vec<usize>,
    hidden_act: &'static str,
    initializer_range: f64,
    layer_norm_eps: f64,
    layer_scale_init_value: f64,
    image_size: [usize; 2],
    num_labels: usize,
}

impl ConvNextConfig {
    fn read(config: &Config) -> ConvNextConfig {
        let num_stages = config.usize("num_stages", 4);
        let hidden_sizes = config.list("hidden_sizes", &[96, 192, 384, 768]);
        let depths = config.list("depths", &[3, 3, 9, 3]);
        for (name, n) in [("hidden_sizes", hidden_sizes.len()), ("depths", depths.len())] {
            config.require(n == num_stages, name, || format!("has {n} entries, expected num_stages, {num_stages}"));
        }
        let layers = depths.iter().fold(0, |sum: usize, depth| sum.saturating_add(*depth));
        config
            .require(layers <= MAX_LAYERS, "depths", || format!("are {layers} layers, expected at most {MAX_LAYERS}"));
        ConvNextConfig {
            num_channels: config.usize("num_channels", 3),
            patch_size: config.pair("patch_size", [4, 4]),
            hidden_sizes,
            depths: if layers <= MAX_LAYERS { depths } else { vec![] },
            hidden_act: config.text("hidden_act", "gelu", ACTIVATIONS),
            initializer_range: config.positive("initializer_range", 0.02),
            layer_norm_eps: config.positive("layer_norm_eps", 1e-12),
            layer_scale_init_value: config.f64("layer_scale_init_value", 1e-6),
            image_size: config.pair("image_size", [224, 224]),
            num_labels: num_labels(config),
        }
    }
}

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let cfg = ConvNextConfig::read(config);
    let [ih, iw] = cfg.image_size;
    let pixel_values = inputs.tensor(g, "pixel_values", Dtype::F32, &[1, cfg.num_channels, ih, iw]); // (B, in, H, W)

    let w = g.root().at("convnext");
    let mut x = pixel_values;
    for (i, (&c, &depth)) in cfg.hidden_sizes.iter().zip(&cfg.depths).enumerate() {
        let stage = w.at("encoder.stages").at(i);
        x = match i {
            0 => embeddings(w.at("embeddings"), &cfg, pixel_values, c), // (B, c, H/patch, W/patch)
            _ => downsampling_layer(stage.at("downsampling_layer"), x, c), // (B, c, h/2, w/2)
        };
        for j in 0..depth {
            x = layer(stage.at("layers").at(j), &cfg, x);
        }
        if i == 0 {
            g.output("debug.hidden_states.1", x);
        }
    }
    let pooled = layer_norm(w.at("layernorm"), x.mean(&[2, 3], false), cfg.layer_norm_eps); // (B, c)
    g.output("logits", linear(g.root().at("classifier"), pooled, cfg.num_labels, true)); // (B, num_labels)
}

/// Patches, each mapped to one vector and normalised.
fn embeddings<'g>(w: Scope<'g>, cfg: &ConvNextConfig, pixel_values: Tensor<'g>, c: usize) -> Tensor<'g> {
    let options = Conv2d { stride: cfg.patch_size, ..Conv2d::default() };
    let x = conv(w.at("patch_embeddings"), pixel_values, c, cfg.patch_size, options); // (B, c, H/patch, W/patch)
    channel_norm(w.at("layernorm"), x)
}

/// Between stages: half the height and width.
fn downsampling_layer<'g>(w: Scope<'g>, x: Tensor<'g>, c: usize) -> Tensor<'g> {
    let options = Conv2d { stride: [2, 2], ..Conv2d::default() };
    conv(w.at(1), channel_norm(w.at(0), x), c, [2, 2], options) // (B, c, h/2, w/2)
}

/// A block: every channel convolved by itself, then every position through two affine layers, added to what came in.
fn layer<'g>(w: Scope<'g>, cfg: &ConvNextConfig, x: Tensor<'g>) -> Tensor<'g> {
    let [_, c, _, _] = x.dims();
    let y = conv(w.at("dwconv"), x, c, [7, 7], Conv2d { groups: c, ..Conv2d::padded(3) });
    let y = layer_norm(w.at("layernorm"), y.permute(&[0, 2, 3, 1]), EPS); // (B, h, w, c)
    let y = activation(linear(w.at("pwconv1"), y, 4 * c, true), cfg.hidden_act); // (B, h, w, 4c)
    let y = linear(w.at("pwconv2"), y, c, true); // (B, h, w, c)
    let y = if cfg.layer_scale_init_value > 0.0 { y * w.weight("layer_scale_parameter", &[c]) } else { y };
    y.permute(&[0, 3, 1, 2]) + x // (B, c, h, w)
}

/// Of every norm but the last.
const EPS: f64 = 1e-6;

/// The norm of the channels at every position of `x (B, C, H, W)`.
fn channel_norm<'g>(w: Scope<'g>, x: Tensor<'g>) -> Tensor<'g> {
    layer_norm(w, x.permute(&[0, 2, 3, 1]), EPS).permute(&[0, 3, 1, 2])
}

/// The norm of the last axis.
fn layer_norm<'g>(w: Scope<'g>, x: Tensor<'g>, eps: f64) -> Tensor<'g> {
    let c = x.shape().last().copied().unwrap_or(1);
    x.layer_norm(Some(w.weight("weight", &[c])), Some(w.weight("bias", &[c])), eps)
}

/// A convolution to `out` channels with windows of `kernel`.
fn conv<'g>(w: Scope<'g>, x: Tensor<'g>, out: usize, kernel: [usize; 2], options: Conv2d) -> Tensor<'g> {
    let [_, c, _, _] = x.dims();
    let [kh, kw] = kernel;
    x.conv2d(w.weight("weight", &[out, c / options.groups, kh, kw]), Some(w.weight("bias", &[out])), options)
}

fn init(config: &Config, key: &str, shape: &[usize]) -> Option<Init> {
    let cfg = ConvNextConfig::read(config);
    match shape.len() {
        2.. => Some(Init::Normal { mean: 0.0, std: cfg.initializer_range }),
        _ if key.ends_with("layer_scale_parameter") => Some(Init::Constant(cfg.layer_scale_init_value)),
        _ if key.ends_with("bias") => Some(Init::Zeros),
        _ => None,
    }
}
