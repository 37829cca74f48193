//! What a row asserts. `tests/harness.rs` plants bugs that must fail here.

use std::sync::Arc;

use handmill::check::{self, Expected, POISON, Tol};
use handmill::device::Device;
use handmill::run::Checks;
use handmill::shader::Shaders;
use handmill::tensor::HostTensor;
use libtest_mimic::Failed;

use super::row::Row;

fn text(e: impl std::fmt::Display) -> Failed {
    e.to_string().into()
}

/// The reference against goldens from third sources; bounds that are no numbers fail.
pub fn reference_row(row: &Row) -> Result<(), Failed> {
    let expected = row.case.expected(Tol::GOLD).map_err(text)?;
    for (output, golden, tolerance) in &row.golden {
        let bound: Vec<f64> = golden.iter().map(|v| tolerance * v.abs().max(1.0)).collect();
        let e = &expected[*output];
        let report = check::compare(&e.values, golden, &bound, &e.spec.shape, e.spec.dtype);
        if !report.ok() {
            return Err(format!("reference against golden, output {output}: {report}").into());
        }
    }
    for e in &expected {
        if e.bound.iter().any(|t| t.is_nan() || *t < 0.0) {
            return Err("a bound is not a number".into());
        }
    }
    Ok(())
}

/// Every variant that fits against the reference, twice, poisoned and guarded.
pub fn gpu_row(row: &Row, device: &Arc<Device>, shaders: &Arc<Shaders>) -> Result<(), Failed> {
    let expected = row.case.expected(device.tol()).map_err(text)?;
    let variants = row.case.variants(device.adapter()).map_err(text)?;
    if variants.is_empty() {
        return Err("no variant fits this adapter".into());
    }
    for variant in variants {
        let label = variant.label(row.case.kernel);
        let run = |checks, poison| row.case.run(device, shaders, variant.how, checks, poison);
        both_runs(row, &label, &expected, run)?;
    }
    Ok(())
}

/// Two runs, with and without bounds checks, over two poisons.
pub fn both_runs(
    row: &Row,
    label: &str,
    expected: &[Expected],
    run: impl Fn(Checks, u32) -> handmill::Result<Vec<HostTensor>>,
) -> Result<(), Failed> {
    let checked = run(Checks::On, POISON[0]).map_err(text)?;
    let earned = run(Checks::Earned, POISON[1]).map_err(text)?;
    for (i, e) in expected.iter().enumerate() {
        let output = row.case.kernel.outputs[i];
        compare(label, output, &checked[i].to_f64(), e)?;
        if checked[i].bytes() != earned[i].bytes() {
            compare(&format!("{label} unchecked"), output, &earned[i].to_f64(), e)?;
            return Err(format!("{label}: '{output}' differs between two runs (bounds checks on and off)").into());
        }
    }
    Ok(())
}

fn compare(label: &str, output: &str, got: &[f64], e: &Expected) -> Result<(), Failed> {
    let report = check::compare(got, &e.values, &e.bound, &e.spec.shape, e.spec.dtype);
    if report.ok() { Ok(()) } else { Err(format!("{label}: output '{output}': {report}").into()) }
}
