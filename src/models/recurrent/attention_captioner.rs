//! Image captioning with attention: an LSTM writes, and looks at a part of the image before each word.
//!
//! Paper     Xu et al. 2015, arXiv:1502.03044, the soft attention
//! Weights   `convs.i`, `init_h`, `init_c`, `embedding.weight`, `attention.query.weight`, `attention.key`,
//!           `attention.score.weight`, `gate` (if gated), `cell.*` (`nn.LSTMCell`), `output_hidden.weight`,
//!           `output_context.weight` (if deep_output), `head`
//! Differs   a few convolutions of its own in place of a pretrained network; no regulariser of the attention
//! Shapes    pixel_values (B, in, H, W), input_ids (B, T) → logits (B, T, V), attentions (B, T, L),
//!           generated_ids (B, max_length)

use super::{Greedy, check_ids, turned};
use crate::config::Config;
use crate::graph::{Graph, Tensor};
use crate::kernels::conv::conv2d::Conv2d;
use crate::models::{Inputs, Model, Trains};
use crate::nn::{AdditiveAttention, Cell, CellWeights, linear};
use crate::tensor::Dtype;

/// `AttentionCaptioner`.
pub static ATTENTION_CAPTIONER: Model = Model {
    name: "AttentionCaptioner",
    title: "Image captioning with attention",
    section: "4.10",
    source: "Xu et al. 2015, arXiv:1502.03044",
    config: &[
        "in_channels",
        "conv_channels, a list",
        "vocab_size",
        "embedding_dim",
        "hidden_size",
        "attention_dim",
        "gated",
        "deep_output",
        "max_length, optional: asks for generation, and for the next three",
        "pad_token_id",
        "start_token_id",
        "end_token_id",
    ],
    inputs: &["pixel_values (B, in_channels, H, W)", "input_ids (B, T), optional with max_length"],
    outputs: &[
        "logits (B, T, vocab_size), with input_ids",
        "attentions (B, T, L), with input_ids",
        "generated_ids (B, max_length), with max_length",
        "debug.features (B, L, D)",
    ],
    build,
    check: |config, inputs| {
        let vocab_size = config.required_usize("vocab_size");
        config.finish()?;
        check_ids(inputs, "input_ids", vocab_size)
    },
    trains: Some(Trains { output: "logits", target: "target", losses: &["cross_entropy"] }),
    ..Model::BASE
};

struct CaptionerConfig {
    in_channels: usize,
    conv_channels: Vec<usize>,
    vocab_size: usize,
    embedding_dim: usize,
    hidden_size: usize,
    attention_dim: usize,
    gated: bool,
    deep_output: bool,
    greedy: Option<Greedy>,
}

impl CaptionerConfig {
    fn read(config: &Config) -> CaptionerConfig {
        let conv_channels = config.required_list("conv_channels");
        config.require(!conv_channels.is_empty(), "conv_channels", || "is empty".into());
        let vocab_size = config.required_usize("vocab_size");
        CaptionerConfig {
            in_channels: config.required_usize("in_channels"),
            conv_channels,
            vocab_size,
            embedding_dim: config.required_usize("embedding_dim"),
            hidden_size: config.required_usize("hidden_size"),
            attention_dim: config.required_usize("attention_dim"),
            gated: config.bool("gated", false),
            deep_output: config.bool("deep_output", false),
            greedy: Greedy::asked(config, vocab_size),
        }
    }
}

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let cfg = CaptionerConfig::read(config);
    let pixel_values = inputs.tensor(g, "pixel_values", Dtype::F32, &[1, cfg.in_channels, 16, 16]);
    let input_ids = match cfg.greedy {
        Some(_) => inputs.optional(g, "input_ids", Dtype::I32),
        None => Some(inputs.tensor(g, "input_ids", Dtype::I32, &[1, 8])),
    };

    let features = features(g, &cfg, pixel_values); // (B, L, D)
    g.output("debug.features", features);
    let mean = features.mean(&[1], false); // (B, D)
    let start = ["init_h", "init_c"].map(|name| linear(g.root().at(name), mean, cfg.hidden_size, true).tanh());
    let decoder = Decoder::of(g, &cfg, features);
    if let Some(ids) = input_ids {
        let y = turned(ids).embedding(decoder.words); // (T, B, E)
        let (_, made) = g.scan(&start, &[y], false, |state, slices| {
            let (next, [z, a]) = decoder.step(&cfg, slices[0], state);
            (next.clone(), vec![next[0], z, a])
        });
        let &[hidden, context, attentions] = made.as_slice() else { return };
        g.output("logits", turned(logits(g, &cfg, [y, hidden, context]))); // (B, T, V)
        g.output("attentions", turned(attentions)); // (B, T, L)
    }
    let [b, ..] = features.dims::<3>();
    let generated = cfg.greedy.and_then(|greedy| {
        greedy.run(g, b, &start, |token, state| {
            let y = token.embedding(decoder.words); // (B, E)
            let (next, [z, _]) = decoder.step(&cfg, y, state);
            let logits = logits(g, &cfg, [y, next[0], z]); // (B, V)
            (next, logits)
        })
    });
    if let Some(ids) = generated {
        g.output("generated_ids", turned(ids)); // (B, max_length)
    }
}

/// What the convolutions see at every place, row by row.
fn features<'g>(g: &'g Graph, cfg: &CaptionerConfig, pixel_values: Tensor<'g>) -> Tensor<'g> {
    let mut x = pixel_values;
    for (i, &channels) in cfg.conv_channels.iter().enumerate() {
        let w = g.root().at("convs").at(i);
        let [_, c, _, _] = x.dims();
        let c = if i == 0 { cfg.in_channels } else { c };
        let options = Conv2d { stride: [2, 2], ..Conv2d::padded(1) };
        let (weight, bias) = (w.weight("weight", &[channels, c, 3, 3]), w.weight("bias", &[channels]));
        x = x.conv2d(weight, Some(bias), options).relu(); // (B, channels, ⌈H/2⌉, ⌈W/2⌉)
    }
    let [b, d, h, w] = x.dims();
    x.reshape(&[b, d, h * w]).transpose(1, 2).copy() // (B, L, D)
}

/// What writes: an LSTM that looks before each word.
struct Decoder<'g> {
    words: Tensor<'g>,
    attention: AdditiveAttention<'g>,
    cell: CellWeights<'g>,
}

impl<'g> Decoder<'g> {
    fn of(g: &'g Graph, cfg: &CaptionerConfig, features: Tensor<'g>) -> Decoder<'g> {
        let w = g.root().at("attention");
        let keys = linear(w.at("key"), features, cfg.attention_dim, true); // (B, L, A)
        let [_, _, d] = features.dims();
        Decoder {
            words: g.root().at("embedding").weight("weight", &[cfg.vocab_size, cfg.embedding_dim]),
            attention: AdditiveAttention { w, keys, values: features, mask: None },
            cell: CellWeights::single(g.root().at("cell"), Cell::Lstm, cfg.embedding_dim + d, cfg.hidden_size),
        }
    }

    /// The state after the word `y (B, E)`, 2 × (B, H), what it looked at (B, D), and where (B, L).
    fn step(&self, cfg: &CaptionerConfig, y: Tensor<'g>, state: &[Tensor<'g>]) -> (Vec<Tensor<'g>>, [Tensor<'g>; 2]) {
        let (g, (mut z, a)) = (y.graph(), self.attention.of(state[0]));
        if cfg.gated {
            z = linear(g.root().at("gate"), state[0], 1, true).sigmoid() * z;
        }
        (self.cell.step(self.cell.inputs(g.concat(&[y, z], -1)), state), [z, a])
    }
}

/// What the words `y (…, E)` say of the next ones, with the hidden states (…, H) and what they looked at (…, D).
fn logits<'g>(g: &'g Graph, cfg: &CaptionerConfig, [y, hidden, context]: [Tensor<'g>; 3]) -> Tensor<'g> {
    let output = |name: &str, x| linear(g.root().at(name), x, cfg.embedding_dim, false);
    let x = match cfg.deep_output {
        true => y + output("output_hidden", hidden) + output("output_context", context), // (…, E)
        false => hidden,
    };
    linear(g.root().at("head"), x, cfg.vocab_size, true)
}
