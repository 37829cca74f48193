//! What the steps of recurrent cells with their products share. Shaders: shaders/lib/recurrent_step*.wgsl

use kernels_ref::recurrent::recurrent_product;

use super::expect;
use crate::check::ulp;
use crate::kernel::{Call, Grid, Ref, Scalars, Spec};
use crate::kernels::near::Near;
use crate::shape::Dims;
use crate::tensor::Dtype;

pub(super) const A: usize = 0;
/// The state that gates mix: the cell state of an LSTM, the hidden one of a GRU.
pub(super) const BEFORE: usize = 1;
/// The state in the product.
pub(super) const H: usize = 2;
pub(super) const W: usize = 3;
pub(super) const B: usize = 4;

/// Rows up to which a product moves into its cell: with more of them it is worth tiles.
pub(super) const ROWS: usize = 32;
/// Rows of a lane of `vec4` and of a workgroup of `matvec`.
const FEW: usize = 4;
/// Lanes of a workgroup of `vec4`.
const LANES: usize = 16;

/// What makes the state `before` (B, H) and `gates` blocks of it fit `h` (B, R), `w` (gates·H, R) and `b`.
pub(super) fn shape(c: &Call, gates: usize) -> Result<[Spec; 2], String> {
    let [rows, hidden] = expect(c, BEFORE, &[], &[A], gates)?;
    let &[_, state] = c.shape(H) else {
        return Err(format!("h is {}, expected (B, R)", Dims(c.shape(H))));
    };
    let wanted = [(H, vec![rows, state]), (W, vec![gates * hidden, state]), (B, vec![gates * hidden])];
    match wanted.into_iter().find(|(port, shape)| c.has(*port) && c.shape(*port) != shape.as_slice()) {
        Some((port, shape)) => {
            let name = c.kernel.inputs[port].name;
            Err(format!("{name} is {}, expected {}", Dims(c.shape(port)), Dims(&shape)))
        }
        None => Ok([Spec::f32(&[rows, hidden]), Spec::f32(&[rows, gates * hidden])]),
    }
}

fn rows_hidden_state(c: &Call) -> [usize; 3] {
    [c.shape(BEFORE)[0], c.shape(BEFORE)[1], c.shape(H)[1]]
}

pub(super) fn scalars(c: &Call) -> Scalars {
    let [rows, hidden, state] = rows_hidden_state(c);
    Scalars::new().set("rows", rows).set("hidden", hidden).set("state", state)
}

/// One invocation per unit of a row.
pub(super) fn units(c: &Call) -> Grid {
    Grid::Threads(c.spec(BEFORE).len() as u64)
}

pub(super) fn state_loops(c: &Call) -> u64 {
    rows_hidden_state(c)[2] as u64
}

/// Workgroups of `matvec`.
pub(super) fn matvec(c: &Call) -> Grid {
    let [rows, hidden, _] = rows_hidden_state(c);
    Grid::Groups((hidden * rows.div_ceil(FEW)) as u64)
}

/// True if the state is whole vectors.
pub(super) fn vectors(c: &Call) -> bool {
    let by = if c.input(W).dtype == Dtype::F16 { 8 } else { 4 };
    rows_hidden_state(c)[2].is_multiple_of(by)
}

/// Rows of a lane of `vec4`.
fn few(c: &Call) -> usize {
    if rows_hidden_state(c)[0] == 1 { 1 } else { FEW }
}

pub(super) fn vec4_scalars(c: &Call) -> Scalars {
    Scalars::new().set("ROWS", few(c))
}

/// Workgroups of `vec4`.
pub(super) fn vec4(c: &Call) -> Grid {
    let [rows, hidden, _] = rows_hidden_state(c);
    Grid::Groups((hidden.div_ceil(LANES) * rows.div_ceil(few(c))) as u64)
}

/// Operations of the product.
pub(super) fn flops(c: &Call) -> u64 {
    2 * (c.shape(BEFORE)[0] * c.spec(W).len()) as u64
}

/// What the state gives the gates, and how far that may be off: a dot product, and the sum with the bias.
pub(super) fn product(r: &Ref) -> Vec<Near> {
    let state = r.shape(H)[1];
    let magnitude = |v: &[f64]| v.iter().map(|v| v.abs()).collect::<Vec<_>>();
    let u = recurrent_product(r.f64(H), r.f64(W), r.opt(B), state);
    let dot = recurrent_product(r.f64(H), r.f64(W), None, state);
    let sizes = recurrent_product(&magnitude(r.f64(H)), &magnitude(r.f64(W)), None, state);
    let one = |((&u, &dot), &size): ((&f64, &f64), &f64)| {
        let added = if r.has(B) { r.tol.pick(1.0, 2.0) * ulp(u) } else { 0.0 };
        Near::exact(u, r.tol).off(r.tol.dot(state, size, dot) + added)
    };
    u.iter().zip(&dot).zip(&sizes).map(one).collect()
}
