//! What follows a kernel moves into it: bias, scale, activation and residual into the epilogue of matmul
//! and conv, an activation into a norm, an inference batch norm into the weights of the conv before it. A value
//! per channel that is added before a group norm moves into the norm, and a recurrent product into its cell.

use std::collections::HashMap;

use super::{Draft, Fold, Op};
use crate::graph::{Source, ValueId};
use crate::kernel::{Call, Kernel, Operand, Params, Role, Value};
use crate::shape::Layout;
use crate::tensor::Dtype;

/// Bytes of a weight that every adapter binds whole.
const WHOLE: usize = 128 << 20;

/// Fuses until nothing changes. Every fused operation keeps the list of nodes it stands for.
pub(super) fn epilogues(draft: &mut Draft) {
    pairs(draft, |draft, b, uses| {
        let (a, port) = producer(draft, b, uses)?;
        fused(draft, a, b, port).map(|op| (a, b, op))
    });
}

/// Moves sums with a value per channel of a sample into the norms behind them.
pub(super) fn shifts(draft: &mut Draft) {
    pairs(draft, |draft, b, uses| shifted(draft, b, uses));
}

/// Moves matrix products into the kernels that have one for both.
pub(super) fn products(draft: &mut Draft) {
    pairs(draft, |draft, b, uses| with_product(draft, b, uses));
}

/// Two operations, by index, and the one that replaces them.
type Pair = (usize, usize, Op);

/// Replaces pairs by what `find` makes of them, until it finds none.
fn pairs(draft: &mut Draft, find: fn(&mut Draft, usize, &HashMap<ValueId, usize>) -> Option<Pair>) {
    loop {
        let uses = uses(draft);
        let pair = (0..draft.ops.len()).find_map(|b| find(draft, b, &uses));
        let Some((a, b, op)) = pair else { return };
        // At the place of `b`: everything it reads is there.
        draft.ops[b] = op;
        draft.ops.remove(a);
    }
}

/// The operation before `b` that made its input at `port`, if only `b` reads that, and all of it.
fn maker(draft: &Draft, b: usize, port: usize, uses: &HashMap<ValueId, usize>) -> Option<usize> {
    let (next, value) = (&draft.ops[b], draft.ops[b].inputs[port]?);
    let a = draft.ops[..b].iter().position(|o| o.outputs[0] == value)?;
    let layout = &next.call.input(port).layout;
    let whole = layout.is_contiguous() && layout.shape == draft.ops[a].call.out(0);
    let alone = uses.get(&value) == Some(&1) && draft.ops[a].scan == next.scan && !state_changes(draft, a, b);
    (whole && alone).then_some(a)
}

/// Operation `b` with the product before it, `a`, as one of the kernel for both.
fn with_product(draft: &Draft, b: usize, uses: &HashMap<ValueId, usize>) -> Option<Pair> {
    let next = &draft.ops[b];
    let rule = next.call.kernel.fusion.of_product?;
    let a = maker(draft, b, rule.port, uses)?;
    let product = &draft.ops[a];
    let epilogue = product.call.kernel.fusion.epilogue?;
    let plain = product.call.float("scale") == 1.0
        && ["activation", "activation_out"].iter().all(|name| product.call.text(name) == "none")
        && epilogue.residual.is_none_or(|port| product.inputs[port].is_none());
    let (x, w) = (product.call.input(0), product.call.input(1));
    let (&[rows, _], &[k, n]) = (&x.layout.shape[..], &w.layout.shape[..]) else { return None };
    let stored = w.layout.offset == 0 && w.layout.strides == [1, k] && n * k * w.dtype.size() <= WHOLE;
    if !std::ptr::eq(product.call.kernel, rule.of) || !plain || !stored || rows > rule.rows {
        return None;
    }
    let others = (0..next.inputs.len()).filter(|&port| port != rule.port);
    let mut inputs: Vec<_> = others.clone().map(|port| next.inputs[port]).collect();
    let mut operands: Vec<_> = others.map(|port| next.call.inputs[port].clone()).collect();
    let weight = Operand { dtype: w.dtype, layout: Layout::contiguous(&[n, k]) };
    inputs.extend([product.inputs[0], product.inputs[1], epilogue.bias.and_then(|port| product.inputs[port])]);
    operands.extend([Some(x.clone()), Some(weight), epilogue.bias.and_then(|p| product.call.inputs[p].clone())]);
    let params = Params::new(rule.with.params, &[]).ok()?;
    let mut call = Call { kernel: rule.with, inputs: operands, outputs: vec![], params, part: None, rows: None };
    call.outputs = (rule.with.shape)(&call).ok()?;
    let nodes = product.nodes.iter().chain(&next.nodes).copied().collect();
    let op = Op { call, inputs, outputs: next.outputs.clone(), nodes, scan: next.scan, at: next.at.clone(), how: "" };
    Some((a, b, op))
}

/// Operation `b` with the sum before it, `a`, at its port for that, if only `b` reads the sum.
fn shifted(draft: &Draft, b: usize, uses: &HashMap<ValueId, usize>) -> Option<Pair> {
    let next = &draft.ops[b];
    let port = next.call.kernel.fusion.shift.filter(|&p| next.inputs[p].is_none())?;
    let whole = next.call.shape(0);
    let a = maker(draft, b, 0, uses)?;
    let sum = &draft.ops[a];
    let dense = |o: &Operand| o.layout.is_contiguous() && o.layout.shape == whole && o.dtype == Dtype::F32;
    if !matches!(sum.call.kernel.fusion.role, Role::Add) {
        return None;
    }
    let x = (0..2).find(|&p| dense(sum.call.input(p)) && channel_layout(&sum.call.input(1 - p).layout).is_some())?;
    let layout = channel_layout(&sum.call.input(1 - x).layout)?;
    let mut op = next.clone();
    op.inputs[0] = sum.inputs[x];
    op.call.inputs[0] = sum.call.inputs[x].clone();
    op.inputs[port] = sum.inputs[1 - x];
    op.call.inputs[port] = Some(Operand { dtype: sum.call.input(1 - x).dtype, layout });
    op.nodes = sum.nodes.iter().chain(&next.nodes).copied().collect();
    Some((a, b, op))
}

/// The first two axes of a layout that repeats along all others.
fn channel_layout(layout: &Layout) -> Option<Layout> {
    let repeats = (2..layout.shape.len()).all(|axis| layout.shape[axis] == 1 || layout.strides[axis] == 0);
    let two = |v: &[usize]| v.get(..2).map(<[usize]>::to_vec);
    let layout = Layout { shape: two(&layout.shape)?, strides: two(&layout.strides)?, offset: layout.offset };
    repeats.then_some(layout)
}

/// How often each value is read, by operations, results and scans.
fn uses(draft: &Draft) -> HashMap<ValueId, usize> {
    let mut uses = HashMap::new();
    let scans = draft.graph.scans.iter().flat_map(|s| {
        let carried = s.carries.iter().flat_map(|c| [c.initial, c.next]);
        carried.chain(s.slices.iter().map(|x| x.0)).chain(s.outputs.iter().map(|x| x.0))
    });
    let results = draft.graph.outputs.iter().map(|o| o.value);
    let parts = draft.graph.values.iter().flat_map(|v| match &v.source {
        Source::Arena(parts) => parts.as_slice(),
        _ => &[],
    });
    let inputs = draft.ops.iter().flat_map(|o| o.inputs.iter().flatten().copied());
    for value in inputs.chain(results).chain(scans).chain(parts.copied()) {
        *uses.entry(draft.resolve(value)).or_insert(0) += 1;
    }
    uses
}

/// The operation before `b` whose first output only `b` reads, dense, and `b`'s port that reads it.
fn producer(draft: &Draft, b: usize, uses: &HashMap<ValueId, usize>) -> Option<(usize, usize)> {
    let op = &draft.ops[b];
    if matches!(op.call.kernel.fusion.role, Role::None) {
        return None;
    }
    (0..op.inputs.len()).find_map(|port| {
        let value = op.inputs[port]?;
        let layout = &op.call.inputs[port].as_ref()?.layout;
        let a = draft.ops[..b].iter().position(|o| o.outputs[0] == value)?;
        let before = &draft.ops[a];
        let whole = layout.is_contiguous() && layout.len() == draft.specs[value].len();
        let takes = before.call.kernel.fusion.epilogue.is_some() || chain_kernel(before, op).is_some();
        let fits = takes
            && before.call.kernel.in_place.is_empty()
            && before.scan == op.scan
            && uses.get(&value) == Some(&1)
            && whole
            && op.call.outputs[0].len() == layout.len()
            && !state_changes(draft, a, b);
        fits.then_some((a, port))
    })
}

/// True if an operation between `a` and `b` updates a state that `a` reads.
fn state_changes(draft: &Draft, a: usize, b: usize) -> bool {
    let reads = &draft.ops[a].inputs;
    let touches = |state: Option<ValueId>| {
        let parts = match state.and_then(|v| draft.graph.values.get(v)).map(|v| &v.source) {
            Some(Source::Arena(parts)) => parts.as_slice(),
            _ => &[],
        };
        reads.contains(&state) || reads.iter().flatten().any(|v| parts.contains(v))
    };
    draft.ops[a + 1..b].iter().any(|op| op.call.kernel.in_place.iter().any(|&(_, port)| touches(op.inputs[port])))
}

/// The hand-written kernel of the chain `a` then `b`, and the activation in it.
fn chain_kernel(a: &Op, b: &Op) -> Option<(&'static Kernel, &'static str)> {
    let (first, second) = (a.call.kernel, b.call.kernel);
    match (first.fusion.role, second.fusion.role) {
        (Role::Activation, _) => Some((second.fusion.of_activation?, first.name)),
        (_, Role::Activation) => Some((first.fusion.then_activation?, second.name)),
        _ => None,
    }
}

/// `a` then `b` as one call of the kernel written for both.
fn chained(a: &Op, b: &Op, port: usize) -> Option<Op> {
    let (kernel, activation) = chain_kernel(a, b)?;
    let other = 1 - port;
    let two = |op: &Op| Some((op.inputs.clone(), op.call.inputs.clone()));
    let (inputs, operands) = match b.call.kernel.fusion.role {
        Role::Activation => two(a)?,
        _ => (vec![a.inputs[0], b.inputs[other]], vec![a.call.inputs[0].clone(), b.call.inputs[other].clone()]),
    };
    let shapes_agree = operands.iter().flatten().all(|o| o.dtype == Dtype::F32 && o.layout.shape == a.call.out(0));
    if !shapes_agree || inputs.contains(&Some(a.outputs[0])) {
        return None;
    }
    let params = Params::new(kernel.params, &[("activation", Value::from(activation))]).ok()?;
    let mut call = Call { kernel, inputs: operands, outputs: vec![], params, part: None, rows: None };
    call.outputs = (kernel.shape)(&call).ok()?;
    let nodes = a.nodes.iter().chain(&b.nodes).copied().collect();
    Some(Op { call, inputs, outputs: b.outputs.clone(), nodes, scan: b.scan, at: b.at.clone(), how: "" })
}

/// `a` with `b` in its epilogue, if it has room; or both as one chain.
fn fused(draft: &mut Draft, a: usize, b: usize, port: usize) -> Option<Op> {
    let (mut op, next) = (draft.ops[a].clone(), draft.ops[b].clone());
    if op.call.kernel.fusion.epilogue.is_none() {
        return chained(&op, &next, port);
    }
    let epilogue = op.call.kernel.fusion.epilogue?;
    let is_none = |op: &Op, name: &str| matches!(op.call.params.get(name), Some(Value::Text(t)) if t == "none");
    let has = |p: Option<usize>| p.is_some_and(|p| op.inputs[p].is_some());
    let plain = is_none(&op, "activation");
    let open_out = is_none(&op, "activation_out");
    let (bias, residual) = (has(epilogue.bias), has(epilogue.residual));
    let same_shape = next.call.shape(port) == op.call.out(0);
    match next.call.kernel.fusion.role {
        Role::None => return None,
        Role::Activation => {
            let name = Value::from(next.call.kernel.name);
            if plain && !residual && open_out {
                op.call.params.set("activation", name);
            } else if residual && open_out {
                op.call.params.set("activation_out", name);
            } else {
                return None;
            }
        }
        Role::Add => {
            let other = 1 - port;
            let (value, operand) = (next.inputs[other]?, next.call.inputs[other].clone()?);
            if value == op.outputs[0] || !same_shape || operand.dtype != Dtype::F32 {
                return None;
            }
            if let (Some(p), false, true, false) = (epilogue.bias, bias, plain, residual)
                && open_out
                && let Some(layout) = bias_layout(&operand.layout, epilogue.bias_axis_from_end)
            {
                op.inputs[p] = Some(value);
                op.call.inputs[p] = Some(Operand { dtype: Dtype::F32, layout });
            } else if let (Some(p), false, true) = (epilogue.residual, residual, open_out)
                && operand.layout.is_contiguous()
                && operand.layout.shape == op.call.out(0)
            {
                op.inputs[p] = Some(value);
                op.call.inputs[p] = Some(operand);
            } else {
                return None;
            }
        }
        Role::Mul => {
            let other = 1 - port;
            let value = next.inputs[other]?;
            let Source::Constant(table) = &draft.graph.values.get(value)?.source else { return None };
            if !epilogue.scale || table.len() != 1 || bias || residual || !plain || !open_out {
                return None;
            }
            let scale = op.call.float("scale") * table.to_f64()[0];
            op.call.params.set("scale", Value::Float(scale));
        }
        Role::ChannelAffine(_) => fold(draft, &mut op, &next, port, plain && open_out && !residual)?,
    }
    op.outputs[0] = next.outputs[0];
    op.nodes.extend(&next.nodes);
    Some(op)
}

/// The layout of a bias along one axis of the output, if `layout` repeats along all others.
fn bias_layout(layout: &Layout, axis_from_end: usize) -> Option<Layout> {
    let axis = layout.shape.len().checked_sub(axis_from_end)?;
    let repeats = (0..layout.shape.len()).all(|a| a == axis || layout.shape[a] == 1 || layout.strides[a] == 0);
    let dense = layout.offset == 0 && (layout.strides[axis] == 1 || layout.shape[axis] == 1);
    (repeats && dense).then(|| Layout::contiguous(&[layout.shape[axis]]))
}

/// Replaces `op`'s weight and bias by ones with `next`'s per-channel scale and shift folded in.
fn fold(draft: &mut Draft, op: &mut Op, next: &Op, port: usize, open: bool) -> Option<()> {
    let epilogue = op.call.kernel.fusion.epilogue?;
    let (w, b) = (epilogue.fold?, epilogue.bias?);
    let updated = draft.updated.clone();
    let is_weight = |v: ValueId| {
        matches!(draft.graph.values.get(v).map(|v| &v.source), Some(Source::Weight(_))) && !updated.contains(&v)
    };
    let only_weights = (0..next.inputs.len()).all(|p| p == port || next.inputs[p].is_none_or(is_weight));
    let own = is_weight(op.inputs[w]?) && op.inputs[b].is_none_or(is_weight);
    let whole = op.call.input(w).layout.is_contiguous() && op.call.float("scale") == 1.0;
    if !open || port != 0 || !only_weights || !own || !whole {
        return None;
    }
    let channels = op.call.shape(w)[0];
    let shape = op.call.shape(w).to_vec();
    let mut add = |base: Option<ValueId>, shape: &[usize], bias: bool| {
        let value = draft.new_value(Dtype::F32, shape);
        let mut inputs = next.inputs.clone();
        inputs[0] = None;
        draft.folds.push(Fold { base, affine: next.call.clone(), inputs, bias, channels });
        draft.folded.insert(value, draft.folds.len() - 1);
        value
    };
    let weight = add(op.inputs[w], &shape, false);
    let bias = add(op.inputs[b], &[channels], true);
    op.inputs[w] = Some(weight);
    op.inputs[b] = Some(bias);
    op.call.inputs[b] = Some(Operand { dtype: Dtype::F32, layout: Layout::contiguous(&[channels]) });
    Some(())
}
