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
use crate::nn::multi_head::{TransformerBlock, attention_weights, decoder_layer, encoder_layer, layer_norm};
use crate::programs::sample::{Sampling, choose};
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
    let memory = encoder(g, &cfg, input_ids); // (B, S, d)
    g.output("debug.memory", memory);
    let (x, asking) = decoder(g, &cfg, decoder_input_ids, memory, input_ids); // (B, T, d)
    for (i, x) in asking.into_iter().enumerate().filter(|_| cfg.output_attentions) {
        let w = g.root().at("transformer.decoder.layers").at(i).at("multihead_attn");
        let weights = attention_weights(w, cfg.block, x, memory, tokens(&cfg, input_ids)); // (B, H, T, S)
        g.output(&format!("cross_attentions.{i}"), weights);
    }
    g.output("logits", head(g, &cfg, x)); // (B, T, V)
}

fn encoder<'g>(g: &'g Graph, cfg: &TransformerConfig, input_ids: Tensor<'g>) -> Tensor<'g> {
    let w = g.root().at("transformer.encoder");
    let mut x = embed(g.root().at("src_embedding"), cfg, input_ids, cfg.src_vocab_size); // (B, S, d)
    for i in 0..cfg.num_encoder_layers {
        x = encoder_layer(w.at("layers").at(i), cfg.block, x, Attend::all().key_mask(tokens(cfg, input_ids)));
    }
    layer_norm(w.at("norm"), cfg.block, x)
}

/// The decoder up to its final norm, and the input of each layer's attention over `memory`. `input_ids` say which
/// positions of it are padding.
fn decoder<'g>(
    g: &'g Graph,
    cfg: &TransformerConfig,
    decoder_input_ids: Tensor<'g>,
    memory: Tensor<'g>,
    input_ids: Tensor<'g>,
) -> (Tensor<'g>, Vec<Tensor<'g>>) {
    let w = g.root().at("transformer.decoder");
    let mut all = vec![];
    let mut x = embed(g.root().at("tgt_embedding"), cfg, decoder_input_ids, cfg.tgt_vocab_size); // (B, T, d)
    for i in 0..cfg.num_decoder_layers {
        let cross = Attend::all().key_mask(tokens(cfg, input_ids));
        let (y, asking) = decoder_layer(w.at("layers").at(i), cfg.block, x, memory, Attend::causal(), cross);
        x = y;
        all.push(asking);
    }
    (layer_norm(w.at("norm"), cfg.block, x), all)
}

fn head<'g>(g: &'g Graph, cfg: &TransformerConfig, x: Tensor<'g>) -> Tensor<'g> {
    linear(g.root().at("head"), x, cfg.tgt_vocab_size, true)
}

/// `√d · row + position`: (B, T, d).
fn embed<'g>(w: Scope<'g>, cfg: &TransformerConfig, ids: Tensor<'g>, vocab: usize) -> Tensor<'g> {
    let rows = ids.embedding(w.weight("weight", &[vocab, cfg.d_model])); // (B, T, d)
    let [_, t, d] = rows.dims();
    rows * (d as f64).sqrt() + w.graph().constant(sinusoidal_table(t, d))
}

/// 1 for a token, 0 for padding: (B, S).
fn tokens<'g>(cfg: &TransformerConfig, input_ids: Tensor<'g>) -> Tensor<'g> {
    let pad = input_ids.graph().constant(HostTensor::i32(&[], vec![cfg.pad_token_id]));
    input_ids.compare("ne", pad)
}

/// `generated_ids (B, max_length)`: the best token step by step, padding after the end token.
///
/// The source is encoded once. A step runs the decoder on a window of all steps, of which it sees those so far.
fn greedy(context: &Context, inputs: &Tensors) -> Result<Tensors> {
    let cfg = TransformerConfig::read(&context.config);
    context.config.finish()?;
    let input_ids = inputs.get("input_ids").ok_or_else(|| Error::tensor("input_ids", "the input is missing"))?;
    let &[b, s] = input_ids.shape() else {
        return Err(Error::tensor("input_ids", format!("is {}, expected (B, S)", Dims(input_ids.shape()))));
    };
    ids_in_range("input_ids", input_ids, cfg.src_vocab_size)?;
    let length = cfg.max_length;
    let encode = context.session_of(|g, _| {
        g.output("memory", encoder(g, &cfg, g.input("input_ids", Dtype::I32, &[b, s])));
    })?;
    let step = context.session_of(|g, _| {
        let [input_ids, window] = [("input_ids", s), ("window", length)].map(|(n, t)| g.input(n, Dtype::I32, &[b, t]));
        let memory = g.input("memory", Dtype::F32, &[b, s, cfg.d_model]);
        let (x, _) = decoder(g, &cfg, window, memory, input_ids); // (B, max_length, d)
        let x = x.index_select(1, g.input("last", Dtype::I32, &[1])); // (B, 1, d)
        g.output("logits", head(g, &cfg, x)); // (B, 1, V)
    })?;

    let mut given = Tensors::from([("input_ids".to_owned(), input_ids.clone())]);
    given.extend(encode.run(&given)?);
    let mut rows = vec![vec![cfg.start_token_id]; b];
    for last in 0..length {
        let window = rows.iter().flat_map(|row| row.iter().copied().chain(vec![cfg.pad_token_id; length - row.len()]));
        given.insert("window".to_owned(), HostTensor::i32(&[b, length], window.collect()));
        given.insert("last".to_owned(), HostTensor::i32(&[1], vec![last as i32]));
        let found = step.run(&given)?;
        let logits = found.first().ok_or_else(|| Error::tensor("logits", "are no output of the model"))?.1.as_f32()?;
        for (row, logits) in rows.iter_mut().zip(logits.chunks(cfg.tgt_vocab_size)) {
            let ended = row[1..].contains(&cfg.end_token_id);
            let best = if ended { cfg.pad_token_id } else { choose(logits, row, 0, &Sampling::default())? };
            row.push(best);
        }
    }
    let ids = rows.iter().flat_map(|row| row[1..].iter().copied()).collect();
    Ok([("generated_ids".to_owned(), HostTensor::i32(&[b, length], ids))].into())
}
