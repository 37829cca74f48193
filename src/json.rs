//! JSON from outside: capped depth, every key once, and errors in one sentence.

use std::fmt;
use std::path::Path;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
pub use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::file::excerpt;

/// The depth at which objects and arrays of configurations may nest.
pub const MAX_DEPTH: usize = 32;

/// The text of `bytes`: UTF-8 without a byte order mark or NUL.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, String> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err("begins with a byte order mark, which JSON does not allow".into());
    }
    let text = std::str::from_utf8(bytes).map_err(|e| format!("is not UTF-8 text, at byte {}", e.valid_up_to()))?;
    match bytes.iter().position(|&b| b == 0) {
        Some(at) => Err(format!("contains a NUL byte, at byte {at}")),
        None => Ok(text),
    }
}

/// Parses `bytes`, at most `depth` deep.
///
/// # Errors
/// [`Error::File`] about `path` if this is not JSON, nests deeper or has a key twice.
pub fn parse(path: &Path, bytes: &[u8], depth: usize) -> Result<Value> {
    parse_text(bytes, depth).map_err(|message| Error::file(path, message))
}

/// Parses `bytes` as a JSON object.
///
/// # Errors
/// As [`parse`], and if it is another value than an object.
pub fn parse_object(path: &Path, bytes: &[u8]) -> Result<Map<String, Value>> {
    match parse(path, bytes, MAX_DEPTH)? {
        Value::Object(map) => Ok(map),
        other => Err(Error::file(path, format!("is {}, not a JSON object", describe(&other)))),
    }
}

fn parse_text(bytes: &[u8], depth: usize) -> Result<Value, String> {
    let mut reader = serde_json::Deserializer::from_str(text(bytes)?);
    let value = Strict { depth, max: depth }.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|e| format!("is not valid JSON: {}", excerpt(&e.to_string())))
}

/// A value as an error message names it: its kind, and the value itself where it is short.
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => format!("\"{}\"", excerpt(text)),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".into(),
    }
}

/// Builds a [`Value`], refusing duplicate keys: serde_json would keep the last one in silence.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
    max: usize,
}

impl Strict {
    fn inside<E: de::Error>(self) -> Result<Strict, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Strict { depth, ..self }),
            None => Err(E::custom(format!("nested deeper than {}", self.max))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inside)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(de::Error::custom(format!("key \"{}\" occurs twice", excerpt(&key))));
            }
            let value = entries.next_value_seed(inside)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// Pairs of an object whose values are all `T`, in file order, every key once.
pub(crate) struct Pairs<T>(pub Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Read<T> {
            type Value = Pairs<T>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Pairs<T>, A::Error> {
                let (mut pairs, mut seen) = (Vec::new(), std::collections::HashSet::new());
                while let Some(key) = entries.next_key::<String>()? {
                    if !seen.insert(key.clone()) {
                        return Err(de::Error::custom(format!("key \"{}\" occurs twice", excerpt(&key))));
                    }
                    pairs.push((key, entries.next_value()?));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Read(std::marker::PhantomData))
    }
}

/// A `T` that is written as an object: serde would also take its fields from a list.
pub(crate) struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Read<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Object<T>, A::Error> {
                T::deserialize(de::value::MapAccessDeserializer::new(entries)).map(Object)
            }
        }
        deserializer.deserialize_map(Read(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(bytes: &[u8]) -> String {
        parse_text(bytes, 4).unwrap_err()
    }

    #[test]
    fn accepts_json_and_keeps_the_order_of_keys() {
        let value = parse_text(br#" {"b": [1, -2, 3.5, null, true], "a": {"x": "y"}} "#, 4).unwrap();
        assert_eq!(value.to_string(), r#"{"b":[1,-2,3.5,null,true],"a":{"x":"y"}}"#);
    }

    #[test]
    fn refuses_what_is_not_plain_json() {
        assert_eq!(error(b"\xef\xbb\xbf{}"), "begins with a byte order mark, which JSON does not allow");
        assert_eq!(error(b"{\xff}"), "is not UTF-8 text, at byte 1");
        assert_eq!(error(b"{}\0\0"), "contains a NUL byte, at byte 2");
        assert_eq!(error(b""), "is not valid JSON: EOF while parsing a value at line 1 column 0");
        assert_eq!(error(b"{} {}"), "is not valid JSON: trailing characters at line 1 column 4");
        assert_eq!(error(b"[NaN]"), "is not valid JSON: expected value at line 1 column 2");
        assert_eq!(error(b"[1e999]"), "is not valid JSON: number out of range at line 1 column 6");
    }

    #[test]
    fn refuses_duplicate_keys_and_deep_nesting() {
        let twice = "is not valid JSON: key \"a\" occurs twice at line 1 column ";
        assert!(error(br#"{"a": 1, "a": 2}"#).starts_with(twice));
        assert!(error(br#"{"x": {"a": 1, "\u0061": 2}}"#).starts_with(twice));
        assert!(parse_text(b"[[[[]]]]", 4).is_ok());
        assert!(error(b"[[[[[]]]]]").starts_with("is not valid JSON: nested deeper than 4"));
        assert!(error(&b"[".repeat(200_000)).starts_with("is not valid JSON: nested deeper than 4"));
    }
}
