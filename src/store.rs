//! Weights and states by name: the owner that runners of one device share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use half::f16;

use crate::device::{Device, Owned, lock};
use crate::error::{Error, Result};
use crate::file::bytes;
use crate::graph::{ARENA_ALIGN, FixedGraph, Source};
use crate::kernel::{Part, Ref, Role, Spec};
use crate::plan::{BufferKind, Fold, Plan};
use crate::shape::Dims;
use crate::tensor::{Data, Dtype, HostTensor};

/// Weights in host memory, by checkpoint key.
#[derive(Debug, Clone, Default)]
pub struct Weights {
    tensors: HashMap<String, Arc<HostTensor>>,
}

impl Weights {
    /// From named tensors.
    pub fn new(tensors: impl IntoIterator<Item = (String, HostTensor)>) -> Weights {
        Weights { tensors: tensors.into_iter().map(|(k, t)| (k, Arc::new(t))).collect() }
    }

    /// Seeded stand-ins for a checkpoint: normal with standard deviation 1/√fan_in (0.02 for tables of
    /// embeddings), ones for scales of norms, zeros for biases. Running variances are ones.
    pub fn random(graph: &FixedGraph, seed: u64) -> Weights {
        let mut sorted: Vec<_> = graph.weights().collect();
        sorted.sort_by_key(|(key, _)| key.to_owned());
        Weights::new(sorted.into_iter().map(|(key, spec)| (key.to_owned(), random_weight(key, spec, seed))))
    }

    /// The tensor called `key`.
    pub fn get(&self, key: &str) -> Result<&Arc<HostTensor>> {
        self.tensors.get(key).ok_or_else(|| Error::tensor(key, "the weight is not loaded"))
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The tensor called `key`, which must have `spec`'s shape.
    fn shaped(&self, key: &str, spec: &Spec, part: Option<Part>) -> Result<&Arc<HostTensor>> {
        let tensor = self.get(key)?;
        let fits = match part {
            None => tensor.shape() == spec.shape,
            Some(p) => tensor.shape()[1..] == spec.shape[1..] && p.first + p.rows <= tensor.shape()[0],
        };
        if !fits {
            let message = format!("the weight is {}, and the model uses {}", Dims(tensor.shape()), Dims(&spec.shape));
            return Err(Error::tensor(key, message));
        }
        Ok(tensor)
    }
}

fn random_weight(key: &str, spec: &Spec, seed: u64) -> HostTensor {
    let name = key.rsplit('.').next().unwrap_or(key);
    let constant = |v: f32| HostTensor::f32(&spec.shape, vec![v; spec.len()]);
    if name == "running_var" || (spec.shape.len() <= 1 && name == "weight") {
        return constant(1.0);
    }
    if name.contains("bias") || name == "running_mean" {
        return constant(0.0);
    }
    let table = ["wte", "wpe", "embedding"].iter().any(|t| key.contains(t));
    let fan_in = spec.shape.iter().skip(1).product::<usize>().max(1);
    let deviation = if table { 0.02 } else { 1.0 / (fan_in as f64).sqrt() };
    let mut state =
        key.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let mut uniform = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    let values = (0..spec.len()).map(|_| {
        let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
        (deviation * radius * (std::f64::consts::TAU * uniform()).cos()) as f32
    });
    HostTensor::f32(&spec.shape, values.collect())
}

type WeightKey = (String, Option<(usize, usize)>, Dtype);

fn weight_key(key: &str, part: Option<Part>, spec: &Spec) -> WeightKey {
    (key.to_owned(), part.map(|p| (p.first, p.rows)), spec.dtype)
}

/// A buffer, from byte `first` on.
#[derive(Clone)]
pub(crate) struct Held {
    pub raw: wgpu::Buffer,
    pub first: u64,
}

/// Device buffers of weights and states.
pub struct Store {
    device: Arc<Device>,
    weights: Arc<Weights>,
    uploaded: Owned<Mutex<HashMap<WeightKey, Held>>>,
    states: Owned<Mutex<HashMap<String, (Spec, wgpu::Buffer)>>>,
}

impl Store {
    /// A store over `weights` on `device`; nothing is uploaded until a runner needs it.
    pub fn new(device: &Arc<Device>, weights: Arc<Weights>) -> Arc<Store> {
        let (uploaded, states) = (Owned::new(Mutex::default()), Owned::new(Mutex::default()));
        Arc::new(Store { device: device.clone(), weights, uploaded, states })
    }

    /// The device.
    pub fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// The weights in host memory.
    pub fn weights(&self) -> &Arc<Weights> {
        &self.weights
    }

    /// True if a runner of this store already made the buffer.
    pub(crate) fn holds(&self, kind: &BufferKind, spec: &Spec) -> bool {
        match kind {
            BufferKind::Weight { key, part } => lock(&self.uploaded).contains_key(&weight_key(key, *part, spec)),
            BufferKind::State(name) => lock(&self.states).contains_key(name),
            BufferKind::WeightArena(parts) => {
                let uploaded = lock(&self.uploaded);
                parts.iter().all(|(key, spec, _)| uploaded.contains_key(&weight_key(key, None, spec)))
            }
            _ => false,
        }
    }

    /// The buffer of a weight, uploaded once.
    pub(crate) fn weight(&self, key: &str, part: Option<Part>, spec: &Spec) -> Result<Held> {
        let id = weight_key(key, part, spec);
        let mut uploaded = lock(&self.uploaded);
        if let Some(buffer) = uploaded.get(&id) {
            return Ok(buffer.clone());
        }
        let tensor = self.weights.shaped(key, spec, part)?;
        let tensor = converted(tensor, spec.dtype, key)?;
        let row = tensor.bytes().len() / tensor.shape().first().copied().unwrap_or(1).max(1);
        let content = match part {
            None => tensor.bytes(),
            Some(p) => &tensor.bytes()[p.first * row..(p.first + p.rows) * row],
        };
        let held = Held { raw: self.upload(key, content)?, first: 0 };
        uploaded.insert(id, held.clone());
        Ok(held)
    }

    /// Gives the weights that `graph` updates together their places, side by side. Before the first runner of graphs
    /// that share weights, so that all of them find the same ones.
    ///
    /// # Errors
    /// [`Error::Tensor`] if a weight is missing or already lies elsewhere
    pub fn prepare(&self, graph: &FixedGraph) -> Result<()> {
        graph.weight_arenas().iter().try_for_each(|parts| self.weight_arena(parts).map(|_| ()))
    }

    /// The buffer of weights that are updated together, uploaded once.
    pub(crate) fn weight_arena(&self, parts: &[(String, Spec, usize)]) -> Result<wgpu::Buffer> {
        let mut uploaded = lock(&self.uploaded);
        let found = |(key, spec, _): &(String, Spec, usize)| uploaded.get(&weight_key(key, None, spec)).cloned();
        let there: Vec<Option<Held>> = parts.iter().map(found).collect();
        if let Some(Some(first)) = there.first() {
            let same = |((_, _, at), held): (&(String, Spec, usize), &Option<Held>)| {
                held.as_ref().is_some_and(|h| h.raw == first.raw && h.first == 4 * *at as u64)
            };
            if parts.iter().zip(&there).all(same) {
                return Ok(first.raw.clone());
            }
        }
        if let Some(at) = there.iter().position(Option::is_some) {
            return Err(Error::tensor(
                &parts[at].0,
                "already lies elsewhere on the device; training begins before other runs",
            ));
        }
        let end = |(_, spec, at): &(String, Spec, usize)| (at + spec.len().next_multiple_of(ARENA_ALIGN)) as u64;
        let raw =
            self.device.buffer("weights", 4 * parts.iter().map(end).max().unwrap_or(ARENA_ALIGN as u64), STORAGE)?;
        clear(&self.device, &raw)?;
        for (key, spec, at) in parts {
            let tensor = converted(self.weights.shaped(key, spec, None)?, spec.dtype, key)?;
            write(&self.device, &raw, 4 * *at as u64, tensor.bytes())?;
            uploaded.insert(weight_key(key, None, spec), Held { raw: raw.clone(), first: 4 * *at as u64 });
        }
        Ok(raw)
    }

    /// A weight as it is on the device, where runs may have updated it.
    ///
    /// # Errors
    /// [`Error::Tensor`] if there is no such weight; what the device says
    pub fn read_weight(&self, key: &str) -> Result<HostTensor> {
        let host = self.weights.get(key)?;
        let spec = Spec::new(host.dtype(), host.shape());
        let held = lock(&self.uploaded).get(&weight_key(key, None, &spec)).cloned();
        match held {
            Some(held) => Ok(HostTensor::from_bytes(spec.dtype, &spec.shape, &self.read(&held, spec.bytes())?)),
            None => Ok(host.as_ref().clone()),
        }
    }

    /// Gives a weight other values, wherever it lies; all runners of the store see them.
    ///
    /// # Errors
    /// [`Error::Tensor`] if `tensor` has another shape, or no runner has asked for the weight yet
    pub fn set_weight(&self, key: &str, tensor: &HostTensor) -> Result<()> {
        let spec = Spec::new(tensor.dtype(), tensor.shape());
        self.weights.shaped(key, &spec, None)?;
        let held = lock(&self.uploaded).get(&weight_key(key, None, &spec)).cloned();
        let held = held.ok_or_else(|| Error::tensor(key, "is not on the device yet"))?;
        write(&self.device, &held.raw, held.first, tensor.bytes())
    }

    /// The values of a state; `None` if no runner or caller has made it.
    ///
    /// # Errors
    /// What the device says
    pub fn read_state(&self, name: &str) -> Result<Option<HostTensor>> {
        let found = lock(&self.states).get(name).cloned();
        found
            .map(|(spec, raw)| {
                let bytes = self.read(&Held { raw, first: 0 }, spec.bytes())?;
                Ok(HostTensor::from_bytes(spec.dtype, &spec.shape, &bytes))
            })
            .transpose()
    }

    /// Bytes of a buffer. A stamp written before and read with them tells that the copy was made.
    fn read(&self, held: &Held, bytes: u64) -> Result<Vec<u8>> {
        const STAMP: [u8; 8] = *b"HANDMILL";
        let copy = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let stamp = self.device.buffer("stamp", STAMP.len() as u64, copy)?;
        write(&self.device, &stamp, 0, &STAMP)?;
        let size = bytes + STAMP.len() as u64;
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = self.device.buffer("read-back", size, usage)?;
        let commands = self.device.guarded("recording a read-back", || {
            let mut encoder =
                self.device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("read") });
            encoder.copy_buffer_to_buffer(&held.raw, held.first, &staging, 0, bytes);
            encoder.copy_buffer_to_buffer(&stamp, 0, &staging, bytes, STAMP.len() as u64);
            encoder.finish()
        })?;
        let submitted = self.device.submit(commands)?;
        let mut data = self.device.map(&staging, size, &submitted)?;
        if data.split_off(bytes as usize) != STAMP {
            return Err(Error::DeviceLost("a read-back did not finish".into()));
        }
        Ok(data)
    }

    /// A buffer with `bytes`.
    pub(crate) fn upload(&self, label: &str, bytes: &[u8]) -> Result<wgpu::Buffer> {
        let buffer = self.device.buffer(label, (bytes.len() as u64).next_multiple_of(4), STORAGE)?;
        write(&self.device, &buffer, 0, bytes)?;
        Ok(buffer)
    }

    /// The values of a folded weight: `w · scale[channel]`, or `b · scale + shift`.
    pub(crate) fn folded(&self, plan: &Plan, fold: &Fold) -> Result<HostTensor> {
        let value = |id: usize| match &plan.graph.values[id].source {
            Source::Weight(key) => Ok(self.weights.get(key)?.to_f64()),
            other => panic!("bug: {other:?} was folded"),
        };
        let inputs: Vec<Option<Vec<f64>>> =
            fold.inputs.iter().map(|v| v.map(value).transpose()).collect::<Result<_>>()?;
        let views: Vec<Option<&[f64]>> = inputs.iter().map(Option::as_deref).collect();
        let Role::ChannelAffine(rule) = fold.affine.kernel.fusion.role else {
            panic!("bug: folded a kernel without a rule")
        };
        let (scale, shift) = rule(&Ref { call: &fold.affine, inputs: &views, tol: self.device.tol() });
        let base = fold.base.map(value).transpose()?;
        if fold.bias {
            let b = base.unwrap_or_else(|| vec![0.0; fold.channels]);
            let b: Vec<f64> = (0..fold.channels).map(|c| b[c] * scale[c] + shift[c]).collect();
            return Ok(HostTensor::from_f64(Dtype::F32, &[fold.channels], &b));
        }
        let w = base.expect("bug: a folded weight has a base");
        let each = w.len() / fold.channels;
        let w: Vec<f64> = w.iter().enumerate().map(|(i, v)| v * scale[i / each]).collect();
        Ok(HostTensor::from_f64(Dtype::F32, &[w.len()], &w))
    }

    /// The buffer of a state, zero at first; `bytes` may exceed the state's own by a guard.
    pub(crate) fn state(&self, name: &str, spec: &Spec, bytes: u64) -> Result<wgpu::Buffer> {
        let mut states = lock(&self.states);
        if let Some((known, buffer)) = states.get(name) {
            if known != spec || buffer.size() < bytes {
                let message = format!("the state is {} elsewhere and {} here", Dims(&known.shape), Dims(&spec.shape));
                return Err(Error::tensor(name, message));
            }
            return Ok(buffer.clone());
        }
        let buffer = self.device.buffer(name, bytes, STORAGE)?;
        clear(&self.device, &buffer)?;
        states.insert(name.to_owned(), (spec.clone(), buffer.clone()));
        Ok(buffer)
    }

    /// Gives a state its values (all runners of the store see them).
    pub fn set_state(&self, name: &str, tensor: &HostTensor) -> Result<()> {
        let spec = Spec::new(tensor.dtype(), tensor.shape());
        let buffer = self.state(name, &spec, spec.bytes())?;
        write(&self.device, &buffer, 0, tensor.bytes())
    }

    /// Makes every state zero again.
    pub fn clear_states(&self) -> Result<()> {
        let states = lock(&self.states);
        states.values().try_for_each(|(_, buffer)| clear(&self.device, buffer))
    }
}

/// What every buffer of a plan may be used for.
pub(crate) const STORAGE: wgpu::BufferUsages =
    wgpu::BufferUsages::STORAGE.union(wgpu::BufferUsages::COPY_DST).union(wgpu::BufferUsages::COPY_SRC);

/// Bytes of one upload: bounds the driver's staging memory.
const PIECE: usize = 32 << 20;

/// Fills a buffer with zeros.
fn clear(device: &Device, buffer: &wgpu::Buffer) -> Result<()> {
    let size = buffer.size() as usize;
    let zeros = vec![0; size.min(1 << 20)];
    (0..size)
        .step_by(zeros.len())
        .try_for_each(|at| device.upload(buffer, at as u64, &zeros[..zeros.len().min(size - at)]))
}

/// Writes `bytes`, padded to whole words, from byte `first` on.
pub(crate) fn write(device: &Device, buffer: &wgpu::Buffer, first: u64, bytes: &[u8]) -> Result<()> {
    let (words, rest) = bytes.split_at(bytes.len() / 4 * 4);
    for (i, piece) in words.chunks(PIECE).enumerate() {
        device.upload(buffer, first + (i * PIECE) as u64, piece)?;
    }
    if !rest.is_empty() {
        let mut word = [0; 4];
        word[..rest.len()].copy_from_slice(rest);
        device.upload(buffer, first + words.len() as u64, &word)?;
    }
    Ok(())
}

/// An empty list with room for `n` values, or an error where `Vec` would abort the process.
pub(crate) fn room<T>(n: usize, what: &str) -> Result<Vec<T>> {
    let mut list = vec![];
    list.try_reserve_exact(n).map_err(|_| {
        let size = bytes((n as u64).saturating_mul(size_of::<T>() as u64));
        Error::OutOfMemory(format!("{what} needs {size} of host memory"))
    })?;
    Ok(list)
}

fn converted(tensor: &Arc<HostTensor>, dtype: Dtype, key: &str) -> Result<Arc<HostTensor>> {
    match (tensor.data(), dtype) {
        _ if tensor.dtype() == dtype => Ok(tensor.clone()),
        (Data::F32(v), Dtype::F16) => {
            let mut narrow = room(v.len(), key)?;
            narrow.extend(v.iter().map(|&x| f16::from_f32(x)));
            Ok(Arc::new(HostTensor::f16(tensor.shape(), narrow)))
        }
        (Data::F16(v), Dtype::F32) => {
            let mut wide = room(v.len(), key)?;
            wide.extend(v.iter().map(|x| x.to_f32()));
            Ok(Arc::new(HostTensor::f32(tensor.shape(), wide)))
        }
        _ => Err(Error::tensor(key, format!("the weight is {}, and the model uses {dtype}", tensor.dtype()))),
    }
}
