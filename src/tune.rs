//! Measured choices between variants, kept from run to run.
//!
//! A table belongs to an adapter with its driver and limits and to a version of wgpu; in it, a choice belongs to a call
//! (kernel, shapes, strides, parameters) and to the text of the kernel's shaders. Where no table has a choice, or the
//! choice does not fit, the kernel's own `choose` serves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use crate::adapter::Adapter;
use crate::error::{Error, Result};
use crate::file::{fnv, read_capped, write_atomic};
use crate::json::{self, Map, Value};
use crate::kernel::{Call, Variant};
use crate::shader::Shaders;
use crate::shape::Dims;

pub mod measure;

/// What the first key of a file says.
const FORMAT: &str = "handmill tune 1";
/// A longer file is none of ours.
const MAX_FILE: u64 = 16 << 20;
/// Its version is part of what a measurement depends on.
const WGPU: &str = env!("HANDMILL_WGPU");

/// Tables of choices, by adapter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tuned {
    tables: BTreeMap<String, BTreeMap<String, String>>,
}

impl Tuned {
    /// The variant that was measured to be the fastest for `call`, if it still fits.
    pub fn choice(&self, call: &Call, adapter: &Adapter, shaders: &Shaders) -> Option<&'static Variant> {
        if self.tables.is_empty() {
            return None;
        }
        let word = self.tables.get(&identity(adapter))?.get(&key(call, shaders).ok()?)?;
        let found = call.kernel.variants.iter().find(|v| v.word() == word);
        found.filter(|v| v.fits(call, adapter))
    }

    /// True if there is a choice for `call`, fitting or not.
    pub fn has(&self, call: &Call, adapter: &Adapter, shaders: &Shaders) -> Result<bool> {
        let table = self.tables.get(&identity(adapter));
        Ok(table.is_some_and(|table| key(call, shaders).is_ok_and(|key| table.contains_key(&key))))
    }

    /// Remembers that `word` is the variant for `call`.
    ///
    /// # Errors
    /// If a shader of the kernel cannot be read
    pub fn insert(&mut self, call: &Call, adapter: &Adapter, shaders: &Shaders, word: &str) -> Result<()> {
        let key = key(call, shaders)?;
        self.tables.entry(identity(adapter)).or_default().insert(key, word.to_owned());
        Ok(())
    }

    /// The tables in `folder`; and a sentence about each file that is none.
    pub fn read(folder: &Path) -> (Tuned, Vec<String>) {
        let (mut tuned, mut notices) = (Tuned::default(), vec![]);
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|e| e.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|e| e == "json"));
        paths.sort();
        for path in paths {
            match table(&path) {
                Ok((adapter, variants)) => tuned.tables.entry(adapter).or_default().extend(variants),
                Err(e) => notices.push(format!("{e}; it is ignored")),
            }
        }
        (tuned, notices)
    }

    /// Writes the table of `adapter` to its file in `folder`, which is made if need be.
    ///
    /// # Errors
    /// [`Error::File`] if that fails; the file keeps its old content
    pub fn write(&self, folder: &Path, adapter: &Adapter) -> Result<PathBuf> {
        std::fs::create_dir_all(folder).map_err(|e| Error::file(folder, format!("cannot be made: {e}")))?;
        let adapter = identity(adapter);
        let variants = self.tables.get(&adapter);
        let path = folder.join(format!("{:016x}.json", fnv(adapter.as_bytes())));
        let text = json!({ "format": FORMAT, "adapter": adapter, "variants": variants.cloned().unwrap_or_default() });
        write_atomic(&path, |out| writeln!(out, "{text:#}"))?;
        Ok(path)
    }
}

/// The tables of the user's cache folder, with notices; empty where there is no such folder.
pub fn cached() -> (Arc<Tuned>, Vec<String>) {
    let found = folder().map(|folder| Tuned::read(&folder));
    let (tuned, notices) = found.unwrap_or_default();
    (Arc::new(tuned), notices)
}

/// Where the tables lie.
pub fn folder() -> Option<PathBuf> {
    crate::file::cache_folder().map(|cache| cache.join("tune"))
}

/// An adapter as measurements know it.
fn identity(a: &Adapter) -> String {
    let limits = [a.max_invocations, a.max_workgroup_bytes, a.max_storage_buffers].map(|n| n.to_string()).join("/");
    format!(
        "{}, {}, driver {}, f16 {}, subgroups {:?}, limits {limits}, wgpu {WGPU}",
        a.name, a.backend, a.driver, a.f16, a.subgroup
    )
}

/// A call as measurements know it, such as
/// `matmul x (1, 4096) f32 · w (4096, 4096) f32 strides (1, 4096) · activation none · shaders 0123…`.
///
/// # Errors
/// If a shader of the kernel cannot be read
pub fn key(call: &Call, shaders: &Shaders) -> Result<String> {
    let mut parts = vec![];
    for (port, operand) in call.kernel.inputs.iter().zip(&call.inputs) {
        let Some(operand) = operand else { continue };
        let layout = &operand.layout;
        let mut part = format!("{} {} {}", port.name, Dims(&layout.shape), operand.dtype);
        if !layout.is_contiguous() {
            part.push_str(&format!(" strides {} from {}", Dims(&layout.strides), layout.offset));
        }
        parts.push(part);
    }
    parts.extend(call.params.iter().map(|(name, value)| format!("{name} {value}")));
    let mut text = String::new();
    for variant in call.kernel.variants {
        text.push_str(&format!("{:016x}", shaders.fingerprint(variant.shader)?));
    }
    parts.push(format!("shaders {:016x}", fnv(text.as_bytes())));
    Ok(format!("{} {}", call.kernel.name, parts.join(" · ")))
}

/// The adapter of a file and its choices.
fn table(path: &Path) -> Result<(String, BTreeMap<String, String>)> {
    let mut file = json::parse_object(path, &read_capped(path, MAX_FILE)?)?;
    let wrong = || Error::file(path, "is no table of measured variants");
    let mut take = |key: &str| file.remove(key).unwrap_or_default();
    let (Value::String(format), Value::String(adapter), Value::Object(variants)) =
        (take("format"), take("adapter"), take("variants"))
    else {
        return Err(wrong());
    };
    if format != FORMAT {
        return Err(wrong());
    }
    let words = |variants: Map<String, Value>| {
        let word = |(key, word): (String, Value)| Some((key, word.as_str()?.to_owned()));
        variants.into_iter().map(word).collect::<Option<_>>()
    };
    Ok((adapter, words(variants).ok_or_else(wrong)?))
}
