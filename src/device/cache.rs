//! Compiled pipelines in the user's folder of caches.

use std::path::{Path, PathBuf};

use crate::file::{cache_folder, fnv, read_capped, write_atomic};

/// What a file begins with; a checksum of the rest follows.
const MAGIC: &[u8] = b"handmill pipelines 1\n";
const CHECKSUM: usize = 4;
/// A longer file is none of ours.
const MAX_FILE: u64 = 256 << 20;

/// The driver's compiled pipelines, and where they are kept.
pub(super) struct PipelineCache {
    pub(super) raw: wgpu::PipelineCache,
    pub(super) path: PathBuf,
    /// As they were read.
    pub(super) data: Option<Vec<u8>>,
}

impl PipelineCache {
    /// Keeps the pipelines for later processes. It is a cache: where they cannot be written, they are compiled again.
    pub(super) fn save(&self) {
        let Some(data) = self.raw.get_data().filter(|data| Some(data) != self.data.as_ref()) else { return };
        let folder = self.path.parent().unwrap_or(Path::new("."));
        if std::fs::create_dir_all(folder).is_ok() {
            let _ = write_atomic(&self.path, |out| {
                out.write_all(MAGIC)?;
                out.write_all(&crc32fast::hash(&data).to_le_bytes())?;
                out.write_all(&data)
            });
        }
    }
}

/// The file for the pipelines of an adapter and its driver, if wgpu knows how to keep them.
pub(super) fn path(info: &wgpu::AdapterInfo) -> Option<PathBuf> {
    let key = wgpu::util::pipeline_cache_key(info)?;
    let driver = format!("{} {} {}", info.name, info.driver, info.driver_info);
    Some(cache_folder()?.join("pipelines").join(format!("{key}_{:016x}", fnv(driver.as_bytes()))))
}

/// The pipelines in the file `path`, if it is whole.
pub(super) fn read(path: &Path) -> Option<Vec<u8>> {
    let file = read_capped(path, MAX_FILE).ok()?;
    let (checksum, data) = file.strip_prefix(MAGIC)?.split_at_checked(CHECKSUM)?;
    (crc32fast::hash(data).to_le_bytes() == checksum).then(|| data.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_cut_or_changed_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipelines");
        assert_eq!(read(&path), None);
        let data = b"what the driver wrote";
        let whole = [MAGIC, &crc32fast::hash(data).to_le_bytes(), data].concat();
        let found = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("a file");
            read(&path)
        };
        assert_eq!(found(&whole).as_deref(), Some(&data[..]));
        for cut in 0..whole.len() {
            assert_eq!(found(&whole[..cut]), None, "the first {cut} bytes");
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert_eq!(found(&changed), None, "byte {at}");
        }
    }
}
