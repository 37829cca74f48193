//! Letters, rectangles and sheets of pictures.

use std::path::Path;

use font8x8::UnicodeFonts;
use handmill::error::{Error, Result};
use handmill::file::write_atomic;
use image::{Rgb, RgbImage};

/// The width and height of a letter, in pixels.
pub const LETTER: u32 = 16;
/// Space around everything, in pixels.
pub const GAP: u32 = 8;

pub const PAPER: Rgb<u8> = Rgb([255, 255, 255]);
pub const INK: Rgb<u8> = Rgb([32, 32, 36]);

/// Writes `text` to the right of `x`, below `y`.
pub fn text(image: &mut RgbImage, x: u32, y: u32, text: &str) {
    for (i, letter) in text.chars().enumerate() {
        let x = x + i as u32 * LETTER;
        dots(letter).for_each(|(u, v)| fill(image, [x + 2 * u, y + 2 * v, 2, 2], INK));
    }
}

/// Writes `text` upwards from `y`, to the right of `x`.
pub fn upwards(image: &mut RgbImage, x: u32, y: u32, text: &str) {
    for (i, letter) in text.chars().enumerate() {
        let y = y - (i as u32 + 1) * LETTER;
        dots(letter).for_each(|(u, v)| fill(image, [x + 2 * v, y + 2 * (7 - u), 2, 2], INK));
    }
}

/// The dots of a letter, to the right and down from its corner; a box for one that the fonts lack.
fn dots(letter: char) -> impl Iterator<Item = (u32, u32)> {
    const BOX: [u8; 8] = [0, 0x7e, 0x42, 0x42, 0x42, 0x42, 0x7e, 0];
    let fonts: [&dyn UnicodeFonts; 7] = [
        &font8x8::BASIC_FONTS,
        &font8x8::LATIN_FONTS,
        &font8x8::GREEK_FONTS,
        &font8x8::BOX_FONTS,
        &font8x8::BLOCK_FONTS,
        &font8x8::HIRAGANA_FONTS,
        &font8x8::MISC_FONTS,
    ];
    let rows = fonts.iter().find_map(|font| font.get(letter)).unwrap_or(BOX);
    (0..64).map(|i| (i % 8, i / 8)).filter(move |&(u, v)| rows[v as usize] >> u & 1 == 1)
}

/// Colours a rectangle `[x, y, width, height]`, as far as the picture reaches.
pub fn fill(image: &mut RgbImage, [x, y, width, height]: [u32; 4], colour: Rgb<u8>) {
    for y in y..(y + height).min(image.height()) {
        (x..(x + width).min(image.width())).for_each(|x| image.put_pixel(x, y, colour));
    }
}

/// Pictures beside and below each other, each with a title above it.
pub fn sheet(pictures: &[(String, RgbImage)]) -> RgbImage {
    let columns = (1..).find(|n| n * n >= pictures.len() as u32).unwrap_or(1);
    let title = |(name, _): &(String, RgbImage)| name.chars().count() as u32 * LETTER;
    let width = pictures.iter().map(|p| p.1.width().max(title(p))).max().unwrap_or(0) + 2 * GAP;
    let height = pictures.iter().map(|p| p.1.height()).max().unwrap_or(0) + LETTER + 2 * GAP;
    let rows = (pictures.len() as u32).div_ceil(columns);
    let mut image = RgbImage::from_pixel(width * columns, height * rows, PAPER);
    for (i, (name, picture)) in pictures.iter().enumerate() {
        let (x, y) = (i as u32 % columns * width + GAP, i as u32 / columns * height + GAP);
        text(&mut image, x, y, name);
        for (u, v, pixel) in picture.enumerate_pixels() {
            image.put_pixel(x + u, y + LETTER + GAP / 2 + v, *pixel);
        }
    }
    image
}

/// Writes a picture as PNG, whole or not at all.
pub fn save(image: &RgbImage, path: &Path) -> Result<()> {
    let mut bytes = std::io::Cursor::new(vec![]);
    let made = image.write_to(&mut bytes, image::ImageFormat::Png);
    made.map_err(|e| Error::file(path, format!("cannot be made: {e}")))?;
    write_atomic(path, |file| file.write_all(bytes.get_ref()))
}
