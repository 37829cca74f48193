//! Files that are wrong, one row each: the loaders must refuse them in one sentence, without a panic,
//! in little time, and leave nothing behind.

mod checkpoints;
mod config;
mod safetensors;
mod save;
mod shards;
mod tokenizer;
mod training;

use std::fmt::Debug;
use std::path::Path;
use std::time::{Duration, Instant};

use handmill::Result;

/// Longer than any row takes, by far: for machines with other work to do.
const LIMIT: Duration = Duration::from_secs(10);

/// The error of `result`, as text below `folder`.
fn text<T: Debug>(row: &str, folder: &Path, result: Result<T>) -> String {
    match result {
        Ok(value) => panic!("{row}: accepted, as {:.200}", format!("{value:?}")),
        Err(error) if folder == Path::new("") => error.to_string(),
        Err(error) => error.to_string().replace(&format!("{}/", folder.display()), ""),
    }
}

/// Runs `load` and checks the text of its error, and its time.
#[track_caller]
fn refuses<T: Debug>(row: &str, folder: &Path, expected: &str, load: impl FnOnce() -> Result<T>) {
    let start = Instant::now();
    let found = text(row, folder, load());
    assert!(start.elapsed() < LIMIT, "{row}: took {:?}", start.elapsed());
    assert_eq!(found, expected, "{row}");
    assert!(!found.ends_with('.') && !found.chars().any(|c| c.is_control() && c != '\n'), "{row}: {found:?}");
}

/// What the system says about opening `path`, in its own words.
fn system(path: &Path) -> String {
    std::fs::File::open(path).unwrap_err().to_string()
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
