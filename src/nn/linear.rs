//! The affine layer.

use crate::graph::{Scope, Tensor};

/// An affine map of the last axis, with the weights `weight (out, in)` and, if `bias`, `bias (out)`.
///
/// `y = x · weightᵀ + bias`
///
/// # Shapes
/// `x (…, in)` → `(…, out_features)`
/// # Errors
/// [`crate::Error::Graph`] if `x` has no axis
/// # Gradient
/// `x`, `weight`, `bias`
/// # Source
/// PyTorch `nn.Linear`
#[track_caller]
pub fn linear<'g>(scope: Scope<'g>, x: Tensor<'g>, out_features: usize, bias: bool) -> Tensor<'g> {
    let shape = x.shape();
    let Some(&features) = shape.last() else {
        x.graph().reject("linear", "x has no axis of features");
        return x;
    };
    let y = x.matmul_t(scope.weight("weight", &[out_features, features]));
    if bias { y + scope.weight("bias", &[out_features]) } else { y }
}
