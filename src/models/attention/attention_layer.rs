//! An attention layer: queries of their own, keys and values from inputs.
//!
//! Weights   `key.weight` (Q, X), `value.weight` (U, X); no bias
//! Shapes    queries (B, N, Q), inputs (B, M, X) → attentions (B, N, M), output (B, N, U)

use super::sequence;
use crate::config::Config;
use crate::graph::Graph;
use crate::models::{Inputs, Model};
use crate::nn::linear;

/// `AttentionLayer`.
pub static ATTENTION_LAYER: Model = Model {
    name: "AttentionLayer",
    title: "Attention layer",
    section: "5.1",
    source: "Vaswani et al. 2017, arXiv:1706.03762, eq. 1",
    config: &["query_dim", "input_dim", "value_dim"],
    inputs: &["queries (B, N, query_dim)", "inputs (B, M, input_dim)"],
    outputs: &["output (B, N, value_dim)", "attentions (B, N, M)"],
    build,
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let query_dim = config.required_usize("query_dim");
    let input_dim = config.required_usize("input_dim");
    let value_dim = config.required_usize("value_dim");
    let queries = sequence(g, inputs, "queries", query_dim, true); // (B, N, Q)
    let x = sequence(g, inputs, "inputs", input_dim, true); // (B, M, X)
    let key = linear(g.root().at("key"), x, query_dim, false); // (B, M, Q)
    let value = linear(g.root().at("value"), x, value_dim, false); // (B, M, U)
    let scores = queries.matmul_t(key) * (query_dim as f64).sqrt().recip(); // (B, N, M)
    let attentions = scores.softmax(-1);
    g.output("attentions", attentions);
    g.output("output", attentions.matmul(value)); // (B, N, U)
}
