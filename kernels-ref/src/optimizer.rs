//! Updates of weights and of other states.

/// `x`, and `keep` times the state before, unless `keep` is 0.
pub fn accumulate(state: &[f64], x: &[f64], keep: f64) -> Vec<f64> {
    state.iter().zip(x).map(|(s, x)| if keep == 0.0 { *x } else { keep * s + x }).collect()
}
