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
use crate::models::{Inputs, Model, Trains};
use crate::nn::{Cell, linear};
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
    inputs: &[
        "input_ids (B, T)",
        "h_0 (num_layers, B, hidden_size), optional",
        "c_0 (num_layers, B, hidden_size), optional, of an LSTM",
    ],
    outputs: &[
        "logits (B, T, vocab_size)",
        "h_n (num_layers, B, hidden_size), with h_0",
        "c_n (num_layers, B, hidden_size), with c_0",
        "debug.hidden (B, T, hidden_size)",
    ],
    build,
    check: |config, inputs| {
        let vocab_size = config.required_usize("vocab_size");
        config.finish()?;
        check_ids(inputs, "input_ids", vocab_size)
    },
    trains: Some(Trains { output: "logits", target: "target", losses: &["cross_entropy"] }),
    carries: Some(|config, shapes| {
        let stack = stack(config);
        let batch = shapes.get("input_ids").and_then(|s| s.shape.first().copied()).unwrap_or(1);
        vec![vec![stack.layers, batch, stack.hidden]; if stack.cell == Cell::Lstm { 2 } else { 1 }]
    }),
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
    let initial = ["h_0", "c_0"].map(|name| inputs.optional(g, name, Dtype::F32));
    if stack.cell != Cell::Lstm && initial[1].is_some() {
        return g.reject("c_0", "is the cell state of an LSTM, which this is not");
    }
    let (hidden, last) = stack.run(g.root().at("rnn"), turned(x), &initial, None); // (T, B, H), (layers, B, H)
    for ((name, last), _) in ["h_n", "c_n"].into_iter().zip(last).zip(initial).filter(|(_, first)| first.is_some()) {
        g.output(name, last);
    }
    let hidden = turned(hidden); // (B, T, H)
    g.output("debug.hidden", hidden);
    g.output("logits", linear(g.root().at("head"), hidden, vocab_size, true)); // (B, T, V)
}
