//! Positions as sines and cosines of many wavelengths, added to a sequence.
//!
//! Paper     Vaswani et al. 2017, arXiv:1706.03762, 3.5
//! Weights   none
//! Shapes    input (B, T, d) → output (B, T, d)

use super::sequence;
use crate::config::Config;
use crate::graph::Graph;
use crate::kernels::attention::positions::sinusoidal_table;
use crate::models::{Inputs, Model};

/// `SinusoidalPositionalEncoding`.
pub static SINUSOIDAL_POSITIONAL_ENCODING: Model = Model {
    name: "SinusoidalPositionalEncoding",
    title: "Sinusoidal positional encoding",
    section: "5.6",
    source: "Vaswani et al. 2017, arXiv:1706.03762",
    config: &["d_model"],
    inputs: &["input (B, T, d_model)"],
    outputs: &["output (B, T, d_model)", "debug.table (T, d_model)"],
    build,
    ..Model::BASE
};

/// The widest model: the table is made on the host.
const MAX_WIDTH: usize = 1 << 16;

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let input = sequence(g, inputs, "input", config.required_usize_in("d_model", 1..=MAX_WIDTH), true); // (B, T, d)
    let [_, t, d] = input.dims();
    let table = g.constant(sinusoidal_table(t, d)); // (T, d)
    g.output("debug.table", table);
    g.output("output", input + table);
}
