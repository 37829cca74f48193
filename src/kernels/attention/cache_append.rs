//! Filling caches. Shader: shaders/attention/cache_append.wgsl

use super::strides;
use crate::check;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Grid, Kernel, Port, Scalars, Spec, Step, Variant, Work};
use crate::shape::Dims;

const CACHE: usize = 0;
const X: usize = 1;
const POSITION: usize = 2;

/// Writes new rows into a cache, in place.
pub static CACHE_APPEND: Kernel = Kernel {
    name: "cache_append",
    inputs: &[Port::any32("cache"), Port::any32("x").strided(), Port::i32("position")],
    outputs: &["cache"],
    shape,
    scalars: |c| {
        let x = c.shape(X);
        let all = Scalars::new()
            .set("n", c.spec(X).len())
            .set("heads", x[1])
            .set("rows", x[2])
            .set("max", c.shape(CACHE)[2])
            .set("dims", x[3])
            .set("position_b", usize::from(c.shape(POSITION)[0] > 1));
        strides(all, c, X, "x", &["b", "h", "t", "d"])
    },
    variants: &[Variant {
        shader: "attention/cache_append",
        steps: &[Step { entry: "cache_append", grid: |c| Grid::Threads(c.spec(X).len() as u64), loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 0, bytes: 2 * c.spec(X).bytes() },
    reference: |r| {
        let (cache, x) = (r.shape(CACHE), r.shape(X));
        let (heads, max, rows, dims) = (x[1], cache[2], x[2], x[3]);
        vec![kernels_ref::attention::cache_append(r.f64(CACHE), r.f64(X), r.f64(POSITION), heads, max, rows, dims)]
    },
    bound: |_, y| check::exact(y),
    backward: Backward::None("a cache serves generation"),
    in_place: &[(0, CACHE)],
    ..Kernel::BASE
};

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let (cache, x, position) = (c.shape(CACHE), c.shape(X), c.shape(POSITION));
    let (&[b, h, max, d], &[xb, xh, t, xd]) = (cache, x) else {
        return Err(format!("cache {} and x {} have not four axes each", Dims(cache), Dims(x)));
    };
    if (xb, xh, xd) != (b, h, d) || t > max {
        return Err(format!("x {} does not fit into cache {}", Dims(x), Dims(cache)));
    }
    if c.input(CACHE).dtype != c.input(X).dtype {
        return Err(format!("cache is {} and x is {}", c.input(CACHE).dtype, c.input(X).dtype));
    }
    if position != [1] && position != [b] {
        return Err(format!("position is {}, expected (1,) or {}", Dims(position), Dims(&[b])));
    }
    Ok(vec![c.spec(CACHE)])
}

impl<'g> Tensor<'g> {
    /// The cache `self`, a state, after `x` was written at positions `position … position + T`.
    ///
    /// # Shapes
    /// `self (B, H, MAX, D)` · `x (B, H, T, D)` · `position (1)` or `(B)` i32 → the updated state
    /// # Units
    /// `position` in 0..=MAX − T; where it is not, the batch row is left as it was: the host checks before
    /// # Errors
    /// [`crate::Error::Graph`] if `x` does not fit, or `self` is no state
    /// # Gradient
    /// None: a cache serves generation
    #[track_caller]
    pub fn cache_append(self, x: Tensor<'g>, position: Tensor<'g>) -> Tensor<'g> {
        self.graph().dispatch(&CACHE_APPEND, &[Some(self), Some(x), Some(position)], &[])[0]
    }
}
