//! The gradient of a scan: a scan in the other direction.
//!
//! Its carries are the gradients of the carries. A step reads what the same step of the forward scan made: such values
//! become outputs of the forward scan when a rule asks for them, stacked over the steps. Gradients of values from
//! around the scan, such as weights, are summed up in carries; where the kernel takes many steps at once
//! ([`Steps`]), they are computed after the scan, for all steps together.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;

use super::{Adjoint, Walk};
use crate::graph::{Carry, Graph, Node, Scan, Source, Tensor, ValueId};
use crate::kernel::{Backward, Operand, Spec, Steps};
use crate::kernels::layout::copy::COPY;
use crate::shape::Layout;
use crate::tensor::Dtype;

/// What the backward scan reads of the forward one.
struct Saved<'g> {
    graph: &'g Graph,
    /// The forward scan.
    scan: usize,
    body: Range<usize>,
    /// The backward scan.
    back: usize,
    /// Copies, made by the forward body, of carries after a step.
    copies: HashMap<ValueId, ValueId>,
    /// Carries before a step, all steps of them.
    before: HashMap<ValueId, ValueId>,
    /// `(whole, slice)` of the backward scan.
    slices: RefCell<Vec<(ValueId, ValueId)>>,
}

impl Saved<'_> {
    /// True if `value` belongs to a step of the forward scan.
    fn of_step(&self, value: ValueId) -> bool {
        match self.graph.inner.borrow().values[value].source {
            Source::Slice { scan, .. } | Source::Carry { scan, .. } => scan == self.scan,
            Source::Node { node, .. } => self.body.contains(&node),
            _ => false,
        }
    }

    /// All steps of a value of the forward scan, along a new first axis.
    fn stacked(&self, value: ValueId) -> ValueId {
        if let Some(all) = self.before.get(&value) {
            return *all;
        }
        self.graph.all_steps(self.scan, self.copies.get(&value).copied().unwrap_or(value))
    }

    /// The step of `whole` that the backward scan is at.
    fn slice(&self, whole: ValueId) -> ValueId {
        let found = self.slices.borrow().iter().find(|s| s.0 == whole).map(|s| s.1);
        found.unwrap_or_else(|| {
            let inner = &mut *self.graph.inner.borrow_mut();
            let spec = inner.values[whole].spec.clone();
            let index = self.slices.borrow().len();
            let source = Source::Slice { scan: self.back, index };
            inner.values.push(crate::graph::ValueInfo { spec: Spec::new(spec.dtype, &spec.shape[1..]), source });
            self.slices.borrow_mut().push((whole, inner.values.len() - 1));
            inner.values.len() - 1
        })
    }

    /// What a rule reads in place of `value`.
    fn source(&self, value: ValueId) -> ValueId {
        if self.of_step(value) { self.slice(self.stacked(value)) } else { value }
    }
}

/// A gradient to be computed after the scan, for all steps at once.
struct Later {
    node: Node,
    port: usize,
    /// Gradients of the node's outputs in a step.
    d: Vec<Option<ValueId>>,
}

/// A scan in the making.
struct Back<'g> {
    start: usize,
    carries: Vec<(Tensor<'g>, ValueId, Tensor<'g>)>,
    made: Vec<ValueId>,
}

impl<'g> Walk<'g> {
    /// The gradients of what goes into scan `index`, from those of what comes out.
    pub(super) fn scan(&mut self, index: usize) {
        let info = self.graph.inner.borrow().scans[index].clone();
        let ends = info.carries.iter().map(|c| c.last).chain(info.outputs.iter().map(|o| o.1));
        if !ends.into_iter().any(|v| self.grads.contains_key(&v)) || self.graph.inner.borrow().error.is_some() {
            return;
        }
        let copies = self.keep_carries(index, &info);
        let before = self.carries_before(index, &info, &copies);
        let body = self.graph.inner.borrow().scans[index].body.clone();
        let around = self.around(&body, index);
        // What the backward scan begins with is made before its body.
        let zeros = |v: ValueId| self.graph.fill(Dtype::F32, &self.graph.shape_of(v), 0.0);
        let carried: Vec<&Carry> = info.carries.iter().filter(|c| self.depends.contains(&c.current)).collect();
        let whole = |t: Tensor<'g>| if t.is_whole() { t } else { t.copy() };
        let begin: Vec<_> =
            carried.iter().map(|c| self.grads.get(&c.last).map_or_else(|| zeros(c.last), |d| whole(*d))).collect();
        let sums: Vec<_> = around.iter().map(|&v| (v, zeros(v))).collect();
        let arrived: Vec<_> =
            info.outputs.iter().filter_map(|o| self.grads.get(&o.1).map(|d| (o.0, whole(*d)))).collect();

        let back = self.graph.inner.borrow().scans.len();
        let saved = Saved {
            graph: self.graph,
            scan: index,
            body: body.clone(),
            back,
            copies,
            before,
            slices: RefCell::default(),
        };
        let mut scan = Back { start: self.graph.inner.borrow().nodes.len(), carries: vec![], made: vec![] };
        let mut step = Walk {
            graph: self.graph,
            depends: std::mem::take(&mut self.depends),
            whole: std::mem::take(&mut self.whole),
            grads: HashMap::new(),
            cuts: std::mem::take(&mut self.cuts),
        };
        self.graph.set_in_scan(true);
        let current: Vec<_> =
            carried.iter().enumerate().map(|(i, c)| self.graph.step_value(c.current, back, i)).collect();
        for (c, d) in carried.iter().zip(&current) {
            step.contribute(c.next, &d.layout(), *d);
        }
        for (made, d) in arrived {
            let slice = saved.slice(d.value());
            let d = self.graph.handle(slice, Layout::contiguous(&self.graph.shape_of(slice)));
            step.contribute(made, &d.layout(), d);
        }
        let mut later = vec![];
        for n in body.clone().rev() {
            step.defer(n, &saved, &mut later);
        }
        for ((c, begin), d) in carried.iter().zip(begin).zip(&current) {
            let next = step.grads.get(&c.current).copied();
            let next = next.unwrap_or_else(|| self.graph.fill(Dtype::F32, &d.shape(), 0.0));
            scan.carries.push((begin, d.value(), next));
        }
        let mut summed = vec![];
        for (value, begin) in sums {
            if let Some(&d) = step.grads.get(&value) {
                let sum = self.graph.step_value(value, back, scan.carries.len());
                scan.carries.push((begin, sum.value(), sum + d));
                summed.push(value);
            }
        }
        let of_slices: Vec<_> = info.slices.iter().filter_map(|&(w, s)| Some((w, *step.grads.get(&s)?))).collect();
        let of_steps: Vec<(ValueId, Tensor<'g>)> =
            of_slices.into_iter().map(|(whole, d)| (whole, self.finish_made(&mut scan, d))).collect();
        let later = self.finish_later(&mut scan, later);
        self.graph.set_in_scan(false);
        self.depends = step.depends;
        self.whole = step.whole;
        self.cuts = step.cuts;

        let (last, stacked) = self.finish(scan, &saved, info.steps, !info.reverse);
        let firsts = carried.iter().map(|c| c.initial).chain(summed);
        for (value, d) in firsts.zip(last) {
            self.contribute_whole(value, d);
        }
        let stacked_of = |made: Tensor<'g>| stacked.iter().find(|s| s.0 == made.value()).map(|s| s.1);
        for (whole, made) in of_steps {
            if let Some(d) = stacked_of(made) {
                self.contribute_whole(whole, d);
            }
        }
        for later in later {
            let all = |v: &Option<ValueId>| v.and_then(|v| stacked.iter().find(|s| s.0 == v).map(|s| s.1));
            let d: Vec<_> = later.d.iter().map(all).collect();
            self.at_once(&later, d, &saved, info.steps);
        }
    }

    fn contribute_whole(&mut self, value: ValueId, d: Tensor<'g>) {
        if self.depends.contains(&value) {
            self.contribute(value, &Layout::contiguous(&d.shape()), d);
        }
    }

    /// Copies of each carry after a step, made by the forward body; those nobody asks for die.
    fn keep_carries(&self, scan: usize, info: &Scan) -> HashMap<ValueId, ValueId> {
        let mut copies = HashMap::new();
        for c in &info.carries {
            // The body may hand out a copy already.
            let inner = self.graph.inner.borrow();
            let of_next = |made: ValueId| match inner.values[made].source {
                Source::Node { node, .. } => {
                    let node = &inner.nodes[node];
                    std::ptr::eq(node.call.kernel, &COPY)
                        && node.inputs == [Some(c.next)]
                        && inner.values[made].spec == inner.values[c.next].spec
                        && node.call.input(0).layout.is_contiguous()
                }
                _ => false,
            };
            copies.extend(info.outputs.iter().map(|o| o.0).find(|&made| of_next(made)).map(|made| (c.next, made)));
        }
        let lacking: Vec<ValueId> = info.carries.iter().map(|c| c.next).filter(|v| !copies.contains_key(v)).collect();
        copies.extend(lacking.iter().copied().zip(self.graph.insert_copies(scan, &lacking)));
        copies
    }

    /// Each carry before a step, for all steps: the first, and then what the steps but the last hand on. What nobody
    /// asks for dies.
    fn carries_before(
        &self,
        scan: usize,
        info: &Scan,
        copies: &HashMap<ValueId, ValueId>,
    ) -> HashMap<ValueId, ValueId> {
        let g = self.graph;
        let all = |c: &Carry| {
            let whole = |v: ValueId| g.handle(v, Layout::contiguous(&g.shape_of(v)));
            let first = whole(c.initial).unsqueeze(0);
            let after = whole(g.all_steps(scan, copies[&c.next]));
            let before = match (info.steps, info.reverse) {
                (1, _) => first.copy(),
                (n, false) => g.concat(&[first, after.slice(0, 0, n - 1)], 0),
                (n, true) => g.concat(&[after.slice(0, 1, n - 1), first], 0),
            };
            (c.current, before.value())
        };
        info.carries.iter().map(all).collect()
    }

    /// Values from around a scan that its body reads and whose gradients are asked for.
    fn around(&self, body: &Range<usize>, scan: usize) -> Vec<ValueId> {
        let inner = self.graph.inner.borrow();
        let inside = |v: ValueId| match inner.values[v].source {
            Source::Slice { scan: s, .. } | Source::Carry { scan: s, .. } => s == scan,
            Source::Node { node, .. } => body.contains(&node),
            _ => false,
        };
        let mut around = vec![];
        for v in inner.nodes[body.clone()].iter().flat_map(|n| n.inputs.iter().flatten().copied()) {
            if self.depends.contains(&v) && !inside(v) && !around.contains(&v) {
                around.push(v);
            }
        }
        around
    }

    /// The gradients of one node of the body; those that all steps can share are left for later.
    fn defer(&mut self, n: usize, saved: &Saved<'g>, later: &mut Vec<Later>) {
        let node = self.graph.inner.borrow().nodes[n].clone();
        let steps = node.call.kernel.steps;
        let shared = |port: &usize| {
            let value = node.inputs[*port].filter(|v| self.depends.contains(v) && !saved.of_step(*v));
            let others = node.inputs.iter().enumerate().any(|(p, v)| p != *port && v.is_some_and(|v| saved.of_step(v)));
            value.is_some() && others
        };
        let ports: Vec<usize> = match steps {
            Steps::One => vec![],
            Steps::Elementwise => (0..node.inputs.len()).filter(shared).collect(),
            Steps::Leading { fixed } => (fixed..fixed + 1).filter(shared).collect(),
        };
        let arrived: Vec<_> = node.outputs.iter().map(|v| self.grads.get(v).copied()).collect();
        if arrived.iter().any(Option::is_some) {
            for &port in &ports {
                let d = arrived.iter().map(|d| d.map(|d| d.value_of_whole())).collect();
                later.push(Later { node: node.clone(), port, d });
            }
        }
        self.node_except(n, &|v| saved.source(v), &ports);
    }

    /// A value that leaves a step of the backward scan: written by a node of its body, and once only.
    fn finish_made(&self, scan: &mut Back<'g>, d: Tensor<'g>) -> Tensor<'g> {
        if scan.made.contains(&d.value()) && d.is_whole() {
            return d;
        }
        let taken = |v: ValueId| scan.carries.iter().any(|c| c.2.value() == v);
        let made = if self.graph.is_made_after(d, scan.start) && !taken(d.value()) { d } else { d.copy() };
        scan.made.push(made.value());
        made
    }

    /// The gradients that are left for later, as values that leave a step; equal ones leave it once.
    fn finish_later(&self, scan: &mut Back<'g>, later: Vec<Later>) -> Vec<Later> {
        let mut left: HashMap<ValueId, ValueId> = HashMap::new();
        let one = |v: ValueId, scan: &mut Back<'g>, left: &mut HashMap<ValueId, ValueId>| {
            *left.entry(v).or_insert_with(|| {
                let d = self.graph.handle(v, Layout::contiguous(&self.graph.shape_of(v)));
                self.finish_made(scan, d).value()
            })
        };
        let all = later.into_iter().map(|l| {
            let d = l.d.iter().map(|v| v.map(|v| one(v, scan, &mut left))).collect();
            Later { d, ..l }
        });
        all.collect()
    }

    /// Closes the backward scan: the last carries, and what its steps made with all steps of it.
    fn finish(
        &self,
        scan: Back<'g>,
        saved: &Saved<'g>,
        steps: usize,
        reverse: bool,
    ) -> (Vec<Tensor<'g>>, Vec<(ValueId, Tensor<'g>)>) {
        let mut carries = vec![];
        let mut last = vec![];
        self.graph.set_in_scan(true);
        let mut taken = scan.made.clone();
        for (i, (initial, current, next)) in scan.carries.iter().enumerate() {
            let fits = self.graph.is_made_after(*next, scan.start) && !taken.contains(&next.value());
            let next = if fits { *next } else { next.copy() };
            taken.push(next.value());
            let end = self.graph.value(next.spec(), Source::Final { scan: saved.back, index: i });
            carries.push(Carry { initial: initial.value(), current: *current, next: next.value(), last: end.value() });
            last.push(end);
        }
        self.graph.set_in_scan(false);
        let mut outputs = vec![];
        let mut stacked = vec![];
        for (index, &made) in scan.made.iter().enumerate() {
            let shape: Vec<_> = std::iter::once(steps).chain(self.graph.shape_of(made)).collect();
            let all = self.graph.value(Spec::f32(&shape), Source::Stacked { scan: saved.back, index });
            outputs.push((made, all.value()));
            stacked.push((made, all));
        }
        let slices = saved.slices.borrow().clone();
        let mut inner = self.graph.inner.borrow_mut();
        let body = scan.start..inner.nodes.len();
        inner.scans.push(Scan { steps, body, carries, slices, outputs, reverse });
        (last, stacked)
    }

    /// The gradient of one input of a node of the body, from all steps at once.
    fn at_once(&mut self, later: &Later, d: Vec<Option<Tensor<'g>>>, saved: &Saved<'g>, steps: usize) {
        let Later { node, port, .. } = later;
        let Backward::Rule(rule) = node.call.kernel.backward else { return };
        let mut call = node.call.clone();
        let mut inputs = node.inputs.clone();
        for (p, (value, operand)) in inputs.iter_mut().zip(&mut call.inputs).enumerate() {
            let (Some(v), Some(o)) = (value.as_mut(), operand.as_mut()) else { continue };
            let stride = if saved.of_step(*v) {
                let each = self.graph.shape_of(*v).iter().product();
                *v = saved.stacked(*v);
                each
            } else if matches!(call.kernel.steps, Steps::Leading { .. }) && p == *port {
                continue;
            } else {
                0
            };
            let Layout { shape, strides, offset } = &o.layout;
            let layout = Layout {
                shape: std::iter::once(steps).chain(shape.iter().copied()).collect(),
                strides: std::iter::once(stride).chain(strides.iter().copied()).collect(),
                offset: *offset,
            };
            *o = Operand { dtype: o.dtype, layout };
        }
        for spec in &mut call.outputs {
            spec.shape.insert(0, steps);
        }
        self.graph.inner.borrow_mut().made_for = Some(node.at.scope.clone());
        let d = d.iter().zip(&call.outputs).map(|(d, s)| d.map(|d| d.reshape(&s.shape))).collect();
        let wanted = (0..inputs.len()).map(|p| p == *port).collect();
        let adjoint =
            Adjoint { graph: self.graph, call: &call, inputs: &inputs, outputs: &[], d, wanted, source: &|v| v };
        if let (Some(value), Some(operand), Some(Some(d))) =
            (inputs[*port], &call.inputs[*port], rule(&adjoint).into_iter().nth(*port))
        {
            self.contribute(value, &operand.layout, d);
        }
    }
}

impl Graph {
    /// All steps of a value that the body of `scan` makes or reads a slice of, along a new first axis.
    fn all_steps(&self, scan: usize, made: ValueId) -> ValueId {
        let inner = &mut *self.inner.borrow_mut();
        let info = &mut inner.scans[scan];
        if let Source::Slice { index, .. } = inner.values[made].source {
            return info.slices[index].0;
        }
        if let Some((_, stacked)) = info.outputs.iter().find(|o| o.0 == made) {
            return *stacked;
        }
        let spec = inner.values[made].spec.clone();
        let shape: Vec<usize> = std::iter::once(info.steps).chain(spec.shape).collect();
        let source = Source::Stacked { scan, index: info.outputs.len() };
        let stacked = inner.values.len();
        info.outputs.push((made, stacked));
        inner.values.push(crate::graph::ValueInfo { spec: Spec::new(spec.dtype, &shape), source });
        stacked
    }

    /// A value of the shape of `like` that step `scan` carries.
    fn step_value(&self, like: ValueId, scan: usize, index: usize) -> Tensor<'_> {
        self.value(Spec::f32(&self.shape_of(like)), Source::Carry { scan, index })
    }

    /// True if `t` is all of a value that a node from `start` on wrote.
    fn is_made_after(&self, t: Tensor<'_>, start: usize) -> bool {
        let written =
            matches!(self.inner.borrow().values[t.value()].source, Source::Node { node, .. } if node >= start);
        written && t.is_whole()
    }

    /// Adds copies of `values` to the end of the body of `scan` and returns the copies.
    fn insert_copies(&self, scan: usize, values: &[ValueId]) -> Vec<ValueId> {
        let at = self.inner.borrow().scans[scan].body.end;
        let before = self.inner.borrow().nodes.len();
        let inside = self.in_scan();
        self.set_in_scan(true);
        let copies: Vec<_> = values
            .iter()
            .map(|&v| {
                let whole = self.handle(v, Layout::contiguous(&self.shape_of(v)));
                self.dispatch(&COPY, &[Some(whole)], &[])[0].value()
            })
            .collect();
        self.set_in_scan(inside);
        let inner = &mut *self.inner.borrow_mut();
        let count = inner.nodes.len() - before;
        inner.nodes[at..].rotate_right(count);
        // What stood behind the body moved up; what was at the end moved to its place.
        let moved = |n: usize| match n {
            n if n < at => n,
            n if n < before => n + count,
            n => n - before + at,
        };
        for value in &mut inner.values {
            if let Source::Node { node, .. } | Source::Updated { node, .. } = &mut value.source {
                *node = moved(*node);
            }
        }
        for (s, other) in inner.scans.iter_mut().enumerate() {
            if s == scan {
                other.body.end += count;
            } else if other.body.start >= at {
                other.body = other.body.start + count..other.body.end + count;
            }
        }
        copies
    }
}
