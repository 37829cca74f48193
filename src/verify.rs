//! Lock-step verification: every dispatch of a plan against the references of the graph nodes it stands for,
//! on the values the GPU itself read. The first divergence is where the fault is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::adapter::Adapter;
use crate::check::{self, Report, Tol};
use crate::engine::Tensors;
use crate::error::Result;
use crate::graph::{FixedGraph, Source, ValueId};
use crate::kernel::{Call, Operand, Value};
use crate::plan::{Op, Options, Place, Plan};
use crate::reference::{call_bound, call_reference, dense, gather};
use crate::run::{Checks, Runner};
use crate::store::Store;
use crate::tensor::{Dtype, HostTensor};

/// What [`verify`] found about one operation.
pub struct OpReport {
    /// `scope/kernel_variant`, and the step inside a scan.
    pub label: String,
    /// Source line of the model.
    pub at: String,
    /// How many graph nodes it stands for.
    pub nodes: usize,
    /// Reports by output name.
    pub outputs: Vec<(&'static str, Report)>,
}

impl OpReport {
    /// True if every element of every output is within its bound.
    pub fn ok(&self) -> bool {
        self.outputs.iter().all(|(_, r)| r.ok())
    }
    /// Largest error over its bound.
    pub fn ratio(&self) -> f64 {
        self.outputs.iter().map(|(_, r)| r.ratio).fold(0.0, f64::max)
    }
}

/// A failing call with its values: enough to run it again alone.
pub struct Repro {
    /// Kernel name.
    pub kernel: String,
    /// Variant.
    pub how: String,
    /// Parameters.
    pub params: Vec<(String, Value)>,
    /// Dense inputs by port, as the GPU read them.
    pub inputs: Vec<(String, HostTensor)>,
    /// What the reference says, by output.
    pub expected: Vec<(String, HostTensor)>,
    /// What the GPU wrote, by output.
    pub got: Vec<(String, HostTensor)>,
}

/// All reports, in order of execution, and the first failing call.
pub struct Verification {
    /// One for each operation (each step of a scan).
    pub ops: Vec<OpReport>,
    /// The first operation outside its bound.
    pub first: Option<(usize, Repro)>,
}

impl Verification {
    /// True if every operation is within its bounds.
    pub fn ok(&self) -> bool {
        self.first.is_none()
    }
    /// Largest error over its bound.
    pub fn ratio(&self) -> f64 {
        self.ops.iter().map(OpReport::ratio).fold(0.0, f64::max)
    }
}

/// Runs `graph` once on the store's device, with slot reuse off, and checks every operation.
pub fn verify(
    store: &Arc<Store>,
    graph: &Arc<FixedGraph>,
    inputs: &Tensors,
    options: &Options,
) -> Result<Verification> {
    verify_within(store.device().adapter(), store, graph, inputs, options)
}

/// As [`verify`], with the plan that `adapter` gets: the store's own, or that within smaller limits.
///
/// # Errors
/// Whatever is wrong with the plan, the inputs or the device
pub fn verify_within(
    adapter: &Adapter,
    store: &Arc<Store>,
    graph: &Arc<FixedGraph>,
    inputs: &Tensors,
    options: &Options,
) -> Result<Verification> {
    let options = Options { reuse: false, ..options.clone() };
    let plan = Arc::new(Plan::with(graph, adapter, &options)?);
    let runner = Runner::with(store, &plan, Checks::Earned)?;
    inputs.iter().try_for_each(|(name, tensor)| runner.upload(name, tensor))?;
    let mut check = Lockstep {
        plan: &plan,
        runner: &runner,
        store,
        tol: store.device().tol(),
        cache: HashMap::new(),
        before: HashMap::new(),
        overwritten: overwritten(&plan),
        passed: HashMap::new(),
    };
    check.remember_states()?;
    runner.run()?;
    let mut found = Verification { ops: vec![], first: None };
    let mut seen = HashSet::new();
    for d in &plan.dispatches {
        if seen.insert((d.op, d.step)) {
            let (report, repro) = check.op(d.op, d.step)?;
            if !report.ok() && found.first.is_none() {
                found.first = Some((found.ops.len(), repro));
            }
            found.ops.push(report);
        }
    }
    Ok(found)
}

struct Lockstep<'a> {
    plan: &'a Plan,
    runner: &'a Runner,
    store: &'a Arc<Store>,
    tol: Tol,
    cache: HashMap<ValueId, Arc<Vec<f64>>>,
    /// States, and weights that the plan updates, before the run.
    before: HashMap<ValueId, Arc<Vec<f64>>>,
    /// Values between two updates of one buffer, which are gone after the run.
    overwritten: HashSet<ValueId>,
    /// What the references say of those, with bounds: the next update is checked from there.
    passed: HashMap<ValueId, (Vec<f64>, Vec<f64>)>,
}

impl Lockstep<'_> {
    fn remember_states(&mut self) -> Result<()> {
        let updated = self.plan.graph.updated_weights();
        for (id, value) in self.plan.graph.values.iter().enumerate() {
            let changes = match &value.source {
                Source::State(_) => true,
                Source::Weight(_) => updated.contains(&id),
                Source::Arena(parts) => parts.iter().any(|p| updated.contains(p)),
                _ => false,
            };
            if changes && self.plan.places.contains_key(&id) {
                self.before.insert(id, Arc::new(self.runner.read_value(id, None)?.to_f64()));
            }
        }
        Ok(())
    }

    fn step_place(&self, scan: Option<usize>, step: Option<usize>, value: ValueId) -> Option<&Place> {
        self.plan.step_places.get(&(scan?, step?))?.get(&value)
    }

    /// The values behind `id`, as the GPU sees them.
    fn value(&mut self, id: ValueId, place: Option<Place>) -> Result<Arc<Vec<f64>>> {
        if let Some(place) = place {
            return Ok(Arc::new(self.runner.read_value(id, Some(&place))?.to_f64()));
        }
        if let Some(values) = self.before.get(&id).or_else(|| self.cache.get(&id)) {
            return Ok(values.clone());
        }
        let spec = &self.plan.specs[id];
        let values = match self.plan.graph.values.get(id).map(|v| &v.source) {
            // A weight as the kernel reads it: rounded to f16 where the plan keeps it so.
            Some(Source::Weight(key)) => {
                let wide = self.store.weights().get(key)?.to_f64();
                HostTensor::from_f64(spec.dtype, &spec.shape, &wide).to_f64()
            }
            Some(Source::Constant(table)) => table.to_f64(),
            _ => self.runner.read_value(id, None)?.to_f64(),
        };
        let values = Arc::new(values);
        self.cache.insert(id, values.clone());
        Ok(values)
    }

    fn op(&mut self, index: usize, step: Option<usize>) -> Result<(OpReport, Repro)> {
        let op = &self.plan.ops[index];
        let mut inputs = BTreeMap::new();
        for value in needed(self.plan, op) {
            let place = self.step_place(op.scan, step, value).copied();
            inputs.insert(value, self.value(value, place)?);
        }
        let passed = inputs.keys().filter_map(|id| Some((*id, self.passed.get(id)?.clone()))).collect();
        let mut expected = chain(self.plan, op, &inputs, passed, self.tol);
        for ((values, bound), spec) in expected.iter_mut().zip(&op.call.outputs) {
            bound.iter_mut().zip(values).for_each(|(t, r)| *t = self.tol.stored(spec.dtype, *r, *t));
        }
        let mut outputs = vec![];
        let mut repro = self.repro(op, step)?;
        for (o, (values, bound)) in expected.into_iter().enumerate() {
            let (name, id) = (op.call.kernel.outputs[o], op.outputs[o]);
            if self.overwritten.contains(&id) {
                self.passed.insert(id, (values, bound));
                continue;
            }
            let place = self.step_place(op.scan, step, id).copied();
            let got = self.runner.read_value(id, place.as_ref())?;
            let report = check::compare(&got.to_f64(), &values, &bound, got.shape(), got.dtype());
            repro.expected.push((name.to_owned(), HostTensor::from_f64(got.dtype(), got.shape(), &values)));
            repro.got.push((name.to_owned(), got));
            outputs.push((name, report));
        }
        let label = step.map_or_else(|| op.label(), |s| format!("{} step {s}", op.label()));
        Ok((OpReport { label, at: op.at.to_string(), nodes: op.nodes.len(), outputs }, repro))
    }

    fn repro(&mut self, op: &Op, step: Option<usize>) -> Result<Repro> {
        let mut inputs = vec![];
        for (port, (value, operand)) in op.inputs.iter().zip(&op.call.inputs).enumerate() {
            if let (Some(value), Some(operand)) = (value, operand) {
                let place = self.step_place(op.scan, step, *value).copied();
                let values = gather(&self.value(*value, place)?, &operand.layout);
                let tensor = HostTensor::from_f64(operand.dtype, &operand.layout.shape, &values);
                inputs.push((op.call.kernel.inputs[port].name.to_owned(), tensor));
            }
        }
        let params = op.call.params.iter().map(|(n, v)| (n.to_owned(), v.clone())).collect();
        Ok(Repro {
            kernel: op.call.kernel.name.to_owned(),
            how: op.how.to_owned(),
            params,
            inputs,
            expected: vec![],
            got: vec![],
        })
    }
}

/// What an update makes that a later one updates again, such as running statistics of a network that runs twice.
fn overwritten(plan: &Plan) -> HashSet<ValueId> {
    let updates = |op: &Op| op.call.kernel.in_place.iter().filter_map(|&(_, port)| op.inputs[port]).collect::<Vec<_>>();
    let again = |id: &ValueId| matches!(plan.graph.values.get(*id).map(|v| &v.source), Some(Source::Updated { .. }));
    plan.ops.iter().flat_map(updates).filter(again).collect()
}

/// The values an operation's references read: those of its nodes that it does not make itself.
fn needed(plan: &Plan, op: &Op) -> Vec<ValueId> {
    if op.nodes.is_empty() {
        return op.inputs.iter().flatten().copied().collect();
    }
    let nodes = || op.nodes.iter().map(|&n| &plan.graph.nodes[n]);
    let made: Vec<ValueId> = nodes().flat_map(|n| n.outputs.clone()).collect();
    let read = nodes().flat_map(|n| n.inputs.iter().flatten().map(|v| plan.resolve(*v)));
    read.filter(|v| !made.contains(v)).collect()
}

/// Values and bounds, by output.
type Expected = Vec<(Vec<f64>, Vec<f64>)>;

/// Reference values and bounds of what an operation writes.
///
/// Through a chain of fused nodes the bound of each passes to the next: its own bound, plus how far its
/// result moves when its input moves by the bound before. `made` are values known in this way already.
fn chain(
    plan: &Plan,
    op: &Op,
    values: &BTreeMap<ValueId, Arc<Vec<f64>>>,
    made: HashMap<ValueId, (Vec<f64>, Vec<f64>)>,
    tol: Tol,
) -> Expected {
    let mut links = Links { values, made, tol };
    if op.nodes.is_empty() {
        return links.call(&op.call, &op.inputs, &op.call);
    }
    let mut out = vec![];
    for (k, &n) in op.nodes.iter().enumerate() {
        let node = &plan.graph.nodes[n];
        let ids: Vec<Option<ValueId>> = node.inputs.iter().map(|v| v.map(|v| plan.resolve(v))).collect();
        // The plan may keep a weight of the first node as f16: its bound knows from the dtype.
        let planned = if k == 0 { &op.call } else { &node.call };
        let expected = links.call(&node.call, &ids, planned);
        links.made.extend(node.outputs.iter().copied().zip(expected.iter().cloned()));
        // What is fused changes the first output; the others are the first node's own.
        match out.first_mut() {
            None => out = expected,
            Some(first) => *first = expected.into_iter().next().expect("bug: a kernel without outputs"),
        }
    }
    out
}

/// Values that a chain of nodes reads, and those it has made so far, with their bounds.
struct Links<'a> {
    values: &'a BTreeMap<ValueId, Arc<Vec<f64>>>,
    made: HashMap<ValueId, (Vec<f64>, Vec<f64>)>,
    tol: Tol,
}

impl Links<'_> {
    /// The reference of `call` on the values behind `ids`, and its bounds.
    fn call(&self, call: &Call, ids: &[Option<ValueId>], planned: &Call) -> Expected {
        let each = |id: &Option<ValueId>, operand: &Option<Operand>| {
            let (id, operand) = (id.as_ref()?, operand.as_ref()?);
            let made = self.made.get(id).map(|(values, _)| values);
            let read = made.or_else(|| self.values.get(id).map(|v| v.as_ref()));
            Some(gather(read.unwrap_or_else(|| panic!("bug: value {id} was not read")), &operand.layout))
        };
        let inputs: Vec<_> = ids.iter().zip(&call.inputs).map(|(id, operand)| each(id, operand)).collect();
        let mut dense = dense(call);
        let takes_f16 = call.kernel.inputs.iter().map(|port| port.dtypes.contains(&Dtype::F16));
        for (pair, takes) in dense.inputs.iter_mut().zip(&planned.inputs).zip(takes_f16) {
            if let (Some(operand), Some(Operand { dtype: Dtype::F16, .. }), true) = (pair.0, pair.1, takes) {
                operand.dtype = Dtype::F16;
            }
        }
        let outputs = call_reference(&dense, &inputs, self.tol);
        let mut bounds = call_bound(&dense, &inputs, &outputs, self.tol);
        let moved = [1.0, -1.0].map(|sign| self.moved(call, ids, &inputs, sign));
        if let [Some(up), Some(down)] = moved {
            let [up, down] = [up, down].map(|inputs| call_reference(&dense, &inputs, self.tol));
            for (o, bound) in bounds.iter_mut().enumerate() {
                for (i, b) in bound.iter_mut().enumerate() {
                    let center = outputs[o][i];
                    *b += (up[o][i] - center).abs().max((down[o][i] - center).abs());
                }
            }
        }
        outputs.into_iter().zip(bounds).collect()
    }

    /// The inputs, with those the chain made moved by their bounds; `None` if it made none of them.
    fn moved(
        &self,
        call: &Call,
        ids: &[Option<ValueId>],
        inputs: &[Option<Vec<f64>>],
        sign: f64,
    ) -> Option<Vec<Option<Vec<f64>>>> {
        let mut moved = inputs.to_vec();
        let mut any = false;
        for ((id, x), operand) in ids.iter().zip(&mut moved).zip(&call.inputs) {
            if let (Some(id), Some(x), Some(operand)) = (id, x, operand)
                && let Some((_, bound)) = self.made.get(id)
            {
                any = true;
                x.iter_mut().zip(gather(bound, &operand.layout)).for_each(|(x, e)| *x += sign * e);
            }
        }
        any.then_some(moved)
    }
}
