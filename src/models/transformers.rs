//! Transformers, under the names of Hugging Face's transformers library.

use crate::config::Config;
use crate::engine::Tensors;
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::models::Model;
use crate::run::ids_in_range;
use crate::train::init::Init;

pub mod bart;
pub mod bert;
pub mod clip;
pub mod gpt2;
pub mod llama;
pub mod past;
pub mod t5;
pub mod vit;

/// Matrices begin normal with deviation 0.02 and biases at 0, as BERT's and GPT-2's do and those after them.
///
/// # Source
/// Radford et al. 2018, section 4.1 · Devlin et al. 2018, arXiv:1810.04805 · `initializer_range` of transformers
fn small_normal(_: &Config, key: &str, shape: &[usize]) -> Option<Init> {
    match shape.len() {
        2.. => Some(Init::Normal { mean: 0.0, std: 0.02 }),
        _ if key.ends_with("bias") => Some(Init::Zeros),
        _ => None,
    }
}

/// Every Transformer.
pub static MODELS: &[&Model] = &[
    &bert::BERT,
    &bert::BERT_MASKED_LM,
    &bert::BERT_SEQUENCE_CLASSIFICATION,
    &gpt2::GPT2,
    &llama::LLAMA,
    &t5::T5,
    &bart::BART,
    &vit::VIT,
    &clip::CLIP_TEXT,
    &clip::CLIP,
];

/// The most blocks a configuration may ask for.
pub const MAX_LAYERS: usize = 1000;

/// Inputs of the program of language models, as `handmill models` shows them.
const PROMPTS: &str = "prompt_ids (B, P), max_new_tokens (1), prompt_attention_mask (B, P), optional";
/// Its settings.
const SETTINGS: &str = "do_sample, temperature, top_k, top_p, min_p, repetition_penalty, no_repeat_ngram_size, \
    min_new_tokens, num_beams, length_penalty, early_stopping, seed (1), optional";

/// The library's names of activations. `gelu_fast` and `gelu_accurate` are `gelu_new` written otherwise.
pub const ACTIVATIONS: &[&str] = &[
    "gelu",
    "gelu_new",
    "gelu_pytorch_tanh",
    "gelu_fast",
    "gelu_accurate",
    "gelu_python",
    "quick_gelu",
    "relu",
    "silu",
    "swish",
    "tanh",
    "sigmoid",
    "mish",
    "linear",
];

/// The activation that the library calls `name`, one of [`ACTIVATIONS`].
#[track_caller]
pub fn activation<'g>(x: Tensor<'g>, name: &str) -> Tensor<'g> {
    match name {
        "gelu" | "gelu_python" => x.gelu(),
        "quick_gelu" => x.quick_gelu(),
        "relu" => x.relu(),
        "silu" | "swish" => x.silu(),
        "tanh" => x.tanh(),
        "sigmoid" => x.sigmoid(),
        "mish" => x.mish(),
        "linear" => x,
        _ => x.gelu_tanh(),
    }
}

/// Remembers a fault of the flag `name` if it is set: what it asks for is not built.
fn unsupported(config: &Config, name: &str) {
    config.require(!config.bool(name, false), name, || "found true, expected false".into());
}

/// The number of labels of a classifier: as many as `id2label` names, else `num_labels`, else 2.
pub fn num_labels(config: &Config) -> usize {
    let Some(labels) = config.get("id2label") else { return config.usize("num_labels", 2) };
    let count = labels.as_object().map_or(0, |labels| labels.len());
    config.require(count > 0, "id2label", || "expected an object with a name of every label".into());
    count.max(1)
}

/// The names of a classifier's labels, as `id2label` has them, else `LABEL_0` and so forth.
pub fn labels(config: &Config) -> Vec<String> {
    let count = num_labels(config);
    let Some(names) = config.get("id2label").and_then(|names| names.as_object()) else {
        return (0..count).map(|i| format!("LABEL_{i}")).collect();
    };
    let name = |i: usize| {
        let name = names.get(&i.to_string()).and_then(|name| name.as_str());
        config.require(name.is_some(), "id2label", || format!("has {count} names and none of label {i}"));
        name.unwrap_or_default().to_owned()
    };
    (0..count).map(name).collect()
}

/// Checks the ids `name (B, T)`, where they are given: all below `vocab`, and no more than `positions` of them.
fn check_tokens(inputs: &Tensors, name: &str, vocab: usize, positions: usize) -> Result<()> {
    let Some(ids) = inputs.get(name) else { return Ok(()) };
    ids_in_range(name, ids, vocab)?;
    let length = ids.shape().last().copied().unwrap_or(0);
    if length > positions {
        return Err(Error::tensor(name, format!("has {length} positions, and the model has {positions}")));
    }
    Ok(())
}

/// Checks the mask `name`, where it is given: 1 for a token, 0 for padding.
fn check_mask(inputs: &Tensors, name: &str) -> Result<()> {
    inputs.get(name).map_or(Ok(()), |mask| ids_in_range(name, mask, 2))
}
