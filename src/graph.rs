//! The graph: inputs, weights, states, constants, dispatches and scans, with static shapes.
//!
//! A model's graph function is plain calls on [`Tensor`] handles. Nothing in it returns a `Result`: the
//! first mistake sticks, with its file, line and scope, and [`Graph::build`] reports it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::panic::Location;
use std::sync::Arc;

use crate::error::{At, Error, Result};
use crate::kernel::{Call, Kernel, Operand, Params, Spec, Value};
use crate::shape::{Dims, Layout, MAX_RANK, checked_len};
use crate::tensor::{Dtype, HostTensor};

mod view;

/// Index of a value in [`FixedGraph::values`].
pub type ValueId = usize;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// Given for every run.
    Input(String),
    /// Read from a checkpoint.
    Weight(String),
    /// Kept by the store from run to run.
    State(String),
    /// A table made on the host.
    Constant(Arc<HostTensor>),
    /// Written by a node.
    Node {
        /// Index of the node.
        node: usize,
        /// Which of its outputs.
        output: usize,
    },
    /// A state after a node updated it; the same buffer as the state before.
    Updated {
        /// Index of the node.
        node: usize,
        /// Which of its outputs.
        output: usize,
        /// The state before the update.
        before: ValueId,
    },
    /// Inside a scan's body: carry `index` at the beginning of a step.
    Carry {
        /// Index of the scan.
        scan: usize,
        /// Which carry.
        index: usize,
    },
    /// Inside a scan's body: slice `index` of the current step.
    Slice {
        /// Index of the scan.
        scan: usize,
        /// Which slice.
        index: usize,
    },
    /// Carry `index` after the last step.
    Final {
        /// Index of the scan.
        scan: usize,
        /// Which carry.
        index: usize,
    },
    /// Output `index` of every step, stacked along a new first axis.
    Stacked {
        /// Index of the scan.
        scan: usize,
        /// Which output.
        index: usize,
    },
}

/// A value: dtype, dense shape and source.
#[derive(Debug, Clone)]
pub struct ValueInfo {
    /// Dtype and shape.
    pub spec: Spec,
    /// Where it comes from.
    pub source: Source,
}

/// A dispatch of a kernel.
#[derive(Debug, Clone)]
pub struct Node {
    /// Kernel, operands, parameters, output specs.
    pub call: Call,
    /// The value behind each operand.
    pub inputs: Vec<Option<ValueId>>,
    /// The values written.
    pub outputs: Vec<ValueId>,
    /// Where the model made it.
    pub at: At,
}

impl Node {
    /// `scope/kernel`, for tables and messages.
    pub fn label(&self) -> String {
        if self.at.scope.is_empty() {
            self.call.kernel.name.to_owned()
        } else {
            format!("{}/{}", self.at.scope, self.call.kernel.name)
        }
    }
}

/// A body of nodes that runs once per step, with values carried from step to step.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Number of steps, at least 1.
    pub steps: usize,
    /// The nodes of the body.
    pub body: Range<usize>,
    /// Values carried from step to step.
    pub carries: Vec<Carry>,
    /// `(whole, slice)`: `whole` has a leading axis of `steps`; the body reads one slice of it a step.
    pub slices: Vec<(ValueId, ValueId)>,
    /// `(step, stacked)`: what a step makes, and all steps of it.
    pub outputs: Vec<(ValueId, ValueId)>,
    /// Steps run from the last slice to the first (a reverse direction).
    pub reverse: bool,
}

/// A value carried from one step of a scan to the next.
#[derive(Debug, Clone)]
pub struct Carry {
    /// Before the first step.
    pub initial: ValueId,
    /// What the body reads.
    pub current: ValueId,
    /// What the body makes for the next step.
    pub next: ValueId,
    /// After the last step.
    pub last: ValueId,
}

/// A named result.
#[derive(Debug, Clone)]
pub struct Output {
    /// Name in files.
    pub name: String,
    /// The value; always dense and written by a node.
    pub value: ValueId,
}

/// A finished graph: checked, static, without a device.
#[derive(Debug, Clone)]
pub struct FixedGraph {
    /// All values.
    pub values: Vec<ValueInfo>,
    /// All dispatches, in order of construction.
    pub nodes: Vec<Node>,
    /// All scans, by first node of their body.
    pub scans: Vec<Scan>,
    /// Results by name.
    pub outputs: Vec<Output>,
}

impl FixedGraph {
    /// Inputs by name, with their specs.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &Spec)> {
        self.values.iter().filter_map(|v| match &v.source {
            Source::Input(name) => Some((name.as_str(), &v.spec)),
            _ => None,
        })
    }
    /// Weights by key, with their specs.
    pub fn weights(&self) -> impl Iterator<Item = (&str, &Spec)> {
        self.values.iter().filter_map(|v| match &v.source {
            Source::Weight(key) => Some((key.as_str(), &v.spec)),
            _ => None,
        })
    }
    /// States by name, with their specs.
    pub fn states(&self) -> impl Iterator<Item = (&str, &Spec)> {
        self.values.iter().filter_map(|v| match &v.source {
            Source::State(name) => Some((name.as_str(), &v.spec)),
            _ => None,
        })
    }
    /// Number of weight elements.
    pub fn parameters(&self) -> usize {
        self.weights().map(|(_, s)| s.len()).sum()
    }
    /// The scan whose body holds `node`.
    pub fn scan_of(&self, node: usize) -> Option<usize> {
        self.scans.iter().position(|s| s.body.contains(&node))
    }
}

struct Handle {
    value: ValueId,
    layout: Layout,
}

#[derive(Default)]
struct Inner {
    values: Vec<ValueInfo>,
    handles: Vec<Handle>,
    nodes: Vec<Node>,
    scans: Vec<Scan>,
    outputs: Vec<Output>,
    named: BTreeMap<(char, String), usize>,
    scopes: Vec<String>,
    error: Option<Error>,
}

/// A graph under construction.
#[derive(Default)]
pub struct Graph {
    inner: RefCell<Inner>,
    scope: Cell<usize>,
    in_scan: Cell<bool>,
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

    fn handle(&self, value: ValueId, layout: Layout) -> Tensor<'_> {
        let mut inner = self.inner.borrow_mut();
        inner.handles.push(Handle { value, layout });
        Tensor { graph: self, index: inner.handles.len() - 1 }
    }

    fn value(&self, spec: Spec, source: Source) -> Tensor<'_> {
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
        let fits = checked_len(shape).is_some_and(|n| n > 0 && n <= i32::MAX as usize) && shape.len() <= MAX_RANK;
        let mut shape = shape;
        if !fits {
            self.fail(
                Location::caller(),
                name,
                format!("shape {} is empty, has over 2^31 elements or over {MAX_RANK} axes", Dims(shape)),
            );
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
        let mut call = Call { kernel, inputs: operands, outputs: vec![], params, part: None };
        call.outputs = (kernel.shape)(&call)?;
        assert_eq!(
            call.outputs.len(),
            kernel.outputs.len(),
            "bug: {} has {} outputs",
            kernel.name,
            kernel.outputs.len()
        );
        for (name, spec) in kernel.outputs.iter().zip(&call.outputs) {
            let fits = checked_len(&spec.shape).is_some_and(|n| n > 0 && n <= i32::MAX as usize);
            if !fits || spec.shape.len() > MAX_RANK {
                return Err(format!(
                    "output '{name}' would be {}, which is empty, has over 2^31 elements or over {MAX_RANK} axes",
                    Dims(&spec.shape)
                ));
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
        let (node, at) = {
            let inner = self.inner.borrow();
            let key = values.iter().flatten().find_map(|&v| match &inner.values[v].source {
                Source::Weight(key) => Some(key.rsplit_once('.').map_or("", |(scope, _)| scope).to_owned()),
                _ => None,
            });
            // An op without weights belongs to the part of the model around the last layer named.
            let parent = || {
                let last = &inner.scopes[self.scope.get()];
                last.rsplit_once('.').map_or("", |(scope, _)| scope).to_owned()
            };
            (inner.nodes.len(), At::new(location, &key.unwrap_or_else(parent)))
        };
        let mut outputs = vec![];
        for (output, spec) in call.outputs.iter().enumerate() {
            let source = match kernel.in_place {
                Some((o, input)) if o == output => Source::Updated { node, output, before: values[input].unwrap_or(0) },
                _ => Source::Node { node, output },
            };
            outputs.push(self.value(spec.clone(), source));
        }
        let ids = outputs.iter().map(|t| t.value()).collect();
        self.inner.borrow_mut().nodes.push(Node { call, inputs: values, outputs: ids, at });
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

    /// Runs `body` once per step over the leading axis of `slices`, carrying values from step to step.
    ///
    /// `body(carries, slices)` returns the next carries (of the same shapes) and what the step makes.
    /// The body is planned once. Returns the last carries, and each output stacked along a new first axis.
    #[track_caller]
    pub fn scan<'g>(
        &'g self,
        carries: &[Tensor<'g>],
        slices: &[Tensor<'g>],
        reverse: bool,
        body: impl FnOnce(&[Tensor<'g>], &[Tensor<'g>]) -> (Vec<Tensor<'g>>, Vec<Tensor<'g>>),
    ) -> (Vec<Tensor<'g>>, Vec<Tensor<'g>>) {
        let location = Location::caller();
        let steps = slices.first().map_or(0, |s| s.shape().first().copied().unwrap_or(0));
        let even = slices.iter().all(|s| s.shape().first() == Some(&steps));
        if steps == 0 || !even || self.in_scan.get() {
            self.fail(location, "scan", "needs slices with one leading axis of steps, and no scan around it".into());
            return (carries.to_vec(), vec![]);
        }
        let scan = self.inner.borrow().scans.len();
        let dense = |t: &Tensor<'g>| if t.is_whole() { *t } else { t.copy() };
        let initial: Vec<_> = carries.iter().map(dense).collect();
        let wholes: Vec<_> = slices.iter().map(dense).collect();
        let start = self.inner.borrow().nodes.len();
        let current: Vec<_> =
            (0..initial.len()).map(|index| self.value(initial[index].spec(), Source::Carry { scan, index })).collect();
        let slice: Vec<_> = (0..wholes.len())
            .map(|index| {
                self.value(Spec::new(wholes[index].dtype(), &wholes[index].shape()[1..]), Source::Slice { scan, index })
            })
            .collect();
        self.in_scan.set(true);
        let (next, made) = body(&current, &slice);
        // What leaves a step must be written by a node of its body.
        let written = |t: &Tensor<'g>| {
            let inside =
                matches!(self.inner.borrow().values[t.value()].source, Source::Node { node, .. } if node >= start);
            if inside && t.is_whole() { *t } else { t.copy() }
        };
        let mut next: Vec<Tensor<'g>> = next.iter().map(written).collect();
        for i in 1..next.len() {
            if next[..i].iter().any(|t| t.value() == next[i].value()) {
                next[i] = next[i].copy();
            }
        }
        let mut made: Vec<Tensor<'g>> = made.iter().map(written).collect();
        for i in 0..made.len() {
            if next.iter().chain(&made[..i]).any(|t| t.value() == made[i].value()) {
                made[i] = made[i].copy();
            }
        }
        self.in_scan.set(false);
        let end = self.inner.borrow().nodes.len();
        let same = next.len() == current.len() && next.iter().zip(&current).all(|(n, c)| n.spec() == c.spec());
        if !same || start == end {
            self.fail(location, "scan", "the body must return every carry with its shape and dtype".into());
            return (carries.to_vec(), vec![]);
        }
        let last: Vec<_> =
            (0..next.len()).map(|index| self.value(next[index].spec(), Source::Final { scan, index })).collect();
        let stacked: Vec<_> = (0..made.len())
            .map(|index| {
                let spec = made[index].spec();
                let shape: Vec<_> = std::iter::once(steps).chain(spec.shape).collect();
                self.value(Spec::new(spec.dtype, &shape), Source::Stacked { scan, index })
            })
            .collect();
        let carries = (0..next.len())
            .map(|i| Carry {
                initial: initial[i].value(),
                current: current[i].value(),
                next: next[i].value(),
                last: last[i].value(),
            })
            .collect();
        let pairs = |a: &[Tensor<'g>], b: &[Tensor<'g>]| a.iter().zip(b).map(|(a, b)| (a.value(), b.value())).collect();
        let scan = Scan {
            steps,
            body: start..end,
            carries,
            slices: pairs(&wholes, &slice),
            outputs: pairs(&made, &stacked),
            reverse,
        };
        self.inner.borrow_mut().scans.push(scan);
        (last, stacked)
    }

    /// The finished graph, or the first error made while building it.
    pub fn build(self) -> Result<FixedGraph> {
        let inner = self.inner.into_inner();
        if let Some(error) = inner.error {
            return Err(error);
        }
        let graph = FixedGraph { values: inner.values, nodes: inner.nodes, scans: inner.scans, outputs: inner.outputs };
        // An updated state is a new value; the old one must have no reader after the update.
        for (n, node) in graph.nodes.iter().enumerate() {
            let Some((_, port)) = node.call.kernel.in_place else { continue };
            let Some(state) = node.inputs[port] else { continue };
            let is_state = matches!(graph.values[state].source, Source::State(_) | Source::Updated { .. });
            let late = graph.nodes[n + 1..].iter().find(|later| later.inputs.contains(&Some(state)));
            let message = match (is_state, late) {
                (false, _) => {
                    format!("input '{}' is updated in place and must be a state", node.call.kernel.inputs[port].name)
                }
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
