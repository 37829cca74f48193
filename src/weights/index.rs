//! The index of a sharded checkpoint: `*.safetensors.index.json`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::header::{MAX_HEADER, MAX_TENSORS};
use crate::error::{Error, Result};
use crate::file::{excerpt, is_printable, read_capped};
use crate::json::{self, Object, Pairs};

/// The most files a checkpoint may be split into.
const MAX_SHARDS: usize = 1_000;

/// `metadata.total_size` is not believed: it is wrong in many published indexes.
#[derive(Deserialize)]
struct Raw {
    weight_map: Pairs<String>,
    #[serde(default, rename = "metadata")]
    _metadata: Option<IgnoredAny>,
}

/// The shards that `index` lists, each with the tensors it should hold, all of them existing files
/// in the index's folder.
pub(super) fn shards(index: &Path) -> Result<BTreeMap<PathBuf, Vec<String>>> {
    let fail = |message: String| Error::file(index, message);
    let content = read_capped(index, MAX_HEADER)?;
    let text = json::text(&content).map_err(fail)?;
    let Object::<Raw>(raw) = serde_json::from_str(text)
        .map_err(|e| fail(format!("is not a valid index of shards: {}", excerpt(&e.to_string()))))?;
    let Pairs(map) = raw.weight_map;
    if map.len() > MAX_TENSORS {
        return Err(fail(format!("lists {} tensors, more than {MAX_TENSORS}", map.len())));
    }
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (tensor, file) in map {
        if !files.contains_key(&file) {
            check_name(&file).map_err(|e| fail(format!("shard \"{}\" {e}", excerpt(&file))))?;
        }
        files.entry(file).or_default().push(tensor);
    }
    if files.len() > MAX_SHARDS {
        return Err(fail(format!("lists {} shards, more than {MAX_SHARDS}", files.len())));
    }
    let folder = match index.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let missing: Vec<&str> = files.keys().map(|name| &**name).filter(|name| !folder.join(name).exists()).collect();
    if !missing.is_empty() {
        return Err(fail(format!("{} of {} shards are missing: {}", missing.len(), files.len(), missing.join(", "))));
    }
    for name in files.keys() {
        contained(folder, name).map_err(|e| fail(format!("shard {name} {e}")))?;
    }
    Ok(files.into_iter().map(|(name, tensors)| (folder.join(name), tensors)).collect())
}

/// A shard is named by its bare file name.
fn check_name(name: &str) -> Result<(), String> {
    let bare = !name.contains(['/', '\\', ':']) && name.chars().all(is_printable) && !name.starts_with('.');
    match (bare, name.ends_with(".safetensors") && name.len() <= 255) {
        (false, _) => Err("is not the name of a file in this folder".into()),
        (_, false) => Err("is not a .safetensors file".into()),
        _ => Ok(()),
    }
}

/// A shard may not be a link that leads out of the folder, except into the hub cache it belongs to:
/// there, snapshots are links into the folder `blobs` beside them.
fn contained(folder: &Path, name: &str) -> Result<(), String> {
    let unreadable = |e: std::io::Error| format!("cannot be opened: {e}");
    let root = folder.canonicalize().map_err(unreadable)?;
    let shard = root.join(name).canonicalize().map_err(unreadable)?;
    let snapshots = root.ancestors().find(|path| path.file_name() == Some(OsStr::new("snapshots")));
    let blobs = snapshots.and_then(Path::parent).map(|repository| repository.join("blobs"));
    if shard.starts_with(&root) || blobs.is_some_and(|blobs| shard.starts_with(blobs)) {
        return Ok(());
    }
    Err("is a link that leads out of the folder".into())
}
