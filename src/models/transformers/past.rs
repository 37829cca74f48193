//! Where a decoder's attention takes the keys and values before a token from, in the phases of generation.

use crate::graph::{Scope, Tensor};
use crate::kernels::attention::attention::Attend;
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
    },
    /// From caches, of which `length` positions are filled once this token's are at `position`.
    Cached {
        /// Positions of the caches.
        capacity: usize,
        /// i32 `(1)`.
        position: Tensor<'g>,
        /// i32 `(1)`.
        length: Tensor<'g>,
    },
}

impl<'g> Past<'g> {
    /// The position of the first token, where it is not 0.
    pub fn position(self) -> Option<Tensor<'g>> {
        match self {
            Past::Cached { position, .. } => Some(position),
            _ => None,
        }
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
            Past::Kept { capacity } => {
                let start = w.graph().constant(HostTensor::i32(&[1], vec![0]));
                for (name, new) in [("key", k), ("value", v)] {
                    keep(w, name, capacity, new, start);
                }
                q.attention(k, v, causal)
            }
            Past::Cached { capacity, position, length } => {
                let [k, v] = [("key", k), ("value", v)].map(|(name, new)| keep(w, name, capacity, new, position));
                q.attention_decode(k, v, length, None, scale)
            }
        }
    }
}

/// The cache `name` of a layer after `new (1, H, T, D)` was written at `position`: (1, H, capacity, D).
fn keep<'g>(w: Scope<'g>, name: &str, capacity: usize, new: Tensor<'g>, position: Tensor<'g>) -> Tensor<'g> {
    let [b, h, _, d] = new.dims();
    let state = w.graph().state(&format!("{}.{name} of {capacity}", w.path()), Dtype::F32, &[b, h, capacity, d]);
    state.cache_append(new, position)
}
