//! Requests to generate, as named tensors: prompts, their padding, and settings.

use super::Context;
use super::generate::{Rows, Rules};
use crate::config::Config;
use crate::engine::Tensors;
use crate::error::{Error, Result};
use crate::json::{Map, Value};
use crate::run::ids_in_range;
use crate::shape::Dims;
use crate::tensor::{Dtype, HostTensor};

/// The inputs of the program of language models. The first two are needed; the settings, each of shape (1), are those of
/// transformers' `generate`, and a `seed`. Without settings generation is greedy, whatever `generation_config.json` says.
pub const INPUTS: &[&str] = &[
    "prompt_ids",
    "max_new_tokens",
    "prompt_attention_mask",
    "do_sample",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repetition_penalty",
    "no_repeat_ngram_size",
    "min_new_tokens",
    "num_beams",
    "length_penalty",
    "early_stopping",
    "seed",
];

/// Those of [`INPUTS`] before the settings.
const TENSORS: usize = 3;
/// Settings that are true or false: 1 or 0.
const FLAGS: &[&str] = &["do_sample", "early_stopping"];

/// What is asked for.
pub struct Request {
    /// `prompt_ids (B, P)`.
    pub prompts: HostTensor,
    /// `prompt_attention_mask (B, P)`: 1 for a token, 0 for padding; no row is padding alone.
    pub mask: Option<HostTensor>,
    /// How to generate.
    pub rules: Rules,
}

impl Request {
    /// What `inputs` ask for; token ids are those of the context's `generation`.
    ///
    /// # Errors
    /// If they have other shapes, prompts are beyond `vocab` or padding alone, or a setting is out of range
    pub fn read(context: &Context, inputs: &Tensors, vocab: usize) -> Result<Request> {
        let given = |name: &str| inputs.get(name).ok_or_else(|| Error::tensor(name, "the input is missing"));
        let (prompts, most) = (given("prompt_ids")?, given("max_new_tokens")?);
        if prompts.shape().len() != 2 || prompts.is_empty() {
            return Err(Error::tensor("prompt_ids", format!("is {}, expected (B, P)", Dims(prompts.shape()))));
        }
        ids_in_range("prompt_ids", prompts, vocab)?;
        let mask = inputs.get("prompt_attention_mask").cloned();
        if let Some(mask) = &mask {
            check_mask(mask, prompts.shape())?;
        }
        let most = match most.as_i32().map_err(|_| Error::tensor("max_new_tokens", "is not a whole number"))? {
            [n] if *n >= 0 => *n as usize,
            [n] => return Err(Error::tensor("max_new_tokens", format!("is {n}, expected 0 or more"))),
            _ => return Err(Error::tensor("max_new_tokens", format!("is {}, expected (1,)", Dims(most.shape())))),
        };
        let mut rules = Rules::greedy(&context.generation, most);
        context.generation.finish()?;
        if let Some(settings) = settings(inputs)? {
            rules.sampling.seed = settings.usize_in("seed", 0, 0..=crate::config::MAX_SIZE) as u64;
            rules = rules.with(&settings);
            settings.finish()?;
        }
        Ok(Request { prompts: prompts.clone(), mask, rules })
    }

    /// The rows of `prompt_ids`, padding included.
    ///
    /// # Errors
    /// None after [`Request::read`]
    pub fn rows(&self) -> Result<impl Iterator<Item = &[i32]>> {
        Ok(self.prompts.as_i32()?.chunks(self.prompts.shape()[1]))
    }

    /// The tokens of every row, without the padding before them.
    ///
    /// # Errors
    /// If padding stands elsewhere
    pub fn left_padded(&self) -> Result<Vec<Vec<i32>>> {
        let Some(mask) = &self.mask else { return Ok(self.rows()?.map(<[i32]>::to_vec).collect()) };
        let masks = mask.as_i32()?.chunks(mask.shape()[1]);
        let tokens = |(row, (ids, mask)): (usize, (&[i32], &[i32]))| {
            let first = mask.iter().position(|&m| m == 1).unwrap_or(mask.len());
            match mask[first..].iter().position(|&m| m == 0) {
                Some(hole) => {
                    let at = first + hole;
                    let message = format!("row {row} has a 0 at {at} after a 1, expected padding on the left only");
                    Err(Error::tensor("prompt_attention_mask", message))
                }
                None => Ok(ids[first..].to_vec()),
            }
        };
        self.rows()?.zip(masks).enumerate().map(tokens).collect()
    }
}

fn check_mask(mask: &HostTensor, shape: &[usize]) -> Result<()> {
    let name = "prompt_attention_mask";
    if mask.shape() != shape {
        return Err(Error::tensor(name, format!("is {}, expected {}, as prompt_ids", Dims(mask.shape()), Dims(shape))));
    }
    ids_in_range(name, mask, 2)?;
    match mask.as_i32()?.chunks(shape[1]).position(|row| row.iter().all(|&m| m == 0)) {
        Some(row) => Err(Error::tensor(name, format!("row {row} is all 0, expected a token"))),
        None => Ok(()),
    }
}

/// The settings among `inputs`, if there are any.
fn settings(inputs: &Tensors) -> Result<Option<Config>> {
    let mut map = Map::new();
    for (name, tensor) in INPUTS[TENSORS..].iter().filter_map(|name| inputs.get(*name).map(|t| (*name, t))) {
        if tensor.shape() != [1] {
            return Err(Error::tensor(name, format!("is {}, expected (1,)", Dims(tensor.shape()))));
        }
        let value = match tensor.dtype() {
            Dtype::I32 => match tensor.as_i32()?[0] {
                flag @ (0 | 1) if FLAGS.contains(&name) => Value::from(flag == 1),
                number => Value::from(number),
            },
            _ => {
                let number = tensor.to_f64()[0];
                let fault = || Error::tensor(name, format!("is {number}, expected a finite number"));
                Value::Number(serde_json::Number::from_f64(number).ok_or_else(fault)?)
            }
        };
        map.insert(name.to_owned(), value);
    }
    Ok((!map.is_empty()).then(|| Config::new("inputs", map)))
}

/// An error if `batch` prompts by `rules` are not what plans for `rows` continue.
pub(super) fn expect_rows(rows: Rows, batch: usize, rules: &Rules) -> Result<()> {
    let asked = Rows::of(batch, rules);
    if asked == rows {
        return Ok(());
    }
    let text = |r: Rows| format!("{} prompts with {} beams each", r.batch, r.beams);
    Err(Error::limit("generation", format!("found {}, expected {}", text(asked), text(rows))))
}

/// `generated_ids` of rows that have a beginning and what follows it; all are of one length.
pub(super) fn generated<'a>(rows: impl Iterator<Item = (&'a [i32], &'a [i32])>) -> Tensors {
    let rows: Vec<Vec<i32>> = rows.map(|(start, new)| [start, new].concat()).collect();
    let shape = [rows.len(), rows.first().map_or(0, Vec::len)];
    [("generated_ids".to_owned(), HostTensor::i32(&shape, rows.concat()))].into()
}
