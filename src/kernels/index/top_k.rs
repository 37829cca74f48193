//! The largest elements of rows. Shader: shaders/index/top_k.wgsl

use crate::check;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Grid, Kernel, Param, Port, Scalars, Spec, Step, Variant, Work};
use crate::shape::Dims;

const WG: u64 = 256;
const MOST: i64 = 1024;

/// Finds the k largest elements of every row of the last axis, in descending order.
pub static TOP_K: Kernel = Kernel {
    name: "top_k",
    inputs: &[Port::f32("x")],
    outputs: &["values", "indices"],
    params: &[Param::new("k", Default::NeedInt)],
    shape,
    scalars: |c| {
        let k = c.int("k") as usize;
        Scalars::new()
            .set("rows", rows(c))
            .set("cols", cols(c))
            .set("k", k)
            .set("size", k.next_power_of_two())
            .set("bytes", bytes(c) as usize)
    },
    variants: &[Variant {
        shader: "index/top_k",
        steps: &[Step { entry: "top_k", grid: |c| Grid::Groups(rows(c) as u64), loops }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 0, bytes: c.bytes() },
    reference: |r| {
        let (values, indices) = kernels_ref::index::top_k(r.f64(0), cols(r), r.int("k") as usize);
        vec![values, indices]
    },
    bound: |_, y| check::exact(y),
    backward: Backward::Rule(|n| vec![n.wanted(0, || n.d(0).gather_backward(-1, n.y(1), cols(n)))]),
    ..Kernel::BASE
};

fn cols(c: &Call) -> usize {
    c.shape(0)[c.shape(0).len() - 1]
}

fn rows(c: &Call) -> usize {
    c.spec(0).len() / cols(c)
}

/// Bytes of a key that differ: four of the value and those of the last index.
fn bytes(c: &Call) -> u64 {
    let last = cols(c) - 1;
    4 + u64::from((usize::BITS - last.leading_zeros()).div_ceil(8))
}

fn loops(c: &Call) -> u64 {
    let pass = (cols(c) as u64).div_ceil(WG);
    let size = (c.int("k") as u64).next_power_of_two();
    let stages = u64::from(size.ilog2());
    let pairs = (size / 2).div_ceil(WG);
    bytes(c) * (pass + 257) + pass + 2 * size.div_ceil(WG) + stages + stages * (stages + 1) / 2 * (1 + pairs)
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let Some((&n, rows)) = c.shape(0).split_last() else { return Err("x has no axis to search".into()) };
    let k = c.int("k");
    if !(1..=MOST.min(n as i64)).contains(&k) {
        return Err(format!("k is {k}, expected 1 to {} for x {}", MOST.min(n as i64), Dims(c.shape(0))));
    }
    let out = [rows, &[k as usize]].concat();
    Ok(vec![Spec::f32(&out), Spec::i32(&out)])
}

impl<'g> Tensor<'g> {
    /// The `k` largest elements along the last axis in descending order, and their indices; of equal ones the
    /// lower index comes first.
    ///
    /// # Shapes
    /// `self (…, n)` → `(…, k)` f32, `(…, k)` i32
    /// # Errors
    /// [`crate::Error::Graph`] unless 1 ≤ k ≤ min(n, 1024)
    /// # Gradient
    /// `self`
    /// # Source
    /// PyTorch `torch.topk` · selection: Alabi et al. 2012, J. Exp. Algorithmics 17
    #[track_caller]
    pub fn top_k(self, k: usize) -> [Tensor<'g>; 2] {
        let outputs = self.graph().dispatch(&TOP_K, &[Some(self)], &[("k", k.into())]);
        [outputs[0], outputs[1]]
    }
}
