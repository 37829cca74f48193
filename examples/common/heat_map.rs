//! A matrix as a picture: a colour for every value, with labels of the rows and columns.

#![allow(dead_code)] // every example takes a part of it

use image::{Rgb, RgbImage};

#[path = "paint.rs"]
mod paint;

use paint::{GAP, LETTER, PAPER, upwards};
#[allow(unused_imports)] // every example takes a part of it
pub use paint::{fill, save, sheet, text};

/// The width and height of a value, in pixels.
const CELL: u32 = 20;
/// The most letters of a label; longer ones are cut.
const LABEL: usize = 14;

/// The colour of a value that is no number.
const NOTHING: Rgb<u8> = Rgb([200, 200, 200]);

/// Every eighth of the map viridis of Matplotlib, from low to high.
const VIRIDIS: [[u8; 3]; 9] = [
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
];

/// The colour of `x` between 0 and 1: equal steps look equal, and grey prints keep their order.
pub fn colour(x: f32) -> Rgb<u8> {
    if !x.is_finite() {
        return NOTHING;
    }
    let at = x.clamp(0.0, 1.0) * 8.0;
    let (low, part) = ((at as usize).min(7), at - (at as usize).min(7) as f32);
    let mix = |c: usize| f32::from(VIRIDIS[low][c]) * (1.0 - part) + f32::from(VIRIDIS[low + 1][c]) * part;
    Rgb([mix(0), mix(1), mix(2)].map(|v| v.round() as u8))
}

/// A picture of `values`, row by row, with a scale at its right: the darkest colour is the least value, or 0 if that is
/// less, and the brightest the greatest.
pub fn heat_map(rows: &[String], columns: &[String], values: &[f32]) -> RgbImage {
    assert_eq!(values.len(), rows.len() * columns.len(), "bug: a value for every row and column");
    let known = || values.iter().copied().filter(|v| v.is_finite());
    let (least, most) = (known().fold(0.0, f32::min), known().fold(f32::MIN, f32::max).max(f32::MIN_POSITIVE));
    let longest = |labels: &[String]| labels.iter().map(|l| l.chars().count().min(LABEL)).max().unwrap_or(0) as u32;
    let ends = [format!("{most:.2}"), format!("{least:.2}")];
    let (left, top) = (2 * GAP + longest(rows) * LETTER, 2 * GAP + longest(columns) * LETTER);
    let (width, height) = (columns.len() as u32 * CELL, (rows.len() as u32 * CELL).max(2 * LETTER + GAP));
    let scale = left + width + GAP;
    let mut image = RgbImage::from_pixel(scale + CELL + 2 * GAP + longest(&ends) * LETTER, top + height + GAP, PAPER);
    for (r, label) in rows.iter().enumerate() {
        let label: String = label.chars().take(LABEL).collect();
        let x = left - GAP - label.chars().count() as u32 * LETTER;
        text(&mut image, x, top + r as u32 * CELL + (CELL - LETTER) / 2, &label);
    }
    for (c, label) in columns.iter().enumerate() {
        let label: String = label.chars().take(LABEL).collect();
        upwards(&mut image, left + c as u32 * CELL + (CELL - LETTER) / 2, top - GAP, &label);
    }
    for (i, value) in values.iter().enumerate() {
        let (r, c) = ((i / columns.len()) as u32, (i % columns.len()) as u32);
        fill(&mut image, [left + c * CELL, top + r * CELL, CELL, CELL], colour((value - least) / (most - least)));
    }
    for y in 0..height {
        fill(&mut image, [scale, top + y, CELL, 1], colour(1.0 - y as f32 / (height - 1) as f32));
    }
    text(&mut image, scale + CELL + GAP, top, &ends[0]);
    text(&mut image, scale + CELL + GAP, top + height - LETTER, &ends[1]);
    image
}

/// `values` of `rows` by `columns` fields over a picture: bright where they are great, dark where they are small.
pub fn overlay(image: &RgbImage, [rows, columns]: [usize; 2], values: &[f32]) -> RgbImage {
    assert_eq!(values.len(), rows * columns, "bug: a value for every field");
    let most = values.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let scale = 256u32.div_ceil(image.width().max(image.height())).max(1);
    let (width, height) = (image.width() * scale, image.height() * scale);
    RgbImage::from_fn(width, height, |x, y| {
        let (r, c) = (y as usize * rows / height as usize, x as usize * columns / width as usize);
        let Rgb(below) = *image.get_pixel(x / scale, y / scale);
        let Rgb(above) = colour(values[r * columns + c] / most);
        Rgb([0, 1, 2].map(|c| ((u16::from(below[c]) + 2 * u16::from(above[c])) / 3) as u8))
    })
}

#[cfg(test)]
mod tests {
    use super::paint::INK;
    use super::*;

    /// The corners of a matrix have the colours of its extremes, and labels leave ink beside it.
    #[test]
    fn shows_values_and_labels() {
        let labels = |names: [&str; 2]| names.map(str::to_owned);
        let image = heat_map(&labels(["a", "β"]), &labels(["\u{10ffff}", "d"]), &[0.0, 1.0, f32::NAN, 0.5]);
        let (left, top) = (2 * GAP + LETTER, 2 * GAP + LETTER);
        let at = |c: u32, r: u32| *image.get_pixel(left + c * CELL + CELL / 2, top + r * CELL + CELL / 2);
        assert_eq!([at(0, 0), at(1, 0), at(0, 1), at(1, 1)], [colour(0.0), colour(1.0), NOTHING, colour(0.5)]);
        assert_eq!((colour(0.0).0, colour(1.0).0, colour(0.5).0), (VIRIDIS[0], VIRIDIS[8], VIRIDIS[4]));
        let ink = |[x, y, w, h]: [u32; 4]| (x..x + w).any(|x| (y..y + h).any(|y| *image.get_pixel(x, y) == INK));
        assert!(ink([0, top, left, CELL]) && ink([0, top + CELL, left, CELL]), "labels of rows");
        assert!(ink([left, 0, CELL, top]) && ink([left + CELL, 0, CELL, top]), "labels of columns");
    }
}
