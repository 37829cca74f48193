//! Tables of numbers with one example a line: RFC 4180, with or without a line of names.

use std::io::Read;
use std::path::{Path, PathBuf};

use csv::{ErrorKind, StringRecord, Trim};

use crate::config::Config;
use crate::engine::Tensors;
use crate::error::{Error, Result};
use crate::file::{available_memory, bytes, excerpt, open_regular};
use crate::json::{Value, describe};
use crate::tensor::HostTensor;

use super::dataset::Dataset;
use super::{Names, path};

/// The longest file that is read, in bytes.
pub const MAX_FILE: u64 = 1 << 34;
/// The most columns of a table.
pub const MAX_COLUMNS: usize = 1 << 20;

/// A column as the settings name it.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// By its name in the first line.
    Name(String),
    /// By its number, from 0.
    Number(usize),
}

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub struct Csv {
    /// The file.
    pub path: PathBuf,
    /// The first line holds names.
    pub header: bool,
    /// Between two cells.
    pub delimiter: u8,
    /// The columns of `target`; none for data without.
    pub target: Vec<Column>,
    /// The columns of `input`; all others where this is empty.
    pub columns: Vec<Column>,
    /// The target is a label below this.
    pub classes: Option<usize>,
}

impl Csv {
    /// The keys besides those that all readers share.
    pub const KEYS: &[&str] = &["path", "header", "delimiter", "target", "columns", "classes"];

    /// The table that `config` names, below `folder`.
    pub fn read(config: &Config, folder: &Path) -> Csv {
        let classes = config.has("classes").then(|| config.usize_in("classes", 1, 1..=1 << 30));
        let target = columns(config, "target");
        config.require(classes.is_none() || target.len() == 1, "classes", || {
            format!("is given with {} target columns, expected one", target.len())
        });
        let delimiter = config.text("delimiter", ",", &[",", ";", "\t", "|", " "]);
        Csv {
            path: path(config, "path", folder),
            header: config.bool("header", true),
            delimiter: delimiter.as_bytes()[0],
            target,
            columns: columns(config, "columns"),
            classes,
        }
    }

    /// `input` (N,F) and `target`: (N,K), or labels (N).
    ///
    /// # Errors
    /// [`Error::File`] naming the line, for lines of another length than the first, cells that are no finite numbers,
    /// labels that are no whole numbers below `classes`, and columns that do not exist
    pub fn load(&self, names: &Names) -> Result<Dataset> {
        let (file, size) = open_regular(&self.path)?;
        if size > MAX_FILE {
            return Err(self.fail(format!("is {} long, more than the {} allowed here", bytes(size), bytes(MAX_FILE))));
        }
        // A cell takes two bytes at least and becomes four, in lists that double as they grow.
        if size.saturating_mul(4) > available_memory() {
            return Err(Error::OutOfMemory(format!(
                "{} needs {} of host memory",
                self.path.display(),
                bytes(4 * size)
            )));
        }
        // What is appended meanwhile is not read.
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(Trim::All)
            .delimiter(self.delimiter)
            .from_reader(file.take(size));
        let mut record = StringRecord::new();
        let first = reader.read_record(&mut record).map_err(|e| self.unreadable(&e))?;
        if !first {
            return Err(self.fail("has no lines"));
        }
        let table = self.table(&record)?;
        let (mut inputs, mut targets, mut labels) = (vec![], vec![], vec![]);
        let mut more = !self.header || reader.read_record(&mut record).map_err(|e| self.unreadable(&e))?;
        let mut examples = 0;
        while more {
            examples += 1;
            self.row(&table, &record, &mut inputs, &mut targets, &mut labels)?;
            more = reader.read_record(&mut record).map_err(|e| self.unreadable(&e))?;
        }
        if examples == 0 {
            return Err(self.fail("has a line of names and no examples"));
        }
        let mut tensors: Tensors =
            [(names.input.clone(), HostTensor::f32(&[examples, table.inputs.len()], inputs))].into();
        if self.classes.is_some() {
            tensors.insert(names.target.clone(), HostTensor::i32(&[examples], labels));
        } else if !table.targets.is_empty() {
            tensors.insert(names.target.clone(), HostTensor::f32(&[examples, table.targets.len()], targets));
        }
        Dataset::new(tensors)
    }

    /// Adds the cells of one line.
    fn row(
        &self,
        table: &Table,
        record: &StringRecord,
        inputs: &mut Vec<f32>,
        targets: &mut Vec<f32>,
        labels: &mut Vec<i32>,
    ) -> Result<()> {
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != table.names.len() {
            let message = format!("line {line} has {} cells, expected {}", record.len(), table.names.len());
            return Err(self.fail(message));
        }
        let cell = |at: usize, fault: String| self.fail(format!("line {line}, column {}: {fault}", table.names[at]));
        for &at in &table.inputs {
            let hint = if line == 1 { "; set header to true if line 1 holds names" } else { "" };
            inputs.push(number(&record[at]).map_err(|e| cell(at, e + hint))?);
        }
        for &at in &table.targets {
            match self.classes {
                Some(classes) => labels.push(label(&record[at], classes).map_err(|e| cell(at, e))?),
                None => targets.push(number(&record[at]).map_err(|e| cell(at, e))?),
            }
        }
        Ok(())
    }

    /// Which columns are what, by the first line.
    fn table(&self, first: &StringRecord) -> Result<Table> {
        let n = first.len();
        if n > MAX_COLUMNS {
            return Err(self.fail(format!("has {n} columns, more than {MAX_COLUMNS}")));
        }
        if self.header && first.iter().all(|cell| number(cell).is_ok()) {
            return Err(self.fail("line 1 holds numbers, expected names; set header to false"));
        }
        let names: Vec<String> = match self.header {
            true => first.iter().map(|cell| format!("\"{}\"", excerpt(cell))).collect(),
            false => (0..n).map(|at| at.to_string()).collect(),
        };
        let find = |column: &Column| self.find(column, first);
        let targets = self.target.iter().map(find).collect::<Result<Vec<_>>>()?;
        let inputs = match self.columns.is_empty() {
            true => (0..n).filter(|at| !targets.contains(at)).collect(),
            false => self.columns.iter().map(find).collect::<Result<Vec<_>>>()?,
        };
        if inputs.is_empty() {
            return Err(self.fail(format!("has {n} columns, none of them left for the input")));
        }
        if let Some(&at) = inputs.iter().find(|at| targets.contains(at)) {
            return Err(self.fail(format!("column {} is among the target and among columns", names[at])));
        }
        Ok(Table { names, inputs, targets })
    }

    fn find(&self, column: &Column, first: &StringRecord) -> Result<usize> {
        let name = match column {
            Column::Number(at) if *at < first.len() => return Ok(*at),
            Column::Number(at) => {
                return Err(self.fail(format!("has {} columns, there is no column {at}", first.len())));
            }
            Column::Name(name) => name,
        };
        if !self.header {
            let name = excerpt(name);
            return Err(self.fail(format!("has no names of columns, \"{name}\" cannot be found; give its number")));
        }
        let mut found = (0..first.len()).filter(|&at| &first[at] == name);
        match (found.next(), found.next()) {
            (Some(at), None) => Ok(at),
            (Some(_), Some(_)) => Err(self.fail(format!("has several columns \"{}\"; give its number", excerpt(name)))),
            (None, _) => Err(self.fail(format!("has no column \"{}\"", excerpt(name)))),
        }
    }

    fn fail(&self, message: impl Into<String>) -> Error {
        Error::file(&self.path, message)
    }

    fn unreadable(&self, error: &csv::Error) -> Error {
        match error.kind() {
            ErrorKind::Io(e) => self.fail(format!("cannot be read: {e}")),
            ErrorKind::Utf8 { pos: Some(pos), .. } => self.fail(format!("line {} is not UTF-8 text", pos.line())),
            _ => self.fail(format!("is not a table: {}", excerpt(&error.to_string()))),
        }
    }
}

/// Columns by number, and all of them by name for messages.
#[derive(Debug)]
struct Table {
    names: Vec<String>,
    inputs: Vec<usize>,
    targets: Vec<usize>,
}

fn columns(config: &Config, key: &str) -> Vec<Column> {
    let one = |value: &Value| match value {
        Value::String(name) => Some(Column::Name(name.clone())),
        number => number.as_u64().and_then(|at| usize::try_from(at).ok()).map(Column::Number),
    };
    let Some(value) = config.get(key) else { return Vec::new() };
    let found = match value {
        Value::Array(items) => items.iter().map(one).collect(),
        single => one(single).map(|column| vec![column]),
    };
    found.filter(|list: &Vec<Column>| !list.is_empty()).unwrap_or_else(|| {
        config.fail(key, format!("found {}, expected names or numbers of columns", describe(value)));
        Vec::new()
    })
}

/// A finite number.
fn number(cell: &str) -> Result<f32, String> {
    let v: f64 = cell.parse().map_err(|_| format!("found \"{}\", expected a number", excerpt(cell)))?;
    match v as f32 {
        y if y.is_finite() => Ok(y),
        _ if v.is_finite() => Err(format!("{} does not fit f32", excerpt(cell))),
        _ => Err(format!("found \"{}\", expected a finite number", excerpt(cell))),
    }
}

/// A whole number below `classes`; `3.0` is one.
fn label(cell: &str, classes: usize) -> Result<i32, String> {
    let v: Option<f64> = cell.parse().ok();
    match v.filter(|v| v.fract() == 0.0 && (0.0..classes as f64).contains(v)) {
        Some(v) => Ok(v as i32),
        None => Err(format!("found \"{}\", expected a whole number from 0 to {}", excerpt(cell), classes - 1)),
    }
}
