//! The whole models that are compared: graphs of Handmill, in its own model files' words.

use std::collections::BTreeMap;

use handmill::bench::suite::values;
use handmill::config::Config;
use handmill::error::Result;
use handmill::graph::Graph;
use handmill::models::transformers::gpt2;
use handmill::models::{self, Inputs};
use handmill::nn::resnet2d::{Norm, Resnet, attention2d, resnet};
use handmill::programs::generate::{Phase, Rows};
use handmill::tensor::{Dtype, HostTensor};

use crate::ours::Model;

/// Tokens of the text that BERT reads.
pub const BERT_TOKENS: usize = 128;

/// BERT-base with one of its twelve layers: embeddings, layer, pooler.
///
/// # Errors
/// If the graph cannot be built
pub fn bert_layer() -> Result<Model> {
    let config = Config::parse("bert_layer", r#"{"num_hidden_layers": 1}"#)?;
    let ids = ids(BERT_TOKENS, 30_522);
    let inputs = BTreeMap::from([("input_ids".to_owned(), ids)]);
    let graph = Graph::new();
    (models::named("BertModel")?.build)(&graph, &config, &Inputs::of(&inputs));
    config.finish()?;
    Ok(Model::new(graph.build()?, inputs, "last_hidden_state"))
}

/// Groups and epsilon of the norms of ddpm-cifar10-32.
pub const UNET_NORM: Norm = Norm { groups: 32, eps: 1e-6 };
/// Channels before and after the block.
pub const UNET_CHANNELS: [usize; 2] = [128, 256];

/// A residual block and an attention of `AttnDownBlock2D` in google/ddpm-cifar10-32: its first of the second level.
///
/// # Errors
/// If the graph cannot be built
pub fn unet_block() -> Result<Model> {
    let [c_in, c] = UNET_CHANNELS;
    let inputs = BTreeMap::from([
        ("sample".to_owned(), values(&[1, c_in, 16, 16], 1)),
        ("time_embedding".to_owned(), values(&[1, 512], 2)),
    ]);
    let graph = Graph::new();
    let x = graph.input("sample", Dtype::F32, &[1, c_in, 16, 16]);
    let e = graph.input("time_embedding", Dtype::F32, &[1, 512]);
    let w = graph.root();
    let block = Resnet { norm: UNET_NORM, act_fn: "silu", scale_shift: false };
    let x = resnet(w.at("resnets.0"), block, x, Some(e), c, 1.0); // (1, 256, 16, 16)
    graph.output("sample", attention2d(w.at("attentions.0"), x, c, Some(UNET_NORM), 1.0));
    Ok(Model::new(graph.build()?, inputs, "sample"))
}

/// Positions that GPT-2's caches can hold, and those that are filled when the step is done.
pub const GPT2_CACHE: [usize; 2] = [1024, 256];
/// The token of the step.
pub const GPT2_TOKEN: usize = 40_000;

/// A step of GPT-2 small that generates: one token, with keys and values of those before it in caches.
///
/// # Errors
/// If the graph cannot be built
pub fn gpt2_decode() -> Result<Model> {
    let config = Config::parse("gpt2_decode", "{}")?;
    let [capacity, length] = GPT2_CACHE;
    let graph = Graph::new();
    (gpt2::CAUSAL.next_token)(&graph, &config, Phase::Step { rows: Rows::ONE, capacity });
    config.finish()?;
    let one = |name: &str, shape: &[usize], value: usize| (name.to_owned(), HostTensor::i32(shape, vec![value as i32]));
    let inputs = BTreeMap::from([
        one("input_ids", &[1, 1], GPT2_TOKEN),
        one("position", &[1], length - 1),
        one("length", &[1], length),
    ]);
    Ok(Model::new(graph.build()?, inputs, "logits"))
}

fn ids(n: usize, below: usize) -> HostTensor {
    HostTensor::i32(&[1, n], (0..n).map(|i| (i * 7919 % below) as i32).collect())
}
