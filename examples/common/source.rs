//! Where the model of an example comes from: a folder, the hub cache, or random weights.

#![allow(dead_code)] // every example takes a part of it

use std::path::{Path, PathBuf};

use handmill::config::Config;
use handmill::engine::Engine;
use handmill::error::{Error, Result};
use handmill::folder::{ModelFolder, hub_cache};
use handmill::models::{Loaded, Model};
use handmill::plan::Half;
use handmill::programs::Context;

#[path = "images.rs"]
mod images;
#[path = "text.rs"]
mod text;

#[allow(unused_imports)] // every example takes a part of them
pub use self::{images::pattern, text::Text, text::batch};

/// Flags that name the model and what computes.
#[derive(clap::Args)]
pub struct Source {
    /// Model folder: config.json, model.safetensors, and tokenizer.json or preprocessor_config.json
    #[arg(long, value_name = "DIR", conflicts_with_all = ["hub", "random"])]
    pub model: Option<PathBuf>,
    /// A model of the hub cache
    #[arg(long, value_name = "ORG/NAME", conflicts_with = "random")]
    pub hub: Option<String>,
    /// Random weights; the default where no checkpoint is named
    #[arg(long)]
    pub random: bool,
    /// Seed of random weights, and of draws if there are any
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// auto, gpu, gpu:N, a part of an adapter's name, or reference
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// Storage of weights, states and what operations hand to each other
    #[arg(long, default_value = "f32", value_parser = ["f32", "f16"])]
    pub dtype: String,
}

/// A model on an engine.
pub struct Opened {
    /// What computes.
    pub engine: Engine,
    /// The model and its weights.
    pub context: Context,
    /// Where it comes from; `None` with random weights.
    pub folder: Option<ModelFolder>,
}

impl Source {
    /// The `model` of the folder that is named, or of the configuration `small` with random weights.
    pub fn open(&self, model: &'static Model, small: &str) -> Result<Opened> {
        self.open_any(&[model], small)
    }

    /// As [`Source::open`], of any of `models`; the first of them is the random one.
    pub fn open_any(&self, models: &[&'static Model], small: &str) -> Result<Opened> {
        let (engine, notice) = Engine::open(&self.device)?;
        notice.iter().for_each(|text| eprintln!("{text}"));
        let Some(path) = self.hub.as_deref().map(hub_cache).transpose()?.or(self.model.clone()) else {
            eprintln!("random weights: the results mean nothing; --model or --hub names a checkpoint");
            let config = Config::parse("the random model", small)?;
            let context = Context::random(models[0], config, &engine, self.seed)?;
            return Ok(Opened { engine, context: self.stored(context), folder: None });
        };
        let loaded = load(&path, models)?;
        let (context, notices) = Context::open(&loaded, &engine)?;
        notices.iter().for_each(|text| eprintln!("{text}"));
        Ok(Opened { engine, context: self.stored(context), folder: Some(loaded.folder) })
    }

    /// `context`, with plans that store as `--dtype` says.
    fn stored(&self, mut context: Context) -> Context {
        if self.dtype == "f16" {
            context.options.half = Half::Values;
        }
        context
    }
}

/// A folder that holds one of `models`.
fn load(path: &Path, models: &[&'static Model]) -> Result<Loaded> {
    let loaded = Loaded::open(path)?;
    if models.iter().any(|model| model.name == loaded.model.name) {
        return Ok(loaded);
    }
    let names: Vec<_> = models.iter().map(|model| model.name).collect();
    let message = format!("holds a {}, expected a {}", loaded.model.name, names.join(" or "));
    Err(Error::config(path.display().to_string(), message))
}

impl Opened {
    /// The tokenizer of the folder.
    pub fn text(&self) -> Result<Text> {
        Ok(Text(self.folder.as_ref().map(ModelFolder::tokenizer).transpose()?))
    }
}
