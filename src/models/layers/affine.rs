//! The affine layer and the table of embeddings.

use super::{LAYER, expect, input, only};
use crate::config::Config;
use crate::graph::Graph;
use crate::json::Value;
use crate::models::{Inputs, Model};
use crate::nn;
use crate::run::ids_in_range;
use crate::tensor::Dtype;

/// `Linear`.
pub static LINEAR: Model = Model {
    name: "Linear",
    title: "Affine map of the last axis",
    config: &["in_features", "out_features", "bias [true]"],
    inputs: &["input (…, in_features)"],
    outputs: &["output (…, out_features)"],
    build: linear,
    ..LAYER
};

fn linear(g: &Graph, config: &Config, inputs: &Inputs) {
    let in_features = config.required_usize("in_features");
    let out_features = config.required_usize("out_features");
    let bias = config.bool("bias", true);

    let x = input(g, inputs, &[1, in_features]);
    expect(x, -1, in_features, "in_features");
    g.output("output", nn::linear(g.root(), x, out_features, bias));
}

/// `Embedding`. `padding_idx` has no effect on the result.
pub static EMBEDDING: Model = Model {
    name: "Embedding",
    title: "Rows of a table",
    config: &["num_embeddings", "embedding_dim", "padding_idx [null]"],
    inputs: &["input (…) ids"],
    outputs: &["output (…, embedding_dim)"],
    build: embedding,
    check: |config, inputs| {
        inputs.get("input").map_or(Ok(()), |ids| ids_in_range("input", ids, config.usize("num_embeddings", 1)))
    },
    ..LAYER
};

fn embedding(g: &Graph, config: &Config, inputs: &Inputs) {
    let num_embeddings = config.required_usize("num_embeddings");
    let embedding_dim = config.required_usize("embedding_dim");
    only(config, "max_norm", &Value::Null);

    let ids = inputs.tensor(g, "input", Dtype::I32, &[1, 8]);
    g.output("output", ids.embedding(g.root().weight("weight", &[num_embeddings, embedding_dim])));
}
