//! Many to many: a recurrent network labels every step of a sequence.
//!
//! Paper     Schuster, Paliwal 1997, "Bidirectional recurrent neural networks"
//! Weights   `rnn.*` as `nn.RNN`, `nn.LSTM` or `nn.GRU`, `head.weight`, `head.bias`
//! Differs   nothing
//! Shapes    input (B, T, in) → logits (B, T, classes)

use super::{stack, turned};
use crate::config::Config;
use crate::graph::Graph;
use crate::models::{Inputs, Model, Trains};
use crate::nn::{Recurrent, linear};
use crate::tensor::Dtype;

/// `ManyToMany`.
pub static MANY_TO_MANY: Model = Model {
    name: "ManyToMany",
    title: "Recurrent network, many to many",
    section: "4.7",
    source: "Schuster, Paliwal 1997",
    config: &[
        "input_size",
        "cell (rnn|lstm|gru)",
        "hidden_size",
        "num_layers [1]",
        "num_classes",
        "bidirectional [false]",
    ],
    inputs: &["input (B, T, input_size)"],
    outputs: &["logits (B, T, num_classes)", "debug.hidden (B, T, D·hidden_size)"],
    build,
    trains: Some(Trains { output: "logits", target: "target", losses: &["cross_entropy"] }),
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let input_size = config.required_usize("input_size");
    let num_classes = config.required_usize("num_classes");
    let stack = Recurrent { bidirectional: config.bool("bidirectional", false), ..stack(config) };

    let input = inputs.tensor(g, "input", Dtype::F32, &[1, 8, input_size]);
    let (hidden, _) = stack.run(g.root().at("rnn"), turned(input), &[], None); // (T, B, D·H)
    let hidden = turned(hidden); // (B, T, D·H)
    g.output("debug.hidden", hidden);
    g.output("logits", linear(g.root().at("head"), hidden, num_classes, true)); // (B, T, classes)
}
