//! Gradients of attention. Shaders: shaders/attention/attention_backward_*.wgsl

use std::f64::consts::LOG2_E;

use kernels_ref::attention::{AttentionBackward, RowBackward};

use super::{scale, sizes, strides};
use crate::adapter::{Adapter, AdapterKind};
use crate::backward::Adjoint;
use crate::check::{Tol, U, ulp};
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Grid, Kernel, Param, Port, Ref, Scalars, Spec, Step, Variant, Work};
use crate::shape::Dims;

const BIAS: usize = 3;
const KEY_MASK: usize = 4;
const DELTA: usize = 5;
const D_Y: usize = 6;

/// Rows and columns of a tile, and columns of a workgroup.
const FEW: usize = 32;
const MANY: usize = 64;
const COLUMNS: usize = 256;

/// What the three gradients that read `delta` have in common.
const BASE: Kernel = Kernel {
    inputs: &[
        Port::f32("q").strided(),
        Port::f32("k").strided(),
        Port::f32("v").strided(),
        Port::f32("bias").optional().strided(),
        Port::i32("key_mask").optional().strided(),
        Port::f32("delta"),
        Port::f32("d_y"),
    ],
    params: &[Param::new("scale", Default::Float(0.0)), Param::new("causal", Default::Flag(false))],
    scalars,
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

/// The part of a query's gradients that is the same for all keys.
pub static ATTENTION_BACKWARD_DELTA: Kernel = Kernel {
    name: "attention_backward_delta",
    inputs: &[Port::f32("y"), Port::f32("d_y"), Port::f32("lse"), Port::f32("d_lse").optional()],
    outputs: &["delta"],
    shape: |c| {
        let (y, lse) = (c.shape(0), c.shape(2));
        let &[b, t, h, _] = y else { return Err(format!("y is {}, expected (B, T, H, DV)", Dims(y))) };
        if c.shape(1) != y || lse != [b, h, t] || (c.has(3) && c.shape(3) != lse) {
            return Err(format!("y {}, d_y {} and lse {} do not fit", Dims(y), Dims(c.shape(1)), Dims(lse)));
        }
        Ok(vec![Spec::f32(&[b, h, t, 2])])
    },
    scalars: |c| {
        let [_, t, h, dv] = [0, 1, 2, 3].map(|a| c.shape(0)[a]);
        Scalars::new().set("n", c.spec(2).len()).set("heads", h).set("rows", t).set("columns", dv)
    },
    variants: &[Variant {
        shader: "attention/attention_backward_delta",
        steps: &[Step {
            entry: "attention_backward_delta",
            grid: |c| Grid::Threads(c.spec(2).len() as u64),
            loops: |c| c.shape(0)[3] as u64,
        }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 2 * c.spec(0).len() as u64, bytes: c.bytes() },
    reference: |r| {
        let shape = r.shape(0);
        vec![kernels_ref::attention::attention_backward_delta(
            (r.f64(0), r.f64(1)),
            (r.f64(2), r.opt(3)),
            [shape[0], shape[1], shape[2], shape[3]],
        )]
    },
    // The sum of DV products and one more term; lse is passed on.
    bound: |r, out| {
        let abs = |v: &[f64]| v.iter().map(|x| x.abs()).collect::<Vec<_>>();
        let (y, d_y, shape) = (abs(r.f64(0)), abs(r.f64(1)), r.shape(0));
        // Subtracted, so that the magnitudes add.
        let minus = r.opt(3).map(|d| d.iter().map(|x| -x.abs()).collect::<Vec<_>>());
        let sizes = kernels_ref::attention::attention_backward_delta(
            (&y, &d_y),
            (r.f64(2), minus.as_deref()),
            [shape[0], shape[1], shape[2], shape[3]],
        );
        let one = |i: usize| if i.is_multiple_of(2) { 0.0 } else { r.tol.sum(shape[3] + 1, sizes[i], out[0][i]) };
        vec![(0..out[0].len()).map(one).collect()]
    },
    ..BASE
};

/// The gradient of the queries.
pub static ATTENTION_BACKWARD_Q: Kernel = Kernel {
    name: "attention_backward_q",
    outputs: &["d_q"],
    shape: |c| {
        let n = checked(c)?;
        Ok(vec![Spec::f32(&[n.b, n.t, n.h, n.d])])
    },
    variants: &[
        Variant {
            shader: "attention/attention_backward_q",
            steps: &[Step {
                entry: "attention_backward_q",
                grid: |c| {
                    let q = c.shape(0);
                    Grid::Groups((q[0] * q[1] * q[2].div_ceil(FEW) * q[3].div_ceil(COLUMNS)) as u64)
                },
                loops: |c| (c.shape(1)[2].div_ceil(MANY) * (tile_loops(c) + weighted_loops(c.shape(0)[3]) + 1)) as u64,
            }],
            scalars: |c| Scalars::new().set("BLOCKS", c.shape(0)[3].min(COLUMNS).div_ceil(MANY)),
            ..Variant::BASE
        },
        Variant {
            how: "direct",
            shader: "attention/attention_backward_q_direct",
            steps: &[Step {
                entry: "attention_backward_q_direct",
                grid: |c| {
                    let q = c.shape(0);
                    Grid::Threads((q[0] * q[1] * q[2] * q[3].div_ceil(DIRECT)) as u64)
                },
                loops: |c| (c.shape(1)[2].div_ceil(4) * (1 + c.shape(0)[3] + c.shape(2)[3])) as u64,
            }],
            ..Variant::BASE
        },
    ],
    choose,
    work: |c| work(c, |d, dv| 2 * d + dv),
    reference: |r| vec![kernels_ref::attention::attention_backward_q(&gradient(r))],
    bound: |r, out| vec![bound_q(r, &out[0])],
    ..BASE
};

/// The gradients of keys and values, one after the other in one buffer: a shader has no more than 8.
pub static ATTENTION_BACKWARD_KV: Kernel = Kernel {
    name: "attention_backward_kv",
    outputs: &["d_kv"],
    shape: |c| {
        let n = checked(c)?;
        Ok(vec![Spec::f32(&[n.b * n.s * n.kh * (n.d + n.dv)])])
    },
    variants: &[
        Variant {
            shader: "attention/attention_backward_kv",
            steps: &[Step {
                entry: "attention_backward_kv",
                grid: |c| {
                    let (k, dv) = (c.shape(1), c.shape(2)[3]);
                    Grid::Groups((k[0] * k[1] * k[2].div_ceil(FEW) * k[3].max(dv).div_ceil(COLUMNS)) as u64)
                },
                loops: |c| {
                    let (q, kh, dv) = (c.shape(0), c.shape(1)[1], c.shape(2)[3]);
                    let tile = tile_loops(c) + weighted_loops(q[3]) + weighted_loops(dv) + 1;
                    (q[1] / kh * (q[2].div_ceil(MANY) * tile + 1)) as u64
                },
            }],
            scalars: |c| {
                let blocks = |columns: usize| columns.min(COLUMNS).div_ceil(MANY);
                Scalars::new().set("BLOCKS", blocks(c.shape(0)[3])).set("VALUE_BLOCKS", blocks(c.shape(2)[3]))
            },
            ..Variant::BASE
        },
        Variant {
            how: "direct",
            shader: "attention/attention_backward_kv_direct",
            steps: &[Step {
                entry: "attention_backward_kv_direct",
                grid: |c| {
                    let (k, dv) = (c.shape(1), c.shape(2)[3]);
                    Grid::Threads((k[0] * k[1] * k[2].div_ceil(4) * k[3].max(dv).div_ceil(DIRECT)) as u64)
                },
                loops: |c| {
                    let (q, kh, dv) = (c.shape(0), c.shape(1)[1], c.shape(2)[3]);
                    (q[1] / kh * (1 + q[2] * (1 + q[3] + dv))) as u64
                },
            }],
            ..Variant::BASE
        },
    ],
    choose,
    work: |c| work(c, |d, dv| 2 * (d + dv)),
    reference: |r| {
        let (d_k, d_v) = kernels_ref::attention::attention_backward_kv(&gradient(r));
        vec![[d_k, d_v].concat()]
    },
    bound: |r, out| vec![bound_kv(r, &out[0])],
    ..BASE
};

/// The gradient of the bias.
pub static ATTENTION_BACKWARD_BIAS: Kernel = Kernel {
    name: "attention_backward_bias",
    outputs: &["d_bias"],
    shape: |c| {
        let n = checked(c)?;
        Ok(vec![Spec::f32(&[n.b, n.h, n.t, n.s])])
    },
    variants: &[Variant {
        shader: "attention/attention_backward_bias",
        steps: &[Step {
            entry: "attention_backward_bias",
            grid: |c| {
                let q = c.shape(0);
                Grid::Groups((q[0] * q[1] * q[2].div_ceil(FEW) * c.shape(1)[2].div_ceil(MANY)) as u64)
            },
            loops: |c| tile_loops(c) as u64,
        }],
        ..Variant::BASE
    }],
    work: |c| work(c, |d, dv| d + dv),
    reference: |r| vec![kernels_ref::attention::attention_backward_bias(&gradient(r))],
    bound: |r, _| {
        let g = gradient(r);
        let rows = (0..g.n.b * g.n.h * g.n.t).map(|row| errors(&g, row, r.tol).ds);
        vec![rows.flatten().collect()]
    },
    ..BASE
};

/// Columns of an invocation of a direct variant.
const DIRECT: usize = 16;

/// A tile of 32 × 64 is mostly empty with few queries and keys; then a CPU is faster without.
fn choose(c: &Call, adapter: &Adapter) -> usize {
    usize::from(adapter.kind == AdapterKind::Cpu && c.shape(0)[2] <= 16 && c.shape(1)[2] <= 16)
}

/// Of a tile of scores and one of products with the values: steps of 16 terms, each with 2 loads and 4 fours.
fn tile_loops(c: &Call) -> usize {
    7 * (c.shape(0)[3].div_ceil(16) + c.shape(2)[3].div_ceil(16))
}

/// Of a tile of weights times rows of `columns`: 4 steps a block, each with 2 loads and 4 fours.
fn weighted_loops(columns: usize) -> usize {
    28 * columns.min(COLUMNS).div_ceil(MANY)
}

/// Two flops for each pair of query and key and each of `terms(D, DV)` products.
fn work(c: &Call, terms: fn(usize, usize) -> usize) -> Work {
    let (q, v) = (c.shape(0), c.shape(2));
    let pairs = q[0] * q[1] * q[2] * v[2] / if c.flag("causal") { 2 } else { 1 };
    Work { flops: 2 * (pairs * terms(q[3], v[3])) as u64, bytes: c.bytes() }
}

fn checked(c: &Call) -> Result<kernels_ref::attention::Sizes, String> {
    let n = sizes(c)?;
    let expected = [
        (BIAS, vec![n.b, n.h, n.t, n.s]),
        (KEY_MASK, vec![n.b, n.s]),
        (DELTA, vec![n.b, n.h, n.t, 2]),
        (D_Y, vec![n.b, n.t, n.h, n.dv]),
    ];
    for (port, shape) in expected {
        if c.has(port) && c.shape(port) != shape {
            let name = c.kernel.inputs[port].name;
            return Err(format!("{name} is {}, expected {}", Dims(c.shape(port)), Dims(&shape)));
        }
    }
    if !c.float("scale").is_finite() {
        return Err(format!("scale is {}", c.float("scale")));
    }
    Ok(n)
}

fn scalars(c: &Call) -> Scalars {
    let n = sizes(c).expect("bug: sizes passed the shape rule");
    let all = Scalars::new()
        .set("batch", n.b)
        .set("heads", n.h)
        .set("group", n.h / n.kh)
        .set("rows", n.t)
        .set("keys", n.s)
        .set("dims", n.d)
        .set("columns", n.dv)
        .set("scale", scale(c))
        .set("scale_2", scale(c) * LOG2_E)
        .set("causal", c.flag("causal"));
    let all = strides(all, c, 0, "q", &["b", "h", "t", "d"]);
    let all = strides(all, c, 1, "k", &["b", "h", "s", "d"]);
    let all = strides(all, c, 2, "v", &["b", "h", "s", "d"]);
    let all = strides(all, c, BIAS, "bias", &["b", "h", "t", "s"]);
    strides(all, c, KEY_MASK, "mask", &["b", "s"])
}

/// The call as its reference takes it.
fn gradient<'a>(r: &'a Ref) -> AttentionBackward<'a> {
    AttentionBackward {
        q: r.f64(0),
        k: r.f64(1),
        v: r.f64(2),
        bias: r.opt(BIAS),
        key_mask: r.opt(KEY_MASK),
        delta: r.f64(DELTA),
        d_y: r.f64(D_Y),
        n: sizes(r).expect("bug: sizes passed the shape rule"),
        scale: scale(r),
        causal: r.flag("causal"),
    }
}

/// What a row's weights and the gradients of its scores may be off by, for every key.
struct Errors {
    row: RowBackward,
    p: Vec<f64>,
    ds: Vec<f64>,
}

/// The score is off as in `attention::row_bound`; lse in base 2 by two roundings, their difference by one, and the
/// exponential by (3 + 2·|s − lse|) ulp: together an exponent. `dp − delta` adds the product's error and one rounding,
/// the last product another.
fn errors(g: &AttentionBackward, row: usize, tol: Tol) -> Errors {
    let n = g.n;
    let (b, h, t) = (row / (n.h * n.t), row / n.t % n.h, row % n.t);
    let r = g.row((b, h, t));
    let [lse, delta] = [g.delta[2 * row], g.delta[2 * row + 1]];
    let flushed = f64::from(f32::MIN_POSITIVE);
    let (mut p, mut ds) = (vec![0.0; n.s], vec![0.0; n.s]);
    for j in (0..n.s).filter(|&j| r.scores.scores[j] > f64::NEG_INFINITY) {
        let (s, magnitude) = (r.scores.scores[j], r.scores.magnitudes[j]);
        let bias = g.bias.map_or(0.0, |bias| bias[row * n.s + j].abs());
        let score = tol.sum(n.d, magnitude, s) + tol.pick(4.0, 16.0) * U * (s.abs() + magnitude + bias);
        let difference = tol.pick(3.0, 6.0) * U * lse.abs() + tol.pick(1.0, 2.0) * U * (s - lse).abs();
        let exp = (3.0 + 2.0 * (s - lse).abs()) * 2.0 * U;
        p[j] = r.p[j] * (score + difference + exp).exp_m1() + flushed;
        let dp = tol.sum(n.dv, r.dp_magnitudes[j], r.dp[j]);
        let rest = (r.dp[j] - delta).abs();
        let rest_error = dp + tol.pick(0.5, 1.0) * ulp(rest + dp);
        ds[j] = p[j] * (rest + rest_error) + r.p[j] * rest_error + tol.pick(0.5, 1.0) * ulp(r.ds[j]) + flushed;
    }
    Errors { row: r, p, ds }
}

/// `scale · Σ_j ds_j k_j`: what the errors of ds make of it, the sum over keys, the scale's rounding and the product's.
fn bound_q(r: &Ref, out: &[f64]) -> Vec<f64> {
    let g = gradient(r);
    let (n, scale) = (g.n, g.scale.abs());
    let mut bounds = vec![0.0; out.len()];
    for row in 0..n.b * n.h * n.t {
        let (b, h, t) = (row / (n.h * n.t), row / n.t % n.h, row % n.t);
        let e = errors(&g, row, r.tol);
        let keys = (b * n.kh + h / (n.h / n.kh)) * n.s * n.d;
        for d in 0..n.d {
            let at = ((b * n.t + t) * n.h + h) * n.d + d;
            let key = |j: usize| g.k[keys + j * n.d + d].abs();
            let passed: f64 = (0..n.s).map(|j| e.ds[j] * key(j)).sum();
            let size = (0..n.s).map(|j| e.row.ds[j].abs() * key(j)).sum();
            bounds[at] = scale * (passed + r.tol.sum(n.s, size, out[at] / g.scale)) + r.tol.ulps(2.0, 4.0, out[at]);
        }
    }
    bounds
}

/// The same for keys and values, summed over the group's heads and the queries.
fn bound_kv(r: &Ref, out: &[f64]) -> Vec<f64> {
    let g = gradient(r);
    let (n, scale) = (g.n, g.scale.abs());
    let values = n.b * n.s * n.kh * n.d;
    let (mut passed, mut sizes) = (vec![0.0; out.len()], vec![0.0; out.len()]);
    for row in 0..n.b * n.h * n.t {
        let (b, h, t) = (row / (n.h * n.t), row / n.t % n.h, row % n.t);
        let e = errors(&g, row, r.tol);
        let (q, d_y) = (&g.q[row * n.d..][..n.d], &g.d_y[((b * n.t + t) * n.h + h) * n.dv..][..n.dv]);
        for j in 0..n.s {
            let at = (b * n.s + j) * n.kh + h / (n.h / n.kh);
            for d in 0..n.d {
                passed[at * n.d + d] += e.ds[j] * q[d].abs();
                sizes[at * n.d + d] += e.row.ds[j].abs() * q[d].abs();
            }
            for c in 0..n.dv {
                passed[values + at * n.dv + c] += e.p[j] * d_y[c].abs();
                sizes[values + at * n.dv + c] += e.row.p[j] * d_y[c].abs();
            }
        }
    }
    let terms = n.t * (n.h / n.kh);
    let one = |i: usize| {
        if i < values {
            scale * (passed[i] + r.tol.sum(terms, sizes[i], out[i] / g.scale)) + r.tol.ulps(2.0, 4.0, out[i])
        } else {
            passed[i] + r.tol.sum(terms, sizes[i], out[i])
        }
    };
    (0..out.len()).map(one).collect()
}

/// The gradients of q, k, v and bias of an `attention`, from its output and the saved log-sum-exp.
pub(super) fn backward<'g>(n: &Adjoint<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
    let graph = n.graph();
    let (y, lse) = (n.y(0), n.y(1));
    let delta = graph.dispatch(&ATTENTION_BACKWARD_DELTA, &[Some(y), Some(n.d(0)), Some(lse), n.d_opt(1)], &[])[0];
    let inputs = [Some(n.x(0)), Some(n.x(1)), Some(n.x(2)), n.opt(BIAS), n.opt(KEY_MASK), Some(delta), Some(n.d(0))];
    let params = [("scale", n.float("scale").into()), ("causal", n.flag("causal").into())];
    let gradient = |kernel| graph.dispatch(kernel, &inputs, &params)[0];
    // Tokens outside heads, as projections lie: putting the gradient back is a view then.
    let by_head = |d: Tensor<'g>| d.permute(&[0, 2, 1, 3]);
    let d_q = n.wanted(0, || by_head(gradient(&ATTENTION_BACKWARD_Q)));
    let d_kv = (n.wants(1) || n.wants(2)).then(|| gradient(&ATTENTION_BACKWARD_KV));
    let part = |port: usize, first: usize| {
        let d = d_kv.filter(|_| n.wants(port))?;
        let &[b, kh, s, columns] = n.shape(port) else { return None };
        Some(by_head(d.slice(0, first, b * kh * s * columns).reshape(&[b, s, kh, columns])))
    };
    let d_bias = (n.has(BIAS) && n.wants(BIAS)).then(|| gradient(&ATTENTION_BACKWARD_BIAS));
    vec![d_q, part(1, 0), part(2, n.spec(1).len()), d_bias, None]
}
