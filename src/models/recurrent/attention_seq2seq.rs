//! Sequence to sequence with attention: before each word the decoder looks at all states of the encoder.
//!
//! Paper     Bahdanau, Cho, Bengio 2015, arXiv:1409.0473
//! Weights   `encoder.embedding.weight`, `encoder.rnn.*` (`nn.GRU`), `bridge.weight`, `bridge.bias` (only if
//!           bidirectional), `attention.query.weight`, `attention.key.weight`, `attention.score.weight`,
//!           `decoder.embedding.weight`, `decoder.cell.*` (`nn.GRUCell`), `decoder.head.weight`, `decoder.head.bias`
//! Differs   the head is affine, without maxout, and sees the new state alone; the first state comes from both
//!           directions of the encoder, or from the forward one as it is
//! Shapes    input_ids, attention_mask (B, S), decoder_input_ids (B, T) → logits (B, T, V), attentions (B, T, S)

use super::{check_ids, check_right_padded, turned};
use crate::config::Config;
use crate::graph::{Graph, Scope, Tensor};
use crate::models::{Inputs, Model, Trains};
use crate::nn::{AdditiveAttention, Cell, CellWeights, Recurrent, linear};
use crate::shape::Dims;
use crate::tensor::Dtype;

/// `AttentionSeq2Seq`.
pub static ATTENTION_SEQ2SEQ: Model = Model {
    name: "AttentionSeq2Seq",
    title: "Sequence to sequence with attention",
    section: "4.9",
    source: "Bahdanau, Cho, Bengio 2015, arXiv:1409.0473",
    config: &[
        "src_vocab_size",
        "tgt_vocab_size",
        "embedding_dim",
        "hidden_size",
        "attention_dim",
        "bidirectional [false]",
    ],
    inputs: &["input_ids (B, S)", "attention_mask (B, S), right-padded, optional", "decoder_input_ids (B, T)"],
    outputs: &[
        "logits (B, T, tgt_vocab_size)",
        "attentions (B, T, S)",
        "debug.encoder_hidden (B, S, D·hidden_size), zero at padding",
    ],
    build,
    check: |config, inputs| {
        let vocab = ["src_vocab_size", "tgt_vocab_size"].map(|name| config.required_usize(name));
        config.finish()?;
        check_ids(inputs, "input_ids", vocab[0])?;
        check_ids(inputs, "decoder_input_ids", vocab[1])?;
        check_right_padded(inputs, "attention_mask")
    },
    trains: Some(Trains { output: "logits", target: "target", losses: &["cross_entropy"] }),
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let [src_vocab_size, tgt_vocab_size] = ["src_vocab_size", "tgt_vocab_size"].map(|n| config.required_usize(n));
    let embedding_dim = config.required_usize("embedding_dim");
    let hidden_size = config.required_usize("hidden_size");
    let attention_dim = config.required_usize("attention_dim");
    let bidirectional = config.bool("bidirectional", false);

    let input_ids = inputs.tensor(g, "input_ids", Dtype::I32, &[1, 8]);
    let attention_mask = inputs.optional(g, "attention_mask", Dtype::I32);
    let decoder_input_ids = inputs.tensor(g, "decoder_input_ids", Dtype::I32, &[1, 8]);
    if let Some(mask) = attention_mask.filter(|mask| mask.shape() != input_ids.shape()) {
        let (found, expected) = (mask.shape(), input_ids.shape());
        return g.reject("attention_mask", format!("is {}, expected {}", Dims(&found), Dims(&expected)));
    }

    let (encoder, decoder) = (g.root().at("encoder"), g.root().at("decoder"));
    let x = embedding(encoder, input_ids, src_vocab_size, embedding_dim); // (B, S, E)
    let rnn = Recurrent { bidirectional, ..Recurrent::new(Cell::Gru, hidden_size, 1) };
    let (hidden, last) = rnn.run(encoder.at("rnn"), turned(x), &[], attention_mask.map(turned)); // (S, B, D·H)
    let hidden = turned(hidden).copy(); // (B, S, D·H)
    g.output("debug.encoder_hidden", hidden);
    let ends: Vec<_> = (0..rnn.directions()).map(|i| last[0].slice(0, i, 1).squeeze(0)).collect(); // D × (B, H)
    let start = match bidirectional {
        true => linear(g.root().at("bridge"), g.concat(&ends, -1), hidden_size, true).tanh(), // (B, H)
        false => ends[0],
    };

    let w = g.root().at("attention");
    let keys = linear(w.at("key"), hidden, attention_dim, false); // (B, S, A)
    let attention = AdditiveAttention { w, keys, values: hidden, mask: attention_mask };
    let context = rnn.directions() * hidden_size;
    let cell = CellWeights::single(decoder.at("cell"), Cell::Gru, embedding_dim + context, hidden_size);
    let y = embedding(decoder, decoder_input_ids, tgt_vocab_size, embedding_dim); // (B, T, E)
    let (_, made) = g.scan(&[start], &[turned(y)], false, |state, slices| {
        let (c, a) = attention.of(state[0]); // (B, D·H), (B, S)
        let s = cell.step(cell.inputs(g.concat(&[slices[0], c], -1)), state); // (B, H)
        (s.clone(), vec![s[0], a])
    });
    let &[states, attentions] = made.as_slice() else { return };
    g.output("logits", linear(decoder.at("head"), turned(states), tgt_vocab_size, true)); // (B, T, V)
    g.output("attentions", turned(attentions)); // (B, T, S)
}

fn embedding<'g>(w: Scope<'g>, ids: Tensor<'g>, vocab: usize, features: usize) -> Tensor<'g> {
    ids.embedding(w.at("embedding").weight("weight", &[vocab, features]))
}
