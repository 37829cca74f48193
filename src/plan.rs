//! Graph and adapter profile → plan: which dispatches run, in which buffers.
//!
//! The stages are `live` (dead nodes dropped, equal ones shared), `fuse` (epilogues, folded norms), `emit`
//! (copies, variants, grids, bindings, limits) and `assign` (slots by lifetime). A plan is plain data:
//! deterministic, printable, and made without a device.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::adapter::Adapter;
use crate::error::{At, Error, Result};
use crate::graph::{FixedGraph, Phase, ValueId};
use crate::kernel::{Call, Part, Spec, Variant, Work};
use crate::shader::{Access, Shaders};
use crate::tensor::Dtype;
use crate::tune::Tuned;

mod assign;
mod bind;
mod emit;
mod fuse;
mod half;
mod live;
mod order;
mod scan;
mod split;
mod wait;

/// Choices about a plan.
#[derive(Debug, Clone)]
pub struct Options {
    /// Fuse epilogues and fold norms.
    pub fuse: bool,
    /// Reuse a slot when its value is dead; `false` keeps every value readable.
    pub reuse: bool,
    /// Put operations side by side that do not read from each other, where they then wait less and memory allows it.
    /// Only where slots are reused.
    pub adjacent: bool,
    /// Weights stay as they are loaded: what follows from them alone is computed once. `false` where another plan over
    /// the same store updates them.
    pub fixed_weights: bool,
    /// What is stored as f16.
    pub half: Half,
    /// The variant to take wherever a kernel has it (`Some("")` is the plain one).
    pub variant: Option<String>,
    /// Variants that were measured to be the fastest.
    pub tuned: Option<Arc<Tuned>>,
    /// WGSL sources.
    pub shaders: Arc<Shaders>,
    /// Bytes after every written tensor, inside its binding, in which nothing may be written.
    pub guard: u64,
    /// Refuse a plan that needs more bytes than this.
    pub max_bytes: Option<u64>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            fuse: true,
            reuse: true,
            adjacent: true,
            fixed_weights: true,
            half: Half::Nothing,
            variant: None,
            tuned: None,
            shaders: Shaders::built_in(),
            guard: 0,
            max_bytes: None,
        }
    }
}

/// What a plan stores as f16. Arithmetic stays in f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Half {
    /// Nothing.
    #[default]
    Nothing,
    /// Weights where every kernel that reads them can; needs no feature of the adapter.
    Weights,
    /// Weights, states, and what operations hand to each other; needs [`Adapter::f16`]. Inputs, results, host-made
    /// tables, statistics and what steps of a scan carry stay f32.
    Values,
    /// As `Values`, with inputs and results: what rows of kernels take.
    Everything,
}

/// What a buffer of a plan holds.
#[derive(Debug, Clone, PartialEq)]
pub enum BufferKind {
    /// A graph input.
    Input(String),
    /// A weight, or some rows of it.
    Weight {
        /// Checkpoint key.
        key: String,
        /// Rows, if it is split over several bindings.
        part: Option<Part>,
    },
    /// A weight computed from others when it is loaded; index into [`Plan::folds`].
    Folded(usize),
    /// A state of the store.
    State(String),
    /// Weights that are updated together, as the store holds them: key, shape and first element of each.
    WeightArena(Vec<(String, Spec, usize)>),
    /// Results that are read together, one after the other.
    Arena,
    /// A host-made table; the value that holds it.
    Constant(ValueId),
    /// A weight rearranged for a kernel when it is loaded.
    Packed,
    /// Temporaries, one after the other.
    Slot,
    /// A graph output.
    Output,
    /// Stands for absent optional inputs.
    Absent,
}

/// A buffer of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Buffer {
    /// What it holds.
    pub kind: BufferKind,
    /// Dtype and shape of a weight, state, input or constant; a slot counts bytes only.
    pub spec: Spec,
    /// Size, a multiple of 4, guard included.
    pub bytes: u64,
}

/// Where a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index into [`Plan::buffers`].
    pub buffer: usize,
    /// First byte.
    pub offset: u64,
    /// Bytes bound, guard included.
    pub bytes: u64,
}

/// A binding of a dispatch.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// Variable name in the shader.
    pub name: String,
    /// `@binding` number.
    pub number: u32,
    /// Access; uniforms are placed by the runner.
    pub access: Access,
    /// The bytes; `None` for the parameters.
    pub place: Option<Place>,
}

/// One dispatch.
#[derive(Debug, Clone)]
pub struct Dispatch {
    /// Index of its operation.
    pub op: usize,
    /// Entry point.
    pub entry: &'static str,
    /// Workgroups.
    pub grid: [u32; 3],
    /// Bindings of group 0.
    pub bindings: Vec<Bound>,
    /// The bytes of `Params`.
    pub params: Vec<u8>,
    /// Pipeline constants.
    pub overrides: Vec<(String, f64)>,
    /// Bindings whose elements are f16 where the shader says f32.
    pub half: Vec<String>,
    /// The step of the scan it belongs to.
    pub step: Option<usize>,
    /// Buffers that it and dispatches after it read: what wrote them is waited for here, once for all.
    pub early: Vec<usize>,
}

/// One operation of a plan: a call with everything fused into it.
#[derive(Debug, Clone)]
pub struct Op {
    /// The call, epilogue parameters and inputs included.
    pub call: Call,
    /// The value behind each operand.
    pub inputs: Vec<Option<ValueId>>,
    /// The values written.
    pub outputs: Vec<ValueId>,
    /// The graph nodes it stands for, in order; empty for a copy the plan inserted.
    pub nodes: Vec<usize>,
    /// The scan it belongs to.
    pub scan: Option<usize>,
    /// Where the model made it.
    pub at: At,
    /// How it is computed (the plain variant until `emit` chooses).
    pub how: &'static str,
}

impl Op {
    /// The chosen variant.
    pub fn variant(&self) -> &'static Variant {
        let variants = self.call.kernel.variants;
        variants.iter().find(|v| v.how == self.how).unwrap_or(&variants[variants.len() - 1])
    }
    /// `scope/kernel_how`.
    pub fn label(&self) -> String {
        let name = self.variant().label(self.call.kernel);
        if self.at.scope.is_empty() { name } else { format!("{}/{name}", self.at.scope) }
    }
}

/// A weight (or bias) with a per-channel affine map folded in: `w · scale`, `b · scale + shift`.
#[derive(Debug, Clone)]
pub struct Fold {
    /// The weight or bias it starts from; `None` is a bias of zero.
    pub base: Option<ValueId>,
    /// The affine kernel's call.
    pub affine: Call,
    /// Its inputs (the first, the data, is absent).
    pub inputs: Vec<Option<ValueId>>,
    /// True for the bias.
    pub bias: bool,
    /// Channels.
    pub channels: usize,
}

/// The dispatches and buffers a graph becomes on one adapter profile.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The adapter it was made for.
    pub adapter: Adapter,
    /// The graph.
    pub graph: Arc<FixedGraph>,
    /// Operations, in order.
    pub ops: Vec<Op>,
    /// Dispatches that run once, when the weights are loaded.
    pub packing: Vec<Dispatch>,
    /// Dispatches of a run, in order.
    pub dispatches: Vec<Dispatch>,
    /// Buffers.
    pub buffers: Vec<Buffer>,
    /// Folded weights.
    pub folds: Vec<Fold>,
    /// Where each value lies (after the run, for those in scans).
    pub places: HashMap<ValueId, Place>,
    /// Where step `t` of scan `s` put its values, by `(s, t)`; only in plans without reuse.
    pub step_places: HashMap<(usize, usize), HashMap<ValueId, Place>>,
    /// Specs of the values, those the plan added included.
    pub specs: Vec<Spec>,
    /// Values that stand for an equal one.
    pub alias: HashMap<ValueId, ValueId>,
    /// Where the plan found each result of the graph.
    pub results: Vec<(String, ValueId)>,
    /// WGSL sources.
    pub shaders: Arc<Shaders>,
    /// Guard bytes after written tensors.
    pub guard: u64,
}

/// Counts of a plan; no clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Dispatches of one run.
    pub dispatches: usize,
    /// How often the device waits.
    pub barriers: usize,
    /// Different pipelines.
    pub pipelines: usize,
    /// Floating-point operations.
    pub flops: u64,
    /// Bytes read and written if every element of every call moves once.
    pub traffic: u64,
    /// Bytes of weights.
    pub weight_bytes: u64,
    /// Bytes of temporaries.
    pub slot_bytes: u64,
    /// All bytes of buffers.
    pub peak_bytes: u64,
}

impl Plan {
    /// Plans `graph` for `adapter` with the default options.
    pub fn new(graph: &Arc<FixedGraph>, adapter: &Adapter) -> Result<Plan> {
        Plan::with(graph, adapter, &Options::default())
    }

    /// Plans `graph` for `adapter`.
    pub fn with(graph: &Arc<FixedGraph>, adapter: &Adapter, options: &Options) -> Result<Plan> {
        let draft = draft(graph, Some(adapter), options)?;
        let mut plan = emit::emit(draft.clone(), adapter, options, None)?;
        if options.reuse && options.adjacent {
            let spare = plan.totals().peak_bytes / SPARE;
            let other = emit::emit(draft, adapter, options, Some(spare))?;
            let most = (plan.totals().peak_bytes + spare).min(options.max_bytes.unwrap_or(u64::MAX));
            if other.barriers() < plan.barriers() && other.totals().peak_bytes <= most {
                plan = other;
            }
        }
        let totals = plan.totals();
        if let Some(max) = options.max_bytes
            && totals.peak_bytes > max
        {
            let message = format!("needs {} bytes, and {max} are allowed", totals.peak_bytes);
            return Err(Error::limit("the plan", message));
        }
        Ok(plan)
    }

    /// Dtypes and shapes of the values of `graph` as a plan with `options` stores them.
    ///
    /// # Errors
    /// If a shader cannot be read
    pub fn stored(graph: &Arc<FixedGraph>, options: &Options) -> Result<Vec<Spec>> {
        Ok(draft(graph, None, options)?.specs)
    }

    /// The value that stands for `value`: itself, or an equal one made before.
    pub fn resolve(&self, value: ValueId) -> ValueId {
        self.alias.get(&value).copied().unwrap_or(value)
    }

    /// The part of a step that operation `op` belongs to; a copy that the plan added, that of its reader.
    pub fn phase(&self, op: usize) -> Phase {
        let made = |op: &Op| op.nodes.last().map(|&n| self.graph.nodes[n].phase);
        let own = &self.ops[op];
        let reader = || {
            let reads = |o: &&Op| own.outputs.iter().any(|v| o.inputs.contains(&Some(*v)));
            self.ops.iter().find(reads).and_then(made)
        };
        made(own).or_else(reader).unwrap_or_default()
    }

    /// How often the device waits in a run, as wgpu puts barriers.
    pub fn barriers(&self) -> usize {
        wait::barriers(&self.dispatches)
    }

    /// Counts.
    pub fn totals(&self) -> Totals {
        let mut work = Work::default();
        for op in &self.ops {
            let times = op.scan.map_or(1, |s| self.graph.scans[s].steps as u64);
            let w = (op.call.kernel.work)(&op.call);
            work.flops += w.flops * times;
            work.bytes += w.bytes * times;
        }
        let sum = |pick: fn(&BufferKind) -> bool| self.buffers.iter().filter(|b| pick(&b.kind)).map(|b| b.bytes).sum();
        let mut pipelines: Vec<_> = self
            .packing
            .iter()
            .chain(&self.dispatches)
            .map(|d| (self.ops[d.op].variant().shader, d.entry, format!("{:?} {:?}", d.overrides, d.half)))
            .collect();
        pipelines.sort();
        pipelines.dedup();
        Totals {
            dispatches: self.dispatches.len(),
            barriers: self.barriers(),
            pipelines: pipelines.len(),
            flops: work.flops,
            traffic: work.bytes,
            weight_bytes: sum(|k| {
                matches!(
                    k,
                    BufferKind::Weight { .. } | BufferKind::WeightArena(_) | BufferKind::Folded(_) | BufferKind::Packed
                )
            }),
            slot_bytes: sum(|k| matches!(k, BufferKind::Slot)),
            peak_bytes: sum(|_| true),
        }
    }

    fn buffer_name(&self, index: usize) -> String {
        match &self.buffers[index].kind {
            BufferKind::Input(name) => format!("input {name}"),
            BufferKind::Weight { key, part: None } => key.clone(),
            BufferKind::Weight { key, part: Some(p) } => format!("{key}[{}..{}]", p.first, p.first + p.rows),
            BufferKind::Folded(i) => format!("folded {i}"),
            BufferKind::State(name) => format!("state {name}"),
            BufferKind::WeightArena(parts) => format!("arena of {} weights", parts.len()),
            BufferKind::Arena => format!("arena {index}"),
            BufferKind::Constant(_) => format!("constant {index}"),
            BufferKind::Packed => format!("packed {index}"),
            BufferKind::Slot => format!("slot {index}"),
            BufferKind::Output => format!("output {index}"),
            BufferKind::Absent => "-".into(),
        }
    }

    fn line(&self, f: &mut fmt::Formatter<'_>, number: &str, d: &Dispatch) -> fmt::Result {
        let op = &self.ops[d.op];
        write!(
            f,
            "{number:>5} {:<44} {:?}",
            format!("{} {}", op.label(), if d.entry == op.call.kernel.name { "" } else { d.entry }),
            d.grid
        )?;
        for b in &d.bindings {
            if let Some(p) = b.place
                && self.buffers[p.buffer].kind != BufferKind::Absent
            {
                let arrow = if b.access == Access::ReadWrite { " ->" } else { "" };
                write!(f, " {arrow}{}={}", b.name, self.buffer_name(p.buffer))?;
            }
        }
        if let (Some(_), Some(scan)) = (d.step, op.scan) {
            write!(f, "  × {} steps", self.graph.scans[scan].steps)?;
        }
        writeln!(f)
    }

    /// The plan as a DOT graph: operations and the values between them.
    pub fn dot(&self) -> String {
        let mut out = String::from("digraph plan {\n  node [shape=box, fontname=monospace];\n");
        let mut producer = HashMap::new();
        for (i, op) in self.ops.iter().enumerate() {
            writeln!(out, "  op{i} [label=\"{}\"];", op.label()).expect("a string");
            for (port, &value) in op.inputs.iter().enumerate().filter_map(|(p, v)| v.as_ref().map(|v| (p, v))) {
                let label = format!("{}", crate::shape::Dims(op.call.shape(port)));
                match producer.get(&value) {
                    Some(from) => writeln!(out, "  op{from} -> op{i} [label=\"{label}\"];"),
                    None => writeln!(out, "  v{value} -> op{i} [label=\"{label}\"];"),
                }
                .expect("a string");
            }
            for &value in &op.outputs {
                producer.insert(value, i);
            }
        }
        for (name, value) in &self.results {
            if let Some(from) = producer.get(value) {
                writeln!(out, "  op{from} -> \"{name}\";\n  \"{name}\" [shape=ellipse];").expect("a string");
            }
        }
        out.push_str("}\n");
        out
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = self.totals();
        writeln!(
            f,
            "plan for {}: {} ops, {} dispatches, {} barriers, {} pipelines, {} flops, {} bytes moved, {} bytes at peak ({} weights, {} slots)",
            self.adapter.name,
            self.ops.len(),
            t.dispatches,
            t.barriers,
            t.pipelines,
            t.flops,
            t.traffic,
            t.peak_bytes,
            t.weight_bytes,
            t.slot_bytes
        )?;
        for d in &self.packing {
            self.line(f, "once", d)?;
        }
        for (i, d) in self.dispatches.iter().enumerate() {
            // The steps of a scan are alike: the first one shows them all.
            if d.step.is_none_or(|s| s == 0) {
                self.line(f, &i.to_string(), d)?;
            }
        }
        for (name, value) in &self.results {
            let spec = &self.specs[*value];
            let place = self.places.get(value).map_or_else(|| "-".into(), |p| self.buffer_name(p.buffer));
            writeln!(f, "      {name} {} {} = {place}", spec.dtype, crate::shape::Dims(&spec.shape))?;
        }
        Ok(())
    }
}

/// Live operations, fused, with the dtypes in which they are stored.
fn draft(graph: &Arc<FixedGraph>, adapter: Option<&Adapter>, options: &Options) -> Result<Draft> {
    let mut draft = live::draft(graph, options.fixed_weights);
    if options.fuse {
        fuse::epilogues(&mut draft);
        fuse::shifts(&mut draft);
        fuse::products(&mut draft);
    }
    match options.half {
        Half::Nothing => {}
        Half::Weights => half::weights(&mut draft),
        Half::Values | Half::Everything => {
            if let Some(adapter) = adapter.filter(|a| !a.f16) {
                let denied = adapter.f16_denied_by.as_ref().map(|limits| format!("the limits of {limits} have"));
                let has = denied.unwrap_or_else(|| format!("{} has", adapter.name));
                let message = format!("needs 16-bit floats in shaders (SHADER_F16), and {has} none");
                return Err(Error::limit("f16", message));
            }
            half::values(&mut draft, options)?;
        }
    }
    Ok(draft)
}

/// What a plan may need more than the least, as a part of that, so that operations wait less for each other.
const SPARE: u64 = 16;

/// A plan in the making.
#[derive(Clone)]
struct Draft {
    graph: Arc<FixedGraph>,
    ops: Vec<Op>,
    specs: Vec<Spec>,
    folds: Vec<Fold>,
    /// `(value, fold)`.
    folded: HashMap<ValueId, usize>,
    /// Values that stand for an equal one.
    alias: HashMap<ValueId, ValueId>,
    /// Weights that this plan or another one updates.
    updated: HashSet<ValueId>,
}

impl Draft {
    fn resolve(&self, value: ValueId) -> ValueId {
        self.alias.get(&value).copied().unwrap_or(value)
    }
    fn new_value(&mut self, dtype: Dtype, shape: &[usize]) -> ValueId {
        self.specs.push(Spec::new(dtype, shape));
        self.specs.len() - 1
    }
}
