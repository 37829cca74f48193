//! Where a decoder's attention takes the keys and values before a token from, in the phases of generation.

use crate::graph::{Graph, Scope, Tensor};
use crate::kernels::attention::attention::Attend;
use crate::nn::cache::{Append, Reorder, append, fill};
use crate::programs::generate::Phase;
use crate::tensor::{Dtype, HostTensor};

/// Where the keys and values before a token come from.
#[derive(Clone, Copy)]
pub enum Past<'g> {
    /// From the sequence itself; `mask (B, T)` hides some of its keys.
    None {
        /// 1 for a token, 0 for padding.
        mask: Option<Tensor<'g>>,
    },
    /// From the sequence itself, and caches keep them.
    Kept {
        /// Positions of the caches.
        capacity: usize,
        /// Rows of the caches for every row of the sequence.
        beams: usize,
    },
    /// From caches.
    Cached {
        /// Where this token's go.
        to: Append<'g>,
        /// Positions that are filled then: i32 `(B)`.
        length: Tensor<'g>,
    },
}

impl<'g> Past<'g> {
    /// The `input_ids (B, T)` of a phase of generation, and where their past comes from.
    pub fn of(g: &'g Graph, phase: Phase) -> (Tensor<'g>, Past<'g>) {
        let input_ids = g.input("input_ids", Dtype::I32, &phase.shape());
        let past = match phase {
            Phase::Window { .. } => Past::None { mask: None },
            Phase::Prefill { rows, capacity, .. } => Past::Kept { capacity, beams: rows.beams },
            Phase::Step { rows, capacity } => {
                let each = |name: &str| g.input(name, Dtype::I32, &[rows.total()]);
                let beams = rows.beams;
                let beams = (beams > 1).then(|| Reorder { beam_idx: each("beam_idx"), beams });
                Past::Cached { to: Append { capacity, position: each("position"), beams }, length: each("length") }
            }
        };
        (input_ids, past)
    }

    /// The positions `(B, 1)` of tokens that stand alone; all others begin at 0.
    pub fn positions(self) -> Option<Tensor<'g>> {
        let Past::Cached { to, .. } = self else { return None };
        let [rows] = to.position.dims();
        Some(to.position.reshape(&[rows, 1]))
    }

    /// Causal attention in which tokens see themselves and the past; the caches are named after the scope `w`.
    ///
    /// # Shapes
    /// `q (B, H, T, D)` · `k`, `v (B, KH, T, D)` → `(B, H, T, D)`
    #[track_caller]
    pub fn attention(self, w: Scope<'g>, q: Tensor<'g>, k: Tensor<'g>, v: Tensor<'g>, scale: f64) -> Tensor<'g> {
        let causal = Attend::causal().scale(scale);
        match self {
            Past::None { mask } => q.attention(k, v, mask.map_or(causal, |mask| causal.key_mask(mask))),
            Past::Kept { capacity, beams } => {
                fill(w, [k, v].map(|new| repeated(new, beams)), capacity);
                q.attention(k, v, causal)
            }
            Past::Cached { to, length } => {
                let [k, v] = append(w, [k, v], to);
                q.attention_decode(k, v, length, None, scale)
            }
        }
    }
}

/// Every row of `x (B, …)` `times` times, side by side.
fn repeated(x: Tensor<'_>, times: usize) -> Tensor<'_> {
    if times == 1 {
        return x;
    }
    let rows: Vec<i32> = (0..x.shape()[0] * times).map(|row| (row / times) as i32).collect();
    x.index_select(0, x.graph().constant(HostTensor::i32(&[rows.len()], rows)))
}

/// The vectors `(B, 1, C)` from which the next tokens of a phase are read, of `x (B, T, C)`.
pub fn newest<'g>(phase: Phase, x: Tensor<'g>) -> Tensor<'g> {
    if matches!(phase, Phase::Step { .. }) {
        return x;
    }
    let [rows, _, c] = x.dims();
    let last = x.graph().input("last", Dtype::I32, &[rows]);
    x.gather(1, last.reshape(&[rows, 1, 1]).broadcast_to(&[rows, 1, c])) // (B, 1, C)
}
