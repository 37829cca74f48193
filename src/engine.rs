//! One way to run a graph on a GPU or on the reference: an [`Engine`] chosen once, an [`Executor`] that owns
//! weights and states, and a [`Session`] for each graph.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::adapter::Adapter;
use crate::device::{Device, Select};
use crate::error::{Error, Result};
use crate::graph::FixedGraph;
use crate::kernel::Spec;
use crate::plan::{Options, Plan};
use crate::reference::{self, States};
use crate::run::Runner;
use crate::store::{Store, Weights};
use crate::tensor::HostTensor;
use crate::watch::expect_finite;

/// Named tensors: the inputs of a run.
pub type Tensors = BTreeMap<String, HostTensor>;

/// What computes.
#[derive(Clone)]
pub enum Engine {
    /// An adapter.
    Gpu(Arc<Device>),
    /// The f64 reference on the CPU.
    Reference,
}

impl Engine {
    /// Opens what `--device` names: `auto`, `gpu`, `gpu:N`, a part of an adapter's name, or `reference`.
    ///
    /// `auto` without an adapter takes the reference and returns a sentence that says so.
    pub fn open(name: &str) -> Result<(Engine, Option<String>)> {
        if name == "reference" {
            return Ok((Engine::Reference, None));
        }
        match Device::open(&Select::parse(name)?) {
            Ok(device) => Ok((Engine::Gpu(device), None)),
            Err(e @ Error::Adapter(_)) if name == "auto" => {
                Ok((Engine::Reference, Some(format!("{e}; running the CPU reference, which is slow and exact"))))
            }
            Err(e) => Err(e),
        }
    }

    /// The device, if there is one.
    pub fn device(&self) -> Option<&Arc<Device>> {
        match self {
            Engine::Gpu(device) => Some(device),
            Engine::Reference => None,
        }
    }

    /// The adapter's name, or `reference`.
    pub fn name(&self) -> &str {
        self.device().map_or("reference", |d| &d.adapter().name)
    }

    /// An executor over `weights`.
    pub fn executor(&self, weights: Arc<Weights>) -> Executor {
        match self {
            Engine::Gpu(device) => Executor::Gpu(Store::new(device, weights)),
            Engine::Reference => Executor::Reference(weights, Arc::default()),
        }
    }
}

/// Weights and states, shared by the sessions made from it.
#[derive(Clone)]
pub enum Executor {
    /// On a device.
    Gpu(Arc<Store>),
    /// On the CPU.
    Reference(Arc<Weights>, Arc<Mutex<States>>),
}

impl Executor {
    /// Prepares `graph`. `limits` plans it for a smaller adapter too.
    pub fn session(&self, graph: &Arc<FixedGraph>, options: &Options, limits: Option<&Adapter>) -> Result<Session> {
        match self {
            Executor::Gpu(store) => {
                let own = store.device().adapter();
                let adapter = limits.map_or_else(|| own.clone(), |l| own.limited_to(l));
                let plan = Arc::new(Plan::with(graph, &adapter, options)?);
                Ok(Session::Gpu(Box::new(Runner::new(store, &plan)?)))
            }
            Executor::Reference(weights, states) => {
                Ok(Session::Reference(graph.clone(), weights.clone(), states.clone()))
            }
        }
    }

    /// Gives the weights that `graph` updates together their places, before the first session of graphs that share them.
    ///
    /// # Errors
    /// As [`Store::prepare`]
    pub fn prepare(&self, graph: &FixedGraph) -> Result<()> {
        match self {
            Executor::Gpu(store) => store.prepare(graph),
            Executor::Reference(..) => Ok(()),
        }
    }

    /// A weight as runs have left it.
    ///
    /// # Errors
    /// [`Error::Tensor`] if there is no such weight; what the device says
    pub fn weight(&self, key: &str) -> Result<HostTensor> {
        match self {
            Executor::Gpu(store) => store.read_weight(key),
            Executor::Reference(weights, states) => {
                let host = weights.get(key)?;
                let states = states.lock().unwrap_or_else(|e| e.into_inner());
                let updated = states.weights.get(key).map(|v| HostTensor::from_f64(host.dtype(), host.shape(), v));
                Ok(updated.unwrap_or_else(|| host.as_ref().clone()))
            }
        }
    }

    /// Gives a weight other values.
    ///
    /// # Errors
    /// As [`Store::set_weight`]
    pub fn set_weight(&self, key: &str, tensor: &HostTensor) -> Result<()> {
        match self {
            Executor::Gpu(store) => store.set_weight(key, tensor),
            Executor::Reference(_, states) => {
                let mut states = states.lock().unwrap_or_else(|e| e.into_inner());
                states.weights.insert(key.to_owned(), tensor.to_f64());
                Ok(())
            }
        }
    }

    /// The values of a state of `spec` as runs have left it, zeros where none has touched it.
    ///
    /// # Errors
    /// What the device says
    pub fn state(&self, name: &str, spec: &Spec) -> Result<HostTensor> {
        let found = match self {
            Executor::Gpu(store) => store.read_state(name)?,
            Executor::Reference(_, states) => {
                let states = states.lock().unwrap_or_else(|e| e.into_inner());
                states.states.get(name).map(|v| HostTensor::from_f64(spec.dtype, &spec.shape, v))
            }
        };
        Ok(found.unwrap_or_else(|| HostTensor::zeros(spec.dtype, &spec.shape)))
    }

    /// Gives a state its values.
    ///
    /// # Errors
    /// [`Error::Tensor`] if it has another shape elsewhere; what the device says
    pub fn set_state(&self, name: &str, tensor: &HostTensor) -> Result<()> {
        match self {
            Executor::Gpu(store) => store.set_state(name, tensor),
            Executor::Reference(_, states) => {
                let mut states = states.lock().unwrap_or_else(|e| e.into_inner());
                states.states.insert(name.to_owned(), tensor.to_f64());
                Ok(())
            }
        }
    }

    /// Rounds the updated weights and the states to f32, as a device holds them and a file of them does: so a training
    /// that goes on from a file goes on with the same numbers.
    pub fn round(&self) {
        if let Executor::Reference(_, states) = self {
            let mut states = states.lock().unwrap_or_else(|e| e.into_inner());
            let States { states, weights } = &mut *states;
            states.values_mut().chain(weights.values_mut()).flatten().for_each(|v| *v = f64::from(*v as f32));
        }
    }

    /// Makes every state zero again.
    pub fn clear_states(&self) -> Result<()> {
        match self {
            Executor::Gpu(store) => store.clear_states(),
            Executor::Reference(_, states) => {
                states.lock().unwrap_or_else(|e| e.into_inner()).states.clear();
                Ok(())
            }
        }
    }
}

/// A graph ready to run.
pub enum Session {
    /// On a device.
    Gpu(Box<Runner>),
    /// On the CPU.
    Reference(Arc<FixedGraph>, Arc<Weights>, Arc<Mutex<States>>),
}

impl Session {
    /// Runs with `inputs` and returns every result. Unknown names are an error; missing ones too.
    pub fn run(&self, inputs: &Tensors) -> Result<Vec<(String, HostTensor)>> {
        self.run_for(inputs, |_| true)
    }

    /// As [`Session::run_for`], for a plan that does not reuse memory.
    ///
    /// # Errors
    /// As [`Session::run`], and [`Error::NotFinite`] that names the first node with a result that is not finite
    pub fn run_watched(&self, inputs: &Tensors, wanted: impl Fn(&str) -> bool) -> Result<Vec<(String, HostTensor)>> {
        match self {
            Session::Gpu(runner) => {
                let results = self.run_for(inputs, wanted)?;
                expect_finite(runner)?;
                Ok(results)
            }
            Session::Reference(graph, weights, states) => {
                let mut states = states.lock().unwrap_or_else(|e| e.into_inner());
                let mut results = reference::run_watched(graph, weights, inputs, &mut states)?;
                results.retain(|(name, _)| wanted(name));
                Ok(results)
            }
        }
    }

    /// As [`Session::run`]; returns the results whose names are `wanted`.
    ///
    /// # Errors
    /// As [`Session::run`]
    pub fn run_for(&self, inputs: &Tensors, wanted: impl Fn(&str) -> bool) -> Result<Vec<(String, HostTensor)>> {
        match self {
            Session::Gpu(runner) => {
                for (name, _) in runner.plan().graph.inputs() {
                    if !inputs.contains_key(name) {
                        return Err(Error::tensor(name, "the input is missing"));
                    }
                }
                inputs.iter().try_for_each(|(name, tensor)| runner.upload(name, tensor))?;
                let results = runner.plan().results.iter().map(|r| r.0.as_str());
                let results: Vec<&str> = results.filter(|n| wanted(n)).collect();
                if let [name] = results[..] {
                    return Ok(vec![(name.to_owned(), runner.run_and_read(name)?)]);
                }
                runner.run()?;
                results.into_iter().map(|name| Ok((name.to_owned(), runner.read(name)?))).collect()
            }
            Session::Reference(graph, weights, states) => {
                let mut states = states.lock().unwrap_or_else(|e| e.into_inner());
                let mut results = reference::run(graph, weights, inputs, &mut states)?;
                results.retain(|(name, _)| wanted(name));
                Ok(results)
            }
        }
    }
}
