//! Sequence to sequence with attention: before each word the decoder looks at all states of the encoder.
//!
//! Paper     Bahdanau, Cho, Bengio 2015, arXiv:1409.0473
//! Weights   `encoder.embedding.weight`, `encoder.rnn.*` (`nn.GRU`), `bridge.weight`, `bridge.bias` (only if
//!           bidirectional), `attention.query.weight`, `attention.key.weight`, `attention.score.weight`,
//!           `decoder.embedding.weight`, `decoder.cell.*` (`nn.GRUCell`), `decoder.head.weight`, `decoder.head.bias`
//! Differs   the head is affine, without maxout, and sees the new state alone; the first state comes from both
//!           directions of the encoder, or from the forward one as it is
//! Shapes    input_ids, attention_mask (B, S), decoder_input_ids (B, T) → logits (B, T, V), attentions (B, T, S),
//!           generated_ids (B, max_length)

use super::{Greedy, check_ids, check_right_padded, turned};
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
        "max_length, optional: asks for generation, and for the next three",
        "pad_token_id",
        "start_token_id",
        "end_token_id",
    ],
    inputs: &[
        "input_ids (B, S)",
        "attention_mask (B, S), right-padded, optional",
        "decoder_input_ids (B, T), optional with max_length",
    ],
    outputs: &[
        "logits (B, T, tgt_vocab_size), with decoder_input_ids",
        "attentions (B, T, S), with decoder_input_ids",
        "generated_ids (B, max_length), with max_length",
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
    let greedy = Greedy::asked(config, tgt_vocab_size);
    let decoder_input_ids = match greedy {
        Some(_) => inputs.optional(g, "decoder_input_ids", Dtype::I32),
        None => Some(inputs.tensor(g, "decoder_input_ids", Dtype::I32, &[1, 8])),
    };
    if let Some(mask) = attention_mask.filter(|mask| mask.shape() != input_ids.shape()) {
        let (found, expected) = (mask.shape(), input_ids.shape());
        return g.reject("attention_mask", format!("is {}, expected {}", Dims(&found), Dims(&expected)));
    }

    let encoder = g.root().at("encoder");
    let words = encoder.at("embedding").weight("weight", &[src_vocab_size, embedding_dim]);
    let x = input_ids.embedding(words); // (B, S, E)
    let rnn = Recurrent { bidirectional, ..Recurrent::new(Cell::Gru, hidden_size, 1) };
    let (hidden, last) = rnn.run(encoder.at("rnn"), turned(x), &[], attention_mask.map(turned)); // (S, B, D·H)
    let hidden = turned(hidden).copy(); // (B, S, D·H)
    g.output("debug.encoder_hidden", hidden);
    let ends: Vec<_> = (0..rnn.directions()).map(|i| last[0].slice(0, i, 1).squeeze(0)).collect(); // D × (B, H)
    let start = match bidirectional {
        true => linear(g.root().at("bridge"), g.concat(&ends, -1), hidden_size, true).tanh(), // (B, H)
        false => ends[0],
    };

    let decoder = Decoder::of(g, hidden, attention_mask, [tgt_vocab_size, embedding_dim, hidden_size, attention_dim]);
    if let Some(ids) = decoder_input_ids {
        let y = turned(ids).embedding(decoder.words); // (T, B, E)
        let (_, made) = g.scan(&[start], &[y], false, |state, slices| {
            let (s, a) = decoder.step(slices[0], state);
            (s.clone(), vec![s[0], a])
        });
        let &[states, attentions] = made.as_slice() else { return };
        g.output("logits", decoder.logits(turned(states))); // (B, T, V)
        g.output("attentions", turned(attentions)); // (B, T, S)
    }
    let generated = greedy.and_then(|greedy| {
        let [b, _] = start.dims();
        greedy.run(g, b, &[start], |token, state| {
            let (s, _) = decoder.step(token.embedding(decoder.words), state);
            let logits = decoder.logits(s[0]); // (B, V)
            (s, logits)
        })
    });
    if let Some(ids) = generated {
        g.output("generated_ids", turned(ids)); // (B, max_length)
    }
}

/// What writes: a cell that looks at the encoder's states before each word.
struct Decoder<'g> {
    w: Scope<'g>,
    vocab_size: usize,
    words: Tensor<'g>,
    attention: AdditiveAttention<'g>,
    cell: CellWeights<'g>,
}

impl<'g> Decoder<'g> {
    fn of(
        g: &'g Graph,
        hidden: Tensor<'g>,
        mask: Option<Tensor<'g>>,
        [vocab_size, embedding_dim, hidden_size, attention_dim]: [usize; 4],
    ) -> Decoder<'g> {
        let (w, attention, [_, _, context]) = (g.root().at("decoder"), g.root().at("attention"), hidden.dims());
        let keys = linear(attention.at("key"), hidden, attention_dim, false); // (B, S, A)
        Decoder {
            w,
            vocab_size,
            words: w.at("embedding").weight("weight", &[vocab_size, embedding_dim]),
            attention: AdditiveAttention { w: attention, keys, values: hidden, mask },
            cell: CellWeights::single(w.at("cell"), Cell::Gru, embedding_dim + context, hidden_size),
        }
    }

    /// The state after the word `y (B, E)`, (B, H), and where it looked, (B, S).
    fn step(&self, y: Tensor<'g>, state: &[Tensor<'g>]) -> (Vec<Tensor<'g>>, Tensor<'g>) {
        let (c, a) = self.attention.of(state[0]); // (B, D·H), (B, S)
        (self.cell.step(self.cell.inputs(y.graph().concat(&[y, c], -1)), state), a)
    }

    fn logits(&self, states: Tensor<'g>) -> Tensor<'g> {
        linear(self.w.at("head"), states, self.vocab_size, true) // (…, V)
    }
}
