//! What spreading windows over a larger image takes, a phase at a time: the gradient of a convolution's image, and the
//! transposed convolution. Shaders: shaders/lib/conv_phases_*.wgsl
//!
//! Rows and columns of the image whose remainders by the stride are the same are a phase. Sizes are those of the
//! convolution whose image it is: windows `output` of `o` channels are spread over `input` of `c` channels.

use kernels_ref::conv::Conv2d as Sizes;

use crate::kernel::{Grid, Scalars};

/// Lanes of a workgroup of `direct`.
const LANES: usize = 32;
/// Channels and pixels of a tile of `tiled`.
const TILE: usize = 64;

/// Times four channels of the image a lane of `direct` makes: few where a group has few.
fn quads(s: &Sizes) -> usize {
    match s.c / s.groups {
        0..=4 => 1,
        5..=8 => 2,
        _ => 4,
    }
}

/// Blocks of channels of the image, of a group.
fn channel_blocks(s: &Sizes) -> usize {
    (s.c / s.groups).div_ceil(4 * quads(s))
}

/// Vectors of packed weights of `direct`.
pub(super) fn packed(s: &Sizes) -> usize {
    s.groups * channel_blocks(s) * quads(s) * s.kernel[0] * s.kernel[1] * (s.o / s.groups)
}

/// Phases that have a pixel.
fn count(s: &Sizes) -> usize {
    s.stride[0].min(s.input[0]) * s.stride[1].min(s.input[1])
}

/// Rows and columns of a phase, at most.
fn rows_columns(s: &Sizes) -> [usize; 2] {
    [0, 1].map(|a| s.input[a].div_ceil(s.stride[a]))
}

/// Workgroups of `direct`.
pub(super) fn lanes(s: &Sizes) -> Grid {
    let [rows, columns] = rows_columns(s);
    let blocks = (rows * columns.div_ceil(4)).div_ceil(LANES) * channel_blocks(s);
    Grid::Groups((s.batch * s.groups * count(s) * blocks) as u64)
}

/// Scalars of `direct`.
pub(super) fn direct_scalars(s: &Sizes) -> Scalars {
    Scalars::new().set("QUADS", quads(s))
}

/// Loop iterations of one invocation that visits every tap, and for each every channel.
pub(super) fn taps_then_channels(s: &Sizes) -> u64 {
    (s.kernel[0] * (1 + s.kernel[1] * (1 + s.o / s.groups))) as u64
}

/// True if a tile of 64 channels would not be mostly empty.
pub(super) fn fills_tiles(s: &Sizes) -> bool {
    s.c / s.groups >= 16
}

/// Workgroups of `tiled`.
pub(super) fn tiles(s: &Sizes) -> Grid {
    let [rows, columns] = rows_columns(s);
    let tiles = (s.c / s.groups).div_ceil(TILE) * (s.batch * rows * columns).div_ceil(TILE);
    Grid::Groups((s.groups * count(s) * tiles) as u64)
}

/// Loop iterations of one invocation of `tiled`.
pub(super) fn tiled_loops(s: &Sizes) -> u64 {
    let terms = s.o / s.groups * s.kernel[0] * s.kernel[1];
    (terms.div_ceil(16) * 21 + s.kernel[0] + s.kernel[1] + 8) as u64
}

/// Scalars of `tiled`: how many taps lie from one that reaches a phase to the next.
pub(super) fn tiled_scalars(s: &Sizes) -> Scalars {
    let step = [0, 1].map(|a| s.stride[a] / gcd(s.stride[a], s.dilation[a]));
    Scalars::new().set("STEP_H", step[0]).set("STEP_W", step[1])
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
