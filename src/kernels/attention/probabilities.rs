//! Attention probabilities, which the fused kernel never stores, for graphs that ask to see them.

use kernels_ref::attention::MASKED;

use super::attention::Attend;
use crate::graph::Tensor;
use crate::tensor::Dtype;

/// `softmax(scale · q kᵀ + bias)` with the masks of `attend`; zeros where a query may attend to nothing.
///
/// # Shapes
/// `q (B, H, T, D)` · `k (B, KH, S, D)` · bias `(B, H, T, S)` → `(B, H, T, S)`
/// # Source
/// Vaswani et al. 2017, arXiv:1706.03762, eq. 1
#[track_caller]
fn probabilities<'g>(q: Tensor<'g>, k: Tensor<'g>, attend: Attend<'g>) -> Tensor<'g> {
    let (g, [b, h, t, d], [_, kh, s, _]) = (q.graph(), q.dims(), k.dims());
    let scale = if attend.scale == 0.0 { 1.0 / (d as f64).sqrt() } else { attend.scale };
    let k = k.unsqueeze(2).broadcast_to(&[b, kh, h / kh, s, d]).reshape(&[b, h, s, d]);
    let mut scores = q.matmul_t(k) * scale; // (B, H, T, S)
    let hidden = g.scalar(f64::NEG_INFINITY);
    if let Some(bias) = attend.bias {
        scores = scores + bias;
        scores = scores.compare("gt", g.scalar(MASKED)).r#where(scores, hidden);
    }
    if let Some(mask) = attend.key_mask {
        scores = mask.reshape(&[b, 1, 1, s]).r#where(scores, hidden);
    }
    if attend.causal {
        let last = g.iota(Dtype::I32, t, s as f64 - t as f64, 1.0).reshape(&[t, 1]);
        scores = g.iota(Dtype::I32, s, 0.0, 1.0).compare("le", last).r#where(scores, hidden);
    }
    scores.softmax(-1)
}

/// Names the probabilities of an attention after the part of the model it belongs to.
#[track_caller]
pub(super) fn name<'g>(q: Tensor<'g>, k: Tensor<'g>, attend: Attend<'g>) {
    let g = q.graph();
    let part = g.part();
    let first = if part.is_empty() { "attentions".to_owned() } else { format!("attentions.{part}") };
    // Layers with shared weights have one scope.
    let mut name = first.clone();
    for n in 2.. {
        if g.result(&name).is_none() {
            break;
        }
        name = format!("{first}.{n}");
    }
    g.output(&name, probabilities(q, k, attend));
}
