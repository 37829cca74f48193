//! What a trained model does with the held-out digits, or out of noise.

use std::path::Path;

use handmill::engine::Tensors;
use handmill::programs::Context;
use handmill::programs::ddpm::{Ddpm, Normal};
use handmill::{HostTensor, Result};

use crate::{Digits, Kind};

/// Digits in a picture.
const SHOWN: usize = 60;

/// A picture's name, and the digits in it: bands that stand above each other, ink from 0 to 1.
pub type Picture = (&'static str, Vec<Vec<f32>>);

/// A sentence about the model, if there is more to say than its loss, and pictures.
pub fn judge(
    kind: Kind,
    context: &Context,
    folder: &Path,
    held_out: &Digits,
    seed: u64,
) -> Result<(Option<String>, Vec<Picture>)> {
    let mut noise = Normal::new(seed);
    let mut normal = |shape: &[usize]| {
        let values = (0..shape.iter().product()).map(|_| noise.draw() as f32);
        HostTensor::f32(shape, values.collect())
    };
    let run = |inputs: &[(&str, HostTensor)], output: &str| -> Result<Vec<f32>> {
        let inputs: Tensors = inputs.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone())).collect();
        let results = context.run(&inputs)?;
        results.get(output).map_or(Ok(vec![]), |tensor| tensor.as_f32().map(<[f32]>::to_vec))
    };
    let latent = context.config.usize("latent_size", 1);
    let some = held_out.first(SHOWN);
    let (name, x) = kind.input(&some);
    Ok(match kind {
        Kind::Mlp | Kind::Lenet => {
            let output = context.model.trains.map_or("logits", |trains| trains.output);
            let (name, x) = kind.input(held_out);
            (Some(accuracy(&run(&[(name, x)], output)?, &held_out.labels)), vec![])
        }
        Kind::Autoencoder => {
            let output = run(&[(name, x)], "output")?;
            (None, vec![("reconstructions.png", vec![some.ink, output])])
        }
        Kind::Denoising => {
            let noise = normal(x.shape());
            let std = context.config.f64("noise_std", 0.0) as f32;
            let noisy = some.ink.iter().zip(noise.as_f32()?).map(|(ink, z)| ink + std * z).collect();
            let output = run(&[(name, x), ("noise", noise)], "output")?;
            (None, vec![("reconstructions.png", vec![some.ink, noisy, output])])
        }
        Kind::Vae => {
            let probabilities = |logits: Vec<f32>| logits.iter().map(|o| 1.0 / (1.0 + (-o).exp())).collect();
            let output = probabilities(run(&[(name, x)], "output")?);
            let samples = probabilities(run(&[("z", normal(&[SHOWN, latent]))], "output")?);
            (None, vec![("reconstructions.png", vec![some.ink, output]), ("samples.png", vec![samples])])
        }
        Kind::Gan => {
            let samples = run(&[("z", normal(&[SHOWN, latent, 1, 1]))], "image")?;
            (None, vec![("samples.png", vec![ink(&samples)])])
        }
        Kind::Ddpm => {
            (None, vec![("samples.png", vec![ink(&ancestral(context, &Ddpm::open(folder)?, &mut Normal::new(seed))?)])])
        }
    })
}

fn accuracy(logits: &[f32], labels: &[i32]) -> String {
    let best = |row: &[f32]| (0..10).fold(0, |best, i| if row[i] > row[best] { i } else { best });
    let right = logits.chunks(10).zip(labels).filter(|(row, label)| best(row) as i32 == **label).count();
    let n = labels.len();
    format!("{right} of {n} held-out digits right, {:.2} %", 100.0 * right as f64 / n as f64)
}

/// From −1 … 1 to 0 … 1.
fn ink(values: &[f32]) -> Vec<f32> {
    values.iter().map(|v| (v + 1.0) / 2.0).collect()
}

/// Every step of the process back from noise (Ho, Jain, Abbeel 2020, algorithm 2).
fn ancestral(context: &Context, ddpm: &Ddpm, noise: &mut Normal) -> Result<Vec<f32>> {
    let inputs = |x: &[f32], t: usize| {
        let (sample, t) =
            (HostTensor::f32(&[SHOWN, 1, 8, 8], x.to_vec()), HostTensor::i32(&[SHOWN], vec![t as i32; SHOWN]));
        Tensors::from([("sample".to_owned(), sample), ("timestep".to_owned(), t)])
    };
    let mut x: Vec<f32> = (0..SHOWN * 64).map(|_| noise.draw() as f32).collect();
    let session = context.session(&inputs(&x, 0))?;
    let timesteps = ddpm.timesteps(ddpm.alpha_bar.len());
    for (i, &t) in timesteps.iter().enumerate() {
        let results: Tensors = session.run(&inputs(&x, t))?.into_iter().collect();
        ddpm.step(t, timesteps.get(i + 1).copied(), &mut x, results["sample"].as_f32()?, noise);
    }
    Ok(x)
}
