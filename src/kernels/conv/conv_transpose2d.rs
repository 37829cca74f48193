//! Transposed two-dimensional convolution. Shaders: shaders/conv/*transpose*.wgsl

use kernels_ref::conv::Conv2d as Sizes;

use super::conv2d::{Conv2d, flat, groups, list, sizes_scalars};
use super::phases;
use crate::adapter::{Adapter, AdapterKind};
use crate::backward::Adjoint;
use crate::check::ulp;
use crate::graph::Tensor;
use crate::kernel::{
    Backward, Call, Default as Preset, Grid, Kernel, Param, Port, Ref, Scratch, Spec, Step, Variant, Work,
};
use crate::shape::Dims;

const X: usize = 0;
const W: usize = 1;
const B: usize = 2;

/// Spreads windows of weights over a larger image.
pub static CONV_TRANSPOSE2D: Kernel = Kernel {
    name: "conv_transpose2d",
    inputs: &[Port::f32("x"), Port::f32_or_f16("w"), Port::f32("b").optional()],
    params: &[
        Param::new("stride", Preset::Ints(&[1, 1])),
        Param::new("padding", Preset::Ints(&[0, 0])),
        Param::new("output_padding", Preset::Ints(&[0, 0])),
        Param::new("dilation", Preset::Ints(&[1, 1])),
        Param::new("groups", Preset::Int(1)),
    ],
    shape,
    scalars: |c| sizes_scalars(&sizes(c)),
    variants: &[TILED, DIRECT, PLAIN],
    choose,
    work: |c| {
        let per = c.shape(W)[1..].iter().product::<usize>() as u64;
        Work { flops: 2 * c.spec(X).len() as u64 * per, bytes: c.bytes() }
    },
    reference: |r| vec![with_bias(r, kernels_ref::conv::conv_transpose2d(r.f64(X), r.f64(W), &sizes(r)))],
    bound: |r, y| {
        let s = sizes(r);
        let magnitude = |v: &[f64]| v.iter().map(|v| v.abs()).collect::<Vec<_>>();
        let sums = kernels_ref::conv::conv_transpose2d(&magnitude(r.f64(X)), &magnitude(r.f64(W)), &s);
        let terms = s.c / s.groups * s.kernel[0] * s.kernel[1];
        let plane = s.output[0] * s.output[1];
        let one = |(i, (&a, &y)): (usize, (&f64, &f64))| {
            let bias = r.opt(B).map_or(0.0, |b| b[i / plane % b.len()]);
            r.tol.dot(terms, a, y - bias) + if r.has(B) { r.tol.pick(1.0, 2.0) * ulp(y) } else { 0.0 }
        };
        vec![sums.iter().zip(&y[0]).enumerate().map(one).collect()]
    },
    backward: Backward::Rule(backward),
    ..Kernel::BASE
};

const PLAIN: Variant = Variant {
    shader: "conv/conv_transpose2d",
    steps: &[Step {
        entry: "conv_transpose2d",
        grid: |c| Grid::Threads(c.outputs[0].len() as u64),
        loops: |c| {
            let s = sizes(c);
            (s.c / s.groups + 1) as u64 * (s.kernel[0] * s.kernel[1]) as u64 + s.kernel[0] as u64 + 16
        },
    }],
    ..Variant::BASE
};

const DIRECT: Variant = Variant {
    how: "direct",
    shader: "conv/transpose_direct",
    steps: &[
        Step {
            entry: "conv_transpose2d_direct_pack",
            grid: |c| Grid::Threads(phases::packed(&adjoint(c)) as u64),
            loops: |_| 0,
        },
        Step {
            entry: "conv_transpose2d_direct",
            grid: |c| phases::lanes(&adjoint(c)),
            loops: |c| phases::taps_then_channels(&adjoint(c)),
        },
    ],
    pack: &["conv_transpose2d_direct_pack"],
    scratch: &[Scratch { name: "packed", spec: |c| Spec::new(c.input(W).dtype, &[phases::packed(&adjoint(c)), 4]) }],
    scalars: |c| sizes_scalars(&adjoint(c)).extend(phases::direct_scalars(&adjoint(c))),
    ..Variant::BASE
};

const TILED: Variant = Variant {
    how: "tiled",
    shader: "conv/transpose_tiled",
    applies: |c, _| phases::fills_tiles(&adjoint(c)),
    steps: &[Step {
        entry: "conv_transpose2d_tiled",
        grid: |c| phases::tiles(&adjoint(c)),
        loops: |c| phases::tiled_loops(&adjoint(c)),
    }],
    scalars: |c| sizes_scalars(&adjoint(c)).extend(phases::tiled_scalars(&adjoint(c))),
    ..Variant::BASE
};

/// The convolution whose image is y and whose windows are x.
fn adjoint(c: &Call) -> Sizes {
    let s = sizes(c);
    flat(Sizes { c: s.o, input: s.output, o: s.c, output: s.input, ..s })
}

fn choose(_: &Call, adapter: &Adapter) -> usize {
    let how = match adapter.kind {
        AdapterKind::Cpu => DIRECT.how,
        _ => TILED.how,
    };
    CONV_TRANSPOSE2D.index_of(how)
}

/// The adjoint of the adjoint: a convolution of `d_y`. With an output padding of a stride and more, windows that
/// begin in it saw nothing of `x`.
fn backward<'g>(n: &Adjoint<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
    let (s, d) = (sizes(n), n.d(0));
    let padding = [s.before[0], s.before[0], s.before[1], s.before[1]];
    let options = Conv2d { stride: s.stride, padding, dilation: s.dilation, groups: s.groups };
    let d_x = || d.conv2d(n.x(W), None, options).slice(2, 0, s.input[0]).slice(3, 0, s.input[1]);
    vec![
        n.wanted(X, d_x),
        n.wanted(W, || d.conv2d_backward_weight(n.x(X), s.kernel, options)),
        n.wanted(B, || d.sum(&[0, 2, 3], false)),
    ]
}

fn with_bias(r: &Ref, mut y: Vec<f64>) -> Vec<f64> {
    let plane = r.out(0)[2] * r.out(0)[3];
    if let Some(b) = r.opt(B) {
        y.iter_mut().enumerate().for_each(|(i, y)| *y += b[i / plane % b.len()]);
    }
    y
}

fn sizes(c: &Call) -> Sizes {
    let (x, w, y) = (c.shape(X), c.shape(W), c.out(0));
    let (stride, padding, dilation) = (c.sizes("stride"), c.sizes("padding"), c.sizes("dilation"));
    Sizes {
        batch: x[0],
        c: x[1],
        input: [x[2], x[3]],
        o: y[1],
        output: [y[2], y[3]],
        kernel: [w[2], w[3]],
        stride: [stride[0], stride[1]],
        before: [padding[0], padding[1]],
        dilation: [dilation[0], dilation[1]],
        groups: c.int("groups") as usize,
    }
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let (xs, ws) = (c.shape(X), c.shape(W));
    let (&[batch, channels, h, w], &[inner, per, kh, kw]) = (xs, ws) else {
        return Err(format!(
            "x is {} and w is {}, expected (B, C, H, W) and (C, O/groups, KH, KW)",
            Dims(xs),
            Dims(ws)
        ));
    };
    let (stride, dilation) = (list(c, "stride", 2, 1)?, list(c, "dilation", 2, 1)?);
    let (padding, more) = (list(c, "padding", 2, 0)?, list(c, "output_padding", 2, 0)?);
    let count = groups(c, "x", channels)?;
    if inner != channels {
        return Err(format!("w has {inner} input channels, expected {channels}"));
    }
    let o = per.checked_mul(count).ok_or(format!("{per} times {count} channels are too many"))?;
    if c.has(B) && c.shape(B) != [o] {
        return Err(format!("b is {}, expected {}", Dims(c.shape(B)), Dims(&[o])));
    }
    let size = |i: usize, n: usize, k: usize| {
        if more[i] >= stride[i].max(dilation[i]) {
            return Err(format!(
                "output_padding {} is not below stride {} or dilation {}",
                more[i], stride[i], dilation[i]
            ));
        }
        let whole = (n - 1) * stride[i] + dilation[i] * (k - 1) + more[i] + 1;
        whole
            .checked_sub(2 * padding[i])
            .filter(|&n| n > 0)
            .ok_or(format!("padding {} leaves nothing of {whole}", padding[i]))
    };
    Ok(vec![Spec::f32(&[batch, o, size(0, h, kh)?, size(1, w, kw)?])])
}

/// Stride, padding, dilation and groups of a transposed two-dimensional convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvTranspose2d {
    /// Distance of neighbouring windows in the output, down and right.
    pub stride: [usize; 2],
    /// Rows and columns cut from every side of the output.
    pub padding: [usize; 2],
    /// Rows and columns added below and to the right of the output.
    pub output_padding: [usize; 2],
    /// Distance of neighbouring taps, down and right.
    pub dilation: [usize; 2],
    /// Groups of channels that do not mix.
    pub groups: usize,
}

impl Default for ConvTranspose2d {
    fn default() -> ConvTranspose2d {
        ConvTranspose2d { stride: [1, 1], padding: [0, 0], output_padding: [0, 0], dilation: [1, 1], groups: 1 }
    }
}

impl<'g> Tensor<'g> {
    /// Spreads windows of weights over a larger image: the adjoint of [`Tensor::conv2d`].
    ///
    /// `y[b,o, i·stride + u·dilation − padding, …] += x[b,c,i,…] · w[c,o,u,…]` over `c`, `i`, `u`; plus `bias[o]`
    ///
    /// # Shapes
    /// `self (B, C, H, W)` · `w (C, O/groups, KH, KW)` · `bias (O)` → `(B, O, OH, OW)` with
    /// `OH = (H−1)·stride − 2·padding + dilation·(KH−1) + output_padding + 1`
    /// # Errors
    /// [`crate::Error::Graph`] if channels and groups do not match, or nothing is left
    /// # Gradient
    /// `self`, `w`, `bias`
    /// # Source
    /// PyTorch `F.conv_transpose2d`
    #[track_caller]
    pub fn conv_transpose2d(self, w: Tensor<'g>, bias: Option<Tensor<'g>>, options: ConvTranspose2d) -> Tensor<'g> {
        let params = [
            ("stride", options.stride.into()),
            ("padding", options.padding.into()),
            ("output_padding", options.output_padding.into()),
            ("dilation", options.dilation.into()),
            ("groups", options.groups.into()),
        ];
        self.graph().dispatch(&CONV_TRANSPOSE2D, &[Some(self), Some(w), bias], &params)[0]
    }
}
