//! Conversion between f32, i32 and u32. Shader: shaders/elementwise/cast.wgsl

use kernels_ref::elementwise as reference;

use super::unary::{elements, scalars, work};
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Kernel, Param, Port, Spec, Step, Variant};
use crate::tensor::Dtype;

const TYPES: [Dtype; 3] = [Dtype::F32, Dtype::I32, Dtype::U32];

/// The elements in another type, by the rules of Rust's `as`.
pub static CAST: Kernel = Kernel {
    name: "cast",
    inputs: &[Port::any32("x").strided()],
    params: &[Param::new("to", Default::Text("f32"))],
    shape: |c| Ok(vec![Spec::new(named(c.text("to")).ok_or_else(|| unknown("to", c.text("to")))?, c.shape(0))]),
    scalars: |c| scalars(c, &[("x", 0)]).set("FROM", code(c.input(0).dtype)).set("TO", code(c.outputs[0].dtype)),
    variants: &[Variant {
        shader: "elementwise/cast",
        steps: &[Step { entry: "cast_op", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| work(c, 0),
    reference: |r| vec![reference::cast(r.f64(0), r.input(0).dtype.name(), r.text("to"))],
    // Only integers beyond 2²⁴ round.
    bound: |r, y| vec![y[0].iter().map(|&v| rounding(r, v, r.tol.pick(0.5, 1.0))).collect()],
    // To an integer, it is piecewise constant.
    backward: Backward::Rule(|n| vec![(n.outputs[0].dtype == Dtype::F32).then(|| n.d(0))]),
    ..Kernel::BASE
};

fn rounding(c: &Call, v: f64, ulps: f64) -> f64 {
    let exact = c.outputs[0].dtype != Dtype::F32 || v == f64::from(v as f32);
    if exact { 0.0 } else { ulps * crate::check::ulp(v) }
}

/// The 32-bit dtype called `name`.
pub(super) fn named(name: &str) -> Option<Dtype> {
    TYPES.into_iter().find(|d| d.name() == name)
}

/// What a shape rule says about another name.
pub(super) fn unknown(param: &str, name: &str) -> String {
    format!("{param} is '{name}', expected f32, i32 or u32")
}

fn code(dtype: Dtype) -> usize {
    TYPES.iter().position(|&d| d == dtype).unwrap_or(0)
}

impl<'g> Tensor<'g> {
    /// The elements as f32, i32 or u32: f32 truncates towards 0 and clamps, NaN becomes 0; integers wrap
    /// into each other and round to the nearest f32.
    ///
    /// # Source
    /// Rust `as`
    #[track_caller]
    pub fn cast(self, to: Dtype) -> Tensor<'g> {
        if self.dtype() == to {
            return self;
        }
        self.graph().dispatch(&CAST, &[Some(self)], &[("to", to.name().into())])[0]
    }
}
