//! Gated recurrent units. Shaders: shaders/recurrent/gru_cell.wgsl, gru_cell_backward.wgsl

use kernels_ref::recurrent as reference;

use super::gru_step::GRU_STEP;
use super::step::ROWS;
use super::{elements, expect, scalars};
use crate::backward::Adjoint;
use crate::check::Tol;
use crate::graph::Tensor;
use crate::kernel::{Backward, Fusion, Kernel, Port, Product, Ref, Spec, Step, Variant, Work};
use crate::kernels::matmul::matmul::MATMUL;
use crate::kernels::near::Near;

const A: usize = 0;
const U: usize = 1;
const H: usize = 2;

/// A step of gated recurrent units, behind its two products.
pub static GRU_CELL: Kernel = Kernel {
    name: "gru_cell",
    inputs: &[Port::f32("a"), Port::f32("u"), Port::f32("h")],
    outputs: &["h_next", "gates"],
    shape: |c| {
        let [b, h] = expect(c, H, &[], &[A, U], 3)?;
        Ok(vec![Spec::f32(&[b, h]), Spec::f32(&[b, 3 * h])])
    },
    scalars: |c| scalars(c, H),
    variants: &[Variant {
        shader: "recurrent/gru_cell",
        steps: &[Step { entry: "gru_cell", grid: |c| elements(c, H), loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 45 * c.spec(H).len() as u64, bytes: c.bytes() },
    reference: |r| reference::gru_cell(r.f64(A), r.f64(U), r.f64(H), r.shape(H)[1]).into(),
    bound: |r, _| {
        let near = |i: usize| Near::exact(r.f64(U)[i], r.tol);
        bound(r.tol, r.f64(A), r.f64(H), r.shape(H)[1], near)
    },
    fusion: Fusion { of_product: Some(Product { port: U, of: &MATMUL, with: &GRU_STEP, rows: ROWS }), ..Fusion::NONE },
    backward: Backward::Rule(backward),
    ..Kernel::BASE
};

fn backward<'g>(n: &Adjoint<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
    let inputs = [Some(n.y(1)), Some(n.x(U)), Some(n.x(H)), Some(n.d(0))];
    let found = n.graph().dispatch(&GRU_CELL_BACKWARD, &inputs, &[]);
    let Some(d) = n.d_opt(1) else { return found.into_iter().map(Some).collect() };
    // What the gates' own gradients add: through n to r as well.
    let size = n.shape(H)[1];
    let [r, z, new] = n.y(1).split(-1, [size; 3]);
    let ([d_r, d_z, d_n], u_n) = (d.split(-1, [size; 3]), n.x(U).slice(-1, 2 * size, size));
    let p = d_n * (1.0 - new.square());
    let to_r = (d_r + p * u_n) * (r * (1.0 - r));
    let to_z = d_z * (z * (1.0 - z));
    let g = n.graph();
    let (to_a, to_u) = (g.concat(&[to_r, to_z, p], -1), g.concat(&[to_r, to_z, p * r], -1));
    vec![Some(found[0] + to_a), Some(found[1] + to_u), Some(found[2])]
}

/// The same operations with what each may be off, where `u` of element i is near `u(i)`.
pub(super) fn bound(tol: Tol, a: &[f64], h: &[f64], hidden: usize, u: impl Fn(usize) -> Near) -> Vec<Vec<f64>> {
    let count = h.len();
    let near = |v: f64| Near::exact(v, tol);
    let (mut h_next, mut gates) = (vec![0.0; count], vec![0.0; 3 * count]);
    for i in 0..count {
        let j = |block: usize| (3 * (i / hidden) + block) * hidden + i % hidden;
        let (a, u) = ([0, 1, 2].map(|block| near(a[j(block)])), [0, 1, 2].map(|block| u(j(block))));
        let (reset, z) = ((a[0] + u[0]).sigmoid(), (a[1] + u[1]).sigmoid());
        let n = (a[2] + reset * u[2]).tanh();
        h_next[i] = ((near(1.0) - z) * n + z * near(h[i])).bound();
        for (block, gate) in [reset, z, n].into_iter().enumerate() {
            gates[j(block)] = gate.bound();
        }
    }
    vec![h_next, gates]
}

const GATES: usize = 0;
const FROM_STATE: usize = 1;
const BEFORE: usize = 2;
const D_H_NEXT: usize = 3;

/// The gradients of [`GRU_CELL`], from the gates it saved.
pub static GRU_CELL_BACKWARD: Kernel = Kernel {
    name: "gru_cell_backward",
    inputs: &[Port::f32("gates"), Port::f32("u"), Port::f32("h"), Port::f32("d_h_next")],
    outputs: &["d_a", "d_u", "d_h"],
    shape: |c| {
        let [b, h] = expect(c, BEFORE, &[D_H_NEXT], &[GATES, FROM_STATE], 3)?;
        Ok(vec![Spec::f32(&[b, 3 * h]), Spec::f32(&[b, 3 * h]), Spec::f32(&[b, h])])
    },
    scalars: |c| scalars(c, BEFORE),
    variants: &[Variant {
        shader: "recurrent/gru_cell_backward",
        steps: &[Step { entry: "gru_cell_backward", grid: |c| elements(c, BEFORE), loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 16 * c.spec(BEFORE).len() as u64, bytes: c.bytes() },
    reference: |r| {
        let (gates, u, h) = (r.f64(GATES), r.f64(FROM_STATE), r.f64(BEFORE));
        reference::gru_cell_backward(gates, u, h, r.f64(D_H_NEXT), r.shape(BEFORE)[1]).into()
    },
    bound: bound_backward,
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

/// The same operations with what each may be off.
fn bound_backward(r: &Ref, _: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (count, hidden) = (r.f64(BEFORE).len(), r.shape(BEFORE)[1]);
    let near = |v: f64| Near::exact(v, r.tol);
    let one = near(1.0);
    let (mut d_a, mut d_u, mut d_h) = (vec![0.0; 3 * count], vec![0.0; 3 * count], vec![0.0; count]);
    for i in 0..count {
        let j = |block: usize| (3 * (i / hidden) + block) * hidden + i % hidden;
        let [reset, z, n] = [0, 1, 2].map(|block| near(r.f64(GATES)[j(block)]));
        let (d, u_n) = (near(r.f64(D_H_NEXT)[i]), near(r.f64(FROM_STATE)[j(2)]));
        let p = d * (one - z) * (one - n * n);
        let to_r = (p * u_n * (reset * (one - reset))).bound();
        let to_z = (d * (near(r.f64(BEFORE)[i]) - n) * (z * (one - z))).bound();
        for (block, [to_a, to_u]) in
            [[to_r, to_r], [to_z, to_z], [p.bound(), (p * reset).bound()]].into_iter().enumerate()
        {
            d_a[j(block)] = to_a;
            d_u[j(block)] = to_u;
        }
        d_h[i] = (d * z).bound();
    }
    vec![d_a, d_u, d_h]
}

impl<'g> Tensor<'g> {
    /// A step of gated recurrent units: the next hidden state, of what the input gives the gates, `self`, what the state
    /// gives them, `u`, and the hidden state.
    ///
    /// `r = σ(self_r + u_r)` · `z = σ(self_z + u_z)` · `n = tanh(self_n + r·u_n)` · `h_next = (1 − z)·n + z·h`
    ///
    /// # Shapes
    /// `self`, `u (B, 3·H)` · `h (B, H)` → `(B, H)`
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes do not fit
    /// # Gradient
    /// `self`, `u`, `h`; uses the saved gates
    /// # Source
    /// Cho et al. 2014, arXiv:1406.1078 · PyTorch `nn.GRUCell` behind its products
    #[track_caller]
    pub fn gru_cell(self, u: Tensor<'g>, h: Tensor<'g>) -> Tensor<'g> {
        self.graph().dispatch(&GRU_CELL, &[Some(self), Some(u), Some(h)], &[])[0]
    }
}
