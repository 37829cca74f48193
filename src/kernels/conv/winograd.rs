//! Winograd's variants of conv2d. Shaders: shaders/conv/winograd.wgsl, winograd_tiled.wgsl, shaders/lib/winograd.wgsl

use kernels_ref::conv::Conv2d as Sizes;

use super::conv2d::sizes;
use crate::adapter::Adapter;
use crate::kernel::{Call, Grid, Scratch, Spec, Step, Variant};

/// Products of a transformed tile.
const ELEMENTS: usize = 16;
/// Lanes and channels of a workgroup of `winograd`.
const LANES: usize = 16;
/// Channels and tiles of a workgroup of `winograd_tiled`.
const TILE: usize = 64;

/// For CPU adapters.
pub(super) const WINOGRAD: Variant = Variant {
    how: "winograd",
    shader: "conv/winograd",
    applies,
    steps: &[
        Step { entry: "conv2d_winograd_pack", grid: weights, loops: |_| 0 },
        Step { entry: "conv2d_winograd_image", grid: image, loops: |_| 0 },
        Step {
            entry: "conv2d_winograd_products",
            grid: |c| {
                let s = sizes(c);
                Grid::Groups((ELEMENTS * s.o.div_ceil(LANES) * vectors(&s).div_ceil(LANES)) as u64)
            },
            loops: |c| sizes(c).c as u64,
        },
        Step { entry: "conv2d_winograd", grid: results, loops: |_| 0 },
    ],
    pack: &["conv2d_winograd_pack"],
    scratch: SCRATCH,
    tuned: true,
    ..Variant::BASE
};

/// For GPUs.
pub(super) const WINOGRAD_TILED: Variant = Variant {
    how: "winograd_tiled",
    shader: "conv/winograd_tiled",
    applies,
    steps: &[
        Step { entry: "conv2d_winograd_tiled_pack", grid: weights, loops: |_| 0 },
        Step { entry: "conv2d_winograd_tiled_image", grid: image, loops: |_| 0 },
        Step {
            entry: "conv2d_winograd_tiled_products",
            grid: |c| {
                let s = sizes(c);
                Grid::Groups((ELEMENTS * s.o.div_ceil(TILE) * (4 * vectors(&s)).div_ceil(TILE)) as u64)
            },
            loops: |c| (sizes(c).c.div_ceil(16) + 1) as u64 * 17,
        },
        Step { entry: "conv2d_winograd_tiled", grid: results, loops: |_| 0 },
    ],
    pack: &["conv2d_winograd_tiled_pack"],
    scratch: SCRATCH,
    tuned: true,
    ..Variant::BASE
};

const SCRATCH: &[Scratch] = &[
    Scratch { name: "packed", spec: |c| four(ELEMENTS * sizes(c).c * channel_vectors(&sizes(c))) },
    Scratch { name: "transformed", spec: |c| four(ELEMENTS * sizes(c).c * vectors(&sizes(c))) },
    Scratch { name: "products", spec: |c| four(ELEMENTS * sizes(c).o * vectors(&sizes(c))) },
];

fn four(n: usize) -> Spec {
    Spec::f32(&[n, 4])
}

/// The channels of x from which the transforms pay, and the bound of a sum of their windows leaves room for the growth of
/// errors: with 16 channels a row whose windows are zero but for a value or two exceeds it (`conv2d/f32/2x16x7x9/sparse`).
const CHANNELS: usize = 64;

/// Windows of 3 × 3 at stride 1, channels enough, and scratch that a binding holds.
fn applies(c: &Call, adapter: &Adapter) -> bool {
    let s = sizes(c);
    let windows = s.kernel == [3, 3] && s.stride == [1, 1] && s.dilation == [1, 1] && s.groups == 1;
    let most = adapter.max_binding.min(adapter.max_buffer);
    let fits = SCRATCH.iter().all(|scratch| (scratch.spec)(c).bytes() <= most);
    windows && s.c >= CHANNELS && s.o >= 16 && fits
}

/// Vectors of four tiles of 2 × 2 pixels; a row begins a new one.
fn vectors(s: &Sizes) -> usize {
    s.batch * s.output[0].div_ceil(2) * s.output[1].div_ceil(8)
}

/// Vectors of output channels, in whole blocks of 16.
fn channel_vectors(s: &Sizes) -> usize {
    s.o.div_ceil(16) * 4
}

fn weights(c: &Call) -> Grid {
    Grid::Threads((sizes(c).c * channel_vectors(&sizes(c))) as u64)
}

fn image(c: &Call) -> Grid {
    Grid::Threads((sizes(c).c * vectors(&sizes(c))) as u64)
}

fn results(c: &Call) -> Grid {
    Grid::Threads((sizes(c).o * vectors(&sizes(c))) as u64)
}
