//! Gradients of functions of two numbers. Shader: shaders/elementwise/binary_backward.wgsl

use kernels_ref::elementwise as reference;

use super::binary::one_shape;
use super::unary::{elements, scalars, work};
use super::unary_backward::{SECOND, product, unit};
use crate::check::{Tol, U};
use crate::graph::Tensor;
use crate::kernel::{Kernel, Port, Ref, Spec, Step, Variant};

const M: f64 = f32::MIN_POSITIVE as f64;
const A: Port = Port::f32("a").strided();
const B: Port = Port::f32("b").strided();
const D_Y: Port = Port::f32("d_y").strided();

const BASE: Kernel = Kernel {
    inputs: &[A, B, D_Y],
    outputs: &["d_a", "d_b"],
    shape: |c| {
        one_shape(c, &[0, 1, 2])?;
        Ok(vec![Spec::f32(c.shape(0)); c.kernel.outputs.len()])
    },
    scalars: |c| scalars(c, &[("a", 0), ("b", 1), ("d", c.kernel.inputs.len() - 1)]),
    work: |c| work(c, 2),
    backward: SECOND,
    ..Kernel::BASE
};

/// The gradients of the larger of two numbers; equal numbers share it.
pub static MAXIMUM_BACKWARD: Kernel = Kernel {
    name: "maximum_backward",
    variants: &[Variant {
        shader: "elementwise/binary_backward",
        steps: &[Step { entry: "maximum_backward", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    reference: |r| both(r, reference::maximum_backward),
    bound: shared,
    ..BASE
};

/// The gradients of the smaller of two numbers; equal numbers share it.
pub static MINIMUM_BACKWARD: Kernel = Kernel {
    name: "minimum_backward",
    variants: &[Variant {
        shader: "elementwise/binary_backward",
        steps: &[Step { entry: "minimum_backward", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    reference: |r| both(r, reference::minimum_backward),
    bound: shared,
    ..BASE
};

/// The gradient of a power with respect to its base.
pub static POW_BACKWARD_A: Kernel = Kernel {
    name: "pow_backward_a",
    outputs: &["d_a"],
    variants: &[Variant {
        shader: "elementwise/binary_backward",
        steps: &[Step { entry: "pow_backward_a", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| work(c, 40),
    reference: |r| vec![each(r, reference::pow_backward_a)],
    bound: |r, _| vec![each(r, |a, b, d| base_bound(a, b, d, r.tol))],
    ..BASE
};

/// The gradient of a power `y` with respect to its exponent.
pub static POW_BACKWARD_B: Kernel = Kernel {
    name: "pow_backward_b",
    inputs: &[A, B, Port::f32("y"), D_Y],
    outputs: &["d_b"],
    shape: |c| {
        one_shape(c, &[0, 1, 2, 3])?;
        Ok(vec![Spec::f32(c.shape(0))])
    },
    variants: &[Variant {
        shader: "elementwise/binary_backward",
        steps: &[Step { entry: "pow_backward_b", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| work(c, 18),
    reference: |r| {
        let y = r.f64(2);
        let one = |i: usize| reference::pow_backward_b(r.f64(0)[i], r.f64(1)[i], y[i], r.f64(3)[i]);
        vec![(0..y.len()).map(one).collect()]
    },
    // The logarithm's error, and a product's before the last one.
    bound: |r, _| {
        let bound = |i: usize| {
            let (a, y, t) = (r.f64(0)[i], r.f64(2)[i], r.tol);
            let slope = if a == 0.0 { 0.0 } else { y * a.ln() };
            product(r.f64(3)[i], slope, slope.abs() * (t.pick(2.0, 4.0) * 2.0 * U + unit(t)) + M * 128.0, t)
        };
        vec![(0..r.f64(2).len()).map(bound).collect()]
    },
    ..BASE
};

fn each(r: &Ref, f: impl Fn(f64, f64, f64) -> f64) -> Vec<f64> {
    (0..r.f64(0).len()).map(|i| f(r.f64(0)[i], r.f64(1)[i], r.f64(2)[i])).collect()
}

fn both(r: &Ref, f: fn(f64, f64, f64) -> (f64, f64)) -> Vec<Vec<f64>> {
    vec![each(r, |a, b, d| f(a, b, d).0), each(r, |a, b, d| f(a, b, d).1)]
}

/// Exact, but that half a denormal rounds.
fn shared(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let tied = |a: f64, b: f64, d: f64| if a == b && d.abs() < 4.0 * M { M } else { r.tol.pick(0.0, M) };
    vec![each(r, tied); out.len()]
}

/// As `pow` at `b − 1`, whose own rounding moves the exponent `z = (b − 1)·ln a` by as much, and a product's.
fn base_bound(a: f64, b: f64, d: f64, t: Tol) -> f64 {
    if b == 0.0 || a == 0.0 {
        return product(d, reference::pow_backward_a(a, b, 1.0), 0.0, t);
    }
    let slope = b * a.powf(b - 1.0);
    let z = ((b - 1.0) * a.abs().ln()).abs();
    let power = t.pick(2.0 + 3.25 * z, 4.0 + 11.0 * z) * 2.0 * U + z * unit(t);
    product(d, slope, slope.abs() * (power + unit(t)) + M * b.abs(), t)
}

impl<'g> Tensor<'g> {
    /// The gradients of [`Tensor::maximum`] of `self` and `b`; equal numbers get half of `d_y` each.
    ///
    /// # Source
    /// PyTorch `torch.maximum`
    #[track_caller]
    pub fn maximum_backward(self, b: Tensor<'g>, d_y: Tensor<'g>) -> [Tensor<'g>; 2] {
        let found = self.graph().dispatch(&MAXIMUM_BACKWARD, &[Some(self), Some(b), Some(d_y)], &[]);
        [found[0], found[1]]
    }

    /// The gradients of [`Tensor::minimum`] of `self` and `b`; equal numbers get half of `d_y` each.
    ///
    /// # Source
    /// PyTorch `torch.minimum`
    #[track_caller]
    pub fn minimum_backward(self, b: Tensor<'g>, d_y: Tensor<'g>) -> [Tensor<'g>; 2] {
        let found = self.graph().dispatch(&MINIMUM_BACKWARD, &[Some(self), Some(b), Some(d_y)], &[]);
        [found[0], found[1]]
    }

    /// The gradient of [`Tensor::pow`] with respect to `self`, the base: `d_y·b·self^(b − 1)`, and 0 where `b` is.
    #[track_caller]
    pub fn pow_backward_a(self, b: Tensor<'g>, d_y: Tensor<'g>) -> Tensor<'g> {
        self.graph().dispatch(&POW_BACKWARD_A, &[Some(self), Some(b), Some(d_y)], &[])[0]
    }

    /// The gradient of `y`, [`Tensor::pow`] of `self` and `b`, with respect to `b`: `d_y·y·ln self`, and 0 where `self` is 0
    /// and `b` is not negative.
    #[track_caller]
    pub fn pow_backward_b(self, b: Tensor<'g>, y: Tensor<'g>, d_y: Tensor<'g>) -> Tensor<'g> {
        self.graph().dispatch(&POW_BACKWARD_B, &[Some(self), Some(b), Some(y), Some(d_y)], &[])[0]
    }
}
