//! Every training run made with PyTorch (`tests/data/training`), on the adapter and on the reference: gradients of the
//! first step by name, losses, and trained weights, each within the tolerance of its `meta.json`. Runs that repeat, and
//! long ones.

mod repeat;
mod steady;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use handmill::device::{Device, Select};
use handmill::engine::{Engine, Tensors};
use handmill::json::Value;
use handmill::models::Loaded;
use handmill::train::data::{Batches, Data};
use handmill::train::run::{Ending, Options, Run};
use handmill::train::settings::Settings;
use handmill::train::start::Start;
use handmill::train::step::Task;
use handmill::train::trainer::{How, Trainer, shapes_of};
use handmill::weights::{Checkpoint, load_tensors};
use libtest_mimic::{Arguments, Failed, Trial};

fn text(e: impl std::fmt::Display) -> Failed {
    e.to_string().into()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/training")
}

fn cases() -> Vec<PathBuf> {
    let mut all: Vec<_> =
        std::fs::read_dir(fixtures()).expect("fixtures").map(|e| e.expect("an entry").path()).collect();
    all.retain(|p| p.is_dir());
    all.sort();
    all
}

/// What the case trains, on what, and from which weights.
fn opened(case: &Path) -> Result<(Task, Data, Checkpoint), Failed> {
    let loaded = Loaded::open(case).map_err(text)?;
    let settings = Settings::open(case.join("train.json")).map_err(text)?;
    let data = Data::of(Batches::open(&case.join("batches.safetensors")).map_err(text)?);
    let checkpoint = loaded.folder.checkpoint().map_err(text)?;
    let keys = Some(checkpoint.tensors().iter().map(|t| t.name.clone()).collect());
    let task = Task { model: loaded.model, config: loaded.folder.config(), settings, keys };
    Ok((task, data, checkpoint))
}

/// Runs the case and returns the gradients of the first step, what was recorded, and the trained weights.
fn trained(case: &Path, engine: &Engine, out: &Path) -> Result<[Tensors; 3], Failed> {
    let (task, data, checkpoint) = opened(case)?;
    let options = Options {
        how: How::default(),
        out: out.to_owned(),
        resume: None,
        gradients: Some(out.join("gradients.safetensors")),
        config_fingerprint: String::new(),
        stop: None,
        verbose: false,
    };
    let mut run = Run::new(task, data, Some(&checkpoint), engine, options).map_err(text)?;
    assert_eq!(run.finish().map_err(text)?, Ending::Done);
    let read = |name: &str| load_tensors(out.join(name)).map_err(text);
    Ok([read("gradients.safetensors")?, read("losses.safetensors")?, read("model.safetensors")?])
}

/// `got` against the file `name` of the case, within the tolerances of `meta.json`.
fn compare(
    case: &Path,
    name: &str,
    got: &Tensors,
    tolerance: &Value,
    problems: &mut Vec<String>,
) -> Result<(), Failed> {
    let expected = load_tensors(case.join(format!("{name}.safetensors"))).map_err(text)?;
    for extra in got.keys().filter(|k| !expected.contains_key(*k)) {
        problems.push(format!("{name}: {extra} is not in the fixture"));
    }
    for (key, want) in &expected {
        let Some(found) = got.get(key) else {
            problems.push(format!("{name}: {key} is missing"));
            continue;
        };
        if found.shape() != want.shape() {
            problems.push(format!("{name}: {key} is {:?}, expected {:?}", found.shape(), want.shape()));
            continue;
        }
        let atol = tolerance.get(name).and_then(|t| t.get(key)).and_then(Value::as_f64).unwrap_or(0.0);
        let pairs = found.to_f64().into_iter().zip(want.to_f64());
        // NaN is no number that passes.
        let worst = pairs.map(|(f, w)| (f - w).abs()).fold(0.0, |a: f64, d| if d <= a { a } else { d });
        if worst.partial_cmp(&atol).is_none_or(|o| o.is_gt()) {
            problems.push(format!("{name}: {key} is off by {worst:.3e}, allowed are {atol:.3e}"));
        }
    }
    Ok(())
}

/// The gradients of the second step, whose hidden state is what the first left.
fn second_step(case: &Path, engine: &Engine, tolerance: &Value, problems: &mut Vec<String>) -> Result<(), Failed> {
    let (task, mut data, checkpoint) = opened(case)?;
    let (first, second) = (data.batch(0).map_err(text)?, data.batch(1).map_err(text)?);
    let shapes = shapes_of(&first);
    let weights = Start::from(&checkpoint, &task, &shapes).map_err(text)?.weights;
    let mut trainer = Trainer::new(task, weights, engine, How::default(), &shapes).map_err(text)?;
    trainer.step(&[first]).map_err(text)?;
    let mut gradients = Tensors::new();
    trainer.step_for(&[second], |key, d| drop(gradients.insert(key.to_owned(), d))).map_err(text)?;
    compare(case, "grads_step1", &gradients, tolerance, problems)
}

fn check(case: &Path, engine: &Engine) -> Result<(), Failed> {
    let out = tempfile::tempdir().map_err(text)?;
    let [gradients, losses, weights] = trained(case, engine, out.path())?;
    let meta = std::fs::read_to_string(case.join("meta.json")).map_err(text)?;
    let meta: BTreeMap<String, Value> = serde_json::from_str(&meta).map_err(text)?;
    let tolerance = &meta["tolerance"];
    let mut problems = vec![];
    compare(case, "grads", &gradients, tolerance, &mut problems)?;
    compare(case, "losses", &losses, tolerance, &mut problems)?;
    compare(case, "trained", &weights, tolerance, &mut problems)?;
    if case.join("grads_step1.safetensors").exists() {
        second_step(case, engine, tolerance, &mut problems)?;
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
}

/// A trial that needs an adapter: ignored without one, unless it is `required`.
fn on_adapter(
    device: &Option<Arc<Device>>,
    required: bool,
    name: String,
    test: impl FnOnce(&Arc<Device>) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let (missing, device) = (device.is_none(), device.clone());
    let trial = Trial::test(name, move || test(&device.ok_or("no adapter was found")?));
    trial.with_ignored_flag(missing && !required)
}

fn main() {
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let device = Device::open(&Select::Auto).inspect_err(|e| eprintln!("{e}: GPU rows are ignored")).ok();
    let required = std::env::var_os("HANDMILL_REQUIRE_GPU").is_some_and(|v| v == "1");
    let mut trials = vec![];
    for case in cases() {
        let name = case.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let path = case.clone();
        trials.push(Trial::test(format!("{name}/reference"), move || check(&path, &Engine::Reference)));
        trials.push(on_adapter(&device, required, name, move |device| check(&case, &Engine::Gpu(device.clone()))));
    }
    for setup in repeat::SETUPS {
        let name = format!("repeat/{}", setup.name);
        trials.push(Trial::test(format!("{name}/reference"), || repeat::check(setup, &Engine::Reference)));
        trials.push(on_adapter(&device, required, name, |device| repeat::check(setup, &Engine::Gpu(device.clone()))));
    }
    trials.push(on_adapter(&device, required, "steady".into(), steady::check));
    libtest_mimic::run(&arguments, trials).exit();
}
