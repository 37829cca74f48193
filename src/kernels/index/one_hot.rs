//! Ids as unit vectors. Shader: shaders/index/one_hot.wgsl

use crate::check;
use crate::graph::Tensor;
use crate::kernel::{Backward, Default, Grid, Kernel, Param, Port, Scalars, Spec, Step, Variant, Work};

/// Writes rows that are 1 at an id and 0 elsewhere.
pub static ONE_HOT: Kernel = Kernel {
    name: "one_hot",
    inputs: &[Port::i32("ids")],
    params: &[Param::new("classes", Default::NeedInt)],
    shape: |c| match c.int("classes") {
        n @ 1..=0x7fff_ffff => Ok(vec![Spec::f32(&[c.shape(0), &[n as usize]].concat())]),
        n => Err(format!("classes is {n}, expected at least 1")),
    },
    scalars: |c| Scalars::new().set("n", c.outputs[0].len()).set("classes", c.int("classes") as usize),
    variants: &[Variant {
        shader: "index/one_hot",
        steps: &[Step { entry: "one_hot", grid: |c| Grid::Threads(c.outputs[0].len() as u64), loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 0, bytes: c.bytes() },
    reference: |r| vec![kernels_ref::index::one_hot(r.f64(0), r.int("classes") as usize)],
    bound: |_, y| check::exact(y),
    backward: Backward::None("ids are integers"),
    ..Kernel::BASE
};

impl<'g> Tensor<'g> {
    /// Rows that are 1 at the id and 0 elsewhere.
    ///
    /// # Shapes
    /// `self (…)` i32 → `(…, classes)` f32
    /// # Units
    /// ids in 0..classes; others give zeros
    /// # Errors
    /// [`crate::Error::Graph`] if there is no class
    /// # Gradient
    /// None: ids are integers
    /// # Source
    /// PyTorch `F.one_hot`
    #[track_caller]
    pub fn one_hot(self, classes: usize) -> Tensor<'g> {
        self.graph().dispatch(&ONE_HOT, &[Some(self)], &[("classes", classes.into())])[0]
    }
}
