//! Fused softmax attention, caches of keys and values, positions.

use crate::kernel::{Call, Kernel, Scalars};
use crate::shape::Dims;

// A kernel's file has its name, which here is the family's too.
#[allow(clippy::module_inception)]
pub mod attention;
pub mod attention_backward;
pub mod attention_decode;
pub mod cache_append;
pub mod cache_reorder;
pub mod positions;
mod probabilities;
pub mod rope;
mod split;
pub mod timestep_embedding;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[
    &attention::ATTENTION,
    &attention_backward::ATTENTION_BACKWARD_DELTA,
    &attention_backward::ATTENTION_BACKWARD_Q,
    &attention_backward::ATTENTION_BACKWARD_KV,
    &attention_backward::ATTENTION_BACKWARD_BIAS,
    &attention_decode::ATTENTION_DECODE,
    &cache_append::CACHE_APPEND,
    &cache_reorder::CACHE_REORDER,
    &rope::ROPE,
    &timestep_embedding::TIMESTEP_EMBEDDING,
];

/// Strides and first element of the input at `port` under `<name>_<axis>` and `<name>_offset`; zeros if absent.
fn strides(scalars: Scalars, c: &Call, port: usize, name: &str, axes: &[&str]) -> Scalars {
    let layout = c.has(port).then(|| &c.input(port).layout);
    let at = |a: usize| layout.map_or(0, |l| if l.shape[a] == 1 { 0 } else { l.strides[a] });
    let all = axes.iter().enumerate().fold(scalars, |all, (a, axis)| all.set(&format!("{name}_{axis}"), at(a)));
    all.set(&format!("{name}_offset"), layout.map_or(0, |l| l.offset))
}

/// The sizes of queries, keys and values of ports 0, 1 and 2, if they fit together.
fn sizes(c: &Call) -> Result<kernels_ref::attention::Sizes, String> {
    let (q, k, v) = (c.shape(0), c.shape(1), c.shape(2));
    let (&[b, h, t, d], &[kb, kh, s, kd], &[vb, vh, vs, dv]) = (q, k, v) else {
        return Err(format!("q {}, k {} and v {} have not four axes each", Dims(q), Dims(k), Dims(v)));
    };
    if kb != b || vb != b || kd != d || vh != kh || vs != s {
        return Err(format!(
            "q {}, k {} and v {} do not fit (B,H,T,D), (B,KH,S,D), (B,KH,S,DV)",
            Dims(q),
            Dims(k),
            Dims(v)
        ));
    }
    if h % kh != 0 {
        return Err(format!("{h} query heads do not split over {kh} key heads"));
    }
    Ok(kernels_ref::attention::Sizes { b, h, kh, t, s, d, dv })
}

/// The parameter `scale`, of which 0 stands for 1/√D.
fn scale(c: &Call) -> f64 {
    match c.float("scale") {
        0.0 => 1.0 / (c.shape(0)[3] as f64).sqrt(),
        scale => scale,
    }
}
