//! T5: an encoder and a decoder in which attention knows how far apart two tokens stand, not where.
//!
//! Paper     Raffel, Shazeer, Roberts, Lee, Narang, Matena, Zhou, Li, Liu 2019, arXiv:1910.10683; gated layers of
//!           Shazeer 2020, arXiv:2002.05202
//! Weights   transformers' `T5ForConditionalGeneration`; `lm_head.weight` where the checkpoint has it, else
//!           the tied `shared.weight`
//! Differs   dropout does nothing: it is for training; attention is not scaled by 1/√D, which the initial weights
//!           make up for
//! Shapes    input_ids, attention_mask (B, S), decoder_input_ids (B, T) → logits (B, T, V); prompt_ids,
//!           prompt_attention_mask (B, P), max_new_tokens (1) → generated_ids (B, 1 + n)

use super::{MAX_LAYERS, PROMPTS, SETTINGS, activation, check_mask, check_tokens};
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
use crate::tensor::{Dtype, HostTensor};

/// `T5ForConditionalGeneration`.
pub static T5: Model = Model {
    name: "T5ForConditionalGeneration",
    title: "T5",
    section: "5.10",
    source: "Raffel et al. 2019, arXiv:1910.10683",
    config: &[
        "vocab_size [32128]",
        "d_model [512]",
        "d_kv [64]",
        "d_ff [2048]",
        "num_layers [6]",
        "num_decoder_layers [num_layers]",
        "num_heads [8]",
        "relative_attention_num_buckets [32]",
        "relative_attention_max_distance [128]",
        "feed_forward_proj [relu]",
        "layer_norm_epsilon [1e-6]",
        "tie_word_embeddings [true]",
        "scale_decoder_outputs [tie_word_embeddings]",
    ],
    inputs: &["input_ids (B, S)", "attention_mask (B, S), optional", "decoder_input_ids (B, T)", PROMPTS, SETTINGS],
    outputs: &[
        "logits (B, T, vocab_size)",
        "encoder_last_hidden_state (B, S, d_model)",
        "generated_ids (B, 1 + n)",
        "debug.encoder_hidden_states.1 (B, S, d_model)",
        "debug.decoder_hidden_states.1 (B, T, d_model)",
    ],
    ignorable: |key| {
        key.ends_with("coder.embed_tokens.weight") || key.ends_with("EncDecAttention.relative_attention_bias.weight")
    },
    build,
    check,
    program: Some(Program {
        needs: &["prompt_ids", "max_new_tokens"],
        own: INPUTS,
        run: |context, inputs| answer_prompt(context, &GENERATION, inputs),
    }),
    trains: Some(Trains { output: "logits", target: "labels", losses: &["cross_entropy"] }),
    ..Model::BASE
};

/// What generation needs of T5.
pub static GENERATION: EncoderDecoder = EncoderDecoder {
    phase,
    reach: |config| [Reach { vocab: T5Config::read(config).vocab_size, positions: MAX_POSITIONS }; 2],
    tokens: |_| [0, 1],
};

/// Distances have no end; tables have.
const MAX_POSITIONS: usize = 1 << 20;

/// The library's names of feed-forward layers; in a gated one, `gelu` is `gelu_new`.
const FEED_FORWARD: &[&str] =
    &["relu", "gelu", "gelu_new", "silu", "gated-relu", "gated-gelu", "gated-gelu_new", "gated-silu"];

/// Fields of `config.json`; the defaults are t5-small, with 60 million weights.
struct T5Config {
    vocab_size: usize,
    d_model: usize,
    d_kv: usize,
    d_ff: usize,
    num_layers: usize,
    num_decoder_layers: usize,
    num_heads: usize,
    relative_attention_num_buckets: usize,
    relative_attention_max_distance: usize,
    feed_forward_proj: &'static str,
    layer_norm_epsilon: f64,
    tie_word_embeddings: bool,
    scale_decoder_outputs: bool,
}

impl T5Config {
    fn read(config: &Config) -> T5Config {
        let num_layers = config.usize_in("num_layers", 6, 1..=MAX_LAYERS);
        let buckets = config.usize_in("relative_attention_num_buckets", 32, 4..=1 << 20);
        let max_distance = config.usize_in("relative_attention_max_distance", 128, 1..=MAX_POSITIONS);
        config.require(max_distance > buckets / 2, "relative_attention_max_distance", || {
            format!("found {max_distance}, expected more than half of the {buckets} buckets")
        });
        let tie_word_embeddings = config.bool("tie_word_embeddings", true);
        T5Config {
            vocab_size: config.usize("vocab_size", 32128),
            d_model: config.usize("d_model", 512),
            d_kv: config.usize("d_kv", 64),
            d_ff: config.usize("d_ff", 2048),
            num_layers,
            num_decoder_layers: config.usize_in("num_decoder_layers", num_layers, 1..=MAX_LAYERS),
            num_heads: config.usize("num_heads", 8),
            relative_attention_num_buckets: buckets,
            relative_attention_max_distance: max_distance,
            feed_forward_proj: config.text("feed_forward_proj", "relu", FEED_FORWARD),
            layer_norm_epsilon: config.positive("layer_norm_epsilon", 1e-6),
            tie_word_embeddings,
            scale_decoder_outputs: config.bool("scale_decoder_outputs", tie_word_embeddings),
        }
    }
}

fn check(config: &Config, inputs: &Tensors) -> Result<()> {
    let cfg = T5Config::read(config);
    config.finish()?;
    check_tokens(inputs, "input_ids", cfg.vocab_size, MAX_POSITIONS)?;
    check_tokens(inputs, "decoder_input_ids", cfg.vocab_size, MAX_POSITIONS)?;
    check_mask(inputs, "attention_mask")
}

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let cfg = T5Config::read(config);
    let input_ids = inputs.tensor(g, "input_ids", Dtype::I32, &[1, 8]);
    let mask = inputs.optional(g, "attention_mask", Dtype::I32);
    let decoder_input_ids = inputs.tensor(g, "decoder_input_ids", Dtype::I32, &[1, 8]);

    let (memory, first) = encoder(g, &cfg, input_ids, mask);
    g.output("debug.encoder_hidden_states.1", first);
    let (x, first) = decoder(g, &cfg, decoder_input_ids, Past::None { memory, mask });
    g.output("debug.decoder_hidden_states.1", first);
    g.output("encoder_last_hidden_state", memory);
    g.output("logits", lm_head(g, &cfg, x)); // (B, T, V)
}

/// The graphs of generation.
fn phase(g: &Graph, config: &Config, phase: Phase) {
    let cfg = T5Config::read(config);
    match phase {
        Phase::Encode(sizes) => {
            let (input_ids, mask) = sources(g, sizes);
            let (memory, _) = encoder(g, &cfg, input_ids, mask);
            for i in 0..cfg.num_decoder_layers {
                let w = cross_attention(g, i);
                keep_source(w, ["k", "v"].map(|name| heads(w.at(name), &cfg, memory)));
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

fn shared<'g>(g: &'g Graph, cfg: &T5Config) -> Tensor<'g> {
    g.root().weight("shared.weight", &[cfg.vocab_size, cfg.d_model])
}

/// What the encoder makes, and what its first block makes: both (B, S, C).
fn encoder<'g>(
    g: &'g Graph,
    cfg: &T5Config,
    input_ids: Tensor<'g>,
    mask: Option<Tensor<'g>>,
) -> (Tensor<'g>, Tensor<'g>) {
    let (w, [_, s]) = (g.root().at("encoder"), input_ids.dims());
    let mut x = input_ids.embedding(shared(g, cfg)); // (B, S, C)
    let (bias, _) = relative(w, cfg, g.iota(Dtype::I32, s, 0.0, 1.0), s, Side::Both);
    let attend = Attend::all().scale(1.0).bias(bias);
    let attend = mask.map_or(attend, |mask| attend.key_mask(mask));
    let mut first = x;
    for i in 0..cfg.num_layers {
        let w = w.at("block").at(i).at("layer");
        let (w_self, h) = (w.at(0).at("SelfAttention"), rms_norm(w.at(0).at("layer_norm"), cfg, x));
        let [q, k, v] = ["q", "k", "v"].map(|name| heads(w_self.at(name), cfg, h)); // 3 × (B, H, S, D)
        x = x + out(w_self, cfg, q.attention(k, v, attend));
        x = x + feed_forward(w.at(1), cfg, x);
        if i == 0 {
            first = x;
        }
    }
    (rms_norm(w.at("final_layer_norm"), cfg, x), first)
}

/// What the decoder makes, and what its first block makes: both (B, T, C).
fn decoder<'g>(g: &'g Graph, cfg: &T5Config, input_ids: Tensor<'g>, past: Past<'g>) -> (Tensor<'g>, Tensor<'g>) {
    let (w, [b, t]) = (g.root().at("decoder"), input_ids.dims());
    let mut x = input_ids.embedding(shared(g, cfg)); // (B, T, C)
    let attend = match past {
        Past::None { .. } => {
            let (bias, _) = relative(w, cfg, g.iota(Dtype::I32, t, 0.0, 1.0), t, Side::Before);
            Attend::causal().scale(1.0).bias(bias)
        }
        Past::Cached { to, .. } => {
            let (bias, seen) = relative(w, cfg, to.position, to.capacity, Side::Before);
            Attend::all().scale(1.0).bias(bias).key_mask(seen.broadcast_to(&[b, to.capacity]))
        }
    };
    let mut first = x;
    for i in 0..cfg.num_decoder_layers {
        let w = w.at("block").at(i).at("layer");
        let h = rms_norm(w.at(0).at("layer_norm"), cfg, x);
        x = x + self_attention(w.at(0).at("SelfAttention"), cfg, h, past, attend);
        let h = rms_norm(w.at(1).at("layer_norm"), cfg, x);
        x = x + encoder_attention(cross_attention(g, i), cfg, h, past);
        x = x + feed_forward(w.at(2), cfg, x);
        if i == 0 {
            first = x;
        }
    }
    (rms_norm(w.at("final_layer_norm"), cfg, x), first)
}

/// The product of every vector with every token's.
fn lm_head<'g>(g: &'g Graph, cfg: &T5Config, x: Tensor<'g>) -> Tensor<'g> {
    let x = if cfg.scale_decoder_outputs { x * (cfg.d_model as f64).powf(-0.5) } else { x };
    let w = g.root();
    let tied = cfg.tie_word_embeddings && w.has("lm_head.weight") != Some(true);
    x.matmul_t(if tied { shared(g, cfg) } else { w.weight("lm_head.weight", &[cfg.vocab_size, cfg.d_model]) })
}

fn self_attention<'g>(w: Scope<'g>, cfg: &T5Config, x: Tensor<'g>, past: Past<'g>, attend: Attend<'g>) -> Tensor<'g> {
    let [q, k, v] = ["q", "k", "v"].map(|name| heads(w.at(name), cfg, x)); // 3 × (B, H, T, D)
    let [k, v] = past.own(w, [k, v]); // 2 × (B, H, T, D) or (B, H, capacity, D)
    out(w, cfg, q.attention(k, v, attend))
}

fn cross_attention(g: &Graph, block: usize) -> Scope<'_> {
    g.root().at("decoder.block").at(block).at("layer.1.EncDecAttention")
}

fn encoder_attention<'g>(w: Scope<'g>, cfg: &T5Config, x: Tensor<'g>, past: Past<'g>) -> Tensor<'g> {
    let q = heads(w.at("q"), cfg, past.by_source(x)); // (B, H, T, D)
    let made = |memory| ["k", "v"].map(|name| heads(w.at(name), cfg, memory));
    let [k, v] = past.source(w, [cfg.num_heads, cfg.d_kv], made); // 2 × (B, H, S, D)
    let all = Attend::all().scale(1.0);
    let attend = past.mask().map_or(all, |mask| all.key_mask(mask));
    out(w, cfg, q.attention(k, v, attend)).reshape(&x.shape())
}

fn heads<'g>(w: Scope<'g>, cfg: &T5Config, x: Tensor<'g>) -> Tensor<'g> {
    linear(w, x, cfg.num_heads * cfg.d_kv, false).heads(cfg.num_heads) // (B, H, T, D)
}

fn out<'g>(w: Scope<'g>, cfg: &T5Config, y: Tensor<'g>) -> Tensor<'g> {
    linear(w.at("o"), y.merge_heads(), cfg.d_model, false) // (B, T, C)
}

fn feed_forward<'g>(w: Scope<'g>, cfg: &T5Config, x: Tensor<'g>) -> Tensor<'g> {
    let x = rms_norm(w.at("layer_norm"), cfg, x);
    let w = w.at("DenseReluDense");
    let inner = |name: &str| linear(w.at(name), x, cfg.d_ff, false); // (B, T, d_ff)
    let inner = match cfg.feed_forward_proj.strip_prefix("gated-") {
        Some(name) => activation(inner("wi_0"), if name == "gelu" { "gelu_new" } else { name }) * inner("wi_1"),
        None => activation(inner("wi"), cfg.feed_forward_proj),
    };
    linear(w.at("wo"), inner, cfg.d_model, false)
}

fn rms_norm<'g>(w: Scope<'g>, cfg: &T5Config, x: Tensor<'g>) -> Tensor<'g> {
    x.rms_norm(Some(w.weight("weight", &[cfg.d_model])), cfg.layer_norm_epsilon)
}

/// Which keys a query sees.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Before,
    Both,
}

/// What is added to the scores of queries at positions `queries (T)`, below `keys`, for `keys` S keys: (H, T, S);
/// and 1 where a key is not after the query: (T, S).
fn relative<'g>(
    w: Scope<'g>,
    cfg: &T5Config,
    queries: Tensor<'g>,
    keys: usize,
    side: Side,
) -> (Tensor<'g>, Tensor<'g>) {
    let (g, [t]) = (w.graph(), queries.dims());
    let w = w.at("block.0.layer.0.SelfAttention.relative_attention_bias");
    let weight = w.weight("weight", &[cfg.relative_attention_num_buckets, cfg.num_heads]);
    // Row i is for a key that stands i − (S − 1) after its query.
    let last = keys as i64 - 1;
    let buckets: Vec<i32> = (-last..=last).map(|after| bucket(cfg, after, side)).collect();
    let table = g.constant(HostTensor::i32(&[buckets.len()], buckets)).embedding(weight); // (2S − 1, H)
    let shifted = g.iota(Dtype::I32, keys, last as f64, 1.0);
    let rows = shifted.reshape(&[1, keys]) - queries.reshape(&[t, 1]); // (T, S)
    let seen = rows.compare("le", g.constant(HostTensor::i32(&[1], vec![last as i32])));
    (rows.embedding(table).permute(&[2, 0, 1]), seen)
}

/// The bucket of a key that stands `after` its query: one for each short distance, then ever wider ones.
/// The logarithm is taken in f32, as the library does, so that both round to the same side.
fn bucket(cfg: &T5Config, after: i64, side: Side) -> i32 {
    let (n, max_distance) = (cfg.relative_attention_num_buckets, cfg.relative_attention_max_distance);
    let (n, first, distance) = match side {
        Side::Both => (n / 2, if after > 0 { n / 2 } else { 0 }, after.unsigned_abs() as usize),
        Side::Before => (n, 0, (-after).max(0) as usize),
    };
    let exact = n / 2;
    if distance < exact {
        return (first + distance) as i32;
    }
    let log = f64::from(distance as f32 / exact as f32).ln() as f32;
    let whole = (max_distance as f64 / exact as f64).ln() as f32;
    let wide = (log / whole * (n - exact) as f32) as usize;
    (first + (exact + wide).min(n - 1)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_share_buckets() {
        let cfg = T5Config::read(&Config::parse("config.json", "{}").unwrap());
        let of = |side, distances: &[i64]| distances.iter().map(|&d| bucket(&cfg, d, side)).collect::<Vec<_>>();
        // 16 exact, then 16·8^(i/16): the first beyond them is at 18.2.
        let before = of(Side::Before, &[0, -1, -15, -16, -18, -19, -127, -128, -100_000, 5]);
        assert_eq!(before, [0, 1, 15, 16, 16, 17, 31, 31, 31, 0]);
        // 8 exact on each side; 16, 32 and 64 begin buckets.
        let both = of(Side::Both, &[0, -7, 7, -8, -15, -16, -31, -32, -63, -64, 64, 9999]);
        assert_eq!(both, [0, 7, 23, 8, 9, 10, 11, 12, 13, 14, 30, 31]);
    }
}
