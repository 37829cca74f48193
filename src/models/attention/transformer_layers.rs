//! The blocks of the Transformer, encoder and decoder.
//!
//! Paper     Vaswani et al. 2017, arXiv:1706.03762, 3.1 · norms before each part: Xiong et al. 2020, arXiv:2002.04745
//! Weights   `torch.nn.TransformerEncoderLayer`, `torch.nn.TransformerDecoderLayer`
//! Differs   dropout does nothing in evaluation
//! Shapes    src (B, S, d), or tgt (B, T, d) and memory (B, S, d) → output; (S, B, d) unless batch_first

use super::{bias, block, check_masks, ordered, sequence};
use crate::config::Config;
use crate::graph::{Graph, Tensor};
use crate::kernels::attention::attention::Attend;
use crate::models::{Inputs, Model};
use crate::nn::multi_head::{attention, decoder_layer, encoder_layer};

const SRC: [&str; 2] = ["src_mask", "src_key_padding_mask"];
const TGT: [&str; 2] = ["tgt_mask", "tgt_key_padding_mask"];
const MEMORY: [&str; 2] = ["memory_mask", "memory_key_padding_mask"];

/// What both have in common.
const LAYER: Model = Model {
    section: "5.5",
    source: "Vaswani et al. 2017, arXiv:1706.03762",
    config: &[
        "d_model",
        "nhead",
        "dim_feedforward [2048]",
        "activation (relu|gelu) [relu]",
        "layer_norm_eps [1e-5]",
        "batch_first [false]",
        "norm_first [false]",
        "bias [true]",
    ],
    ..Model::BASE
};

/// `TransformerEncoderLayer`.
pub static TRANSFORMER_ENCODER_LAYER: Model = Model {
    name: "TransformerEncoderLayer",
    title: "Transformer encoder block",
    inputs: &["src (S, B, d_model)", "src_mask (S, S), optional", "src_key_padding_mask (B, S), optional"],
    outputs: &["output (S, B, d_model)"],
    build: build_encoder,
    check: |_, inputs| check_masks(inputs, &SRC),
    ..LAYER
};

/// `TransformerDecoderLayer`.
pub static TRANSFORMER_DECODER_LAYER: Model = Model {
    name: "TransformerDecoderLayer",
    title: "Transformer decoder block",
    inputs: &[
        "tgt (T, B, d_model)",
        "memory (S, B, d_model)",
        "tgt_mask (T, T), optional",
        "memory_mask (T, S), optional",
        "tgt_key_padding_mask (B, T), optional",
        "memory_key_padding_mask (B, S), optional",
    ],
    outputs: &["output (T, B, d_model)"],
    build: build_decoder,
    check: |_, inputs| check_masks(inputs, &TGT).and_then(|()| check_masks(inputs, &MEMORY)),
    ..LAYER
};

fn build_encoder(g: &Graph, config: &Config, inputs: &Inputs) {
    let d_model = config.required_usize("d_model");
    let cfg = block(config, d_model, config.required_usize("nhead"));
    let batch_first = config.bool("batch_first", false);
    let src = sequence(g, inputs, "src", d_model, batch_first); // (B, S, d)
    let [b, s, _] = src.dims();
    let output = encoder_layer(g.root(), cfg, src, attend(bias(g, inputs, SRC, [b, s, s])));
    g.output("output", ordered(output, batch_first));
}

fn build_decoder(g: &Graph, config: &Config, inputs: &Inputs) {
    let d_model = config.required_usize("d_model");
    let cfg = block(config, d_model, config.required_usize("nhead"));
    let batch_first = config.bool("batch_first", false);
    let tgt = sequence(g, inputs, "tgt", d_model, batch_first); // (B, T, d)
    let memory = sequence(g, inputs, "memory", d_model, batch_first); // (B, S, d)
    let ([b, t, _], [_, s, _]) = (tgt.dims(), memory.dims());
    let own = attend(bias(g, inputs, TGT, [b, t, t]));
    let cross = attend(bias(g, inputs, MEMORY, [b, t, s]));
    let own = |w, x| attention(w, cfg, x, x, own);
    let cross = |w, x| attention(w, cfg, x, memory, cross);
    let (y, _) = decoder_layer(g.root(), cfg, tgt, own, cross); // (B, T, d)
    g.output("output", ordered(y, batch_first));
}

fn attend(bias: Option<Tensor<'_>>) -> Attend<'_> {
    bias.map_or(Attend::all(), |bias| Attend::all().bias(bias))
}
