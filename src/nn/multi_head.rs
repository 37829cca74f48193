//! Attention with several heads and the blocks of the original Transformer, under the keys of `torch.nn`.

use super::linear;
use crate::graph::{Scope, Tensor};
use crate::kernels::attention::attention::Attend;

/// Scores far below any other: their softmax is 0.
const HIDDEN: f64 = -1e30;

/// What the blocks of a Transformer have in common: the arguments of `torch.nn.TransformerEncoderLayer`.
#[derive(Clone, Copy)]
pub struct TransformerBlock {
    /// Heads of every attention.
    pub heads: usize,
    /// Width between the two layers.
    pub dim_feedforward: usize,
    /// `gelu`, or `relu`.
    pub activation: &'static str,
    /// Added to the variance.
    pub layer_norm_eps: f64,
    /// Norms stand before each part instead of after its sum.
    pub norm_first: bool,
    /// Affine layers and norms have biases.
    pub bias: bool,
}

/// Queries, keys and values `(B, H, T, D)` of `query (B, T, E)`, `key (B, S, K)` and `value (B, S, V)`.
///
/// One weight `in_proj_weight (3E, E)` where all have E features, else three.
#[track_caller]
pub fn project<'g>(w: Scope<'g>, sources: [Tensor<'g>; 3], heads: usize, bias: bool) -> [Tensor<'g>; 3] {
    let [features, kdim, vdim] = sources.map(|x| x.dims::<3>()[2]);
    let e = features;
    let weights = if kdim == e && vdim == e {
        w.weight("in_proj_weight", &[3 * e, e]).split(0, [e, e, e]) // 3 × (E, E)
    } else {
        let named = [("q_proj_weight", e), ("k_proj_weight", kdim), ("v_proj_weight", vdim)];
        named.map(|(name, features)| w.weight(name, &[e, features]))
    };
    let biases = bias.then(|| w.weight("in_proj_bias", &[3 * e]).split(0, [e, e, e])); // 3 × (E)
    [0, 1, 2].map(|i| {
        let y = sources[i].matmul_t(weights[i]); // (B, T, E)
        biases.map_or(y, |b| y + b[i]).heads(heads) // (B, H, T, D)
    })
}

/// Attention of `x (B, T, E)` over `memory (B, S, E)`.
#[track_caller]
pub fn attention<'g>(
    w: Scope<'g>,
    cfg: TransformerBlock,
    x: Tensor<'g>,
    memory: Tensor<'g>,
    attend: Attend<'g>,
) -> Tensor<'g> {
    let [q, k, v] = project(w, [x, memory, memory], cfg.heads, cfg.bias);
    out(w, cfg, q.attention(k, v, attend))
}

/// The heads `(B, H, T, D)` of an attention as one vector, through its last layer: (B, T, E).
#[track_caller]
pub fn out<'g>(w: Scope<'g>, cfg: TransformerBlock, heads: Tensor<'g>) -> Tensor<'g> {
    let [_, h, _, d] = heads.dims();
    linear(w.at("out_proj"), heads.merge_heads(), h * d, cfg.bias)
}

/// Where [`attention`] without a mask of pairs looks: `softmax(q·kᵀ / √D)`, 0 where `shown (B, S)` is 0: (B, H, T, S).
#[track_caller]
pub fn attention_weights<'g>(
    w: Scope<'g>,
    cfg: TransformerBlock,
    x: Tensor<'g>,
    memory: Tensor<'g>,
    shown: Tensor<'g>,
) -> Tensor<'g> {
    let [q, k, _] = project(w, [x, memory, memory], cfg.heads, cfg.bias);
    let [_, _, _, d] = q.dims();
    let scores = q.matmul_t(k) / (d as f64).sqrt(); // (B, H, T, S)
    let [b, s] = shown.dims();
    shown.reshape(&[b, 1, 1, s]).r#where(scores, x.graph().scalar(HIDDEN)).softmax(-1)
}

/// Self-attention and two layers, each beside a shortcut: `torch.nn.TransformerEncoderLayer`.
#[track_caller]
pub fn encoder_layer<'g>(w: Scope<'g>, cfg: TransformerBlock, x: Tensor<'g>, attend: Attend<'g>) -> Tensor<'g> {
    let x = part(w.at("norm1"), cfg, x, |x| attention(w.at("self_attn"), cfg, x, x, attend));
    part(w.at("norm2"), cfg, x, |x| feed_forward(w, cfg, x))
}

/// As [`encoder_layer`], with attention over what an encoder made between: `torch.nn.TransformerDecoderLayer`. `own` is
/// the self-attention of `x (B, T, E)` with the weights of `self_attn`, `over_memory` the other with those of
/// `multihead_attn`. Beside its result (B, T, E) it returns the input of the latter (B, T, E).
#[track_caller]
pub fn decoder_layer<'g>(
    w: Scope<'g>,
    cfg: TransformerBlock,
    x: Tensor<'g>,
    own: impl FnOnce(Scope<'g>, Tensor<'g>) -> Tensor<'g>,
    over_memory: impl FnOnce(Scope<'g>, Tensor<'g>) -> Tensor<'g>,
) -> (Tensor<'g>, Tensor<'g>) {
    let x = part(w.at("norm1"), cfg, x, |x| own(w.at("self_attn"), x));
    let mut asking = x;
    let x = part(w.at("norm2"), cfg, x, |x| {
        asking = x;
        over_memory(w.at("multihead_attn"), x)
    });
    (part(w.at("norm3"), cfg, x, |x| feed_forward(w, cfg, x)), asking)
}

/// A norm over the last axis.
#[track_caller]
pub fn layer_norm<'g>(w: Scope<'g>, cfg: TransformerBlock, x: Tensor<'g>) -> Tensor<'g> {
    let [_, _, d] = x.dims();
    let bias = cfg.bias.then(|| w.weight("bias", &[d]));
    x.layer_norm(Some(w.weight("weight", &[d])), bias, cfg.layer_norm_eps)
}

/// `f` beside a shortcut, with its norm before it or after the sum.
fn part<'g>(
    norm: Scope<'g>,
    cfg: TransformerBlock,
    x: Tensor<'g>,
    f: impl FnOnce(Tensor<'g>) -> Tensor<'g>,
) -> Tensor<'g> {
    match cfg.norm_first {
        true => x + f(layer_norm(norm, cfg, x)),
        false => layer_norm(norm, cfg, x + f(x)),
    }
}

fn feed_forward<'g>(w: Scope<'g>, cfg: TransformerBlock, x: Tensor<'g>) -> Tensor<'g> {
    let [_, _, d] = x.dims();
    let h = linear(w.at("linear1"), x, cfg.dim_feedforward, cfg.bias); // (B, T, F)
    let h = if cfg.activation == "gelu" { h.gelu() } else { h.relu() };
    linear(w.at("linear2"), h, d, cfg.bias) // (B, T, d)
}
