//! Elements at given places along an axis. Shader: shaders/index/gather.wgsl

use crate::backward::Adjoint;
use crate::check;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Grid, Kernel, Param, Port, Scalars, Spec, Step, Variant, Work};
use crate::shape::{Dims, Layout, axis_index};
use crate::tensor::HostTensor;

const X: usize = 0;
const INDEX: usize = 1;

/// Takes elements at given places along one axis.
pub static GATHER: Kernel = Kernel {
    name: "gather",
    inputs: &[Port::any32("x").strided(), Port::i32("index").strided()],
    params: &[Param::new("axis", Default::NeedInt)],
    shape,
    scalars: |c| {
        let (axis, index, mut x) = (axis(c), &c.input(INDEX).layout, c.input(X).layout.clone());
        let (size, stride) = (x.shape[axis], x.strides[axis]);
        x.strides[axis] = 0;
        let x = Layout { shape: index.shape.clone(), ..x };
        Scalars::new()
            .set("n", index.len())
            .set("size", size)
            .set("stride", stride)
            .axes(&[("index", index), ("x", &x)])
    },
    variants: &[Variant {
        shader: "index/gather",
        steps: &[Step { entry: "gather", grid: |c| Grid::Threads(c.outputs[0].len() as u64), loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 0, bytes: 3 * c.outputs[0].bytes() },
    reference: |r| vec![kernels_ref::index::gather(r.f64(X), r.f64(INDEX), r.shape(X), r.shape(INDEX), axis(r))],
    bound: |_, y| check::exact(y),
    backward: Backward::Rule(|n| vec![n.wanted(X, || backward(n)), None]),
    ..Kernel::BASE
};

/// The gradient of `x`: each element of that of `y` added where it came from.
fn backward<'g>(n: &Adjoint<'_, 'g>) -> Tensor<'g> {
    let (axis, x, index, d) = (axis(n), n.shape(X), n.x(INDEX), n.d(0));
    let layout = index.layout();
    let same = |a: usize| a == axis || layout.shape[a] == x[a];
    let repeated = |a: usize| a == axis || layout.shape[a] == 1 || layout.strides[a] == 0;
    let rank = x.len();
    if rank > 1 && (0..rank).all(|a| same(a) && repeated(a)) {
        // Whole slices were taken: rows of a table, with the axis in front.
        let mut order: Vec<usize> = (0..rank).filter(|&a| a != axis).collect();
        let others: Vec<usize> = order.iter().map(|&a| x[a]).collect();
        order.insert(0, axis);
        let ids = (0..rank).filter(|&a| a != axis).fold(index, |ids, a| ids.slice(a as i64, 0, 1));
        let ids = ids.reshape(&[layout.shape[axis]]).maximum(n.graph().constant(HostTensor::i32(&[], vec![0])));
        let ids = ids.minimum(n.graph().constant(HostTensor::i32(&[], vec![x[axis] as i32 - 1])));
        let rows = d.permute(&order).reshape(&[layout.shape[axis], others.iter().product()]);
        let mut back: Vec<usize> = (1..=axis).collect();
        back.push(0);
        back.extend(axis + 1..rank);
        return rows.scatter_add(ids, x[axis]).reshape(&[&[x[axis]], &others[..]].concat()).permute(&back);
    }
    let taken = d.gather_backward(axis as i64, index, x[axis]);
    let pads: Vec<usize> = (0..rank).rev().flat_map(|a| [0, x[a] - taken.shape()[a]]).collect();
    if pads.iter().all(|&p| p == 0) { taken } else { taken.pad_with(&pads, 0.0) }
}

fn axis(c: &Call) -> usize {
    axis_index(c.int("axis"), c.shape(X).len()).expect("bug: gather along no axis")
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let (x, index) = (c.spec(X), c.shape(INDEX));
    let Some(axis) = axis_index(c.int("axis"), x.shape.len()) else {
        return Err(format!("axis {} is not in {}", c.int("axis"), Dims(&x.shape)));
    };
    let inside = |a: usize| a == axis || index[a] <= x.shape[a];
    if index.len() != x.shape.len() || !(0..index.len()).all(inside) {
        return Err(format!("index {} does not lie in {} off axis {axis}", Dims(index), Dims(&x.shape)));
    }
    Ok(vec![Spec::new(x.dtype, index)])
}

impl<'g> Tensor<'g> {
    /// Elements at the places `index` names along `axis`, which may count from the end.
    ///
    /// `y[…, i, …] = self[…, index[…, i, …], …]`
    ///
    /// # Shapes
    /// `self (…, n, …)` · `index (…, m, …)` i32, not larger than `self` along other axes → as `index`
    /// # Units
    /// ids in 0..n; others are clamped to it
    /// # Errors
    /// [`crate::Error::Graph`] if ranks differ or `index` is larger than `self` off the axis
    /// # Gradient
    /// `self`
    /// # Source
    /// PyTorch `torch.gather`
    #[track_caller]
    pub fn gather(self, axis: i64, index: Tensor<'g>) -> Tensor<'g> {
        self.graph().dispatch(&GATHER, &[Some(self), Some(index)], &[("axis", axis.into())])[0]
    }

    /// The slices along `axis` that `ids (m)` name, in their order.
    ///
    /// # Shapes
    /// `self (…, n, …)` · `ids (m)` i32 → `(…, m, …)`
    /// # Source
    /// PyTorch `torch.index_select`
    #[track_caller]
    pub fn index_select(self, axis: i64, ids: Tensor<'g>) -> Tensor<'g> {
        let mut shape = self.shape();
        let [m] = ids.dims();
        if let Some(a) = axis_index(axis, shape.len()) {
            shape[a] = m;
            let mut along = vec![1; shape.len()];
            along[a] = m;
            return self.gather(axis, ids.reshape(&along).broadcast_to(&shape));
        }
        self.gather(axis, ids)
    }
}
