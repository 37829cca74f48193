//! Pictures of digits.

use image::GrayImage;

/// Pixels of a side of a digit's pixel, and between digits.
const SCALE: usize = 5;
const GAP: usize = 4;
const COLUMNS: usize = 20;

/// A grid of 8 × 8 digits, ink from 0 to 1. The `bands` stand above each other: under each digit of the first is the
/// one of the second with its number.
pub fn grid(bands: &[Vec<f32>]) -> GrayImage {
    let count = bands.iter().map(|band| band.len() / 64).max().unwrap_or(0);
    let rows = count.div_ceil(COLUMNS);
    let (cell, between) = (8 * SCALE + GAP, if bands.len() > 1 { GAP } else { 0 });
    let block = bands.len() * cell + between;
    let size = [COLUMNS * cell + GAP, rows * block + GAP].map(|n| n as u32);
    let mut picture = GrayImage::from_pixel(size[0], size[1], image::Luma([200]));
    for (b, band) in bands.iter().enumerate() {
        for (n, digit) in band.chunks(64).enumerate() {
            let (left, top) = (GAP + n % COLUMNS * cell, GAP + n / COLUMNS * block + b * cell);
            for (i, ink) in digit.iter().enumerate() {
                let shade = (255.0 * (1.0 - ink.clamp(0.0, 1.0))).round() as u8;
                let (x, y) = (left + i % 8 * SCALE, top + i / 8 * SCALE);
                for at in 0..SCALE * SCALE {
                    picture.put_pixel((x + at % SCALE) as u32, (y + at / SCALE) as u32, image::Luma([shade]));
                }
            }
        }
    }
    picture
}
