//! Attention whose scores a small network gives.

use super::linear;
use crate::graph::{Scope, Tensor};

/// Scores far below any other: their softmax is 0.
const HIDDEN: f64 = -1e30;

/// Additive attention over `values`, whose keys are made once for all queries.
///
/// `e_i = score(tanh(query(s) + key_i))`, `a = softmax(e)` over the places that `mask` shows, `c = Σ_i a_i values_i`
///
/// # Shapes
/// `keys (B, S, A)` · `values (B, S, D)` · `mask (B, S)`, i32, 0 hides
/// # Gradient
/// `values`, `keys`, the query, the weights
/// # Source
/// Bahdanau, Cho, Bengio 2015, arXiv:1409.0473, appendix A.1.2
#[derive(Clone, Copy)]
pub struct AdditiveAttention<'g> {
    /// Scope of `query` and `score`.
    pub w: Scope<'g>,
    /// What the queries are compared with.
    pub keys: Tensor<'g>,
    /// What is averaged.
    pub values: Tensor<'g>,
    /// Places that count.
    pub mask: Option<Tensor<'g>>,
}

impl<'g> AdditiveAttention<'g> {
    /// The average of the values for the query `s (B, H)`, and the weights: `(B, D)` and `(B, S)`.
    #[track_caller]
    pub fn of(self, s: Tensor<'g>) -> (Tensor<'g>, Tensor<'g>) {
        let [_, _, features] = self.keys.dims();
        let query = linear(self.w.at("query"), s, features, false).unsqueeze(1); // (B, 1, A)
        let e = linear(self.w.at("score"), (self.keys + query).tanh(), 1, false).squeeze(-1); // (B, S)
        let e = self.mask.map_or(e, |mask| mask.r#where(e, s.graph().scalar(HIDDEN)));
        let a = e.softmax(-1); // (B, S)
        let c = a.unsqueeze(1).matmul(self.values).squeeze(1); // (B, D)
        (c, a)
    }
}
