//! Fused softmax attention, caches and positions.

use std::f64::consts::TAU;

use rayon::prelude::*;

/// Log-sum-exp of a row that may attend to nothing, and the initial maximum: the smallest f32.
pub const NOTHING: f64 = f32::MIN as f64;

/// A score at or below this is masked, so that additive masks of the smallest float mask a key.
pub const MASKED: f64 = -1e38;

/// Sizes of an attention: queries `(B,H,T,D)`, keys `(B,KH,S,D)`, values `(B,KH,S,DV)`.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Batch.
    pub b: usize,
    /// Query heads, a multiple of `kh`.
    pub h: usize,
    /// Key and value heads.
    pub kh: usize,
    /// Queries.
    pub t: usize,
    /// Keys.
    pub s: usize,
    /// Head dim of queries and keys.
    pub d: usize,
    /// Head dim of values.
    pub dv: usize,
}

/// One row's view of the attention: its scores and where its keys and values lie.
pub struct AttentionRow {
    /// Score of every key; [`f64::NEG_INFINITY`] where masked.
    pub scores: Vec<f64>,
    /// `Σ_d |q·k|·scale` of every key, 0 where masked: what the rounding of a score is measured by.
    pub magnitudes: Vec<f64>,
    /// First element of the key head's values.
    pub values: usize,
}

/// The scaled and masked scores of query `t` of head `h` in batch `b`.
pub fn attention_row(
    (b, h, t): (usize, usize, usize),
    q: &[f64],
    k: &[f64],
    bias: Option<&[f64]>,
    open: impl Fn(usize) -> bool,
    n: Sizes,
    scale: f64,
) -> AttentionRow {
    let row = (b * n.h + h) * n.t + t;
    let head = b * n.kh + h / (n.h / n.kh);
    let query = &q[row * n.d..][..n.d];
    let mut scores = vec![f64::NEG_INFINITY; n.s];
    let mut magnitudes = vec![0.0; n.s];
    for j in 0..n.s {
        if !open(j) {
            continue;
        }
        let key = &k[(head * n.s + j) * n.d..][..n.d];
        let score =
            query.iter().zip(key).map(|(a, b)| a * b).sum::<f64>() * scale + bias.map_or(0.0, |x| x[row * n.s + j]);
        if score > MASKED {
            scores[j] = score;
            magnitudes[j] = query.iter().zip(key).map(|(a, b)| (a * b).abs()).sum::<f64>() * scale.abs();
        }
    }
    AttentionRow { scores, magnitudes, values: head * n.s * n.dv }
}

/// `softmax(scores)` and their log-sum-exp; zeros and [`NOTHING`] if every key is masked.
pub fn attention_weights(scores: &[f64]) -> (Vec<f64>, f64) {
    let m = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if m == f64::NEG_INFINITY {
        return (vec![0.0; scores.len()], NOTHING);
    }
    let e: Vec<f64> = scores.iter().map(|s| (s - m).exp()).collect();
    let l: f64 = e.iter().sum();
    (e.iter().map(|e| e / l).collect(), m + l.ln())
}

/// `softmax(scale · q kᵀ + bias) v` (Vaswani et al. 2017, arXiv:1706.03762, eq. 1). Query head `h` uses key
/// head `h / (H / KH)`. `key_mask (B,S)` is 1 where a key may be attended to; `causal` lets query `t` attend to
/// keys `j ≤ t + S − T`. Returns `y (B,T,H,DV)` and the log-sum-exp `(B,H,T)`; a row that may attend to nothing
/// gives 0 and [`NOTHING`].
pub fn attention(
    q: &[f64],
    k: &[f64],
    v: &[f64],
    bias: Option<&[f64]>,
    key_mask: Option<&[f64]>,
    n: Sizes,
    scale: f64,
    causal: bool,
) -> (Vec<f64>, Vec<f64>) {
    let open = |b: usize, t: usize, j: usize| {
        key_mask.is_none_or(|m| m[b * n.s + j] != 0.0) && (!causal || j + n.t <= t + n.s)
    };
    attend(q, k, v, bias, open, n, scale)
}

/// Attention of `T` queries against caches `(B,KH,MAX,D)` and `(B,KH,MAX,DV)` of which the first `length` of
/// a batch row (one for all, or `(B)`) are filled: query `t` attends to positions `j < length − (T − 1 − t)`.
/// `n.s` is MAX. Returns `y (B,T,H,DV)`.
pub fn attention_decode(
    q: &[f64],
    cache_k: &[f64],
    cache_v: &[f64],
    length: &[f64],
    key_mask: Option<&[f64]>,
    n: Sizes,
    scale: f64,
) -> Vec<f64> {
    let open = |b: usize, t: usize, j: usize| {
        let filled = length[b % length.len()] as i64 - (n.t - 1 - t) as i64;
        (j as i64) < filled && key_mask.is_none_or(|m| m[b * n.s + j] != 0.0)
    };
    attend(q, cache_k, cache_v, None, open, n, scale).0
}

fn attend(
    q: &[f64],
    k: &[f64],
    v: &[f64],
    bias: Option<&[f64]>,
    open: impl Fn(usize, usize, usize) -> bool + Sync,
    n: Sizes,
    scale: f64,
) -> (Vec<f64>, Vec<f64>) {
    let mut y = vec![0.0; n.b * n.t * n.h * n.dv];
    let mut lse = vec![0.0; n.b * n.h * n.t];
    let rows: Vec<(Vec<f64>, f64)> = (0..n.b * n.h * n.t)
        .into_par_iter()
        .map(|row| {
            let (b, h, t) = (row / (n.h * n.t), row / n.t % n.h, row % n.t);
            let r = attention_row((b, h, t), q, k, bias, |j| open(b, t, j), n, scale);
            let (p, lse) = attention_weights(&r.scores);
            let mut out = vec![0.0; n.dv];
            for j in 0..n.s {
                for d in 0..n.dv {
                    out[d] += p[j] * v[r.values + j * n.dv + d];
                }
            }
            (out, lse)
        })
        .collect();
    for (row, (out, sum)) in rows.into_iter().enumerate() {
        let (b, h, t) = (row / (n.h * n.t), row / n.t % n.h, row % n.t);
        y[((b * n.t + t) * n.h + h) * n.dv..][..n.dv].copy_from_slice(&out);
        lse[row] = sum;
    }
    (y, lse)
}

/// An attention whose gradients are asked for: its inputs, `delta (B,H,T,2)` as [`attention_backward_delta`] makes it,
/// and the gradient `d_y (B,T,H,DV)` of its output.
pub struct AttentionBackward<'a> {
    /// Queries.
    pub q: &'a [f64],
    /// Keys.
    pub k: &'a [f64],
    /// Values.
    pub v: &'a [f64],
    /// `(B,H,T,S)`.
    pub bias: Option<&'a [f64]>,
    /// `(B,S)`.
    pub key_mask: Option<&'a [f64]>,
    /// Log-sum-exp and delta of every query.
    pub delta: &'a [f64],
    /// Gradient of the output.
    pub d_y: &'a [f64],
    /// Sizes.
    pub n: Sizes,
    /// Factor of the scores.
    pub scale: f64,
    /// Query `t` attends to keys `j ≤ t + S − T`.
    pub causal: bool,
}

/// One query's part of the gradients; entries of masked keys are 0.
pub struct RowBackward {
    /// Its scores.
    pub scores: AttentionRow,
    /// Weight of every key: `exp(s − lse)`.
    pub p: Vec<f64>,
    /// Gradient of every weight: `Σ_c d_y·v`.
    pub dp: Vec<f64>,
    /// `Σ_c |d_y·v|`.
    pub dp_magnitudes: Vec<f64>,
    /// Gradient of every score: `p · (dp − delta)`.
    pub ds: Vec<f64>,
}

impl AttentionBackward<'_> {
    /// What query `t` of head `h` in batch `b` adds.
    pub fn row(&self, (b, h, t): (usize, usize, usize)) -> RowBackward {
        let n = self.n;
        let row = (b * n.h + h) * n.t + t;
        let open =
            |j: usize| self.key_mask.is_none_or(|m| m[b * n.s + j] != 0.0) && (!self.causal || j + n.t <= t + n.s);
        let scores = attention_row((b, h, t), self.q, self.k, self.bias, open, n, self.scale);
        let d_y = &self.d_y[((b * n.t + t) * n.h + h) * n.dv..][..n.dv];
        let (lse, delta) = (self.delta[2 * row], self.delta[2 * row + 1]);
        let zeros = || vec![0.0; n.s];
        let mut r = RowBackward { scores, p: zeros(), dp: zeros(), dp_magnitudes: zeros(), ds: zeros() };
        for j in 0..n.s {
            if r.scores.scores[j] == f64::NEG_INFINITY {
                continue;
            }
            let v = &self.v[r.scores.values + j * n.dv..][..n.dv];
            r.p[j] = (r.scores.scores[j] - lse).exp();
            r.dp[j] = d_y.iter().zip(v).map(|(d, v)| d * v).sum();
            r.dp_magnitudes[j] = d_y.iter().zip(v).map(|(d, v)| (d * v).abs()).sum();
            r.ds[j] = r.p[j] * (r.dp[j] - delta);
        }
        r
    }

    fn rows(&self) -> Vec<RowBackward> {
        let n = self.n;
        (0..n.b * n.h * n.t)
            .into_par_iter()
            .map(|row| self.row((row / (n.h * n.t), row / n.t % n.h, row % n.t)))
            .collect()
    }
}

/// `lse` and `Σ_c d_y·y − d_lse` of every query, `(B,H,T,2)` (Dao et al. 2022, arXiv:2205.14135, appendix B.2; a score
/// moves lse by its weight). `shape` is that of y, `(B,T,H,DV)`.
pub fn attention_backward_delta(
    (y, d_y): (&[f64], &[f64]),
    (lse, d_lse): (&[f64], Option<&[f64]>),
    [b, t, h, dv]: [usize; 4],
) -> Vec<f64> {
    let mut delta = vec![];
    for row in 0..b * h * t {
        let (batch, head, token) = (row / (h * t), row / t % h, row % t);
        let at = ((batch * t + token) * h + head) * dv;
        let product: f64 = (at..at + dv).map(|i| d_y[i] * y[i]).sum();
        delta.extend([lse[row], product - d_lse.map_or(0.0, |d| d[row])]);
    }
    delta
}

/// `d_q = scale · Σ_j ds k`, `(B,T,H,D)` (Dao et al. 2022, arXiv:2205.14135, algorithm 4).
pub fn attention_backward_q(g: &AttentionBackward) -> Vec<f64> {
    let n = g.n;
    let mut d_q = vec![0.0; n.b * n.t * n.h * n.d];
    for (row, r) in g.rows().iter().enumerate() {
        let (b, h, t) = (row / (n.h * n.t), row / n.t % n.h, row % n.t);
        let head = b * n.kh + h / (n.h / n.kh);
        for j in 0..n.s {
            for d in 0..n.d {
                let k = g.k[(head * n.s + j) * n.d + d];
                d_q[((b * n.t + t) * n.h + h) * n.d + d] += g.scale * r.ds[j] * k;
            }
        }
    }
    d_q
}

/// `d_k = scale · Σ ds q`, `(B,S,KH,D)`, and `d_v = Σ p d_y`, `(B,S,KH,DV)`, over the queries and the heads that read
/// the key head (Dao et al. 2022, arXiv:2205.14135, algorithm 4).
pub fn attention_backward_kv(g: &AttentionBackward) -> (Vec<f64>, Vec<f64>) {
    let n = g.n;
    let mut d_k = vec![0.0; n.b * n.s * n.kh * n.d];
    let mut d_v = vec![0.0; n.b * n.s * n.kh * n.dv];
    for (row, r) in g.rows().iter().enumerate() {
        let (b, h, t) = (row / (n.h * n.t), row / n.t % n.h, row % n.t);
        for j in 0..n.s {
            let at = (b * n.s + j) * n.kh + h / (n.h / n.kh);
            for d in 0..n.d {
                d_k[at * n.d + d] += g.scale * r.ds[j] * g.q[row * n.d + d];
            }
            for c in 0..n.dv {
                d_v[at * n.dv + c] += r.p[j] * g.d_y[((b * n.t + t) * n.h + h) * n.dv + c];
            }
        }
    }
    (d_k, d_v)
}

/// `d_bias = ds`, `(B,H,T,S)`.
pub fn attention_backward_bias(g: &AttentionBackward) -> Vec<f64> {
    g.rows().into_iter().flat_map(|r| r.ds).collect()
}

/// The cache `(B,KH,MAX,D)` after `x (B,KH,T,D)` was written at positions `position …  position + T` of each
/// batch row (one position for all, or `(B)`); a batch row whose positions do not fit is unchanged.
pub fn cache_append(cache: &[f64], x: &[f64], position: &[f64], kh: usize, max: usize, t: usize, d: usize) -> Vec<f64> {
    let mut y = cache.to_vec();
    for (head, x) in x.chunks(t * d).enumerate() {
        let b = head / kh;
        let p = position[b % position.len()] as i64;
        if p >= 0 && p + t as i64 <= max as i64 {
            y[(head * max + p as usize) * d..][..t * d].copy_from_slice(x);
        }
    }
    y
}

/// The cache `(B,KH,MAX,D)` after the first `length` positions of every row `b` became those that row `beam_idx[b]`
/// had; `length` has 1 element or `B`. Rows come in groups of `beams`, and an index outside its group changes nothing.
pub fn cache_reorder(
    cache: &[f64],
    beam_idx: &[f64],
    length: &[f64],
    beams: usize,
    (kh, max, d): (usize, usize, usize),
) -> Vec<f64> {
    let mut y = cache.to_vec();
    for (b, &from) in beam_idx.iter().enumerate() {
        let group = b / beams * beams;
        if from < group as f64 || from >= (group + beams) as f64 {
            continue;
        }
        let filled = length[b % length.len()].clamp(0.0, max as f64) as usize;
        for h in 0..kh {
            let [to, from] = [b, from as usize].map(|row| (row * kh + h) * max * d);
            y[to..to + filled * d].copy_from_slice(&cache[from..from + filled * d]);
        }
    }
    y
}

/// Rotary position embedding (Su et al. 2021, arXiv:2104.09864, eq. 34) of `x (…,T,D)`, heads `(B,H)` outside.
///
/// With `R` = 2·half the rotated dims: pair i is `(i, i + half)`, or `(2i, 2i + 1)` if `interleaved`; it turns
/// by the angle whose `cos` and `sin` stand at `[position, i]` of the tables `(MAX, half)`. Dims from `R` on are
/// copied. `position` has 1 element (the first token's), `T` or `B·T`; positions are clamped to the table.
pub fn rope(
    x: &[f64],
    cos: &[f64],
    sin: &[f64],
    position: Option<&[f64]>,
    (b, h, t, d): (usize, usize, usize, usize),
    half: usize,
    interleaved: bool,
) -> Vec<f64> {
    let max = cos.len() / half;
    let mut y = x.to_vec();
    for row in 0..b * h * t {
        let (batch, token) = (row / (h * t), row % t);
        let p = match position {
            None => token as i64,
            Some([first]) => *first as i64 + token as i64,
            Some(p) => p[if p.len() == t { token } else { batch * t + token }] as i64,
        };
        let p = p.clamp(0, max as i64 - 1) as usize;
        for i in 0..half {
            let (i0, i1) = if interleaved { (2 * i, 2 * i + 1) } else { (i, i + half) };
            let (c, s) = (cos[p * half + i], sin[p * half + i]);
            y[row * d + i0] = x[row * d + i0] * c - x[row * d + i1] * s;
            y[row * d + i1] = x[row * d + i1] * c + x[row * d + i0] * s;
        }
    }
    y
}

/// Sines and cosines of `2π · t · turns[i]` (Ho et al. 2020, arXiv:2006.11239, appendix B), `turns (3,half)` being
/// three parts of each frequency in turns per step. Row `(sin ‖ cos)`, or `(cos ‖ sin)` if `flip`, and a zero
/// for odd `d`.
pub fn timestep_embedding(timestep: &[f64], turns: &[f64], d: usize, flip: bool) -> Vec<f64> {
    let half = d / 2;
    let mut y = vec![0.0; timestep.len() * d];
    for (b, &t) in timestep.iter().enumerate() {
        for i in 0..half {
            let (sin, cos) = (TAU * turn(t, turns, half, i)).sin_cos();
            y[b * d + i] = if flip { cos } else { sin };
            y[b * d + half + i] = if flip { sin } else { cos };
        }
    }
    y
}

/// `t · Σ turns[·,i]` modulo 1, each product exact before it is reduced.
fn turn(t: f64, turns: &[f64], half: usize, i: usize) -> f64 {
    let parts: f64 = (0..3).map(|p| (t * turns[p * half + i]).fract()).sum();
    parts.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: &[f64], b: &[f64], tolerance: f64) {
        assert_eq!(a.len(), b.len());
        for (x, y) in a.iter().zip(b) {
            assert!((x - y).abs() <= tolerance, "{a:?} is not {b:?}");
        }
    }

    const ONE: Sizes = Sizes { b: 1, h: 1, kh: 1, t: 1, s: 2, d: 1, dv: 1 };

    #[test]
    fn two_keys_by_hand() {
        // scores 0 and ln 3: weights 1/4 and 3/4; y = 1/4 · 4 + 3/4 · 8 = 7; lse = ln 4.
        let (y, lse) = attention(&[1.0], &[0.0, 3f64.ln()], &[4.0, 8.0], None, None, ONE, 1.0, false);
        near(&y, &[7.0], 1e-14);
        near(&lse, &[4f64.ln()], 1e-14);
    }

    #[test]
    fn one_open_key_gives_its_value() {
        let (y, _) = attention(&[1.0], &[9.0, 2.0], &[4.0, 8.0], None, Some(&[0.0, 1.0]), ONE, 1.0, false);
        near(&y, &[8.0], 0.0);
        let n = Sizes { t: 2, ..ONE };
        let (y, _) = attention(&[1.0, 1.0], &[0.0, 0.0], &[4.0, 8.0], None, None, n, 1.0, true);
        near(&y, &[4.0, 6.0], 1e-15);
    }

    #[test]
    fn nothing_to_attend_to_gives_zero() {
        let (y, lse) = attention(&[1.0], &[0.0, 1.0], &[4.0, 8.0], None, Some(&[0.0, 0.0]), ONE, 1.0, false);
        assert_eq!((y, lse), (vec![0.0], vec![NOTHING]));
        let (y, _) =
            attention(&[1.0], &[0.0, 1.0], &[4.0, 8.0], Some(&[f64::from(f32::MIN), 0.0]), None, ONE, 1.0, false);
        assert_eq!(y, [8.0]);
    }

    #[test]
    fn heads_share_keys_in_groups() {
        // Two query heads, one key head, one key: both rows are the value; the layout is (B,T,H,DV).
        let n = Sizes { b: 1, h: 2, kh: 1, t: 2, s: 1, d: 1, dv: 2 };
        let (y, lse) = attention(&[1.0, 2.0, 3.0, 4.0], &[0.5], &[5.0, 6.0], None, None, n, 2.0, false);
        near(&y, &[5.0, 6.0, 5.0, 6.0, 5.0, 6.0, 5.0, 6.0], 0.0);
        near(&lse, &[1.0, 2.0, 3.0, 4.0], 1e-15);
    }

    #[test]
    fn decode_is_the_last_row_of_a_causal_prefill() {
        let value = |seed: usize, n: usize| (0..n).map(|i| ((i * 37 + seed) as f64 * 0.7).sin()).collect::<Vec<_>>();
        let n = Sizes { b: 2, h: 2, kh: 1, t: 3, s: 3, d: 4, dv: 5 };
        let (q, k, v) = (value(1, 48), value(2, 24), value(3, 30));
        let (y, _) = attention(&q, &k, &v, None, None, n, 0.5, true);
        let decoded = attention_decode(&q, &k, &v, &[3.0], None, n, 0.5);
        near(&decoded, &y, 1e-15);
    }

    #[test]
    fn append_moves_rows_or_nothing() {
        let y = cache_append(&[0.0; 8], &[1.0, 2.0], &[2.0], 1, 4, 1, 1);
        assert_eq!(y, [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
        let y = cache_append(&[0.0; 8], &[1.0, 2.0], &[4.0, 3.0], 1, 4, 1, 1);
        assert_eq!(y, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0]);
        assert_eq!(cache_append(&[0.0; 2], &[1.0], &[-1.0], 1, 2, 1, 1), [0.0, 0.0]);
    }

    #[test]
    fn reorder_swaps_what_is_filled_within_a_group() {
        // Two groups of two rows of three positions.
        let cache: Vec<f64> = (0..12).map(f64::from).collect();
        let y = cache_reorder(&cache, &[1.0, 0.0, 2.0, 2.0], &[2.0], 2, (1, 3, 1));
        assert_eq!(y, [3.0, 4.0, 2.0, 0.0, 1.0, 5.0, 6.0, 7.0, 8.0, 6.0, 7.0, 11.0]);
        let y = cache_reorder(&cache, &[2.0, -1.0, 3.0, 4.0], &[3.0, 3.0, 1.0, 3.0], 2, (1, 3, 1));
        assert_eq!(y, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 9.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
    }

    #[test]
    fn rope_turns_by_a_right_angle() {
        // Position 1 of the table is a quarter turn: (x0, x1) → (−x1, x0); dim 2 is passed on.
        let (cos, sin) = ([1.0, 0.0], [0.0, 1.0]);
        let y = rope(&[1.0, 2.0, 3.0], &cos, &sin, Some(&[1.0]), (1, 1, 1, 3), 1, false);
        assert_eq!(y, [-2.0, 1.0, 3.0]);
        let y = rope(&[1.0, 2.0, 3.0, 4.0], &[0.0, 0.0], &[1.0, 1.0], None, (1, 1, 1, 4), 2, true);
        assert_eq!(y, [-2.0, 1.0, -4.0, 3.0]);
    }

    #[test]
    fn timestep_parts_add_up() {
        let f = 1.0 / TAU;
        let (hi, lo) = (0.125, f - 0.125);
        let y = timestep_embedding(&[0.0, 10.0], &[hi, lo, 0.0], 3, false);
        near(&y, &[0.0, 1.0, 0.0, 10f64.sin(), 10f64.cos(), 0.0], 1e-13);
        near(&timestep_embedding(&[1.0], &[hi, lo, 0.0], 2, true), &[1f64.cos(), 1f64.sin()], 1e-14);
    }
}
