//! The loop: batches in, updates, validation, early stopping, checkpoints, and the files of a run.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::engine::{Engine, Tensors};
use crate::error::{Error, Result};
use crate::file::{expect_writable, write_atomic};
use crate::tensor::{Data as Values, HostTensor};
use crate::weights::{Checkpoint, save_tensors};

use super::checkpoint::{Checkpoints, Identity, Meta, resume};
use super::curve::Curve;
use super::data::Data;
use super::draws::{self, Draw, draws};
use super::objective::Shapes;
use super::progress::Progress;
use super::settings::EarlyStopping;
use super::start::Start;
use super::step::{Role, Task};
use super::trainer::{How, Trainer, shapes_of};

/// Examples of a batch of validation.
const JUDGED: usize = 256;

/// What helps where numbers grow beyond f32.
const HINT: &str =
    "a smaller lr or clip_grad_norm may keep it finite, and --watch-nan names the operation that wrote it first";

/// Everything about a run but the model and its settings.
pub struct Options<'a> {
    /// How steps are planned.
    pub how: How,
    /// The folder of results.
    pub out: PathBuf,
    /// A checkpoint to go on from: a file, or the folder of a run.
    pub resume: Option<PathBuf>,
    /// Where the gradients of the first step go.
    pub gradients: Option<PathBuf>,
    /// Of `config.json`.
    pub config_fingerprint: String,
    /// Set from outside to end the run after the step that is running.
    pub stop: Option<&'a AtomicBool>,
    /// Tells how far it is.
    pub verbose: bool,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All steps are done, or it stopped early.
    Done,
    /// It was told to stop; a checkpoint goes on from here.
    Interrupted,
}

/// What early stopping remembers.
#[derive(Debug, Clone)]
struct Best {
    loss: f64,
    step: u64,
    waited: usize,
    weights: Tensors,
}

/// A run in progress.
pub struct Run<'a> {
    trainer: Trainer,
    data: Data,
    start: Start,
    draws: Vec<Draw>,
    options: Options<'a>,
    identity: Identity,
    adapter: String,
    curve: Curve,
    best: Option<Best>,
    stopped: bool,
}

/// A batch as a task takes it: what no loss uses of a labelled example is left out.
fn taken(task: &Task, mut batch: Tensors, replay: bool) -> Tensors {
    let unlabelled = matches!(task.settings.loss, "gan" | "vae" | "noise_prediction")
        || task.model.trains.is_some_and(|t| t.target == "input");
    if unlabelled && !replay {
        batch.remove("target");
    }
    batch
}

/// Makes the folder `out` and fails unless the results of a run can be written there: after the last step is too late
/// to find out.
fn expect_results(out: &Path) -> Result<()> {
    std::fs::create_dir_all(out).map_err(|e| Error::file(out, format!("cannot be made: {e}")))?;
    for name in ["model.safetensors", "model_ema.safetensors", "losses.safetensors", "loss.csv", "loss.svg"] {
        if out.join(name).is_dir() {
            return Err(Error::file(out.join(name), "is a folder, not a file"));
        }
    }
    expect_writable(out)
}

/// A model before its first step.
pub struct Begun {
    /// The model in training.
    pub trainer: Trainer,
    start: Start,
    draws: Vec<Draw>,
}

impl Begun {
    /// Prepares `task` for the batches of `data`, from the weights of `checkpoint` or drawn ones.
    ///
    /// # Errors
    /// Whatever is wrong with the settings, the data or the weights
    pub fn new(
        task: Task,
        data: &mut Data,
        checkpoint: Option<&Checkpoint>,
        engine: &Engine,
        how: How,
    ) -> Result<Begun> {
        let mut first = taken(&task, data.batch(0)?, data.is_replay());
        let mut shapes: Shapes = shapes_of(&first);
        let draws = draws(&task, Role::Step, &shapes);
        draws::add(&mut first, &draws, task.settings.seed, 0);
        shapes.extend(shapes_of(&first));
        let start = match checkpoint {
            Some(checkpoint) => Start::from(checkpoint, &task, &shapes)?,
            None => Start::drawn(&task, &shapes)?,
        };
        let trainer = Trainer::new(task, start.weights.clone(), engine, how, &shapes)?;
        Ok(Begun { trainer, start, draws })
    }

    /// The batches of the next step.
    ///
    /// # Errors
    /// If `data` has no more of them
    pub fn batches(&self, data: &mut Data) -> Result<Vec<Tensors>> {
        batches(&self.trainer, data, &self.draws)
    }
}

/// The batches of the trainer's next step.
fn batches(trainer: &Trainer, data: &mut Data, draws: &[Draw]) -> Result<Vec<Tensors>> {
    let n = trainer.batches_per_step() as u64;
    let (step, seed) = (trainer.done(), trainer.task().settings.seed);
    let replay = data.is_replay();
    let batch = |number: u64| {
        let mut batch = taken(trainer.task(), data.batch(number)?, replay);
        draws::add(&mut batch, draws, seed, number);
        Ok(batch)
    };
    (step * n..(step + 1) * n).map(batch).collect()
}

impl<'a> Run<'a> {
    /// Prepares the run of `task` over `data`, from the weights of `checkpoint` or drawn ones.
    ///
    /// # Errors
    /// Whatever is wrong with the settings, the data, the weights, the folder or the checkpoint to go on from
    pub fn new(
        task: Task,
        mut data: Data,
        checkpoint: Option<&Checkpoint>,
        engine: &Engine,
        options: Options<'a>,
    ) -> Result<Run<'a>> {
        data.expect(task.settings.steps as u64 * task.settings.accumulate as u64)?;
        if task.settings.loss == "gan" && data.validation.is_some() {
            let message = "gan is not judged by examples for validation; train without them";
            return Err(Error::config(task.settings.place_of("loss"), message));
        }
        if task.settings.early_stopping.is_some() && data.validation.is_none() {
            let message = "needs validation data: tensors validation.* beside those of the steps";
            return Err(Error::config(task.settings.place_of("early_stopping"), message));
        }
        let identity = Identity {
            seed: task.settings.seed,
            train: task.settings.fingerprint().to_owned(),
            config: options.config_fingerprint.clone(),
            data: data.fingerprint(),
        };
        let Begun { trainer, start, draws } = Begun::new(task, &mut data, checkpoint, engine, options.how.clone())?;
        let adapter = engine.name().to_owned();
        let mut run = Run {
            trainer,
            data,
            start,
            draws,
            options,
            identity,
            adapter,
            curve: Curve::default(),
            best: None,
            stopped: false,
        };
        if let Some(path) = run.options.resume.clone() {
            run.resume(&path)?;
        }
        expect_results(&run.options.out)?;
        run.say_notices();
        Ok(run)
    }

    /// The model in training.
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    /// What was recorded.
    pub fn curve(&self) -> &Curve {
        &self.curve
    }

    fn say(&self, text: &str) {
        if self.options.verbose {
            eprintln!("handmill: {text}");
        }
    }

    fn say_notices(&self) {
        self.start.notices.iter().for_each(|n| self.say(n));
        let (unused, stopped) = self.trainer.without_gradient();
        if !unused.is_empty() {
            self.say(&format!(
                "{} weights have no gradient, as the loss does not use them: {}",
                unused.len(),
                unused.join(", ")
            ));
        }
        if !stopped.is_empty() {
            self.say(&format!(
                "{} weights have no gradient, as the loss takes them as constants: {}",
                stopped.len(),
                stopped.join(", ")
            ));
        }
        for totals in self.trainer.totals() {
            let (n, bytes) = (totals.dispatches, totals.peak_bytes);
            self.say(&format!("a step is {n} dispatches, {} at peak", crate::file::bytes(bytes)));
        }
    }

    fn resume(&mut self, path: &Path) -> Result<()> {
        let found = resume(path)?;
        found.meta.identity.check(&found.path, &self.identity)?;
        let (done, steps) = (found.meta.step, self.trainer.task().settings.steps as u64);
        if done > steps {
            return Err(Error::file(&found.path, format!("has {done} steps behind it, train.json asks for {steps}")));
        }
        found.notices.iter().chain(&found.meta.notices(&self.adapter)).for_each(|n| self.say(n));
        let named = |prefix: &str| -> Tensors {
            let own = |(name, t): (&String, &HostTensor)| Some((name.strip_prefix(prefix)?.to_owned(), t.clone()));
            found.tensors.iter().filter_map(own).collect()
        };
        self.trainer.resume(found.meta.step, &named("weights."), &named("states."))?;
        self.curve = Curve::of(&found.tensors)?;
        let number = |name: &str| found.meta.numbers.get(name).copied();
        if let (Some(loss), Some(step), Some(waited)) =
            (number("best.loss"), number("best.step"), number("best.waited"))
        {
            let weights = named("best.");
            self.best = Some(Best { loss, step: step as u64, waited: waited as usize, weights });
        }
        self.stopped = number("stopped").is_some();
        self.say(&format!("going on after step {} of {}", found.meta.step, found.path.display()));
        Ok(())
    }

    fn batches(&mut self) -> Result<Vec<Tensors>> {
        batches(&self.trainer, &mut self.data, &self.draws)
    }

    /// Runs to the end, or until it is told to stop; writes the files of the run.
    ///
    /// # Errors
    /// Whatever goes wrong; the checkpoints so far stay
    pub fn finish(&mut self) -> Result<Ending> {
        self.finish_with(|_, _| Ok(()))
    }

    /// As [`Run::finish`]; after every step `each` is told what the step recorded, the loss first.
    ///
    /// # Errors
    /// As [`Run::finish`], and those of `each`
    pub fn finish_with(&mut self, mut each: impl FnMut(&Trainer, &[(String, f32)]) -> Result<()>) -> Result<Ending> {
        let settings = &self.trainer.task().settings;
        let (steps, log_every, every) = (settings.steps as u64, settings.log_every as u64, settings.checkpoint_every);
        let mut progress = self.options.verbose.then(|| Progress::new(self.trainer.done(), steps, log_every));
        let mut saved = None;
        while self.trainer.done() < steps && !self.stopped {
            let recorded = self.step().inspect_err(|e| {
                progress.iter().for_each(Progress::finish);
                // How the loss went until then is what the user looks at next; the error says the rest.
                if matches!(e, Error::NotFinite(_)) {
                    let _ = self.write_curve();
                }
            })?;
            let done = self.trainer.done();
            if let Some(progress) = &mut progress {
                let values: Vec<_> = recorded.iter().map(|(n, v)| (n.as_str(), *v)).collect();
                progress.step(done, &values);
            }
            each(&self.trainer, &recorded)?;
            if every.is_some_and(|n| done.is_multiple_of(n as u64)) {
                self.checkpoint()?;
                saved = Some(done);
            }
            if self.options.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) && done < steps {
                progress.iter().for_each(Progress::finish);
                if saved != Some(done) {
                    self.checkpoint()?;
                }
                self.write_curve()?;
                return Ok(Ending::Interrupted);
            }
        }
        progress.iter().for_each(Progress::finish);
        if every.is_some() && saved != Some(self.trainer.done()) {
            self.checkpoint()?;
        }
        self.write()?;
        Ok(Ending::Done)
    }

    /// One step with all that belongs to it; returns what it recorded, the loss first.
    fn step(&mut self) -> Result<Vec<(String, f32)>> {
        let (step, batches) = (self.trainer.done(), self.batches()?);
        let recorded = match self.options.gradients.clone().filter(|_| step == 0) {
            None => self.trainer.step(&batches)?,
            Some(path) => {
                let mut gradients = vec![];
                let recorded = self.trainer.step_for(&batches, |key, d| gradients.push((key.to_owned(), d)))?;
                save_tensors(&path, &gradients, true)?;
                recorded
            }
        };
        let mut values: Vec<(String, f32)> = recorded.into_iter().map(|(n, v)| (n, v as f32)).collect();
        values.sort_by_key(|(name, _)| (name != "loss" && name != "d_loss", name != "g_loss"));
        self.record(step, &values)?;
        let settings = &self.trainer.task().settings;
        let (every, stopping) = (settings.validate_every as u64, settings.early_stopping);
        if self.data.validation.is_some() && (step + 1).is_multiple_of(every) {
            let loss = self.validate()?;
            values.push(("validation".into(), loss as f32));
            self.record(step, &values[values.len() - 1..])?;
            if let Some(stopping) = stopping {
                self.judge(step, loss, stopping)?;
            }
        }
        Ok(values)
    }

    /// Adds the values of a step to the curve; an error if one is not finite, as no step after it can be of use.
    fn record(&mut self, step: u64, values: &[(String, f32)]) -> Result<()> {
        for (name, value) in values {
            self.curve.push(step as u32, name, *value);
        }
        match values.iter().find(|(_, v)| !v.is_finite()) {
            Some((name, v)) => {
                Err(Error::NotFinite(format!("step {step}: {name} is {v}, not a finite number; {HINT}")))
            }
            None => Ok(()),
        }
    }

    /// Refuses to save weights or states that the last update made useless.
    fn expect_finite(&self, what: &str, tensors: &Tensors) -> Result<()> {
        let step = self.trainer.done().saturating_sub(1);
        for (name, tensor) in tensors {
            if let Values::F32(values) = tensor.data()
                && let Some(at) = values.iter().position(|v| !v.is_finite())
            {
                let value = values[at];
                let message = format!("step {step}: the update made element {at} of the {what} {name} {value}; {HINT}");
                return Err(Error::NotFinite(message));
            }
        }
        Ok(())
    }

    /// The data loss of the validation examples, with the weights as they are.
    ///
    /// # Errors
    /// What the device says
    pub fn validate(&mut self) -> Result<f64> {
        let Some(rows) = &self.data.validation else { return Ok(f64::NAN) };
        let (seed, n, replay) = (self.trainer.task().settings.seed, rows.examples(), self.data.is_replay());
        let size = if replay { n } else { JUDGED };
        let mut batches = vec![];
        for (number, first) in (0..n).step_by(size).enumerate() {
            let part: Vec<usize> = (first..n.min(first + size)).collect();
            let mut batch = taken(self.trainer.task(), rows.rows(&part)?, replay);
            let shapes = shapes_of(&batch);
            // The same draws every time, apart from those of the training.
            let draws = draws(self.trainer.task(), Role::Validation, &shapes);
            draws::add(&mut batch, &draws, !seed, number as u64);
            batches.push(batch);
        }
        self.trainer.validate(&batches)
    }

    fn judge(&mut self, step: u64, loss: f64, stopping: EarlyStopping) -> Result<()> {
        let before = self.best.as_ref().map_or(f64::INFINITY, |b| b.loss);
        if loss < before - stopping.min_delta {
            let weights = if stopping.restore_best { self.trainer.weights()? } else { Tensors::new() };
            self.best = Some(Best { loss, step, waited: 0, weights });
            return Ok(());
        }
        let best = self.best.get_or_insert(Best { loss: before, step: 0, waited: 0, weights: Tensors::new() });
        best.waited += 1;
        self.stopped = best.waited >= stopping.patience;
        Ok(())
    }

    /// Saves all that the next step depends on.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written; the checkpoints before stay
    fn checkpoint(&self) -> Result<()> {
        let step = self.trainer.done();
        let number = step * self.trainer.batches_per_step() as u64;
        let mut meta = Meta::new(step, self.data.position(number), self.identity.clone(), &self.adapter);
        let mut tensors = self.curve.tensors();
        let prefixed = |prefix: &str, all: Tensors| -> Tensors {
            all.into_iter().map(|(name, t)| (format!("{prefix}{name}"), t)).collect()
        };
        let (weights, states) = (self.trainer.weights()?, self.trainer.state()?);
        self.expect_finite("weight", &weights)?;
        self.expect_finite("state", &states)?;
        tensors.extend(prefixed("weights.", weights));
        tensors.extend(prefixed("states.", states));
        if let Some(best) = &self.best {
            tensors.extend(prefixed("best.", best.weights.clone()));
            meta.numbers.insert("best.loss".into(), best.loss);
            meta.numbers.insert("best.step".into(), best.step as f64);
            meta.numbers.insert("best.waited".into(), best.waited as f64);
        }
        if self.stopped {
            meta.numbers.insert("stopped".into(), 1.0);
        }
        let checkpoints = Checkpoints::new(&self.options.out, self.trainer.task().settings.keep);
        let (_, notices) = checkpoints.save(&meta, &tensors)?;
        notices.iter().for_each(|n| self.say(n));
        Ok(())
    }

    /// The weights that the run results in: the best ones, where early stopping restores them.
    ///
    /// # Errors
    /// What the device says
    pub fn result(&self) -> Result<Tensors> {
        match &self.best {
            Some(best) if !best.weights.is_empty() => Ok(best.weights.clone()),
            _ => self.trainer.weights(),
        }
    }

    /// Writes `model.safetensors`, the average of the weights if there is one, and the curve.
    ///
    /// # Errors
    /// [`Error::File`] if a file cannot be written
    fn write(&self) -> Result<()> {
        let counts = self.trainer.batch_norms();
        let file = |weights: &Tensors| -> Result<Vec<(String, HostTensor)>> {
            Ok(self.start.file(weights, &counts)?.into_iter().collect())
        };
        let result = self.result()?;
        self.expect_finite("weight", &result)?;
        save_tensors(self.options.out.join("model.safetensors"), &file(&result)?, true)?;
        if let Some(average) = self.trainer.averaged()? {
            save_tensors(self.options.out.join("model_ema.safetensors"), &file(&average)?, true)?;
        }
        if let Some(vocabulary) = &self.data.vocabulary {
            vocabulary.save(&self.options.out.join("vocab.json"))?;
        }
        if let Some(fitted) = &self.data.fitted {
            let text = serde_json::to_string_pretty(fitted).unwrap_or_default();
            write_atomic(&self.options.out.join("normalize.json"), |out| writeln!(out, "{text}"))?;
        }
        self.write_curve()
    }

    fn write_curve(&self) -> Result<()> {
        let mut losses = self.curve.losses();
        if let (Some(_), Some(best)) = (self.trainer.task().settings.early_stopping, &self.best) {
            let whole = |n: u64| HostTensor::i32(&[1], vec![n as i32]);
            losses.insert("stopped_step".into(), whole(self.trainer.done().saturating_sub(1)));
            losses.insert("best_step".into(), whole(best.step));
        }
        let losses: Vec<_> = losses.into_iter().collect();
        save_tensors(self.options.out.join("losses.safetensors"), &losses, true)?;
        self.curve.write_csv(&self.options.out.join("loss.csv"))?;
        self.curve.write_svg(&self.options.out.join("loss.svg"), &["loss", "validation", "d_loss", "g_loss"])
    }
}
