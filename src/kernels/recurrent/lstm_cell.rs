//! Long short-term memory. Shaders: shaders/recurrent/lstm_cell.wgsl, lstm_cell_backward.wgsl

use kernels_ref::recurrent as reference;

use super::lstm_step::LSTM_STEP;
use super::step::ROWS;
use super::{elements, expect, scalars};
use crate::check::Tol;
use crate::graph::Tensor;
use crate::kernel::{Backward, Fusion, Kernel, Port, Product, Ref, Spec, Step, Variant, Work};
use crate::kernels::matmul::matmul::MATMUL;
use crate::kernels::near::Near;

const A: usize = 0;
const U: usize = 1;
const C: usize = 2;

/// A step of a long short-term memory, behind its two products.
pub static LSTM_CELL: Kernel = Kernel {
    name: "lstm_cell",
    inputs: &[Port::f32("a"), Port::f32("u"), Port::f32("c")],
    outputs: &["h", "c_next", "gates"],
    shape: |c| {
        let [b, h] = expect(c, C, &[], &[A, U], 4)?;
        Ok(vec![Spec::f32(&[b, h]), Spec::f32(&[b, h]), Spec::f32(&[b, 4 * h])])
    },
    scalars: |c| scalars(c, C),
    variants: &[Variant {
        shader: "recurrent/lstm_cell",
        steps: &[Step { entry: "lstm_cell", grid: |c| elements(c, C), loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 60 * c.spec(C).len() as u64, bytes: c.bytes() },
    reference: |r| reference::lstm_cell(r.f64(A), r.f64(U), r.f64(C), r.shape(C)[1]).into(),
    bound: |r, _| {
        let near = |i: usize| Near::exact(r.f64(U)[i], r.tol);
        bound(r.tol, r.f64(A), r.f64(C), r.shape(C)[1], near)
    },
    fusion: Fusion { of_product: Some(Product { port: U, of: &MATMUL, with: &LSTM_STEP, rows: ROWS }), ..Fusion::NONE },
    backward: Backward::Rule(|n| {
        let inputs = [Some(n.y(2)), Some(n.x(C)), Some(n.y(1)), Some(n.d(0)), n.d_opt(1)];
        let found = n.graph().dispatch(&LSTM_CELL_BACKWARD, &inputs, &[]);
        // What the gates' own gradients add passes through the slopes of their activations.
        let d_a = match n.d_opt(2) {
            None => found[0],
            Some(d) => found[0] + d * gate_slopes(n.y(2)),
        };
        vec![Some(d_a), Some(d_a), Some(found[1])]
    }),
    ..Kernel::BASE
};

/// `[i·(1 − i)  f·(1 − f)  1 − g²  o·(1 − o)]`
fn gate_slopes(gates: Tensor<'_>) -> Tensor<'_> {
    let h = gates.shape()[1] / 4;
    let [i_f, g, o] = gates.split(-1, [2 * h, h, h]);
    let parts = [i_f * (1.0 - i_f), 1.0 - g.square(), o * (1.0 - o)];
    gates.graph().concat(&parts, -1)
}

/// The same operations with what each may be off, where `u` of element i is near `u(i)`.
pub(super) fn bound(tol: Tol, a: &[f64], c: &[f64], hidden: usize, u: impl Fn(usize) -> Near) -> Vec<Vec<f64>> {
    let n = c.len();
    let near = |v: f64| Near::exact(v, tol);
    let (mut h, mut c_next, mut gates) = (vec![0.0; n], vec![0.0; n], vec![0.0; 4 * n]);
    for at in 0..n {
        let j = |block: usize| (4 * (at / hidden) + block) * hidden + at % hidden;
        let before = |block: usize| near(a[j(block)]) + u(j(block));
        let [i, f, g, o] = [before(0).sigmoid(), before(1).sigmoid(), before(2).tanh(), before(3).sigmoid()];
        let cell = f * near(c[at]) + i * g;
        c_next[at] = cell.bound();
        h[at] = (o * cell.tanh()).bound();
        for (block, gate) in [i, f, g, o].into_iter().enumerate() {
            gates[j(block)] = gate.bound();
        }
    }
    vec![h, c_next, gates]
}

const GATES: usize = 0;
const CELL: usize = 1;
const CELL_NEXT: usize = 2;
const D_H: usize = 3;
const D_C_NEXT: usize = 4;

/// The gradients of [`LSTM_CELL`], from the gates it saved.
pub static LSTM_CELL_BACKWARD: Kernel = Kernel {
    name: "lstm_cell_backward",
    inputs: &[
        Port::f32("gates"),
        Port::f32("c"),
        Port::f32("c_next"),
        Port::f32("d_h"),
        Port::f32("d_c_next").optional(),
    ],
    outputs: &["d_a", "d_c"],
    shape: |c| {
        let [b, h] = expect(c, CELL, &[CELL_NEXT, D_H, D_C_NEXT], &[GATES], 4)?;
        Ok(vec![Spec::f32(&[b, 4 * h]), Spec::f32(&[b, h])])
    },
    scalars: |c| scalars(c, CELL),
    variants: &[Variant {
        shader: "recurrent/lstm_cell_backward",
        steps: &[Step { entry: "lstm_cell_backward", grid: |c| elements(c, CELL), loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 40 * c.spec(CELL).len() as u64, bytes: c.bytes() },
    reference: |r| {
        let (gates, d_c_next) = (r.f64(GATES), r.opt(D_C_NEXT));
        reference::lstm_cell_backward(gates, r.f64(CELL), r.f64(CELL_NEXT), r.f64(D_H), d_c_next, r.shape(CELL)[1])
            .into()
    },
    bound: bound_backward,
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

/// The same operations with what each may be off.
fn bound_backward(r: &Ref, _: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (n, hidden) = (r.f64(CELL).len(), r.shape(CELL)[1]);
    let near = |v: f64| Near::exact(v, r.tol);
    let one = near(1.0);
    let (mut d_a, mut d_c) = (vec![0.0; 4 * n], vec![0.0; n]);
    for at in 0..n {
        let j = |block: usize| (4 * (at / hidden) + block) * hidden + at % hidden;
        let [i, f, g, o] = [0, 1, 2, 3].map(|block| near(r.f64(GATES)[j(block)]));
        let (t, d_h) = (near(r.f64(CELL_NEXT)[at]).tanh(), near(r.f64(D_H)[at]));
        let d = near(r.opt(D_C_NEXT).map_or(0.0, |d| d[at])) + d_h * o * (one - t * t);
        d_a[j(0)] = (d * g * (i * (one - i))).bound();
        d_a[j(1)] = (d * near(r.f64(CELL)[at]) * (f * (one - f))).bound();
        d_a[j(2)] = (d * i * (one - g * g)).bound();
        d_a[j(3)] = (d_h * t * (o * (one - o))).bound();
        d_c[at] = (d * f).bound();
    }
    vec![d_a, d_c]
}

impl<'g> Tensor<'g> {
    /// A step of a long short-term memory: `[h, c_next]` of what the input gives the gates, `self`, what the state gives
    /// them, `u`, and the cell state.
    ///
    /// `[i f g o] = self + u` · `c_next = σ(f)·c + σ(i)·tanh(g)` · `h = σ(o)·tanh(c_next)`
    ///
    /// # Shapes
    /// `self`, `u (B, 4·H)` · `c (B, H)` → 2 × `(B, H)`
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes do not fit
    /// # Gradient
    /// `self`, `u`, `c`; uses the saved gates
    /// # Source
    /// Hochreiter, Schmidhuber 1997; Gers, Schmidhuber, Cummins 2000 · PyTorch `nn.LSTMCell` behind its products
    #[track_caller]
    pub fn lstm_cell(self, u: Tensor<'g>, c: Tensor<'g>) -> [Tensor<'g>; 2] {
        let outputs = self.graph().dispatch(&LSTM_CELL, &[Some(self), Some(u), Some(c)], &[]);
        [outputs[0], outputs[1]]
    }
}
