//! Embedding of diffusion steps. Shader: shaders/attention/timestep_embedding.wgsl

use std::f64::consts::TAU;

use super::positions::timestep_turns;
use crate::check::U;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Grid, Kernel, Param, Port, Ref, Scalars, Spec, Step, Variant, Work};
use crate::shape::Dims;
use crate::tensor::Dtype;

const TIMESTEP: usize = 0;
const TURNS: usize = 1;

/// Sines and cosines of a diffusion step.
pub static TIMESTEP_EMBEDDING: Kernel = Kernel {
    name: "timestep_embedding",
    inputs: &[Port::new("timestep", &[Dtype::F32, Dtype::I32]), Port::f32("turns")],
    params: &[Param::new("dim", Default::NeedInt), Param::new("flip_sin_to_cos", Default::Flag(false))],
    shape,
    scalars: |c| {
        Scalars::new()
            .set("n", c.outputs[0].len())
            .set("dims", c.out(0)[1])
            .set("half", c.out(0)[1] / 2)
            .set("FLIP", c.flag("flip_sin_to_cos"))
            .set("WHOLE", c.input(TIMESTEP).dtype == Dtype::I32)
    },
    variants: &[Variant {
        shader: "attention/timestep_embedding",
        steps: &[Step {
            entry: "timestep_embedding",
            grid: |c| Grid::Threads(c.outputs[0].len() as u64),
            loops: |_| 0,
        }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 30 * c.outputs[0].len() as u64, bytes: c.bytes() },
    reference: |r| {
        let (d, flip) = (r.out(0)[1], r.flag("flip_sin_to_cos"));
        vec![kernels_ref::attention::timestep_embedding(r.f64(TIMESTEP), r.f64(TURNS), d, flip)]
    },
    bound,
    backward: Backward::None("a step is not learned"),
    ..Kernel::BASE
};

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let (t, dim) = (c.shape(TIMESTEP), c.int("dim"));
    let &[b] = t else { return Err(format!("timestep is {}, expected (B,)", Dims(t))) };
    if !(2..=1 << 24).contains(&dim) {
        return Err(format!("dim is {dim}, expected at least 2"));
    }
    let turns = [3, dim as usize / 2];
    if c.shape(TURNS) != turns {
        return Err(format!("turns is {}, expected {}", Dims(c.shape(TURNS)), Dims(&turns)));
    }
    Ok(vec![Spec::f32(&[b, dim as usize])])
}

/// The rounding of the angle (nothing where a product with the step is exact in f32) and of the polynomials.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (dims, turns) = (r.out(0)[1], r.f64(TURNS));
    let half = dims / 2;
    let rounding =
        |v: f64| (f64::from(v as f32) - v).abs().max(if f64::from(v as f32) == v { 0.0 } else { v.abs() * U });
    let bound = |i: usize| {
        let (t, d) = (r.f64(TIMESTEP)[i / dims], i % dims);
        if d >= 2 * half {
            return 0.0;
        }
        let inexact: f64 = (0..3).map(|p| rounding(t * turns[p * half + d % half])).sum();
        TAU * (r.tol.pick(1.0, 4.0) * inexact + r.tol.pick(3.0, 8.0) * U) + r.tol.pick(4.0, 16.0) * U
    };
    vec![(0..out[0].len()).map(bound).collect()]
}

impl<'g> Tensor<'g> {
    /// Sines and cosines of diffusion steps: `angle_i = t · 10000^(−i / (dim/2 − freq_shift))`.
    ///
    /// `y = sin angle ‖ cos angle`, or `cos ‖ sin` if `flip_sin_to_cos`; a zero is last if `dim` is odd
    ///
    /// # Shapes
    /// `self (B)` i32 or f32 → `(B, dim)`
    /// # Units
    /// steps, as exact as f32 can be for whole steps below 8192
    /// # Errors
    /// [`crate::Error::Graph`] if `dim` is below 2, or half of it is not more than `freq_shift`
    /// # Gradient
    /// None: a step is not learned
    /// # Source
    /// Ho et al. 2020, arXiv:2006.11239, appendix B · diffusers `get_timestep_embedding`
    #[track_caller]
    pub fn timestep_embedding(self, dim: usize, flip_sin_to_cos: bool, freq_shift: f64) -> Tensor<'g> {
        let half = dim / 2;
        // With one frequency the exponent is 0 / (1 − shift); it is 0 unless that is 0 / 0.
        if half == 0 || half as f64 - freq_shift <= 0.0 || !freq_shift.is_finite() {
            self.graph()
                .reject(TIMESTEP_EMBEDDING.name, format!("half of dim {dim} is not more than freq_shift {freq_shift}"));
            return self;
        }
        let turns = self.graph().constant(timestep_turns(half, freq_shift));
        let params = [("dim", dim.into()), ("flip_sin_to_cos", flip_sin_to_cos.into())];
        self.graph().dispatch(&TIMESTEP_EMBEDDING, &[Some(self), Some(turns)], &params)[0]
    }
}
