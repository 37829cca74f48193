//! Handmill beside other libraries: the same shapes and data, one run after another in one process.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml`

mod burn_models;
mod cases;
mod measure;
mod models;
mod on_burn;
mod on_cpu;
mod ours;
mod turns;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use handmill::bench::{Effort, record};
use handmill::device::{Device, Select};
use handmill::error::{Error, Result};
use handmill::file::write_atomic;
use measure::{Row, TOLERANCE};
use regex::Regex;

/// Times Handmill beside burn, candle and gemm.
#[derive(Parser)]
struct Args {
    /// Only cases whose name this regular expression finds
    #[arg(long, value_name = "REGEX")]
    only: Option<String>,
    /// List the cases and measure nothing
    #[arg(long)]
    list: bool,
    /// Write the rows as a JSON list
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write benches/record/ADAPTER/DATE-peers.csv and .txt
    #[arg(long)]
    record: bool,
    /// Write the data of the one case that --only finds, then run Handmill's side whenever stdin asks (pytorch.py)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "record", "list"])]
    turns: Option<PathBuf>,
    /// Samples of every contender
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(3..))]
    samples: u16,
    /// Seconds after which a case has enough samples, if it has three
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// auto, gpu, gpu:N, or a part of an adapter's name
    #[arg(long, default_value = "auto")]
    device: String,
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(e) => {
            // Help is a result; everything else is wrong usage.
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { 2 } else { 0 });
        }
    };
    match peers(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(3),
        Err(e) => {
            notice(&e.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Times what is asked for; false if a peer's result differs.
fn peers(args: &Args) -> Result<bool> {
    let names = chosen(args.only.as_deref())?;
    if args.list {
        print(&names.iter().map(|name| format!("{name}\n")).collect::<String>());
        return Ok(true);
    }
    let device = Device::open(&Select::parse(&args.device)?)?;
    let burn = on_burn::device(device.adapter());
    if let Some(path) = &args.turns {
        let [name] = names[..] else {
            let message = format!("finds {} cases, and --turns takes one", names.len());
            return Err(Error::config("--only", message));
        };
        return turns::turns(cases::case(name, &device, &burn)?, &device.adapter().name, path).map(|()| true);
    }
    let adapter = device.adapter();
    let mut text = format!(
        "{}, driver {}\nhandmill and burn 0.22 on it; candle 0.11 and gemm 0.19 on the CPU\n\
         every result within {TOLERANCE:e} of the f64 reference, as a share of its largest element; wall clock, in turn;\n\
         ratio: the peer's time over ours, median and quartile distance of up to {} rounds\n\n",
        adapter.name, adapter.driver, args.samples
    );
    text.push_str(&format!(
        "{:<40} {:>12} {:<14} {:>12} {:>8} {:>8}\n",
        "case", "handmill", "peer", "time", "ratio", "spread"
    ));
    print(&text);
    let effort = Effort { samples: usize::from(args.samples), seconds: args.seconds };
    let mut rows = vec![];
    for name in names {
        let case = cases::case(name, &device, &burn)?;
        for row in measure::measure(case, &adapter.name, effort).map_err(Error::Mismatch)? {
            let line = line(&row);
            print(&line);
            text.push_str(&line);
            rows.push(row);
        }
    }
    if let Some(path) = &args.json {
        let json = serde_json::to_string_pretty(&rows).expect("bug: a row that JSON has no text for");
        write_atomic(path, |out| writeln!(out, "{json}"))?;
    }
    if args.record {
        let written = record::write(&adapter.name, "-peers", &rows, &text)?;
        written.iter().for_each(|path| notice(&format!("written to {}", path.display())));
    }
    Ok(!rows.iter().any(|row| row.problem.as_ref().is_some_and(|p| p.starts_with("differs"))))
}

/// The cases that `--only` finds.
fn chosen(only: Option<&str>) -> Result<Vec<&'static str>> {
    let only = only.map(Regex::new).transpose();
    let only = only.map_err(|e| Error::config("--only", e.to_string().lines().last().unwrap_or_default()))?;
    let found: Vec<_> = cases::names().filter(|name| only.as_ref().is_none_or(|only| only.is_match(name))).collect();
    if found.is_empty() {
        return Err(Error::config("--only", "finds no case; --list names them"));
    }
    Ok(found)
}

fn line(row: &Row) -> String {
    let ms = |seconds: Option<f64>| seconds.map_or("–".into(), |s| format!("{:.3} ms", 1e3 * s));
    let start = format!("{:<40} {:>12} {:<14} {:>12}", row.case, ms(row.ours_s), row.peer, ms(row.peer_s));
    match (row.ratio, row.spread, &row.problem) {
        (Some(ratio), Some(spread), _) => {
            let verdict = if ratio < 1.0 { "  we lose" } else { "" };
            format!("{start} {ratio:>8.2} {:>6.1} %{verdict}\n", 100.0 * spread / ratio)
        }
        (_, _, problem) => format!("{start} {}\n", problem.as_deref().unwrap_or("no time")),
    }
}

/// Prints a result; a reader that went away is no error.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn notice(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "peers: {text}");
}
