//! Attention of few queries over many keys. Shader: shaders/attention/attention_split.wgsl

use crate::kernel::{Call, Grid, Scalars, Scratch, Spec, Step, Variant};

/// Head dims a workgroup holds.
const DIMS: usize = 256;
/// Keys of a round, fewest of a split, and most splits of a query: enough workgroups, few partial results.
const ROUND: usize = 256;
const SPLITS: usize = 64;
const WG: usize = 64;

/// The keys of a query shared by several workgroups.
pub(super) const SPLIT: Variant = Variant {
    how: "split",
    shader: "attention/attention_split",
    applies: |c, _| c.shape(0)[3].max(c.shape(2)[3]) <= DIMS && splits(c).0 > 1,
    steps: &[
        Step {
            entry: "attention_split_parts",
            grid: |c| Grid::Groups((rows(c) * splits(c).0) as u64),
            loops: |c| {
                let (d, rounds) = (c.shape(0)[3], splits(c).1 / ROUND);
                (d.div_ceil(WG) + rounds * (1 + d + WG + ROUND)) as u64
            },
        },
        Step {
            entry: "attention_split",
            grid: |c| Grid::Groups(rows(c) as u64),
            loops: |c| ((2 + c.shape(2)[3].div_ceil(WG)) * (splits(c).0 + 1)) as u64,
        },
    ],
    scratch: &[Scratch { name: "partial", spec: |c| Spec::f32(&[rows(c), splits(c).0, c.shape(2)[3] + 2]) }],
    scalars: |c| {
        let (splits, chunk) = splits(c);
        Scalars::new().set("tiles", 1usize).set("SPLITS", splits).set("CHUNK", chunk)
    },
    ..Variant::BASE
};

/// Queries of all heads.
fn rows(c: &Call) -> usize {
    c.shape(0)[..3].iter().product()
}

/// How many workgroups share a query, and how many keys each takes.
fn splits(c: &Call) -> (usize, usize) {
    let keys = c.shape(1)[2];
    let chunk = keys.div_ceil(keys.div_ceil(ROUND).clamp(1, SPLITS)).next_multiple_of(ROUND);
    (keys.div_ceil(chunk), chunk)
}

/// True if the tiles of the plain variant would leave most of a GPU idle: few queries, many keys.
pub(super) fn pays(c: &Call) -> bool {
    const FEW: usize = 8;
    const MANY: usize = 1024;
    let q = c.shape(0);
    q[2] <= FEW && c.shape(1)[2] >= MANY && q[0] * q[1] <= 256
}
