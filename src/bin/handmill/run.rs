//! `handmill run`

use std::path::PathBuf;

use handmill::error::Result;
use handmill::models::Loaded;
use handmill::weights::save_tensors;

use crate::target::{ModelArgs, check_output, read_inputs};
use crate::{Outcome, notice};

/// Arguments of `handmill run`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Tensors by name, safetensors
    #[arg(long, value_name = "FILE")]
    inputs: PathBuf,
    /// Where the results go, safetensors; integers as I64
    #[arg(long, value_name = "FILE")]
    outputs: PathBuf,
}

/// Runs a model, and its program where the inputs ask for one, and writes every result.
pub fn run(args: &Args) -> Result<Outcome> {
    let weights = ["model.safetensors", "diffusion_pytorch_model.safetensors", "config.json"];
    let read: Vec<_> = weights.iter().map(|name| args.model.model.join(name)).chain([args.inputs.clone()]).collect();
    check_output(&args.outputs, &read)?;
    let loaded = Loaded::open(&args.model.model)?;
    let inputs = read_inputs(&args.inputs)?;
    let engine = args.model.how.device.engine()?;
    let context = args.model.how.context(&loaded, &engine, &inputs)?;
    let results: Vec<_> = context.run(&inputs)?.into_iter().collect();
    save_tensors(&args.outputs, &results, true)?;
    notice(&format!("{} tensors from {} written to {}", results.len(), engine.name(), args.outputs.display()));
    Ok(Outcome::Done)
}
