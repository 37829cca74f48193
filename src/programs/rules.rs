//! When generation ends and how tokens are chosen, under the names and with the defaults of transformers'
//! `GenerationConfig`.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::sample::{Sampling, forbid};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::json::Value;
use crate::kernels::attention::cache_reorder::MAX_BEAMS;
use crate::tokenizer::StopStrings;

/// When generation ends, and how tokens are chosen. The default is greedy and generates nothing.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The most tokens to generate.
    pub max_new_tokens: usize,
    /// The tokens of `eos` are not chosen before so many others were.
    pub min_new_tokens: usize,
    /// Tokens that end a sequence; they belong to it.
    pub eos: Vec<i32>,
    /// Texts that end a sequence.
    pub stop: Option<Arc<StopStrings>>,
    /// Follows the end of a sequence while others of its batch go on; the first of `eos` where it is not given.
    pub pad: Option<i32>,
    /// Follows a sequence of one token, whatever the logits say.
    pub forced_bos: Option<i32>,
    /// Is token number `max_new_tokens`, whatever the logits say.
    pub forced_eos: Option<i32>,
    /// Choice of a token from logits.
    pub sampling: Sampling,
    /// Search for the sequence with the best score.
    pub beams: Beams,
}

/// How beam search goes. The default is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beams {
    /// Sequences that go on side by side; with 1 there is no search.
    pub num_beams: usize,
    /// A sequence of `n` new tokens is scored by the sum of their log-probabilities divided by `n^length_penalty`.
    pub length_penalty: f64,
    /// When a search ends.
    pub early_stopping: EarlyStopping,
}

/// When a beam search ends, as soon as it has `num_beams` finished sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlyStopping {
    /// At once: `true`.
    AtOnce,
    /// When the best beam, scored at its present length, is no better than the worst of them: `false`.
    Likely,
    /// When the best beam cannot become better than the worst of them at any length: `"never"`.
    Never,
}

impl Default for Beams {
    fn default() -> Beams {
        Beams { num_beams: 1, length_penalty: 1.0, early_stopping: EarlyStopping::Likely }
    }
}

/// An id beyond the vocabulary never comes up; small models keep those of the large one.
const ANY_ID: usize = i32::MAX as usize;

impl Rules {
    /// Greedy decoding with the token ids of `generation_config.json` and `config.json`.
    pub fn greedy(generation: &Config, max_new_tokens: usize) -> Rules {
        let pad = generation.integer("pad_token_id", -1, -1..=i64::from(i32::MAX));
        Rules {
            max_new_tokens,
            eos: generation.ids("eos_token_id", ANY_ID),
            pad: i32::try_from(pad).ok().filter(|&id| id >= 0),
            forced_bos: generation.id("forced_bos_token_id", ANY_ID),
            forced_eos: generation.id("forced_eos_token_id", ANY_ID),
            ..Rules::default()
        }
    }

    /// All that `generation_config.json` says; the defaults are those of transformers. What is out of range is
    /// remembered by `generation`.
    pub fn of(generation: &Config, max_new_tokens: usize) -> Rules {
        Rules::greedy(generation, max_new_tokens).with(generation)
    }

    /// These rules with the settings of `config`, or their defaults; token ids stay.
    #[must_use]
    pub fn with(self, config: &Config) -> Rules {
        let drawn = config.bool("do_sample", false);
        let from_0 = |name: &str, default: usize| config.usize_in(name, default, 0..=crate::config::MAX_SIZE);
        let positive = |name: &str, default: f64| config.f64_in(name, default, f64::MIN_POSITIVE..=f64::MAX);
        let (temperature, top_k) = (positive("temperature", 1.0), from_0("top_k", 50));
        let share: RangeInclusive<f64> = f64::MIN_POSITIVE..=1.0;
        let (top_p, min_p) = (config.f64_in("top_p", 1.0, share), config.f64_in("min_p", 0.0, 0.0..=1.0));
        let sampling = Sampling {
            repetition_penalty: positive("repetition_penalty", 1.0),
            no_repeat_ngram_size: from_0("no_repeat_ngram_size", 0),
            temperature: if drawn { temperature } else { 0.0 },
            top_k,
            top_p,
            min_p,
            seed: self.sampling.seed,
        };
        let beams = Beams {
            num_beams: config.usize_in("num_beams", 1, 1..=MAX_BEAMS),
            length_penalty: config.f64("length_penalty", 1.0),
            early_stopping: early_stopping(config),
        };
        config.require(!drawn || beams.num_beams == 1, "num_beams", || {
            format!("found {}, expected 1 where do_sample is true", beams.num_beams)
        });
        Rules { min_new_tokens: from_0("min_new_tokens", 0), sampling, beams, ..self }
    }

    /// An error that names the first value out of range.
    ///
    /// # Errors
    /// [`Error::Config`]
    pub fn check(&self) -> Result<()> {
        let Beams { num_beams, length_penalty, .. } = self.beams;
        if !(1..=MAX_BEAMS).contains(&num_beams) {
            let message = format!("found {num_beams}, expected a whole number from 1 to {MAX_BEAMS}");
            return Err(Error::config("num_beams", message));
        }
        if !length_penalty.is_finite() {
            return Err(Error::config("length_penalty", format!("found {length_penalty}, expected a finite number")));
        }
        if num_beams > 1 && self.sampling.temperature != 0.0 {
            return Err(Error::config("num_beams", format!("found {num_beams}, expected 1 where tokens are drawn")));
        }
        self.sampling.check()
    }

    /// The token that follows a sequence of `length` as new token `number`, whatever the logits say.
    pub(super) fn forced(&self, length: usize, number: usize) -> Option<i32> {
        let last = self.forced_eos.filter(|_| number == self.max_new_tokens);
        last.or(self.forced_bos.filter(|_| length == 1))
    }

    /// Changes the scores of new token `number`, after the tokens `before`, in the order of transformers' processors.
    pub(super) fn process(&self, scores: &mut [f64], before: &[i32], number: usize) {
        self.sampling.process(scores, before);
        if number <= self.min_new_tokens {
            self.eos.iter().for_each(|&id| forbid(scores, id));
        }
        if let Some(id) = self.forced(before.len(), number).and_then(|id| usize::try_from(id).ok()) {
            scores.iter_mut().enumerate().for_each(|(i, s)| *s = if i == id { 0.0 } else { f64::NEG_INFINITY });
        }
    }

    /// True if the last of `ids`, which are new from the `first` on, ends their sequence.
    pub(super) fn ends(&self, ids: &[i32], first: usize) -> Result<bool> {
        let ended = ids[first..].last().is_some_and(|id| self.eos.contains(id));
        Ok(ended || self.stop.as_ref().map_or(Ok(false), |stop| stop.found(ids, first))?)
    }

    /// What follows the end of a sequence.
    pub(super) fn padding(&self) -> i32 {
        self.pad.or(self.eos.first().copied()).unwrap_or(0)
    }
}

fn early_stopping(config: &Config) -> EarlyStopping {
    match config.get("early_stopping") {
        Some(Value::String(text)) if text == "never" => EarlyStopping::Never,
        Some(Value::String(text)) => {
            config.fail("early_stopping", format!("found \"{text}\", expected true, false or \"never\""));
            EarlyStopping::Never
        }
        _ if config.bool("early_stopping", false) => EarlyStopping::AtOnce,
        _ => EarlyStopping::Likely,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Rules> {
        let config = Config::parse("generation_config.json", text)?;
        let rules = Rules::of(&config, 8);
        config.finish()?;
        rules.check().map(|()| rules)
    }

    #[test]
    fn fields_have_the_names_and_defaults_of_transformers() {
        let rules = read(r#"{"eos_token_id": [3, 4], "pad_token_id": -1}"#).unwrap();
        assert_eq!((rules.eos.as_slice(), rules.pad, rules.padding(), rules.min_new_tokens), (&[3, 4][..], None, 3, 0));
        assert_eq!(rules.beams, Beams::default());
        assert_eq!(rules.sampling, Sampling { top_k: 50, ..Sampling::default() });
        let rules = read(
            r#"{"do_sample": true, "temperature": 0.5, "top_k": 0, "top_p": 0.9, "min_p": 0.1, "min_new_tokens": 2,
                "repetition_penalty": 1.2, "no_repeat_ngram_size": 3, "pad_token_id": 0, "forced_bos_token_id": 5}"#,
        );
        let rules = rules.unwrap();
        let sampling = Sampling {
            repetition_penalty: 1.2,
            no_repeat_ngram_size: 3,
            temperature: 0.5,
            top_k: 0,
            top_p: 0.9,
            min_p: 0.1,
            seed: 0,
        };
        assert_eq!(
            (rules.sampling, rules.pad, rules.forced_bos, rules.min_new_tokens),
            (sampling, Some(0), Some(5), 2)
        );
        let beams = |text: &str| read(text).unwrap().beams;
        let never = beams(r#"{"num_beams": 4, "length_penalty": -1, "early_stopping": "never"}"#);
        assert_eq!(never, Beams { num_beams: 4, length_penalty: -1.0, early_stopping: EarlyStopping::Never });
        assert_eq!(beams(r#"{"early_stopping": true}"#).early_stopping, EarlyStopping::AtOnce);
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for (text, expected) in [
            (r#"{"temperature": -1}"#, "temperature: found -1, expected a number from"),
            (r#"{"temperature": 0}"#, "temperature: found 0, expected a number from"),
            (r#"{"top_k": -1}"#, "top_k: found -1, expected a whole number from 0 to"),
            (r#"{"top_p": 1.5}"#, "top_p: found 1.5, expected a number from"),
            (r#"{"top_p": 0}"#, "top_p: found 0, expected a number from"),
            (r#"{"min_p": -0.1}"#, "min_p: found -0.1, expected a number from 0 to 1"),
            (r#"{"repetition_penalty": 0}"#, "repetition_penalty: found 0, expected a number from"),
            (r#"{"no_repeat_ngram_size": -1}"#, "no_repeat_ngram_size: found -1, expected a whole number from 0 to"),
            (r#"{"min_new_tokens": 1.5}"#, "min_new_tokens: found 1.5, expected a whole number from 0 to"),
            (r#"{"num_beams": 0}"#, "num_beams: found 0, expected a whole number from 1 to 64"),
            (r#"{"num_beams": 65}"#, "num_beams: found 65, expected a whole number from 1 to 64"),
            (r#"{"num_beams": 2, "do_sample": true}"#, "num_beams: found 2, expected 1 where do_sample is true"),
            (r#"{"length_penalty": "long"}"#, "length_penalty: found \"long\", expected a number"),
            (r#"{"early_stopping": "soon"}"#, "early_stopping: found \"soon\", expected true, false or \"never\""),
            (r#"{"early_stopping": 1}"#, "early_stopping: found 1, expected true or false"),
            (r#"{"do_sample": "yes"}"#, "do_sample: found \"yes\", expected true or false"),
            (r#"{"eos_token_id": -5}"#, "eos_token_id: found -5, expected token ids below"),
            (r#"{"pad_token_id": -2}"#, "pad_token_id: found -2, expected a whole number from -1 to"),
            (r#"{"temperature": NaN}"#, "is not"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let mut rules = Rules { beams: Beams { num_beams: 3, ..Beams::default() }, ..Rules::default() };
        rules.sampling.temperature = 1.0;
        let expected = "num_beams: found 3, expected 1 where tokens are drawn";
        assert_eq!(rules.check().unwrap_err().to_string(), expected);
        rules.sampling.temperature = f64::NAN;
        rules.beams.num_beams = 1;
        assert!(rules.check().unwrap_err().to_string().starts_with("temperature: found NaN, expected a number"));
    }

    #[test]
    fn processors_come_in_their_order() {
        let rules = Rules { max_new_tokens: 3, min_new_tokens: 1, eos: vec![1], ..Rules::default() };
        let scores = |rules: &Rules, before: &[i32], number| {
            let mut scores = vec![1.0, 2.0, 3.0];
            rules.process(&mut scores, before, number);
            scores
        };
        let none = f64::NEG_INFINITY;
        assert_eq!(scores(&rules, &[0, 0], 1), [1.0, none, 3.0]);
        assert_eq!(scores(&rules, &[0, 0], 2), [1.0, 2.0, 3.0]);
        // A forced token comes last: even where it may not be chosen, and at the end before the beginning.
        let rules = Rules { forced_bos: Some(0), forced_eos: Some(1), min_new_tokens: 9, ..rules };
        assert_eq!(scores(&rules, &[0], 1), [0.0, none, none]);
        assert_eq!(scores(&rules, &[0, 0], 3), [none, 0.0, none]);
        assert_eq!(scores(&rules, &[0], 3), [none, 0.0, none]);
    }
}
