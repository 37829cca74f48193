//! Independent operations side by side, so that the device waits once for several of them.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{Draft, Op};
use crate::graph::{Source, ValueId};

/// How far ahead an operation is looked for: what runs earlier also holds its result longer.
const AHEAD: usize = 16;

/// `ops` in an order in which those that read nothing of what was just written come first, as far as their inputs allow.
/// Updates in place and scans stay where they are, and nothing passes them.
pub(super) fn side_by_side(draft: &Draft, ops: Vec<Op>) -> Vec<Op> {
    let stays = |op: &Op| op.scan.is_some() || !op.call.kernel.in_place.is_empty();
    let mut out = Vec::with_capacity(ops.len());
    let mut free = vec![];
    for op in ops {
        if stays(&op) {
            out.extend(ordered(draft, std::mem::take(&mut free)));
            out.push(op);
        } else {
            free.push(op);
        }
    }
    out.extend(ordered(draft, free));
    out
}

fn ordered(draft: &Draft, ops: Vec<Op>) -> Vec<Op> {
    let reads: Vec<HashSet<usize>> = sources(draft, &ops);
    let mut left: VecDeque<usize> = (0..ops.len()).collect();
    let mut order = Vec::with_capacity(ops.len());
    // Those that are done, and those of them that nothing has waited for.
    let (mut done, mut fresh) = (HashSet::new(), HashSet::new());
    while !left.is_empty() {
        let ready = |i: &usize| reads[*i].is_subset(&done);
        let apart = |i: &usize| ready(i) && reads[*i].is_disjoint(&fresh);
        let at = left.iter().take(AHEAD).position(apart).unwrap_or_else(|| {
            fresh.clear();
            left.iter().take(AHEAD).position(ready).expect("bug: the first operation left can always run")
        });
        let next = left.remove(at).expect("bug: a place in the queue");
        done.insert(next);
        fresh.insert(next);
        order.push(next);
    }
    let mut ops: Vec<Option<Op>> = ops.into_iter().map(Some).collect();
    order.into_iter().filter_map(|i| ops[i].take()).collect()
}

/// The operations among `ops` that each of them reads from.
fn sources(draft: &Draft, ops: &[Op]) -> Vec<HashSet<usize>> {
    let made: HashMap<ValueId, usize> =
        ops.iter().enumerate().flat_map(|(i, op)| op.outputs.iter().map(move |v| (*v, i))).collect();
    let parts = |value: ValueId| match draft.graph.values.get(value).map(|v| &v.source) {
        Some(Source::Arena(parts)) => parts.iter().map(|v| draft.resolve(*v)).collect(),
        _ => vec![value],
    };
    let of =
        |op: &Op| op.inputs.iter().flatten().flat_map(|v| parts(*v)).filter_map(|v| made.get(&v).copied()).collect();
    ops.iter().map(of).collect()
}
