//! Choice between two tensors by a mask. Shader: shaders/elementwise/where.wgsl

use kernels_ref::elementwise as reference;

use super::binary::{one_dtype, one_shape, together};
use super::unary::{elements, scalars, work};
use crate::check;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Kernel, Port, Spec, Step, Variant};

/// `a` where the mask is not 0, else `b`.
pub static WHERE: Kernel = Kernel {
    name: "where",
    inputs: &[Port::i32("mask").strided(), Port::any32("a").strided(), Port::any32("b").strided()],
    shape,
    scalars: |c| scalars(c, &[("mask", 0), ("a", 1), ("b", 2)]),
    variants: &[Variant {
        shader: "elementwise/where",
        steps: &[Step { entry: "where_op", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| work(c, 0),
    reference: |r| vec![reference::r#where(r.f64(0), r.f64(1), r.f64(2))],
    bound: |_, y| check::exact(y),
    backward: Backward::Rule(|n| {
        let (mask, zero) = (n.x(0), n.graph().scalar(0.0));
        vec![None, n.wanted(1, || mask.r#where(n.d(0), zero)), n.wanted(2, || mask.r#where(zero, n.d(0)))]
    }),
    ..Kernel::BASE
};

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let dtype = one_dtype(c, 1, 2)?;
    one_shape(c, &[0, 1, 2])?;
    Ok(vec![Spec::new(dtype, c.shape(0))])
}

impl<'g> Tensor<'g> {
    /// `a` where `self`, an i32 mask, is not 0, else `b`; all three broadcast.
    ///
    /// # Errors
    /// [`crate::Error::Graph`] if shapes do not broadcast or `a` and `b` differ in dtype
    /// # Source
    /// NumPy `np.where`
    #[track_caller]
    pub fn r#where(self, a: Tensor<'g>, b: Tensor<'g>) -> Tensor<'g> {
        let [mask, a, b] = together([self, a, b]);
        self.graph().dispatch(&WHERE, &[Some(mask), Some(a), Some(b)], &[])[0]
    }
}
