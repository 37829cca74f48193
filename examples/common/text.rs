//! Texts as token ids, and back.

use handmill::engine::Tensors;
use handmill::error::{Error, Result};
use handmill::tensor::HostTensor;
use handmill::tokenizer::Tokenizer;

/// Texts as token ids: those of a tokenizer, or, with random weights, bytes.
pub struct Text(pub Option<Tokenizer>);

impl Text {
    /// The ids of `text`, with the special tokens that the model expects.
    pub fn encode(&self, text: &str) -> Result<Vec<i32>> {
        match &self.0 {
            Some(tokenizer) => tokenizer.encode(text, true),
            None => Ok(text.bytes().map(i32::from).collect()),
        }
    }

    /// The ids of `text`, which must have some, cut to `most`.
    pub fn encode_within(&self, text: &str, most: usize) -> Result<Vec<i32>> {
        if text.trim().is_empty() {
            return Err(Error::tensor("the text", "is empty, expected some words"));
        }
        let mut ids = self.encode(text)?;
        self.cut(&mut ids, most)?;
        Ok(ids)
    }

    /// Cuts a sequence to `most` tokens, with a notice; a special token at its end, such as `[SEP]`, stays.
    pub fn cut(&self, ids: &mut Vec<i32>, most: usize) -> Result<()> {
        let (count, Some(&end)) = (ids.len(), ids.last()) else { return Ok(()) };
        if count > most {
            eprintln!("a text has {count} tokens and the model takes {most}: the end is cut off");
            ids.truncate(most);
            if self.0.is_some() && self.encode("")?.last() == Some(&end) {
                ids[most - 1] = end;
            }
        }
        Ok(())
    }

    /// The text of `ids` without special tokens; ids in the place of words without a tokenizer.
    pub fn decode(&self, ids: &[i32]) -> String {
        match &self.0 {
            Some(tokenizer) => tokenizer.decode(ids, true).unwrap_or_default(),
            None => ids.iter().map(|id| format!(" {id}")).collect(),
        }
    }

    /// The token `id`, as a reader knows it: word pieces without the signs of their vocabularies for spaces.
    pub fn token(&self, id: i32) -> String {
        match &self.0 {
            Some(tokenizer) => {
                let token = tokenizer.token(id).unwrap_or_else(|| id.to_string());
                token.trim_start_matches(['\u{120}', '\u{2581}']).trim_end_matches("</w>").to_owned()
            }
            None if id == 32 => "_".into(),
            None => u8::try_from(id).ok().filter(u8::is_ascii_graphic).map_or(id.to_string(), |b| char::from(b).into()),
        }
    }
}

/// `input_ids` and `attention_mask`, both (B, T), of sequences of several lengths.
pub fn batch(rows: &[Vec<i32>]) -> Tensors {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let padded = |name: &str, token: fn(i32) -> i32| {
        let row =
            |ids: &Vec<i32>| ids.iter().map(|&id| token(id)).chain(vec![0; columns - ids.len()]).collect::<Vec<i32>>();
        (name.to_owned(), HostTensor::i32(&[rows.len(), columns], rows.iter().flat_map(row).collect()))
    };
    [padded("input_ids", |id| id), padded("attention_mask", |_| 1)].into()
}
