//! Where examples come from: the part `data` of `train.json`, and batches by their number.
//!
//! A batch is a function of the settings, the files and its number alone, so that a run can go on at any batch.

mod batches;
mod csv;
mod dataset;
mod idx;
mod images;
mod normalize;
mod order;
mod text;

use std::path::{Path, PathBuf};

pub use batches::Batches;
pub use csv::{Column, Csv};
pub use dataset::Dataset;
pub use idx::Idx;
pub use images::Images;
pub use normalize::{Fitted, Normalize};
pub use order::{Order, Position, permutation};
pub use text::{Streams, Text, Vocabulary};

use crate::config::Config;
use crate::engine::Tensors;
use crate::error::{Error, Result};
use crate::json::Value;
use crate::train::checkpoint::Fingerprint;

/// Keys that all readers share.
const KEYS: [&str; 6] = ["reader", "batch_size", "shuffle", "validation", "normalize", "names"];

/// The tensors that a reader makes, by the names the model uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// What the model sees.
    pub input: String,
    /// What it should say.
    pub target: String,
}

/// A reader with its files.
#[derive(Debug, Clone, PartialEq)]
pub enum Reader {
    /// IDX files of images and labels.
    Idx(Idx),
    /// A table of numbers.
    Csv(Csv),
    /// A folder of images.
    Images(Images),
    /// Characters of a text.
    Text(Text),
}

/// The examples that a model is judged by.
#[derive(Debug, Clone, PartialEq)]
enum Validation {
    None,
    /// This part of the examples.
    Fraction(f64),
    /// Files of its own.
    Files(Reader),
}

/// The part `data` of the settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The files of the training.
    pub reader: Reader,
    /// Examples of a batch.
    pub batch_size: usize,
    /// Examples come in another order in every epoch.
    pub shuffle: bool,
    /// Inputs brought to a common scale.
    pub normalize: Normalize,
    /// An example is one axis.
    pub flatten: bool,
    validation: Validation,
    names: Names,
}

/// Examples, ready to be taken in batches.
#[derive(Debug, Clone)]
pub struct Data {
    feed: Feed,
    /// The examples that the model is judged by.
    pub validation: Option<Dataset>,
    /// How inputs were normalised, if they were.
    pub fitted: Option<Fitted>,
    /// The characters of a text.
    pub vocabulary: Option<Vocabulary>,
    /// The names of the classes, where folders name them.
    pub classes: Vec<String>,
}

#[derive(Debug, Clone)]
enum Feed {
    Rows(Dataset, Order),
    Streams(Streams),
    Steps(Batches),
}

impl Names {
    /// `input_ids` and `target`.
    pub fn text() -> Names {
        Names { input: "input_ids".into(), target: "target".into() }
    }

    fn read(config: &Config, input: &str) -> Names {
        let inner = config.object("names");
        inner.iter().for_each(|inner| inner.only(&["input", "target"]));
        let name = |key: &str, default: &str| {
            inner.as_ref().and_then(|inner| inner.any_text(key)).unwrap_or_else(|| default.to_owned())
        };
        let names = Names { input: name("input", input), target: name("target", "target") };
        config.require(names.input != names.target, "names", || format!("calls two tensors \"{}\"", names.input));
        names
    }
}

/// The path under `key`, which must be there.
fn path(config: &Config, key: &str, folder: &Path) -> PathBuf {
    config.require(config.has(key), key, || "is missing, expected a path".into());
    path_in(config, key, folder).unwrap_or_default()
}

/// The path under `key`, if it is there.
fn path_in(config: &Config, key: &str, folder: &Path) -> Option<PathBuf> {
    config.any_text(key).map(|text| folder.join(text))
}

impl Source {
    /// The settings in `config`, with paths that start at `folder`. `carried` says that a hidden state goes on from
    /// batch to batch. Faults are remembered by `config`.
    pub fn read(config: &Config, folder: &Path, carried: bool) -> Source {
        let kind = config.required_text("reader", &["idx", "csv", "images", "text"]);
        let (keys, input) = match kind {
            "idx" => (Idx::KEYS, "pixel_values"),
            "csv" => (Csv::KEYS, "input"),
            "images" => (Images::KEYS, "pixel_values"),
            _ => (Text::KEYS, "input_ids"),
        };
        config.only(&[&KEYS, keys].concat());
        let reader = match kind {
            "idx" => Reader::Idx(Idx::read(config, folder)),
            "csv" => Reader::Csv(Csv::read(config, folder)),
            "images" => Reader::Images(Images::read(config, folder)),
            _ => Reader::Text(Text::read(config, folder)),
        };
        let shuffle = config.bool("shuffle", !carried);
        config
            .require(!(carried && shuffle), "shuffle", || "goes not together with bptt: a stream has one order".into());
        config.require(!carried || kind == "text", "reader", || "goes not together with bptt, which reads text".into());
        let normalize = Normalize::read(config);
        config.require(kind != "text" || normalize == Normalize::None, "normalize", || "is not for text".into());
        Source {
            batch_size: config.required_usize_in("batch_size", 1..=1 << 20),
            shuffle,
            normalize,
            flatten: config.bool("flatten", false),
            validation: validation(config, folder, &reader),
            names: Names::read(config, input),
            reader,
        }
    }

    /// True if there are examples for validation.
    pub fn validates(&self) -> bool {
        self.validation != Validation::None
    }

    /// Reads the files. The order of examples, and which are for validation, follow from `seed`.
    ///
    /// # Errors
    /// [`Error::File`] and [`Error::Config`] for whatever is wrong with them; [`Error::Limit`] and
    /// [`Error::OutOfMemory`] if the host has no room for them
    pub fn open(&self, seed: u64) -> Result<Data> {
        if let Reader::Text(text) = &self.reader {
            return self.open_text(text, seed);
        }
        let (rows, validation, classes) = self.parts(seed)?;
        let fitted = match rows.tensors().get(&self.names.input) {
            Some(input) => self.normalize.fit(input)?,
            None => None,
        };
        let rows = self.finished(rows, fitted.as_ref())?;
        let validation = validation.map(|rows| self.finished(rows, fitted.as_ref())).transpose()?;
        let order = self.order(&rows, seed)?;
        Ok(Data { feed: Feed::Rows(rows, order), validation, fitted, vocabulary: None, classes })
    }

    /// Normalised, and flat if asked for.
    fn finished(&self, rows: Dataset, fitted: Option<&Fitted>) -> Result<Dataset> {
        rows.map(&self.names.input, |x| {
            let x = match fitted {
                Some(fitted) => fitted.apply(&x)?,
                None => x,
            };
            match self.flatten {
                true => {
                    let n = x.shape()[0];
                    let width = x.len() / n;
                    x.reshape(&[n, width])
                }
                false => Ok(x),
            }
        })
    }

    fn rows(&self, reader: &Reader) -> Result<(Dataset, Vec<String>)> {
        match reader {
            Reader::Idx(idx) => Ok((idx.load(&self.names)?, vec![])),
            Reader::Csv(csv) => Ok((csv.load(&self.names)?, vec![])),
            Reader::Images(images) => images.load(&self.names),
            Reader::Text(text) => {
                let (ids, _) = text.load(None)?;
                Ok((text.windows(&ids, &self.names)?, vec![]))
            }
        }
    }

    /// The examples of the training, those of the validation, and the names of the classes.
    fn parts(&self, seed: u64) -> Result<(Dataset, Option<Dataset>, Vec<String>)> {
        let (all, classes) = self.rows(&self.reader)?;
        let (rows, validation) = match &self.validation {
            Validation::None => (all, None),
            Validation::Fraction(fraction) => {
                let n = all.examples();
                let count = part(self.reader.path(), n, *fraction)?;
                let (rest, part) = all.split(&order::validation(seed, n, count, self.shuffle))?;
                (rest, Some(part))
            }
            Validation::Files(other) => {
                let (rows, names) = self.rows(other)?;
                if names != classes {
                    let list = |names: &[String]| if names.is_empty() { "none".into() } else { names.join(", ") };
                    let message = format!("has the classes {}, the training {}", list(&names), list(&classes));
                    return Err(Error::file(other.path(), message));
                }
                same_rows(&all, &rows).map_err(|message| Error::file(other.path(), message))?;
                (all, Some(rows))
            }
        };
        Ok((rows, validation, classes))
    }

    fn order(&self, rows: &Dataset, seed: u64) -> Result<Order> {
        let n = rows.examples();
        if u32::try_from(n).is_err() {
            return Err(Error::file(self.reader.path(), format!("has {n} examples, more than {}", u32::MAX)));
        }
        Ok(Order::new(seed, n, self.batch_size, self.shuffle))
    }

    fn open_text(&self, text: &Text, seed: u64) -> Result<Data> {
        let (mut ids, vocabulary) = text.load(None)?;
        let held_out = match &self.validation {
            Validation::None => None,
            // A text is cut, not drawn from: examples of a text know their neighbours.
            Validation::Fraction(fraction) => {
                let count = part(&text.path, ids.len(), *fraction)?;
                Some(ids.split_off(ids.len() - count))
            }
            Validation::Files(Reader::Text(other)) => Some(other.load(Some(&vocabulary))?.0),
            Validation::Files(other) => return Err(Error::file(other.path(), "is not a text")),
        };
        let validation = held_out.map(|ids| text.windows(&ids, &self.names)).transpose()?;
        let feed = if self.shuffle {
            let rows = text.windows(&ids, &self.names)?;
            let order = self.order(&rows, seed)?;
            Feed::Rows(rows, order)
        } else {
            Feed::Streams(text.streams(ids, self.batch_size, &self.names)?)
        };
        Ok(Data { feed, validation, fitted: None, vocabulary: Some(vocabulary), classes: vec![] })
    }
}

impl Reader {
    /// The file or folder that messages name.
    pub fn path(&self) -> &Path {
        match self {
            Reader::Idx(idx) => &idx.images,
            Reader::Csv(csv) => &csv.path,
            Reader::Images(images) => &images.path,
            Reader::Text(text) => &text.path,
        }
    }
}

impl Data {
    /// The batches of a file.
    pub fn of(batches: Batches) -> Data {
        let validation = batches.validation().cloned();
        Data { feed: Feed::Steps(batches), validation, fitted: None, vocabulary: None, classes: vec![] }
    }

    /// Examples that are in memory, in batches of `batch_size`; shuffled, their order follows from `seed`. `validation`
    /// are those that the model is judged by.
    ///
    /// # Errors
    /// [`Error::Tensor`] if a batch is empty, there are 2³² examples or more, or those for validation have other shapes
    pub fn rows(
        rows: Dataset,
        validation: Option<Dataset>,
        batch_size: usize,
        shuffle: bool,
        seed: u64,
    ) -> Result<Data> {
        let n = rows.examples();
        if batch_size == 0 || u32::try_from(n).is_err() {
            let message = format!("has {n} examples in batches of {batch_size}, expected 1 or more and below 2³²");
            return Err(Error::tensor("data", message));
        }
        if let Some(validation) = &validation {
            same_rows(&rows, validation).map_err(|message| Error::tensor("validation", message))?;
        }
        let order = Order::new(seed, n, batch_size, shuffle);
        Ok(Data { feed: Feed::Rows(rows, order), validation, fitted: None, vocabulary: None, classes: vec![] })
    }

    /// Batch `number` of the run, from 0: it depends on nothing that was taken before.
    ///
    /// # Errors
    /// [`Error::File`] if a file of batches has not so many
    pub fn batch(&mut self, number: u64) -> Result<Tensors> {
        match &mut self.feed {
            Feed::Rows(rows, order) => rows.rows(&order.batch(number)),
            Feed::Streams(streams) => Ok(streams.batch(number)),
            Feed::Steps(batches) => batches.batch(number),
        }
    }

    /// Fails unless there are `n` batches.
    ///
    /// # Errors
    /// [`Error::File`] if a file of batches has not so many
    pub fn expect(&self, n: u64) -> Result<()> {
        match &self.feed {
            Feed::Steps(batches) => batches.expect(n),
            _ => Ok(()),
        }
    }

    /// True if batches come as such from a file, which says all about them.
    pub fn is_replay(&self) -> bool {
        matches!(self.feed, Feed::Steps(_))
    }

    /// Where batch `number` starts. The offset counts examples, or batches where they come as such.
    pub fn position(&self, number: u64) -> Position {
        let n = match &self.feed {
            Feed::Rows(_, order) => return order.position(number),
            Feed::Streams(streams) => streams.batches(),
            Feed::Steps(batches) => batches.steps() as u64,
        };
        Position { epoch: number / n, offset: number % n }
    }

    /// Of all values: two runs with other values there are different runs.
    pub fn fingerprint(&self) -> String {
        let mut print = Fingerprint::default();
        match &self.feed {
            Feed::Rows(rows, _) => rows.fingerprint(&mut print),
            Feed::Streams(streams) => print.add(bytemuck::cast_slice(streams.ids())),
            Feed::Steps(batches) => batches.dataset().fingerprint(&mut print),
        }
        print.add(b"validation");
        self.validation.iter().for_each(|rows| rows.fingerprint(&mut print));
        print.text()
    }
}

fn validation(config: &Config, folder: &Path, reader: &Reader) -> Validation {
    let file = |text: &str| folder.join(text);
    match (config.get("validation"), reader) {
        (None, _) => Validation::None,
        (Some(Value::Number(_)), _) => {
            let v = config.f64("validation", 0.0);
            config.require(v > 0.0 && v < 1.0, "validation", || {
                format!("found {v}, expected a fraction above 0 and below 1, or a path")
            });
            Validation::Fraction(v)
        }
        (Some(Value::Object(_)), Reader::Idx(idx)) => match config.object("validation") {
            Some(inner) => Validation::Files(Reader::Idx(idx.with(&inner, folder))),
            None => Validation::None,
        },
        (Some(Value::String(text)), Reader::Csv(csv)) => {
            Validation::Files(Reader::Csv(Csv { path: file(text), ..csv.clone() }))
        }
        (Some(Value::String(text)), Reader::Images(images)) => {
            Validation::Files(Reader::Images(Images { path: file(text), ..images.clone() }))
        }
        (Some(Value::String(text)), Reader::Text(plain)) => {
            Validation::Files(Reader::Text(Text { path: file(text), ..plain.clone() }))
        }
        (Some(other), reader) => {
            let files = if matches!(reader, Reader::Idx(_)) { "an object with images and labels" } else { "a path" };
            let found = crate::json::describe(other);
            config.fail("validation", format!("found {found}, expected a fraction above 0 and below 1, or {files}"));
            Validation::None
        }
    }
}

/// How many of `n` examples a fraction is: one at least, and not all.
fn part(path: &Path, n: usize, fraction: f64) -> Result<usize> {
    if n < 2 {
        return Err(Error::file(path, format!("has {n} examples, too few to keep some for validation")));
    }
    Ok(((n as f64 * fraction).round() as usize).clamp(1, n - 1))
}

/// Examples of two sources have the same shapes; otherwise a message about the second.
fn same_rows(training: &Dataset, validation: &Dataset) -> std::result::Result<(), String> {
    for (name, tensor) in training.tensors() {
        let found = validation.tensors().get(name).map(|tensor| &tensor.shape()[1..]);
        let expected = &tensor.shape()[1..];
        if found != Some(expected) {
            let (found, expected) = (crate::shape::Dims(found.unwrap_or_default()), crate::shape::Dims(expected));
            return Err(format!("examples of {name} have shape {found}, in the training {expected}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::HostTensor;

    fn ramp(n: usize, width: usize) -> Dataset {
        let x = HostTensor::f32(&[n, width], (0..n * width).map(|i| i as f32).collect());
        Dataset::new([("x".into(), x)].into()).unwrap()
    }

    #[test]
    fn rows_in_memory_come_in_batches() {
        let mut data = Data::rows(ramp(5, 1), Some(ramp(2, 1)), 3, false, 7).unwrap();
        assert_eq!(data.batch(1).unwrap()["x"], HostTensor::f32(&[3, 1], vec![3.0, 4.0, 0.0]));
        assert_eq!(data.position(1), Position { epoch: 0, offset: 3 });
        assert!(!data.is_replay() && data.validation.is_some());
        let mut shuffled = Data::rows(ramp(5, 1), None, 5, true, 7).unwrap();
        let order = permutation(7, 0, 5).into_iter().map(|row| row as f32).collect();
        assert_eq!(shuffled.batch(0).unwrap()["x"], HostTensor::f32(&[5, 1], order));
    }

    #[test]
    fn rows_that_do_not_fit_are_named() {
        let error = |validation, batch| Data::rows(ramp(5, 2), validation, batch, true, 0).unwrap_err().to_string();
        assert_eq!(error(None, 0), "data: has 5 examples in batches of 0, expected 1 or more and below 2³²");
        let expected = "validation: examples of x have shape (3,), in the training (2,)";
        assert_eq!(error(Some(ramp(1, 3)), 2), expected);
    }
}
