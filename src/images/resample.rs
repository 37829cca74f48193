//! Resampling of images in bytes, with the filters and the rounding of Pillow.
//!
//! Source: Pillow, `src/libImaging/Resample.c` (8 bits a channel); Keys 1981, "Cubic convolution interpolation"

use image::{Rgb, RgbImage};

/// Bits after the point of a coefficient: products of bytes and sums of them stay within 32 bits.
const PRECISION: u32 = 32 - 8 - 2;

/// How pixels between pixels are made. Where an image shrinks, the filter is as much wider (antialiasing).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// A triangle.
    Bilinear,
    /// Keys' cubic with a = −½.
    Bicubic,
}

impl Filter {
    /// Beyond this distance, in pixels, it is 0.
    fn support(self) -> f64 {
        match self {
            Filter::Bilinear => 1.0,
            Filter::Bicubic => 2.0,
        }
    }

    /// The weight of a pixel at distance `x`.
    fn at(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let x = x.abs();
        match self {
            Filter::Bilinear if x < 1.0 => 1.0 - x,
            Filter::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Filter::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            _ => 0.0,
        }
    }
}

/// What a pixel of a result is made of: the first pixel, and the weights of it and those after it.
struct Window {
    first: usize,
    weights: Vec<i64>,
}

/// The windows along an axis of `from` pixels that becomes `to` pixels.
fn windows(from: usize, to: usize, filter: Filter) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    let wide = scale.max(1.0);
    let window = |i: usize| {
        let (center, support) = ((i as f64 + 0.5) * scale, filter.support() * wide);
        let first = (center - support + 0.5).max(0.0) as usize;
        let end = ((center + support + 0.5) as usize).min(from);
        let weights: Vec<f64> = (first..end).map(|x| filter.at((x as f64 - center + 0.5) * (1.0 / wide))).collect();
        let sum: f64 = weights.iter().sum();
        // Halves are rounded away from zero.
        let fixed = |w: f64| (w / sum * f64::from(1 << PRECISION)).round() as i64;
        Window { first, weights: weights.into_iter().map(fixed).collect() }
    };
    (0..to).map(window).collect()
}

/// `image` with `[height, width]` pixels: along its rows first, rounded to bytes, then along its columns.
pub fn resize(image: &RgbImage, [height, width]: [usize; 2], filter: Filter) -> RgbImage {
    let mut image = image.clone();
    if width != image.width() as usize {
        let windows = windows(image.width() as usize, width, filter);
        image = RgbImage::from_fn(width as u32, image.height(), |x, y| {
            sum(&windows[x as usize], |from| image.get_pixel(from, y))
        });
    }
    if height != image.height() as usize {
        let windows = windows(image.height() as usize, height, filter);
        image = RgbImage::from_fn(image.width(), height as u32, |x, y| {
            sum(&windows[y as usize], |from| image.get_pixel(x, from))
        });
    }
    image
}

/// The weighted sum of a window's pixels, rounded and cut to bytes.
fn sum<'a>(window: &Window, pixel: impl Fn(u32) -> &'a Rgb<u8>) -> Rgb<u8> {
    let mut sums = [1i64 << (PRECISION - 1); 3];
    for (i, weight) in window.weights.iter().enumerate() {
        let Rgb(bytes) = pixel((window.first + i) as u32);
        (0..3).for_each(|c| sums[c] += weight * i64::from(bytes[c]));
    }
    Rgb(sums.map(|sum| (sum >> PRECISION).clamp(0, 255) as u8))
}
