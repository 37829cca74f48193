//! BERT: a transformer encoder in which every token sees every other; alone, naming hidden tokens, or naming texts.
//!
//! Paper     Devlin, Chang, Lee, Toutanova 2018, arXiv:1810.04805; blocks of Vaswani et al. 2017, arXiv:1706.03762
//! Weights   transformers' `BertModel`, with or without `bert.` before every key, whose `pooler` may be absent;
//!           `BertForMaskedLM`: the vocabulary's matrix is `cls.predictions.decoder.weight` where the checkpoint has
//!           it, else the embedding of tokens, its bias `cls.predictions.decoder.bias`, else `cls.predictions.bias`;
//!           `BertForSequenceClassification`
//! Differs   dropout does nothing: it is for training; a row of padding alone attends to nothing, where
//!           transformers lets it attend to everything alike
//! Shapes    input_ids, attention_mask, token_type_ids (B, T) → last_hidden_state (B, T, C), pooler_output (B, C);
//!           with a head → logits (B, T, V) or (B, num_labels)

use super::{ACTIVATIONS, MAX_LAYERS, activation, check_mask, check_tokens, num_labels};
use crate::config::Config;
use crate::engine::Tensors;
use crate::error::Result;
use crate::graph::{Graph, Scope, Tensor};
use crate::kernels::attention::attention::Attend;
use crate::models::{Inputs, Model, Trains};
use crate::nn::linear;
use crate::tensor::Dtype;

/// `BertModel`.
pub static BERT: Model = Model {
    name: "BertModel",
    title: "BERT",
    section: "5.7",
    source: "Devlin et al. 2018, arXiv:1810.04805",
    config: &[
        "vocab_size [30522]",
        "hidden_size [768]",
        "num_hidden_layers [12]",
        "num_attention_heads [12]",
        "intermediate_size [3072]",
        "hidden_act [gelu]",
        "max_position_embeddings [512]",
        "type_vocab_size [2]",
        "layer_norm_eps [1e-12]",
    ],
    inputs: &["input_ids (B, T)", "attention_mask (B, T), optional", "token_type_ids (B, T), optional"],
    outputs: &[
        "last_hidden_state (B, T, hidden_size)",
        "pooler_output (B, hidden_size), if the checkpoint has a pooler",
        "debug.hidden_states.1 (B, T, hidden_size)",
    ],
    prefixes: &["bert"],
    ignorable: positions_and_types,
    build,
    check,
    ..Model::BASE
};

/// `BertForMaskedLM`.
pub static BERT_MASKED_LM: Model = Model {
    name: "BertForMaskedLM",
    title: "BERT, naming hidden tokens",
    section: "5.7",
    source: "Devlin et al. 2018, arXiv:1810.04805",
    config: &[
        "vocab_size [30522]",
        "hidden_size [768]",
        "num_hidden_layers [12]",
        "num_attention_heads [12]",
        "intermediate_size [3072]",
        "hidden_act [gelu]",
        "max_position_embeddings [512]",
        "type_vocab_size [2]",
        "layer_norm_eps [1e-12]",
        "tie_word_embeddings [true]",
    ],
    inputs: &["input_ids (B, T)", "attention_mask (B, T), optional", "token_type_ids (B, T), optional"],
    outputs: &["logits (B, T, vocab_size)", "debug.hidden_states.1 (B, T, hidden_size)"],
    ignorable: |key| {
        // Checkpoints of the pretraining have a pooler and a second head; an untied bias stands there twice.
        let unused = ["bert.pooler.", "cls.seq_relationship.", "cls.predictions.bias", "cls.predictions.decoder."];
        positions_and_types(key) || unused.iter().any(|start| key.starts_with(start))
    },
    build: build_masked_lm,
    check,
    init: super::small_normal,
    trains: Some(Trains { output: "logits", target: "labels", losses: &["masked_lm", "cross_entropy"] }),
    ..Model::BASE
};

/// `BertForSequenceClassification`.
pub static BERT_SEQUENCE_CLASSIFICATION: Model = Model {
    name: "BertForSequenceClassification",
    title: "BERT, naming texts",
    section: "5.7",
    source: "Devlin et al. 2018, arXiv:1810.04805",
    config: &[
        "vocab_size [30522]",
        "hidden_size [768]",
        "num_hidden_layers [12]",
        "num_attention_heads [12]",
        "intermediate_size [3072]",
        "hidden_act [gelu]",
        "max_position_embeddings [512]",
        "type_vocab_size [2]",
        "layer_norm_eps [1e-12]",
        "id2label [2 labels]",
    ],
    inputs: &["input_ids (B, T)", "attention_mask (B, T), optional", "token_type_ids (B, T), optional"],
    outputs: &["logits (B, num_labels)", "debug.hidden_states.1 (B, T, hidden_size)"],
    ignorable: positions_and_types,
    build: build_sequence_classification,
    check,
    init: super::small_normal,
    trains: Some(Trains { output: "logits", target: "labels", losses: &["cross_entropy"] }),
    ..Model::BASE
};

fn positions_and_types(key: &str) -> bool {
    key.ends_with("embeddings.position_ids") || key.ends_with("embeddings.token_type_ids")
}

/// Fields of `config.json`; the defaults are bert-base-uncased.
struct BertConfig {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: &'static str,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f64,
}

impl BertConfig {
    fn read(config: &Config) -> BertConfig {
        config.text("position_embedding_type", "absolute", &["absolute"]);
        super::unsupported(config, "is_decoder");
        super::unsupported(config, "add_cross_attention");
        let (hidden_size, heads) = (config.usize("hidden_size", 768), config.usize("num_attention_heads", 12));
        config.require(hidden_size.is_multiple_of(heads), "num_attention_heads", || {
            format!("found {heads}, expected a divisor of hidden_size, {hidden_size}")
        });
        BertConfig {
            vocab_size: config.usize("vocab_size", 30522),
            hidden_size,
            num_hidden_layers: config.usize_in("num_hidden_layers", 12, 1..=MAX_LAYERS),
            num_attention_heads: heads,
            intermediate_size: config.usize("intermediate_size", 3072),
            hidden_act: config.text("hidden_act", "gelu", ACTIVATIONS),
            max_position_embeddings: config.usize("max_position_embeddings", 512),
            type_vocab_size: config.usize("type_vocab_size", 2),
            layer_norm_eps: config.positive("layer_norm_eps", 1e-12),
        }
    }
}

fn check(config: &Config, inputs: &Tensors) -> Result<()> {
    let cfg = BertConfig::read(config);
    config.finish()?;
    check_tokens(inputs, "input_ids", cfg.vocab_size, cfg.max_position_embeddings)?;
    check_tokens(inputs, "token_type_ids", cfg.type_vocab_size, cfg.max_position_embeddings)?;
    check_mask(inputs, "attention_mask")
}

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let cfg = BertConfig::read(config);
    let x = body(g.root(), &cfg, inputs); // (B, T, C)
    g.output("last_hidden_state", x);
    if g.root().has("pooler.dense.weight") != Some(false) {
        g.output("pooler_output", pooler(g.root(), &cfg, x)); // (B, C)
    }
}

/// Logits of every token that could stand at every position.
fn build_masked_lm(g: &Graph, config: &Config, inputs: &Inputs) {
    let (cfg, tie) = (BertConfig::read(config), config.bool("tie_word_embeddings", true));
    let x = body(g.root().at("bert"), &cfg, inputs);

    let w = g.root().at("cls.predictions");
    let x = activation(linear(w.at("transform.dense"), x, cfg.hidden_size, true), cfg.hidden_act);
    let x = layer_norm(w.at("transform.LayerNorm"), &cfg, x);
    let decoder = if !tie || w.has("decoder.weight") == Some(true) {
        w.weight("decoder.weight", &[cfg.vocab_size, cfg.hidden_size])
    } else {
        word_embeddings(g.root().at("bert.embeddings"), &cfg)
    };
    let own_bias = w.has("decoder.bias").unwrap_or(!tie);
    let bias = w.weight(if own_bias { "decoder.bias" } else { "bias" }, &[cfg.vocab_size]);
    g.output("logits", x.matmul_t(decoder) + bias); // (B, T, V)
}

/// Logits of the labels a text may have.
fn build_sequence_classification(g: &Graph, config: &Config, inputs: &Inputs) {
    let (cfg, labels) = (BertConfig::read(config), num_labels(config));
    let w = g.root();
    let x = body(w.at("bert"), &cfg, inputs);
    let x = pooler(w.at("bert"), &cfg, x); // (B, C)
    g.output("logits", linear(w.at("classifier"), x, labels, true)); // (B, num_labels)
}

/// The embedding and all blocks.
fn body<'g>(w: Scope<'g>, cfg: &BertConfig, inputs: &Inputs) -> Tensor<'g> {
    let g = w.graph();
    let input_ids = inputs.tensor(g, "input_ids", Dtype::I32, &[1, cfg.max_position_embeddings.min(8)]);
    let token_type_ids = inputs.optional(g, "token_type_ids", Dtype::I32);
    let attention_mask = inputs.optional(g, "attention_mask", Dtype::I32);
    let mut x = embeddings(w.at("embeddings"), cfg, input_ids, token_type_ids); // (B, T, C)
    for i in 0..cfg.num_hidden_layers {
        x = layer(w.at("encoder.layer").at(i), cfg, x, attention_mask);
        if i == 0 {
            g.output("debug.hidden_states.1", x);
        }
    }
    x
}

/// What the first token has gathered of its text.
fn pooler<'g>(w: Scope<'g>, cfg: &BertConfig, x: Tensor<'g>) -> Tensor<'g> {
    let first = x.slice(1, 0, 1).squeeze(1); // (B, C)
    linear(w.at("pooler.dense"), first, cfg.hidden_size, true).tanh()
}

fn word_embeddings<'g>(w: Scope<'g>, cfg: &BertConfig) -> Tensor<'g> {
    w.weight("word_embeddings.weight", &[cfg.vocab_size, cfg.hidden_size])
}

/// The sum of what a token is, where it stands and which text it belongs to.
fn embeddings<'g>(
    w: Scope<'g>,
    cfg: &BertConfig,
    input_ids: Tensor<'g>,
    token_type_ids: Option<Tensor<'g>>,
) -> Tensor<'g> {
    let (c, [_, t]) = (cfg.hidden_size, input_ids.dims());
    let words = input_ids.embedding(word_embeddings(w, cfg)); // (B, T, C)
    let positions = w.weight("position_embeddings.weight", &[cfg.max_position_embeddings, c]).slice(0, 0, t);
    let types = w.weight("token_type_embeddings.weight", &[cfg.type_vocab_size, c]);
    let types = match token_type_ids {
        Some(ids) => ids.embedding(types), // (B, T, C)
        None => types.slice(0, 0, 1),      // (1, C): all of the first text
    };
    layer_norm(w.at("LayerNorm"), cfg, words + types + positions)
}

/// A block: each of its two halves is added to what came in, then normalised.
fn layer<'g>(w: Scope<'g>, cfg: &BertConfig, x: Tensor<'g>, mask: Option<Tensor<'g>>) -> Tensor<'g> {
    let c = cfg.hidden_size;
    let attended = self_attention(w.at("attention.self"), cfg, x, mask);
    let x = layer_norm(
        w.at("attention.output.LayerNorm"),
        cfg,
        linear(w.at("attention.output.dense"), attended, c, true) + x,
    );
    let inner = linear(w.at("intermediate.dense"), x, cfg.intermediate_size, true); // (B, T, intermediate)
    let inner = activation(inner, cfg.hidden_act);
    layer_norm(w.at("output.LayerNorm"), cfg, linear(w.at("output.dense"), inner, c, true) + x)
}

fn self_attention<'g>(w: Scope<'g>, cfg: &BertConfig, x: Tensor<'g>, mask: Option<Tensor<'g>>) -> Tensor<'g> {
    let heads = |name: &str| linear(w.at(name), x, cfg.hidden_size, true).heads(cfg.num_attention_heads);
    let [q, k, v] = ["query", "key", "value"].map(heads); // 3 × (B, H, T, D)
    let attend = mask.map_or(Attend::all(), |mask| Attend::all().key_mask(mask));
    q.attention(k, v, attend).merge_heads() // (B, T, C)
}

fn layer_norm<'g>(w: Scope<'g>, cfg: &BertConfig, x: Tensor<'g>) -> Tensor<'g> {
    let c = &[cfg.hidden_size];
    x.layer_norm(Some(w.weight("weight", c)), Some(w.weight("bias", c)), cfg.layer_norm_eps)
}
