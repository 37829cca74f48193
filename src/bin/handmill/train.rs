//! `handmill train`

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use handmill::error::{Error, Result};
use handmill::file::write_atomic;
use handmill::models::Loaded;
use handmill::train::checkpoint::fingerprint;
use handmill::train::data::{Batches, Data};
use handmill::train::run::{Ending, Options, Run};
use handmill::train::settings::Settings;
use handmill::train::step::Task;
use handmill::train::trainer::How;
use handmill::weights::Checkpoint;

use crate::target::{ModelArgs, StoredDtype, check_output};
use crate::{Outcome, notice};

/// Arguments of `handmill train`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// How it is trained: loss, optimizer, steps, data (docs/training.md)
    #[arg(long, value_name = "FILE")]
    train: PathBuf,
    /// The batches of every step, in place of the data that the settings name; safetensors
    #[arg(long, value_name = "FILE")]
    batches: Option<PathBuf>,
    /// The folder of results: model.safetensors, losses.safetensors, loss.csv, loss.svg, checkpoints/
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Go on from a checkpoint: its file, or the folder of a run
    #[arg(long, value_name = "PATH")]
    resume: Option<PathBuf>,
    /// Write the gradients of the first step, by weight; safetensors
    #[arg(long, value_name = "FILE")]
    gradients: Option<PathBuf>,
    /// Name the first step and node that write a value that is not finite (slow)
    #[arg(long)]
    watch_nan: bool,
}

/// What is trained, and on what.
pub struct Opened {
    /// The model and its settings.
    pub task: Task,
    /// Where batches come from.
    pub data: Data,
    /// Weights to begin with, if there are any.
    pub checkpoint: Option<Checkpoint>,
}

impl Opened {
    /// Opens a model folder for the settings of `train`, and the data that they or `batches` name.
    pub fn new(model: &ModelArgs, train: &Path, batches: Option<&Path>) -> Result<Opened> {
        let loaded = Loaded::open(&model.model)?;
        let settings = Settings::open(train)?;
        let settings = match model.how.random {
            Some(seed) => settings.with_seed(seed),
            None => settings,
        };
        if model.how.dtype == StoredDtype::F16 {
            return Err(Error::config("--dtype", "f16 is for running a model; training keeps its weights in f32"));
        }
        let data = match (batches, &settings.data) {
            (Some(path), _) => Data::of(Batches::open(path)?),
            (None, Some(source)) => source.open(settings.seed)?,
            (None, None) => {
                return Err(Error::config(
                    train.display().to_string(),
                    "names no data; give --batches FILE, or the key data",
                ));
            }
        };
        let config = loaded.folder.config();
        if let Some(vocabulary) = &data.vocabulary {
            let size = config.usize("vocab_size", 0);
            if size < vocabulary.size() {
                let message = format!("is {size}, and the text has {} characters", vocabulary.size());
                return Err(Error::config(format!("{}: vocab_size", config.place()), message));
            }
        }
        // Without a checkpoint beside the configuration, weights are drawn.
        let bare = !["model.safetensors", "model.safetensors.index.json", "diffusion_pytorch_model.safetensors"]
            .iter()
            .any(|name| model.model.join(name).exists());
        let checkpoint = if bare { None } else { model.how.checkpoint(&loaded)? };
        let keys = checkpoint.as_ref().map(|c| c.tensors().iter().map(|t| t.name.clone()).collect());
        Ok(Opened { task: Task { model: loaded.model, config, settings, keys }, data, checkpoint })
    }
}

/// Set by Ctrl-C: the step that runs is finished and saved.
static STOP: AtomicBool = AtomicBool::new(false);

/// Trains a model.
pub fn train(args: &Args) -> Result<Outcome> {
    if args.out.canonicalize().is_ok_and(|out| args.model.model.canonicalize().is_ok_and(|model| out == model)) {
        return Err(Error::file(&args.out, "is the model's own folder; write the results to another one"));
    }
    if let Some(path) = &args.gradients {
        let inputs: Vec<_> = [&args.train].into_iter().chain(&args.batches).cloned().collect();
        check_output(path, &inputs)?;
    }
    let Opened { task, data, checkpoint } = Opened::new(&args.model, &args.train, args.batches.as_deref())?;
    if checkpoint.is_none() {
        notice(&format!("weights are drawn from seed {}", task.settings.seed));
    }
    let text = std::fs::read(args.model.model.join("config.json"));
    let text = text.map_err(|e| Error::file(args.model.model.join("config.json"), format!("cannot be read: {e}")))?;
    let options = Options {
        how: How { options: args.model.how.options()?, limits: args.model.how.limits()?, watch_nan: args.watch_nan },
        out: args.out.clone(),
        resume: args.resume.clone(),
        gradients: args.gradients.clone(),
        config_fingerprint: fingerprint(&text),
        stop: Some(&STOP),
        verbose: true,
    };
    let engine = args.model.how.device.engine()?;
    let mut run = Run::new(task, data, checkpoint.as_ref(), &engine, options)?;
    // A second Ctrl-C ends the process at once.
    let handler = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        notice("finishing the step; once more to end at once");
    });
    handler.map_err(|e| Error::config("Ctrl-C", format!("cannot be caught: {e}")))?;
    match run.finish()? {
        Ending::Done => {
            write_atomic(&args.out.join("config.json"), |out| out.write_all(&text))?;
            notice(&format!("{} steps on {}, results in {}", run.trainer().done(), engine.name(), args.out.display()));
            Ok(Outcome::Done)
        }
        Ending::Interrupted => {
            notice(&format!("stopped after step {}; --resume {} goes on", run.trainer().done(), args.out.display()));
            Ok(Outcome::Interrupted)
        }
    }
}
