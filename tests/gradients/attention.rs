//! Rows of the attention family.

use super::judge::Gradient;
use super::row::Row;
use handmill::kernels::attention::attention::ATTENTION;
use handmill::kernels::attention::positions::{rope_frequencies, rope_tables};
use handmill::kernels::attention::rope::ROPE;
use handmill::tensor::HostTensor;

/// Every row.
pub fn rows() -> Vec<Gradient> {
    let attention = attention().into_iter().map(Gradient::of);
    // The log-sum-exp of nothing would swallow every difference.
    let blind = blind().into_iter().map(|row| Gradient::of(row).without(1).constant(3));
    attention.chain(blind).chain(rope().into_iter().map(|row| Gradient::of(row).constant(1).constant(2))).collect()
}

/// B, H, KH, T, S, D, DV.
fn qkv([b, h, kh, t, s, d, dv]: [usize; 7], note: &str) -> Row {
    let label = format!("f32/{b}x{h}of{kh}x{t}x{s}x{d}x{dv}{note}");
    Row::new(&ATTENTION, &label).f32(&[b, h, t, d]).f32(&[b, kh, s, d]).f32(&[b, kh, s, dv])
}

fn attention() -> Vec<Row> {
    let small = [2, 2, 1, 3, 5, 3, 2];
    vec![
        qkv([1, 1, 1, 1, 1, 1, 1], "").none().none(),
        qkv([1, 2, 2, 4, 3, 2, 4], "").none().none(),
        qkv(small, "/groups").none().none(),
        qkv([1, 4, 2, 3, 3, 2, 2], "/causal_groups").none().none().param("causal", true),
        qkv([1, 1, 1, 2, 5, 3, 2], "/causal_last").none().none().param("causal", true),
        qkv(small, "/scale").none().none().param("scale", 1.3),
        qkv(small, "/bias").f32(&[2, 2, 3, 5]).none(),
        qkv(small, "/bias_per_head").f32(&[2, 1, 5]).view(|t| t.broadcast_to(&[2, 2, 3, 5])).none(),
        qkv(small, "/key_mask").none().value(seen(&[2, 5], &[1, 0, 1, 1, 0, 0, 0, 1, 0, 1])),
        qkv([2, 2, 2, 3, 3, 2, 2], "/everything")
            .f32(&[2, 2, 3, 3])
            .value(seen(&[2, 3], &[1, 1, 0, 1, 1, 1]))
            .param("causal", true)
            .param("scale", 0.5),
        Row::new(&ATTENTION, "f32/2x2of2x3x3x2x2/of_projections")
            .f32(&[2, 3, 12])
            .view(|t| t.slice(-1, 0, 4).heads(2))
            .f32(&[2, 3, 12])
            .view(|t| t.slice(-1, 4, 4).heads(2))
            .f32(&[2, 3, 12])
            .view(|t| t.slice(-1, 8, 4).heads(2))
            .none()
            .none()
            .param("causal", true),
    ]
}

/// Some queries see nothing.
fn blind() -> Vec<Row> {
    let mask = [f32::MIN, 0.0, f32::MIN, f32::MIN, f32::MIN, f32::MIN];
    vec![
        qkv([1, 2, 1, 5, 3, 2, 2], "/causal_nothing").none().none().param("causal", true),
        qkv([2, 2, 1, 3, 5, 3, 2], "/key_mask_of_nothing").none().value(seen(&[2, 5], &[0, 0, 0, 0, 0, 1, 0, 1, 1, 1])),
        qkv([1, 1, 1, 2, 3, 2, 2], "/bias_masks").list(&[1, 1, 2, 3], &mask).none(),
        qkv([1, 2, 2, 3, 4, 2, 3], "/output_alone").none().none(),
    ]
}

fn seen(shape: &[usize], seen: &[i32]) -> HostTensor {
    HostTensor::i32(shape, seen.to_vec())
}

fn rope() -> Vec<Row> {
    let row = |[b, h, t, d]: [usize; 4], rotated: usize, note: &str| {
        let [cos, sin] = rope_tables(64, &rope_frequencies(rotated, 10_000.0));
        Row::new(&ROPE, &format!("f32/{b}x{h}x{t}x{d}{note}")).f32(&[b, h, t, d]).value(cos).value(sin)
    };
    vec![
        row([2, 3, 4, 6], 6, "").none(),
        row([2, 2, 3, 7], 4, "/partial").value(HostTensor::i32(&[3], vec![9, 0, 60])),
        row([2, 2, 3, 4], 4, "/batched").value(HostTensor::i32(&[2, 3], vec![9, 0, 1, 2, 60, 5])),
        row([1, 2, 4, 8], 8, "/interleaved").none().param("interleaved", true),
        row([1, 2, 3, 4], 4, "/inverse").none().param("inverse", true),
    ]
}
