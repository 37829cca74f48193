//! A step of a long short-term memory with its product. Shaders: shaders/recurrent/lstm_step*.wgsl

use kernels_ref::recurrent as reference;

use super::lstm_cell::bound;
use super::step::{self, A, B, BEFORE, H, W};
use crate::adapter::AdapterKind;
use crate::kernel::{Backward, Kernel, Port, Step, Variant, Work};

/// [`super::lstm_cell::LSTM_CELL`] and the recurrent product before it, which the planner joins.
pub static LSTM_STEP: Kernel = Kernel {
    name: "lstm_step",
    inputs: &[Port::f32("a"), Port::f32("c"), Port::f32("h"), Port::f32_or_f16("w"), Port::f32("b").optional()],
    outputs: &["h_next", "c_next", "gates"],
    shape: |c| {
        let [state, gates] = step::shape(c, 4)?;
        Ok(vec![state.clone(), state, gates])
    },
    scalars: step::scalars,
    variants: &[MATVEC, VEC4, PLAIN],
    choose: |_, adapter| usize::from(adapter.kind == AdapterKind::Cpu),
    work: |c| Work { flops: step::flops(c) + 60 * c.spec(BEFORE).len() as u64, bytes: c.bytes() },
    reference: |r| {
        let (a, before, hidden) = (r.f64(A), r.f64(BEFORE), r.shape(BEFORE)[1]);
        reference::lstm_step(a, before, r.f64(H), r.f64(W), r.opt(B), hidden).into()
    },
    bound: |r, _| {
        let u = step::product(r);
        bound(r.tol, r.f64(A), r.f64(BEFORE), r.shape(BEFORE)[1], |i| u[i])
    },
    backward: Backward::None("the planner makes it of kernels that have rules, when gradients are there"),
    ..Kernel::BASE
};

const PLAIN: Variant = Variant {
    shader: "recurrent/lstm_step",
    steps: &[Step { entry: "lstm_step", grid: step::units, loops: step::state_loops }],
    ..Variant::BASE
};

const MATVEC: Variant = Variant {
    how: "matvec",
    shader: "recurrent/lstm_step",
    steps: &[Step { entry: "lstm_step_matvec", grid: step::matvec, loops: |c| step::state_loops(c) / 64 + 8 }],
    ..Variant::BASE
};

const VEC4: Variant = Variant {
    how: "vec4",
    shader: "recurrent/lstm_step_vec4",
    applies: |c, _| step::vectors(c),
    steps: &[Step { entry: "lstm_step_vec4", grid: step::vec4, loops: |c| step::state_loops(c) / 4 }],
    scalars: step::vec4_scalars,
    ..Variant::BASE
};
