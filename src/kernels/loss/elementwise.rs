//! Losses of one element each. Shader: shaders/loss/elementwise.wgsl

use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Grid, Kernel, Param, Port, Ref, Scalars, Spec, Step, Variant, Work};
use crate::shape::Dims;

const O: usize = 0;
const Y: usize = 1;

/// What both have in common.
const BASE: Kernel = Kernel {
    inputs: &[Port::f32("o"), Port::f32("y")],
    outputs: &["loss"],
    shape,
    scalars: |c| Scalars::new().set("n", c.spec(O).len()).set("delta", 0.0),
    ..Kernel::BASE
};

/// Binary cross entropy of logits.
pub static BCE_WITH_LOGITS: Kernel = Kernel {
    name: "bce_with_logits",
    variants: &[Variant {
        shader: "loss/elementwise",
        steps: &[Step { entry: "bce_with_logits", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 22 * c.spec(O).len() as u64, bytes: c.bytes() },
    reference: |r| vec![kernels_ref::loss::bce_with_logits(r.f64(O), r.f64(Y))],
    bound: bce_bound,
    backward: Backward::Rule(|n| {
        let (o, y, d) = (n.x(O), n.x(Y), n.d(0));
        vec![n.wanted(O, || (o.sigmoid() - y) * d), n.wanted(Y, || -(o * d))]
    }),
    ..BASE
};

/// Huber's loss: quadratic near the target, linear beyond `delta`.
pub static HUBER: Kernel = Kernel {
    name: "huber",
    params: &[Param::new("delta", Default::Float(1.0))],
    shape: |c| {
        // The shader compares with it as f32.
        let delta = c.float("delta") as f32;
        if !(delta.is_finite() && delta > 0.0) {
            return Err(format!("delta is {}, expected a number above 0", c.float("delta")));
        }
        shape(c)
    },
    scalars: |c| Scalars::new().set("n", c.spec(O).len()).set("delta", c.float("delta")),
    variants: &[Variant {
        shader: "loss/elementwise",
        steps: &[Step { entry: "huber", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 6 * c.spec(O).len() as u64, bytes: c.bytes() },
    reference: |r| vec![kernels_ref::loss::huber(r.f64(O), r.f64(Y), delta(r))],
    bound: huber_bound,
    backward: Backward::Rule(|n| {
        let delta = n.float("delta");
        let d = (n.x(O) - n.x(Y)).clamp(-delta, delta) * n.d(0);
        vec![Some(d), n.wanted(Y, || -d)]
    }),
    ..BASE
};

fn elements(c: &Call) -> Grid {
    Grid::Threads(c.spec(O).len() as u64)
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    if c.shape(O) != c.shape(Y) {
        return Err(format!("o is {} and y is {}", Dims(c.shape(O)), Dims(c.shape(Y))));
    }
    Ok(vec![c.spec(O)])
}

fn delta(r: &Ref) -> f64 {
    f64::from(r.float("delta") as f32)
}

fn each(r: &Ref, out: &[Vec<f64>], bound: impl Fn(f64, f64, f64) -> f64) -> Vec<Vec<f64>> {
    vec![r.f64(O).iter().zip(r.f64(Y)).zip(&out[0]).map(|((&o, &y), &loss)| bound(o, y, loss)).collect()]
}

/// The softplus of `−|o|` as by that function, and the roundings of a product, a difference and a sum.
fn bce_bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    each(r, out, |o, y, loss| {
        let softplus = (-o.abs()).exp().ln_1p();
        let rest = o.max(0.0) - o * y;
        r.tol.ulps(6.0 + 2.0 * o.abs(), 12.0 + 4.0 * o.abs(), softplus)
            + r.tol.rounded(o * y)
            + r.tol.rounded(rest)
            + r.tol.rounded(loss)
    })
}

/// The difference's rounding counts twice in its square, and beyond `delta`, where the loss is at least half of
/// `delta · |o − y|`, once and again for the half; two more operations round. Where the branches meet, they agree.
fn huber_bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    each(r, out, |_, _, loss| r.tol.ulps(4.0, 8.0, loss) + delta(r) * r.tol.ulps(0.0, 0.0, 0.0))
}

impl<'g> Tensor<'g> {
    /// Binary cross entropy of logits `self` and targets `y`, of every element.
    ///
    /// `loss = ln(1 + e^o) − o · y`
    ///
    /// # Shapes
    /// `self (…)` · `y` alike → `(…)`
    /// # Units
    /// Logits; `y` in 0..=1
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes differ
    /// # Gradient
    /// `self`, `y`
    /// # Source
    /// PyTorch `F.binary_cross_entropy_with_logits` with `reduction="none"`
    #[track_caller]
    pub fn bce_with_logits(self, y: Tensor<'g>) -> Tensor<'g> {
        self.graph().dispatch(&BCE_WITH_LOGITS, &[Some(self), Some(y)], &[])[0]
    }

    /// Huber's loss of `self` and targets `y`, of every element.
    ///
    /// `loss = ½ · e²` if `|e| ≤ delta`, else `delta · (|e| − ½ · delta)`, with `e = o − y`
    ///
    /// # Shapes
    /// `self (…)` · `y` alike → `(…)`
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes differ or `delta` is not above 0
    /// # Gradient
    /// `self`, `y`
    /// # Source
    /// Huber 1964, Robust estimation of a location parameter, p. 75 · PyTorch `F.huber_loss` with `reduction="none"`
    #[track_caller]
    pub fn huber(self, y: Tensor<'g>, delta: f64) -> Tensor<'g> {
        self.graph().dispatch(&HUBER, &[Some(self), Some(y)], &[("delta", delta.into())])[0]
    }
}
