//! Self-attention: queries, keys and values from one sequence; masked, a position sees itself and those before.
//!
//! Weights   `query.weight`, `key.weight` (Q, X), `value.weight` (U, X); no bias
//! Shapes    input (B, N, X) → attentions (B, N, N), a row a query, output (B, N, U)

use super::{MASKED, sequence};
use crate::config::Config;
use crate::graph::Graph;
use crate::models::{Inputs, Model};
use crate::nn::linear;
use crate::tensor::Dtype;

/// What both have in common.
const LAYER: Model = Model {
    section: "5.2",
    source: "Vaswani et al. 2017, arXiv:1706.03762, eq. 1",
    config: &["input_dim", "query_dim", "value_dim"],
    inputs: &["input (B, N, input_dim)"],
    outputs: &["output (B, N, value_dim)", "attentions (B, N, N)"],
    ..Model::BASE
};

/// `SelfAttentionLayer`.
pub static SELF_ATTENTION_LAYER: Model = Model {
    name: "SelfAttentionLayer",
    title: "Self-attention layer",
    build: |g, config, inputs| build(g, config, inputs, false),
    ..LAYER
};

/// `MaskedSelfAttentionLayer`.
pub static MASKED_SELF_ATTENTION_LAYER: Model = Model {
    name: "MaskedSelfAttentionLayer",
    title: "Masked self-attention layer",
    build: |g, config, inputs| build(g, config, inputs, true),
    ..LAYER
};

fn build(g: &Graph, config: &Config, inputs: &Inputs, masked: bool) {
    let input_dim = config.required_usize("input_dim");
    let query_dim = config.required_usize("query_dim");
    let value_dim = config.required_usize("value_dim");
    let x = sequence(g, inputs, "input", input_dim, true); // (B, N, X)
    let [_, n, _] = x.dims();
    let query = linear(g.root().at("query"), x, query_dim, false); // (B, N, Q)
    let key = linear(g.root().at("key"), x, query_dim, false); // (B, N, Q)
    let value = linear(g.root().at("value"), x, value_dim, false); // (B, N, U)
    let mut scores = query.matmul_t(key) * (query_dim as f64).sqrt().recip(); // (B, N, N)
    if masked {
        let place = g.iota(Dtype::I32, n, 0.0, 1.0); // (N)
        let later = place.unsqueeze(1).compare("lt", place); // (N, N)
        scores = later.r#where(g.scalar(MASKED), scores);
    }
    let attentions = scores.softmax(-1);
    g.output("attentions", attentions);
    g.output("output", attentions.matmul(value)); // (B, N, U)
}
