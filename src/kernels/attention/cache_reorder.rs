//! Beams that continue others. Shader: shaders/attention/cache_reorder.wgsl

use crate::check;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Grid, Kernel, Param, Port, Scalars, Spec, Step, Variant, Work};
use crate::shape::Dims;

const CACHE: usize = 0;
const BEAM_IDX: usize = 1;
const LENGTH: usize = 2;

/// The most rows of a group: an invocation holds an element of each.
pub const MAX_BEAMS: usize = 64;

/// Makes rows of a cache those that they continue, in place.
pub static CACHE_REORDER: Kernel = Kernel {
    name: "cache_reorder",
    inputs: &[Port::any32("cache"), Port::i32("beam_idx"), Port::i32("length")],
    outputs: &["cache"],
    params: &[Param::new("beams", Default::NeedInt)],
    shape,
    scalars: |c| {
        let cache = c.shape(CACHE);
        Scalars::new()
            .set("n", elements(c))
            .set("row", cache[1..].iter().product::<usize>())
            .set("max", cache[2])
            .set("dims", cache[3])
            .set("beams", beams(c))
            .set("length_b", usize::from(c.shape(LENGTH)[0] > 1))
    },
    variants: &[Variant {
        shader: "attention/cache_reorder",
        steps: &[Step {
            entry: "cache_reorder",
            grid: |c| Grid::Threads(elements(c) as u64),
            loops: |c| 3 * beams(c) as u64,
        }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 0, bytes: 2 * c.spec(CACHE).bytes() },
    reference: |r| {
        let (cache, beams) = (r.shape(CACHE), beams(r));
        let sizes = (cache[1], cache[2], cache[3]);
        vec![kernels_ref::attention::cache_reorder(r.f64(CACHE), r.f64(BEAM_IDX), r.f64(LENGTH), beams, sizes)]
    },
    bound: |_, y| check::exact(y),
    backward: Backward::None("a cache serves generation"),
    in_place: &[(0, CACHE)],
    ..Kernel::BASE
};

fn beams(c: &Call) -> usize {
    c.int("beams") as usize
}

/// One for every group of rows and element of a row.
fn elements(c: &Call) -> usize {
    c.spec(CACHE).len() / beams(c)
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let (cache, beam_idx, length, beams) = (c.shape(CACHE), c.shape(BEAM_IDX), c.shape(LENGTH), c.int("beams"));
    let &[b, _, _, _] = cache else { return Err(format!("cache is {}, expected four axes", Dims(cache))) };
    if !(1..=MAX_BEAMS as i64).contains(&beams) || !b.is_multiple_of(beams as usize) {
        return Err(format!("{b} rows do not split into groups of {beams}, of 1 to {MAX_BEAMS}"));
    }
    if beam_idx != [b] {
        return Err(format!("beam_idx is {}, expected {}", Dims(beam_idx), Dims(&[b])));
    }
    if length != [1] && length != [b] {
        return Err(format!("length is {}, expected (1,) or {}", Dims(length), Dims(&[b])));
    }
    Ok(vec![c.spec(CACHE)])
}

impl<'g> Tensor<'g> {
    /// The cache `self`, a state, after the first `length` positions of row `b` became those of row `beam_idx[b]`.
    /// Rows come in groups of `beams` side by side, and a row continues one of its own group.
    ///
    /// # Shapes
    /// `self (B, KH, MAX, D)` · `beam_idx (B)` i32 · `length (1)` or `(B)` i32 → the updated state
    /// # Units
    /// `beam_idx` in 0..B; where it is outside the row's group, the row is left as it was
    /// # Errors
    /// [`crate::Error::Graph`] if B is no multiple of `beams`, `beams` exceeds 64, or `self` is no state
    /// # Gradient
    /// None: a cache serves generation
    /// # Source
    /// transformers `DynamicCache.reorder_cache`
    #[track_caller]
    pub fn cache_reorder(self, beam_idx: Tensor<'g>, length: Tensor<'g>, beams: usize) -> Tensor<'g> {
        let inputs = [Some(self), Some(beam_idx), Some(length)];
        self.graph().dispatch(&CACHE_REORDER, &inputs, &[("beams", beams.into())])[0]
    }
}
