//! Rows of the recurrent family.

use crate::row::Row;
use handmill::kernel::Kernel;
use handmill::kernels::recurrent::gru_cell::{GRU_CELL, GRU_CELL_BACKWARD};
use handmill::kernels::recurrent::gru_step::GRU_STEP;
use handmill::kernels::recurrent::lstm_cell::{LSTM_CELL, LSTM_CELL_BACKWARD};
use handmill::kernels::recurrent::lstm_step::LSTM_STEP;

/// B and H: 1, workgroup − 1, workgroup, workgroup + 1, primes.
const SIZES: [(usize, usize); 6] = [(1, 1), (1, 63), (2, 32), (5, 13), (3, 7), (17, 31)];

/// Every row.
pub fn rows() -> Vec<Row> {
    [lstm_cell(), gru_cell(), steps()].into_iter().flatten().collect()
}

/// Rows of every size: gates in (0, 1) where they are inputs, everything else in [−1, 1).
fn sized(kernel: &'static Kernel, finish: fn(Row, usize, usize) -> Row) -> Vec<Row> {
    SIZES.iter().map(|&(b, h)| finish(Row::new(kernel, &format!("f32/{b}x{h}")), b, h)).collect()
}

/// B, H and R of a step with its product: 1, states of vectors of four and of eight, primes, more rows than a lane has.
const STEPS: [(usize, usize, usize); 7] =
    [(1, 1, 1), (1, 17, 64), (2, 16, 65), (3, 7, 12), (5, 33, 40), (9, 63, 63), (4, 5, 200)];

fn steps() -> Vec<Row> {
    let mut rows = vec![];
    for (kernel, gates) in [(&LSTM_STEP, 4), (&GRU_STEP, 3)] {
        for (b, h, r) in STEPS {
            let row = |dtype: &str, note: &str| {
                Row::new(kernel, &format!("{dtype}/{b}x{h}x{r}{note}")).f32(&[b, gates * h]).f32(&[b, h]).f32(&[b, r])
            };
            rows.push(row("f32", "").f32(&[gates * h, r]).f32(&[gates * h]));
            rows.push(row("f32", "/no_bias").f32(&[gates * h, r]));
            rows.push(row("f16", "").f16(&[gates * h, r]).f32(&[gates * h]));
        }
    }
    // The goldens of the cells, their u as a product with a state of 1.
    rows.extend([
        Row::new(&LSTM_STEP, "f32/1x1x1/golden")
            .list(&[1, 4], &[0.25, -1.5, 1.0, 0.0])
            .list(&[1, 1], &[0.75])
            .list(&[1, 1], &[1.0])
            .list(&[4, 1], &[0.25, 0.25, 1.0, 0.5])
            .list(&[4], &[0.0, 0.25, 0.0, -0.25])
            .golden(0, &[0.373862767], 1e-6)
            .golden(1, &[0.801774029], 1e-6),
        Row::new(&GRU_STEP, "f32/1x1x1/golden")
            .list(&[1, 3], &[0.25, -1.5, 0.5])
            .list(&[1, 1], &[0.75])
            .list(&[1, 1], &[1.0])
            .list(&[3, 1], &[0.25, 0.25, 1.0])
            .list(&[3], &[0.0, 0.25, 0.5])
            .golden(0, &[0.854117440], 1e-6),
        Row::new(&LSTM_STEP, "f32/65537x1x1/many_groups")
            .f32(&[65_537, 4])
            .f32(&[65_537, 1])
            .f32(&[65_537, 1])
            .f32(&[4, 1])
            .none(),
    ]);
    rows
}

fn lstm_cell() -> Vec<Row> {
    let mut rows = sized(&LSTM_CELL, |row, b, h| row.f32(&[b, 4 * h]).f32(&[b, 4 * h]).f32(&[b, h]));
    rows.extend(sized(&LSTM_CELL_BACKWARD, |row, b, h| {
        row.range(&[b, 4 * h], 0.0, 1.0).f32(&[b, h]).f32(&[b, h]).f32(&[b, h]).f32(&[b, h])
    }));
    rows.extend([
        Row::new(&LSTM_CELL, "f32/65537x64/many_groups").f32(&[65_537, 256]).f32(&[65_537, 256]).f32(&[65_537, 64]),
        // numpy: s=lambda x:1/(1+np.exp(-x)); i,f,g,o=.5,-1.,2.,.25; c=s(f)*.75+s(i)*np.tanh(g); s(o)*np.tanh(c), c
        Row::new(&LSTM_CELL, "f32/1x1/golden")
            .list(&[1, 4], &[0.25, -1.5, 1.0, 0.0])
            .list(&[1, 4], &[0.25, 0.5, 1.0, 0.25])
            .list(&[1, 1], &[0.75])
            .golden(0, &[0.373862767], 1e-6)
            .golden(1, &[0.801774029], 1e-6),
        Row::new(&LSTM_CELL, "f32/2x3/large").range(&[2, 12], -90.0, 90.0).range(&[2, 12], -9.0, 9.0).range(
            &[2, 3],
            -50.0,
            50.0,
        ),
        Row::new(&LSTM_CELL, "f32/2x2/zeros")
            .list(&[2, 8], &[0.0; 16])
            .list(&[2, 8], &[-0.0; 16])
            .list(&[2, 2], &[0.0; 4]),
        Row::new(&LSTM_CELL_BACKWARD, "f32/3x5/last")
            .range(&[3, 20], 0.0, 1.0)
            .f32(&[3, 5])
            .f32(&[3, 5])
            .f32(&[3, 5])
            .none(),
        // The gates are shut or open all the way.
        Row::new(&LSTM_CELL_BACKWARD, "f32/1x1/shut")
            .list(&[1, 4], &[0.0, 1.0, -1.0, 1.0])
            .list(&[1, 1], &[3.0])
            .list(&[1, 1], &[3.0])
            .list(&[1, 1], &[2.0])
            .list(&[1, 1], &[0.5]),
    ]);
    rows
}

fn gru_cell() -> Vec<Row> {
    let mut rows = sized(&GRU_CELL, |row, b, h| row.f32(&[b, 3 * h]).f32(&[b, 3 * h]).f32(&[b, h]));
    rows.extend(sized(&GRU_CELL_BACKWARD, |row, b, h| {
        row.range(&[b, 3 * h], 0.0, 1.0).f32(&[b, 3 * h]).f32(&[b, h]).f32(&[b, h])
    }));
    rows.extend([
        Row::new(&GRU_CELL_BACKWARD, "f32/65537x64/many_groups")
            .range(&[65_537, 192], 0.0, 1.0)
            .f32(&[65_537, 192])
            .f32(&[65_537, 64])
            .f32(&[65_537, 64]),
        // numpy: s=lambda x:1/(1+np.exp(-x)); r,z=s(.5),s(-1.); n=np.tanh(.5+r*1.5); (1-z)*n+z*.75
        Row::new(&GRU_CELL, "f32/1x1/golden")
            .list(&[1, 3], &[0.25, -1.5, 0.5])
            .list(&[1, 3], &[0.25, 0.5, 1.5])
            .list(&[1, 1], &[0.75])
            .golden(0, &[0.854117440], 1e-6),
        Row::new(&GRU_CELL, "f32/2x3/large").range(&[2, 9], -90.0, 90.0).range(&[2, 9], -9.0, 9.0).range(
            &[2, 3],
            -50.0,
            50.0,
        ),
        Row::new(&GRU_CELL, "f32/2x2/zeros")
            .list(&[2, 6], &[0.0; 12])
            .list(&[2, 6], &[-0.0; 12])
            .list(&[2, 2], &[0.0; 4]),
        Row::new(&GRU_CELL_BACKWARD, "f32/1x1/shut")
            .list(&[1, 3], &[0.0, 1.0, -1.0])
            .list(&[1, 3], &[1.0, 2.0, 3.0])
            .list(&[1, 1], &[3.0])
            .list(&[1, 1], &[2.0]),
    ]);
    rows
}
