//! DCGAN: a generator of images out of noise, and a discriminator between them and real ones.
//!
//! Paper     Radford, Metz, Chintala 2016, arXiv:1511.06434, section 3 · Goodfellow et al. 2014, arXiv:1406.2661
//! Weights   `generator.main.i`, `discriminator.main.i`; i counts activations too. Convolutions `weight` (out, in, k, k),
//!           transposed ones (in, out, k, k), no biases; norms `weight`, `bias`, `running_mean`, `running_var`
//! Differs   windows are 4 × 4; the last layer is a convolution, and gives a logit
//! Init      normal with mean 0 and deviation 0.02 (section 4)
//! Shapes    z (B, latent, 1, 1) → image (B, C, H, W), H = W = 4·2ⁿ, n the number of `generator_channels`;
//!           pixel_values (B, C, H, W) → logit (B, 1, 1, 1)

use crate::config::Config;
use crate::graph::{Graph, Scope, Tensor};
use crate::kernels::conv::conv_transpose2d::ConvTranspose2d;
use crate::kernels::conv::conv2d::Conv2d;
use crate::models::{Inputs, Model, Trains};
use crate::nn::batch_norm2d;
use crate::shape::Dims;
use crate::tensor::Dtype;
use crate::train::init::Init;

/// `DCGAN`.
pub static DCGAN: Model = Model {
    name: "DCGAN",
    title: "Deep convolutional generative adversarial network",
    section: "7.1",
    source: "Radford, Metz, Chintala 2016, arXiv:1511.06434",
    config: &["latent_size", "image_channels", "generator_channels", "discriminator_channels", "last_kernel"],
    inputs: &[
        "z (B, latent_size, 1, 1), standard normal; asks for image",
        "pixel_values (B, image_channels, H, W), from -1 to 1; asks for logit",
    ],
    outputs: &["image (B, image_channels, H, W), with z", "logit (B, 1, 1, 1), with pixel_values"],
    ignorable: |key| key.ends_with(".num_batches_tracked"),
    build,
    trains: Some(Trains { output: "logit", target: "input", losses: &["gan"] }),
    init: |_, key, shape| match shape.len() {
        4 => Some(Init::Normal { mean: 0.0, std: 0.02 }),
        _ if key.ends_with(".weight") => Some(Init::Normal { mean: 1.0, std: 0.02 }),
        _ => None,
    },
    ..Model::BASE
};

/// Of the norms of both networks.
const EPS: f64 = 1e-5;
const MOMENTUM: f64 = 0.1;
const SLOPE: f64 = 0.2;
/// Each level doubles or halves the image: more would not fit anywhere.
const MAX_LEVELS: usize = 12;

/// The fields of `config.json`.
pub struct DcganConfig {
    /// Channels of the noise.
    pub latent_size: usize,
    /// Channels of an image.
    pub image_channels: usize,
    /// Channels of the generator's maps, from the smallest map on.
    pub generator_channels: Vec<usize>,
    /// Channels of the discriminator's maps, from the largest map on.
    pub discriminator_channels: Vec<usize>,
    /// Height and width of the discriminator's smallest map, all of which its last layer sees.
    pub last_kernel: usize,
}

impl DcganConfig {
    /// Reads them.
    pub fn read(config: &Config) -> DcganConfig {
        let list = |name| {
            let channels = config.required_list(name);
            let n = channels.len();
            let fits = (1..=MAX_LEVELS).contains(&n);
            config.require(fits, name, || format!("has {n} entries, expected 1 to {MAX_LEVELS}"));
            channels
        };
        DcganConfig {
            latent_size: config.required_usize("latent_size"),
            image_channels: config.required_usize("image_channels"),
            generator_channels: list("generator_channels"),
            discriminator_channels: list("discriminator_channels"),
            last_kernel: config.required_usize("last_kernel"),
        }
    }
}

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let cfg = DcganConfig::read(config);
    let levels = cfg.discriminator_channels.len().min(MAX_LEVELS);
    let side = cfg.last_kernel << levels;
    let pixel_values = inputs.asks("pixel_values");
    if inputs.asks("z") || !pixel_values {
        let z = inputs.tensor(g, "z", Dtype::F32, &[1, cfg.latent_size, 1, 1]); // (B, latent, 1, 1)
        if z.shape().get(1..) != Some(&[cfg.latent_size, 1, 1]) {
            return g.reject("z", format!("is {}, expected (B, {}, 1, 1)", Dims(&z.shape()), cfg.latent_size));
        }
        g.output("image", generator(g.root().at("generator"), &cfg, z)); // (B, C, H, W)
    }
    if pixel_values {
        let x = inputs.tensor(g, "pixel_values", Dtype::F32, &[1, cfg.image_channels, side, side]); // (B, C, H, W)
        g.output("logit", discriminator(g.root().at("discriminator"), &cfg, x)); // (B, 1, 1, 1)
    }
}

/// Images of the noise `z`.
///
/// # Shapes
/// `z (B, latent, 1, 1)` → `(B, C, H, W)` with H = W = 4·2ⁿ
/// # Errors
/// [`crate::Error::Graph`] if `z` has other channels
/// # Gradient
/// `z` and the weights below `scope`
/// # Source
/// Radford, Metz, Chintala 2016, arXiv:1511.06434, figure 1
#[track_caller]
pub fn generator<'g>(scope: Scope<'g>, cfg: &DcganConfig, z: Tensor<'g>) -> Tensor<'g> {
    let w = scope.at("main");
    let mut x = z;
    for (i, &c) in cfg.generator_channels.iter().enumerate() {
        let (stride, padding) = if i == 0 { (1, 0) } else { (2, 1) };
        x = spread(w.at(3 * i), x, c, stride, padding); // (B, c, 4·2ⁱ, 4·2ⁱ)
        x = batch_norm2d(w.at(3 * i + 1), x, EPS, MOMENTUM).relu();
    }
    spread(w.at(3 * cfg.generator_channels.len()), x, cfg.image_channels, 2, 1).tanh() // (B, C, H, W)
}

/// Logits that images are real.
///
/// # Shapes
/// `x (B, C, H, W)`, of which the halvings leave `last_kernel` rows and columns → `(B, 1, 1, 1)`
/// # Errors
/// [`crate::Error::Graph`] if `x` has other channels, or another size is left
/// # Gradient
/// `x` and the weights below `scope`
/// # Source
/// Radford, Metz, Chintala 2016, arXiv:1511.06434, section 3
#[track_caller]
pub fn discriminator<'g>(scope: Scope<'g>, cfg: &DcganConfig, x: Tensor<'g>) -> Tensor<'g> {
    let (w, k) = (scope.at("main"), cfg.last_kernel);
    if !matches!(x.shape()[..], [_, c, _, _] if c == cfg.image_channels) {
        let message = format!("is {}, expected (B, {}, H, W)", Dims(&x.shape()), cfg.image_channels);
        w.graph().reject("pixel_values", message);
        return x;
    }
    let mut h = x;
    for (i, &c) in cfg.discriminator_channels.iter().enumerate() {
        let halves = Conv2d { stride: [2, 2], ..Conv2d::padded(1) };
        h = if i == 0 {
            conv(w.at(0), h, c, 4, halves) // (B, c, H/2, W/2)
        } else {
            batch_norm2d(w.at(3 * i), conv(w.at(3 * i - 1), h, c, 4, halves), EPS, MOMENTUM) // (B, c, H/2ⁱ⁺¹, W/2ⁱ⁺¹)
        };
        h = h.leaky_relu(SLOPE);
    }
    if h.shape().get(2..) != Some(&[k, k]) {
        let message = format!("{} leaves {}, and last_kernel is {k}", Dims(&x.shape()), Dims(&h.shape()));
        w.graph().reject("pixel_values", message);
        return h;
    }
    conv(w.at((3 * cfg.discriminator_channels.len()).saturating_sub(1)), h, 1, k, Conv2d::default()) // (B, 1, 1, 1)
}

#[track_caller]
fn spread<'g>(w: Scope<'g>, x: Tensor<'g>, c: usize, stride: usize, padding: usize) -> Tensor<'g> {
    let [_, c_in, _, _] = x.dims();
    let options = ConvTranspose2d { stride: [stride; 2], padding: [padding; 2], ..ConvTranspose2d::default() };
    x.conv_transpose2d(w.weight("weight", &[c_in, c, 4, 4]), None, options)
}

#[track_caller]
fn conv<'g>(w: Scope<'g>, x: Tensor<'g>, c: usize, k: usize, options: Conv2d) -> Tensor<'g> {
    let [_, c_in, _, _] = x.dims();
    x.conv2d(w.weight("weight", &[c, c_in, k, k]), None, options)
}
