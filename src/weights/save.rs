//! Tensors into a safetensors file.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::path::Path;

use safetensors::Dtype as FileDtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::header::{MAX_HEADER, MAX_TENSORS, check_name};
use crate::engine::Tensors;
use crate::error::{Error, Result};
use crate::file::{excerpt, write_atomic};
use crate::tensor::{Data, HostTensor};

/// Writes `tensors` to `path`, atomically: the old file or the new one, never a part.
///
/// `integers_as_i64` writes `i32` and `u32` as I64, which PyTorch takes for ids; otherwise they keep
/// their type. Equal tensors make equal bytes, whatever their order.
///
/// # Errors
/// [`Error::File`] if a name cannot stand in such a file or occurs twice, or if the file cannot be
/// written.
pub fn save_tensors(path: impl AsRef<Path>, tensors: &[(String, HostTensor)], integers_as_i64: bool) -> Result<()> {
    // transformers refuses files that do not say which framework's layout they have.
    let metadata = ("format".to_owned(), "pt".to_owned());
    save(path.as_ref(), tensors.iter().map(|(name, tensor)| (name, tensor)), integers_as_i64, metadata)
}

/// As [`save_tensors`], with `text` under `key` of the metadata and every integer in its own type.
pub(crate) fn save_described(path: &Path, tensors: &Tensors, key: &str, text: String) -> Result<()> {
    save(path, tensors.iter(), false, (key.to_owned(), text))
}

fn save<'a>(
    path: &Path,
    tensors: impl Iterator<Item = (&'a String, &'a HostTensor)>,
    integers_as_i64: bool,
    metadata: (String, String),
) -> Result<()> {
    let tensors: Vec<_> = tensors.collect();
    let fail = |message: String| Error::file(path, format!("cannot be written: {message}"));
    let mut names = HashSet::new();
    for &(name, _) in &tensors {
        let fault = if name == "__metadata__" { Err("the name is reserved".into()) } else { check_name(name) };
        fault.map_err(|e| fail(format!("tensor \"{}\": {e}", excerpt(name))))?;
        if !names.insert(name) {
            return Err(fail(format!("tensor \"{name}\" occurs twice")));
        }
    }
    if tensors.len() > MAX_TENSORS {
        return Err(fail(format!("{} tensors, more than {MAX_TENSORS}", tensors.len())));
    }
    // Wide elements first: then every tensor is aligned to its element without padding.
    let mut order: Vec<(&str, &HostTensor, FileDtype)> =
        tensors.iter().map(|&(name, tensor)| (name.as_str(), tensor, file_dtype(tensor, integers_as_i64))).collect();
    order.sort_by(|a, b| b.2.cmp(&a.2).then(a.0.cmp(b.0)));
    let header = header(&order, metadata).map_err(fail)?;
    write_atomic(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        order.iter().try_for_each(|(_, tensor, dtype)| write_values(out, tensor, *dtype))
    })
}

fn file_dtype(tensor: &HostTensor, integers_as_i64: bool) -> FileDtype {
    match tensor.data() {
        Data::F32(_) => FileDtype::F32,
        Data::F16(_) => FileDtype::F16,
        Data::I32(_) | Data::U32(_) if integers_as_i64 => FileDtype::I64,
        Data::I32(_) => FileDtype::I32,
        Data::U32(_) => FileDtype::U32,
    }
}

/// The header, padded with spaces so that the data starts at a multiple of 8.
fn header(order: &[(&str, &HostTensor, FileDtype)], metadata: (String, String)) -> Result<Vec<u8>, String> {
    let mut end = 0;
    let infos = order.iter().map(|(name, tensor, dtype)| {
        let begin = end;
        end += tensor.len() * dtype.bitsize() / 8;
        let shape = tensor.shape().to_vec();
        ((*name).to_owned(), TensorInfo { dtype: *dtype, shape, data_offsets: (begin, end) })
    });
    // One entry only: the order of a map of several would differ from run to run.
    let header = Metadata::new(Some(HashMap::from([metadata])), infos.collect()).map_err(|e| e.to_string())?;
    let mut header = serde_json::to_vec(&header).map_err(|e| e.to_string())?;
    header.resize(header.len().next_multiple_of(8), b' ');
    match header.len() as u64 {
        0..=MAX_HEADER => Ok(header),
        n => Err(format!("its header would take {n} bytes, more than {MAX_HEADER}")),
    }
}

fn write_values(out: &mut dyn Write, tensor: &HostTensor, dtype: FileDtype) -> io::Result<()> {
    match (tensor.data(), dtype) {
        (Data::I32(values), FileDtype::I64) => write_each(out, values, |v| i64::from(v).to_le_bytes()),
        (Data::U32(values), FileDtype::I64) => write_each(out, values, |v| i64::from(v).to_le_bytes()),
        (Data::F32(values), _) => write_each(out, values, f32::to_le_bytes),
        (Data::F16(values), _) => write_each(out, values, half::f16::to_le_bytes),
        (Data::I32(values), _) => write_each(out, values, i32::to_le_bytes),
        (Data::U32(values), _) => write_each(out, values, u32::to_le_bytes),
    }
}

fn write_each<T: Copy, const WIDTH: usize>(
    out: &mut dyn Write,
    values: &[T],
    bytes: impl Fn(T) -> [u8; WIDTH],
) -> io::Result<()> {
    let mut chunk = Vec::with_capacity(4096 * WIDTH);
    for part in values.chunks(4096) {
        chunk.clear();
        part.iter().for_each(|&value| chunk.extend_from_slice(&bytes(value)));
        out.write_all(&chunk)?;
    }
    Ok(())
}
