//! `handmill verify`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use handmill::device::Device;
use handmill::engine::Tensors;
use handmill::error::{Error, Result};
use handmill::file::write_atomic;
use handmill::models::Loaded;
use handmill::store::Store;
use handmill::verify::{OpReport, Repro, Verification, verify_within};
use handmill::weights::save_tensors;

use crate::target::{PlanArgs, Prepared, read_inputs};
use crate::{Outcome, notice, print};

mod all;

/// Arguments of `handmill verify`.
#[derive(clap::Args)]
pub struct Args {
    /// Model folder: config.json, safetensors
    #[arg(long, value_name = "DIR", required_unless_present = "all")]
    model: Option<PathBuf>,
    /// Every model folder in and below this one, as a table: operations, and outputs.safetensors where it is there
    #[arg(long, value_name = "DIR", conflicts_with_all = ["model", "inputs", "repro", "operations"])]
    all: Option<PathBuf>,
    #[command(flatten)]
    how: PlanArgs,
    /// Tensors by name, safetensors; without it, made-up ones
    #[arg(long, value_name = "FILE")]
    inputs: Option<PathBuf>,
    /// Where the first failing call goes; `handmill kernel verify --repro DIR` replays it
    #[arg(long, value_name = "DIR", default_value = "repro")]
    repro: PathBuf,
    /// Print every operation, not only the kernels' worst
    #[arg(long)]
    operations: bool,
}

/// Runs a model on the adapter and every operation's reference on what the adapter read.
pub fn verify(args: &Args) -> Result<Outcome> {
    match (&args.all, &args.model) {
        (Some(folder), _) => all::verify_all(folder, &args.how),
        (None, Some(model)) => one(args, model),
        (None, None) => Err(Error::config("--model", "is missing")),
    }
}

fn one(args: &Args, model: &Path) -> Result<Outcome> {
    let loaded = Loaded::open(model)?;
    let given = args.inputs.as_deref().map(read_inputs).transpose()?;
    let device = args.how.device.adapter()?;
    let found = lockstep(&loaded, given.as_ref(), &args.how, &device)?;
    print(&table(&found.ops, args.operations));
    let worst = found.ratio();
    let nodes: usize = found.ops.iter().map(|o| o.nodes).sum();
    match found.first {
        None => {
            print(&format!(
                "{} operations for {nodes} nodes on {}: all within their bounds, largest error {worst:.3} of its bound\n",
                found.ops.len(),
                device.adapter().name
            ));
            Ok(Outcome::Done)
        }
        Some((at, repro)) => {
            let op = &found.ops[at];
            print(&format!("first divergence: operation {at}, {} ({})\n", op.label, op.at));
            for (name, report) in op.outputs.iter().filter(|(_, r)| !r.ok()) {
                print(&format!("    {name}: {report}\n"));
            }
            write_repro(&args.repro, &repro)?;
            notice(&format!(
                "the call is in {}; replay it with handmill kernel verify --repro {}",
                args.repro.display(),
                args.repro.display()
            ));
            Ok(Outcome::Differs)
        }
    }
}

/// Verifies the graph for `given` inputs, or the default one on made-up inputs.
fn lockstep(loaded: &Loaded, given: Option<&Tensors>, how: &PlanArgs, device: &Arc<Device>) -> Result<Verification> {
    let Prepared { graph, weights, inputs } = how.prepared(loaded, given)?;
    verify_within(&how.adapter(device)?, &Store::new(device, weights), &graph, &inputs, &how.options()?)
}

/// Label, graph nodes, largest difference and its share of the bound.
fn table(ops: &[OpReport], all: bool) -> String {
    let mut out = format!("{:<52} {:>5} {:>12} {:>9}\n", "operation", "nodes", "max |diff|", "of bound");
    let mut shown: Vec<&OpReport> = ops.iter().collect();
    if !all && ops.len() > 40 {
        // The worst of each kernel, in order of execution.
        shown.retain(|o| {
            let kernel = |o: &OpReport| o.label.rsplit('/').next().unwrap_or("").to_owned();
            !o.ok() || ops.iter().filter(|p| kernel(p) == kernel(o)).all(|p| p.ratio() <= o.ratio())
        });
    }
    for op in shown {
        let abs = op.outputs.iter().map(|(_, r)| r.max_abs).fold(0.0, f64::max);
        let mark = if op.ok() { "" } else { "  FAILED" };
        out.push_str(&format!("{:<52} {:>5} {abs:>12.3e} {:>9.3}{mark}\n", op.label, op.nodes, op.ratio()));
    }
    out
}

/// Writes a call, its inputs, what the reference says and what the adapter wrote.
fn write_repro(folder: &Path, repro: &Repro) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| Error::file(folder, format!("cannot be made: {e}")))?;
    let params: serde_json::Map<String, serde_json::Value> =
        repro.params.iter().map(|(name, value)| (name.clone(), crate::kernel::to_json(value))).collect();
    let variant = if repro.how.is_empty() { "plain" } else { &repro.how };
    let call = serde_json::json!({ "kernel": repro.kernel, "variant": variant, "params": params });
    for (name, tensors) in [("inputs", &repro.inputs), ("expected", &repro.expected), ("got", &repro.got)] {
        save_tensors(folder.join(format!("{name}.safetensors")), tensors, false)?;
    }
    // Last, so that a folder with a call has everything the call needs.
    write_atomic(&folder.join("call.json"), |out| writeln!(out, "{call:#}"))
}
