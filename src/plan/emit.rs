//! Operations → dispatches: copies where a kernel needs dense inputs, variants, grids, bindings, limits.

use std::collections::{BTreeSet, HashMap};

use super::assign::{Assigner, last_uses, scan_of_value};
use super::bind::{fold, no_aliases, overrides, pack};
use super::order::side_by_side;
use super::split::Share;
use super::wait;
use super::{Bound, BufferKind, Dispatch, Draft, Op, Options, Place, Plan};
use crate::adapter::Adapter;
use crate::error::{Error, Result};
use crate::graph::{Source, ValueId};
use crate::kernel::{Call, Operand, Params, Scratch, Spec, Value};
use crate::kernels::layout::copy::COPY;
use crate::shader::{Access, Entry, Module};
use crate::shape::Layout;
use crate::tensor::Dtype;

/// The plan of `draft`. With `spare`, independent operations stand side by side, and so many bytes may be added so that
/// they need not wait for each other.
pub(super) fn emit(mut draft: Draft, adapter: &Adapter, options: &Options, spare: Option<u64>) -> Result<Plan> {
    let mut ops = dense_inputs(&mut draft);
    if spare.is_some() {
        ops = side_by_side(&draft, ops);
    }
    let mut emitter = Emitter {
        last: last_uses(&draft, &ops),
        memory: Assigner::new(options.guard, options.reuse, spare.unwrap_or(0)),
        packing: vec![],
        dispatches: vec![],
        scratch: HashMap::new(),
        step_places: HashMap::new(),
        ops,
        draft,
        adapter,
        options,
    };
    emitter.choose_variants()?;
    emitter.place_arenas()?;
    emitter.place_results()?;
    // Operations that a scan adds around itself stand behind these, emitted where they are needed.
    let count = emitter.ops.len();
    let mut i = 0;
    while i < count {
        i = match emitter.ops[i].scan {
            Some(scan) => emitter.scan(scan, i)?,
            None => emitter.op(i)?,
        };
    }
    emitter.finish()
}

/// Operations with a copy before every input that must be dense and is not. Copies of values from outside
/// a scan stand before it.
fn dense_inputs(draft: &mut Draft) -> Vec<Op> {
    let old = std::mem::take(&mut draft.ops);
    let mut ops: Vec<Op> = vec![];
    let mut copies: HashMap<(ValueId, Layout, Option<usize>), ValueId> = HashMap::new();
    for mut op in old.clone() {
        for port in 0..op.inputs.len() {
            let (Some(value), Some(operand)) = (op.inputs[port], op.call.inputs[port].clone()) else { continue };
            if op.call.kernel.inputs[port].strided || operand.layout.is_contiguous() {
                continue;
            }
            let scan = op.scan.filter(|_| scan_of_value(draft, &old, value) == op.scan);
            let key = (value, operand.layout.clone(), scan);
            let copied = copies.get(&key).copied().unwrap_or_else(|| {
                let copied = draft.new_value(operand.dtype, &operand.layout.shape);
                let begin = op.scan.filter(|_| scan.is_none()).and_then(|s| ops.iter().position(|o| o.scan == Some(s)));
                let copy = copy_op(value, operand.clone(), copied, 0, scan, &op);
                ops.insert(begin.unwrap_or(ops.len()), copy);
                copies.insert(key, copied);
                copied
            });
            op.inputs[port] = Some(copied);
            op.call.inputs[port] =
                Some(Operand { dtype: operand.dtype, layout: Layout::contiguous(&operand.layout.shape) });
        }
        ops.push(op);
    }
    ops
}

/// A copy of `value` that the plan inserts for `reader`.
pub(super) fn copy_op(
    value: ValueId,
    operand: Operand,
    to: ValueId,
    pitch: usize,
    scan: Option<usize>,
    reader: &Op,
) -> Op {
    let params = Params::new(COPY.params, &[("pitch", Value::from(pitch))]).expect("bug: copy has a pitch");
    let mut call = Call { kernel: &COPY, inputs: vec![Some(operand)], outputs: vec![], params, part: None, rows: None };
    call.outputs = (COPY.shape)(&call).expect("bug: every view can be copied");
    Op { call, inputs: vec![Some(value)], outputs: vec![to], nodes: vec![], scan, at: reader.at.clone(), how: "" }
}

pub(super) struct Emitter<'a> {
    pub(super) draft: Draft,
    pub(super) ops: Vec<Op>,
    pub(super) last: HashMap<ValueId, usize>,
    pub(super) memory: Assigner,
    packing: Vec<Dispatch>,
    dispatches: Vec<Dispatch>,
    /// Scratch places of the operation being emitted.
    pub(super) scratch: HashMap<&'static str, Place>,
    /// Where each step of a scan put its values, if none is reused.
    pub(super) step_places: HashMap<(usize, usize), StepPlaces>,
    pub(super) adapter: &'a Adapter,
    pub(super) options: &'a Options,
}

/// Where a scan's step reads and writes, in place of the values' own places.
pub(super) type StepPlaces = HashMap<ValueId, Place>;

impl Emitter<'_> {
    fn choose_variants(&mut self) -> Result<()> {
        let calls = self.ops.iter().map(|op| self.first_call(op)).collect::<Result<Vec<_>>>()?;
        for (op, call) in self.ops.iter_mut().zip(&calls) {
            let kernel = call.kernel;
            let forced = self.options.variant.as_deref();
            let wanted =
                forced.and_then(|how| kernel.variants.iter().find(|v| v.how == how && v.fits(call, self.adapter)));
            let tuned = || self.options.tuned.as_ref()?.choice(call, self.adapter, &self.options.shaders);
            let variant = wanted.or_else(tuned).unwrap_or_else(|| kernel.variant(call, self.adapter));
            op.how = variant.how;
            if let Some(max) = self.adapter.max_loop_iterations {
                let most = variant.steps.iter().map(|s| (s.loops)(call)).max().unwrap_or(0);
                if most > max {
                    let message =
                        format!("an invocation would loop {most} times, and {} stops at {max}", self.adapter.name);
                    return Err(Error::limit(format!("{} ({})", op.label(), op.at), message));
                }
            }
        }
        Ok(())
    }

    pub(super) fn spec(&self, value: ValueId) -> &Spec {
        &self.draft.specs[value]
    }

    /// Buffers of the arenas, and in them the places of their parts.
    fn place_arenas(&mut self) -> Result<()> {
        let graph = self.draft.graph.clone();
        for (id, value) in graph.values.iter().enumerate() {
            let Source::Arena(parts) = &value.source else { continue };
            if !self.ops.iter().any(|o| o.inputs.contains(&Some(id))) {
                continue;
            }
            let placed = graph.arena_parts(parts);
            let keyed = |&(part, first): &(ValueId, usize)| match &graph.values[part].source {
                Source::Weight(key) => Some((key.clone(), graph.values[part].spec.clone(), first)),
                _ => None,
            };
            let kind =
                placed.iter().map(keyed).collect::<Option<_>>().map_or(BufferKind::Arena, BufferKind::WeightArena);
            let largest = placed.iter().map(|p| p.0).max_by_key(|&p| graph.values[p].spec.len());
            let what = match largest.map(|p| &graph.values[p].source) {
                Some(Source::Weight(key)) => format!("training {key}, all of it in one binding"),
                _ => "the gradients of weights that are updated together".into(),
            };
            self.fits(value.spec.bytes(), &what)?;
            let place = self.memory.buffer(kind, value.spec.clone(), value.spec.bytes());
            self.memory.places.insert(id, place);
            for (part, first) in placed {
                let bytes = graph.values[part].spec.bytes();
                self.memory.places.insert(part, Place { offset: 4 * first as u64, bytes, ..place });
            }
        }
        Ok(())
    }

    fn place_results(&mut self) -> Result<()> {
        let outputs: Vec<_> =
            self.draft.graph.outputs.iter().map(|o| (o.name.clone(), self.draft.resolve(o.value))).collect();
        for (name, value) in outputs {
            if !self.memory.places.contains_key(&value) {
                let spec = self.spec(value).clone();
                if !self.divides(value) {
                    self.fits(spec.bytes(), &name)?;
                }
                let bytes = self.memory.guarded(&spec);
                let place = self.memory.buffer(BufferKind::Output, spec, bytes);
                self.memory.places.insert(value, place);
            }
        }
        Ok(())
    }

    /// The place of a value nobody writes in this plan: input, weight, state, constant or fold.
    pub(super) fn source_place(&mut self, value: ValueId) -> Result<Place> {
        if let Some(place) = self.memory.places.get(&value) {
            return Ok(*place);
        }
        let spec = self.spec(value).clone();
        let source = self.draft.graph.values.get(value).map(|v| v.source.clone());
        let kind = match source {
            None => BufferKind::Folded(self.draft.folded[&value]),
            Some(Source::Input(name)) => BufferKind::Input(name),
            Some(Source::Weight(key)) => BufferKind::Weight { key, part: None },
            Some(Source::State(name)) => BufferKind::State(name),
            Some(Source::Constant(_)) => BufferKind::Constant(value),
            Some(Source::Updated { before, .. }) => {
                let place = self.source_place(self.draft.resolve(before))?;
                self.memory.places.insert(value, place);
                return Ok(place);
            }
            Some(other) => panic!("bug: {other:?} is read before it is written"),
        };
        let state = matches!(kind, BufferKind::State(_));
        let bytes = if state { self.memory.guarded(&spec) } else { spec.bytes() };
        self.fits(bytes, &format!("{kind:?}"))?;
        let place = self.memory.buffer(kind, spec, bytes);
        self.memory.places.insert(value, place);
        Ok(place)
    }

    pub(super) fn fits(&self, bytes: u64, what: &str) -> Result<()> {
        let max = self.largest_binding();
        if bytes > max {
            let message = format!("{bytes} bytes are more than one binding of {} holds ({max})", self.adapter.name);
            return Err(Error::limit(what, message));
        }
        Ok(())
    }

    /// Emits operation `i` outside scans; returns the next one.
    fn op(&mut self, i: usize) -> Result<usize> {
        self.write_places(i)?;
        self.dispatch(i, None, &StepPlaces::new())?;
        self.release_after(i, i);
        Ok(i + 1)
    }

    /// Slots for what operation `i` writes.
    pub(super) fn write_places(&mut self, i: usize) -> Result<()> {
        let op = self.ops[i].clone();
        let inputs: Vec<_> = op.inputs.iter().flatten().filter_map(|v| self.memory.places.get(v).copied()).collect();
        for (o, &value) in op.outputs.iter().enumerate() {
            if op.call.kernel.in_place.iter().any(|&(output, _)| output == o) {
                self.source_place(value)?;
            } else if !self.memory.places.contains_key(&value) {
                let bytes = self.spec(value).bytes();
                self.fits(bytes, &format!("{} ({})", op.label(), op.at))?;
                let place = self.memory.slot_for(bytes, &inputs);
                self.memory.places.insert(value, place);
            }
        }
        self.scratch.clear();
        for s in op.variant().scratch {
            let spec = self.scratch_spec(&op.call, s);
            let bytes = spec.bytes();
            self.fits(bytes, &op.label())?;
            let place = if self.packs(i, s.name)? {
                self.memory.buffer(BufferKind::Packed, spec, bytes + self.options.guard)
            } else {
                self.memory.slot(bytes)
            };
            self.scratch.insert(s.name, place);
        }
        Ok(())
    }

    /// Scratch is f16 only where shaders can read it so.
    fn scratch_spec(&self, call: &Call, scratch: &Scratch) -> Spec {
        let spec = (scratch.spec)(call);
        let f16 = spec.dtype == Dtype::F16 && self.adapter.f16;
        if f16 || spec.dtype != Dtype::F16 { spec } else { Spec { dtype: Dtype::F32, ..spec } }
    }

    /// Bindings of `module` that the plan stores as f16, and that the shader does not know to be.
    fn half(&self, op: &Op, module: &Module) -> Vec<String> {
        let kernel = op.call.kernel;
        let half = |name: &str| {
            if let Some(port) = kernel.port(name) {
                let dtype = op.call.inputs[port].as_ref().map(|o| o.dtype);
                return dtype == Some(Dtype::F16) && !kernel.inputs[port].dtypes.contains(&Dtype::F16);
            }
            if let Some(o) = kernel.outputs.iter().position(|o| *o == name) {
                return op.call.outputs[o].dtype == Dtype::F16;
            }
            let scratch = op.variant().scratch.iter().find(|s| s.name == name);
            scratch.is_some_and(|s| self.scratch_spec(&op.call, s).dtype == Dtype::F16)
        };
        let bindings = module.entries.values().flat_map(|e| &e.bindings).filter(|b| b.access != Access::Uniform);
        let names: BTreeSet<&str> = bindings.map(|b| b.name.as_str()).filter(|name| half(name)).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// True if the scratch buffer `name` of operation `i` is filled from weights alone, by packing steps.
    fn packs(&self, i: usize, name: &str) -> Result<bool> {
        let op = &self.ops[i];
        if op.variant().pack.is_empty() {
            return Ok(false);
        }
        let module = self.options.shaders.module(op.variant().shader)?;
        let packing = op.variant().pack.iter().filter_map(|entry| module.entries.get(*entry));
        let bindings: Vec<_> = packing.flat_map(|e| &e.bindings).collect();
        let is_weight = |value: ValueId| match self.draft.graph.values.get(value).map(|v| &v.source) {
            Some(Source::Weight(_)) => !self.draft.updated.contains(&value),
            Some(Source::Constant(_)) => true,
            Some(_) => false,
            None => self.draft.folded.contains_key(&value),
        };
        let weights =
            bindings.iter().filter_map(|b| op.call.kernel.port(&b.name)).all(|p| op.inputs[p].is_none_or(is_weight));
        Ok(weights && bindings.iter().any(|b| b.name == name && b.access == Access::ReadWrite))
    }

    /// Frees the slots of values that operation `i` read or wrote last, where `now` is the operation being
    /// emitted (the last of the body for a scan).
    fn release_after(&mut self, i: usize, now: usize) {
        let op = self.ops[i].clone();
        for place in std::mem::take(&mut self.scratch).into_values() {
            self.memory.release(place);
        }
        for &value in op.inputs.iter().flatten().chain(&op.outputs) {
            let dead = self.last.get(&value).is_none_or(|&last| last <= now);
            if dead && let Some(&place) = self.memory.places.get(&value) {
                self.memory.release(place);
            }
        }
    }

    /// The dispatches of operation `i`: every part, every step of its variant.
    pub(super) fn dispatch(&mut self, i: usize, step: Option<usize>, at: &StepPlaces) -> Result<()> {
        for share in self.shares(i)? {
            let op = self.ops[i].clone();
            let call = share.of(&op.call);
            let base = self.options.shaders.module(op.variant().shader)?;
            let half = self.half(&op, &base);
            let module = self.options.shaders.module_with(op.variant().shader, &half)?;
            let scalars = (call.kernel.scalars)(&call).extend((op.variant().scalars)(&call));
            let overrides = overrides(&module, &call, &scalars, self.adapter)?;
            let entries = self.options.shaders.entries(&module, &overrides)?;
            for s in op.variant().steps {
                let entry = entries
                    .get(s.entry)
                    .ok_or_else(|| Error::shader(&module.name, format!("no entry point '{}'", s.entry)))?;
                self.check_entry(&op, entry)?;
                let grid = fold((s.grid)(&call), entry, self.adapter).map_err(|m| Error::limit(op.label(), m))?;
                let mut bindings = vec![];
                for b in &entry.bindings {
                    let place = match b.access {
                        Access::Uniform => None,
                        _ => Some(self.binding(i, &b.name, b.access, &share, at, &module)?),
                    };
                    bindings.push(Bound { name: b.name.clone(), number: b.number, access: b.access, place });
                }
                no_aliases(&op, &bindings)?;
                self.memory.used(&bindings);
                let (params, overrides) = (pack(&module, &scalars)?, overrides.clone());
                let written = |b: &&Bound| b.access == Access::ReadWrite;
                let kind = |b: &Bound| b.place.map(|p| &self.memory.buffers[p.buffer].kind);
                let packing = bindings.iter().filter(written).all(|b| kind(b) == Some(&BufferKind::Packed));
                let (half, early) = (half.clone(), vec![]);
                let dispatch = Dispatch { op: i, entry: s.entry, grid, bindings, params, overrides, half, step, early };
                if !packing {
                    self.dispatches.push(dispatch);
                } else if step.is_none_or(|s| s == 0) {
                    self.packing.push(dispatch);
                }
            }
        }
        Ok(())
    }

    /// The place behind the shader variable `name`.
    fn binding(
        &mut self,
        i: usize,
        name: &str,
        access: Access,
        share: &Share,
        at: &StepPlaces,
        module: &Module,
    ) -> Result<Place> {
        let op = self.ops[i].clone();
        let kernel = op.call.kernel;
        if let Some(port) = kernel.port(name) {
            if access == Access::ReadWrite && !kernel.updates(port) {
                return Err(Error::shader(
                    &module.name,
                    format!("'{name}' is an input and must be var<storage, read>"),
                ));
            }
            if kernel.row_split.is_some_and(|s| s.port == port)
                && let Some((_, place)) = share.weight
            {
                return Ok(place);
            }
            return match op.inputs[port] {
                Some(value) => match at.get(&value) {
                    Some(place) => Ok(*place),
                    None => self.source_place(value),
                },
                None => Ok(self.absent()),
            };
        }
        if let Some(o) = kernel.outputs.iter().position(|o| *o == name) {
            let value = op.outputs[o];
            return Ok(share.written(at.get(&value).copied().unwrap_or_else(|| self.memory.places[&value])));
        }
        if let Some(place) = self.scratch.get(name) {
            return Ok(*place);
        }
        Err(Error::shader(
            &module.name,
            format!("the kernel {} has no input, output or scratch buffer '{name}'", kernel.name),
        ))
    }

    fn absent(&mut self) -> Place {
        let found = self.memory.buffers.iter().position(|b| b.kind == BufferKind::Absent);
        match found {
            Some(buffer) => Place { buffer, offset: 0, bytes: self.memory.buffers[buffer].bytes },
            None => self.memory.buffer(BufferKind::Absent, Spec::new(Dtype::U32, &[4]), 16),
        }
    }

    fn check_entry(&self, op: &Op, entry: &Entry) -> Result<()> {
        let a = self.adapter;
        let invocations: u32 = entry.workgroup.iter().product();
        let buffers = entry.bindings.iter().filter(|b| b.access != Access::Uniform).count() as u32;
        let found = [
            ("invocations in a workgroup", invocations, a.max_invocations),
            ("bytes of workgroup memory", entry.workgroup_bytes, a.max_workgroup_bytes),
            ("storage buffers", buffers, a.max_storage_buffers),
        ];
        for (what, needed, max) in found {
            if needed > max {
                let message = format!("needs {needed} {what}, and {} has {max}", a.name);
                return Err(Error::limit(format!("{} ({})", op.label(), op.at), message));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Plan> {
        if self.options.adjacent {
            wait::gather(&mut self.dispatches);
        }
        let results = self.draft.graph.outputs.iter().map(|o| (o.name.clone(), self.draft.resolve(o.value))).collect();
        for buffer in &self.memory.buffers {
            if buffer.bytes > self.adapter.max_buffer {
                let message = format!(
                    "{} bytes are more than a buffer of {} holds ({})",
                    buffer.bytes, self.adapter.name, self.adapter.max_buffer
                );
                return Err(Error::limit(format!("{:?}", buffer.kind), message));
            }
        }
        Ok(Plan {
            adapter: self.adapter.clone(),
            graph: self.draft.graph,
            ops: self.ops,
            packing: self.packing,
            dispatches: self.dispatches,
            buffers: self.memory.buffers,
            folds: self.draft.folds,
            places: self.memory.places,
            step_places: self.step_places,
            specs: self.draft.specs,
            alias: self.draft.alias,
            results,
            shaders: self.options.shaders.clone(),
            guard: self.options.guard,
        })
    }
}
