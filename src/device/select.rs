//! Which adapter is meant.

use std::fmt;

use crate::error::{Error, Result};
use crate::file::excerpt;

/// Which adapter to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Select {
    /// The best one: discrete, integrated, other, then software.
    Auto,
    /// The n-th of [`super::adapters`].
    Index(usize),
    /// The first whose name contains this, in any case.
    Name(String),
}

impl Select {
    /// `auto` and `gpu` (any wgpu adapter, software included), `gpu:N`, or a part of a name.
    pub fn parse(text: &str) -> Result<Select> {
        match text {
            "auto" | "gpu" => Ok(Select::Auto),
            "" => Err(Error::config("--device", "is empty, expected auto, gpu, gpu:N or a part of a name")),
            _ => match text.strip_prefix("gpu:") {
                Some(n) => n
                    .parse()
                    .map(Select::Index)
                    .map_err(|_| Error::config("--device", format!("'{n}' is not an adapter number"))),
                None => Ok(Select::Name(text.to_owned())),
            },
        }
    }
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Select::Auto => write!(f, "gpu"),
            Select::Index(n) => write!(f, "gpu:{n}"),
            Select::Name(name) => write!(f, "'{}'", excerpt(name)),
        }
    }
}
