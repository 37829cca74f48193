//! Generation of token sequences: one loop over anything that gives the logits of next tokens. [`Decoder`] gives those
//! of decoder-only models, [`super::seq2seq::Translator`] those of models with an encoder, and
//! [`super::characters::Stepper`] those of recurrent ones.

pub use super::decoder::{Cache, Causal, Decoder, Phase, continue_prompt};
pub use super::rules::{Beams, EarlyStopping, Rules};
use super::{beams, sample};
use crate::error::Result;
use crate::tensor::HostTensor;

/// What generation asks of a model: the logits `(rows, V)` of the token after each row of ids. Row `r` extends row
/// `from[r]` of the call before, if there was one: itself, but in a beam search.
pub type Next<'a> = dyn FnMut(&[Vec<i32>], &[usize]) -> Result<HostTensor> + 'a;

/// Continues every row of `start` token by token and returns all of them. A row that ends before others is filled with
/// `rules.pad`.
///
/// `next` gives the scores of next tokens; `on_token` sees every new token of a row at once, in a beam search when the
/// search is over; padding it does not see.
///
/// # Errors
/// Those of `next`, logits that are NaN, and rules out of range
pub fn generate(
    next: &mut Next<'_>,
    start: &[Vec<i32>],
    rules: &Rules,
    on_token: &mut dyn FnMut(usize, i32),
) -> Result<Vec<Vec<i32>>> {
    rules.check()?;
    if rules.beams.num_beams > 1 && rules.max_new_tokens > 0 {
        let rows = beams::search(next, start, rules)?;
        for (row, (ids, prompt)) in rows.iter().zip(start).enumerate() {
            let mut new = prompt.len();
            while new < ids.len() && (new == prompt.len() || !rules.ends(&ids[..new], prompt.len())?) {
                on_token(row, ids[new]);
                new += 1;
            }
        }
        return Ok(rows);
    }
    let itself: Vec<usize> = (0..start.len()).collect();
    let mut rows = start.to_vec();
    let mut ended = vec![false; rows.len()];
    for number in 1..=rules.max_new_tokens {
        let forced = |ids: &Vec<i32>| rules.forced(ids.len(), number);
        let open = rows.iter().zip(&ended).any(|(ids, ended)| !ended && forced(ids).is_none());
        let logits = if open { Some(next(&rows, &itself)?) } else { None };
        let all = logits.as_ref().map_or(Ok(&[][..]), HostTensor::as_f32)?;
        let vocab = all.len() / rows.len().max(1);
        for (row, ids) in rows.iter_mut().enumerate() {
            if ended[row] {
                ids.push(rules.padding());
                continue;
            }
            let id = match forced(ids) {
                Some(id) => id,
                None => {
                    let mut scores = sample::scores(&all[row * vocab..][..vocab])?;
                    rules.process(&mut scores, ids, number);
                    rules.sampling.pick(&scores, row, number)
                }
            };
            ids.push(id);
            on_token(row, id);
            ended[row] = rules.ends(ids, start[row].len())?;
        }
        if ended.iter().all(|ended| *ended) {
            break;
        }
    }
    Ok(rows)
}

/// How many sequences a graph of generation continues at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// Prompts, or sources.
    pub batch: usize,
    /// Beams of each; they stand side by side.
    pub beams: usize,
}

impl Rows {
    /// One sequence.
    pub const ONE: Rows = Rows { batch: 1, beams: 1 };

    /// `batch` prompts by `rules`.
    pub fn of(batch: usize, rules: &Rules) -> Rows {
        Rows { batch, beams: rules.beams.num_beams }
    }

    /// All sequences.
    pub fn total(self) -> usize {
        self.batch.saturating_mul(self.beams)
    }
}

/// How far a model's ids and positions go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Ids are below it.
    pub vocab: usize,
    /// The longest sequence.
    pub positions: usize,
}

/// Positions a model reads to continue `prompt` tokens by `new` ones: the last one is only written.
pub fn positions(prompt: usize, new: usize) -> usize {
    (prompt + new).saturating_sub(1).max(prompt)
}
