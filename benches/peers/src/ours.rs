//! Handmill's side: kernels as a plan computes them, and models.

use std::collections::BTreeMap;
use std::sync::Arc;

use handmill::bench::{self, suite::values};
use handmill::check;
use handmill::device::Device;
use handmill::error::Result;
use handmill::graph::FixedGraph;
use handmill::kernel::Spec;
use handmill::plan::{Options, Plan};
use handmill::reference::{self, States};
use handmill::run::Runner;
use handmill::store::{Store, Weights};
use handmill::tensor::{Dtype, HostTensor};

use crate::measure::Contender;

/// A plan with its data in place, and the name of its result.
struct Ours {
    runner: Runner,
    output: &'static str,
}

impl Contender for Ours {
    fn run(&mut self, times: usize) -> Result<(), String> {
        let run = || (0..times).try_for_each(|_| self.runner.run()).and_then(|()| self.runner.wait());
        run().map_err(|e| e.to_string())
    }
    fn result(&mut self) -> Result<Vec<f32>, String> {
        let read = || Ok(self.runner.read(self.output)?.as_f32()?.to_vec());
        read().map_err(|e: handmill::Error| e.to_string())
    }
}

/// The variant of `case` that a plan takes, found within its bounds, and the reference's result.
///
/// # Errors
/// If it is not within its bounds, or the device fails
pub fn kernel(name: &str, case: &check::Case, device: &Arc<Device>) -> Result<(Box<dyn Contender>, Vec<f64>)> {
    let runner = bench::planned(name, case, device)?.runner;
    let expected = case.expected(device.tol())?.remove(0).values;
    Ok((Box::new(Ours { runner, output: case.kernel.outputs[0] }), expected))
}

/// A model with everything it reads, by name.
pub struct Model {
    /// Its graph.
    pub graph: Arc<FixedGraph>,
    /// Its weights, by key.
    pub weights: Arc<Weights>,
    /// Its inputs.
    pub inputs: BTreeMap<String, HostTensor>,
    /// Its states, such as caches, before a run.
    pub states: BTreeMap<String, HostTensor>,
    /// The result that is compared.
    pub output: &'static str,
}

impl Model {
    /// `graph` with made-up weights and states. Norms scale by about one; matrices keep the size of what they multiply.
    pub fn new(graph: FixedGraph, inputs: BTreeMap<String, HostTensor>, output: &'static str) -> Model {
        let mut specs: Vec<(String, Spec)> =
            graph.weights().map(|(key, spec)| (key.to_owned(), spec.clone())).collect();
        specs.sort_by(|a, b| a.0.cmp(&b.0));
        let made = |(i, (key, spec)): (usize, (String, Spec))| {
            let tensor = weight(&key, &spec, i as u32);
            (key, tensor)
        };
        let weights = Arc::new(Weights::new(specs.into_iter().enumerate().map(made)));
        let states =
            graph.states().enumerate().map(|(i, (name, spec))| (name.to_owned(), values(&spec.shape, 7000 + i as u32)));
        let states = states.collect();
        Model { graph: Arc::new(graph), weights, inputs, states, output }
    }

    /// The weight `key`.
    ///
    /// # Errors
    /// If the graph has none
    pub fn weight(&self, key: &str) -> Result<&HostTensor> {
        Ok(self.weights.get(key)?)
    }

    /// Weights, inputs and states, by name.
    pub fn data(&self) -> Vec<(String, HostTensor)> {
        let weights = self.weights.keys().filter_map(|key| Some((key.to_owned(), self.weight(key).ok()?.clone())));
        let others = self.inputs.iter().chain(&self.states).map(|(name, tensor)| (name.clone(), tensor.clone()));
        weights.chain(others).collect()
    }

    /// The plan on `device`, and the reference's result.
    ///
    /// # Errors
    /// If the plan cannot be made, or the device fails
    pub fn prepare(&self, device: &Arc<Device>) -> Result<(Box<dyn Contender>, Vec<f64>)> {
        let plan = Arc::new(Plan::with(&self.graph, device.adapter(), &Options::default())?);
        let store = Store::new(device, self.weights.clone());
        let runner = Runner::new(&store, &plan)?;
        self.states.iter().try_for_each(|(name, tensor)| store.set_state(name, tensor))?;
        self.inputs.iter().try_for_each(|(name, tensor)| runner.upload(name, tensor))?;
        let states = self.states.iter().map(|(name, tensor)| (name.clone(), tensor.to_f64())).collect();
        let mut states = States { states, ..States::default() };
        let results = reference::run(&self.graph, &self.weights, &self.inputs, &mut states)?;
        let found = results.into_iter().find(|(name, _)| name == self.output);
        let expected = found.expect("bug: a model without the result that is compared").1.to_f64();
        Ok((Box::new(Ours { runner, output: self.output }), expected))
    }
}

fn weight(key: &str, spec: &Spec, seed: u32) -> HostTensor {
    assert_eq!(spec.dtype, Dtype::F32, "bug: {key} is no f32");
    let random = values(&spec.shape, seed);
    let random = random.as_f32().expect("bug: values in f32");
    let fan_in = spec.shape.iter().skip(1).product::<usize>().max(1) as f32;
    let (scale, centre) = match spec.shape.len() {
        // Scales of norms, and biases.
        1 if key.ends_with("weight") => (0.1, 1.0),
        1 => (0.1, 0.0),
        _ => ((3.0 / fan_in).sqrt(), 0.0),
    };
    HostTensor::f32(&spec.shape, random.iter().map(|v| centre + scale * v).collect())
}
