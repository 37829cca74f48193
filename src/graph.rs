//! The graph: inputs, weights, states, constants, dispatches and scans, with static shapes.
//!
//! A model's graph function is plain calls on [`Tensor`] handles. Nothing in it returns a `Result`: the
//! first mistake sticks, with its file, line and scope, and [`Graph::build`] reports it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashSet};
use std::panic::Location;
use std::sync::Arc;

use crate::error::{At, Error, Result};
use crate::kernel::{Call, Kernel, Operand, Params, Spec, Value};
use crate::shape::{Dims, Layout, MAX_RANK, checked_len};
use crate::tensor::{Dtype, HostTensor};

mod arena;
mod fixed;
mod scan;
mod view;

pub use fixed::{ARENA_ALIGN, Carry, FixedGraph, Node, Output, Phase, Scan, Source, ValueId, ValueInfo};

pub(crate) struct Handle {
    value: ValueId,
    layout: Layout,
}

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) values: Vec<ValueInfo>,
    handles: Vec<Handle>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) scans: Vec<Scan>,
    outputs: Vec<Output>,
    named: BTreeMap<(char, String), usize>,
    scopes: Vec<String>,
    pub(crate) error: Option<Error>,
    /// The scope of nodes made now, in place of the one their weights tell: gradients belong to the layer they are of.
    pub(crate) made_for: Option<String>,
    /// The part of a step that nodes made now belong to.
    pub(crate) phase: Phase,
}

/// A graph under construction.
#[derive(Default)]
pub struct Graph {
    pub(crate) inner: RefCell<Inner>,
    scope: Cell<usize>,
    in_scan: Cell<bool>,
    training: Cell<bool>,
    attentions: Cell<bool>,
    keys: Option<HashSet<String>>,
}

/// A handle to a value of a [`Graph`], perhaps a view of it.
#[derive(Clone, Copy)]
pub struct Tensor<'g> {
    graph: &'g Graph,
    index: usize,
}

/// A prefix of weight keys, and the name of a part of the model in messages and tables.
#[derive(Clone, Copy)]
pub struct Scope<'g> {
    graph: &'g Graph,
    id: usize,
}

impl<'g> Scope<'g> {
    /// The scope `segment` below this one; an empty segment is the scope itself.
    pub fn at(self, segment: impl std::fmt::Display) -> Scope<'g> {
        let path = self.join(&segment.to_string());
        let id = self.graph.intern(path);
        self.graph.scope.set(id);
        Scope { graph: self.graph, id }
    }
    /// The dotted path.
    pub fn path(self) -> String {
        self.graph.inner.borrow().scopes[self.id].clone()
    }
    /// The graph.
    pub fn graph(self) -> &'g Graph {
        self.graph
    }
    /// The f32 weight `name` of `shape` in this scope. The same key twice is the same tensor.
    #[track_caller]
    pub fn weight(self, name: &str, shape: &[usize]) -> Tensor<'g> {
        self.graph.scope.set(self.id);
        self.graph.weight(&self.join(name), shape)
    }
    /// Whether the checkpoint has the key `name` in this scope; `None` without a checkpoint.
    pub fn has(self, name: &str) -> Option<bool> {
        self.graph.keys.as_ref().map(|keys| keys.contains(&self.join(name)))
    }
    fn join(self, name: &str) -> String {
        let path = self.path();
        match (path.is_empty(), name.is_empty()) {
            (true, _) => name.to_owned(),
            (_, true) => path,
            _ => format!("{path}.{name}"),
        }
    }
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Graph {
        let graph = Graph::default();
        graph.intern(String::new());
        graph
    }

    /// An empty graph that knows which keys the checkpoint has (tied and optional weights ask).
    pub fn with_keys(keys: impl IntoIterator<Item = String>) -> Graph {
        Graph { keys: Some(keys.into_iter().collect()), ..Graph::new() }
    }

    /// Builds what follows in training mode: batch statistics, dropout by the masks that are given.
    pub fn set_training(&self, training: bool) {
        self.training.set(training);
    }

    /// True in training mode; graphs begin in evaluation mode.
    pub fn training(&self) -> bool {
        self.training.get()
    }

    /// Makes every [`Tensor::attention`] that follows name its probabilities as a result, `attentions.<scope>` (B, H, T, S),
    /// and from the second in one scope on `attentions.<scope>.2` and so forth. The fused kernel stores none, so they are
    /// computed beside it.
    pub fn set_attentions(&self, wanted: bool) {
        self.attentions.set(wanted);
    }

    /// True if attention probabilities are results; at first they are not.
    pub fn attentions(&self) -> bool {
        self.attentions.get()
    }

    /// The path of the part of the model around the last layer named.
    pub(crate) fn part(&self) -> String {
        let last = &self.inner.borrow().scopes[self.scope.get()];
        last.rsplit_once('.').map_or("", |(scope, _)| scope).to_owned()
    }

    pub(crate) fn in_scan(&self) -> bool {
        self.in_scan.get()
    }

    pub(crate) fn set_in_scan(&self, inside: bool) {
        self.in_scan.set(inside);
    }

    /// The outermost scope.
    pub fn root(&self) -> Scope<'_> {
        self.scope.set(0);
        Scope { graph: self, id: 0 }
    }

    fn intern(&self, path: String) -> usize {
        let mut inner = self.inner.borrow_mut();
        if let Some(id) = inner.scopes.iter().position(|s| *s == path) {
            return id;
        }
        inner.scopes.push(path);
        inner.scopes.len() - 1
    }

    /// Remembers the first error; later ones are its consequences.
    pub(crate) fn fail(&self, location: &'static Location<'static>, op: &str, message: String) {
        let mut inner = self.inner.borrow_mut();
        let at = At::new(location, &inner.scopes[self.scope.get()]);
        if inner.error.is_none() {
            inner.error = Some(Error::Graph { at, op: op.to_owned(), message });
        }
    }

    /// Makes `build` fail with `message` (a configuration a model does not support).
    #[track_caller]
    pub fn reject(&self, op: &str, message: impl Into<String>) {
        self.fail(Location::caller(), op, message.into());
    }

    pub(crate) fn handle(&self, value: ValueId, layout: Layout) -> Tensor<'_> {
        let mut inner = self.inner.borrow_mut();
        inner.handles.push(Handle { value, layout });
        Tensor { graph: self, index: inner.handles.len() - 1 }
    }

    pub(crate) fn value(&self, spec: Spec, source: Source) -> Tensor<'_> {
        let layout = Layout::contiguous(&spec.shape);
        let id = {
            let mut inner = self.inner.borrow_mut();
            inner.values.push(ValueInfo { spec, source });
            inner.values.len() - 1
        };
        self.handle(id, layout)
    }

    #[track_caller]
    fn named(&self, kind: char, name: &str, dtype: Dtype, shape: &[usize], source: fn(String) -> Source) -> Tensor<'_> {
        let found = self.inner.borrow().named.get(&(kind, name.to_owned())).copied();
        if let Some(index) = found {
            let tensor = Tensor { graph: self, index };
            if tensor.shape() != shape || tensor.dtype() != dtype {
                let message = format!("is {} here and {} elsewhere", Dims(shape), Dims(&tensor.shape()));
                self.fail(Location::caller(), name, message);
            }
            return tensor;
        }
        let mut shape = shape;
        if let Some(problem) = problem(shape) {
            self.fail(Location::caller(), name, format!("shape {} {problem}", Dims(shape)));
            shape = &[1];
        }
        let tensor = self.value(Spec::new(dtype, shape), source(name.to_owned()));
        self.inner.borrow_mut().named.insert((kind, name.to_owned()), tensor.index);
        tensor
    }

    /// An input, given for every run.
    #[track_caller]
    pub fn input(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Tensor<'_> {
        self.named('i', name, dtype, shape, Source::Input)
    }

    /// Makes `tensor` what [`Graph::input`] returns for `name`: a model then reads it in place of an input.
    pub fn substitute(&self, name: &str, tensor: Tensor<'_>) {
        self.inner.borrow_mut().named.insert(('i', name.to_owned()), tensor.index);
    }

    /// The f32 weight `key` of a checkpoint. The same key twice is the same tensor: that is weight sharing.
    #[track_caller]
    pub fn weight(&self, key: &str, shape: &[usize]) -> Tensor<'_> {
        self.named('w', key, Dtype::F32, shape, Source::Weight)
    }

    /// A state: kept by the store from run to run, zero at first.
    #[track_caller]
    pub fn state(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Tensor<'_> {
        self.named('s', name, dtype, shape, Source::State)
    }

    /// A table made on the host.
    pub fn constant(&self, table: HostTensor) -> Tensor<'_> {
        let spec = Spec::new(table.dtype(), table.shape());
        self.value(spec, Source::Constant(Arc::new(table)))
    }

    /// The f32 constant `x`, of rank 0.
    pub fn scalar(&self, x: f64) -> Tensor<'_> {
        self.constant(HostTensor::f32(&[], vec![x as f32]))
    }

    /// A node of `kernel`; returns its outputs. Kernels' own methods on [`Tensor`] call this.
    #[track_caller]
    pub fn dispatch<'g>(
        &'g self,
        kernel: &'static Kernel,
        inputs: &[Option<Tensor<'g>>],
        params: &[(&str, Value)],
    ) -> Vec<Tensor<'g>> {
        let location = Location::caller();
        let specs = self.check(kernel, inputs, params);
        match specs {
            Ok(call) => self.push(kernel, inputs, call, location),
            Err(message) => {
                self.fail(location, kernel.name, message);
                kernel.outputs.iter().map(|_| self.value(Spec::f32(&[1]), Source::Input(String::new()))).collect()
            }
        }
    }

    fn check(
        &self,
        kernel: &'static Kernel,
        inputs: &[Option<Tensor<'_>>],
        params: &[(&str, Value)],
    ) -> Result<Call, String> {
        assert_eq!(inputs.len(), kernel.inputs.len(), "bug: {} takes {} inputs", kernel.name, kernel.inputs.len());
        if self.inner.borrow().error.is_some() {
            return Err("a consequence of the first error".into());
        }
        let mut operands = vec![];
        for (port, tensor) in kernel.inputs.iter().zip(inputs) {
            let Some(tensor) = tensor else {
                if !port.optional {
                    return Err(format!("input '{}' is missing", port.name));
                }
                operands.push(None);
                continue;
            };
            let (dtype, layout) = (tensor.dtype(), tensor.layout());
            if !port.dtypes.contains(&dtype) {
                let names: Vec<_> = port.dtypes.iter().map(|d| d.name()).collect();
                return Err(format!("input '{}' is {dtype}, expected {}", port.name, names.join(" or ")));
            }
            operands.push(Some(Operand { dtype, layout }));
        }
        let params = Params::new(kernel.params, params)?;
        let mut call = Call { kernel, inputs: operands, outputs: vec![], params, part: None, rows: None };
        call.outputs = (kernel.shape)(&call)?;
        assert_eq!(
            call.outputs.len(),
            kernel.outputs.len(),
            "bug: {} has {} outputs",
            kernel.name,
            kernel.outputs.len()
        );
        for (name, spec) in kernel.outputs.iter().zip(&call.outputs) {
            if let Some(problem) = problem(&spec.shape) {
                return Err(format!("output '{name}' would be {}, which {problem}", Dims(&spec.shape)));
            }
        }
        Ok(call)
    }

    fn push<'g>(
        &'g self,
        kernel: &'static Kernel,
        inputs: &[Option<Tensor<'g>>],
        call: Call,
        location: &'static Location<'static>,
    ) -> Vec<Tensor<'g>> {
        let values: Vec<_> = inputs.iter().map(|t| t.map(|t| t.value())).collect();
        let (node, at, phase) = {
            let inner = self.inner.borrow();
            let key = values.iter().flatten().find_map(|&v| match &inner.values[v].source {
                Source::Weight(key) => Some(key.rsplit_once('.').map_or("", |(scope, _)| scope).to_owned()),
                _ => None,
            });
            // An op without weights belongs to the part of the model around the last layer named.
            let scope = inner.made_for.clone().or(key).unwrap_or_else(|| self.part());
            (inner.nodes.len(), At::new(location, &scope), inner.phase)
        };
        let mut outputs = vec![];
        for (output, spec) in call.outputs.iter().enumerate() {
            let source = match kernel.in_place.iter().find(|(o, _)| *o == output) {
                Some(&(_, input)) => Source::Updated { node, output, before: values[input].unwrap_or(0) },
                None => Source::Node { node, output },
            };
            outputs.push(self.value(spec.clone(), source));
        }
        let ids = outputs.iter().map(|t| t.value()).collect();
        self.inner.borrow_mut().nodes.push(Node { call, inputs: values, outputs: ids, at, phase });
        // Asked for by name, an updated state or weight is the new one.
        for &(output, input) in kernel.in_place {
            let inner = &mut *self.inner.borrow_mut();
            let Inner { named, handles, .. } = inner;
            let before = inputs[input].map(|t| handles[t.index].value);
            named.values_mut().filter(|i| Some(handles[**i].value) == before).for_each(|i| *i = outputs[output].index);
        }
        outputs
    }

    /// Names `tensor` as a result of the graph.
    #[track_caller]
    pub fn output(&self, name: &str, tensor: Tensor<'_>) {
        let tensor = Tensor { graph: self, index: tensor.index };
        let written = matches!(
            self.inner.borrow().values[tensor.value()].source,
            Source::Node { .. } | Source::Stacked { .. } | Source::Final { .. }
        );
        let whole = tensor.layout().is_contiguous()
            && tensor.layout().len() == self.inner.borrow().values[tensor.value()].spec.len();
        let taken = self.inner.borrow().outputs.iter().any(|o| o.value == tensor.value());
        let dense = if written && whole && !taken { tensor } else { tensor.copy() };
        let shape = dense.shape();
        let mut inner = self.inner.borrow_mut();
        let value = inner.handles[dense.index].value;
        inner.values[value].spec.shape = shape;
        if inner.outputs.iter().any(|o| o.name == name) {
            drop(inner);
            self.fail(Location::caller(), "output", format!("the name '{name}' is used twice"));
            return;
        }
        inner.outputs.push(Output { name: name.to_owned(), value });
    }

    /// What the graph calls `name` among its results so far.
    pub fn result(&self, name: &str) -> Option<Tensor<'_>> {
        let value = self.inner.borrow().outputs.iter().find(|o| o.name == name)?.value;
        let shape = self.inner.borrow().values[value].spec.shape.clone();
        Some(self.handle(value, Layout::contiguous(&shape)))
    }

    /// Forgets the results named so far; what only they need is not computed.
    pub fn clear_results(&self) {
        self.inner.borrow_mut().outputs.clear();
    }

    /// The weights asked for so far, each all of itself, by key in the order of their first use.
    pub fn weights_so_far(&self) -> Vec<(String, Tensor<'_>)> {
        let weight = |(id, v): (usize, &ValueInfo)| match &v.source {
            Source::Weight(key) => Some((key.clone(), id, v.spec.shape.clone())),
            _ => None,
        };
        let found: Vec<_> = self.inner.borrow().values.iter().enumerate().filter_map(weight).collect();
        let whole = |(key, id, shape): (String, usize, Vec<usize>)| (key, self.handle(id, Layout::contiguous(&shape)));
        found.into_iter().map(whole).collect()
    }

    /// The finished graph, or the first error made while building it.
    pub fn build(self) -> Result<FixedGraph> {
        let inner = self.inner.into_inner();
        if let Some(error) = inner.error {
            return Err(error);
        }
        let graph = FixedGraph { values: inner.values, nodes: inner.nodes, scans: inner.scans, outputs: inner.outputs };
        // An updated state is a new value; the old one must have no reader after the update.
        let updates = |(n, node): (usize, &Node)| {
            node.call.kernel.in_place.iter().map(move |&(_, port)| (n, port)).collect::<Vec<_>>()
        };
        for (n, port) in graph.nodes.iter().enumerate().flat_map(updates) {
            let node = &graph.nodes[n];
            let Some(state) = node.inputs[port] else { continue };
            let kept = matches!(
                graph.values[state].source,
                Source::State(_) | Source::Weight(_) | Source::Arena(_) | Source::Updated { .. }
            );
            let parts = match &graph.values[state].source {
                Source::Arena(parts) => parts.as_slice(),
                _ => &[],
            };
            let old = |v: &Option<ValueId>| v.is_some_and(|v| v == state || parts.contains(&v));
            let late = graph.nodes[n + 1..].iter().find(|later| later.inputs.iter().any(old));
            let message = match (kept, late) {
                (false, _) => format!(
                    "input '{}' is updated in place and must be a state or a weight",
                    node.call.kernel.inputs[port].name
                ),
                (true, Some(later)) => format!(
                    "the state is read by {} after this update; use the handle the update returned",
                    later.label()
                ),
                (true, None) => continue,
            };
            return Err(Error::Graph { at: node.at.clone(), op: node.call.kernel.name.into(), message });
        }
        Ok(graph)
    }
}

/// Why no tensor can have `shape`, as `has no elements`.
fn problem(shape: &[usize]) -> Option<String> {
    if shape.len() > MAX_RANK {
        return Some(format!("has {} axes, and {MAX_RANK} are the most", shape.len()));
    }
    match checked_len(shape) {
        Some(0) => Some("has no elements".into()),
        Some(n) if n <= i32::MAX as usize => None,
        _ => Some("has more than 2147483647 elements".into()),
    }
}
