//! Many to one: a recurrent network reads a sequence and classifies it.
//!
//! Paper     Hochreiter, Schmidhuber 1997, the adding and the temporal order problems
//! Weights   `rnn.*` as `nn.RNN`, `nn.LSTM` or `nn.GRU`, `head.weight`, `head.bias`
//! Differs   nothing
//! Shapes    input (B, T, in), lengths (B) → logits (B, classes)

use super::{check_lengths, stack, turned};
use crate::config::Config;
use crate::graph::Graph;
use crate::models::{Inputs, Model, Trains};
use crate::nn::linear;
use crate::shape::Dims;
use crate::tensor::Dtype;

/// `ManyToOne`.
pub static MANY_TO_ONE: Model = Model {
    name: "ManyToOne",
    title: "Recurrent network, many to one",
    section: "4.6",
    source: "Hochreiter, Schmidhuber 1997",
    config: &["input_size", "cell (rnn|lstm|gru)", "hidden_size", "num_layers [1]", "num_classes"],
    inputs: &["input (B, T, input_size)", "lengths (B), 1 to T, optional"],
    outputs: &["logits (B, num_classes)", "debug.last_hidden (B, hidden_size)"],
    build,
    check: |_, inputs| match (inputs.get("lengths"), inputs.get("input").map(|x| x.shape())) {
        (Some(lengths), Some(&[_, t, _])) => check_lengths("lengths", lengths, t),
        _ => Ok(()),
    },
    trains: Some(Trains { output: "logits", target: "target", losses: &["cross_entropy", "multi_margin"] }),
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let input_size = config.required_usize("input_size");
    let num_classes = config.required_usize("num_classes");
    let stack = stack(config);

    let input = inputs.tensor(g, "input", Dtype::F32, &[1, 8, input_size]);
    let (hidden, last) = stack.run(g.root().at("rnn"), turned(input), &[], None); // (T, B, H), (layers, B, H)
    let last = match inputs.optional(g, "lengths", Dtype::I32) {
        None => last[0].slice(0, stack.layers - 1, 1).squeeze(0), // (B, H)
        Some(lengths) => {
            let [_, b, h] = hidden.dims();
            if lengths.shape() != [b] {
                return g.reject("lengths", format!("is {}, expected {}", Dims(&lengths.shape()), Dims(&[b])));
            }
            let step = (lengths - 1.0).reshape(&[1, b, 1]).broadcast_to(&[1, b, h]);
            hidden.gather(0, step).squeeze(0) // (B, H)
        }
    };
    g.output("debug.last_hidden", last);
    g.output("logits", linear(g.root().at("head"), last, num_classes, true)); // (B, classes)
}
