//! The blocks of image networks in diffusers: residual convolutions, attention over positions, halving and
//! doubling.

use super::linear;
use crate::graph::{Scope, Tensor};
use crate::kernels::attention::attention::Attend;
use crate::kernels::conv::conv2d::Conv2d;
use crate::kernels::resize::{Interpolation, Target};

/// Activations that the blocks take.
pub const ACTIVATIONS: &[&str] = &["silu", "swish", "gelu", "relu", "mish"];

/// Groups and epsilon of the norms.
#[derive(Clone, Copy)]
pub struct Norm {
    /// Groups of channels.
    pub groups: usize,
    /// Added to the variance.
    pub eps: f64,
}

/// What the residual blocks of a network have in common.
#[derive(Clone, Copy)]
pub struct Resnet {
    /// Of both norms.
    pub norm: Norm,
    /// One of [`ACTIVATIONS`].
    pub act_fn: &'static str,
    /// The time embedding scales and shifts the second norm's result; otherwise it is added before that norm.
    pub scale_shift: bool,
}

/// Two convolutions around the time embedding `e (B, E)`, if there is one, beside a shortcut; divided by `s`.
#[track_caller]
pub fn resnet<'g>(w: Scope<'g>, cfg: Resnet, x: Tensor<'g>, e: Option<Tensor<'g>>, c: usize, s: f64) -> Tensor<'g> {
    let [b, c_in, _, _] = x.dims();
    let h = activate(group_norm(w.at("norm1"), x, cfg.norm), cfg.act_fn);
    let h = conv(w.at("conv1"), h, c, 3, Conv2d::padded(1)); // (B, c, h, w)

    let width = if cfg.scale_shift { 2 * c } else { c };
    let project = |e| linear(w.at("time_emb_proj"), activate(e, cfg.act_fn), width, true); // (B, c or 2c)
    let t = e.map(|e| project(e).reshape(&[b, width, 1, 1]));
    let norm2 = |h| group_norm(w.at("norm2"), h, cfg.norm);
    let h = match t {
        Some(t) if cfg.scale_shift => {
            let [scale, shift] = t.split(1, [c, c]);
            norm2(h) * (1.0 + scale) + shift
        }
        Some(t) => norm2(h + t),
        None => norm2(h),
    };
    let h = conv(w.at("conv2"), activate(h, cfg.act_fn), c, 3, Conv2d::padded(1));

    let x = if c_in == c { x } else { conv(w.at("conv_shortcut"), x, c, 1, Conv2d::default()) };
    divided(h + x, s)
}

/// Every position attends to every other, beside a shortcut; divided by `s`. Older files have `query`, `key`,
/// `value`, `proj_attn`.
#[track_caller]
pub fn attention2d<'g>(w: Scope<'g>, x: Tensor<'g>, head_dim: usize, norm: Option<Norm>, s: f64) -> Tensor<'g> {
    let [b, c, h, wide] = x.dims();
    let heads = c / head_dim;
    if heads == 0 {
        w.graph().reject("attention_head_dim", format!("{head_dim} is more than the {c} channels of {}", w.path()));
        return x;
    }
    let normed = norm.map_or(x, |norm| group_norm(w.at("group_norm"), x, norm));
    let tokens = normed.reshape(&[b, c, h * wide]).transpose(1, 2); // (B, T, C)
    let [to_q, to_k, to_v, to_out] = match w.has("query.weight") {
        Some(true) => ["query", "key", "value", "proj_attn"],
        _ => ["to_q", "to_k", "to_v", "to_out.0"],
    };
    let project = |name| linear(w.at(name), tokens, heads * head_dim, true).heads(heads); // (B, H, T, D)
    let y = project(to_q).attention(project(to_k), project(to_v), Attend::all()).merge_heads(); // (B, T, H·D)
    let y = linear(w.at(to_out), y, c, true); // (B, T, C)
    divided(y.transpose(1, 2).reshape(&[b, c, h, wide]) + x, s)
}

/// Half the size by a strided convolution. Without padding, a zero row at the bottom and a zero column at the
/// right.
#[track_caller]
pub fn halve<'g>(w: Scope<'g>, x: Tensor<'g>, padding: usize) -> Tensor<'g> {
    let [_, c, _, _] = x.dims();
    let padding = if padding == 0 { [0, 1, 0, 1] } else { [padding; 4] };
    let options = Conv2d { stride: [2, 2], padding, ..Conv2d::default() };
    conv(w.at("downsamplers.0.conv"), x, c, 3, options) // (B, c, h/2, w/2)
}

/// Twice the size by repetition, and a convolution.
#[track_caller]
pub fn double<'g>(w: Scope<'g>, x: Tensor<'g>) -> Tensor<'g> {
    let [_, c, _, _] = x.dims();
    let x = x.interpolate(Interpolation::Nearest, Target::Factor([2.0, 2.0]), false); // (B, c, 2h, 2w)
    conv(w.at("upsamplers.0.conv"), x, c, 3, Conv2d::padded(1))
}

/// A norm over groups of channels, with `weight` and `bias`.
#[track_caller]
pub fn group_norm<'g>(w: Scope<'g>, x: Tensor<'g>, norm: Norm) -> Tensor<'g> {
    let [_, c, _, _] = x.dims();
    x.group_norm(norm.groups, Some(w.weight("weight", &[c])), Some(w.weight("bias", &[c])), norm.eps)
}

/// A convolution to `channels` with windows of `k` × `k`, `weight` and `bias`.
#[track_caller]
pub fn conv<'g>(w: Scope<'g>, x: Tensor<'g>, channels: usize, k: usize, options: Conv2d) -> Tensor<'g> {
    let [_, c, _, _] = x.dims();
    let (weight, bias) = (w.weight("weight", &[channels, c, k, k]), w.weight("bias", &[channels]));
    x.conv2d(weight, Some(bias), options)
}

fn divided(x: Tensor<'_>, s: f64) -> Tensor<'_> {
    if s == 1.0 { x } else { x / s }
}

fn activate<'g>(x: Tensor<'g>, act_fn: &str) -> Tensor<'g> {
    match act_fn {
        "gelu" => x.gelu(),
        "relu" => x.relu(),
        "mish" => x.mish(),
        _ => x.silu(),
    }
}
