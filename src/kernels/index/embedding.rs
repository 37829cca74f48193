//! Rows of a table. Shader: shaders/index/embedding.wgsl

use crate::check;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Grid, Kernel, Part, Port, RowSplit, Scalars, Spec, Step, Variant, Work};
use crate::shape::Dims;

const IDS: usize = 0;
const W: usize = 1;

/// Rows of a table whose gradient is a product.
const FEW_ROWS: usize = 32;

/// Takes the rows of a table that ids name.
pub static EMBEDDING: Kernel = Kernel {
    name: "embedding",
    inputs: &[Port::i32("ids"), Port::f32_or_f16("w")],
    shape,
    scalars: |c| {
        let [rows, cols] = [0, 1].map(|a| c.shape(W)[a]);
        let part = c.part.unwrap_or(Part { first: 0, rows });
        Scalars::new()
            .set("n", c.outputs[0].len())
            .set("cols", cols)
            .set("first", part.first)
            .set("rows", part.rows)
            .set("vocab", rows)
    },
    variants: &[Variant {
        shader: "index/embedding",
        steps: &[Step { entry: "embedding", grid: |c| Grid::Threads(c.outputs[0].len() as u64), loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 0, bytes: 2 * c.outputs[0].bytes() + c.spec(IDS).bytes() },
    reference: |r| vec![kernels_ref::index::embedding(r.f64(IDS), r.f64(W), r.shape(W)[1])],
    bound: |_, y| check::exact(y),
    backward: Backward::Rule(|n| {
        let (rows, cols, ids) = (n.shape(W)[0], n.shape(W)[1], n.x(IDS));
        let count = n.spec(IDS).len();
        let d_w = || table_backward(n.d(0).reshape(&[count, cols]), ids.reshape(&[count]), rows);
        vec![None, n.wanted(W, d_w)]
    }),
    row_split: Some(RowSplit { port: W, axis: 0 }),
    ..Kernel::BASE
};

/// The rows of `d (N, C)` added up by their ids. In a small table many rows meet, and a chain of them is long: there,
/// the product with the ids as unit vectors has the sum in parallel.
fn table_backward<'g>(d: Tensor<'g>, ids: Tensor<'g>, rows: usize) -> Tensor<'g> {
    if rows <= FEW_ROWS { ids.one_hot(rows).transpose(0, 1).matmul(d) } else { d.scatter_add(ids, rows) }
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let [_, cols] = c.shape(W) else {
        return Err(format!("w is {}, expected (rows, cols)", Dims(c.shape(W))));
    };
    Ok(vec![Spec::f32(&[c.shape(IDS), &[*cols]].concat())])
}

impl<'g> Tensor<'g> {
    /// The rows of `w` that the ids of `self` name.
    ///
    /// `y[…, c] = w[ids[…], c]`
    ///
    /// # Shapes
    /// `self (…)` i32 · `w (V, C)` → `(…, C)`
    /// # Units
    /// ids in 0..V; others give zeros
    /// # Errors
    /// [`crate::Error::Graph`] if `w` has not two axes
    /// # Gradient
    /// `w`, by [`Tensor::scatter_add`], in a small table by [`Tensor::matmul`]
    /// # Source
    /// PyTorch `F.embedding`
    #[track_caller]
    pub fn embedding(self, w: Tensor<'g>) -> Tensor<'g> {
        self.graph().dispatch(&EMBEDDING, &[Some(self), Some(w)], &[])[0]
    }
}
