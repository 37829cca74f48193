//! What the verbs share: which model, which device, which shaders.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use clap::{Args, ValueEnum};
use handmill::adapter::Adapter;
use handmill::device::{Device, Select};
use handmill::engine::{Engine, Tensors};
use handmill::error::{Error, Result};
use handmill::file::available_memory;
use handmill::graph::FixedGraph;
use handmill::kernel::Kernel;
use handmill::models::{self, Inputs, Loaded};
use handmill::plan::{Half, Options};
use handmill::programs::Context;
use handmill::shader::Shaders;
use handmill::store::Weights;
use handmill::tensor::{Dtype, HostTensor};
use handmill::tune::{self, Tuned};
use handmill::weights::{Checkpoint, FileDtype, load_tensors};

use crate::notice;

/// Storage of weights, states and what operations hand to each other.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StoredDtype {
    /// 32-bit floats.
    F32,
    /// 16-bit floats; arithmetic, inputs and results stay in 32 bits.
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

    /// The device that `--device` names, or a sentence that says why there is none.
    pub fn found(&self) -> Result<Result<Arc<Device>, String>> {
        if self.device == "reference" {
            return Ok(Err("the reference has no limits of its own".into()));
        }
        match Device::open(&Select::parse(&self.device)?) {
            Err(e @ Error::Adapter(_)) if self.device == "auto" => Ok(Err(e.to_string())),
            opened => opened.map(Ok),
        }
    }

    /// An adapter to compare with the reference.
    pub fn adapter(&self) -> Result<Arc<Device>> {
        if self.device == "reference" {
            let message = "there is nothing to verify: the reference would be compared with itself";
            return Err(Error::config("--device", message));
        }
        Device::open(&Select::parse(&self.device)?)
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
    #[command(flatten)]
    pub how: PlanArgs,
}

/// How a model is planned, and where.
#[derive(Args)]
pub struct PlanArgs {
    /// Random weights from this seed in place of the checkpoint
    #[arg(long, value_name = "SEED", allow_negative_numbers = true)]
    pub random: Option<u64>,
    /// Storage of weights, states and what operations hand to each other
    #[arg(long, value_enum, default_value = "f32")]
    pub dtype: StoredDtype,
    /// Plan within the limits of a named adapter too: webgpu, lavapipe, swiftshader, nvidia, apple
    #[arg(long, value_name = "NAME")]
    pub limits: Option<String>,
    /// Refuse a plan that needs more device memory than this
    #[arg(long, value_name = "BYTES", allow_negative_numbers = true)]
    pub max_memory: Option<u64>,
    /// Take every kernel's own choice of variant, whatever `handmill tune` has measured
    #[arg(long)]
    pub no_tune: bool,
    #[command(flatten)]
    pub device: DeviceArgs,
    /// What was measured, once it is read.
    #[arg(skip)]
    tuned: OnceLock<Arc<Tuned>>,
}

impl PlanArgs {
    /// The variants that were measured; files that hold none are a notice.
    fn tuned(&self) -> &Arc<Tuned> {
        self.tuned.get_or_init(|| {
            let (tuned, notices) = tune::cached();
            notices.iter().for_each(|text| notice(text));
            tuned
        })
    }

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
            half: if self.dtype == StoredDtype::F16 { Half::Values } else { Half::Nothing },
            shaders: self.device.shaders()?,
            max_bytes: self.max_memory,
            tuned: (!self.no_tune).then(|| self.tuned().clone()),
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
        check_memory(&*loaded.graph(&shapes, None)?)?;
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

    /// The model's own graph for `given` inputs, or for made-up ones, with its weights and those inputs.
    pub fn prepared(&self, loaded: &Loaded, given: Option<&Tensors>) -> Result<Prepared> {
        let given = given.map(|inputs| loaded.model.graph_inputs(inputs)).filter(|inputs| !inputs.is_empty());
        if let Some(inputs) = &given {
            (loaded.model.check)(&loaded.folder.config(), inputs)?;
        }
        let (graph, weights) = self.graph(loaded, &given.as_ref().map_or_else(Inputs::defaults, Inputs::of))?;
        let inputs = given.unwrap_or_else(|| sample_inputs(&graph));
        Ok(Prepared { graph, weights, inputs })
    }

    /// `device`'s limits, within the named ones.
    pub fn adapter(&self, device: &Device) -> Result<Adapter> {
        let own = device.adapter();
        Ok(self.limits()?.map_or_else(|| own.clone(), |limits| own.limited_to(&limits)))
    }

    /// The graph for `inputs`, with its weights.
    fn graph(&self, loaded: &Loaded, inputs: &Inputs) -> Result<(Arc<FixedGraph>, Arc<Weights>)> {
        let checkpoint = self.checkpoint(loaded)?;
        let keys = checkpoint.as_ref().map(|c| c.tensors().iter().map(|t| t.name.clone()).collect());
        let graph = loaded.graph(inputs, keys)?;
        check_memory(&graph)?;
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

/// A model's graph, with what it runs on.
pub struct Prepared {
    /// The graph.
    pub graph: Arc<FixedGraph>,
    /// Its weights.
    pub weights: Arc<Weights>,
    /// Its inputs.
    pub inputs: Tensors,
}

/// Refuses weights that the host cannot hold, before the first of them is made: an allocation that fails ends the
/// process, and one that the system regrets ends it later.
fn check_memory(graph: &FixedGraph) -> Result<()> {
    let need = graph.weights().fold(0u64, |sum, (_, spec)| sum.saturating_add(spec.bytes()));
    let there = available_memory();
    if need <= there {
        return Ok(());
    }
    Err(Error::limit("the weights", format!("need {need} bytes of host memory, {there} can be used")))
}

/// Named tensors of a file.
pub fn read_inputs(path: &Path) -> Result<Tensors> {
    load_tensors(path)
}

/// Inputs for a graph nobody gave any: normal-looking floats, ids and masks of 0 and 1.
fn sample_inputs(graph: &FixedGraph) -> Tensors {
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

/// The inputs of `kernel` in a file, in the dtypes of its ports: f16 and u32 where file and port both say so,
/// and any integers, range-checked, for a port of u32 alone.
pub fn read_ports(path: &Path, kernel: &Kernel) -> Result<Tensors> {
    if path.is_dir() {
        return Err(Error::file(path, "is a folder, not a file"));
    }
    let file = Checkpoint::open(path)?;
    let mut tensors = Tensors::new();
    for info in file.tensors() {
        let Some(port) = kernel.inputs.iter().find(|port| port.name == info.name) else {
            let known: Vec<_> = kernel.inputs.iter().map(|p| p.name).collect();
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            return Err(Error::tensor(&info.name, format!("is no input of {}; it has {known}", kernel.name)));
        };
        let takes = |dtype| port.dtypes.contains(&dtype);
        let dtype = match info.dtype {
            FileDtype::F16 if takes(Dtype::F16) => Dtype::F16,
            FileDtype::U32 if takes(Dtype::U32) => Dtype::U32,
            FileDtype::F16 | FileDtype::BF16 | FileDtype::F32 | FileDtype::F64 => Dtype::F32,
            _ if takes(Dtype::U32) && !takes(Dtype::I32) => Dtype::U32,
            _ => Dtype::I32,
        };
        if !takes(dtype) {
            let names: Vec<_> = port.dtypes.iter().map(|d| d.name()).collect();
            return Err(Error::tensor(port.name, format!("is {dtype}, expected {}", names.join(" or "))));
        }
        tensors.insert(info.name.clone(), file.load_as(&info.name, dtype)?);
    }
    Ok(tensors)
}

/// Refuses, before anything is computed, an output that could not be written or would replace an input.
pub fn check_output(path: &Path, inputs: &[PathBuf]) -> Result<()> {
    if path.is_dir() {
        return Err(Error::file(path, "is a folder, not a file"));
    }
    let folder = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(Error::file(path, format!("cannot be written: there is no folder {}", folder.display())));
    }
    let Ok(target) = path.canonicalize() else { return Ok(()) };
    match inputs.iter().any(|input| input.canonicalize().is_ok_and(|input| input == target)) {
        true => Err(Error::file(path, "is an input too; write the outputs to another file")),
        false => Ok(()),
    }
}
