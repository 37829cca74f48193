//! Gradients of what was gathered. Shader: shaders/index/gather_backward.wgsl

use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Grid, Kernel, Param, Port, Ref, Scalars, Spec, Step, Variant, Work};
use crate::shape::{Dims, Layout, axis_index};

const D_Y: usize = 0;
const INDEX: usize = 1;

/// Ids of a line that one dispatch adds up: the loop must stay within what every adapter allows.
const PIECE: usize = 1 << 15;

/// Adds elements up at the places they were taken from.
pub static GATHER_BACKWARD: Kernel = Kernel {
    name: "gather_backward",
    inputs: &[Port::f32("d_y").strided(), Port::i32("index").strided()],
    outputs: &["d_x"],
    params: &[Param::new("axis", Default::NeedInt), Param::new("size", Default::NeedInt)],
    shape,
    scalars,
    variants: &[Variant {
        shader: "index/gather_backward",
        steps: &[Step {
            entry: "gather_backward",
            grid: |c| Grid::Threads(c.outputs[0].len() as u64),
            loops: |c| c.shape(INDEX)[axis(c)] as u64,
        }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: c.spec(D_Y).len() as u64, bytes: c.bytes() },
    reference: |r| vec![added(r, r.f64(D_Y))],
    bound,
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

fn axis(c: &Call) -> usize {
    axis_index(c.int("axis"), c.shape(INDEX).len()).expect("bug: gather_backward along no axis")
}

fn added(r: &Ref, d_y: &[f64]) -> Vec<f64> {
    kernels_ref::index::gather_backward(d_y, r.f64(INDEX), r.shape(INDEX), axis(r), r.int("size") as usize)
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let (d_y, index, size) = (c.shape(D_Y), c.shape(INDEX), c.int("size"));
    if d_y != index {
        return Err(format!("d_y {} and index {} differ", Dims(d_y), Dims(index)));
    }
    let Some(axis) = axis_index(c.int("axis"), index.len()) else {
        return Err(format!("axis {} is not in {}", c.int("axis"), Dims(index)));
    };
    if !(1..=i64::from(i32::MAX)).contains(&size) {
        return Err(format!("size is {size}, expected at least 1"));
    }
    let mut shape = index.to_vec();
    shape[axis] = size as usize;
    Ok(vec![Spec::f32(&shape)])
}

fn scalars(c: &Call) -> Scalars {
    let (axis, out) = (axis(c), c.out(0));
    let still = |port: usize| {
        let mut layout = Layout { shape: out.to_vec(), ..c.input(port).layout.clone() };
        let stride = std::mem::take(&mut layout.strides[axis]);
        (layout, stride)
    };
    let ((d, d_stride), (index, index_stride)) = (still(D_Y), still(INDEX));
    Scalars::new()
        .set("n", c.outputs[0].len())
        .set("size", out[axis])
        .set("inner", out[axis + 1..].iter().product::<usize>())
        .set("taken", c.shape(INDEX)[axis])
        .set("d_stride", d_stride)
        .set("index_stride", index_stride)
        .axes(&[("d", &d), ("index", &index)])
}

/// A sum of the elements that meet, with the sum of their magnitudes; a single one is moved.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let sizes = added(r, &r.f64(D_Y).iter().map(|d| d.abs()).collect::<Vec<_>>());
    let counts = added(r, &vec![1.0; r.f64(D_Y).len()]);
    let one = |i: usize| if counts[i] <= 1.0 { 0.0 } else { r.tol.sum(counts[i] as usize, sizes[i], out[0][i]) };
    vec![(0..out[0].len()).map(one).collect()]
}

impl<'g> Tensor<'g> {
    /// The gradient of `x`, which has `size` elements along `axis`, where `self` is that of `x.gather(axis, index)` and
    /// `index` as large as `x` off the axis.
    ///
    /// `d_x[…, i, …] = Σ_{j: index[…, j, …] = i} self[…, j, …]`
    ///
    /// # Shapes
    /// `self (…, m, …)` · `index (…, m, …)` i32 → `(…, size, …)`
    /// # Units
    /// ids in 0..size; others are clamped to it
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes differ
    #[track_caller]
    pub fn gather_backward(self, axis: i64, index: Tensor<'g>, size: usize) -> Tensor<'g> {
        let params = [("axis", axis.into()), ("size", size.into())];
        let call = |d, index| self.graph().dispatch(&GATHER_BACKWARD, &[Some(d), Some(index)], &params)[0];
        let m = axis_index(axis, self.rank()).map_or(1, |a| self.shape()[a]);
        if m <= PIECE || self.shape() != index.shape() {
            return call(self, index);
        }
        let piece = |first: usize| {
            let len = PIECE.min(m - first);
            call(self.slice(axis, first, len), index.slice(axis, first, len))
        };
        (PIECE..m).step_by(PIECE).fold(piece(0), |sum, first| sum + piece(first))
    }
}
