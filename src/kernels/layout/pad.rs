//! Padding. Shader: shaders/layout/pad.wgsl

use kernels_ref::layout::Outside;

use crate::backward::Adjoint;
use crate::check;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Grid, Kernel, Param, Port, Scalars, Spec, Step, Variant, Work};
use crate::shape::{Dims, MAX_RANK};
use crate::tensor::Dtype;

pub(super) const MODES: [&str; 4] = ["constant", "reflect", "replicate", "circular"];

/// Adds elements around a tensor.
pub static PAD: Kernel = Kernel {
    name: "pad",
    inputs: &[Port::any32("x").strided()],
    params: &[
        Param::new("pads", Default::NeedInts),
        Param::new("mode", Default::Text("constant")),
        Param::new("value", Default::Float(0.0)),
    ],
    shape,
    scalars,
    variants: &[Variant {
        shader: "layout/pad",
        steps: &[Step { entry: "pad", grid: |c| Grid::Threads(c.outputs[0].len() as u64), loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 0, bytes: c.bytes() },
    reference: |r| {
        let outside = outside(mode(r).expect("bug: pad has no such mode"), f64::from(r.float("value") as f32));
        let pads = pairs(r).expect("bug: pads passed the shape rule");
        vec![kernels_ref::layout::pad(r.f64(0), r.shape(0), &pads, outside)]
    },
    bound: |_, y| check::exact(y),
    backward: Backward::Rule(|n| vec![Some(inside(n))]),
    ..Kernel::BASE
};

/// What reaches `x`: of constants nothing; else the copies of each element add up, axis by axis.
fn inside<'g>(n: &Adjoint<'_, 'g>) -> Tensor<'g> {
    let pads = pairs(n).expect("bug: pads passed the shape rule");
    let mut d = n.d(0);
    for (axis, &(before, after)) in pads.iter().enumerate().filter(|(_, p)| **p != (0, 0)) {
        d = match n.text("mode") {
            "constant" => d.slice(axis as i64, before, n.shape(0)[axis]),
            mode => d.pad_backward(axis as i64, before, after, mode),
        };
    }
    d
}

/// What lies outside in a mode by its number.
pub(super) fn outside(mode: u32, value: f64) -> Outside {
    match mode {
        0 => Outside::Constant(value),
        1 => Outside::Reflect,
        2 => Outside::Replicate,
        _ => Outside::Circular,
    }
}

pub(super) fn mode(c: &Call) -> Option<u32> {
    MODES.iter().position(|m| *m == c.text("mode")).map(|m| m as u32)
}

/// (before, after) of every axis in order; the parameter lists pairs from the last axis on.
fn pairs(c: &Call) -> Result<Vec<(usize, usize)>, String> {
    let (pads, rank) = (c.ints("pads"), c.shape(0).len());
    if pads.len() % 2 != 0 || pads.len() / 2 > rank {
        return Err(format!("{} pads are not pairs for the last axes of {}", pads.len(), Dims(c.shape(0))));
    }
    if let Some(negative) = pads.iter().find(|p| !(0..=i64::from(i32::MAX)).contains(*p)) {
        return Err(format!("pad {negative} is negative or too large; a slice crops"));
    }
    let mut all = vec![(0, 0); rank];
    for (i, pair) in pads.chunks(2).enumerate() {
        all[rank - 1 - i] = (pair[0] as usize, pair[1] as usize);
    }
    Ok(all)
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let pads = pairs(c)?;
    let Some(mode) = mode(c) else {
        return Err(format!("mode '{}' is none of {}", c.text("mode"), MODES.join(", ")));
    };
    let mut out = c.spec(0);
    if out.dtype != Dtype::F32 && c.float("value") != 0.0 {
        return Err(format!("value {} pads f32, x is {}", c.float("value"), out.dtype));
    }
    for (n, &(before, after)) in out.shape.iter_mut().zip(&pads) {
        // Reflection needs another element beyond the edge; a circle goes round once.
        let most = match mode {
            1 => *n - 1,
            3 => *n,
            _ => usize::MAX,
        };
        if before.max(after) > most {
            return Err(format!(
                "{} of {n} elements takes at most {most}, found ({before}, {after})",
                MODES[mode as usize]
            ));
        }
        *n += before + after;
    }
    Ok(vec![out])
}

/// Axes that are not padded merge with their neighbours where x's strides allow it.
fn scalars(c: &Call) -> Scalars {
    let (x, pads) = (&c.input(0).layout, pairs(c).expect("bug: pads passed the shape rule"));
    let mut axes: Vec<(usize, usize, (usize, usize))> = vec![];
    for a in 0..x.shape.len() {
        let (n, stride, pad) = (x.shape[a], x.strides[a], pads[a]);
        match axes.last_mut() {
            _ if n == 1 && pad == (0, 0) => {}
            Some((m, outer, (0, 0))) if pad == (0, 0) && *outer == stride * n => {
                *m *= n;
                *outer = stride;
            }
            _ => axes.push((n, stride, pad)),
        }
    }
    let skip = MAX_RANK - axes.len();
    let mut all = Scalars::new()
        .set("n", c.outputs[0].len())
        .set("value", c.float("value"))
        .set("MODE", mode(c).expect("bug: mode passed the shape rule"))
        .set("RANK", axes.len().max(1))
        .set("x_offset", x.offset);
    for i in 0..MAX_RANK {
        let (n, stride, (before, after)) = i.checked_sub(skip).map_or((1, 0, (0, 0)), |a| axes[a]);
        all = all
            .set(&format!("n{i}"), before + n + after)
            .set(&format!("m{i}"), n)
            .set(&format!("b{i}"), before)
            .set(&format!("x{i}"), stride);
    }
    all
}

impl<'g> Tensor<'g> {
    /// Elements added around: `pads` are pairs (before, after) from the last axis on.
    ///
    /// `mode` is `constant` (zeros; see [`Tensor::pad_with`]), `reflect`, `replicate` or `circular`.
    ///
    /// # Shapes
    /// `self (…, n)` → `(…, before + n + after)`
    /// # Errors
    /// [`crate::Error::Graph`] if a pad is negative, or a reflection reaches beyond the other edge
    /// # Gradient
    /// `x`
    /// # Source
    /// PyTorch `F.pad`
    #[track_caller]
    pub fn pad(self, pads: &[usize], mode: &str) -> Tensor<'g> {
        self.graph().dispatch(&PAD, &[Some(self)], &[("pads", pads.into()), ("mode", mode.into())])[0]
    }

    /// `value` added around: `pads` are pairs (before, after) from the last axis on.
    ///
    /// # Source
    /// PyTorch `F.pad`
    #[track_caller]
    pub fn pad_with(self, pads: &[usize], value: f64) -> Tensor<'g> {
        self.graph().dispatch(&PAD, &[Some(self)], &[("pads", pads.into()), ("value", value.into())])[0]
    }
}
