//! IDX files, as MNIST is distributed: images of bytes (N,H,W) and labels (N).
//!
//! Format    two zero bytes, 8 for unsigned bytes, the number of axes, each size as a big-endian u32, the bytes
//! Source    yann.lecun.com/exdb/mnist

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::engine::Tensors;
use crate::error::{Error, Result};
use crate::file::{bytes, read_capped};
use crate::tensor::HostTensor;

use super::dataset::{Dataset, room};
use super::{Names, path, path_in};

/// The longest file that is read, in bytes.
pub const MAX_FILE: u64 = 1 << 34;

/// A pair of files.
#[derive(Debug, Clone, PartialEq)]
pub struct Idx {
    /// Images, bytes (N,H,W).
    pub images: PathBuf,
    /// Labels, bytes (N).
    pub labels: Option<PathBuf>,
    /// Labels are below this.
    pub classes: Option<usize>,
}

impl Idx {
    /// The keys besides those that all readers share.
    pub const KEYS: &[&str] = &["images", "labels", "classes", "flatten"];

    /// The files that `config` names, below `folder`.
    pub fn read(config: &Config, folder: &Path) -> Idx {
        let classes = config.has("classes").then(|| config.usize_in("classes", 1, 1..=256));
        config.require(classes.is_none() || config.has("labels"), "classes", || "is given without labels".into());
        Idx { images: path(config, "images", folder), labels: path_in(config, "labels", folder), classes }
    }

    /// The same reader for the files that `config` names.
    pub fn with(&self, config: &Config, folder: &Path) -> Idx {
        config.only(&["images", "labels"]);
        let labels = self.labels.is_some().then(|| path(config, "labels", folder));
        Idx { images: path(config, "images", folder), labels, classes: self.classes }
    }

    /// `input` (N,1,H,W), 0 to 255, and `target` (N).
    ///
    /// # Errors
    /// [`Error::File`] if a file is not IDX of unsigned bytes, is cut off or too long, if the numbers of images and
    /// labels differ, or if a label is not below `classes`
    pub fn load(&self, names: &Names) -> Result<Dataset> {
        let (shape, values) = load(&self.images, 3)?;
        room(&self.images, values.len() as u64)?;
        let (n, h, w) = (shape[0], shape[1], shape[2]);
        let pixels = HostTensor::f32(&[n, 1, h, w], values.iter().map(|&v| f32::from(v)).collect());
        let mut tensors: Tensors = [(names.input.clone(), pixels)].into();
        if let Some(path) = &self.labels {
            let labels = self.labels(path, n)?;
            tensors.insert(names.target.clone(), HostTensor::i32(&[n], labels));
        }
        Dataset::new(tensors)
    }

    fn labels(&self, path: &Path, images: usize) -> Result<Vec<i32>> {
        let (shape, labels) = load(path, 1)?;
        if shape[0] != images {
            let message = format!("has {} labels, {} has {images} images", shape[0], self.images.display());
            return Err(Error::file(path, message));
        }
        let classes = self.classes.unwrap_or(256);
        match labels.iter().position(|&v| usize::from(v) >= classes) {
            Some(at) => {
                let message = format!("label {at} is {}, expected one below {classes}", labels[at]);
                Err(Error::file(path, message))
            }
            None => Ok(labels.into_iter().map(i32::from).collect()),
        }
    }
}

/// The sizes and bytes of a file with `axes` axes, none of them empty.
fn load(path: &Path, axes: usize) -> Result<(Vec<usize>, Vec<u8>)> {
    let fail = |message: String| Error::file(path, message);
    let mut content = read_capped(path, MAX_FILE)?;
    if content.starts_with(b"\x1f\x8b") {
        return Err(fail("is compressed with gzip; unpack it first".into()));
    }
    let Some(&[a, b, c, d]) = content.first_chunk::<4>() else {
        return Err(fail(format!("is {} bytes long, too short for an IDX file", content.len())));
    };
    let (magic, expected) = (u32::from_be_bytes([a, b, c, d]), 0x800 + axes as u32);
    if magic != expected {
        let kind = if axes == 1 { "labels" } else { "images" };
        return Err(fail(format!("starts with 0x{magic:08x}, an IDX file of {kind} with 0x{expected:08x}")));
    }
    let header = 4 + 4 * axes;
    if content.len() < header {
        return Err(fail(format!("is cut off: {} bytes of a header of {header}", content.len())));
    }
    let words = content[4..header].as_chunks::<4>().0;
    let shape: Vec<usize> = words.iter().map(|word| u32::from_be_bytes(*word) as usize).collect();
    if shape.contains(&0) {
        return Err(fail(format!("has sizes {shape:?}, expected none of 0")));
    }
    let values = shape.iter().fold(1u128, |n, &size| n.saturating_mul(size as u128));
    let found = (content.len() - header) as u128;
    if found != values {
        let what = if found < values { "is cut off" } else { "is too long" };
        let need = bytes(u64::try_from(values).unwrap_or(u64::MAX));
        return Err(fail(format!("{what}: sizes {shape:?} need {need} of data, the file has {}", bytes(found as u64))));
    }
    content.drain(..header);
    Ok((shape, content))
}
