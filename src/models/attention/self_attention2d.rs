//! Self-attention over the positions of an image, added to it.
//!
//! Paper     Zhang, Goodfellow, Metaxas, Odena 2018, "Self-attention generative adversarial networks", arXiv:1805.08318
//! Weights   convolutions with bias: `query`, `key` (Q, C, 1, 1), `value` (U, C, 1, 1), `out` (C, U, 1, 1); `gamma` (1)
//! Differs   from the paper: biases, and a scale if asked for
//! Shapes    input (B, C, H, W) → output (B, C, H, W), attentions (B, H·W, H·W)

use crate::config::Config;
use crate::graph::Graph;
use crate::kernels::conv::conv2d::Conv2d;
use crate::models::{Inputs, Model};
use crate::nn::resnet2d::conv;
use crate::shape::Dims;
use crate::tensor::Dtype;

/// `SelfAttention2d`.
pub static SELF_ATTENTION2D: Model = Model {
    name: "SelfAttention2d",
    title: "Self-attention in a convolutional network",
    section: "5.4",
    source: "Zhang et al. 2018, arXiv:1805.08318",
    config: &["channels", "query_channels", "value_channels", "scaled"],
    inputs: &["input (B, channels, H, W)"],
    outputs: &["output (B, channels, H, W)", "attentions (B, H·W, H·W)"],
    build,
    ..Model::BASE
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let channels = config.required_usize("channels");
    let query_channels = config.required_usize("query_channels");
    let value_channels = config.required_usize("value_channels");
    config.require(config.has("scaled"), "scaled", || "is missing, expected true or false".into());
    let scaled = config.bool("scaled", false);
    let x = inputs.tensor(g, "input", Dtype::F32, &[1, channels, 8, 8]); // (B, C, H, W)
    let [b, c, h, w] = x.dims();
    if c != channels {
        return g.reject("input", format!("is {}, and channels is {channels}", Dims(&x.shape())));
    }
    let p = h * w;
    let point = |name, x, channels| conv(g.root().at(name), x, channels, 1, Conv2d::default());
    let tokens = |name, n| point(name, x, n).reshape(&[b, n, p]).transpose(1, 2); // (B, P, n)
    let scores = tokens("query", query_channels).matmul_t(tokens("key", query_channels)); // (B, P, P)
    let scores = if scaled { scores * (query_channels as f64).sqrt().recip() } else { scores };
    let attentions = scores.softmax(-1);
    g.output("attentions", attentions);
    let o = attentions.matmul(tokens("value", value_channels)); // (B, P, U)
    let o = o.transpose(1, 2).reshape(&[b, value_channels, h, w]);
    g.output("output", x + g.root().weight("gamma", &[1]) * point("out", o, channels)); // (B, C, H, W)
}
