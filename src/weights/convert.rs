//! From the element types of files to those of the device.

use std::io::Read;

use half::{bf16, f16};
use safetensors::Dtype as FileDtype;

use crate::tensor::{Data, Dtype};

/// Bytes read at a time: little memory beside the result, and few system calls.
const CHUNK: usize = 1 << 20;

/// True for the file's floats that convert to device floats.
pub(super) fn is_float(dtype: FileDtype) -> bool {
    matches!(dtype, FileDtype::F16 | FileDtype::BF16 | FileDtype::F32 | FileDtype::F64)
}

/// True for the file's integers and booleans.
pub(super) fn is_integer(dtype: FileDtype) -> bool {
    use FileDtype::{BOOL, I8, I16, I32, I64, U8, U16, U32, U64};
    matches!(dtype, BOOL | I8 | U8 | I16 | U16 | I32 | U32 | I64 | U64)
}

/// The device dtype that a file's dtype becomes when nothing else is asked for.
pub(super) fn natural(dtype: FileDtype) -> Dtype {
    if is_integer(dtype) { Dtype::I32 } else { Dtype::F32 }
}

/// Why `from` cannot become `to`, if so.
pub(super) fn refuse(from: FileDtype, to: Dtype) -> Option<String> {
    let float = matches!(to, Dtype::F32 | Dtype::F16);
    match (is_float(from), is_integer(from), float) {
        (false, false, _) => {
            Some(format!("is stored as {from}, which is not supported; convert it to F32, F16 or BF16"))
        }
        (true, _, false) => Some(format!("is stored as {from}, expected integers")),
        (_, true, true) => Some(format!("is stored as {from}, expected floats")),
        _ => None,
    }
}

/// Appends `n` values of dtype `from` to `out`, which has room for them.
pub(super) fn fill(source: &mut impl Read, from: FileDtype, n: usize, out: &mut Data) -> Result<(), String> {
    match out {
        Data::F32(out) => match from {
            FileDtype::F32 => each(source, n, out, |b| Ok(f32::from_le_bytes(b))),
            FileDtype::F16 => each(source, n, out, |b| Ok(f16::from_le_bytes(b).to_f32())),
            FileDtype::BF16 => each(source, n, out, |b| Ok(bf16::from_le_bytes(b).to_f32())),
            _ => each(source, n, out, |b| narrow(f64::from_le_bytes(b))),
        },
        Data::F16(out) => match from {
            FileDtype::F16 => each(source, n, out, |b| Ok(f16::from_le_bytes(b))),
            FileDtype::BF16 => each(source, n, out, |b| half(bf16::from_le_bytes(b).to_f64())),
            FileDtype::F32 => each(source, n, out, |b| half(f64::from(f32::from_le_bytes(b)))),
            _ => each(source, n, out, |b| half(f64::from_le_bytes(b))),
        },
        Data::I32(out) => {
            integers(source, from, n, out, |v| i32::try_from(v).map_err(|_| format!("{v} does not fit i32")))
        }
        Data::U32(out) => {
            integers(source, from, n, out, |v| u32::try_from(v).map_err(|_| format!("{v} does not fit u32")))
        }
    }
}

fn integers<T>(
    source: &mut impl Read,
    from: FileDtype,
    n: usize,
    out: &mut Vec<T>,
    fit: impl Fn(i128) -> Result<T, String>,
) -> Result<(), String> {
    match from {
        FileDtype::BOOL => each(source, n, out, |[b]: [u8; 1]| match b {
            0 | 1 => fit(b.into()),
            _ => Err(format!("{b} is not a boolean, 0 or 1")),
        }),
        FileDtype::U8 => each(source, n, out, |b| fit(u8::from_le_bytes(b).into())),
        FileDtype::I8 => each(source, n, out, |b| fit(i8::from_le_bytes(b).into())),
        FileDtype::I16 => each(source, n, out, |b| fit(i16::from_le_bytes(b).into())),
        FileDtype::U16 => each(source, n, out, |b| fit(u16::from_le_bytes(b).into())),
        FileDtype::I32 => each(source, n, out, |b| fit(i32::from_le_bytes(b).into())),
        FileDtype::U32 => each(source, n, out, |b| fit(u32::from_le_bytes(b).into())),
        FileDtype::I64 => each(source, n, out, |b| fit(i64::from_le_bytes(b).into())),
        _ => each(source, n, out, |b| fit(u64::from_le_bytes(b).into())),
    }
}

/// Reads `n` values of `WIDTH` bytes each.
fn each<T, const WIDTH: usize>(
    source: &mut impl Read,
    n: usize,
    out: &mut Vec<T>,
    value: impl Fn([u8; WIDTH]) -> Result<T, String>,
) -> Result<(), String> {
    let mut chunk = vec![0; CHUNK.min(n * WIDTH)];
    let mut left = n * WIDTH;
    while left > 0 {
        let part = left.min(CHUNK);
        source.read_exact(&mut chunk[..part]).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => "the file became shorter while it was read".into(),
            _ => format!("cannot be read: {e}"),
        })?;
        for bytes in chunk[..part].as_chunks::<WIDTH>().0 {
            let at = out.len();
            out.push(value(*bytes).map_err(|e| format!("element {at}: {e}"))?);
        }
        left -= part;
    }
    Ok(())
}

/// Rounds to f32. A finite value must stay finite: an infinity made here would be blamed on the model.
fn narrow(v: f64) -> Result<f32, String> {
    let y = v as f32;
    if y.is_infinite() && v.is_finite() { Err(format!("{v:e} does not fit f32")) } else { Ok(y) }
}

fn half(v: f64) -> Result<f16, String> {
    let y = f16::from_f64(v);
    if y.is_infinite() && v.is_finite() { Err(format!("{v:e} does not fit f16")) } else { Ok(y) }
}
