//! The norm of all gradients, and the factor that clips it. Shaders: shaders/optimizer/sum_of_squares.wgsl,
//! clip_scale.wgsl

use super::update::BLOCK;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Grid, Kernel, Port, Ref, Scalars, Spec, Step, Variant, Work};
use crate::kernels::near::Near;
use crate::shape::Dims;

/// Elements whose squares one workgroup adds up: 64 rounds of 64 lanes with a vector of four each.
const SLICE: usize = 16_384;
/// Lanes of a workgroup of both shaders.
const WG: usize = 64;
/// Iterations of a sum over 64 lanes.
const TREE: u64 = 6;

const PARTS: usize = 0;
const HYPER: usize = 1;

fn parts(c: &Call) -> usize {
    c.spec(0).len().div_ceil(SLICE)
}

/// Partial sums of squares of a flat arena.
pub static SUM_OF_SQUARES: Kernel = Kernel {
    name: "sum_of_squares",
    inputs: &[Port::f32("x")],
    outputs: &["parts"],
    shape: |c| match c.shape(0) {
        &[n] if n.is_multiple_of(BLOCK) => Ok(vec![Spec::f32(&[parts(c)])]),
        x => Err(format!("x is {}, expected one axis of a multiple of {BLOCK}", Dims(x))),
    },
    scalars: |c| Scalars::new().set("quads", c.spec(0).len() / 4).set("parts", parts(c)),
    variants: &[Variant {
        shader: "optimizer/sum_of_squares",
        steps: &[Step {
            entry: "sum_of_squares",
            grid: |c| Grid::Groups(parts(c) as u64),
            loops: |_| (SLICE / 4 / WG) as u64 + TREE,
        }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 2 * c.spec(0).len() as u64, bytes: c.bytes() },
    reference: |r| vec![kernels_ref::optimizer::sum_of_squares(r.f64(0), SLICE)],
    bound: |r, y| {
        let one = |(x, &y): (&[f64], &f64)| r.tol.dot(x.len(), y, y);
        vec![r.f64(0).chunks(SLICE).zip(&y[0]).map(one).collect()]
    },
    backward: Backward::None("the norm of gradients clips them"),
    ..Kernel::BASE
};

/// The factor that keeps the norm of all gradients below a bound.
pub static CLIP_SCALE: Kernel = Kernel {
    name: "clip_scale",
    inputs: &[Port::f32("parts"), Port::f32("hyper")],
    outputs: &["norm", "scale"],
    shape: |c| match (c.shape(PARTS), c.shape(HYPER)) {
        ([_], [2]) => Ok(vec![Spec::f32(&[1]); 2]),
        (parts, hyper) => Err(format!("parts {} and hyper {} are not (P,) and (2,)", Dims(parts), Dims(hyper))),
    },
    scalars: |c| Scalars::new().set("parts", c.spec(PARTS).len()),
    variants: &[Variant {
        shader: "optimizer/clip_scale",
        steps: &[Step {
            entry: "clip_scale",
            grid: |_| Grid::Groups(1),
            loops: |c| c.spec(PARTS).len().div_ceil(WG) as u64 + TREE,
        }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: c.spec(PARTS).len() as u64, bytes: c.bytes() },
    reference: |r| {
        let (norm, scale) = kernels_ref::optimizer::clip_scale(r.f64(PARTS), r.f64(HYPER)[0], r.f64(HYPER)[1]);
        vec![vec![norm], vec![scale]]
    },
    bound: clip_bound,
    backward: Backward::None("the norm of gradients clips them"),
    ..Kernel::BASE
};

/// A sum of parts that are all positive, and what its error does to the root and the quotient. At the bound both
/// branches of the minimum are right, and the quotient is 1 at most.
fn clip_bound(r: &Ref, _: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let sum: f64 = r.f64(PARTS).iter().sum();
    let near = |v| Near::exact(v, r.tol);
    let [max_norm, factor] = [0, 1].map(|k| near(r.f64(HYPER)[k]));
    let norm = factor * near(sum).off(r.tol.sum(r.f64(PARTS).len(), sum, sum)).sqrt();
    let above = norm + near(f64::from(1e-6f32)).off(1e-6 * crate::check::U);
    vec![vec![norm.bound()], vec![(factor * (above.min(max_norm) / above)).bound()]]
}

impl<'g> Tensor<'g> {
    /// Sums of squares of slices of this flat arena, which together are the square of its norm.
    ///
    /// # Shapes
    /// `self (N)`, N a multiple of 64 → `(P)`, P = ⌈N / 16,384⌉
    /// # Errors
    /// [`crate::Error::Graph`] if it has more axes than one, or another length
    /// # Gradient
    /// None: the norm of gradients clips them
    #[track_caller]
    pub fn sum_of_squares(self) -> Tensor<'g> {
        self.graph().dispatch(&SUM_OF_SQUARES, &[Some(self)], &[])[0]
    }

    /// `norm = factor·√(Σ parts)` and `scale = factor·min(1, max_norm/(norm + 10⁻⁶))`, of the partial sums of squares
    /// `self`: the norm of the gradients before clipping, and the `scale` of an update that clips it.
    ///
    /// # Shapes
    /// `self (P)` · `hyper (2)`: max_norm (`f32::MAX` for none), factor → `norm (1)`, `scale (1)`
    /// # Errors
    /// [`crate::Error::Graph`] if a shape does not fit
    /// # Gradient
    /// None: the norm of gradients clips them
    /// # Source
    /// Pascanu, Mikolov, Bengio 2013, arXiv:1211.5063, algorithm 1 · PyTorch `clip_grad_norm_`
    #[track_caller]
    pub fn clip_scale(self, hyper: Tensor<'g>) -> [Tensor<'g>; 2] {
        let outputs = self.graph().dispatch(&CLIP_SCALE, &[Some(self), Some(hyper)], &[]);
        [outputs[0], outputs[1]]
    }
}
