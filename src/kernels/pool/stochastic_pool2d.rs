//! Stochastic pooling. Shader: shaders/pool/stochastic_pool2d.wgsl

use super::{Pool2d, checked, pooled, scalars, window, window_loops};
use crate::backward::Adjoint;
use crate::check::U;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Grid, Kernel, Param, Port, Ref, Spec, Step, Variant, Work};
use crate::shape::Dims;

const X: usize = 0;
const UNIFORM: usize = 1;

/// One activation of every window, drawn with probability proportional to its value.
pub static STOCHASTIC_POOL2D: Kernel = Kernel {
    name: "stochastic_pool2d",
    inputs: &[Port::f32("x"), Port::f32("u").optional()],
    outputs: &["y", "index"],
    params: &[Param::new("kernel", Default::NeedInts), Param::new("stride", Default::Ints(&[]))],
    shape,
    scalars,
    variants: &[Variant {
        shader: "pool/stochastic_pool2d",
        steps: &[Step {
            entry: "stochastic_pool2d",
            grid: |c| Grid::Threads(c.outputs[0].len() as u64),
            loops: |c| 2 * window_loops(c),
        }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 4 * c.outputs[0].len() as u64 * window_loops(c), bytes: c.bytes() },
    reference: |r| {
        let (y, index) = kernels_ref::pool::stochastic_pool2d(r.f64(X), r.opt(UNIFORM), &checked(r));
        vec![y, index]
    },
    bound,
    backward: Backward::Rule(backward),
    ..Kernel::BASE
};

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let shape = pooled(c, window(c)?.out);
    if c.has(UNIFORM) && c.shape(UNIFORM) != shape {
        return Err(format!("u is {}, expected {}, one number a window", Dims(c.shape(UNIFORM)), Dims(&shape)));
    }
    Ok(vec![Spec::f32(&shape), Spec::i32(&shape)])
}

/// To the element drawn; where a window has nothing to draw, y is 0 and nothing moves it. The uniform numbers choose, and
/// have no gradient.
fn backward<'g>(n: &Adjoint<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
    let (window, Some(d)) = (checked(n), n.d_opt(0)) else { return vec![None; 2] };
    let pool = Pool2d::of(n, &window);
    let drawn = || (d * n.y(0).sign()).max_pool2d_backward(n.y(1), window.image, pool);
    let mean = || n.x(X).stochastic_pool2d_backward(n.y(0), d, window.kernel, window.stride);
    vec![n.wanted(X, || if n.has(UNIFORM) { drawn() } else { mean() }), None]
}

/// Exact, unless a running sum lies within its rounding of `u · S`: then any element of the window may be
/// drawn. In evaluation mode, two sums and their quotient.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let window = checked(r);
    let ([ih, iw], [kh, kw], [oh, ow]) = (window.image, window.kernel, window.out);
    let n = (kh * kw) as f64;
    let Some(u) = r.opt(UNIFORM) else {
        let relative = r.tol.pick(8.0 * n.sqrt(), 4.0 * n) * U;
        let y = out[0].iter().map(|y| y * relative + r.tol.ulps(2.0, 5.0, *y)).collect();
        return vec![y, vec![0.0; out[1].len()]];
    };
    let (mut dy, mut di) = (vec![], vec![]);
    for (i, u) in u.iter().enumerate() {
        let plane = i / (oh * ow) * ih * iw;
        let first = plane + i / ow % oh * window.stride[0] * iw + i % ow * window.stride[1];
        let elements: Vec<f64> = (0..kh * kw).map(|k| r.f64(X)[first + k / kw * iw + k % kw].max(0.0)).collect();
        let sum: f64 = elements.iter().sum();
        let slack = r.tol.pick(8.0 * n.sqrt(), 4.0 * n) * U * sum;
        let mut running = 0.0;
        let mut passes_near = |a: &f64| {
            running += a;
            (running - u * sum).abs() <= slack
        };
        let near = sum > 0.0 && elements.iter().any(&mut passes_near);
        let largest = elements.iter().fold(0.0, |m: f64, &a| m.max(a));
        dy.push(if near { largest } else { 0.0 });
        di.push(if near { (ih * iw) as f64 } else { 0.0 });
    }
    vec![dy, di]
}

impl<'g> Tensor<'g> {
    /// One activation of every window, drawn with probability proportional to its value by uniform numbers
    /// `u` in [0, 1); without `u` (evaluation), the mean under those probabilities. Negative activations count
    /// as 0; a window of zeros gives 0.
    ///
    /// `y = first a with a running sum above u · Σ a`, or `Σ a² / Σ a`
    ///
    /// # Shapes
    /// `self (B, C, IH, IW)` · `u (B, C, OH, OW)` → `(B, C, OH, OW)`
    /// # Errors
    /// [`crate::Error::Graph`] if no window fits, or `u` has not one number a window
    /// # Gradient
    /// `x` at the elements drawn, or of the mean; none for `u`
    /// # Source
    /// Zeiler, Fergus 2013, arXiv:1301.3557, eq. 2–6
    #[track_caller]
    pub fn stochastic_pool2d(self, kernel: [usize; 2], stride: [usize; 2], u: Option<Tensor<'g>>) -> Tensor<'g> {
        let params = [("kernel", kernel.into()), ("stride", stride.into())];
        self.graph().dispatch(&STOCHASTIC_POOL2D, &[Some(self), u], &params)[0]
    }
}
