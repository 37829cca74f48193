//! `tokenizer.json`, and texts.

use std::fs;
use std::time::Instant;

use handmill::Result;
use handmill::folder::ModelFolder;
use handmill::tokenizer::Tokenizer;
use serde_json::{Value, json};
use tempfile::tempdir;

use super::{LIMIT, refuses};

/// A byte-pair tokenizer of few tokens.
fn bpe() -> Value {
    json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "post_processor": null,
        "pre_tokenizer": null, "decoder": {"type": "Fuse"},
        "added_tokens": [token(4, "<s>")],
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                  "vocab": {"a": 0, "b": 1, "ab": 2, "aba": 3}, "merges": [["a", "b"], ["ab", "a"]]}
    })
}

fn token(id: u64, content: &str) -> Value {
    json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true})
}

fn words() -> Value {
    let mut json = bpe();
    json["pre_tokenizer"] = json!({"type": "Whitespace"});
    json["model"] = json!({"type": "WordLevel", "vocab": {"[UNK]": 0, "a": 1, "b": 2, "x": 3}, "unk_token": "[UNK]"});
    json
}

fn with(mut json: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    json.pointer_mut(parent).unwrap()[key] = value;
    json
}

fn open(json: &Value) -> Result<Tokenizer> {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("tokenizer.json"), json.to_string()).unwrap();
    fs::write(folder.path().join("config.json"), r#"{"architectures": ["M"]}"#).unwrap();
    ModelFolder::open(folder.path()).unwrap().tokenizer().map_err(|error| match error {
        handmill::Error::File { path, message } => handmill::Error::file(path.file_name().unwrap(), message),
        other => other,
    })
}

#[test]
fn encodes_and_decodes() {
    let tokenizer = open(&bpe()).unwrap();
    assert_eq!(tokenizer.encode("aba<s>b", true).unwrap(), [3, 4, 1]);
    assert_eq!(tokenizer.decode(&[3, 4, 1], false).unwrap(), "aba<s>b");
    assert_eq!(tokenizer.decode(&[3, 4, 1], true).unwrap(), "abab");
    assert_eq!((tokenizer.vocab_size(), tokenizer.id("<s>"), tokenizer.id("<t>")), (5, Some(4), None));
    assert_eq!((tokenizer.token(2).as_deref(), tokenizer.token(9), tokenizer.token(-1)), (Some("ab"), None, None));
    let sequence = |id: &str, type_id: u32| json!({"Sequence": {"id": id, "type_id": type_id}});
    let sep = json!({"SpecialToken": {"id": "<s>", "type_id": 1}});
    let template = json!({"type": "TemplateProcessing", "single": [sequence("A", 0), sep], "pair": [sequence("A", 0), sep, sequence("B", 1)],
                          "special_tokens": {"<s>": {"id": "<s>", "ids": [4], "tokens": ["<s>"]}}});
    let words = open(&with(words(), "/post_processor", template)).unwrap();
    assert_eq!(words.encode("a  zz b", true).unwrap(), [1, 0, 2, 4]);
    assert_eq!(words.encode("a  zz b", false).unwrap(), [1, 0, 2]);
    assert_eq!(words.encode_pair("a", "x b").unwrap(), (vec![1, 4, 3, 2], vec![0, 1, 1, 1]));
}

#[test]
fn faulty_files() {
    let template = |single: Value| json!({"type": "TemplateProcessing", "single": single, "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {}});
    let cls = json!([{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]);
    let replace = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"});
    let doubling = json!({"type": "Sequence", "normalizers": vec![replace; 40]});
    let parts = json!({"type": "Sequence", "normalizers": vec![json!({"type": "NFC"}); 5_000]});
    let deep =
        (0..50).fold(json!({"type": "Whitespace"}), |inner, _| json!({"type": "Sequence", "pretokenizers": [inner]}));
    let ids = "expected a whole number from 0 to 2147483647";
    for (row, json, expected) in [
        (
            "67 merge beyond the longest token",
            with(bpe(), "/model/merges", json!([["aba", "aba"]])),
            "merge 0 needs \"abaaba\", which the vocabulary lacks".into(),
        ),
        (
            "67 merge of an unknown token",
            with(bpe(), "/model/merges", json!(["a c"])),
            "merge 0 needs \"c\", which the vocabulary lacks".into(),
        ),
        (
            "67 merge of three",
            with(bpe(), "/model/merges", json!([["a", "b", "a"]])),
            "merge 0 is not a pair of tokens".into(),
        ),
        (
            "68 prefix longer than a token",
            with(bpe(), "/model/continuing_subword_prefix", json!("#####")),
            "merge 0: \"b\" does not begin with \"#####\"".into(),
        ),
        (
            "69 length 0",
            with(bpe(), "/pre_tokenizer", json!({"type": "FixedLength", "length": 0})),
            "FixedLength has length 0".into(),
        ),
        (
            "71 special token missing",
            with(bpe(), "/post_processor", template(cls)),
            "the template uses \"[CLS]\", which is not one of its special tokens".into(),
        ),
        (
            "75 id 2^32-1",
            with(bpe(), "/model/vocab/ab", json!(u32::MAX)),
            format!("token \"ab\" has id 4294967295, {ids}"),
        ),
        (
            "75 id 2^32",
            with(bpe(), "/model/vocab/ab", json!(1u64 << 32)),
            format!("token \"ab\" has id 4294967296, {ids}"),
        ),
        ("75 id negative", with(bpe(), "/model/vocab/ab", json!(-1)), format!("token \"ab\" has id -1, {ids}")),
        ("76 id twice", with(bpe(), "/model/vocab/aba", json!(2)), "two tokens have id 2, \"aba\" is one".into()),
        (
            "77 no tokens",
            with(with(bpe(), "/model/vocab", json!({})), "/added_tokens", json!([])),
            "merge 0 needs \"a\", which the vocabulary lacks".into(),
        ),
        (
            "77 no words",
            with(with(words(), "/model/vocab", json!({})), "/added_tokens", json!([])),
            "the vocabulary lacks the unknown token \"[UNK]\"".into(),
        ),
        (
            "77 no pieces",
            with(
                with(words(), "/model", json!({"type": "Unigram", "unk_id": null, "vocab": []})),
                "/added_tokens",
                json!([]),
            ),
            "the vocabulary is empty".into(),
        ),
        (
            "77 unknown token missing",
            with(words(), "/model/unk_token", json!("<unk>")),
            "the vocabulary lacks the unknown token \"<unk>\"".into(),
        ),
        (
            "77 unigram without its unknown",
            with(words(), "/model", json!({"type": "Unigram", "unk_id": 9, "vocab": [["a", -1.0]]})),
            "unk_id is 9, but there are 1 tokens".into(),
        ),
        ("80 empty added token", with(bpe(), "/added_tokens", json!([token(4, "")])), "an added token is empty".into()),
        (
            "80 id of another token",
            with(bpe(), "/added_tokens", json!([token(1, "<s>")])),
            "added token \"<s>\" has id 1, but is given 4".into(),
        ),
        (
            "80 added id twice",
            with(bpe(), "/added_tokens", json!([token(4, "x"), token(4, "y")])),
            "two added tokens have id 4, \"y\" is one".into(),
        ),
        (
            "80 added id 2^31",
            with(bpe(), "/added_tokens", json!([token(1 << 31, "x")])),
            format!("token \"x\" has id 2147483648, {ids}"),
        ),
        (
            "added tokens as object",
            with(bpe(), "/added_tokens", json!({})),
            "added_tokens is an object, not a list".into(),
        ),
        (
            "a text that doubles",
            with(bpe(), "/normalizer", doubling),
            "replacements make a text 1000 times longer".into(),
        ),
        ("79 5,000 parts", with(bpe(), "/normalizer", parts), "more than 1000 parts".into()),
        (
            "78 a long pattern",
            with(
                bpe(),
                "/pre_tokenizer",
                json!({"type": "Split", "pattern": {"Regex": "a".repeat(10_000)}, "behavior": "Isolated", "invert": false}),
            ),
            "a pattern is 10000 bytes long, more than 8192".into(),
        ),
        ("no model", json!({"version": "1.0"}), "it has no model".into()),
        ("no vocabulary", json!({"model": {"type": "BPE"}}), "its model has no vocabulary".into()),
        ("a list", json!([]), "it is a list of 0, not an object".into()),
        (
            "another version",
            with(bpe(), "/version", json!("2.0")),
            "Unknown tokenizer version '2.0' at line 1 column 16".into(),
        ),
    ] {
        refuses(row, "".as_ref(), &format!("tokenizer.json: is not a usable tokenizer: {expected}"), || open(&json));
    }
    let nested = with(bpe(), "/pre_tokenizer", deep);
    refuses(
        "79 nested",
        "".as_ref(),
        "tokenizer.json: is not valid JSON: nested deeper than 24 at line 1 column 538",
        || open(&nested),
    );
}

/// The library panics on these; where and why is its own business.
#[test]
fn panics_of_the_library_become_errors() {
    for (row, json) in [
        ("73 Precompiled", with(bpe(), "/normalizer", json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"}))),
        (
            "73 Precompiled, not base64",
            with(bpe(), "/normalizer", json!({"type": "Precompiled", "precompiled_charsmap": "?"})),
        ),
        ("72 Strip", with(bpe(), "/decoder", json!({"type": "Strip", "content": "a", "start": 9, "stop": 9}))),
    ] {
        let start = Instant::now();
        let error = open(&json).and_then(|tokenizer| tokenizer.decode(&[0], false)).unwrap_err().to_string();
        assert!(error.contains("the tokenizer library failed on it: "), "{row}: {error}");
        assert!(start.elapsed() < LIMIT, "{row}");
    }
}

#[test]
fn padding_truncation_and_dropout_are_off() {
    let padding = json!({"strategy": {"Fixed": 50_000_000}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "a"});
    let truncation = json!({"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 2});
    for (row, json) in [
        ("74 padding to 50,000,000", with(bpe(), "/padding", padding)),
        ("70 stride as long as the text", with(bpe(), "/truncation", truncation)),
        ("dropout", with(bpe(), "/model/dropout", json!(1.0))),
    ] {
        let start = Instant::now();
        assert_eq!(open(&json).unwrap().encode("abaab", true).unwrap(), [3, 2], "{row}");
        assert!(start.elapsed() < LIMIT, "{row}");
    }
}

#[test]
fn difficult_patterns() {
    let split = |regex: &str| {
        with(
            bpe(),
            "/pre_tokenizer",
            json!({"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": false}),
        )
    };
    for regex in ["(a+)+$", "(a|aa)+$", r"(?=(a+))\1b", r"(a*)*\1c", "((((((((((a*)*)*)*)*)*)*)*)*)*b"] {
        let start = Instant::now();
        if let Ok(tokenizer) = open(&split(regex)) {
            let _ = tokenizer.encode(&("a".repeat(60) + "b!"), true);
        }
        assert!(start.elapsed() < LIMIT, "78 {regex}: {:?}", start.elapsed());
    }
    for regex in ["(", &"(".repeat(4_000), "(a{1000}){1000}", r"\9"] {
        assert!(open(&split(regex)).is_err(), "78 {regex:.20}");
    }
}

#[test]
fn difficult_texts() {
    let mut words = words();
    words["pre_tokenizer"] =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true});
    let line = |text: &str, n: usize| text.repeat(n);
    for json in [bpe(), words, with(bpe(), "/normalizer", json!({"type": "NFKC"}))] {
        let tokenizer = open(&json).unwrap();
        for (row, text) in [
            ("81 a line of 100,000", line("a", 100_000)),
            ("81 a line of 1 MB", line("abab b<s>", 111_111)),
            ("81 only spaces", line(" ", 100_000)),
            ("81 NUL", line("\0", 1_000)),
            ("81 empty", String::new()),
            ("81 combining", line("e\u{301}\u{200d}", 10_000)),
        ] {
            let start = Instant::now();
            let ids = tokenizer.encode(&text, true).unwrap();
            tokenizer.decode(&ids, true).unwrap();
            assert!(start.elapsed() < LIMIT, "{row}: {:?}", start.elapsed());
        }
    }
    let tokenizer = open(&bpe()).unwrap();
    let long = "a".repeat(10_000_000);
    let expected = "cannot encode this text: it is 10.0 MB long, more than 4.2 MB";
    assert!(tokenizer.encode(&long, true).unwrap_err().to_string().ends_with(expected));
    for (ids, id) in [(&[0, -1][..], "-1"), (&[5], "5"), (&[i32::MAX], "2147483647")] {
        let error = tokenizer.decode(ids, false).unwrap_err().to_string();
        assert!(error.ends_with(&format!("cannot decode these ids: {id} is not a token")), "83: {error}");
    }
}
