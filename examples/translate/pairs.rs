//! Two languages, made up by a seed: dates as people write them and as ISO 8601 does, numbers in words and in digits.

use handmill::train::data::permutation;

use super::dates::dates;
use super::numbers::numbers;

/// Pairs that are trained on.
pub const TRAINING: usize = 20_000;
/// Pairs that are not.
pub const HELD_OUT: usize = 600;

/// A text and its translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// As people write it.
    pub source: String,
    /// By the rule.
    pub target: String,
}

/// What is translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Subject {
    /// "Tuesday, 3 March 1998" to "1998-03-03".
    Dates,
    /// "four hundred and two" to "402".
    Numbers,
}

impl Subject {
    /// Pairs to train on, and others, which are held out: no text is in both.
    pub fn pairs(self, seed: u64) -> [Vec<Pair>; 2] {
        let all = match self {
            Subject::Dates => dates(seed),
            Subject::Numbers => numbers(seed),
        };
        let order = permutation(seed, 0, all.len());
        let mut pairs = order.iter().map(|&i| all[i as usize].clone());
        let held_out = pairs.by_ref().take(HELD_OUT).collect();
        [pairs.take(TRAINING).collect(), held_out]
    }

    /// The tokens of a text: words, single digits and signs, in lower case. Spaces, and hyphens after a word, are between
    /// them.
    pub fn split(text: &str) -> Vec<String> {
        let mut tokens: Vec<String> = vec![];
        let mut inside = false;
        for c in text.chars().flat_map(char::to_lowercase) {
            match tokens.last_mut() {
                Some(last) if inside && c.is_alphabetic() => last.push(c),
                _ if c.is_whitespace() || (inside && c == '-') => {}
                _ => tokens.push(c.into()),
            }
            inside = c.is_alphabetic();
        }
        tokens
    }
}
