//! `handmill profile`

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::ValueEnum;
use handmill::bench::ceiling::Ceilings;
use handmill::bench::median;
use handmill::error::{Error, Result};
use handmill::file::write_atomic;
use handmill::kernel::Work;
use handmill::models::Loaded;
use handmill::plan::{Op, Plan};
use handmill::run::Runner;
use handmill::run::timed::Timer;
use handmill::store::Store;

use crate::target::{ModelArgs, Prepared, check_output, read_inputs};
use crate::{Outcome, notice, print};

/// Arguments of `handmill profile`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Tensors by name, safetensors; without it, made-up ones
    #[arg(long, value_name = "FILE")]
    inputs: Option<PathBuf>,
    /// Timed runs, after one that warms up
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// What the table has a line for
    #[arg(long, value_enum, default_value = "kernel")]
    by: By,
    /// Lines of the table; 0 is all
    #[arg(long, default_value_t = 30)]
    top: usize,
    /// Write a line for every dispatch
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write a trace that chrome://tracing and Perfetto open
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

/// What a line of the table stands for.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// An operation of the plan
    Node,
    /// A kernel with its variant
    Kernel,
    /// A part of the model
    Scope,
}

/// Times a model's dispatches with the adapter's clock.
pub fn profile(args: &Args) -> Result<Outcome> {
    args.csv.iter().chain(&args.trace).try_for_each(|path| check_output(path, args.inputs.as_slice()))?;
    let how = &args.model.how;
    let loaded = Loaded::open(&args.model.model)?;
    if how.device.device == "reference" {
        return Err(Error::config("--device", "there is nothing to time: the reference dispatches nothing"));
    }
    let given = args.inputs.as_deref().map(read_inputs).transpose()?;
    let Prepared { graph, weights, inputs } = how.prepared(&loaded, given.as_ref())?;
    let device = how.device.adapter()?;
    let plan = Arc::new(Plan::with(&graph, &how.adapter(&device)?, &how.options()?)?);
    let ceilings = Ceilings::measure(&device)?;
    let runner = Runner::new(&Store::new(&device, weights), &plan)?;
    inputs.iter().try_for_each(|(name, tensor)| runner.upload(name, tensor))?;
    let found = measure(&runner, usize::from(args.runs))?;

    let total: f64 = found.dispatches.iter().sum();
    print(&format!(
        "{} on {}: {} dispatches, {:.3} ms on the adapter (median of {} runs); a run without timestamps {:.3} ms, \
         of which {:.3} ms record and submit it\n",
        loaded.model.name,
        device.adapter().name,
        plan.dispatches.len(),
        1e3 * total,
        args.runs,
        1e3 * found.whole,
        1e3 * found.host
    ));
    print(&table(&plan, &found.dispatches, &ceilings, args.by, args.top));
    if let Some(path) = &args.csv {
        write_csv(path, &plan, &found.dispatches)?;
    }
    if let Some(path) = &args.trace {
        write_trace(path, &plan, &found.dispatches)?;
    }
    args.csv.iter().chain(&args.trace).for_each(|path| notice(&format!("written to {}", path.display())));
    Ok(Outcome::Done)
}

/// Seconds: of every dispatch, of a run, and of the host's part of it; all medians.
struct Found {
    dispatches: Vec<f64>,
    whole: f64,
    host: f64,
}

fn measure(runner: &Runner, runs: usize) -> Result<Found> {
    let timer = Timer::new(runner)?;
    timer.run()?;
    let timed = (0..runs).map(|_| timer.run()).collect::<Result<Vec<_>>>()?;
    let of = |i: usize| median(&timed.iter().map(|run| run[i]).collect::<Vec<_>>()).0;
    let (mut whole, mut host) = (vec![], vec![]);
    for _ in 0..runs {
        let start = Instant::now();
        runner.run()?;
        host.push(start.elapsed().as_secs_f64());
        runner.wait()?;
        whole.push(start.elapsed().as_secs_f64());
    }
    let dispatches = (0..runner.plan().dispatches.len()).map(of).collect();
    Ok(Found { dispatches, whole: median(&whole).0, host: median(&host).0 })
}

/// The name of a line that `op` counts towards.
fn place(op: &Op, by: By) -> String {
    match by {
        By::Node => op.label(),
        By::Kernel => op.variant().label(op.call.kernel),
        By::Scope if op.at.scope.is_empty() => "(root)".into(),
        By::Scope => op.at.scope.clone(),
    }
}

/// Time, share, and the least time that the ceilings allow as a share of it; the longest first.
fn table(plan: &Plan, seconds: &[f64], ceilings: &Ceilings, by: By, top: usize) -> String {
    // Time, least time and dispatches of each line.
    let mut lines: BTreeMap<String, (f64, f64, usize)> = BTreeMap::new();
    let mut seen = None;
    for (d, seconds) in plan.dispatches.iter().zip(seconds) {
        let op = &plan.ops[d.op];
        let line = lines.entry(place(op, by)).or_default();
        line.0 += seconds;
        line.2 += 1;
        // An operation may take several dispatches, and does its work once.
        if seen.replace((d.op, d.step)) != Some((d.op, d.step)) {
            let work: Work = (op.call.kernel.work)(&op.call);
            line.1 += ceilings.least(work);
        }
    }
    let total: f64 = seconds.iter().sum();
    let mut lines: Vec<_> = lines.into_iter().collect();
    lines.sort_by(|a, b| b.1.0.total_cmp(&a.1.0));
    let mut out = format!("{:>10} {:>7} {:>9} {:>10}  {}\n", "time", "share", "roofline", "dispatches", "what");
    let shown = if top == 0 { lines.len() } else { top };
    for (name, (time, least, count)) in lines.iter().take(shown) {
        let (share, roofline) = (100.0 * time / total, 100.0 * least / time);
        out.push_str(&format!("{:>7.3} ms {share:>5.1} % {roofline:>7.1} % {count:>10}  {name}\n", 1e3 * time));
    }
    if lines.len() > shown {
        let rest: f64 = lines[shown..].iter().map(|line| line.1.0).sum();
        let (share, n) = (100.0 * rest / total, lines.len() - shown);
        out.push_str(&format!("{:>7.3} ms {share:>5.1} %                       {n} more lines\n", 1e3 * rest));
    }
    out
}

fn write_csv(path: &std::path::Path, plan: &Plan, seconds: &[f64]) -> Result<()> {
    let fail = |e: csv::Error| Error::file(path, e.to_string());
    let mut out = csv::Writer::from_writer(vec![]);
    out.write_record(["dispatch", "node", "kernel", "scope", "source", "seconds", "flops", "bytes"]).map_err(fail)?;
    for (i, (d, seconds)) in plan.dispatches.iter().zip(seconds).enumerate() {
        let op = &plan.ops[d.op];
        let work: Work = (op.call.kernel.work)(&op.call);
        let [node, kernel, scope] = [By::Node, By::Kernel, By::Scope].map(|by| place(op, by));
        let numbers = [format!("{seconds:e}"), work.flops.to_string(), work.bytes.to_string()];
        let row = [i.to_string(), node, kernel, scope, op.at.to_string()].into_iter().chain(numbers);
        out.write_record(row).map_err(fail)?;
    }
    let bytes = out.into_inner().map_err(|e| Error::file(path, e.to_string()))?;
    write_atomic(path, |file| file.write_all(&bytes))
}

/// The trace event format: complete events, one after another.
fn write_trace(path: &std::path::Path, plan: &Plan, seconds: &[f64]) -> Result<()> {
    let mut at = 0.0;
    let mut events = vec![];
    for (d, seconds) in plan.dispatches.iter().zip(seconds) {
        let op = &plan.ops[d.op];
        events.push(serde_json::json!({
            "name": place(op, By::Node), "cat": place(op, By::Kernel), "ph": "X", "pid": 0, "tid": 0,
            "ts": 1e6 * at, "dur": 1e6 * seconds, "args": {"source": op.at.to_string()},
        }));
        at += seconds;
    }
    let trace = serde_json::json!({ "traceEvents": events, "displayTimeUnit": "ms" });
    write_atomic(path, |out| writeln!(out, "{trace}"))
}
