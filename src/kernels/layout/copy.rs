//! Dense copies of views. Shader: shaders/layout/copy.wgsl

use crate::check;
use crate::kernel::{Backward, Grid, Kernel, Port, Scalars, Step, Variant, Work};

/// Writes a strided view densely.
pub static COPY: Kernel = Kernel {
    name: "copy",
    inputs: &[Port::any32("x").strided()],
    shape: |c| Ok(vec![c.spec(0)]),
    scalars: |c| Scalars::new().set("n", c.outputs[0].len()).axes(&[("x", &c.input(0).layout)]),
    variants: &[Variant {
        shader: "layout/copy",
        steps: &[Step { entry: "copy", grid: |c| Grid::Threads(c.outputs[0].len() as u64), loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 0, bytes: 2 * c.outputs[0].bytes() },
    reference: |r| vec![kernels_ref::layout::copy(r.f64(0))],
    bound: |_, y| check::exact(y),
    backward: Backward::Unwritten,
    ..Kernel::BASE
};
