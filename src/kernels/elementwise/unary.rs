//! Functions of one number without parameters. Shaders: shaders/elementwise/unary.wgsl, unary_vec4.wgsl

use kernels_ref::elementwise as reference;

use super::activation;
use crate::check::Tol;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Fusion, Grid, Kernel, Port, Ref, Role, Scalars, Spec, Step, Variant, Work};

/// Scalars of a kernel that reads `operands`, each at its port, and writes one dense output.
pub(super) fn scalars(c: &Call, operands: &[(&str, usize)]) -> Scalars {
    let layouts: Vec<_> = operands.iter().map(|&(name, port)| (name, &c.input(port).layout)).collect();
    let n = c.outputs[0].len();
    Scalars::new()
        .set("n", n)
        .set("quads", n / 4)
        .set("DENSE", layouts.iter().all(|(_, l)| l.is_dense()))
        .axes(&layouts)
}

/// Invocations along x, one per element.
pub(super) fn elements(c: &Call) -> Grid {
    Grid::Threads(c.outputs[0].len() as u64)
}

/// Invocations along x, one per four elements.
pub(super) fn quads(c: &Call) -> Grid {
    Grid::Threads(c.outputs[0].len() as u64 / 4)
}

/// True if every input starts at 0, is dense, and the count is a multiple of four.
pub(super) fn whole_quads(c: &Call) -> bool {
    c.outputs[0].len().is_multiple_of(4) && c.inputs.iter().flatten().all(|o| o.layout.is_contiguous())
}

/// `operations` flops an element.
pub(super) fn work(c: &Call, operations: u64) -> Work {
    Work { flops: operations * c.outputs[0].len() as u64, bytes: c.bytes() }
}

/// A bound per element from `(x, y)`.
pub(super) fn bounds(r: &Ref, out: &[Vec<f64>], bound: fn(f64, f64, Tol) -> f64) -> Vec<Vec<f64>> {
    vec![r.f64(0).iter().zip(&out[0]).map(|(&x, &y)| bound(x, y, r.tol)).collect()]
}

/// Nothing, or the error an adapter makes that flushes denormals.
fn exact(_x: f64, _y: f64, t: Tol) -> f64 {
    t.pick(0.0, f64::from(f32::MIN_POSITIVE))
}

const FUSED: Fusion = Fusion { role: Role::Activation, ..Fusion::NONE };
const STEP: &str = "piecewise constant";
const EXPONENTIAL: Backward = Backward::Rule(|n| vec![Some(n.d(0) * n.y(0))]);
const LOGARITHM: Backward = Backward::Rule(|n| vec![Some(n.d(0) / n.x(0))]);

/// The rule of a function whose gradient kernel reads its argument.
macro_rules! of_x {
    ($method:ident) => {
        Backward::Rule(|n| vec![Some(n.x(0).$method(n.d(0)))])
    };
}

/// The rule of a function whose gradient kernel reads its result.
macro_rules! of_y {
    ($method:ident) => {
        Backward::Rule(|n| vec![Some(n.y(0).$method(n.d(0)))])
    };
}

/// One static, one table line and one method per function: documentation, kernel, plain entry point, flops
/// an element, fusion, gradient, bound from `(x, y)`.
macro_rules! unary {
    ($(
        $(#[$doc:meta])*
        $static:ident $name:ident $entry:literal, $flops:literal, $fusion:expr, $backward:expr, $bound:expr;
    )*) => {
        $(
            $(#[$doc])*
            pub static $static: Kernel = Kernel {
                name: stringify!($name),
                inputs: &[Port::f32("x").strided()],
                shape: |c| Ok(vec![Spec::f32(c.shape(0))]),
                scalars: |c| scalars(c, &[("x", 0)]),
                variants: &[
                    Variant {
                        how: "vec4",
                        shader: "elementwise/unary_vec4",
                        applies: |c, _| whole_quads(c),
                        steps: &[Step { entry: concat!(stringify!($name), "_vec4"), grid: quads, loops: |_| 3 }],
                        ..Variant::BASE
                    },
                    Variant {
                        shader: "elementwise/unary",
                        steps: &[Step { entry: $entry, grid: elements, loops: |_| 3 }],
                        ..Variant::BASE
                    },
                ],
                work: |c| work(c, $flops),
                reference: |r| vec![reference::map(r.f64(0), reference::$name)],
                bound: |r, out| bounds(r, out, $bound),
                backward: $backward,
                fusion: $fusion,
                ..Kernel::BASE
            };
        )*

        #[allow(clippy::should_implement_trait)] // `neg` is the operator's kernel
        impl<'g> Tensor<'g> {
            $(
                $(#[$doc])*
                #[track_caller]
                pub fn $name(self) -> Tensor<'g> {
                    self.graph().dispatch(&$static, &[Some(self)], &[])[0]
                }
            )*
        }
    };
}

unary! {
    /// Changes the sign: `y = −x`.
    NEG neg "neg", 1, Fusion::NONE, Backward::Rule(|n| vec![Some(-n.d(0))]), exact;
    /// The magnitude: `y = |x|`.
    ABS abs "abs_op", 1, Fusion::NONE, of_x!(abs_backward), exact;
    /// `y = −1`, `0` or `1`.
    SIGN sign "sign_op", 1, Fusion::NONE, Backward::None(STEP), exact;
    /// The exponential: `y = e^x`.
    EXP exp "exp_op", 1, Fusion::NONE, EXPONENTIAL, |x, y, t| t.exp(x, y);
    /// The natural logarithm: `y = ln x`; −inf at 0, NaN below.
    LOG log "log_op", 16, Fusion::NONE, LOGARITHM, |_, y, t| t.ulps(2.0, 4.0, y);
    /// The square root: `y = √x`, for `x ≥ 0`.
    SQRT sqrt "sqrt_op", 1, Fusion::NONE, of_y!(sqrt_backward), |_, y, t| t.ulps(1.0, 5.0, y);
    /// The reciprocal square root: `y = 1/√x`, for `x > 0`.
    RSQRT rsqrt "rsqrt", 1, Fusion::NONE, of_y!(rsqrt_backward), |_, y, t| t.ulps(2.0, 2.0, y);
    /// The square: `y = x²`.
    SQUARE square "square", 1, Fusion::NONE, Backward::Rule(|n| vec![Some(n.d(0) * (n.x(0) * 2.0))]), |_, y, t| t.rounded(y);
    /// The reciprocal: `y = 1/x`, for normal `x ≠ 0`.
    RECIPROCAL reciprocal "reciprocal", 1, Fusion::NONE, of_y!(reciprocal_backward), |_, y, t| t.ulps(1.0, 2.5, y);
    /// The largest whole number that is not above `x`.
    FLOOR floor "floor_op", 1, Fusion::NONE, Backward::None(STEP), exact;
    /// The sine of `x` radians, for every finite `x`.
    SIN sin "sin_op", 20, Fusion::NONE, of_x!(sin_backward), angle;
    /// The cosine of `x` radians, for every finite `x`.
    COS cos "cos_op", 20, Fusion::NONE, of_x!(cos_backward), angle;
    /// The hyperbolic tangent: `y = tanh x`.
    TANH tanh "tanh_op", 12, FUSED, of_y!(tanh_backward), |x, y, t| activation::rounding("tanh", x, y, t);
    /// The error function: `y = 2/√π · ∫₀ˣ e^(−t²) dt`.
    ERF erf "erf", 24, Fusion::NONE, of_x!(erf_backward), |_, y, t| t.ulps(4.0, 8.0, y);
    /// The logistic function: `y = 1/(1 + e^(−x))`.
    SIGMOID sigmoid "sigmoid", 4, FUSED, of_y!(sigmoid_backward), |x, y, t| activation::rounding("sigmoid", x, y, t);
    /// `y = max(x, 0)`.
    RELU relu "relu", 1, FUSED, of_y!(relu_backward), exact;
    /// `y = x·Φ(x) = x·(1 + erf(x/√2))/2` (Hendrycks, Gimpel 2016, arXiv:1606.08415).
    GELU gelu "gelu", 26, FUSED, of_x!(gelu_backward), |x, y, t| activation::rounding("gelu", x, y, t);
    /// `y = x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2` (Hendrycks, Gimpel 2016, arXiv:1606.08415).
    GELU_TANH gelu_tanh "gelu_tanh", 10, FUSED, of_x!(gelu_tanh_backward),
        |x, y, t| activation::rounding("gelu_tanh", x, y, t);
    /// `y = x·sigmoid(1.702·x)` (Hendrycks, Gimpel 2016, arXiv:1606.08415).
    QUICK_GELU quick_gelu "quick_gelu", 6, FUSED, of_x!(quick_gelu_backward),
        |x, y, t| activation::rounding("quick_gelu", x, y, t);
    /// `y = x·sigmoid(x)` (Elfwing et al. 2017, arXiv:1702.03118).
    SILU silu "silu", 5, FUSED, of_x!(silu_backward), |x, y, t| activation::rounding("silu", x, y, t);
    /// `y = x·min(max(x + 3, 0), 6)/6` (Howard et al. 2019, arXiv:1905.02244).
    HARDSWISH hardswish "hardswish", 5, FUSED, of_x!(hardswish_backward),
        |x, y, t| activation::rounding("hardswish", x, y, t);
    /// `y = x·tanh(ln(1 + e^x))` (Misra 2019, arXiv:1908.08681).
    MISH mish "mish", 8, FUSED, of_x!(mish_backward), |x, y, t| activation::rounding("mish", x, y, t);
}

/// The polynomial, 1 ulp, of a reduced angle: two roundings and that of π/2, each half an ulp of the angle, which
/// is at most one of the result; and an absolute error of 2^-33.
fn angle(_x: f64, y: f64, t: Tol) -> f64 {
    t.ulps(3.0, 6.0, y) + t.pick(1.0, 8.0) * 2f64.powi(-33)
}
