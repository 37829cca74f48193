//! What one binding cannot hold: weights by their rows, results by theirs, a dispatch for each part.

use super::emit::Emitter;
use super::{BufferKind, Op, Place};
use crate::error::{Error, Result};
use crate::graph::{Source, ValueId};
use crate::kernel::{Call, Part, Spec};

/// What one of the dispatches of an operation reads and writes; all of it by default.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Share {
    /// Rows of the weight at the kernel's split port.
    pub weight: Option<(Part, Place)>,
    /// Rows of the result, and the bytes of one.
    rows: Option<(Part, u64)>,
    /// True if no row stands behind these.
    last: bool,
}

impl Share {
    /// The call of this share of `call`.
    pub fn of(&self, call: &Call) -> Call {
        let (part, rows) = (self.weight.map(|(part, _)| part), self.rows.map(|(part, _)| part));
        Call { part, rows, ..call.clone() }
    }

    /// Where in `whole`, the place of a result, this share writes. The last one has the guard behind the result.
    pub fn written(&self, whole: Place) -> Place {
        let Some((part, row)) = self.rows else { return whole };
        let before = part.first as u64 * row;
        let bytes = if self.last { whole.bytes - before } else { part.rows as u64 * row };
        Place { offset: whole.offset + before, bytes, ..whole }
    }
}

impl Emitter<'_> {
    pub(super) fn largest_binding(&self) -> u64 {
        self.adapter.max_binding.min(self.adapter.max_buffer)
    }

    /// The call of the first dispatch of `op`, which stands for all of them where a variant is chosen.
    pub(super) fn first_call(&self, op: &Op) -> Result<Call> {
        let part = self.weight_parts(op)?.map(|parts| parts[0]);
        Ok(Call { part, rows: self.row_parts(op).map(|parts| parts[0]), ..op.call.clone() })
    }

    /// True if dispatches of their own write the rows of `value`.
    pub(super) fn divides(&self, value: ValueId) -> bool {
        self.ops.iter().any(|op| op.outputs.contains(&value) && self.row_parts(op).is_some())
    }

    /// What each dispatch of operation `i` has to do.
    pub(super) fn shares(&mut self, i: usize) -> Result<Vec<Share>> {
        let op = self.ops[i].clone();
        let weights: Vec<_> = match self.weight_parts(&op)? {
            None => vec![None],
            Some(parts) => self.weight_places(&op, parts).into_iter().map(Some).collect(),
        };
        let Some(rows) = self.row_parts(&op) else {
            return Ok(weights.into_iter().map(|weight| Share { weight, ..Share::default() }).collect());
        };
        let row = self.row_bytes(&op);
        let share = |&part: &Part| {
            let last = Some(&part) == rows.last();
            weights.iter().map(move |&weight| Share { weight, rows: Some((part, row)), last })
        };
        Ok(rows.iter().flat_map(share).collect())
    }

    fn row_bytes(&self, op: &Op) -> u64 {
        let spec = self.spec(op.outputs[0]);
        (spec.len() / (op.call.kernel.output_rows)(&op.call) * spec.dtype.size()) as u64
    }

    /// Rows of what `op` writes, where that is too large for one binding, the kernel can divide it, and nothing but
    /// whoever asked for the result reads it. Every part begins where a binding may.
    fn row_parts(&self, op: &Op) -> Option<Vec<Part>> {
        let &[value] = &op.outputs[..] else { return None };
        let (max, guard) = (self.largest_binding(), self.options.guard);
        if op.scan.is_some() || self.spec(value).bytes() + guard <= max {
            return None;
        }
        if self.ops.iter().any(|o| o.inputs.contains(&Some(value))) {
            return None;
        }
        let rows = (op.call.kernel.output_rows)(&op.call);
        let row = self.row_bytes(op);
        // Any count of rows that is a multiple of this one ends where a binding may begin.
        let step = (1..).find(|n| (n * row).is_multiple_of(u64::from(self.adapter.storage_alignment)))?;
        let most = (max.saturating_sub(guard) / row / step * step) as usize;
        (rows > 1 && most > 0).then(|| parts(rows, most))
    }

    /// Rows of the weight at the kernel's split port, where it is too large for one binding.
    fn weight_parts(&self, op: &Op) -> Result<Option<Vec<Part>>> {
        let Some((split, value)) = op.call.kernel.row_split.and_then(|s| Some((s, op.inputs[s.port]?))) else {
            return Ok(None);
        };
        let (spec, max) = (self.spec(value), self.largest_binding());
        let Some(Source::Weight(key)) = self.draft.graph.values.get(value).map(|v| &v.source) else { return Ok(None) };
        if spec.bytes() <= max || self.draft.updated.contains(&value) {
            return Ok(None);
        }
        // The kernel must see all of the weight, its rows along the axis that the parts divide.
        let layout = &op.call.input(split.port).layout;
        let [rows, columns] = spec.shape[..] else { return Ok(None) };
        let seen = if split.axis == 0 { [columns, 1] } else { [1, columns] };
        if layout.offset != 0 || layout.strides != seen || layout.shape[split.axis] != rows {
            return Ok(None);
        }
        let row = columns * spec.dtype.size();
        // Even counts keep f16 rows at whole words.
        let most = (max as usize / row) & !1;
        if most == 0 {
            let message = format!("one row of {row} bytes is larger than a binding of {} ({max})", self.adapter.name);
            return Err(Error::limit(key, message));
        }
        Ok(Some(parts(rows, most)))
    }

    /// A buffer for each of the `parts` of the weight of `op`.
    fn weight_places(&mut self, op: &Op, parts: Vec<Part>) -> Vec<(Part, Place)> {
        let value = op.call.kernel.row_split.and_then(|split| op.inputs[split.port]).expect("bug: no weight to split");
        if let Some(placed) = self.memory.parts.get(&value) {
            return placed.clone();
        }
        let Source::Weight(key) = self.draft.graph.values[value].source.clone() else {
            panic!("bug: what is split by rows is a weight")
        };
        let spec = self.spec(value).clone();
        let place = |part: Part| {
            let piece = Spec::new(spec.dtype, &[part.rows, spec.shape[1]]);
            let bytes = piece.bytes();
            (part, self.memory.buffer(BufferKind::Weight { key: key.clone(), part: Some(part) }, piece, bytes))
        };
        let placed: Vec<_> = parts.into_iter().map(place).collect();
        self.memory.parts.insert(value, placed.clone());
        placed
    }
}

/// `rows` in parts of `most`, the last one shorter.
fn parts(rows: usize, most: usize) -> Vec<Part> {
    (0..rows).step_by(most).map(|first| Part { first, rows: most.min(rows - first) }).collect()
}
