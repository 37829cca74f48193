//! `handmill run` on fixtures, and its options.

use std::fs;

use handmill::tensor::Dtype;
use handmill::weights::{Checkpoint, FileDtype, load_tensors};

use crate::Needs::{Gpu, Nothing};
use crate::{Folder, Row, data, run_args};

const CASES: [&str; 4] = ["feedforward/mlp_one_hidden", "transformers/bert", "transformers/gpt2", "generative/unet2d"];

pub const ROWS: &[Row] = &[
    ("fixtures/reference", Nothing, |_| fixtures("reference", 1.0)),
    ("fixtures/gpu", Gpu, |_| fixtures("gpu", 1.0)),
    ("integers_are_i64", Nothing, integers),
    ("random_repeats", Nothing, random),
    ("random_needs_no_weights", Nothing, random_alone),
    ("f16_weights", Gpu, half),
    ("f16_where_there_is_none", Nothing, |folder| {
        let none = "f16: needs 16-bit floats in shaders (SHADER_F16), and webgpu has none";
        let folder = folder.fixture(CASES[0]);
        folder.handmill(["plan", "--model", "model", "--limits", "webgpu", "--dtype", "f16"]).fails(none);
    }),
    ("webgpu_limits", Gpu, |folder| {
        let folder = folder.fixture(CASES[2]);
        folder.handmill(run_args(&["--limits", "webgpu"])).exits(0);
        matches(folder, CASES[2], 1.0);
    }),
    ("max_memory", Gpu, |folder| {
        let folder = folder.fixture(CASES[0]);
        folder.handmill(run_args(&["--max-memory", "1000"])).fails("the plan: needs 1228 bytes, and 1000 are allowed");
        folder.handmill(run_args(&["--max-memory", "100000"])).exits(0);
    }),
    ("by_adapter_name", Gpu, |folder| {
        let devices = folder.handmill(["devices"]).out;
        let name = devices.lines().next().unwrap().split_once("  ").unwrap().1.replace("  (auto)", "");
        folder.fixture(CASES[0]).handmill(run_args(&["--device", &name.to_uppercase()])).exits(0);
        folder.handmill(run_args(&["--device", "gpu:0"])).exits(0);
    }),
    ("extra_weights_are_a_notice", Nothing, extra),
    ("an_old_output_is_replaced", Nothing, |folder| {
        folder.fixture(CASES[0]).write("out.safetensors", "old");
        folder.handmill(run_args(&["--device", "reference"])).exits(0);
        matches(folder, CASES[0], 1.0);
    }),
    ("an_output_through_a_link", Nothing, link),
    ("more_than_the_memory", Nothing, memory),
    ("wrong_outputs", Nothing, wrong_outputs),
    ("paths_of_any_bytes", Nothing, odd_paths),
    ("wrong_device", Gpu, wrong_device),
    ("broken_shader_leaves_no_output", Gpu, |folder| {
        folder.fixture(CASES[2]).write("shaders/index/embedding.wgsl", "fn");
        let ran = folder.handmill(run_args(&["--shaders", "shaders"])).exits(1);
        assert!(ran.err.starts_with("handmill: shaders/index/embedding.wgsl:1: expected "), "{}", ran.err);
        assert!(!folder.at("out.safetensors").exists());
    }),
];

/// Every fixture within `times` its tolerances, with nothing on stdout and one notice.
fn fixtures(device: &str, times: f64) {
    for case in CASES {
        let folder = Folder::new();
        let ran = folder.fixture(case).handmill(run_args(&["--device", device])).exits(0);
        assert_eq!(ran.out, "");
        assert!(ran.err.starts_with("handmill: ") && ran.err.ends_with(" written to out.safetensors\n"), "{}", ran.err);
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
        matches(&folder, case, times);
    }
}

fn matches(folder: &Folder, case: &str, times: f64) {
    let got = folder.load("out.safetensors");
    let meta: serde_json::Value = serde_json::from_slice(&fs::read(data(case).join("meta.json")).unwrap()).unwrap();
    let want = load_tensors(data(case).join("outputs.safetensors")).unwrap();
    let names: Vec<_> = got.keys().collect();
    assert_eq!(names, want.keys().collect::<Vec<_>>(), "{case}");
    for (name, want) in &want {
        let got = &got[name];
        assert_eq!(got.shape(), want.shape(), "{case}: {name}");
        assert_eq!(got.dtype(), want.dtype(), "{case}: {name}");
        let atol = if want.dtype() == Dtype::F32 { meta["outputs"][name]["atol"].as_f64().unwrap() } else { 0.0 };
        for (i, (g, w)) in got.to_f64().iter().zip(want.to_f64()).enumerate() {
            assert!((g - w).abs() <= atol * times, "{case}: {name}[{i}] is {g}, expected {w} ± {atol:e}");
        }
    }
}

fn integers(folder: &Folder) {
    folder.fixture("transformers/gpt2").handmill(run_args(&["--device", "reference"])).exits(0);
    let file = Checkpoint::open(folder.at("out.safetensors")).unwrap();
    assert_eq!(file.info("generated_ids").unwrap().dtype, FileDtype::I64);
    assert_eq!(file.info("logits").unwrap().dtype, FileDtype::F32);
}

fn random(folder: &Folder) {
    let folder = folder.fixture(CASES[1]);
    let run = |seed: &str| {
        folder.handmill(run_args(&["--device", "reference", "--random", seed])).exits(0);
        fs::read(folder.at("out.safetensors")).unwrap()
    };
    let (first, again, other) = (run("7"), run("7"), run("8"));
    assert!(first == again, "the same seed gave other bytes");
    assert!(first != other, "another seed gave the same bytes");
    run("18446744073709551615");
}

fn random_alone(folder: &Folder) {
    fs::remove_file(folder.fixture(CASES[0]).at("model/model.safetensors")).unwrap();
    folder.handmill(run_args(&["--device", "reference", "--random", "0"])).exits(0);
    folder
        .handmill(run_args(&["--device", "reference"]))
        .fails("model: has neither model.safetensors nor model.safetensors.index.json");
}

/// Numbers of 11 bits: others, near the others.
fn half(folder: &Folder) {
    let folder = folder.fixture(CASES[2]);
    fs::remove_file(folder.at("model/generation_config.json")).unwrap();
    let run = |dtype: &str| {
        folder.handmill(run_args(&["--dtype", dtype])).exits(0);
        folder.load("out.safetensors")["logits"].to_f64()
    };
    let (wide, narrow) = (run("f32"), run("f16"));
    let worst = wide.iter().zip(&narrow).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst > 0.0 && worst < 0.05, "f16 weights moved the logits by {worst}");
}

fn extra(folder: &Folder) {
    let folder = folder.fixture(CASES[0]);
    let mut tensors: Vec<_> = folder.load("model/model.safetensors").into_iter().collect();
    tensors.push(("surplus".into(), handmill::HostTensor::f32(&[1], vec![0.0])));
    handmill::weights::save_tensors(folder.at("model/model.safetensors"), &tensors, false).unwrap();
    let ran = folder.handmill(run_args(&["--device", "reference"])).exits(0);
    assert_eq!(
        ran.err,
        "handmill: 1 tensors of the checkpoint are not used: surplus\n\
         handmill: 2 tensors from reference written to out.safetensors\n"
    );
    matches(folder, CASES[0], 1.0);
}

/// Weights that no host holds are refused before any is made.
fn memory(folder: &Folder) {
    let config = fs::read_to_string(folder.fixture(CASES[0]).at("model/config.json")).unwrap();
    folder.write("model/config.json", config.replace("16", &["40000"; 4000].join(",")));
    let ran = folder.handmill(run_args(&["--device", "reference", "--random", "1"])).exits(1);
    let (start, end) = ("handmill: the weights: need 2559", " bytes of host memory, ");
    assert!(ran.err.starts_with(start) && ran.err.contains(end) && ran.err.lines().count() == 1, "{}", ran.err);
    assert!(!folder.at("out.safetensors").exists());
}

/// Outputs that cannot be written, or that would replace what was read. They are refused before the work.
fn wrong_outputs(folder: &Folder) {
    folder.fixture(CASES[0]).write("file", "");
    let rows = [
        ("in.safetensors", "is an input too; write the outputs to another file"),
        ("./model/../in.safetensors", "is an input too; write the outputs to another file"),
        ("model/model.safetensors", "is an input too; write the outputs to another file"),
        ("model/config.json", "is an input too; write the outputs to another file"),
        ("model", "is a folder, not a file"),
        (".", "is a folder, not a file"),
        ("no/out.safetensors", "cannot be written: there is no folder no"),
        ("file/out.safetensors", "cannot be written: there is no folder file"),
        #[cfg(target_os = "linux")]
        ("/dev/null", "is not a regular file"),
        #[cfg(target_os = "linux")]
        ("/proc/out.safetensors", "cannot be written: No such file or directory (os error 2)"),
    ];
    let before = fs::read(folder.at("in.safetensors")).unwrap();
    for (path, expected) in rows {
        let mut args = run_args(&["--device", "reference"]);
        args[6] = path.into();
        folder.handmill(args).fails(&format!("{path}: {expected}"));
    }
    assert!(fs::read(folder.at("in.safetensors")).unwrap() == before);
    let long = "x".repeat(300);
    let mut args = run_args(&["--device", "reference"]);
    args[6] = long.clone().into();
    let ran = folder.handmill(args).exits(1);
    assert!(ran.err.starts_with(&format!("handmill: {long}: cannot be ")), "{}", ran.err);
    let names = fs::read_dir(folder.at("")).unwrap().count();
    assert_eq!(names, 3, "something was left behind");
}

/// Names with a line break, with bytes that are no UTF-8, and of the greatest length.
fn odd_paths(folder: &Folder) {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        folder.fixture(CASES[0]);
        for name in [&b"a\nb"[..], b"\xff\xfe", b" ", &[b'x'; 255]] {
            let mut args = run_args(&["--device", "reference"]);
            args[6] = std::ffi::OsStr::from_bytes(name).to_owned();
            folder.handmill(&args).exits(0);
            assert!(folder.0.path().join(std::ffi::OsStr::from_bytes(name)).exists());
            args[4] = args[6].clone();
            args[6] = "out.safetensors".into();
            folder.handmill(&args).without_lines().fails(
                "src/models/feedforward/mlp.rs:N: input: the input is missing; given are debug.hidden.0, output",
            );
        }
        let mut args = run_args(&["--device", "reference"]);
        args[2] = std::ffi::OsStr::from_bytes(b"\xff").to_owned();
        folder.handmill(args).fails("\u{fffd}: no such folder");
    }
}

fn wrong_device(folder: &Folder) {
    folder.fixture(CASES[0]);
    let devices = folder.handmill(["devices"]).out;
    let lines = devices.lines().filter(|line| line.starts_with("gpu:"));
    let names: Vec<_> = lines.map(|line| line.replace("  (auto)", "").replacen("  ", " ", 1)).collect();
    for (device, shown) in [("gpu:99", "gpu:99"), ("nosuch", "'nosuch'")] {
        let ran = folder.handmill(run_args(&["--device", device]));
        ran.fails(&format!("no usable adapter: {shown} is none of {}", names.join(", ")));
    }
    folder.handmill(run_args(&["--device", "gpu:x"])).fails("--device: 'x' is not an adapter number");
    folder.handmill(run_args(&["--device", "gpu:"])).fails("--device: '' is not an adapter number");
    let empty = "--device: is empty, expected auto, gpu, gpu:N or a part of a name";
    folder.handmill(run_args(&["--device", ""])).fails(empty);
}

/// A link stays a link: the file behind it is replaced.
fn link(folder: &Folder) {
    #[cfg(unix)]
    {
        folder.fixture(CASES[0]).write("behind", "old");
        std::os::unix::fs::symlink("behind", folder.at("out.safetensors")).unwrap();
        folder.handmill(run_args(&["--device", "reference"])).exits(0);
        assert!(fs::symlink_metadata(folder.at("out.safetensors")).unwrap().is_symlink());
        matches(folder, CASES[0], 1.0);
    }
}
