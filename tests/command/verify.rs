//! `handmill verify`, and faults planted in shaders: found at the right operation, recorded, replayed.

use std::fs;

use handmill::tensor::HostTensor;
use handmill::weights::{Checkpoint, FileDtype, load_tensors, save_tensors};

use crate::Needs::{Gpu, Nothing};
use crate::{Folder, Ran, Row, data};

const VERIFY: [&str; 3] = ["verify", "--model", "model"];

pub const ROWS: &[Row] = &[
    ("healthy", Gpu, healthy),
    ("healthy_within_webgpu_limits", Gpu, |folder| {
        verify(folder.fixture("transformers/bert"), &["--limits", "webgpu"]).exits(0);
    }),
    ("healthy_f16", Gpu, |folder| {
        verify(folder.fixture("transformers/gpt2"), &["--dtype", "f16", "--random", "3"]).exits(0);
    }),
    ("all", Gpu, all),
    ("all_f16", Gpu, |folder| {
        let families = ["attention", "feedforward", "generative", "layers", "recurrent", "transformers"];
        for family in families.map(|f| data(f).display().to_string()) {
            let ran = folder.handmill(["verify", "--all", &family, "--dtype", "f16"]);
            assert!(ran.out.contains(": 0 differ, 0 cannot be run"), "{family}: {}{}", ran.out, ran.err);
        }
    }),
    ("fault_in_embedding", Gpu, fault_in_embedding),
    ("fault_in_resize", Gpu, fault_in_resize),
    ("fault_with_f16_weights", Gpu, fault_f16),
    ("fault_and_closed_stdout", Gpu, fault_unread),
    ("repro_cannot_be_written", Gpu, no_repro),
    ("reference", Nothing, |folder| {
        let nothing = "--device: there is nothing to verify: the reference would be compared with itself";
        verify(folder.fixture("feedforward/mlp_deep"), &["--device", "reference"]).fails(nothing);
    }),
];

fn verify(folder: &Folder, more: &[&str]) -> Ran {
    folder.handmill(VERIFY.iter().chain(more))
}

fn healthy(folder: &Folder) {
    for case in ["feedforward/mlp_one_hidden", "transformers/gpt2", "generative/unet2d"] {
        let folder_of = Folder::new();
        folder_of.fixture(case);
        for more in [&[][..], &["--inputs", "in.safetensors"], &["--operations"], &["--random", "5"]] {
            let ran = verify(&folder_of, more).exits(0);
            let mut lines = ran.out.lines();
            let head = lines.next().unwrap();
            assert!(head.starts_with("operation ") && head.ends_with(" max |diff|  of bound"), "{head}");
            let last = lines.next_back().unwrap();
            assert!(last.contains(" operations for ") && last.contains(": all within their bounds"), "{last}");
            assert!(!ran.out.contains("FAILED") && lines.count() >= 2, "{}", ran.out);
            assert_eq!(ran.err, "", "{case} {more:?}");
        }
        assert!(!folder_of.at("repro").exists());
    }
    verify(folder.fixture("feedforward/mlp_one_hidden"), &["--inputs", "nosuch"])
        .fails("nosuch: cannot be opened: No such file or directory (os error 2)");
}

/// One row a model folder, deep ones too. A wrong output is status 3, and what cannot be run at all is 1.
fn all(folder: &Folder) {
    let copy = |case: &str, to: &str| {
        fs::create_dir_all(folder.at(to)).unwrap();
        for entry in fs::read_dir(data(case)).unwrap() {
            let from = entry.unwrap().path();
            fs::copy(&from, folder.at(to).join(from.file_name().unwrap())).unwrap();
        }
    };
    copy("feedforward/mlp_deep", "models/mlp");
    copy("transformers/gpt2", "models/text/gpt2");
    copy("training/dcgan", "models/dcgan");
    folder.write("models/notes.txt", "no model");
    let verify = || folder.handmill(["verify", "--all", "models"]);
    let ran = verify().exits(0);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines[0], "| folder | model | operations | of bound | outputs, adapter | outputs, reference |");
    let names = ["| dcgan | DCGAN | ", "| mlp | MLP | ", "| text/gpt2 | GPT2LMHeadModel | "];
    assert!(lines[2..5].iter().zip(names).all(|(line, name)| line.starts_with(name)), "{}", ran.out);
    assert!(lines[2].ends_with(" | – | – |") && !lines[3].contains('–'), "{}", ran.out);
    assert!(lines[6].starts_with("3 models on ") && lines[6].ends_with(": 0 differ, 0 cannot be run"), "{}", ran.out);

    let mut outputs = load_tensors(folder.at("models/text/gpt2/outputs.safetensors")).unwrap();
    let ids = outputs["generated_ids"].as_i32().unwrap().iter().map(|id| id ^ 1).collect();
    outputs.insert("generated_ids".into(), HostTensor::i32(outputs["generated_ids"].shape(), ids));
    save_tensors(folder.at("models/text/gpt2/outputs.safetensors"), &outputs.into_iter().collect::<Vec<_>>(), true)
        .unwrap();
    let ran = verify().exits(3);
    assert!(ran.out.contains(" | inf | inf FAILED |\n") && ran.out.contains(": 1 differ, 0 cannot"), "{}", ran.out);

    folder.write("models/mlp/config.json", "{}");
    let ran = verify().exits(1);
    let row = "| mlp | models/mlp/config.json: names no architecture, in architectures or _class_name | | | | |\n";
    assert!(ran.out.contains(row), "{}", ran.out);
    assert_eq!(ran.err, "handmill: models: 1 of 3 models cannot be run\n");
    fs::create_dir(folder.at("empty")).unwrap();
    let none = "empty: holds no model: no folder in it has a config.json";
    folder.handmill(["verify", "--all", "empty"]).fails(none);
    folder
        .handmill(["verify", "--all", "nosuch"])
        .fails("nosuch: cannot be read: No such file or directory (os error 2)");
}

/// The first divergence is `operation`; its repro fails with the broken shaders and passes with the others.
fn located(folder: &Folder, more: &[&str], operation: &str, kernel: &str) {
    let ran = verify(folder, &[more, &["--shaders", "shaders", "--repro", "out/repro"]].concat()).exits(3);
    let first = ran.out.lines().find(|line| line.starts_with("first divergence: ")).expect(&ran.out);
    assert!(first.contains(&format!(", {operation} (src/")), "{first}");
    assert!(ran.out.lines().any(|line| line.starts_with(operation) && line.ends_with("FAILED")), "{}", ran.out);
    let told = "handmill: the call is in out/repro; replay it with handmill kernel verify --repro out/repro\n";
    assert_eq!(ran.err, told);
    let mut names: Vec<_> =
        fs::read_dir(folder.at("out/repro")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["call.json", "expected.safetensors", "got.safetensors", "inputs.safetensors"]);
    let call: serde_json::Value = serde_json::from_slice(&fs::read(folder.at("out/repro/call.json")).unwrap()).unwrap();
    assert_eq!(call["kernel"], kernel);

    let replay = ["kernel", "verify", "--repro", "out/repro"];
    let broken = folder.handmill(replay.iter().chain(&["--shaders", "shaders"])).exits(3);
    assert!(broken.out.contains("FAILED: "), "{}", broken.out);
    let sound = folder.handmill(replay).exits(0);
    assert!(sound.out.contains(" of its bound\n") && !sound.out.contains("FAILED"), "{}", sound.out);

    let run = ["kernel", "run", "--repro", "out/repro", "--outputs", "y.safetensors"];
    folder.handmill(run.iter().chain(&["--shaders", "shaders"])).exits(0);
    assert_eq!(folder.load("y.safetensors"), folder.load("out/repro/got.safetensors"));
    folder.handmill(run.iter().chain(&["--device", "reference"])).exits(0);
    assert_eq!(folder.load("y.safetensors"), folder.load("out/repro/expected.safetensors"));
    folder.handmill(run).exits(0);
}

fn fault_in_embedding(folder: &Folder) {
    folder.fixture("transformers/gpt2").shader("index/embedding", "+ i % params.cols)", "+ (i + 1u) % params.cols)");
    located(folder, &["--inputs", "in.safetensors"], "transformer.wte/embedding", "embedding");
}

/// Seventy operations in, and only the last column is wrong.
fn fault_in_resize(folder: &Folder) {
    let (sound, broken) = ("column[ox], 0, i32(params.iw) - 1", "column[ox], 0, i32(params.iw) - 2");
    folder.fixture("generative/unet2d").shader("resize/resize_nearest", sound, broken);
    located(folder, &[], "up_blocks.0.attentions.1.to_out/resize_nearest", "resize_nearest");
}

/// The recorded weight stays f16, so that the replay takes the same way through the shader.
fn fault_f16(folder: &Folder) {
    let (sound, broken) = ("unpack2x16float(w[i >> 1u])[i & 1u]", "unpack2x16float(w[i >> 1u])[0]");
    folder.fixture("transformers/gpt2").shader("index/embedding", sound, broken);
    verify(folder, &["--shaders", "shaders"]).exits(0);
    located(folder, &["--dtype", "f16"], "transformer.wte/embedding", "embedding");
    let inputs = Checkpoint::open(folder.at("out/repro/inputs.safetensors")).unwrap();
    assert_eq!(inputs.info("w").unwrap().dtype, FileDtype::F16);
}

/// Nobody reads the table: the status and the repro are there all the same.
fn fault_unread(folder: &Folder) {
    folder.fixture("transformers/gpt2").shader("index/embedding", "+ i % params.cols)", "+ (i + 1u) % params.cols)");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_handmill"))
        .args(VERIFY.iter().chain(&["--shaders", "shaders"]))
        .current_dir(folder.at(""))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert!(folder.at("repro/call.json").exists());
}

fn no_repro(folder: &Folder) {
    folder.fixture("transformers/gpt2").shader("index/embedding", "+ i % params.cols)", "+ (i + 1u) % params.cols)");
    let ran = verify(folder.write("taken", "a file"), &["--shaders", "shaders", "--repro", "taken"]).exits(1);
    assert_eq!(ran.err, "handmill: taken: cannot be made: File exists (os error 17)\n");
    assert!(ran.out.contains("first divergence: "), "{}", ran.out);
}
