//! Rows of the recurrent family.

use super::judge::Gradient;
use super::row::Row;
use handmill::kernels::recurrent::gru_cell::GRU_CELL;
use handmill::kernels::recurrent::lstm_cell::LSTM_CELL;

/// Every row.
pub fn rows() -> Vec<Gradient> {
    let rows = vec![
        Row::new(&LSTM_CELL, "f32/1x1").f32(&[1, 4]).f32(&[1, 4]).f32(&[1, 1]),
        Row::new(&LSTM_CELL, "f32/2x5").f32(&[2, 20]).f32(&[2, 20]).f32(&[2, 5]),
        Row::new(&GRU_CELL, "f32/1x1").f32(&[1, 3]).f32(&[1, 3]).f32(&[1, 1]),
        Row::new(&GRU_CELL, "f32/2x5").f32(&[2, 15]).f32(&[2, 15]).f32(&[2, 5]),
    ];
    rows.into_iter().map(Gradient::of).collect()
}
