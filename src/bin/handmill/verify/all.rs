//! `handmill verify --all DIR`: every model folder below a folder, as one table in Markdown.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use handmill::config::Config;
use handmill::device::Device;
use handmill::engine::{Engine, Tensors};
use handmill::error::{Error, Result};
use handmill::models::Loaded;
use handmill::tensor::{Dtype, HostTensor};
use handmill::weights::load_tensors;
use indicatif::{ProgressBar, ProgressStyle};

use super::lockstep;
use crate::target::{PlanArgs, StoredDtype};
use crate::{Outcome, print};

/// What was found in a folder; errors are shares of what they may be.
struct Found {
    model: &'static str,
    operations: usize,
    /// The worst operation's error of its bound.
    bound: f64,
    /// The worst output's error of its tolerance, on the adapter and on the reference.
    outputs: Option<[f64; 2]>,
}

impl Found {
    fn ok(&self) -> bool {
        [self.bound].iter().chain(self.outputs.iter().flatten()).all(|share| *share <= 1.0)
    }
}

/// Verifies every model folder in and below `root`.
///
/// # Errors
/// If there is none, no adapter, or one of them cannot be run at all: the table has the reason
pub fn verify_all(root: &Path, how: &PlanArgs) -> Result<Outcome> {
    let mut folders = vec![];
    find(root, &mut folders)?;
    if folders.is_empty() {
        return Err(Error::file(root, "holds no model: no folder in it has a config.json"));
    }
    folders.sort();
    let device = how.device.adapter()?;
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}").expect("bug: a template");
    let progress = ProgressBar::new(folders.len() as u64).with_style(style);
    print("| folder | model | operations | of bound | outputs, adapter | outputs, reference |\n");
    print("|---|---|--:|--:|--:|--:|\n");
    let (mut differ, mut failed) = (0, 0);
    for folder in &folders {
        let name = folder.strip_prefix(root).unwrap_or(folder).display().to_string();
        progress.set_message(name.clone());
        let row = match verify(folder, how, &device) {
            Ok(found) => {
                differ += usize::from(!found.ok());
                row(&found)
            }
            Err(e) => {
                failed += 1;
                format!("{e} | | | |")
            }
        };
        progress.suspend(|| print(&format!("| {name} | {row} |\n")));
        progress.inc(1);
    }
    progress.finish_and_clear();
    let adapter = &device.adapter().name;
    print(&format!("\n{} models on {adapter}: {differ} differ, {failed} cannot be run\n", folders.len()));
    match (failed, differ) {
        (0, 0) => Ok(Outcome::Done),
        (0, _) => Ok(Outcome::Differs),
        _ => Err(Error::file(root, format!("{failed} of {} models cannot be run", folders.len()))),
    }
}

/// Folders with a `config.json`, in and below `folder`.
fn find(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let fail = |e: std::io::Error| Error::file(folder, format!("cannot be read: {e}"));
    if folder.join("config.json").is_file() {
        found.push(folder.to_owned());
    }
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        // Links are not followed: they may lead back here.
        if entry.file_type().map_err(fail)?.is_dir() {
            find(&entry.path(), found)?;
        }
    }
    Ok(())
}

fn verify(folder: &Path, how: &PlanArgs, device: &Arc<Device>) -> Result<Found> {
    let loaded = Loaded::open(folder)?;
    let tensors = |name: &str| {
        let path = folder.join(name);
        path.exists().then(|| load_tensors(path)).transpose()
    };
    let inputs = tensors("inputs.safetensors")?;
    let found = lockstep(&loaded, inputs.as_ref(), how, device)?;
    // What other weights give, and what is rounded to f16 on the way, is in no file.
    let expected =
        if how.random.is_some() || how.dtype == StoredDtype::F16 { None } else { tensors("outputs.safetensors")? };
    let outputs = match (&inputs, &expected) {
        (Some(inputs), Some(expected)) => {
            let atol = tolerances(folder, expected)?;
            let share = |engine: Engine| -> Result<f64> {
                worst(&how.context(&loaded, &engine, inputs)?.run(inputs)?, expected, &atol)
            };
            Some([share(Engine::Gpu(device.clone()))?, share(Engine::Reference)?])
        }
        _ => None,
    };
    Ok(Found { model: loaded.model.name, operations: found.ops.len(), bound: found.ratio(), outputs })
}

/// The largest error of every float output that `meta.json` allows, in the order of `expected`.
fn tolerances(folder: &Path, expected: &Tensors) -> Result<Vec<f64>> {
    let path = folder.join("meta.json");
    let text = std::fs::read_to_string(&path).map_err(|e| Error::file(&path, format!("cannot be read: {e}")))?;
    let meta = Config::parse(&path.display().to_string(), &text)?;
    let atol = |(name, tensor): (&String, &HostTensor)| match tensor.dtype() {
        Dtype::I32 | Dtype::U32 => Ok(0.0),
        _ => meta
            .get("outputs")
            .and_then(|outputs| outputs.get(name)?.get("atol")?.as_f64())
            .ok_or_else(|| Error::config(path.display().to_string(), format!("outputs.{name}.atol is missing"))),
    };
    expected.iter().map(atol).collect()
}

/// The worst element's error, as a share of its output's tolerance: infinite where shapes, integers or NaN differ.
fn worst(got: &Tensors, expected: &Tensors, atol: &[f64]) -> Result<f64> {
    let mut worst = 0.0f64;
    for ((name, want), atol) in expected.iter().zip(atol) {
        let got = got.get(name).ok_or_else(|| Error::tensor(name, "is expected, and is no output"))?;
        if got.shape() != want.shape() || got.dtype() != want.dtype() {
            return Ok(f64::INFINITY);
        }
        for (g, w) in got.to_f64().into_iter().zip(want.to_f64()) {
            let share = if g == w { 0.0 } else { (g - w).abs() / atol };
            worst = if share.is_nan() { f64::INFINITY } else { worst.max(share) };
        }
    }
    Ok(worst)
}

/// A row after the folder's name.
fn row(found: &Found) -> String {
    let [adapter, reference] = match found.outputs {
        None => ["–", "–"].map(str::to_owned),
        Some(shares) => shares.map(|share| format!("{share:.3}")),
    };
    let mark = if found.ok() { "" } else { " FAILED" };
    format!("{} | {} | {:.3} | {adapter} | {reference}{mark}", found.model, found.operations, found.bound)
}
