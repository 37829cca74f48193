//! Rows of the attention family.

use crate::row::Row;
use handmill::kernel::Kernel;
use handmill::kernels::attention::attention::ATTENTION;
use handmill::kernels::attention::attention_backward::{
    ATTENTION_BACKWARD_BIAS, ATTENTION_BACKWARD_DELTA, ATTENTION_BACKWARD_KV, ATTENTION_BACKWARD_Q,
};
use handmill::kernels::attention::attention_decode::ATTENTION_DECODE;
use handmill::kernels::attention::cache_append::CACHE_APPEND;
use handmill::kernels::attention::cache_reorder::CACHE_REORDER;
use handmill::kernels::attention::positions::{rope_frequencies, rope_tables, timestep_turns};
use handmill::kernels::attention::rope::ROPE;
use handmill::kernels::attention::timestep_embedding::TIMESTEP_EMBEDDING;
use handmill::tensor::HostTensor;

/// Every row.
pub fn rows() -> Vec<Row> {
    let forward = [attention(), masked(), many_keys(), strided(), decode(), append(), reorder(), rope(), timestep()];
    forward.into_iter().chain([delta(), backward()]).flatten().collect()
}

/// B, H, KH, T, S, D, DV.
type Sizes = [usize; 7];

/// A row with q, k and v; bias and key mask are still to be given.
fn qkv([b, h, kh, t, s, d, dv]: Sizes, note: &str) -> Row {
    let label = format!("f32/{b}x{h}of{kh}x{t}x{s}x{d}x{dv}{note}");
    Row::new(&ATTENTION, &label).f32(&[b, h, t, d]).f32(&[b, kh, s, d]).f32(&[b, kh, s, dv])
}

fn plain(sizes: Sizes) -> Row {
    qkv(sizes, "").none().none()
}

fn causal(sizes: Sizes) -> Row {
    qkv(sizes, "/causal").none().none().param("causal", true)
}

fn ones_and_zeros(shape: &[usize], zero: impl Fn(usize) -> bool) -> HostTensor {
    HostTensor::i32(shape, (0..shape.iter().product()).map(|i| i32::from(!zero(i))).collect())
}

fn attention() -> Vec<Row> {
    let mut rows = vec![
        // numpy: s=q@k.T/2**.5; s[0,2]=-np.inf; p=np.exp(s); np.log(p.sum(1)); p/=p.sum(1,keepdims=True); p@v
        Row::new(&ATTENTION, "f32/1x1of1x2x3x2x2/golden")
            .list(&[1, 1, 2, 2], &[1.0, -0.5, 0.25, 2.0])
            .list(&[1, 1, 3, 2], &[0.5, 1.0, -1.0, 0.75, 2.0, -0.25])
            .list(&[1, 1, 3, 2], &[1.0, 2.0, 3.0, -4.0, 0.5, 6.0])
            .none()
            .none()
            .param("causal", true)
            .golden(0, &[1.54885582, 0.35343253, 1.54849071, 0.6704379], 1e-8)
            .golden(1, &[0.32079485, 2.06858858], 1e-8),
        plain([2, 4, 4, 64, 64, 32, 32]),
        plain([1, 3, 3, 17, 19, 13, 11]),
        plain([1, 1, 1, 1, 1, 1, 1]),
        plain([2, 2, 1, 1, 131, 5, 3]),
        plain([1, 4, 2, 33, 65, 16, 16]),
        plain([1, 6, 2, 31, 63, 3, 65]),
        plain([1, 1, 1, 32, 257, 65, 64]),
        plain([1, 2, 2, 5, 70, 256, 256]),
        plain([1, 1, 1, 3, 9, 512, 300]),
        causal([1, 2, 2, 64, 64, 16, 16]),
        causal([2, 2, 1, 37, 97, 7, 9]),
        causal([1, 1, 1, 70, 40, 8, 8]),
        causal([1, 1, 1, 1, 100, 8, 4]),
        qkv([1, 2, 2, 9, 40, 12, 12], "/scale_1").none().none().param("scale", 1.0),
    ];
    let range = |note: &str, size: f64| {
        let label = format!("f32/1x2of2x20x70x8x8/{note}");
        let [q, k] = [[1, 2, 20, 8], [1, 2, 70, 8]];
        Row::new(&ATTENTION, &label).range(&q, -size, size).range(&k, -size, size).f32(&k).none().none()
    };
    rows.push(range("large_scores", 12.0));
    rows.push(range("tiny", 1e-30));
    let equal = |n: usize| vec![0.5; n];
    rows.push(
        Row::new(&ATTENTION, "f32/1x1of1x3x66x4x4/all_equal")
            .list(&[1, 1, 3, 4], &equal(12))
            .list(&[1, 1, 66, 4], &equal(264))
            .list(&[1, 1, 66, 4], &equal(264))
            .none()
            .none(),
    );
    rows
}

fn masked() -> Vec<Row> {
    let small = [2, 2, 1, 9, 70, 8, 6];
    vec![
        qkv(small, "/bias").f32(&[2, 2, 9, 70]).none(),
        qkv(small, "/bias_per_head")
            .f32(&[2, 1, 70])
            .view(|t| t.broadcast_to(&[2, 2, 9, 70]))
            .none()
            .param("causal", true),
        // Additive masks of the smallest float, as models build them.
        qkv([1, 1, 1, 2, 3, 4, 4], "/bias_masks")
            .list(&[1, 1, 2, 3], &[f32::MIN, 0.0, f32::MIN, f32::MIN, f32::MIN, f32::MIN])
            .none(),
        qkv(small, "/key_mask").none().value(ones_and_zeros(&[2, 70], |i| i % 3 == 0)),
        qkv(small, "/key_mask_of_nothing").none().value(ones_and_zeros(&[2, 70], |i| i < 70)),
        qkv([2, 2, 2, 40, 40, 8, 8], "/everything")
            .f32(&[2, 2, 40, 40])
            .value(ones_and_zeros(&[2, 40], |i| i % 40 > 30))
            .param("causal", true)
            .param("scale", 0.5),
        qkv([2, 1, 1, 4, 33, 4, 4], "/key_mask_shared")
            .none()
            .value(ones_and_zeros(&[33], |i| i == 7))
            .view(|t| t.broadcast_to(&[2, 33])),
    ]
}

/// Enough keys for several workgroups a query: one more than a round, a prime, and splits that see nothing.
fn many_keys() -> Vec<Row> {
    let bias = qkv([1, 4, 2, 2, 600, 8, 5], "/bias").f32(&[1, 1, 2, 600]).view(|b| b.broadcast_to(&[1, 4, 2, 600]));
    vec![
        plain([1, 1, 1, 1, 257, 4, 4]),
        plain([2, 2, 1, 1, 1021, 16, 16]),
        plain([1, 2, 2, 3, 513, 65, 130]),
        causal([1, 2, 1, 5, 300, 7, 3]),
        causal([1, 1, 1, 300, 270, 4, 4]),
        bias.value(ones_and_zeros(&[1, 600], |i| i % 7 == 3)),
        qkv([2, 1, 1, 1, 520, 4, 4], "/key_mask_of_splits").none().value(ones_and_zeros(&[2, 520], |i| i >= 256)),
    ]
}

fn strided() -> Vec<Row> {
    let heads = |note: &str| Row::new(&ATTENTION, &format!("f32/2x3of3x21x21x5x5/{note}"));
    vec![
        // Queries, keys and values as slices of one projection, (B,T,3·H·D) each.
        heads("of_projections")
            .f32(&[2, 21, 45])
            .view(|t| t.slice(-1, 0, 15).heads(3))
            .f32(&[2, 21, 45])
            .view(|t| t.slice(-1, 15, 15).heads(3))
            .f32(&[2, 21, 45])
            .view(|t| t.slice(-1, 30, 15).heads(3))
            .none()
            .none()
            .param("causal", true),
        // Positions of an image as tokens: the head dim is the outer axis.
        heads("channels_first")
            .f32(&[2, 3, 5, 21])
            .view(|t| t.transpose(-1, -2))
            .f32(&[2, 3, 5, 21])
            .view(|t| t.transpose(-1, -2))
            .f32(&[2, 3, 5, 21])
            .view(|t| t.transpose(-1, -2))
            .none()
            .none(),
        Row::new(&ATTENTION, "f16/1x2of2x9x33x7x7")
            .f32(&[1, 2, 9, 7])
            .f16(&[1, 2, 33, 7])
            .f16(&[1, 2, 34, 7])
            .view(|t| t.slice(2, 1, 33))
            .none()
            .none(),
    ]
}

fn decode() -> Vec<Row> {
    let row = |[b, h, kh, t, max, d, dv]: Sizes, note: &str, length: &[i32]| {
        let label = format!("f32/{b}x{h}of{kh}x{t}x{max}x{d}x{dv}{note}");
        Row::new(&ATTENTION_DECODE, &label)
            .f32(&[b, h, t, d])
            .f32(&[b, kh, max, d])
            .f32(&[b, kh, max, dv])
            .value(HostTensor::i32(&[length.len()], length.to_vec()))
    };
    vec![
        // The last row of the golden of attention; the fourth position is not filled yet.
        Row::new(&ATTENTION_DECODE, "f32/1x1of1x1x4x2x2/golden")
            .list(&[1, 1, 1, 2], &[0.25, 2.0])
            .list(&[1, 1, 4, 2], &[0.5, 1.0, -1.0, 0.75, 2.0, -0.25, 50.0, 50.0])
            .list(&[1, 1, 4, 2], &[1.0, 2.0, 3.0, -4.0, 0.5, 6.0, 50.0, 50.0])
            .value(HostTensor::i32(&[1], vec![3]))
            .none()
            .golden(0, &[1.54849071, 0.6704379], 1e-8),
        row([1, 4, 4, 1, 1024, 64, 64], "", &[700]).none(),
        row([2, 4, 2, 1, 300, 16, 16], "/lengths", &[1, 300]).none(),
        row([2, 2, 1, 3, 67, 7, 5], "/three_queries", &[2, 40]).none(),
        row([1, 1, 1, 1, 1, 1, 1], "", &[1]).none(),
        row([1, 2, 2, 1, 64, 256, 256], "", &[64]).none(),
        row([1, 3, 1, 1, 257, 65, 63], "/over_full", &[999]).none(),
        row([1, 3, 1, 2, 65, 8, 8], "/empty", &[0]).none(),
        row([1, 1, 1, 65_537, 2, 1, 1], "/many_groups", &[2]).none(),
        row([2, 2, 2, 1, 600, 8, 8], "/key_mask", &[520]).value(ones_and_zeros(&[2, 600], |i| i % 7 < 3 || i > 1000)),
        Row::new(&ATTENTION_DECODE, "f16/1x2of1x1x70x9x7")
            .f32(&[1, 1, 2, 9])
            .view(|t| t.permute(&[0, 2, 1, 3]))
            .f16(&[1, 1, 70, 9])
            .f16(&[1, 1, 70, 7])
            .value(HostTensor::i32(&[1], vec![69]))
            .none(),
    ]
}

fn delta() -> Vec<Row> {
    let row = |[b, t, h, dv]: [usize; 4]| {
        let row = Row::new(&ATTENTION_BACKWARD_DELTA, &format!("f32/{b}x{t}x{h}x{dv}"));
        row.f32(&[b, t, h, dv]).f32(&[b, t, h, dv]).f32(&[b, h, t])
    };
    vec![
        // numpy: y=np.array([[1.,2],[3,-4]]); d=np.array([[.5,-1],[2,.25]]); (d*y).sum(1)-np.array([.5,-.25])
        Row::new(&ATTENTION_BACKWARD_DELTA, "f32/1x2x1x2/golden")
            .list(&[1, 2, 1, 2], &[1.0, 2.0, 3.0, -4.0])
            .list(&[1, 2, 1, 2], &[0.5, -1.0, 2.0, 0.25])
            .list(&[1, 1, 2], &[7.0, 8.0])
            .list(&[1, 1, 2], &[0.5, -0.25])
            .golden(0, &[7.0, -2.0, 8.0, 5.25], 0.0),
        row([2, 5, 3, 7]).none(),
        row([2, 21, 3, 64]).f32(&[2, 3, 21]),
        row([1, 1, 1, 1]).none(),
        row([1, 65, 1, 300]).none(),
        row([1, 700, 96, 1]).none(),
    ]
}

fn backward() -> Vec<Row> {
    let kernels = [&ATTENTION_BACKWARD_Q, &ATTENTION_BACKWARD_KV, &ATTENTION_BACKWARD_BIAS];
    let mut rows = vec![];
    // numpy: s=q@k.T/2**.5; s[0,2]=-np.inf; p=np.exp(s-lse[:,None]); ds=p*(d_y@v.T-delta[:,None])
    //        ds@k/2**.5; np.r_[ds.T@q/2**.5, p.T@d_y]; ds
    let goldens: [&[f64]; 3] = [
        &[-2.954116522358132, -0.4651351345792347, 6.388172586563027, -0.9897095552434996],
        &[
            -1.5732148433664086,
            3.98602050685534,
            1.2629505211552439,
            -6.720516643908865,
            0.3462422835605365,
            2.769938268484292,
            1.0094719065499265,
            0.25225474460838526,
            0.42734608850241573,
            0.3686532480653504,
            0.06318200429397958,
            0.37909202576387746,
        ],
        &[-2.7571739299783076, 2.7991646857601586, 0.0, 2.1292486478514734, -4.052331720544977, 1.9586421331133668],
    ];
    for (kernel, golden) in kernels.into_iter().zip(goldens) {
        let row = Row::new(kernel, "f32/1x1of1x2x3x2x2/golden")
            .list(&[1, 1, 2, 2], &[1.0, -0.5, 0.25, 2.0])
            .list(&[1, 1, 3, 2], &[0.5, 1.0, -1.0, 0.75, 2.0, -0.25])
            .list(&[1, 1, 3, 2], &[1.0, 2.0, 3.0, -4.0, 0.5, 6.0])
            .none()
            .none()
            .list(&[1, 1, 2, 2], &[0.32079485, 0.8, 2.068_588_5, 2.75])
            .list(&[1, 2, 1, 2], &[1.0, -2.0, 0.5, 3.0])
            .param("causal", true);
        rows.push(row.golden(0, golden, 1e-6));
        rows.extend(gradients_of(kernel));
    }
    rows
}

fn gradients_of(kernel: &'static Kernel) -> Vec<Row> {
    let start = |[b, h, kh, t, s, d, dv]: Sizes, note: &str| {
        let label = format!("f32/{b}x{h}of{kh}x{t}x{s}x{d}x{dv}{note}");
        Row::new(kernel, &label).f32(&[b, h, t, d]).f32(&[b, kh, s, d]).f32(&[b, kh, s, dv])
    };
    let end = |row: Row, [b, h, _, t, _, _, dv]: Sizes| row.f32(&[b, h, t, 2]).f32(&[b, t, h, dv]);
    let plain = |n: Sizes| end(start(n, "").none().none(), n);
    let causal = |n: Sizes| end(start(n, "/causal").none().none(), n).param("causal", true);
    let small = [2, 2, 1, 9, 70, 8, 6];
    let heads = [2, 3, 3, 21, 21, 5, 5];
    let projected = Row::new(kernel, "f32/2x3of3x21x21x5x5/of_projections")
        .f32(&[2, 21, 45])
        .view(|t| t.slice(-1, 0, 15).heads(3))
        .f32(&[2, 21, 45])
        .view(|t| t.slice(-1, 15, 15).heads(3))
        .f32(&[2, 21, 45])
        .view(|t| t.slice(-1, 30, 15).heads(3));
    vec![
        plain([2, 4, 4, 64, 64, 32, 32]),
        plain([1, 3, 3, 17, 19, 13, 11]),
        plain([1, 1, 1, 1, 1, 1, 1]),
        plain([1, 4, 2, 33, 65, 16, 16]),
        plain([1, 6, 2, 31, 63, 3, 65]),
        plain([2, 2, 1, 65, 31, 17, 4]),
        plain([1, 1, 1, 32, 129, 65, 64]),
        plain([1, 2, 2, 5, 70, 256, 256]),
        plain([1, 1, 1, 3, 9, 260, 300]),
        plain([1, 1, 1, 3, 9, 300, 12]),
        causal([1, 2, 2, 64, 64, 16, 16]),
        causal([2, 2, 1, 37, 97, 7, 9]),
        // The first queries see nothing.
        causal([1, 2, 1, 97, 37, 7, 9]),
        causal([1, 1, 1, 200, 130, 4, 4]),
        end(start(small, "/scale").none().none(), small).param("scale", -0.3),
        end(start(small, "/bias").f32(&[2, 2, 9, 70]).none(), small),
        end(start(small, "/bias_per_head").f32(&[2, 1, 70]).view(|t| t.broadcast_to(&[2, 2, 9, 70])).none(), small)
            .param("causal", true),
        start([1, 1, 1, 2, 3, 4, 4], "/bias_masks")
            .list(&[1, 1, 2, 3], &[f32::MIN, 0.0, f32::MIN, f32::MIN, f32::MIN, f32::MIN])
            .none()
            .list(&[1, 1, 2, 2], &[0.25, 0.5, f32::MIN, 0.0])
            .f32(&[1, 2, 1, 4]),
        end(start(small, "/key_mask").none().value(ones_and_zeros(&[2, 70], |i| i % 3 == 0)), small),
        end(start(small, "/key_mask_of_nothing").none().value(ones_and_zeros(&[2, 70], |i| i < 70)), small),
        // Beside the last query stands one whose lse would make anything infinite.
        start([2, 1, 1, 3, 5, 4, 4], "/nothing_beside")
            .none()
            .value(ones_and_zeros(&[2, 5], |i| i > 4))
            .list(&[2, 1, 3, 2], &[0.5, 0.25, 1.0, -0.5, 0.0, 0.75, f32::MIN, 0.0, f32::MIN, 0.0, f32::MIN, 0.0])
            .f32(&[2, 3, 1, 4]),
        end(projected.none().none(), heads).param("causal", true),
    ]
}

fn append() -> Vec<Row> {
    let at = |p: &[i32]| HostTensor::i32(&[p.len()], p.to_vec());
    let row = |note: &str| Row::new(&CACHE_APPEND, &format!("f32/2x3x8x5{note}")).f32(&[2, 3, 8, 5]);
    vec![
        row("").f32(&[2, 3, 1, 5]).value(at(&[4])),
        row("/full").f32(&[2, 3, 8, 5]).value(at(&[0])),
        row("/last").f32(&[2, 3, 3, 5]).value(at(&[5])),
        row("/beyond").f32(&[2, 3, 3, 5]).value(at(&[6])),
        row("/negative").f32(&[2, 3, 1, 5]).value(at(&[-1])),
        row("/each").f32(&[2, 3, 2, 5]).value(at(&[6, 1])),
        row("/heads").f32(&[2, 2, 15]).view(|t| t.heads(3)).value(at(&[3])),
        Row::new(&CACHE_APPEND, "i32/1x1x3x1").ids(&[1, 1, 3, 1], 9).ids(&[1, 1, 1, 1], 9).value(at(&[2])),
    ]
}

fn reorder() -> Vec<Row> {
    let list = |p: &[i32]| HostTensor::i32(&[p.len()], p.to_vec());
    let row = |shape: &[usize], beams: i64, note: &str| {
        let label = shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        Row::new(&CACHE_REORDER, &format!("f32/{label}by{beams}{note}")).f32(shape).param("beams", beams)
    };
    vec![
        row(&[4, 3, 8, 5], 4, "").value(list(&[1, 1, 0, 3])).value(list(&[6])),
        row(&[6, 2, 7, 3], 3, "/groups").value(list(&[2, 0, 1, 3, 5, 4])).value(list(&[7])),
        row(&[4, 2, 7, 3], 2, "/each").value(list(&[1, 0, 3, 2])).value(list(&[7, 2, 0, 5])),
        row(&[4, 1, 4, 2], 2, "/outside").value(list(&[2, -1, 9, 2])).value(list(&[9])),
        row(&[2, 1, 4, 2], 2, "/negative").value(list(&[1, 0])).value(list(&[-3])),
        row(&[3, 1, 5, 1], 1, "/alone").value(list(&[0, 1, 2])).value(list(&[5])),
        row(&[64, 1, 3, 1], 64, "/most")
            .value(list(&(0..64).map(|b| (b * 7 + 3) % 64).collect::<Vec<_>>()))
            .value(list(&[2])),
        row(&[2, 2, 257, 64], 2, "/long").value(list(&[1, 0])).value(list(&[200])),
        Row::new(&CACHE_REORDER, "i32/1x1x1x1by1")
            .ids(&[1, 1, 1, 1], 9)
            .value(list(&[0]))
            .value(list(&[1]))
            .param("beams", 1i64),
    ]
}

fn rope() -> Vec<Row> {
    let row = |[b, h, t, d]: [usize; 4], rotated: usize, note: &str| {
        let [cos, sin] = rope_tables(64, &rope_frequencies(rotated, 10_000.0));
        Row::new(&ROPE, &format!("f32/{b}x{h}x{t}x{d}{note}")).f32(&[b, h, t, d]).value(cos).value(sin)
    };
    let [cos, sin] = rope_tables(8, &rope_frequencies(4, 10_000.0));
    vec![
        // numpy: a=np.tile(3*10000.**(-np.arange(0,4,2)/4),2); x*np.cos(a)+np.r_[-x[2:],x[:2]]*np.sin(a)
        Row::new(&ROPE, "f32/1x1x1x4/golden")
            .list(&[1, 1, 1, 4], &[0.5, -1.0, 2.0, 0.25])
            .value(cos.clone())
            .value(sin.clone())
            .value(HostTensor::i32(&[1], vec![3]))
            .golden(0, &[-0.77723626, -1.00704891, -1.90942499, 0.21989201], 1e-7),
        row([2, 3, 17, 16], 16, "").none(),
        row([2, 3, 1, 64], 64, "/offset").value(HostTensor::i32(&[1], vec![63])),
        row([2, 2, 5, 7], 4, "/partial").value(HostTensor::i32(&[5], vec![9, 0, 1, 2, 60])),
        row([2, 2, 3, 6], 6, "/batched").value(HostTensor::i32(&[2, 3], vec![9, 0, 1, 2, 60, 5])),
        row([1, 1, 2, 2], 2, "/clamped").value(HostTensor::i32(&[2], vec![-5, 640])),
        row([1, 2, 4, 8], 8, "/interleaved").none().param("interleaved", true),
        row([2, 2, 5, 7], 4, "/inverse").none().param("inverse", true),
        row([1, 2, 4, 8], 8, "/interleaved_inverse").none().param("interleaved", true).param("inverse", true),
        // numpy: a=np.tile(3*10000.**(-np.arange(0,4,2)/4),2); x*np.cos(a)-np.r_[-x[2:],x[:2]]*np.sin(a)
        Row::new(&ROPE, "f32/1x1x1x4/golden_inverse")
            .list(&[1, 1, 1, 4], &[0.5, -1.0, 2.0, 0.25])
            .value(cos.clone())
            .value(sin.clone())
            .value(HostTensor::i32(&[1], vec![3]))
            .param("inverse", true)
            .golden(0, &[-0.21275623, -0.99205116, -2.05054500, 0.27988301], 1e-7),
        Row::new(&ROPE, "f32/2x3x5x4/heads")
            .f32(&[2, 5, 24])
            .view(|t| t.slice(-1, 12, 12).heads(3))
            .value(cos)
            .value(sin)
            .none(),
    ]
}

fn timestep() -> Vec<Row> {
    let steps = |t: &[i32]| HostTensor::i32(&[t.len()], t.to_vec());
    let all: Vec<i32> = (0..1000).collect();
    vec![
        // numpy: f=np.exp(-np.log(1e4)*np.arange(2)/2); a=t[:,None]*f; np.c_[np.sin(a),np.cos(a),0*t]
        Row::new(&TIMESTEP_EMBEDDING, "i32/2x5/golden")
            .value(steps(&[999, 3]))
            .value(timestep_turns(2, 0.0))
            .param("dim", 5i64)
            .golden(
                0,
                &[
                    -0.026460752737064126,
                    -0.5356033346142868,
                    0.9996498529808264,
                    -0.8444696962887752,
                    0.0,
                    0.1411200080598672,
                    0.029995500202495647,
                    -0.9899924966004454,
                    0.9995500337489875,
                    0.0,
                ],
                1e-9,
            ),
        // numpy: f=np.exp(-np.log(1e4)*np.arange(2)); a=t*f; np.r_[np.cos(a),np.sin(a)]
        Row::new(&TIMESTEP_EMBEDDING, "i32/1x4/golden_flip")
            .value(steps(&[999]))
            .value(timestep_turns(2, 1.0))
            .param("dim", 4i64)
            .param("flip_sin_to_cos", true)
            .golden(0, &[0.9996498529808264, 0.995014143644653, -0.026460752737064126, 0.09973391573129901], 1e-9),
        Row::new(&TIMESTEP_EMBEDDING, "i32/1000x32")
            .value(steps(&all))
            .value(timestep_turns(16, 1.0))
            .param("dim", 32i64),
        Row::new(&TIMESTEP_EMBEDDING, "f32/7x66")
            .range(&[7], 0.0, 1000.0)
            .value(timestep_turns(33, 0.0))
            .param("dim", 66i64)
            .param("flip_sin_to_cos", true),
        Row::new(&TIMESTEP_EMBEDDING, "f32/3x3/small")
            .list(&[3], &[0.0, 1e-30, -0.5])
            .value(timestep_turns(1, 0.0))
            .param("dim", 3i64),
    ]
}
