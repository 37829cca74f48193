//! Typed values out of `config.json`, read the way Hugging Face's libraries do: unknown keys are
//! ignored, a missing key or `null` takes the default, and everything else must be what it should be.
//!
//! A getter returns the value or its default and remembers the first fault, so that the code that
//! reads a configuration stays a list of fields; [`Config::finish`] reports it.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::file::excerpt;
use crate::json::{Map, Value, describe};

/// The largest size that a configuration may ask for.
pub const MAX_SIZE: usize = 1 << 31;
/// The longest list in a configuration.
const MAX_LIST: usize = 4096;
/// Letters of an unknown key that are compared with the known ones.
const MAX_KEY: usize = 64;

/// A JSON object whose fields are read by name and type.
#[derive(Debug, Clone)]
pub struct Config {
    map: Rc<Map<String, Value>>,
    /// Before every key in a message: the file, and the objects inside.
    place: String,
    first: Rc<RefCell<Option<Error>>>,
}

impl Config {
    /// The fields of `map`; `place` names the file in messages.
    pub fn new(place: impl Display, map: Map<String, Value>) -> Config {
        Config { map: Rc::new(map), place: place.to_string(), first: Rc::default() }
    }

    /// The fields of a JSON object in `text`.
    ///
    /// # Errors
    /// [`Error::File`] if it is not a JSON object.
    pub fn parse(place: &str, text: &str) -> Result<Config> {
        Ok(Config::new(place, crate::json::parse_object(place.as_ref(), text.as_bytes())?))
    }

    /// This configuration with the fields of `other` where it has none.
    pub fn or(&self, other: &Config) -> Config {
        let mut map = (*other.map).clone();
        map.extend(self.map.iter().filter(|(_, value)| !value.is_null()).map(|(k, v)| (k.clone(), v.clone())));
        Config { map: Rc::new(map), place: self.place.clone(), first: Rc::clone(&self.first) }
    }

    /// The first fault that a getter met, if any.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key, what was found and what was expected.
    pub fn finish(&self) -> Result<()> {
        self.first.borrow_mut().take().map_or(Ok(()), Err)
    }

    /// Remembers a fault of `name`, unless there is one already.
    pub fn fail(&self, name: &str, message: impl Into<String>) {
        let what = format!("{}: {name}", self.place);
        self.first.borrow_mut().get_or_insert_with(|| Error::config(what, message));
    }

    /// Remembers `message` as a fault of `name` unless `holds`.
    pub fn require(&self, holds: bool, name: &str, message: impl FnOnce() -> String) {
        if !holds {
            self.fail(name, message());
        }
    }

    /// Remembers a key that is not among `known` as a fault: where a misspelt key must not pass for a default.
    pub fn only(&self, known: &[&str]) {
        if let Some(name) = self.map.keys().find(|name| !known.contains(&name.as_str())) {
            let hint = match nearest(name, known) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("the keys are {}", known.join(", ")),
            };
            self.fail(&excerpt(name), format!("is not a key here; {hint}"));
        }
    }

    /// What stands before every key in a message.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// All fields.
    pub fn map(&self) -> &Map<String, Value> {
        &self.map
    }

    /// The value of `name`, where it is there and not `null`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// True if `name` is there as `null`, for the few keys whose default is another value.
    pub fn is_null(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(Value::is_null)
    }

    /// True if `name` is there and not `null`.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The object under `name`. Its faults are remembered here.
    pub fn object(&self, name: &str) -> Option<Config> {
        let value = self.read(name, None, "an object", |value| value.as_object().cloned().map(Some))?;
        let place = format!("{}: {name}", self.place);
        Some(Config { map: Rc::new(value), place, first: Rc::clone(&self.first) })
    }

    /// A size: a whole number from 1 to [`MAX_SIZE`].
    pub fn usize(&self, name: &str, default: usize) -> usize {
        self.usize_in(name, default, 1..=MAX_SIZE)
    }

    /// A whole number in `range`.
    pub fn usize_in(&self, name: &str, default: usize, range: RangeInclusive<usize>) -> usize {
        self.read(name, default, &whole_in(&range), |value| unsigned(value, &range))
    }

    /// A size that has no default; 1 after a fault.
    pub fn required_usize(&self, name: &str) -> usize {
        self.required_usize_in(name, 1..=MAX_SIZE)
    }

    /// A whole number in `range` that has no default; the start of the range after a fault.
    pub fn required_usize_in(&self, name: &str, range: RangeInclusive<usize>) -> usize {
        self.need(name, &whole_in(&range));
        self.usize_in(name, *range.start(), range)
    }

    /// A whole number that may be negative.
    pub fn integer(&self, name: &str, default: i64, range: RangeInclusive<i64>) -> i64 {
        let read = |value: &Value| whole(value).and_then(|v| i64::try_from(v).ok()).filter(|v| range.contains(v));
        self.read(name, default, &whole_in(&range), read)
    }

    /// A finite number.
    pub fn f64(&self, name: &str, default: f64) -> f64 {
        self.read(name, default, "a number", Value::as_f64)
    }

    /// A number in `range`.
    pub fn f64_in(&self, name: &str, default: f64, range: RangeInclusive<f64>) -> f64 {
        let expected = format!("a number from {} to {}", range.start(), range.end());
        self.read(name, default, &expected, |value| value.as_f64().filter(|v| range.contains(v)))
    }

    /// A number above 0, such as an epsilon, a rate or a temperature.
    pub fn positive(&self, name: &str, default: f64) -> f64 {
        self.read(name, default, "a number above 0", |value| value.as_f64().filter(|&v| v > 0.0))
    }

    /// A number above 0 that has no default; 1 after a fault.
    pub fn required_positive(&self, name: &str) -> f64 {
        self.need(name, "a number above 0");
        self.positive(name, 1.0)
    }

    /// `true` or `false`.
    pub fn bool(&self, name: &str, default: bool) -> bool {
        self.read(name, default, "true or false", Value::as_bool)
    }

    /// One of the texts that are `allowed`.
    pub fn text(&self, name: &str, default: &'static str, allowed: &[&'static str]) -> &'static str {
        self.read(name, default, &one_of(allowed), |value| pick(value, allowed))
    }

    /// One of `allowed`, without a default; the first of them after a fault.
    pub fn required_text(&self, name: &str, allowed: &[&'static str]) -> &'static str {
        self.need(name, &one_of(allowed));
        self.text(name, allowed[0], allowed)
    }

    /// Any text, if it is there.
    pub fn any_text(&self, name: &str) -> Option<String> {
        self.read(name, None, "a text", |value| value.as_str().map(|text| Some(text.to_owned())))
    }

    /// A list of texts that are `allowed`.
    pub fn texts(&self, name: &str, default: &[&'static str], allowed: &[&'static str]) -> Vec<&'static str> {
        let expected = format!("a list with elements of {}", allowed.join(", "));
        self.read(name, default.to_vec(), &expected, |value| list(value, |item| pick(item, allowed)))
    }

    /// A list of sizes, each from 1 to [`MAX_SIZE`].
    pub fn list(&self, name: &str, default: &[usize]) -> Vec<usize> {
        self.list_in(name, default, 1..=MAX_SIZE)
    }

    /// A list of whole numbers in `range`.
    pub fn list_in(&self, name: &str, default: &[usize], range: RangeInclusive<usize>) -> Vec<usize> {
        let expected = format!("a list, each {}", whole_in(&range));
        self.read(name, default.to_vec(), &expected, |value| list(value, |item| unsigned(item, &range)))
    }

    /// A list of sizes that has no default; empty after a fault.
    pub fn required_list(&self, name: &str) -> Vec<usize> {
        self.need(name, "a list of whole numbers");
        self.list(name, &[])
    }

    /// A list of finite numbers.
    pub fn floats(&self, name: &str, default: &[f64]) -> Vec<f64> {
        self.read(name, default.to_vec(), "a list of numbers", |value| list(value, Value::as_f64))
    }

    /// A size for both axes, `n`, or one for each, `[vertical, horizontal]`.
    pub fn pair(&self, name: &str, default: [usize; 2]) -> [usize; 2] {
        self.pair_in(name, default, 1..=MAX_SIZE)
    }

    /// As [`Config::pair`], with whole numbers in `range`.
    pub fn pair_in(&self, name: &str, default: [usize; 2], range: RangeInclusive<usize>) -> [usize; 2] {
        let expected = format!("{}, or two of them", whole_in(&range));
        self.read(name, default, &expected, |value| match value {
            Value::Array(items) => {
                let items = items.iter().map(|item| unsigned(item, &range)).collect::<Option<Vec<_>>>()?;
                items.try_into().ok()
            }
            number => unsigned(number, &range).map(|n| [n, n]),
        })
    }

    /// A pair that has no default; ones after a fault.
    pub fn required_pair(&self, name: &str) -> [usize; 2] {
        self.need(name, &format!("{}, or two of them", whole_in(&(1..=MAX_SIZE))));
        self.pair(name, [1, 1])
    }

    /// Token ids below `vocab`: one, or a list; empty where `name` is missing.
    pub fn ids(&self, name: &str, vocab: usize) -> Vec<i32> {
        let expected = format!("token ids below {vocab}");
        let id = |value: &Value| unsigned(value, &(0..=vocab.checked_sub(1)?)).and_then(|id| i32::try_from(id).ok());
        self.read(name, Vec::new(), &expected, |value| match value {
            Value::Array(_) => list(value, id),
            one => id(one).map(|id| vec![id]),
        })
    }

    /// One token id below `vocab`, if it is there.
    pub fn id(&self, name: &str, vocab: usize) -> Option<i32> {
        let ids = self.ids(name, vocab);
        self.require(ids.len() <= 1, name, || format!("found {} ids, expected one", ids.len()));
        ids.first().copied()
    }

    /// Remembers the fault of a key that is needed and missing.
    fn need(&self, name: &str, expected: &str) {
        self.require(self.has(name), name, || format!("is missing, expected {expected}"));
    }

    fn read<T>(&self, name: &str, default: T, expected: &str, read: impl FnOnce(&Value) -> Option<T>) -> T {
        let Some(value) = self.get(name) else { return default };
        read(value).unwrap_or_else(|| {
            self.fail(name, format!("found {}, expected {expected}", shown(value)));
            default
        })
    }
}

/// `value` for a message; short lists in full.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(items) if items.len() <= 8 => excerpt(&value.to_string()),
        other => describe(other),
    }
}

fn whole_in<T: Display>(range: &RangeInclusive<T>) -> String {
    format!("a whole number from {} to {}", range.start(), range.end())
}

fn one_of(allowed: &[&str]) -> String {
    match allowed {
        [one] => format!("\"{one}\""),
        many => format!("one of {}", many.join(", ")),
    }
}

/// A number without a fraction; `8.0` is one, as in Python's own reading.
fn whole(value: &Value) -> Option<i128> {
    let number = value.as_number()?;
    let exact = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    exact.or_else(|| number.as_f64().filter(|v| v.fract() == 0.0 && v.abs() <= 2f64.powi(53)).map(|v| v as i128))
}

fn unsigned(value: &Value, range: &RangeInclusive<usize>) -> Option<usize> {
    whole(value).and_then(|v| usize::try_from(v).ok()).filter(|v| range.contains(v))
}

fn pick(value: &Value, allowed: &[&'static str]) -> Option<&'static str> {
    let text = value.as_str()?;
    allowed.iter().copied().find(|&known| known == text)
}

fn list<T>(value: &Value, item: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    value.as_array().filter(|items| items.len() <= MAX_LIST)?.iter().map(item).collect()
}

/// The one of `known` that takes the fewest edits, if a third of its letters or fewer.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|&key| (edits(name, key), key)).filter(|&(n, key)| 3 * n <= key.len().max(3));
    near.min_by_key(|&(n, _)| n).map(|(_, key)| key)
}

/// How many letters to insert, drop, change or swap with the next, to make `a` of `b`.
fn edits(a: &str, b: &str) -> usize {
    strsim::osa_distance(&a.chars().take(MAX_KEY).collect::<String>(), b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::parse("config.json", text).unwrap()
    }

    #[test]
    fn reads_values_and_defaults() {
        let c = config(
            r#"{"n": 8, "whole": 8.0, "none": null, "rate": 1e-5, "ten": 10, "on": true, "act": "gelu", "k": [3, 5],
               "size": 7, "sizes": [1, 2], "pad": -1, "eos": [3, 4], "bos": 2, "sub": {"factor": 2.5}, "blocks": ["a", "b"]}"#,
        );
        assert_eq!((c.usize("n", 1), c.usize("whole", 1), c.usize("none", 3), c.usize("absent", 4)), (8, 8, 3, 4));
        assert_eq!((c.f64("rate", 0.0), c.f64("ten", 0.0), c.positive("absent", 0.5)), (1e-5, 10.0, 0.5));
        assert_eq!((c.bool("on", false), c.text("act", "relu", &["relu", "gelu"])), (true, "gelu"));
        assert_eq!((c.pair("k", [1, 1]), c.pair("size", [1, 1]), c.list("sizes", &[])), ([3, 5], [7, 7], vec![1, 2]));
        assert_eq!(
            (c.integer("pad", 0, -1..=9), c.ids("eos", 9), c.id("bos", 9), c.id("none", 9)),
            (-1, vec![3, 4], Some(2), None)
        );
        assert_eq!(c.object("sub").unwrap().f64("factor", 1.0), 2.5);
        assert_eq!(c.texts("blocks", &[], &["a", "b"]), ["a", "b"]);
        assert!(c.object("absent").is_none() && c.has("n") && !c.has("none"));
        c.finish().unwrap();
    }

    #[test]
    fn keeps_the_first_fault_only() {
        let c = config(r#"{"a": 0, "b": "x"}"#);
        assert_eq!(c.usize("b", 5), 5);
        assert_eq!(c.usize("a", 6), 6);
        let expected = "config.json: b: found \"x\", expected a whole number from 1 to 2147483648";
        assert_eq!(c.finish().unwrap_err().to_string(), expected);
    }

    #[test]
    fn keys_that_are_not_known_are_faults() {
        let fault = |text: &str| {
            let c = config(text);
            c.only(&["learning_rate", "momentum"]);
            c.finish().unwrap_err().to_string()
        };
        let expected = r#"config.json: momentun: is not a key here; did you mean "momentum"?"#;
        assert_eq!(fault(r#"{"learning_rate": 1, "momentun": 0.9}"#), expected);
        let expected = "config.json: x: is not a key here; the keys are learning_rate, momentum";
        assert_eq!(fault(r#"{"x": 1}"#), expected);
        assert_eq!((edits("kitten", "sitting"), edits("", "abc"), edits("abc", "abc")), (3, 3, 0));
    }

    #[test]
    fn generation_values_stand_before_model_values() {
        let c = config(r#"{"eos_token_id": null, "top_k": 5}"#).or(&config(r#"{"eos_token_id": 2, "top_k": 9}"#));
        assert_eq!((c.id("eos_token_id", 10), c.usize("top_k", 1)), (Some(2), 5));
    }

    #[test]
    fn faults_of_an_inner_object_name_the_way_to_it() {
        let c = config(r#"{"rope_scaling": {"rope_type": "yarn"}}"#);
        c.object("rope_scaling").unwrap().text("rope_type", "default", &["default", "llama3"]);
        let expected = "config.json: rope_scaling: rope_type: found \"yarn\", expected one of default, llama3";
        assert_eq!(c.finish().unwrap_err().to_string(), expected);
    }

    #[test]
    fn an_unknown_key_meets_the_nearest_known_one() {
        let known = ["loss", "loss_args", "optimizer", "steps"];
        for (text, expected) in [
            (r#"{"loss": 1, "step": 2}"#, "train.json: step: is not a key here; did you mean \"steps\"?"),
            (r#"{"optimiser": 1}"#, "train.json: optimiser: is not a key here; did you mean \"optimizer\"?"),
            (r#"{"lsos": null}"#, "train.json: lsos: is not a key here; did you mean \"loss\"?"),
            (r#"{"x": 1}"#, "train.json: x: is not a key here; the keys are loss, loss_args, optimizer, steps"),
        ] {
            let c = Config::parse("train.json", text).unwrap();
            c.only(&known);
            assert_eq!(c.finish().unwrap_err().to_string(), expected);
        }
    }
}
