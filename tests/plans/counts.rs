//! Counts of plans, without a clock: of every model of `tests/data`, of steps of training, and of published sizes, for a
//! GPU and for a browser.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use handmill::config::Config;
use handmill::engine::Engine;
use handmill::graph::FixedGraph;
use handmill::models::{self, Inputs, Loaded};
use handmill::plan::Options;
use handmill::tensor::Dtype;
use handmill::train::data::{Batches, Data};
use handmill::train::run::Begun;
use handmill::train::settings::Settings;
use handmill::train::step::Task;
use handmill::train::trainer::How;
use handmill::weights::load_tensors;
use handmill::{Adapter, Plan, Spec};

const FAMILIES: [&str; 6] = ["attention", "feedforward", "generative", "layers", "recurrent", "transformers"];

/// Steps with something that the others have not: accumulated or clipped gradients, scans, two networks, drawn noise.
const STEPS: [&str; 8] =
    ["bert_mlm", "char_lm_lstm_tbptt", "conv_batchnorm", "dcgan", "ddpm_unet", "gpt2", "lenet_digits", "vae_bce"];

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)
}

fn head() -> String {
    line("", ["dispatches", "barriers", "as built", "pipelines", "flops", "bytes moved", "bytes at peak"])
}

fn line(name: &str, [dispatches, barriers, built, pipelines, flops, moved, peak]: [&str; 7]) -> String {
    format!("{name:<48} {dispatches:>10} {barriers:>8} {built:>8} {pipelines:>9} {flops:>15} {moved:>13} {peak:>13}\n")
}

/// The counts of a plan, and its barriers if operations stay in the order in which the model builds them.
fn counts(name: &str, graph: &Arc<FixedGraph>, adapter: &Adapter, options: &Options) -> String {
    let totals = |options: &Options| Plan::with(graph, adapter, options).map(|plan| plan.totals());
    let t = totals(options).unwrap_or_else(|e| panic!("{name}: {e}"));
    let built = totals(&Options { adjacent: false, ..options.clone() }).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(t.barriers <= built.barriers, "{name}");
    let counts = [t.dispatches, t.barriers, built.barriers, t.pipelines].map(|n| n as u64);
    let numbers: Vec<String> =
        counts.into_iter().chain([t.flops, t.traffic, t.peak_bytes]).map(|n| n.to_string()).collect();
    line(name, std::array::from_fn(|i| numbers[i].as_str()))
}

#[test]
fn models() {
    for adapter in [Adapter::nvidia(), Adapter::webgpu()] {
        let mut text = head();
        for family in FAMILIES {
            let mut folders: Vec<_> = std::fs::read_dir(data(family)).unwrap().map(|e| e.unwrap().path()).collect();
            folders.sort();
            for folder in folders {
                let loaded = Loaded::open(&folder).unwrap();
                let inputs = loaded.model.graph_inputs(&load_tensors(folder.join("inputs.safetensors")).unwrap());
                let keys = loaded.folder.checkpoint().unwrap().tensors().iter().map(|t| t.name.clone()).collect();
                let graph = loaded.graph(&Inputs::of(&inputs), Some(keys)).unwrap();
                let name = folder.file_name().unwrap().to_str().unwrap();
                text.push_str(&counts(&format!("{family}/{name}"), &graph, &adapter, &Options::default()));
            }
        }
        insta::assert_snapshot!(format!("models@{}", adapter.name), text);
    }
}

#[test]
fn steps_of_training() {
    let mut text = head();
    for case in STEPS {
        let folder = data("training").join(case);
        let loaded = Loaded::open(&folder).unwrap();
        let settings = Settings::open(folder.join("train.json")).unwrap();
        let mut batches = Data::of(Batches::open(&folder.join("batches.safetensors")).unwrap());
        let checkpoint = loaded.folder.checkpoint().unwrap();
        let keys = Some(checkpoint.tensors().iter().map(|t| t.name.clone()).collect());
        let task = Task { model: loaded.model, config: loaded.folder.config(), settings, keys };
        let begun = Begun::new(task, &mut batches, Some(&checkpoint), &Engine::Reference, How::default()).unwrap();
        for (role, graph) in begun.trainer.graphs() {
            let name = format!("{case}/{}", format!("{role:?}").to_lowercase());
            let options = Options { fixed_weights: false, ..Options::default() };
            text.push_str(&counts(&name, graph, &Adapter::nvidia(), &options));
        }
    }
    insta::assert_snapshot!("steps@nvidia", text);
}

const GPT2_SMALL: &str = r#"{"n_layer": 12, "n_head": 12, "n_embd": 768, "n_positions": 1024, "vocab_size": 50257}"#;
const BERT_BASE: &str = r#"{"num_hidden_layers": 12, "num_attention_heads": 12, "hidden_size": 768,
    "intermediate_size": 3072, "vocab_size": 30522, "max_position_embeddings": 512, "type_vocab_size": 2}"#;
const VIT_BASE: &str = r#"{"num_hidden_layers": 12, "num_attention_heads": 12, "hidden_size": 768,
    "intermediate_size": 3072, "image_size": 224, "patch_size": 16, "num_channels": 3}"#;
/// google/ddpm-cifar10-32
const DDPM_CIFAR10: &str = r#"{"_class_name": "UNet2DModel", "sample_size": 32, "in_channels": 3, "out_channels": 3,
    "block_out_channels": [128, 256, 256, 256], "layers_per_block": 2, "norm_num_groups": 32, "norm_eps": 1e-6,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
    "attention_head_dim": null, "downsample_padding": 0, "flip_sin_to_cos": false, "freq_shift": 1}"#;

/// Name, model, configuration and inputs.
type Published = (&'static str, &'static str, &'static str, &'static [(&'static str, Dtype, &'static [usize])]);

#[test]
fn published_sizes() {
    let tokens: &[(&str, Dtype, &[usize])] = &[("input_ids", Dtype::I32, &[1, 128])];
    let rows: [Published; 4] = [
        ("GPT-2 small, 128 tokens", "GPT2LMHeadModel", GPT2_SMALL, tokens),
        ("BERT-base, 128 tokens", "BertModel", BERT_BASE, tokens),
        ("ViT-B/16", "ViTForImageClassification", VIT_BASE, &[("pixel_values", Dtype::F32, &[1, 3, 224, 224])]),
        (
            "DDPM on CIFAR-10",
            "UNet2DModel",
            DDPM_CIFAR10,
            &[("sample", Dtype::F32, &[1, 3, 32, 32]), ("timestep", Dtype::I32, &[1])],
        ),
    ];
    for adapter in [Adapter::nvidia(), Adapter::webgpu()] {
        let mut text = head();
        for (name, model, config, inputs) in rows {
            let config = Config::parse("config.json", config).unwrap();
            let inputs = inputs.iter().map(|(name, dtype, shape)| ((*name).to_owned(), Spec::new(*dtype, shape)));
            let inputs = Inputs::shapes(inputs);
            let graph = models::build(models::named(model).unwrap(), &config, &inputs, None).unwrap();
            text.push_str(&counts(name, &graph, &adapter, &Options::default()));
        }
        insta::assert_snapshot!(format!("published@{}", adapter.name), text);
    }
}
