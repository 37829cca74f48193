//! Attention with several heads, each over its own part of the projections.
//!
//! Paper     Vaswani et al. 2017, "Attention is all you need", arXiv:1706.03762, 3.2.2
//! Weights   `torch.nn.MultiheadAttention`
//! Differs   dropout does nothing in evaluation
//! Shapes    query (B, T, E), key (B, S, K), value (B, S, V) → attn_output (B, T, E), attn_output_weights (B, T, S);
//!           (T, B, …) unless batch_first

use super::{bias, check_masks, heads, ordered, sequence};
use crate::config::Config;
use crate::graph::Graph;
use crate::models::{Inputs, Model};
use crate::nn::linear;
use crate::nn::multi_head::project;

const MASKS: [&str; 2] = ["attn_mask", "key_padding_mask"];

/// `MultiheadAttention`.
pub static MULTIHEAD_ATTENTION: Model = Model {
    name: "MultiheadAttention",
    title: "Multi-head attention",
    section: "5.3",
    source: "Vaswani et al. 2017, arXiv:1706.03762",
    config: &[
        "embed_dim",
        "num_heads",
        "bias [true]",
        "kdim [embed_dim]",
        "vdim [embed_dim]",
        "batch_first [false]",
        "average_attn_weights [true]",
    ],
    inputs: &[
        "query (T, B, embed_dim)",
        "key (S, B, kdim)",
        "value (S, B, vdim)",
        "key_padding_mask (B, S), optional",
        "attn_mask (T, S), optional",
    ],
    outputs: &["attn_output (T, B, embed_dim)", "attn_output_weights (B, T, S) or (B, num_heads, T, S)"],
    build,
    check: |_, inputs| check_masks(inputs, &MASKS),
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let embed_dim = config.required_usize("embed_dim");
    let num_heads = heads(config, "num_heads", config.required_usize("num_heads"), "embed_dim", embed_dim);
    let biased = config.bool("bias", true);
    let (kdim, vdim) = (config.usize("kdim", embed_dim), config.usize("vdim", embed_dim));
    let batch_first = config.bool("batch_first", false);
    let average_attn_weights = config.bool("average_attn_weights", true);
    for name in ["add_bias_kv", "add_zero_attn"] {
        config.require(!config.bool(name, false), name, || "found true, expected false".into());
    }

    let query = sequence(g, inputs, "query", embed_dim, batch_first); // (B, T, E)
    let key = sequence(g, inputs, "key", kdim, batch_first); // (B, S, K)
    let value = sequence(g, inputs, "value", vdim, batch_first); // (B, S, V)
    let ([b, t, _], [_, s, _]) = (query.dims(), key.dims());
    let [q, k, v] = project(g.root(), [query, key, value], num_heads, biased); // 3 × (B, H, T, D)
    let scale = ((embed_dim / num_heads) as f64).sqrt().recip();
    let scores = q.matmul_t(k) * scale; // (B, H, T, S)
    let weights = bias(g, inputs, MASKS, [b, t, s]).map_or(scores, |bias| scores + bias).softmax(-1);
    let y = linear(g.root().at("out_proj"), weights.matmul(v).merge_heads(), embed_dim, biased); // (B, T, E)
    g.output("attn_output", ordered(y, batch_first));
    let averaged = if average_attn_weights { weights.mean(&[1], false) } else { weights };
    g.output("attn_output_weights", averaged);
}
