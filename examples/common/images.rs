//! Images as a model takes them.

use std::path::PathBuf;

use handmill::config::Config;
use handmill::error::{Error, Result};
use handmill::images::{ImageProcessor, Kind};
use handmill::tensor::HostTensor;
use image::RgbImage;

use super::Opened;

impl Opened {
    /// How the folder wants images; with random weights, as `small` says.
    pub fn processor(&self, small: &str) -> Result<ImageProcessor> {
        let Some(folder) = &self.folder else {
            let config = Config::parse("the random model", small)?;
            let processor = ImageProcessor::read(&config, Kind::Vit);
            config.finish()?;
            return Ok(processor);
        };
        ImageProcessor::of(folder)
    }

    /// The names of images, and `pixel_values` (N, 3, H, W); with random weights and no files, a pattern.
    pub fn images(&self, files: &[PathBuf], small: &str) -> Result<(Vec<String>, HostTensor)> {
        let processor = self.processor(small)?;
        if files.is_empty() && self.folder.is_none() {
            return Ok((vec!["a pattern".into()], processor.pixel_values(&[pattern()])?));
        }
        if files.is_empty() {
            return Err(Error::tensor("images", "no file is named, expected a PNG or JPEG"));
        }
        let images = files.iter().map(|file| processor.open(file)).collect::<Result<Vec<_>>>()?;
        Ok((files.iter().map(|file| file.display().to_string()).collect(), processor.pixel_values(&images)?))
    }
}

/// A picture where none is given: rings.
pub fn pattern() -> RgbImage {
    RgbImage::from_fn(96, 80, |x, y| {
        let ring = ((x as f32 - 48.0).hypot(y as f32 - 40.0) / 6.0).sin();
        image::Rgb([((ring + 1.0) * 127.0) as u8, (x * 2) as u8, (y * 3) as u8])
    })
}
