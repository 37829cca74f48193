//! Rotary position embedding. Shader: shaders/attention/rope.wgsl

use super::strides;
use crate::check::U;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Grid, Kernel, Param, Port, Ref, Scalars, Spec, Step, Variant, Work};
use crate::shape::Dims;

const X: usize = 0;
const COS: usize = 1;
const SIN: usize = 2;
const POSITION: usize = 3;

/// Turns pairs of dims by angles that grow with the position.
pub static ROPE: Kernel = Kernel {
    name: "rope",
    inputs: &[
        Port::f32("x").strided(),
        Port::f32("cos_table"),
        Port::f32("sin_table"),
        Port::i32("position").optional(),
    ],
    params: &[Param::new("interleaved", Default::Flag(false)), Param::new("inverse", Default::Flag(false))],
    shape,
    scalars,
    variants: &[Variant {
        shader: "attention/rope",
        steps: &[Step { entry: "rope", grid: |c| Grid::Threads(c.outputs[0].len() as u64), loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 3 * c.outputs[0].len() as u64, bytes: c.bytes() },
    reference: |r| vec![turned(r, r.f64(X), r.f64(COS), r.f64(SIN))],
    bound,
    // A rotation's transpose turns by the negative angle.
    backward: Backward::Rule(|n| {
        let params = [("interleaved", n.flag("interleaved").into()), ("inverse", (!n.flag("inverse")).into())];
        let turned = |d| n.graph().dispatch(&ROPE, &[Some(d), n.opt(COS), n.opt(SIN), n.opt(POSITION)], &params)[0];
        vec![n.wanted(X, || turned(n.d(0))), None, None, None]
    }),
    ..Kernel::BASE
};

fn turned(r: &Ref, x: &[f64], cos: &[f64], sin: &[f64]) -> Vec<f64> {
    let sin: &[f64] = &sin.iter().map(|&s| if r.flag("inverse") { -s } else { s }).collect::<Vec<_>>();
    let (s, half) = (r.shape(X), r.shape(COS)[1]);
    kernels_ref::attention::rope(x, cos, sin, r.opt(POSITION), (s[0], s[1], s[2], s[3]), half, r.flag("interleaved"))
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let (x, cos, sin) = (c.shape(X), c.shape(COS), c.shape(SIN));
    let &[b, _, t, d] = x else { return Err(format!("x is {}, expected (B, H, T, D)", Dims(x))) };
    if cos != sin || cos.len() != 2 || cos[1] > d / 2 {
        return Err(format!("tables {} and {} are not (MAX, half) for x {}", Dims(cos), Dims(sin), Dims(x)));
    }
    if c.has(POSITION) {
        let p = c.shape(POSITION);
        if p != [1] && p != [t] && p != [b, t] {
            return Err(format!("position is {}, expected (1,), {} or {}", Dims(p), Dims(&[t]), Dims(&[b, t])));
        }
    }
    Ok(vec![c.spec(X)])
}

fn scalars(c: &Call) -> Scalars {
    let (x, table) = (c.shape(X), c.shape(COS));
    let position = if c.has(POSITION) { c.shape(POSITION).to_vec() } else { vec![1] };
    let first = position == [1];
    let all = Scalars::new()
        .set("n", c.outputs[0].len())
        .set("heads", x[1])
        .set("rows", x[2])
        .set("dims", x[3])
        .set("half", table[1])
        .set("max", table[0])
        .set("position_b", if position.len() == 2 { x[2] } else { 0 })
        .set("position_t", usize::from(!first))
        .set("step", usize::from(first))
        .set("INTERLEAVED", c.flag("interleaved"))
        .set("INVERSE", c.flag("inverse"));
    strides(all, c, X, "x", &["b", "h", "t", "d"])
}

/// Two products and a sum: three roundings of `|x·cos| + |x·sin|`.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let abs = |v: &[f64]| v.iter().map(|x| x.abs()).collect::<Vec<_>>();
    let minus = |v: &[f64]| v.iter().map(|x| -x.abs()).collect::<Vec<_>>();
    let (x, cos) = (abs(r.f64(X)), abs(r.f64(COS)));
    // The two members of a pair add with opposite signs; the larger of both is the sum of magnitudes.
    let a = turned(r, &x, &cos, &abs(r.f64(SIN)));
    let b = turned(r, &x, &cos, &minus(r.f64(SIN)));
    let size = |i: usize| a[i].abs().max(b[i].abs());
    vec![(0..out[0].len()).map(|i| r.tol.pick(3.0, 6.0) * U * size(i) + f64::from(f32::MIN_POSITIVE)).collect()]
}

impl<'g> Tensor<'g> {
    /// Rotary position embedding: pairs `(i, i + half)` of dims turned by the angles of each token's position.
    ///
    /// `y[i] = x[i] cos[p,i] − x[i+half] sin[p,i]`, `y[i+half] = x[i+half] cos[p,i] + x[i] sin[p,i]`
    ///
    /// # Shapes
    /// `self (B, H, T, D)` · `tables`: cos and sin `(MAX, half)`, half ≤ D/2 · `position` i32: the first token's
    /// `(1)`, each token's `(T)` or `(B, T)`; without it the first is 0 → `(B, H, T, D)`
    /// # Units
    /// positions in 0..MAX; others are clamped
    /// # Errors
    /// [`crate::Error::Graph`] if the tables or positions do not fit
    /// # Gradient
    /// `self`
    /// # Source
    /// Su et al. 2021, arXiv:2104.09864, eq. 34, in the pairing of transformers' Llama
    #[track_caller]
    pub fn rope(self, tables: [Tensor<'g>; 2], position: Option<Tensor<'g>>) -> Tensor<'g> {
        let [cos, sin] = tables;
        self.graph().dispatch(&ROPE, &[Some(self), Some(cos), Some(sin), position], &[])[0]
    }
}
