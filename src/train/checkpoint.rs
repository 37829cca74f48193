//! Checkpoints of a training run: everything that the next step needs, in `OUT/checkpoints/step-000123.safetensors`.
//!
//! A file is complete or not there (`write_atomic`). Its metadata holds a CRC-32 of every tensor and of itself, so that
//! what a disk or a copy changed is found. A file that is damaged is refused, never passed over: the choice of an older
//! one is the user's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::engine::Tensors;
use crate::error::{Error, Result};
use crate::file::{available_memory, bytes, excerpt, read_capped, sweep, write_atomic};
use crate::shape::Dims;
use crate::tensor::{Dtype, HostTensor};
use crate::train::data::Position;
use crate::weights::{Checkpoint, FileDtype, save_described};

/// The version of the layout that is written, and the only one that is read.
pub const FORMAT: u32 = 1;
/// The key of the metadata.
const KEY: &str = "handmill.training";
/// The file that names the checkpoint saved last.
const LATEST: &str = "latest";
const PREFIX: &str = "step-";
const SUFFIX: &str = ".safetensors";

/// CRC-32 and length of bytes that come in parts: equal for equal bytes, and for others once in four billion.
#[derive(Debug, Clone, Default)]
pub struct Fingerprint {
    crc: crc32fast::Hasher,
    bytes: u64,
}

/// What makes a run this run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// `seed` of `train.json`.
    pub seed: u64,
    /// Fingerprint of the rest of `train.json`.
    pub train: String,
    /// Fingerprint of `config.json`.
    pub config: String,
    /// Fingerprint of the data.
    pub data: String,
}

/// What a checkpoint holds besides tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meta {
    /// [`FORMAT`]
    pub format: u32,
    /// Updates that are done.
    pub step: u64,
    /// Passes over the data that are done.
    pub epoch: u64,
    /// How much of this pass is done.
    pub offset: u64,
    /// What makes the run this run.
    pub identity: Identity,
    /// Version of the engine.
    pub engine: String,
    /// Name of the adapter.
    pub adapter: String,
    /// Numbers of the loop, such as the best loss so far: any f64, bit for bit.
    #[serde(with = "bits")]
    pub numbers: BTreeMap<String, f64>,
}

/// A checkpoint that was read.
#[derive(Debug)]
pub struct Resumed {
    /// The file.
    pub path: PathBuf,
    /// What it holds besides tensors.
    pub meta: Meta,
    /// All tensors: `weights.<key>`, `optimizer.<state>.<key>` and whatever else was saved.
    pub tensors: Tensors,
    /// What the user should know though it is no error.
    pub notices: Vec<String>,
}

/// The checkpoints of a run.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
}

/// The metadata: what it says, and the checksum of every tensor.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    meta: Meta,
    tensors: BTreeMap<String, String>,
}

/// Numbers as the 16 digits of their bits: JSON has no infinities, and its readers may round.
mod bits {
    use std::collections::BTreeMap;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(numbers: &BTreeMap<String, f64>, s: S) -> Result<S::Ok, S::Error> {
        let text: BTreeMap<&str, String> =
            numbers.iter().map(|(name, v)| (name.as_str(), format!("{:016x}", v.to_bits()))).collect();
        text.serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, f64>, D::Error> {
        let text = BTreeMap::<String, String>::deserialize(d)?;
        let number = |(name, text): (String, String)| {
            let bits = u64::from_str_radix(&text, 16).map_err(|_| D::Error::custom(format!("{name} is no number")))?;
            Ok((name, f64::from_bits(bits)))
        };
        text.into_iter().map(number).collect()
    }
}

impl Fingerprint {
    /// Adds a part.
    pub fn add(&mut self, part: &[u8]) {
        self.crc.update(part);
        self.bytes += part.len() as u64;
    }

    /// `crc32:` with the checksum and the length.
    pub fn text(&self) -> String {
        format!("crc32:{:08x}:{}", self.crc.clone().finalize(), self.bytes)
    }
}

/// The fingerprint of `bytes`.
pub fn fingerprint(bytes: &[u8]) -> String {
    let mut print = Fingerprint::default();
    print.add(bytes);
    print.text()
}

impl Identity {
    /// Fails unless `now` is the same run; `path` is the checkpoint that this is from.
    ///
    /// # Errors
    /// [`Error::File`] naming what differs
    pub fn check(&self, path: &Path, now: &Identity) -> Result<()> {
        let mut other = Vec::new();
        for (what, then, now) in [
            ("another train.json", &self.train, &now.train),
            ("another config.json", &self.config, &now.config),
            ("other data", &self.data, &now.data),
        ] {
            if then != now {
                other.push(what.to_owned());
            }
        }
        if self.seed != now.seed {
            other.push(format!("seed {}, not {}", self.seed, now.seed));
        }
        if other.is_empty() {
            return Ok(());
        }
        Err(Error::file(path, format!("was made with {}; go on with what it was made with", other.join(" and "))))
    }
}

impl Meta {
    /// The meta data of a run after `step` updates, by this engine.
    pub fn new(step: u64, position: Position, identity: Identity, adapter: &str) -> Meta {
        Meta {
            format: FORMAT,
            step,
            epoch: position.epoch,
            offset: position.offset,
            identity,
            engine: env!("CARGO_PKG_VERSION").into(),
            adapter: adapter.into(),
            numbers: BTreeMap::new(),
        }
    }

    /// What may make the same steps give other bits than before: another engine or adapter.
    pub fn notices(&self, adapter: &str) -> Vec<String> {
        let engine = env!("CARGO_PKG_VERSION");
        let mut notices = Vec::new();
        for (what, then, now) in [("engine", &*self.engine, engine), ("adapter", &*self.adapter, adapter)] {
            if then != now {
                notices.push(format!(
                    "the checkpoint is from {what} {}, this is {now}: results may differ",
                    excerpt(then)
                ));
            }
        }
        notices
    }
}

impl Checkpoints {
    /// The checkpoints in `OUT/checkpoints`, of which `keep` are kept: two at least.
    pub fn new(out: &Path, keep: usize) -> Checkpoints {
        Checkpoints { folder: out.join("checkpoints"), keep: keep.max(2) }
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Saves a checkpoint, then says in `latest` that it is there, then removes old ones. Returns its path and what
    /// could not be removed.
    ///
    /// Checkpoints of later steps, which a run leaves that was resumed from an earlier one, stay.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written; the ones before are left as they were
    pub fn save(&self, meta: &Meta, tensors: &Tensors) -> Result<(PathBuf, Vec<String>)> {
        fs::create_dir_all(&self.folder).map_err(|e| Error::file(&self.folder, format!("cannot be made: {e}")))?;
        sweep(&self.folder, |name| name == LATEST || step_of(name).is_some());
        let checksums = tensors.iter().map(|(name, tensor)| (name.clone(), checksum(tensor))).collect();
        let path = self.folder.join(file_name(meta.step));
        let sealed = serde_json::to_string(&Sealed { meta: meta.clone(), tensors: checksums });
        let sealed = sealed.map_err(|e| Error::file(&path, format!("cannot be written: {e}")))?;
        let sealed = format!("{:08x} {sealed}", crc32fast::hash(sealed.as_bytes()));
        save_described(&path, tensors, KEY, sealed)?;
        write_atomic(&self.folder.join(LATEST), |out| writeln!(out, "{}", file_name(meta.step)))?;
        Ok((path, self.prune(meta.step)))
    }

    fn prune(&self, step: u64) -> Vec<String> {
        let old = list(&self.folder).into_iter().filter(|&(at, _)| at <= step);
        let remove = |(_, path): (u64, PathBuf)| match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Some(format!("{} cannot be removed: {e}", path.display()))
            }
            _ => None,
        };
        old.skip(self.keep).filter_map(remove).collect()
    }
}

/// Reads the checkpoint at `path`: a file, a folder of checkpoints, or the `--out` of a run.
///
/// Of a folder it is the one that `latest` names, or, where there is no such file, the one of the highest step.
///
/// # Errors
/// [`Error::File`] if it is damaged, with the one before that is not; if there is none
pub fn resume(path: &Path) -> Result<Resumed> {
    let (path, notices) = if path.is_dir() { newest(path)? } else { (path.to_owned(), Vec::new()) };
    match load(&path) {
        Ok((meta, tensors)) => Ok(Resumed { path, meta, tensors, notices }),
        Err(Error::File { path: at, message }) if path.exists() => {
            let hint = match before(&path) {
                Some(other) => format!("; the one before is whole: --resume {}", other.display()),
                None => "; there is no other that is whole".into(),
            };
            Err(Error::file(at, message + &hint))
        }
        Err(e) => Err(e),
    }
}

/// Reads and verifies one file.
fn load(path: &Path) -> Result<(Meta, Tensors)> {
    let file = Checkpoint::open(path)?;
    let fail = |message: String| Error::file(path, message);
    let Some(sealed) = file.metadata(KEY) else {
        return Err(fail("is not a checkpoint of a training: it has no state of one".into()));
    };
    let body = match sealed.split_once(' ') {
        Some((sum, body)) if sum == format!("{:08x}", crc32fast::hash(body.as_bytes())) => body,
        _ => return Err(fail("is damaged: the checksum of its state is wrong".into())),
    };
    let format = serde_json::from_str::<serde_json::Value>(body).ok().and_then(|v| v["meta"]["format"].as_u64());
    if format != Some(FORMAT.into()) {
        let found = format.map_or("no number".into(), |n| n.to_string());
        return Err(fail(format!("has format {found}, this version reads {FORMAT}")));
    }
    let Sealed { meta, tensors: checksums } = serde_json::from_str(body)
        .map_err(|e| fail(format!("has a state that cannot be read: {}", excerpt(&e.to_string()))))?;
    let named = path.file_name().and_then(|name| step_of(name.to_str()?));
    if let Some(named) = named.filter(|&named| named != meta.step) {
        return Err(fail(format!("holds step {}, its name says {named}", meta.step)));
    }
    let need =
        file.tensors().iter().fold(0u64, |sum, t| sum.saturating_add(4 * t.shape.iter().product::<usize>() as u64));
    let have = available_memory();
    if need > have {
        let message = format!("needs {} of host memory, {} can be used", bytes(need), bytes(have));
        return Err(Error::limit(path.display().to_string(), message));
    }
    if let Some(info) = file.tensors().iter().find(|info| !checksums.contains_key(&info.name)) {
        return Err(fail(format!("is damaged: tensor \"{}\" does not belong to its state", info.name)));
    }
    let tensor = |(name, expected): (String, String)| {
        let tensor = file.load_as(&name, dtype(&file, &name))?;
        match checksum(&tensor) {
            found if found == expected => Ok((name, tensor)),
            found => Err(fail(format!("is damaged: tensor \"{name}\" has checksum {found}, expected {expected}"))),
        }
    };
    let tensors = checksums.into_iter().map(tensor).collect::<Result<Tensors>>()?;
    Ok((meta, tensors))
}

/// The dtype that a tensor had when it was saved.
fn dtype(file: &Checkpoint, name: &str) -> Dtype {
    match file.info(name).map(|info| info.dtype) {
        Some(FileDtype::F16) => Dtype::F16,
        Some(FileDtype::I32) => Dtype::I32,
        Some(FileDtype::U32) => Dtype::U32,
        _ => Dtype::F32,
    }
}

/// Of the type, the shape and the values.
fn checksum(tensor: &HostTensor) -> String {
    let mut crc = crc32fast::Hasher::new();
    crc.update(format!("{} {}", tensor.dtype(), Dims(tensor.shape())).as_bytes());
    crc.update(tensor.bytes());
    format!("{:08x}", crc.finalize())
}

fn file_name(step: u64) -> String {
    format!("{PREFIX}{step:06}{SUFFIX}")
}

/// The step of a checkpoint's name.
fn step_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let step = digits.parse().ok()?;
    (file_name(step) == name).then_some(step)
}

/// The checkpoints in `folder`, newest first.
fn list(folder: &Path) -> Vec<(u64, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<_> =
        entries.filter_map(|entry| Some((step_of(entry.file_name().to_str()?)?, entry.path()))).collect();
    found.sort_by_key(|&(step, _)| std::cmp::Reverse(step));
    found
}

/// The checkpoint to take from a folder.
fn newest(path: &Path) -> Result<(PathBuf, Vec<String>)> {
    let inner = path.join("checkpoints");
    let folder = if inner.is_dir() { inner } else { path.to_owned() };
    let found = list(&folder);
    let Some((_, newest)) = found.into_iter().next() else {
        return Err(Error::file(folder, "has no checkpoints"));
    };
    let latest = folder.join(LATEST);
    if !latest.exists() {
        let notice = format!("{} is missing; {} is the newest", latest.display(), newest.display());
        return Ok((newest, vec![notice]));
    }
    let hint = format!("the newest is: --resume {}", newest.display());
    let content = read_capped(&latest, 200)?;
    let name = String::from_utf8_lossy(&content);
    let name = name.trim_end();
    if step_of(name).is_none() {
        return Err(Error::file(latest, format!("holds \"{}\", not the name of a checkpoint; {hint}", excerpt(name))));
    }
    let named = folder.join(name);
    match named.exists() {
        true => Ok((named, Vec::new())),
        false => Err(Error::file(latest, format!("names {name}, which is not there; {hint}"))),
    }
}

/// The newest whole checkpoint of an earlier step beside `path`, or of any step where the name of `path` tells none.
fn before(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let step = path.file_name().and_then(|name| step_of(name.to_str()?)).unwrap_or(u64::MAX);
    list(folder).into_iter().filter(|&(at, _)| at < step).map(|(_, path)| path).find(|path| load(path).is_ok())
}
