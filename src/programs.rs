//! Programs: loops on the host over plans, where what happens next depends on what came out.

use std::sync::Arc;

use crate::adapter::Adapter;
use crate::config::Config;
use crate::engine::{Engine, Executor, Session, Tensors};
use crate::error::Result;
use crate::graph::{FixedGraph, Graph};
use crate::models::{self, Inputs, Loaded, Model};
use crate::plan::Options;

mod beams;
pub mod characters;
pub mod ddpm;
pub mod decoder;
pub mod generate;
pub mod request;
pub mod rules;
pub mod sample;
pub mod seq2seq;

/// What a model does beside its graph: some inputs ask for it, and it has outputs of its own.
pub struct Program {
    /// The inputs it needs.
    pub needs: &'static [&'static str],
    /// Those of them that the model's graph does not take: one of them asks for the program. Where there is
    /// none, all it needs together do.
    pub own: &'static [&'static str],
    /// Runs it and returns its outputs by name. An input that it needs and that is missing is its error.
    pub run: fn(&Context, &Tensors) -> Result<Tensors>,
}

impl Program {
    /// True if `inputs` ask for it.
    pub fn wanted(&self, inputs: &Tensors) -> bool {
        let given = |name: &&str| inputs.contains_key(*name);
        if self.own.is_empty() { self.needs.iter().all(given) } else { self.own.iter().any(given) }
    }
}

/// A model with its weights on an engine: what programs make sessions from, all over one set of weights.
pub struct Context {
    /// The model.
    pub model: &'static Model,
    /// `config.json`.
    pub config: Config,
    /// `generation_config.json`, and `config.json` where the first says nothing.
    pub generation: Config,
    /// The checkpoint's keys, when there is a checkpoint.
    pub keys: Option<Vec<String>>,
    /// Weights and states.
    pub executor: Executor,
    /// How plans are made.
    pub options: Options,
    /// A smaller adapter that plans must fit too.
    pub limits: Option<Adapter>,
}

impl Context {
    /// The model of a folder with its checkpoint's weights, and notices about the files.
    ///
    /// # Errors
    /// Whatever is wrong with the folder, its configuration or its weights
    pub fn open(loaded: &Loaded, engine: &Engine) -> Result<(Context, Vec<String>)> {
        Context::open_for(loaded, &Inputs::defaults(), engine)
    }

    /// As [`Context::open`], with the weights that a graph for `inputs` takes: optional ones may bring their own.
    ///
    /// # Errors
    /// As [`Context::open`]
    pub fn open_for(loaded: &Loaded, inputs: &Inputs, engine: &Engine) -> Result<(Context, Vec<String>)> {
        let checkpoint = loaded.folder.checkpoint()?;
        let keys: Vec<String> = checkpoint.tensors().iter().map(|t| t.name.clone()).collect();
        let graph = loaded.graph(inputs, Some(keys.clone()))?;
        let (weights, notices) = loaded.weights(&checkpoint, &graph)?;
        let context = Context {
            model: loaded.model,
            config: loaded.folder.config(),
            generation: loaded.folder.generation(),
            keys: Some(keys),
            executor: engine.executor(weights),
            options: Options::default(),
            limits: None,
        };
        Ok((context, notices))
    }

    /// The model of `config` with seeded random weights.
    ///
    /// # Errors
    /// Whatever is wrong with the configuration
    pub fn random(model: &'static Model, config: Config, engine: &Engine, seed: u64) -> Result<Context> {
        Context::random_for(model, config, &Inputs::defaults(), engine, seed)
    }

    /// As [`Context::random`], with the weights that a graph for `inputs` takes.
    ///
    /// # Errors
    /// As [`Context::random`]
    pub fn random_for(
        model: &'static Model,
        config: Config,
        inputs: &Inputs,
        engine: &Engine,
        seed: u64,
    ) -> Result<Context> {
        let graph = models::build(model, &config, inputs, None)?;
        Ok(Context {
            model,
            generation: config.clone(),
            config,
            keys: None,
            executor: engine.executor(models::random_weights(&graph, seed)),
            options: Options::default(),
            limits: None,
        })
    }

    /// The model's own graph for `inputs`, checked and ready to run.
    ///
    /// # Errors
    /// Whatever is wrong with the inputs, the configuration or the plan
    pub fn session(&self, inputs: &Tensors) -> Result<Session> {
        (self.model.check)(&self.config, inputs)?;
        let graph = models::build(self.model, &self.config, &Inputs::of(inputs), self.keys.clone())?;
        self.executor.session(&graph, &self.options, self.limits.as_ref())
    }

    /// Every output that `inputs` ask for: those of the graph, and the program's where its inputs are given.
    ///
    /// # Errors
    /// Whatever is wrong with the inputs, the configuration or the plan
    pub fn run(&self, inputs: &Tensors) -> Result<Tensors> {
        let program = self.model.program.as_ref().filter(|p| p.wanted(inputs));
        let graph_inputs = self.model.graph_inputs(inputs);
        let mut outputs = Tensors::new();
        if program.is_none() || !graph_inputs.is_empty() {
            outputs.extend(self.session(&graph_inputs)?.run(&graph_inputs)?);
        }
        if let Some(program) = program {
            outputs.extend((program.run)(self, inputs)?);
        }
        Ok(outputs)
    }

    /// Another graph over the model's weights, such as a phase of generation.
    ///
    /// # Errors
    /// Whatever is wrong with the configuration or the graph
    pub fn graph_of(&self, build: impl FnOnce(&Graph, &Config)) -> Result<Arc<FixedGraph>> {
        let graph = models::graph_for(self.model, self.keys.clone());
        build(&graph, &self.config);
        self.config.finish()?;
        Ok(Arc::new(graph.build()?))
    }

    /// As [`Context::graph_of`], ready to run.
    ///
    /// # Errors
    /// As [`Context::graph_of`], and whatever is wrong with the plan
    pub fn session_of(&self, build: impl FnOnce(&Graph, &Config)) -> Result<Session> {
        self.executor.session(&self.graph_of(build)?, &self.options, self.limits.as_ref())
    }
}
