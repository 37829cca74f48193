//! `handmill profile`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::ValueEnum;
use handmill::bench::ceiling::Ceilings;
use handmill::bench::median;
use handmill::device::Device;
use handmill::engine::Engine;
use handmill::error::{Error, Result};
use handmill::file::write_atomic;
use handmill::graph::Phase;
use handmill::kernel::Work;
use handmill::models::Loaded;
use handmill::plan::{Dispatch, Op, Plan};
use handmill::run::Runner;
use handmill::run::timed::Timer;
use handmill::store::Store;
use handmill::train::run::Begun;
use handmill::train::trainer::How;

use crate::target::{ModelArgs, Prepared, check_output, read_inputs};
use crate::train::Opened;
use crate::{Outcome, notice, print};

/// Arguments of `handmill profile`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Tensors by name, safetensors; without it, made-up ones
    #[arg(long, value_name = "FILE")]
    inputs: Option<PathBuf>,
    /// Profile a step of training by these settings (docs/training.md), in place of a run
    #[arg(long, value_name = "FILE", conflicts_with = "inputs")]
    train: Option<PathBuf>,
    /// The batches of the step, in place of the data that the settings name; safetensors
    #[arg(long, value_name = "FILE", requires = "train")]
    batches: Option<PathBuf>,
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
    /// A part of a step of training: forward, backward, update
    Phase,
}

/// Times a model's dispatches with the adapter's clock.
pub fn profile(args: &Args) -> Result<Outcome> {
    let given: Vec<_> = args.inputs.iter().chain(&args.train).chain(&args.batches).cloned().collect();
    args.csv.iter().chain(&args.trace).try_for_each(|path| check_output(path, &given))?;
    if args.model.how.device.device == "reference" {
        return Err(Error::config("--device", "there is nothing to time: the reference dispatches nothing"));
    }
    let (model, device, found) = match &args.train {
        Some(train) => step(args, train)?,
        None => run(args)?,
    };
    let ceilings = Ceilings::measure(&device)?;
    let dispatches: usize = found.iter().map(|f| f.plan.dispatches.len()).sum();
    let sum = |of: fn(&Found) -> f64| 1e3 * found.iter().map(of).sum::<f64>();
    print(&format!(
        "{model} on {}: {dispatches} dispatches, {:.3} ms on the adapter (median of {} runs); a {} without timestamps \
         {:.3} ms, of which {:.3} ms record and submit it\n",
        device.adapter().name,
        sum(|f| f.dispatches.iter().sum()),
        args.runs,
        if args.train.is_some() { "step" } else { "run" },
        sum(|f| f.whole),
        sum(|f| f.host)
    ));
    if args.train.is_some() && args.by != By::Phase {
        print(&table(&found, &ceilings, By::Phase, 0));
    }
    print(&table(&found, &ceilings, args.by, args.top));
    if let Some(path) = &args.csv {
        write_csv(path, &found)?;
    }
    if let Some(path) = &args.trace {
        write_trace(path, &found)?;
    }
    args.csv.iter().chain(&args.trace).for_each(|path| notice(&format!("written to {}", path.display())));
    Ok(Outcome::Done)
}

/// The name of what was measured, where, and what was found of each of its plans.
type Measured = (String, Arc<Device>, Vec<Found>);

/// A run of the model.
fn run(args: &Args) -> Result<Measured> {
    let how = &args.model.how;
    let loaded = Loaded::open(&args.model.model)?;
    let given = args.inputs.as_deref().map(read_inputs).transpose()?;
    let Prepared { graph, weights, inputs } = how.prepared(&loaded, given.as_ref())?;
    let device = how.device.adapter()?;
    let options = how.options()?;
    let start = Instant::now();
    let plan = Arc::new(Plan::with(&graph, &how.adapter(&device)?, &options)?);
    let planned = start.elapsed().as_secs_f64();
    let runner = Runner::new(&Store::new(&device, weights), &plan)?;
    inputs.iter().try_for_each(|(name, tensor)| runner.upload(name, tensor))?;
    let ready = start.elapsed().as_secs_f64();
    runner.run()?;
    runner.wait()?;
    let first = start.elapsed().as_secs_f64();
    print(&format!(
        "first result after {:.1} ms: plan {:.1} ms, buffers and weights {:.1} ms, {} pipelines {:.1} ms, first run {:.1} ms\n",
        1e3 * first,
        1e3 * planned,
        1e3 * runner.startup().buffers,
        plan.totals().pipelines,
        1e3 * runner.startup().pipelines,
        1e3 * (first - ready)
    ));
    let found = measure(&runner, usize::from(args.runs))?;
    Ok((loaded.model.name.to_owned(), device, vec![found]))
}

/// A step of training: every part of it, again and again on the batch of the first step.
fn step(args: &Args, train: &Path) -> Result<Measured> {
    let how = &args.model.how;
    let Opened { task, mut data, checkpoint } = Opened::new(&args.model, train, args.batches.as_deref())?;
    let name = format!("a step of {}", task.model.name);
    let device = how.device.adapter()?;
    let plans = How { options: how.options()?, limits: how.limits()?, watch_nan: false };
    let engine = Engine::Gpu(device.clone());
    let mut begun = Begun::new(task, &mut data, checkpoint.as_ref(), &engine, plans)?;
    let batches = begun.batches(&mut data)?;
    begun.trainer.step(&batches)?;
    let found = begun.trainer.runners().map(|runner| measure(runner, usize::from(args.runs)));
    Ok((name, device, found.collect::<Result<_>>()?))
}

/// A plan, and seconds: of every dispatch, of a run, and of the host's part of it; all medians.
struct Found {
    plan: Arc<Plan>,
    dispatches: Vec<f64>,
    whole: f64,
    host: f64,
}

impl Found {
    /// Dispatches in order, with their operations and seconds.
    fn timed(&self) -> impl Iterator<Item = (&Dispatch, &Op, f64)> {
        let times = self.plan.dispatches.iter().zip(&self.dispatches);
        times.map(|(d, seconds)| (d, &self.plan.ops[d.op], *seconds))
    }
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
    Ok(Found { plan: runner.plan().clone(), dispatches, whole: median(&whole).0, host: median(&host).0 })
}

/// The name of a line that an operation counts towards.
fn place(plan: &Plan, index: usize, by: By) -> String {
    let op = &plan.ops[index];
    match by {
        By::Phase => plan.phase(index).name().into(),
        By::Node => op.label(),
        By::Kernel => op.variant().label(op.call.kernel),
        By::Scope if op.at.scope.is_empty() => "(root)".into(),
        By::Scope => op.at.scope.clone(),
    }
}

/// Time, share, and the least time that the ceilings allow as a share of it; the longest first.
fn table(found: &[Found], ceilings: &Ceilings, by: By, top: usize) -> String {
    // Time, least time and dispatches of each line.
    let mut lines: BTreeMap<String, (f64, f64, usize)> = BTreeMap::new();
    for found in found {
        let mut seen = None;
        for (d, op, seconds) in found.timed() {
            let line = lines.entry(place(&found.plan, d.op, by)).or_default();
            line.0 += seconds;
            line.2 += 1;
            // An operation may take several dispatches, and does its work once.
            if seen.replace((d.op, d.step)) != Some((d.op, d.step)) {
                let work: Work = (op.call.kernel.work)(&op.call);
                line.1 += ceilings.least(work);
            }
        }
    }
    let total: f64 = lines.values().map(|line| line.0).sum();
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

fn write_csv(path: &Path, found: &[Found]) -> Result<()> {
    let fail = |e: csv::Error| Error::file(path, e.to_string());
    let mut out = csv::Writer::from_writer(vec![]);
    let head = ["dispatch", "phase", "node", "kernel", "scope", "source", "seconds", "flops", "bytes"];
    out.write_record(head).map_err(fail)?;
    let all = found.iter().flat_map(|found| found.timed().map(move |timed| (&found.plan, timed)));
    for (i, (plan, (d, op, seconds))) in all.enumerate() {
        let work: Work = (op.call.kernel.work)(&op.call);
        let names = [By::Phase, By::Node, By::Kernel, By::Scope].map(|by| place(plan, d.op, by));
        let numbers = [format!("{seconds:e}"), work.flops.to_string(), work.bytes.to_string()];
        let row = std::iter::once(i.to_string()).chain(names).chain([op.at.to_string()]).chain(numbers);
        out.write_record(row).map_err(fail)?;
    }
    let bytes = out.into_inner().map_err(|e| Error::file(path, e.to_string()))?;
    write_atomic(path, |file| file.write_all(&bytes))
}

/// The trace event format: complete events, one after another; a lane for each phase.
fn write_trace(path: &Path, found: &[Found]) -> Result<()> {
    let lane = |tid: usize| {
        serde_json::json!({
            "name": "thread_name", "ph": "M", "pid": 0, "tid": tid, "args": {"name": Phase::ALL[tid].name()},
        })
    };
    let mut events: Vec<_> = (0..Phase::ALL.len()).map(lane).collect();
    let mut at = 0.0;
    for found in found {
        for (d, op, seconds) in found.timed() {
            let [name, kernel] = [By::Node, By::Kernel].map(|by| place(&found.plan, d.op, by));
            events.push(serde_json::json!({
                "name": name, "cat": kernel, "ph": "X", "pid": 0, "tid": found.plan.phase(d.op) as usize,
                "ts": 1e6 * at, "dur": 1e6 * seconds, "args": {"source": op.at.to_string()},
            }));
            at += seconds;
        }
    }
    let trace = serde_json::json!({ "traceEvents": events, "displayTimeUnit": "ms" });
    write_atomic(path, |out| writeln!(out, "{trace}"))
}
