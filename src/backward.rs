//! Graph → graph with gradients, by each kernel's rule, and the proof that every weight gets one.
//!
//! [`Graph::backward`] walks the nodes of a loss in reverse. Each kernel's [`Rule`](crate::kernel::Rule) makes the nodes
//! that compute the gradients of its inputs; what reaches one value on several paths is added. Views need no rules:
//! the gradient of a view is put back where the view reads. A weight that the loss uses and that no gradient
//! reaches is an error that names the node where its path ends.

use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::panic::Location;

use crate::graph::{Graph, Node, Phase, Source, Tensor, ValueId};
use crate::kernel::{Backward, Call};
use crate::shape::{Dims, Layout};
use crate::tensor::Dtype;

mod scan;

/// A node whose gradients are asked for: what its kernel's rule sees. It is the call, too.
pub struct Adjoint<'a, 'g> {
    graph: &'g Graph,
    call: &'a Call,
    inputs: &'a [Option<ValueId>],
    outputs: &'a [ValueId],
    d: Vec<Option<Tensor<'g>>>,
    wanted: Vec<bool>,
    source: &'a dyn Fn(ValueId) -> ValueId,
}

impl<'g> Adjoint<'_, 'g> {
    /// The graph that the gradients become part of.
    pub fn graph(&self) -> &'g Graph {
        self.graph
    }
    /// The input at port `i`, as the node sees it; only for ports that are present.
    pub fn x(&self, i: usize) -> Tensor<'g> {
        self.opt(i).unwrap_or_else(|| panic!("bug: {} has no input {i}", self.call.kernel.name))
    }
    /// The input at port `i`, if it is present.
    pub fn opt(&self, i: usize) -> Option<Tensor<'g>> {
        let (value, operand) = (self.inputs[i]?, self.call.inputs[i].as_ref()?);
        Some(self.graph.handle((self.source)(value), operand.layout.clone()))
    }
    /// Output `i` of the node.
    pub fn y(&self, i: usize) -> Tensor<'g> {
        let layout = Layout::contiguous(&self.call.outputs[i].shape);
        self.graph.handle((self.source)(self.outputs[i]), layout)
    }
    /// The gradient of output `i`, zeros if nothing depends on it.
    pub fn d(&self, i: usize) -> Tensor<'g> {
        self.d[i].unwrap_or_else(|| self.graph.scalar(0.0).broadcast_to(&self.call.outputs[i].shape))
    }
    /// The gradient of output `i`, if anything depends on it. At least one output has one.
    pub fn d_opt(&self, i: usize) -> Option<Tensor<'g>> {
        self.d[i]
    }
    /// True if somebody asks for the gradient of the input at port `i`.
    pub fn wants(&self, i: usize) -> bool {
        self.wanted[i]
    }
    /// `gradient()` if somebody asks for that of the input at port `i`.
    pub fn wanted(&self, i: usize, gradient: impl FnOnce() -> Tensor<'g>) -> Option<Tensor<'g>> {
        self.wanted[i].then(gradient)
    }
    /// The activation `name` of `x`, as an epilogue applies it.
    pub fn activated(&self, name: &str, x: Tensor<'g>) -> Tensor<'g> {
        match crate::kernels::named(name) {
            Some(kernel) if name != "none" => self.graph.dispatch(kernel, &[Some(x)], &[])[0],
            _ => x,
        }
    }
    /// The gradient of `x` where `d` is that of the activation `name` of `x`, by the rule of the kernel of that name.
    pub fn through(&self, name: &str, x: Tensor<'g>, d: Tensor<'g>) -> Tensor<'g> {
        let Some(kernel) = crate::kernels::named(name).filter(|_| name != "none") else { return d };
        let Backward::Rule(rule) = kernel.backward else {
            self.graph.reject("backward", format!("the activation {name} has no gradient"));
            return d;
        };
        self.activated(name, x);
        if self.graph.inner.borrow().error.is_some() {
            return d;
        }
        let Some(node) = self.graph.inner.borrow().nodes.last().cloned() else { return d };
        let adjoint = Adjoint {
            graph: self.graph,
            call: &node.call,
            inputs: &node.inputs,
            outputs: &node.outputs,
            d: vec![Some(d)],
            wanted: vec![true],
            source: &|value| value,
        };
        rule(&adjoint).into_iter().flatten().next().unwrap_or(d)
    }
}

impl Deref for Adjoint<'_, '_> {
    type Target = Call;
    fn deref(&self) -> &Call {
        self.call
    }
}

/// The gradients of a loss with respect to every weight.
pub struct Gradients<'g> {
    /// By key, in the order of the weights' first use; zeros for the weights named below.
    pub of: Vec<(String, Tensor<'g>)>,
    /// Weights the loss does not use.
    pub unused: Vec<String>,
    /// Weights the loss uses only behind `stop_gradient`.
    pub stopped: Vec<String>,
}

/// Where the path of gradients ended: the value behind it, and why.
struct Cut {
    value: ValueId,
    /// `None` for a deliberate stop.
    reason: Option<String>,
}

impl Graph {
    /// The gradients of `loss`, of one element, with respect to every weight among `keys`; `trains` tells them from
    /// buffers, such as running means.
    ///
    /// # Errors
    /// [`crate::Error::Graph`] at `build` if a weight that the loss uses is not reached by a gradient: all such weights,
    /// and the node where the path of each ends
    #[track_caller]
    pub fn gradients<'g>(&'g self, loss: Tensor<'g>, trains: impl Fn(&str) -> bool) -> Gradients<'g> {
        let location = Location::caller();
        let weights: Vec<(String, ValueId)> = {
            let inner = self.inner.borrow();
            let weight = |(id, v): (usize, &crate::graph::ValueInfo)| match &v.source {
                Source::Weight(key) if trains(key) => Some((key.clone(), id)),
                _ => None,
            };
            inner.values.iter().enumerate().filter_map(weight).collect()
        };
        let ids: Vec<ValueId> = weights.iter().map(|w| w.1).collect();
        let (found, cuts) = self.walk_back(location, loss, &ids);
        let used = self.used_by(loss.value());
        let mut all = Gradients { of: vec![], unused: vec![], stopped: vec![] };
        let mut lost = vec![];
        for ((key, id), gradient) in weights.into_iter().zip(found) {
            if gradient.is_none() && !used.contains(&id) {
                all.unused.push(key.clone());
            } else if gradient.is_none() {
                // What lies behind a deliberate stop is constant, whatever ends there.
                let reached = self.reached_from(&[id], false);
                let mut ends = cuts.iter().filter(|c| reached.contains(&c.value));
                match ends.find_map(|c| c.reason.as_ref()) {
                    Some(reason) => lost.push(format!("{key}: {reason}")),
                    None => all.stopped.push(key.clone()),
                }
            }
            let zeros = || self.fill(Dtype::F32, &self.shape_of(id), 0.0);
            all.of.push((key, gradient.unwrap_or_else(zeros)));
        }
        if !lost.is_empty() {
            let message = format!("no gradient reaches {} weights the loss uses:\n  {}", lost.len(), lost.join("\n  "));
            self.fail(location, "backward", message);
        }
        all
    }

    /// The gradients of `loss`, of one element, with respect to `wrt`, each in its value's own shape; `None` for a
    /// tensor that the loss does not depend on in a way that has a gradient.
    #[track_caller]
    pub fn backward<'g>(&'g self, loss: Tensor<'g>, wrt: &[Tensor<'g>]) -> Vec<Option<Tensor<'g>>> {
        let ids: Vec<ValueId> = wrt.iter().map(|t| t.value()).collect();
        self.walk_back(Location::caller(), loss, &ids).0
    }

    fn walk_back<'g>(
        &'g self,
        location: &'static Location<'static>,
        loss: Tensor<'g>,
        wrt: &[ValueId],
    ) -> (Vec<Option<Tensor<'g>>>, Vec<Cut>) {
        if self.inner.borrow().error.is_some() {
            return (vec![None; wrt.len()], vec![]);
        }
        if loss.dtype() != Dtype::F32 || loss.shape().iter().product::<usize>() != 1 {
            let message = format!("the loss is {} {}, expected one f32", loss.dtype(), Dims(&loss.shape()));
            self.fail(location, "backward", message);
            return (vec![None; wrt.len()], vec![]);
        }
        let reached = self.reached_from(wrt, true);
        let float = |v: &ValueId| self.inner.borrow().values[*v].spec.dtype == Dtype::F32;
        let (depends, whole) = reached.into_iter().partition(float);
        let phase = std::mem::replace(&mut self.inner.borrow_mut().phase, Phase::Backward);
        let mut walk = Walk { graph: self, depends, whole, grads: HashMap::new(), cuts: vec![] };
        let seed = self.scalar(1.0).reshape(&loss.shape());
        walk.contribute(loss.value(), &loss.layout(), seed);
        walk.all();
        self.inner.borrow_mut().made_for = None;
        self.inner.borrow_mut().phase = phase;
        (wrt.iter().map(|id| walk.grads.get(id).copied()).collect(), walk.cuts)
    }

    fn shape_of(&self, value: ValueId) -> Vec<usize> {
        self.inner.borrow().values[value].spec.shape.clone()
    }

    /// The values that depend on one of `from`, those included; with `stopped`, also those that depend on it only
    /// behind a deliberate stop.
    fn reached_from(&self, from: &[ValueId], stopped: bool) -> HashSet<ValueId> {
        let inner = self.inner.borrow();
        let mut reached: HashSet<ValueId> = from.iter().copied().collect();
        loop {
            let before = reached.len();
            for node in &inner.nodes {
                let passes = stopped || !matches!(node.call.kernel.backward, Backward::Stop);
                if passes && node.inputs.iter().flatten().any(|v| reached.contains(v)) {
                    reached.extend(&node.outputs);
                }
            }
            for scan in &inner.scans {
                let carries =
                    scan.carries.iter().flat_map(|c| [(c.initial, c.current), (c.next, c.current), (c.next, c.last)]);
                for (from, to) in carries.chain(scan.slices.iter().copied()).chain(scan.outputs.iter().copied()) {
                    if reached.contains(&from) {
                        reached.insert(to);
                    }
                }
            }
            if reached.len() == before {
                return reached;
            }
        }
    }

    /// The values that `value` is computed from.
    fn used_by(&self, value: ValueId) -> HashSet<ValueId> {
        let inner = self.inner.borrow();
        let (mut used, mut stack) = (HashSet::new(), vec![value]);
        while let Some(value) = stack.pop() {
            if !used.insert(value) {
                continue;
            }
            match inner.values[value].source {
                Source::Node { node, .. } => stack.extend(inner.nodes[node].inputs.iter().flatten()),
                Source::Updated { node, before, .. } => {
                    stack.push(before);
                    stack.extend(inner.nodes[node].inputs.iter().flatten());
                }
                Source::Carry { scan, index } => {
                    stack.extend([inner.scans[scan].carries[index].initial, inner.scans[scan].carries[index].next])
                }
                Source::Final { scan, index } => {
                    stack.extend([inner.scans[scan].carries[index].initial, inner.scans[scan].carries[index].next])
                }
                Source::Slice { scan, index } => stack.push(inner.scans[scan].slices[index].0),
                Source::Stacked { scan, index } => stack.push(inner.scans[scan].outputs[index].0),
                _ => {}
            }
        }
        used
    }
}

/// A walk over nodes in reverse.
struct Walk<'g> {
    graph: &'g Graph,
    /// Values whose gradients are on the way to what is asked for.
    depends: HashSet<ValueId>,
    /// Integers that are computed from what is asked for: no gradient passes through them.
    whole: HashSet<ValueId>,
    /// What has reached each value, in the value's own shape.
    grads: HashMap<ValueId, Tensor<'g>>,
    cuts: Vec<Cut>,
}

impl<'g> Walk<'g> {
    /// Every node and scan, from the last to the first.
    fn all(&mut self) {
        let mut end = self.graph.inner.borrow().nodes.len();
        while end > 0 {
            let scan = self.graph.inner.borrow().scans.iter().position(|s| s.body.contains(&(end - 1)));
            match scan {
                Some(scan) => {
                    end = self.graph.inner.borrow().scans[scan].body.start;
                    self.scan(scan);
                }
                None => {
                    end -= 1;
                    self.node_except(end, &|value| value, &[]);
                }
            }
        }
    }

    /// The gradients of one node's inputs, from those of its outputs; not for the ports `except`.
    fn node_except(&mut self, n: usize, source: &dyn Fn(ValueId) -> ValueId, except: &[usize]) {
        let node = self.graph.inner.borrow().nodes[n].clone();
        let outputs = || node.outputs.iter().zip(&node.call.outputs);
        let asked =
            |(p, v): (usize, &Option<ValueId>)| v.is_some_and(|v| self.depends.contains(&v)) && !except.contains(&p);
        let wanted: Vec<bool> = node.inputs.iter().enumerate().map(asked).collect();
        if !node.outputs.iter().any(|v| self.grads.contains_key(v)) {
            return;
        }
        self.cut_integers(&node);
        if !wanted.contains(&true) {
            return;
        }
        let end = |reason: Option<String>, port: usize| {
            node.inputs[port].filter(|_| wanted[port]).map(|value| Cut { value, reason })
        };
        let rule = match node.call.kernel.backward {
            Backward::Rule(rule) => rule,
            Backward::Stop => return self.cuts.extend((0..wanted.len()).filter_map(|p| end(None, p))),
            Backward::None(why) => {
                let reason = format!("{} ({}) has no gradient: {why}", node.label(), node.at);
                return self.cuts.extend((0..wanted.len()).filter_map(|p| end(Some(reason.clone()), p)));
            }
        };
        self.graph.inner.borrow_mut().made_for = Some(node.at.scope.clone());
        let d = outputs().map(|(v, spec)| self.grads.get(v).map(|d| d.reshape(&spec.shape))).collect();
        let adjoint = Adjoint {
            graph: self.graph,
            call: &node.call,
            inputs: &node.inputs,
            outputs: &node.outputs,
            d,
            wanted: wanted.clone(),
            source,
        };
        let found = rule(&adjoint);
        let name = node.call.kernel.name;
        assert_eq!(found.len(), node.inputs.len(), "bug: the rule of {name} returns another number of gradients");
        for (port, gradient) in found.into_iter().enumerate() {
            let (Some(value), Some(operand), true) = (node.inputs[port], &node.call.inputs[port], wanted[port]) else {
                continue;
            };
            match gradient {
                Some(gradient) => {
                    let (found, expected) = (gradient.shape(), &operand.layout.shape);
                    let failed = self.graph.inner.borrow().error.is_some();
                    assert!(
                        failed || found == *expected,
                        "bug: {name}: gradient {found:?} of input {port} {expected:?}"
                    );
                    self.contribute(value, &operand.layout, gradient);
                }
                None => {
                    let input = node.call.kernel.inputs[port].name;
                    let reason = format!("{} ({}) has no gradient for its input '{input}'", node.label(), node.at);
                    self.cuts.extend(end(Some(reason), port));
                }
            }
        }
    }

    /// Remembers that paths end where `node` reads integers.
    fn cut_integers(&mut self, node: &Node) {
        for (value, port) in node.inputs.iter().zip(node.call.kernel.inputs) {
            if let Some(value) = value.filter(|v| self.whole.contains(v)) {
                let dtype = self.graph.inner.borrow().values[value].spec.dtype;
                let (label, at, name) = (node.label(), &node.at, port.name);
                let reason = format!("{label} ({at}) has no gradient for its input '{name}', which is {dtype}");
                self.cuts.push(Cut { value, reason: Some(reason) });
            }
        }
    }

    /// Adds `gradient`, of what `layout` shows of `value`, to the gradient of `value`.
    fn contribute(&mut self, value: ValueId, layout: &Layout, gradient: Tensor<'g>) {
        if self.graph.inner.borrow().error.is_some() {
            return;
        }
        let shape = self.graph.shape_of(value);
        let repeated = |a: &usize| layout.strides[*a] == 0 && layout.shape[*a] > 1;
        let axes: Vec<i64> = (0..layout.shape.len()).filter(repeated).map(|a| a as i64).collect();
        let once = if axes.is_empty() { gradient } else { gradient.sum(&axes, true) };
        let seen = Layout { shape: once.shape(), ..layout.clone() };
        let before = self.grads.get(&value).copied();
        let total = match (order_of_all(&seen, shape.iter().product()), before) {
            (Some(order), None) => once.permute(&order).reshape(&shape),
            (Some(order), Some(before)) => before + once.permute(&order).reshape(&shape),
            (None, before) => once.view_backward(&seen, &shape, before),
        };
        self.grads.insert(value, total);
    }
}

/// The order of axes in which `layout` shows each of `len` elements once, in the order of memory; `None` if it
/// does not.
fn order_of_all(layout: &Layout, len: usize) -> Option<Vec<usize>> {
    let mut order: Vec<usize> = (0..layout.shape.len()).collect();
    // Axes of one element lie anywhere; first is as good as any.
    order.sort_by_key(|&a| (layout.shape[a] != 1, std::cmp::Reverse(layout.strides[a])));
    let sorted = |v: &[usize]| order.iter().map(|&a| v[a]).collect();
    let seen = Layout { shape: sorted(&layout.shape), strides: sorted(&layout.strides), offset: layout.offset };
    (seen.is_contiguous() && seen.len() == len).then_some(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;
    use crate::graph::FixedGraph;

    /// Weights without a gradient: unused ones and stopped ones.
    type Without = (Vec<String>, Vec<String>);

    /// The gradients of `loss`, a function of the weights `a (3)`, `b (3)` and the input `x (3)`.
    fn of(loss: for<'g> fn(&'g Graph, [Tensor<'g>; 3]) -> Tensor<'g>) -> (Without, Result<FixedGraph>) {
        let g = Graph::new();
        let all = [g.weight("a", &[3]), g.weight("b", &[3]), g.input("x", Dtype::F32, &[3])];
        let found = g.gradients(loss(&g, all), |_| true);
        assert_eq!(found.of.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        for (key, d) in &found.of {
            g.output(key, *d);
        }
        ((found.unused, found.stopped), g.build())
    }

    /// What `build` says, from the name of the operation on, without the places in this file.
    fn fault(loss: for<'g> fn(&'g Graph, [Tensor<'g>; 3]) -> Tensor<'g>) -> String {
        let text = of(loss).1.expect_err("a weight is cut off").to_string();
        let text = text.split_once("backward: ").map(|t| t.1.to_owned()).unwrap_or(text);
        let parts = text.split(" (src/backward.rs:").map(|t| t.split_once(')').map_or(t, |(_, rest)| rest));
        let first = text.split(" (src/backward.rs:").next().unwrap_or_default().to_owned();
        parts.skip(1).fold(first, |all, rest| all + rest)
    }

    #[test]
    fn a_weight_the_loss_does_not_use_is_named() {
        let ((unused, stopped), graph) = of(|_, [a, _, x]| (a * x).sum(&[], false));
        assert_eq!((unused, stopped), (vec!["b".to_owned()], vec![]));
        assert!(graph.is_ok());
    }

    #[test]
    fn a_weight_behind_a_stop_is_named() {
        let ((unused, stopped), graph) = of(|_, [a, b, x]| (a * x * b.stop_gradient()).sum(&[], false));
        assert_eq!((unused, stopped), (vec![], vec!["b".to_owned()]));
        assert!(graph.is_ok());
    }

    #[test]
    fn a_weight_behind_a_stop_is_constant_whatever_follows() {
        for loss in [
            (|_, [a, b, x]| (a * x * b.stop_gradient().floor()).sum(&[], false))
                as for<'g> fn(&'g Graph, [Tensor<'g>; 3]) -> Tensor<'g>,
            |_, [a, b, x]| (a * x * b.stop_gradient().cast(Dtype::I32).cast(Dtype::F32)).sum(&[], false),
        ] {
            let ((unused, stopped), graph) = of(loss);
            assert_eq!((unused, stopped), (vec![], vec!["b".to_owned()]));
            assert!(graph.is_ok());
        }
    }

    #[test]
    fn a_second_path_makes_up_for_a_cut_one() {
        let ((unused, stopped), graph) = of(|_, [a, b, x]| (a * x * b.floor() + b).sum(&[], false));
        assert_eq!((unused, stopped), (vec![], vec![]));
        assert!(graph.is_ok());
    }

    #[test]
    fn a_weight_behind_a_kernel_without_a_gradient_is_an_error() {
        assert_eq!(
            fault(|_, [a, b, x]| (a.floor() * x + b).sum(&[], false)),
            "no gradient reaches 1 weights the loss uses:\n  a: floor has no gradient: piecewise constant"
        );
    }

    #[test]
    fn a_weight_behind_integers_is_an_error() {
        assert_eq!(
            fault(|_, [a, b, x]| (a.cast(Dtype::I32).cast(Dtype::F32) * x + b).sum(&[], false)),
            "no gradient reaches 1 weights the loss uses:\n  \
             a: cast has no gradient for its input 'x', which is i32"
        );
        assert_eq!(
            fault(|_, [a, b, x]| b.gather(0, (a * x).argmax(0, true)).sum(&[], false)),
            "no gradient reaches 1 weights the loss uses:\n  \
             a: gather has no gradient for its input 'index', which is i32"
        );
        assert_eq!(
            fault(|_, [a, b, x]| a.compare("gt", x).r#where(x, b).sum(&[], false)),
            "no gradient reaches 1 weights the loss uses:\n  \
             a: where has no gradient for its input 'mask', which is i32"
        );
    }

    #[test]
    fn every_weight_that_is_cut_off_is_named() {
        assert_eq!(
            fault(|_, [a, b, x]| (a.floor() * x + b.sign()).sum(&[], false)),
            "no gradient reaches 2 weights the loss uses:\n  a: floor has no gradient: piecewise constant\n  \
             b: sign has no gradient: piecewise constant"
        );
    }

    #[test]
    fn a_loss_is_one_number() {
        assert_eq!(fault(|_, [a, _, x]| a * x), "the loss is f32 (3,), expected one f32");
    }
}
