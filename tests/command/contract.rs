//! Exit status, where texts go, the environment, and the verbs that only print.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::Needs::{Gpu, Nothing};
use crate::{Folder, Row, run_args};

const NO_ADAPTER: &[(&str, &str)] = &[("VK_ICD_FILENAMES", "/dev/null"), ("VK_DRIVER_FILES", "/dev/null")];
const NONE_FOUND: &str = "no usable adapter: none was found; a software driver such as Mesa's lavapipe will do";
const MLP: &str = "feedforward/mlp_one_hidden";

pub const ROWS: &[Row] = &[
    ("usage_is_2", Nothing, usage),
    ("help_is_a_result", Nothing, help),
    ("devices", Gpu, devices),
    ("no_adapter", Nothing, no_adapter),
    ("models", Nothing, models),
    ("plan", Nothing, plan),
    ("plan_of_an_adapter", Gpu, |folder| {
        let ran = folder.fixture(MLP).handmill(["plan", "--model", "model"]).exits(0);
        assert!(ran.out.starts_with("plan for ") && ran.err.is_empty(), "{}{}", ran.out, ran.err);
        folder
            .handmill(["plan", "--model", "model", "--max-memory", "10"])
            .fails("the plan: needs 904 bytes, and 10 are allowed");
    }),
    ("closed_stdout", Nothing, closed_stdout),
    ("closed_stderr", Nothing, closed_stderr),
    ("full_stdout", Nothing, full_stdout),
    ("bare_environment", Nothing, bare_environment),
];

fn usage(folder: &Folder) {
    let none: [&[&str]; 2] = [&[], &["kernel"]];
    let wrong: &[&[&str]] = &[
        &["frobnicate"],
        &["--nosuch"],
        &["devices", "extra"],
        &["models", "a", "b"],
        &["run"],
        &["run", "--model", "m", "--inputs", "i"],
        &["run", "--model", "m", "--model", "m", "--inputs", "i", "--outputs", "o"],
        &["run", "--model", "--inputs", "i", "--outputs", "o"],
        &["run", "--model", "m", "--inputs", "", "--outputs", "o"],
        &["verify"],
        &["plan"],
        &["plan", "--model", "m", "--dtype", "f64"],
        &["plan", "--model", "m", "--random", "x"],
        &["plan", "--model", "m", "--random", "-1"],
        &["plan", "--model", "m", "--random", "1.5"],
        &["plan", "--model", "m", "--random", "18446744073709551616"],
        &["plan", "--model", "m", "--max-memory", "-1"],
        &["plan", "--model", "m", "--max-memory", "10G"],
        &["kernel", "show"],
        &["kernel", "run", "neg", "--inputs", "i"],
        &["kernel", "run", "--inputs", "i", "--outputs", "o"],
        &["kernel", "verify"],
        &["kernel", "verify", "neg", "--repro", "r"],
        &["kernel", "run", "--repro", "r", "--inputs", "i", "--outputs", "o"],
    ];
    for args in none.iter().chain(wrong) {
        let ran = folder.handmill(*args).exits(2);
        assert_eq!(ran.out, "", "{args:?}");
        assert!(ran.err.contains("Usage: handmill") || ran.err.contains("try '--help'"), "{args:?}: {}", ran.err);
    }
    let ran = folder.handmill(["plan", "--model", "m", "--random", "18446744073709551616"]);
    let expected =
        "error: invalid value '18446744073709551616' for '--random <SEED>': number too large to fit in target type";
    assert_eq!(ran.err.lines().next(), Some(expected));
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let not_utf8 = std::ffi::OsStr::from_bytes(b"\xff");
        folder.handmill(["plan".as_ref(), "--model".as_ref(), "m".as_ref(), "--limits".as_ref(), not_utf8]).exits(2);
    }
}

fn help(folder: &Folder) {
    for args in [&["--help"][..], &["help"], &["-V"], &["run", "--help"], &["kernel", "run", "-h"]] {
        let ran = folder.handmill(args).exits(0);
        assert!(!ran.out.is_empty() && ran.err.is_empty(), "{args:?}");
    }
}

fn devices(folder: &Folder) {
    let ran = folder.handmill(["devices"]).exits(0);
    assert!(ran.out.starts_with("gpu:0  "), "{}", ran.out);
    assert_eq!(ran.out.matches("  (auto)\n").count(), 1, "{}", ran.out);
    for part in ["    backend ", "    storage binding ", " bytes\n", "    invocations of a workgroup "] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    assert_eq!(ran.err, "");
}

fn no_adapter(folder: &Folder) {
    let ran = |args: Vec<std::ffi::OsString>| folder.with(NO_ADAPTER, args);
    let words = |text: &str| text.split(' ').map(std::ffi::OsString::from).collect::<Vec<_>>();
    let listed = ran(words("devices")).exits(0);
    assert_eq!(listed.out, "no adapter; `auto` runs the CPU reference\n");
    folder.fixture(MLP);
    let auto = ran(run_args(&[])).exits(0);
    let fallback = format!("handmill: {NONE_FOUND}; running the CPU reference, which is slow and exact\n");
    assert_eq!(auto.err, fallback.clone() + "handmill: 2 tensors from reference written to out.safetensors\n");
    for device in ["gpu", "gpu:0", "llvm"] {
        ran(run_args(&["--device", device])).fails(NONE_FOUND);
    }
    assert_eq!(ran(run_args(&["--device", "reference"])).exits(0).err.lines().count(), 1);
    ran(words("verify --model model")).fails(NONE_FOUND);
    ran(words("kernel verify relu --inputs in.safetensors")).fails("input: is no input of relu; it has x");
    let planned = ran(words("plan --model model")).exits(0);
    assert_eq!(planned.err, format!("handmill: {NONE_FOUND}; planning for webgpu\n"));
    assert!(planned.out.starts_with("plan for webgpu: "), "{}", planned.out);
    ran(words("plan --model model --device gpu")).fails(NONE_FOUND);
}

fn models(folder: &Folder) {
    let ran = folder.handmill(["models"]).exits(0);
    for name in ["MLP", "BertModel", "GPT2LMHeadModel", "UNet2DModel", "LayerNorm"] {
        assert!(ran.out.lines().any(|line| line.split_whitespace().any(|word| word == name)), "{name}: {}", ran.out);
        let one = folder.handmill(["models", name]).exits(0).out;
        assert!(one.starts_with(name) && one.contains("\ninputs\n    ") && one.contains("\noutputs\n    "), "{one}");
    }
    let mlp = folder.handmill(["models", "MLP"]).exits(0);
    assert!(
        mlp.out.starts_with("MLP  Multi-layer perceptron\nsection 3.1, Rumelhart, Hinton, Williams 1986\nconfig\n")
    );
    let table = folder.handmill(["models", "--markdown"]).exits(0).out;
    assert!(table.lines().all(|line| line.starts_with('|') && line.ends_with('|')), "{table}");
    assert_eq!(table.lines().count(), ran.out.lines().count() + 2);
    for name in ["nosuch", "", "mlp"] {
        folder.handmill(["models", name]).fails(&format!("{name}: no such model; `handmill models` lists them"));
    }
}

/// With `--limits` no adapter is asked for.
fn plan(folder: &Folder) {
    let plan =
        |more: &[&str]| folder.with(NO_ADAPTER, ["plan", "--model", "model", "--limits", "webgpu"].iter().chain(more));
    folder.fixture("transformers/gpt2");
    let text = plan(&[]).exits(0);
    assert!(text.out.starts_with("plan for webgpu: ") && text.err.is_empty(), "{}{}", text.out, text.err);
    for part in ["attention", "transformer.h.1.mlp.c_proj", "logits f32 (1, 8, 64)", "input_ids"] {
        assert!(text.out.contains(part), "{part}: {}", text.out);
    }
    assert_eq!(plan(&[]).out, text.out);
    let dot = plan(&["--dot"]).exits(0).out;
    assert!(dot.starts_with("digraph plan {\n") && dot.ends_with("}\n"), "{dot}");
    let mut inputs = folder.load("in.safetensors");
    inputs.retain(|name, _| name == "input_ids");
    let named: Vec<_> = inputs.into_iter().collect();
    handmill::weights::save_tensors(folder.at("in.safetensors"), &named, true).unwrap();
    let given = plan(&["--inputs", "in.safetensors"]).exits(0).out;
    assert!(given.contains("logits f32 (2, 8, 64)"), "{given}");
    for name in ["lavapipe", "swiftshader", "nvidia", "apple"] {
        let out = folder.with(NO_ADAPTER, ["plan", "--model", "model", "--limits", name]).exits(0).out;
        assert!(out.starts_with(&format!("plan for {name}: ")), "{out}");
    }
    folder
        .handmill(["plan", "--model", "model", "--limits", "nosuch"])
        .fails("--limits: 'nosuch' is none of adapter, webgpu, lavapipe, swiftshader, nvidia, apple");
}

/// `handmill … | head -1`: a reader that goes away.
fn closed_stdout(folder: &Folder) {
    let root = crate::root();
    let model = root.join("tests/data/generative/unet2d");
    let plan = ["plan", "--limits", "webgpu", "--model", model.to_str().unwrap()];
    for args in [&["kernel", "list"][..], &["models"], &["kernel", "show", "matmul"], &plan] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_handmill"))
            .args(args)
            .current_dir(folder.at(""))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ended = child.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""), "{args:?}");
    }
}

fn closed_stderr(folder: &Folder) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_handmill"))
        .args(["models", "nosuch"])
        .current_dir(folder.at(""))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

fn full_stdout(folder: &Folder) {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let ended = Command::new(env!("CARGO_BIN_EXE_handmill"))
        .args(["kernel", "list"])
        .current_dir(folder.at(""))
        .stdout(full)
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1));
    assert!(err.starts_with("handmill: stdout: cannot be written: "), "{err}");
}

/// Nothing of the environment is needed, and garbage in it is no panic.
fn bare_environment(folder: &Folder) {
    folder.fixture(MLP);
    let garbage: &[&[(&str, &str)]] = &[
        &[],
        &[("WGPU_BACKEND", "garbage"), ("WGPU_ADAPTER_NAME", "zzz"), ("WGPU_POWER_PREF", "-")],
        &[("VK_ICD_FILENAMES", "/nosuch.json"), ("VK_DRIVER_FILES", "/nosuch.json")],
        &[("VK_LAYER_PATH", "/nosuch"), ("VK_INSTANCE_LAYERS", "VK_LAYER_nosuch")],
        &[("LC_ALL", "de_DE.UTF-8"), ("TERM", ""), ("COLUMNS", "1"), ("TMPDIR", "/nosuch")],
    ];
    for set in garbage {
        let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_handmill"));
        command.current_dir(folder.at("")).env_clear().envs(set.iter().copied()).args(run_args(&[]));
        let output = command.output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{set:?}: {err}");
        assert!(err.ends_with(" written to out.safetensors\n") && !err.contains("panicked"), "{set:?}: {err}");
        assert!(output.stdout.is_empty());
    }
}
