//! The original Transformer: an encoder of the source, a decoder that names the next token of the target.
//!
//! Paper     Vaswani et al. 2017, "Attention is all you need", arXiv:1706.03762
//! Weights   `src_embedding`, `tgt_embedding`, `transformer` as `torch.nn.Transformer`, `head`
//! Differs   from the paper: the head has a weight of its own, with bias; dropout does nothing in evaluation
//! Shapes    input_ids (B, S), decoder_input_ids (B, T) → logits (B, T, V), generated_ids (B, max_length)

use super::block;
use crate::config::Config;
use crate::engine::Tensors;
use crate::error::{Error, Result};
use crate::graph::{Graph, Scope, Tensor};
use crate::kernels::attention::attention::Attend;
use crate::kernels::attention::positions::sinusoidal_table;
use crate::models::{Inputs, Model, Trains};
use crate::nn::linear;
use crate::nn::multi_head::{
    TransformerBlock, attention_weights, decoder_layer, encoder_layer, layer_norm, out, project,
};
use crate::programs::generate::{Reach, Rows, Rules};
use crate::programs::seq2seq::{EncoderDecoder, Past, Phase, Sizes, Translator, keep_source, sources};
use crate::programs::{Context, Program};
use crate::run::ids_in_range;
use crate::shape::Dims;
use crate::tensor::{Dtype, HostTensor};

/// `Transformer`.
pub static TRANSFORMER: Model = Model {
    name: "Transformer",
    title: "Transformer, encoder and decoder",
    section: "5.6",
    source: "Vaswani et al. 2017, arXiv:1706.03762",
    config: &[
        "src_vocab_size",
        "tgt_vocab_size",
        "d_model",
        "nhead",
        "num_encoder_layers",
        "num_decoder_layers",
        "dim_feedforward [2048]",
        "activation (relu|gelu) [relu]",
        "norm_first [false]",
        "layer_norm_eps [1e-5]",
        "pad_token_id",
        "start_token_id",
        "end_token_id",
        "max_length",
        "output_attentions [false]",
    ],
    inputs: &["input_ids (B, S)", "decoder_input_ids (B, T)"],
    outputs: &[
        "logits (B, T, tgt_vocab_size)",
        "generated_ids (B, max_length)",
        "cross_attentions.i (B, nhead, T, S) of every decoder layer, with output_attentions",
        "debug.memory (B, S, d_model)",
    ],
    build,
    check,
    program: Some(Program { needs: &["input_ids"], own: &[], run: greedy }),
    trains: Some(Trains { output: "logits", target: "target", losses: &["cross_entropy"] }),
    ..Model::BASE
};

/// The widest model: the table of positions is made on the host.
const MAX_WIDTH: usize = 1 << 16;
/// The most steps of generation, and of blocks.
const MAX_STEPS: usize = 1 << 16;
const MAX_LAYERS: usize = 1000;

struct TransformerConfig {
    src_vocab_size: usize,
    tgt_vocab_size: usize,
    d_model: usize,
    num_encoder_layers: usize,
    num_decoder_layers: usize,
    block: TransformerBlock,
    /// Of source and target; padding of the source is masked, that of the target follows an end.
    pad_token_id: i32,
    start_token_id: i32,
    end_token_id: i32,
    max_length: usize,
    output_attentions: bool,
}

impl TransformerConfig {
    fn read(config: &Config) -> TransformerConfig {
        let d_model = config.required_usize_in("d_model", 1..=MAX_WIDTH);
        let tgt_vocab_size = config.required_usize("tgt_vocab_size");
        let token = |name: &str| {
            config.require(config.has(name), name, || "is missing, expected a token id".into());
            config.id(name, tgt_vocab_size).unwrap_or(0)
        };
        TransformerConfig {
            src_vocab_size: config.required_usize("src_vocab_size"),
            tgt_vocab_size,
            d_model,
            num_encoder_layers: config.required_usize_in("num_encoder_layers", 0..=MAX_LAYERS),
            num_decoder_layers: config.required_usize_in("num_decoder_layers", 0..=MAX_LAYERS),
            block: TransformerBlock { bias: true, ..block(config, d_model, config.required_usize("nhead")) },
            pad_token_id: token("pad_token_id"),
            start_token_id: token("start_token_id"),
            end_token_id: token("end_token_id"),
            max_length: config.required_usize_in("max_length", 1..=MAX_STEPS),
            output_attentions: config.bool("output_attentions", false),
        }
    }
}

fn check(config: &Config, inputs: &Tensors) -> Result<()> {
    let cfg = TransformerConfig::read(config);
    config.finish()?;
    for (name, vocab) in [("input_ids", cfg.src_vocab_size), ("decoder_input_ids", cfg.tgt_vocab_size)] {
        inputs.get(name).map_or(Ok(()), |ids| ids_in_range(name, ids, vocab))?;
    }
    Ok(())
}

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let cfg = TransformerConfig::read(config);
    let input_ids = inputs.tensor(g, "input_ids", Dtype::I32, &[1, 8]); // (B, S)
    let decoder_input_ids = inputs.tensor(g, "decoder_input_ids", Dtype::I32, &[1, 8]); // (B, T)
    let mask = tokens(&cfg, input_ids); // (B, S)
    let memory = encoder(g, &cfg, input_ids, Some(mask)); // (B, S, d)
    g.output("debug.memory", memory);
    let (x, asking) = decoder(g, &cfg, decoder_input_ids, Past::None { memory, mask: Some(mask) }); // (B, T, d)
    for (i, x) in asking.into_iter().enumerate().filter(|_| cfg.output_attentions) {
        let w = g.root().at("transformer.decoder.layers").at(i).at("multihead_attn");
        let weights = attention_weights(w, cfg.block, x, memory, mask); // (B, H, T, S)
        g.output(&format!("cross_attentions.{i}"), weights);
    }
    g.output("logits", head(g, &cfg, x)); // (B, T, V)
}

fn encoder<'g>(g: &'g Graph, cfg: &TransformerConfig, input_ids: Tensor<'g>, mask: Option<Tensor<'g>>) -> Tensor<'g> {
    let w = g.root().at("transformer.encoder");
    let attend = mask.map_or(Attend::all(), |mask| Attend::all().key_mask(mask));
    let mut x = embed(g.root().at("src_embedding"), cfg, input_ids, cfg.src_vocab_size, None); // (B, S, d)
    for i in 0..cfg.num_encoder_layers {
        x = encoder_layer(w.at("layers").at(i), cfg.block, x, attend);
    }
    layer_norm(w.at("norm"), cfg.block, x)
}

/// The decoder up to its final norm, and the input of each layer's attention over what the encoder made.
fn decoder<'g>(
    g: &'g Graph,
    cfg: &TransformerConfig,
    decoder_input_ids: Tensor<'g>,
    past: Past<'g>,
) -> (Tensor<'g>, Vec<Tensor<'g>>) {
    let w = g.root().at("transformer.decoder");
    let mut all = vec![];
    let at = past.position().map(|position| (position, past.capacity()));
    let mut x = embed(g.root().at("tgt_embedding"), cfg, decoder_input_ids, cfg.tgt_vocab_size, at); // (B, T, d)
    for i in 0..cfg.num_decoder_layers {
        let own = |w, x| self_attention(w, cfg, x, past);
        let over_memory = |w, x| memory_attention(w, cfg, x, past);
        let (y, asking) = decoder_layer(w.at("layers").at(i), cfg.block, x, own, over_memory);
        x = y;
        all.push(asking);
    }
    (layer_norm(w.at("norm"), cfg.block, x), all)
}

fn self_attention<'g>(w: Scope<'g>, cfg: &TransformerConfig, x: Tensor<'g>, past: Past<'g>) -> Tensor<'g> {
    let [q, k, v] = project(w, [x; 3], cfg.block.heads, cfg.block.bias); // 3 × (B, H, T, D)
    let [k, v] = past.own(w, [k, v]); // 2 × (B, H, T, D) or (B, H, capacity, D)
    let attended = match past.position() {
        None => q.attention(k, v, Attend::causal()),
        Some(position) => q.attention_decode(k, v, position + 1.0, None, 0.0),
    };
    out(w, cfg.block, attended)
}

fn memory_attention<'g>(w: Scope<'g>, cfg: &TransformerConfig, x: Tensor<'g>, past: Past<'g>) -> Tensor<'g> {
    let heads = cfg.block.heads;
    let [q, _, _] = project(w, [past.by_source(x); 3], heads, cfg.block.bias); // (B, H, T, D)
    let [k, v] = past.source(w, [heads, cfg.d_model / heads], |memory| keys_and_values(w, cfg, memory));
    let attend = past.mask().map_or(Attend::all(), |mask| Attend::all().key_mask(mask));
    out(w, cfg.block, q.attention(k, v, attend)).reshape(&x.shape())
}

/// Of what the encoder made, (B, S, d): both (B, H, S, D).
fn keys_and_values<'g>(w: Scope<'g>, cfg: &TransformerConfig, memory: Tensor<'g>) -> [Tensor<'g>; 2] {
    let [_, k, v] = project(w, [memory; 3], cfg.block.heads, cfg.block.bias);
    [k, v]
}

fn head<'g>(g: &'g Graph, cfg: &TransformerConfig, x: Tensor<'g>) -> Tensor<'g> {
    linear(g.root().at("head"), x, cfg.tgt_vocab_size, true)
}

/// `√d · row + position`: (B, T, d). Positions begin at 0, or are the one of `at`, below a capacity.
fn embed<'g>(
    w: Scope<'g>,
    cfg: &TransformerConfig,
    ids: Tensor<'g>,
    vocab: usize,
    at: Option<(Tensor<'g>, usize)>,
) -> Tensor<'g> {
    let rows = ids.embedding(w.weight("weight", &[vocab, cfg.d_model])); // (B, T, d)
    let [_, t, d] = rows.dims();
    let table = |rows| w.graph().constant(sinusoidal_table(rows, d));
    let positions = match at {
        None => table(t),                                                  // (T, d)
        Some((position, capacity)) => position.embedding(table(capacity)), // (1, d)
    };
    rows * (d as f64).sqrt() + positions
}

/// 1 for a token, 0 for padding: (B, S).
fn tokens<'g>(cfg: &TransformerConfig, input_ids: Tensor<'g>) -> Tensor<'g> {
    let pad = input_ids.graph().constant(HostTensor::i32(&[], vec![cfg.pad_token_id]));
    input_ids.compare("ne", pad)
}

/// What generation needs of the model.
pub static GENERATION: EncoderDecoder = EncoderDecoder {
    phase,
    reach: |config| {
        let cfg = TransformerConfig::read(config);
        [cfg.src_vocab_size, cfg.tgt_vocab_size].map(|vocab| Reach { vocab, positions: MAX_STEPS })
    },
    tokens: |config| {
        let cfg = TransformerConfig::read(config);
        [cfg.start_token_id, cfg.end_token_id]
    },
};

/// The graphs of generation.
fn phase(g: &Graph, config: &Config, phase: Phase) {
    let cfg = TransformerConfig::read(config);
    match phase {
        Phase::Encode(sizes) => {
            let (input_ids, mask) = sources(g, sizes);
            let memory = encoder(g, &cfg, input_ids, mask); // (B, S, d)
            for i in 0..cfg.num_decoder_layers {
                let w = g.root().at("transformer.decoder.layers").at(i).at("multihead_attn");
                keep_source(w, keys_and_values(w, &cfg, memory));
            }
            g.output("memory", memory);
        }
        Phase::Step(sizes) => {
            let (input_ids, past) = Past::of_step(g, sizes);
            let (x, _) = decoder(g, &cfg, input_ids, past); // (rows, 1, d)
            g.output("logits", head(g, &cfg, x).reshape(&[sizes.rows.total(), cfg.tgt_vocab_size]));
        }
    }
}

/// `generated_ids (B, max_length)`: the best token step by step, padding after the end token.
fn greedy(context: &Context, inputs: &Tensors) -> Result<Tensors> {
    let cfg = TransformerConfig::read(&context.config);
    context.config.finish()?;
    let input_ids = inputs.get("input_ids").ok_or_else(|| Error::tensor("input_ids", "the input is missing"))?;
    let &[b, source] = input_ids.shape() else {
        return Err(Error::tensor("input_ids", format!("is {}, expected (B, S)", Dims(input_ids.shape()))));
    };
    let rules = Rules {
        max_new_tokens: cfg.max_length,
        eos: vec![cfg.end_token_id],
        pad: Some(cfg.pad_token_id),
        ..Rules::default()
    };
    let shown: Vec<i32> = input_ids.as_i32()?.iter().map(|&id| i32::from(id != cfg.pad_token_id)).collect();
    let (rows, padded) = (Rows { batch: b, beams: 1 }, shown.contains(&0));
    let mask = HostTensor::i32(&[b, source], shown);
    let mut translator =
        Translator::open(context, &GENERATION, Sizes { rows, source, padded, capacity: cfg.max_length })?;
    let mut rows =
        translator.generate_rows(input_ids, padded.then_some(&mask), cfg.start_token_id, &rules, &mut |_, _| {})?;
    rows.iter_mut().for_each(|ids| ids.resize(1 + cfg.max_length, cfg.pad_token_id));
    let ids = rows.iter().flat_map(|ids| ids[1..].iter().copied()).collect();
    Ok([("generated_ids".to_owned(), HostTensor::i32(&[b, cfg.max_length], ids))].into())
}
