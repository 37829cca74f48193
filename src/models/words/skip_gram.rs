//! Word2vec's skip-gram: the vector of a word names the words around it.
//!
//! Paper     Mikolov, Chen, Corrado, Dean 2013, arXiv:1301.3781 · Mikolov, Sutskever, Chen, Corrado, Dean 2013,
//!           arXiv:1310.4546, eq. 2 (softmax) and 4 (negative sampling)
//! Weights   `in_embeddings.weight`, `out_embeddings.weight` (V, E)
//! Differs   negatives are given, not drawn; no hierarchical softmax
//! Init      word2vec's own program: `in_embeddings` uniform in ±0.5/E, `out_embeddings` 0
//! Shapes    center (B) → h (B, E), logits (B, V); target (B) → target_score (B); negatives (B, K) →
//!           negative_scores (B, K)

use crate::config::Config;
use crate::graph::{Graph, Tensor};
use crate::models::{Inputs, Model, Trains};
use crate::run::ids_in_range;
use crate::shape::Dims;
use crate::tensor::Dtype;

/// `SkipGram`.
pub static SKIP_GRAM: Model = Model {
    name: "SkipGram",
    title: "Word2vec skip-gram",
    section: "10.2",
    source: "Mikolov et al. 2013, arXiv:1310.4546",
    config: &["vocab_size", "embedding_dim"],
    inputs: &["center (B) ids", "target (B) ids, optional", "negatives (B, K) ids, optional"],
    outputs: &[
        "h (B, embedding_dim)",
        "logits (B, vocab_size), without negatives",
        "target_score (B), with target",
        "negative_scores (B, K), with negatives",
    ],
    build,
    check: |config, inputs| {
        let vocab_size = config.required_usize("vocab_size");
        config.finish()?;
        let given = IDS.iter().filter_map(|name| Some((*name, inputs.get(*name)?)));
        given.into_iter().try_for_each(|(name, ids)| ids_in_range(name, ids, vocab_size))
    },
    trains: Some(Trains { output: "logits", target: "target", losses: &["cross_entropy", "negative_sampling"] }),
    ..Model::BASE
};

const IDS: [&str; 3] = ["center", "target", "negatives"];

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let vocab_size = config.required_usize("vocab_size");
    let embedding_dim = config.required_usize("embedding_dim");
    let [center, target, negatives] = IDS;
    let table = |name| g.root().at(name).weight("weight", &[vocab_size, embedding_dim]);
    let out = table("out_embeddings");

    let ids = inputs.tensor(g, center, Dtype::I32, &[1]);
    let [b] = ids.dims();
    let h = ids.embedding(table("in_embeddings")); // (B, E)
    g.output("h", h);
    if let Some(ids) = inputs.optional(g, target, Dtype::I32) {
        if ids.shape() != [b] {
            return g.reject(target, format!("is {}, expected ({b})", Dims(&ids.shape())));
        }
        g.output("target_score", scores(h, ids.reshape(&[b, 1]), out).reshape(&[b])); // (B)
    }
    // All of the vocabulary is what negative sampling does without.
    let Some(ids) = inputs.optional(g, negatives, Dtype::I32) else {
        return g.output("logits", h.matmul_t(out)); // (B, V)
    };
    if !matches!(ids.shape()[..], [rows, _] if rows == b) {
        return g.reject(negatives, format!("is {}, expected ({b}, K)", Dims(&ids.shape())));
    }
    g.output("negative_scores", scores(h, ids, out)); // (B, K)
}

/// `h[b] · out[ids[b, k]]`
fn scores<'g>(h: Tensor<'g>, ids: Tensor<'g>, out: Tensor<'g>) -> Tensor<'g> {
    let [b, k] = ids.dims();
    h.unsqueeze(1).matmul_t(ids.embedding(out)).reshape(&[b, k]) // (B, K)
}
