//! Images as a vision model takes them: `preprocessor_config.json` in the way of transformers' `ViTImageProcessor` and
//! `CLIPImageProcessor`, with resampling in bytes as Pillow does it.

use std::fs;
use std::io::BufReader;
use std::path::Path;

use image::{ColorType, DynamicImage, ImageDecoder, ImageReader, Limits, RgbImage};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::file::{bytes, excerpt, open_regular};
use crate::folder::ModelFolder;
use crate::json::{Value, describe};
use crate::tensor::HostTensor;

mod resample;
#[cfg(test)]
mod tests;

pub use resample::{Filter, resize};

/// The largest width or height of an image.
pub const MAX_SIDE: u32 = 16_384;
/// The longest file of an image, in bytes.
const MAX_FILE: u64 = 1 << 30;

/// Keys that say what is done.
const KEYS: &[&str] = &[
    "do_resize",
    "size",
    "resample",
    "do_center_crop",
    "crop_size",
    "do_rescale",
    "rescale_factor",
    "do_normalize",
    "image_mean",
    "image_std",
    "do_convert_rgb",
    "data_format",
];

/// Keys that leave the result as it is.
const SILENT: &[&str] = &[
    "image_processor_type",
    "feature_extractor_type",
    "processor_class",
    "_processor_class",
    "_valid_processor_keys",
    "input_data_format",
    "return_tensors",
    "default_to_square",
    "device",
    "disable_grouping",
];

/// Whose defaults hold where a file says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `ViTImageProcessor`: to a square, bilinear, mean and deviation ½.
    Vit,
    /// `CLIPImageProcessor`: the shorter side, bicubic, then the middle, mean and deviation of CLIP's data.
    Clip,
}

/// What an image is resized to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// `{"height", "width"}`
    Exact([usize; 2]),
    /// `{"shortest_edge"}`: the proportions stay.
    ShortestEdge(usize),
}

/// How images become `pixel_values`.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageProcessor {
    resize: Option<(Size, Filter)>,
    /// Height and width.
    crop: Option<[usize; 2]>,
    rescale: Option<f64>,
    /// Mean and deviation of every channel.
    normalize: Option<[[f32; 3]; 2]>,
    convert_rgb: bool,
}

impl ImageProcessor {
    /// That of a model folder.
    ///
    /// # Errors
    /// [`Error::File`] if it has no `preprocessor_config.json`, [`Error::Config`] if that asks for something else
    pub fn of(folder: &ModelFolder) -> Result<ImageProcessor> {
        if !folder.path().join("preprocessor_config.json").exists() {
            return Err(Error::file(folder.path(), "has no preprocessor_config.json"));
        }
        let config = folder.preprocessor();
        let kind = if folder.architecture().starts_with("CLIP") { Kind::Clip } else { Kind::Vit };
        let processor = ImageProcessor::read(&config, kind);
        config.finish()?;
        Ok(processor)
    }

    /// That of `config`, which is a `kind` where it names none. Faults are remembered by `config`.
    pub fn read(config: &Config, kind: Kind) -> ImageProcessor {
        let kind = named(config).unwrap_or(kind);
        let clip = kind == Kind::Clip;
        // What is null or off asks for nothing.
        let asks = |value: &Value| !value.is_null() && value.as_bool() != Some(false);
        let known = |name: &str| KEYS.contains(&name) || SILENT.contains(&name);
        if let Some((name, _)) = config.map().iter().find(|(name, value)| !known(name) && asks(value)) {
            config.fail(&excerpt(name), "is a step that is not supported here");
        }
        config.text("data_format", "channels_first", &["channels_first"]);
        let filter = match config.usize_in("resample", if clip { 3 } else { 2 }, 2..=3) {
            2 => Filter::Bilinear,
            _ => Filter::Bicubic,
        };
        let size = match clip {
            true => Size::ShortestEdge(224),
            false => Size::Exact([224, 224]),
        };
        let size = sides(config, "size", size, clip);
        let crop = match sides(config, "crop_size", Size::Exact([224, 224]), false) {
            Size::Exact(crop) => crop,
            Size::ShortestEdge(_) => {
                config.fail("crop_size", "found \"shortest_edge\", expected \"height\" and \"width\"");
                [1, 1]
            }
        };
        let [mean, deviation] = match clip {
            true => [[0.481_454_66, 0.457_827_5, 0.408_210_73], [0.268_629_54, 0.261_302_58, 0.275_777_11]],
            false => [[0.5; 3]; 2],
        };
        let normalize = [channels(config, "image_mean", mean), channels(config, "image_std", deviation)];
        config.require(normalize[1].iter().all(|&v| v > 0.0), "image_std", || "found 0 or less, expected more".into());
        let factor = config.f64("rescale_factor", 1.0 / 255.0);
        ImageProcessor {
            resize: config.bool("do_resize", true).then_some((size, filter)),
            crop: config.bool("do_center_crop", clip).then_some(crop),
            rescale: config.bool("do_rescale", true).then_some(factor),
            normalize: config.bool("do_normalize", true).then_some(normalize),
            convert_rgb: config.bool("do_convert_rgb", true),
        }
    }

    /// The image in a file: PNG or JPEG, of 8 bits a channel; transparency is dropped, not blended, as Pillow's
    /// `convert("RGB")` does. An orientation that a camera wrote beside the pixels is not looked at.
    ///
    /// # Errors
    /// [`Error::File`] if it is no such image, or not RGB and `do_convert_rgb` is false
    pub fn open(&self, path: &Path) -> Result<RgbImage> {
        let fail = |e: image::ImageError| Error::file(path, format!("cannot be decoded: {}", excerpt(&e.to_string())));
        let decoder = reader(path)?.into_decoder().map_err(fail)?;
        match decoder.color_type() {
            ColorType::Rgb8 => {}
            ColorType::L8 | ColorType::La8 | ColorType::Rgba8 if self.convert_rgb => {}
            ColorType::L8 | ColorType::La8 | ColorType::Rgba8 => {
                return Err(Error::file(path, "is gray or has transparency, and do_convert_rgb is false"));
            }
            _ => return Err(Error::file(path, "has more than 8 bits a channel, expected 8")),
        }
        Ok(DynamicImage::from_decoder(decoder).map_err(fail)?.into_rgb8())
    }

    /// `pixel_values (N, 3, H, W)` of images, which must become equally large.
    ///
    /// # Errors
    /// [`Error::Tensor`] if they do not, or if there are none
    pub fn pixel_values(&self, images: &[RgbImage]) -> Result<HostTensor> {
        let (mut values, mut shape) = (vec![], None);
        for (i, image) in images.iter().enumerate() {
            let pixels = self.pixels(image)?;
            let size = [pixels.height() as usize, pixels.width() as usize];
            let [h, w] = *shape.get_or_insert(size);
            if size != [h, w] {
                let message = format!("image {} becomes {} × {}, the first {w} × {h}", i + 1, size[1], size[0]);
                return Err(Error::tensor("pixel_values", message));
            }
            (0..3).for_each(|c| values.extend(pixels.pixels().map(|pixel| self.value(c, pixel.0[c]))));
        }
        let Some([h, w]) = shape else { return Err(Error::tensor("pixel_values", "there are no images")) };
        Ok(HostTensor::f32(&[images.len(), 3, h, w], values))
    }

    /// An image, resized and cut, as what a model sees.
    ///
    /// # Errors
    /// [`Error::Tensor`] if a side would be longer than [`MAX_SIDE`]
    pub fn pixels(&self, image: &RgbImage) -> Result<RgbImage> {
        let [h, w] = [image.height() as usize, image.width() as usize];
        let resized = self.resize.map(|(size, filter)| {
            let [h, w] = match size {
                Size::Exact(size) => size,
                Size::ShortestEdge(edge) if w <= h => [edge * h / w, edge],
                Size::ShortestEdge(edge) => [edge, edge * w / h],
            };
            if h.max(w) > MAX_SIDE as usize {
                let message = format!("an image would be resized to {w} × {h}, sides of {MAX_SIDE} are the longest");
                return Err(Error::tensor("pixel_values", message));
            }
            Ok(resize(image, [h, w], filter))
        });
        let resized = resized.transpose()?;
        let image = resized.as_ref().unwrap_or(image);
        Ok(self.crop.map_or_else(|| image.clone(), |size| center_crop(image, size)))
    }

    /// A channel's value, rounded to f32 after each step.
    fn value(&self, channel: usize, byte: u8) -> f32 {
        let x = self.rescale.map_or(f32::from(byte), |factor| (f64::from(byte) * factor) as f32);
        self.normalize.map_or(x, |[mean, deviation]| (x - mean[channel]) / deviation[channel])
    }
}

/// The middle of an image, `[height, width]`; what lies outside of it is black.
fn center_crop(image: &RgbImage, [height, width]: [usize; 2]) -> RgbImage {
    let start = |whole: u32, part: usize| (i64::from(whole) - part as i64).div_euclid(2);
    let (left, top) = (start(image.width(), width), start(image.height(), height));
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let at = |v: u32, start: i64| u32::try_from(i64::from(v) + start).ok();
        let pixel = at(x, left).zip(at(y, top)).and_then(|(x, y)| image.get_pixel_checked(x, y));
        pixel.copied().unwrap_or(image::Rgb([0; 3]))
    })
}

/// The processor that a file names.
fn named(config: &Config) -> Option<Kind> {
    let key = ["image_processor_type", "feature_extractor_type"].into_iter().find(|key| config.has(key))?;
    let name = config.any_text(key)?;
    let plain = name.trim_end_matches("Fast");
    match plain.strip_suffix("ImageProcessor").or(plain.strip_suffix("FeatureExtractor")) {
        Some("ViT") => Some(Kind::Vit),
        Some("CLIP") => Some(Kind::Clip),
        _ => {
            let message = format!("found \"{}\", expected ViTImageProcessor or CLIPImageProcessor", excerpt(&name));
            config.fail(key, message);
            None
        }
    }
}

/// A size: an object, or one number for the shorter side or for a square.
fn sides(config: &Config, name: &str, default: Size, shorter: bool) -> Size {
    let most = 1..=MAX_SIDE as usize;
    let Some(value) = config.get(name) else { return default };
    if value.is_number() {
        let side = config.usize_in(name, 1, most);
        return if shorter { Size::ShortestEdge(side) } else { Size::Exact([side, side]) };
    }
    let Some(size) = config.object(name) else { return default };
    let keys: Vec<&str> = size.map().keys().map(String::as_str).filter(|key| size.has(key)).collect();
    match keys.as_slice() {
        ["shortest_edge"] => Size::ShortestEdge(size.usize_in("shortest_edge", 1, most)),
        ["height", "width"] | ["width", "height"] => {
            Size::Exact(["height", "width"].map(|side| size.usize_in(side, 1, most.clone())))
        }
        _ => {
            let expected = "expected \"height\" and \"width\", or \"shortest_edge\"";
            config.fail(name, format!("found {}, {expected}", excerpt(&value.to_string())));
            default
        }
    }
}

/// A number for every channel, or one for all.
fn channels(config: &Config, name: &str, default: [f64; 3]) -> [f32; 3] {
    let given = match config.get(name) {
        Some(value) if value.is_number() => vec![config.f64(name, 0.0); 3],
        _ => config.floats(name, &default),
    };
    let found: Option<[f64; 3]> = given.try_into().ok();
    let shown = || config.get(name).map_or(String::new(), describe);
    config.require(found.is_some(), name, || format!("found {}, expected 3 numbers", shown()));
    found.unwrap_or(default).map(|v| v as f32)
}

/// A reader of the image in a file, which takes bounded memory.
pub(crate) fn reader(path: &Path) -> Result<ImageReader<BufReader<fs::File>>> {
    let (file, size) = open_regular(path)?;
    if size > MAX_FILE {
        return Err(Error::file(path, format!("is {}, too long for an image", bytes(size))));
    }
    let reader = ImageReader::new(BufReader::new(file)).with_guessed_format();
    let mut reader = reader.map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    reader.limits(limits);
    Ok(reader)
}
