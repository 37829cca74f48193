//! Adapters, devices and pipelines. With `run.rs` the only place that touches wgpu.
//!
//! wgpu reports failures in four ways: error scopes (of the calling thread), an uncaptured-error handler,
//! a lost-device callback, and panics. Every call that can fail goes through `Device::guarded`, which
//! turns all four into an [`Error`].

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::time::Duration;

use crate::adapter::{Adapter, AdapterKind};
use crate::check::Tol;
use crate::cooperative;
use crate::error::{Error, Result};
use crate::file::fnv;
use crate::guard::guarded;
use crate::shader::{Access, Entry, Module};
use crate::store::room;

mod cache;
mod select;

pub use select::Select;

use cache::PipelineCache;

/// How long a submission may take, unless `HANDMILL_TIMEOUT` (seconds, 0 for ever) says otherwise. Drivers
/// of real GPUs give up much earlier; a large model on a software adapter needs minutes.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Uploads wait in memory of the driver until the next submission; beyond this many bytes they are sent.
const MAX_PENDING_UPLOADS: u64 = 64 << 20;

/// Runs `f`; a panic becomes the first line of its message.
fn caught<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    guarded(f).map_err(|text| text.lines().next().unwrap_or_default().to_owned())
}

/// Objects of the driver, dropped without a panic: those of a lost device may raise one.
pub(crate) struct Owned<T>(Option<T>);

impl<T> Owned<T> {
    pub(crate) fn new(value: T) -> Owned<T> {
        Owned(Some(value))
    }
}

impl<T> Deref for Owned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.0.as_ref().expect("bug: only drop takes the value")
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        let value = self.0.take();
        let _ = caught(|| drop(value));
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// How often the engine made an object of the driver.
#[derive(Debug, Default)]
pub struct Counters {
    buffers: AtomicU64,
    bind_groups: AtomicU64,
    pipelines: AtomicU64,
    submissions: AtomicU64,
}

/// A reading of [`Counters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Buffers made.
    pub buffers: u64,
    /// Bind groups made.
    pub bind_groups: u64,
    /// Pipelines made.
    pub pipelines: u64,
    /// Command buffers submitted.
    pub submissions: u64,
}

fn instance() -> Result<wgpu::Instance> {
    caught(|| wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle())).map_err(Error::Adapter)
}

fn found(instance: &wgpu::Instance) -> Result<Vec<wgpu::Adapter>> {
    let backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    caught(|| pollster::block_on(instance.enumerate_adapters(backends))).map_err(Error::Adapter)
}

/// Every adapter, in the order of their numbers.
pub fn adapters() -> Result<Vec<Adapter>> {
    Ok(found(&instance()?)?.iter().map(profile).collect())
}

/// Index of the adapter that [`Select::Auto`] takes.
pub fn preferred(adapters: &[Adapter]) -> Option<usize> {
    let rank = |a: &Adapter| match a.kind {
        AdapterKind::Discrete => 0,
        AdapterKind::Integrated => 1,
        AdapterKind::Other => 2,
        AdapterKind::Cpu => 3,
    };
    (0..adapters.len()).min_by_key(|&i| rank(&adapters[i]))
}

fn profile(adapter: &wgpu::Adapter) -> Adapter {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    let f16 = features.contains(wgpu::Features::SHADER_F16);
    let subgroup =
        features.contains(wgpu::Features::SUBGROUP).then_some((info.subgroup_min_size, info.subgroup_max_size));
    let llvmpipe = info.name.contains("llvmpipe") || info.driver.contains("llvmpipe");
    Adapter {
        name: info.name,
        backend: format!("{:?}", info.backend),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        kind: match info.device_type {
            wgpu::DeviceType::Cpu => AdapterKind::Cpu,
            wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
            _ => AdapterKind::Other,
        },
        f16,
        f16_denied_by: None,
        cooperative: cooperative::offered(adapter, f16, subgroup),
        subgroup,
        timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES),
        max_binding: limits.max_storage_buffer_binding_size,
        max_buffer: limits.max_buffer_size,
        max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
        max_groups: limits.max_compute_workgroups_per_dimension,
        max_invocations: limits.max_compute_invocations_per_workgroup,
        max_workgroup_bytes: limits.max_compute_workgroup_storage_size,
        storage_alignment: limits.min_storage_buffer_offset_alignment,
        uniform_alignment: limits.min_uniform_buffer_offset_alignment,
        max_loop_iterations: llvmpipe.then_some(65_535),
    }
}

/// A compiled entry point.
pub(crate) struct Pipeline {
    pub(crate) raw: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
}

#[derive(PartialEq, Eq, Hash, Clone)]
struct PipelineKey {
    shader: String,
    source: u64,
    entry: &'static str,
    overrides: String,
    checked: bool,
}

/// A pipeline, once compiled; its lock is held meanwhile, so that threads do not compile it twice.
type PipelineCell = Arc<Mutex<Option<Arc<Pipeline>>>>;

/// An open adapter. Shared by runners and threads.
pub struct Device {
    // Dropped in this order.
    cache: Owned<Option<PipelineCache>>,
    pipelines: Owned<Mutex<HashMap<PipelineKey, PipelineCell>>>,
    pub(crate) queue: Owned<wgpu::Queue>,
    pub(crate) raw: Owned<wgpu::Device>,
    adapter: Adapter,
    lost: Arc<Mutex<Option<String>>>,
    uncaptured: Arc<Mutex<Option<String>>>,
    timeout: Mutex<Option<Duration>>,
    pending_uploads: AtomicU64,
    last: Mutex<Option<wgpu::SubmissionIndex>>,
    pub(crate) counters: Counters,
    refused: Option<String>,
}

/// Leave to use experimental features, where one is asked for.
#[allow(unsafe_code)]
fn experimental(asked: bool) -> wgpu::ExperimentalFeatures {
    if asked {
        // SAFETY: only cooperative matrices are asked for, and `cooperative::wrong` tries them before a plan may.
        unsafe { wgpu::ExperimentalFeatures::enabled() }
    } else {
        wgpu::ExperimentalFeatures::disabled()
    }
}

impl Device {
    /// Opens an adapter with all it offers.
    pub fn open(select: &Select) -> Result<Arc<Device>> {
        let instance = instance()?;
        let all = found(&instance)?;
        let profiles: Vec<_> = all.iter().map(profile).collect();
        let names =
            || profiles.iter().enumerate().map(|(i, p)| format!("gpu:{i} {}", p.name)).collect::<Vec<_>>().join(", ");
        if all.is_empty() {
            return Err(Error::Adapter("none was found; a software driver such as Mesa's lavapipe will do".into()));
        }
        let index = match select {
            Select::Auto => preferred(&profiles),
            Select::Index(i) => Some(*i).filter(|i| *i < all.len()),
            Select::Name(n) => profiles.iter().position(|p| p.name.to_lowercase().contains(&n.to_lowercase())),
        };
        let index = index.ok_or_else(|| Error::Adapter(format!("{select} is none of {}", names())))?;
        Device::from_adapter(&all[index])
    }

    /// Opens `adapter`; cooperative matrices that compute a small product wrong are off.
    fn from_adapter(adapter: &wgpu::Adapter) -> Result<Arc<Device>> {
        let mut device = Device::with_all(adapter)?;
        if let Some(reason) = cooperative::wrong(&device) {
            device.alive()?;
            let opened = Arc::get_mut(&mut device).expect("bug: a finished test still holds the device");
            opened.adapter.cooperative = None;
            opened.refused = Some(reason);
        }
        Ok(device)
    }

    fn with_all(adapter: &wgpu::Adapter) -> Result<Arc<Device>> {
        let wanted = wgpu::Features::TIMESTAMP_QUERY
            | wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES
            | wgpu::Features::SUBGROUP
            | wgpu::Features::SHADER_F16
            | wgpu::Features::PIPELINE_CACHE;
        let profile = profile(adapter);
        let asked = profile.cooperative.is_some();
        let cooperative = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX & adapter.features();
        let cooperative = if asked { cooperative } else { wgpu::Features::empty() };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("handmill"),
            required_features: (wanted & adapter.features()) | cooperative,
            experimental_features: experimental(asked),
            required_limits: adapter.limits(),
            ..Default::default()
        };
        let opened = caught(|| pollster::block_on(adapter.request_device(&descriptor)));
        let opened = opened.and_then(|opened| opened.map_err(|e| e.to_string()));
        let (raw, queue) = opened.map_err(|e| Error::Adapter(format!("{} cannot be opened: {e}", profile.name)))?;
        let cache = pipeline_cache(&raw, adapter);
        let lost = Arc::new(Mutex::new(None));
        let on_lost = lost.clone();
        raw.set_device_lost_callback(move |reason, text| {
            lock(&on_lost).get_or_insert(format!("{reason:?}: {text}"));
        });
        let uncaptured = Arc::new(Mutex::new(None));
        let on_error = uncaptured.clone();
        raw.on_uncaptured_error(Arc::new(move |e: wgpu::Error| {
            lock(&on_error).get_or_insert(e.to_string());
        }));
        Ok(Arc::new(Device {
            cache: Owned::new(cache),
            pipelines: Owned::new(Mutex::default()),
            queue: Owned::new(queue),
            raw: Owned::new(raw),
            adapter: profile,
            lost,
            uncaptured,
            timeout: Mutex::new(timeout_from(std::env::var("HANDMILL_TIMEOUT").ok().as_deref())?),
            pending_uploads: AtomicU64::new(0),
            last: Mutex::new(None),
            counters: Counters::default(),
            refused: None,
        }))
    }

    /// How long to wait for a submission before the device counts as lost; `None` waits for ever.
    ///
    /// The time runs from when somebody waits, so earlier work of the queue counts too.
    pub fn set_timeout(&self, timeout: Option<Duration>) {
        *lock(&self.timeout) = timeout;
    }

    /// What it can do.
    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// Why cooperative matrices that the adapter offers are off.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// The rounding model its results are held to.
    pub fn tol(&self) -> Tol {
        let known = self.adapter.name.contains("llvmpipe") || self.adapter.name.contains("NVIDIA");
        if known { Tol::GOLD } else { Tol::SPEC }
    }

    /// How often the engine made each kind of driver object so far.
    pub fn counts(&self) -> Counts {
        let read = |c: &AtomicU64| c.load(Ordering::Relaxed);
        let c = &self.counters;
        Counts {
            buffers: read(&c.buffers),
            bind_groups: read(&c.bind_groups),
            pipelines: read(&c.pipelines),
            submissions: read(&c.submissions),
        }
    }

    /// Gives the device up; later calls are errors. For tests of device loss.
    pub fn destroy(&self) {
        self.lose("it was destroyed");
        let _ = caught(|| self.raw.destroy());
    }

    fn lose(&self, reason: &str) {
        lock(&self.lost).get_or_insert(reason.to_owned());
    }

    fn alive(&self) -> Result<()> {
        match &*lock(&self.lost) {
            Some(reason) => Err(Error::DeviceLost(reason.clone())),
            None => Ok(()),
        }
    }

    /// Runs driver calls of this thread; a refusal, a lost device or a panic becomes an error about `call`.
    pub(crate) fn guarded<T>(&self, call: &str, f: impl FnOnce() -> T) -> Result<T> {
        self.alive()?;
        let run = || {
            let memory = self.raw.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
            let validation = self.raw.push_error_scope(wgpu::ErrorFilter::Validation);
            let internal = self.raw.push_error_scope(wgpu::ErrorFilter::Internal);
            let value = f();
            let errors = [internal.pop(), validation.pop()].map(pollster::block_on);
            (value, errors, pollster::block_on(memory.pop()))
        };
        let (value, errors, memory) = caught(run).map_err(|reason| {
            self.lose(&reason);
            Error::DeviceLost(reason)
        })?;
        self.alive()?;
        if let Some(e) = memory {
            return Err(Error::OutOfMemory(format!("{call} on {}: {e}", self.adapter.name)));
        }
        let uncaptured = lock(&self.uncaptured).take();
        let refused = errors.into_iter().flatten().next().map(|e| e.to_string()).or(uncaptured);
        match refused {
            Some(message) => Err(Error::Driver { call: call.to_owned(), message: message.trim().to_owned() }),
            None => Ok(value),
        }
    }

    /// A buffer for storage and copies.
    pub(crate) fn buffer(&self, label: &str, bytes: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer> {
        self.counters.buffers.fetch_add(1, Ordering::Relaxed);
        let descriptor =
            wgpu::BufferDescriptor { label: Some(label), size: bytes.max(4), usage, mapped_at_creation: false };
        self.guarded(&format!("a buffer of {bytes} bytes for {label}"), || self.raw.create_buffer(&descriptor))
    }

    /// Submits, and fails if the device did.
    pub(crate) fn submit(&self, commands: wgpu::CommandBuffer) -> Result<wgpu::SubmissionIndex> {
        self.counters.submissions.fetch_add(1, Ordering::Relaxed);
        self.enqueue("a submission", Some(commands))
    }

    fn enqueue(&self, call: &str, commands: Option<wgpu::CommandBuffer>) -> Result<wgpu::SubmissionIndex> {
        // Lavapipe's vkQueueSubmit blocks while work is in the queue; a wait has a timeout, a submission has none.
        let last = Some(&self.last).filter(|_| self.adapter.kind == AdapterKind::Cpu).and_then(|l| lock(l).clone());
        if let Some(last) = last {
            self.wait(&last)?;
        }
        self.pending_uploads.store(0, Ordering::Relaxed);
        let submitted = self.guarded(call, || self.queue.submit(commands))?;
        *lock(&self.last) = Some(submitted.clone());
        Ok(submitted)
    }

    /// Writes into a buffer before the next submission. Now and then waits, to bound what the driver keeps.
    pub(crate) fn upload(&self, buffer: &wgpu::Buffer, offset: u64, bytes: &[u8]) -> Result<()> {
        self.guarded("an upload", || self.queue.write_buffer(buffer, offset, bytes))?;
        let pending = self.pending_uploads.fetch_add(bytes.len() as u64, Ordering::Relaxed) + bytes.len() as u64;
        if pending <= MAX_PENDING_UPLOADS {
            return Ok(());
        }
        let submitted = self.enqueue("an upload", None)?;
        self.wait(&submitted)
    }

    /// Waits for a submission, but no longer than the timeout.
    pub(crate) fn wait(&self, index: &wgpu::SubmissionIndex) -> Result<()> {
        let timeout = *lock(&self.timeout);
        let wait = wgpu::PollType::Wait { submission_index: Some(index.clone()), timeout };
        match self.guarded("waiting", || self.raw.poll(wait))? {
            Ok(_) => Ok(()),
            Err(wgpu::PollError::Timeout) => {
                let seconds = timeout.unwrap_or_default().as_secs_f64();
                let reason = format!("no answer within {seconds} s (HANDMILL_TIMEOUT, in seconds, allows more)");
                self.lose(&reason);
                // Dropping the last handle would wait for the work that does not end: keep one for ever.
                std::mem::forget(((*self.queue).clone(), (*self.raw).clone()));
                Err(Error::DeviceLost(reason))
            }
            Err(e) => Err(Error::Driver { call: "waiting".into(), message: e.to_string() }),
        }
    }

    /// The first `size` bytes of a mappable buffer once `submitted` is finished.
    pub(crate) fn map(&self, staging: &wgpu::Buffer, size: u64, submitted: &wgpu::SubmissionIndex) -> Result<Vec<u8>> {
        let (send, receive) = mpsc::channel();
        self.guarded("mapping a result", || {
            staging.slice(..size).map_async(wgpu::MapMode::Read, move |r| {
                let _ = send.send(r);
            });
        })?;
        self.wait(submitted)?;
        // Another thread's wait may have taken the callback, and be about to call it.
        match receive.recv_timeout(Duration::from_secs(10)) {
            Ok(Ok(())) => {}
            Ok(Err(e)) => return Err(Error::Driver { call: "mapping a result".into(), message: e.to_string() }),
            Err(_) => return Err(Error::DeviceLost("a result was never mapped".into())),
        }
        let data = self.guarded("reading a result", || {
            let data = staging.slice(..size).get_mapped_range().map(|view| {
                let mut data = room(view.len(), "a result")?;
                data.extend_from_slice(&view);
                Ok(data)
            });
            staging.unmap();
            data
        })?;
        data.map_err(|e| Error::Driver { call: "reading a result".into(), message: e.to_string() })?
    }

    /// The pipeline of an entry point; compiled once.
    ///
    /// Built-in shaders run without bounds checks, unless `checked`; all others always with them.
    pub(crate) fn pipeline(
        &self,
        module: &Module,
        entry: &'static str,
        overrides: &[(String, f64)],
        checked: bool,
    ) -> Result<Arc<Pipeline>> {
        let checked = checked || !module.built_in;
        let key = PipelineKey {
            shader: module.name.clone(),
            source: fnv(module.source.as_bytes()),
            entry,
            overrides: format!("{overrides:?}"),
            checked,
        };
        let cell = lock(&self.pipelines).entry(key).or_default().clone();
        let mut compiled = lock(&cell);
        if let Some(found) = &*compiled {
            return Ok(found.clone());
        }
        self.counters.pipelines.fetch_add(1, Ordering::Relaxed);
        let call = format!("compiling {} of {}", entry, module.name);
        let pipeline = Arc::new(self.guarded(&call, || self.compile(module, entry, overrides, checked))?);
        *compiled = Some(pipeline.clone());
        Ok(pipeline)
    }

    #[allow(unsafe_code)]
    fn compile(&self, module: &Module, entry: &'static str, overrides: &[(String, f64)], checked: bool) -> Pipeline {
        let source = wgpu::ShaderSource::Wgsl(module.source.as_str().into());
        let descriptor = wgpu::ShaderModuleDescriptor { label: Some(&module.name), source };
        let shader = if checked {
            self.raw.create_shader_module(descriptor)
        } else {
            // SAFETY: built-in sources only. The kernel tests run each of them with checks on and off, with
            // canaries inside every output binding, and require equal bits.
            unsafe { self.raw.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
        };
        let layout = self.layout(&module.entries[entry]);
        let pipeline_layout = self.raw.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(entry),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let constants: Vec<_> = overrides.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let raw = self.raw.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(entry),
            layout: Some(&pipeline_layout),
            module: &shader,
            entry_point: Some(entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                zero_initialize_workgroup_memory: false,
            },
            cache: self.cache.as_ref().map(|cache| &cache.raw),
        });
        Pipeline { raw, layout }
    }

    fn layout(&self, entry: &Entry) -> wgpu::BindGroupLayout {
        let kind = |access| match access {
            Access::Uniform => wgpu::BufferBindingType::Uniform,
            Access::Read => wgpu::BufferBindingType::Storage { read_only: true },
            Access::ReadWrite => wgpu::BufferBindingType::Storage { read_only: false },
        };
        let entries: Vec<_> = entry
            .bindings
            .iter()
            .map(|b| wgpu::BindGroupLayoutEntry {
                binding: b.number,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer { ty: kind(b.access), has_dynamic_offset: false, min_binding_size: None },
                count: None,
            })
            .collect();
        self.raw.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries })
    }

    pub(crate) fn count_bind_group(&self) {
        self.counters.bind_groups.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let made = self.counts().pipelines;
        if let (Some(cache), true, Ok(())) = (&*self.cache, made > 0, self.alive()) {
            let _ = caught(|| cache.save());
        }
    }
}

/// The pipelines that earlier processes compiled on `adapter`, where its driver hands them out.
#[allow(unsafe_code)]
fn pipeline_cache(device: &wgpu::Device, adapter: &wgpu::Adapter) -> Option<PipelineCache> {
    let there = device.features().contains(wgpu::Features::PIPELINE_CACHE);
    let path = there.then(|| cache::path(&adapter.get_info())).flatten()?;
    let data = cache::read(&path);
    let descriptor = wgpu::PipelineCacheDescriptor { label: None, data: data.as_deref(), fallback: true };
    // SAFETY: the bytes are those that `PipelineCache::save` took from a cache of the same adapter and driver: their
    // checksum is that of the file, and wgpu checks the header with the adapter's ids once more.
    let raw = caught(|| unsafe { device.create_pipeline_cache(&descriptor) }).ok()?;
    Some(PipelineCache { raw, path, data })
}

fn timeout_from(variable: Option<&str>) -> Result<Option<Duration>> {
    let Some(text) = variable else { return Ok(Some(TIMEOUT)) };
    let seconds = text.parse::<f64>().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    let seconds =
        seconds.ok_or_else(|| Error::config("HANDMILL_TIMEOUT", format!("'{text}' is no number of seconds")))?;
    Ok((!seconds.is_zero()).then_some(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_seconds() {
        assert_eq!(timeout_from(None).unwrap(), Some(TIMEOUT));
        assert_eq!(timeout_from(Some("0")).unwrap(), None);
        assert_eq!(timeout_from(Some("1.5")).unwrap(), Some(Duration::from_millis(1500)));
        for bad in ["", "x", "-1", "inf", "NaN", "1e300"] {
            let message = format!("HANDMILL_TIMEOUT: '{bad}' is no number of seconds");
            assert_eq!(timeout_from(Some(bad)).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn what_panics_when_dropped_is_dropped_quietly() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        drop(Owned::new(vec![Bomb]));
    }

    #[test]
    fn an_error_outside_every_scope_fails_the_next_call() {
        let Ok(device) = Device::open(&Select::Auto) else {
            assert!(std::env::var_os("HANDMILL_REQUIRE_GPU").is_none_or(|v| v != "1"), "no adapter was found");
            return println!("ignored: no adapter was found");
        };
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::STORAGE;
        let refused = wgpu::BufferDescriptor { label: None, size: 64, usage, mapped_at_creation: false };
        drop(device.raw.create_buffer(&refused));
        let next = device.buffer("x", 64, wgpu::BufferUsages::STORAGE);
        assert!(matches!(next, Err(Error::Driver { .. })), "{:?}", next.map(|_| ()));
        device.buffer("x", 64, wgpu::BufferUsages::STORAGE).expect("the error is reported once");
    }
}
