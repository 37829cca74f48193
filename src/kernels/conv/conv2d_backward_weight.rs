//! The gradient of a convolution's weights. Shaders: shaders/conv/*backward_weight*.wgsl

use kernels_ref::conv::Conv2d as Sizes;

use super::conv2d::{Conv2d, flat, groups, list, sizes_scalars, windows};
use crate::adapter::{Adapter, AdapterKind};
use crate::graph::Tensor;
use crate::kernel::{
    Backward, Call, Default as Preset, Grid, Kernel, Param, Port, Scalars, Scratch, Spec, Step, Variant, Work,
};
use crate::shape::Dims;

const X: usize = 0;
const D_Y: usize = 1;

/// Lanes of a workgroup of the plain variant and of every sum over parts.
const LANES: usize = 64;
/// Lanes of a workgroup of `direct`.
const LANES_DIRECT: usize = 32;
/// Channels and taps of a tile of `tiled`.
const TILE: usize = 64;
/// Pixels of a part: from what a part's own sums are worth to what loops below the limit of CPU adapters.
const PIXELS: [usize; 2] = [128, 1 << 14];

/// The gradient of `conv2d` with respect to its weights.
pub static CONV2D_BACKWARD_WEIGHT: Kernel = Kernel {
    name: "conv2d_backward_weight",
    inputs: &[Port::f32("x"), Port::f32("d_y")],
    outputs: &["d_w"],
    params: &[
        Param::new("kernel", Preset::NeedInts),
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
        let per = c.out(0)[1..].iter().product::<usize>() as u64;
        Work { flops: 2 * c.spec(D_Y).len() as u64 * per, bytes: c.bytes() }
    },
    reference: |r| vec![kernels_ref::conv::conv2d_backward_weight(r.f64(X), r.f64(D_Y), &stated(r))],
    // A dot product over the pixels of d_y.
    bound: |r, d_w| {
        let s = stated(r);
        let magnitude = |v: &[f64]| v.iter().map(|v| v.abs()).collect::<Vec<_>>();
        let sums = kernels_ref::conv::conv2d_backward_weight(&magnitude(r.f64(X)), &magnitude(r.f64(D_Y)), &s);
        vec![sums.iter().zip(&d_w[0]).map(|(&a, &d)| r.tol.dot(pixels(&s), a, d)).collect()]
    },
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

const PLAIN: Variant = Variant {
    shader: "conv/conv2d_backward_weight",
    steps: &[
        Step {
            entry: "conv2d_backward_weight_parts",
            grid: |c| Grid::Threads((plain_split(c).parts * c.outputs[0].len()) as u64),
            loops: |c| plain_split(c).chunk as u64,
        },
        Step { entry: "conv2d_backward_weight", grid: elements, loops: |c| plain_split(c).parts as u64 },
    ],
    scratch: &[Scratch { name: "part", spec: |c| part_spec(c, plain_split(c)) }],
    scalars: |c| plain_split(c).scalars(),
    ..Variant::BASE
};

const DIRECT: Variant = Variant {
    how: "direct",
    shader: "conv/backward_weight_direct",
    steps: &[
        Step {
            entry: "conv2d_backward_weight_direct_parts",
            grid: |c| Grid::Groups((direct_split(c).parts * direct_groups(&sizes(c))) as u64),
            loops: |c| {
                let chunk = direct_split(c).chunk;
                (chunk + chunk / sizes(c).output[1] + 2) as u64
            },
        },
        Step { entry: "conv2d_backward_weight_direct", grid: elements, loops: |c| direct_split(c).parts as u64 },
    ],
    scratch: &[Scratch { name: "part", spec: |c| part_spec(c, direct_split(c)) }],
    scalars: |c| direct_split(c).scalars().set("QUADS", quads(&sizes(c))),
    ..Variant::BASE
};

const TILED: Variant = Variant {
    how: "tiled",
    shader: "conv/backward_weight_tiled",
    // Below that, most of a tile of 64 channels would be empty.
    applies: |c, _| sizes(c).o / sizes(c).groups >= 16,
    steps: &[
        Step {
            entry: "conv2d_backward_weight_tiled_parts",
            grid: |c| Grid::Groups((tiled_split(c).parts * tiles(&sizes(c))) as u64),
            loops: |c| tiled_split(c).chunk.div_ceil(16) as u64 * 21,
        },
        Step { entry: "conv2d_backward_weight_tiled", grid: elements, loops: |c| tiled_split(c).parts as u64 },
    ],
    scratch: &[Scratch { name: "part", spec: |c| part_spec(c, tiled_split(c)) }],
    scalars: |c| tiled_split(c).scalars(),
    ..Variant::BASE
};

/// How the pixels of d_y are shared out.
#[derive(Clone, Copy)]
struct Split {
    parts: usize,
    /// Pixels of each part but the last.
    chunk: usize,
}

impl Split {
    /// Parts that bring `groups` workgroups to about `aim`.
    fn new(s: &Sizes, groups: usize, aim: usize) -> Split {
        let [least, most] = PIXELS;
        let parts = aim.div_ceil(groups).min(pixels(s).div_ceil(least));
        let chunk = pixels(s).div_ceil(parts).next_multiple_of(16).min(most);
        Split { parts: pixels(s).div_ceil(chunk), chunk }
    }

    fn scalars(self) -> Scalars {
        Scalars::new().set("parts", self.parts).set("chunk", self.chunk)
    }
}

fn plain_split(c: &Call) -> Split {
    Split::new(&sizes(c), c.outputs[0].len().div_ceil(LANES), 256)
}

/// A few workgroups a core of a CPU.
fn direct_split(c: &Call) -> Split {
    Split::new(&sizes(c), direct_groups(&sizes(c)), 64)
}

/// A few workgroups a multiprocessor of a large GPU.
fn tiled_split(c: &Call) -> Split {
    Split::new(&sizes(c), tiles(&sizes(c)), 512)
}

/// Workgroups of a part of `direct`.
fn direct_groups(s: &Sizes) -> usize {
    let lanes = (s.c / s.groups).div_ceil(4) * s.kernel[0] * s.kernel[1];
    s.groups * (s.o / s.groups).div_ceil(4 * quads(s)) * lanes.div_ceil(LANES_DIRECT)
}

/// Workgroups of a part of `tiled`.
fn tiles(s: &Sizes) -> usize {
    let taps = s.c / s.groups * s.kernel[0] * s.kernel[1];
    s.groups * (s.o / s.groups).div_ceil(TILE) * taps.div_ceil(TILE)
}

/// Times four channels of d_y a lane of `direct` makes: few where a group has few.
fn quads(s: &Sizes) -> usize {
    match s.o / s.groups {
        0..=4 => 1,
        5..=8 => 2,
        _ => 4,
    }
}

fn pixels(s: &Sizes) -> usize {
    s.batch * s.output[0] * s.output[1]
}

fn elements(c: &Call) -> Grid {
    Grid::Threads(c.outputs[0].len() as u64)
}

fn part_spec(c: &Call, split: Split) -> Spec {
    Spec::f32(&[split.parts, c.outputs[0].len()])
}

fn choose(c: &Call, adapter: &Adapter) -> usize {
    let s = sizes(c);
    let how = match adapter.kind {
        // A lane of `direct` takes four channels of either side; depthwise convolutions have one.
        _ if s.o / s.groups <= 2 && s.c / s.groups <= 2 => PLAIN.how,
        AdapterKind::Cpu => DIRECT.how,
        _ => TILED.how,
    };
    CONV2D_BACKWARD_WEIGHT.index_of(how)
}

/// What the variants compute.
fn sizes(c: &Call) -> Sizes {
    flat(stated(c))
}

/// The sizes of the convolution as the call states them.
fn stated(c: &Call) -> Sizes {
    let (x, d_y, kernel) = (c.shape(X), c.shape(D_Y), c.sizes("kernel"));
    let (stride, padding, dilation) = (c.sizes("stride"), c.sizes("padding"), c.sizes("dilation"));
    Sizes {
        batch: x[0],
        c: x[1],
        input: [x[2], x[3]],
        o: d_y[1],
        output: [d_y[2], d_y[3]],
        kernel: [kernel[0], kernel[1]],
        stride: [stride[0], stride[1]],
        before: [padding[0], padding[2]],
        dilation: [dilation[0], dilation[1]],
        groups: c.int("groups") as usize,
    }
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let (xs, ds) = (c.shape(X), c.shape(D_Y));
    let (&[batch, channels, h, w], &[of, o, oh, ow]) = (xs, ds) else {
        return Err(format!("x is {} and d_y is {}, expected (B, C, H, W) and (B, O, OH, OW)", Dims(xs), Dims(ds)));
    };
    let (stride, dilation) = (list(c, "stride", 2, 1)?, list(c, "dilation", 2, 1)?);
    let (padding, kernel) = (list(c, "padding", 4, 0)?, list(c, "kernel", 2, 1)?);
    let count = groups(c, "x", channels)?;
    groups(c, "d_y", o)?;
    if of != batch {
        return Err(format!("d_y has {of} images, expected {batch}"));
    }
    let padded = [h + padding[0] + padding[1], w + padding[2] + padding[3]];
    let fit = windows(padded, [kernel[0], kernel[1]], &stride, &dilation)?;
    // Fewer are the transposed convolution with an output padding of a stride and more.
    if oh > fit[0] || ow > fit[1] {
        return Err(format!("d_y has {oh} by {ow} windows, expected at most {} by {}", fit[0], fit[1]));
    }
    Ok(vec![Spec::f32(&[o, channels / count, kernel[0], kernel[1]])])
}

impl<'g> Tensor<'g> {
    /// The gradient of [`Tensor::conv2d`] of `self` with respect to its weights, from that of its result.
    ///
    /// `d_w[o,c,u,v] = Σ_{b,i,j} d_y[b,o,i,j] · x[b, g·C/groups + c, i·stride + u·dilation − top, …]`, with zeros
    /// outside `x` and `g` the group of `o`
    ///
    /// # Shapes
    /// `self (B, C, H, W)` · `d_y (B, O, OH, OW)` → `(O, C/groups, KH, KW)` with `[KH, KW] = kernel`
    /// # Errors
    /// [`crate::Error::Graph`] if batches, channels and groups do not match, or `d_y` has more windows than fit
    /// # Gradient
    /// none
    /// # Source
    /// the adjoint of PyTorch `F.conv2d`
    #[track_caller]
    pub fn conv2d_backward_weight(self, d_y: Tensor<'g>, kernel: [usize; 2], options: Conv2d) -> Tensor<'g> {
        let mut params = options.params();
        params.push(("kernel", kernel.into()));
        self.graph().dispatch(&CONV2D_BACKWARD_WEIGHT, &[Some(self), Some(d_y)], &params)[0]
    }
}
