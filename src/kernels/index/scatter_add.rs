//! Adding rows into a table. Shader: shaders/index/scatter_add.wgsl

use crate::graph::Tensor;
use crate::kernel::{
    Backward, Call, Default, Grid, Kernel, Param, Port, Ref, Scalars, Scratch, Spec, Step, Variant, Work,
};
use crate::shape::Dims;

const X: usize = 0;
const IDS: usize = 1;
const BASE: usize = 2;

/// Rows of one dispatch that [`Tensor::scatter_add`] makes: a row's chain must stay within the loop
/// iterations that every adapter allows.
const PIECE: usize = 1 << 14;

/// Adds rows into the rows of a table that ids name.
pub static SCATTER_ADD: Kernel = Kernel {
    name: "scatter_add",
    inputs: &[Port::f32("x"), Port::i32("ids"), Port::f32("base").optional()],
    params: &[Param::new("rows", Default::NeedInt)],
    shape,
    scalars: |c| Scalars::new().set("n", c.shape(IDS)[0]).set("cols", c.shape(X)[1]).set("rows", c.out(0)[0]),
    variants: &[Variant {
        shader: "index/scatter_add",
        steps: &[
            Step {
                entry: "scatter_add_chain",
                grid: |c| Grid::Threads(c.shape(IDS)[0] as u64),
                loops: |c| c.shape(IDS)[0] as u64 + 1,
            },
            Step { entry: "scatter_add_base", grid: |c| Grid::Threads(c.outputs[0].len() as u64), loops: |_| 0 },
            Step {
                entry: "scatter_add",
                grid: |c| Grid::Threads(c.spec(X).len() as u64),
                loops: |c| c.shape(IDS)[0] as u64 + 1,
            },
        ],
        scratch: &[Scratch { name: "chain", spec: |c| Spec::u32(&[c.shape(IDS)[0], 2]) }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: c.spec(X).len() as u64, bytes: c.bytes() },
    reference: |r| {
        let (rows, cols) = (r.out(0)[0], r.shape(X)[1]);
        vec![kernels_ref::index::scatter_add(r.f64(X), r.f64(IDS), r.opt(BASE), rows, cols)]
    },
    bound,
    backward: Backward::Rule(|n| {
        let d_x = || n.x(IDS).embedding(n.d(0));
        vec![n.wanted(X, d_x), None, n.has(BASE).then(|| n.d(0))]
    }),
    ..Kernel::BASE
};

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let (x, ids, rows) = (c.shape(X), c.shape(IDS), c.int("rows"));
    if x.len() != 2 || ids != [x[0]] {
        return Err(format!("x {} and ids {} are not (N, C) and (N)", Dims(x), Dims(ids)));
    }
    if !(1..=i64::from(i32::MAX)).contains(&rows) {
        return Err(format!("rows is {rows}, expected at least 1"));
    }
    let y = [rows as usize, x[1]];
    if c.has(BASE) && c.shape(BASE) != y {
        return Err(format!("base is {}, expected {}", Dims(c.shape(BASE)), Dims(&y)));
    }
    Ok(vec![Spec::f32(&y)])
}

/// A sum of the rows that meet, with the sum of their magnitudes.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (rows, cols) = (r.out(0)[0], r.shape(X)[1]);
    let abs = |v: &[f64]| v.iter().map(|x| x.abs()).collect::<Vec<_>>();
    let base = r.opt(BASE).map(abs);
    let sums = kernels_ref::index::scatter_add(&abs(r.f64(X)), r.f64(IDS), base.as_deref(), rows, cols);
    let mut counts = vec![1usize; rows];
    for &id in r.f64(IDS) {
        if id >= 0.0 && (id as usize) < rows {
            counts[id as usize] += 1;
        }
    }
    let bound = |i: usize| if counts[i / cols] == 1 { 0.0 } else { r.tol.sum(counts[i / cols], sums[i], out[0][i]) };
    vec![(0..out[0].len()).map(bound).collect()]
}

impl<'g> Tensor<'g> {
    /// The rows of `self` added into a table of `rows` rows, at the rows that `ids` name, in their order.
    ///
    /// `y[v] = Σ_{n: ids[n] = v} self[n]`
    ///
    /// # Shapes
    /// `self (N, C)` · `ids (N)` i32 → `(rows, C)`
    /// # Units
    /// ids in 0..rows; others add nothing
    /// # Errors
    /// [`crate::Error::Graph`] if `ids` has not one id for each row
    /// # Gradient
    /// `self`, by [`Tensor::embedding`]
    /// # Source
    /// PyTorch `Tensor.index_add_`
    #[track_caller]
    pub fn scatter_add(self, ids: Tensor<'g>, rows: usize) -> Tensor<'g> {
        let (graph, n) = (self.graph(), self.shape().first().copied().unwrap_or(0));
        let call =
            |x, ids, base| graph.dispatch(&SCATTER_ADD, &[Some(x), Some(ids), base], &[("rows", rows.into())])[0];
        if n <= PIECE || ids.shape() != [n] {
            return call(self, ids, None);
        }
        let mut sum = None;
        for first in (0..n).step_by(PIECE) {
            let len = PIECE.min(n - first);
            sum = Some(call(self.slice(0, first, len), ids.slice(0, first, len), sum));
        }
        sum.unwrap_or(self)
    }
}
