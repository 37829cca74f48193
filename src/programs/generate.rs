//! Generation of token sequences: one loop over anything that gives the logits of the next token, and the
//! decoder-only models that give them, with caches of keys and values or without.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::Context;
use super::sample::{Sampling, choose};
use crate::config::Config;
use crate::engine::{Session, Tensors};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::run::ids_in_range;
use crate::shape::Dims;
use crate::tensor::HostTensor;

/// When generation ends, and how tokens are chosen.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The most tokens to generate.
    pub max_new_tokens: usize,
    /// Tokens that end a sequence; they belong to it.
    pub eos: Vec<i32>,
    /// Follows a sequence of one token, whatever the logits say.
    pub forced_bos: Option<i32>,
    /// Is token number `max_new_tokens`, whatever the logits say.
    pub forced_eos: Option<i32>,
    /// Choice of a token from logits.
    pub sampling: Sampling,
}

impl Rules {
    /// Greedy decoding with the token ids of `generation_config.json` and `config.json`.
    pub fn greedy(generation: &Config, max_new_tokens: usize) -> Rules {
        // An id beyond the vocabulary never comes up; small models keep those of the large one.
        let any = i32::MAX as usize;
        Rules {
            max_new_tokens,
            eos: generation.ids("eos_token_id", any),
            forced_bos: generation.id("forced_bos_token_id", any),
            forced_eos: generation.id("forced_eos_token_id", any),
            sampling: Sampling::default(),
        }
    }
}

/// Continues `start` token by token and returns all of it.
///
/// `logits` gives the scores of the token after a sequence; `on_token` sees every new token at once.
///
/// # Errors
/// Those of `logits`, and logits that are NaN
pub fn generate(
    logits: &mut dyn FnMut(&[i32]) -> Result<Vec<f32>>,
    start: &[i32],
    rules: &Rules,
    on_token: &mut dyn FnMut(i32),
) -> Result<Vec<i32>> {
    let mut ids = start.to_vec();
    for number in 1..=rules.max_new_tokens {
        let last = rules.forced_eos.filter(|_| number == rules.max_new_tokens);
        let forced = last.or(rules.forced_bos.filter(|_| ids.len() == 1));
        let id = match forced {
            Some(id) => id,
            None => choose(&logits(&ids)?, &ids, number as u64, &rules.sampling)?,
        };
        ids.push(id);
        on_token(id);
        if rules.eos.contains(&id) {
            break;
        }
    }
    Ok(ids)
}

/// The graphs a decoder-only model takes to generate; all have `input_ids (1, tokens)` and `logits (1, V)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Without caches: the logits after position `last (1)` of a window; what follows it is not seen.
    Window {
        /// Positions.
        tokens: usize,
    },
    /// The prompt at once: caches are filled from position 0, the logits are those after the last token.
    Prefill {
        /// Tokens of the prompt.
        tokens: usize,
        /// Positions of the caches.
        capacity: usize,
    },
    /// One token at `position (1)`; with it the caches hold `length (1)` positions.
    Step {
        /// Positions of the caches.
        capacity: usize,
    },
}

impl Phase {
    /// Tokens of `input_ids`.
    pub fn tokens(self) -> usize {
        match self {
            Phase::Window { tokens } | Phase::Prefill { tokens, .. } => tokens,
            Phase::Step { .. } => 1,
        }
    }
}

/// What a decoder-only model gives to generation.
pub struct Causal {
    /// Builds the graph of a phase. The names of its states must differ with the capacity.
    pub next_token: fn(&Graph, &Config, Phase),
    /// Its ids and positions.
    pub reach: fn(&Config) -> Reach,
}

/// How far a model's ids and positions go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Ids are below it.
    pub vocab: usize,
    /// The longest sequence.
    pub positions: usize,
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
/// Plans are made when it is opened, and for every new length of a prompt; after that a token makes no
/// object of the driver.
pub struct Decoder<'c> {
    context: &'c Context,
    causal: &'static Causal,
    capacity: usize,
    vocab: usize,
    plans: Plans,
    /// Positions that the caches hold.
    filled: usize,
}

impl<'c> Decoder<'c> {
    /// Plans for sequences of which `capacity` positions are read by the model.
    ///
    /// # Errors
    /// If the model has fewer positions, or a plan cannot be made
    pub fn open(context: &'c Context, causal: &'static Causal, capacity: usize, cache: Cache) -> Result<Decoder<'c>> {
        let reach = (causal.reach)(&context.config);
        context.config.finish()?;
        if !(1..=reach.positions).contains(&capacity) {
            let message = format!("{capacity} positions are asked for, and the model has {}", reach.positions);
            return Err(Error::limit("generation", message));
        }
        let session = |phase| context.session_of(|g, config| (causal.next_token)(g, config, phase));
        let plans = match cache {
            Cache::Kept => Plans::Kept { prefill: HashMap::new(), step: session(Phase::Step { capacity })? },
            Cache::None => Plans::Window(session(Phase::Window { tokens: capacity })?),
        };
        Ok(Decoder { context, causal, capacity, vocab: reach.vocab, plans, filled: 0 })
    }

    /// Begins another sequence.
    pub fn restart(&mut self) {
        self.filled = 0;
    }

    /// The logits of the token after `ids`, which extend the `ids` of the call before, if there was one
    /// since [`Decoder::restart`].
    ///
    /// # Errors
    /// If there are no ids, more than the capacity, or some beyond the vocabulary
    pub fn logits(&mut self, ids: &[i32]) -> Result<Vec<f32>> {
        if ids.is_empty() || ids.len() > self.capacity {
            let message = format!("has {} tokens, expected 1 to {}", ids.len(), self.capacity);
            return Err(Error::tensor("input_ids", message));
        }
        if ids.len() <= self.filled {
            self.restart();
        }
        let whole = HostTensor::i32(&[1, ids.len()], ids.to_vec());
        ids_in_range("input_ids", &whole, self.vocab)?;
        let filled = std::mem::replace(&mut self.filled, 0);
        let logits = match &mut self.plans {
            Plans::Window(session) => {
                let mut window = ids.to_vec();
                window.resize(self.capacity, 0);
                let window = HostTensor::i32(&[1, self.capacity], window);
                run(session, [("input_ids", window), ("last", one(ids.len() - 1))])?
            }
            Plans::Kept { prefill, .. } if filled == 0 => {
                let phase = Phase::Prefill { tokens: ids.len(), capacity: self.capacity };
                let session = match prefill.entry(ids.len()) {
                    Entry::Occupied(made) => made.into_mut(),
                    Entry::Vacant(place) => {
                        let build = |g: &Graph, config: &Config| (self.causal.next_token)(g, config, phase);
                        place.insert(self.context.session_of(build)?)
                    }
                };
                run(session, [("input_ids", whole)])?
            }
            Plans::Kept { step, .. } => {
                let mut logits = vec![];
                for position in filled..ids.len() {
                    let id = HostTensor::i32(&[1, 1], vec![ids[position]]);
                    let inputs = [("input_ids", id), ("position", one(position)), ("length", one(position + 1))];
                    logits = run(step, inputs)?;
                }
                logits
            }
        };
        self.filled = ids.len();
        Ok(logits)
    }

    /// Continues `prompt`; see [`generate`].
    ///
    /// # Errors
    /// If the prompt is empty, has ids beyond the vocabulary, or does not fit with what is asked for
    pub fn generate(&mut self, prompt: &[i32], rules: &Rules, on_token: &mut dyn FnMut(i32)) -> Result<Vec<i32>> {
        let needed = positions(prompt.len(), rules.max_new_tokens);
        if needed > self.capacity {
            let message = format!(
                "{} tokens and {} new ones take {needed} positions, and there are {}",
                prompt.len(),
                rules.max_new_tokens,
                self.capacity
            );
            return Err(Error::limit("generation", message));
        }
        self.restart();
        generate(&mut |ids| self.logits(ids), prompt, rules, on_token)
    }
}

/// Positions a model reads to continue `prompt` tokens by `new` ones: the last one is only written.
pub fn positions(prompt: usize, new: usize) -> usize {
    (prompt + new).saturating_sub(1).max(prompt)
}

pub(super) fn one(value: usize) -> HostTensor {
    HostTensor::i32(&[1], vec![value as i32])
}

pub(super) fn run<const N: usize>(session: &Session, inputs: [(&str, HostTensor); N]) -> Result<Vec<f32>> {
    let inputs: Tensors = inputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
    let outputs = session.run(&inputs)?;
    let logits = outputs.iter().find(|(name, _)| name == "logits");
    logits.ok_or_else(|| Error::tensor("logits", "are no output of the model"))?.1.as_f32().map(<[f32]>::to_vec)
}

/// The program of decoder-only models: `prompt_ids (1, P)`, `max_new_tokens (1)` → `generated_ids (1, P + n)`,
/// greedy.
///
/// # Errors
/// If the inputs are not such, or the model has too few positions
pub fn continue_prompt(context: &Context, causal: &'static Causal, inputs: &Tensors) -> Result<Tensors> {
    let reach = (causal.reach)(&context.config);
    context.config.finish()?;
    let (prompt, rules) = request(context, inputs, reach.vocab)?;
    let capacity = positions(prompt.len(), rules.max_new_tokens);
    if capacity > reach.positions {
        let message = format!(
            "{} after {} tokens take {capacity} positions, and the model has {}",
            rules.max_new_tokens,
            prompt.len(),
            reach.positions
        );
        return Err(Error::tensor("max_new_tokens", message));
    }
    let ids = match rules.max_new_tokens {
        0 => prompt,
        _ => Decoder::open(context, causal, capacity, Cache::Kept)?.generate(&prompt, &rules, &mut |_| {})?,
    };
    Ok([("generated_ids".to_owned(), HostTensor::i32(&[1, ids.len()], ids))].into())
}

/// `prompt_ids`, and greedy rules with `max_new_tokens`.
///
/// # Errors
/// If they are not of the shapes (1, P) and (1), are beyond `vocab` or below 0
pub fn request(context: &Context, inputs: &Tensors, vocab: usize) -> Result<(Vec<i32>, Rules)> {
    let given = |name: &str| inputs.get(name).ok_or_else(|| Error::tensor(name, "the input is missing"));
    let (prompt, most) = (given("prompt_ids")?, given("max_new_tokens")?);
    if prompt.shape().len() != 2 || prompt.shape()[0] != 1 || prompt.is_empty() {
        return Err(Error::tensor("prompt_ids", format!("is {}, expected (1, P)", Dims(prompt.shape()))));
    }
    ids_in_range("prompt_ids", prompt, vocab)?;
    let most = match most.as_i32().map_err(|_| Error::tensor("max_new_tokens", "is not a whole number"))? {
        [n] if *n >= 0 => *n as usize,
        [n] => return Err(Error::tensor("max_new_tokens", format!("is {n}, expected 0 or more"))),
        _ => return Err(Error::tensor("max_new_tokens", format!("is {}, expected (1,)", Dims(most.shape())))),
    };
    let rules = Rules::greedy(&context.generation, most);
    context.generation.finish()?;
    Ok((prompt.as_i32()?.to_vec(), rules))
}
