//! Recurrent networks, the layers under PyTorch's names.

use crate::config::Config;
use crate::engine::Tensors;
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::models::Model;
use crate::nn::{Cell, Recurrent};
use crate::run::ids_in_range;
use crate::tensor::HostTensor;

pub mod attention_captioner;
pub mod attention_seq2seq;
pub mod char_language_model;
pub mod many_to_many;
pub mod many_to_one;
pub mod one_to_many;
pub mod rnn;
pub mod seq2seq;

/// Every recurrent network.
pub static MODELS: &[&Model] = &[
    &rnn::RNN,
    &rnn::LSTM,
    &rnn::GRU,
    &char_language_model::CHAR_LANGUAGE_MODEL,
    &one_to_many::ONE_TO_MANY,
    &many_to_one::MANY_TO_ONE,
    &many_to_many::MANY_TO_MANY,
    &seq2seq::SEQ2SEQ,
    &attention_seq2seq::ATTENTION_SEQ2SEQ,
    &attention_captioner::ATTENTION_CAPTIONER,
];

/// The most layers a configuration may ask for.
const MAX_LAYERS: usize = 1000;

/// The most steps that a model may take by itself.
const MAX_STEPS: usize = 1 << 16;

/// Names of cells; `rnn` is the one with tanh.
const CELLS: &[&str] = &["rnn", "lstm", "gru"];

fn cell(config: &Config) -> Cell {
    Cell::named(config.required_text("cell", CELLS))
}

/// `cell`, `hidden_size` and `num_layers`.
fn stack(config: &Config) -> Recurrent {
    Recurrent::new(cell(config), config.required_usize("hidden_size"), num_layers(config))
}

fn num_layers(config: &Config) -> usize {
    config.usize_in("num_layers", 1, 1..=MAX_LAYERS)
}

/// Swaps the batch and time.
fn turned(x: Tensor<'_>) -> Tensor<'_> {
    x.transpose(0, 1)
}

/// Checks the ids `name`, where they are given: all below `vocab`.
fn check_ids(inputs: &Tensors, name: &str, vocab: usize) -> Result<()> {
    inputs.get(name).map_or(Ok(()), |ids| ids_in_range(name, ids, vocab))
}

/// Checks that every row of the mask `name (B, S)`, where it is given, is ones and then zeros, and has a one.
fn check_right_padded(inputs: &Tensors, name: &str) -> Result<()> {
    let Some(mask) = inputs.get(name) else { return Ok(()) };
    ids_in_range(name, mask, 2)?;
    let length = mask.shape().last().copied().unwrap_or(1).max(1);
    for (b, row) in mask.as_i32()?.chunks(length).enumerate() {
        if row.first() != Some(&1) || row.windows(2).any(|pair| pair[0] < pair[1]) {
            return Err(Error::tensor(name, format!("row {b} is not ones, at least one of them, and then zeros")));
        }
    }
    Ok(())
}

/// Checks that `lengths` are from 1 to the number of steps `t`.
fn check_lengths(name: &str, lengths: &HostTensor, t: usize) -> Result<()> {
    match lengths.as_i32()?.iter().find(|&&n| n < 1 || n as usize > t) {
        Some(n) => Err(Error::tensor(name, format!("length {n} is not in 1..={t}"))),
        None => Ok(()),
    }
}
