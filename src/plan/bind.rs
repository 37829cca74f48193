//! What a dispatch carries: workgroups within the adapter's limits, parameter bytes, pipeline constants.

use super::{Bound, Op};
use crate::adapter::Adapter;
use crate::error::{Error, Result};
use crate::kernel::{Call, Grid, Scalar, Scalars};
use crate::shader::{Access, Entry, FieldKind, Module};
use crate::tensor::Dtype;

/// Workgroups of a grid, folded over y where x would exceed the adapter's limit.
pub(super) fn fold(grid: Grid, entry: &Entry, adapter: &Adapter) -> Result<[u32; 3], String> {
    let max = u64::from(adapter.max_groups);
    let groups = match grid {
        Grid::Threads(n) => n.div_ceil(u64::from(entry.workgroup.iter().product::<u32>())),
        Grid::Groups(n) => n,
        Grid::Exact(exact) => {
            if exact.iter().any(|&n| n > max || n == 0) {
                return Err(format!(
                    "a grid of {exact:?} workgroups does not fit 1 to {max} along each axis of {}",
                    adapter.name
                ));
            }
            return Ok(exact.map(|n| n as u32));
        }
    };
    let rows = groups.div_ceil(max).max(1);
    if rows > max {
        return Err(format!("{groups} workgroups are more than {} dispatches", adapter.name));
    }
    Ok([groups.div_ceil(rows).max(1) as u32, rows as u32, 1])
}

/// wgpu rejects a buffer bound both read-only and read-write, and does not notice one bound read-write twice.
pub(super) fn no_aliases(op: &Op, bindings: &[Bound]) -> Result<()> {
    let writes = |b: &&Bound| b.access == Access::ReadWrite;
    for w in bindings.iter().filter(writes) {
        // Parts of an arena that are both written lie apart.
        let apart = |b: &Bound| {
            let (Some(a), Some(b), true) = (w.place, b.place, b.access == Access::ReadWrite) else { return false };
            a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset
        };
        let same = |b: &Bound| b.name != w.name && b.place.map(|p| p.buffer) == w.place.map(|p| p.buffer) && !apart(b);
        if let Some(b) = bindings.iter().find(|b| same(b)) {
            let message = format!("'{}' and '{}' would share a buffer that is written", w.name, b.name);
            return Err(Error::limit(format!("{} ({})", op.label(), op.at), message));
        }
    }
    Ok(())
}

/// The bytes of `Params`.
pub(super) fn pack(module: &Module, scalars: &Scalars) -> Result<Vec<u8>> {
    let (fields, size) = &module.params;
    let mut bytes = vec![0; size.next_multiple_of(16) as usize];
    for field in fields {
        let missing = || Error::shader(&module.name, format!("the kernel gives no value for Params.{}", field.name));
        let value = scalars.get(&field.name).ok_or_else(missing)?;
        let fits = matches!(
            (field.kind, value),
            (FieldKind::U32, Scalar::U32(_)) | (FieldKind::I32, Scalar::I32(_)) | (FieldKind::F32, Scalar::F32(_))
        );
        if !fits {
            return Err(Error::shader(
                &module.name,
                format!("Params.{} is {:?}, and the kernel gives {value:?}", field.name, field.kind),
            ));
        }
        bytes[field.offset as usize..][..4].copy_from_slice(&value.to_bytes());
    }
    Ok(bytes)
}

/// Values of the shader's overrides: `HAS_<PORT>`, `<PORT>_F16`, and the kernel's own scalars.
pub(super) fn overrides(
    module: &Module,
    call: &Call,
    scalars: &Scalars,
    adapter: &Adapter,
) -> Result<Vec<(String, f64)>> {
    let mut out = vec![];
    for (name, has_default) in &module.overrides {
        let port = |p: &str| call.kernel.inputs.iter().position(|i| i.name.to_uppercase() == p);
        let value = if let Some(p) = name.strip_prefix("HAS_").and_then(port) {
            Some(f64::from(u8::from(call.has(p))))
        } else if let Some(p) = name.strip_suffix("_F16").and_then(port) {
            Some(f64::from(u8::from(call.has(p) && call.input(p).dtype == Dtype::F16)))
        } else if name == "LEAST_SUBGROUP" {
            adapter.subgroup.map(|(least, _)| f64::from(least))
        } else {
            scalars.get(name).map(|s| s.to_f64())
        };
        match (value, has_default) {
            (Some(value), _) => out.push((name.clone(), value)),
            (None, true) => {}
            (None, false) => {
                return Err(Error::shader(&module.name, format!("the kernel gives no value for override {name}")));
            }
        }
    }
    Ok(out)
}
