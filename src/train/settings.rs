//! `train.json`: how a model is trained. The keys stand in `docs/training.md`.

use std::path::Path;

use crate::config::Config;
use crate::error::Result;
use crate::folder::read_object;
use crate::json::{Map, Value};
use crate::train::checkpoint::fingerprint;
use crate::train::data::Source;

/// The losses, each with the keys of its `loss_args`.
pub const LOSSES: [(&str, &[&str]); 22] = [
    ("mse", &[]),
    ("l1", &[]),
    ("huber", &["delta"]),
    ("binary_cross_entropy_with_logits", &[]),
    ("cross_entropy", &["label_smoothing", "ignore_index", "class_weights"]),
    ("nll", &["ignore_index", "class_weights"]),
    ("gaussian_nll", &["full"]),
    ("kl_standard_normal", &[]),
    ("kl_gaussians", &[]),
    ("kl_divergence", &[]),
    ("cosine_embedding", &["margin"]),
    ("hinge", &["margin"]),
    ("multi_margin", &["margin"]),
    ("perceptron", &[]),
    ("mdn_nll", &[]),
    ("vae", &["reconstruction", "beta"]),
    ("noise_prediction", &["num_train_timesteps", "beta_schedule", "beta_start", "beta_end"]),
    ("causal_lm", &[]),
    ("masked_lm", &[]),
    ("negative_sampling", &[]),
    ("contrastive", &[]),
    ("gan", &["kind"]),
];

/// How weights that no file gives are drawn. `default` goes by the name of each.
pub const INITS: [&str; 6] =
    ["default", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal"];

/// The keys of `train.json`.
const KEYS: [&str; 20] = [
    "loss",
    "loss_args",
    "optimizer",
    "optimizers",
    "steps",
    "regularization",
    "schedule",
    "clip_grad_norm",
    "clip_grad_value",
    "early_stopping",
    "bptt",
    "data",
    "seed",
    "init",
    "accumulate",
    "ema",
    "validate_every",
    "checkpoint_every",
    "keep",
    "log_every",
];

/// Keys that change no number of a run, or only its end: a run may go on with other values. The seed is compared by
/// itself.
const FREE: [&str; 5] = ["steps", "checkpoint_every", "keep", "log_every", "seed"];

/// The optimizers of a run, as their objects in the file.
#[derive(Debug, Clone, PartialEq)]
pub enum Optimizers {
    /// `optimizer`
    One(Map<String, Value>),
    /// `optimizers`, of the loss `gan`
    Gan {
        /// Of the weights below `discriminator.`
        discriminator: Map<String, Value>,
        /// Of the weights below `generator.`
        generator: Map<String, Value>,
    },
}

/// Penalties on the weights: `l1 · Σ|w| + l2 · Σw²`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Regularization {
    /// Coefficient of `Σ|w|`, where there is one.
    pub l1: Option<f64>,
    /// Coefficient of `Σw²`, where there is one.
    pub l2: Option<f64>,
    /// Penalises weights of one axis as well.
    pub include_bias: bool,
}

/// When a run ends before its last step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EarlyStopping {
    /// Validations in a row without an improvement.
    pub patience: usize,
    /// By how much the loss must fall to count as an improvement.
    pub min_delta: f64,
    /// The result is the best weights, not the last.
    pub restore_best: bool,
}

/// A `train.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Before every key in a message: the file.
    place: String,
    /// Name of the loss, one of [`LOSSES`].
    pub loss: &'static str,
    loss_args: Map<String, Value>,
    /// The optimizer, or one for each network of a GAN.
    pub optimizers: Optimizers,
    schedule: Option<Map<String, Value>>,
    /// Updates of the weights, at most.
    pub steps: usize,
    /// Penalties.
    pub regularization: Option<Regularization>,
    /// The largest norm of all gradients together.
    pub clip_grad_norm: Option<f64>,
    /// The largest magnitude of an element of a gradient.
    pub clip_grad_value: Option<f64>,
    /// When to end early.
    pub early_stopping: Option<EarlyStopping>,
    /// The hidden state starts at zero every so many steps; in every step where this is `None`.
    pub reset_every: Option<usize>,
    /// Where the examples come from, if not from a file of batches.
    pub data: Option<Source>,
    /// Of everything drawn: initial weights, order of examples, dropout.
    pub seed: u64,
    /// How weights that no file gives are drawn, one of [`INITS`].
    pub init: &'static str,
    /// Batches whose gradients are averaged for one update.
    pub accumulate: usize,
    /// Decay of a moving average of the weights.
    pub ema: Option<f64>,
    /// Steps between validations, where there is validation data.
    pub validate_every: usize,
    /// Steps between checkpoints.
    pub checkpoint_every: Option<usize>,
    /// Checkpoints that are kept.
    pub keep: usize,
    /// Steps between lines of progress.
    pub log_every: usize,
    fingerprint: String,
}

impl Settings {
    /// Reads the file at `path`. Paths in it start at its folder.
    ///
    /// # Errors
    /// [`crate::Error::File`] if it is not a JSON object, [`crate::Error::Config`] naming the first key that is
    /// unknown, missing or has a value it cannot have
    pub fn open(path: impl AsRef<Path>) -> Result<Settings> {
        let path = path.as_ref();
        let folder = path.parent().unwrap_or(Path::new(""));
        Settings::read(&Config::new(path.display(), read_object(path)?), folder)
    }

    /// The settings of `config`. Paths in it start at `folder`.
    ///
    /// # Errors
    /// As [`Settings::open`]
    pub fn read(config: &Config, folder: &Path) -> Result<Settings> {
        config.only(&KEYS);
        let (loss, loss_args) = loss(config);
        let reset_every = config.object("bptt").map(|bptt| {
            bptt.only(&["reset_every"]);
            bptt.required_usize("reset_every")
        });
        let data = config.object("data").map(|data| Source::read(&data, folder, reset_every.is_some()));
        let log_every = config.usize("log_every", 100);
        let settings = Settings {
            place: config.place().to_owned(),
            loss,
            loss_args,
            optimizers: optimizers(config, loss),
            schedule: config.object("schedule").map(|schedule| schedule.map().clone()),
            steps: config.required_usize("steps"),
            regularization: config.object("regularization").map(|c| regularization(&c)),
            clip_grad_norm: positive(config, "clip_grad_norm"),
            clip_grad_value: positive(config, "clip_grad_value"),
            early_stopping: config.object("early_stopping").map(|c| early_stopping(&c)),
            reset_every,
            data,
            seed: config.integer("seed", 0, 0..=i64::MAX).unsigned_abs(),
            init: config.text("init", "default", &INITS),
            accumulate: config.usize_in("accumulate", 1, 1..=65_536),
            ema: config.object("ema").map(|c| ema(&c)),
            validate_every: config.usize("validate_every", if config.has("early_stopping") { 1 } else { log_every }),
            checkpoint_every: config.has("checkpoint_every").then(|| config.usize("checkpoint_every", 1)),
            keep: config.usize_in("keep", 2, 2..=1_000_000),
            log_every,
            fingerprint: fingerprint(trajectory(config.map()).as_bytes()),
        };
        settings.consistent(config);
        config.finish().map(|()| settings)
    }

    /// What a key asks of another.
    fn consistent(&self, config: &Config) {
        config.require(self.accumulate == 1 || self.loss != "gan", "accumulate", || {
            "goes not together with the loss gan, whose networks take turns".into()
        });
        let Some(data) = &self.data else { return };
        for key in ["early_stopping", "validate_every"] {
            config.require(!config.has(key) || data.validates(), key, || {
                "needs validation data, which data.validation names".into()
            });
        }
    }

    /// What messages about `key` begin with.
    pub fn place_of(&self, key: &str) -> String {
        format!("{}: {key}", self.place)
    }

    /// The same settings with another seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Settings {
        Settings { seed, ..self }
    }

    /// The arguments of the loss.
    pub fn loss_args(&self) -> Config {
        self.part("loss_args", &self.loss_args)
    }

    /// The fields of `optimizer`; of `optimizers`, those of the discriminator.
    pub fn optimizer(&self) -> Config {
        match &self.optimizers {
            Optimizers::One(map) => self.part("optimizer", map),
            Optimizers::Gan { discriminator, .. } => self.part("optimizers: discriminator", discriminator),
        }
    }

    /// The fields of the generator's optimizer, with the loss `gan`.
    pub fn generator_optimizer(&self) -> Option<Config> {
        match &self.optimizers {
            Optimizers::One(_) => None,
            Optimizers::Gan { generator, .. } => Some(self.part("optimizers: generator", generator)),
        }
    }

    /// The fields of `schedule`, if the learning rate changes.
    pub fn schedule(&self) -> Option<Config> {
        self.schedule.as_ref().map(|map| self.part("schedule", map))
    }

    /// Of the settings that decide the numbers of a run: two runs with other values there are different runs.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn part(&self, name: &str, map: &Map<String, Value>) -> Config {
        Config::new(format!("{}: {name}", self.place), map.clone())
    }
}

/// The keys that are not [`FREE`], sorted, as JSON.
fn trajectory(map: &Map<String, Value>) -> String {
    let mut kept: Vec<_> =
        map.iter().filter(|(key, value)| !FREE.contains(&key.as_str()) && !value.is_null()).collect();
    kept.sort_by_key(|(key, _)| *key);
    kept.iter().map(|(key, value)| format!("{key}: {value}\n")).collect()
}

fn loss(config: &Config) -> (&'static str, Map<String, Value>) {
    let loss = config.required_text("loss", &LOSSES.map(|(name, _)| name));
    let Some(args) = config.object("loss_args") else { return (loss, Map::new()) };
    match LOSSES.iter().find(|(name, _)| *name == loss) {
        Some((_, [])) if !args.map().is_empty() => config.fail("loss_args", format!("{loss} takes no arguments")),
        Some((_, known)) => args.only(known),
        None => {}
    }
    (loss, args.map().clone())
}

fn optimizers(config: &Config, loss: &str) -> Optimizers {
    let (taken, other, why) = match loss {
        "gan" => ("optimizers", "optimizer", "the loss gan takes optimizers, one for each network"),
        _ => ("optimizer", "optimizers", "only the loss gan takes more than one optimizer"),
    };
    config.require(!config.has(other), other, || why.into());
    config.require(config.has(taken), taken, || "is missing, expected an object".into());
    let part = config.object(taken);
    let inner = |key: &str| {
        let Some(part) = &part else { return Map::new() };
        part.require(part.has(key), key, || "is missing, expected an object".into());
        part.object(key).map(|c| c.map().clone()).unwrap_or_default()
    };
    if loss != "gan" {
        return Optimizers::One(part.as_ref().map(|c| c.map().clone()).unwrap_or_default());
    }
    part.iter().for_each(|part| part.only(&["discriminator", "generator"]));
    Optimizers::Gan { discriminator: inner("discriminator"), generator: inner("generator") }
}

fn positive(config: &Config, name: &str) -> Option<f64> {
    config.has(name).then(|| config.positive(name, 1.0))
}

fn not_negative(config: &Config, name: &str) -> f64 {
    let v = config.f64(name, 0.0);
    config.require(v >= 0.0, name, || format!("found {v}, expected 0 or more"));
    v
}

fn regularization(config: &Config) -> Regularization {
    config.only(&["l1", "l2", "include_bias"]);
    let coefficient = |name: &str| config.has(name).then(|| not_negative(config, name));
    Regularization { l1: coefficient("l1"), l2: coefficient("l2"), include_bias: config.bool("include_bias", false) }
}

fn early_stopping(config: &Config) -> EarlyStopping {
    config.only(&["patience", "min_delta", "restore_best"]);
    EarlyStopping {
        patience: config.required_usize("patience"),
        min_delta: not_negative(config, "min_delta"),
        restore_best: config.bool("restore_best", true),
    }
}

fn ema(config: &Config) -> f64 {
    config.only(&["decay"]);
    let decay = config.required_positive("decay");
    config.require(decay < 1.0, "decay", || format!("found {decay}, expected a number above 0 and below 1"));
    decay
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings> {
        Settings::read(&Config::parse("train.json", text)?, Path::new("here"))
    }

    fn fault(rest: &str) -> String {
        let text = format!(r#"{{"loss": "mse", "optimizer": {{"name": "sgd", "lr": 1}}, "steps": 5{rest}}}"#);
        read(&text).unwrap_err().to_string()
    }

    #[test]
    fn reads_every_key() {
        let s = read(
            r#"{"loss": "cross_entropy", "loss_args": {"label_smoothing": 0.1}, "steps": 100, "seed": 7,
                "optimizer": {"name": "adam", "lr": 0.5}, "schedule": {"name": "step", "step_size": 3, "gamma": 0.5},
                "regularization": {"l2": 0.01}, "clip_grad_norm": 1, "clip_grad_value": 0.5, "bptt": {"reset_every": 2},
                "early_stopping": {"patience": 3}, "init": "orthogonal", "accumulate": 4, "ema": {"decay": 0.99},
                "checkpoint_every": 10, "keep": 3, "log_every": 5, "validate_every": 20,
                "data": {"reader": "text", "path": "x.txt", "time": 4, "batch_size": 8, "validation": 0.1}}"#,
        )
        .unwrap();
        assert_eq!((s.loss, s.steps, s.seed, s.init, s.accumulate), ("cross_entropy", 100, 7, "orthogonal", 4));
        assert_eq!(s.loss_args().f64("label_smoothing", 0.0), 0.1);
        assert_eq!((s.optimizer().f64("lr", 0.0), s.schedule().unwrap().usize("step_size", 0)), (0.5, 3));
        assert_eq!(s.regularization, Some(Regularization { l1: None, l2: Some(0.01), include_bias: false }));
        assert_eq!((s.clip_grad_norm, s.clip_grad_value, s.reset_every), (Some(1.0), Some(0.5), Some(2)));
        let stopping = EarlyStopping { patience: 3, min_delta: 0.0, restore_best: true };
        assert_eq!((s.early_stopping, s.ema), (Some(stopping), Some(0.99)));
        assert_eq!((s.checkpoint_every, s.keep, s.log_every, s.validate_every), (Some(10), 3, 5, 20));
        assert_eq!(s.data.unwrap().batch_size, 8);
    }

    #[test]
    fn a_fault_of_a_part_names_the_way_to_it() {
        let s = read(r#"{"loss": "mse", "optimizer": {"name": "sgd", "lr": -1}, "steps": 5}"#).unwrap();
        let optimizer = s.optimizer();
        optimizer.positive("lr", 1.0);
        let expected = "train.json: optimizer: lr: found -1, expected a number above 0";
        assert_eq!(optimizer.finish().unwrap_err().to_string(), expected);
    }

    #[test]
    fn faults_are_one_sentence() {
        for (rest, expected) in [
            (r#", "stpes": 1"#, r#"stpes: is not a key here; did you mean "steps"?"#),
            (r#", "clip_grad_nrom": 1"#, r#"clip_grad_nrom: is not a key here; did you mean "clip_grad_norm"?"#),
            (r#", "clip_grad_norm": -1"#, "clip_grad_norm: found -1, expected a number above 0"),
            (r#", "clip_grad_value": 0"#, "clip_grad_value: found 0, expected a number above 0"),
            (r#", "loss_args": {"margin": 1}"#, "loss_args: mse takes no arguments"),
            (r#", "loss_args": 1"#, "loss_args: found 1, expected an object"),
            (r#", "optimizers": {}"#, "optimizers: only the loss gan takes more than one optimizer"),
            (r#", "regularization": {"l3": 1}"#, r#"regularization: l3: is not a key here; did you mean "l1"?"#),
            (r#", "regularization": {"l1": -1}"#, "regularization: l1: found -1, expected 0 or more"),
            (
                r#", "early_stopping": {"patience": 0}"#,
                "early_stopping: patience: found 0, expected a whole number from 1 to 2147483648",
            ),
            (
                r#", "early_stopping": {"min_delta": 0}"#,
                "early_stopping: patience: is missing, expected a whole number from 1 to 2147483648",
            ),
            (r#", "bptt": {"reset": 2}"#, "bptt: reset: is not a key here; the keys are reset_every"),
            (r#", "ema": {"decay": 1}"#, "ema: decay: found 1, expected a number above 0 and below 1"),
            (r#", "keep": 1"#, "keep: found 1, expected a whole number from 2 to 1000000"),
            (r#", "seed": -1"#, "seed: found -1, expected a whole number from 0 to 9223372036854775807"),
            (r#", "accumulate": 0"#, "accumulate: found 0, expected a whole number from 1 to 65536"),
            (r#", "log_every": 2.5"#, "log_every: found 2.5, expected a whole number from 1 to 2147483648"),
            (
                r#", "init": "glorot""#,
                "init: found \"glorot\", expected one of default, xavier_uniform, xavier_normal, kaiming_uniform, \
                 kaiming_normal, orthogonal",
            ),
        ] {
            assert_eq!(fault(rest), format!("train.json: {expected}"));
        }
    }

    #[test]
    fn what_is_needed_is_missing() {
        let steps = "train.json: steps: found 0, expected a whole number from 1 to 2147483648";
        let names = LOSSES.map(|(name, _)| name).join(", ");
        for (text, expected) in [
            ("{}", format!("train.json: loss: is missing, expected one of {names}")),
            (r#"{"loss": "mse"}"#, "train.json: optimizer: is missing, expected an object".into()),
            (r#"{"loss": "mse", "optimizer": {}, "steps": 0}"#, steps.into()),
            (
                r#"{"loss": "gan", "optimizer": {}}"#,
                "train.json: optimizer: the loss gan takes optimizers, one for each network".into(),
            ),
            (
                r#"{"loss": "gan", "optimizers": {"generator": {}}}"#,
                "train.json: optimizers: discriminator: is missing, expected an object".into(),
            ),
            (
                r#"{"loss": "gan", "optimizers": {"discriminator": {}, "generator": {}}, "steps": 1, "accumulate": 2}"#,
                "train.json: accumulate: goes not together with the loss gan, whose networks take turns".into(),
            ),
            (
                r#"{"loss": "vae", "loss_args": {"bata": 1}}"#,
                "train.json: loss_args: bata: is not a key here; did you mean \"beta\"?".into(),
            ),
            ("[]", "train.json: is a list of 0, not a JSON object".into()),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn the_fingerprint_leaves_out_what_changes_no_number() {
        let of = |text: &str| read(text).unwrap().fingerprint;
        let base = of(r#"{"loss": "mse", "optimizer": {"name": "sgd", "lr": 1}, "steps": 5}"#);
        assert_eq!(base, of(r#"{"steps": 9, "keep": 4, "optimizer": {"name": "sgd", "lr": 1}, "loss": "mse"}"#));
        assert_ne!(base, of(r#"{"loss": "mse", "optimizer": {"name": "sgd", "lr": 2}, "steps": 5}"#));
    }
}
