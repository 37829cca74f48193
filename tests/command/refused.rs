//! What a user gets wrong: exit status 1, one sentence that names the thing, no panic, no part of a file, and the
//! old output as it was.

use std::fs;

use handmill::tensor::HostTensor;
use libtest_mimic::Trial;

use crate::{Folder, run_args};

type Wrong = (&'static str, fn(&Folder), &'static [&'static str], &'static str);

const REFERENCE: &[&str] = &["--device", "reference"];
const GPU: &[&str] = &["--device", "gpu"];

/// One trial a row. What has nothing to do with an adapter is tried without one.
pub fn trials(gpu: bool) -> Vec<Trial> {
    let families: [(&str, &str, &'static [Wrong]); 5] = [
        ("mlp", "feedforward/mlp_one_hidden", MLP),
        ("bert", "transformers/bert", BERT),
        ("gpt2", "transformers/gpt2", GPT2),
        ("unet2d", "generative/unet2d", UNET2D),
        ("shaders", "feedforward/mlp_one_hidden", SHADERS),
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
    folder.handmill(run_args(args)).fails(expected);
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
    ("inputs/absent", |f| fs::remove_file(f.at("in.safetensors")).unwrap(), REFERENCE, "?"),
    ("inputs/empty_file", |f| in_file(f, ""), REFERENCE, "?"),
    ("inputs/truncated", |f| truncate(f, "in.safetensors", 1), REFERENCE, "?"),
    ("inputs/overlap", |f| in_file(f, raw(r#"{"input":{"dtype":"F32","shape":[1,8],"data_offsets":[0,32]},"b":{"dtype":"F32","shape":[1,8],"data_offsets":[16,48]}}"#, 48)), REFERENCE, "?"),
    ("inputs/oversized_header", |f| in_file(f, [255; 64]), REFERENCE, "?"),
    ("inputs/not_json", |f| in_file(f, raw("{", 0)), REFERENCE, "?"),
    ("inputs/unknown_dtype", |f| in_file(f, raw(r#"{"input":{"dtype":"F31","shape":[1,8],"data_offsets":[0,32]}}"#, 32)), REFERENCE, "?"),
    ("inputs/huge_shape", |f| in_file(f, raw(r#"{"input":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,32]}}"#, 32)), REFERENCE, "?"),
    ("inputs/git_lfs", |f| in_file(f, LFS), REFERENCE, "?"),
    ("inputs/no_tensors", |f| in_file(f, raw("{}", 0)), REFERENCE, "?"),
    ("inputs/folder", |f| { fs::remove_file(f.at("in.safetensors")).unwrap(); fs::create_dir(f.at("in.safetensors")).unwrap() }, REFERENCE, "?"),
    ("inputs/other_name", |f| { let x = f.load("in.safetensors").remove("input").unwrap(); f.save("in.safetensors", &[("x", x)]); }, REFERENCE, "?"),
    ("inputs/extra", |f| input(f, "surplus", Some(HostTensor::f32(&[1], vec![0.0]))), REFERENCE, "?"),
    ("inputs/shape", |f| input(f, "input", Some(HostTensor::f32(&[4, 7], vec![0.0; 28]))), REFERENCE, "?"),
    ("inputs/rank", |f| input(f, "input", Some(HostTensor::f32(&[], vec![0.0]))), REFERENCE, "?"),
    ("inputs/dtype", |f| input(f, "input", Some(HostTensor::i32(&[4, 8], vec![0; 32]))), REFERENCE, "?"),
    ("inputs/empty_batch", |f| in_file(f, raw(r#"{"input":{"dtype":"F32","shape":[0,8],"data_offsets":[0,0]}}"#, 0)), REFERENCE, "?"),
    ("inputs/empty_batch_gpu", |f| in_file(f, raw(r#"{"input":{"dtype":"F32","shape":[0,8],"data_offsets":[0,0]}}"#, 0)), GPU, "?"),
    // Weights.
    ("weights/absent", |f| fs::remove_file(f.at("model/model.safetensors")).unwrap(), REFERENCE, "?"),
    ("weights/pickled", |f| fs::rename(f.at("model/model.safetensors"), f.at("model/pytorch_model.bin")).unwrap(), REFERENCE, "?"),
    ("weights/truncated", |f| truncate(f, "model/model.safetensors", 100), REFERENCE, "?"),
    ("weights/git_lfs", |f| model_file(f, LFS), REFERENCE, "?"),
    ("weights/folder", |f| { fs::remove_file(f.at("model/model.safetensors")).unwrap(); fs::create_dir(f.at("model/model.safetensors")).unwrap() }, REFERENCE, "?"),
    ("weights/missing_shard", |f| { fs::remove_file(f.at("model/model.safetensors")).unwrap(); f.write("model/model.safetensors.index.json", r#"{"weight_map":{"layers.0.weight":"model-00001-of-00002.safetensors"}}"#); }, REFERENCE, "?"),
    ("weights/shard_outside", |f| { fs::remove_file(f.at("model/model.safetensors")).unwrap(); f.write("model/model.safetensors.index.json", r#"{"weight_map":{"layers.0.weight":"../in.safetensors"}}"#); }, REFERENCE, "?"),
    ("weights/all_listed", |f| weights(f, |t| {
        t.remove("layers.0.bias");
        t.insert("layers.0.weight".into(), HostTensor::f32(&[8, 16], vec![0.0; 128]));
        t.insert("layers.1.weight".into(), HostTensor::i32(&[3, 16], vec![0; 48]));
        t.insert("layers.1.bias".into(), HostTensor::f32(&[4], vec![0.0; 4]));
        t.insert("surplus".into(), HostTensor::f32(&[4], vec![0.0; 4]));
    }), REFERENCE, "?"),
    ("weights/all_listed_gpu", |f| weights(f, |t| { t.remove("layers.0.bias"); t.remove("layers.1.bias"); }), GPU, "?"),
    // Configurations.
    ("config/absent", |f| fs::remove_file(f.at("model/config.json")).unwrap(), REFERENCE, "?"),
    ("config/empty", |f| { f.write("model/config.json", ""); }, REFERENCE, "?"),
    ("config/not_utf8", |f| { f.write("model/config.json", b"{\"architectures\": [\"\xff\"]}"); }, REFERENCE, "?"),
    ("config/list", |f| { f.write("model/config.json", "[]"); }, REFERENCE, "?"),
    ("config/no_architecture", |f| { f.write("model/config.json", "{}"); }, REFERENCE, "?"),
    ("config/architecture", |f| config(f, "\"MLP\"", "\"MLQ\""), REFERENCE, "?"),
    ("config/negative", |f| config(f, "\"in_features\": 8", "\"in_features\": -8"), REFERENCE, "?"),
    ("config/zero", |f| config(f, "\"in_features\": 8", "\"in_features\": 0"), REFERENCE, "?"),
    ("config/huge", |f| config(f, "\"in_features\": 8", "\"in_features\": 1000000000000000000"), REFERENCE, "?"),
    ("config/overflow", |f| config(f, "\"in_features\": 8", "\"in_features\": 18446744073709551617"), REFERENCE, "?"),
    ("config/product", |f| { config(f, "\"in_features\": 8", "\"in_features\": 2000000000"); config(f, "16", "2000000000") }, REFERENCE, "?"),
    ("config/random_huge", |f| { config(f, "\"in_features\": 8", "\"in_features\": 40000"); config(f, "16", "50000") }, &["--device", "reference", "--random", "1"], "?"),
    ("config/fraction", |f| config(f, "\"in_features\": 8", "\"in_features\": 8.5"), REFERENCE, "?"),
    ("config/text", |f| config(f, "\"in_features\": 8", "\"in_features\": \"8\""), REFERENCE, "?"),
    ("config/activation", |f| config(f, "relu", "relu "), REFERENCE, "?"),
    ("config/missing_key", |f| config(f, "in_features", "infeatures"), REFERENCE, "?"),
    ("config/quantized", |f| config(f, "{\n", "{\n\"quantization_config\": {\"quant_method\": \"gptq\"},\n"), REFERENCE, "?"),
    ("config/folder", |f| { fs::remove_file(f.at("model/config.json")).unwrap(); fs::create_dir(f.at("model/config.json")).unwrap() }, REFERENCE, "?"),
    ("model/absent", |f| fs::remove_dir_all(f.at("model")).unwrap(), REFERENCE, "?"),
    ("model/file", |f| { fs::remove_dir_all(f.at("model")).unwrap(); f.write("model", ""); }, REFERENCE, "?"),
    // Outputs.
    ("outputs/folder", |f| { fs::remove_file(f.at("out.safetensors")).unwrap(); fs::create_dir(f.at("out.safetensors")).unwrap() }, REFERENCE, "?"),
    // Options.
    ("device/number", |_| (), &["--device", "gpu:99x"], "?"),
    ("device/negative", |_| (), &["--device", "gpu:-1"], "?"),
    ("device/limits", |_| (), &["--device", "reference", "--limits", "nosuch"], "?"),
    ("device/tiny", |_| (), &["--device", "gpu", "--max-memory", "0"], "?"),
    ("shaders/absent", |_| (), &["--device", "reference", "--shaders", "nosuch"], "?"),
    ("shaders/file", |_| (), &["--device", "reference", "--shaders", "in.safetensors"], "?"),
];

const BERT: &[Wrong] = &[
    ("id_above", |f| ids(f, "input_ids", 3, 64), REFERENCE, "?"),
    ("id_below", |f| ids(f, "input_ids", 0, -1), GPU, "?"),
    ("type_above", |f| ids(f, "token_type_ids", 15, 2), REFERENCE, "?"),
    ("mask", |f| ids(f, "attention_mask", 1, 7), REFERENCE, "?"),
    ("no_ids", |f| input(f, "input_ids", None), REFERENCE, "?"),
    ("too_long", |f| { input(f, "attention_mask", None); input(f, "token_type_ids", None); input(f, "input_ids", Some(HostTensor::i32(&[1, 17], vec![1; 17]))) }, REFERENCE, "?"),
    ("shapes_differ", |f| input(f, "attention_mask", Some(HostTensor::i32(&[2, 7], vec![1; 14]))), REFERENCE, "?"),
    ("heads", |f| config(f, "\"num_attention_heads\": 4", "\"num_attention_heads\": 5"), REFERENCE, "?"),
    ("no_heads", |f| config(f, "\"num_attention_heads\": 4", "\"num_attention_heads\": 0"), REFERENCE, "?"),
    ("layers", |f| config(f, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1000000000"), REFERENCE, "?"),
    ("vocab", |f| config(f, "\"vocab_size\": 64", "\"vocab_size\": 2147483648"), REFERENCE, "?"),
    ("wrong_rows", |f| config(f, "\"vocab_size\": 64", "\"vocab_size\": 65"), REFERENCE, "?"),
];

const GPT2: &[Wrong] = &[
    ("prompt_id", |f| ids(f, "prompt_ids", 0, 64), REFERENCE, "?"),
    ("prompt_alone", |f| input(f, "max_new_tokens", None), REFERENCE, "?"),
    ("no_tokens", |f| ids(f, "max_new_tokens", 0, -1), REFERENCE, "?"),
    ("float_ids", |f| input(f, "input_ids", Some(HostTensor::f32(&[2, 8], vec![1.0; 16]))), REFERENCE, "?"),
    ("wide_id", |f| in_file(f, { let mut b = raw(r#"{"input_ids":{"dtype":"I64","shape":[1,1],"data_offsets":[0,8]}}"#, 0); b.extend((1i64 << 40).to_le_bytes()); b }), REFERENCE, "?"),
    ("empty_prompt", |f| in_file(f, { let mut b = raw(r#"{"max_new_tokens":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"prompt_ids":{"dtype":"I64","shape":[1,0],"data_offsets":[8,8]}}"#, 0); b.extend(3i64.to_le_bytes()); b }), REFERENCE, "?"),
];

const UNET2D: &[Wrong] = &[
    ("odd_size", |f| input(f, "sample", Some(HostTensor::f32(&[2, 3, 7, 7], vec![0.0; 294]))), REFERENCE, "?"),
    ("channels", |f| input(f, "sample", Some(HostTensor::f32(&[2, 4, 8, 8], vec![0.0; 512]))), REFERENCE, "?"),
    ("block", |f| config(f, "\"AttnDownBlock2D\"", "\"CrossAttnDownBlock2D\""), REFERENCE, "?"),
];

const SHADERS: &[Wrong] = &[];
