//! The flags.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use super::corpus::Corpus;

/// Trains a model of characters and shows what it writes.
#[derive(Parser)]
pub struct Args {
    /// Learn this text; UTF-8
    #[arg(long, value_name = "FILE", conflicts_with = "corpus")]
    pub text: Option<PathBuf>,
    /// Learn lines that are made up: 12+34=46, or 2026-11-24 -> Tue 24 Nov
    #[arg(long, value_enum, default_value = "sums")]
    pub corpus: Corpus,
    /// What learns
    #[arg(long, value_enum, default_value = "gru")]
    pub model: Kind,
    /// Updates of the weights; 5000, or 1000 of a GPT
    #[arg(long)]
    pub steps: Option<u64>,
    /// Streams, or windows, of a step
    #[arg(long, default_value_t = 16)]
    pub batch_size: usize,
    /// Characters of a stream, or a window, in a step; 16, or 32 of a GPT
    #[arg(long)]
    pub time: Option<usize>,
    /// Size of the state; width of a GPT, a multiple of 4
    #[arg(long, default_value_t = 64)]
    pub hidden_size: usize,
    /// Layers; 1, or 2 of a GPT
    #[arg(long)]
    pub layers: Option<usize>,
    /// The learning rate at its highest; 0.01, or 0.003 of a GPT
    #[arg(long)]
    pub lr: Option<f64>,
    /// Seed of weights, lines and samples
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Of samples; 0 takes the best character every time
    #[arg(long, default_value_t = 0.6)]
    pub temperature: f64,
    /// Lines that are not in the training text; they are completed in the end
    #[arg(long, default_value_t = 200)]
    pub held_out: usize,
    /// Steps between samples
    #[arg(long, default_value_t = 500)]
    pub every: u64,
    /// auto, gpu, gpu:N, a part of an adapter's name, or reference
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// The folder of results: config.json, model.safetensors, vocab.json, loss.svg
    #[arg(long, value_name = "DIR", default_value = "char_lm")]
    pub out: PathBuf,
}

/// What learns.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Kind {
    /// Elman's network.
    Rnn,
    /// Long short-term memory.
    Lstm,
    /// Gated recurrent units.
    Gru,
    /// A transformer.
    Gpt,
}
