//! Pictures with what a model looked at for every word.

use handmill::engine::Tensors;
use handmill::programs::Context;
use handmill::{Error, HostTensor, Result};
use image::{Rgb, RgbImage};

use super::heat_map::text;
use super::scene::{CHANNELS, SIDE};
use super::words::START;

/// Pixels of a picture's pixel, between pictures, and of a line of text.
const SCALE: usize = 3;
const GAP: usize = 8;
const LINE: usize = 20;
/// How dark it is where the model does not look.
const DARK: f32 = 0.25;

/// Where the model looks for every word of `ids`, the captions it wrote for the first `n` pictures: (n, T, L).
pub fn looked(context: &Context, pixels: &HostTensor, ids: &[Vec<i32>], n: usize) -> Result<HostTensor> {
    let pixels = HostTensor::f32(&[n, CHANNELS, SIDE, SIDE], pixels.as_f32()?[..n * CHANNELS * SIDE * SIDE].to_vec());
    let read: Vec<i32> = ids[..n].iter().flat_map(|row| [&[START], &row[..row.len() - 1]].concat()).collect();
    let read = HostTensor::i32(&[n, ids[0].len()], read);
    let inputs = Tensors::from([("pixel_values".to_owned(), pixels), ("input_ids".to_owned(), read)]);
    let mut outputs = context.run(&inputs)?;
    outputs.remove("attentions").ok_or_else(|| Error::tensor("attentions", "are no output of the model"))
}

/// A row for each caption: its picture, then the picture again for every word, bright where the model looked.
pub fn captioned(pixels: &HostTensor, captions: &[Vec<String>], looked: &HostTensor) -> Result<RgbImage> {
    let (pixels, &[_, steps, places]) = (pixels.as_f32()?, &[looked.shape()[0], looked.shape()[1], looked.shape()[2]]);
    let (looked, side) = (looked.as_f32()?, places.isqrt());
    let (width, height) = (SIDE * SCALE + GAP, SIDE * SCALE + LINE + GAP);
    let most = captions.iter().map(Vec::len).max().unwrap_or(0) + 1;
    let size = [most * width + GAP, captions.len() * height + GAP].map(|n| n as u32);
    let mut image = RgbImage::from_pixel(size[0], size[1], Rgb([255; 3]));
    for (row, caption) in captions.iter().enumerate() {
        let picture = &pixels[row * CHANNELS * SIDE * SIDE..][..3 * SIDE * SIDE];
        let top = GAP + row * height;
        paint(&mut image, [GAP, top], picture, |_, _| 1.0);
        for (i, word) in caption.iter().enumerate() {
            let map = &looked[(row * steps + i) * places..][..places];
            let most = map.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
            let light = |x: f32, y: f32| DARK + (1.0 - DARK) * between(map, side, x, y) / most;
            let left = GAP + (i + 1) * width;
            paint(&mut image, [left, top], picture, light);
            text(&mut image, left as u32, (top + SIDE * SCALE + 2) as u32, word);
        }
    }
    Ok(image)
}

/// Paints a picture from `[left, top]` on, in the light of every point, whose coordinates are from 0 to 1.
fn paint(image: &mut RgbImage, [left, top]: [usize; 2], picture: &[f32], light: impl Fn(f32, f32) -> f32) {
    let size = SIDE * SCALE;
    for (y, x) in (0..size).flat_map(|y| (0..size).map(move |x| (y, x))) {
        let light = light((x as f32 + 0.5) / size as f32, (y as f32 + 0.5) / size as f32);
        let at = y / SCALE * SIDE + x / SCALE;
        let colour = [0, 1, 2].map(|c| (255.0 * light * (1.0 + picture[c * SIDE * SIDE + at])).round() as u8);
        image.put_pixel((left + x) as u32, (top + y) as u32, Rgb(colour));
    }
}

/// A map of `side` × `side` places at a point, bilinear between their middles.
fn between(map: &[f32], side: usize, x: f32, y: f32) -> f32 {
    let along = |v: f32| {
        let at = (v * side as f32 - 0.5).clamp(0.0, side as f32 - 1.0);
        let low = (at as usize).min(side.saturating_sub(2));
        (low, (low + 1).min(side - 1), at - low as f32)
    };
    let ((x0, x1, u), (y0, y1, v)) = (along(x), along(y));
    let row = |y: usize| map[y * side + x0] * (1.0 - u) + map[y * side + x1] * u;
    row(y0) * (1.0 - v) + row(y1) * v
}
