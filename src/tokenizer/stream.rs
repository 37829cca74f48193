//! Text of ids that come one by one.

use std::sync::Arc;

use super::Tokenizer;
use crate::error::Result;

/// Turns ids into text as they come: never half a character, and never the beginning of what may become a stop text.
///
/// The pieces that [`TextStream::push`] and [`TextStream::finish`] return make up the text of all ids, up to the first
/// stop text.
pub struct TextStream<'t> {
    tokenizer: Option<&'t Tokenizer>,
    stop: &'t [String],
    /// The ids since the piece before the last one, and how many of them have been turned into text: a decoder may treat
    /// the first of its ids differently, so the last piece is decoded with the new one.
    ids: Vec<i32>,
    turned: usize,
    /// Text that may be the beginning of a stop text.
    held: String,
    stopped: bool,
}

impl<'t> TextStream<'t> {
    /// A stream of new text; special tokens are left out. Without a tokenizer, ids stand for themselves.
    pub fn new(tokenizer: impl Into<Option<&'t Tokenizer>>) -> TextStream<'t> {
        TextStream::until(tokenizer, &[])
    }

    /// As [`TextStream::new`], ending before the first of the texts `stop`.
    pub fn until(tokenizer: impl Into<Option<&'t Tokenizer>>, stop: &'t [String]) -> TextStream<'t> {
        TextStream { tokenizer: tokenizer.into(), stop, ids: vec![], turned: 0, held: String::new(), stopped: false }
    }

    /// Before anything is pushed: the ids go on after `prompt`, whose text is not returned. Some decoders drop a space
    /// before the first of all ids.
    #[must_use]
    pub fn after(self, prompt: &[i32]) -> TextStream<'t> {
        TextStream { ids: prompt.to_vec(), turned: prompt.len(), ..self }
    }

    /// The text that `id` completes.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`]
    pub fn push(&mut self, id: i32) -> Result<String> {
        self.ids.push(id);
        let text = self.fresh()?;
        if text.is_empty() || text.ends_with(char::REPLACEMENT_CHARACTER) {
            return Ok(String::new());
        }
        self.ids.drain(..self.turned);
        self.turned = self.ids.len();
        Ok(self.release(&text, false))
    }

    /// The rest: half a character, and text that became no stop text. The stream begins anew.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`]
    pub fn finish(&mut self) -> Result<String> {
        let text = self.fresh()?;
        let rest = self.release(&text, true);
        *self = TextStream::until(self.tokenizer, self.stop);
        Ok(rest)
    }

    /// True after a stop text.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// The text of the ids that have not been turned.
    fn fresh(&self) -> Result<String> {
        let decode = |ids: &[i32]| match self.tokenizer {
            Some(tokenizer) => tokenizer.decode(ids, true),
            None => Ok(ids.iter().map(|id| format!(" {id}")).collect()),
        };
        let (before, text) = (decode(&self.ids[..self.turned])?, decode(&self.ids)?);
        Ok(text.get(before.len()..).unwrap_or_default().to_owned())
    }

    /// What of the held text and `text` is no part of a stop text.
    fn release(&mut self, text: &str, last: bool) -> String {
        if self.stopped {
            return String::new();
        }
        self.held.push_str(text);
        if let Some(end) = first_of(&self.held, self.stop) {
            self.held.truncate(end);
            self.stopped = true;
            return std::mem::take(&mut self.held);
        }
        let keep = if last { 0 } else { self.stop.iter().map(|stop| begun(&self.held, stop)).max().unwrap_or(0) };
        let rest = self.held.split_off(self.held.len() - keep);
        std::mem::replace(&mut self.held, rest)
    }
}

/// Where the first of `stop` begins in `text`.
fn first_of(text: &str, stop: &[String]) -> Option<usize> {
    stop.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| text.find(stop.as_str())).min()
}

/// Bytes at the end of `text` that `stop` begins with.
fn begun(text: &str, stop: &str) -> usize {
    let parts = stop.char_indices().map(|(at, _)| at).filter(|&at| text.ends_with(&stop[..at]));
    parts.max().unwrap_or(0)
}

/// Texts that end a sequence.
#[derive(Debug)]
pub struct StopStrings {
    tokenizer: Arc<Tokenizer>,
    strings: Vec<String>,
}

impl StopStrings {
    /// The texts `strings`, as `tokenizer` writes them.
    pub fn new(tokenizer: Arc<Tokenizer>, strings: Vec<String>) -> StopStrings {
        StopStrings { tokenizer, strings }
    }

    /// The texts.
    pub fn strings(&self) -> &[String] {
        &self.strings
    }

    /// True if one of the texts is in that of `ids` from the `first` on.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`]
    pub fn found(&self, ids: &[i32], first: usize) -> Result<bool> {
        let near = first.saturating_sub(1);
        let before = self.tokenizer.decode(&ids[near..first], true)?;
        let text = self.tokenizer.decode(&ids[near..], true)?;
        Ok(text.get(before.len()..).is_some_and(|text| first_of(text, &self.strings).is_some()))
    }
}
