//! A folder of images: one folder for every class, or all in one for data without labels.

use std::fs;
use std::path::{Path, PathBuf};

use image::{ColorType, DynamicImage, ImageDecoder};

use crate::config::Config;
use crate::engine::Tensors;
use crate::error::{Error, Result};
use crate::file::{excerpt, reserve};
use crate::images::{MAX_SIDE, reader};
use crate::tensor::HostTensor;

use super::dataset::{Dataset, room};
use super::{Names, path};

/// The most images of a folder.
pub const MAX_IMAGES: usize = 1 << 27;

/// A folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Images {
    /// The folder.
    pub path: PathBuf,
    /// Three channels: red, green, blue. One otherwise.
    pub rgb: bool,
}

/// An image that was found and not decoded.
struct Found {
    path: PathBuf,
    class: usize,
}

impl Images {
    /// The keys besides those that all readers share.
    pub const KEYS: &[&str] = &["path", "color", "flatten"];

    /// The folder that `config` names, below `folder`.
    pub fn read(config: &Config, folder: &Path) -> Images {
        let rgb = config.text("color", "rgb", &["rgb", "gray"]) == "rgb";
        Images { path: path(config, "path", folder), rgb }
    }

    /// `input` (N,C,H,W), 0 to 255, in the order of the names, and `target` (N) where there are classes, with their
    /// names, sorted.
    ///
    /// # Errors
    /// [`Error::File`] about a folder without images, with images and folders side by side or with other files, and
    /// about an image that cannot be decoded, is of another size than the first, or has transparency or 16 bits
    pub fn load(&self, names: &Names) -> Result<(Dataset, Vec<String>)> {
        let (found, classes) = self.list()?;
        let (w, h) = size(&found[0].path)?;
        // All sizes are known to be right before memory is taken.
        for image in &found[1..] {
            let (iw, ih) = size(&image.path)?;
            if (iw, ih) != (w, h) {
                let message = format!("is {iw} × {ih}, {} is {w} × {h}", found[0].path.display());
                return Err(Error::file(&image.path, message));
            }
        }
        let channels = if self.rgb { 3 } else { 1 };
        let (w, h) = (w as usize, h as usize);
        let n = found.len() as u64 * (channels * w * h) as u64;
        room(&self.path, n)?;
        let mut pixels = Vec::new();
        reserve(&mut pixels, n, &self.path)?;
        found.iter().try_for_each(|image| self.decode(&image.path, (w, h), &mut pixels))?;
        let shape = [found.len(), channels, h, w];
        let mut tensors: Tensors = [(names.input.clone(), HostTensor::f32(&shape, pixels))].into();
        if !classes.is_empty() {
            let labels = found.iter().map(|image| image.class as i32).collect();
            tensors.insert(names.target.clone(), HostTensor::i32(&[found.len()], labels));
        }
        Ok((Dataset::new(tensors)?, classes))
    }

    /// All images, and the names of their classes.
    fn list(&self) -> Result<(Vec<Found>, Vec<String>)> {
        let (files, folders) = entries(&self.path)?;
        if let (Some(file), Some(folder)) = (files.first(), folders.first()) {
            let message = format!("has files ({}) and folders ({}) side by side", shown(file), shown(folder));
            return Err(Error::file(&self.path, message));
        }
        if folders.is_empty() {
            let found = files.into_iter().map(|path| Found { path, class: 0 }).collect::<Vec<_>>();
            return match found.is_empty() {
                true => Err(Error::file(&self.path, "has no images")),
                false => Ok((found, Vec::new())),
            };
        }
        let (mut found, mut names) = (Vec::new(), Vec::new());
        for (class, folder) in folders.iter().enumerate() {
            let (files, inner) = entries(folder)?;
            if let Some(inner) = inner.first() {
                return Err(Error::file(folder, format!("has a folder ({}), expected images", shown(inner))));
            }
            if files.is_empty() {
                return Err(Error::file(folder, "has no images"));
            }
            found.extend(files.into_iter().map(|path| Found { path, class }));
            names.push(shown(folder));
        }
        if found.len() > MAX_IMAGES {
            return Err(Error::file(&self.path, format!("has {} images, more than {MAX_IMAGES}", found.len())));
        }
        Ok((found, names))
    }

    /// Adds the channels of an image, one after the other.
    fn decode(&self, path: &Path, size: (usize, usize), pixels: &mut Vec<f32>) -> Result<()> {
        let fail = |e: image::ImageError| Error::file(path, format!("cannot be decoded: {}", excerpt(&e.to_string())));
        let decoder = reader(path)?.into_decoder().map_err(fail)?;
        let kind = match decoder.color_type() {
            ColorType::L8 | ColorType::Rgb8 => None,
            ColorType::La8 | ColorType::Rgba8 => Some("has transparency, expected plain gray or color"),
            _ => Some("has more than 8 bits a channel, expected 8"),
        };
        if let Some(message) = kind {
            return Err(Error::file(path, message));
        }
        let image = DynamicImage::from_decoder(decoder).map_err(fail)?;
        if (image.width() as usize, image.height() as usize) != size {
            return Err(Error::file(path, "changed while it was read"));
        }
        if self.rgb {
            let image = image.into_rgb8();
            (0..3).for_each(|c| pixels.extend(image.pixels().map(|pixel| f32::from(pixel.0[c]))));
        } else {
            pixels.extend(image.into_luma8().pixels().map(|pixel| f32::from(pixel.0[0])));
        }
        Ok(())
    }
}

/// Width and height.
fn size(path: &Path) -> Result<(u32, u32)> {
    let size = reader(path)?.into_dimensions();
    let (w, h) = size.map_err(|e| Error::file(path, format!("cannot be decoded: {}", excerpt(&e.to_string()))))?;
    match w.max(h) > MAX_SIDE || w.min(h) == 0 {
        true => Err(Error::file(path, format!("is {w} × {h}, expected sides of 1 to {MAX_SIDE}"))),
        false => Ok((w, h)),
    }
}

/// Images and folders in `folder`, sorted. Hidden ones are left out, other files are an error: a misspelt ending must
/// not leave out an example in silence.
fn entries(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let fail = |e: std::io::Error| Error::file(folder, format!("cannot be listed: {e}"));
    if !folder.is_dir() {
        let what = if folder.exists() { "is not a folder" } else { "no such folder" };
        return Err(Error::file(folder, what));
    }
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if shown(&path).starts_with('.') {
            continue;
        }
        if path.is_dir() {
            folders.push(path);
            continue;
        }
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        if !["png", "jpg", "jpeg"].contains(&&*ending) {
            return Err(Error::file(&path, "is not an image, expected a name ending in png, jpg or jpeg"));
        }
        files.push(path);
    }
    files.sort();
    folders.sort();
    Ok((files, folders))
}

/// The last part of a path.
fn shown(path: &Path) -> String {
    excerpt(&path.file_name().unwrap_or_default().to_string_lossy())
}
