//! Published models: plans of their sizes within small bindings, and the vectors of all-MiniLM-L6-v2.

use std::path::PathBuf;
use std::sync::Arc;

use handmill::adapter::Adapter;
use handmill::config::Config;
use handmill::engine::Tensors;
use handmill::folder::hub_cache;
use handmill::graph::Graph;
use handmill::kernel::Spec;
use handmill::models::{self, Inputs, Loaded, transformers::gpt2};
use handmill::plan::Plan;
use handmill::programs::Context;
use handmill::programs::generate::{Phase, Rows};
use handmill::tensor::{Dtype, HostTensor};
use handmill::weights::load_tensors;
use libtest_mimic::{Failed, Trial};

use crate::{Check, Row, data};

/// The sentences of tests/data/checkpoints/all_minilm_l6_v2.
const SENTENCES: &[&str] = &[
    "The miller grinds the grain.",
    "Corn is being milled.",
    "The train leaves at noon.",
    "Äußerst müde Müller mahlen 3,5 t Mehl – 北京 🎉!",
    "x",
];

pub fn trials() -> Vec<Trial> {
    let mut trials = vec![Trial::test("published/gpt2", || {
        // The logits of 1024 tokens are 206 MB, which no binding there holds: they are written by rows.
        fits("GPT2LMHeadModel", 1024)?;
        let config = Config::parse("config.json", "{}")?;
        let (rows, tokens, capacity) = (Rows::ONE, 1024, 1024);
        let phases = [Phase::Window { rows: 1, tokens }, Phase::Prefill { rows, tokens, capacity }];
        let beams = Phase::Step { rows: Rows { batch: 2, beams: 4 }, capacity };
        for phase in phases.into_iter().chain([Phase::Step { rows, capacity }, beams]) {
            let graph = Graph::new();
            (gpt2::CAUSAL.next_token)(&graph, &config, phase);
            within(&Arc::new(graph.build()?))?;
        }
        Ok(())
    })];
    for (name, model) in [("bert", "BertModel"), ("bert_masked_lm", "BertForMaskedLM")] {
        trials.push(Trial::test(format!("published/{name}"), move || fits(model, 512)));
    }
    trials
}

/// The model in its published size, for its longest text, fits adapters whose bindings hold 128 MiB.
fn fits(model: &str, tokens: usize) -> Check {
    let ids = [("input_ids".to_owned(), Spec::new(Dtype::I32, &[1, tokens]))];
    let config = Config::parse("config.json", "{}")?;
    within(&models::build(models::named(model)?, &config, &Inputs::shapes(ids), None)?)
}

fn within(graph: &Arc<handmill::FixedGraph>) -> Check {
    let small = Adapter::profiles().into_iter().filter(|adapter| adapter.max_binding <= 128 << 20);
    let planned = small.map(|adapter| Plan::new(graph, &adapter).map_err(|e| format!("{}: {e}", adapter.name)));
    let planned = planned.collect::<Result<Vec<_>, _>>()?;
    if planned.is_empty() { Err("no adapter has small bindings".into()) } else { Ok(()) }
}

/// Where the checkpoint is: `HANDMILL_MINILM`, or the hub cache.
pub fn minilm() -> Option<PathBuf> {
    let named = std::env::var_os("HANDMILL_MINILM").map(PathBuf::from);
    named.or_else(|| hub_cache("sentence-transformers/all-MiniLM-L6-v2").ok())
}

/// Its tokens and vectors are those of transformers.
pub fn vectors() -> Row {
    Box::new(|engine| {
        let folder = minilm().ok_or("HANDMILL_MINILM names no folder, and the hub cache has none")?;
        let loaded = Loaded::open(&folder)?;
        let (context, _) = Context::open(&loaded, engine)?;
        let mut want = load_tensors(data().join("checkpoints/all_minilm_l6_v2.safetensors"))?;
        let embeddings = want.remove("embeddings").ok_or("no embeddings")?;
        let tokenizer = loaded.folder.tokenizer()?;
        let columns = want["input_ids"].shape()[1];
        for (row, sentence) in SENTENCES.iter().enumerate() {
            let ids = tokenizer.encode(sentence, true)?;
            if !want["input_ids"].as_i32()?[row * columns..].starts_with(&ids) {
                return Err(format!("{sentence} is {ids:?}").into());
            }
        }
        near(&embed(&context, &want)?, &embeddings.to_f64(), 1e-5)
    })
}

/// Means over tokens, of length 1.
fn embed(context: &Context, inputs: &Tensors) -> Result<Vec<f64>, Failed> {
    let states: HostTensor = context.run(inputs)?["last_hidden_state"].clone();
    let (width, states) = (states.shape()[2], states.to_f64());
    let mask = inputs["attention_mask"].to_f64();
    let columns = mask.len() / SENTENCES.len();
    let sentence = |row: usize| {
        let sum =
            |c: usize| (0..columns).map(|t| mask[row * columns + t] * states[(row * columns + t) * width + c]).sum();
        let sums: Vec<f64> = (0..width).map(sum).collect();
        let norm = sums.iter().map(|v| v * v).sum::<f64>().sqrt();
        sums.into_iter().map(move |v| v / norm).collect::<Vec<_>>()
    };
    Ok((0..SENTENCES.len()).flat_map(sentence).collect())
}

fn near(got: &[f64], want: &[f64], atol: f64) -> Check {
    let worst = got.iter().zip(want).map(|(g, w)| (g - w).abs()).fold(0.0, f64::max);
    println!("largest difference {worst:.2e}");
    if got.len() == want.len() && worst <= atol { Ok(()) } else { Err(format!("differs by {worst:.2e}").into()) }
}
