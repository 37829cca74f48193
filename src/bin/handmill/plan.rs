//! `handmill plan`

use std::path::PathBuf;

use handmill::adapter::Adapter;
use handmill::error::Result;
use handmill::models::{Inputs, Loaded};
use handmill::plan::Plan;

use crate::target::{ModelArgs, read_inputs};
use crate::{Outcome, notice, print};

/// Arguments of `handmill plan`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Shapes are those of these inputs (safetensors); otherwise the model's defaults
    #[arg(long, value_name = "FILE")]
    inputs: Option<PathBuf>,
    /// Print a DOT graph
    #[arg(long)]
    dot: bool,
}

/// Prints the plan of a model. With `--limits NAME` no device is opened.
pub fn plan(args: &Args) -> Result<Outcome> {
    let loaded = Loaded::open(&args.model.model)?;
    let given = args.inputs.as_deref().map(read_inputs).transpose()?;
    let given = given.map(|inputs| loaded.model.graph_inputs(&inputs));
    let inputs = given.as_ref().map_or_else(Inputs::defaults, Inputs::of);
    let keys = args.model.how.checkpoint(&loaded)?.map(|c| c.tensors().iter().map(|t| t.name.clone()).collect());
    let graph = loaded.graph(&inputs, keys)?;
    let adapter = match args.model.how.limits()? {
        Some(named) => named,
        None => match args.model.how.device.found()? {
            Ok(device) => device.adapter().clone(),
            Err(why) => {
                notice(&format!("{why}; planning for webgpu"));
                Adapter::webgpu()
            }
        },
    };
    let plan = Plan::with(&graph, &adapter, &args.model.how.options()?)?;
    print(&if args.dot { plan.dot() } else { plan.to_string() });
    Ok(Outcome::Done)
}
