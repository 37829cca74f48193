//! The digits, as every model takes them.

use std::path::Path;

use handmill::engine::Tensors;
use handmill::train::data::Dataset;
use handmill::weights::load_tensors;
use handmill::{HostTensor, Result};

use super::args::Kind;

/// Digits, with ink from 0 to 1.
pub struct Digits {
    pub ink: Vec<f32>,
    pub labels: Vec<i32>,
}

impl Digits {
    /// Those to train on, and every fifth, which is held out.
    pub fn open() -> Result<[Digits; 2]> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/digits/digits.safetensors");
        let all = load_tensors(path)?;
        let (images, labels) = (all["images"].to_f64(), all["labels"].as_i32()?);
        Ok([false, true].map(|held_out| {
            let wanted = |n: usize| n.is_multiple_of(5) == held_out;
            let ink = images.chunks(64).enumerate().filter(|(n, _)| wanted(*n));
            let labels = labels.iter().enumerate().filter(|(n, _)| wanted(*n));
            Digits {
                ink: ink.flat_map(|(_, image)| image).map(|&v| v as f32 / 16.0).collect(),
                labels: labels.map(|(_, &label)| label).collect(),
            }
        }))
    }

    pub fn first(&self, n: usize) -> Digits {
        Digits { ink: self.ink[..n * 64].to_vec(), labels: self.labels[..n].to_vec() }
    }
}

impl Kind {
    /// Digits as the model takes them: rows of 64 or images, with ink from 0 to 1, or from −1 to 1 where digits are
    /// made of noise.
    pub fn input(self, digits: &Digits) -> (&'static str, HostTensor) {
        let (n, ink) = (digits.labels.len(), digits.ink.clone());
        match self {
            Kind::Mlp | Kind::Autoencoder | Kind::Denoising | Kind::Vae => ("input", HostTensor::f32(&[n, 64], ink)),
            Kind::Lenet => ("pixel_values", HostTensor::f32(&[n, 1, 8, 8], ink)),
            Kind::Gan | Kind::Ddpm => {
                ("input", HostTensor::f32(&[n, 1, 8, 8], ink.iter().map(|v| 2.0 * v - 1.0).collect()))
            }
        }
    }

    pub fn examples(self, digits: &Digits) -> Result<Dataset> {
        let ((name, x), labels) = (self.input(digits), digits.labels.clone());
        let target = HostTensor::i32(&[labels.len()], labels);
        Dataset::new(Tensors::from([(name.to_owned(), x), ("target".to_owned(), target)]))
    }
}
