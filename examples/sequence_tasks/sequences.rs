//! Sequences of symbols, and waves.

use std::collections::HashSet;
use std::f64::consts::TAU;
use std::ops::RangeInclusive;

use handmill::HostTensor;
use kernels_ref::random::words;

/// Steps of a wave.
pub const STEPS: usize = 24;
/// Names of waves.
pub const WAVES: [&str; 4] = ["sine", "square", "saw", "triangle"];

/// `n` different sequences of `symbols` symbols that are `wanted`.
pub fn sequences(
    seed: u32,
    n: usize,
    symbols: usize,
    lengths: RangeInclusive<usize>,
    wanted: impl Fn(&[usize]) -> bool,
) -> Vec<Vec<usize>> {
    let mut seen = HashSet::new();
    let draw = |number: u32| {
        let drawn = words([seed, number], 0, 0, lengths.end() + 1);
        let length = lengths.start() + drawn[0] as usize % (lengths.end() - lengths.start() + 1);
        drawn[1..=length].iter().map(|&word| word as usize % symbols).collect::<Vec<_>>()
    };
    (0..).map(draw).filter(|row| wanted(row) && seen.insert(row.clone())).take(n).collect()
}

/// Symbols as vectors with a single 1, and zeros after the last: (B, T, symbols).
pub fn one_hot(rows: &[Vec<usize>], length: usize, symbols: usize) -> HostTensor {
    let mut values = vec![0.0; rows.len() * length * symbols];
    for (b, row) in rows.iter().enumerate() {
        row.iter().enumerate().for_each(|(t, symbol)| values[(b * length + t) * symbols + symbol] = 1.0);
    }
    HostTensor::f32(&[rows.len(), length, symbols], values)
}

/// The symbol that comes most often, if no other comes as often.
pub fn most_often(row: &[usize], symbols: usize) -> Option<usize> {
    let count = |symbol: usize| row.iter().filter(|&&s| s == symbol).count();
    let best = (0..symbols).max_by_key(|&symbol| count(symbol))?;
    (0..symbols).all(|other| other == best || count(other) < count(best)).then_some(best)
}

/// A wave: its place in [`WAVES`], its height, and the steps until it repeats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wave {
    /// Which wave.
    pub kind: usize,
    /// From 0.4 to 1.
    pub amplitude: f64,
    /// From 8 to 24.
    pub period: f64,
}

impl Wave {
    /// Every kind with 20 heights and 20 periods.
    pub fn all() -> Vec<Wave> {
        let part = |i: usize| (i % 20) as f64 / 19.0;
        let wave = |n: usize| Wave { kind: n / 400, amplitude: 0.4 + 0.6 * part(n), period: 8.0 + 16.0 * part(n / 20) };
        (0..WAVES.len() * 400).map(wave).collect()
    }

    /// What a model is told: the kind as a vector with a single 1, height and period.
    pub fn told(self) -> Vec<f32> {
        let kind = (0..WAVES.len()).map(|kind| f32::from(u8::from(kind == self.kind)));
        kind.chain([self.amplitude as f32, (self.period / 24.0) as f32]).collect()
    }

    /// The wave that [`Wave::told`] tells of.
    pub fn heard(told: &[f32]) -> Wave {
        let kind = told[..WAVES.len()].iter().position(|&v| v == 1.0).unwrap_or(0);
        Wave { kind, amplitude: told[4].into(), period: f64::from(told[5]) * 24.0 }
    }

    /// Its values.
    pub fn values(self) -> Vec<f32> {
        let at = |step: usize| {
            let turns = step as f64 / self.period;
            let part = turns - turns.floor();
            let y = match WAVES[self.kind] {
                "sine" => (TAU * part).sin(),
                "square" => 1.0 - 2.0 * f64::from(u8::from(part >= 0.5)),
                "saw" => 2.0 * part - 1.0,
                _ => 1.0 - 4.0 * (part - 0.5).abs(),
            };
            (self.amplitude * y) as f32
        };
        (0..STEPS).map(at).collect()
    }
}
