//! The gradient of a convolution's image. Shaders: shaders/conv/*backward_data*.wgsl

use kernels_ref::conv::Conv2d as Sizes;

use super::conv2d::{Conv2d, flat, groups, list, sizes_scalars, windows};
use super::phases;
use crate::adapter::{Adapter, AdapterKind};
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default as Preset, Grid, Kernel, Param, Port, Scratch, Spec, Step, Variant, Work};
use crate::shape::Dims;

const D_Y: usize = 0;
const W: usize = 1;

/// The gradient of `conv2d` with respect to its image.
pub static CONV2D_BACKWARD_DATA: Kernel = Kernel {
    name: "conv2d_backward_data",
    inputs: &[Port::f32("d_y"), Port::f32_or_f16("w")],
    outputs: &["d_x"],
    params: &[
        Param::new("input_size", Preset::NeedInts),
        Param::new("stride", Preset::Ints(&[1, 1])),
        Param::new("padding", Preset::Ints(&[0, 0, 0, 0])),
        Param::new("dilation", Preset::Ints(&[1, 1])),
        Param::new("groups", Preset::Int(1)),
    ],
    shape,
    scalars: |c| sizes_scalars(&sizes(c)),
    variants: &[TILED, DIRECT, PLAIN],
    choose,
    work: |c| {
        let per = c.shape(W)[1..].iter().product::<usize>() as u64;
        Work { flops: 2 * c.spec(D_Y).len() as u64 * per, bytes: c.bytes() }
    },
    reference: |r| vec![kernels_ref::conv::conv2d_backward_data(r.f64(D_Y), r.f64(W), &stated(r))],
    // A dot product over the taps and the channels of d_y of the group.
    bound: |r, d_x| {
        let s = stated(r);
        let magnitude = |v: &[f64]| v.iter().map(|v| v.abs()).collect::<Vec<_>>();
        let sums = kernels_ref::conv::conv2d_backward_data(&magnitude(r.f64(D_Y)), &magnitude(r.f64(W)), &s);
        let terms = s.o / s.groups * s.kernel[0] * s.kernel[1];
        vec![sums.iter().zip(&d_x[0]).map(|(&a, &d)| r.tol.dot(terms, a, d)).collect()]
    },
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

const PLAIN: Variant = Variant {
    shader: "conv/conv2d_backward_data",
    steps: &[Step {
        entry: "conv2d_backward_data",
        grid: |c| Grid::Threads(c.outputs[0].len() as u64),
        loops: taps_then_channels,
    }],
    ..Variant::BASE
};

const DIRECT: Variant = Variant {
    how: "direct",
    shader: "conv/backward_data_direct",
    steps: &[
        Step {
            entry: "conv2d_backward_data_direct_pack",
            grid: |c| Grid::Threads(phases::packed(&sizes(c)) as u64),
            loops: |_| 0,
        },
        Step { entry: "conv2d_backward_data_direct", grid: |c| phases::lanes(&sizes(c)), loops: taps_then_channels },
    ],
    pack: &["conv2d_backward_data_direct_pack"],
    scratch: &[Scratch { name: "packed", spec: |c| Spec::new(c.input(W).dtype, &[phases::packed(&sizes(c)), 4]) }],
    scalars: |c| phases::direct_scalars(&sizes(c)),
    ..Variant::BASE
};

const TILED: Variant = Variant {
    how: "tiled",
    shader: "conv/backward_data_tiled",
    applies: |c, _| phases::fills_tiles(&sizes(c)),
    steps: &[Step {
        entry: "conv2d_backward_data_tiled",
        grid: |c| phases::tiles(&sizes(c)),
        loops: |c| phases::tiled_loops(&sizes(c)),
    }],
    scalars: |c| phases::tiled_scalars(&sizes(c)),
    ..Variant::BASE
};

fn taps_then_channels(c: &Call) -> u64 {
    phases::taps_then_channels(&sizes(c))
}

fn choose(_: &Call, adapter: &Adapter) -> usize {
    let how = match adapter.kind {
        AdapterKind::Cpu => DIRECT.how,
        _ => TILED.how,
    };
    CONV2D_BACKWARD_DATA.index_of(how)
}

/// What the variants compute.
fn sizes(c: &Call) -> Sizes {
    flat(stated(c))
}

/// The sizes of the convolution as the call states them.
fn stated(c: &Call) -> Sizes {
    let (d_y, w, input) = (c.shape(D_Y), c.shape(W), c.sizes("input_size"));
    let (stride, padding, dilation) = (c.sizes("stride"), c.sizes("padding"), c.sizes("dilation"));
    let groups = c.int("groups") as usize;
    Sizes {
        batch: d_y[0],
        c: w[1] * groups,
        input: [input[0], input[1]],
        o: d_y[1],
        output: [d_y[2], d_y[3]],
        kernel: [w[2], w[3]],
        stride: [stride[0], stride[1]],
        before: [padding[0], padding[2]],
        dilation: [dilation[0], dilation[1]],
        groups,
    }
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let (ds, ws) = (c.shape(D_Y), c.shape(W));
    let (&[batch, channels, oh, ow], &[o, inner, kh, kw]) = (ds, ws) else {
        let expected = "expected (B, O, OH, OW) and (O, C/groups, KH, KW)";
        return Err(format!("d_y is {} and w is {}, {expected}", Dims(ds), Dims(ws)));
    };
    let (stride, dilation) = (list(c, "stride", 2, 1)?, list(c, "dilation", 2, 1)?);
    let (padding, input) = (list(c, "padding", 4, 0)?, list(c, "input_size", 2, 1)?);
    let count = groups(c, "d_y", channels)?;
    if o != channels {
        return Err(format!("w has {o} output channels, expected {channels}"));
    }
    let padded = [input[0] + padding[0] + padding[1], input[1] + padding[2] + padding[3]];
    let fit = windows(padded, [kh, kw], &stride, &dilation)?;
    if fit != [oh, ow] {
        return Err(format!("d_y has {oh} by {ow} windows, expected {} by {} of {input:?}", fit[0], fit[1]));
    }
    let channels = inner.checked_mul(count).ok_or(format!("{inner} times {count} channels are too many"))?;
    Ok(vec![Spec::f32(&[batch, channels, input[0], input[1]])])
}

impl<'g> Tensor<'g> {
    /// The gradient of [`Tensor::conv2d`] with respect to its image, from that of its result.
    ///
    /// `d_x[b, g·C/groups + c, r, q] = Σ_{u,v,o} d_y[b, o, (r + top − u·dilation)/stride, …] · w[o,c,u,v]` over the
    /// taps whose quotients are whole and inside `d_y`
    ///
    /// # Shapes
    /// `self (B, O, OH, OW)` · `w (O, C/groups, KH, KW)` → `(B, C, H, W)` with `[H, W] = input_size`
    /// # Errors
    /// [`crate::Error::Graph`] if channels and groups do not match, or `self` has another number of windows
    /// # Gradient
    /// none
    /// # Source
    /// Dumoulin, Visin 2016, arXiv:1603.07285, ch. 4
    #[track_caller]
    pub fn conv2d_backward_data(self, w: Tensor<'g>, input_size: [usize; 2], options: Conv2d) -> Tensor<'g> {
        let mut params = options.params();
        params.push(("input_size", input_size.into()));
        self.graph().dispatch(&CONV2D_BACKWARD_DATA, &[Some(self), Some(w)], &params)[0]
    }
}
