//! Copies that say where gradients go. Shader: shaders/layout/stop_gradient.wgsl

use crate::check;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Grid, Kernel, Port, Scalars, Step, Variant, Work};
use crate::shape::Dims;

const BASE: Kernel = Kernel {
    scalars: |c| Scalars::new().set("n", c.outputs[0].len()),
    work: |c| Work { flops: 0, bytes: 2 * c.outputs[0].bytes() },
    bound: |_, y| check::exact(y),
    ..Kernel::BASE
};

fn elements(c: &Call) -> Grid {
    Grid::Threads(c.outputs[0].len() as u64)
}

/// The values of its input, as constants.
pub static STOP_GRADIENT: Kernel = Kernel {
    name: "stop_gradient",
    inputs: &[Port::f32("x")],
    shape: |c| Ok(vec![c.spec(0)]),
    variants: &[Variant {
        shader: "layout/stop_gradient",
        steps: &[Step { entry: "stop_gradient", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    reference: |r| vec![kernels_ref::layout::stop_gradient(r.f64(0))],
    backward: Backward::Stop,
    ..BASE
};

/// The values of one input with the gradient of the other.
pub static STRAIGHT_THROUGH: Kernel = Kernel {
    name: "straight_through",
    inputs: &[Port::f32("x"), Port::f32("q")],
    shape: |c| match (c.shape(0), c.shape(1)) {
        (x, q) if x == q => Ok(vec![c.spec(0)]),
        (x, q) => Err(format!("shapes differ, {} and {}", Dims(x), Dims(q))),
    },
    variants: &[Variant {
        shader: "layout/straight_through",
        steps: &[Step { entry: "straight_through", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    reference: |r| vec![kernels_ref::layout::straight_through(r.f64(0), r.f64(1))],
    backward: Backward::Rule(|n| vec![Some(n.d(0)), None]),
    ..BASE
};

impl<'g> Tensor<'g> {
    /// The values of `self`, which gradients take as constants.
    ///
    /// # Gradient
    /// None, on purpose
    /// # Source
    /// PyTorch `Tensor.detach`
    #[track_caller]
    pub fn stop_gradient(self) -> Tensor<'g> {
        self.graph().dispatch(&STOP_GRADIENT, &[Some(self)], &[])[0]
    }

    /// The values of `q`, whose gradient goes to `self` as if `q` were `self`.
    ///
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes differ
    /// # Gradient
    /// `self`: that of the result
    /// # Source
    /// Bengio, Léonard, Courville 2013, arXiv:1308.3432
    #[track_caller]
    pub fn straight_through(self, q: Tensor<'g>) -> Tensor<'g> {
        self.graph().dispatch(&STRAIGHT_THROUGH, &[Some(self), Some(q)], &[])[0]
    }
}
