//! A character-level language model: recurrent layers name the next character after every one.
//!
//! Paper     Sutskever, Martens, Hinton 2011, "Generating text with recurrent neural networks"; Karpathy 2015
//! Weights   `embedding.weight` (only where characters are embedded), `rnn.*` as `nn.RNN`, `nn.LSTM` or `nn.GRU`,
//!           `head.weight`, `head.bias`
//! Differs   plain cells, none that multiply
//! Shapes    input_ids (B, T) → logits (B, T, V)

use super::{check_ids, stack, turned};
use crate::config::Config;
use crate::graph::Graph;
use crate::models::{Inputs, Model};
use crate::nn::linear;
use crate::tensor::Dtype;

/// `CharLanguageModel`.
pub static CHAR_LANGUAGE_MODEL: Model = Model {
    name: "CharLanguageModel",
    title: "Character-level language model",
    section: "4.4",
    source: "Sutskever, Martens, Hinton 2011",
    config: &[
        "vocab_size",
        "cell (rnn|lstm|gru)",
        "input_encoding (embedding|one_hot)",
        "embedding_dim, null for one_hot",
        "hidden_size",
        "num_layers [1]",
    ],
    inputs: &["input_ids (B, T)"],
    outputs: &["logits (B, T, vocab_size)", "debug.hidden (B, T, hidden_size)"],
    build,
    check: |config, inputs| {
        let vocab_size = config.required_usize("vocab_size");
        config.finish()?;
        check_ids(inputs, "input_ids", vocab_size)
    },
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let vocab_size = config.required_usize("vocab_size");
    let embedded = config.required_text("input_encoding", &["embedding", "one_hot"]) == "embedding";
    let stack = stack(config);

    let input_ids = inputs.tensor(g, "input_ids", Dtype::I32, &[1, 8]);
    let x = if embedded {
        let embedding_dim = config.required_usize("embedding_dim");
        input_ids.embedding(g.root().at("embedding").weight("weight", &[vocab_size, embedding_dim])) // (B, T, E)
    } else {
        input_ids.one_hot(vocab_size) // (B, T, V)
    };
    let (hidden, _) = stack.run(g.root().at("rnn"), turned(x), &[], None); // (T, B, H)
    let hidden = turned(hidden); // (B, T, H)
    g.output("debug.hidden", hidden);
    g.output("logits", linear(g.root().at("head"), hidden, vocab_size, true)); // (B, T, V)
}
