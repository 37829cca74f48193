//! Points of two classes, and their picture.

use std::f64::consts::{PI, TAU};
use std::path::Path;

use clap::ValueEnum;
use handmill::Result;

#[path = "../figures/plane.rs"]
#[allow(dead_code)]
mod plane;

use super::fit;
use plane::{BLACK, BLUE, ORANGE, Plane};

/// What the points are.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Kind {
    /// The corners of a square, of one class where they differ.
    Xor,
    /// Two half circles that reach into each other.
    Moons,
    /// Two spirals with one and a half turns.
    Spirals,
}

/// The points on what `probabilities` makes of the plane around them: the boundary between the classes is white.
pub fn draw(
    path: &Path,
    x: &[[f64; 2]],
    y: &[f32],
    probabilities: impl Fn(&[[f64; 2]]) -> Result<Vec<f64>>,
) -> Result<()> {
    let end = |axis: usize, sign: f64| x.iter().map(|p| sign * p[axis]).fold(f64::NEG_INFINITY, f64::max);
    let span = (end(0, 1.0) + end(0, -1.0)).max(end(1, 1.0) + end(1, -1.0));
    let middle = [0, 1].map(|axis| (end(axis, 1.0) - end(axis, -1.0)) / 2.0);
    let [low, high] = [-0.65, 0.65].map(|side| middle.map(|m| m + side * span));
    let mut plane = Plane::new(low, high, 180);
    let found = probabilities(&plane.places())?;
    plane.paint(found.iter().map(|p| plane::diverging((2.0 * p - 1.0) * 0.75)));
    for (&point, &y) in x.iter().zip(y) {
        let radius = if x.len() < 10 { 9.0 } else { 4.0 };
        plane.dot(point, radius + 1.5, BLACK, 1.0);
        plane.dot(point, radius, if y == 1.0 { ORANGE } else { BLUE }, 1.0);
    }
    plane.write(path)
}

impl Kind {
    /// Points and their classes, 0 and 1 in turn.
    pub fn points(self, seed: u64) -> (Vec<[f64; 2]>, Vec<f32>) {
        let mut next = fit::uniform(seed);
        let mut noise = |size: f64| size * (next() + next() + next() - 1.5);
        let n = if self == Kind::Xor { 4 } else { 200 };
        let point = |i: usize| {
            let (class, t) = ((i % 2) as f64, (i / 2) as f64 / (n / 2) as f64);
            let sign = 1.0 - 2.0 * class;
            match self {
                Kind::Xor => [f64::from(i as u8 / 2), f64::from((i as u8 / 2) ^ (i as u8 % 2))],
                Kind::Moons => {
                    [sign * (PI * t).cos() + class + noise(0.2), sign * (PI * t).sin() + 0.5 * class + noise(0.2)]
                }
                Kind::Spirals => {
                    let (radius, angle) = (0.1 + t, 1.5 * TAU * t);
                    [sign * radius * angle.cos() + noise(0.04), sign * radius * angle.sin() + noise(0.04)]
                }
            }
        };
        ((0..n).map(point).collect(), (0..n).map(|i| (i % 2) as f32).collect())
    }
}
