//! `handmill bench`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use handmill::bench::ceiling::Ceilings;
use handmill::bench::suite::{CASES, Entry, Suite};
use handmill::bench::{self, Effort, Row};
use handmill::device::{Device, Select};
use handmill::error::{Error, Result};
use handmill::file::write_atomic;
use regex::Regex;

use crate::target::{StoredDtype, check_output};
use crate::{Outcome, notice, print};

/// Arguments of `handmill bench`.
#[derive(clap::Args)]
pub struct Args {
    /// One group of cases; all without it
    #[arg(value_enum)]
    suite: Option<Group>,
    /// Only cases whose name this regular expression finds
    #[arg(long, value_name = "REGEX")]
    only: Option<String>,
    /// List the cases and measure nothing
    #[arg(long)]
    list: bool,
    /// Write the rows as a JSON list
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Show each median as a ratio to that of an earlier JSON list
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Write benches/record/ADAPTER/DATE.csv and .txt
    #[arg(long)]
    record: bool,
    /// Storage of what cases read and write
    #[arg(long, value_enum, default_value = "f32")]
    dtype: StoredDtype,
    /// Samples of every variant
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(3..))]
    samples: u16,
    /// auto, gpu, gpu:N, or a part of an adapter's name
    #[arg(long, default_value = "auto")]
    device: String,
}

/// A group of cases.
#[derive(Clone, Copy, ValueEnum)]
enum Group {
    /// Products of matrices
    Matmul,
    /// Convolutions
    Conv,
    /// Attention
    Attention,
    /// Norms, softmax and losses
    Rows,
    /// Element by element
    Elementwise,
}

/// Verifies and times kernels, all variants side by side.
pub fn bench(args: &Args) -> Result<Outcome> {
    let cases = chosen(args)?;
    if args.list {
        print(&cases.iter().map(|case| format!("{}\n", named(case, args.dtype))).collect::<String>());
        return Ok(Outcome::Done);
    }
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
         medians and quartile distances of up to {} samples in turn, by {clock}; caches cold\n\n",
        adapter.name,
        adapter.driver,
        ceilings.bandwidth / 1e9,
        ceilings.flops / 1e9,
        args.samples
    );
    text.push_str(&format!(
        "{:<50} {:<9} {:>12} {:>8} {:>9} {:>8} {:>9}{}\n",
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
    let mut rows = vec![];
    for entry in cases {
        let case = (entry.case)();
        let case = if args.dtype == StoredDtype::F16 { case.half() } else { case };
        for row in bench::case(&named(entry, args.dtype), &case, &device, &ceilings, effort)? {
            let line = line(&row, earlier.as_ref());
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
        record(&rows, &text)?;
    }
    Ok(Outcome::Done)
}

/// The name of a case whose floats are stored as `dtype`.
fn named(entry: &Entry, dtype: StoredDtype) -> String {
    match dtype {
        StoredDtype::F32 => entry.name.to_owned(),
        StoredDtype::F16 => entry.name.replacen("/f32/", "/f16/", 1),
    }
}

/// The cases of the suite that `--only` finds.
fn chosen(args: &Args) -> Result<Vec<&'static Entry>> {
    let only = args.only.as_deref().map(Regex::new).transpose();
    let only = only.map_err(|e| Error::config("--only", e.to_string().lines().last().unwrap_or_default()))?;
    let suite = args.suite.map(|group| match group {
        Group::Matmul => Suite::Matmul,
        Group::Conv => Suite::Conv,
        Group::Attention => Suite::Attention,
        Group::Rows => Suite::Rows,
        Group::Elementwise => Suite::Elementwise,
    });
    let wanted = |entry: &&Entry| {
        suite.is_none_or(|suite| suite == entry.suite)
            && only.as_ref().is_none_or(|only| only.is_match(&named(entry, args.dtype)))
    };
    let found: Vec<_> = CASES.iter().filter(wanted).collect();
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

fn line(row: &Row, earlier: Option<&Earlier>) -> String {
    let ratio = earlier.map_or(String::new(), |earlier| {
        let key = (row.case.clone(), row.variant.clone(), row.adapter.clone());
        earlier.get(&key).map_or("           –".into(), |before| format!("{:>12.3}", row.median_s / before))
    });
    format!(
        "{:<50} {:<9} {:>9.3} ms {:>6.1} % {:>9.1} {:>8.1} {:>7.1} %{ratio}\n",
        row.case,
        row.variant,
        1e3 * row.median_s,
        100.0 * row.spread_s / row.median_s,
        row.gflops,
        row.gbps,
        100.0 * row.roofline
    )
}

/// Writes the record of today.
fn record(rows: &[Row], text: &str) -> Result<()> {
    let adapter = rows.first().map_or("", |row| row.adapter.as_str());
    // "llvmpipe (LLVM 15.0.6, 256 bits)" and "NVIDIA H200": what stands before a bracket, in letters of file names.
    let name = adapter.split('(').next().unwrap_or_default().trim().to_lowercase().replace([' ', '/'], "-");
    let folder = Path::new("benches/record").join(name);
    std::fs::create_dir_all(&folder).map_err(|e| Error::file(&folder, format!("cannot be made: {e}")))?;
    let date = date(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()));
    let mut csv = csv::Writer::from_writer(vec![]);
    let fail = |e: csv::Error| Error::file(&folder, e.to_string());
    rows.iter().try_for_each(|row| csv.serialize(row)).map_err(fail)?;
    let csv = csv.into_inner().map_err(|e| Error::file(&folder, e.to_string()))?;
    for (end, bytes) in [("csv", &csv[..]), ("txt", text.as_bytes())] {
        let path = folder.join(format!("{date}.{end}"));
        write_atomic(&path, |out| out.write_all(bytes))?;
        notice(&format!("written to {}", path.display()));
    }
    Ok(())
}

/// `YYYY-MM-DD` of seconds since 1970 in UTC (Hinnant, "chrono-compatible low-level date algorithms").
fn date(seconds: u64) -> String {
    let z = (seconds / 86_400) as i64 + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    format!("{:04}-{month:02}-{day:02}", yoe + era * 400 + i64::from(month <= 2))
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates() {
        assert_eq!(super::date(0), "1970-01-01");
        assert_eq!(super::date(951_782_400), "2000-02-29");
        assert_eq!(super::date(1_795_478_400), "2026-11-24");
    }
}
