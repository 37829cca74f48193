//! Two-dimensional convolution. Shaders: shaders/conv/conv2d*.wgsl

use kernels_ref::conv::Conv2d as Sizes;

use super::winograd::{WINOGRAD, WINOGRAD_TILED};
use crate::adapter::{Adapter, AdapterKind};
use crate::backward::Adjoint;
use crate::graph::Tensor;
use crate::kernel::{
    Backward, Call, Default as Preset, Epilogue, Fusion, Grid, Kernel, Param, Port, Scalars, Scratch, Spec, Step,
    Value, Variant, Work,
};
use crate::kernels::matmul::epilogue;
use crate::shape::Dims;
use crate::tensor::Dtype;

const X: usize = 0;
const W: usize = 1;
const B: usize = 2;
const RESIDUAL: usize = 3;

/// Lanes of a workgroup of `direct`, `vec4` and `depthwise`.
const LANES: usize = 32;
/// Output channels and pixels of a tile of `tiled` and `pointwise`.
const TILE: usize = 64;

/// Pixels from which `depthwise_vec4` is taken.
const LARGE: usize = 16 * LANES;

const EPILOGUE: Epilogue =
    Epilogue { bias: Some(B), bias_axis_from_end: 3, residual: Some(RESIDUAL), scale: true, fold: Some(W) };

/// Slides windows of weights over images, with bias, activation and residual.
pub static CONV2D: Kernel = Kernel {
    name: "conv2d",
    inputs: &[Port::f32("x"), Port::f32_or_f16("w"), Port::f32("b").optional(), Port::f32("residual").optional()],
    params: &[
        Param::new("stride", Preset::Ints(&[1, 1])),
        Param::new("padding", Preset::Ints(&[0, 0, 0, 0])),
        Param::new("dilation", Preset::Ints(&[1, 1])),
        Param::new("groups", Preset::Int(1)),
        epilogue::SCALE,
        epilogue::ACTIVATION,
        epilogue::ACTIVATION_OUT,
    ],
    shape,
    scalars,
    variants: &[POINTWISE, WINOGRAD_TILED, TILED, DEPTHWISE_VEC4, DEPTHWISE, WINOGRAD, VEC4, DIRECT, PLAIN],
    choose,
    work: |c| Work { flops: 2 * c.outputs[0].len() as u64 * taps(c) as u64, bytes: c.bytes() },
    reference: |r| {
        let s = stated(r);
        let acc = kernels_ref::conv::conv2d(r.f64(X), r.f64(W), &s);
        vec![epilogue::reference(r, &EPILOGUE, acc, s.output[0] * s.output[1])]
    },
    bound: |r, _| {
        let s = stated(r);
        let magnitude = |v: &[f64]| v.iter().map(|v| v.abs()).collect::<Vec<_>>();
        let acc = kernels_ref::conv::conv2d(r.f64(X), r.f64(W), &s);
        let of = kernels_ref::conv::conv2d(&magnitude(r.f64(X)), &magnitude(r.f64(W)), &s);
        vec![epilogue::bound(r, &EPILOGUE, &acc, &of, taps(r), s.output[0] * s.output[1])]
    },
    backward: Backward::Rule(backward),
    fusion: Fusion { epilogue: Some(EPILOGUE), ..Fusion::NONE },
    ..Kernel::BASE
};

const PLAIN: Variant = Variant {
    shader: "conv/conv2d",
    steps: &[Step { entry: "conv2d", grid: |c| Grid::Threads(c.outputs[0].len() as u64), loops }],
    ..Variant::BASE
};

const DIRECT: Variant = Variant {
    how: "direct",
    shader: "conv/direct",
    steps: &[
        Step { entry: "conv2d_direct_pack", grid: |c| Grid::Threads(packed(&sizes(c)) as u64), loops: |_| 0 },
        Step { entry: "conv2d_direct", grid: |c| strips(c, quads(&sizes(c)) * 4, 4), loops: |c| loops(c) + 96 },
    ],
    pack: &["conv2d_direct_pack"],
    scratch: &[PACKED],
    scalars: |c| Scalars::new().set("QUADS", quads(&sizes(c))),
    ..Variant::BASE
};

const VEC4: Variant = Variant {
    how: "vec4",
    shader: "conv/vec4",
    applies: |c, _| {
        let s = sizes(c);
        let reach = s.kernel[1] as i64 - 1 - s.before[1] as i64;
        let unit = s.o / s.groups > 2 && s.stride[1] == 1 && s.dilation[1] == 1 && s.kernel[1] <= 5;
        unit && s.input[1].is_multiple_of(4) && s.before[1] <= 4 && reach <= 4
    },
    steps: &[
        Step { entry: "conv2d_vec4_pack", grid: |c| Grid::Threads(packed(&sizes(c)) as u64), loops: |_| 0 },
        Step {
            entry: "conv2d_vec4",
            grid: |c| strips(c, quads(&sizes(c)) * 4, vectors(&sizes(c)) * 4),
            loops: |c| {
                let s = sizes(c);
                (s.c / s.groups * (s.kernel[0] + 1)) as u64 + 160
            },
        },
    ],
    pack: &["conv2d_vec4_pack"],
    scratch: &[PACKED],
    scalars: |c| {
        let s = sizes(c);
        let all = Scalars::new().set("QUADS", quads(&s)).set("VECTORS", vectors(&s));
        all.set("KW", s.kernel[1]).set("PAD", s.before[1])
    },
    ..Variant::BASE
};

const TILED: Variant = Variant {
    how: "tiled",
    shader: "conv/tiled",
    // Below that, most of a tile of 64 channels would be empty.
    applies: |c, _| sizes(c).o / sizes(c).groups >= 16,
    steps: &[Step { entry: "conv2d_tiled", grid: tiles, loops: |c| taps(c) as u64 * 33 / 16 + 128 }],
    ..Variant::BASE
};

const POINTWISE: Variant = Variant {
    how: "pointwise",
    shader: "conv/pointwise",
    applies: |c, _| {
        let s = sizes(c);
        let by = if c.input(W).dtype == Dtype::F16 { 8 } else { 4 };
        pointwise(&s) && s.input[1].is_multiple_of(4) && (s.c / s.groups).is_multiple_of(by) && s.o / s.groups >= 16
    },
    steps: &[Step { entry: "conv2d_pointwise", grid: tiles, loops: |c| taps(c) as u64 * 9 / 16 + 64 }],
    ..Variant::BASE
};

const DEPTHWISE: Variant = Variant {
    how: "depthwise",
    shader: "conv/depthwise",
    applies: |c, _| sizes(c).o / sizes(c).groups <= 2,
    steps: &[Step { entry: "conv2d_depthwise", grid: |c| strips(c, 1, 4), loops }],
    ..Variant::BASE
};

const DEPTHWISE_VEC4: Variant = Variant {
    how: "depthwise_vec4",
    shader: "conv/depthwise_vec4",
    applies: |c, _| {
        let s = sizes(c);
        // The last column that a strip of four windows sees, from its first vector.
        let reach = 3 * s.stride[1] + s.kernel[1] - 1;
        let known = s.before[1] <= 4 && s.kernel[1] <= 5 && s.stride[1] <= 2 && s.dilation == [1, 1];
        s.o / s.groups <= 2 && s.input[1].is_multiple_of(4) && known && reach < 4 * (1 + s.stride[1]) + s.before[1]
    },
    steps: &[Step {
        entry: "conv2d_depthwise_vec4",
        grid: |c| {
            let s = sizes(c);
            let blocks = (s.output[0].div_ceil(4) * s.output[1].div_ceil(4)).div_ceil(LANES);
            Grid::Groups((s.batch * s.o * blocks) as u64)
        },
        loops: |c| {
            let s = sizes(c);
            (s.c / s.groups * (1 + 3 * s.stride[0] + s.kernel[0])) as u64
        },
    }],
    scalars: |c| {
        let s = sizes(c);
        Scalars::new().set("KW", s.kernel[1]).set("PAD", s.before[1]).set("STRIDE", s.stride[1])
    },
    ..Variant::BASE
};

const PACKED: Scratch = Scratch { name: "packed", spec: |c| Spec::new(c.input(W).dtype, &[packed(&sizes(c)), 4]) };

/// Times four output channels a lane of `direct` and `vec4` makes: few where a group has few.
fn quads(s: &Sizes) -> usize {
    match s.o / s.groups {
        0..=4 => 1,
        5..=8 => 2,
        _ => 4,
    }
}

/// Vectors of packed weights.
fn packed(s: &Sizes) -> usize {
    let taps = s.c / s.groups * s.kernel[0] * s.kernel[1];
    s.groups * (s.o / s.groups).div_ceil(4 * quads(s)) * taps * quads(s)
}

/// Times four pixels of a row a lane of `vec4` makes: one where two would often be half empty.
fn vectors(s: &Sizes) -> usize {
    let fours = s.output[1].div_ceil(4);
    if fours.is_multiple_of(2) || fours > 4 { 2 } else { 1 }
}

/// Workgroups of blocks of `channels` of every group, times blocks of strips of `pixels`.
fn strips(c: &Call, channels: usize, pixels: usize) -> Grid {
    let s = sizes(c);
    let blocks = (s.output[0] * s.output[1].div_ceil(pixels)).div_ceil(LANES);
    Grid::Groups((s.batch * s.groups * (s.o / s.groups).div_ceil(channels) * blocks) as u64)
}

/// Tiles of channels of every group, times tiles of pixels of all images.
fn tiles(c: &Call) -> Grid {
    let s = sizes(c);
    let pixels = s.batch * s.output[0] * s.output[1];
    Grid::Groups((s.groups * (s.o / s.groups).div_ceil(TILE) * pixels.div_ceil(TILE)) as u64)
}

/// Loop iterations of one invocation that visits every tap.
fn loops(c: &Call) -> u64 {
    let s = sizes(c);
    (s.c / s.groups * (1 + s.kernel[0] * (1 + s.kernel[1]))) as u64 + 16
}

/// Products of one sum.
fn taps(c: &Call) -> usize {
    c.shape(W)[1..].iter().product()
}

fn choose(c: &Call, adapter: &Adapter) -> usize {
    let how = match adapter.kind {
        // Blocks of 4 × 4 pixels fill the lanes of a workgroup only where the image is large.
        _ if DEPTHWISE_VEC4.fits(c, adapter) && sizes(c).output[0] * sizes(c).output[1] >= LARGE => DEPTHWISE_VEC4.how,
        _ if DEPTHWISE.fits(c, adapter) => DEPTHWISE.how,
        // Winograd's transforms are faster, but their error has no proof within the bound (docs/numerics.md): only
        // `handmill tune` takes them, where they pass on the values at hand.
        AdapterKind::Cpu => VEC4.how,
        _ if POINTWISE.fits(c, adapter) => POINTWISE.how,
        _ => TILED.how,
    };
    CONV2D.index_of(how)
}

/// What the variants compute of a call that passed the shape rule.
pub(super) fn sizes(c: &Call) -> Sizes {
    flat(stated(c))
}

/// Windows of one pixel that cover the image know no rows: every plane is one long row, and the convolution a product
/// of matrices.
pub(super) fn flat(s: Sizes) -> Sizes {
    let plane = s.input[0] * s.input[1];
    if pointwise(&s) { Sizes { input: [1, plane], output: [1, plane], ..s } } else { s }
}

/// True if each pixel has a window to itself.
fn pointwise(s: &Sizes) -> bool {
    s.kernel == [1, 1] && s.stride == [1, 1] && s.before == [0, 0] && s.input == s.output
}

/// The sizes of a call as it states them.
fn stated(c: &Call) -> Sizes {
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
        before: [padding[0], padding[2]],
        dilation: [dilation[0], dilation[1]],
        groups: c.int("groups") as usize,
    }
}

/// The scalars of `lib/conv.wgsl`.
pub(super) fn sizes_scalars(s: &Sizes) -> Scalars {
    Scalars::new()
        .set("batch", s.batch)
        .set("c", s.c)
        .set("h", s.input[0])
        .set("w_in", s.input[1])
        .set("o", s.o)
        .set("oh", s.output[0])
        .set("ow", s.output[1])
        .set("kh", s.kernel[0])
        .set("kw", s.kernel[1])
        .set("stride_h", s.stride[0])
        .set("stride_w", s.stride[1])
        .set("top", s.before[0])
        .set("left", s.before[1])
        .set("dilation_h", s.dilation[0])
        .set("dilation_w", s.dilation[1])
        .set("groups", s.groups)
}

fn scalars(c: &Call) -> Scalars {
    sizes_scalars(&sizes(c)).extend(epilogue::scalars(c, &EPILOGUE))
}

/// Whole numbers of a list parameter: `count` of them, each at least `least` and below 2¹⁶.
pub(super) fn list(c: &Call, name: &str, count: usize, least: i64) -> Result<Vec<usize>, String> {
    let values = c.ints(name);
    if values.len() != count || values.iter().any(|v| !(least..1 << 16).contains(v)) {
        return Err(format!("{name} is {values:?}, expected {count} numbers from {least} to 65535"));
    }
    Ok(values.iter().map(|&v| v as usize).collect())
}

/// The number of groups, if it divides `channels` of what is called `name`.
pub(super) fn groups(c: &Call, name: &str, channels: usize) -> Result<usize, String> {
    let groups = usize::try_from(c.int("groups")).unwrap_or(0);
    if groups == 0 || !channels.is_multiple_of(groups) {
        return Err(format!("{} groups do not divide the {channels} channels of {name}", c.int("groups")));
    }
    Ok(groups)
}

/// Windows of `kernel` that fit `padded`, down and right.
pub(super) fn windows(
    padded: [usize; 2],
    kernel: [usize; 2],
    stride: &[usize],
    dilation: &[usize],
) -> Result<[usize; 2], String> {
    let along = |a: usize| {
        let window = dilation[a] * kernel[a].saturating_sub(1) + 1;
        let reach = padded[a].checked_sub(window).ok_or(format!("a window of {window} does not fit {}", padded[a]))?;
        Ok::<usize, String>(reach / stride[a] + 1)
    };
    Ok([along(0)?, along(1)?])
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let (xs, ws) = (c.shape(X), c.shape(W));
    let (&[batch, channels, h, w], &[o, inner, kh, kw]) = (xs, ws) else {
        return Err(format!(
            "x is {} and w is {}, expected (B, C, H, W) and (O, C/groups, KH, KW)",
            Dims(xs),
            Dims(ws)
        ));
    };
    let (stride, dilation) = (list(c, "stride", 2, 1)?, list(c, "dilation", 2, 1)?);
    let padding = list(c, "padding", 4, 0)?;
    let count = groups(c, "x", channels)?;
    groups(c, "y", o)?;
    if inner != channels / count {
        return Err(format!("w has {inner} input channels, expected {} of {channels}", channels / count));
    }
    let padded = [h + padding[0] + padding[1], w + padding[2] + padding[3]];
    let [oh, ow] = windows(padded, [kh, kw], &stride, &dilation)?;
    let y = [batch, o, oh, ow];
    epilogue::check(c, &EPILOGUE, o, &y)?;
    Ok(vec![Spec::f32(&y)])
}

/// Through the epilogue to the sum, then to what the sum is made of.
fn backward<'g>(n: &Adjoint<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
    let d = epilogue::backward(n, &EPILOGUE);
    let scale = n.float("scale");
    let d_acc = if scale == 1.0 { d.sum } else { d.sum * scale };
    let options = Conv2d::of(n);
    vec![
        n.wanted(X, || d_acc.conv2d_backward_data(n.x(W), [n.shape(X)[2], n.shape(X)[3]], options)),
        n.wanted(W, || n.x(X).conv2d_backward_weight(d_acc, [n.shape(W)[2], n.shape(W)[3]], options)),
        d.bias,
        d.residual,
    ]
}

/// Stride, padding, dilation and groups of a two-dimensional convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2d {
    /// Distance of neighbouring windows, down and right.
    pub stride: [usize; 2],
    /// Zeros added above, below, left and right.
    pub padding: [usize; 4],
    /// Distance of neighbouring taps, down and right.
    pub dilation: [usize; 2],
    /// Groups of channels that do not mix.
    pub groups: usize,
}

impl Default for Conv2d {
    fn default() -> Conv2d {
        Conv2d { stride: [1, 1], padding: [0; 4], dilation: [1, 1], groups: 1 }
    }
}

impl Conv2d {
    /// Those of a call that passed its shape rule.
    fn of(c: &Call) -> Conv2d {
        let s = sizes(c);
        let p = c.sizes("padding");
        let padding = [p[0], p[1], p[2], p[3]];
        Conv2d { stride: s.stride, padding, dilation: s.dilation, groups: s.groups }
    }

    /// As parameters of a kernel.
    pub(super) fn params(self) -> Vec<(&'static str, Value)> {
        vec![
            ("stride", self.stride.into()),
            ("padding", self.padding.into()),
            ("dilation", self.dilation.into()),
            ("groups", self.groups.into()),
        ]
    }

    /// With `n` zeros on every side.
    pub fn padded(n: usize) -> Conv2d {
        Conv2d { padding: [n; 4], ..Conv2d::default() }
    }

    /// With the zeros that keep the size at stride 1; an odd one goes below and to the right.
    pub fn same(kernel: [usize; 2], dilation: [usize; 2]) -> Conv2d {
        let total = [0, 1].map(|i| dilation[i] * kernel[i].saturating_sub(1));
        let [up, left] = total.map(|t| t / 2);
        Conv2d { padding: [up, total[0] - up, left, total[1] - left], dilation, ..Conv2d::default() }
    }
}

/// Stride, padding, dilation and groups of a one-dimensional convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv1d {
    /// Distance of neighbouring windows.
    pub stride: usize,
    /// Zeros added before and after.
    pub padding: [usize; 2],
    /// Distance of neighbouring taps.
    pub dilation: usize,
    /// Groups of channels that do not mix.
    pub groups: usize,
}

impl Default for Conv1d {
    fn default() -> Conv1d {
        Conv1d { stride: 1, padding: [0; 2], dilation: 1, groups: 1 }
    }
}

impl<'g> Tensor<'g> {
    /// Slides windows of weights over images (cross-correlation).
    ///
    /// `y[b,o,i,j] = bias[o] + Σ_{c,u,v} w[o,c,u,v] · x[b, g·C/groups + c, i·stride + u·dilation − top, …]`, with
    /// zeros outside `x` and `g` the group of `o`
    ///
    /// # Shapes
    /// `self (B, C, H, W)` · `w (O, C/groups, KH, KW)` · `bias (O)` → `(B, O, OH, OW)` with
    /// `OH = ⌊(H + top + bottom − dilation·(KH−1) − 1)/stride⌋ + 1`
    /// # Errors
    /// [`crate::Error::Graph`] if channels and groups do not match, or the window does not fit
    /// # Gradient
    /// `self`, `w`, `bias`
    /// # Source
    /// PyTorch `F.conv2d`
    #[track_caller]
    pub fn conv2d(self, w: Tensor<'g>, bias: Option<Tensor<'g>>, options: Conv2d) -> Tensor<'g> {
        self.graph().dispatch(&CONV2D, &[Some(self), Some(w), bias, None], &options.params())[0]
    }

    /// Slides windows of weights along sequences (cross-correlation): `conv2d` with one row.
    ///
    /// `y[b,o,i] = bias[o] + Σ_{c,u} w[o,c,u] · x[b, g·C/groups + c, i·stride + u·dilation − before]`
    ///
    /// # Shapes
    /// `self (B, C, T)` · `w (O, C/groups, K)` · `bias (O)` → `(B, O, OT)`
    /// # Errors
    /// [`crate::Error::Graph`] if channels and groups do not match, or the window does not fit
    /// # Gradient
    /// `self`, `w`, `bias`
    /// # Source
    /// PyTorch `F.conv1d`
    #[track_caller]
    pub fn conv1d(self, w: Tensor<'g>, bias: Option<Tensor<'g>>, options: Conv1d) -> Tensor<'g> {
        if self.rank() != 3 || w.rank() != 3 {
            let message = format!(
                "x is {} and w is {}, expected (B, C, T) and (O, C/groups, K)",
                Dims(&self.shape()),
                Dims(&w.shape())
            );
            self.graph().reject("conv1d", message);
            return self;
        }
        let [before, after] = options.padding;
        let wide = Conv2d {
            stride: [1, options.stride],
            padding: [0, 0, before, after],
            dilation: [1, options.dilation],
            groups: options.groups,
        };
        let y = self.unsqueeze(2).conv2d(w.unsqueeze(2), bias, wide);
        if y.rank() == 4 { y.squeeze(2) } else { y }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;

    fn said(x: &[usize], w: &[usize], options: Conv2d) -> String {
        let g = Graph::new();
        g.weight("x", x).conv2d(g.weight("w", w), None, options);
        g.build().map_or_else(|e| e.to_string(), |g| format!("{:?}", g.nodes[0].call.outputs[0].shape))
    }

    #[test]
    fn sizes_are_pytorchs() {
        let strided = Conv2d { stride: [2, 1], ..Conv2d::padded(1) };
        assert_eq!(said(&[2, 3, 9, 8], &[5, 3, 3, 4], strided), "[2, 5, 5, 7]");
        assert_eq!(said(&[1, 3, 9, 8], &[5, 3, 4, 4], Conv2d::same([4, 4], [2, 1])), "[1, 5, 9, 8]");
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let groups = |groups| Conv2d { groups, ..Conv2d::default() };
        let cases = [
            (said(&[1, 4, 8, 8], &[6, 4, 3, 3], groups(3)), "3 groups do not divide the 4 channels of x"),
            (said(&[1, 4, 8, 8], &[6, 4, 3, 3], groups(0)), "0 groups do not divide the 4 channels of x"),
            (said(&[1, 4, 8, 8], &[6, 3, 3, 3], groups(1)), "w has 3 input channels, expected 4 of 4"),
            (said(&[1, 4, 8, 2], &[6, 4, 3, 3], groups(1)), "a window of 3 does not fit 2"),
            (
                said(&[1, 4, 8, 8], &[6, 4, 3, 3], Conv2d { stride: [0, 1], ..Conv2d::default() }),
                "stride is [0, 1], expected 2 numbers from 1 to 65535",
            ),
        ];
        for (got, want) in cases {
            assert!(got.contains(want), "{got}");
        }
    }
}
