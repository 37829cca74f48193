//! Caches of keys and values: states of a graph, which hold what an attention made in earlier runs.

use crate::graph::{Scope, Tensor};
use crate::tensor::{Dtype, HostTensor};

/// Where new rows of caches go.
#[derive(Clone, Copy)]
pub struct Append<'g> {
    /// Positions of the caches.
    pub capacity: usize,
    /// The first new position, i32: of all rows `(1)`, or of each `(B)`.
    pub position: Tensor<'g>,
    /// In a beam search, the rows that rows continue.
    pub beams: Option<Reorder<'g>>,
}

/// The rows that rows continue.
#[derive(Clone, Copy)]
pub struct Reorder<'g> {
    /// i32 `(B)`.
    pub beam_idx: Tensor<'g>,
    /// Rows of a group; a row continues one of its own.
    pub beams: usize,
}

/// The cache `name` of the attention `w`, of `shape (B, H, capacity, D)`, as earlier runs left it.
fn cache<'g>(w: Scope<'g>, name: &str, shape: [usize; 4]) -> Tensor<'g> {
    let [rows, _, capacity, _] = shape;
    w.graph().state(&format!("{}.{name} of {rows} x {capacity}", w.path()), Dtype::F32, &shape)
}

/// The caches of `[key, value]`, both `(B, H, T, D)`, after those were written: two of `(B, H, capacity, D)`.
pub fn append<'g>(w: Scope<'g>, new: [Tensor<'g>; 2], to: Append<'g>) -> [Tensor<'g>; 2] {
    let [k, v] = new;
    [("key", k), ("value", v)].map(|(name, new)| {
        let [rows, heads, _, dims] = new.dims();
        let old = cache(w, name, [rows, heads, to.capacity, dims]);
        let old = to.beams.map_or(old, |b| old.cache_reorder(b.beam_idx, to.position, b.beams));
        old.cache_append(new, to.position)
    })
}

/// As [`append`], from position 0 on.
pub fn fill<'g>(w: Scope<'g>, new: [Tensor<'g>; 2], capacity: usize) -> [Tensor<'g>; 2] {
    let position = w.graph().constant(HostTensor::i32(&[1], vec![0]));
    append(w, new, Append { capacity, position, beams: None })
}

/// The keys and values that earlier runs wrote: two of `shape (B, H, capacity, D)`.
pub fn kept<'g>(w: Scope<'g>, shape: [usize; 4]) -> [Tensor<'g>; 2] {
    ["key", "value"].map(|name| cache(w, name, shape))
}
