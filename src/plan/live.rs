//! Which nodes a plan needs: dead ones are dropped, equal ones shared.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Draft, Op};
use crate::graph::{FixedGraph, Source, ValueId};
use crate::tensor::Dtype;

/// The live operations of `graph`, in order of construction.
pub(super) fn draft(graph: &Arc<FixedGraph>, fixed_weights: bool) -> Draft {
    let live = live_nodes(graph);
    let mut draft = Draft {
        graph: graph.clone(),
        ops: vec![],
        specs: graph.values.iter().map(|v| v.spec.clone()).collect(),
        folds: vec![],
        folded: HashMap::new(),
        alias: equal_constants(graph),
        updated: if fixed_weights { graph.updated_weights() } else { all_weights(graph) },
    };
    let mut seen: HashMap<String, usize> = HashMap::new();
    let parts: HashSet<ValueId> = arenas(graph).flatten().copied().collect();
    for (n, node) in graph.nodes.iter().enumerate().filter(|(n, _)| live.contains(n)) {
        let inputs: Vec<_> = node.inputs.iter().map(|v| v.map(|v| draft.resolve(v))).collect();
        let scan = graph.scan_of(n);
        let leaves_step = scan.is_some_and(|s| {
            let scan = &graph.scans[s];
            let leaving = scan.carries.iter().map(|c| c.next).chain(scan.outputs.iter().map(|o| o.0));
            leaving.into_iter().any(|v| node.outputs.contains(&v))
        });
        let in_arena = node.outputs.iter().any(|v| parts.contains(v));
        let key =
            format!("{} {scan:?} {inputs:?} {:?} {:?}", node.call.kernel.name, node.call.inputs, node.call.params);
        if node.call.kernel.in_place.is_empty() && !leaves_step && !in_arena {
            if let Some(&first) = seen.get(&key) {
                for (a, b) in node.outputs.iter().zip(draft.ops[first].outputs.clone()) {
                    draft.alias.insert(*a, b);
                }
                continue;
            }
            seen.insert(key, draft.ops.len());
        }
        draft.ops.push(Op {
            call: node.call.clone(),
            inputs,
            outputs: node.outputs.clone(),
            nodes: vec![n],
            scan,
            at: node.at.clone(),
            how: "",
        });
    }
    draft
}

fn all_weights(graph: &FixedGraph) -> HashSet<ValueId> {
    let weight = |(id, v): (usize, &crate::graph::ValueInfo)| matches!(v.source, Source::Weight(_)).then_some(id);
    graph.values.iter().enumerate().filter_map(weight).collect()
}

/// The parts of every arena.
fn arenas(graph: &FixedGraph) -> impl Iterator<Item = &[ValueId]> {
    graph.values.iter().filter_map(|v| match &v.source {
        Source::Arena(parts) => Some(parts.as_slice()),
        _ => None,
    })
}

/// Nodes that a result or a state depends on.
fn live_nodes(graph: &FixedGraph) -> HashSet<usize> {
    let mut live = HashSet::new();
    let mut stack: Vec<ValueId> = graph.outputs.iter().map(|o| o.value).collect();
    let mut visit = |n: usize, stack: &mut Vec<ValueId>| {
        if live.insert(n) {
            stack.extend(graph.nodes[n].inputs.iter().flatten());
        }
    };
    for (n, node) in graph.nodes.iter().enumerate() {
        if !node.call.kernel.in_place.is_empty() {
            visit(n, &mut stack);
        }
    }
    let mut scans = HashSet::new();
    while let Some(value) = stack.pop() {
        if let Source::Stacked { scan, index } = graph.values[value].source {
            stack.push(graph.scans[scan].outputs[index].0);
        }
        let scan = match graph.values[value].source {
            Source::Node { node, .. } | Source::Updated { node, .. } => {
                visit(node, &mut stack);
                graph.scan_of(node)
            }
            Source::Carry { scan, .. }
            | Source::Slice { scan, .. }
            | Source::Final { scan, .. }
            | Source::Stacked { scan, .. } => Some(scan),
            Source::Arena(ref parts) => {
                stack.extend(parts);
                None
            }
            _ => None,
        };
        // A scan lives as a whole, less the nodes of its body that nothing leaves through.
        if let Some(scan) = scan.filter(|s| scans.insert(*s)) {
            let scan = &graph.scans[scan];
            stack.extend(scan.carries.iter().flat_map(|c| [c.initial, c.next]));
            stack.extend(scan.slices.iter().map(|s| s.0));
        }
    }
    live
}

/// Constants with equal bits stand for the first of them.
fn equal_constants(graph: &FixedGraph) -> HashMap<ValueId, ValueId> {
    let mut first: HashMap<(Dtype, &[usize], &[u8]), ValueId> = HashMap::new();
    let mut alias = HashMap::new();
    for (id, value) in graph.values.iter().enumerate() {
        if let Source::Constant(table) = &value.source {
            let key = (table.dtype(), table.shape(), table.bytes());
            if let Some(&same) = first.get(&key) {
                alias.insert(id, same);
            } else {
                first.insert(key, id);
            }
        }
    }
    alias
}
