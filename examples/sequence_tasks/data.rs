//! What the tasks are learnt from, made up by a seed.

use handmill::train::data::{Dataset, permutation};
use handmill::{HostTensor, Result};

use super::sequences::{STEPS, WAVES, Wave, most_often, one_hot, sequences};
use super::tasks::{ADDED, COUNTED, REVERSE, REVERSED, Task};
use super::words::{PAD, SPECIAL, padded, teaching};

/// All sequences, and those that are not trained on.
const ALL: usize = 4400;
const HELD_OUT: usize = 400;
/// Waves that are not trained on, of all.
const WAVES_HELD_OUT: usize = 200;
/// Steps of sequences: the longest that are counted, all that are added.
const LONGEST: usize = 12;
const SUMS: usize = 16;

type Named = Vec<(&'static str, HostTensor)>;

impl Task {
    /// What is trained on, and what is held out: no sequence is in both.
    pub fn data(self, seed: u32) -> Result<[Dataset; 2]> {
        let named = match self {
            Task::OneToMany => waves(seed),
            Task::ManyToOne => counts(seed),
            Task::ManyToMany => sums(seed),
            Task::Seq2seq => reversals(seed),
        };
        let rows = Dataset::new(named.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect())?;
        let held_out = if self == Task::OneToMany { WAVES_HELD_OUT } else { HELD_OUT };
        let (rows, held_out) = rows.split(&(0..held_out).collect::<Vec<_>>())?;
        Ok([rows, held_out])
    }
}

/// `input` (N, kinds + 2), `target` (N, steps, 1)
fn waves(seed: u32) -> Named {
    let waves = Wave::all();
    let n = waves.len();
    let order = permutation(seed.into(), 0, n);
    let of = |f: fn(Wave) -> Vec<f32>| order.iter().flat_map(|&i| f(waves[i as usize])).collect();
    vec![
        ("input", HostTensor::f32(&[n, WAVES.len() + 2], of(Wave::told))),
        ("target", HostTensor::f32(&[n, STEPS, 1], of(Wave::values))),
    ]
}

/// `input` (N, T, digits), `lengths` (N), `target` (N)
fn counts(seed: u32) -> Named {
    let rows = sequences(seed, ALL, COUNTED, 5..=LONGEST, |row| most_often(row, COUNTED).is_some());
    let lengths = rows.iter().map(|row| row.len() as i32).collect();
    let best = rows.iter().filter_map(|row| most_often(row, COUNTED)).map(|best| best as i32).collect();
    vec![
        ("input", one_hot(&rows, LONGEST, COUNTED)),
        ("lengths", HostTensor::i32(&[ALL], lengths)),
        ("target", HostTensor::i32(&[ALL], best)),
    ]
}

/// `input` (N, T, digits), `target` (N, T)
fn sums(seed: u32) -> Named {
    let rows = sequences(seed, ALL, ADDED, SUMS..=SUMS, |_| true);
    let sums = |row: &Vec<usize>| {
        let mut sum = 0;
        row.iter().map(|digit| (sum += digit, (sum % ADDED) as i32).1).collect::<Vec<_>>()
    };
    let sums: Vec<_> = rows.iter().map(sums).collect();
    vec![("input", one_hot(&rows, SUMS, ADDED)), ("target", padded(&sums, SUMS, PAD))]
}

/// `input_ids` (N, T), `decoder_input_ids` and `target` (N, T + 1)
fn reversals(seed: u32) -> Named {
    let rows = sequences(seed, ALL, REVERSED, REVERSE..=REVERSE, |_| true);
    let ids = |row: &Vec<usize>| row.iter().map(|digit| (SPECIAL.len() + digit) as i32).collect();
    let sources: Vec<Vec<i32>> = rows.iter().map(ids).collect();
    let targets: Vec<Vec<i32>> = sources.iter().map(|row| row.iter().rev().copied().collect()).collect();
    let [read, written] = teaching(&targets);
    let sources = padded(&sources, REVERSE, PAD);
    vec![("input_ids", sources), ("decoder_input_ids", read), ("target", written)]
}
