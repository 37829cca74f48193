//! A checkpoint on disk: which tensors it has, and one of them at a time in memory.

use std::collections::{BTreeMap, HashMap};
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use safetensors::Dtype as FileDtype;

use super::header::{self, MAX_TENSORS};
use super::{convert, index};
use crate::error::{Error, Result};
use crate::file::{available_memory, bytes, excerpt, open_regular, reserve};
use crate::tensor::{Data, Dtype, HostTensor};

/// Names under which libraries save weights, in the order in which they are tried.
const STEMS: [&str; 2] = ["model", "diffusion_pytorch_model"];

/// A tensor of a checkpoint, not loaded.
#[derive(Debug, Clone)]
pub struct TensorInfo {
    /// Its name in the file.
    pub name: String,
    /// Its element type in the file.
    pub dtype: FileDtype,
    /// Size of each axis.
    pub shape: Vec<usize>,
    file: usize,
    offset: u64,
}

/// One file of a checkpoint, as it was when its header was read.
#[derive(Debug)]
struct Source {
    path: PathBuf,
    size: u64,
    modified: Option<SystemTime>,
}

/// The tensors of a safetensors file, or of the shards of a model folder, loaded one by one.
///
/// No file stays open and nothing but the headers is kept.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    files: Vec<Source>,
    tensors: Vec<TensorInfo>,
    by_name: HashMap<String, usize>,
    metadata: HashMap<String, String>,
    notices: Vec<String>,
    max_memory: u64,
}

impl Checkpoint {
    /// Opens a safetensors file, an index of shards, or a folder that holds either.
    ///
    /// In a folder a single file comes before an index, and `model` before
    /// `diffusion_pytorch_model`, as in Hugging Face's libraries. One tensor may take the memory that
    /// is free now; [`Checkpoint::max_memory`] sets another bound.
    ///
    /// # Errors
    /// [`Error::File`] for whatever is wrong with the files.
    pub fn open(path: impl AsRef<Path>) -> Result<Checkpoint> {
        let path = path.as_ref();
        let mut checkpoint = Checkpoint {
            path: path.to_owned(),
            files: Vec::new(),
            tensors: Vec::new(),
            by_name: HashMap::new(),
            metadata: HashMap::new(),
            notices: Vec::new(),
            max_memory: available_memory(),
        };
        let file = if path.is_dir() { checkpoint.choose()? } else { path.to_owned() };
        if file.to_string_lossy().ends_with(".safetensors.index.json") {
            checkpoint.add_shards(&file)?;
        } else {
            checkpoint.add_file(&file)?;
        }
        Ok(checkpoint)
    }

    /// Refuses tensors that need more than `limit` bytes of host memory.
    pub fn max_memory(mut self, limit: u64) -> Checkpoint {
        self.max_memory = limit;
        self
    }

    /// Where it was opened: a file or a folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All tensors, in the order of the files.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// The tensor `name`, if there is one.
    pub fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.by_name.get(name).map(|&at| &self.tensors[at])
    }

    /// What the file says about itself under `key`; of shards, what the last that has it says.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// What the user should know though it is no error.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Loads `name` as `f32`, or as `i32` if it holds integers.
    ///
    /// # Errors
    /// As [`Checkpoint::load_as`].
    pub fn load(&self, name: &str) -> Result<HostTensor> {
        let dtype = self.info(name).map_or(Dtype::F32, |info| convert::natural(info.dtype));
        self.load_as(name, dtype)
    }

    /// Loads `name` as `dtype`: floats rounded to nearest even, integers range-checked.
    ///
    /// # Errors
    /// [`Error::File`] if there is no such tensor, if it holds floats where `dtype` is an integer type
    /// or the reverse, if a value does not fit, or if the file changed since it was opened;
    /// [`Error::Limit`] and [`Error::OutOfMemory`] if it is too large for the host.
    pub fn load_as(&self, name: &str, dtype: Dtype) -> Result<HostTensor> {
        let Some(info) = self.info(name) else {
            return Err(Error::file(&self.path, format!("has no tensor \"{}\"", excerpt(name))));
        };
        let source = &self.files[info.file];
        let fail = |message: String| Error::file(&source.path, format!("tensor \"{name}\": {message}"));
        if let Some(message) = convert::refuse(info.dtype, dtype) {
            return Err(Error::file(&source.path, format!("tensor \"{name}\" {message}")));
        }
        let n: usize = info.shape.iter().product();
        self.check_memory(name, n as u64 * dtype.size() as u64)?;
        let mut file = source.reopen()?;
        file.seek(SeekFrom::Start(info.offset)).map_err(|e| fail(format!("cannot be read: {e}")))?;
        let mut data = empty(dtype, n, &source.path)?;
        convert::fill(&mut file, info.dtype, n, &mut data).map_err(fail)?;
        HostTensor::new(&info.shape, data)
    }

    fn check_memory(&self, what: &str, need: u64) -> Result<()> {
        if need <= self.max_memory {
            return Ok(());
        }
        let what = format!("{}, {what}", self.path.display());
        Err(Error::limit(what, format!("needs {} of host memory, {} can be used", bytes(need), bytes(self.max_memory))))
    }

    /// The file or index to read in a folder.
    fn choose(&mut self) -> Result<PathBuf> {
        let there = |name: String| Some(self.path.join(name)).filter(|path| path.exists());
        let mut found = Vec::new();
        for stem in STEMS {
            found.extend(there(format!("{stem}.safetensors")));
            found.extend(there(format!("{stem}.safetensors.index.json")));
        }
        let Some(first) = found.first() else {
            let pickled = ["pytorch_model.bin", "pytorch_model.bin.index.json", "diffusion_pytorch_model.bin"];
            let hint = match pickled.iter().find(|name| self.path.join(name).exists()) {
                Some(name) => format!("; it has {name}, which has to be converted to safetensors"),
                None => String::new(),
            };
            let message = format!("has neither model.safetensors nor model.safetensors.index.json{hint}");
            return Err(Error::file(&self.path, message));
        };
        for other in &found[1..] {
            self.notices.push(format!("{} is read, {} is not", first.display(), other.display()));
        }
        Ok(first.clone())
    }

    fn add_shards(&mut self, index: &Path) -> Result<()> {
        let shards = index::shards(index)?;
        let mut absent = Vec::new();
        for (path, names) in &shards {
            self.add_file(path)?;
            let file = self.files.len() - 1;
            let held = |name: &str| self.info(name).is_some_and(|info| info.file == file);
            let shard = path.file_name().unwrap_or_default().to_string_lossy();
            absent.extend(names.iter().filter(|name| !held(name)).map(|name| format!("{} in {shard}", excerpt(name))));
        }
        if absent.is_empty() {
            return Ok(());
        }
        Err(Error::file(index, format!("lists tensors that its shards do not hold: {}", absent.join(", "))))
    }

    /// Adds the tensors of one file.
    fn add_file(&mut self, path: &Path) -> Result<()> {
        let (mut file, size) = open_regular(path)?;
        let modified = file.metadata().ok().and_then(|meta| meta.modified().ok());
        let (entries, metadata) = header::read(path, &mut file, size)?;
        self.metadata.extend(metadata);
        let number = self.files.len();
        self.files.push(Source { path: path.to_owned(), size, modified });
        if self.tensors.len() + entries.len() > MAX_TENSORS {
            return Err(Error::file(&self.path, format!("holds more than {MAX_TENSORS} tensors")));
        }
        for entry in entries {
            if let Some(other) = self.by_name.insert(entry.name.clone(), self.tensors.len()) {
                let other = self.files[self.tensors[other].file].path.display();
                return Err(Error::file(path, format!("holds tensor \"{}\", as {other} does", entry.name)));
            }
            self.tensors.push(TensorInfo {
                name: entry.name,
                dtype: entry.dtype,
                shape: entry.shape,
                file: number,
                offset: entry.offset,
            });
        }
        Ok(())
    }
}

impl Source {
    /// Opens the file again, if it still is the one whose header was read.
    fn reopen(&self) -> Result<std::fs::File> {
        let (file, size) = open_regular(&self.path)?;
        let modified = file.metadata().ok().and_then(|meta| meta.modified().ok());
        if size != self.size || modified != self.modified {
            return Err(Error::file(&self.path, "changed since it was opened"));
        }
        Ok(file)
    }
}

fn empty(dtype: Dtype, n: usize, path: &Path) -> Result<Data> {
    fn list<T>(n: usize, path: &Path) -> Result<Vec<T>> {
        let mut list = Vec::new();
        reserve(&mut list, n as u64, path)?;
        Ok(list)
    }
    Ok(match dtype {
        Dtype::F32 => Data::F32(list(n, path)?),
        Dtype::F16 => Data::F16(list(n, path)?),
        Dtype::I32 => Data::I32(list(n, path)?),
        Dtype::U32 => Data::U32(list(n, path)?),
    })
}

/// Loads all tensors of one safetensors file, as [`Checkpoint::load`] does, by name.
///
/// # Errors
/// As [`Checkpoint::open`] and [`Checkpoint::load_as`]; [`Error::Limit`] if all of them together need
/// more memory than there is.
pub fn load_tensors(path: impl AsRef<Path>) -> Result<BTreeMap<String, HostTensor>> {
    let path = path.as_ref();
    if path.is_dir() {
        return Err(Error::file(path, "is a folder, not a file"));
    }
    let file = Checkpoint::open(path)?;
    let sizes = file.tensors.iter().map(|info| info.shape.iter().product::<usize>() as u64);
    // Every tensor loads as four bytes an element, or not at all.
    file.check_memory("all tensors", sizes.fold(0, u64::saturating_add).saturating_mul(4))?;
    file.tensors.iter().map(|info| Ok((info.name.clone(), file.load(&info.name)?))).collect()
}
