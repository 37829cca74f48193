//! Text to token ids and back, by a `tokenizer.json`.
//!
//! The `tokenizers` crate does the work. It panics on some crafted files and takes gigabytes for
//! others, so a file is checked first, and every call is guarded: a panic is an error here.

mod check;
mod stream;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::file::{bytes, excerpt, read_capped};
use crate::guard::guarded;
use crate::json::Value;

pub use stream::{StopStrings, TextStream};

/// The longest `tokenizer.json` that is read, in bytes.
pub const MAX_FILE: u64 = 128 << 20;
/// The longest text that is encoded at once, in bytes: some seconds. Longer ones are to be cut at lines.
pub const MAX_TEXT: usize = 4 << 20;
/// The depth at which a `tokenizer.json` may nest.
const MAX_DEPTH: usize = 24;

/// A tokenizer: ids are `i32`, as the graph's inputs take them.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    path: PathBuf,
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokenizer({}, {} tokens)", self.path.display(), self.vocab_size())
    }
}

impl Tokenizer {
    /// Loads a `tokenizer.json`.
    ///
    /// Padding and truncation that the file asks for are left to the caller, as in transformers;
    /// dropout of merges, a method of training, is off.
    ///
    /// # Errors
    /// [`Error::File`] if the file is too long, not JSON, or no working tokenizer.
    pub fn open(path: impl AsRef<Path>) -> Result<Tokenizer> {
        let path = path.as_ref();
        let fail = |message: String| Error::file(path, format!("is not a usable tokenizer: {message}"));
        let content = read_capped(path, MAX_FILE)?;
        let mut json = crate::json::parse(path, &content, MAX_DEPTH)?;
        check::check(&json).map_err(fail)?;
        let content = if check::disarm(&mut json) { json.to_string().into_bytes() } else { content };
        let inner = guarded(|| tokenizers::Tokenizer::from_bytes(&content)).map_err(|e| fail(broken(&e)))?;
        let inner = inner.map_err(|e| fail(excerpt(&e.to_string())))?;
        let tokenizer = Tokenizer { inner, path: path.to_owned() };
        tokenizer.check_added(&json).map_err(fail)?;
        tokenizer.try_out().map_err(fail)?;
        Ok(tokenizer)
    }

    /// The ids of `text`; `special` adds what the model expects around it, such as `[CLS]` and `[SEP]`.
    ///
    /// # Errors
    /// [`Error::File`] about the tokenizer if `text` is longer than [`MAX_TEXT`] or cannot be encoded.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<i32>> {
        let encoding = self.encoding(text.len(), || self.inner.encode_fast(text, special))?;
        self.ids(encoding.get_ids())
    }

    /// The ids of two texts as one sequence with special tokens, and which text each belongs to.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_pair(&self, first: &str, second: &str) -> Result<(Vec<i32>, Vec<i32>)> {
        let length = first.len().saturating_add(second.len());
        let encoding = self.encoding(length, || self.inner.encode_fast((first, second), true))?;
        Ok((self.ids(encoding.get_ids())?, self.ids(encoding.get_type_ids())?))
    }

    fn encoding(
        &self,
        length: usize,
        encode: impl FnOnce() -> tokenizers::Result<tokenizers::Encoding>,
    ) -> Result<tokenizers::Encoding> {
        let fail = |message: String| Error::file(&self.path, format!("cannot encode this text: {message}"));
        if length > MAX_TEXT {
            let (length, most) = (bytes(length as u64), bytes(MAX_TEXT as u64));
            return Err(fail(format!("it is {length} long, more than {most}")));
        }
        guarded(encode).map_err(|e| fail(broken(&e)))?.map_err(|e| fail(excerpt(&e.to_string())))
    }

    /// The text of `ids`; `skip_special` leaves out special tokens.
    ///
    /// # Errors
    /// [`Error::File`] about the tokenizer if an id is not one of its own, or it fails.
    pub fn decode(&self, ids: &[i32], skip_special: bool) -> Result<String> {
        let fail = |message: String| Error::file(&self.path, format!("cannot decode these ids: {message}"));
        let known = |&id: &i32| u32::try_from(id).ok().filter(|&id| self.inner.id_to_token(id).is_some()).ok_or(id);
        let ids: Vec<u32> =
            ids.iter().map(known).collect::<Result<_, i32>>().map_err(|id| fail(format!("{id} is not a token")))?;
        let text = guarded(|| self.inner.decode(&ids, skip_special)).map_err(|e| fail(broken(&e)))?;
        text.map_err(|e| fail(excerpt(&e.to_string())))
    }

    /// How many tokens there are, added ones included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The id of `token`, such as `<|endoftext|>`.
    pub fn id(&self, token: &str) -> Option<i32> {
        self.inner.token_to_id(token).and_then(|id| i32::try_from(id).ok())
    }

    /// The token with this id, as it stands in the vocabulary.
    pub fn token(&self, id: i32) -> Option<String> {
        self.inner.id_to_token(u32::try_from(id).ok()?)
    }

    /// Some faults of a file only show in use; better now than in the middle of a run. A text that
    /// cannot be encoded is none.
    fn try_out(&self) -> Result<(), String> {
        let used = guarded(|| {
            let ids = self.inner.encode_fast("a B1.\n", true).map(|encoding| encoding.get_ids().to_vec());
            let _ = self.inner.decode(&ids.unwrap_or_default(), false);
            let _ = self.inner.encode_fast(("a", "b"), true);
        });
        used.map_err(|panic| broken(&panic))
    }

    fn ids(&self, ids: &[u32]) -> Result<Vec<i32>> {
        let id = |&id: &u32| {
            i32::try_from(id)
                .map_err(|_| Error::file(&self.path, format!("has a token id of {id}, more than i32 holds")))
        };
        ids.iter().map(id).collect()
    }

    /// The crate numbers added tokens itself, whatever the file says: a difference would feed the
    /// model other tokens than it was trained with.
    fn check_added(&self, json: &Value) -> Result<(), String> {
        for (content, id) in check::added(json) {
            let found = self.inner.token_to_id(content);
            if found.map(u64::from) != Some(id) {
                let found = found.map_or("none".into(), |id| id.to_string());
                return Err(format!("added token \"{}\" has id {id}, but is given {found}", excerpt(content)));
            }
        }
        Ok(())
    }
}

fn broken(panic: &str) -> String {
    format!("the tokenizer library failed on it: {}", excerpt(panic))
}
