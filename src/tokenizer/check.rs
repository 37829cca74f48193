//! What is checked in a `tokenizer.json` before the library sees it.

use std::collections::HashSet;

use crate::file::excerpt;
use crate::json::{Map, Value, describe};

/// The most added tokens, and the most normalizers, pre-tokenizers and the like together.
const MAX_ADDED: usize = 100_000;
const MAX_PARTS: usize = 1_000;
/// The longest regular expression, in bytes.
const MAX_PATTERN: usize = 8 << 10;
/// How many times longer the replacements of a file may make a text, all of them together.
const MAX_GROWTH: usize = 1_000;

/// Refuses what makes the library panic, take unbounded memory or number tokens ambiguously.
pub(super) fn check(json: &Value) -> Result<(), String> {
    let Some(top) = json.as_object() else { return Err(format!("it is {}, not an object", describe(json))) };
    let Some(model) = top.get("model").and_then(Value::as_object) else { return Err("it has no model".into()) };
    let empty = vocabulary(model)?;
    merges(model)?;
    added_tokens(top, empty)?;
    let mut budget = Budget { parts: MAX_PARTS, growth: MAX_GROWTH };
    ["normalizer", "pre_tokenizer", "post_processor", "decoder"]
        .iter()
        .filter_map(|key| top.get(*key))
        .try_for_each(|value| parts(value, &mut budget))
}

/// Turns off padding, truncation and dropout; true if something had to be changed.
pub(super) fn disarm(json: &mut Value) -> bool {
    let mut changed = false;
    let mut off = |value: Option<&mut Value>| {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            *value = Value::Null;
            changed = true;
        }
    };
    off(json.get_mut("padding"));
    off(json.get_mut("truncation"));
    off(json.pointer_mut("/model/dropout"));
    changed
}

/// Contents and ids of the added tokens; `check` has passed.
pub(super) fn added(json: &Value) -> impl Iterator<Item = (&str, u64)> {
    let list = json.get("added_tokens").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|token| Some((token.get("content")?.as_str()?, token.get("id")?.as_u64()?)))
}

fn id(value: &Value, token: &str) -> Result<u64, String> {
    value.as_u64().filter(|&id| id <= i32::MAX as u64).ok_or_else(|| {
        format!(
            "token \"{}\" has id {}, expected a whole number from 0 to {}",
            excerpt(token),
            describe(value),
            i32::MAX
        )
    })
}

/// Checks the ids of the vocabulary; true if it is empty.
fn vocabulary(model: &Map<String, Value>) -> Result<bool, String> {
    let vocab = match model.get("vocab") {
        Some(Value::Object(vocab)) => vocab,
        // Unigram: a list, whose positions are the ids.
        Some(Value::Array(list)) => return unigram(model, list),
        _ => return Err("its model has no vocabulary".into()),
    };
    let mut seen = HashSet::with_capacity(vocab.len());
    for (token, value) in vocab {
        if !seen.insert(id(value, token)?) {
            return Err(format!("two tokens have id {value}, \"{}\" is one", excerpt(token)));
        }
    }
    match model.get("unk_token") {
        Some(Value::String(unknown)) if !unknown.is_empty() && !vocab.contains_key(unknown) && needs_unknown(model) => {
            Err(format!("the vocabulary lacks the unknown token \"{}\"", excerpt(unknown)))
        }
        _ => Ok(vocab.is_empty()),
    }
}

/// BPE leaves unknown characters out where it has no token for them; the others fail at the first one.
fn needs_unknown(model: &Map<String, Value>) -> bool {
    !model.contains_key("merges")
}

fn unigram(model: &Map<String, Value>, list: &[Value]) -> Result<bool, String> {
    if let Some(value) = model.get("unk_id").filter(|value| !value.is_null()) {
        let length = list.len() as u64;
        if value.as_u64().is_none_or(|id| id >= length) {
            return Err(format!("unk_id is {}, but there are {length} tokens", describe(value)));
        }
    }
    Ok(list.is_empty())
}

/// Every merge joins two tokens to a third, all of them in the vocabulary.
fn merges(model: &Map<String, Value>) -> Result<(), String> {
    let (Some(Value::Object(vocab)), Some(Value::Array(merges))) = (model.get("vocab"), model.get("merges")) else {
        return Ok(());
    };
    let prefix = model.get("continuing_subword_prefix").and_then(Value::as_str).unwrap_or("");
    for (n, merge) in merges.iter().enumerate() {
        let pair = match merge {
            Value::String(line) if line.starts_with("#version") => continue,
            Value::String(line) => line.split_once(' '),
            Value::Array(pair) if pair.len() == 2 => pair[0].as_str().zip(pair[1].as_str()),
            _ => None,
        };
        let Some((left, right)) = pair else { return Err(format!("merge {n} is not a pair of tokens")) };
        let Some(rest) = right.strip_prefix(prefix) else {
            return Err(format!("merge {n}: \"{}\" does not begin with \"{}\"", excerpt(right), excerpt(prefix)));
        };
        let joined = format!("{left}{rest}");
        if let Some(lacking) = [left, right, &joined].into_iter().find(|token| !vocab.contains_key(*token)) {
            return Err(format!("merge {n} needs \"{}\", which the vocabulary lacks", excerpt(lacking)));
        }
    }
    Ok(())
}

fn added_tokens(top: &Map<String, Value>, vocab_empty: bool) -> Result<(), String> {
    let empty = Vec::new();
    let list = match top.get("added_tokens") {
        None | Some(Value::Null) => &empty,
        Some(Value::Array(list)) => list,
        Some(other) => return Err(format!("added_tokens is {}, not a list", describe(other))),
    };
    if list.is_empty() && vocab_empty {
        return Err("the vocabulary is empty".into());
    }
    if list.len() > MAX_ADDED {
        return Err(format!("{} added tokens, more than {MAX_ADDED}", list.len()));
    }
    let mut seen = HashSet::new();
    for token in list {
        let Some(content) = token.get("content").and_then(Value::as_str) else {
            return Err("an added token has no content".into());
        };
        if content.is_empty() {
            return Err("an added token is empty".into());
        }
        let id = id(token.get("id").unwrap_or(&Value::Null), content)?;
        if !seen.insert(id) {
            return Err(format!("two added tokens have id {id}, \"{}\" is one", excerpt(content)));
        }
    }
    Ok(())
}

struct Budget {
    parts: usize,
    growth: usize,
}

/// Walks a normalizer, pre-tokenizer, post-processor or decoder with everything inside it.
fn parts(value: &Value, budget: &mut Budget) -> Result<(), String> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| parts(item, budget)),
        Value::Object(fields) => {
            if let Some(kind) = fields.get("type").and_then(Value::as_str) {
                budget.parts = budget.parts.checked_sub(1).ok_or_else(|| format!("more than {MAX_PARTS} parts"))?;
                part(kind, fields, budget)?;
            }
            fields.values().try_for_each(|field| parts(field, budget))
        }
        _ => Ok(()),
    }
}

fn part(kind: &str, fields: &Map<String, Value>, budget: &mut Budget) -> Result<(), String> {
    let pattern = fields.get("pattern").and_then(|pattern| pattern.get("Regex").or_else(|| pattern.get("String")));
    let pattern = pattern.and_then(Value::as_str).unwrap_or("");
    if pattern.len() > MAX_PATTERN {
        return Err(format!("a pattern is {} bytes long, more than {MAX_PATTERN}", pattern.len()));
    }
    match kind {
        "FixedLength" if fields.get("length").is_some_and(|length| length.as_u64() == Some(0)) => {
            Err("FixedLength has length 0".into())
        }
        "Replace" => {
            let content = fields.get("content").and_then(Value::as_str).unwrap_or("").len();
            let literal = fields.get("pattern").is_some_and(|pattern| pattern.get("String").is_some());
            // A regular expression may match one character, or none and so keep the character too.
            let factor = if literal { content.div_ceil(pattern.len().max(1)) } else { content + 1 };
            budget.growth /= factor.max(1);
            if budget.growth == 0 { Err(format!("replacements make a text {MAX_GROWTH} times longer")) } else { Ok(()) }
        }
        "TemplateProcessing" => template(fields),
        _ => Ok(()),
    }
}

/// Every special token of a template is defined, with as many ids as tokens.
fn template(fields: &Map<String, Value>) -> Result<(), String> {
    let defined = fields.get("special_tokens").and_then(Value::as_object);
    for piece in ["single", "pair"].iter().filter_map(|key| fields.get(*key)?.as_array()).flatten() {
        let Some(name) = piece.pointer("/SpecialToken/id").and_then(Value::as_str) else { continue };
        if defined.is_none_or(|defined| !defined.contains_key(name)) {
            return Err(format!("the template uses \"{}\", which is not one of its special tokens", excerpt(name)));
        }
    }
    for (name, token) in defined.into_iter().flatten() {
        let count = |key: &str| token.get(key).and_then(Value::as_array).map(Vec::len);
        if count("ids") != count("tokens") {
            return Err(format!("special token \"{}\" has not as many ids as tokens", excerpt(name)));
        }
    }
    Ok(())
}
