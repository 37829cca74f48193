//! `handmill train`: the files it leaves, runs that repeat, runs that are stopped or killed, and losses that are not
//! finite.

mod refused;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use handmill::json::Value;
use handmill::tensor::HostTensor;
use libtest_mimic::Trial;

use crate::{Folder, Ran, data};

/// Runs made with PyTorch: each has something that the others have not.
const CASES: &[&str] = &["dcgan", "early_stopping", "char_lm_lstm_tbptt", "conv_batchnorm"];

type Check = fn(&Folder, &str);

/// What is tried on the adapter and on the reference.
const ROWS: &[(&str, Check)] = &[
    ("two_runs_are_one", two_runs_are_one),
    ("killed", killed),
    ("interrupted", interrupted),
    ("not_finite", not_finite),
    ("update_not_finite", update_not_finite),
    ("watch_nan", watch_nan),
    ("no_space", no_space),
];

/// One trial for each row and device.
pub fn trials(gpu: bool) -> Vec<Trial> {
    let mut trials = refused::trials(gpu);
    for device in ["gpu", "reference"] {
        let ignored = device == "gpu" && !gpu;
        for &case in CASES {
            let trial = Trial::test(format!("train/files/{case}/{device}"), move || {
                files(&Folder::new(), case, device);
                Ok(())
            });
            trials.push(trial.with_ignored_flag(ignored));
        }
        for &(name, row) in ROWS {
            let trial = Trial::test(format!("train/{name}/{device}"), move || {
                row(&Folder::new(), device);
                Ok(())
            });
            trials.push(trial.with_ignored_flag(ignored));
        }
    }
    trials
}

/// `train` on a fixture, with more arguments.
fn replay<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let usual = ["train", "--model", "model", "--train", "model/train.json", "--batches", "model/batches.safetensors"];
    usual.iter().chain(more).copied().collect()
}

fn files(folder: &Folder, case: &str, device: &str) {
    folder.fixture(&format!("training/{case}"));
    let more = ["--out", "out", "--gradients", "gradients.safetensors", "--device", device];
    let ran = folder.handmill(replay(&more)).exits(0);
    assert_eq!(ran.out, "");
    assert!(ran.err.ends_with(", results in out\n"), "{}", ran.err);
    let names: Vec<_> = folder.tree("out").into_keys().collect();
    assert_eq!(names, ["config.json", "loss.csv", "loss.svg", "losses.safetensors", "model.safetensors"]);
    assert_eq!(folder.read("out/config.json"), folder.read("model/config.json"));
    let meta = fs::read(data(&format!("training/{case}/meta.json"))).unwrap();
    let meta: Value = serde_json::from_slice(&meta).unwrap();
    close(folder, "gradients.safetensors", "grads", &meta);
    close(folder, "out/losses.safetensors", "losses", &meta);
    close(folder, "out/model.safetensors", "trained", &meta);
    table(folder);
    let svg = String::from_utf8(folder.read("out/loss.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains("<polyline"), "{svg}");
    // The results are a model folder: they run, and train on.
    let plan = folder.handmill(["plan", "--model", "out"]).exits(0);
    assert!(plan.out.starts_with("plan for "), "{}", plan.out);
    let onwards = ["train", "--model", "out", "--train", "model/train.json", "--out", "onwards", "--device", device];
    folder.handmill(onwards.iter().chain(&["--batches", "model/batches.safetensors"])).exits(0);
}

/// The tensors of the file `made` are those of the fixture's file `name`, each within its tolerance.
fn close(folder: &Folder, made: &str, name: &str, meta: &Value) {
    let (got, want) = (folder.load(made), folder.load(&format!("model/{name}.safetensors")));
    assert_eq!(got.keys().collect::<Vec<_>>(), want.keys().collect::<Vec<_>>(), "{made}");
    for (key, want) in &want {
        assert_eq!(got[key].shape(), want.shape(), "{made}: {key}");
        let atol = meta["tolerance"][name][key].as_f64().unwrap_or(0.0);
        for (at, (g, w)) in got[key].to_f64().into_iter().zip(want.to_f64()).enumerate() {
            // NaN is no number that passes.
            assert!((g - w).abs() <= atol, "{made}: {key}: element {at} is {g}, expected {w} within {atol}");
        }
    }
}

/// `loss.csv` has the values of `losses.safetensors`, to the last bit.
fn table(folder: &Folder) {
    let text = String::from_utf8(folder.read("out/loss.csv")).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().unwrap();
    let rows: Vec<_> = lines.collect();
    assert_eq!(names[0], "step");
    assert!(rows.iter().enumerate().all(|(at, row)| row[0] == at.to_string()), "{text}");
    let losses = folder.load("out/losses.safetensors");
    for (column, name) in names.iter().enumerate().skip(1) {
        let values: Vec<f32> = rows.iter().filter_map(|row| row[column].parse().ok()).collect();
        assert_eq!(losses[*name].as_f32().unwrap(), values, "{name}");
    }
}

/// A small network, a table of examples, and `train.json` with `more` keys; nothing gives weights.
fn drawn(folder: &Folder, more: &str) {
    let config = r#"{"architectures": ["MLP"], "in_features": 4, "hidden_sizes": [8], "out_features": 3, "activation": "tanh", "dropout": 0.25}"#;
    let mut csv = "a,b,c,d,label\n".to_owned();
    let mut state = 1u32;
    for row in 0..23 {
        for _ in 0..4 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            csv += &format!("{},", f64::from(state >> 16) / 65536.0 + f64::from(row % 3));
        }
        csv += &format!("{}\n", row % 3);
    }
    let train = format!(
        r#"{{"loss": "cross_entropy", "optimizer": {{"name": "adam", "lr": 0.05}}, "seed": 7, "accumulate": 2,
        "ema": {{"decay": 0.9}}, "validate_every": 2, {more},
        "data": {{"reader": "csv", "path": "data.csv", "target": ["label"], "classes": 3, "batch_size": 5,
        "validation": 0.2, "normalize": "standard"}}}}"#
    );
    folder.write("model/config.json", config).write("data.csv", csv).write("train.json", train);
}

/// `train` on the data of [`drawn`].
fn on_data<'a>(out: &'a str, device: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let usual = ["train", "--model", "model", "--train", "train.json", "--out", out, "--device", device];
    usual.iter().chain(more).copied().collect()
}

#[track_caller]
fn same(folder: &Folder, a: &str, b: &str) {
    let (a, b) = (folder.tree(a), folder.tree(b));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        assert!(*bytes == b[name], "{name} differs");
    }
}

fn two_runs_are_one(folder: &Folder, device: &str) {
    drawn(folder, r#""steps": 6, "checkpoint_every": 2, "keep": 9"#);
    let ran = folder.handmill(on_data("a", device, &[])).exits(0);
    assert!(ran.err.contains("handmill: weights are drawn from seed 7\n"), "{}", ran.err);
    folder.handmill(on_data("b", device, &[])).exits(0);
    same(folder, "a", "b");
    let names: Vec<_> = folder.tree("a").into_keys().collect();
    let expected = [
        "checkpoints/latest",
        "checkpoints/step-000002.safetensors",
        "checkpoints/step-000004.safetensors",
        "checkpoints/step-000006.safetensors",
        "config.json",
        "loss.csv",
        "loss.svg",
        "losses.safetensors",
        "model.safetensors",
        "model_ema.safetensors",
        "normalize.json",
    ];
    assert_eq!(names, expected);
    // Another seed is another run.
    folder.handmill(on_data("c", device, &["--random", "8"])).exits(0);
    assert_ne!(folder.read("a/model.safetensors"), folder.read("c/model.safetensors"));
    // A run that is done stays as it is.
    let ran = folder.handmill(on_data("a", device, &["--resume", "a"])).exits(0);
    assert!(ran.err.contains("going on after step 6 of a/checkpoints/step-000006.safetensors\n"), "{}", ran.err);
    same(folder, "a", "b");
}

impl Folder {
    /// Starts the command here.
    fn spawn(&self, args: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_handmill"));
        command.current_dir(self.at("")).env("XDG_RUNTIME_DIR", self.at("")).args(args);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

fn killed(folder: &Folder, device: &str) {
    drawn(folder, r#""steps": 300, "checkpoint_every": 1, "log_every": 1000"#);
    folder.handmill(on_data("whole", device, &[])).exits(0);
    let latest = || fs::read_to_string(folder.at("out/checkpoints/latest")).unwrap_or_default();
    let (mut kills, mut state) = (0, 12345u32);
    for _ in 0..10 {
        let before = latest();
        let resumed = on_data("out", device, &["--resume", "out"]);
        let mut child = folder.spawn(if before.is_empty() { &resumed[..resumed.len() - 2] } else { &resumed });
        let patience = Instant::now();
        while latest() == before && child.try_wait().unwrap().is_none() {
            assert!(patience.elapsed() < Duration::from_secs(60), "no checkpoint after {before}");
            std::thread::sleep(Duration::from_millis(1));
        }
        // A checkpoint takes some milliseconds: the end comes anywhere in the next one or two.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        std::thread::sleep(Duration::from_micros(u64::from(state >> 18)));
        let _ = child.kill();
        let output = child.wait_with_output().unwrap();
        assert!(matches!(output.status.code(), None | Some(0)), "{}", String::from_utf8_lossy(&output.stderr));
        kills += usize::from(output.status.code().is_none());
    }
    assert!(kills >= 5, "only {kills} of 10 were killed before they were done");
    folder.handmill(on_data("out", device, &["--resume", "out"])).exits(0);
    same(folder, "whole", "out");
}

fn interrupted(folder: &Folder, device: &str) {
    let settings = |steps: u64| drawn(folder, &format!(r#""steps": {steps}, "log_every": 1"#));
    settings(1_000_000);
    let mut child = folder.spawn(&on_data("out", device, &[]));
    let mut said = vec![];
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        said.push(line.unwrap());
        if said.last().unwrap().starts_with("step 3/") {
            // What a terminal sends for Ctrl-C, and what a system sends before it takes a process away.
            let signal = if device == "gpu" { "-INT" } else { "-TERM" };
            let kill = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
            assert!(kill.success());
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said:?}");
    assert!(said.contains(&"handmill: finishing the step; once more to end at once".to_owned()), "{said:?}");
    let last = said.last().unwrap();
    let step = last.strip_prefix("handmill: stopped after step ").and_then(|rest| rest.split_once(';'));
    let (step, rest) = step.unwrap_or_else(|| panic!("{last}"));
    assert_eq!(rest, " --resume out goes on");
    let step: u64 = step.parse().unwrap();
    assert!(folder.at("out/loss.csv").exists() && !folder.at("out/model.safetensors").exists());
    settings(step + 3);
    folder.handmill(on_data("whole", device, &[])).exits(0);
    folder.handmill(on_data("out", device, &["--resume", "out"])).exits(0);
    fs::remove_dir_all(folder.at("out/checkpoints")).unwrap();
    same(folder, "whole", "out");
}

/// A network with batches of six steps, of which step 3 has values that overflow when they are squared.
fn overflowing(folder: &Folder, optimizer: &str, large: f32) {
    let config =
        r#"{"architectures": ["MLP"], "in_features": 2, "hidden_sizes": [3], "out_features": 1, "activation": "relu"}"#;
    let train = format!(r#"{{"loss": "mse", "optimizer": {optimizer}, "steps": 6, "checkpoint_every": 1, "keep": 9}}"#);
    let x = (0..24).map(|i| (i * 7 % 11) as f32 / 4.0 - 1.0).collect();
    let mut y: Vec<f32> = (0..12).map(|i| (i % 5) as f32).collect();
    y[6] = large;
    let batches = [("input", HostTensor::f32(&[6, 2, 2], x)), ("target", HostTensor::f32(&[6, 2, 1], y))];
    folder.write("model/config.json", config).write("model/train.json", train);
    folder.save("model/batches.safetensors", &batches);
}

const HINT: &str =
    "; a smaller lr or clip_grad_norm may keep it finite, and --watch-nan names the operation that wrote it first\n";

#[track_caller]
fn ends(ran: &Ran, sentence: &str) {
    let last = ran.err.lines().last().unwrap_or_default();
    assert_eq!(last, format!("handmill: {sentence}"), "{}", ran.err);
}

fn not_finite(folder: &Folder, device: &str) {
    overflowing(folder, r#"{"name": "sgd", "lr": 0.01}"#, 1e30);
    let ran = folder.handmill(replay(&["--out", "out", "--device", device])).exits(1);
    ends(&ran, &format!("step 3: loss is inf, not a finite number{}", HINT.trim_end()));
    let names: Vec<_> = folder.tree("out").into_keys().collect();
    let expected = [
        "checkpoints/latest",
        "checkpoints/step-000001.safetensors",
        "checkpoints/step-000002.safetensors",
        "checkpoints/step-000003.safetensors",
        "loss.csv",
        "loss.svg",
        "losses.safetensors",
    ];
    assert_eq!(names, expected);
    assert_eq!(folder.read("out/checkpoints/latest"), b"step-000003.safetensors\n");
    for (name, tensor) in folder.load("out/checkpoints/step-000003.safetensors") {
        assert!(tensor.to_f64().iter().all(|v| v.is_finite()), "{name}");
    }
    let table = String::from_utf8(folder.read("out/loss.csv")).unwrap();
    assert!(table.ends_with("\n3,inf\n"), "{table}");
}

fn update_not_finite(folder: &Folder, device: &str) {
    overflowing(folder, r#"{"name": "sgd", "lr": 3e38}"#, 1.0);
    let ran = folder.handmill(replay(&["--out", "out", "--device", device])).exits(1);
    let last = ran.err.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("handmill: step 0: the update made element ") && last.ends_with(HINT.trim_end()),
        "{last}"
    );
    assert!(last.contains(" of the weight layers."), "{last}");
    assert!(!folder.at("out/checkpoints").exists() && !folder.at("out/model.safetensors").exists());
}

fn watch_nan(folder: &Folder, device: &str) {
    let watched = |out: &str| folder.handmill(replay(&["--out", out, "--device", device, "--watch-nan"]));
    overflowing(folder, r#"{"name": "sgd", "lr": 0.01}"#, 1.0);
    watched("finite").exits(0);
    folder.handmill(replay(&["--out", "plain", "--device", device])).exits(0);
    same(folder, "finite", "plain");
    overflowing(folder, r#"{"name": "sgd", "lr": 0.01}"#, 1e30);
    let ran = watched("large").exits(1);
    let last = ran.err.lines().last().unwrap_or_default();
    assert!(last.starts_with("handmill: step 3: square") && last.contains(" (src/train/objective.rs:"), "{last}");
    assert!(last.contains(" is the first to write a value that is not finite: inf in element "), "{last}");
    // A weight that is no number, in the last of two layers.
    let mut weights = folder.load("finite/model.safetensors");
    let w = &weights["layers.1.weight"];
    let mut values = w.as_f32().unwrap().to_vec();
    values[1] = f32::INFINITY;
    let planted = HostTensor::f32(w.shape(), values);
    weights.insert("layers.1.weight".into(), planted);
    let weights: Vec<_> = weights.into_iter().collect();
    handmill::weights::save_tensors(folder.at("model/model.safetensors"), &weights, true).unwrap();
    let ran = watched("planted").exits(1);
    let last = ran.err.lines().last().unwrap_or_default();
    assert!(last.starts_with("handmill: step 0: layers.1/matmul"), "{last}");
    assert!(last.contains(" (src/models/feedforward/mlp.rs:"), "{last}");
}

/// A small file system in memory, as long as this lives.
struct Small(std::path::PathBuf);

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn no_space(folder: &Folder, device: &str) {
    let path = folder.at("small");
    fs::create_dir(&path).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=100k", "tmpfs"]).arg(&path).output();
    if !mount.is_ok_and(|done| done.status.success()) {
        eprintln!("no_space is skipped: a file system of 100 kB cannot be mounted here");
        return;
    }
    let _small = Small(path);
    drawn(folder, r#""steps": 40, "checkpoint_every": 1, "keep": 99"#);
    let ran = folder.handmill(on_data("small/out", device, &[])).exits(1);
    let latest = String::from_utf8(folder.read("small/out/checkpoints/latest")).unwrap();
    let last: usize = latest.trim().trim_start_matches("step-").trim_end_matches(".safetensors").parse().unwrap();
    assert!(last >= 3, "{latest}");
    // Space ends within the next checkpoint, or within the name of the last.
    let next = format!("small/out/checkpoints/step-{:06}.safetensors", last + 1);
    let full = if folder.at(&next).exists() { "small/out/checkpoints/latest" } else { &next };
    ends(&ran, &format!("{full}: cannot be written: No space left on device (os error 28)"));
    for entry in fs::read_dir(folder.at("small/out/checkpoints")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.starts_with('.'), "{name} was left behind");
    }
    folder.handmill(on_data("whole", device, &[])).exits(0);
    folder.handmill(on_data("out", device, &["--resume", "small/out"])).exits(0);
    let (whole, out) = (folder.tree("whole"), folder.tree("out"));
    assert!(out.iter().all(|(name, bytes)| whole[name] == *bytes));
    assert!(out.contains_key("model.safetensors") && out.contains_key("checkpoints/step-000040.safetensors"));
}
