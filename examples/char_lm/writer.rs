//! A model of characters that writes between the steps of its training.

use std::path::Path;

use handmill::Result;
use handmill::models::transformers::gpt2;
use handmill::programs::characters::Stepper;
use handmill::programs::generate::{Cache, Decoder, Rules};
use handmill::programs::{Context, sample::Sampling};
use handmill::train::data::Vocabulary;

use super::args::{Args, Kind};

/// Characters of a sample.
pub const SAMPLE: usize = 32;

/// The model between steps, a character at a time.
enum Next<'c> {
    Recurrent(Box<Stepper<'c>>),
    Gpt(Box<Decoder<'c>>),
}

/// A model with the characters that it knows.
pub struct Writer<'c> {
    next: Next<'c>,
    vocabulary: Vocabulary,
}

impl<'c> Writer<'c> {
    pub fn open(context: &'c Context, args: &Args, vocabulary: Vocabulary) -> Result<Writer<'c>> {
        let next = match args.model {
            Kind::Gpt => Next::Gpt(Box::new(Decoder::open(context, &gpt2::CAUSAL, args.positions(), Cache::Kept)?)),
            _ => Next::Recurrent(Box::new(Stepper::open(context)?)),
        };
        Ok(Writer { next, vocabulary })
    }

    /// What a sample begins with: the end of a line, where the text has lines.
    pub fn begin(&self) -> String {
        let lines = self.vocabulary.encode(Path::new(""), "\n").is_ok();
        if lines { "\n".into() } else { self.vocabulary.decode(&[0]) }
    }

    /// What follows `start`: `most` characters, or up to `end`.
    pub fn write(&mut self, start: &str, most: usize, sampling: Sampling, end: Option<&str>) -> Result<String> {
        let place = Path::new("the beginning of a sample");
        let start = self.vocabulary.encode(place, start)?;
        let eos = end.map_or(Ok(vec![]), |end| self.vocabulary.encode(place, end))?;
        let rules = Rules { max_new_tokens: most, eos, sampling, ..Rules::default() };
        let ids = match &mut self.next {
            Next::Recurrent(stepper) => stepper.generate(&start, &rules, &mut |_| {})?,
            Next::Gpt(decoder) => decoder.generate(&start, &rules, &mut |_| {})?,
        };
        Ok(self.vocabulary.decode(&ids[start.len()..]))
    }
}
