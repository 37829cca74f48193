//! Generation with models that read one sequence and write another: the first is encoded once, and every token
//! of the second costs one position.

use super::Context;
use super::generate::{Reach, Rules, generate, one, positions, request, run};
use crate::config::Config;
use crate::engine::{Session, Tensors};
use crate::error::{Error, Result};
use crate::graph::{Graph, Scope, Tensor};
use crate::run::ids_in_range;
use crate::tensor::{Dtype, HostTensor};

/// What an encoder-decoder gives to generation.
pub struct EncoderDecoder {
    /// Builds the graph of a phase. The names of its states must differ with their sizes.
    pub phase: fn(&Graph, &Config, Phase),
    /// Its ids and positions.
    pub reach: fn(&Config) -> Reach,
    /// `decoder_start_token_id` and `eos_token_id` of configurations that name none.
    pub tokens: [i32; 2],
}

/// The graphs of generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// `input_ids (1, source)` → `encoder_last_hidden_state (1, source, C)`; keys and values of every
    /// cross-attention are kept.
    Encode {
        /// Tokens of the source.
        source: usize,
    },
    /// `input_ids (1, 1)` at `position (1)` → `logits (1, V)`; reads what encoding kept.
    Step(Step),
}

/// Sizes of the caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Tokens of the source.
    pub source: usize,
    /// Positions of the decoder.
    pub capacity: usize,
}

/// Where a decoder takes keys and values from.
#[derive(Clone, Copy)]
pub enum Past<'g> {
    /// All from this run: its own from the sequence itself, the others from what the encoder made.
    None {
        /// What the encoder made: (B, S, C).
        memory: Tensor<'g>,
        /// Hides some of it: (B, S).
        mask: Option<Tensor<'g>>,
    },
    /// From caches: one token at `position (1)`.
    Cached {
        /// The token's position.
        position: Tensor<'g>,
        /// Sizes of the caches.
        step: Step,
    },
}

/// The cache `name` of an attention, for `rows` positions: (1, H, rows, D).
fn cache<'g>(w: Scope<'g>, name: &str, [heads, rows, dims]: [usize; 3]) -> Tensor<'g> {
    w.graph().state(&format!("{}.{name} of {rows}", w.path()), Dtype::F32, &[1, heads, rows, dims])
}

/// The caches of `keys` and `values`, both (1, H, T, D), after they were written from `position (1)` on:
/// two of (1, H, rows, D).
pub fn keep<'g>(w: Scope<'g>, new: [Tensor<'g>; 2], rows: usize, position: Tensor<'g>) -> [Tensor<'g>; 2] {
    let [k, v] = new;
    [("key", k), ("value", v)].map(|(name, new)| {
        let [_, heads, _, dims] = new.dims();
        cache(w, name, [heads, rows, dims]).cache_append(new, position)
    })
}

/// Keeps all of `keys` and `values`, both (1, H, S, D).
pub fn keep_whole<'g>(w: Scope<'g>, new: [Tensor<'g>; 2]) {
    let [_, _, rows, _] = new[0].dims();
    keep(w, new, rows, w.graph().constant(HostTensor::i32(&[1], vec![0])));
}

/// The keys and values that [`keep_whole`] kept in an earlier run: two of (1, H, rows, D).
pub fn kept<'g>(w: Scope<'g>, sizes: [usize; 3]) -> [Tensor<'g>; 2] {
    ["key", "value"].map(|name| cache(w, name, sizes))
}

/// An encoder-decoder, ready to answer sources of one length.
///
/// Plans are made when it is opened; after that a token makes no object of the driver.
pub struct Translator {
    encode: Session,
    step: Session,
    sizes: Step,
    vocab: usize,
    /// Positions that the decoder's caches hold, once there is a source.
    filled: Option<usize>,
}

impl Translator {
    /// Plans for sources of `sizes.source` tokens, and answers of which `sizes.capacity` positions are read.
    ///
    /// # Errors
    /// If the model has fewer positions, or a plan cannot be made
    pub fn open(context: &Context, model: &EncoderDecoder, sizes: Step) -> Result<Translator> {
        let reach = (model.reach)(&context.config);
        context.config.finish()?;
        for positions in [sizes.source, sizes.capacity] {
            if !(1..=reach.positions).contains(&positions) {
                let message = format!("{positions} positions are asked for, and the model has {}", reach.positions);
                return Err(Error::limit("generation", message));
            }
        }
        let session = |phase| context.session_of(|g, config| (model.phase)(g, config, phase));
        let (encode, step) = (session(Phase::Encode { source: sizes.source })?, session(Phase::Step(sizes))?);
        Ok(Translator { encode, step, sizes, vocab: reach.vocab, filled: None })
    }

    /// Reads a source; an answer begins anew.
    ///
    /// # Errors
    /// If it has another length, or ids beyond the vocabulary
    pub fn encode(&mut self, source: &[i32]) -> Result<()> {
        self.filled = None;
        if source.len() != self.sizes.source {
            let message = format!("has {} tokens, expected {}", source.len(), self.sizes.source);
            return Err(Error::tensor("input_ids", message));
        }
        let ids = HostTensor::i32(&[1, source.len()], source.to_vec());
        ids_in_range("input_ids", &ids, self.vocab)?;
        self.encode.run(&[("input_ids".to_owned(), ids)].into())?;
        self.filled = Some(0);
        Ok(())
    }

    /// The logits of the token after `ids`, which extend the `ids` of the call before, if there was one since
    /// [`Translator::encode`].
    ///
    /// # Errors
    /// If no source was encoded, or there are no ids, more than the capacity, or some beyond the vocabulary
    pub fn logits(&mut self, ids: &[i32]) -> Result<Vec<f32>> {
        let Some(filled) = self.filled.take() else {
            return Err(Error::tensor("input_ids", "no source was encoded"));
        };
        if ids.is_empty() || ids.len() > self.sizes.capacity {
            let message = format!("has {} tokens, expected 1 to {}", ids.len(), self.sizes.capacity);
            return Err(Error::tensor("decoder_input_ids", message));
        }
        let whole = HostTensor::i32(&[1, ids.len()], ids.to_vec());
        ids_in_range("decoder_input_ids", &whole, self.vocab)?;
        let mut logits = vec![];
        for position in (if filled < ids.len() { filled } else { 0 })..ids.len() {
            let id = HostTensor::i32(&[1, 1], vec![ids[position]]);
            logits = run(&self.step, [("input_ids", id), ("position", one(position))])?;
        }
        self.filled = Some(ids.len());
        Ok(logits)
    }

    /// Answers `source`, beginning with the token `start`; see [`generate`].
    ///
    /// # Errors
    /// If the source has another length, or the answer does not fit
    pub fn generate(
        &mut self,
        source: &[i32],
        start: i32,
        rules: &Rules,
        on_token: &mut dyn FnMut(i32),
    ) -> Result<Vec<i32>> {
        let needed = positions(1, rules.max_new_tokens);
        if needed > self.sizes.capacity {
            let (new, capacity) = (rules.max_new_tokens, self.sizes.capacity);
            let message = format!("{new} new tokens take {needed} positions, and there are {capacity}");
            return Err(Error::limit("generation", message));
        }
        self.encode(source)?;
        generate(&mut |ids| self.logits(ids), &[start], rules, on_token)
    }
}

/// The program of encoder-decoders: `prompt_ids (1, P)`, `max_new_tokens (1)` → `generated_ids (1, 1 + n)`, greedy,
/// the start token first.
///
/// # Errors
/// If the inputs are not such, or the model has too few positions
pub fn answer_prompt(context: &Context, model: &EncoderDecoder, inputs: &Tensors) -> Result<Tensors> {
    let reach = (model.reach)(&context.config);
    context.config.finish()?;
    let (prompt, mut rules) = request(context, inputs, reach.vocab)?;
    let given = |name: &str| context.generation.has(name) || context.generation.is_null(name);
    let [start, eos] = model.tokens;
    if !given("eos_token_id") {
        rules.eos = vec![eos];
    }
    let start = context.generation.id("decoder_start_token_id", reach.vocab).unwrap_or(start);
    context.generation.finish()?;
    let sizes = Step { source: prompt.len(), capacity: positions(1, rules.max_new_tokens) };
    for (name, needed) in [("prompt_ids", sizes.source), ("max_new_tokens", sizes.capacity)] {
        if needed > reach.positions {
            let message = format!("takes {needed} positions, and the model has {}", reach.positions);
            return Err(Error::tensor(name, message));
        }
    }
    let ids = match rules.max_new_tokens {
        0 => vec![start],
        _ => Translator::open(context, model, sizes)?.generate(&prompt, start, &rules, &mut |_| {})?,
    };
    Ok([("generated_ids".to_owned(), HostTensor::i32(&[1, ids.len()], ids))].into())
}
