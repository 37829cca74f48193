//! Recurrent layers: `RNN`, `LSTM` and `GRU`, each a stack in one direction or in both.
//!
//! Paper     Elman 1990; Hochreiter, Schmidhuber 1997, with the forget gate of Gers, Schmidhuber, Cummins 2000 and
//!           the projection of Sak, Senior, Beaufays 2014, arXiv:1402.1128; Cho et al. 2014, arXiv:1406.1078
//! Weights   PyTorch's: per layer k and direction (suffix empty or `_reverse`) `weight_ih_l{k}`, `weight_hh_l{k}`,
//!           `bias_ih_l{k}`, `bias_hh_l{k}`, and with a projection `weight_hr_l{k}`; gates of an LSTM in the order
//!           i, f, g, o, of a GRU r, z, n
//! Differs   dropout does nothing: it is for training; no sequences of different lengths, no input without a batch
//! Shapes    input (T, B, in) → output (T, B, D·R), h_n (layers·D, B, R), c_n (layers·D, B, H); with `batch_first`
//!           input and output are (B, T, …), the states as before

use super::{num_layers, turned};
use crate::config::Config;
use crate::graph::Graph;
use crate::models::{Inputs, Model};
use crate::nn::{Cell, Recurrent};
use crate::tensor::Dtype;

/// `RNN`.
pub static RNN: Model = Model {
    name: "RNN",
    title: "Recurrent network",
    section: "4.1",
    source: "Elman 1990",
    config: &[
        "input_size",
        "hidden_size",
        "num_layers [1]",
        "nonlinearity (tanh|relu) [tanh]",
        "bias [true]",
        "batch_first [false]",
        "bidirectional [false]",
    ],
    inputs: &["input (T, B, input_size), or (B, T, input_size) if batch_first", "h_0 (layers·D, B, H), optional"],
    outputs: &["output, as input with D·H features", "h_n (layers·D, B, H)"],
    build: |g, config, inputs| {
        let cell = match config.text("nonlinearity", "tanh", &["tanh", "relu"]) {
            "relu" => Cell::RnnRelu,
            _ => Cell::RnnTanh,
        };
        build(g, config, inputs, cell);
    },
    ..Model::BASE
};

/// `LSTM`.
pub static LSTM: Model = Model {
    name: "LSTM",
    title: "Long short-term memory",
    section: "4.2",
    source: "Hochreiter, Schmidhuber 1997",
    config: &[
        "input_size",
        "hidden_size",
        "num_layers [1]",
        "bias [true]",
        "batch_first [false]",
        "bidirectional [false]",
        "proj_size [0]",
    ],
    inputs: &[
        "input (T, B, input_size), or (B, T, input_size) if batch_first",
        "h_0 (layers·D, B, R), optional",
        "c_0 (layers·D, B, H), optional",
    ],
    outputs: &["output, as input with D·R features", "h_n (layers·D, B, R)", "c_n (layers·D, B, H)"],
    build: |g, config, inputs| build(g, config, inputs, Cell::Lstm),
    ..Model::BASE
};

/// `GRU`.
pub static GRU: Model = Model {
    name: "GRU",
    title: "Gated recurrent units",
    section: "4.3",
    source: "Cho et al. 2014, arXiv:1406.1078",
    config: &[
        "input_size",
        "hidden_size",
        "num_layers [1]",
        "bias [true]",
        "batch_first [false]",
        "bidirectional [false]",
    ],
    inputs: &["input (T, B, input_size), or (B, T, input_size) if batch_first", "h_0 (layers·D, B, H), optional"],
    outputs: &["output, as input with D·H features", "h_n (layers·D, B, H)"],
    build: |g, config, inputs| build(g, config, inputs, Cell::Gru),
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs, cell: Cell) {
    let input_size = config.required_usize("input_size");
    let hidden = config.required_usize("hidden_size");
    let batch_first = config.bool("batch_first", false);
    let most = if cell == Cell::Lstm { hidden - 1 } else { 0 };
    let stack = Recurrent {
        bias: config.bool("bias", true),
        bidirectional: config.bool("bidirectional", false),
        proj: config.usize_in("proj_size", 0, 0..=most),
        ..Recurrent::new(cell, hidden, num_layers(config))
    };

    let sizes = if batch_first { [1, 8, input_size] } else { [8, 1, input_size] };
    let input = inputs.tensor(g, "input", Dtype::F32, &sizes);
    let mut initial = vec![inputs.optional(g, "h_0", Dtype::F32)];
    if cell == Cell::Lstm {
        initial.push(inputs.optional(g, "c_0", Dtype::F32));
        let [h, c] = [0, 1].map(|i| initial[i].is_some());
        if h != c {
            g.reject(if h { "c_0" } else { "h_0" }, "is missing; an LSTM takes h_0 and c_0 together");
        }
    }
    let x = if batch_first { turned(input) } else { input }; // (T, B, in)
    let (output, last) = stack.run(g.root(), x, &initial, None); // (T, B, D·R), (layers·D, B, …)
    g.output("output", if batch_first { turned(output) } else { output });
    for (name, state) in ["h_n", "c_n"].iter().zip(last) {
        g.output(name, state);
    }
}
