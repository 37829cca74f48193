//! The bundled digits, and pictures of weights.

use std::path::Path;

use handmill::weights::load_tensors;
use handmill::{HostTensor, Result};
use image::RgbImage;

#[path = "../figures/plane.rs"]
#[allow(dead_code)]
mod plane;

/// Ink from 0 to 1, 64 pixels a digit, and labels.
pub type Digits = (Vec<f32>, Vec<i32>);

/// Digits as rows of pixels.
pub fn pixels((ink, labels): &Digits) -> HostTensor {
    HostTensor::f32(&[labels.len(), 64], ink.clone())
}

/// Those to train on, and every fifth, which is held out.
pub fn digits() -> Result<[Digits; 2]> {
    let all = load_tensors(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/digits/digits.safetensors"))?;
    let (images, labels) = (all["images"].to_f64(), all["labels"].as_i32()?);
    Ok([false, true].map(|held_out| {
        let rows = (0..labels.len()).filter(|n| n.is_multiple_of(5) == held_out);
        let ink = rows.clone().flat_map(|n| images[n * 64..(n + 1) * 64].iter().map(|&v| v as f32 / 16.0));
        (ink.collect(), rows.map(|n| labels[n]).collect())
    }))
}

/// Weights of 64 pixels each, side by side.
pub fn picture(weights: &[f64], path: &Path) -> Result<()> {
    const SCALE: u32 = 12;
    const GAP: u32 = 8;
    let count = weights.len() as u32 / 64;
    let cell = 8 * SCALE + GAP;
    let mut picture = RgbImage::from_pixel(count * cell + GAP, cell + GAP, plane::rgb([120.0; 3]));
    let largest = weights.iter().map(|w| w.abs()).fold(f64::MIN_POSITIVE, f64::max);
    for (x, y) in (0..count * 8 * SCALE).flat_map(|x| (0..8 * SCALE).map(move |y| (x, y))) {
        let (digit, column, row) = (x / (8 * SCALE), x % (8 * SCALE) / SCALE, y / SCALE);
        let weight = weights[(digit * 64 + row * 8 + column) as usize];
        let left = GAP + digit * cell + x % (8 * SCALE);
        picture.put_pixel(left, GAP + y, plane::rgb(plane::diverging(weight / largest)));
    }
    plane::save(&picture, path)
}
