//! Recurrent networks, the layers under PyTorch's names.

use crate::config::Config;
use crate::engine::Tensors;
use crate::error::{Error, Result};
use crate::graph::{Graph, Tensor};
use crate::models::Model;
use crate::nn::{Cell, Recurrent};
use crate::run::ids_in_range;
use crate::tensor::{Dtype, HostTensor};

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

/// How a model writes by itself: the most likely token at every step, fed back.
#[derive(Clone, Copy)]
struct Greedy {
    pad_token_id: usize,
    start_token_id: usize,
    end_token_id: usize,
    max_length: usize,
}

impl Greedy {
    fn read(config: &Config, vocab_size: usize) -> Greedy {
        let id = |name| config.required_usize_in(name, 0..=vocab_size.saturating_sub(1));
        Greedy {
            pad_token_id: id("pad_token_id"),
            start_token_id: id("start_token_id"),
            end_token_id: id("end_token_id"),
            max_length: config.required_usize_in("max_length", 1..=MAX_STEPS),
        }
    }

    /// As [`Greedy::read`], for models that write only where `max_length` is given.
    fn asked(config: &Config, vocab_size: usize) -> Option<Greedy> {
        config.has("max_length").then(|| Greedy::read(config, vocab_size))
    }

    /// The tokens of `b` rows: (max_length, B). After its end a row is padding.
    ///
    /// `step` makes the next state, and logits (B, V), of the tokens (B) before and the state, which begins as `start`.
    #[track_caller]
    fn run<'g>(
        self,
        g: &'g Graph,
        b: usize,
        start: &[Tensor<'g>],
        step: impl FnOnce(Tensor<'g>, &[Tensor<'g>]) -> (Vec<Tensor<'g>>, Tensor<'g>),
    ) -> Option<Tensor<'g>> {
        let ids = |value: usize| g.fill(Dtype::I32, &[b], value as f64);
        // The last token, whether the row has ended, and the state.
        let carries: Vec<_> = [ids(self.start_token_id), ids(0)].into_iter().chain(start.iter().copied()).collect();
        let (pad, end) = (ids(self.pad_token_id), ids(self.end_token_id));
        // Nothing comes in from outside: the slices only count the steps.
        let steps = g.fill(Dtype::F32, &[self.max_length, 1], 0.0);
        let (_, made) = g.scan(&carries, &[steps], false, |carry, _| {
            let ended = carry[1];
            let (next, logits) = step(carry[0], &carry[2..]);
            let token = ended.r#where(pad, logits.argmax(-1, false)); // (B)
            let ended = ended.maximum(token.compare("eq", end));
            ([token, ended].into_iter().chain(next).collect(), vec![token])
        });
        made.first().copied()
    }
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
