//! Plain text as characters: a vocabulary, and streams or windows of ids.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::engine::Tensors;
use crate::error::{Error, Result};
use crate::file::{excerpt, is_printable, read_capped, write_atomic};
use crate::json::{self, Value};
use crate::tensor::HostTensor;

use super::dataset::{Dataset, room};
use super::{Names, path};

/// The longest text that is read, in bytes.
pub const MAX_FILE: u64 = 1 << 31;
/// The longest file of a vocabulary, in bytes.
const MAX_VOCABULARY: u64 = 32 << 20;

/// A text.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// The file, UTF-8.
    pub path: PathBuf,
    /// Characters of an example.
    pub time: usize,
    /// The target is the next character; otherwise it is the same, for losses that shift by themselves.
    pub shift: bool,
    /// The vocabulary; made from the text where this is `None`.
    pub vocabulary: Option<PathBuf>,
}

/// The characters of a text: the id of each is its place among them, sorted by code point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary(Vec<char>);

/// A text cut into `batch` streams that run side by side, for a hidden state that goes on from batch to batch.
///
/// Batch `k` holds characters `k·time .. (k + 1)·time` of every stream; after the last whole one it starts again.
#[derive(Debug, Clone, PartialEq)]
pub struct Streams {
    ids: Vec<i32>,
    batch: usize,
    time: usize,
    shift: bool,
    names: Names,
}

impl Vocabulary {
    /// The characters of `text`.
    pub fn of(text: &str) -> Vocabulary {
        Vocabulary(text.chars().collect::<std::collections::BTreeSet<_>>().into_iter().collect())
    }

    /// Reads a file that [`Vocabulary::save`] wrote: a list of characters, sorted.
    ///
    /// # Errors
    /// [`Error::File`] if it is something else
    pub fn open(path: &Path) -> Result<Vocabulary> {
        let value = json::parse(path, &read_capped(path, MAX_VOCABULARY)?, 2)?;
        let Value::Array(items) = &value else {
            return Err(Error::file(path, format!("is {}, expected a list of characters", json::describe(&value))));
        };
        let mut list: Vec<char> = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let mut chars = item.as_str().unwrap_or_default().chars();
            let (Some(c), None) = (chars.next(), chars.next()) else {
                let found = json::describe(item);
                return Err(Error::file(path, format!("element {at}: found {found}, expected one character")));
            };
            if list.last().is_some_and(|&last| last >= c) {
                return Err(Error::file(
                    path,
                    format!("element {at}: {} is not sorted after the one before", quoted(c)),
                ));
            }
            list.push(c);
        }
        Ok(Vocabulary(list))
    }

    /// Writes the characters to `path`, atomically.
    ///
    /// # Errors
    /// As [`write_atomic`]
    pub fn save(&self, path: &Path) -> Result<()> {
        let list: Vec<String> = self.0.iter().map(char::to_string).collect();
        write_atomic(path, |out| out.write_all(format!("{}\n", Value::from(list)).as_bytes()))
    }

    /// How many characters it has.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// The ids of `text`; `place` names it in messages.
    ///
    /// # Errors
    /// [`Error::File`] naming the line of a character that is not in the vocabulary
    pub fn encode(&self, place: &Path, text: &str) -> Result<Vec<i32>> {
        let mut line = 1;
        let mut ids = Vec::new();
        crate::file::reserve(&mut ids, text.chars().count() as u64, place)?;
        for c in text.chars() {
            let Ok(id) = self.0.binary_search(&c) else {
                return Err(Error::file(place, format!("line {line}: {} is not in the vocabulary", quoted(c))));
            };
            line += usize::from(c == '\n');
            ids.push(id as i32);
        }
        Ok(ids)
    }

    /// The text of `ids`, up to the first that is not in the vocabulary.
    pub fn decode(&self, ids: &[i32]) -> String {
        ids.iter().map_while(|&id| usize::try_from(id).ok().and_then(|id| self.0.get(id))).collect()
    }
}

impl Text {
    /// The keys besides those that all readers share.
    pub const KEYS: &[&str] = &["path", "time", "shift", "vocabulary"];

    /// The text that `config` names, below `folder`.
    pub fn read(config: &Config, folder: &Path) -> Text {
        Text {
            path: path(config, "path", folder),
            time: config.required_usize("time"),
            shift: config.bool("shift", true),
            vocabulary: super::path_in(config, "vocabulary", folder),
        }
    }

    /// The ids of the text, with `known` or the vocabulary that the settings name or the text makes.
    ///
    /// # Errors
    /// [`Error::File`] if the file is not UTF-8 text, or has a character that the vocabulary has not
    pub fn load(&self, known: Option<&Vocabulary>) -> Result<(Vec<i32>, Vocabulary)> {
        let content = read_capped(&self.path, MAX_FILE)?;
        let text = std::str::from_utf8(&content)
            .map_err(|e| Error::file(&self.path, format!("is not UTF-8 text, at byte {}", e.valid_up_to())))?;
        room(&self.path, content.len() as u64)?;
        let vocabulary = match (known, &self.vocabulary) {
            (Some(known), _) => known.clone(),
            (None, Some(path)) => Vocabulary::open(path)?,
            (None, None) => Vocabulary::of(text),
        };
        Ok((vocabulary.encode(&self.path, text)?, vocabulary))
    }

    /// Windows of `time` characters, one after the other, as examples: `input` (N,T) and `target` (N,T).
    ///
    /// # Errors
    /// [`Error::File`] if there are too few characters for one
    pub fn windows(&self, ids: &[i32], names: &Names) -> Result<Dataset> {
        let (ahead, n) = (usize::from(self.shift), self.count(ids, 1)?);
        let take = |from: usize| HostTensor::i32(&[n, self.time], ids[from..][..n * self.time].to_vec());
        Dataset::new([(names.input.clone(), take(0)), (names.target.clone(), take(ahead))].into())
    }

    /// `batch` streams of characters.
    ///
    /// # Errors
    /// [`Error::File`] if there are too few characters for one batch
    pub fn streams(&self, ids: Vec<i32>, batch: usize, names: &Names) -> Result<Streams> {
        self.count(&ids, batch)?;
        Ok(Streams { ids, batch, time: self.time, shift: self.shift, names: names.clone() })
    }

    /// Batches of `batch` rows that `ids` fill.
    fn count(&self, ids: &[i32], batch: usize) -> Result<usize> {
        match (ids.len().saturating_sub(usize::from(self.shift)) / batch) / self.time {
            0 => {
                let need = batch as u128 * self.time as u128 + u128::from(self.shift);
                let found = ids.len();
                let message =
                    format!("gives {found} characters, too few for {batch} × {}: expected {need} or more", self.time);
                Err(Error::file(&self.path, message))
            }
            n => Ok(n),
        }
    }
}

impl Streams {
    /// Characters of one stream.
    fn stream(&self) -> usize {
        (self.ids.len() - usize::from(self.shift)) / self.batch
    }

    /// Batches until the streams start again.
    pub fn batches(&self) -> u64 {
        (self.stream() / self.time) as u64
    }

    /// Batch `number`: `input` (B,T) and `target` (B,T).
    pub fn batch(&self, number: u64) -> Tensors {
        let at = (number % self.batches()) as usize * self.time;
        let take = |ahead: usize| {
            let rows = (0..self.batch).flat_map(|row| &self.ids[row * self.stream() + at + ahead..][..self.time]);
            HostTensor::i32(&[self.batch, self.time], rows.copied().collect())
        };
        [(self.names.input.clone(), take(0)), (self.names.target.clone(), take(usize::from(self.shift)))].into()
    }

    /// All ids, in the order of the text.
    pub fn ids(&self) -> &[i32] {
        &self.ids
    }
}

/// A character as a message shows it.
fn quoted(c: char) -> String {
    if is_printable(c) { format!("'{c}'") } else { format!("'{}'", excerpt(&c.to_string())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(time: usize, shift: bool) -> Text {
        Text { path: "t.txt".into(), time, shift, vocabulary: None }
    }

    #[test]
    fn ids_are_places_among_the_sorted_characters() {
        let vocabulary = Vocabulary::of("hé lo\nl");
        let encode = |text: &str| vocabulary.encode(Path::new("t.txt"), text);
        assert_eq!((vocabulary.size(), encode("hol\n é").unwrap()), (6, vec![2, 4, 3, 0, 1, 5]));
        assert_eq!(vocabulary.decode(&[2, 5, 3, 3, 4]), "héllo");
        assert_eq!(
            encode("lo\n\u{202e}").unwrap_err().to_string(),
            r"t.txt: line 2: '\u{202e}' is not in the vocabulary"
        );
    }

    #[test]
    fn streams_go_on_from_batch_to_batch() {
        let streams = text(2, true).streams((0..11).collect(), 2, &Names::text()).unwrap();
        assert_eq!(streams.batches(), 2);
        let of = |number| {
            let batch = streams.batch(number);
            ["input_ids", "target"].map(|name| batch[name].as_i32().unwrap().to_vec())
        };
        assert_eq!(of(0), [[0, 1, 5, 6], [1, 2, 6, 7]]);
        assert_eq!(of(1), [[2, 3, 7, 8], [3, 4, 8, 9]]);
        assert_eq!(of(2), of(0));
    }

    #[test]
    fn windows_follow_each_other() {
        let windows = text(3, false).windows(&[0, 1, 2, 3, 4, 5, 6], &Names::text()).unwrap();
        assert_eq!(windows.tensors()["input_ids"], HostTensor::i32(&[2, 3], vec![0, 1, 2, 3, 4, 5]));
        assert_eq!(windows.tensors()["target"], windows.tensors()["input_ids"]);
        let windows = text(3, true).windows(&[0, 1, 2, 3, 4, 5], &Names::text()).unwrap();
        assert_eq!(windows.tensors()["target"], HostTensor::i32(&[1, 3], vec![1, 2, 3]));
        let few = text(3, true).windows(&[0, 1, 2], &Names::text()).unwrap_err();
        assert_eq!(few.to_string(), "t.txt: gives 3 characters, too few for 1 × 3: expected 4 or more");
    }
}
