//! Runs a plan: pipelines, parameters and bind groups are made once; a run is one compute pass and one
//! submission, and makes no object of the driver.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rayon::prelude::*;

use crate::adapter::AdapterKind;
use crate::device::{Device, Owned, Pipeline, lock};
use crate::error::{Error, Result};
use crate::file::{available_memory, bytes};
use crate::graph::{Source, ValueId};
use crate::kernel::Spec;
use crate::plan::{BufferKind, Dispatch, Place, Plan};
use crate::shader::Access;
use crate::shape::Dims;
use crate::store::{Held, STORAGE, Store, write};
use crate::tensor::{Dtype, HostTensor};

pub mod timed;

/// Written into guards; no kernel produces it by accident (a quiet NaN with a payload).
const CANARY: u32 = 0x7fc0_dead;

/// Runs of one runner that may wait in the queue; one more waits for the oldest.
const MAX_IN_FLIGHT: usize = 32;

/// How shaders are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checks {
    /// Built-in shaders without bounds checks, all others with them.
    #[default]
    Earned,
    /// All with bounds checks.
    On,
}

struct Recorded {
    /// What is waited for before it, beside what it needs itself.
    early: Vec<wgpu::Buffer>,
    pipeline: Arc<Pipeline>,
    group: wgpu::BindGroup,
    grid: [u32; 3],
}

/// A plan with its buffers on a device.
///
/// Runners on one [`Store`] share weights and states, and may live in different threads. A runner's own
/// calls take turns, so threads that share one still have to agree on whose inputs and results are in it.
pub struct Runner {
    device: Arc<Device>,
    plan: Arc<Plan>,
    buffers: Owned<Vec<Held>>,
    recorded: Owned<Vec<Recorded>>,
    inputs: HashMap<String, (Spec, Option<usize>)>,
    staging: Owned<wgpu::Buffer>,
    /// The number of the last run, written by the host and copied by the device: a read-back that does not
    /// carry it is not a result.
    stamp: Owned<[wgpu::Buffer; 2]>,
    progress: Mutex<Progress>,
    startup: Startup,
}

/// What making a runner took, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Startup {
    /// Buffers, with the upload of the weights.
    pub buffers: f64,
    /// Pipelines, bind groups and what runs once.
    pub pipelines: f64,
}

struct Progress {
    /// Number of the last run; the first is 2.
    epoch: u32,
    in_flight: VecDeque<wgpu::SubmissionIndex>,
}

impl Progress {
    fn next_epoch(&mut self) -> u32 {
        self.epoch = self.epoch.wrapping_add(1).max(NO_RUN + 1);
        self.epoch
    }
}

/// The stamp before the first run; not 0, which a failed read-back shows.
const NO_RUN: u32 = 1;
const STAMP_BYTES: u64 = 4;

impl Runner {
    /// Compiles `plan` on the store's device and uploads the weights it uses.
    pub fn new(store: &Arc<Store>, plan: &Arc<Plan>) -> Result<Runner> {
        Runner::with(store, plan, Checks::Earned)
    }

    /// Like [`Runner::new`], choosing bounds checks.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if the buffers exceed what the adapter can have. A software adapter would hand
    /// them out and the system would end the process later.
    pub fn with(store: &Arc<Store>, plan: &Arc<Plan>, checks: Checks) -> Result<Runner> {
        let device = store.device().clone();
        let largest = plan.results.iter().map(|(_, v)| plan.specs[*v].bytes()).max().unwrap_or(0);
        expect_bindings(plan, device.adapter().max_binding.min(plan.adapter.max_binding))?;
        expect_room(store, plan, largest)?;
        let start = Instant::now();
        let buffers = plan.buffers.iter().map(|b| make_buffer(store, plan, b)).collect::<Result<Vec<_>>>()?;
        let buffers = Owned::new(buffers);
        let mut startup = Startup { buffers: start.elapsed().as_secs_f64(), pipelines: 0.0 };
        let [packing, recorded] = record(&device, plan, &buffers, checks)?.map(Owned::new);
        pack(&device, &packing)?;
        startup.pipelines = start.elapsed().as_secs_f64() - startup.buffers;
        let mut inputs: HashMap<_, _> = plan.graph.inputs().map(|(n, s)| (n.to_owned(), (s.clone(), None))).collect();
        for (i, buffer) in plan.buffers.iter().enumerate() {
            if let BufferKind::Input(name) = &buffer.kind
                && let Some(input) = inputs.get_mut(name)
            {
                input.1 = Some(i);
            }
        }
        let copy = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let staging = Owned::new(device.buffer(
            "read-back",
            largest + STAMP_BYTES,
            wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        )?);
        let stamp = [device.buffer("stamp", STAMP_BYTES, copy)?, device.buffer("stamp", STAMP_BYTES, copy)?];
        let stamp = Owned::new(stamp);
        write(&device, &stamp[1], 0, &NO_RUN.to_le_bytes())?;
        let progress = Mutex::new(Progress { epoch: NO_RUN, in_flight: VecDeque::new() });
        Ok(Runner { device, plan: plan.clone(), buffers, recorded, inputs, staging, stamp, progress, startup })
    }

    /// What making it took.
    pub fn startup(&self) -> Startup {
        self.startup
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Gives the input `name` its values.
    pub fn upload(&self, name: &str, tensor: &HostTensor) -> Result<()> {
        let Some((spec, buffer)) = self.inputs.get(name) else {
            let mut known: Vec<_> = self.inputs.keys().map(String::as_str).collect();
            known.sort_unstable();
            return Err(Error::tensor(name, format!("is no input of the model; it has {}", known.join(", "))));
        };
        if tensor.shape() != spec.shape || tensor.dtype() != spec.dtype {
            let found = format!("{} {}", tensor.dtype(), Dims(tensor.shape()));
            return Err(Error::tensor(name, format!("is {found}, expected {} {}", spec.dtype, Dims(&spec.shape))));
        }
        let Some(i) = *buffer else { return Ok(()) };
        match self.plan.buffers[i].spec.dtype {
            stored if stored == spec.dtype => write(&self.device, &self.buffers[i].raw, 0, tensor.bytes()),
            stored => {
                let rounded = HostTensor::from_f64(stored, &spec.shape, &tensor.to_f64());
                write(&self.device, &self.buffers[i].raw, 0, rounded.bytes())
            }
        }
    }

    /// One run: one compute pass, one submission. Returns before it is finished, unless many runs already
    /// wait.
    pub fn run(&self) -> Result<()> {
        let mut progress = lock(&self.progress);
        if progress.in_flight.len() >= MAX_IN_FLIGHT
            && let Some(oldest) = progress.in_flight.pop_front()
        {
            self.device.wait(&oldest)?;
        }
        let epoch = progress.next_epoch();
        self.device.upload(&self.stamp[0], 0, &epoch.to_le_bytes())?;
        let commands = self.device.guarded("recording a run", || {
            let mut encoder = self.encoder("run");
            self.encode_run(&mut encoder);
            encoder.finish()
        })?;
        let submitted = self.device.submit(commands)?;
        progress.in_flight.push_back(submitted);
        Ok(())
    }

    /// As [`Runner::run`] and [`Runner::read`], in one submission.
    pub fn run_and_read(&self, name: &str) -> Result<HostTensor> {
        let (spec, place) = self.kept(self.result(name)?)?;
        let mut progress = lock(&self.progress);
        let epoch = progress.next_epoch();
        self.device.upload(&self.stamp[0], 0, &epoch.to_le_bytes())?;
        let commands = self.device.guarded("recording a run", || {
            let mut encoder = self.encoder("run");
            self.encode_run(&mut encoder);
            self.encode_copy(&mut encoder, place, spec.bytes(), &self.staging);
            encoder.finish()
        })?;
        let bytes = self.receive(&mut progress, commands, spec.bytes(), &self.staging)?;
        Ok(HostTensor::from_bytes(spec.dtype, &spec.shape, &bytes))
    }

    fn encoder(&self, label: &str) -> wgpu::CommandEncoder {
        self.device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(label) })
    }

    /// All dispatches, and the stamp that tells that they are done.
    fn encode_run(&self, encoder: &mut wgpu::CommandEncoder) {
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            self.recorded.iter().for_each(|r| dispatch(&mut pass, r));
        }
        encoder.copy_buffer_to_buffer(&self.stamp[0], 0, &self.stamp[1], 0, STAMP_BYTES);
    }

    /// The copy of `bytes` of a place, and of the stamp after them.
    fn encode_copy(&self, encoder: &mut wgpu::CommandEncoder, place: &Place, bytes: u64, staging: &wgpu::Buffer) {
        let held = &self.buffers[place.buffer];
        encoder.copy_buffer_to_buffer(&held.raw, held.first + place.offset, staging, 0, bytes);
        encoder.copy_buffer_to_buffer(&self.stamp[1], 0, staging, bytes, STAMP_BYTES);
    }

    /// Waits until every run so far is finished.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] if the device did not finish it
    pub fn wait(&self) -> Result<()> {
        let mut progress = lock(&self.progress);
        match progress.in_flight.drain(..).next_back() {
            Some(last) => self.device.wait(&last),
            None => Ok(()),
        }
    }

    /// The result `name` of the last run; waits for it.
    pub fn read(&self, name: &str) -> Result<HostTensor> {
        let value = self.result(name)?;
        if lock(&self.progress).epoch == NO_RUN {
            return Err(Error::tensor(name, "has no value before the first run"));
        }
        self.read_from(value, &self.staging)
    }

    fn result(&self, name: &str) -> Result<ValueId> {
        let found = self.plan.results.iter().find(|(n, _)| n == name);
        Ok(found.ok_or_else(|| Error::tensor(name, "is no output of the model"))?.1)
    }

    /// All results of the last run, by name.
    pub fn read_all(&self) -> Result<Vec<(String, HostTensor)>> {
        self.plan.results.iter().map(|(name, _)| Ok((name.clone(), self.read(name)?))).collect()
    }

    /// Any value of the plan that is still in memory, for `verify`; makes a staging buffer. `place` names
    /// another place than the value's own (a step of a scan).
    pub fn read_value(&self, value: ValueId, place: Option<&Place>) -> Result<HostTensor> {
        let spec = &self.plan.specs[value];
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = self.device.buffer("read-back", spec.bytes() + STAMP_BYTES, usage)?;
        match place {
            Some(place) => {
                let bytes = self.fetch(place, spec.bytes(), &staging)?;
                Ok(HostTensor::from_bytes(spec.dtype, &spec.shape, &bytes))
            }
            None => self.read_from(value, &staging),
        }
    }

    fn read_from(&self, value: ValueId, staging: &wgpu::Buffer) -> Result<HostTensor> {
        let (spec, place) = self.kept(value)?;
        let bytes = self.fetch(place, spec.bytes(), staging)?;
        Ok(HostTensor::from_bytes(spec.dtype, &spec.shape, &bytes))
    }

    fn kept(&self, value: ValueId) -> Result<(&Spec, &Place)> {
        let place = self.plan.places.get(&value);
        let place = place.ok_or_else(|| Error::tensor(format!("value {value}"), "is not kept by this plan"))?;
        Ok((&self.plan.specs[value], place))
    }

    fn fetch(&self, place: &Place, bytes: u64, staging: &wgpu::Buffer) -> Result<Vec<u8>> {
        let mut progress = lock(&self.progress);
        let commands = self.device.guarded("recording a read-back", || {
            let mut encoder = self.encoder("read");
            self.encode_copy(&mut encoder, place, bytes, staging);
            encoder.finish()
        })?;
        self.receive(&mut progress, commands, bytes, staging)
    }

    /// What a submission that ends with a copy to `staging` has copied; waits for it.
    fn receive(
        &self,
        progress: &mut Progress,
        commands: wgpu::CommandBuffer,
        bytes: u64,
        staging: &wgpu::Buffer,
    ) -> Result<Vec<u8>> {
        let submitted = self.device.submit(commands)?;
        let mapped = self.device.map(staging, bytes + STAMP_BYTES, &submitted);
        progress.in_flight.clear();
        let mut data = mapped?;
        let stamp = data.split_off(bytes as usize);
        if stamp != progress.epoch.to_le_bytes() {
            return Err(Error::DeviceLost("the last run did not finish".into()));
        }
        Ok(data)
    }

    /// A run for tests: before every operation all it writes is filled with `poison`, and guards with
    /// canaries; afterwards a canary that changed is an error naming the operation. Needs a plan with a
    /// guard and without reuse.
    pub fn run_guarded(&self, poison: u32) -> Result<()> {
        let epoch = lock(&self.progress).next_epoch();
        write(&self.device, &self.stamp[1], 0, &epoch.to_le_bytes())?;
        let mut first = 0;
        while first < self.recorded.len() {
            let op = self.plan.dispatches[first].op;
            let end =
                (first..self.recorded.len()).find(|&d| self.plan.dispatches[d].op != op).unwrap_or(self.recorded.len());
            let kernel = self.plan.ops[op].call.kernel;
            for bound in self.plan.dispatches[first..end].iter().flat_map(|d| &d.bindings) {
                let Some(place) = bound.place.filter(|_| bound.access == Access::ReadWrite) else { continue };
                let state = kernel.port(&bound.name).is_some_and(|port| kernel.updates(port));
                self.poison(&place, (!state).then_some(poison))?;
            }
            let commands = self.device.guarded("recording a run", || {
                let mut encoder =
                    self.device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("guarded") });
                {
                    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                    self.recorded[first..end].iter().for_each(|r| dispatch(&mut pass, r));
                }
                encoder.finish()
            })?;
            self.device.submit(commands)?;
            first = end;
        }
        self.check_canaries()
    }

    /// Fills a binding with `poison` (if given) and its guard with canaries.
    fn poison(&self, place: &Place, poison: Option<u32>) -> Result<()> {
        let guard = self.plan.guard;
        let body = ((place.bytes - guard) / 4) as usize;
        if let Some(word) = poison {
            write_at(&self.device, &self.buffers[place.buffer], place.offset, &vec![word; body])?;
        }
        write_at(
            &self.device,
            &self.buffers[place.buffer],
            place.offset + place.bytes - guard,
            &vec![CANARY; (guard / 4) as usize],
        )
    }

    fn check_canaries(&self) -> Result<()> {
        let guard = self.plan.guard;
        let staging = self.device.buffer(
            "read-back",
            guard + STAMP_BYTES,
            wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        )?;
        let mut seen = vec![];
        for d in &self.plan.dispatches {
            for bound in d.bindings.iter().filter(|b| b.access == Access::ReadWrite) {
                let Some(place) = bound.place.filter(|p| !seen.contains(&p.buffer)) else { continue };
                seen.push(place.buffer);
                let tail = Place { offset: place.offset + place.bytes - guard, ..place };
                let words: Vec<u32> = bytemuck::pod_collect_to_vec(&self.fetch(&tail, guard, &staging)?);
                if let Some(at) = words.iter().position(|&w| w != CANARY) {
                    let label = self.plan.ops[d.op].label();
                    return Err(Error::Mismatch(format!(
                        "{label}: wrote {:#010x} to word {at} past the end of '{}'",
                        words[at], bound.name
                    )));
                }
            }
        }
        Ok(())
    }
}

fn write_at(device: &Device, held: &Held, offset: u64, words: &[u32]) -> Result<()> {
    device.upload(&held.raw, held.first + offset, bytemuck::cast_slice(words))
}

fn dispatch(pass: &mut wgpu::ComputePass<'_>, r: &Recorded) {
    if !r.early.is_empty() {
        let state = wgpu::BufferUses::STORAGE_READ_ONLY;
        let read = r.early.iter().map(|buffer| wgpu::BufferTransition { buffer, state });
        pass.transition_resources(read, std::iter::empty());
    }
    pass.set_pipeline(&r.pipeline.raw);
    pass.set_bind_group(0, &r.group, &[]);
    pass.dispatch_workgroups(r.grid[0], r.grid[1], r.grid[2]);
}

/// An error if the host cannot hold what a runner of `plan` adds to an adapter that lives in its memory.
fn expect_room(store: &Store, plan: &Plan, read_back: u64) -> Result<()> {
    let adapter = store.device().adapter();
    if !matches!(adapter.kind, AdapterKind::Cpu | AdapterKind::Integrated) {
        return Ok(());
    }
    let added = plan.buffers.iter().filter(|b| !store.holds(&b.kind, &b.spec));
    let needed = added.fold(read_back, |sum, b| sum.saturating_add(b.bytes));
    let available = available_memory();
    if needed > available {
        let (needed, available) = (bytes(needed), bytes(available));
        let message = format!("the plan needs {needed} on {}, and {available} of host memory are free", adapter.name);
        return Err(Error::OutOfMemory(message));
    }
    Ok(())
}

fn make_buffer(store: &Arc<Store>, plan: &Plan, buffer: &crate::plan::Buffer) -> Result<Held> {
    let whole = |raw| Held { raw, first: 0 };
    match &buffer.kind {
        BufferKind::Weight { key, part } => store.weight(key, *part, &buffer.spec),
        BufferKind::State(name) => store.state(name, &buffer.spec, buffer.bytes).map(whole),
        BufferKind::WeightArena(parts) => store.weight_arena(parts).map(whole),
        BufferKind::Folded(i) => store.upload("folded", store.folded(plan, &plan.folds[*i])?.bytes()).map(whole),
        BufferKind::Constant(value) => match &plan.graph.values[*value].source {
            Source::Constant(table) => store.upload("constant", table.bytes()).map(whole),
            other => panic!("bug: {other:?} is no constant"),
        },
        BufferKind::Input(name) => store.device().buffer(name, buffer.bytes, STORAGE).map(whole),
        BufferKind::Slot | BufferKind::Arena | BufferKind::Packed | BufferKind::Output | BufferKind::Absent => {
            store.device().buffer("slot", buffer.bytes, STORAGE).map(whole)
        }
    }
}

fn expect_bindings(plan: &Plan, max: u64) -> Result<()> {
    for d in plan.packing.iter().chain(&plan.dispatches) {
        for b in &d.bindings {
            if let Some(place) = b.place.filter(|p| p.bytes > max) {
                let message = format!("'{}' of {} bytes is larger than a binding ({max})", b.name, place.bytes);
                return Err(Error::limit(plan.ops[d.op].label(), message));
            }
        }
    }
    Ok(())
}

/// Pipelines, parameters and bind groups of every dispatch: of those that run once, and of a run.
fn record(device: &Arc<Device>, plan: &Plan, buffers: &[Held], checks: Checks) -> Result<[Vec<Recorded>; 2]> {
    let align = u64::from(device.adapter().uniform_alignment.max(16));
    let mut blocks: Vec<u8> = vec![];
    let mut at: HashMap<&[u8], u64> = HashMap::new();
    for d in plan.packing.iter().chain(&plan.dispatches) {
        if !d.params.is_empty() && !at.contains_key(d.params.as_slice()) {
            at.insert(&d.params, blocks.len() as u64);
            blocks.extend(&d.params);
            blocks.resize((blocks.len() as u64).next_multiple_of(align) as usize, 0);
        }
    }
    let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
    let uniforms = device.buffer("params", (blocks.len() as u64).max(16), usage)?;
    write(device, &uniforms, 0, &blocks)?;
    let pipeline = |d: &Dispatch| {
        let module = plan.shaders.module_with(plan.ops[d.op].variant().shader, &d.half)?;
        device.pipeline(&module, d.entry, &d.overrides, checks == Checks::On)
    };
    // All at once, as drivers take their time; the first that fails in the plan's order is the one that is reported.
    let mut seen = HashSet::new();
    let mut distinct: Vec<&Dispatch> = plan.packing.iter().chain(&plan.dispatches).collect();
    distinct.retain(|d| {
        let specialised = format!("{:?} {:?}", d.overrides, d.half);
        seen.insert((plan.ops[d.op].variant().shader, d.entry, specialised))
    });
    distinct.par_iter().map(|d| pipeline(d).map(drop)).collect::<Vec<_>>().into_iter().collect::<Result<()>>()?;
    let one = |d: &Dispatch| {
        let pipeline = pipeline(d)?;
        let entries: Vec<_> = d
            .bindings
            .iter()
            .map(|b| {
                let (buffer, offset, bytes) = match b.place {
                    Some(p) => (&buffers[p.buffer].raw, buffers[p.buffer].first + p.offset, p.bytes),
                    None => (&uniforms, at[d.params.as_slice()], d.params.len() as u64),
                };
                let size = std::num::NonZeroU64::new(bytes);
                wgpu::BindGroupEntry {
                    binding: b.number,
                    resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size }),
                }
            })
            .collect();
        device.count_bind_group();
        let group = device.guarded(&format!("binding {}", d.entry), || {
            device.raw.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(d.entry),
                layout: &pipeline.layout,
                entries: &entries,
            })
        })?;
        let early = d.early.iter().map(|&b| buffers[b].raw.clone()).collect();
        Ok(Recorded { early, pipeline, group, grid: d.grid })
    };
    let all = |list: &[Dispatch]| list.iter().map(one).collect::<Result<Vec<_>>>();
    Ok([all(&plan.packing)?, all(&plan.dispatches)?])
}

/// Runs what runs once, after the weights are there.
fn pack(device: &Device, packing: &[Recorded]) -> Result<()> {
    if packing.is_empty() {
        return Ok(());
    }
    let commands = device.guarded("packing weights", || {
        let mut encoder = device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("pack") });
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            packing.iter().for_each(|r| dispatch(&mut pass, r));
        }
        encoder.finish()
    })?;
    device.submit(commands).map(|_| ())
}

/// A check of ids against a table, for programs: a GPU reads zeros beyond a table without a word.
pub fn ids_in_range(name: &str, ids: &HostTensor, rows: usize) -> Result<()> {
    if ids.dtype() != Dtype::I32 {
        return Err(Error::tensor(name, format!("holds {}, not i32 ids", ids.dtype())));
    }
    match ids.as_i32()?.iter().find(|&&id| id < 0 || id as usize >= rows) {
        Some(id) => Err(Error::tensor(name, format!("id {id} is not in 0..{rows}"))),
        None => Ok(()),
    }
}
