//! Joining tensors along an axis. Shader: shaders/layout/concat.wgsl

use crate::check;
use crate::graph::{Graph, Tensor};
use crate::kernel::{Backward, Call, Default, Grid, Kernel, Param, Port, Scalars, Spec, Step, Variant, Work};
use crate::shape::{Dims, axis_index};

const INPUTS: usize = 4;

/// Writes two to four tensors one after the other along an axis.
pub static CONCAT: Kernel = Kernel {
    name: "concat",
    inputs: &[Port::any32("x0"), Port::any32("x1"), Port::any32("x2").optional(), Port::any32("x3").optional()],
    params: &[Param::new("axis", Default::NeedInt)],
    shape,
    scalars: |c| {
        let (axis, inner) = place(c);
        let sizes = (0..INPUTS).map(|i| if c.has(i) { c.shape(i)[axis] * inner } else { 0 });
        let ends: Vec<usize> = sizes.scan(0, |end, n| Some(*end + n).inspect(|e| *end = *e)).collect();
        Scalars::new()
            .set("n", c.outputs[0].len())
            .set("row", c.out(0)[axis] * inner)
            .set("end0", ends[0])
            .set("end1", ends[1])
            .set("end2", ends[2])
    },
    variants: &[Variant {
        shader: "layout/concat",
        steps: &[Step { entry: "concat", grid: |c| Grid::Threads(c.outputs[0].len() as u64), loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 0, bytes: 2 * c.outputs[0].bytes() },
    reference: |r| {
        let (axis, inner) = place(r);
        let parts: Vec<_> = (0..INPUTS).filter_map(|i| Some((r.opt(i)?, r.shape(i)[axis]))).collect();
        vec![kernels_ref::layout::concat(&parts, inner)]
    },
    bound: |_, y| check::exact(y),
    backward: Backward::Rule(|n| {
        let (axis, d) = (place(n).0, n.d(0));
        let mut start = 0;
        let mut part = |i: usize| {
            let size = n.has(i).then(|| n.shape(i)[axis])?;
            start += size;
            n.wanted(i, || d.slice(axis as i64, start - size, size))
        };
        (0..INPUTS).map(&mut part).collect()
    }),
    ..Kernel::BASE
};

/// The axis, and the number of elements inside it.
fn place(c: &Call) -> (usize, usize) {
    let axis = axis_index(c.int("axis"), c.shape(0).len()).expect("bug: concat along no axis");
    (axis, c.shape(0)[axis + 1..].iter().product())
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let first = c.spec(0);
    let Some(axis) = axis_index(c.int("axis"), first.shape.len()) else {
        return Err(format!("axis {} is not in {}", c.int("axis"), Dims(&first.shape)));
    };
    if c.has(3) && !c.has(2) {
        return Err("x3 is given without x2".into());
    }
    let mut total = 0usize;
    for i in (0..INPUTS).filter(|&i| c.has(i)) {
        let part = c.spec(i);
        let same = |a: usize| a == axis || part.shape[a] == first.shape[a];
        if part.shape.len() != first.shape.len() || !(0..first.shape.len()).all(same) {
            return Err(format!("{} does not join {} along axis {axis}", Dims(&part.shape), Dims(&first.shape)));
        }
        if part.dtype != first.dtype {
            return Err(format!("dtypes differ, {} and {}", first.dtype, part.dtype));
        }
        total = total.checked_add(part.shape[axis]).ok_or("sizes overflow")?;
    }
    let mut out = first;
    out.shape[axis] = total;
    Ok(vec![out])
}

impl Graph {
    /// Tensors one after the other along `axis`, which may count from the end.
    ///
    /// # Shapes
    /// `parts (…, nᵢ, …)` → `(…, Σ nᵢ, …)`; more than four take several dispatches
    /// # Errors
    /// [`crate::Error::Graph`] if shapes differ off the axis, or dtypes differ
    /// # Gradient
    /// Each part
    /// # Source
    /// PyTorch `torch.cat`
    #[track_caller]
    pub fn concat<'g>(&'g self, parts: &[Tensor<'g>], axis: i64) -> Tensor<'g> {
        let mut parts = parts.to_vec();
        if parts.is_empty() {
            self.reject("concat", "there is nothing to join");
            return self.scalar(0.0);
        }
        // Pieces of four neighbours, then pieces of those: every element moves ⌈log₄ n⌉ times.
        while parts.len() > 1 {
            let mut joined = vec![];
            for piece in parts.chunks(INPUTS) {
                let input = |i: usize| piece.get(i).copied();
                joined.push(match piece {
                    [one] => *one,
                    _ => {
                        let inputs = [input(0), input(1), input(2), input(3)];
                        self.dispatch(&CONCAT, &inputs, &[("axis", axis.into())])[0]
                    }
                });
            }
            parts = joined;
        }
        parts[0]
    }

    /// Tensors of one shape along a new axis before `axis`, which may count from the end.
    ///
    /// # Shapes
    /// n tensors `(…)` → `(…, n, …)`
    /// # Source
    /// PyTorch `torch.stack`
    #[track_caller]
    pub fn stack<'g>(&'g self, parts: &[Tensor<'g>], axis: i64) -> Tensor<'g> {
        let parts: Vec<_> = parts.iter().map(|t| t.unsqueeze(axis)).collect();
        self.concat(&parts, axis)
    }
}
