//! The `handmill` command from outside: exit status, stdout and stderr, files, and everything a user gets wrong.
//!
//! `HANDMILL_REQUIRE_GPU=1` makes a missing adapter a failure.

mod bench;
mod checkpoints;
mod contract;
mod examples;
mod kernel;
mod refused;
mod run;
mod train;
mod verify;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use handmill::engine::Tensors;
use handmill::tensor::HostTensor;
use handmill::weights::{load_tensors, save_tensors};
use libtest_mimic::{Arguments, Trial};
use tempfile::TempDir;

/// A row: its name, whether it needs an adapter, and what it does in a folder of its own.
type Row = (&'static str, Needs, fn(&Folder));

#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    Gpu,
}

fn main() {
    let arguments = Arguments::from_args();
    let found = Folder::new().handmill(["devices"]).out.contains("(auto)");
    let required = std::env::var_os("HANDMILL_REQUIRE_GPU").is_some_and(|v| v == "1");
    if !found {
        eprintln!("no adapter: GPU rows are ignored");
    }
    let families: [(&str, &[Row]); 7] = [
        ("bench", bench::ROWS),
        ("contract", contract::ROWS),
        ("train_digits", examples::ROWS),
        ("checkpoints", checkpoints::ROWS),
        ("run", run::ROWS),
        ("verify", verify::ROWS),
        ("kernel", kernel::ROWS),
    ];
    let mut trials = vec![];
    for (family, rows) in families {
        for &(name, needs, row) in rows {
            let ignored = needs == Needs::Gpu && !found && !required;
            trials.push(
                Trial::test(format!("{family}/{name}"), move || {
                    row(&Folder::new());
                    Ok(())
                })
                .with_ignored_flag(ignored),
            );
        }
    }
    trials.extend(refused::trials(found || required));
    trials.extend(train::trials(found || required));
    libtest_mimic::run(&arguments, trials).exit();
}

/// What a run of the command left behind.
struct Ran {
    status: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn exits(self, status: i32) -> Ran {
        assert_eq!(self.status, Some(status), "stdout: {}\nstderr: {}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }

    /// With the line numbers of the engine's own sources as N: they change, and the files do not.
    fn without_lines(mut self) -> Ran {
        let mut parts = self.err.split(".rs:");
        let first = parts.next().unwrap_or_default().to_owned();
        self.err = parts.fold(first, |out, part| out + ".rs:N" + part.trim_start_matches(|c: char| c.is_ascii_digit()));
        self
    }

    /// Exit status 1, nothing on stdout, and one sentence.
    #[track_caller]
    fn fails(self, sentence: &str) {
        let ran = self.exits(1);
        assert_eq!(ran.err, format!("handmill: {sentence}\n"));
        assert_eq!(ran.out, "");
    }
}

/// A folder of the test's own.
struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the command here, so that relative names in texts stay short.
    fn handmill<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        self.with(&[], args)
    }

    /// As [`Folder::handmill`], with variables set.
    fn with<A: AsRef<OsStr>>(&self, set: &[(&str, &str)], args: impl IntoIterator<Item = A>) -> Ran {
        let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_handmill"));
        // Vulkan's window code complains on stderr where this is not set.
        command.current_dir(self.0.path()).env("XDG_RUNTIME_DIR", self.0.path()).args(args);
        command.env("HANDMILL_CACHE", self.0.path().join("cache"));
        command.envs(set.iter().copied()).timeout(Duration::from_secs(60));
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Copies a fixture to `model`, and its inputs to `in.safetensors`.
    fn fixture(&self, case: &str) -> &Folder {
        let from = data(case);
        fs::create_dir_all(self.at("model")).unwrap();
        for entry in fs::read_dir(&from).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let to = match name.as_str() {
                "inputs.safetensors" => "in.safetensors".to_owned(),
                "outputs.safetensors" | "meta.json" => continue,
                _ => format!("model/{name}"),
            };
            fs::copy(from.join(&name), self.at(&to)).unwrap();
        }
        self
    }

    fn save(&self, name: &str, tensors: &[(&str, HostTensor)]) -> &Folder {
        let tensors: Vec<_> = tensors.iter().map(|(n, t)| ((*n).to_owned(), t.clone())).collect();
        save_tensors(self.at(name), &tensors, true).unwrap();
        self
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Folder {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.at(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Every file below `name` by its path there, but for temporary ones.
    fn tree(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(self.at(name)).unwrap() {
            let entry = entry.unwrap();
            let own = entry.file_name().into_string().unwrap();
            if entry.path().is_dir() {
                let below = self.tree(&format!("{name}/{own}"));
                files.extend(below.into_iter().map(|(path, bytes)| (format!("{own}/{path}"), bytes)));
            } else if !own.starts_with('.') {
                files.insert(own, fs::read(entry.path()).unwrap());
            }
        }
        files
    }

    fn load(&self, name: &str) -> Tensors {
        load_tensors(self.at(name)).unwrap()
    }

    /// The built-in shader `name` with `from` replaced, below `shaders`.
    fn shader(&self, name: &str, from: &str, to: &str) -> &Folder {
        let text = fs::read_to_string(root().join(format!("shaders/{name}.wgsl"))).unwrap();
        assert!(text.contains(from), "{name} has no '{from}'");
        self.write(&format!("shaders/{name}.wgsl"), text.replace(from, to))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn data(case: &str) -> PathBuf {
    root().join("tests/data").join(case)
}

/// `run` on the model and inputs of this folder, with more arguments.
fn run_args(more: &[&str]) -> Vec<OsString> {
    let usual = ["run", "--model", "model", "--inputs", "in.safetensors", "--outputs", "out.safetensors"];
    usual.iter().chain(more).map(OsString::from).collect()
}
