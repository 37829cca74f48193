//! Views: other shapes and strides over the same values, without a kernel.

use std::panic::Location;

use super::{Graph, Tensor, ValueId};
use crate::kernel::Spec;
use crate::kernels::layout::copy::COPY;
use crate::shape::{Dims, Layout, axis_index, broadcast, checked_len, row_major};
use crate::tensor::Dtype;

impl<'g> Tensor<'g> {
    /// The graph it belongs to.
    pub fn graph(self) -> &'g Graph {
        self.graph
    }
    /// The value behind this handle.
    pub(crate) fn value(self) -> ValueId {
        self.graph.inner.borrow().handles[self.index].value
    }
    /// Sizes, strides and offset.
    pub fn layout(self) -> Layout {
        self.graph.inner.borrow().handles[self.index].layout.clone()
    }
    /// Size of each axis.
    pub fn shape(self) -> Vec<usize> {
        self.layout().shape
    }
    /// Number of axes.
    pub fn rank(self) -> usize {
        self.layout().shape.len()
    }
    /// Element type.
    pub fn dtype(self) -> Dtype {
        let inner = self.graph.inner.borrow();
        inner.values[inner.handles[self.index].value].spec.dtype
    }
    /// Dtype and shape.
    pub fn spec(self) -> Spec {
        Spec { dtype: self.dtype(), shape: self.shape() }
    }
    /// True if it is all of its value, dense, in the value's own shape.
    pub(crate) fn is_whole(self) -> bool {
        let inner = self.graph.inner.borrow();
        let handle = &inner.handles[self.index];
        handle.layout.is_contiguous() && handle.layout.shape == inner.values[handle.value].spec.shape
    }

    /// The value behind this handle, of a dense copy if it is not all of it.
    pub(crate) fn value_of_whole(self) -> ValueId {
        if self.is_whole() { self.value() } else { self.copy().value() }
    }

    /// The sizes, as `let [b, t, c] = x.dims();`. Another rank is an error of the graph.
    #[track_caller]
    pub fn dims<const N: usize>(self) -> [usize; N] {
        let shape = self.shape();
        shape.as_slice().try_into().unwrap_or_else(|_| {
            self.graph.fail(Location::caller(), "dims", format!("{} has not {N} axes", Dims(&shape)));
            [1; N]
        })
    }

    /// Another view of the same value.
    fn view(self, layout: Layout) -> Tensor<'g> {
        self.graph.handle(self.value(), layout)
    }

    fn fail(self, location: &'static Location<'static>, op: &str, message: String) -> Tensor<'g> {
        self.graph.fail(location, op, message);
        self
    }

    /// The view that `layout` is of the value: as a plan found it, for a call that is measured alone.
    pub(crate) fn laid_out(self, layout: Layout) -> Tensor<'g> {
        self.view(layout)
    }

    /// A dense copy (a dispatch).
    #[track_caller]
    pub fn copy(self) -> Tensor<'g> {
        self.graph.dispatch(&COPY, &[Some(self)], &[])[0]
    }

    /// The same elements, row-major, in another shape of equal count; a view where strides allow it,
    /// otherwise of a dense copy.
    #[track_caller]
    pub fn reshape(self, shape: &[usize]) -> Tensor<'g> {
        let layout = self.layout();
        if checked_len(shape) != Some(layout.len()) {
            let message = format!("{} elements of {} do not fill {}", layout.len(), Dims(&layout.shape), Dims(shape));
            return self.fail(Location::caller(), "reshape", message);
        }
        match reshaped(&layout, shape) {
            Some(view) => self.view(view),
            None => self.copy().reshape(shape),
        }
    }

    /// Axes in another order: axis `i` of the result is axis `order[i]` of `self`.
    #[track_caller]
    pub fn permute(self, order: &[usize]) -> Tensor<'g> {
        let l = self.layout();
        let mut seen = vec![false; l.shape.len()];
        order.iter().for_each(|&a| {
            if let Some(s) = seen.get_mut(a) {
                *s = true
            }
        });
        if order.len() != l.shape.len() || seen.contains(&false) {
            return self.fail(
                Location::caller(),
                "permute",
                format!("{order:?} is no order of the axes of {}", Dims(&l.shape)),
            );
        }
        let pick = |v: &[usize]| order.iter().map(|&a| v[a]).collect();
        self.view(Layout { shape: pick(&l.shape), strides: pick(&l.strides), offset: l.offset })
    }

    /// Swaps two axes; they may count from the end.
    #[track_caller]
    pub fn transpose(self, a: i64, b: i64) -> Tensor<'g> {
        let rank = self.rank();
        let (Some(a), Some(b)) = (axis_index(a, rank), axis_index(b, rank)) else {
            return self.fail(
                Location::caller(),
                "transpose",
                format!("axes {a} and {b} are not both in {}", Dims(&self.shape())),
            );
        };
        let mut order: Vec<_> = (0..rank).collect();
        order.swap(a, b);
        self.permute(&order)
    }

    /// Elements `start .. start + len` along `axis`, which may count from the end.
    #[track_caller]
    pub fn slice(self, axis: i64, start: usize, len: usize) -> Tensor<'g> {
        self.slice_step(axis, start, len, 1)
    }

    /// `len` elements along `axis` from `start`, every `step`-th.
    #[track_caller]
    pub fn slice_step(self, axis: i64, start: usize, len: usize, step: usize) -> Tensor<'g> {
        let mut l = self.layout();
        let inside = |a: &usize| len > 0 && step > 0 && start + (len - 1) * step < l.shape[*a];
        let Some(a) = axis_index(axis, l.shape.len()).filter(inside) else {
            let message = format!(
                "{len} elements from {start} in steps of {step} along axis {axis} are not in {}",
                Dims(&l.shape)
            );
            return self.fail(Location::caller(), "slice", message);
        };
        l.offset += start * l.strides[a];
        l.shape[a] = len;
        l.strides[a] *= step;
        self.view(l)
    }

    /// Pieces of the given sizes along `axis`, which may count from the end.
    #[track_caller]
    pub fn split<const N: usize>(self, axis: i64, sizes: [usize; N]) -> [Tensor<'g>; N] {
        let total: usize = sizes.iter().sum();
        if axis_index(axis, self.rank()).map(|a| self.shape()[a]) != Some(total) {
            self.fail(
                Location::caller(),
                "split",
                format!("sizes {sizes:?} do not add up to axis {axis} of {}", Dims(&self.shape())),
            );
            return [self; N];
        }
        let mut start = 0;
        sizes.map(|len| {
            start += len;
            self.slice(axis, start - len, len)
        })
    }

    /// Repeated to `shape` by NumPy's rules.
    #[track_caller]
    pub fn broadcast_to(self, shape: &[usize]) -> Tensor<'g> {
        let l = self.layout();
        if broadcast(&l.shape, shape).as_deref() != Some(shape) {
            return self.fail(
                Location::caller(),
                "broadcast",
                format!("{} does not broadcast to {}", Dims(&l.shape), Dims(shape)),
            );
        }
        let added = shape.len() - l.shape.len();
        let strides = (0..shape.len())
            .map(|a| if a < added || l.shape[a - added] == 1 { 0 } else { l.strides[a - added] })
            .collect();
        self.view(Layout { shape: shape.to_vec(), strides, offset: l.offset })
    }

    /// A new axis of size 1 before `axis`, which may count from the end (−1 appends).
    #[track_caller]
    pub fn unsqueeze(self, axis: i64) -> Tensor<'g> {
        let mut l = self.layout();
        let Some(a) = axis_index(axis, l.shape.len() + 1) else {
            return self.fail(Location::caller(), "unsqueeze", format!("axis {axis} is not in {}", Dims(&l.shape)));
        };
        l.shape.insert(a, 1);
        l.strides.insert(a, 0);
        self.view(l)
    }

    /// Removes `axis`, of size 1.
    #[track_caller]
    pub fn squeeze(self, axis: i64) -> Tensor<'g> {
        let mut l = self.layout();
        let Some(a) = axis_index(axis, l.shape.len()).filter(|&a| l.shape[a] == 1) else {
            return self.fail(Location::caller(), "squeeze", format!("axis {axis} of {} is not 1", Dims(&l.shape)));
        };
        l.shape.remove(a);
        l.strides.remove(a);
        self.view(l)
    }

    /// `(B, T, H·D)` → `(B, H, T, D)`, a view.
    #[track_caller]
    pub fn heads(self, heads: usize) -> Tensor<'g> {
        let [b, t, c] = self.dims();
        if heads == 0 || c % heads != 0 {
            return self.fail(Location::caller(), "heads", format!("{c} channels do not split into {heads} heads"));
        }
        self.reshape(&[b, t, heads, c / heads]).permute(&[0, 2, 1, 3])
    }

    /// `(B, H, T, D)` → `(B, T, H·D)`.
    #[track_caller]
    pub fn merge_heads(self) -> Tensor<'g> {
        let [b, h, t, d] = self.dims();
        self.permute(&[0, 2, 1, 3]).reshape(&[b, t, h * d])
    }
}

/// `layout` seen as `shape`, if strides can say it.
fn reshaped(layout: &Layout, shape: &[usize]) -> Option<Layout> {
    if layout.is_dense() {
        return Some(Layout { shape: shape.to_vec(), strides: row_major(shape), offset: layout.offset });
    }
    let merged = &Layout::collapse(&[layout])[0];
    let mut strides = vec![0; shape.len()];
    let (mut axis, mut left) = (merged.shape.len(), 1);
    let mut stride = 0;
    for i in (0..shape.len()).rev() {
        if shape[i] == 1 {
            continue;
        }
        if left == 1 {
            axis = axis.checked_sub(1)?;
            (left, stride) = (merged.shape[axis], merged.strides[axis]);
        }
        if left % shape[i] != 0 {
            return None;
        }
        strides[i] = stride;
        stride *= shape[i];
        left /= shape[i];
    }
    Some(Layout { shape: shape.to_vec(), strides, offset: layout.offset })
}
