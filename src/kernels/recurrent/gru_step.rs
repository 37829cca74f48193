//! A step of gated recurrent units with its product. Shaders: shaders/recurrent/gru_step*.wgsl

use kernels_ref::recurrent as reference;

use super::gru_cell::bound;
use super::step::{self, A, B, BEFORE, H, W};
use crate::adapter::AdapterKind;
use crate::kernel::{Backward, Kernel, Port, Step, Variant, Work};

/// [`super::gru_cell::GRU_CELL`] and the recurrent product before it, which the planner joins.
pub static GRU_STEP: Kernel = Kernel {
    name: "gru_step",
    inputs: &[Port::f32("a"), Port::f32("before"), Port::f32("h"), Port::f32_or_f16("w"), Port::f32("b").optional()],
    outputs: &["h_next", "gates"],
    shape: |c| {
        let [state, gates] = step::shape(c, 3)?;
        Ok(vec![state, gates])
    },
    scalars: step::scalars,
    variants: &[MATVEC, VEC4, PLAIN],
    choose: |_, adapter| usize::from(adapter.kind == AdapterKind::Cpu),
    work: |c| Work { flops: step::flops(c) + 45 * c.spec(BEFORE).len() as u64, bytes: c.bytes() },
    reference: |r| {
        let (a, before, hidden) = (r.f64(A), r.f64(BEFORE), r.shape(BEFORE)[1]);
        reference::gru_step(a, before, r.f64(H), r.f64(W), r.opt(B), hidden).into()
    },
    bound: |r, _| {
        let u = step::product(r);
        bound(r.tol, r.f64(A), r.f64(BEFORE), r.shape(BEFORE)[1], |i| u[i])
    },
    backward: Backward::None("the planner makes it of kernels that have rules, when gradients are there"),
    ..Kernel::BASE
};

const PLAIN: Variant = Variant {
    shader: "recurrent/gru_step",
    steps: &[Step { entry: "gru_step", grid: step::units, loops: step::state_loops }],
    ..Variant::BASE
};

const MATVEC: Variant = Variant {
    how: "matvec",
    shader: "recurrent/gru_step",
    steps: &[Step { entry: "gru_step_matvec", grid: step::matvec, loops: |c| step::state_loops(c) / 64 + 8 }],
    ..Variant::BASE
};

const VEC4: Variant = Variant {
    how: "vec4",
    shader: "recurrent/gru_step_vec4",
    applies: |c, _| step::vectors(c),
    steps: &[Step { entry: "gru_step_vec4", grid: step::vec4, loops: |c| step::state_loops(c) / 4 }],
    scalars: step::vec4_scalars,
    ..Variant::BASE
};
