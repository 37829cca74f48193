//! Words as ids, and rows of ids as tensors.

#![allow(dead_code)] // every example takes a part of it

use std::collections::BTreeSet;
use std::path::Path;

use handmill::file::{read_capped, write_atomic};
use handmill::json::{Value, parse_object};
use handmill::{Error, HostTensor, Result};

/// The first three words.
pub const SPECIAL: [&str; 3] = ["<pad>", "<s>", "</s>"];
/// Fills a row up.
pub const PAD: i32 = 0;
/// Begins a row.
pub const START: i32 = 1;
/// Ends a row.
pub const END: i32 = 2;

/// A place of a target that no loss looks at.
pub const IGNORED: i32 = -100;

/// The longest file of a vocabulary, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// A vocabulary: the id of a word is its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words(Vec<String>);

impl Words {
    /// The special words, and those of `all`, sorted.
    pub fn of(all: impl IntoIterator<Item = String>) -> Words {
        let sorted: BTreeSet<String> = all.into_iter().collect();
        Words(SPECIAL.map(str::to_owned).into_iter().chain(sorted).collect())
    }

    /// Reads a file that [`Words::save`] wrote: an object with the id of every word.
    pub fn open(path: &Path) -> Result<Words> {
        let map = parse_object(path, &read_capped(path, MAX_FILE)?)?;
        let mut words = vec![None; map.len()];
        for (word, id) in &map {
            let slot = id.as_u64().and_then(|id| words.get_mut(usize::try_from(id).ok()?)).filter(|s| s.is_none());
            let message = || format!("{word}: found {id}, expected each id from 0 to {} once", map.len() - 1);
            *slot.ok_or_else(|| Error::file(path, message()))? = Some(word.clone());
        }
        let words: Vec<String> = words.into_iter().flatten().collect();
        if words.len() < SPECIAL.len() || words.iter().zip(SPECIAL).any(|(word, special)| word != special) {
            return Err(Error::file(path, format!("begins not with {}", SPECIAL.join(", "))));
        }
        Ok(Words(words))
    }

    /// Writes the vocabulary.
    pub fn save(&self, path: &Path) -> Result<()> {
        let ids: Value = self.0.iter().enumerate().map(|(id, word)| (word.clone(), Value::from(id))).collect();
        write_atomic(path, |file| writeln!(file, "{ids:#}"))
    }

    /// How many words it has.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// The ids of `words`, one at least.
    pub fn encode(&self, words: &[String]) -> Result<Vec<i32>> {
        let id = |word: &String| {
            let id = self.0.iter().skip(SPECIAL.len()).position(|known| known == word);
            let message = || format!("'{}' is not in the vocabulary", word.escape_debug());
            id.map(|id| (id + SPECIAL.len()) as i32).ok_or_else(|| Error::tensor("the text", message()))
        };
        match words {
            [] => Err(Error::tensor("the text", "has no words, expected one or more")),
            words => words.iter().map(id).collect(),
        }
    }

    /// The words of `ids` up to the end.
    pub fn decode(&self, ids: &[i32]) -> Vec<String> {
        let word = |&id: &i32| usize::try_from(id).ok().and_then(|id| self.0.get(id)).cloned();
        ids.iter().take_while(|&&id| id != END).map_while(word).collect()
    }
}

/// Rows of one length, filled up with `fill`: (B, T).
pub fn padded(rows: &[Vec<i32>], length: usize, fill: i32) -> HostTensor {
    let row = |row: &Vec<i32>| (0..length).map(|i| row.get(i).copied().unwrap_or(fill)).collect::<Vec<_>>();
    HostTensor::i32(&[rows.len(), length], rows.iter().flat_map(row).collect())
}

/// What a decoder reads, from the start, and what it writes for it, to the end: `T` is one more than the longest row.
pub fn teaching(rows: &[Vec<i32>]) -> [HostTensor; 2] {
    let length = rows.iter().map(Vec::len).max().unwrap_or(0) + 1;
    let read: Vec<_> = rows.iter().map(|row| [&[START], row.as_slice()].concat()).collect();
    let written: Vec<_> = rows.iter().map(|row| [row.as_slice(), &[END]].concat()).collect();
    [padded(&read, length, PAD), padded(&written, length, IGNORED)]
}
