//! Batch normalisation of the channels of images.

use crate::graph::{Scope, Tensor};

/// Normalises every channel by its running statistics `running_mean`, `running_var (C)`, then scales by `weight (C)` and
/// shifts by `bias (C)`. Not in training mode.
///
/// # Shapes
/// `x (B, C, H, W)` → `(B, C, H, W)`
/// # Errors
/// [`crate::Error::Graph`] if `x` has not four axes, or in training mode
/// # Source
/// Ioffe, Szegedy 2015, arXiv:1502.03167 · PyTorch `nn.BatchNorm2d`
#[track_caller]
pub fn batch_norm2d<'g>(scope: Scope<'g>, x: Tensor<'g>, eps: f64, _momentum: f64) -> Tensor<'g> {
    let [_, c, _, _] = x.dims();
    if x.graph().training() {
        x.graph().reject("batch_norm2d", "statistics of a batch are not supported");
    }
    let [mean, variance, w, b] = ["running_mean", "running_var", "weight", "bias"].map(|name| scope.weight(name, &[c]));
    x.batch_norm(mean, variance, Some(w), Some(b), eps)
}
