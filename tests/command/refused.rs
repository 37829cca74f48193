//! What a user gets wrong: exit status 1, one sentence that names the thing, no panic, no part of a file, and the
//! old output as it was.

use std::fs;

use handmill::tensor::HostTensor;
use libtest_mimic::Trial;

use crate::{Folder, run_args};

mod models;

type Wrong = (&'static str, fn(&Folder), &'static [&'static str], &'static str);

const REFERENCE: &[&str] = &["--device", "reference"];
const GPU: &[&str] = &["--device", "gpu"];

/// One trial a row. What has nothing to do with an adapter is tried without one.
pub fn trials(gpu: bool) -> Vec<Trial> {
    let families: [(&str, &str, &'static [Wrong]); 5] = [
        ("mlp", "feedforward/mlp_one_hidden", MLP),
        ("bert", "transformers/bert", models::BERT),
        ("gpt2", "transformers/gpt2", models::GPT2),
        ("unet2d", "generative/unet2d", models::UNET2D),
        ("shaders", "transformers/gpt2", models::SHADERS),
    ];
    let rows = families.into_iter().flat_map(|(family, case, rows)| rows.iter().map(move |row| (family, case, row)));
    let trial = |(family, case, row): (&str, &'static str, &'static Wrong)| {
        let ignored = row.2.contains(&"gpu") && !gpu;
        Trial::test(format!("refused/{family}/{}", row.0), move || {
            refused(case, row);
            Ok(())
        })
        .with_ignored_flag(ignored)
    };
    rows.map(trial).collect()
}

fn refused(case: &str, (_, change, args, expected): &Wrong) {
    let folder = Folder::new();
    folder.fixture(case).write("out.safetensors", "old");
    change(&folder);
    let names = |folder: &Folder| {
        let mut names: Vec<_> = fs::read_dir(folder.at("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names(&folder);
    folder.handmill(run_args(args)).without_lines().fails(expected);
    assert_eq!(names(&folder), before);
    let old = folder.at("out.safetensors");
    assert!(old.is_dir() || fs::read(old).unwrap() == b"old");
}

/// A file of a header and `data` bytes.
fn raw(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

fn truncate(folder: &Folder, name: &str, by: u64) {
    let file = fs::OpenOptions::new().write(true).open(folder.at(name)).unwrap();
    file.set_len(file.metadata().unwrap().len() - by).unwrap();
}

/// Replaces text in the model's config.
fn config(folder: &Folder, from: &str, to: &str) {
    let text = fs::read_to_string(folder.at("model/config.json")).unwrap();
    assert!(text.contains(from), "{text}");
    folder.write("model/config.json", text.replace(from, to));
}

/// The inputs with one of them replaced, or removed.
fn input(folder: &Folder, name: &str, tensor: Option<HostTensor>) {
    let mut tensors = folder.load("in.safetensors");
    tensors.remove(name);
    tensors.extend(tensor.map(|tensor| (name.to_owned(), tensor)));
    let tensors: Vec<_> = tensors.into_iter().collect();
    handmill::weights::save_tensors(folder.at("in.safetensors"), &tensors, true).unwrap();
}

fn ids(folder: &Folder, name: &str, at: usize, value: i32) {
    let old = folder.load("in.safetensors").remove(name).unwrap();
    let mut values = old.as_i32().unwrap().to_vec();
    values[at] = value;
    input(folder, name, Some(HostTensor::i32(old.shape(), values)));
}

/// The weights changed.
fn weights(folder: &Folder, change: fn(&mut handmill::engine::Tensors)) {
    let mut tensors = folder.load("model/model.safetensors");
    change(&mut tensors);
    let tensors: Vec<_> = tensors.into_iter().collect();
    handmill::weights::save_tensors(folder.at("model/model.safetensors"), &tensors, false).unwrap();
}

fn in_file(folder: &Folder, bytes: impl AsRef<[u8]>) {
    folder.write("in.safetensors", bytes);
}

fn model_file(folder: &Folder, bytes: impl AsRef<[u8]>) {
    folder.write("model/model.safetensors", bytes);
}

const LFS: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

const MLP: &[Wrong] = &[
    // Files of tensors.
    (
        "inputs/absent",
        |f| fs::remove_file(f.at("in.safetensors")).unwrap(),
        REFERENCE,
        "in.safetensors: cannot be opened: No such file or directory (os error 2)",
    ),
    ("inputs/empty_file", |f| in_file(f, ""), REFERENCE, "in.safetensors: is empty"),
    (
        "inputs/truncated",
        |f| truncate(f, "in.safetensors", 1),
        REFERENCE,
        "in.safetensors: is not a valid safetensors file: tensor \"input\": bytes 0 to 128 do not lie in the 127 bytes of data",
    ),
    (
        "inputs/overlap",
        |f| {
            in_file(
                f,
                raw(
                    r#"{"input":{"dtype":"F32","shape":[1,8],"data_offsets":[0,32]},"b":{"dtype":"F32","shape":[1,8],"data_offsets":[16,48]}}"#,
                    48,
                ),
            )
        },
        REFERENCE,
        "in.safetensors: is not a valid safetensors file: tensor \"b\" overlaps the tensor before it",
    ),
    (
        "inputs/oversized_header",
        |f| in_file(f, [255; 64]),
        REFERENCE,
        "in.safetensors: is cut off: the header should be 18446744073709551615 bytes, the file has 56",
    ),
    (
        "inputs/not_json",
        |f| in_file(f, raw("{", 0)),
        REFERENCE,
        "in.safetensors: is not a valid safetensors file: its header is wrong: EOF while parsing an object at line 1 column 1",
    ),
    (
        "inputs/unknown_dtype",
        |f| in_file(f, raw(r#"{"input":{"dtype":"F31","shape":[1,8],"data_offsets":[0,32]}}"#, 32)),
        REFERENCE,
        "in.safetensors: is not a valid safetensors file: tensor \"input\": its dtype \"F31\" is not known",
    ),
    (
        "inputs/huge_shape",
        |f| in_file(f, raw(r#"{"input":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,32]}}"#, 32)),
        REFERENCE,
        "in.safetensors: is not a valid safetensors file: tensor \"input\": shape [4294967296, 4294967296] is too large",
    ),
    (
        "inputs/git_lfs",
        |f| in_file(f, LFS),
        REFERENCE,
        "in.safetensors: is a Git LFS pointer, not the weights; run `git lfs pull` in its folder",
    ),
    (
        "inputs/no_tensors",
        |f| in_file(f, raw("{}", 0)),
        REFERENCE,
        "src/models/feedforward/mlp.rs:N: input: the input is missing; none is given",
    ),
    (
        "inputs/folder",
        |f| {
            fs::remove_file(f.at("in.safetensors")).unwrap();
            fs::create_dir(f.at("in.safetensors")).unwrap()
        },
        REFERENCE,
        "in.safetensors: is a folder, not a file",
    ),
    (
        "inputs/other_name",
        |f| {
            let x = f.load("in.safetensors").remove("input").unwrap();
            f.save("in.safetensors", &[("x", x)]);
        },
        REFERENCE,
        "src/models/feedforward/mlp.rs:N: input: the input is missing; given are x",
    ),
    (
        "inputs/extra",
        |f| input(f, "surplus", Some(HostTensor::f32(&[1], vec![0.0]))),
        REFERENCE,
        "surplus: is no input of MLP; it has input",
    ),
    (
        "inputs/shape",
        |f| input(f, "input", Some(HostTensor::f32(&[4, 7], vec![0.0; 28]))),
        REFERENCE,
        "src/models/feedforward/mlp.rs:N: input: is (4, 7), and in_features is 8",
    ),
    (
        "inputs/rank",
        |f| input(f, "input", Some(HostTensor::f32(&[], vec![0.0]))),
        REFERENCE,
        "src/models/feedforward/mlp.rs:N: input: is (), and in_features is 8",
    ),
    (
        "inputs/dtype",
        |f| input(f, "input", Some(HostTensor::i32(&[4, 8], vec![0; 32]))),
        REFERENCE,
        "src/models/feedforward/mlp.rs:N: input: the input is i32, expected f32",
    ),
    (
        "inputs/empty_batch",
        |f| in_file(f, raw(r#"{"input":{"dtype":"F32","shape":[0,8],"data_offsets":[0,0]}}"#, 0)),
        REFERENCE,
        "src/models/feedforward/mlp.rs:N: input: shape (0, 8) has no elements",
    ),
    (
        "inputs/empty_batch_gpu",
        |f| in_file(f, raw(r#"{"input":{"dtype":"F32","shape":[0,8],"data_offsets":[0,0]}}"#, 0)),
        GPU,
        "src/models/feedforward/mlp.rs:N: input: shape (0, 8) has no elements",
    ),
    // Weights.
    (
        "weights/absent",
        |f| fs::remove_file(f.at("model/model.safetensors")).unwrap(),
        REFERENCE,
        "model: has neither model.safetensors nor model.safetensors.index.json",
    ),
    (
        "weights/pickled",
        |f| fs::rename(f.at("model/model.safetensors"), f.at("model/pytorch_model.bin")).unwrap(),
        REFERENCE,
        "model: has neither model.safetensors nor model.safetensors.index.json; it has pytorch_model.bin, which has to be converted to safetensors",
    ),
    (
        "weights/truncated",
        |f| truncate(f, "model/model.safetensors", 100),
        REFERENCE,
        "model/model.safetensors: is not a valid safetensors file: tensor \"layers.1.weight\": bytes 588 to 780 do not lie in the 680 bytes of data",
    ),
    (
        "weights/git_lfs",
        |f| model_file(f, LFS),
        REFERENCE,
        "model/model.safetensors: is a Git LFS pointer, not the weights; run `git lfs pull` in its folder",
    ),
    (
        "weights/folder",
        |f| {
            fs::remove_file(f.at("model/model.safetensors")).unwrap();
            fs::create_dir(f.at("model/model.safetensors")).unwrap()
        },
        REFERENCE,
        "model/model.safetensors: is a folder, not a file",
    ),
    (
        "weights/missing_shard",
        |f| {
            fs::remove_file(f.at("model/model.safetensors")).unwrap();
            f.write(
                "model/model.safetensors.index.json",
                r#"{"weight_map":{"layers.0.weight":"model-00001-of-00002.safetensors"}}"#,
            );
        },
        REFERENCE,
        "model/model.safetensors.index.json: 1 of 1 shards are missing: model-00001-of-00002.safetensors",
    ),
    (
        "weights/shard_outside",
        |f| {
            fs::remove_file(f.at("model/model.safetensors")).unwrap();
            f.write("model/model.safetensors.index.json", r#"{"weight_map":{"layers.0.weight":"../in.safetensors"}}"#);
        },
        REFERENCE,
        "model/model.safetensors.index.json: shard \"../in.safetensors\" is not the name of a file in this folder",
    ),
    (
        "weights/all_listed",
        |f| {
            weights(f, |t| {
                t.remove("layers.0.bias");
                t.insert("layers.0.weight".into(), HostTensor::f32(&[8, 16], vec![0.0; 128]));
                t.insert("layers.1.weight".into(), HostTensor::i32(&[3, 16], vec![0; 48]));
                t.insert("layers.1.bias".into(), HostTensor::f32(&[4], vec![0.0; 4]));
                t.insert("surplus".into(), HostTensor::f32(&[4], vec![0.0; 4]));
            })
        },
        REFERENCE,
        "model: 5 weights do not fit the model:\n  layers.0.weight: (8, 16) in the file, expected (16, 8): it is transposed\n  layers.0.bias: missing, expected f32 (16,)\n  layers.1.weight: is stored as I32, expected floats\n  layers.1.bias: (4,) in the file, expected (3,)\n  not used by the model: surplus (1 in all)",
    ),
    (
        "weights/all_listed_gpu",
        |f| {
            weights(f, |t| {
                t.remove("layers.0.bias");
                t.remove("layers.1.bias");
            })
        },
        GPU,
        "model: 2 weights do not fit the model:\n  layers.0.bias: missing, expected f32 (16,)\n  layers.1.bias: missing, expected f32 (3,)",
    ),
    // Configurations.
    ("config/absent", |f| fs::remove_file(f.at("model/config.json")).unwrap(), REFERENCE, "model: has no config.json"),
    (
        "config/empty",
        |f| {
            f.write("model/config.json", "");
        },
        REFERENCE,
        "model/config.json: is not valid JSON: EOF while parsing a value at line 1 column 0",
    ),
    (
        "config/not_utf8",
        |f| {
            f.write("model/config.json", b"{\"architectures\": [\"\xff\"]}");
        },
        REFERENCE,
        "model/config.json: is not UTF-8 text, at byte 20",
    ),
    (
        "config/list",
        |f| {
            f.write("model/config.json", "[]");
        },
        REFERENCE,
        "model/config.json: is a list of 0, not a JSON object",
    ),
    (
        "config/no_architecture",
        |f| {
            f.write("model/config.json", "{}");
        },
        REFERENCE,
        "model/config.json: names no architecture, in architectures or _class_name",
    ),
    (
        "config/architecture",
        |f| config(f, "\"MLP\"", "\"MLQ\""),
        REFERENCE,
        "model/config.json: the architecture MLQ is not one of the models; the nearest are MLP, MultiheadAttention, \
         MaskedSelfAttentionLayer",
    ),
    (
        "config/negative",
        |f| config(f, "\"in_features\": 8", "\"in_features\": -8"),
        REFERENCE,
        "model/config.json: in_features: found -8, expected a whole number from 1 to 2147483648",
    ),
    (
        "config/zero",
        |f| config(f, "\"in_features\": 8", "\"in_features\": 0"),
        REFERENCE,
        "model/config.json: in_features: found 0, expected a whole number from 1 to 2147483648",
    ),
    (
        "config/huge",
        |f| config(f, "\"in_features\": 8", "\"in_features\": 1000000000000000000"),
        REFERENCE,
        "model/config.json: in_features: found 1000000000000000000, expected a whole number from 1 to 2147483648",
    ),
    (
        "config/overflow",
        |f| config(f, "\"in_features\": 8", "\"in_features\": 18446744073709551617"),
        REFERENCE,
        "model/config.json: in_features: found 1.8446744073709552e+19, expected a whole number from 1 to 2147483648",
    ),
    (
        "config/product",
        |f| config(f, "16", "2000000000"),
        REFERENCE,
        "src/models/feedforward/mlp.rs:N, in layers.0: layers.0.weight: shape (2000000000, 8) has more than 2147483647 elements",
    ),
    (
        "config/fraction",
        |f| config(f, "\"in_features\": 8", "\"in_features\": 8.5"),
        REFERENCE,
        "model/config.json: in_features: found 8.5, expected a whole number from 1 to 2147483648",
    ),
    (
        "config/text",
        |f| config(f, "\"in_features\": 8", "\"in_features\": \"8\""),
        REFERENCE,
        "model/config.json: in_features: found \"8\", expected a whole number from 1 to 2147483648",
    ),
    (
        "config/activation",
        |f| config(f, "relu", "relu "),
        REFERENCE,
        "model/config.json: activation: found \"relu \", expected one of relu, tanh, sigmoid, gelu",
    ),
    (
        "config/missing_key",
        |f| config(f, "in_features", "infeatures"),
        REFERENCE,
        "model/config.json: in_features: is missing, expected a whole number from 1 to 2147483648",
    ),
    (
        "config/quantized",
        |f| config(f, "{\n", "{\n\"quantization_config\": {\"quant_method\": \"gptq\"},\n"),
        REFERENCE,
        "model/config.json: quantization_config: weights quantized with gptq are not supported; use the original checkpoint",
    ),
    (
        "config/folder",
        |f| {
            fs::remove_file(f.at("model/config.json")).unwrap();
            fs::create_dir(f.at("model/config.json")).unwrap()
        },
        REFERENCE,
        "model/config.json: is a folder, not a file",
    ),
    ("model/absent", |f| fs::remove_dir_all(f.at("model")).unwrap(), REFERENCE, "model: no such folder"),
    (
        "model/file",
        |f| {
            fs::remove_dir_all(f.at("model")).unwrap();
            f.write("model", "");
        },
        REFERENCE,
        "model: is not a folder",
    ),
    // Outputs.
    (
        "outputs/folder",
        |f| {
            fs::remove_file(f.at("out.safetensors")).unwrap();
            fs::create_dir(f.at("out.safetensors")).unwrap()
        },
        REFERENCE,
        "out.safetensors: is a folder, not a file",
    ),
    // Options.
    ("device/number", |_| (), &["--device", "gpu:99x"], "--device: '99x' is not an adapter number"),
    ("device/negative", |_| (), &["--device", "gpu:-1"], "--device: '-1' is not an adapter number"),
    (
        "device/limits",
        |_| (),
        &["--device", "reference", "--limits", "nosuch"],
        "--limits: 'nosuch' is none of adapter, webgpu, lavapipe, swiftshader, nvidia, apple",
    ),
    ("device/tiny", |_| (), &["--device", "gpu", "--max-memory", "0"], "the plan: needs 1228 bytes, and 0 are allowed"),
    (
        "shaders/absent",
        |_| (),
        &["--device", "reference", "--shaders", "nosuch"],
        "nosuch: is not a folder of WGSL shaders",
    ),
    (
        "shaders/file",
        |_| (),
        &["--device", "reference", "--shaders", "in.safetensors"],
        "in.safetensors: is not a folder of WGSL shaders",
    ),
];
