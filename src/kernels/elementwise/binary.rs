//! Functions of two numbers, and Rust's operators. Shaders: shaders/elementwise/binary.wgsl, binary_vec4.wgsl

use std::ops;

use kernels_ref::elementwise as reference;

use super::chain::{ADD_ACTIVATION, MUL_ACTIVATION};
use super::unary::{elements, quads, scalars, whole_quads, work};
use crate::check::Tol;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Fusion, Kernel, Port, Ref, Role, Scalars, Spec, Step, Steps, Variant};
use crate::shape::{Dims, broadcast};
use crate::tensor::{Dtype, HostTensor};

/// Checks that the operands at `ports` have one shape; graph methods broadcast before they dispatch.
pub(super) fn one_shape(c: &Call, ports: &[usize]) -> Result<(), String> {
    let first = c.shape(ports[0]);
    match ports.iter().find(|&&p| c.shape(p) != first) {
        Some(&p) => Err(format!("shapes differ, {} and {}", Dims(first), Dims(c.shape(p)))),
        None => Ok(()),
    }
}

/// Checks that the operands at two ports have one dtype.
pub(super) fn one_dtype(c: &Call, a: usize, b: usize) -> Result<Dtype, String> {
    let (first, second) = (c.input(a).dtype, c.input(b).dtype);
    if first == second { Ok(first) } else { Err(format!("dtypes differ, {first} and {second}")) }
}

/// `tensors` repeated to their common shape; if they have none, unchanged, so that the shape rule says so.
pub(super) fn together<'g, const N: usize>(tensors: [Tensor<'g>; N]) -> [Tensor<'g>; N] {
    let common = tensors.iter().try_fold(vec![], |shape, t| broadcast(&shape, &t.shape()));
    let Some(shape) = common else { return tensors };
    tensors.map(|t| if t.shape() == shape { t } else { t.broadcast_to(&shape) })
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let dtype = one_dtype(c, 0, 1)?;
    one_shape(c, &[0, 1])?;
    Ok(vec![Spec::new(dtype, c.shape(0))])
}

/// Scalars of a kernel with operands `a` and `b`.
pub(super) fn pair(c: &Call) -> Scalars {
    scalars(c, &[("a", 0), ("b", 1)]).set("IS_INT", c.input(0).dtype == Dtype::I32)
}

/// `f` of every pair; i32 results wrap.
fn reference_of(r: &Ref, f: fn(f64, f64) -> f64) -> Vec<Vec<f64>> {
    let wrap = |v: f64| f64::from(v.rem_euclid(4294967296.0) as u32 as i32);
    let int = r.input(0).dtype == Dtype::I32;
    vec![reference::zip(r.f64(0), r.f64(1), |a, b| if int { wrap(f(a, b)) } else { f(a, b) })]
}

/// The product of two i32 needs more than an f64.
fn product(r: &Ref) -> Vec<Vec<f64>> {
    if r.input(0).dtype == Dtype::I32 {
        let wrapped = |a: f64, b: f64| f64::from((a as i32).wrapping_mul(b as i32));
        vec![reference::zip(r.f64(0), r.f64(1), wrapped)]
    } else {
        reference_of(r, reference::mul)
    }
}

fn bounds(r: &Ref, out: &[Vec<f64>], bound: fn(f64, f64, f64, Tol) -> f64) -> Vec<Vec<f64>> {
    if r.input(0).dtype == Dtype::I32 {
        return crate::check::exact(out);
    }
    let each = |((&a, &b), &y): ((&f64, &f64), &f64)| bound(a, b, y, r.tol);
    vec![r.f64(0).iter().zip(r.f64(1)).zip(&out[0]).map(each).collect()]
}

const F32: &[Dtype] = &[Dtype::F32];
const F32_I32: &[Dtype] = &[Dtype::F32, Dtype::I32];

/// One static per function: documentation, kernel, plain entry point, dtypes, fusion, gradient, reference, bound from
/// `(a, b, y)`.
macro_rules! binary {
    ($(
        $(#[$doc:meta])*
        $static:ident $name:ident $entry:literal, $dtypes:expr, $fusion:expr, $backward:expr, $reference:expr, $bound:expr;
    )*) => {
        $(
            $(#[$doc])*
            pub static $static: Kernel = Kernel {
                name: stringify!($name),
                inputs: &[Port::new("a", $dtypes).strided(), Port::new("b", $dtypes).strided()],
                shape,
                scalars: pair,
                variants: &[
                    Variant {
                        how: "vec4",
                        shader: "elementwise/binary_vec4",
                        applies: |c, _| whole_quads(c),
                        steps: &[Step { entry: concat!(stringify!($name), "_vec4"), grid: quads, loops: |_| 0 }],
                        ..Variant::BASE
                    },
                    Variant {
                        shader: "elementwise/binary",
                        steps: &[Step { entry: $entry, grid: elements, loops: |_| 0 }],
                        ..Variant::BASE
                    },
                ],
                work: |c| work(c, 1),
                reference: $reference,
                bound: |r, out| bounds(r, out, $bound),
                backward: $backward,
                steps: Steps::Elementwise,
                fusion: $fusion,
                ..Kernel::BASE
            };
        )*
    };
}

/// `a + b`: a bias or a residual, or the first half of `activation(a + b)`.
const SUM: Fusion = Fusion { role: Role::Add, then_activation: Some(&ADD_ACTIVATION), ..Fusion::NONE };
/// `a·b`: a scale, or the second half of `activation(a)·b`.
const PRODUCT: Fusion = Fusion { role: Role::Mul, of_activation: Some(&MUL_ACTIVATION), ..Fusion::NONE };

const ADDED: Backward = Backward::Rule(|n| vec![Some(n.d(0)), Some(n.d(0))]);
const SUBTRACTED: Backward = Backward::Rule(|n| vec![Some(n.d(0)), n.wanted(1, || -n.d(0))]);
const MULTIPLIED: Backward = Backward::Rule(|n| vec![n.wanted(0, || n.d(0) * n.x(1)), n.wanted(1, || n.d(0) * n.x(0))]);
/// `d_b = −d_y·y/b`.
const DIVIDED: Backward =
    Backward::Rule(|n| vec![n.wanted(0, || n.d(0) / n.x(1)), n.wanted(1, || -(n.d(0) * n.y(0) / n.x(1)))]);
const LARGER: Backward = Backward::Rule(|n| n.x(0).maximum_backward(n.x(1), n.d(0)).map(Some).to_vec());
const SMALLER: Backward = Backward::Rule(|n| n.x(0).minimum_backward(n.x(1), n.d(0)).map(Some).to_vec());
const POWER: Backward = Backward::Rule(|n| {
    let (a, b) = (n.x(0), n.x(1));
    vec![n.wanted(0, || a.pow_backward_a(b, n.d(0))), n.wanted(1, || a.pow_backward_b(b, n.y(0), n.d(0)))]
});

binary! {
    /// The sum: `y = a + b`.
    ADD add "add", F32_I32, SUM, ADDED, |r| reference_of(r, reference::add), |_, _, y, t| t.rounded(y);
    /// The difference: `y = a − b`.
    SUB sub "sub", F32_I32, Fusion::NONE, SUBTRACTED, |r| reference_of(r, reference::sub), |_, _, y, t| t.rounded(y);
    /// The product: `y = a·b`.
    MUL mul "mul", F32_I32, PRODUCT, MULTIPLIED, product, |_, _, y, t| t.rounded(y);
    /// The quotient: `y = a/b`, for normal `b ≠ 0`.
    DIV div "div", F32, Fusion::NONE, DIVIDED, |r| reference_of(r, reference::div), |_, _, y, t| t.ulps(1.0, 2.5, y);
    /// The larger of two numbers.
    MAXIMUM maximum "maximum", F32_I32, Fusion::NONE, LARGER, |r| reference_of(r, reference::maximum), exact;
    /// The smaller of two numbers.
    MINIMUM minimum "minimum", F32_I32, Fusion::NONE, SMALLER, |r| reference_of(r, reference::minimum), exact;
    /// The power: `y = a^b`; `0^0` is 1, a negative base needs a whole exponent.
    POW pow "pow_op", F32, Fusion::NONE, POWER, |r| reference_of(r, reference::pow), pow_bound;
}

fn exact(_a: f64, _b: f64, _y: f64, t: Tol) -> f64 {
    t.pick(0.0, f64::from(f32::MIN_POSITIVE))
}

/// `e^z` at `z = b·ln a`, whose own relative error is that of ln and a product: 1.5 and 4.5 ulp of `z`.
fn pow_bound(a: f64, b: f64, y: f64, t: Tol) -> f64 {
    if b == 0.0 || a == 1.0 || b == 1.0 || a == 0.0 {
        return 0.0;
    }
    let z = (b * a.abs().ln()).abs();
    t.ulps(2.0 + (0.75 + 2.5) * z, 4.0 + (2.0 + 9.0) * z, y)
}

impl<'g> Tensor<'g> {
    /// A constant of this tensor's dtype.
    #[track_caller]
    fn constant_like(self, x: f64) -> Tensor<'g> {
        match self.dtype() {
            Dtype::I32 if x.fract() == 0.0 && x.abs() <= 2147483647.0 => {
                self.graph().constant(HostTensor::i32(&[], vec![x as i32]))
            }
            Dtype::I32 => {
                self.graph().reject("constant", format!("{x} is no i32"));
                self.graph().constant(HostTensor::i32(&[], vec![0]))
            }
            _ => self.graph().scalar(x),
        }
    }

    #[track_caller]
    fn pairwise(self, kernel: &'static Kernel, other: Tensor<'g>) -> Tensor<'g> {
        let [a, b] = together([self, other]);
        self.graph().dispatch(kernel, &[Some(a), Some(b)], &[])[0]
    }

    /// The larger of two numbers, element by element, broadcasting; f32 or i32.
    ///
    /// # Gradient
    /// Both; equal numbers get half of it each
    /// # Source
    /// PyTorch `torch.maximum`
    #[track_caller]
    pub fn maximum(self, other: Tensor<'g>) -> Tensor<'g> {
        self.pairwise(&MAXIMUM, other)
    }

    /// The smaller of two numbers, element by element, broadcasting; f32 or i32.
    ///
    /// # Gradient
    /// Both; equal numbers get half of it each
    /// # Source
    /// PyTorch `torch.minimum`
    #[track_caller]
    pub fn minimum(self, other: Tensor<'g>) -> Tensor<'g> {
        self.pairwise(&MINIMUM, other)
    }

    /// `self^exponent`, element by element, broadcasting.
    ///
    /// `0^0` is 1; a negative base needs a whole exponent.
    /// # Gradient
    /// Both; NaN for the exponent of a negative base
    /// # Source
    /// IEEE 754-2019, 9.2 · PyTorch `torch.pow`
    #[track_caller]
    pub fn pow(self, exponent: Tensor<'g>) -> Tensor<'g> {
        self.pairwise(&POW, exponent)
    }
}

/// `Tensor ∘ Tensor`, `Tensor ∘ f64` and `f64 ∘ Tensor`; shapes broadcast by NumPy's rules.
macro_rules! operator {
    ($($trait:ident $method:ident $static:ident;)*) => {
        $(
            impl<'g> ops::$trait for Tensor<'g> {
                type Output = Tensor<'g>;
                #[track_caller]
                fn $method(self, other: Tensor<'g>) -> Tensor<'g> {
                    self.pairwise(&$static, other)
                }
            }
            impl<'g> ops::$trait<f64> for Tensor<'g> {
                type Output = Tensor<'g>;
                #[track_caller]
                fn $method(self, other: f64) -> Tensor<'g> {
                    self.pairwise(&$static, self.constant_like(other))
                }
            }
            impl<'g> ops::$trait<Tensor<'g>> for f64 {
                type Output = Tensor<'g>;
                #[track_caller]
                fn $method(self, other: Tensor<'g>) -> Tensor<'g> {
                    other.constant_like(self).pairwise(&$static, other)
                }
            }
        )*
    };
}

operator! {
    Add add ADD;
    Sub sub SUB;
    Mul mul MUL;
    Div div DIV;
}

impl<'g> ops::Neg for Tensor<'g> {
    type Output = Tensor<'g>;
    #[track_caller]
    fn neg(self) -> Tensor<'g> {
        Tensor::neg(self)
    }
}
