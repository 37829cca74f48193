//! What a trained model does with the held-out digits, or out of noise.

use std::path::Path;

use handmill::engine::Tensors;
use handmill::programs::Context;
use handmill::programs::ddpm::{Ddpm, Normal};
use handmill::{HostTensor, Result};

use crate::{Digits, Kind};

/// A picture's name, and the digits in it: bands that stand above each other, ink from 0 to 1.
pub type Picture = (&'static str, Vec<Vec<f32>>);

/// What a trained model is judged by.
pub struct Judge<'a> {
    pub kind: Kind,
    pub context: Context,
    pub folder: &'a Path,
    pub held_out: Digits,
    /// Digits in a picture.
    pub samples: usize,
    pub seed: u64,
}

impl Judge<'_> {
    /// A sentence about the model, if there is more to say than its loss, and pictures.
    pub fn verdict(&self) -> Result<(Option<String>, Vec<Picture>)> {
        let (some, n) = (self.held_out.first(self.samples), self.samples);
        let latent = self.context.config.usize("latent_size", 1);
        let (name, x) = self.kind.input(&some);
        let mut noise = Normal::new(self.seed);
        let pictures = match self.kind {
            Kind::Mlp | Kind::Lenet => return Ok((Some(self.accuracy()?), vec![])),
            Kind::Autoencoder => {
                let output = self.run(&[(name, x)], "output")?;
                vec![("reconstructions.png", vec![some.ink, output])]
            }
            Kind::Denoising => {
                let noise = normal(&mut noise, x.shape());
                let std = self.context.config.f64("noise_std", 0.0) as f32;
                let noisy = some.ink.iter().zip(noise.as_f32()?).map(|(ink, z)| ink + std * z).collect();
                let output = self.run(&[(name, x), ("noise", noise)], "output")?;
                vec![("reconstructions.png", vec![some.ink, noisy, output])]
            }
            Kind::Vae => {
                let output = probabilities(&self.run(&[(name, x)], "output")?);
                let samples = probabilities(&self.run(&[("z", normal(&mut noise, &[n, latent]))], "output")?);
                vec![("reconstructions.png", vec![some.ink, output]), ("samples.png", vec![samples])]
            }
            Kind::Gan => {
                let samples = self.run(&[("z", normal(&mut noise, &[n, latent, 1, 1]))], "image")?;
                vec![("samples.png", vec![ink(&samples)])]
            }
            Kind::Ddpm => vec![("samples.png", vec![ink(&self.ancestral(&mut noise)?)])],
        };
        Ok((None, pictures))
    }

    fn run(&self, inputs: &[(&str, HostTensor)], output: &str) -> Result<Vec<f32>> {
        let inputs: Tensors = inputs.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone())).collect();
        Ok(self.context.run(&inputs)?[output].as_f32()?.to_vec())
    }

    fn accuracy(&self) -> Result<String> {
        let output = self.context.model.trains.map_or("logits", |trains| trains.output);
        let logits = self.run(&[self.kind.input(&self.held_out)], output)?;
        let best = |row: &[f32]| (0..10).fold(0, |best, i| if row[i] > row[best] { i } else { best });
        let labels = &self.held_out.labels;
        let right = logits.chunks(10).zip(labels).filter(|(row, label)| best(row) as i32 == **label).count();
        let n = labels.len();
        Ok(format!("{right} of {n} held-out digits right, {:.2} %", 100.0 * right as f64 / n as f64))
    }

    /// Every step of the process back from noise (Ho, Jain, Abbeel 2020, algorithm 2).
    fn ancestral(&self, noise: &mut Normal) -> Result<Vec<f32>> {
        let (ddpm, n) = (Ddpm::open(self.folder)?, self.samples);
        let inputs = |x: &[f32], t: usize| {
            let (sample, t) = (HostTensor::f32(&[n, 1, 8, 8], x.to_vec()), HostTensor::i32(&[n], vec![t as i32; n]));
            Tensors::from([("sample".to_owned(), sample), ("timestep".to_owned(), t)])
        };
        let mut x: Vec<f32> = (0..n * 64).map(|_| noise.draw() as f32).collect();
        let session = self.context.session(&inputs(&x, 0))?;
        let timesteps = ddpm.timesteps(ddpm.alpha_bar.len());
        for (i, &t) in timesteps.iter().enumerate() {
            let results: Tensors = session.run(&inputs(&x, t))?.into_iter().collect();
            ddpm.step(t, timesteps.get(i + 1).copied(), &mut x, results["sample"].as_f32()?, noise);
        }
        Ok(x)
    }
}

fn normal(noise: &mut Normal, shape: &[usize]) -> HostTensor {
    let values = (0..shape.iter().product()).map(|_| noise.draw() as f32);
    HostTensor::f32(shape, values.collect())
}

fn probabilities(logits: &[f32]) -> Vec<f32> {
    logits.iter().map(|o| 1.0 / (1.0 + (-o).exp())).collect()
}

/// From −1 … 1 to 0 … 1.
fn ink(values: &[f32]) -> Vec<f32> {
    values.iter().map(|v| (v + 1.0) / 2.0).collect()
}
