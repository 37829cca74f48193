//! Handmill's side of a case, run whenever another process asks for it.

use std::io::{BufRead, Write};
use std::path::Path;

use handmill::error::{Error, Result};
use handmill::tensor::HostTensor;
use handmill::weights::save_tensors;

use crate::measure::{Case, TOLERANCE, timed, warm};

/// The largest number of runs that one line may ask for.
const MOST: usize = 1 << 16;

/// Writes the data of `case` and the reference's result (`expected`) to `path` and prints a line: the tolerance and the
/// adapter. Then every line of stdin is a number of runs, answered by the seconds they took.
///
/// # Errors
/// If our result is wrong, the file cannot be written, or a line is no number
pub fn turns(case: Case<'_>, adapter: &str, path: &Path) -> Result<()> {
    let Case { name, mut data, expected, mut ours, .. } = case;
    warm(&mut *ours, &expected).map_err(|problem| Error::Mismatch(format!("{name}: handmill {problem}")))?;
    let expected: Vec<f32> = expected.iter().map(|&v| v as f32).collect();
    data.push(("expected".into(), HostTensor::f32(&[expected.len()], expected)));
    save_tensors(path, &data, false)?;
    let mut out = std::io::stdout().lock();
    let mut say = |line: String| {
        writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|e| Error::config("stdout", e.to_string()))
    };
    say(format!("{TOLERANCE:e} {adapter}"))?;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|e| Error::config("stdin", format!("cannot be read: {e}")))?;
        let times = line.trim().parse().ok().filter(|times| (1..=MOST).contains(times));
        let times = times.ok_or_else(|| {
            Error::config("stdin", format!("has a line {:?}, expected a number of runs from 1 to {MOST}", line.trim()))
        })?;
        let seconds = timed(&mut *ours, times).map_err(Error::Mismatch)?;
        say(format!("{seconds:e}"))?;
    }
    Ok(())
}
