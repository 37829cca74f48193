//! Inputs and configs of larger models, and shaders that do not fit their kernel.

use std::fs;

use handmill::tensor::HostTensor;

use super::{GPU, REFERENCE, Wrong, config, ids, in_file, input, raw};
use crate::Folder;

pub const BERT: &[Wrong] = &[
    ("id_above", |f| ids(f, "input_ids", 3, 64), REFERENCE, "input_ids: id 64 is not in 0..64"),
    ("id_below", |f| ids(f, "input_ids", 0, -1), GPU, "input_ids: id -1 is not in 0..64"),
    ("type_above", |f| ids(f, "token_type_ids", 15, 2), REFERENCE, "token_type_ids: id 2 is not in 0..2"),
    ("mask", |f| ids(f, "attention_mask", 1, 7), REFERENCE, "attention_mask: id 7 is not in 0..2"),
    (
        "no_ids",
        |f| input(f, "input_ids", None),
        REFERENCE,
        "src/models/transformers/bert.rs:N: input_ids: the input is missing; given are attention_mask, token_type_ids",
    ),
    (
        "too_long",
        |f| {
            input(f, "attention_mask", None);
            input(f, "token_type_ids", None);
            input(f, "input_ids", Some(HostTensor::i32(&[1, 17], vec![1; 17])))
        },
        REFERENCE,
        "input_ids: has 17 positions, and the model has 16",
    ),
    (
        "shapes_differ",
        |f| input(f, "attention_mask", Some(HostTensor::i32(&[2, 7], vec![1; 14]))),
        REFERENCE,
        "src/models/transformers/bert.rs:N, in encoder.layer.0.attention.self.value: attention: key_mask is (2, 7), expected (2, 8)",
    ),
    (
        "heads",
        |f| config(f, "\"num_attention_heads\": 4", "\"num_attention_heads\": 5"),
        REFERENCE,
        "model/config.json: num_attention_heads: found 5, expected a divisor of hidden_size, 32",
    ),
    (
        "no_heads",
        |f| config(f, "\"num_attention_heads\": 4", "\"num_attention_heads\": 0"),
        REFERENCE,
        "model/config.json: num_attention_heads: found 0, expected a whole number from 1 to 2147483648",
    ),
    (
        "layers",
        |f| config(f, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1000000000"),
        REFERENCE,
        "model/config.json: num_hidden_layers: found 1000000000, expected a whole number from 1 to 1000",
    ),
    (
        "vocab",
        |f| config(f, "\"vocab_size\": 64", "\"vocab_size\": 2147483648"),
        REFERENCE,
        "src/models/transformers/bert.rs:N, in embeddings: embeddings.word_embeddings.weight: shape (2147483648, 32) has more than 2147483647 elements",
    ),
    (
        "wrong_rows",
        |f| config(f, "\"vocab_size\": 64", "\"vocab_size\": 65"),
        REFERENCE,
        "model: 1 weights do not fit the model:\n  embeddings.word_embeddings.weight: (64, 32) in the file, expected (65, 32)",
    ),
];

pub const GPT2: &[Wrong] = &[
    (
        "untied",
        |f| config(f, "\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false"),
        REFERENCE,
        "model: 1 weights do not fit the model:\n  lm_head.weight: missing, expected f32 (64, 24)",
    ),
    (
        "dtype",
        |f| config(f, "\"tie_word_embeddings\"", "\"torch_dtype\": \"int4\", \"tie_word_embeddings\""),
        REFERENCE,
        "model/config.json: torch_dtype: found \"int4\", expected one of float32, float16, bfloat16, float64, auto",
    ),
    ("prompt_id", |f| ids(f, "prompt_ids", 0, 64), REFERENCE, "prompt_ids: id 64 is not in 0..64"),
    ("prompt_alone", |f| input(f, "max_new_tokens", None), REFERENCE, "max_new_tokens: the input is missing"),
    ("no_tokens", |f| ids(f, "max_new_tokens", 0, -1), REFERENCE, "max_new_tokens: is -1, expected 0 or more"),
    (
        "float_ids",
        |f| input(f, "input_ids", Some(HostTensor::f32(&[2, 8], vec![1.0; 16]))),
        REFERENCE,
        "input_ids: holds f32, not i32 ids",
    ),
    (
        "wide_id",
        |f| {
            in_file(f, {
                let mut b = raw(r#"{"input_ids":{"dtype":"I64","shape":[1,1],"data_offsets":[0,8]}}"#, 0);
                b.extend((1i64 << 40).to_le_bytes());
                b
            })
        },
        REFERENCE,
        "in.safetensors: tensor \"input_ids\": element 0: 1099511627776 does not fit i32",
    ),
    (
        "empty_prompt",
        |f| {
            in_file(f, {
                let mut b = raw(
                    r#"{"max_new_tokens":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"prompt_ids":{"dtype":"I64","shape":[1,0],"data_offsets":[8,8]}}"#,
                    0,
                );
                b.extend(3i64.to_le_bytes());
                b
            })
        },
        REFERENCE,
        "prompt_ids: is (1, 0), expected (B, P)",
    ),
];

pub const UNET2D: &[Wrong] = &[
    (
        "odd_size",
        |f| input(f, "sample", Some(HostTensor::f32(&[2, 3, 7, 7], vec![0.0; 294]))),
        REFERENCE,
        "src/models/generative/unet2d.rs:N, in up_blocks.1: concat: (2, 4, 7, 7) does not join (2, 8, 8, 8) along axis 1",
    ),
    (
        "channels",
        |f| input(f, "sample", Some(HostTensor::f32(&[2, 4, 8, 8], vec![0.0; 512]))),
        REFERENCE,
        "src/models/generative/unet2d.rs:N: sample: is (2, 4, 8, 8), and in_channels is 3",
    ),
    (
        "block",
        |f| config(f, "\"AttnDownBlock2D\"", "\"CrossAttnDownBlock2D\""),
        REFERENCE,
        "model/config.json: down_block_types: found [\"DownBlock2D\",\"CrossAttnDownBlock2D\"], expected a list with elements of DownBlock2D, AttnDownBlock2D",
    ),
];

/// The shader of a layer that every adapter computes the same way.
const OFF: &[&str] = &["--device", "gpu", "--shaders", "shaders"];

/// A binding under a name that is no port.
fn renamed(folder: &Folder) {
    let text = fs::read_to_string(crate::root().join("shaders/index/embedding.wgsl")).unwrap();
    let text = text.replace("> w:", "> weights:").replace("(w[", "(weights[");
    folder.write("shaders/index/embedding.wgsl", text);
}

pub const SHADERS: &[Wrong] = &[
    (
        "syntax",
        |f| {
            f.shader("index/embedding", "fn weight(i: u32)", "fn weight(i u32)");
        },
        OFF,
        "shaders/index/embedding.wgsl:26: expected `:`, found \"u32\", in `fn weight(i u32) -> f32 {`",
    ),
    (
        "name",
        |f| {
            f.shader("index/embedding", "= weight(", "= wait(");
        },
        OFF,
        "shaders/index/embedding.wgsl:44: no definition in scope for identifier: `wait`, in `y[i] = wait((id - params.first) * params.cols + i % params.cols);`",
    ),
    (
        "type",
        |f| {
            f.shader("index/embedding", "y[i] = 0.0;", "y[i] = 0u;");
        },
        OFF,
        "shaders/index/embedding.wgsl:42: automatic conversions cannot convert elements of `u32` to `f32`, in `y[i] = 0u;`",
    ),
    (
        "imported",
        |f| {
            f.shader("lib/grid", "fn flat_group", "fn flat group");
        },
        OFF,
        "shaders/lib/grid.wgsl:3: expected `(`, found \"group\", in `fn flat group(group: vec3<u32>, groups: vec3<u32>) -> u32 {`",
    ),
    (
        "no_import",
        |f| {
            f.shader("index/embedding", "lib/grid", "lib/nosuch");
        },
        OFF,
        "shaders/index/embedding.wgsl:13: imports lib/nosuch, and there is no such shader",
    ),
    (
        "entry",
        |f| {
            f.shader("index/embedding", "fn embedding(", "fn embeddings(");
        },
        OFF,
        "index/embedding: no entry point 'embedding'",
    ),
    (
        "binding",
        |f| {
            renamed(f);
        },
        OFF,
        "index/embedding: the kernel embedding has no input, output or scratch buffer 'weights'",
    ),
    (
        "parameter",
        |f| {
            f.shader("index/embedding", "vocab: u32", "vocab: u32, surplus: u32");
        },
        OFF,
        "index/embedding: the kernel gives no value for Params.surplus",
    ),
    (
        "constant",
        |f| {
            f.shader("index/embedding", "const WG", "override SURPLUS: u32;\nconst WG");
        },
        OFF,
        "index/embedding: the kernel gives no value for override SURPLUS",
    ),
    (
        "access",
        |f| {
            f.shader("index/embedding", "read_write> y", "read> y");
        },
        OFF,
        "shaders/index/embedding.wgsl:42: Entry point embedding at Compute is invalid: The pointer [24] doesn't relate to a valid destination for a store, in `y[i] = 0.0;`",
    ),
    (
        "not_utf8",
        |f| {
            f.write("shaders/index/embedding.wgsl", b"\xff");
        },
        OFF,
        "shaders/index/embedding.wgsl: cannot be read: stream did not contain valid UTF-8",
    ),
    (
        "folder",
        |f| fs::create_dir_all(f.at("shaders/index/embedding.wgsl")).unwrap(),
        OFF,
        "shaders/index/embedding.wgsl: cannot be read: Is a directory (os error 21)",
    ),
    (
        "empty",
        |f| {
            f.write("shaders/index/embedding.wgsl", "");
        },
        OFF,
        "index/embedding: no entry point 'embedding'",
    ),
];
