//! Records of measurements: `benches/record/<adapter>/<date>.csv` and `.txt`.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};
use crate::file::write_atomic;

/// Writes `rows` and the `text` that was printed into today's record of `adapter`, and returns where. `what` follows
/// the date in the names of the files, where records of several kinds stand side by side.
///
/// # Errors
/// If a file cannot be written
pub fn write<T: serde::Serialize>(adapter: &str, what: &str, rows: &[T], text: &str) -> Result<Vec<PathBuf>> {
    // "llvmpipe (LLVM 15.0.6, 256 bits)" and "NVIDIA H200": what stands before a bracket, in letters of file names.
    let name = adapter.split('(').next().unwrap_or_default().trim().to_lowercase().replace([' ', '/'], "-");
    let folder = Path::new("benches/record").join(name);
    std::fs::create_dir_all(&folder).map_err(|e| Error::file(&folder, format!("cannot be made: {e}")))?;
    let date = date(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()));
    let mut csv = csv::Writer::from_writer(vec![]);
    let fail = |e: csv::Error| Error::file(&folder, e.to_string());
    rows.iter().try_for_each(|row| csv.serialize(row)).map_err(fail)?;
    let csv = csv.into_inner().map_err(|e| Error::file(&folder, e.to_string()))?;
    let file = |(end, bytes): (&str, &[u8])| {
        let path = folder.join(format!("{date}{what}.{end}"));
        write_atomic(&path, |out| out.write_all(bytes)).map(|()| path)
    };
    [("csv", &csv[..]), ("txt", text.as_bytes())].into_iter().map(file).collect()
}

/// `YYYY-MM-DD` of seconds since 1970 in UTC (Hinnant, "chrono-compatible low-level date algorithms").
fn date(seconds: u64) -> String {
    let z = (seconds / 86_400) as i64 + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    format!("{:04}-{month:02}-{day:02}", yoe + era * 400 + i64::from(month <= 2))
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates() {
        assert_eq!(super::date(0), "1970-01-01");
        assert_eq!(super::date(951_782_400), "2000-02-29");
        assert_eq!(super::date(1_795_478_400), "2026-11-24");
    }
}
