//! Examples that train, for a few steps each.

use std::path::PathBuf;
use std::time::Duration;

use crate::Needs::Gpu;
use crate::{Folder, Row};

pub const ROWS: &[Row] = &[
    ("mlp", Gpu, |folder| trains(folder, "mlp", &[])),
    ("lenet", Gpu, |folder| trains(folder, "lenet", &[])),
    ("autoencoder", Gpu, |folder| trains(folder, "autoencoder", &["reconstructions.png"])),
    ("denoising", Gpu, |folder| trains(folder, "denoising", &["reconstructions.png"])),
    ("vae", Gpu, |folder| trains(folder, "vae", &["reconstructions.png", "samples.png"])),
    ("gan", Gpu, |folder| trains(folder, "gan", &["samples.png"])),
    ("ddpm", Gpu, |folder| trains(folder, "ddpm", &["samples.png"])),
];

/// `cargo test` builds the examples beside the tests.
pub fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is not built: cargo build --release --example {name}", path.display());
    path
}

/// Two steps of `train_digits`, and `handmill run` on the held-out digits with the model it wrote.
fn trains(folder: &Folder, model: &str, pictures: &[&str]) {
    let mut command = assert_cmd::Command::new(example("train_digits"));
    command.current_dir(folder.at("")).env("XDG_RUNTIME_DIR", folder.at("")).timeout(Duration::from_secs(300));
    command.args([
        "--model",
        model,
        "--steps",
        "2",
        "--batch-size",
        "4",
        "--samples",
        "3",
        "--lr",
        "0.001",
        "--out",
        "m",
    ]);
    let output = command.output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "stdout: {out}\nstderr: {err}");
    assert!(out.starts_with(&format!("{model}: 2 steps of 4 digits with seed 0 in ")), "{out}");
    assert_eq!(out.contains("held-out loss "), model != "gan", "{out}");
    assert_eq!(out.contains(" of 360 held-out digits right"), pictures.is_empty(), "{out}");
    for name in pictures.iter().chain(&["config.json", "train.json", "model.safetensors", "losses.safetensors"]) {
        assert!(folder.at("m").join(name).exists(), "{name} was not written");
    }
    if folder.at("m/held_out.safetensors").exists() {
        let inputs = ["--inputs", "m/held_out.safetensors", "--outputs", "out.safetensors"];
        folder.handmill(["run", "--model", "m"].iter().chain(&inputs)).exits(0);
        assert!(folder.load("out.safetensors").values().all(|tensor| tensor.shape()[0] == 360));
    }
}
