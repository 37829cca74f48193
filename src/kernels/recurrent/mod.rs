//! Steps of recurrent cells, behind their products or with them.

use crate::kernel::{Call, Grid, Kernel, Scalars};
use crate::shape::Dims;

pub mod gru_cell;
pub mod gru_step;
pub mod lstm_cell;
pub mod lstm_step;
mod step;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[
    &lstm_cell::LSTM_CELL,
    &lstm_cell::LSTM_CELL_BACKWARD,
    &lstm_step::LSTM_STEP,
    &gru_cell::GRU_CELL,
    &gru_cell::GRU_CELL_BACKWARD,
    &gru_step::GRU_STEP,
];

/// Elements of the state at `port`, one invocation each.
fn elements(c: &Call, port: usize) -> Grid {
    Grid::Threads(c.spec(port).len() as u64)
}

/// `n` and `hidden` of the state at `port`.
fn scalars(c: &Call, port: usize) -> Scalars {
    Scalars::new().set("n", c.spec(port).len()).set("hidden", c.shape(port)[1])
}

/// The state at `port` is (B, H), and each of `rows` has `gates` blocks of it; returns (B, H).
fn expect(c: &Call, port: usize, states: &[usize], rows: &[usize], gates: usize) -> Result<[usize; 2], String> {
    let &[b, h] = c.shape(port) else {
        return Err(format!("{} is {}, expected (B, H)", c.kernel.inputs[port].name, Dims(c.shape(port))));
    };
    let wanted = states.iter().map(|&p| (p, [b, h])).chain(rows.iter().map(|&p| (p, [b, gates * h])));
    for (p, expected) in wanted.filter(|(p, _)| c.has(*p)) {
        if c.shape(p) != expected {
            let (name, found) = (c.kernel.inputs[p].name, Dims(c.shape(p)));
            return Err(format!("{name} is {found}, expected {}", Dims(&expected)));
        }
    }
    Ok([b, h])
}
