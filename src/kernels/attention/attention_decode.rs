//! Attention against caches. Shader: shaders/attention/attention_decode.wgsl

use std::f64::consts::LOG2_E;

use kernels_ref::attention::attention_row;

use super::attention::row_bound;
use super::{scale, sizes, strides};
use crate::graph::Tensor;
use crate::kernel::{
    Backward, Call, Default, Grid, Kernel, Param, Port, Ref, Scalars, Scratch, Spec, Step, Variant, Work,
};
use crate::shape::Dims;

const LENGTH: usize = 3;
const KEY_MASK: usize = 4;

/// Head dims a workgroup holds.
const DIMS: usize = 256;
/// Fewest keys of a split, and most splits of a query: enough workgroups, few partial results.
const KEYS: usize = 256;
const SPLITS: usize = 64;
const WG: usize = 64;

/// Attention of a few queries against the filled part of caches.
pub static ATTENTION_DECODE: Kernel = Kernel {
    name: "attention_decode",
    inputs: &[
        Port::f32("q").strided(),
        Port::f32_or_f16("cache_k").strided(),
        Port::f32_or_f16("cache_v").strided(),
        Port::i32("length"),
        Port::i32("key_mask").optional().strided(),
    ],
    params: &[Param::new("scale", Default::Float(0.0))],
    shape,
    scalars,
    variants: &[Variant {
        shader: "attention/attention_decode",
        steps: &[
            Step {
                entry: "attention_decode",
                grid: |c| Grid::Groups((rows(c) * splits(c).0) as u64),
                loops: |c| {
                    let (d, tiles) = (c.shape(0)[3], splits(c).1.div_ceil(WG));
                    (d.div_ceil(WG) + tiles * (1 + d + 2 * WG) + 4) as u64
                },
            },
            Step {
                entry: "attention_decode_merge",
                grid: |c| Grid::Groups(rows(c) as u64),
                loops: |c| (splits(c).0 + c.shape(2)[3].div_ceil(WG) * (splits(c).0 + 1)) as u64,
            },
        ],
        scratch: &[Scratch { name: "partial", spec: |c| Spec::f32(&[rows(c), splits(c).0, c.shape(2)[3] + 2]) }],
        ..Variant::BASE
    }],
    work: |c| {
        let pairs = (rows(c) * c.shape(1)[2]) as u64;
        Work { flops: 2 * pairs * (c.shape(0)[3] + c.shape(2)[3]) as u64, bytes: c.bytes() }
    },
    reference: |r| {
        let n = sizes(r).expect("bug: sizes passed the shape rule");
        let (q, k, v, length, mask) = (r.f64(0), r.f64(1), r.f64(2), r.f64(LENGTH), r.opt(KEY_MASK));
        vec![kernels_ref::attention::attention_decode(q, k, v, length, mask, n, scale(r))]
    },
    bound,
    backward: Backward::None("a cache serves generation"),
    ..Kernel::BASE
};

fn rows(c: &Call) -> usize {
    c.shape(0)[..3].iter().product()
}

/// How many workgroups share a query, and how many keys each takes.
fn splits(c: &Call) -> (usize, usize) {
    let max = c.shape(1)[2];
    let chunk = max.div_ceil(max.div_ceil(KEYS).min(SPLITS)).next_multiple_of(WG);
    (max.div_ceil(chunk), chunk)
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let n = sizes(c)?;
    if n.d.max(n.dv) > DIMS {
        return Err(format!("head dims {} and {} exceed {DIMS}", n.d, n.dv));
    }
    let length = c.shape(LENGTH);
    if length != [1] && length != [n.b] {
        return Err(format!("length is {}, expected (1,) or {}", Dims(length), Dims(&[n.b])));
    }
    if c.has(KEY_MASK) && c.shape(KEY_MASK) != [n.b, n.s] {
        return Err(format!("key_mask is {}, expected {}", Dims(c.shape(KEY_MASK)), Dims(&[n.b, n.s])));
    }
    if !c.float("scale").is_finite() {
        return Err(format!("scale is {}", c.float("scale")));
    }
    Ok(vec![Spec::f32(&[n.b, n.t, n.h, n.dv])])
}

fn scalars(c: &Call) -> Scalars {
    let n = sizes(c).expect("bug: sizes passed the shape rule");
    let (splits, chunk) = splits(c);
    let all = Scalars::new()
        .set("batch", n.b)
        .set("heads", n.h)
        .set("group", n.h / n.kh)
        .set("rows", n.t)
        .set("max", n.s)
        .set("splits", splits)
        .set("chunk", chunk)
        .set("length_b", usize::from(c.shape(LENGTH)[0] > 1))
        .set("scale", scale(c) * LOG2_E)
        .set("D", n.d)
        .set("DV", n.dv);
    let all = strides(all, c, 0, "q", &["b", "h", "t", "d"]);
    let all = strides(all, c, 1, "k", &["b", "h", "s", "d"]);
    let all = strides(all, c, 2, "v", &["b", "h", "s", "d"]);
    strides(all, c, KEY_MASK, "mask", &["b", "s"])
}

fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = sizes(r).expect("bug: sizes passed the shape rule");
    let (length, mask) = (r.f64(LENGTH), r.opt(KEY_MASK));
    let mut bound = vec![0.0; out[0].len()];
    for row in 0..n.b * n.t * n.h {
        let (b, t, h) = (row / (n.t * n.h), row / n.h % n.t, row % n.h);
        let filled = length[b % length.len()] as i64 - (n.t - 1 - t) as i64;
        let open = |j: usize| (j as i64) < filled && mask.is_none_or(|m| m[b * n.s + j] != 0.0);
        let scores = attention_row((b, h, t), r.f64(0), r.f64(1), None, open, n, scale(r));
        let y = row * n.dv..(row + 1) * n.dv;
        row_bound(&scores, None, r.f64(2), n.d, &out[0][y.clone()], r.tol, &mut bound[y]);
    }
    vec![bound]
}

impl<'g> Tensor<'g> {
    /// Softmax attention of the newest queries `self` against caches of which `length` positions are filled:
    /// query `t` of `T` attends to positions `j < length − (T − 1 − t)`. `scale` 0 stands for 1/√D.
    ///
    /// # Shapes
    /// `self (B, H, T, D)` · `cache_k (B, KH, MAX, D)` · `cache_v (B, KH, MAX, DV)` · `length (1)` or `(B)` i32 ·
    /// `key_mask (B, MAX)` i32 → `(B, H, T, DV)`, laid out so that [`Tensor::merge_heads`] is a view
    /// # Units
    /// `length` counts positions, the newest included
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes do not fit or a head dim exceeds 256
    /// # Gradient
    /// None: it serves generation
    /// # Source
    /// Dao et al. 2022, arXiv:2205.14135; Dao et al. 2023, Flash-Decoding
    #[track_caller]
    pub fn attention_decode(
        self,
        cache_k: Tensor<'g>,
        cache_v: Tensor<'g>,
        length: Tensor<'g>,
        key_mask: Option<Tensor<'g>>,
        scale: f64,
    ) -> Tensor<'g> {
        let inputs = [Some(self), Some(cache_k), Some(cache_v), Some(length), key_mask];
        let y = self.graph().dispatch(&ATTENTION_DECODE, &inputs, &[("scale", scale.into())])[0];
        if y.rank() == 4 { y.permute(&[0, 2, 1, 3]) } else { self }
    }
}
