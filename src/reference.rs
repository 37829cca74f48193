//! Walks a graph on the CPU with the f64 references: the oracle of every test, and the runner of last
//! resort on a machine without an adapter. It never sees a plan.

use std::collections::{BTreeMap, HashMap};

use crate::check::Tol;
use crate::error::{Error, Result};
use crate::graph::{FixedGraph, Node, Source, ValueId};
use crate::kernel::{Call, Operand, Ref, Spec};
use crate::shape::{Dims, Layout};
use crate::store::{Weights, room};
use crate::tensor::{Data, HostTensor};
use crate::watch::not_finite;

/// What a reference run keeps for the next one.
#[derive(Debug, Clone, Default)]
pub struct States {
    /// States by name.
    pub states: HashMap<String, Vec<f64>>,
    /// Weights that were updated, by key.
    pub weights: HashMap<String, Vec<f64>>,
}

/// Runs `graph` in f64 and returns its results, rounded to their dtypes.
pub fn run(
    graph: &FixedGraph,
    weights: &Weights,
    inputs: &BTreeMap<String, HostTensor>,
    states: &mut States,
) -> Result<Vec<(String, HostTensor)>> {
    run_as(graph, weights, inputs, states, false)
}

/// As [`run`].
///
/// # Errors
/// As [`run`], and [`Error::NotFinite`] that names the first node with a result that is not finite
pub fn run_watched(
    graph: &FixedGraph,
    weights: &Weights,
    inputs: &BTreeMap<String, HostTensor>,
    states: &mut States,
) -> Result<Vec<(String, HostTensor)>> {
    run_as(graph, weights, inputs, states, true)
}

fn run_as(
    graph: &FixedGraph,
    weights: &Weights,
    inputs: &BTreeMap<String, HostTensor>,
    states: &mut States,
    watch: bool,
) -> Result<Vec<(String, HostTensor)>> {
    let input = |name: &str, spec: &Spec| {
        let tensor = inputs.get(name).ok_or_else(|| Error::tensor(name, "the input is missing"))?;
        if tensor.shape() != spec.shape || tensor.dtype() != spec.dtype {
            let found = format!("{} {}", tensor.dtype(), Dims(tensor.shape()));
            return Err(Error::tensor(name, format!("is {found}, expected {} {}", spec.dtype, Dims(&spec.shape))));
        }
        Ok(tensor.to_f64())
    };
    let results = walk(graph, weights, &input, states, watch)?;
    let rounded = |(o, values): (&crate::graph::Output, Vec<f64>)| {
        let spec = &graph.values[o.value].spec;
        (o.name.clone(), HostTensor::from_f64(spec.dtype, &spec.shape, &values))
    };
    Ok(graph.outputs.iter().zip(results).map(rounded).collect())
}

/// The values of an input by name.
pub type InputValues<'a> = &'a dyn Fn(&str, &Spec) -> Result<Vec<f64>>;

/// Runs `graph` in f64 on inputs in f64 and returns its results as they are, in the order of its outputs: what central
/// differences need.
///
/// # Errors
/// As `inputs` says, and if a weight is missing or does not fit
pub fn evaluate(
    graph: &FixedGraph,
    weights: &Weights,
    inputs: InputValues<'_>,
    states: &mut States,
) -> Result<Vec<Vec<f64>>> {
    walk(graph, weights, inputs, states, false)
}

fn walk(
    graph: &FixedGraph,
    weights: &Weights,
    inputs: InputValues<'_>,
    states: &mut States,
    watch: bool,
) -> Result<Vec<Vec<f64>>> {
    let mut walk = Walk { graph, weights, inputs, states, watch, values: HashMap::new(), readers: readers(graph) };
    let mut n = 0;
    while n < graph.nodes.len() {
        n = match graph.scans.iter().position(|s| s.body.start == n) {
            Some(scan) => walk.scan(scan)?,
            None => walk.node(n)?,
        };
    }
    let result = |o: &crate::graph::Output| {
        let values = walk.values.get(&o.value).ok_or_else(|| Error::tensor(&o.name, "was never computed"))?;
        Ok(values.clone())
    };
    graph.outputs.iter().map(result).collect()
}

/// How many nodes, scans and results read each value; what nobody reads any more is dropped.
fn readers(graph: &FixedGraph) -> HashMap<ValueId, usize> {
    let mut readers = HashMap::new();
    let scans = graph.scans.iter().flat_map(|s| {
        let carried = s.carries.iter().flat_map(|c| [c.initial, c.next]);
        carried.chain(s.slices.iter().map(|x| x.0)).chain(s.outputs.iter().map(|x| x.0))
    });
    let reads = graph.nodes.iter().flat_map(|n| n.inputs.iter().flatten().copied());
    let parts = graph.values.iter().flat_map(|v| match &v.source {
        Source::Arena(parts) => parts.as_slice(),
        _ => &[],
    });
    for value in reads.chain(scans).chain(graph.outputs.iter().map(|o| o.value)).chain(parts.copied()) {
        *readers.entry(value).or_insert(0) += 1;
    }
    readers
}

struct Walk<'a> {
    graph: &'a FixedGraph,
    weights: &'a Weights,
    inputs: InputValues<'a>,
    states: &'a mut States,
    watch: bool,
    values: HashMap<ValueId, Vec<f64>>,
    readers: HashMap<ValueId, usize>,
}

impl Walk<'_> {
    /// The values behind `id`, widened when they are first read.
    fn value(&mut self, id: ValueId) -> Result<&[f64]> {
        if !self.values.contains_key(&id) {
            let info = &self.graph.values[id];
            let values = match &info.source {
                Source::Input(name) => (self.inputs)(name, &info.spec)?,
                Source::Weight(key) if self.states.weights.contains_key(key) => self.states.weights[key].clone(),
                Source::Arena(parts) => {
                    let mut all = vec![0.0; info.spec.len()];
                    for (part, first) in self.graph.arena_parts(parts) {
                        let values = self.value(part)?;
                        all[first..first + values.len()].copy_from_slice(values);
                    }
                    all
                }
                Source::Weight(key) => {
                    let tensor = self.weights.get(key)?;
                    if tensor.shape() != info.spec.shape {
                        let message = format!(
                            "the weight is {}, and the model uses {}",
                            Dims(tensor.shape()),
                            Dims(&info.spec.shape)
                        );
                        return Err(Error::tensor(key, message));
                    }
                    widened(tensor, key)?
                }
                Source::State(name) => {
                    self.states.states.get(name).cloned().unwrap_or_else(|| vec![0.0; info.spec.len()])
                }
                Source::Constant(table) => table.to_f64(),
                other => panic!("bug: {other:?} is read before it is written"),
            };
            self.values.insert(id, values);
        }
        Ok(&self.values[&id])
    }

    fn node(&mut self, n: usize) -> Result<usize> {
        let node = &self.graph.nodes[n];
        let mut inputs = vec![];
        for (value, operand) in node.inputs.iter().zip(&node.call.inputs) {
            inputs.push(match (value, operand) {
                (Some(v), Some(o)) => Some(gathered(self.value(*v)?, &o.layout, &node.label())?),
                _ => None,
            });
        }
        // References allocate what they need without asking: at most a copy of their inputs beside the outputs.
        let most = inputs.iter().flatten().map(Vec::len).sum::<usize>()
            + node.call.outputs.iter().map(|o| o.len()).sum::<usize>();
        drop(room::<f64>(most, &node.label())?);
        let outputs = call_reference(&dense(&node.call), &inputs, Tol::GOLD);
        for ((name, spec), values) in node.call.kernel.outputs.iter().zip(&node.call.outputs).zip(&outputs) {
            if self.watch {
                let rounded = HostTensor::from_f64(spec.dtype, &spec.shape, values);
                if let Some(message) = not_finite(&node.label(), &node.at.to_string(), name, &rounded) {
                    return Err(Error::NotFinite(message));
                }
            }
        }
        self.keep(node, outputs);
        if self.graph.scan_of(n).is_none() {
            for v in node.inputs.iter().flatten() {
                self.done_with(*v);
            }
        }
        Ok(n + 1)
    }

    fn keep(&mut self, node: &Node, outputs: Vec<Vec<f64>>) {
        for (&id, values) in node.outputs.iter().zip(outputs) {
            if let Source::Updated { before, .. } = self.graph.values[id].source {
                self.store(before, &values);
            }
            self.values.insert(id, values);
        }
    }

    /// Keeps the new values of a state, a weight, or an arena of weights for the next run.
    fn store(&mut self, mut of: ValueId, values: &[f64]) {
        while let Source::Updated { before, .. } = self.graph.values[of].source {
            of = before;
        }
        match &self.graph.values[of].source {
            Source::State(name) => {
                self.states.states.insert(name.clone(), values.to_vec());
            }
            Source::Weight(key) => {
                self.states.weights.insert(key.clone(), values.to_vec());
            }
            Source::Arena(parts) => {
                for (part, first) in self.graph.arena_parts(parts) {
                    let len = self.graph.values[part].spec.len();
                    self.store(part, &values[first..first + len]);
                }
            }
            other => panic!("bug: {other:?} was updated in place"),
        }
    }

    fn done_with(&mut self, id: ValueId) {
        if let Some(left) = self.readers.get_mut(&id) {
            *left -= 1;
            if *left == 0 {
                self.values.remove(&id);
            }
        }
    }

    fn scan(&mut self, index: usize) -> Result<usize> {
        let scan = &self.graph.scans[index];
        for c in &scan.carries {
            let initial = self.value(c.initial)?.to_vec();
            self.values.insert(c.current, initial);
        }
        let mut stacked: Vec<Vec<f64>> =
            scan.outputs.iter().map(|&(_, s)| vec![0.0; self.graph.values[s].spec.len()]).collect();
        for step in 0..scan.steps {
            let t = if scan.reverse { scan.steps - 1 - step } else { step };
            for &(whole, slice) in &scan.slices {
                let n = self.graph.values[slice].spec.len();
                let part = self.value(whole)?[t * n..(t + 1) * n].to_vec();
                self.values.insert(slice, part);
            }
            for n in scan.body.clone() {
                self.node(n)?;
            }
            for (&(made, _), all) in scan.outputs.iter().zip(&mut stacked) {
                let n = self.graph.values[made].spec.len();
                all[t * n..(t + 1) * n].copy_from_slice(&self.values[&made]);
            }
            for c in &scan.carries {
                let next = self.values[&c.next].clone();
                self.values.insert(c.current, next);
            }
        }
        for c in &scan.carries {
            let last = self.values[&c.current].clone();
            self.values.insert(c.last, last);
        }
        for (&(_, id), all) in scan.outputs.iter().zip(stacked) {
            self.values.insert(id, all);
        }
        Ok(scan.body.end)
    }
}

/// A weight in f64; an error where the host has no room for it.
fn widened(tensor: &HostTensor, key: &str) -> Result<Vec<f64>> {
    let mut wide = room(tensor.len(), key)?;
    match tensor.data() {
        Data::F32(v) => wide.extend(v.iter().map(|&x| f64::from(x))),
        _ => wide.extend(tensor.to_f64()),
    }
    Ok(wide)
}

/// As [`gather`]; an error where the host has no room for it.
fn gathered(values: &[f64], layout: &Layout, label: &str) -> Result<Vec<f64>> {
    let mut out = room(layout.len(), label)?;
    if layout.is_dense() {
        out.extend_from_slice(&values[layout.offset..layout.offset + layout.len()]);
    } else {
        out.extend(layout.indices().map(|i| values[i]));
    }
    Ok(out)
}

/// The elements of a view, row-major.
pub(crate) fn gather(values: &[f64], layout: &Layout) -> Vec<f64> {
    if layout.is_dense() {
        return values[layout.offset..layout.offset + layout.len()].to_vec();
    }
    layout.indices().map(|i| values[i]).collect()
}

/// The call with dense inputs: what its reference sees.
pub(crate) fn dense(call: &Call) -> Call {
    let mut call = call.clone();
    for operand in call.inputs.iter_mut().flatten() {
        *operand = Operand { dtype: operand.dtype, layout: Layout::contiguous(&operand.layout.shape) };
    }
    call
}

/// The reference of one call on gathered inputs.
pub(crate) fn call_reference(call: &Call, inputs: &[Option<Vec<f64>>], tol: Tol) -> Vec<Vec<f64>> {
    let views: Vec<Option<&[f64]>> = inputs.iter().map(Option::as_deref).collect();
    let outputs = (call.kernel.reference)(&Ref { call, inputs: &views, tol });
    assert_eq!(
        outputs.len(),
        call.outputs.len(),
        "bug: the reference of {} returns another number of outputs",
        call.kernel.name
    );
    for (o, spec) in outputs.iter().zip(&call.outputs) {
        assert_eq!(
            o.len(),
            spec.len(),
            "bug: the reference of {} returns another number of elements",
            call.kernel.name
        );
    }
    outputs
}

/// The bounds of one call's outputs.
pub(crate) fn call_bound(call: &Call, inputs: &[Option<Vec<f64>>], outputs: &[Vec<f64>], tol: Tol) -> Vec<Vec<f64>> {
    let views: Vec<Option<&[f64]>> = inputs.iter().map(Option::as_deref).collect();
    (call.kernel.bound)(&Ref { call, inputs: &views, tol }, outputs)
}
