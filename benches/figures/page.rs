//! The records of `handmill bench --record`, and the part of docs/performance.md that is made from them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use handmill::bench::Row;
use handmill::bench::suite::cases;
use handmill::file::read_capped;
use handmill::kernels::FAMILIES;
use handmill::{Error, Result};

/// Around the part that is made.
pub const MARKS: [&str; 2] = ["<!-- records -->", "<!-- end of records -->"];
const MAX_FILE: u64 = 16 << 20;

/// The newest record of an adapter.
pub struct Record {
    /// The folder's name.
    pub adapter: String,
    /// `YYYY-MM-DD`
    pub date: String,
    /// The table as it was printed.
    pub text: String,
    /// Its rows; none in records from before there were any.
    pub rows: Vec<Row>,
}

impl Record {
    /// The fastest variant of every case, in the order of the record.
    pub fn fastest(&self) -> Vec<&Row> {
        let mut seen = std::collections::HashSet::new();
        self.rows.iter().filter(|row| seen.insert(row.case.as_str())).collect()
    }

    /// The name of its figure, below `docs/`.
    pub fn figure(&self) -> String {
        format!("figures/{}.svg", self.adapter)
    }
}

/// The newest record of every adapter below `root`.
///
/// # Errors
/// If one cannot be read
pub fn newest(root: &Path) -> Result<Vec<Record>> {
    let mut records = vec![];
    for folder in listed(root)? {
        let dates = listed(&folder)?.into_iter().filter(|path| path.extension().is_some_and(|e| e == "txt"));
        let Some(path) = dates.max() else { continue };
        let csv = path.with_extension("csv");
        let rows = if csv.exists() { rows(&csv)? } else { vec![] };
        let name = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = String::from_utf8_lossy(&read_capped(&path, MAX_FILE)?).into_owned();
        records.push(Record { adapter: name(&folder), date: name(&path), text, rows });
    }
    Ok(records)
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::file(folder, format!("cannot be read: {e}")))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

fn rows(path: &Path) -> Result<Vec<Row>> {
    let bytes = read_capped(path, MAX_FILE)?;
    let rows = csv::Reader::from_reader(&bytes[..]).deserialize().collect::<std::result::Result<_, _>>();
    rows.map_err(|e| Error::file(path, format!("is no record: {e}")))
}

/// The part of the page between the marks.
pub fn section(records: &[Record]) -> String {
    let mut out = String::new();
    for record in records {
        let Record { adapter, date, text, .. } = record;
        let _ = writeln!(out, "### {adapter}\n\n[{date}](../benches/record/{adapter}/{date}.txt):\n\n```");
        text.lines().take_while(|line| !line.is_empty()).for_each(|line| out.push_str(&format!("{line}\n")));
        out.push_str("```\n\n");
        if !record.rows.is_empty() {
            let _ = writeln!(out, "![share of the roofline of each case]({})\n", record.figure());
            out.push_str(&table(record));
        }
    }
    out
}

/// For each family: cases, and the least, middle and largest share of the roofline of their fastest variants.
fn table(record: &Record) -> String {
    let family: BTreeMap<String, &str> = cases()
        .filter_map(|entry| {
            let own = FAMILIES.iter().find(|(_, kernels)| kernels.iter().any(|k| std::ptr::eq(*k, entry.kernel)))?;
            Some((entry.name(), own.0))
        })
        .collect();
    let mut out = String::from("| family | cases | least | median | largest |\n|---|--:|--:|--:|--:|\n");
    for (name, _) in FAMILIES {
        let of = |row: &&&Row| family.get(&row.case) == Some(name);
        let mut shares: Vec<f64> = record.fastest().iter().filter(of).map(|row| 100.0 * row.roofline).collect();
        shares.sort_by(f64::total_cmp);
        if let (Some(least), Some(most)) = (shares.first(), shares.last()) {
            let middle = shares[shares.len() / 2];
            let _ = writeln!(out, "| {name} | {} | {least:.1} % | {middle:.1} % | {most:.1} % |", shares.len());
        }
    }
    out.push('\n');
    out
}

/// `page` with `section` between its marks; nothing if it has no marks.
pub fn with_section(page: &str, section: &str) -> Option<String> {
    let (before, rest) = page.split_once(MARKS[0])?;
    let (_, after) = rest.split_once(MARKS[1])?;
    Some(format!("{before}{}\n\n{section}{}{after}", MARKS[0], MARKS[1]))
}
