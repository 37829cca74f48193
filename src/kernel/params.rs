//! Parameters of a call: declared with kinds and defaults, given by name.

use std::collections::BTreeMap;

/// A parameter's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// A real number.
    Float(f64),
    /// A switch.
    Flag(bool),
    /// A choice by name.
    Text(String),
    /// A list of whole numbers.
    Ints(Vec<i64>),
}

impl From<i64> for Value {
    fn from(v: i64) -> Value {
        Value::Int(v)
    }
}
impl From<usize> for Value {
    fn from(v: usize) -> Value {
        Value::Int(v as i64)
    }
}
impl From<f64> for Value {
    fn from(v: f64) -> Value {
        Value::Float(v)
    }
}
impl From<bool> for Value {
    fn from(v: bool) -> Value {
        Value::Flag(v)
    }
}
impl From<&str> for Value {
    fn from(v: &str) -> Value {
        Value::Text(v.to_owned())
    }
}
impl From<Vec<i64>> for Value {
    fn from(v: Vec<i64>) -> Value {
        Value::Ints(v)
    }
}
impl From<&[usize]> for Value {
    fn from(v: &[usize]) -> Value {
        Value::Ints(v.iter().map(|&n| n as i64).collect())
    }
}
impl<const N: usize> From<[usize; N]> for Value {
    fn from(v: [usize; N]) -> Value {
        Value::from(&v[..])
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Int(v) => write!(f, "{v}"),
            Value::Float(v) => write!(f, "{v:?}"),
            Value::Flag(v) => write!(f, "{v}"),
            Value::Text(v) => f.write_str(v),
            Value::Ints(v) => write!(f, "{v:?}"),
        }
    }
}

/// A declared parameter and its default.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Name, also the JSON key of `kernel run --params`.
    pub name: &'static str,
    /// Kind and default.
    pub default: Default,
}

/// Kind and default of a [`Param`].
#[derive(Debug, Clone, Copy)]
pub enum Default {
    /// A whole number that must be given.
    NeedInt,
    /// A real number that must be given.
    NeedFloat,
    /// A list of whole numbers that must be given.
    NeedInts,
    /// A whole number.
    Int(i64),
    /// A real number.
    Float(f64),
    /// A switch.
    Flag(bool),
    /// A choice by name.
    Text(&'static str),
    /// A list of whole numbers.
    Ints(&'static [i64]),
}

impl Param {
    /// Shorthand constructor.
    pub const fn new(name: &'static str, default: Default) -> Param {
        Param { name, default }
    }
}

/// The parameters of one call, by name; defaults filled in.
#[derive(Debug, Clone, PartialEq, std::default::Default)]
pub struct Params(BTreeMap<&'static str, Value>);

impl Params {
    /// The given values checked against `declared`, with defaults for the rest.
    pub fn new(declared: &'static [Param], given: &[(&str, Value)]) -> Result<Params, String> {
        for (name, _) in given {
            if !declared.iter().any(|p| p.name == *name) {
                let known: Vec<_> = declared.iter().map(|p| p.name).collect();
                return Err(format!(
                    "no parameter '{name}'; it has {}",
                    if known.is_empty() { "none".into() } else { known.join(", ") }
                ));
            }
        }
        let mut map = BTreeMap::new();
        for p in declared {
            let value = given.iter().rev().find(|(name, _)| *name == p.name).map(|(_, v)| v.clone());
            let value = match (p.default, value) {
                (Default::NeedFloat | Default::Float(_), Some(Value::Int(v))) => Value::Float(v as f64),
                (Default::NeedInt | Default::Int(_), Some(v @ Value::Int(_)))
                | (Default::NeedFloat | Default::Float(_), Some(v @ Value::Float(_)))
                | (Default::NeedInts | Default::Ints(_), Some(v @ Value::Ints(_)))
                | (Default::Flag(_), Some(v @ Value::Flag(_)))
                | (Default::Text(_), Some(v @ Value::Text(_))) => v,
                (_, Some(v)) => return Err(format!("parameter '{}' is {v}, which has the wrong type", p.name)),
                (Default::Int(v), None) => Value::Int(v),
                (Default::Float(v), None) => Value::Float(v),
                (Default::Flag(v), None) => Value::Flag(v),
                (Default::Text(v), None) => Value::Text(v.to_owned()),
                (Default::Ints(v), None) => Value::Ints(v.to_vec()),
                (Default::NeedInt | Default::NeedFloat | Default::NeedInts, None) => {
                    return Err(format!("parameter '{}' is missing", p.name));
                }
            };
            map.insert(p.name, value);
        }
        Ok(Params(map))
    }

    /// All values in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(k, v)| (*k, v))
    }

    /// The value called `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Replaces a declared value (the planner's fusions do).
    pub fn set(&mut self, name: &'static str, value: Value) {
        self.0.insert(name, value);
    }
}
