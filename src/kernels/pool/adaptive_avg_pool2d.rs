//! Average pooling to a given size. Shader: shaders/pool/adaptive_avg_pool2d.wgsl

use super::{image, pair, pooled};
use crate::adapter::AdapterKind;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Grid, Kernel, Param, Port, Ref, Scalars, Spec, Step, Variant, Work};

/// Means of windows that cover the image for a given output size.
pub static ADAPTIVE_AVG_POOL2D: Kernel = Kernel {
    name: "adaptive_avg_pool2d",
    inputs: &[Port::f32("x")],
    params: &[Param::new("output_size", Default::NeedInts)],
    shape,
    scalars: |c| {
        let (x, y) = (c.shape(0), c.out(0));
        Scalars::new().set("n", c.outputs[0].len()).set("ih", x[2]).set("iw", x[3]).set("oh", y[2]).set("ow", y[3])
    },
    variants: &[
        Variant {
            shader: "pool/adaptive_avg_pool2d",
            steps: &[Step {
                entry: "adaptive_avg_pool2d",
                grid: |c| Grid::Threads(c.outputs[0].len() as u64),
                loops: |c| largest(c) + c.shape(0)[2] as u64,
            }],
            ..Variant::BASE
        },
        Variant {
            how: "split",
            shader: "pool/adaptive_avg_pool2d",
            steps: &[Step {
                entry: "adaptive_avg_pool2d_split",
                grid: |c| Grid::Groups(c.outputs[0].len() as u64),
                loops: |c| largest(c).div_ceil(64) + 8,
            }],
            ..Variant::BASE
        },
    ],
    // Lanes that share a window read neighbours; a lane a window pays where barriers are dear.
    choose: |c, adapter| {
        let lonely = adapter.kind == AdapterKind::Cpu && c.outputs[0].len() >= 16;
        usize::from(!lonely && largest(c) >= 64)
    },
    work: |c| Work { flops: c.spec(0).len() as u64, bytes: c.bytes() },
    reference: |r| vec![kernels_ref::pool::adaptive_avg_pool2d(r.f64(0), input_size(r), output_size(r))],
    bound,
    backward: Backward::Rule(|n| vec![Some(n.d(0).adaptive_avg_pool2d_backward(input_size(n)))]),
    ..Kernel::BASE
};

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let image = image(c)?;
    let out = pair(c, "output_size", 1, [0, 0])?;
    if out == [0, 0] {
        return Err("output_size is empty, expected two numbers".into());
    }
    fits(image, out)?;
    Ok(vec![Spec::f32(&pooled(c, out))])
}

/// Refuses sizes whose products the shaders cannot form.
pub(super) fn fits(image: [usize; 2], out: [usize; 2]) -> Result<(), String> {
    if (0..2).any(|a| out[a] as u64 * image[a] as u64 > u64::from(u32::MAX) - i32::MAX as u64) {
        return Err(format!("output size {out:?} times image {image:?} passes 2^31"));
    }
    Ok(())
}

fn input_size(c: &Call) -> [usize; 2] {
    [c.shape(0)[2], c.shape(0)[3]]
}

fn output_size(c: &Call) -> [usize; 2] {
    [c.out(0)[2], c.out(0)[3]]
}

/// Elements of the largest window, at most.
fn largest(c: &Call) -> u64 {
    let (image, out) = (input_size(c), output_size(c));
    let along =
        |a: usize| (image[a].div_ceil(out[a]) + usize::from(!image[a].is_multiple_of(out[a]))).min(image[a]) as u64;
    along(0) * along(1)
}

/// A sum over the window, then one quotient.
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let magnitudes: Vec<f64> = r.f64(0).iter().map(|v| v.abs()).collect();
    let means = kernels_ref::pool::adaptive_avg_pool2d(&magnitudes, input_size(r), output_size(r));
    let n = largest(r) as usize;
    let one = |(&y, a): (&f64, f64)| r.tol.sum(n, a, y) + r.tol.ulps(1.0, 2.5, y);
    vec![out[0].iter().zip(means).map(one).collect()]
}

impl<'g> Tensor<'g> {
    /// Means of windows that cover the image for a given output size; they may overlap.
    ///
    /// `y_ij = mean of x[⌊i·IH/OH⌋ … ⌈(i+1)·IH/OH⌉ − 1, ⌊j·IW/OW⌋ … ⌈(j+1)·IW/OW⌉ − 1]`
    ///
    /// # Shapes
    /// `self (B, C, IH, IW)` → `(B, C, OH, OW)`
    /// # Errors
    /// [`crate::Error::Graph`] if a size is 0
    /// # Gradient
    /// `x`
    /// # Source
    /// PyTorch `F.adaptive_avg_pool2d`
    #[track_caller]
    pub fn adaptive_avg_pool2d(self, output_size: [usize; 2]) -> Tensor<'g> {
        self.graph().dispatch(&ADAPTIVE_AVG_POOL2D, &[Some(self)], &[("output_size", output_size.into())])[0]
    }
}
