//! The registry of models. One file a model; each builds a fixed graph under the names of the library whose
//! checkpoints it loads.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::Config;
use crate::engine::Tensors;
use crate::error::{Error, Result};
use crate::file::excerpt;
use crate::folder::ModelFolder;
use crate::graph::{FixedGraph, Graph, Tensor};
use crate::kernel::Spec;
use crate::programs::Program;
use crate::store::Weights;
use crate::tensor::Dtype;
use crate::train::init::Init;
use crate::weights::Checkpoint;

pub mod attention;
pub mod feedforward;
pub mod generative;
pub mod layers;
pub mod predictors;
pub mod recurrent;
pub mod transformers;
pub mod words;

/// A model: its name, where it comes from, and the function that builds its graph.
pub struct Model {
    /// `architectures[0]` or `_class_name` of `config.json`.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// Section of the catalogue of models.
    pub section: &'static str,
    /// Paper or documentation.
    pub source: &'static str,
    /// Config keys, `key [default]`.
    pub config: &'static [&'static str],
    /// Inputs, `name (shape)`.
    pub inputs: &'static [&'static str],
    /// Outputs, `name (shape)`.
    pub outputs: &'static [&'static str],
    /// Prefixes a checkpoint may have before the model's keys.
    pub prefixes: &'static [&'static str],
    /// Checkpoint keys that the model has no use for and that are not worth a notice.
    pub ignorable: fn(&str) -> bool,
    /// Builds the graph. Mistakes of the config are remembered by it, those of shapes by the graph.
    pub build: fn(&Graph, &Config, &Inputs),
    /// Checks the values of inputs before a run: ids and positions that a device would read past without a word.
    pub check: fn(&Config, &Tensors) -> Result<()>,
    /// What it does beside its graph, such as generation.
    pub program: Option<Program>,
    /// How it is trained; `None` where it is not.
    pub trains: Option<Trains>,
    /// What the model's paper says a weight begins with, by key and shape; `None` where it follows its layer.
    pub init: fn(&Config, &str, &[usize]) -> Option<Init>,
    /// Shapes of the states `h_0`, and `c_0` if there is one, that truncated back-propagation hands from one batch of
    /// these shapes to the next; `None` where there are none.
    pub carries: Option<Carries>,
}

/// Shapes of hidden states, from the configuration and the shapes of a batch.
pub type Carries = fn(&Config, &BTreeMap<String, Spec>) -> Vec<Vec<usize>>;

/// How a model is trained.
#[derive(Debug, Clone, Copy)]
pub struct Trains {
    /// The output that losses compare.
    pub output: &'static str,
    /// The tensor of a batch that it is compared with.
    pub target: &'static str,
    /// Losses it can be trained with; the first is the one its paper or the notes take.
    pub losses: &'static [&'static str],
}

impl Model {
    /// Defaults for the fields most models leave alone.
    pub const BASE: Model = Model {
        name: "",
        title: "",
        section: "",
        source: "",
        config: &[],
        inputs: &[],
        outputs: &[],
        prefixes: &[],
        ignorable: |_| false,
        build: |_, _, _| {},
        check: |_, _| Ok(()),
        program: None,
        trains: None,
        init: |_, _, _| None,
        carries: None,
    };

    /// The shapes to build the graph for, where `inputs` are given; its defaults, where only a program is asked.
    pub fn shapes(&self, inputs: &Tensors) -> Inputs {
        let inputs = self.graph_inputs(inputs);
        if inputs.is_empty() { Inputs::defaults() } else { Inputs::of(&inputs) }
    }

    /// `inputs` without those that only the model's program takes.
    pub fn graph_inputs(&self, inputs: &Tensors) -> Tensors {
        let own = self.program.as_ref().map_or(&[][..], |p| p.own);
        inputs.iter().filter(|(name, _)| !own.contains(&name.as_str())).map(|(n, t)| (n.clone(), t.clone())).collect()
    }
}

/// Families of models, in the order of the catalogue.
pub static FAMILIES: &[&[&Model]] = &[
    predictors::MODELS,
    feedforward::MODELS,
    recurrent::MODELS,
    attention::MODELS,
    transformers::MODELS,
    generative::MODELS,
    words::MODELS,
    layers::MODELS,
];

/// Every model, in the order of the catalogue.
pub fn all() -> impl Iterator<Item = &'static Model> {
    FAMILIES.iter().flat_map(|models| models.iter().copied())
}

/// The model called `name`.
pub fn named(name: &str) -> Result<&'static Model> {
    find("config.json", name)
}

/// The model called `name` in the file `place`.
fn find(place: &str, name: &str) -> Result<&'static Model> {
    all().find(|m| m.name == name).ok_or_else(|| {
        let near = nearest(name).join(", ");
        let name = excerpt(name);
        let message = format!("the architecture {name} is not one of the models; the nearest are {near}");
        Error::config(place, message)
    })
}

/// The three models whose names are most like `name`.
fn nearest(name: &str) -> Vec<&'static str> {
    let name: String = name.to_lowercase().chars().take(64).collect();
    let likeness = |m: &Model| strsim::jaro_winkler(&name, &m.name.to_lowercase());
    let mut names: Vec<_> = all().map(|m| (likeness(m), m.name)).collect();
    names.sort_by(|a, b| b.0.total_cmp(&a.0));
    names.into_iter().take(3).map(|(_, name)| name).collect()
}

/// The inputs a graph is built for: shapes as given by a caller, or defaults.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    given: Option<BTreeMap<String, Spec>>,
}

impl Inputs {
    /// No inputs given: every model input takes its default shape, optional ones are absent.
    pub fn defaults() -> Inputs {
        Inputs { given: None }
    }

    /// The shapes of `tensors`.
    pub fn of(tensors: &Tensors) -> Inputs {
        let specs = tensors.iter().map(|(n, t)| (n.clone(), Spec::new(t.dtype(), t.shape())));
        Inputs { given: Some(specs.collect()) }
    }

    /// Explicit shapes.
    pub fn shapes(specs: impl IntoIterator<Item = (String, Spec)>) -> Inputs {
        Inputs { given: Some(specs.into_iter().collect()) }
    }

    /// True if the input `name` is given.
    pub fn has(&self, name: &str) -> bool {
        self.given.as_ref().is_some_and(|g| g.contains_key(name))
    }

    /// True if the input `name` is given, or none is and the graph is built for defaults: for models of several
    /// parts, each with an input of its own.
    pub fn asks(&self, name: &str) -> bool {
        self.given.as_ref().is_none_or(|g| g.contains_key(name))
    }

    /// The input `name`: of the given shape, else of `default`. A required input that is not among the given
    /// ones is an error of the graph.
    #[track_caller]
    pub fn tensor<'g>(&self, graph: &'g Graph, name: &str, dtype: Dtype, default: &[usize]) -> Tensor<'g> {
        match &self.given {
            None => graph.input(name, dtype, default),
            Some(given) => match given.get(name) {
                Some(spec) if spec.dtype == dtype => graph.input(name, dtype, &spec.shape),
                Some(spec) => {
                    graph.reject(name, format!("the input is {}, expected {dtype}", spec.dtype));
                    graph.input(name, dtype, default)
                }
                None => {
                    let known = given.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                    let known = if known.is_empty() { "none is given".into() } else { format!("given are {known}") };
                    graph.reject(name, format!("the input is missing; {known}"));
                    graph.input(name, dtype, default)
                }
            },
        }
    }

    /// The input `name` if it is given.
    #[track_caller]
    pub fn optional<'g>(&self, graph: &'g Graph, name: &str, dtype: Dtype) -> Option<Tensor<'g>> {
        self.has(name).then(|| self.tensor(graph, name, dtype, &[1]))
    }
}

/// A model folder with its model: config read, weights not yet.
pub struct Loaded {
    /// The folder.
    pub folder: ModelFolder,
    /// The model.
    pub model: &'static Model,
}

impl Loaded {
    /// Opens a folder and finds its model.
    pub fn open(path: &std::path::Path) -> Result<Loaded> {
        let folder = ModelFolder::open(path)?;
        let model = find(&folder.path().join("config.json").display().to_string(), folder.architecture())?;
        Ok(Loaded { folder, model })
    }

    /// Opens a folder that must hold `model`.
    pub fn open_as(path: &std::path::Path, model: &Model) -> Result<Loaded> {
        let loaded = Loaded::open(path)?;
        if loaded.model.name == model.name {
            return Ok(loaded);
        }
        let message = format!("holds a {}, expected a {}", loaded.model.name, model.name);
        Err(Error::config(path.display().to_string(), message))
    }

    /// The graph for `inputs`. `keys` are the checkpoint's, when there is one.
    pub fn graph(&self, inputs: &Inputs, keys: Option<Vec<String>>) -> Result<Arc<FixedGraph>> {
        build(self.model, &self.folder.config(), inputs, keys)
    }

    /// The checkpoint's weights for `graph`, and notices about tensors nobody uses.
    pub fn weights(&self, checkpoint: &Checkpoint, graph: &FixedGraph) -> Result<(Arc<Weights>, Vec<String>)> {
        let wanted: Vec<(String, Spec)> = graph.weights().map(|(k, s)| (k.to_owned(), s.clone())).collect();
        let found = checkpoint.resolve(&wanted, self.model.prefixes, self.model.ignorable)?;
        let mut tensors = vec![];
        for ((key, spec), name) in wanted.iter().zip(&found.names) {
            tensors.push((key.clone(), checkpoint.load_as(name, spec.dtype)?));
        }
        let mut notices = checkpoint.notices().to_vec();
        if !found.unused.is_empty() {
            notices.push(format!(
                "{} tensors of the checkpoint are not used: {}",
                found.unused.len(),
                found.unused.join(", ")
            ));
        }
        Ok((Arc::new(Weights::new(tensors)), notices))
    }
}

/// Builds a model's graph.
pub fn build(model: &Model, config: &Config, inputs: &Inputs, keys: Option<Vec<String>>) -> Result<Arc<FixedGraph>> {
    let graph = graph_for(model, keys);
    (model.build)(&graph, config, inputs);
    config.finish()?;
    let graph = graph.build()?;
    if let Some(given) = &inputs.given {
        let known: Vec<_> = graph.inputs().map(|(n, _)| n.to_owned()).collect();
        if let Some(extra) = given.keys().find(|n| !known.contains(n)) {
            return Err(Error::tensor(extra, format!("is no input of {}; it has {}", model.name, known.join(", "))));
        }
    }
    Ok(Arc::new(graph))
}

/// An empty graph that knows the checkpoint's `keys`, with and without the prefixes they may have.
pub(crate) fn graph_for(model: &Model, keys: Option<Vec<String>>) -> Graph {
    let Some(keys) = keys else { return Graph::new() };
    let other = |key: &String| {
        let longer = model.prefixes.iter().map(move |p| format!("{p}.{key}"));
        let shorter = model.prefixes.iter().filter_map(|p| key.strip_prefix(p)?.strip_prefix('.'));
        longer.chain(shorter.map(str::to_owned)).collect::<Vec<_>>()
    };
    let others: Vec<String> = keys.iter().flat_map(other).collect();
    Graph::with_keys(keys.into_iter().chain(others))
}

/// Random weights for a graph (`--random SEED`).
pub fn random_weights(graph: &FixedGraph, seed: u64) -> Arc<Weights> {
    Arc::new(Weights::random(graph, seed))
}
