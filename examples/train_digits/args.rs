//! The flags.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

#[derive(Parser)]
#[command(about = "Trains a model on 1,437 handwritten digits and judges it by 360 others")]
pub struct Args {
    /// What is trained
    #[arg(long)]
    pub model: Kind,
    /// Updates of the weights; the recipe's without it, as for the next two
    #[arg(long)]
    pub steps: Option<u32>,
    /// Examples of a batch
    #[arg(long)]
    pub batch_size: Option<u16>,
    /// Learning rate; of a gan, that of both networks
    #[arg(long)]
    pub lr: Option<f64>,
    /// Of the first weights, the order of the digits, and all noise
    #[arg(long)]
    pub seed: Option<u32>,
    /// Digits in a picture
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=360))]
    pub samples: u16,
    /// auto, gpu, gpu:N, a part of an adapter's name, or reference
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// The folder of results; train_digits/MODEL without it
    #[arg(long)]
    pub out: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Mlp,
    Lenet,
    Autoencoder,
    Denoising,
    Vae,
    Gan,
    Ddpm,
}
