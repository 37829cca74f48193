//! The U-Net of denoising diffusion: predicts the noise in an image, or the image, at a step of the process.
//!
//! Paper     Ho, Jain, Abbeel 2020, "Denoising diffusion probabilistic models", arXiv:2006.11239, appendix B
//! Weights   diffusers `UNet2DModel`; attention of older files under `query`, `key`, `value`, `proj_attn`
//! Differs   dropout does nothing in evaluation
//! Shapes    sample (B, C, H, W), timestep (B) → sample (B, out, H, W); H and W are halved by every block of the
//!           way down but the last, and must come out even

use crate::config::Config;
use crate::file::excerpt;
use crate::graph::{Graph, Scope, Tensor};
use crate::kernels::conv::conv2d::Conv2d;
use crate::models::{Inputs, Model, Trains};
use crate::nn::linear;
use crate::nn::resnet2d::{ACTIVATIONS, Norm, Resnet, attention2d, conv, double, group_norm, halve, resnet};
use crate::shape::Dims;
use crate::tensor::Dtype;

/// `UNet2DModel`.
pub static UNET2D: Model = Model {
    name: "UNet2DModel",
    title: "Denoising diffusion U-Net",
    section: "7.5",
    source: "Ho, Jain, Abbeel 2020, arXiv:2006.11239",
    config: &[
        "sample_size [32]",
        "in_channels [3]",
        "out_channels [3]",
        "block_out_channels [224, 448, 672, 896]",
        "layers_per_block [2]",
        "down_block_types (DownBlock2D|AttnDownBlock2D)",
        "up_block_types (UpBlock2D|AttnUpBlock2D)",
        "norm_num_groups [32]",
        "norm_eps [1e-5]",
        "attention_head_dim [8]",
        "attn_norm_num_groups [null]",
        "add_attention [true]",
        "act_fn (silu|swish|gelu|relu|mish) [silu]",
        "resnet_time_scale_shift (default|scale_shift) [default]",
        "downsample_padding [1]",
        "time_embedding_dim [4·block_out_channels[0]]",
        "flip_sin_to_cos [true]",
        "freq_shift [0]",
        "center_input_sample [false]",
        "mid_block_scale_factor [1]",
    ],
    inputs: &["sample (B, in_channels, H, W)", "timestep (B)"],
    outputs: &["sample (B, out_channels, H, W)"],
    build,
    trains: Some(Trains { output: "sample", target: "noise", losses: &["noise_prediction"] }),
    ..Model::BASE
};

const DOWN: &[&str] = &["DownBlock2D", "AttnDownBlock2D"];
const UP: &[&str] = &["UpBlock2D", "AttnUpBlock2D"];

/// The most channels: the frequencies of the time have a table with an entry for every two.
const MAX_CHANNELS: usize = 1 << 20;

struct UNetConfig {
    sample_size: [usize; 2],
    in_channels: usize,
    out_channels: usize,
    block_out_channels: Vec<usize>,
    layers_per_block: usize,
    down_block_types: Vec<&'static str>,
    up_block_types: Vec<&'static str>,
    norm: Norm,
    attention_head_dim: Option<usize>,
    /// Groups of the norm of the middle block's attention; `None` leaves the norm out.
    attn_norm_num_groups: Option<usize>,
    add_attention: bool,
    act_fn: &'static str,
    scale_shift: bool,
    downsample_padding: usize,
    time_embedding_dim: usize,
    flip_sin_to_cos: bool,
    freq_shift: f64,
    center_input_sample: bool,
    mid_block_scale_factor: f64,
}

impl UNetConfig {
    fn read(config: &Config) -> UNetConfig {
        for (name, usual) in [
            ("time_embedding_type", "positional"),
            ("downsample_type", "conv"),
            ("upsample_type", "conv"),
            ("mid_block_type", "UNetMidBlock2D"),
        ] {
            config.text(name, usual, &[usual]);
        }
        for name in ["class_embed_type", "num_class_embeds"] {
            let found = config.get(name).map_or(String::new(), |v| excerpt(&v.to_string()));
            config
                .require(!config.has(name), name, || format!("found {found}, and class embeddings are not supported"));
        }
        let block_out_channels = config.list_in("block_out_channels", &[224, 448, 672, 896], 1..=MAX_CHANNELS);
        let scale_shift =
            config.text("resnet_time_scale_shift", "default", &["default", "scale_shift"]) == "scale_shift";
        let groups = config.usize("norm_num_groups", 32);
        let read = UNetConfig {
            sample_size: config.pair("sample_size", [32, 32]),
            in_channels: config.usize("in_channels", 3),
            out_channels: config.usize("out_channels", 3),
            layers_per_block: config.usize_in("layers_per_block", 2, 1..=256),
            down_block_types: config.texts("down_block_types", &[DOWN[0], DOWN[1], DOWN[1], DOWN[1]], DOWN),
            up_block_types: config.texts("up_block_types", &[UP[1], UP[1], UP[1], UP[0]], UP),
            norm: Norm { groups, eps: config.positive("norm_eps", 1e-5) },
            attention_head_dim: (!config.is_null("attention_head_dim")).then(|| config.usize("attention_head_dim", 8)),
            attn_norm_num_groups: match config.has("attn_norm_num_groups") {
                true => Some(config.usize("attn_norm_num_groups", 1)),
                false => (!scale_shift).then_some(groups),
            },
            add_attention: config.bool("add_attention", true),
            act_fn: config.text("act_fn", "silu", ACTIVATIONS),
            scale_shift,
            downsample_padding: config.usize_in("downsample_padding", 1, 0..=64),
            time_embedding_dim: config.usize("time_embedding_dim", 4 * block_out_channels.first().unwrap_or(&1)),
            flip_sin_to_cos: config.bool("flip_sin_to_cos", true),
            freq_shift: config.f64("freq_shift", 0.0),
            center_input_sample: config.bool("center_input_sample", false),
            mid_block_scale_factor: config.positive("mid_block_scale_factor", 1.0),
            block_out_channels,
        };
        read.check(config);
        read
    }

    fn check(&self, config: &Config) {
        let n = self.block_out_channels.len();
        config.require(n > 0, "block_out_channels", || "is empty, expected one size a block".into());
        for (name, types) in [("down_block_types", &self.down_block_types), ("up_block_types", &self.up_block_types)] {
            config.require(types.len() == n, name, || format!("has {} blocks, block_out_channels {n}", types.len()));
        }
        for &c in &self.block_out_channels {
            let groups = self.norm.groups;
            config.require(c.is_multiple_of(groups), "norm_num_groups", || {
                format!("{groups} does not divide {c} channels")
            });
        }
    }

    fn resnet(&self) -> Resnet {
        Resnet { norm: self.norm, act_fn: self.act_fn, scale_shift: self.scale_shift }
    }

    fn head_dim(&self, channels: usize) -> usize {
        self.attention_head_dim.unwrap_or(channels)
    }
}

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let cfg = UNetConfig::read(config);
    let [h, w] = cfg.sample_size;
    let sample = inputs.tensor(g, "sample", Dtype::F32, &[1, cfg.in_channels, h, w]); // (B, C, H, W)
    let [b, channels, _, _] = sample.dims();
    if channels != cfg.in_channels {
        let message = format!("is {}, and in_channels is {}", Dims(&sample.shape()), cfg.in_channels);
        return g.reject("sample", message);
    }
    let timestep = inputs.tensor(g, "timestep", Dtype::I32, &[b]).broadcast_to(&[b]); // (B)
    let root = g.root();

    let e = time_embedding(root.at("time_embedding"), &cfg, timestep); // (B, 4d)
    let x = if cfg.center_input_sample { 2.0 * sample - 1.0 } else { sample };
    let Some((&first, _)) = cfg.block_out_channels.split_first() else { return };
    let x = conv(root.at("conv_in"), x, first, 3, Conv2d::padded(1)); // (B, c_0, H, W)

    let (x, skips) = down(root.at("down_blocks"), &cfg, x, e);
    let x = middle(root.at("mid_block"), &cfg, x, e);
    let x = up(root.at("up_blocks"), &cfg, x, e, skips);

    let x = group_norm(root.at("conv_norm_out"), x, cfg.norm).silu(); // (B, c_0, H, W)
    g.output("sample", conv(root.at("conv_out"), x, cfg.out_channels, 3, Conv2d::padded(1))); // (B, out, H, W)
}

/// Sines and cosines of the step through two affine layers.
fn time_embedding<'g>(w: Scope<'g>, cfg: &UNetConfig, timestep: Tensor<'g>) -> Tensor<'g> {
    let d = cfg.block_out_channels.first().copied().unwrap_or(2);
    let t = timestep.timestep_embedding(d, cfg.flip_sin_to_cos, cfg.freq_shift); // (B, d)
    let t = linear(w.at("linear_1"), t, cfg.time_embedding_dim, true).silu(); // (B, 4d)
    linear(w.at("linear_2"), t, cfg.time_embedding_dim, true)
}

/// The blocks of the way down, and every result the way up joins again.
fn down<'g>(w: Scope<'g>, cfg: &UNetConfig, x: Tensor<'g>, e: Tensor<'g>) -> (Tensor<'g>, Vec<Tensor<'g>>) {
    let (mut x, mut skips) = (x, vec![x]);
    let last = cfg.block_out_channels.len() - 1;
    for (k, (&c, kind)) in cfg.block_out_channels.iter().zip(&cfg.down_block_types).enumerate() {
        let block = w.at(k);
        for i in 0..cfg.layers_per_block {
            x = resnet(block.at("resnets").at(i), cfg.resnet(), x, Some(e), c, 1.0); // (B, c, h, w)
            if kind.starts_with("Attn") {
                x = attention2d(block.at("attentions").at(i), x, cfg.head_dim(c), Some(cfg.norm), 1.0);
            }
            skips.push(x);
        }
        if k < last {
            x = halve(block, x, cfg.downsample_padding); // (B, c, h/2, w/2)
            skips.push(x);
        }
    }
    (x, skips)
}

fn middle<'g>(w: Scope<'g>, cfg: &UNetConfig, x: Tensor<'g>, e: Tensor<'g>) -> Tensor<'g> {
    let ([_, c, _, _], s) = (x.dims(), cfg.mid_block_scale_factor);
    let x = resnet(w.at("resnets.0"), cfg.resnet(), x, Some(e), c, s);
    let norm = cfg.attn_norm_num_groups.map(|groups| Norm { groups, ..cfg.norm });
    let x = if cfg.add_attention { attention2d(w.at("attentions.0"), x, cfg.head_dim(c), norm, s) } else { x };
    resnet(w.at("resnets.1"), cfg.resnet(), x, Some(e), c, s)
}

fn up<'g>(w: Scope<'g>, cfg: &UNetConfig, x: Tensor<'g>, e: Tensor<'g>, skips: Vec<Tensor<'g>>) -> Tensor<'g> {
    let (mut x, mut skips) = (x, skips);
    let last = cfg.block_out_channels.len() - 1;
    for (k, (&c, kind)) in cfg.block_out_channels.iter().rev().zip(&cfg.up_block_types).enumerate() {
        let block = w.at(k);
        for i in 0..=cfg.layers_per_block {
            let Some(skip) = skips.pop() else { return x };
            x = x.graph().concat(&[x, skip], 1); // (B, c + c_skip, h, w)
            x = resnet(block.at("resnets").at(i), cfg.resnet(), x, Some(e), c, 1.0); // (B, c, h, w)
            if kind.starts_with("Attn") {
                x = attention2d(block.at("attentions").at(i), x, cfg.head_dim(c), Some(cfg.norm), 1.0);
            }
        }
        if k < last {
            x = double(block, x); // (B, c, 2h, 2w)
        }
    }
    x
}
