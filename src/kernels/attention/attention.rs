//! Fused softmax attention. Shaders: shaders/attention/attention.wgsl, attention_direct.wgsl,
//! attention_split.wgsl, attention_vec4.wgsl

use std::f64::consts::LOG2_E;

use kernels_ref::attention::{AttentionRow, NOTHING, attention_row, attention_weights};

use super::attention_backward::backward;
use super::{probabilities, scale, sizes, split, strides};
use crate::adapter::AdapterKind;
use crate::check::{Tol, U};
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Grid, Kernel, Param, Port, Ref, Scalars, Spec, Step, Variant, Work};
use crate::shape::Dims;

const BIAS: usize = 3;
const KEY_MASK: usize = 4;

/// Queries of a workgroup of the plain variant.
const TILE: usize = 32;
/// Queries of a workgroup of the direct variant.
const DIRECT: usize = 8;
/// Queries up to which the direct variant is taken on a CPU.
const FEW: usize = 16;
/// Fours of dims, times the queries of a lane, that the vec4 variant has room for.
const ROOM: usize = 128;
/// Columns of the output that a workgroup of the plain variant makes, and the most the direct one does.
const COLUMNS: usize = 256;

/// Softmax attention that never stores the scores.
pub static ATTENTION: Kernel = Kernel {
    name: "attention",
    inputs: &[
        Port::f32("q").strided(),
        Port::f32_or_f16("k").strided(),
        Port::f32_or_f16("v").strided(),
        Port::f32("bias").optional().strided(),
        Port::i32("key_mask").optional().strided(),
    ],
    outputs: &["y", "lse"],
    params: &[Param::new("scale", Default::Float(0.0)), Param::new("causal", Default::Flag(false))],
    shape,
    scalars,
    variants: &[
        split::SPLIT,
        Variant {
            how: "direct",
            shader: "attention/attention_direct",
            applies: |c, _| c.shape(0)[3] <= COLUMNS && c.shape(2)[3] <= COLUMNS,
            steps: &[Step {
                entry: "attention_direct",
                grid: |c| Grid::Groups(tiles(c, DIRECT)),
                loops: |c| {
                    let [d, s, dv] = [c.shape(0)[3], c.shape(1)[2], c.shape(2)[3]];
                    (d + dv + s.div_ceil(8) * (1 + d.div_ceil(4) + dv.div_ceil(4))) as u64
                },
            }],
            scalars: |c| {
                Scalars::new()
                    .set("tiles", c.shape(0)[2].div_ceil(DIRECT))
                    .set("TAIL", (c.shape(0)[3] | c.shape(2)[3]) % 4 != 0)
            },
            ..Variant::BASE
        },
        Variant {
            how: "vec4",
            shader: "attention/attention_vec4",
            applies: |c, _| {
                let [d, dv] = [c.shape(0)[3], c.shape(2)[3]];
                c.shape(0)[2] > FEW && (d | dv).is_multiple_of(4) && d.max(dv) <= COLUMNS
            },
            steps: &[Step {
                entry: "attention_vec4",
                grid: |c| Grid::Groups(tiles(c, DIRECT * queries(c))),
                loops: |c| {
                    let [d, s, dv] = [c.shape(0)[3], c.shape(1)[2], c.shape(2)[3]];
                    (queries(c) * (2 + d + dv) + s.div_ceil(8) * (1 + d.div_ceil(4) + dv.div_ceil(4))) as u64
                },
            }],
            scalars: |c| {
                Scalars::new().set("tiles", c.shape(0)[2].div_ceil(DIRECT * queries(c))).set("QUERIES", queries(c))
            },
            ..Variant::BASE
        },
        Variant {
            shader: "attention/attention",
            steps: &[Step {
                entry: "attention",
                grid: |c| Grid::Groups(tiles(c, TILE) * c.shape(2)[3].div_ceil(COLUMNS) as u64),
                loops,
            }],
            scalars: |c| {
                Scalars::new()
                    .set("tiles", c.shape(0)[2].div_ceil(TILE))
                    .set("BLOCKS", c.shape(2)[3].min(COLUMNS).div_ceil(64))
            },
            ..Variant::BASE
        },
    ],
    // A tile of 32 queries is mostly idle with fewer. llvmpipe, 2 cores: vec4 takes 23 ms for 1x8x256x64 where the plain
    // variant takes 74 ms, and 8.8 ms for 1x12x128x64 where that takes 28 ms.
    choose: |c, adapter| {
        let how = match adapter.kind {
            AdapterKind::Cpu if c.shape(0)[2] <= FEW => "direct",
            AdapterKind::Cpu => "vec4",
            _ if split::pays(c) => "split",
            _ => "",
        };
        ATTENTION.index_of(how)
    },
    work: |c| {
        let (q, v) = (c.spec(0).len() as u64, c.spec(2).shape);
        let pairs = q / c.shape(0)[3] as u64 * v[2] as u64 / if c.flag("causal") { 2 } else { 1 };
        Work { flops: 2 * pairs * (c.shape(0)[3] + v[3]) as u64, bytes: c.bytes() }
    },
    reference: |r| {
        let n = sizes(r).expect("bug: sizes passed the shape rule");
        let (q, k, v) = (r.f64(0), r.f64(1), r.f64(2));
        let (y, lse) =
            kernels_ref::attention::attention(q, k, v, r.opt(BIAS), r.opt(KEY_MASK), n, scale(r), r.flag("causal"));
        vec![y, lse]
    },
    bound,
    backward: Backward::Rule(backward),
    ..Kernel::BASE
};

/// Queries of a lane of the vec4 variant: 2, 4 or 8, as many as it has room for.
fn queries(c: &Call) -> usize {
    let fours = c.shape(0)[3].max(c.shape(2)[3]).div_ceil(4).max(1);
    1 << (ROOM / fours).clamp(1, 8).ilog2()
}

/// Workgroups of `tile` queries each.
fn tiles(c: &Call, tile: usize) -> u64 {
    let q = c.shape(0);
    (q[0] * q[1] * q[2].div_ceil(tile)) as u64
}

/// Of a tile of 64 keys: steps of 16 dims, each with 2 loads and 4 fours, and as many steps of 16 keys.
fn loops(c: &Call) -> u64 {
    let [d, s, dv] = [c.shape(0)[3], c.shape(1)[2], c.shape(2)[3].min(COLUMNS)];
    (s.div_ceil(64) * (1 + 7 * d.div_ceil(16) + 16 + 28 * dv.div_ceil(64)) + 16) as u64
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let n = sizes(c)?;
    let scores = [n.b, n.h, n.t, n.s];
    if c.has(BIAS) && c.shape(BIAS) != scores {
        return Err(format!("bias is {}, expected {}", Dims(c.shape(BIAS)), Dims(&scores)));
    }
    if c.has(KEY_MASK) && c.shape(KEY_MASK) != [n.b, n.s] {
        return Err(format!("key_mask is {}, expected {}", Dims(c.shape(KEY_MASK)), Dims(&[n.b, n.s])));
    }
    if !c.float("scale").is_finite() {
        return Err(format!("scale is {}", c.float("scale")));
    }
    Ok(vec![Spec::f32(&[n.b, n.t, n.h, n.dv]), Spec::f32(&[n.b, n.h, n.t])])
}

fn scalars(c: &Call) -> Scalars {
    let n = sizes(c).expect("bug: sizes passed the shape rule");
    let all = Scalars::new()
        .set("batch", n.b)
        .set("heads", n.h)
        .set("group", n.h / n.kh)
        .set("rows", n.t)
        .set("keys", n.s)
        .set("scale", scale(c) * LOG2_E)
        .set("dims", n.d)
        .set("columns", n.dv)
        .set("causal", c.flag("causal"));
    let all = strides(all, c, 0, "q", &["b", "h", "t", "d"]);
    let all = strides(all, c, 1, "k", &["b", "h", "s", "d"]);
    let all = strides(all, c, 2, "v", &["b", "h", "s", "d"]);
    let all = strides(all, c, BIAS, "bias", &["b", "h", "t", "s"]);
    strides(all, c, KEY_MASK, "mask", &["b", "s"])
}

fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = sizes(r).expect("bug: sizes passed the shape rule");
    let (mask, causal, scale) = (r.opt(KEY_MASK), r.flag("causal"), scale(r));
    let mut bounds = vec![vec![0.0; out[0].len()], vec![0.0; out[1].len()]];
    for row in 0..out[1].len() {
        let (b, h, t) = (row / (n.h * n.t), row / n.t % n.h, row % n.t);
        let open = |j: usize| mask.is_none_or(|m| m[b * n.s + j] != 0.0) && (!causal || j + n.t <= t + n.s);
        let scores = attention_row((b, h, t), r.f64(0), r.f64(1), r.opt(BIAS), open, n, scale);
        let bias = r.opt(BIAS).map(|bias| &bias[row * n.s..][..n.s]);
        let y = ((b * n.t + t) * n.h + h) * n.dv..((b * n.t + t) * n.h + h + 1) * n.dv;
        let lse = row_bound(&scores, bias, r.f64(2), n.d, &out[0][y.clone()], r.tol, &mut bounds[0][y]);
        bounds[1][row] = if out[1][row] == NOTHING { 0.0 } else { lse + r.tol.pick(4.0, 16.0) * U * out[1][row].abs() };
    }
    bounds
}

/// The bound of one row `y`, from the rounding of its scores, of their exponentials (which grows with the
/// distance to the maximum, and with how often the maximum is raised on the way) and of the two sums.
/// Returns the bound of the log-sum-exp.
pub(super) fn row_bound(
    row: &AttentionRow,
    bias: Option<&[f64]>,
    v: &[f64],
    d: usize,
    y: &[f64],
    tol: Tol,
    out: &mut [f64],
) -> f64 {
    let (p, _) = attention_weights(&row.scores);
    let (n, m) = (row.scores.len() as f64, row.scores.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    let mut raised = 0.0;
    row.scores.iter().fold(f64::NEG_INFINITY, |m, &s| {
        raised += f64::from(u8::from(s > m));
        m.max(s)
    });
    let error = |j: usize| {
        let (s, magnitude) = (row.scores[j], row.magnitudes[j]);
        if p[j] == 0.0 {
            return 0.0;
        }
        let score = tol.sum(d, magnitude, s)
            + tol.pick(4.0, 16.0) * U * (s.abs() + magnitude + bias.map_or(0.0, |b| b[j].abs()));
        let exp = (3.0 * raised + 2.0 * (m - s)) * 2.0 * U;
        let sums = tol.pick(4.0 * n.sqrt() + 4.0, 2.0 * n + 8.0) * U;
        (score + exp + sums).exp_m1()
    };
    let errors: Vec<f64> = (0..p.len()).map(|j| p[j] * error(j)).collect();
    let lse = errors.iter().sum::<f64>();
    for (c, out) in out.iter_mut().enumerate() {
        let value = |j: usize| v[row.values + j * y.len() + c].abs();
        let weighted = (0..p.len()).map(|j| errors[j] * (value(j) + y[c].abs())).sum::<f64>();
        let sum = tol.sum(p.len(), (0..p.len()).map(|j| p[j] * value(j)).sum(), y[c]);
        let flushed = f64::from(f32::MIN_POSITIVE) * (0..p.len()).map(value).sum::<f64>();
        *out = weighted + sum + flushed + tol.ulps(2.0, 8.0, y[c]);
    }
    lse + 2f64.powi(-21)
}

/// What queries attend to, and how much.
#[derive(Clone, Copy, Default)]
pub struct Attend<'g> {
    pub(super) causal: bool,
    pub(super) key_mask: Option<Tensor<'g>>,
    pub(super) bias: Option<Tensor<'g>>,
    pub(super) scale: f64,
}

impl<'g> Attend<'g> {
    /// Every query attends to every key.
    pub fn all() -> Attend<'g> {
        Attend::default()
    }
    /// Query `t` attends to keys `j ≤ t + S − T`.
    pub fn causal() -> Attend<'g> {
        Attend { causal: true, ..Attend::default() }
    }
    /// Attends only to keys whose element of `mask (B, S)`, i32, is not 0.
    #[must_use]
    pub fn key_mask(self, mask: Tensor<'g>) -> Attend<'g> {
        Attend { key_mask: Some(mask), ..self }
    }
    /// Adds `bias`, which broadcasts to `(B, H, T, S)`, to the scaled scores; −1e38 and less mask.
    #[must_use]
    pub fn bias(self, bias: Tensor<'g>) -> Attend<'g> {
        Attend { bias: Some(bias), ..self }
    }
    /// Multiplies the scores by `scale` instead of 1/√D; it is not 0.
    #[must_use]
    pub fn scale(self, scale: f64) -> Attend<'g> {
        Attend { scale, ..self }
    }
}

impl<'g> Tensor<'g> {
    /// Softmax attention of the queries `self` over keys and values.
    ///
    /// `y = softmax(scale · q kᵀ + bias) v`; a query that may attend to nothing gives 0
    ///
    /// # Shapes
    /// `self (B, H, T, D)` · `k (B, KH, S, D)` · `v (B, KH, S, DV)` → `(B, H, T, DV)`, laid out so that
    /// [`Tensor::merge_heads`] is a view; query head `h` uses key head `h / (H / KH)`
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes do not fit or KH does not divide H
    /// # Gradient
    /// `self`, `k`, `v`, `bias`; uses the saved log-sum-exp
    /// # Results
    /// Where [`crate::Graph::set_attentions`] asks for them, `attentions.<scope> (B, H, T, S)`
    /// # Source
    /// Vaswani et al. 2017, arXiv:1706.03762, eq. 1 · Dao et al. 2022, arXiv:2205.14135 · PyTorch
    /// `F.scaled_dot_product_attention`
    #[track_caller]
    pub fn attention(self, k: Tensor<'g>, v: Tensor<'g>, attend: Attend<'g>) -> Tensor<'g> {
        let bias = attend.bias.map(|bias| match (self.shape().as_slice(), k.shape().as_slice()) {
            (&[b, h, t, _], &[_, _, s, _]) => bias.broadcast_to(&[b, h, t, s]),
            _ => bias,
        });
        let inputs = [Some(self), Some(k), Some(v), bias, attend.key_mask];
        let params = [("scale", attend.scale.into()), ("causal", attend.causal.into())];
        let outputs = self.graph().dispatch(&ATTENTION, &inputs, &params);
        if self.graph().attentions() && outputs[0].rank() == 4 {
            probabilities::name(self, k, Attend { bias, ..attend });
        }
        if outputs[0].rank() == 4 { outputs[0].permute(&[0, 2, 1, 3]) } else { self }
    }
}
