//! Measures the variants of calls: those of a plan, on the values that it computes, or those of a suite of cases.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Tuned, key};
use crate::adapter::Adapter;
use crate::bench::{self, Effort, median, suite::Entry};
use crate::check::Case;
use crate::device::Device;
use crate::engine::Tensors;
use crate::error::Result;
use crate::graph::{FixedGraph, Source, ValueId};
use crate::kernel::Call;
use crate::plan::{Op, Options, Plan};
use crate::run::Runner;
use crate::store::Store;
use crate::tensor::{Dtype, HostTensor};

/// A variant that is no more than this much slower than the fastest is left in place: times are not better known.
const NOISE: f64 = 0.03;

/// How much is measured of each call.
const EFFORT: Effort = Effort { samples: 9, seconds: 1.0 };

/// What was measured of one call.
pub struct Measured {
    /// The call in words.
    pub call: String,
    /// The variant that is taken.
    pub chosen: String,
    /// The variant that would be taken without measuring.
    pub cold: String,
    /// Variants with their medians in seconds, the fastest first.
    pub times: Vec<(String, f64)>,
}

/// Measures every call of `graph`'s plan on the store's device that has a choice of variants, on the values that a run
/// with `inputs` gives it; `told` hears of each.
///
/// # Errors
/// If a variant is not within its bounds, or the plan, the inputs or the device fail
pub fn graph(
    tuned: &mut Tuned,
    (store, graph): (&Arc<Store>, &Arc<FixedGraph>),
    inputs: &Tensors,
    (adapter, options): (&Adapter, &Options),
    told: &mut dyn FnMut(&Measured),
) -> Result<()> {
    let options = Options { reuse: false, tuned: None, ..options.clone() };
    let plan = Arc::new(Plan::with(graph, adapter, &options)?);
    let runner = Runner::new(store, &plan)?;
    inputs.iter().try_for_each(|(name, tensor)| runner.upload(name, tensor))?;
    runner.run()?;
    let mut seen = HashSet::new();
    for op in &plan.ops {
        if is_open(&op.call, adapter) && seen.insert(key(&op.call, &options.shaders)?) {
            let Some(case) = case(&runner, store, op)? else { continue };
            let found = measured(&op.label(), &case, &op.call, adapter, store.device(), true)?;
            tuned.insert(&op.call, adapter, &options.shaders, &found.chosen)?;
            told(&found);
        }
    }
    Ok(())
}

/// Measures the cases of a suite that have a choice of variants; `told` hears of each. Their values say nothing of those
/// of a model: variants whose error depends on them ([`crate::kernel::Variant::tuned`]) are measured in plans alone.
///
/// # Errors
/// If a variant is not within its bounds, or the device fails
pub fn suite(
    tuned: &mut Tuned,
    entries: &[&Entry],
    device: &Arc<Device>,
    told: &mut dyn FnMut(&Measured),
) -> Result<()> {
    let options = Options::default();
    for entry in entries {
        let case = entry.case();
        let plan = Plan::with(&Arc::new(case.graph()?), device.adapter(), &options)?;
        let Some(op) = plan.ops.iter().find(|op| std::ptr::eq(op.call.kernel, case.kernel)) else { continue };
        if is_open(&op.call, device.adapter()) {
            let found = measured(&entry.name(), &case, &op.call, device.adapter(), device, false)?;
            tuned.insert(&op.call, device.adapter(), &options.shaders, &found.chosen)?;
            told(&found);
        }
    }
    Ok(())
}

/// True if more than one variant can compute `call`.
fn is_open(call: &Call, adapter: &Adapter) -> bool {
    call.kernel.variants.iter().filter(|v| v.fits(call, adapter)).count() > 1
}

/// With `own`, the values are those of a model.
fn measured(
    name: &str,
    case: &Case,
    call: &Call,
    adapter: &Adapter,
    device: &Arc<Device>,
    own: bool,
) -> Result<Measured> {
    let mut contenders = bench::contenders(name, case, device)?;
    contenders.retain(|c| c.how.fits(call, adapter) && (own || !c.how.tuned));
    let samples = bench::samples(&contenders, device, EFFORT, || Ok(()))?;
    let time = |(c, samples): (&bench::Contender, &Vec<f64>)| (c.how.word().to_owned(), median(samples).0);
    let mut times: Vec<_> = contenders.iter().zip(&samples).map(time).collect();
    times.sort_by(|a, b| a.1.total_cmp(&b.1));
    let cold = call.kernel.variant(call, adapter).word().to_owned();
    let close = times.iter().find(|(word, time)| *word == cold && *time <= times[0].1 * (1.0 + NOISE));
    let chosen = close.unwrap_or(&times[0]).0.clone();
    Ok(Measured { call: name.to_owned(), chosen, cold, times })
}

/// The call of `op` alone, on the values it read; nothing if one of them is too large to be bound whole.
fn case(runner: &Runner, store: &Arc<Store>, op: &Op) -> Result<Option<Case>> {
    let plan = runner.plan();
    let mut case = Case::new(op.call.kernel);
    for ((value, operand), port) in op.inputs.iter().zip(&op.call.inputs).zip(op.call.kernel.inputs) {
        case = match (value, operand) {
            (Some(value), Some(operand)) => {
                if plan.specs[*value].bytes() > plan.adapter.max_binding {
                    return Ok(None);
                }
                let (tensor, weight) = read(runner, store, op, *value)?;
                // What the plan stores as f16 for a port of f32 is so for the case.
                let stored = tensor.dtype() == Dtype::F16 && !port.dtypes.contains(&Dtype::F16);
                let tensor = if stored { widened(&tensor) } else { tensor };
                case = if stored { case.half() } else { case };
                case.laid_out(tensor, operand.layout.clone(), weight)
            }
            _ => case.absent(),
        };
    }
    Ok(Some(op.call.params.iter().fold(case, |case, (name, value)| case.param(name, value.clone()))))
}

fn widened(tensor: &HostTensor) -> HostTensor {
    HostTensor::from_f64(Dtype::F32, tensor.shape(), &tensor.to_f64())
}

/// The values behind `value`, in the first step of a scan, and whether they are a weight.
fn read(runner: &Runner, store: &Arc<Store>, op: &Op, value: ValueId) -> Result<(HostTensor, bool)> {
    let plan = runner.plan();
    let spec = &plan.specs[value];
    match plan.graph.values.get(value).map(|v| &v.source) {
        Some(Source::Weight(key)) => {
            let tensor = store.weights().get(key)?;
            let same = tensor.dtype() == spec.dtype;
            let narrow = || HostTensor::from_f64(spec.dtype, &spec.shape, &tensor.to_f64());
            Ok((if same { HostTensor::clone(tensor) } else { narrow() }, true))
        }
        Some(Source::Constant(table)) => Ok((HostTensor::clone(table), true)),
        source => {
            let place = op.scan.and_then(|scan| plan.step_places.get(&(scan, 0))).and_then(|at| at.get(&value));
            Ok((runner.read_value(value, place)?, source.is_none()))
        }
    }
}
