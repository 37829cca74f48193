//! Llama: a transformer in which every token sees those before it, and names the next; rotary positions, gated layers.
//!
//! Paper     Touvron et al. 2023, arXiv:2302.13971; Grattafiori et al. 2024, arXiv:2407.21783 (longer contexts); Su et
//!           al. 2021, arXiv:2104.09864 (rotary positions); Ainslie et al. 2023, arXiv:2305.13245 (grouped queries)
//! Weights   transformers' `LlamaForCausalLM`, with or without `model.` before the keys of the body; `lm_head.weight`
//!           where the checkpoint has it, else the tied `model.embed_tokens.weight`
//! Differs   dropout does nothing: it is for training; `rotary_emb.inv_freq` of old checkpoints is computed instead
//! Shapes    input_ids, attention_mask (B, T) → logits (B, T, V); prompt_ids, prompt_attention_mask (B, P),
//!           max_new_tokens (1) → generated_ids (B, P + n)

use super::past::{Past, newest};
use super::{ACTIVATIONS, MAX_LAYERS, PROMPTS, SETTINGS, activation, check_mask, check_tokens};
use crate::config::Config;
use crate::engine::Tensors;
use crate::error::Result;
use crate::graph::{Graph, Scope, Tensor};
use crate::kernels::attention::positions::{llama3_frequencies, rope_frequencies, rope_tables};
use crate::models::{Inputs, Model, Trains};
use crate::nn::linear;
use crate::programs::Program;
use crate::programs::generate::{Causal, Phase, Reach, continue_prompt};
use crate::programs::request::INPUTS;
use crate::tensor::Dtype;

/// `LlamaForCausalLM`.
pub static LLAMA: Model = Model {
    name: "LlamaForCausalLM",
    title: "Llama",
    section: "5.9",
    source: "Touvron et al. 2023, arXiv:2302.13971",
    config: &[
        "vocab_size [32000]",
        "hidden_size [4096]",
        "intermediate_size [11008]",
        "num_hidden_layers [32]",
        "num_attention_heads [32]",
        "num_key_value_heads [num_attention_heads]",
        "head_dim [hidden_size / num_attention_heads]",
        "hidden_act [silu]",
        "max_position_embeddings [2048]",
        "rms_norm_eps [1e-6]",
        "attention_bias [false]",
        "mlp_bias [false]",
        "tie_word_embeddings [false]",
        "rope_parameters {rope_theta [10000], rope_type (default|linear|llama3), factor, low_freq_factor, \
         high_freq_factor, original_max_position_embeddings}",
        "rope_theta, rope_scaling {…} of older files",
    ],
    inputs: &["input_ids (B, T)", "attention_mask (B, T), optional", PROMPTS, SETTINGS],
    outputs: &["logits (B, T, vocab_size)", "generated_ids (B, P + n)", "debug.hidden_states.1 (B, T, hidden_size)"],
    prefixes: &["model"],
    ignorable: |key| key.ends_with("rotary_emb.inv_freq"),
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

/// What generation needs of Llama.
pub static CAUSAL: Causal = Causal {
    next_token,
    reach: |config| {
        let cfg = LlamaConfig::read(config);
        Reach { vocab: cfg.vocab_size, positions: MAX_POSITIONS }
    },
};

/// The longest sequence. Nothing in the weights ends at `max_position_embeddings`, and the library goes on beyond it.
const MAX_POSITIONS: usize = 1 << 20;

/// The most elements of a table of rotations: 2³⁰ bytes.
const MAX_TABLE: usize = 1 << 28;

/// Fields of `config.json`; the defaults are Llama 7B.
struct LlamaConfig {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: usize,
    head_dim: usize,
    hidden_act: &'static str,
    max_position_embeddings: usize,
    rms_norm_eps: f64,
    attention_bias: bool,
    mlp_bias: bool,
    tie_word_embeddings: bool,
    rope: Rope,
}

/// How angles grow with the position.
struct Rope {
    theta: f64,
    scaling: Scaling,
}

enum Scaling {
    None,
    Linear { factor: f64 },
    Llama3 { factor: f64, low: f64, high: f64, original: f64 },
}

impl LlamaConfig {
    fn read(config: &Config) -> LlamaConfig {
        let (hidden_size, heads) = (config.usize("hidden_size", 4096), config.usize("num_attention_heads", 32));
        config.require(config.has("head_dim") || hidden_size.is_multiple_of(heads), "num_attention_heads", || {
            format!("found {heads}, expected a divisor of hidden_size, {hidden_size}, or a head_dim")
        });
        let head_dim = config.usize("head_dim", (hidden_size / heads).max(1));
        config.require(head_dim.is_multiple_of(2), "head_dim", || format!("found {head_dim}, expected an even number"));
        let kv_heads = config.usize("num_key_value_heads", heads);
        config.require(heads.is_multiple_of(kv_heads), "num_key_value_heads", || {
            format!("found {kv_heads}, expected a divisor of num_attention_heads, {heads}")
        });
        let max_position_embeddings = config.usize("max_position_embeddings", 2048);
        LlamaConfig {
            vocab_size: config.usize("vocab_size", 32000),
            hidden_size,
            intermediate_size: config.usize("intermediate_size", 11008),
            num_hidden_layers: config.usize_in("num_hidden_layers", 32, 1..=MAX_LAYERS),
            num_attention_heads: heads,
            num_key_value_heads: kv_heads,
            head_dim,
            hidden_act: config.text("hidden_act", "silu", ACTIVATIONS),
            max_position_embeddings,
            rms_norm_eps: config.positive("rms_norm_eps", 1e-6),
            attention_bias: config.bool("attention_bias", false),
            mlp_bias: config.bool("mlp_bias", false),
            tie_word_embeddings: config.bool("tie_word_embeddings", false),
            rope: Rope::read(config, max_position_embeddings),
        }
    }
}

impl Rope {
    /// `rope_parameters`, or `rope_scaling` and `rope_theta` of older files, whose `rope_type` may be called `type`.
    fn read(config: &Config, positions: usize) -> Rope {
        let theta = config.positive("rope_theta", 10000.0);
        let Some(rope) = config.object("rope_scaling").or_else(|| config.object("rope_parameters")) else {
            return Rope { theta, scaling: Scaling::None };
        };
        let key = if rope.has("rope_type") { "rope_type" } else { "type" };
        let partial = rope.f64("partial_rotary_factor", 1.0);
        rope.require(partial == 1.0, "partial_rotary_factor", || format!("found {partial}, expected 1"));
        let scaling = match rope.text(key, "default", &["default", "linear", "llama3"]) {
            "linear" => Scaling::Linear { factor: rope.required_positive("factor") },
            "llama3" => {
                let factor = rope.required_positive("factor");
                let (low, high) =
                    (rope.required_positive("low_freq_factor"), rope.required_positive("high_freq_factor"));
                let original = rope.usize("original_max_position_embeddings", positions) as f64;
                rope.require(high > low, "high_freq_factor", || {
                    format!("found {high}, expected a number above low_freq_factor, {low}")
                });
                Scaling::Llama3 { factor, low, high, original }
            }
            _ => Scaling::None,
        };
        Rope { theta: rope.positive("rope_theta", theta), scaling }
    }

    /// Angles per position of `d` rotated dims.
    fn frequencies(&self, d: usize) -> Vec<f64> {
        let plain = rope_frequencies(d, self.theta);
        match self.scaling {
            Scaling::None => plain,
            Scaling::Linear { factor } => plain.iter().map(|f| f / factor).collect(),
            Scaling::Llama3 { factor, low, high, original } => llama3_frequencies(&plain, factor, low, high, original),
        }
    }
}

fn check(config: &Config, inputs: &Tensors) -> Result<()> {
    let cfg = LlamaConfig::read(config);
    config.finish()?;
    check_tokens(inputs, "input_ids", cfg.vocab_size, MAX_POSITIONS)?;
    check_mask(inputs, "attention_mask")
}

/// Logits at every position.
fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let cfg = LlamaConfig::read(config);
    let input_ids = inputs.tensor(g, "input_ids", Dtype::I32, &[1, cfg.max_position_embeddings.min(8)]);
    let past = Past::None { mask: inputs.optional(g, "attention_mask", Dtype::I32) };
    let [_, t] = input_ids.dims();
    let (x, first) = body(g, &cfg, input_ids, t, past);
    g.output("debug.hidden_states.1", first);
    g.output("logits", lm_head(g, &cfg, x)); // (B, T, V)
}

/// Logits of the next token: the phases of generation. Rows of other positions never meet the vocabulary.
fn next_token(g: &Graph, config: &Config, phase: Phase) {
    let (cfg, [rows, tokens]) = (LlamaConfig::read(config), phase.shape());
    let positions = if let Phase::Step { capacity, .. } = phase { capacity } else { tokens };
    let (input_ids, past) = Past::of(g, phase);
    let (x, _) = body(g, &cfg, input_ids, positions, past);
    g.output("logits", lm_head(g, &cfg, newest(phase, x)).reshape(&[rows, cfg.vocab_size]));
}

fn embed_tokens<'g>(g: &'g Graph, cfg: &LlamaConfig) -> Tensor<'g> {
    g.root().weight("model.embed_tokens.weight", &[cfg.vocab_size, cfg.hidden_size])
}

/// Cosines and sines of `positions`, (positions, D/2) each.
fn rotations<'g>(g: &'g Graph, cfg: &LlamaConfig, positions: usize) -> [Tensor<'g>; 2] {
    let (mut positions, mut d) = (positions, cfg.head_dim);
    if positions.saturating_mul(d) > MAX_TABLE {
        g.reject("rope", format!("{positions} positions of {d} dims are more than {MAX_TABLE} rotations"));
        (positions, d) = (1, 2);
    }
    rope_tables(positions, &cfg.rope.frequencies(d)).map(|table| g.constant(table))
}

/// The body, up to its final norm, and what its first block makes. Tokens stand at positions below `positions`.
fn body<'g>(
    g: &'g Graph,
    cfg: &LlamaConfig,
    input_ids: Tensor<'g>,
    positions: usize,
    past: Past<'g>,
) -> (Tensor<'g>, Tensor<'g>) {
    let tables = rotations(g, cfg, positions);
    let mut x = input_ids.embedding(embed_tokens(g, cfg)); // (B, T, C)
    let mut first = x;
    for i in 0..cfg.num_hidden_layers {
        x = block(g.root().at("model.layers").at(i), cfg, x, tables, past);
        if i == 0 {
            first = x;
        }
    }
    (x, first)
}

/// The final norm, and the product of every vector with every token's.
fn lm_head<'g>(g: &'g Graph, cfg: &LlamaConfig, x: Tensor<'g>) -> Tensor<'g> {
    let w = g.root();
    let x = rms_norm(w.at("model.norm"), cfg, x);
    let tied = cfg.tie_word_embeddings && w.has("lm_head.weight") != Some(true);
    let shape = [cfg.vocab_size, cfg.hidden_size];
    x.matmul_t(if tied { embed_tokens(g, cfg) } else { w.weight("lm_head.weight", &shape) })
}

/// A block: norm, attention, norm, a gated layer, each half added to what came in.
fn block<'g>(w: Scope<'g>, cfg: &LlamaConfig, x: Tensor<'g>, tables: [Tensor<'g>; 2], past: Past<'g>) -> Tensor<'g> {
    let x = x + self_attn(w.at("self_attn"), cfg, rms_norm(w.at("input_layernorm"), cfg, x), tables, past);
    x + mlp(w.at("mlp"), cfg, rms_norm(w.at("post_attention_layernorm"), cfg, x))
}

fn self_attn<'g>(
    w: Scope<'g>,
    cfg: &LlamaConfig,
    x: Tensor<'g>,
    tables: [Tensor<'g>; 2],
    past: Past<'g>,
) -> Tensor<'g> {
    let (heads, kv_heads, d) = (cfg.num_attention_heads, cfg.num_key_value_heads, cfg.head_dim);
    let project = |name: &str, heads: usize| {
        linear(w.at(name), x, heads.saturating_mul(d), cfg.attention_bias).heads(heads) // (B, heads, T, D)
    };
    let q = project("q_proj", heads).rope(tables, past.positions());
    let k = project("k_proj", kv_heads).rope(tables, past.positions());
    let v = project("v_proj", kv_heads);
    let y = past.attention(w, q, k, v, 1.0 / (d as f64).sqrt()).merge_heads(); // (B, T, H·D)
    linear(w.at("o_proj"), y, cfg.hidden_size, cfg.attention_bias) // (B, T, C)
}

fn mlp<'g>(w: Scope<'g>, cfg: &LlamaConfig, x: Tensor<'g>) -> Tensor<'g> {
    let wide = |name: &str| linear(w.at(name), x, cfg.intermediate_size, cfg.mlp_bias); // (B, T, intermediate)
    let inner = activation(wide("gate_proj"), cfg.hidden_act) * wide("up_proj");
    linear(w.at("down_proj"), inner, cfg.hidden_size, cfg.mlp_bias) // (B, T, C)
}

fn rms_norm<'g>(w: Scope<'g>, cfg: &LlamaConfig, x: Tensor<'g>) -> Tensor<'g> {
    x.rms_norm(Some(w.weight("weight", &[cfg.hidden_size])), cfg.rms_norm_eps)
}
