//! Sequence to sequence: one recurrent network reads, its last state starts another that writes.
//!
//! Paper     Sutskever, Vinyals, Le 2014, arXiv:1409.3215; GRU of Cho et al. 2014, arXiv:1406.1078
//! Weights   `encoder.embedding.weight`, `encoder.rnn.*`, `decoder.embedding.weight`, `decoder.rnn.*`,
//!           `decoder.head.weight`, `decoder.head.bias`; the networks as `nn.GRU`
//! Differs   GRU instead of LSTM; the source is not reversed; greedy, no beam search
//! Shapes    input_ids (B, S), decoder_input_ids (B, T) → logits (B, T, V), generated_ids (B, max_length)

use super::{Greedy, check_ids, num_layers, turned};
use crate::config::Config;
use crate::graph::{Graph, Scope, Tensor};
use crate::models::{Inputs, Model, Trains};
use crate::nn::{Cell, Recurrent, linear};
use crate::tensor::Dtype;

/// `Seq2Seq`.
pub static SEQ2SEQ: Model = Model {
    name: "Seq2Seq",
    title: "Sequence to sequence",
    section: "4.8",
    source: "Sutskever, Vinyals, Le 2014, arXiv:1409.3215",
    config: &[
        "src_vocab_size",
        "tgt_vocab_size",
        "embedding_dim",
        "hidden_size",
        "num_layers [1]",
        "pad_token_id",
        "start_token_id",
        "end_token_id",
        "max_length",
    ],
    inputs: &["input_ids (B, S)", "decoder_input_ids (B, T), optional"],
    outputs: &[
        "logits (B, T, tgt_vocab_size), with decoder_input_ids",
        "generated_ids (B, max_length)",
        "debug.context (num_layers, B, hidden_size)",
    ],
    build,
    check: |config, inputs| {
        let cfg = Seq2SeqConfig::read(config);
        config.finish()?;
        check_ids(inputs, "input_ids", cfg.src_vocab_size)?;
        check_ids(inputs, "decoder_input_ids", cfg.tgt_vocab_size)
    },
    trains: Some(Trains { output: "logits", target: "target", losses: &["cross_entropy"] }),
    ..Model::BASE
};

struct Seq2SeqConfig {
    src_vocab_size: usize,
    tgt_vocab_size: usize,
    embedding_dim: usize,
    greedy: Greedy,
    rnn: Recurrent,
}

impl Seq2SeqConfig {
    fn read(config: &Config) -> Seq2SeqConfig {
        let tgt_vocab_size = config.required_usize("tgt_vocab_size");
        Seq2SeqConfig {
            src_vocab_size: config.required_usize("src_vocab_size"),
            tgt_vocab_size,
            embedding_dim: config.required_usize("embedding_dim"),
            greedy: Greedy::read(config, tgt_vocab_size),
            rnn: Recurrent::new(Cell::Gru, config.required_usize("hidden_size"), num_layers(config)),
        }
    }
}

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let cfg = Seq2SeqConfig::read(config);
    let input_ids = inputs.tensor(g, "input_ids", Dtype::I32, &[1, 8]);
    let decoder_input_ids = inputs.optional(g, "decoder_input_ids", Dtype::I32);

    let (encoder, decoder) = (g.root().at("encoder"), g.root().at("decoder"));
    let x = embedding(encoder, &cfg, input_ids, cfg.src_vocab_size); // (B, S, E)
    let (_, last) = cfg.rnn.run(encoder.at("rnn"), turned(x), &[], None);
    let context = last[0]; // (layers, B, H)
    g.output("debug.context", context);
    if let Some(ids) = decoder_input_ids {
        let y = embedding(decoder, &cfg, ids, cfg.tgt_vocab_size); // (B, T, E)
        let (hidden, _) = cfg.rnn.run(decoder.at("rnn"), turned(y), &[Some(context)], None); // (T, B, H)
        g.output("logits", head(decoder, &cfg, turned(hidden))); // (B, T, V)
    }
    if let Some(ids) = generate(decoder, &cfg, context) {
        g.output("generated_ids", turned(ids)); // (B, max_length)
    }
}

fn embedding<'g>(w: Scope<'g>, cfg: &Seq2SeqConfig, ids: Tensor<'g>, vocab: usize) -> Tensor<'g> {
    ids.embedding(w.at("embedding").weight("weight", &[vocab, cfg.embedding_dim]))
}

fn head<'g>(w: Scope<'g>, cfg: &Seq2SeqConfig, hidden: Tensor<'g>) -> Tensor<'g> {
    linear(w.at("head"), hidden, cfg.tgt_vocab_size, true)
}

/// The most likely token at every step, fed back: (max_length, B). After its end a row is padding.
fn generate<'g>(w: Scope<'g>, cfg: &Seq2SeqConfig, context: Tensor<'g>) -> Option<Tensor<'g>> {
    let [layers, b, _] = context.dims();
    let cells: Vec<_> = (0..layers).map(|k| cfg.rnn.weights(w.at("rnn"), k, false, cfg.embedding_dim)).collect();
    let states: Vec<_> = (0..layers).map(|k| context.slice(0, k, 1).squeeze(0)).collect(); // layers × (B, H)
    cfg.greedy.run(w.graph(), b, &states, |token, states| {
        let mut x = embedding(w, cfg, token, cfg.tgt_vocab_size); // (B, E)
        let mut next = vec![];
        for (cell, &h) in cells.iter().zip(states) {
            x = cell.step(cell.inputs(x), &[h])[0]; // (B, H)
            next.push(x);
        }
        (next, head(w, cfg, x))
    })
}
