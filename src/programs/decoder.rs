//! Decoder-only models that generate: a batch of prompts of any lengths, with caches of keys and values or without.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::Context;
use super::generate::{Reach, Rows, Rules, generate, positions};
use super::request::{self, Request};
use crate::config::Config;
use crate::engine::{Session, Tensors};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::run::ids_in_range;
use crate::tensor::HostTensor;

/// The graphs a decoder-only model takes to generate; all have `input_ids (rows, tokens)` and `logits (rows, V)`.
///
/// A row begins at position 0 and has its padding behind, where no token sees it: so rows of different lengths know
/// nothing of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Without caches: the logits after position `last (rows)` of a window; what follows it is not seen.
    Window {
        /// Sequences.
        rows: usize,
        /// Positions.
        tokens: usize,
    },
    /// The prompts at once: caches are filled from position 0, the logits are those after position `last (batch)`.
    Prefill {
        /// Prompts, and beams of each: `input_ids` and `logits` have a row a prompt, the caches one a beam.
        rows: Rows,
        /// Tokens of the longest prompt.
        tokens: usize,
        /// Positions of the caches.
        capacity: usize,
    },
    /// One token a row at `position (rows)`; with it the caches hold `length (rows)` positions. Where there are beams,
    /// row `r` of the caches is row `beam_idx (rows)` of before.
    Step {
        /// Sequences.
        rows: Rows,
        /// Positions of the caches.
        capacity: usize,
    },
}

impl Phase {
    /// Shape of `input_ids`.
    pub fn shape(self) -> [usize; 2] {
        match self {
            Phase::Window { rows, tokens } => [rows, tokens],
            Phase::Prefill { rows, tokens, .. } => [rows.batch, tokens],
            Phase::Step { rows, .. } => [rows.total(), 1],
        }
    }
}

/// What a decoder-only model gives to generation.
pub struct Causal {
    /// Builds the graph of a phase. The names of its states must differ with their sizes.
    pub next_token: fn(&Graph, &Config, Phase),
    /// Its ids and positions.
    pub reach: fn(&Config) -> Reach,
}

/// Where a [`Decoder`] takes the past of a sequence from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// Keys and values of every position are kept: a token costs one position.
    Kept,
    /// Nothing is kept: a token costs the whole window. Needs no memory, and is what the other is tested with.
    None,
}

enum Plans {
    Kept { prefill: HashMap<usize, Session>, step: Session },
    Window(Session),
}

/// A decoder-only model, ready to generate sequences of at most `capacity` positions.
///
/// Plans are made when it is opened, and for every new length of a longest prompt; after that a token makes no object
/// of the driver.
pub struct Decoder<'c> {
    context: &'c Context,
    causal: &'static Causal,
    rows: Rows,
    capacity: usize,
    vocab: usize,
    plans: Plans,
    /// Positions that the caches hold, row by row; none before the first call.
    filled: Vec<usize>,
}

impl<'c> Decoder<'c> {
    /// Plans for one sequence at a time, of which `capacity` positions are read by the model.
    ///
    /// # Errors
    /// If the model has fewer positions, or a plan cannot be made
    pub fn open(context: &'c Context, causal: &'static Causal, capacity: usize, cache: Cache) -> Result<Decoder<'c>> {
        Decoder::open_rows(context, causal, Rows::ONE, capacity, cache)
    }

    /// As [`Decoder::open`], for `rows` at a time.
    ///
    /// # Errors
    /// As [`Decoder::open`]
    pub fn open_rows(
        context: &'c Context,
        causal: &'static Causal,
        rows: Rows,
        capacity: usize,
        cache: Cache,
    ) -> Result<Decoder<'c>> {
        let reach = (causal.reach)(&context.config);
        context.config.finish()?;
        if !(1..=reach.positions).contains(&capacity) {
            let message = format!("{capacity} positions are asked for, and the model has {}", reach.positions);
            return Err(Error::limit("generation", message));
        }
        let session = |phase| context.session_of(|g, config| (causal.next_token)(g, config, phase));
        let plans = match cache {
            Cache::Kept => Plans::Kept { prefill: HashMap::new(), step: session(Phase::Step { rows, capacity })? },
            Cache::None => Plans::Window(session(Phase::Window { rows: rows.total(), tokens: capacity })?),
        };
        Ok(Decoder { context, causal, rows, capacity, vocab: reach.vocab, plans, filled: vec![] })
    }

    /// Begins other sequences.
    pub fn restart(&mut self) {
        self.filled.clear();
    }

    /// The logits of the token after `ids`, which extend the `ids` of the call before, if there was one
    /// since [`Decoder::restart`]. For a decoder of one row.
    ///
    /// # Errors
    /// As [`Decoder::logits_of`]
    pub fn logits(&mut self, ids: &[i32]) -> Result<Vec<f32>> {
        Ok(self.logits_of(&[ids.to_vec()], &[0])?.as_f32()?.to_vec())
    }

    /// The logits `(rows, V)` of the token after every row, which extends row `from` of the call before, if there was
    /// one since [`Decoder::restart`].
    ///
    /// # Errors
    /// If the rows are not as many as there are plans for, or one has no ids, more than the capacity, or some beyond the
    /// vocabulary
    pub fn logits_of(&mut self, rows: &[Vec<i32>], from: &[usize]) -> Result<HostTensor> {
        if rows.len() != self.rows.total() || from.len() != rows.len() {
            let message = format!("has {} rows, expected {}", rows.len(), self.rows.total());
            return Err(Error::tensor("input_ids", message));
        }
        if let Some(ids) = rows.iter().find(|ids| !(1..=self.capacity).contains(&ids.len())) {
            let message = format!("has {} tokens, expected 1 to {}", ids.len(), self.capacity);
            return Err(Error::tensor("input_ids", message));
        }
        if self.filled.iter().zip(rows).any(|(&filled, ids)| ids.len() <= filled) {
            self.restart();
        }
        // What fails begins anew.
        let filled = std::mem::take(&mut self.filled);
        for (row, ids) in rows.iter().enumerate() {
            let new = &ids[filled.get(row).copied().unwrap_or(0)..];
            ids_in_range("input_ids", &HostTensor::i32(&[1, new.len()], new.to_vec()), self.vocab)?;
        }
        let logits = match &self.plans {
            Plans::Window(session) => {
                let rows: Vec<&[i32]> = rows.iter().map(Vec::as_slice).collect();
                run(session, [("input_ids", padded(&rows, self.capacity)), ("last", last(&rows))])?
            }
            Plans::Kept { .. } if filled.is_empty() => self.prefill(rows)?,
            Plans::Kept { step, .. } => self.steps(step, rows, from, &filled)?,
        };
        self.filled = rows.iter().map(Vec::len).collect();
        Ok(logits)
    }

    /// Fills the caches with prompts; all beams of one have the same.
    fn prefill(&mut self, rows: &[Vec<i32>]) -> Result<HostTensor> {
        let Rows { batch, beams } = self.rows;
        if rows.chunks(beams).any(|group| group.iter().any(|ids| *ids != group[0])) {
            return Err(Error::tensor("input_ids", "beams of one prompt begin with different ids"));
        }
        let prompts: Vec<&[i32]> = rows.iter().step_by(beams).map(Vec::as_slice).collect();
        let tokens = prompts.iter().map(|ids| ids.len()).max().unwrap_or(1);
        let phase = Phase::Prefill { rows: self.rows, tokens, capacity: self.capacity };
        let Plans::Kept { prefill, .. } = &mut self.plans else { panic!("bug: a window has no caches") };
        let session = match prefill.entry(tokens) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(place) => {
                let build = |g: &Graph, config: &Config| (self.causal.next_token)(g, config, phase);
                place.insert(self.context.session_of(build)?)
            }
        };
        let logits = run(session, [("input_ids", padded(&prompts, tokens)), ("last", last(&prompts))])?;
        if beams == 1 {
            return Ok(logits);
        }
        let rows = logits.as_f32()?.chunks(self.vocab).flat_map(|row| row.repeat(beams));
        Ok(HostTensor::f32(&[batch * beams, self.vocab], rows.collect()))
    }

    /// Reads what is new in every row, a token a run. A row with less than others reads its last token again, at the same
    /// place.
    fn steps(&self, step: &Session, rows: &[Vec<i32>], from: &[usize], filled: &[usize]) -> Result<HostTensor> {
        let new = rows.iter().zip(filled).map(|(ids, filled)| ids.len() - filled).max().unwrap_or(0);
        let n = rows.len();
        let mut from: Vec<i32> = from.iter().map(|&row| row as i32).collect();
        let mut logits = None;
        for ahead in 0..new {
            let at = |row: usize| (filled[row] + ahead).min(rows[row].len() - 1);
            let column = |of: &dyn Fn(usize) -> i32| (0..n).map(of).collect::<Vec<i32>>();
            let ids = HostTensor::i32(&[n, 1], column(&|row| rows[row][at(row)]));
            let [position, length] = [0, 1].map(|more| HostTensor::i32(&[n], column(&|row| (at(row) + more) as i32)));
            let mut inputs = vec![("input_ids", ids), ("position", position), ("length", length)];
            if self.rows.beams > 1 {
                inputs.push(("beam_idx", HostTensor::i32(&[n], std::mem::replace(&mut from, (0..n as i32).collect()))));
            }
            logits = Some(run(step, inputs)?);
        }
        logits.ok_or_else(|| Error::tensor("input_ids", "has no new tokens"))
    }

    /// Continues `prompt`; see [`generate`]. For a decoder of one prompt.
    ///
    /// # Errors
    /// As [`Decoder::generate_rows`]
    pub fn generate(&mut self, prompt: &[i32], rules: &Rules, on_token: &mut dyn FnMut(i32)) -> Result<Vec<i32>> {
        let mut rows = self.generate_rows(&[prompt.to_vec()], rules, &mut |_, id| on_token(id))?;
        rows.pop().ok_or_else(|| Error::tensor("input_ids", "has no rows"))
    }

    /// Continues `prompts` of any lengths, each as it would be continued alone; see [`generate`].
    ///
    /// # Errors
    /// If the prompts or beams are not as many as there are plans for, or a prompt is empty, has ids beyond the
    /// vocabulary, or does not fit with what is asked for
    pub fn generate_rows(
        &mut self,
        prompts: &[Vec<i32>],
        rules: &Rules,
        on_token: &mut dyn FnMut(usize, i32),
    ) -> Result<Vec<Vec<i32>>> {
        request::expect_rows(self.rows, prompts.len(), rules)?;
        let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
        let (new, needed) = (rules.max_new_tokens, positions(longest, rules.max_new_tokens));
        if needed > self.capacity {
            let capacity = self.capacity;
            let message =
                format!("{longest} tokens and {new} new ones take {needed} positions, and there are {capacity}");
            return Err(Error::limit("generation", message));
        }
        self.restart();
        generate(&mut |rows, from| self.logits_of(rows, from), prompts, rules, on_token)
    }
}

/// Rows of `tokens` ids; what is missing is 0, and not seen.
fn padded(rows: &[&[i32]], tokens: usize) -> HostTensor {
    let ids = rows.iter().flat_map(|ids| ids.iter().copied().chain(std::iter::repeat_n(0, tokens - ids.len())));
    HostTensor::i32(&[rows.len(), tokens], ids.collect())
}

/// The last position of every row.
fn last(rows: &[&[i32]]) -> HostTensor {
    HostTensor::i32(&[rows.len()], rows.iter().map(|ids| ids.len() as i32 - 1).collect())
}

/// The logits of a run.
pub(super) fn run<'n>(
    session: &Session,
    inputs: impl IntoIterator<Item = (&'n str, HostTensor)>,
) -> Result<HostTensor> {
    let inputs: Tensors = inputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
    let mut outputs = session.run_for(&inputs, |name| name == "logits")?;
    Ok(outputs.pop().ok_or_else(|| Error::tensor("logits", "are no output of the model"))?.1)
}

/// The program of decoder-only models: `prompt_ids (B, P)`, `max_new_tokens (1)` → `generated_ids (B, P + n)`, greedy
/// unless inputs say otherwise; see [`request::INPUTS`]. `prompt_attention_mask (B, P)` has 0 for padding, on the left.
///
/// # Errors
/// If the inputs are not such, or the model has too few positions
pub fn continue_prompt(context: &Context, causal: &'static Causal, inputs: &Tensors) -> Result<Tensors> {
    let reach = (causal.reach)(&context.config);
    context.config.finish()?;
    let request = Request::read(context, inputs, reach.vocab)?;
    let (prompts, rules) = (request.left_padded()?, &request.rules);
    let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
    let capacity = positions(longest, rules.max_new_tokens);
    if capacity > reach.positions {
        let (new, most) = (rules.max_new_tokens, reach.positions);
        let message = format!("{new} after {longest} tokens take {capacity} positions, and the model has {most}");
        return Err(Error::tensor("max_new_tokens", message));
    }
    let rows = match rules.max_new_tokens {
        0 => prompts.clone(),
        _ => {
            let rows = Rows::of(prompts.len(), rules);
            let mut decoder = Decoder::open_rows(context, causal, rows, capacity, Cache::Kept)?;
            decoder.generate_rows(&prompts, rules, &mut |_, _| {})?
        }
    };
    let new = rows.iter().zip(&prompts).map(|(ids, prompt)| &ids[prompt.len()..]);
    Ok(request::generated(request.rows()?.zip(new)))
}
