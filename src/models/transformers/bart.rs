//! BART: an encoder that sees a damaged text whole, and a decoder that writes the text.
//!
//! Paper     Lewis, Liu, Goyal, Ghazvininejad, Mohamed, Levy, Stoyanov, Zettlemoyer 2019, arXiv:1910.13461
//! Weights   transformers' `BartForConditionalGeneration`, with or without `model.` before the keys of the body;
//!           `lm_head.weight` where the checkpoint has it, else the tied `model.shared.weight`; `final_logits_bias` may be
//!           absent
//! Differs   dropout and layer drop do nothing: they are for training; a row of padding alone attends to nothing,
//!           where transformers lets it attend to everything alike
//! Shapes    input_ids, attention_mask (B, S), decoder_input_ids (B, T) → logits (B, T, V); prompt_ids,
//!           prompt_attention_mask (B, P), max_new_tokens (1) → generated_ids (B, 1 + n)

use super::{ACTIVATIONS, MAX_LAYERS, PROMPTS, SETTINGS, activation, check_mask, check_tokens};
use crate::config::Config;
use crate::engine::Tensors;
use crate::error::Result;
use crate::graph::{Graph, Scope, Tensor};
use crate::kernels::attention::attention::Attend;
use crate::models::{Inputs, Model, Trains};
use crate::nn::linear;
use crate::programs::Program;
use crate::programs::generate::Reach;
use crate::programs::request::INPUTS;
use crate::programs::seq2seq::{EncoderDecoder, Past, Phase, answer_prompt, keep_source, sources};
use crate::tensor::Dtype;

/// `BartForConditionalGeneration`.
pub static BART: Model = Model {
    name: "BartForConditionalGeneration",
    title: "BART",
    section: "5.11",
    source: "Lewis et al. 2019, arXiv:1910.13461",
    config: &[
        "vocab_size [50265]",
        "d_model [1024]",
        "encoder_layers [12]",
        "decoder_layers [12]",
        "encoder_attention_heads [16]",
        "decoder_attention_heads [16]",
        "encoder_ffn_dim [4096]",
        "decoder_ffn_dim [4096]",
        "activation_function [gelu]",
        "max_position_embeddings [1024]",
        "scale_embedding [false]",
        "tie_word_embeddings [true]",
    ],
    inputs: &["input_ids (B, S)", "attention_mask (B, S), optional", "decoder_input_ids (B, T)", PROMPTS, SETTINGS],
    outputs: &[
        "logits (B, T, vocab_size)",
        "encoder_last_hidden_state (B, S, d_model)",
        "generated_ids (B, 1 + n)",
        "debug.encoder_hidden_states.1 (B, S, d_model)",
        "debug.decoder_hidden_states.1 (B, T, d_model)",
    ],
    prefixes: &["model"],
    ignorable: |key| key.ends_with("coder.embed_tokens.weight") || key.ends_with("coder.version"),
    build,
    check,
    program: Some(Program {
        needs: &["prompt_ids", "max_new_tokens"],
        own: INPUTS,
        run: |context, inputs| answer_prompt(context, &GENERATION, inputs),
    }),
    init: super::small_normal,
    trains: Some(Trains { output: "logits", target: "labels", losses: &["cross_entropy"] }),
    ..Model::BASE
};

/// What generation needs of BART.
pub static GENERATION: EncoderDecoder = EncoderDecoder {
    phase,
    reach: |config| {
        let cfg = BartConfig::read(config);
        [Reach { vocab: cfg.vocab_size, positions: cfg.max_position_embeddings }; 2]
    },
    tokens: |_| [2, 2],
};

/// Rows of the table of positions before that of position 0.
const OFFSET: usize = 2;

/// One of the two stacks.
struct Stack {
    layers: usize,
    heads: usize,
    ffn_dim: usize,
}

/// Fields of `config.json`; the defaults are bart-large.
struct BartConfig {
    vocab_size: usize,
    d_model: usize,
    encoder: Stack,
    decoder: Stack,
    activation_function: &'static str,
    max_position_embeddings: usize,
    scale_embedding: bool,
    tie_word_embeddings: bool,
}

impl BartConfig {
    fn read(config: &Config) -> BartConfig {
        let d_model = config.usize("d_model", 1024);
        let stack = |[layers, heads, ffn_dim]: [&str; 3]| {
            let n = config.usize(heads, 16);
            config.require(d_model.is_multiple_of(n), heads, || {
                format!("found {n}, expected a divisor of d_model, {d_model}")
            });
            Stack {
                layers: config.usize_in(layers, 12, 1..=MAX_LAYERS),
                heads: n,
                ffn_dim: config.usize(ffn_dim, 4096),
            }
        };
        BartConfig {
            vocab_size: config.usize("vocab_size", 50265),
            d_model,
            encoder: stack(["encoder_layers", "encoder_attention_heads", "encoder_ffn_dim"]),
            decoder: stack(["decoder_layers", "decoder_attention_heads", "decoder_ffn_dim"]),
            activation_function: config.text("activation_function", "gelu", ACTIVATIONS),
            max_position_embeddings: config.usize("max_position_embeddings", 1024),
            scale_embedding: config.bool("scale_embedding", false),
            tie_word_embeddings: config.bool("tie_word_embeddings", true),
        }
    }
}

fn check(config: &Config, inputs: &Tensors) -> Result<()> {
    let cfg = BartConfig::read(config);
    config.finish()?;
    check_tokens(inputs, "input_ids", cfg.vocab_size, cfg.max_position_embeddings)?;
    check_tokens(inputs, "decoder_input_ids", cfg.vocab_size, cfg.max_position_embeddings)?;
    check_mask(inputs, "attention_mask")
}

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let cfg = BartConfig::read(config);
    let default = [1, cfg.max_position_embeddings.min(8)];
    let input_ids = inputs.tensor(g, "input_ids", Dtype::I32, &default);
    let mask = inputs.optional(g, "attention_mask", Dtype::I32);
    let decoder_input_ids = inputs.tensor(g, "decoder_input_ids", Dtype::I32, &default);

    let (memory, first) = encoder(g, &cfg, input_ids, mask);
    g.output("debug.encoder_hidden_states.1", first);
    let (x, first) = decoder(g, &cfg, decoder_input_ids, Past::None { memory, mask });
    g.output("debug.decoder_hidden_states.1", first);
    g.output("encoder_last_hidden_state", memory);
    g.output("logits", lm_head(g, &cfg, x)); // (B, T, V)
}

/// The graphs of generation.
fn phase(g: &Graph, config: &Config, phase: Phase) {
    let cfg = BartConfig::read(config);
    match phase {
        Phase::Encode(sizes) => {
            let (input_ids, mask) = sources(g, sizes);
            let (memory, _) = encoder(g, &cfg, input_ids, mask);
            for i in 0..cfg.decoder.layers {
                let w = g.root().at("model.decoder.layers").at(i).at("encoder_attn");
                keep_source(w, ["k_proj", "v_proj"].map(|name| heads(w.at(name), &cfg.decoder, memory)));
            }
            g.output("encoder_last_hidden_state", memory);
        }
        Phase::Step(sizes) => {
            let (input_ids, past) = Past::of_step(g, sizes);
            let (x, _) = decoder(g, &cfg, input_ids, past);
            g.output("logits", lm_head(g, &cfg, x).reshape(&[sizes.rows.total(), cfg.vocab_size]));
        }
    }
}

fn shared<'g>(g: &'g Graph, cfg: &BartConfig) -> Tensor<'g> {
    g.root().weight("model.shared.weight", &[cfg.vocab_size, cfg.d_model])
}

/// What the encoder makes, and what its first layer makes: both (B, S, C).
fn encoder<'g>(
    g: &'g Graph,
    cfg: &BartConfig,
    input_ids: Tensor<'g>,
    mask: Option<Tensor<'g>>,
) -> (Tensor<'g>, Tensor<'g>) {
    let w = g.root().at("model.encoder");
    let mut x = embeddings(w, cfg, input_ids, None);
    let attend = mask.map_or(Attend::all(), |mask| Attend::all().key_mask(mask));
    let mut first = x;
    for i in 0..cfg.encoder.layers {
        let w = w.at("layers").at(i);
        let w_self = w.at("self_attn");
        let [q, k, v] = ["q_proj", "k_proj", "v_proj"].map(|name| heads(w_self.at(name), &cfg.encoder, x));
        let attended = out(w_self, q.attention(k, v, attend));
        x = layer_norm(w.at("self_attn_layer_norm"), x + attended);
        x = feed_forward(w, cfg, &cfg.encoder, x);
        if i == 0 {
            first = x;
        }
    }
    (x, first)
}

/// What the decoder makes, and what its first layer makes: both (B, T, C).
fn decoder<'g>(g: &'g Graph, cfg: &BartConfig, input_ids: Tensor<'g>, past: Past<'g>) -> (Tensor<'g>, Tensor<'g>) {
    let w = g.root().at("model.decoder");
    let mut x = embeddings(w, cfg, input_ids, past.position());
    let mut first = x;
    for i in 0..cfg.decoder.layers {
        let w = w.at("layers").at(i);
        let attended = self_attention(w.at("self_attn"), cfg, x, past);
        x = layer_norm(w.at("self_attn_layer_norm"), x + attended);
        let attended = encoder_attention(w.at("encoder_attn"), cfg, x, past);
        x = layer_norm(w.at("encoder_attn_layer_norm"), x + attended);
        x = feed_forward(w, cfg, &cfg.decoder, x);
        if i == 0 {
            first = x;
        }
    }
    (x, first)
}

/// The product of every vector with every token's.
fn lm_head<'g>(g: &'g Graph, cfg: &BartConfig, x: Tensor<'g>) -> Tensor<'g> {
    let w = g.root();
    let tied = cfg.tie_word_embeddings && w.has("lm_head.weight") != Some(true);
    let head = if tied { shared(g, cfg) } else { w.weight("lm_head.weight", &[cfg.vocab_size, cfg.d_model]) };
    let logits = x.matmul_t(head);
    match g.root().has("final_logits_bias") {
        Some(false) => logits,
        _ => logits + g.root().weight("final_logits_bias", &[1, cfg.vocab_size]),
    }
}

/// The sum of what a token is and where it stands: from position 0 on, or tokens that stand alone at `position (1)`.
fn embeddings<'g>(w: Scope<'g>, cfg: &BartConfig, input_ids: Tensor<'g>, position: Option<Tensor<'g>>) -> Tensor<'g> {
    let (c, [_, t]) = (cfg.d_model, input_ids.dims());
    let words = input_ids.embedding(shared(w.graph(), cfg)); // (B, T, C)
    let words = if cfg.scale_embedding { words * (c as f64).sqrt() } else { words };
    let table = w.weight("embed_positions.weight", &[cfg.max_position_embeddings + OFFSET, c]);
    let positions = match position {
        Some(position) => (position + OFFSET as f64).embedding(table), // (1, C)
        None => table.slice(0, OFFSET, t),                             // (T, C)
    };
    layer_norm(w.at("layernorm_embedding"), words + positions)
}

fn self_attention<'g>(w: Scope<'g>, cfg: &BartConfig, x: Tensor<'g>, past: Past<'g>) -> Tensor<'g> {
    // 3 × (B, H, T, D)
    let [q, k, v] = ["q_proj", "k_proj", "v_proj"].map(|name| heads(w.at(name), &cfg.decoder, x));
    let [k, v] = past.own(w, [k, v]); // 2 × (B, H, T, D) or (B, H, capacity, D)
    out(
        w,
        match past.position() {
            None => q.attention(k, v, Attend::causal()),
            Some(position) => q.attention_decode(k, v, position + 1.0, None, 0.0),
        },
    )
}

fn encoder_attention<'g>(w: Scope<'g>, cfg: &BartConfig, x: Tensor<'g>, past: Past<'g>) -> Tensor<'g> {
    let stack = &cfg.decoder;
    let q = heads(w.at("q_proj"), stack, past.by_source(x)); // (B, H, T, D)
    let made = |memory| ["k_proj", "v_proj"].map(|name| heads(w.at(name), stack, memory));
    let [k, v] = past.source(w, [stack.heads, cfg.d_model / stack.heads], made); // 2 × (B, H, S, D)
    let attend = past.mask().map_or(Attend::all(), |mask| Attend::all().key_mask(mask));
    out(w, q.attention(k, v, attend)).reshape(&x.shape())
}

/// An affine map, split into heads: (B, H, T, D).
fn heads<'g>(w: Scope<'g>, stack: &Stack, x: Tensor<'g>) -> Tensor<'g> {
    let [_, _, c] = x.dims();
    linear(w, x, c, true).heads(stack.heads)
}

fn out<'g>(w: Scope<'g>, y: Tensor<'g>) -> Tensor<'g> {
    let y = y.merge_heads(); // (B, T, C)
    let [_, _, c] = y.dims();
    linear(w.at("out_proj"), y, c, true)
}

fn feed_forward<'g>(w: Scope<'g>, cfg: &BartConfig, stack: &Stack, x: Tensor<'g>) -> Tensor<'g> {
    let inner = activation(linear(w.at("fc1"), x, stack.ffn_dim, true), cfg.activation_function); // (B, T, ffn_dim)
    layer_norm(w.at("final_layer_norm"), x + linear(w.at("fc2"), inner, cfg.d_model, true))
}

fn layer_norm<'g>(w: Scope<'g>, x: Tensor<'g>) -> Tensor<'g> {
    let [_, _, c] = x.dims();
    x.layer_norm(Some(w.weight("weight", &[c])), Some(w.weight("bias", &[c])), 1e-5)
}
