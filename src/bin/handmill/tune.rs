//! `handmill tune`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::builder::PossibleValuesParser;
use handmill::adapter::Adapter;
use handmill::bench::suite::{Entry, suites};
use handmill::device::{Device, Select};
use handmill::error::{Error, Result};
use handmill::models::Loaded;
use handmill::store::Store;
use handmill::tune::measure::{self, Measured};
use handmill::tune::{Tuned, folder};

use crate::bench::chosen;
use crate::target::{PlanArgs, Prepared, read_inputs};
use crate::{Outcome, notice, print};

/// Arguments of `handmill tune`.
#[derive(clap::Args)]
pub struct Args {
    /// A family of kernels, or a model whose sizes the cases have; all without it
    #[arg(value_parser = PossibleValuesParser::new(suites()), conflicts_with = "model")]
    suite: Option<String>,
    /// Only cases whose name this regular expression finds
    #[arg(long, value_name = "REGEX", conflicts_with = "model")]
    only: Option<String>,
    /// The calls of this model folder's plan, in place of cases
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Tensors by name, safetensors; without it, made-up ones
    #[arg(long, value_name = "FILE", requires = "model")]
    inputs: Option<PathBuf>,
    #[command(flatten)]
    how: PlanArgs,
}

/// Measures variants and keeps the fastest.
pub fn tune(args: &Args) -> Result<Outcome> {
    let how = &args.how;
    let Some(model) = &args.model else {
        if how.limits.is_some() {
            let message = "is for the plan of a model; cases are measured on the adapter as it is";
            return Err(Error::config("--limits", message));
        }
        return of_cases(&chosen(args.suite.as_deref(), args.only.as_deref())?, &how.device.device);
    };
    let (folder, device) = opened(&how.device.device)?;
    let loaded = Loaded::open(model)?;
    let given = args.inputs.as_deref().map(read_inputs).transpose()?;
    let Prepared { graph, weights, inputs } = how.prepared(&loaded, given.as_ref())?;
    let (adapter, options) = (how.adapter(&device)?, how.options()?);
    let store = Store::new(&device, weights);
    kept(&folder, &adapter, |tuned, told| measure::graph(tuned, (&store, &graph), &inputs, (&adapter, &options), told))
}

/// Measures the variants for cases of the benchmark and keeps the fastest.
pub fn of_cases(cases: &[&Entry], device: &str) -> Result<Outcome> {
    let (folder, device) = opened(device)?;
    kept(&folder, device.adapter(), |tuned, told| measure::suite(tuned, cases, &device, told))
}

/// Where choices are kept, and the device they are for.
fn opened(device: &str) -> Result<(PathBuf, Arc<Device>)> {
    if device == "reference" {
        return Err(Error::config("--device", "there is nothing to tune: the reference has no variants"));
    }
    let folder = folder().ok_or_else(|| {
        Error::config("HANDMILL_CACHE", "is not set, and there is no folder of caches to keep the choices in")
    })?;
    Ok((folder, Device::open(&Select::parse(device)?)?))
}

/// Adds what `measure` finds to the choices in `folder`.
fn kept(
    folder: &Path,
    adapter: &Adapter,
    measure: impl FnOnce(&mut Tuned, &mut dyn FnMut(&Measured)) -> Result<()>,
) -> Result<Outcome> {
    let (mut tuned, notices) = Tuned::read(folder);
    notices.iter().for_each(|text| notice(text));
    let (mut calls, mut changed) = (0, 0);
    measure(&mut tuned, &mut |found| {
        calls += 1;
        changed += usize::from(found.chosen != found.cold);
        print(&line(found));
    })?;
    let path = tuned.write(folder, adapter)?;
    let what = format!("{calls} calls measured on {}, {changed} with another variant than before", adapter.name);
    notice(&format!("{what}; written to {}", path.display()));
    Ok(Outcome::Done)
}

/// A call, its variants with their times, and the one that is taken.
fn line(found: &Measured) -> String {
    let time = |(word, seconds): &(String, f64)| format!("{word} {:.3} ms", 1e3 * seconds);
    let times: Vec<_> = found.times.iter().map(time).collect();
    let was = if found.chosen == found.cold { String::new() } else { format!(" (was {})", found.cold) };
    format!("{:<50} {}{was}: {}\n", found.call, found.chosen, times.join(", "))
}
