//! Examples that read a checkpoint: what they print of the fixtures, and one sentence for everything that is not there.

use std::fs;
use std::time::Duration;

use handmill::tensor::HostTensor;
use serde_json::{Value, json};

use crate::Needs::{Gpu, Nothing};
use crate::examples::example;
use crate::{Folder, Ran, Row, data};

pub const ROWS: &[Row] = &[
    ("random", Gpu, random),
    ("generated", Gpu, generated),
    ("bert_fill_mask", Gpu, fill_mask),
    ("bert_classify", Gpu, classify),
    ("vit_classify", Gpu, images),
    ("clip_rank", Gpu, images_and_texts),
    ("attention_maps", Gpu, attention_maps),
    ("refused", Nothing, refused),
    ("noticed", Nothing, noticed),
];

/// Runs an example here.
fn run(folder: &Folder, name: &str, args: &[&str]) -> Ran {
    let mut command = assert_cmd::Command::new(example(name));
    command.current_dir(folder.at("")).env("XDG_RUNTIME_DIR", folder.at("")).timeout(Duration::from_secs(120));
    command.env("HF_HUB_CACHE", "cache").args(args);
    let output = command.output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    Ran { status: output.status.code(), out, err }
}

/// A fixture as `model`, with a tokenizer whose word `w<n>` is token `n`; those of `names` have other words.
fn model(folder: &Folder, case: &str, names: &[(&str, usize)]) {
    let word = |n: usize| names.iter().find(|(_, id)| *id == n).map_or(format!("w{n}"), |(name, _)| (*name).into());
    let vocab: serde_json::Map<String, Value> = (0..64).map(|n| (word(n), json!(n))).collect();
    let sequence = |id: &str, kind: i32| json!({"Sequence": {"id": id, "type_id": kind}});
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null, "decoder": null,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {"type": "TemplateProcessing", "single": [sequence("A", 0)],
            "pair": [sequence("A", 0), sequence("B", 1)], "special_tokens": {}},
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "w0"},
    });
    folder.fixture(case).write("model/tokenizer.json", tokenizer.to_string());
}

/// Changes `config.json`; `null` removes a key.
fn configure(folder: &Folder, changes: &[(&str, Value)]) {
    let mut config: serde_json::Map<_, _> = serde_json::from_slice(&folder.read("model/config.json")).unwrap();
    for (key, value) in changes {
        config.insert((*key).into(), value.clone());
        config.retain(|_, value| !value.is_null());
    }
    folder.write("model/config.json", serde_json::to_vec(&config).unwrap());
}

fn words(ids: &[i32]) -> String {
    ids.iter().map(|id| format!("w{id}")).collect::<Vec<_>>().join(" ")
}

fn softmax(logits: &[f32]) -> Vec<f64> {
    let all: Vec<f64> = logits.iter().map(|&x| f64::from(x).exp()).collect();
    let sum: f64 = all.iter().sum();
    all.iter().map(|x| x / sum).collect()
}

/// Every line of `text` that is a probability and a name, as they are.
fn ranked(text: &str) -> Vec<(f64, String)> {
    let pair = |line: &str| {
        let (p, name) = line.trim().split_once("  ")?;
        Some((p.parse().ok()?, name.to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

/// `found` are the best of `logits` in their order, printed to four places.
#[track_caller]
fn are_best(found: &[(f64, String)], logits: &[f32], name: impl Fn(usize) -> String) {
    let mut wanted: Vec<(usize, f64)> = softmax(logits).into_iter().enumerate().collect();
    wanted.sort_by(|a, b| b.1.total_cmp(&a.1));
    assert!(!found.is_empty());
    for ((p, label), (id, wanted)) in found.iter().zip(wanted) {
        assert!((p - wanted).abs() < 6e-5 && *label == name(id), "{p} {label}, expected {wanted} {}", name(id));
    }
}

fn random(folder: &Folder) {
    for (name, args, holds) in [
        ("gpt2", &["-n", "2"][..], "A hand mill is "),
        ("sentence_similarity", &[], "1.000"),
        ("bert_fill_mask", &[], "[MASK] 2"),
        ("bert_classify", &["--pairs"], "positive"),
        ("llama", &["-n", "2"], "A hand mill is "),
        ("t5_summarize", &["-n", "2"], " "),
        ("bart", &["-n", "2"], " 0 2\n"),
        ("vit_classify", &[], "LABEL_4"),
        ("clip_rank", &[], "B a photo of a cat"),
        ("attention_maps", &["--architecture", "CLIPModel", "--head", "1"], "1 of 4 heads"),
    ] {
        let ran = run(folder, name, &[&["--random"], args].concat()).exits(0);
        assert!(ran.out.contains(holds), "{name}: {}", ran.out);
        assert!(ran.err.starts_with("random weights: the results mean nothing;"), "{name}: {}", ran.err);
    }
}

/// The recorded ids of greedy generation, as words.
fn generated(folder: &Folder) {
    for (name, case, skipped) in [("llama", "llama", 5), ("t5_summarize", "t5", 1), ("bart", "bart", 1)] {
        let case = format!("transformers/{case}");
        model(folder, &case, &[]);
        let prompt = words(folder.load("in.safetensors")["prompt_ids"].as_i32().unwrap());
        let outputs = handmill::weights::load_tensors(data(&case).join("outputs.safetensors")).unwrap();
        let wanted = words(&outputs["generated_ids"].as_i32().unwrap()[skipped..]);
        folder.write("text.txt", prompt.replace(' ', "\n"));
        let more: &[&str] = match name {
            "llama" => &["--temperature", "0", "--prompt", &prompt],
            "t5_summarize" => &["--prefix", "", "--file", "text.txt"],
            _ => &["--file", "text.txt"],
        };
        let ran = run(folder, name, &[&["--model", "model", "-n", "8"], more].concat()).exits(0);
        let before = if name == "llama" { prompt + " " } else { String::new() };
        assert_eq!(ran.out, format!("{before}{wanted}\n"), "{name}");
        assert!(ran.err.contains("8 tokens, "), "{name}: {}", ran.err);
    }
}

/// What `handmill run` gives for the same ids.
fn fill_mask(folder: &Folder) {
    model(folder, "transformers/bert_masked_lm", &[("[MASK]", 13)]);
    let ids = vec![45, 25, 13, 22, 13];
    folder.save("in.safetensors", &[("input_ids", HostTensor::i32(&[1, 5], ids))]);
    folder.handmill(crate::run_args(&[])).exits(0);
    let logits = &folder.load("out.safetensors")["logits"]; // (1, 5, 64)
    let text = "w45 w25 [MASK] w22 [MASK]";
    let ran = run(folder, "bert_fill_mask", &["--model", "model", "--top", "3", "w1 [MASK]", text]).exits(0);
    let found = ranked(ran.out.split_once(text).unwrap().1);
    assert_eq!(found.len(), 6, "{}", ran.out);
    let name = |id: usize| if id == 13 { "[MASK]".into() } else { format!("w{id}") };
    for (found, t) in found.chunks(3).zip([2, 4]) {
        are_best(found, &logits.as_f32().unwrap()[t * 64..][..64], name);
    }
}

/// What transformers gave for pairs with padding.
fn classify(folder: &Folder) {
    model(folder, "transformers/bert_sequence_classification", &[]);
    let pairs = ["w30 w60 w13 w20", "w24 w3 w61 w32", "w50 w54 w37", "w48 w19 w48"];
    let ran = run(folder, "bert_classify", &[&["--model", "model", "--pairs"], &pairs[..]].concat()).exits(0);
    let outputs = load("transformers/bert_sequence_classification/outputs.safetensors");
    let found = ranked(&ran.out);
    assert_eq!(found.len(), 6, "{}", ran.out);
    for (found, logits) in found.chunks(3).zip(outputs["logits"].as_f32().unwrap().chunks(3)) {
        are_best(found, logits, |id| format!("LABEL_{id}"));
    }
}

fn load(name: &str) -> handmill::engine::Tensors {
    handmill::weights::load_tensors(data(name)).unwrap()
}

/// The files of images, and what the library makes of them for a model with images of 16 pixels.
fn photo(folder: &Folder, processor: &str, case: &str) -> HostTensor {
    fs::copy(data("images/photo.png"), folder.at("photo.png")).unwrap();
    folder.write("model/preprocessor_config.json", processor);
    load("images/pixel_values.safetensors")[case].clone()
}

fn images(folder: &Folder) {
    model(folder, "transformers/vit", &[]);
    let pixels = photo(folder, r#"{"image_processor_type": "ViTImageProcessor", "size": 16}"#, "vit_down");
    folder.save("in.safetensors", &[("pixel_values", pixels)]).handmill(crate::run_args(&[])).exits(0);
    let ran = run(folder, "vit_classify", &["--model", "model", "photo.png", "photo.png"]).exits(0);
    assert_eq!((ran.out.matches("photo.png\n").count(), ran.err.as_str()), (2, ""));
    let (found, logits) = (ranked(&ran.out), &folder.load("out.safetensors")["logits"]);
    assert_eq!(found.len(), 10, "{}", ran.out);
    for found in found.chunks(5) {
        are_best(found, logits.as_f32().unwrap(), |id| format!("LABEL_{id}"));
    }
}

fn images_and_texts(folder: &Folder) {
    model(folder, "transformers/clip", &[]);
    let processor = r#"{"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 16}, "crop_size": 16}"#;
    let pixels = photo(folder, processor, "clip_down");
    let ids = vec![54, 49, 52, 55, 54, 20, 30, 55];
    folder.save("in.safetensors", &[("pixel_values", pixels), ("input_ids", HostTensor::i32(&[2, 4], ids))]);
    folder.handmill(crate::run_args(&[])).exits(0);
    let texts = ["w54 w49 w52 w55", "w54 w20 w30 w55"];
    let args = [&["--model", "model", "--image", "photo.png"], &texts[..]].concat();
    let ran = run(folder, "clip_rank", &args).exits(0);
    let wanted: String = softmax(folder.load("out.safetensors")["logits_per_image"].as_f32().unwrap())
        .iter()
        .map(|p| format!("{p:8.4}"))
        .collect();
    let expected =
        format!("{0}  A {1}\n{0}  B {2}\n{0}       A       B\nphoto.png{wanted}\n", " ".repeat(9), texts[0], texts[1]);
    assert_eq!(ran.out, expected);
}

/// A picture of every head, or of one.
fn attention_maps(folder: &Folder) {
    model(folder, "transformers/t5", &[]);
    let args = ["--model", "model", "--text", "w4 w24 w36", "--answer", "w3", "--layer", "3", "--out", "a.png"];
    let ran = run(folder, "attention_maps", &args).exits(0);
    assert!(ran.out.ends_with("a.png: decoder.block.0.layer.1.EncDecAttention, 3 of 3 heads\n"), "{}", ran.out);
    assert!(ran.out.contains("  3  decoder.block.0.layer.1.EncDecAttention: 3 heads, 2 × 3\n"), "{}", ran.out);
    let all = image::open(folder.at("a.png")).unwrap().into_rgb8();
    run(folder, "attention_maps", &[&args[..], &["--head", "0"]].concat()).exits(0);
    let one = image::open(folder.at("a.png")).unwrap().into_rgb8();
    assert_eq!((all.width(), all.height()), (2 * one.width(), 2 * one.height()));
    let colours: std::collections::BTreeSet<_> = one.pixels().map(|p| p.0).collect();
    assert!(colours.len() > 8, "{} colours", colours.len());
}

/// An example fails with one sentence, and prints and writes nothing.
#[track_caller]
fn fails(folder: &Folder, name: &str, args: &[&str], sentence: &str) {
    let ran = run(folder, name, &[args, &["--device", "reference"]].concat()).exits(1);
    assert_eq!((ran.err.as_str(), ran.out.as_str()), (&*format!("error: {sentence}\n"), ""), "{name}");
}

fn refused(folder: &Folder) {
    let text = "w1 w2";
    let missing = "cache: does not hold org/none; download config.json, model.safetensors and, for text, \
                   tokenizer.json, for example with `hf download org/none`";
    fails(folder, "llama", &["--hub", "org/none"], missing);
    model(folder, "transformers/bert_sequence_classification", &[]);
    let other = "model: holds a BertForSequenceClassification, expected a BertForMaskedLM";
    fails(folder, "bert_fill_mask", &["--model", "model", text], other);
    let with = ["--model", "model"];
    let empty = "the text: is empty, expected some words";
    fails(folder, "bert_classify", &[&with[..], &[" "]].concat(), empty);
    fails(folder, "bert_classify", &[&with[..], &["--pairs", text, ""]].concat(), empty);
    let odd = "--pairs: found 1 texts, expected an even number";
    fails(folder, "bert_classify", &[&with[..], &["--pairs", text]].concat(), odd);
    configure(folder, &[("id2label", json!({"0": "a", "2": "b", "3": "c"}))]);
    let hole = "model/config.json: id2label: has 3 names and none of label 1";
    fails(folder, "bert_classify", &[&with[..], &[text]].concat(), hole);
    fs::remove_file(folder.at("model/tokenizer.json")).unwrap();
    fails(folder, "bert_classify", &[&with[..], &[text]].concat(), "model: has no tokenizer.json");

    model(folder, "transformers/bert_masked_lm", &[]);
    fails(folder, "bert_fill_mask", &[&with[..], &[text]].concat(), "the tokenizer: has no token [MASK]");
    model(folder, "transformers/bert_masked_lm", &[("[MASK]", 3)]);
    let none = "text 1: has no [MASK] in its first 16 tokens, expected one or more";
    fails(folder, "bert_fill_mask", &[&with[..], &[text]].concat(), none);
    model(folder, "transformers/t5", &[]);
    fails(folder, "t5_summarize", &with, empty);
    fails(
        folder,
        "t5_summarize",
        &["--model", "model", "--file", "none"],
        "none: cannot be opened: No such file or directory (os error 2)",
    );
    let layer = "--layer: found 9, expected less than 6";
    let args = ["--model", "model", "--text", text, "--layer", "9"];
    let ran = run(folder, "attention_maps", &args).exits(1);
    assert!(ran.err.ends_with(&format!("error: {layer}\n")) && !folder.at("attention.png").exists(), "{}", ran.err);

    model(folder, "transformers/vit", &[]);
    folder.write("x.png", "no image");
    let bad = [&with[..], &["x.png"]].concat();
    fails(folder, "vit_classify", &bad, "model: has no preprocessor_config.json");
    photo(folder, r#"{"size": 16}"#, "vit_down");
    fails(folder, "vit_classify", &bad, "x.png: cannot be decoded: The image format could not be determined");
    fails(folder, "vit_classify", &with, "images: no file is named, expected a PNG or JPEG");
    folder.write("model/preprocessor_config.json", r#"{"size": 20}"#);
    let ran = run(folder, "vit_classify", &[&with[..], &["photo.png"]].concat()).exits(1);
    assert!(ran.err.ends_with("patches: images are (20, 20), and the model's (16, 16)\n"), "{}", ran.err);
}

fn noticed(folder: &Folder) {
    let with = ["--device", "reference", "--model", "model"];
    model(folder, "transformers/vit", &[]);
    photo(folder, r#"{"size": 16}"#, "vit_down");
    configure(folder, &[("id2label", Value::Null), ("num_labels", json!(5))]);
    let ran = run(folder, "vit_classify", &[&with[..], &["photo.png"]].concat()).exits(0);
    assert_eq!(ran.err, "model/config.json names no labels (id2label): they are numbered\n");
    assert!(ran.out.contains("LABEL_4"), "{}", ran.out);
    model(folder, "transformers/bert_sequence_classification", &[]);
    let long = vec!["w7"; 20].join(" ");
    let ran = run(folder, "bert_classify", &[&with[..], &[&long]].concat()).exits(0);
    assert_eq!(ran.err, "a text has 20 tokens and the model takes 16: the end is cut off\n");
}
