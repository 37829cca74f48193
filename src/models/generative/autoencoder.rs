//! The encoder and the decoder that diffusers' autoencoders of images share.
//!
//! Paper     Rombach, Blattmann, Lorenz, Esser, Ommer 2022, arXiv:2112.10752, appendix G
//! Weights   `encoder`, `decoder`
//! Shapes    an image (B, C, H, W) → (B, c, h, w) → (B, C, H, W); every block but the last halves H and W

use crate::config::Config;
use crate::graph::{Graph, Scope, Tensor};
use crate::kernels::conv::conv2d::Conv2d;
use crate::models::Inputs;
use crate::nn::resnet2d::{ACTIVATIONS, Norm, Resnet, attention2d, conv, double, group_norm, halve, resnet};
use crate::shape::Dims;
use crate::tensor::Dtype;

/// The fields of `config.json` that both have.
pub struct AutoencoderConfig {
    sample_size: [usize; 2],
    in_channels: usize,
    out_channels: usize,
    block_out_channels: Vec<usize>,
    layers_per_block: usize,
    /// Channels between the encoder and the decoder.
    pub latent_channels: usize,
    resnet: Resnet,
    mid_block_add_attention: bool,
}

impl AutoencoderConfig {
    /// Reads them; `latent_channels` is the default of that key.
    pub fn read(config: &Config, latent_channels: usize) -> AutoencoderConfig {
        let block_out_channels = config.list("block_out_channels", &[64]);
        let groups = config.usize("norm_num_groups", 32);
        for (name, kind) in [("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoderBlock2D")] {
            let (found, n) = (config.texts(name, &[kind], &[kind]).len(), block_out_channels.len());
            config.require(found == n, name, || format!("has {found} blocks, block_out_channels {n}"));
        }
        for &c in &block_out_channels {
            let divides = c.is_multiple_of(groups);
            config.require(divides, "norm_num_groups", || format!("{groups} does not divide {c} channels"));
        }
        config.require(!block_out_channels.is_empty(), "block_out_channels", || "is empty".into());
        AutoencoderConfig {
            sample_size: config.pair("sample_size", [32, 32]),
            in_channels: config.usize("in_channels", 3),
            out_channels: config.usize("out_channels", 3),
            layers_per_block: config.usize_in("layers_per_block", 1, 1..=256),
            latent_channels: config.usize("latent_channels", latent_channels),
            resnet: Resnet {
                norm: Norm { groups, eps: 1e-6 },
                act_fn: config.text("act_fn", "silu", ACTIVATIONS),
                scale_shift: false,
            },
            mid_block_add_attention: config.bool("mid_block_add_attention", true),
            block_out_channels,
        }
    }

    /// The input `sample (B, in, H, W)`; `None` if it has other channels.
    pub fn sample<'g>(&self, g: &'g Graph, inputs: &Inputs) -> Option<Tensor<'g>> {
        let [h, w] = self.sample_size;
        let sample = inputs.tensor(g, "sample", Dtype::F32, &[1, self.in_channels, h, w]);
        let [_, channels, _, _] = sample.dims();
        if channels != self.in_channels {
            g.reject("sample", format!("is {}, and in_channels is {}", Dims(&sample.shape()), self.in_channels));
            return None;
        }
        Some(sample)
    }
}

/// Images to `(B, channels, h, w)`.
pub fn encode<'g>(w: Scope<'g>, cfg: &AutoencoderConfig, x: Tensor<'g>, channels: usize) -> Tensor<'g> {
    let [first, last] = ends(cfg);
    let mut x = conv(w.at("conv_in"), x, first, 3, Conv2d::padded(1)); // (B, c_0, H, W)
    let blocks = cfg.block_out_channels.len();
    for (k, &c) in cfg.block_out_channels.iter().enumerate() {
        let block = w.at("down_blocks").at(k);
        for i in 0..cfg.layers_per_block {
            x = resnet(block.at("resnets").at(i), cfg.resnet, x, None, c, 1.0); // (B, c, h, w)
        }
        if k + 1 < blocks {
            x = halve(block, x, 0); // (B, c, h/2, w/2)
        }
    }
    let x = middle(w.at("mid_block"), cfg, x, last);
    let x = group_norm(w.at("conv_norm_out"), x, cfg.resnet.norm).silu();
    conv(w.at("conv_out"), x, channels, 3, Conv2d::padded(1)) // (B, channels, h, w)
}

/// Latents `(B, c, h, w)` to images.
pub fn decode<'g>(w: Scope<'g>, cfg: &AutoencoderConfig, z: Tensor<'g>) -> Tensor<'g> {
    let [_, last] = ends(cfg);
    let x = conv(w.at("conv_in"), z, last, 3, Conv2d::padded(1)); // (B, c_n, h, w)
    let mut x = middle(w.at("mid_block"), cfg, x, last);
    let blocks = cfg.block_out_channels.len();
    for (k, &c) in cfg.block_out_channels.iter().rev().enumerate() {
        let block = w.at("up_blocks").at(k);
        for i in 0..=cfg.layers_per_block {
            x = resnet(block.at("resnets").at(i), cfg.resnet, x, None, c, 1.0); // (B, c, h, w)
        }
        if k + 1 < blocks {
            x = double(block, x); // (B, c, 2h, 2w)
        }
    }
    let x = group_norm(w.at("conv_norm_out"), x, cfg.resnet.norm).silu();
    conv(w.at("conv_out"), x, cfg.out_channels, 3, Conv2d::padded(1)) // (B, out, H, W)
}

/// Channels of the outermost and of the innermost block.
fn ends(cfg: &AutoencoderConfig) -> [usize; 2] {
    [cfg.block_out_channels.first(), cfg.block_out_channels.last()].map(|c| c.copied().unwrap_or(1))
}

fn middle<'g>(w: Scope<'g>, cfg: &AutoencoderConfig, x: Tensor<'g>, c: usize) -> Tensor<'g> {
    let x = resnet(w.at("resnets.0"), cfg.resnet, x, None, c, 1.0);
    let x = match cfg.mid_block_add_attention {
        true => attention2d(w.at("attentions.0"), x, c, Some(cfg.resnet.norm), 1.0), // one head
        false => x,
    };
    resnet(w.at("resnets.1"), cfg.resnet, x, None, c, 1.0)
}
