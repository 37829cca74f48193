//! Arenas: values that lie one after the other in one buffer, so that one dispatch updates them all.

use std::panic::Location;

use super::{ARENA_ALIGN, Graph, Source, Tensor, ValueId};
use crate::kernel::Spec;
use crate::shape::{Dims, Layout};
use crate::tensor::Dtype;

impl Graph {
    /// `parts`, one after the other, each padded with zeros to a multiple of [`ARENA_ALIGN`] elements: all weights, or all
    /// results of nodes. What is given lies in the arena's buffer; nothing is copied, but a result that is read
    /// elsewhere too.
    ///
    /// # Shapes
    /// → `(N)`, N a multiple of [`ARENA_ALIGN`]
    /// # Errors
    /// [`crate::Error::Graph`] if a part is not f32, a weight is not all of it, or weights and results are mixed
    #[track_caller]
    pub fn arena<'g>(&'g self, parts: &[Tensor<'g>]) -> Tensor<'g> {
        let location = Location::caller();
        if let Some(odd) = parts.iter().find(|t| t.dtype() != Dtype::F32) {
            self.fail(location, "arena", format!("a part is {} {}, expected f32", odd.dtype(), Dims(&odd.shape())));
        }
        let weights = parts.iter().filter(|t| self.is_weight(**t)).count();
        if parts.is_empty() || (weights != 0 && weights != parts.len()) {
            self.fail(
                location,
                "arena",
                format!("{weights} of {} parts are weights, expected all or none", parts.len()),
            );
        }
        let mut ids: Vec<ValueId> = vec![];
        for part in parts {
            let own = if weights > 0 { *part } else { self.alone(*part, &ids) };
            ids.push(own.value());
        }
        let len = parts.iter().map(|t| t.shape().iter().product::<usize>().next_multiple_of(ARENA_ALIGN)).sum();
        self.value(Spec::new(Dtype::F32, &[len]), Source::Arena(ids))
    }

    /// The parts of an arena, each in its own shape.
    pub fn parts_of(&self, arena: Tensor<'_>) -> Vec<Tensor<'_>> {
        let parts = match &self.inner.borrow().values[arena.value()].source {
            Source::Arena(parts) => parts.clone(),
            _ => vec![],
        };
        let whole = |part: ValueId| {
            let shape = self.inner.borrow().values[part].spec.shape.clone();
            self.handle(part, Layout::contiguous(&shape))
        };
        parts.into_iter().map(whole).collect()
    }

    fn is_weight(&self, t: Tensor<'_>) -> bool {
        matches!(self.inner.borrow().values[t.value()].source, Source::Weight(_)) && t.is_whole()
    }

    /// `t` as a value that a node writes and nobody reads yet.
    fn alone<'g>(&'g self, t: Tensor<'g>, taken: &[ValueId]) -> Tensor<'g> {
        let fits = {
            let inner = self.inner.borrow();
            let value = t.value();
            let written = matches!(
                inner.values[value].source,
                Source::Node { .. } | Source::Stacked { .. } | Source::Final { .. }
            );
            let read = inner.nodes.iter().any(|n| n.inputs.contains(&Some(value)))
                || inner.outputs.iter().any(|o| o.value == value)
                || inner
                    .scans
                    .iter()
                    .any(|s| s.carries.iter().any(|c| c.initial == value) || s.slices.iter().any(|s| s.0 == value))
                || inner.values.iter().any(|v| matches!(&v.source, Source::Arena(parts) if parts.contains(&value)));
            written && !read && !taken.contains(&value)
        };
        if fits && t.is_whole() { t } else { t.copy() }
    }
}
