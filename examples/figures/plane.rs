//! Pictures of a function of two numbers, with points, as PNG.

use std::path::Path;

use handmill::{Error, Result};
use image::{Rgb, RgbImage};

/// Pixels of a side of a cell, in which the function has one value.
const CELL: u32 = 3;

pub type Color = [f64; 3];
pub const BLUE: Color = [31.0, 119.0, 180.0];
pub const ORANGE: Color = [230.0, 97.0, 1.0];
pub const BLACK: Color = [25.0, 25.0, 25.0];
const WHITE: Color = [255.0, 255.0, 255.0];

/// A part of the plane, from `low` to `high`, as `cells` by `cells` cells.
pub struct Plane {
    low: [f64; 2],
    high: [f64; 2],
    cells: usize,
    picture: RgbImage,
}

impl Plane {
    pub fn new(low: [f64; 2], high: [f64; 2], cells: usize) -> Plane {
        let side = cells as u32 * CELL;
        Plane { low, high, cells, picture: RgbImage::new(side, side) }
    }

    /// The places of the cells along an axis, 0 or 1, upwards.
    pub fn along(&self, axis: usize) -> Vec<f64> {
        let step = (self.high[axis] - self.low[axis]) / self.cells as f64;
        (0..self.cells).map(|i| self.low[axis] + (i as f64 + 0.5) * step).collect()
    }

    /// The middle of every cell: rows upwards, each from the left.
    pub fn places(&self) -> Vec<[f64; 2]> {
        let across = self.along(0);
        self.along(1).into_iter().flat_map(|y| across.iter().map(move |&x| [x, y])).collect()
    }

    /// Colours the cells, in the order of [`Plane::places`].
    pub fn paint(&mut self, colors: impl Iterator<Item = Color>) {
        for (at, color) in colors.enumerate() {
            let (left, up) = ((at % self.cells) as u32 * CELL, (self.cells - 1 - at / self.cells) as u32 * CELL);
            for i in 0..CELL * CELL {
                self.picture.put_pixel(left + i % CELL, up + i / CELL, rgb(color));
            }
        }
    }

    /// A disc around a point, of a radius in pixels; `alpha` 1 hides what is behind it.
    pub fn dot(&mut self, point: [f64; 2], radius: f64, color: Color, alpha: f64) {
        let side = self.picture.width() as f64;
        let [x, y] = [0, 1].map(|a| (point[a] - self.low[a]) / (self.high[a] - self.low[a]) * side);
        let (x, y) = (x - 0.5, side - y - 0.5);
        let span = |v: f64| (v - radius - 1.0).max(0.0) as u32..((v + radius + 2.0).max(0.0) as u32).min(side as u32);
        for (px, py) in span(y).flat_map(|py| span(x).map(move |px| (px, py))) {
            // The edge is one pixel wide.
            let cover = (radius + 0.5 - (f64::from(px) - x).hypot(f64::from(py) - y)).clamp(0.0, 1.0) * alpha;
            let behind = self.picture.get_pixel(px, py).0.map(f64::from);
            self.picture.put_pixel(px, py, rgb(mixed(behind, color, cover)));
        }
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        save(&self.picture, path)
    }
}

pub fn save(picture: &RgbImage, path: &Path) -> Result<()> {
    picture.save(path).map_err(|e| Error::file(path, e.to_string()))
}

pub fn rgb(color: Color) -> Rgb<u8> {
    Rgb(color.map(|c| c.round().clamp(0.0, 255.0) as u8))
}

/// From `a` to `b`, as `t` goes from 0 to 1.
pub fn mixed(a: Color, b: Color, t: f64) -> Color {
    [0, 1, 2].map(|i| a[i] + (b[i] - a[i]) * t)
}

/// Blue at −1, white at 0, orange at 1.
pub fn diverging(v: f64) -> Color {
    mixed(WHITE, if v < 0.0 { BLUE } else { ORANGE }, v.abs().min(1.0))
}

/// White at 0, dark blue at 1.
pub fn rising(v: f64) -> Color {
    let v = v.clamp(0.0, 1.0);
    if v < 0.5 {
        mixed(WHITE, [107.0, 174.0, 214.0], 2.0 * v)
    } else {
        mixed([107.0, 174.0, 214.0], [8.0, 48.0, 107.0], 2.0 * v - 1.0)
    }
}
