//! Rows of the optimizer family.

use crate::row::Row;
use handmill::kernels::optimizer::accumulate::ACCUMULATE;

/// Every row.
pub fn rows() -> Vec<Row> {
    accumulate()
}

fn accumulate() -> Vec<Row> {
    let row = |n: usize, keep: f32, note: &str| {
        Row::new(&ACCUMULATE, &format!("f32/{n}{note}")).f32(&[n]).f32(&[n]).list(&[1], &[keep])
    };
    vec![
        row(1, 1.0, ""),
        row(63, 0.5, ""),
        row(64, -1.5, ""),
        row(65, 1.0, ""),
        row(4099, 1.0, ""),
        row(65, 0.0, "/anew"),
        // What the state was does not matter then.
        Row::new(&ACCUMULATE, "f32/3/nan").list(&[3], &[f32::NAN, f32::INFINITY, 1.0]).f32(&[3]).list(&[1], &[0.0]),
        // numpy: 0.5*np.array([1.,2.]) + np.array([3.,-1.])
        Row::new(&ACCUMULATE, "f32/2/golden")
            .list(&[2], &[1.0, 2.0])
            .list(&[2], &[3.0, -1.0])
            .list(&[1], &[0.5])
            .golden(0, &[3.5, 0.0], 0.0),
        Row::new(&ACCUMULATE, "f32/2x3/axes").f32(&[2, 3]).f32(&[2, 3]).list(&[1], &[1.0]),
    ]
}
