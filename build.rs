//! Embeds every file below `shaders/`: dropping one in is enough.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo::rustc-env=HANDMILL_WGPU={}", wgpu_version().unwrap_or_default());
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("shaders");
    println!("cargo::rerun-if-changed=shaders");
    let mut files = vec![];
    collect(&root, &mut files);
    files.sort();
    let mut table = String::from("&[\n");
    for path in files {
        let name = path.strip_prefix(&root).expect("below root").with_extension("");
        let name = name.to_str().expect("UTF-8").replace('\\', "/");
        writeln!(table, "    ({name:?}, include_str!({:?})),", path.to_str().expect("UTF-8")).expect("a string");
    }
    table.push(']');
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("shaders.rs");
    fs::write(out, table).expect("OUT_DIR can be written");
}

/// The version of wgpu in the lock file, if there is one.
fn wgpu_version() -> Option<String> {
    println!("cargo::rerun-if-changed=Cargo.lock");
    let lock = fs::read_to_string(Path::new(&env::var("CARGO_MANIFEST_DIR").ok()?).join("Cargo.lock")).ok()?;
    let package = lock.split("[[package]]").find(|p| p.lines().any(|line| line == "name = \"wgpu\""))?;
    let version = package.lines().find_map(|line| line.strip_prefix("version = "))?;
    Some(version.trim_matches('"').to_owned())
}

fn collect(dir: &Path, files: &mut Vec<std::path::PathBuf>) {
    println!("cargo::rerun-if-changed={}", dir.display());
    for entry in fs::read_dir(dir).expect("shaders/ can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "wgsl") {
            files.push(path);
        }
    }
}
