//! Random numbers from a seed, a stream and an offset, without state. Shader: shaders/random/random.wgsl

use kernels_ref::random as reference;

use crate::check;
use crate::graph::Tensor;
use crate::kernel::{
    Backward, Call, Default, Grid, Kernel, Param, Port, Ref, Scalar, Scalars, Spec, Step, Value, Variant, Work,
};
use crate::kernels::elementwise::fill::sizes;
use crate::shape::Dims;
use crate::tensor::Dtype;

const SEED: usize = 0;
const OFFSET: usize = 1;
const SHAPE: Param = Param::new("shape", Default::NeedInts);
const STREAM: Param = Param::new("stream", Default::Int(0));

const BASE: Kernel = Kernel {
    inputs: &[Port::u32("seed"), Port::u32("offset").optional()],
    params: &[SHAPE, STREAM],
    scalars,
    // Ten rounds of two wide products for four elements.
    work: |c| Work { flops: 0, bytes: c.outputs[0].bytes() },
    bound: |_, y| check::exact(y),
    backward: Backward::None("a draw has no gradient"),
    ..Kernel::BASE
};

/// One invocation per four elements.
fn blocks(c: &Call) -> Grid {
    Grid::Threads(c.outputs[0].len().div_ceil(4) as u64)
}

fn spec(c: &Call, dtype: Dtype) -> Result<Vec<Spec>, String> {
    if c.shape(SEED) != [2] {
        return Err(format!("seed is {}, expected (2,)", Dims(c.shape(SEED))));
    }
    if c.has(OFFSET) && c.shape(OFFSET) != [1] {
        return Err(format!("offset is {}, expected (1,)", Dims(c.shape(OFFSET))));
    }
    if u32::try_from(c.int("stream")).is_err() {
        return Err(format!("stream is {}, which is no u32", c.int("stream")));
    }
    Ok(vec![Spec::new(dtype, &sizes(c.ints("shape"))?)])
}

fn scalars(c: &Call) -> Scalars {
    let float = |name| match c.params.get(name) {
        Some(Value::Float(v)) => *v,
        _ => 0.0,
    };
    Scalars::new()
        .set("n", c.outputs[0].len())
        .set("stream", Scalar::U32(c.int("stream") as u32))
        .set("threshold", Scalar::U32(reference::threshold(float("p"))))
        .set("mean", float("mean"))
        .set("deviation", float("std"))
        .set("IS_FLOAT", matches!(c.outputs[0].dtype, Dtype::F32 | Dtype::F16))
}

/// The counters of a call: seed, offset, stream, count.
fn draw(r: &Ref) -> Vec<u32> {
    let offset = r.opt(OFFSET).map_or(0, |o| o[0] as u32);
    reference::words([r.f64(SEED)[0] as u32, r.f64(SEED)[1] as u32], offset, r.int("stream") as u32, r.outputs[0].len())
}

/// 32 random bits an element.
pub static RANDOM_BITS: Kernel = Kernel {
    name: "random_bits",
    shape: |c| spec(c, Dtype::U32),
    variants: &[Variant {
        shader: "random/random",
        steps: &[Step { entry: "random_bits", grid: blocks, loops: |_| 10 }],
        ..Variant::BASE
    }],
    reference: |r| vec![reference::random_bits(&draw(r), r.outputs[0].len())],
    ..BASE
};

/// Uniform in [0, 1), a multiple of 2⁻²⁴.
pub static RANDOM_UNIFORM: Kernel = Kernel {
    name: "random_uniform",
    shape: |c| spec(c, Dtype::F32),
    variants: &[Variant {
        shader: "random/random",
        steps: &[Step { entry: "random_uniform", grid: blocks, loops: |_| 10 }],
        ..Variant::BASE
    }],
    reference: |r| vec![reference::random_uniform(&draw(r), r.outputs[0].len())],
    ..BASE
};

/// 1 with probability `p`, else 0.
pub static RANDOM_BERNOULLI: Kernel = Kernel {
    name: "random_bernoulli",
    params: &[SHAPE, STREAM, Param::new("p", Default::NeedFloat), Param::new("dtype", Default::Text("i32"))],
    shape: |c| {
        let p = c.float("p");
        if !(0.0..=1.0).contains(&p) {
            return Err(format!("p is {p}, expected 0 to 1"));
        }
        match c.text("dtype") {
            "i32" => spec(c, Dtype::I32),
            "f32" => spec(c, Dtype::F32),
            other => Err(format!("dtype is '{other}', expected i32 or f32")),
        }
    },
    variants: &[Variant {
        shader: "random/random",
        steps: &[Step { entry: "random_bernoulli", grid: blocks, loops: |_| 10 }],
        ..Variant::BASE
    }],
    reference: |r| vec![reference::random_bernoulli(&draw(r), r.float("p"), r.outputs[0].len())],
    ..BASE
};

/// Normal with a mean and a standard deviation.
pub static RANDOM_NORMAL: Kernel = Kernel {
    name: "random_normal",
    params: &[SHAPE, STREAM, Param::new("mean", Default::Float(0.0)), Param::new("std", Default::Float(1.0))],
    shape: |c| spec(c, Dtype::F32),
    variants: &[Variant {
        shader: "random/random",
        steps: &[Step { entry: "random_normal", grid: blocks, loops: |_| 10 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 40 * c.outputs[0].len() as u64, bytes: c.outputs[0].bytes() },
    reference: |r| {
        let (mean, std) = moments(r);
        vec![reference::random_normal(&draw(r), mean, std, r.outputs[0].len())]
    },
    bound: |r, y| {
        // ln 2 ulp, halved by the root; root, sine 2, angle and product 1 each.
        let (mean, std) = moments(r);
        let t = r.tol;
        check::each(y, |y| t.ulps(7.0, 16.0, y - mean) + t.ulps(1.0, 2.0, y) + f64::from(f32::MIN_POSITIVE) * std.abs())
    },
    ..BASE
};

/// Mean and standard deviation as the shader gets them.
fn moments(c: &Call) -> (f64, f64) {
    (f64::from(c.float("mean") as f32), f64::from(c.float("std") as f32))
}

impl<'g> Tensor<'g> {
    #[track_caller]
    fn random(
        self,
        kernel: &'static Kernel,
        offset: Option<Tensor<'g>>,
        shape: &[usize],
        stream: u32,
        more: &[(&str, Value)],
    ) -> Tensor<'g> {
        let mut params = vec![("shape", shape.into()), ("stream", i64::from(stream).into())];
        params.extend(more.iter().cloned());
        self.graph().dispatch(kernel, &[Some(self), offset], &params)[0]
    }

    /// 32 random bits an element, u32, from this seed.
    ///
    /// The same seed, offset and stream give the same bits on every adapter. Each use in a graph takes a
    /// `stream` of its own; `offset` is the step of a training run.
    ///
    /// # Shapes
    /// `self` u32 `(2)` · `offset` u32 `(1)` → `shape`
    /// # Errors
    /// [`crate::Error::Graph`] if the seed is not `(2)` or the offset not `(1)`
    /// # Source
    /// Salmon et al. 2011 (Philox 4×32-10)
    #[track_caller]
    pub fn random_bits(self, offset: Option<Tensor<'g>>, shape: &[usize], stream: u32) -> Tensor<'g> {
        self.random(&RANDOM_BITS, offset, shape, stream, &[])
    }

    /// Uniform in [0, 1), multiples of 2⁻²⁴, from this seed; see [`Tensor::random_bits`].
    #[track_caller]
    pub fn random_uniform(self, offset: Option<Tensor<'g>>, shape: &[usize], stream: u32) -> Tensor<'g> {
        self.random(&RANDOM_UNIFORM, offset, shape, stream, &[])
    }

    /// 1 with probability `p` (a multiple of 2⁻²⁴), else 0, as i32 or f32, from this seed; see
    /// [`Tensor::random_bits`].
    ///
    /// # Errors
    /// [`crate::Error::Graph`] if `p` is not in 0 to 1 or `dtype` is neither
    #[track_caller]
    pub fn random_bernoulli(
        self,
        offset: Option<Tensor<'g>>,
        shape: &[usize],
        stream: u32,
        p: f64,
        dtype: Dtype,
    ) -> Tensor<'g> {
        self.random(&RANDOM_BERNOULLI, offset, shape, stream, &[("p", p.into()), ("dtype", dtype.name().into())])
    }

    /// Normal numbers from this seed; see [`Tensor::random_bits`].
    ///
    /// # Source
    /// Box, Muller 1958
    #[track_caller]
    pub fn random_normal(
        self,
        offset: Option<Tensor<'g>>,
        shape: &[usize],
        stream: u32,
        mean: f64,
        std: f64,
    ) -> Tensor<'g> {
        self.random(&RANDOM_NORMAL, offset, shape, stream, &[("mean", mean.into()), ("std", std.into())])
    }
}
