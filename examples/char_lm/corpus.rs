//! The text that is learnt: a file, or lines that are made up.

use std::path::PathBuf;

use clap::ValueEnum;
use handmill::file::write_atomic;
use handmill::train::data::permutation;
use handmill::{Error, Result};

use super::args::Args;
use super::calendar;

/// How often the training text has every other line.
const TIMES: u64 = 8;

/// Lines that are made up.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Corpus {
    /// Two numbers below 100, and their sum.
    Sums,
    /// A day from 2000 to 2039, and how people write it.
    Dates,
}

/// The file of the training text, and lines that are not in it as questions and answers.
pub fn text(args: &Args) -> Result<(PathBuf, Vec<(String, String)>)> {
    if let Some(path) = &args.text {
        return Ok((path.clone(), vec![]));
    }
    let lines = if args.corpus == Corpus::Sums { sums() } else { dates() };
    let order = |n, epoch| permutation(args.seed, epoch, n).into_iter().map(|i| i as usize);
    let (held_out, rest): (Vec<_>, Vec<_>) = order(lines.len(), 0).enumerate().partition(|(at, _)| *at < args.held_out);
    let path = args.out.join("corpus.txt");
    std::fs::create_dir_all(&args.out).map_err(|e| Error::file(&args.out, format!("cannot be made: {e}")))?;
    write_atomic(&path, |out| {
        let all = (1..=TIMES).flat_map(|epoch| order(rest.len(), epoch));
        all.map(|at| &lines[rest[at].1]).try_for_each(|(question, answer)| write!(out, "{question}{answer}"))
    })?;
    Ok((path, held_out.into_iter().map(|(_, at)| lines[at].clone()).collect()))
}

/// All sums of two numbers below 100.
fn sums() -> Vec<(String, String)> {
    let line = |(a, b)| (format!("{a}+{b}="), format!("{}\n", a + b));
    (0..100).flat_map(|a| (0..100).map(move |b| (a, b))).map(line).collect()
}

/// All days of 40 years.
fn dates() -> Vec<(String, String)> {
    let line = |day: calendar::Day| {
        let question = format!("{}-{:02}-{:02} -> ", day.year, day.month, day.day);
        (question, format!("{} {} {}\n", &day.weekday()[..3], day.day, &day.name()[..3]))
    };
    calendar::days(2000..2040).into_iter().map(line).collect()
}
