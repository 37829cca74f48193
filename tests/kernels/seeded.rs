//! Seeded calls of the kernels with the most ways to go wrong: sizes around tiles, strides, groups, pads, axes.
//!
//! A case is a function of its number alone, so its name replays it: `-- matmul/f32/seed17`. The long tests
//! (`HANDMILL_LONG=1`) run 30,000 of them, and every unary function over 16 million bit patterns.

use crate::row::Row;
use handmill::HostTensor;
use handmill::kernels::attention::attention::ATTENTION;
use handmill::kernels::conv::conv_transpose2d::CONV_TRANSPOSE2D;
use handmill::kernels::conv::conv2d::CONV2D;
use handmill::kernels::elementwise::binary::{ADD, MUL};
use handmill::kernels::layout::pad::PAD;
use handmill::kernels::matmul::matmul::MATMUL;
use handmill::kernels::norm::group_norm::GROUP_NORM;
use handmill::kernels::norm::layer_norm::LAYER_NORM;
use handmill::kernels::pool::avg_pool2d::AVG_POOL2D;
use handmill::kernels::pool::max_pool2d::MAX_POOL2D;
use handmill::kernels::reduce::over_axes::{LOGSUMEXP, MAX, SUM, VARIANCE};
use handmill::kernels::softmax::softmax::SOFTMAX;

/// Sizes on both sides of every tile, vector and workgroup.
const SIZES: [usize; 18] = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 67];

struct Dice(u64);

impl Dice {
    fn new(seed: usize) -> Dice {
        Dice((seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }
    fn size(&mut self) -> usize {
        SIZES[self.below(SIZES.len())]
    }
    fn small(&mut self) -> usize {
        SIZES[self.below(9)]
    }
    fn flip(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// Every row.
pub fn rows() -> Vec<Row> {
    let long = std::env::var_os("HANDMILL_LONG").is_some();
    let makers: [fn(usize, &mut Dice) -> Row; 10] =
        [matmul, convolution, transposed, attention, rows_of, groups, reduction, pooling, padding, broadcast];
    let count = if long { 3000 } else { 8 };
    let seeds = (0..count).flat_map(|seed| makers.iter().enumerate().map(move |(k, make)| (seed, k, make)));
    let mut rows: Vec<Row> = seeds.map(|(seed, k, make)| make(seed, &mut Dice::new(seed * makers.len() + k))).collect();
    if long {
        rows.extend(sweeps());
    }
    rows
}

fn matmul(seed: usize, d: &mut Dice) -> Row {
    let (b, m, k, n) = (1 + d.below(3), d.size(), d.size(), d.size());
    let (a_turned, w_turned, shared) = (d.flip(), d.flip(), d.flip());
    let mut row = Row::new(&MATMUL, &format!("f32/seed{seed}"));
    row = if a_turned { row.f32(&[b, k, m]).view(|t| t.transpose(-1, -2)) } else { row.f32(&[b, m, k]) };
    let batch: &[usize] = if shared { &[] } else { &[b] };
    let w = if w_turned { [batch, &[n, k]].concat() } else { [batch, &[k, n]].concat() };
    row = if d.below(4) == 0 { row.f16(&w) } else { row.f32(&w) };
    if w_turned {
        row = row.view(|t| t.transpose(-1, -2));
    }
    row = if d.flip() { row.f32(&[n]) } else { row.none() };
    row = if d.flip() { row.f32(&[b, m, n]) } else { row.none() };
    let activation = ["none", "relu", "gelu", "silu"][d.below(4)];
    row.param("activation", activation).param("scale", [1.0, 0.125][d.below(2)])
}

fn convolution(seed: usize, d: &mut Dice) -> Row {
    let groups = [1, 1, 2, 3][d.below(4)];
    let (c, o) = (groups * (1 + d.below(5)), groups * (1 + d.below(9)));
    let (kh, kw) = (1 + d.below(4), 1 + d.below(4));
    let dilation = [1 + d.below(2) as i64, 1 + d.below(2) as i64];
    let pads: Vec<i64> = (0..4).map(|_| d.below(3) as i64).collect();
    let (h, w) = (kh * 2 + d.below(12), kw * 2 + d.below(20));
    let row = Row::new(&CONV2D, &format!("f32/seed{seed}")).f32(&[1 + d.below(2), c, h, w]);
    let row = row.f32(&[o, c / groups, kh, kw]);
    let row = if d.flip() { row.f32(&[o]) } else { row.none() };
    row.param("stride", vec![1 + d.below(3) as i64, 1 + d.below(2) as i64])
        .param("padding", pads)
        .param("dilation", dilation.to_vec())
        .param("groups", groups)
        .param("activation", ["none", "silu"][d.below(2)])
}

fn transposed(seed: usize, d: &mut Dice) -> Row {
    let groups = 1 + d.below(2);
    let (c, o) = (groups * (1 + d.below(4)), 1 + d.below(5));
    let (kh, kw) = (1 + d.below(4), 1 + d.below(4));
    let stride = [1 + d.below(3) as i64, 1 + d.below(3) as i64];
    let row = Row::new(&CONV_TRANSPOSE2D, &format!("f32/seed{seed}"));
    let row = row.f32(&[1 + d.below(2), c, 3 + d.below(7), 3 + d.below(7)]).f32(&[c, o, kh, kw]);
    let row = if d.flip() { row.f32(&[o * groups]) } else { row.none() };
    let padding = [d.below(kh.min(2)) as i64, d.below(kw.min(2)) as i64];
    let extra = stride.map(|s| d.below(s as usize) as i64);
    row.param("stride", stride.to_vec())
        .param("padding", padding.to_vec())
        .param("output_padding", extra.to_vec())
        .param("groups", groups)
}

fn attention(seed: usize, d: &mut Dice) -> Row {
    let (b, kv, share) = (1 + d.below(2), 1 + d.below(2), 1 + d.below(3));
    let (h, t, s) = (kv * share, d.size(), d.size());
    let (width, values) = (d.size(), d.size());
    let row = Row::new(&ATTENTION, &format!("f32/seed{seed}"));
    // Heads as a model makes them: a view of (B, T, H, D).
    let row = row.f32(&[b, t, h, width]).view(|x| x.permute(&[0, 2, 1, 3]));
    let row = row.f32(&[b, s, kv, width]).view(|x| x.permute(&[0, 2, 1, 3])).f32(&[b, kv, s, values]);
    let row = if d.flip() { row.f32(&[b, h, t, s]) } else { row.none() };
    let row = if d.flip() { row.ids(&[b, s], 2) } else { row.none() };
    row.param("causal", d.flip())
}

fn rows_of(seed: usize, d: &mut Dice) -> Row {
    let shape = [d.small(), d.small(), d.size() * [1, 1, 13][d.below(3)]];
    if d.flip() {
        return Row::new(&SOFTMAX, &format!("f32/seed{seed}")).range(&shape, -30.0, 30.0);
    }
    let c = shape[2];
    let row = Row::new(&LAYER_NORM, &format!("f32/seed{seed}")).range(&shape, -3.0, 5.0);
    if d.flip() { row.f32(&[c]).f32(&[c]) } else { row.none().none() }
}

fn groups(seed: usize, d: &mut Dice) -> Row {
    let (groups, each) = (1 + d.below(4), 1 + d.below(5));
    let c = groups * each;
    let row =
        Row::new(&GROUP_NORM, &format!("f32/seed{seed}")).range(&[1 + d.below(2), c, d.size(), d.small()], -2.0, 3.0);
    let row = if d.flip() { row.f32(&[c]).f32(&[c]) } else { row.none().none() };
    row.param("num_groups", groups).param("activation", ["none", "silu"][d.below(2)])
}

fn reduction(seed: usize, d: &mut Dice) -> Row {
    let kernel = [&SUM, &MAX, &LOGSUMEXP, &VARIANCE][d.below(4)];
    let shape = [1 + d.small(), 1 + d.small(), 1 + d.size()];
    let axes: Vec<i64> = (0..3).filter(|_| d.flip()).collect();
    let row = Row::new(kernel, &format!("f32/seed{seed}")).range(&shape, -4.0, 4.0);
    let row = if d.flip() { row.view(|t| t.permute(&[2, 0, 1])) } else { row };
    row.param("axes", axes).param("keepdim", d.flip())
}

fn pooling(seed: usize, d: &mut Dice) -> Row {
    let kernel = [1 + d.below(3), 1 + d.below(4)];
    let largest = d.flip();
    let padding = kernel.map(|k| d.below(k / 2 + 1) as i64);
    let row = Row::new(if largest { &MAX_POOL2D } else { &AVG_POOL2D }, &format!("f32/seed{seed}"));
    let row = row.f32(&[1 + d.below(2), 1 + d.below(3), kernel[0] + d.below(12), kernel[1] + d.below(17)]);
    let row = row.param("kernel", kernel.map(|k| k as i64).to_vec()).param("padding", padding.to_vec());
    row.param("stride", vec![1 + d.below(3) as i64, 1 + d.below(3) as i64]).param("ceil_mode", d.flip())
}

fn padding(seed: usize, d: &mut Dice) -> Row {
    let shape = [2 + d.below(4), 3 + d.small(), 3 + d.size()];
    let pads: Vec<i64> = (0..4).map(|_| d.below(3) as i64).collect();
    let mode = ["constant", "reflect", "replicate"][d.below(3)];
    Row::new(&PAD, &format!("f32/seed{seed}")).f32(&shape).param("pads", pads).param("mode", mode)
}

fn broadcast(seed: usize, d: &mut Dice) -> Row {
    let kernel = if d.flip() { &ADD } else { &MUL };
    let row = Row::new(kernel, &format!("f32/seed{seed}")).f32(&[4, 8, 20]);
    match d.below(4) {
        0 => row.f32(&[20]).view(|t| t.broadcast_to(&[4, 8, 20])),
        1 => row.f32(&[8, 1]).view(|t| t.broadcast_to(&[4, 8, 20])),
        2 => row.f32(&[20, 8, 4]).view(|t| t.permute(&[2, 1, 0])),
        _ => row.f32(&[4, 16, 20]).view(|t| t.slice_step(1, 1, 8, 2)),
    }
}

/// Every unary function over 2²⁴ bit patterns of finite f32, in rows of 2²⁰.
fn sweeps() -> Vec<Row> {
    let unary = handmill::kernels::elementwise::KERNELS.iter().filter(|k| k.inputs.len() == 1 && k.params.is_empty());
    let finite = |bits: u32| Some(f32::from_bits(bits)).filter(|v| v.is_finite());
    let part = |p: u32| {
        let values: Vec<f32> =
            (0..1u32 << 20).filter_map(|i| finite(((i << 4) | p).wrapping_mul(0x9e37_79b1))).collect();
        HostTensor::f32(&[values.len()], values)
    };
    let of_f32 = unary.filter(|k| k.inputs[0].dtypes == [handmill::Dtype::F32]);
    of_f32.flat_map(|&k| (0..16).map(move |p| Row::new(k, &format!("f32/patterns{p}")).value(part(p)))).collect()
}
