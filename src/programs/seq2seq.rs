//! Generation with models that read one sequence and write another: the first is encoded once, and every token
//! of the second costs one position.

use super::Context;
use super::decoder::run;
use super::generate::{Reach, Rows, Rules, generate, positions};
use super::request::{self, Request};
use crate::config::Config;
use crate::engine::{Session, Tensors};
use crate::error::{Error, Result};
use crate::graph::{Graph, Scope, Tensor};
use crate::nn::cache::{Append, Reorder, append, fill, kept};
use crate::run::ids_in_range;
use crate::shape::Dims;
use crate::tensor::{Dtype, HostTensor};

/// What an encoder-decoder gives to generation.
pub struct EncoderDecoder {
    /// Builds the graph of a phase. The names of its states must differ with their sizes.
    pub phase: fn(&Graph, &Config, Phase),
    /// Ids and positions of sources, and of answers.
    pub reach: fn(&Config) -> [Reach; 2],
    /// `decoder_start_token_id` and `eos_token_id` of configurations that name none.
    pub tokens: fn(&Config) -> [i32; 2],
}

/// The graphs of generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// `input_ids (B, source)`, and `attention_mask (B, source)` where sources are padded, →
    /// `encoder_last_hidden_state (B, source, C)`; keys and values of every cross-attention are kept.
    Encode(Sizes),
    /// `input_ids (rows, 1)` at `position (1)` → `logits (rows, V)`; reads what encoding kept, by `attention_mask` as well.
    /// Where there are beams, row `r` of the decoder's caches is row `beam_idx (rows)` of before.
    Step(Sizes),
}

/// Sizes of the caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Sources, and beams of each.
    pub rows: Rows,
    /// Tokens of a source.
    pub source: usize,
    /// True if some sources are shorter, and a mask tells what is padding.
    pub padded: bool,
    /// Positions of the decoder.
    pub capacity: usize,
}

impl Sizes {
    /// For one source of `source` tokens.
    pub fn one(source: usize, capacity: usize) -> Sizes {
        Sizes { rows: Rows::ONE, source, padded: false, capacity }
    }
}

/// The inputs of a phase that reads sources: `input_ids (B, S)`, and 1 for a token, 0 for padding.
pub fn sources(g: &Graph, sizes: Sizes) -> (Tensor<'_>, Option<Tensor<'_>>) {
    (g.input("input_ids", Dtype::I32, &[sizes.rows.batch, sizes.source]), mask(g, sizes))
}

fn mask(g: &Graph, sizes: Sizes) -> Option<Tensor<'_>> {
    sizes.padded.then(|| g.input("attention_mask", Dtype::I32, &[sizes.rows.batch, sizes.source]))
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
    /// From caches: one token a row, all at one position.
    Cached {
        /// Where the tokens' own keys and values go.
        to: Append<'g>,
        /// Hides some of what the encoder made: (B, S).
        mask: Option<Tensor<'g>>,
        /// Sizes of the caches.
        sizes: Sizes,
    },
}

impl<'g> Past<'g> {
    /// The `input_ids (rows, 1)` of a step, and its past.
    pub fn of_step(g: &'g Graph, sizes: Sizes) -> (Tensor<'g>, Past<'g>) {
        let (n, beams) = (sizes.rows.total(), sizes.rows.beams);
        let position = g.input("position", Dtype::I32, &[1]);
        let beams = (beams > 1).then(|| Reorder { beam_idx: g.input("beam_idx", Dtype::I32, &[n]), beams });
        let to = Append { capacity: sizes.capacity, position, beams };
        (g.input("input_ids", Dtype::I32, &[n, 1]), Past::Cached { to, mask: mask(g, sizes), sizes })
    }

    /// The position (1) of the tokens, where it is not 0.
    pub fn position(self) -> Option<Tensor<'g>> {
        match self {
            Past::None { .. } => None,
            Past::Cached { to, .. } => Some(to.position),
        }
    }

    /// Positions of the tokens' own caches; 0 where there are none.
    pub fn capacity(self) -> usize {
        match self {
            Past::None { .. } => 0,
            Past::Cached { to, .. } => to.capacity,
        }
    }

    /// The mask (B, S) of what the encoder made.
    pub fn mask(self) -> Option<Tensor<'g>> {
        match self {
            Past::None { mask, .. } | Past::Cached { mask, .. } => mask,
        }
    }

    /// The keys and values that the tokens at hand see of their own sequence, of `new`, both (B, H, T, D): those, or two
    /// caches (B, H, capacity, D).
    pub fn own(self, w: Scope<'g>, new: [Tensor<'g>; 2]) -> [Tensor<'g>; 2] {
        match self {
            Past::None { .. } => new,
            Past::Cached { to, .. } => append(w, new, to),
        }
    }

    /// The keys and values of the source, both (B, H, S, D): made of the memory, or kept by [`keep_source`].
    pub fn source(
        self,
        w: Scope<'g>,
        [heads, dims]: [usize; 2],
        made: impl FnOnce(Tensor<'g>) -> [Tensor<'g>; 2],
    ) -> [Tensor<'g>; 2] {
        match self {
            Past::None { memory, .. } => made(memory),
            Past::Cached { sizes, .. } => kept(w, [sizes.rows.batch, heads, sizes.source, dims]),
        }
    }

    /// What queries of the source are made of: beams of one source stand side by side, as its tokens (B, beams, C) do.
    pub fn by_source(self, x: Tensor<'g>) -> Tensor<'g> {
        let [_, _, c] = x.dims();
        match self {
            Past::Cached { sizes, .. } if sizes.rows.beams > 1 => x.reshape(&[sizes.rows.batch, sizes.rows.beams, c]),
            _ => x,
        }
    }
}

/// Keeps the `[key, value]` of the source, both (B, H, S, D), for the steps that follow.
pub fn keep_source<'g>(w: Scope<'g>, made: [Tensor<'g>; 2]) {
    let [_, _, source, _] = made[0].dims();
    fill(w, made, source);
}

/// An encoder-decoder, ready to answer sources of one length, some of it padding.
///
/// Plans are made when it is opened; after that a token makes no object of the driver.
pub struct Translator {
    encode: Session,
    step: Session,
    sizes: Sizes,
    /// Of sources, and of answers.
    vocab: [usize; 2],
    /// Of the sources that were encoded.
    mask: Option<HostTensor>,
    /// Positions that the decoder's caches hold, once there is a source.
    filled: Option<usize>,
}

impl Translator {
    /// Plans for sources of `sizes.source` tokens, and answers of which `sizes.capacity` positions are read.
    ///
    /// # Errors
    /// If the model has fewer positions, or a plan cannot be made
    pub fn open(context: &Context, model: &EncoderDecoder, sizes: Sizes) -> Result<Translator> {
        let reach = (model.reach)(&context.config);
        context.config.finish()?;
        for (positions, Reach { positions: most, .. }) in [sizes.source, sizes.capacity].into_iter().zip(reach) {
            if !(1..=most).contains(&positions) {
                let message = format!("{positions} positions are asked for, and the model has {most}");
                return Err(Error::limit("generation", message));
            }
        }
        let session = |phase| context.session_of(|g, config| (model.phase)(g, config, phase));
        let (encode, step) = (session(Phase::Encode(sizes))?, session(Phase::Step(sizes))?);
        Ok(Translator { encode, step, sizes, vocab: reach.map(|reach| reach.vocab), mask: None, filled: None })
    }

    /// Reads one source; an answer begins anew.
    ///
    /// # Errors
    /// As [`Translator::encode_rows`]
    pub fn encode(&mut self, source: &[i32]) -> Result<()> {
        self.encode_rows(&HostTensor::i32(&[1, source.len()], source.to_vec()), None)
    }

    /// Reads sources (B, S), of which `mask (B, S)` tells tokens, 1, from padding, 0; answers begin anew.
    ///
    /// # Errors
    /// If they are as many, or as long, as no plan is for, or have ids beyond the vocabulary
    pub fn encode_rows(&mut self, sources: &HostTensor, mask: Option<&HostTensor>) -> Result<()> {
        self.filled = None;
        let shape = [self.sizes.rows.batch, self.sizes.source];
        match *sources.shape() {
            [rows, tokens] if rows == shape[0] && tokens != shape[1] => {
                let message = format!("has {tokens} tokens, expected {}", shape[1]);
                return Err(Error::tensor("input_ids", message));
            }
            ref found if *found != shape => {
                return Err(Error::tensor("input_ids", format!("is {}, expected {}", Dims(found), Dims(&shape))));
            }
            _ => {}
        }
        ids_in_range("input_ids", sources, self.vocab[0])?;
        let mut inputs = Tensors::from([("input_ids".to_owned(), sources.clone())]);
        if let Some(mask) = mask {
            ids_in_range("attention_mask", mask, 2)?;
            if !self.sizes.padded && mask.as_i32()?.contains(&0) {
                return Err(Error::tensor("attention_mask", "has a 0, and the plans are for sources without padding"));
            }
        }
        self.mask = self
            .sizes
            .padded
            .then(|| mask.cloned().unwrap_or_else(|| HostTensor::i32(&shape, vec![1; shape[0] * shape[1]])));
        inputs.extend(self.mask.iter().map(|mask| ("attention_mask".to_owned(), mask.clone())));
        self.encode.run_for(&inputs, |_| false)?;
        self.filled = Some(0);
        Ok(())
    }

    /// The logits of the token after `ids`, which extend the `ids` of the call before, if there was one since
    /// [`Translator::encode`]. For one source.
    ///
    /// # Errors
    /// As [`Translator::logits_of`]
    pub fn logits(&mut self, ids: &[i32]) -> Result<Vec<f32>> {
        Ok(self.logits_of(&[ids.to_vec()], &[0])?.as_f32()?.to_vec())
    }

    /// The logits (rows, V) of the token after every row, which extends row `from` of the call before, if there was one
    /// since [`Translator::encode_rows`].
    ///
    /// # Errors
    /// If no source was encoded, or rows are not as many as there are plans for, are of different lengths, have no ids,
    /// more than the capacity, or some beyond the vocabulary
    pub fn logits_of(&mut self, rows: &[Vec<i32>], from: &[usize]) -> Result<HostTensor> {
        let name = "decoder_input_ids";
        let Some(filled) = self.filled.take() else {
            return Err(Error::tensor("input_ids", "no source was encoded"));
        };
        let n = self.sizes.rows.total();
        if rows.len() != n || from.len() != n {
            return Err(Error::tensor(name, format!("has {} rows, expected {n}", rows.len())));
        }
        let length = rows[0].len();
        if let Some(ids) =
            rows.iter().find(|ids| ids.len() != length || !(1..=self.sizes.capacity).contains(&ids.len()))
        {
            let expected =
                if ids.len() == length { format!("1 to {}", self.sizes.capacity) } else { length.to_string() };
            return Err(Error::tensor(name, format!("has {} tokens, expected {expected}", ids.len())));
        }
        let mut from: Vec<i32> = from.iter().map(|&row| row as i32).collect();
        let mut logits = None;
        for position in (if filled < length { filled } else { 0 })..length {
            let ids = HostTensor::i32(&[n, 1], rows.iter().map(|ids| ids[position]).collect());
            ids_in_range(name, &ids, self.vocab[1])?;
            let at = HostTensor::i32(&[1], vec![position as i32]);
            let mut inputs = vec![("input_ids", ids), ("position", at)];
            inputs.extend(self.mask.iter().map(|mask| ("attention_mask", mask.clone())));
            if self.sizes.rows.beams > 1 {
                inputs.push(("beam_idx", HostTensor::i32(&[n], std::mem::replace(&mut from, (0..n as i32).collect()))));
            }
            logits = Some(run(&self.step, inputs)?);
        }
        self.filled = Some(length);
        logits.ok_or_else(|| Error::tensor(name, "has no new tokens"))
    }

    /// Answers `source`, beginning with the token `start`; see [`generate`]. For one source.
    ///
    /// # Errors
    /// As [`Translator::generate_rows`]
    pub fn generate(
        &mut self,
        source: &[i32],
        start: i32,
        rules: &Rules,
        on_token: &mut dyn FnMut(i32),
    ) -> Result<Vec<i32>> {
        let source = HostTensor::i32(&[1, source.len()], source.to_vec());
        let mut rows = self.generate_rows(&source, None, start, rules, &mut |_, id| on_token(id))?;
        rows.pop().ok_or_else(|| Error::tensor("input_ids", "has no rows"))
    }

    /// Answers `sources` (B, S), see [`Translator::encode_rows`], each beginning with the token `start`; see [`generate`].
    ///
    /// # Errors
    /// If the sources, or beams, are not those there are plans for, or the answers do not fit
    pub fn generate_rows(
        &mut self,
        sources: &HostTensor,
        mask: Option<&HostTensor>,
        start: i32,
        rules: &Rules,
        on_token: &mut dyn FnMut(usize, i32),
    ) -> Result<Vec<Vec<i32>>> {
        request::expect_rows(self.sizes.rows, sources.shape()[0], rules)?;
        let needed = positions(1, rules.max_new_tokens);
        if needed > self.sizes.capacity {
            let (new, capacity) = (rules.max_new_tokens, self.sizes.capacity);
            let message = format!("{new} new tokens take {needed} positions, and there are {capacity}");
            return Err(Error::limit("generation", message));
        }
        self.encode_rows(sources, mask)?;
        let start = vec![vec![start]; self.sizes.rows.batch];
        generate(&mut |rows, from| self.logits_of(rows, from), &start, rules, on_token)
    }
}

/// The program of encoder-decoders: `prompt_ids (B, P)`, `max_new_tokens (1)` → `generated_ids (B, 1 + n)`, the start
/// token first, greedy unless inputs say otherwise; see [`request::INPUTS`]. `prompt_attention_mask (B, P)` has 0 for
/// padding, on either side.
///
/// # Errors
/// If the inputs are not such, or the model has too few positions
pub fn answer_prompt(context: &Context, model: &EncoderDecoder, inputs: &Tensors) -> Result<Tensors> {
    let [reach, answers] = (model.reach)(&context.config);
    context.config.finish()?;
    let mut request = Request::read(context, inputs, reach.vocab)?;
    let given = |name: &str| context.generation.has(name) || context.generation.is_null(name);
    let [start, eos] = (model.tokens)(&context.config);
    if !given("eos_token_id") {
        request.rules.eos = vec![eos];
    }
    let start = context.generation.id("decoder_start_token_id", answers.vocab).unwrap_or(start);
    context.generation.finish()?;
    let Request { prompts, mask, rules } = &request;
    let &[batch, source] = prompts.shape() else { panic!("bug: prompts that were read have two axes") };
    let padded = mask.as_ref().map_or(Ok(false), |mask| mask.as_i32().map(|mask| mask.contains(&0)))?;
    let sizes = Sizes { rows: Rows::of(batch, rules), source, padded, capacity: positions(1, rules.max_new_tokens) };
    for (name, needed, Reach { positions: most, .. }) in
        [("prompt_ids", sizes.source, reach), ("max_new_tokens", sizes.capacity, answers)]
    {
        if needed > most {
            let message = format!("takes {needed} positions, and the model has {most}");
            return Err(Error::tensor(name, message));
        }
    }
    let rows = match rules.max_new_tokens {
        0 => vec![vec![start]; batch],
        _ => {
            let mut translator = Translator::open(context, model, sizes)?;
            translator.generate_rows(prompts, mask.as_ref(), start, rules, &mut |_, _| {})?
        }
    };
    Ok(request::generated(rows.iter().map(|ids| ids.split_at(1))))
}
