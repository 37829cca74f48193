//! One to many: a recurrent network unfolds one vector into a sequence, and reads what it wrote.
//!
//! Paper     Jordan 1986, "Serial order: a parallel distributed processing approach"
//! Weights   `init.weight`, `init.bias`, `cell.*` as `nn.RNNCell`, `nn.LSTMCell` or `nn.GRUCell`, `head.weight`,
//!           `head.bias`
//! Differs   nothing
//! Shapes    input (B, in) → output (B, N, O)

use super::{MAX_STEPS, cell, turned};
use crate::config::Config;
use crate::graph::Graph;
use crate::models::{Inputs, Model, Trains};
use crate::nn::{Cell, CellWeights, linear};
use crate::tensor::Dtype;

/// `OneToMany`.
pub static ONE_TO_MANY: Model = Model {
    name: "OneToMany",
    title: "Recurrent network, one to many",
    section: "4.5",
    source: "Jordan 1986",
    config: &["in_features", "cell (rnn|lstm|gru)", "hidden_size", "out_features", "num_steps"],
    inputs: &["input (B, in_features)"],
    outputs: &["output (B, num_steps, out_features)", "debug.initial_hidden (B, hidden_size)"],
    build,
    trains: Some(Trains { output: "output", target: "target", losses: &["mse", "l1", "huber"] }),
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let in_features = config.required_usize("in_features");
    let cell = cell(config);
    let hidden_size = config.required_usize("hidden_size");
    let out_features = config.required_usize("out_features");
    let num_steps = config.required_usize_in("num_steps", 1..=MAX_STEPS);

    let w = g.root();
    let input = inputs.tensor(g, "input", Dtype::F32, &[1, in_features]);
    let [b, _] = input.dims();
    let h = linear(w.at("init"), input, hidden_size, true).tanh(); // (B, H)
    g.output("debug.initial_hidden", h);
    let zeros = |features| g.fill(Dtype::F32, &[b, features], 0.0);
    let mut start = vec![zeros(out_features), h];
    if cell == Cell::Lstm {
        start.push(zeros(hidden_size));
    }
    let weights = CellWeights::single(w.at("cell"), cell, out_features, hidden_size);
    // Nothing comes in from outside: the slices only count the steps.
    let steps = g.fill(Dtype::F32, &[num_steps, 1], 0.0);
    let (_, made) = g.scan(&start, &[steps], false, |carry, _| {
        let state = weights.step(weights.inputs(carry[0]), &carry[1..]);
        let y = linear(w.at("head"), state[0], out_features, true); // (B, O)
        (std::iter::once(y).chain(state).collect(), vec![y])
    });
    let Some(&output) = made.first() else { return }; // (N, B, O)
    g.output("output", turned(output)); // (B, N, O)
}
