//! Dense copies of views. Shader: shaders/layout/copy.wgsl

use crate::check;
use crate::kernel::{Backward, Call, Default, Grid, Kernel, Param, Port, Scalars, Spec, Step, Variant, Work};

/// Writes a strided view densely; with `pitch`, rows of the last axis are padded with zeros to that length.
pub static COPY: Kernel = Kernel {
    name: "copy",
    inputs: &[Port::any32("x").strided()],
    params: &[Param::new("pitch", Default::Int(0))],
    shape,
    scalars: |c| {
        let inner = c.shape(0).last().copied().unwrap_or(1);
        let pitch = if c.int("pitch") == 0 { inner } else { c.int("pitch") as usize };
        let sizes = Scalars::new().set("n", c.outputs[0].len()).set("inner", inner).set("pitch", pitch);
        sizes.axes(&[("x", &c.input(0).layout)])
    },
    variants: &[Variant {
        shader: "layout/copy",
        steps: &[Step { entry: "copy", grid: |c| Grid::Threads(c.outputs[0].len() as u64), loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 0, bytes: 2 * c.outputs[0].bytes() },
    reference: |r| {
        let inner = r.shape(0).last().copied().unwrap_or(1);
        vec![kernels_ref::layout::copy(r.f64(0), inner, r.outputs[0].len() / (r.spec(0).len() / inner))]
    },
    bound: |_, y| check::exact(y),
    backward: Backward::Rule(|n| {
        // What a pitch added is constant.
        let d = n.d(0);
        vec![Some(n.shape(0).last().map_or(d, |&inner| d.slice(-1, 0, inner)))]
    }),
    ..Kernel::BASE
};

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let mut spec = c.spec(0);
    let inner = spec.shape.last().copied().unwrap_or(1);
    match c.int("pitch") {
        0 => {}
        p if p >= inner as i64 && !spec.shape.is_empty() => *spec.shape.last_mut().expect("a last axis") = p as usize,
        p => return Err(format!("pitch {p} is less than the last axis, {inner}")),
    }
    Ok(vec![spec])
}
