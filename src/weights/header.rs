//! The header of a safetensors file, checked before a byte of data is read.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use safetensors::Dtype as FileDtype;
use serde::Deserialize;
use serde::de::value::Error as Unknown;
use serde::de::{Deserializer, Error as _, IntoDeserializer, MapAccess, Visitor};

use crate::error::{Error, Result};
use crate::file::{bytes, excerpt, is_printable, reserve};
use crate::json::{self, Object, Pairs};
use crate::shape::MAX_RANK;

/// The longest header that is read, in bytes.
pub const MAX_HEADER: u64 = 16 << 20;
/// The most tensors a file or a sharded checkpoint may hold.
pub const MAX_TENSORS: usize = 100_000;
/// The longest name of a tensor, in bytes.
pub const MAX_NAME: usize = 512;

/// One tensor of a file: where its bytes lie and what they mean.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub name: String,
    pub dtype: FileDtype,
    pub shape: Vec<usize>,
    /// From the start of the file.
    pub offset: u64,
    pub bytes: u64,
}

/// The texts that a file says about itself.
pub(super) type Metadata = Vec<(String, String)>;

/// Reads and checks the header of `file`, which is `size` bytes long. In the order of the header.
pub(super) fn read(path: &Path, file: &mut File, size: u64) -> Result<(Vec<Entry>, Metadata)> {
    let fail = |message: String| Error::file(path, message);
    let mut start = Vec::new();
    let io = |e: std::io::Error| fail(format!("cannot be read: {e}"));
    file.by_ref().take(64).read_to_end(&mut start).map_err(io)?;
    if size == 0 {
        return Err(fail("is empty".into()));
    }
    if start.get(8) != Some(&b'{')
        && let Some(kind) = other_format(&start)
    {
        return Err(fail(kind.into()));
    }
    let Some(length) = start.first_chunk::<8>().map(|b| u64::from_le_bytes(*b)) else {
        return Err(fail(format!("is {size} bytes long, too short for a safetensors file")));
    };
    let data_start = match length.checked_add(8) {
        Some(end) if end <= size => end,
        _ => return Err(fail(format!("is cut off: the header should be {length} bytes, the file has {}", size - 8))),
    };
    if length > MAX_HEADER {
        return Err(fail(format!("has a header of {}, more than the {} allowed", bytes(length), bytes(MAX_HEADER))));
    }
    let mut header = Vec::new();
    reserve(&mut header, length, path)?;
    header.extend(start.iter().skip(8).take(length as usize));
    file.by_ref().take(length - header.len() as u64).read_to_end(&mut header).map_err(io)?;
    if header.len() as u64 != length {
        return Err(fail("became shorter while it was read".into()));
    }
    parse(&header, data_start, size).map_err(|message| fail(format!("is not a valid safetensors file: {message}")))
}

/// What a file that is not safetensors is instead, with what to do about it.
fn other_format(start: &[u8]) -> Option<&'static str> {
    let kinds: [(&[u8], &str); 9] = [
        (b"version https://git-lfs", "is a Git LFS pointer, not the weights; run `git lfs pull` in its folder"),
        (b"PK\x03\x04", "is a zip archive, as PyTorch's .bin and .pt files are; convert it to safetensors"),
        (b"\x1f\x8b", "is compressed with gzip; unpack it first"),
        (b"GGUF", "is a GGUF file; only safetensors is read"),
        (b"\x89HDF", "is an HDF5 file; convert it to safetensors"),
        (b"\x93NUMPY", "is a NumPy file; convert it to safetensors"),
        (b"<!DOCTYPE", "is a web page, not the weights; download the file itself"),
        (b"<html", "is a web page, not the weights; download the file itself"),
        (b"\x28\xb5\x2f\xfd", "is compressed with zstd; unpack it first"),
    ];
    // A pickle starts with 0x80 and its protocol, which is also how a plausible length could start:
    // that of a header whose first byte is not `{`.
    let pickle = matches!(start, [0x80, 2..=5, ..]).then_some("is a Python pickle; convert it to safetensors");
    kinds.iter().find(|(magic, _)| start.starts_with(magic)).map(|&(_, kind)| kind).or(pickle)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// The header as JSON.
struct Header(Vec<(String, Raw)>, Metadata);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;
    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("an object of tensors")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Header, A::Error> {
        let (mut list, mut metadata, mut seen) = (Vec::new(), Vec::new(), std::collections::HashSet::new());
        while let Some(name) = entries.next_key::<String>()? {
            if !seen.insert(name.clone()) {
                return Err(A::Error::custom(format!("\"{}\" occurs twice", excerpt(&name))));
            }
            if name == "__metadata__" {
                let pairs = entries.next_value::<Pairs<String>>();
                metadata = pairs.map_err(|e| A::Error::custom(format!("__metadata__: {e}")))?.0;
                continue;
            }
            if list.len() == MAX_TENSORS {
                return Err(A::Error::custom(format!("more than {MAX_TENSORS} tensors")));
            }
            let raw = entries.next_value::<Object<Raw>>();
            let Object(raw) = raw.map_err(|e| A::Error::custom(format!("\"{}\": {e}", excerpt(&name))))?;
            list.push((name, raw));
        }
        Ok(Header(list, metadata))
    }
}

fn parse(header: &[u8], data_start: u64, size: u64) -> Result<(Vec<Entry>, Metadata), String> {
    let text = json::text(header).map_err(|e| format!("its header {e}"))?;
    let Header(raw, metadata) =
        serde_json::from_str(text).map_err(|e| format!("its header is wrong: {}", excerpt(&e.to_string())))?;
    let mut entries = Vec::with_capacity(raw.len());
    for (name, raw) in raw {
        let entry = entry(&name, raw, data_start, size - data_start);
        entries.push(entry.map_err(|e| format!("tensor \"{}\": {e}", excerpt(&name)))?);
    }
    tiles(&entries, data_start, size)?;
    Ok((entries, metadata))
}

fn entry(name: &str, raw: Raw, data_start: u64, data: u64) -> Result<Entry, String> {
    check_name(name)?;
    let dtype = FileDtype::deserialize(raw.dtype.as_str().into_deserializer())
        .map_err(|_: Unknown| format!("its dtype \"{}\" is not known", excerpt(&raw.dtype)))?;
    if raw.shape.len() > MAX_RANK {
        return Err(format!("rank {}, more than {MAX_RANK}", raw.shape.len()));
    }
    // Zeros are left out of the product: they would hide sizes that overflow beside them.
    let filled = raw.shape.iter().filter(|&&n| n > 0).try_fold(1u64, |product, &n| product.checked_mul(n));
    let bits = filled.and_then(|n| n.checked_mul(dtype.bitsize() as u64));
    let bits = bits.filter(|&bits| bits / 8 <= isize::MAX as u64);
    let Some(bits) = bits.map(|bits| if raw.shape.contains(&0) { 0 } else { bits }) else {
        return Err(format!("shape {:?} is too large", raw.shape));
    };
    if bits % 8 != 0 {
        return Err(format!("{bits} bits of {dtype} do not fill whole bytes"));
    }
    let (begin, end) = raw.data_offsets;
    if begin > end || end > data {
        return Err(format!("bytes {begin} to {end} do not lie in the {data} bytes of data"));
    }
    if end - begin != bits / 8 {
        let found = end - begin;
        return Err(format!("{found} bytes for shape {:?} of {dtype}, expected {}", raw.shape, bits / 8));
    }
    let shape = raw.shape.iter().map(|&n| n as usize).collect();
    Ok(Entry { name: name.to_owned(), dtype, shape, offset: data_start + begin, bytes: end - begin })
}

/// The rule for names of tensors, in files read and written.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the name is empty".into());
    }
    if name.len() > MAX_NAME {
        return Err(format!("the name is {} bytes long, more than {MAX_NAME}", name.len()));
    }
    if !name.chars().all(is_printable) {
        return Err("the name has characters that cannot be printed".into());
    }
    // Nothing here makes files from names, but what reads our names might.
    if name.starts_with('/') || name.split(['/', '\\']).any(|part| part == "..") {
        return Err("the name is a path out of its folder".into());
    }
    Ok(())
}

/// Checks that the tensors lie one after the other, from the first byte of data to the last.
fn tiles(entries: &[Entry], data_start: u64, size: u64) -> Result<(), String> {
    let mut order: Vec<&Entry> = entries.iter().collect();
    order.sort_by_key(|entry| (entry.offset, entry.bytes));
    let mut at = data_start;
    for entry in order {
        if entry.offset != at {
            let kind = if entry.offset < at { "overlaps the tensor before it" } else { "lies behind a hole" };
            return Err(format!("tensor \"{}\" {kind}", excerpt(&entry.name)));
        }
        at += entry.bytes;
    }
    if at == size { Ok(()) } else { Err(format!("{} bytes follow the last tensor", size - at)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_printable_and_no_paths() {
        for name in ["h.0.attn.c_attn.weight", "a/b:0", "größe", "a..b", "層.1"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "a\0", "a\nb", "\u{202e}gnp", "../x", "a/../b", "a\\..\\b", "/etc/x", &"x".repeat(513)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn entries_come_in_the_order_of_the_header() {
        let header = br#"{"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},"a":{"dtype":"F4","shape":[8],"data_offsets":[0,4]}}"#;
        let (entries, _) = parse(header, 100, 112).unwrap();
        assert_eq!(
            entries.iter().map(|e| (&*e.name, e.offset, e.bytes)).collect::<Vec<_>>(),
            [("b", 104, 8), ("a", 100, 4)]
        );
    }

    #[test]
    fn magic_bytes_do_not_shadow_a_real_header() {
        assert_eq!(other_format(b"\x80\x02\0\0\0\0\0\0["), Some("is a Python pickle; convert it to safetensors"));
        assert_eq!(other_format(b"\x40\0\0\0\0\0\0\0["), None);
    }
}
