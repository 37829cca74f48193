//! Buffer slots by lifetime.
//!
//! A slot is a buffer of its own, so that no dispatch can bind one buffer both read-only and read-write.

use std::collections::{HashMap, HashSet};

use super::{Bound, Buffer, BufferKind, Draft, Op, Place};
use crate::graph::{Source, ValueId};
use crate::kernel::{Part, Spec};
use crate::shader::Access;
use crate::tensor::Dtype;

/// Hands out buffers and remembers where values lie.
pub(super) struct Assigner {
    pub buffers: Vec<Buffer>,
    pub places: HashMap<ValueId, Place>,
    /// Weights split by rows.
    pub parts: HashMap<ValueId, Vec<(Part, Place)>>,
    free: Vec<usize>,
    guard: u64,
    reuse: bool,
    /// Bytes left for slots that save a wait.
    spare: u64,
    /// Buffers written since a dispatch last had to wait.
    fresh: HashSet<usize>,
}

impl Assigner {
    pub fn new(guard: u64, reuse: bool, spare: u64) -> Assigner {
        Assigner {
            buffers: vec![],
            places: HashMap::new(),
            parts: HashMap::new(),
            free: vec![],
            guard,
            reuse,
            spare,
            fresh: HashSet::new(),
        }
    }

    /// Remembers what a dispatch binds.
    pub fn used(&mut self, bindings: &[Bound]) {
        let buffers = |access| {
            bindings.iter().filter(move |b| b.access == access).filter_map(|b| b.place).map(|place| place.buffer)
        };
        if buffers(Access::Read).any(|buffer| self.fresh.contains(&buffer)) {
            self.fresh.clear();
        }
        self.fresh.extend(buffers(Access::ReadWrite));
    }

    /// A slot for what an operation writes that reads `inputs`: one that no dispatch has used yet, if the operation
    /// then need not wait and bytes are left for that.
    pub fn slot_for(&mut self, bytes: u64, inputs: &[Place]) -> Place {
        let size = bytes + self.guard;
        let waits = inputs.iter().any(|p| self.fresh.contains(&p.buffer));
        if waits || size > self.spare {
            return self.slot(bytes);
        }
        self.spare -= size;
        self.buffer(BufferKind::Slot, Spec::new(Dtype::U32, &[]), size)
    }

    /// A buffer of its own.
    pub fn buffer(&mut self, kind: BufferKind, spec: Spec, bytes: u64) -> Place {
        self.buffers.push(Buffer { kind, spec, bytes });
        Place { buffer: self.buffers.len() - 1, offset: 0, bytes }
    }

    /// A slot of at least `bytes`: the smallest free one that fits, else the largest grows, else a new one.
    pub fn slot(&mut self, bytes: u64) -> Place {
        let bytes = bytes + self.guard;
        let size = |&i: &usize| self.buffers[i].bytes;
        let fitting = self.free.iter().copied().filter(|i| size(i) >= bytes).min_by_key(size);
        let Some(index) = fitting.or_else(|| self.free.iter().copied().max_by_key(size)) else {
            let spec = Spec::new(Dtype::U32, &[]);
            return self.buffer(BufferKind::Slot, spec, bytes);
        };
        self.free.retain(|&i| i != index);
        self.buffers[index].bytes = self.buffers[index].bytes.max(bytes);
        Place { buffer: index, offset: 0, bytes }
    }

    /// Makes a slot free again; other buffers stay.
    pub fn release(&mut self, place: Place) {
        if self.reuse && self.buffers[place.buffer].kind == BufferKind::Slot && !self.free.contains(&place.buffer) {
            self.free.push(place.buffer);
        }
    }

    /// Bytes bound for a value of `spec` that the plan writes.
    pub fn guarded(&self, spec: &Spec) -> u64 {
        spec.bytes() + self.guard
    }
}

/// Index of the last operation that reads each value; `usize::MAX` for results.
///
/// A value from outside that a scan's body reads lives until the scan ends.
pub(super) fn last_uses(draft: &Draft, ops: &[Op]) -> HashMap<ValueId, usize> {
    let mut last: HashMap<ValueId, usize> = HashMap::new();
    let mut note = |value: ValueId, at: usize| {
        let entry = last.entry(value).or_insert(at);
        *entry = (*entry).max(at);
    };
    let end = |scan: usize| ops.iter().rposition(|o| o.scan == Some(scan)).unwrap_or(0);
    for (i, op) in ops.iter().enumerate() {
        for &value in op.inputs.iter().flatten() {
            let at = match op.scan {
                Some(scan) if scan_of_value(draft, ops, value) != Some(scan) => end(scan),
                _ => i,
            };
            note(value, at);
        }
    }
    for (s, scan) in draft.graph.scans.iter().enumerate().filter(|(s, _)| ops.iter().any(|o| o.scan == Some(*s))) {
        let outside = scan.carries.iter().map(|c| c.initial).chain(scan.slices.iter().map(|x| x.0));
        outside.for_each(|v| note(draft.resolve(v), end(s)));
    }
    for output in &draft.graph.outputs {
        note(draft.resolve(output.value), usize::MAX);
    }
    last
}

/// The scan in whose body `value` is made.
pub(super) fn scan_of_value(draft: &Draft, ops: &[Op], value: ValueId) -> Option<usize> {
    match draft.graph.values.get(value).map(|v| &v.source) {
        Some(Source::Carry { scan, .. } | Source::Slice { scan, .. }) => Some(*scan),
        Some(Source::Node { .. } | Source::Updated { .. }) | None => {
            ops.iter().find(|o| o.outputs.contains(&value)).and_then(|o| o.scan)
        }
        _ => None,
    }
}
