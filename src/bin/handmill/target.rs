//! What the verbs share: which model, which device, which shaders.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use handmill::adapter::Adapter;
use handmill::engine::{Engine, Tensors};
use handmill::error::{Error, Result};
use handmill::graph::FixedGraph;
use handmill::models::{self, Inputs, Loaded};
use handmill::plan::Options;
use handmill::programs::Context;
use handmill::shader::Shaders;
use handmill::store::Weights;
use handmill::tensor::{Data, Dtype, HostTensor};
use handmill::weights::{Checkpoint, load_tensors};

use crate::notice;

/// Storage of weights.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WeightDtype {
    /// 32-bit floats.
    F32,
    /// 16-bit floats where a kernel can read them; arithmetic stays in 32 bits.
    F16,
}

/// Which device and shaders.
#[derive(Args)]
pub struct DeviceArgs {
    /// auto, gpu, gpu:N, a part of an adapter's name, or reference
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Read WGSL from this folder where it has a file, instead of what is built in
    #[arg(long, value_name = "DIR")]
    pub shaders: Option<PathBuf>,
}

impl DeviceArgs {
    /// Opens the device; a fallback is a notice.
    pub fn engine(&self) -> Result<Engine> {
        let (engine, fallback) = Engine::open(&self.device)?;
        fallback.iter().for_each(|text| notice(text));
        Ok(engine)
    }

    /// The WGSL sources.
    pub fn shaders(&self) -> Result<Arc<Shaders>> {
        self.shaders.as_ref().map_or_else(|| Ok(Shaders::built_in()), Shaders::folder)
    }
}

/// Which model, and how it is planned.
#[derive(Args)]
pub struct ModelArgs {
    /// Model folder: config.json, safetensors
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Random weights from this seed in place of the checkpoint
    #[arg(long, value_name = "SEED")]
    pub random: Option<u64>,
    /// Storage of weights
    #[arg(long, value_enum, default_value = "f32")]
    pub dtype: WeightDtype,
    /// Plan within the limits of a named adapter too: webgpu, lavapipe, swiftshader, nvidia
    #[arg(long, value_name = "NAME")]
    pub limits: Option<String>,
    /// Refuse a plan that needs more device memory than this
    #[arg(long, value_name = "BYTES")]
    pub max_memory: Option<u64>,
    #[command(flatten)]
    pub device: DeviceArgs,
}

impl ModelArgs {
    /// The named limits.
    pub fn limits(&self) -> Result<Option<Adapter>> {
        let Some(name) = self.limits.as_deref().filter(|n| *n != "adapter") else { return Ok(None) };
        let names = || Adapter::profiles().into_iter().map(|p| p.name).collect::<Vec<_>>().join(", ");
        let found = Adapter::named(name)
            .ok_or_else(|| Error::config("--limits", format!("'{name}' is none of adapter, {}", names())))?;
        Ok(Some(found))
    }

    /// Plan options.
    pub fn options(&self) -> Result<Options> {
        Ok(Options {
            f16_weights: self.dtype == WeightDtype::F16,
            shaders: self.device.shaders()?,
            max_bytes: self.max_memory,
            ..Options::default()
        })
    }

    /// The model's checkpoint, unless random weights are asked for.
    pub fn checkpoint(&self, loaded: &Loaded) -> Result<Option<Checkpoint>> {
        if self.random.is_some() { Ok(None) } else { loaded.folder.checkpoint().map(Some) }
    }

    /// The model with its weights on `engine`, ready for `inputs`.
    pub fn context(&self, loaded: &Loaded, engine: &Engine, inputs: &Tensors) -> Result<Context> {
        (loaded.model.check)(&loaded.folder.config(), inputs)?;
        let shapes = loaded.model.shapes(inputs);
        let mut context = match self.random {
            Some(seed) => Context::random_for(loaded.model, loaded.folder.config(), &shapes, engine, seed)?,
            None => {
                let (context, notices) = Context::open_for(loaded, &shapes, engine)?;
                notices.iter().for_each(|text| notice(text));
                context
            }
        };
        context.options = self.options()?;
        context.limits = self.limits()?;
        Ok(context)
    }

    /// The graph for `inputs`, with its weights.
    pub fn graph(&self, loaded: &Loaded, inputs: &Inputs) -> Result<(Arc<FixedGraph>, Arc<Weights>)> {
        let checkpoint = self.checkpoint(loaded)?;
        let keys = checkpoint.as_ref().map(|c| c.tensors().iter().map(|t| t.name.clone()).collect());
        let graph = loaded.graph(inputs, keys)?;
        let weights = match &checkpoint {
            None => models::random_weights(&graph, self.random.unwrap_or(0)),
            Some(checkpoint) => {
                let (weights, notices) = loaded.weights(checkpoint, &graph)?;
                notices.iter().for_each(|text| notice(text));
                weights
            }
        };
        Ok((graph, weights))
    }
}

/// Named tensors of a file.
pub fn read_inputs(path: &Path) -> Result<Tensors> {
    load_tensors(path)
}

/// Inputs for a graph nobody gave any: normal-looking floats, ids and masks of 0 and 1.
pub fn sample_inputs(graph: &FixedGraph) -> Tensors {
    let value = |i: usize| ((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / f64::from(1 << 23) - 1.0;
    let tensor = |spec: &handmill::Spec| {
        let values: Vec<f64> = match spec.dtype {
            Dtype::I32 | Dtype::U32 => (0..spec.len()).map(|i| (i % 2) as f64).collect(),
            _ => (0..spec.len()).map(value).collect(),
        };
        HostTensor::from_f64(spec.dtype, &spec.shape, &values)
    };
    graph.inputs().map(|(name, spec)| (name.to_owned(), tensor(spec))).collect()
}

/// `tensor` as a port wants it: files know neither u32 nor (as loaded) f16.
pub fn as_dtype(name: &str, tensor: HostTensor, dtypes: &[Dtype]) -> Result<HostTensor> {
    if dtypes.contains(&tensor.dtype()) {
        return Ok(tensor);
    }
    match (tensor.data(), dtypes.contains(&Dtype::U32)) {
        (Data::I32(values), true) => Ok(HostTensor::u32(tensor.shape(), values.iter().map(|&v| v as u32).collect())),
        _ => {
            let names: Vec<_> = dtypes.iter().map(|d| d.name()).collect();
            Err(Error::tensor(name, format!("is {}, expected {}", tensor.dtype(), names.join(" or "))))
        }
    }
}
