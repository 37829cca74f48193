//! Relations between two tensors. Shader: shaders/elementwise/compare.wgsl

use kernels_ref::elementwise as reference;

use super::binary::{one_dtype, one_shape, pair, together};
use super::unary::{elements, work};
use crate::check;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Kernel, Param, Port, Spec, Step, Variant};
use crate::tensor::Dtype;

const RELATIONS: [&str; 6] = ["eq", "ne", "lt", "le", "gt", "ge"];

/// 1 where `a ⋈ b` holds, else 0.
pub static COMPARE: Kernel = Kernel {
    name: "compare",
    inputs: &[Port::new("a", &[Dtype::F32, Dtype::I32]).strided(), Port::new("b", &[Dtype::F32, Dtype::I32]).strided()],
    params: &[Param::new("op", Default::Text("eq"))],
    shape,
    scalars: |c| pair(c).set("RELATION", relation(c).unwrap_or(0)),
    variants: &[Variant {
        shader: "elementwise/compare",
        steps: &[Step { entry: "compare", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| work(c, 1),
    reference: |r| vec![reference::compare(r.f64(0), r.f64(1), r.text("op"))],
    bound: |_, y| check::exact(y),
    backward: Backward::None("piecewise constant"),
    ..Kernel::BASE
};

fn relation(c: &Call) -> Option<usize> {
    RELATIONS.iter().position(|r| *r == c.text("op"))
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    one_dtype(c, 0, 1)?;
    one_shape(c, &[0, 1])?;
    relation(c).ok_or_else(|| format!("op is '{}', expected one of {}", c.text("op"), RELATIONS.join(", ")))?;
    Ok(vec![Spec::i32(c.shape(0))])
}

impl<'g> Tensor<'g> {
    /// 1 where `self ⋈ other` holds, else 0, with `op` one of `eq ne lt le gt ge`; shapes broadcast.
    ///
    /// # Errors
    /// [`crate::Error::Graph`] if shapes do not broadcast, dtypes differ or `op` is another word
    #[track_caller]
    pub fn compare(self, op: &str, other: Tensor<'g>) -> Tensor<'g> {
        let [a, b] = together([self, other]);
        self.graph().dispatch(&COMPARE, &[Some(a), Some(b)], &[("op", op.into())])[0]
    }
}
