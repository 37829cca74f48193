//! Which values a plan stores as f16.

use std::collections::HashSet;

use super::{Draft, Half, Op, Options};
use crate::error::Result;
use crate::graph::{FixedGraph, Source, ValueId};
use crate::kernel::Kernel;
use crate::tensor::Dtype;

/// Keeps a weight as f16 where every port that reads it can.
pub(super) fn weights(draft: &mut Draft) {
    let graph = draft.graph.clone();
    let updated = draft.updated.clone();
    for (id, value) in graph.values.iter().enumerate() {
        let narrow =
            matches!(value.source, Source::Weight(_)) && value.spec.dtype == Dtype::F32 && !updated.contains(&id);
        let folded = draft.folds.iter().any(|f| f.base == Some(id) || f.inputs.contains(&Some(id)));
        let reads = |op: &Op, p: usize| op.inputs[p] == Some(id);
        let can = |op: &Op| {
            (0..op.inputs.len()).filter(|&p| reads(op, p)).all(|p| {
                let (port, layout) = (op.call.kernel.inputs[p], &op.call.input(p).layout);
                port.dtypes.contains(&Dtype::F16) && (port.strided || layout.is_contiguous())
            })
        };
        if !narrow || folded || !draft.ops.iter().all(can) {
            continue;
        }
        store(draft, id);
    }
}

/// Stores `id` as f16, for every operation that reads or writes it.
fn store(draft: &mut Draft, id: ValueId) {
    draft.specs[id].dtype = Dtype::F16;
    for op in &mut draft.ops {
        for (value, operand) in op.inputs.iter().zip(&mut op.call.inputs) {
            if let (true, Some(operand)) = (*value == Some(id), operand) {
                operand.dtype = Dtype::F16;
            }
        }
        for (value, spec) in op.outputs.iter().zip(&mut op.call.outputs) {
            if *value == id {
                spec.dtype = Dtype::F16;
            }
        }
    }
}

/// Stores as f16 whatever need not be f32. Values that share memory are stored alike.
pub(super) fn values(draft: &mut Draft, options: &Options) -> Result<()> {
    let mut wide = wide(draft, options)?;
    let together = together(&draft.graph);
    loop {
        let spread = |(a, b): &&(ValueId, ValueId)| wide.contains(a) != wide.contains(b);
        let more: Vec<ValueId> = together.iter().filter(spread).flat_map(|(a, b)| [*a, *b]).collect();
        if more.is_empty() {
            break;
        }
        wide.extend(more);
    }
    let made = draft.ops.iter().flat_map(|op| op.inputs.iter().flatten().chain(&op.outputs));
    let used: HashSet<ValueId> = made.chain(together.iter().flat_map(|(a, b)| [a, b])).copied().collect();
    let mut narrow: Vec<_> =
        used.difference(&wide).copied().filter(|&id| draft.specs[id].dtype == Dtype::F32).collect();
    narrow.sort_unstable();
    narrow.into_iter().for_each(|id| store(draft, id));
    Ok(())
}

/// Values that stay f32: what the host gives and takes, tables, what is trained, statistics beside a first output, what
/// a kernel reads again after it wrote it, and what the steps of a scan carry.
fn wide(draft: &Draft, options: &Options) -> Result<HashSet<ValueId>> {
    let graph = &draft.graph;
    let mut wide = draft.updated.clone();
    for (id, value) in graph.values.iter().enumerate() {
        match &value.source {
            Source::Constant(_) => wide.extend([id]),
            Source::Input(_) if options.half == Half::Values => wide.extend([id]),
            Source::Arena(parts) => wide.extend(parts.iter().copied().chain([id])),
            _ => {}
        }
    }
    if options.half == Half::Values {
        wide.extend(graph.outputs.iter().map(|o| draft.resolve(o.value)));
    }
    wide.extend(draft.folded.keys());
    for carry in graph.scans.iter().flat_map(|scan| &scan.carries) {
        wide.extend([draft.resolve(carry.initial), carry.current, carry.next, carry.last]);
    }
    for op in &draft.ops {
        wide.extend(op.outputs.iter().skip(1));
        if reads_back(op.call.kernel, options)? {
            wide.extend(op.outputs.first());
        }
    }
    Ok(wide)
}

/// True if a variant of `kernel` reads its first output again, as numbers.
fn reads_back(kernel: &Kernel, options: &Options) -> Result<bool> {
    let updated = kernel.in_place.iter().find(|(output, _)| *output == 0).map(|&(_, port)| kernel.inputs[port].name);
    let name = updated.or(kernel.outputs.first().copied());
    for variant in kernel.variants {
        let module = options.shaders.module(variant.shader)?;
        let entries = variant.steps.iter().filter_map(|s| module.entries.get(s.entry));
        if entries.flat_map(|e| &e.bindings).any(|b| b.read_back && Some(b.name.as_str()) == name) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Pairs of values that lie in one buffer: a state before and after an update, a whole and its slices.
fn together(graph: &FixedGraph) -> Vec<(ValueId, ValueId)> {
    let update = |(id, value): (ValueId, &crate::graph::ValueInfo)| match value.source {
        Source::Updated { before, .. } => Some((before, id)),
        _ => None,
    };
    let updates = graph.values.iter().enumerate().filter_map(update);
    let scans = graph.scans.iter().flat_map(|s| s.slices.iter().chain(&s.outputs).copied());
    updates.chain(scans).collect()
}
