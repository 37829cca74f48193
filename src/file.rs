//! Files from outside and files for outside: capped reads of regular files, and writes that leave the
//! old file or the new one, never a part.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};

/// The longest piece of a file's own text that an error message repeats, in characters.
const EXCERPT: usize = 120;
/// An abandoned temporary file is removed when it is this old and its process is gone.
const STALE: Duration = Duration::from_secs(3600);

/// `text` with control and direction characters escaped, cut to a length fit for a message.
pub(crate) fn excerpt(text: &str) -> String {
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == EXCERPT {
            out.push('…');
            break;
        }
        if is_printable(c) { out.push(c) } else { out.extend(c.escape_debug()) }
    }
    out
}

/// False for controls, direction marks, lone combining marks and unassigned characters.
pub(crate) fn is_printable(c: char) -> bool {
    matches!(c, '\'' | '"' | '\\') || c.escape_debug().count() == 1
}

/// A number that names `bytes` in caches (FNV-1a).
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

/// The folder for what can be made again: `HANDMILL_CACHE`, or `handmill` in the user's folder of caches.
pub fn cache_folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let own = || {
        let home = || set("HOME").map(|home| home.join(".cache"));
        set("XDG_CACHE_HOME").or_else(|| set("LOCALAPPDATA")).or_else(home)
    };
    set("HANDMILL_CACHE").or_else(|| own().map(|caches| caches.join("handmill")))
}

/// A byte count for people.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if n < 10_000 {
        return format!("{n} bytes");
    }
    let mut value = n as f64 / 1e3;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1e3;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Opens `path` for reading if it is a regular file, and tells its size.
///
/// # Errors
/// [`Error::File`] for folders, pipes, devices and whatever the system refuses.
pub fn open_regular(path: &Path) -> Result<(File, u64)> {
    let refused = |e: io::Error| Error::file(path, format!("cannot be opened: {e}"));
    // Asked before opening as well: opening a pipe would wait for its writer.
    regular(path, &fs::metadata(path).map_err(refused)?)?;
    let file = File::open(path).map_err(refused)?;
    let meta = file.metadata().map_err(refused)?;
    regular(path, &meta)?;
    Ok((file, meta.len()))
}

fn regular(path: &Path, meta: &fs::Metadata) -> Result<()> {
    match (meta.is_file(), meta.is_dir()) {
        (true, _) => Ok(()),
        (_, true) => Err(Error::file(path, "is a folder, not a file")),
        _ => Err(Error::file(path, "is not a regular file")),
    }
}

/// The whole of a regular file of at most `cap` bytes.
///
/// # Errors
/// [`Error::File`] if it is longer, cannot be read, or changes its size meanwhile;
/// [`Error::OutOfMemory`] if the host cannot hold it.
pub fn read_capped(path: &Path, cap: u64) -> Result<Vec<u8>> {
    let (file, size) = open_regular(path)?;
    if size > cap {
        return Err(Error::file(path, format!("is {} long, more than the {} allowed here", bytes(size), bytes(cap))));
    }
    let mut content = Vec::new();
    reserve(&mut content, size, path)?;
    let read = file.take(cap.saturating_add(1)).read_to_end(&mut content);
    read.map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    if content.len() as u64 != size {
        return Err(Error::file(path, format!("changed while it was read: {} of {size} bytes", content.len())));
    }
    Ok(content)
}

/// Room for `n` more values, or an error where `Vec` would abort the process.
pub(crate) fn reserve<T>(list: &mut Vec<T>, n: u64, path: &Path) -> Result<()> {
    let room = usize::try_from(n).ok().and_then(|n| list.try_reserve_exact(n).ok());
    room.ok_or_else(|| {
        let size = n.saturating_mul(size_of::<T>() as u64);
        Error::OutOfMemory(format!("{} needs {} of host memory", path.display(), bytes(size)))
    })
}

/// Host memory that can be used now, as far as the system tells; `u64::MAX` where it does not.
pub fn available_memory() -> u64 {
    let number = |path: &str| fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let system = line.and_then(|text| text.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    let system = system.map_or(u64::MAX, |kib| kib.saturating_mul(1024));
    // A container's own limit. Its cached files count as used there, but give way.
    let stat = fs::read_to_string("/sys/fs/cgroup/memory.stat").unwrap_or_default();
    let cached = stat.lines().find_map(|line| line.strip_prefix("file ")?.parse::<u64>().ok()).unwrap_or(0);
    let group = number("/sys/fs/cgroup/memory.max").zip(number("/sys/fs/cgroup/memory.current"));
    group.map_or(system, |(max, used)| system.min(max.saturating_sub(used.saturating_sub(cached))))
}

/// Writes `path` through a temporary file in its folder: `.<name>.tmp.<pid>`, synced, then renamed.
///
/// Whatever goes wrong, `path` keeps its old content and the temporary file is removed. A link is
/// followed, so that the file it names is replaced.
///
/// # Errors
/// [`Error::File`] if `path` is a folder, pipe or device, or if a step of the writing fails.
pub fn write_atomic(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let target = match fs::metadata(path) {
        Ok(meta) => {
            regular(path, &meta)?;
            fs::canonicalize(path).map_err(|e| Error::file(path, format!("cannot be replaced: {e}")))?
        }
        Err(_) => path.to_owned(),
    };
    let Some(name) = target.file_name() else {
        return Err(Error::file(path, "is not the name of a file"));
    };
    let folder = match target.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    // Long names are cut: the temporary name must stay below the usual 255 bytes.
    let stem: String = name.to_string_lossy().chars().take(50).collect();
    sweep(&folder, |name| name == stem);
    let (temporary, file) = create_new(path, &folder, &stem)?;
    write_renamed(file, &temporary, &target, fill).map_err(|e| {
        let _ = fs::remove_file(&temporary);
        Error::file(path, format!("cannot be written: {e}"))
    })?;
    // Makes the new name last. Not every file system can sync a folder, and the data is safe by now.
    if cfg!(unix) {
        let _ = File::open(&folder).and_then(|folder| folder.sync_all());
    }
    Ok(())
}

fn write_renamed(
    file: File,
    temporary: &Path,
    target: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, file);
    fill(&mut out)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    drop(file);
    fs::rename(temporary, target)
}

/// Fails unless files can be made in `folder`.
///
/// # Errors
/// [`Error::File`] with what the system says
pub(crate) fn expect_writable(folder: &Path) -> Result<()> {
    let (name, file) = create_new(folder, folder, "probe")?;
    drop(file);
    fs::remove_file(&name).map_err(|e| Error::file(folder, format!("cannot be written: {e}")))
}

/// Creates a temporary file that did not exist. A second one under the same name can only be this
/// process's own other thread, or left over from an earlier process of the same id.
fn create_new(path: &Path, folder: &Path, stem: &str) -> Result<(PathBuf, File)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o644);
    let first = folder.join(format!(".{stem}.tmp.{}", std::process::id()));
    let others = (1..100).map(|n| folder.join(format!(".{stem}.tmp.{}.{n}", std::process::id())));
    for name in std::iter::once(first).chain(others) {
        match options.open(&name) {
            Ok(file) => return Ok((name, file)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(Error::file(path, format!("cannot be written: {e}"))),
        }
    }
    Err(Error::file(path, format!("cannot be written: {} has 100 abandoned temporary files", folder.display())))
}

/// Removes what killed processes left of earlier writes of files with a `wanted` name. Old files only: on
/// a shared file system the process may live on another host.
pub(crate) fn sweep(folder: &Path, wanted: impl Fn(&str) -> bool) {
    if !Path::new("/proc/self").exists() {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let parts = name.to_str().and_then(|name| name.strip_prefix('.')?.rsplit_once(".tmp."));
        let Some((_, id)) = parts.filter(|(stem, _)| wanted(stem)) else { continue };
        let Ok(id) = id.split('.').next().unwrap_or(id).parse::<u32>() else { continue };
        let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > STALE) && !Path::new(&format!("/proc/{id}")).exists() {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_counts_are_short() {
        let text: Vec<String> = [9_999, 10_000, 999_949, 999_950, 1 << 40].map(bytes).into();
        assert_eq!(text, ["9999 bytes", "10.0 kB", "999.9 kB", "1.0 MB", "1.1 TB"]);
    }

    #[test]
    fn excerpts_escape_what_a_terminal_would_obey() {
        assert_eq!(excerpt("a\u{1b}[2J\u{202e}é\"\\"), "a\\u{1b}[2J\\u{202e}é\"\\");
        assert_eq!(excerpt(&"x".repeat(500)).chars().count(), EXCERPT + 1);
    }

    #[test]
    fn a_write_replaces_all_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.bin");
        write_atomic(&path, |out| out.write_all(b"old")).unwrap();
        let failed = write_atomic(&path, |out| {
            out.write_all(&[7; 3 << 20])?;
            Err(io::Error::other("disk full"))
        });
        assert_eq!(failed.unwrap_err().to_string(), format!("{}: cannot be written: disk full", path.display()));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        write_atomic(&path, |out| out.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_write_that_meets_its_own_old_temporary_takes_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(format!(".out.tmp.{}", std::process::id()));
        fs::write(&left, b"left").unwrap();
        write_atomic(&folder.path().join("out"), |out| out.write_all(b"new")).unwrap();
        assert_eq!(fs::read(left).unwrap(), b"left");
    }

    #[test]
    fn old_temporaries_of_dead_processes_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let old = std::time::SystemTime::now() - 2 * STALE;
        let left = |id: &str, time| {
            let path = folder.path().join(format!(".out.tmp.{id}"));
            let file = File::create(&path).unwrap();
            file.set_modified(time).unwrap();
            path
        };
        let (dead, fresh) = (left("4294967294", old), left("4294967293", std::time::SystemTime::now()));
        let (mine, other) = (left(&std::process::id().to_string(), old), left("x", old));
        write_atomic(&folder.path().join("out"), |out| out.write_all(b"new")).unwrap();
        assert_eq!(dead.exists(), !Path::new("/proc/self").exists());
        assert!(fresh.exists() && mine.exists() && other.exists());
    }
}
