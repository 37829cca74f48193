//! Where a run first made a value that is not finite.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::run::Runner;
use crate::tensor::{Dtype, HostTensor};

/// The sentence about the first element of `tensor` that is not finite, if there is one.
pub(crate) fn not_finite(label: &str, at: &str, output: &str, tensor: &HostTensor) -> Option<String> {
    if !matches!(tensor.dtype(), Dtype::F32 | Dtype::F16) {
        return None;
    }
    let values = tensor.to_f64();
    let first = values.iter().position(|v| !v.is_finite())?;
    let count = values.iter().filter(|v| !v.is_finite()).count();
    let (value, len) = (values[first], values.len());
    Some(format!(
        "{label} ({at}) is the first to write a value that is not finite: {value} in element {first} of '{output}', {count} of {len} elements in all"
    ))
}

/// An error that names the first operation of the last run of `runner` that wrote a value that is not finite. Its plan
/// must not reuse memory.
///
/// # Errors
/// [`Error::NotFinite`]; what the device says
pub fn expect_finite(runner: &Runner) -> Result<()> {
    let plan = runner.plan();
    let mut seen = HashSet::new();
    for d in &plan.dispatches {
        if !seen.insert((d.op, d.step)) {
            continue;
        }
        let op = &plan.ops[d.op];
        let places = op.scan.zip(d.step).and_then(|key| plan.step_places.get(&key));
        for (name, &value) in op.call.kernel.outputs.iter().zip(&op.outputs) {
            let place = places.and_then(|p| p.get(&value));
            let label = d.step.map_or_else(|| op.label(), |s| format!("{} in step {s} of its scan", op.label()));
            let tensor = runner.read_value(value, place)?;
            if let Some(message) = not_finite(&label, &op.at.to_string(), name, &tensor) {
                return Err(Error::NotFinite(message));
            }
        }
    }
    Ok(())
}
