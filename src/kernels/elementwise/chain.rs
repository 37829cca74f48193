//! Two elementwise steps in one pass. Shaders: shaders/elementwise/chain.wgsl, chain_vec4.wgsl

use kernels_ref::elementwise as reference;

use super::activation;
use super::binary::{one_shape, pair, together};
use super::unary::{elements, quads, whole_quads, work};
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Kernel, Param, Port, Ref, Scalars, Spec, Step, Variant};

const BASE: Kernel = Kernel {
    inputs: &[Port::f32("a").strided(), Port::f32("b").strided()],
    shape,
    scalars,
    work: |c| work(c, 8),
    ..Kernel::BASE
};

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    one_shape(c, &[0, 1])?;
    let name = c.text("activation");
    activation::code(name).ok_or_else(|| activation::unknown("activation", name))?;
    Ok(vec![Spec::f32(c.shape(0))])
}

fn scalars(c: &Call) -> Scalars {
    pair(c).set("ACTIVATION", activation::code(c.text("activation")).unwrap_or(0))
}

/// `activation(a + b)`.
pub static ADD_ACTIVATION: Kernel = Kernel {
    name: "add_activation",
    params: &[Param::new("activation", Default::Text("relu"))],
    variants: &[
        Variant {
            how: "vec4",
            shader: "elementwise/chain_vec4",
            applies: |c, _| whole_quads(c),
            steps: &[Step { entry: "add_activation_vec4", grid: quads, loops: |_| 0 }],
            ..Variant::BASE
        },
        Variant {
            shader: "elementwise/chain",
            steps: &[Step { entry: "add_activation", grid: elements, loops: |_| 0 }],
            ..Variant::BASE
        },
    ],
    reference: |r| vec![reference::add_activation(r.f64(0), r.f64(1), |v| activation::apply(r.text("activation"), v))],
    bound: |r, out| {
        each(r, out, |a, b, y| {
            let sum = a + b;
            activation::bound(r.text("activation"), sum, y, r.tol, r.tol.rounded(sum))
        })
    },
    backward: Backward::Rule(|n| {
        let d = (n.x(0) + n.x(1)).activation_backward(n.d(0), n.text("activation"));
        vec![Some(d), Some(d)]
    }),
    ..BASE
};

/// `activation(a)·b`.
pub static MUL_ACTIVATION: Kernel = Kernel {
    name: "mul_activation",
    params: &[Param::new("activation", Default::Text("silu"))],
    variants: &[
        Variant {
            how: "vec4",
            shader: "elementwise/chain_vec4",
            applies: |c, _| whole_quads(c),
            steps: &[Step { entry: "mul_activation_vec4", grid: quads, loops: |_| 0 }],
            ..Variant::BASE
        },
        Variant {
            shader: "elementwise/chain",
            steps: &[Step { entry: "mul_activation", grid: elements, loops: |_| 0 }],
            ..Variant::BASE
        },
    ],
    reference: |r| vec![reference::mul_activation(r.f64(0), r.f64(1), |v| activation::apply(r.text("activation"), v))],
    bound: |r, out| {
        each(r, out, |a, b, y| {
            let name = r.text("activation");
            activation::bound(name, a, activation::apply(name, a), r.tol, 0.0) * b.abs() + r.tol.rounded(y)
        })
    },
    backward: Backward::Rule(|n| {
        let (a, b, name) = (n.x(0), n.x(1), n.text("activation"));
        let d_a = || a.activation_backward(n.d(0) * b, name);
        vec![n.wanted(0, d_a), n.wanted(1, || a.mul_activation(n.d(0), name))]
    }),
    ..BASE
};

fn each(r: &Ref, out: &[Vec<f64>], bound: impl Fn(f64, f64, f64) -> f64) -> Vec<Vec<f64>> {
    vec![r.f64(0).iter().zip(r.f64(1)).zip(&out[0]).map(|((&a, &b), &y)| bound(a, b, y)).collect()]
}

impl<'g> Tensor<'g> {
    /// The sum of two tensors through an activation, in one kernel; shapes broadcast.
    ///
    /// `y = activation(self + b)`
    ///
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes do not broadcast or the activation is unknown
    #[track_caller]
    pub fn add_activation(self, b: Tensor<'g>, activation: &str) -> Tensor<'g> {
        let [a, b] = together([self, b]);
        self.graph().dispatch(&ADD_ACTIVATION, &[Some(a), Some(b)], &[("activation", activation.into())])[0]
    }

    /// An activated gate times a tensor, in one kernel; shapes broadcast.
    ///
    /// `y = activation(self) · b`
    ///
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes do not broadcast or the activation is unknown
    /// # Source
    /// Shazeer 2020, arXiv:2002.05202, eq. 5–6
    #[track_caller]
    pub fn mul_activation(self, b: Tensor<'g>, activation: &str) -> Tensor<'g> {
        let [a, b] = together([self, b]);
        self.graph().dispatch(&MUL_ACTIVATION, &[Some(a), Some(b)], &[("activation", activation.into())])[0]
    }
}
