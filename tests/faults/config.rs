//! `config.json` and the folder around it.

use std::fs;

use handmill::config::{Config, MAX_SIZE};
use handmill::folder::ModelFolder;
use handmill::json::Value;
use handmill::weights::Checkpoint;
use tempfile::{TempDir, tempdir};

use super::{refuses, text};

fn folder(config: &[u8]) -> TempDir {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("config.json"), config).unwrap();
    folder
}

#[test]
fn faulty_files() {
    let json = "config.json: is not valid JSON:";
    let name = "expected the name of an architecture";
    for (row, config, expected) in [
        ("57 no architectures", &b"{\"architectures\": []}"[..], format!("config.json: architectures: is empty, {name}")),
        ("57 neither key", b"{}", "config.json: names no architecture, in architectures or _class_name".into()),
        ("57 null", b"{\"architectures\": null}", "config.json: names no architecture, in architectures or _class_name".into()),
        ("57 a number", b"{\"architectures\": [1]}", format!("config.json: architectures: found 1, {name}")),
        ("57 a text", b"{\"architectures\": \"\"}", format!("config.json: architectures: found \"\", {name}")),
        ("57 class", b"{\"_class_name\": {}}", format!("config.json: _class_name: found an object, {name}")),
        ("62 duplicate key", b"{\"a\": 1, \"a\": 2}", format!("{json} key \"a\" occurs twice at line 1 column 12")),
        ("64 quantized", br#"{"architectures": ["M"], "quantization_config": {"quant_method": "gptq", "bits": 4}}"#,
         "config.json: quantization_config: weights quantized with gptq are not supported; use the original checkpoint".into()),
        ("64 quantized somehow", br#"{"architectures": ["M"], "quantization_config": true}"#,
         "config.json: quantization_config: weights quantized with an unnamed method are not supported; use the original checkpoint".into()),
        ("61 a list", b"[]", "config.json: is a list of 0, not a JSON object".into()),
        ("61 nothing", b"", format!("{json} EOF while parsing a value at line 1 column 0")),
        ("61 not UTF-8", b"{\"\xe4\": 1}", "config.json: is not UTF-8 text, at byte 2".into()),
        ("61 byte order mark", b"\xef\xbb\xbf{}", "config.json: begins with a byte order mark, which JSON does not allow".into()),
        ("54 Infinity", b"{\"rope_theta\": Infinity}", format!("{json} expected value at line 1 column 16")),
        ("54 NaN", b"{\"rope_theta\": NaN}", format!("{json} expected value at line 1 column 16")),
        ("54 1e999", b"{\"rope_theta\": 1e999}", format!("{json} number out of range at line 1 column 20")),
        ("nested", &b"{\"a\":".repeat(5_000), format!("{json} nested deeper than 32 at line 1 column 161")),
    ] {
        let folder = folder(config);
        refuses(row, folder.path(), &expected, || ModelFolder::open(folder.path()));
    }
}

#[test]
fn faulty_folders() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("m");
    refuses("no folder", folder.path(), "m: no such folder", || ModelFolder::open(&path));
    fs::create_dir(&path).unwrap();
    refuses("no configuration", folder.path(), "m: has no config.json", || ModelFolder::open(&path));
    fs::create_dir(path.join("config.json")).unwrap();
    refuses("a folder in its place", folder.path(), "m/config.json: is a folder, not a file", || {
        ModelFolder::open(&path)
    });
    fs::remove_dir(path.join("config.json")).unwrap();
    fs::write(path.join("config.json"), " ".repeat(10_000_001)).unwrap();
    let expected = "m/config.json: is 10.0 MB long, more than the 10.0 MB allowed here";
    refuses("63 too long", folder.path(), expected, || ModelFolder::open(&path));
    fs::write(path.join("config.json"), "{\"architectures\": [\"M\", \"N\"]}").unwrap();
    fs::write(path.join("generation_config.json"), "[").unwrap();
    let expected = "m/generation_config.json: is not valid JSON: EOF while parsing a list at line 1 column 1";
    refuses("66 generation", folder.path(), expected, || ModelFolder::open(&path));
    fs::write(path.join("generation_config.json"), "{}").unwrap();
    let model = ModelFolder::open(&path).unwrap();
    assert_eq!(model.architecture(), "M");
    refuses("no tokenizer", folder.path(), "m: has no tokenizer.json", || model.tokenizer());
    let expected = "m: has neither model.safetensors nor model.safetensors.index.json";
    refuses("no weights", folder.path(), expected, || model.checkpoint());
    let file = path.join("config.json");
    refuses("a file", folder.path(), "m/config.json: is not a folder", || ModelFolder::open(&file));
}

/// What a transformer reads, with the conditions it states itself.
fn transformer(c: &Config) {
    let (hidden, heads) = (c.required_usize("hidden_size"), c.usize("num_attention_heads", 12));
    c.require(hidden % heads == 0, "num_attention_heads", || format!("{heads} do not divide hidden_size, {hidden}"));
    let groups = c.usize_in("num_key_value_heads", heads, 1..=heads);
    c.require(heads % groups == 0, "num_key_value_heads", || {
        format!("{groups} do not divide num_attention_heads, {heads}")
    });
    let head_dim = c.usize("head_dim", hidden / heads);
    c.require(head_dim.is_multiple_of(2), "head_dim", || format!("{head_dim} is odd, rotary embeddings turn pairs"));
    let vocab = c.usize("vocab_size", 64);
    c.usize_in("num_hidden_layers", 2, 0..=1_000);
    c.usize("max_position_embeddings", 16);
    c.positive("rope_theta", 10_000.0);
    c.f64_in("rms_norm_eps", 1e-6, 0.0..=1.0);
    c.text("hidden_act", "silu", &["silu", "gelu", "gelu_new"]);
    c.bool("tie_word_embeddings", true);
    if let Some(scaling) = c.object("rope_scaling") {
        scaling.text("rope_type", "default", &["default", "linear", "llama3"]);
        scaling.positive("factor", 1.0);
    }
    c.ids("eos_token_id", vocab);
    c.id("pad_token_id", vocab);
    c.positive("temperature", 1.0);
    c.usize_in("top_k", 50, 1..=vocab);
}

const SIZE: &str = "expected a whole number from 1 to 2147483648";

#[test]
fn faulty_values() {
    for (row, key, value, expected) in [
        ("47 zero", "hidden_size", "0", format!("found 0, {SIZE}")),
        ("47 negative", "hidden_size", "-1", format!("found -1, {SIZE}")),
        ("47 1e18", "hidden_size", "1000000000000000000", format!("found 1000000000000000000, {SIZE}")),
        ("47 2^32+64", "hidden_size", "4294967360", format!("found 4294967360, {SIZE}")),
        ("47 1e300", "hidden_size", "1e300", format!("found 1e+300, {SIZE}")),
        ("47 2^64", "hidden_size", "18446744073709551616", format!("found 1.8446744073709552e+19, {SIZE}")),
        ("47 fraction", "hidden_size", "32.5", format!("found 32.5, {SIZE}")),
        ("47 null", "hidden_size", "null", format!("is missing, {SIZE}")),
        ("48 no heads", "num_attention_heads", "0", format!("found 0, {SIZE}")),
        ("49 heads", "num_attention_heads", "5", "5 do not divide hidden_size, 32".into()),
        ("50 no groups", "num_key_value_heads", "0", "found 0, expected a whole number from 1 to 4".into()),
        (
            "50 more groups than heads",
            "num_key_value_heads",
            "8",
            "found 8, expected a whole number from 1 to 4".into(),
        ),
        ("50 groups", "num_key_value_heads", "3", "3 do not divide num_attention_heads, 4".into()),
        ("51 no words", "vocab_size", "0", format!("found 0, {SIZE}")),
        ("51 2^31+1", "vocab_size", "2147483649", format!("found 2147483649, {SIZE}")),
        (
            "52 a billion layers",
            "num_hidden_layers",
            "1000000000",
            "found 1000000000, expected a whole number from 0 to 1000".into(),
        ),
        ("53 positions", "max_position_embeddings", "1099511627776", format!("found 1099511627776, {SIZE}")),
        ("54 theta 0", "rope_theta", "0", "found 0, expected a number above 0".into()),
        ("54 theta negative", "rope_theta", "-1", "found -1, expected a number above 0".into()),
        ("54 theta as text", "rope_theta", "\"Infinity\"", "found \"Infinity\", expected a number above 0".into()),
        ("55 epsilon negative", "rms_norm_eps", "-1e-6", "found -1e-6, expected a number from 0 to 1".into()),
        ("55 epsilon large", "rms_norm_eps", "1e30", "found 1e+30, expected a number from 0 to 1".into()),
        ("56 odd", "head_dim", "7", "7 is odd, rotary embeddings turn pairs".into()),
        (
            "58 act with space",
            "hidden_act",
            "\"silu \"",
            "found \"silu \", expected one of silu, gelu, gelu_new".into(),
        ),
        (
            "58 act unknown",
            "hidden_act",
            "\"a\\u001b[2J\"",
            "found \"a\\u{1b}[2J\", expected one of silu, gelu, gelu_new".into(),
        ),
        ("61 act as list", "hidden_act", "[\"silu\"]", "found [\"silu\"], expected one of silu, gelu, gelu_new".into()),
        ("61 flag as number", "tie_word_embeddings", "1", "found 1, expected true or false".into()),
        (
            "65 rope type",
            "rope_scaling",
            "{\"rope_type\": \"yarn\"}",
            "rope_type: found \"yarn\", expected one of default, linear, llama3".into(),
        ),
        ("65 rope factor", "rope_scaling", "{\"factor\": -2}", "factor: found -2, expected a number above 0".into()),
        ("61 rope as text", "rope_scaling", "\"linear\"", "found \"linear\", expected an object".into()),
        ("66 eos", "eos_token_id", "64", "found 64, expected token ids below 64".into()),
        ("66 one of eos", "eos_token_id", "[2, -1]", "found [2,-1], expected token ids below 64".into()),
        ("66 two pads", "pad_token_id", "[1, 2]", "found 2 ids, expected one".into()),
        ("66 temperature", "temperature", "-1", "found -1, expected a number above 0".into()),
        ("66 temperature NaN", "temperature", "\"NaN\"", "found \"NaN\", expected a number above 0".into()),
        ("66 top_k", "top_k", "0", "found 0, expected a whole number from 1 to 64".into()),
    ] {
        let mut config = handmill::json::Map::new();
        config.insert("hidden_size".into(), 32.into());
        config.insert("num_attention_heads".into(), 4.into());
        config.insert(key.into(), serde_json::from_str(value).unwrap());
        let c = Config::new("config.json", config);
        transformer(&c);
        let found = text(row, "".as_ref(), c.finish());
        assert_eq!(found, format!("config.json: {key}: {expected}"), "{row}");
    }
}

#[test]
fn unknown_keys_and_null_are_no_faults() {
    // 59 and 60: what does not concern the shape of the graph is not looked at.
    let c = Config::parse(
        "c",
        r#"{"hidden_size": 48, "torch_dtype": "float7", "num_attention_heads": null, "rope_scaling": null, "x": [{}]}"#,
    );
    let c = c.unwrap();
    transformer(&c);
    c.finish().unwrap();
}

/// Every getter with every kind of value: a value in its range, or a fault; no panic.
#[test]
fn every_getter_with_every_kind_of_value() {
    let values = [
        "null",
        "true",
        "-1",
        "0",
        "1",
        "7",
        "2147483648",
        "2147483649",
        "9223372036854775808",
        "1e18",
        "0.5",
        "-0.0",
        "1e308",
        "\"\"",
        "\"a\"",
        "\"7\"",
        "[]",
        "[1]",
        "[1, 2]",
        "[1, -2]",
        "[0.5]",
        "[\"a\"]",
        "[[1]]",
        "[null]",
        "{}",
        "{\"a\": 1}",
    ];
    let mut faults = 0;
    for value in values {
        let c = Config::parse("c", &format!("{{\"k\": {value}}}")).unwrap();
        assert!((1..=MAX_SIZE).contains(&c.usize("k", 3)));
        assert!((2..=5).contains(&c.usize_in("k", 3, 2..=5)) && (1..=MAX_SIZE).contains(&c.required_usize("k")));
        assert!((-1..=5).contains(&c.integer("k", 0, -1..=5)));
        assert!(c.f64("k", 1.0).is_finite() && (0.0..=1.0).contains(&c.f64_in("k", 0.5, 0.0..=1.0)));
        assert!(c.positive("k", 1.0) > 0.0 && c.required_positive("k") > 0.0);
        assert!(["a", "b"].contains(&c.text("k", "b", &["a", "b"])) && ["a"].contains(&c.required_text("k", &["a"])));
        assert!(c.texts("k", &[], &["a"]).iter().all(|&t| t == "a"));
        assert!(c.list("k", &[]).iter().chain(&c.required_list("k")).all(|n| (1..=MAX_SIZE).contains(n)));
        assert!(c.pair("k", [1, 1]).iter().chain(&c.required_pair("k")).all(|n| (1..=MAX_SIZE).contains(n)));
        assert!(c.pair_in("k", [0, 0], 0..=9).iter().all(|n| (0..=9).contains(n)));
        assert!(c.ids("k", 8).iter().chain(&c.id("k", 8)).all(|id| (0..8).contains(id)) && c.ids("k", 0).is_empty());
        assert!(c.floats("k", &[]).iter().all(|v| v.is_finite()));
        let _ = (c.bool("k", true), c.any_text("k"), c.object("k").map(|inner| inner.usize("a", 1)));
        faults += usize::from(c.finish().is_err());
    }
    assert_eq!(faults, values.len(), "no value is of every kind");
    let long = vec!["1"; 5_000].join(",");
    let c = Config::parse("c", &format!("{{\"k\": [{long}]}}")).unwrap();
    assert!(c.list("k", &[]).is_empty());
    assert_eq!(
        c.finish().unwrap_err().to_string(),
        format!("c: k: found a list of 5000, expected a list, each {}", &SIZE[9..])
    );
}

/// Every fixture opens: its configuration, its weights and the tensors beside them.
#[test]
fn every_fixture_opens() {
    let mut count = 0;
    for family in fs::read_dir("tests/data").unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for case in fs::read_dir(family).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
            let model = ModelFolder::open(&case).unwrap();
            assert!(!model.architecture().is_empty());
            let checkpoint = model.checkpoint().unwrap();
            for info in checkpoint.tensors() {
                checkpoint.load(&info.name).unwrap();
            }
            count += 1;
            let meta = handmill::folder::read_object(&case.join("meta.json")).unwrap();
            if let Some(tolerance) = meta.get("tolerance").and_then(Value::as_object) {
                for (file, expected) in tolerance {
                    let tensors = handmill::weights::load_tensors(case.join(format!("{file}.safetensors"))).unwrap();
                    assert_eq!(tensors.len(), expected.as_object().unwrap().len(), "{}", case.display());
                }
                handmill::weights::load_tensors(case.join("batches.safetensors")).unwrap();
                continue;
            }
            for (part, file) in [("inputs", "inputs.safetensors"), ("outputs", "outputs.safetensors")] {
                let tensors = handmill::weights::load_tensors(case.join(file)).unwrap();
                let described = meta.get(part).and_then(Value::as_object).unwrap();
                assert_eq!(tensors.len(), described.len(), "{}", case.display());
            }
        }
    }
    assert!(count > 120, "{count} fixtures");
    assert_eq!(
        Checkpoint::open("data/digits/digits.safetensors").unwrap().load("images").unwrap().shape(),
        [1797, 8, 8]
    );
}
