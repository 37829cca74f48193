//! GPT-2: a transformer in which every token sees those before it, and names the next.
//!
//! Paper     Radford, Wu, Child, Luan, Amodei, Sutskever 2019, "Language models are unsupervised multitask learners"
//! Weights   transformers' `GPT2LMHeadModel`, with or without `transformer.` before the keys of the body;
//!           `lm_head.weight` where the checkpoint has it, else the tied `transformer.wte.weight`
//! Differs   dropout does nothing: it is for training; `attn.bias` and `attn.masked_bias` of old checkpoints are
//!           the causal mask, which the attention kernel knows
//! Init      normal with deviation 0.02 (GPT, 2018), divided by √N where a layer writes to the residual, N such layers
//!           (section 2.3)
//! Shapes    input_ids, attention_mask (B, T) → logits (B, T, V); prompt_ids, prompt_attention_mask (B, P),
//!           max_new_tokens (1) → generated_ids (B, P + n)

use super::past::{Past, newest};
use super::{ACTIVATIONS, MAX_LAYERS, PROMPTS, SETTINGS, activation, check_mask, check_tokens};
use crate::config::Config;
use crate::engine::Tensors;
use crate::error::Result;
use crate::graph::{Graph, Scope, Tensor};
use crate::models::{Inputs, Model, Trains};
use crate::programs::Program;
use crate::programs::generate::{Causal, Phase, Reach, continue_prompt};
use crate::programs::request::INPUTS;
use crate::tensor::Dtype;

/// `GPT2LMHeadModel`.
pub static GPT2: Model = Model {
    name: "GPT2LMHeadModel",
    title: "GPT-2",
    section: "5.8",
    source: "Radford et al. 2019",
    config: &[
        "vocab_size [50257]",
        "n_positions [1024]",
        "n_embd [768]",
        "n_layer [12]",
        "n_head [12]",
        "n_inner [4 n_embd]",
        "activation_function [gelu_new]",
        "layer_norm_epsilon [1e-5]",
        "scale_attn_weights [true]",
        "scale_attn_by_inverse_layer_idx [false]",
        "tie_word_embeddings [true]",
    ],
    inputs: &["input_ids (B, T)", "attention_mask (B, T), optional", PROMPTS, SETTINGS],
    outputs: &["logits (B, T, vocab_size)", "generated_ids (B, P + n)", "debug.hidden_states.1 (B, T, n_embd)"],
    prefixes: &["transformer"],
    ignorable: |key| key.ends_with(".attn.bias") || key.ends_with(".attn.masked_bias"),
    build,
    check,
    program: Some(Program {
        needs: &["prompt_ids", "max_new_tokens"],
        own: INPUTS,
        run: |context, inputs| continue_prompt(context, &CAUSAL, inputs),
    }),
    init: super::small_normal,
    trains: Some(Trains { output: "logits", target: "labels", losses: &["causal_lm", "cross_entropy"] }),
    ..Model::BASE
};

/// What generation needs of GPT-2.
pub static CAUSAL: Causal = Causal {
    next_token,
    reach: |config| {
        let cfg = Gpt2Config::read(config);
        Reach { vocab: cfg.vocab_size, positions: cfg.n_positions }
    },
};

/// Fields of `config.json`; the defaults are the smallest GPT-2, with 124 million weights.
struct Gpt2Config {
    vocab_size: usize,
    n_positions: usize,
    n_embd: usize,
    n_layer: usize,
    n_head: usize,
    n_inner: usize,
    activation_function: &'static str,
    layer_norm_epsilon: f64,
    scale_attn_weights: bool,
    scale_attn_by_inverse_layer_idx: bool,
    tie_word_embeddings: bool,
}

impl Gpt2Config {
    fn read(config: &Config) -> Gpt2Config {
        super::unsupported(config, "add_cross_attention");
        let (n_embd, n_head) = (config.usize("n_embd", 768), config.usize("n_head", 12));
        config.require(n_embd.is_multiple_of(n_head), "n_head", || {
            format!("found {n_head}, expected a divisor of n_embd, {n_embd}")
        });
        Gpt2Config {
            vocab_size: config.usize("vocab_size", 50257),
            n_positions: config.usize("n_positions", 1024),
            n_embd,
            n_layer: config.usize_in("n_layer", 12, 1..=MAX_LAYERS),
            n_head,
            n_inner: config.usize("n_inner", 4 * n_embd),
            activation_function: config.text("activation_function", "gelu_new", ACTIVATIONS),
            layer_norm_epsilon: config.positive("layer_norm_epsilon", 1e-5),
            scale_attn_weights: config.bool("scale_attn_weights", true),
            scale_attn_by_inverse_layer_idx: config.bool("scale_attn_by_inverse_layer_idx", false),
            tie_word_embeddings: config.bool("tie_word_embeddings", true),
        }
    }
}

fn check(config: &Config, inputs: &Tensors) -> Result<()> {
    let cfg = Gpt2Config::read(config);
    config.finish()?;
    check_tokens(inputs, "input_ids", cfg.vocab_size, cfg.n_positions)?;
    check_mask(inputs, "attention_mask")
}

/// Logits at every position.
fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let cfg = Gpt2Config::read(config);
    let input_ids = inputs.tensor(g, "input_ids", Dtype::I32, &[1, cfg.n_positions.min(8)]);
    let past = Past::None { mask: inputs.optional(g, "attention_mask", Dtype::I32) };
    let [_, t] = input_ids.dims();
    let (x, first) = transformer(g, &cfg, input_ids, wpe(g, &cfg).slice(0, 0, t), past);
    g.output("debug.hidden_states.1", first);
    g.output("logits", lm_head(g, &cfg, x)); // (B, T, V)
}

/// Logits of the next token: the phases of generation. Rows of other positions never meet the vocabulary.
fn next_token(g: &Graph, config: &Config, phase: Phase) {
    let (cfg, [rows, tokens]) = (Gpt2Config::read(config), phase.shape());
    let (input_ids, past) = Past::of(g, phase);
    let positions = match past.positions() {
        Some(positions) => positions.embedding(wpe(g, &cfg)), // (B, 1, C)
        None => wpe(g, &cfg).slice(0, 0, tokens),             // (T, C)
    };
    let (x, _) = transformer(g, &cfg, input_ids, positions, past);
    g.output("logits", lm_head(g, &cfg, newest(phase, x)).reshape(&[rows, cfg.vocab_size]));
}

fn wte<'g>(g: &'g Graph, cfg: &Gpt2Config) -> Tensor<'g> {
    g.root().weight("transformer.wte.weight", &[cfg.vocab_size, cfg.n_embd])
}

fn wpe<'g>(g: &'g Graph, cfg: &Gpt2Config) -> Tensor<'g> {
    g.root().weight("transformer.wpe.weight", &[cfg.n_positions, cfg.n_embd])
}

/// The body, up to its final norm, and what its first block makes. `positions` is (T, C) or (B, T, C).
fn transformer<'g>(
    g: &'g Graph,
    cfg: &Gpt2Config,
    input_ids: Tensor<'g>,
    positions: Tensor<'g>,
    past: Past<'g>,
) -> (Tensor<'g>, Tensor<'g>) {
    let w = g.root().at("transformer");
    let mut x = input_ids.embedding(wte(g, cfg)) + positions; // (B, T, C)
    let mut first = x;
    for i in 0..cfg.n_layer {
        x = block(w.at("h").at(i), cfg, i, x, past);
        if i == 0 {
            first = x;
        }
    }
    (x, first)
}

/// The final norm, and the product of every vector with every token's.
fn lm_head<'g>(g: &'g Graph, cfg: &Gpt2Config, x: Tensor<'g>) -> Tensor<'g> {
    let x = layer_norm(g.root().at("transformer.ln_f"), cfg, x);
    let w = g.root();
    let tied = cfg.tie_word_embeddings && w.has("lm_head.weight") != Some(true);
    x.matmul_t(if tied { wte(g, cfg) } else { w.weight("lm_head.weight", &[cfg.vocab_size, cfg.n_embd]) })
}

/// A block: norm, attention, norm, two layers, each half added to what came in.
fn block<'g>(w: Scope<'g>, cfg: &Gpt2Config, index: usize, x: Tensor<'g>, past: Past<'g>) -> Tensor<'g> {
    let x = x + attn(w.at("attn"), cfg, index, layer_norm(w.at("ln_1"), cfg, x), past);
    x + mlp(w.at("mlp"), cfg, layer_norm(w.at("ln_2"), cfg, x))
}

fn attn<'g>(w: Scope<'g>, cfg: &Gpt2Config, index: usize, x: Tensor<'g>, past: Past<'g>) -> Tensor<'g> {
    let c = cfg.n_embd;
    let qkv = conv1d(w.at("c_attn"), x, 3 * c); // (B, T, 3C)
    let [q, k, v] = qkv.split(-1, [c, c, c]).map(|z| z.heads(cfg.n_head)); // 3 × (B, H, T, D)
    let root = if cfg.scale_attn_weights { ((c / cfg.n_head) as f64).sqrt() } else { 1.0 };
    let depth = if cfg.scale_attn_by_inverse_layer_idx { (index + 1) as f64 } else { 1.0 };
    let y = past.attention(w, q, k, v, 1.0 / (root * depth));
    conv1d(w.at("c_proj"), y.merge_heads(), c) // (B, T, C)
}

fn mlp<'g>(w: Scope<'g>, cfg: &Gpt2Config, x: Tensor<'g>) -> Tensor<'g> {
    let inner = activation(conv1d(w.at("c_fc"), x, cfg.n_inner), cfg.activation_function); // (B, T, n_inner)
    conv1d(w.at("c_proj"), inner, cfg.n_embd) // (B, T, C)
}

/// The library's `Conv1D`, an affine map whose matrix is stored (in, out).
fn conv1d<'g>(w: Scope<'g>, x: Tensor<'g>, out: usize) -> Tensor<'g> {
    let [_, _, features] = x.dims();
    x.matmul(w.weight("weight", &[features, out])) + w.weight("bias", &[out])
}

fn layer_norm<'g>(w: Scope<'g>, cfg: &Gpt2Config, x: Tensor<'g>) -> Tensor<'g> {
    let c = &[cfg.n_embd];
    x.layer_norm(Some(w.weight("weight", c)), Some(w.weight("bias", c)), cfg.layer_norm_epsilon)
}
