//! `handmill bench`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::builder::PossibleValuesParser;
use handmill::adapter::Adapter;
use handmill::bench::ceiling::Ceilings;
use handmill::bench::suite::{Entry, cases, suites};
use handmill::bench::{self, Effort, Row, record};
use handmill::check::Case;
use handmill::device::{Device, Select};
use handmill::error::{Error, Result};
use handmill::file::write_atomic;
use handmill::plan::{Half, Options, Plan};
use handmill::tune;
use regex::Regex;

use crate::target::{StoredDtype, check_output};
use crate::{Outcome, notice, print};

/// Arguments of `handmill bench`.
#[derive(clap::Args)]
pub struct Args {
    /// A family of kernels, or a model whose sizes the cases have; all without it
    #[arg(value_parser = PossibleValuesParser::new(suites()))]
    suite: Option<String>,
    /// Only cases whose name this regular expression finds
    #[arg(long, value_name = "REGEX")]
    only: Option<String>,
    /// List the cases and measure nothing
    #[arg(long)]
    list: bool,
    /// Write benches/record/ADAPTER/DATE.csv and .txt
    #[arg(long)]
    record: bool,
    #[command(flatten)]
    how: How,
}

/// How cases are measured, and what becomes of the rows.
#[derive(clap::Args)]
pub struct How {
    /// Write the rows as a JSON list
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Show each median as a ratio to that of an earlier JSON list
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Storage of what cases read and write
    #[arg(long, value_enum, default_value = "f32")]
    dtype: StoredDtype,
    /// Samples of every variant
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(3..))]
    samples: u16,
    /// Mark every kernel's own choice of variant, whatever `handmill tune` has measured
    #[arg(long)]
    no_tune: bool,
    /// auto, gpu, gpu:N, or a part of an adapter's name
    #[arg(long, default_value = "auto")]
    device: String,
}

impl How {
    /// How a case is planned: with the variants that were measured, unless they are not wanted.
    fn options(&self) -> Options {
        let half = if self.dtype == StoredDtype::F16 { Half::Everything } else { Half::Nothing };
        if self.no_tune {
            return Options { half, ..Options::default() };
        }
        let (tuned, notices) = tune::cached();
        notices.iter().for_each(|text| notice(text));
        Options { half, tuned: Some(tuned), ..Options::default() }
    }
}

/// Verifies and times kernels, all variants side by side.
pub fn bench(args: &Args) -> Result<Outcome> {
    let cases = chosen(args.suite.as_deref(), args.only.as_deref())?;
    if args.list {
        print(&cases.iter().map(|case| format!("{}\n", named(case, args.how.dtype))).collect::<String>());
        return Ok(Outcome::Done);
    }
    let (rows, text) = measured(&cases, &args.how)?;
    if args.record {
        let adapter = rows.first().map_or("", |row| row.adapter.as_str());
        let written = record::write(adapter, "", &rows, &text)?;
        written.iter().for_each(|path| notice(&format!("written to {}", path.display())));
    }
    Ok(Outcome::Done)
}

/// The same for some cases.
pub fn of_cases(cases: &[&Entry], how: &How) -> Result<Outcome> {
    measured(cases, how).map(|_| Outcome::Done)
}

/// The cases of the kernel `name`.
pub fn cases_of(name: &str) -> Vec<&'static Entry> {
    cases().filter(|entry| entry.kernel.name == name).collect()
}

/// Rows, and the text that was printed.
fn measured(cases: &[&Entry], args: &How) -> Result<(Vec<Row>, String)> {
    let earlier = args.compare.as_deref().map(read).transpose()?;
    args.json.iter().try_for_each(|path| check_output(path, args.compare.as_slice()))?;
    if args.device == "reference" {
        return Err(Error::config("--device", "there is nothing to time: the reference is not a kernel"));
    }
    let device = Device::open(&Select::parse(&args.device)?)?;
    let ceilings = Ceilings::measure(&device)?;
    let adapter = device.adapter();
    let clock = if adapter.timestamps { "the adapter's timestamps" } else { "submission and wait" };
    let mut text = format!(
        "{}, driver {}\ncopy {:.1} GB/s, f32 multiply-adds {:.1} GFLOP/s; cooperative matrices: not measured\n\
         medians and quartile distances of up to {} samples in turn, by {clock}; caches cold; * is what a plan takes\n\n",
        adapter.name,
        adapter.driver,
        ceilings.bandwidth / 1e9,
        ceilings.flops / 1e9,
        args.samples
    );
    text.push_str(&format!(
        "{:<50} {:<11} {:>12} {:>8} {:>9} {:>8} {:>9}{}\n",
        "case",
        "variant",
        "median",
        "spread",
        "GFLOP/s",
        "GB/s",
        "roofline",
        if earlier.is_some() { "  of earlier" } else { "" }
    ));
    print(&text);
    let effort = Effort { samples: usize::from(args.samples), ..Effort::default() };
    let options = args.options();
    let mut rows = vec![];
    for entry in cases {
        let case = if args.dtype == StoredDtype::F16 { entry.case().half() } else { entry.case() };
        let taken = taken(&case, adapter, &options)?;
        for row in bench::case(&named(entry, args.dtype), &case, &device, &ceilings, effort)? {
            let line = line(&row, row.variant == taken, earlier.as_ref());
            print(&line);
            text.push_str(&line);
            rows.push(row);
        }
    }
    if let Some(path) = &args.json {
        let json = serde_json::to_string_pretty(&rows).expect("bug: a row that JSON has no text for");
        write_atomic(path, |out| writeln!(out, "{json}"))?;
    }
    Ok((rows, text))
}

/// The name of a case whose floats are stored as `dtype`.
fn named(entry: &Entry, dtype: StoredDtype) -> String {
    match dtype {
        StoredDtype::F32 => entry.name(),
        StoredDtype::F16 => entry.name().replacen("/f32/", "/f16/", 1),
    }
}

/// The variant that a plan takes for `case`.
fn taken(case: &Case, adapter: &Adapter, options: &Options) -> Result<&'static str> {
    let plan = Plan::with(&Arc::new(case.graph()?), adapter, options)?;
    let own = plan.ops.iter().find(|op| std::ptr::eq(op.call.kernel, case.kernel));
    Ok(own.map_or("", |op| op.variant().word()))
}

/// The cases of `suite`, or of all, that the regular expression finds by the name of either dtype.
pub fn chosen(suite: Option<&str>, only: Option<&str>) -> Result<Vec<&'static Entry>> {
    let only = only.map(Regex::new).transpose();
    let only = only.map_err(|e| Error::config("--only", e.to_string().lines().last().unwrap_or_default()))?;
    let wanted = |entry: &&Entry| {
        let finds = |only: &Regex| {
            [StoredDtype::F32, StoredDtype::F16].into_iter().any(|dtype| only.is_match(&named(entry, dtype)))
        };
        suite.is_none_or(|suite| entry.is_in(suite)) && only.as_ref().is_none_or(finds)
    };
    let found: Vec<_> = cases().filter(wanted).collect();
    if found.is_empty() {
        return Err(Error::config("--only", "finds no case; `handmill bench --list` names them"));
    }
    Ok(found)
}

/// Medians of an earlier run, by case, variant and adapter.
type Earlier = BTreeMap<(String, String, String), f64>;

fn read(path: &Path) -> Result<Earlier> {
    let text = std::fs::read(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    let rows: Vec<Row> =
        serde_json::from_slice(&text).map_err(|e| Error::file(path, format!("is no list of measurements: {e}")))?;
    Ok(rows.into_iter().map(|row| ((row.case, row.variant, row.adapter), row.median_s)).collect())
}

fn line(row: &Row, taken: bool, earlier: Option<&Earlier>) -> String {
    let ratio = earlier.map_or(String::new(), |earlier| {
        let key = (row.case.clone(), row.variant.clone(), row.adapter.clone());
        earlier.get(&key).map_or("           –".into(), |before| format!("{:>12.3}", row.median_s / before))
    });
    format!(
        "{:<50} {:<9} {} {:>9.3} ms {:>6.1} % {:>9.1} {:>8.1} {:>7.1} %{ratio}\n",
        row.case,
        row.variant,
        if taken { '*' } else { ' ' },
        1e3 * row.median_s,
        100.0 * row.spread_s / row.median_s,
        row.gflops,
        row.gbps,
        100.0 * row.roofline
    )
}
