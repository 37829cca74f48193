//! Gradients of products of matrices: products again, on transposed views.

use super::epilogue;
use super::matmul::{A, EPILOGUE, MATMUL, W};
use crate::backward::Adjoint;
use crate::graph::Tensor;
use crate::shape::Layout;

/// `d_a = scale · d · wᵀ` and `d_w = scale · aᵀ · d`, where `d` is the gradient of the sum before the activations;
/// each summed over the batches that share the operand.
pub(super) fn backward<'g>(n: &Adjoint<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
    let d = epilogue::backward(n, &EPILOGUE);
    let (scale, y) = (n.float("scale"), d.sum.shape());
    let batch = &y[..y.len() - 2];
    let gradient = |port: usize, left: Tensor<'g>, right: Tensor<'g>| {
        let own = &n.input(port).layout;
        product_backward(left, right, scale, batch, own)
    };
    let d_a = n.wanted(A, || gradient(A, d.sum, n.x(W).transpose(-1, -2)));
    let d_w = n.wanted(W, || gradient(W, n.x(A).transpose(-1, -2), d.sum));
    vec![d_a, d_w, d.bias, d.residual]
}

/// `scale · left · right` of batches `batch`, summed over those axes along which `own`, the operand it is the gradient
/// of, has one matrix for all: they become part of the inner axis, so that the sum is one long product.
fn product_backward<'g>(left: Tensor<'g>, right: Tensor<'g>, scale: f64, batch: &[usize], own: &Layout) -> Tensor<'g> {
    let rank = own.shape.len();
    let first = batch.len() + 2 - rank;
    let shared = |axis: usize| axis < first || own.shape[axis - first] == 1;
    let folded: Vec<usize> = (0..batch.len()).filter(|&axis| batch[axis] > 1 && shared(axis)).collect();
    let (left, right) = (fold(left, batch.len(), &folded, true), fold(right, batch.len(), &folded, false));
    let product = |a: Tensor<'g>, w: Tensor<'g>| {
        a.graph().dispatch(&MATMUL, &[Some(a), Some(w), None, None], &[("scale", scale.into())])[0]
    };
    // Columns of an operand that lie one after another: the transpose is made, as it lies, for no copy to put it right.
    if own.strides[rank - 2] == 1 && own.strides[rank - 1] != 1 {
        let mut lies = own.shape.clone();
        lies.swap(rank - 2, rank - 1);
        product(right.transpose(-1, -2), left.transpose(-1, -2)).reshape(&lies).transpose(-1, -2)
    } else {
        product(left, right).reshape(&own.shape)
    }
}

/// `x (…, P, Q)` with `batches` axes of batches, those that are `folded` moved in front of the inner axis, which is Q
/// of the left operand and P of the right, and merged with it.
fn fold<'g>(x: Tensor<'g>, batches: usize, folded: &[usize], left: bool) -> Tensor<'g> {
    if folded.is_empty() {
        return x;
    }
    let mut shape = vec![1; batches + 2 - x.rank()];
    shape.extend(x.shape());
    let x = x.reshape(&shape);
    let (p, q) = (batches, batches + 1);
    let mut order: Vec<usize> = (0..batches).filter(|axis| !folded.contains(axis)).collect();
    let mut merged: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
    let inner = folded.iter().map(|&axis| shape[axis]).product::<usize>();
    if left {
        order.push(p);
        order.extend(folded);
        order.push(q);
        merged.extend([shape[p], inner * shape[q]]);
    } else {
        order.extend(folded);
        order.extend([p, q]);
        merged.extend([inner * shape[p], shape[q]]);
    }
    x.permute(&order).reshape(&merged)
}
