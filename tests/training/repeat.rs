//! Two runs of the same settings leave the same bytes, and a run that is taken up again after every step leaves those
//! of one that was never interrupted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use handmill::engine::Engine;
use handmill::models::Loaded;
use handmill::train::run::{Ending, Options, Run};
use handmill::train::settings::Settings;
use handmill::train::step::Task;
use handmill::train::trainer::How;
use libtest_mimic::Failed;

use crate::text;

/// A training on data: the fixture or the configuration its model is from, and its `train.json`.
pub struct Setup {
    /// Of the trial.
    pub name: &'static str,
    config: &'static str,
    train: &'static str,
    data: &'static str,
}

const MLP: &str = r#"{"architectures": ["MLP"], "in_features": 4, "hidden_sizes": [8], "out_features": 3,
    "activation": "tanh", "dropout": 0.25}"#;
const CSV: &str = r#""reader": "csv", "path": "data.csv", "target": ["label"], "classes": 3, "batch_size": 5"#;
const IDX: &str = r#""reader": "idx", "images": "images", "batch_size": 4"#;

/// Every state that a checkpoint must hold: of each optimizer, of sums, averages, hidden states, statistics and draws.
pub const SETUPS: &[Setup] = &[
    Setup {
        name: "adam_accumulate_ema_clip",
        config: MLP,
        train: r#""loss": "cross_entropy", "optimizer": {"name": "adam", "lr": 0.05}, "accumulate": 3, "clip_grad_norm": 0.5,
            "ema": {"decay": 0.9}, "schedule": {"name": "cosine", "total_steps": 5}, "validate_every": 2"#,
        data: r#""validation": 0.2, "normalize": "standard""#,
    },
    Setup {
        name: "momentum_early_stopping",
        config: MLP,
        train: r#""loss": "cross_entropy", "optimizer": {"name": "momentum", "lr": 0.1, "momentum": 0.9},
            "early_stopping": {"patience": 2, "min_delta": 100}"#,
        data: r#""validation": 0.3"#,
    },
    Setup {
        name: "nesterov",
        config: MLP,
        train: r#""loss": "cross_entropy", "optimizer": {"name": "momentum", "lr": 0.1, "momentum": 0.9, "nesterov": true}"#,
        data: "",
    },
    Setup {
        name: "adagrad_decay",
        config: MLP,
        train: r#""loss": "multi_margin", "optimizer": {"name": "adagrad", "lr": 0.1, "lr_decay": 0.1,
            "initial_accumulator_value": 0.1}, "regularization": {"l1": 0.001, "l2": 0.001}"#,
        data: r#""shuffle": false"#,
    },
    Setup {
        name: "rmsprop_centered_momentum",
        config: MLP,
        train: r#""loss": "cross_entropy", "optimizer": {"name": "rmsprop", "lr": 0.01, "centered": true, "momentum": 0.5},
            "init": "orthogonal""#,
        data: "",
    },
    Setup {
        name: "adadelta",
        config: MLP,
        train: r#""loss": "cross_entropy", "optimizer": {"name": "adadelta", "lr": 1}, "init": "kaiming_normal""#,
        data: "",
    },
    Setup {
        name: "adamw_amsgrad",
        config: MLP,
        train: r#""loss": "cross_entropy", "optimizer": {"name": "adamw", "lr": 0.05, "amsgrad": true}, "ema": {"decay": 0.5},
            "schedule": {"name": "linear_warmup", "total_steps": 5, "warmup_steps": 2}"#,
        data: "",
    },
    Setup {
        name: "ftrl",
        config: MLP,
        train: r#""loss": "cross_entropy", "optimizer": {"name": "ftrl", "alpha": 0.5, "beta": 1, "l1": 0.01,
            "z_init": "weights"}"#,
        data: "",
    },
    Setup {
        name: "batch_norm",
        config: "conv_batchnorm",
        train: r#""loss": "cross_entropy", "optimizer": {"name": "momentum", "lr": 0.1, "momentum": 0.9}, "accumulate": 2"#,
        data: r#""labels": "labels", "classes": 10, "normalize": "min_max""#,
    },
    Setup {
        name: "bptt",
        config: "char_lm_lstm_tbptt",
        train: r#""loss": "cross_entropy", "optimizer": {"name": "adam", "lr": 0.02}, "bptt": {"reset_every": 3},
            "clip_grad_value": 0.1"#,
        data: r#""reader": "text", "path": "text.txt", "time": 6, "batch_size": 3"#,
    },
    Setup {
        name: "vae",
        config: "vae_mse",
        train: r#""loss": "vae", "loss_args": {"reconstruction": "mse"}, "optimizer": {"name": "adam", "lr": 0.01},
            "validate_every": 1"#,
        data: r#""flatten": true, "names": {"input": "input"}, "validation": 0.25, "normalize": {"scale": 0.004, "shift": 0}"#,
    },
    Setup {
        name: "denoising_autoencoder",
        config: "denoising_autoencoder",
        train: r#""loss": "mse", "optimizer": {"name": "sgd", "lr": 0.5}"#,
        data: r#""flatten": true, "names": {"input": "input"}, "normalize": {"scale": 0.004, "shift": 0}"#,
    },
    Setup {
        name: "gan",
        config: "dcgan",
        train: r#""loss": "gan", "optimizers": {"discriminator": {"name": "adam", "lr": 0.004},
            "generator": {"name": "rmsprop", "lr": 0.01}}, "ema": {"decay": 0.9}"#,
        data: r#""names": {"input": "input"}, "normalize": {"scale": 0.008, "shift": -1}"#,
    },
    Setup {
        name: "diffusion",
        config: "ddpm_unet_block",
        train: r#""loss": "noise_prediction", "loss_args": {"num_train_timesteps": 100, "beta_start": 0.0001,
            "beta_end": 0.02}, "optimizer": {"name": "adam", "lr": 0.005}, "ema": {"decay": 0.99}"#,
        data: r#""names": {"input": "input"}, "normalize": {"scale": 0.008, "shift": -1}"#,
    },
];

impl Setup {
    /// Writes the model's folder and everything that it is trained on.
    fn write(&self, folder: &Path) -> Result<(), Failed> {
        let put = |name: &str, bytes: Vec<u8>| fs::write(folder.join(name), bytes).map_err(text);
        let config = match self.config.starts_with('{') {
            true => self.config.as_bytes().to_vec(),
            false => fs::read(crate::fixtures().join(self.config).join("config.json")).map_err(text)?,
        };
        put("config.json", config)?;
        let reader = match self.data.contains("\"reader\"") {
            true => "",
            false if self.config.starts_with('{') => CSV,
            false => IDX,
        };
        let data = [reader, self.data].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
        let train = format!(
            r#"{{{}, "steps": 5, "seed": 11, "checkpoint_every": 1, "keep": 99, "data": {{{data}}}}}"#,
            self.train
        );
        put("train.json", train.into_bytes())?;
        let mut state = 1u32;
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let row = |i: usize, b: &mut dyn FnMut() -> u8| format!("{},{},{},{},{}\n", b(), b(), b(), b(), i % 3);
        let table: String = (0..17).map(|i| row(i, &mut byte)).collect();
        put("data.csv", ("a,b,c,d,label\n".to_owned() + &table).into_bytes())?;
        let mut images = vec![0, 0, 8, 3, 0, 0, 0, 11, 0, 0, 0, 8, 0, 0, 0, 8];
        images.extend((0..11 * 64).map(|_| byte()));
        put("images", images)?;
        put("labels", [0, 0, 8, 1, 0, 0, 0, 11].into_iter().chain((0..11).map(|i| i % 10)).collect())?;
        put("text.txt", "the hidden state goes on from batch to batch, and starts at zero. ".repeat(3).into_bytes())
    }
}

/// A run of what `folder` holds, to its end or for a single step.
fn run(folder: &Path, out: &Path, engine: &Engine, resume: Option<PathBuf>, single: bool) -> Result<Ending, Failed> {
    static STOP: AtomicBool = AtomicBool::new(true);
    let loaded = Loaded::open(folder).map_err(text)?;
    let settings = Settings::open(folder.join("train.json")).map_err(text)?;
    let data = settings.data.as_ref().ok_or("no data")?.open(settings.seed).map_err(text)?;
    let task = Task { model: loaded.model, config: loaded.folder.config(), settings, keys: None };
    let options = Options {
        how: How::default(),
        out: out.to_owned(),
        resume,
        gradients: None,
        config_fingerprint: String::new(),
        stop: single.then_some(&STOP),
        verbose: false,
    };
    Run::new(task, data, None, engine, options).map_err(text)?.finish().map_err(text)
}

/// Every file below `folder`, by its path there.
fn tree(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>, Failed> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).map_err(text)? {
            let path = entry.map_err(text)?.path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(folder).map_err(text)?.to_owned();
                    files.insert(name, fs::read(&path).map_err(text)?);
                }
            }
        }
    }
    Ok(files)
}

fn same(what: &str, got: &Path, expected: &Path) -> Result<(), Failed> {
    let (got, expected) = (tree(got)?, tree(expected)?);
    if got.keys().ne(expected.keys()) {
        let names = |files: &BTreeMap<PathBuf, Vec<u8>>| format!("{:?}", files.keys().collect::<Vec<_>>());
        return Err(format!("{what} left {}, expected {}", names(&got), names(&expected)).into());
    }
    match got.iter().find(|(name, bytes)| expected[*name] != **bytes) {
        Some((name, _)) => Err(format!("{what} left another {}", name.display()).into()),
        None => Ok(()),
    }
}

/// One run, the same again, and the same a step at a time.
pub fn check(setup: &Setup, engine: &Engine) -> Result<(), Failed> {
    let folder = tempfile::tempdir().map_err(text)?;
    let folder = folder.path();
    setup.write(folder)?;
    let [whole, again, parts] = ["whole", "again", "parts"].map(|name| folder.join(name));
    for out in [&whole, &again] {
        assert_eq!(run(folder, out, engine, None, false)?, Ending::Done);
    }
    same("the second run", &again, &whole)?;
    let mut times = 1;
    while run(folder, &parts, engine, (times > 1).then(|| parts.clone()), true)? == Ending::Interrupted {
        times += 1;
    }
    let steps = tree(&whole)?.keys().filter(|name| name.starts_with("checkpoints")).count() - 1;
    // No loss falls by 100: the best is the first, and two more are waited for. One more run finds that it has stopped.
    let stops = setup.train.contains("min_delta");
    assert_eq!((steps, times), if stops { (3, 4) } else { (5, 5) }, "steps and runs of one step");
    same("the run in parts", &parts, &whole)
}
