//! The gradient of a convolution's image. Shaders: shaders/conv/*backward_data*.wgsl

use kernels_ref::conv::Conv2d as Sizes;

use super::conv2d::{Conv2d, groups, list, sizes_scalars, windows};
use crate::adapter::{Adapter, AdapterKind};
use crate::graph::Tensor;
use crate::kernel::{
    Backward, Call, Default as Preset, Grid, Kernel, Param, Port, Scalars, Scratch, Spec, Step, Variant, Work,
};
use crate::shape::Dims;

const D_Y: usize = 0;
const W: usize = 1;

/// Lanes of a workgroup of `direct` and `vec4`.
const LANES: usize = 32;
/// Channels and pixels of a tile of `tiled`.
const TILE: usize = 64;

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
    variants: &[TILED, VEC4, DIRECT, PLAIN],
    choose,
    work: |c| {
        let per = c.shape(W)[1..].iter().product::<usize>() as u64;
        Work { flops: 2 * c.spec(D_Y).len() as u64 * per, bytes: c.bytes() }
    },
    reference: |r| vec![kernels_ref::conv::conv2d_backward_data(r.f64(D_Y), r.f64(W), &sizes(r))],
    // A dot product over the taps and the channels of d_y of the group.
    bound: |r, d_x| {
        let s = sizes(r);
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
        Step { entry: "conv2d_backward_data_direct_pack", grid: |c| Grid::Threads(packed(&sizes(c))), loops: |_| 0 },
        Step {
            entry: "conv2d_backward_data_direct",
            grid: |c| {
                let s = sizes(c);
                let [rows, columns] = rows_of_phase(&s);
                let blocks = (rows * columns.div_ceil(4)).div_ceil(LANES) * channel_blocks(&s);
                Grid::Groups((s.batch * s.groups * phases(&s) * blocks) as u64)
            },
            loops: taps_then_channels,
        },
    ],
    pack: &["conv2d_backward_data_direct_pack"],
    scratch: &[PACKED],
    scalars: |c| Scalars::new().set("QUADS", quads(&sizes(c))),
    ..Variant::BASE
};

const VEC4: Variant = Variant {
    how: "vec4",
    shader: "conv/backward_data_vec4",
    applies: |c, _| {
        let s = sizes(c);
        let (reach, left) = (s.kernel[1] - 1, s.before[1]);
        let unit = s.c / s.groups > 2 && s.stride == [1, 1] && s.dilation == [1, 1] && s.kernel[1] <= 5;
        unit && s.output[1].is_multiple_of(4) && left <= 4 && left <= reach && reach - left <= 4
    },
    steps: &[
        Step { entry: "conv2d_backward_data_vec4_pack", grid: |c| Grid::Threads(packed(&sizes(c))), loops: |_| 0 },
        Step {
            entry: "conv2d_backward_data_vec4",
            grid: |c| {
                let s = sizes(c);
                let blocks = (s.input[0] * s.input[1].div_ceil(4)).div_ceil(LANES) * channel_blocks(&s);
                Grid::Groups((s.batch * s.groups * blocks) as u64)
            },
            loops: |c| {
                let s = sizes(c);
                (s.o / s.groups * (s.kernel[0] + 1)) as u64
            },
        },
    ],
    pack: &["conv2d_backward_data_vec4_pack"],
    scratch: &[PACKED],
    scalars: |c| {
        let s = sizes(c);
        let pad = s.kernel[1].saturating_sub(1 + s.before[1]);
        Scalars::new().set("QUADS", quads(&s)).set("KW", s.kernel[1]).set("PAD", pad)
    },
};

const TILED: Variant = Variant {
    how: "tiled",
    shader: "conv/backward_data_tiled",
    // Below that, most of a tile of 64 channels would be empty.
    applies: |c, _| sizes(c).c / sizes(c).groups >= 16,
    steps: &[Step {
        entry: "conv2d_backward_data_tiled",
        grid: |c| {
            let s = sizes(c);
            let [rows, columns] = rows_of_phase(&s);
            let tiles = (s.c / s.groups).div_ceil(TILE) * (s.batch * rows * columns).div_ceil(TILE);
            Grid::Groups((s.groups * phases(&s) * tiles) as u64)
        },
        loops: |c| {
            let s = sizes(c);
            let terms = s.o / s.groups * s.kernel[0] * s.kernel[1];
            (terms.div_ceil(16) * 21 + s.kernel[0] + s.kernel[1] + 8) as u64
        },
    }],
    scalars: |c| {
        let s = sizes(c);
        let step = [0, 1].map(|a| s.stride[a] / gcd(s.stride[a], s.dilation[a]));
        Scalars::new().set("STEP_H", step[0]).set("STEP_W", step[1])
    },
    ..Variant::BASE
};

const PACKED: Scratch = Scratch { name: "packed", spec: |c| Spec::f32(&[packed(&sizes(c)) as usize, 4]) };

/// Times four channels of x a lane of `direct` and `vec4` makes: few where a group has few.
fn quads(s: &Sizes) -> usize {
    match s.c / s.groups {
        0..=4 => 1,
        5..=8 => 2,
        _ => 4,
    }
}

/// Blocks of channels of x of a group.
fn channel_blocks(s: &Sizes) -> usize {
    (s.c / s.groups).div_ceil(4 * quads(s))
}

/// Vectors of packed weights.
fn packed(s: &Sizes) -> u64 {
    (s.groups * channel_blocks(s) * quads(s) * s.kernel[0] * s.kernel[1] * (s.o / s.groups)) as u64
}

/// Classes of pixels of x that the same taps reach.
fn phases(s: &Sizes) -> usize {
    s.stride[0].min(s.input[0]) * s.stride[1].min(s.input[1])
}

/// Rows and columns of a phase, at most.
fn rows_of_phase(s: &Sizes) -> [usize; 2] {
    [0, 1].map(|a| s.input[a].div_ceil(s.stride[a]))
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Loop iterations of one invocation that visits every tap, and for each every channel.
fn taps_then_channels(c: &Call) -> u64 {
    let s = sizes(c);
    (s.kernel[0] * (1 + s.kernel[1] * (1 + s.o / s.groups))) as u64
}

fn choose(_: &Call, adapter: &Adapter) -> usize {
    let how = match adapter.kind {
        AdapterKind::Cpu => VEC4.how,
        _ => TILED.how,
    };
    CONV2D_BACKWARD_DATA.variants.iter().position(|v| v.how == how).unwrap_or(0)
}

/// The sizes of the convolution.
fn sizes(c: &Call) -> Sizes {
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
