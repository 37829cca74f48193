//! Heads of BERT, Llama, ViT and CLIP against what the transformers library computed.
//!
//! `HANDMILL_REQUIRE_GPU=1` makes a missing adapter a failure.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use handmill::adapter::Adapter;
use handmill::config::Config;
use handmill::device::{Device, Select};
use handmill::engine::{Engine, Executor, Tensors};
use handmill::models::transformers::llama;
use handmill::models::{self, Inputs, Loaded};
use handmill::plan::{Options, Plan};
use handmill::programs::Context;
use handmill::programs::generate::{Cache, Decoder, Phase, Rows, Rules};
use handmill::tensor::{Dtype, HostTensor};
use handmill::verify::verify;
use handmill::weights::{load_tensors, save_tensors};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::json;

type Check = Result<(), Failed>;
type OnEngine = fn(&Engine) -> Check;

const CASES: &[&str] =
    &["bert_masked_lm", "bert_sequence_classification", "vit", "llama", "llama3_rope", "clip_text", "clip"];

/// Published sizes of published configurations.
const PARAMETERS: &[(&str, &str, usize)] = &[
    ("BertForMaskedLM", "{}", 109_514_298),
    ("BertForSequenceClassification", "{}", 109_483_778),
    ("ViTForImageClassification", "{}", 85_800_194),
    ("LlamaForCausalLM", "{}", 6_738_415_616),
    (
        "LlamaForCausalLM",
        r#"{"vocab_size": 128256, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
            "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "tie_word_embeddings": true}"#,
        1_235_814_400,
    ),
    ("CLIPTextModel", "{}", 63_165_952),
    ("CLIPModel", "{}", 151_277_313),
];

fn main() {
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let device = Device::open(&Select::Auto).inspect_err(|e| eprintln!("{e}: GPU rows are ignored")).ok();
    let required = std::env::var_os("HANDMILL_REQUIRE_GPU").is_some_and(|v| v == "1");
    let ignored = device.is_none() && !required;
    let mut trials = vec![Trial::test("parameters", parameters), Trial::test("refused", refused)];
    trials.push(Trial::test("llama/plans", llama_plans));
    for &case in CASES {
        trials.push(Trial::test(format!("{case}/weights"), || weights(case)));
        both(&mut trials, &format!("{case}/fixture"), &device, ignored, |engine| fixture(case, engine));
        let device = device.clone();
        let row = move || lockstep(case, device.clone().ok_or("no adapter was found")?);
        trials.push(Trial::test(format!("{case}/verify"), row).with_ignored_flag(ignored));
    }
    let rows: &[(&str, OnEngine)] = &[
        ("bert_masked_lm/other_keys", bert_other_keys),
        ("llama/older_files", llama_older_files),
        ("llama/biases", llama_biases),
        ("llama/generated", llama_generated),
        ("clip_text/other_keys", clip_other_keys),
        ("clip_text/end", clip_end),
    ];
    for (name, row) in rows {
        both(&mut trials, name, &device, ignored, *row);
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// A row on the reference and on the adapter.
fn both<F>(trials: &mut Vec<Trial>, name: &str, device: &Option<Arc<Device>>, ignored: bool, row: F)
where
    F: Fn(&Engine) -> Check + Send + Copy + 'static,
{
    let device = device.clone();
    trials.push(Trial::test(format!("{name}/reference"), move || row(&Engine::Reference)));
    let on_device = move || row(&Engine::Gpu(device.clone().ok_or("no adapter was found")?));
    trials.push(Trial::test(name, on_device).with_ignored_flag(ignored));
}

fn folder(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/transformers").join(case)
}

fn inputs(case: &str) -> Result<Tensors, Failed> {
    Ok(load_tensors(folder(case).join("inputs.safetensors"))?)
}

fn open(path: &Path, engine: &Engine) -> Result<Context, Failed> {
    let (context, notices) = Context::open(&Loaded::open(path)?, engine)?;
    if notices.is_empty() { Ok(context) } else { Err(notices.join("; ").into()) }
}

fn ids(shape: &[usize], values: &[i32]) -> HostTensor {
    HostTensor::i32(shape, values.to_vec())
}

fn named(inputs: &[(&str, HostTensor)]) -> Tensors {
    inputs.iter().map(|(n, t)| ((*n).to_owned(), t.clone())).collect()
}

fn same<T: PartialEq + std::fmt::Debug>(name: &str, got: T, want: T) -> Check {
    if got == want { Ok(()) } else { Err(format!("{name}: {got:?}, expected {want:?}").into()) }
}

/// `|got − want| ≤ atol` for every element.
fn near(name: &str, got: &HostTensor, want: &HostTensor, atol: f64) -> Check {
    same(name, got.shape(), want.shape())?;
    let (got, want) = (got.as_f32()?, want.as_f32()?);
    let off = |i: &usize| (f64::from(got[*i]) - f64::from(want[*i])).abs();
    match (0..got.len()).find(|i| off(i).is_nan() || off(i) > atol) {
        Some(i) => Err(format!("{name}[{i}] is {}, expected {} ± {atol:e}", got[i], want[i]).into()),
        None => Ok(()),
    }
}

fn parameters() -> Check {
    for (model, config, published) in PARAMETERS {
        let config = Config::parse("config.json", config)?;
        let graph = models::build(models::named(model)?, &config, &Inputs::defaults(), None)?;
        same(model, graph.parameters(), *published)?;
    }
    Ok(())
}

/// Every phase of a published size fits every named adapter.
fn llama_plans() -> Check {
    let config = Config::parse("config.json", PARAMETERS[4].1)?;
    for phase in [
        Phase::Prefill { rows: Rows::ONE, tokens: 100, capacity: 1024 },
        Phase::Step { rows: Rows::ONE, capacity: 1024 },
    ] {
        let graph = handmill::Graph::new();
        (llama::CAUSAL.next_token)(&graph, &config, phase);
        let graph = Arc::new(graph.build()?);
        for adapter in Adapter::profiles() {
            Plan::new(&graph, &adapter).map_err(|e| format!("{}: {e}", adapter.name))?;
        }
    }
    Ok(())
}

/// The keys and shapes of the checkpoint are those of the graph.
fn weights(case: &str) -> Check {
    let loaded = Loaded::open(&folder(case))?;
    let checkpoint = loaded.folder.checkpoint()?;
    let keys: Vec<String> = checkpoint.tensors().iter().map(|t| t.name.clone()).collect();
    let graph = loaded.graph(&Inputs::defaults(), Some(keys.clone()))?;
    let used: BTreeSet<&str> = graph.weights().map(|(key, _)| key).collect();
    same("keys", used, keys.iter().map(String::as_str).collect())?;
    let (_, notices) = loaded.weights(&checkpoint, &graph)?;
    same("notices", notices, vec![])
}

/// `got` has the outputs of the fixture, within the tolerances of `meta.json`; integers exactly.
fn as_fixture(case: &str, got: &Tensors) -> Check {
    let meta: serde_json::Value = serde_json::from_slice(&std::fs::read(folder(case).join("meta.json"))?)?;
    for (name, want) in load_tensors(folder(case).join("outputs.safetensors"))? {
        let got = got.get(&name).ok_or(format!("{name} is missing"))?;
        match want.dtype() {
            Dtype::F32 => {
                let atol = meta["outputs"][&name]["atol"].as_f64().ok_or(format!("{name} has no atol"))?;
                near(&name, got, &want, atol)?;
            }
            _ => same(&name, got, &want)?,
        }
    }
    Ok(())
}

fn fixture(case: &str, engine: &Engine) -> Check {
    as_fixture(case, &open(&folder(case), engine)?.run(&inputs(case)?)?)
}

/// Every operation of the plan within the bound of its reference; for Llama also those of the phases.
fn lockstep(case: &str, device: Arc<Device>) -> Check {
    let context = open(&folder(case), &Engine::Gpu(device))?;
    let inputs = context.model.graph_inputs(&inputs(case)?);
    let graph = models::build(context.model, &context.config, &Inputs::of(&inputs), context.keys.clone())?;
    verified(&context, &graph, &inputs)?;
    if context.model.program.is_none() {
        return Ok(());
    }
    let graph = |phase| context.graph_of(|g, config| (llama::CAUSAL.next_token)(g, config, phase));
    let prefill = graph(Phase::Prefill { rows: Rows::ONE, tokens: 5, capacity: 16 })?;
    verified(
        &context,
        &prefill,
        &named(&[("input_ids", ids(&[1, 5], &[9, 3, 33, 7, 12])), ("last", ids(&[1], &[4]))]),
    )?;
    let step = [("input_ids", ids(&[1, 1], &[33])), ("position", ids(&[1], &[5])), ("length", ids(&[1], &[6]))];
    verified(&context, &graph(Phase::Step { rows: Rows::ONE, capacity: 16 })?, &named(&step))
}

fn verified(context: &Context, graph: &Arc<handmill::FixedGraph>, inputs: &Tensors) -> Check {
    let Executor::Gpu(store) = &context.executor else { return Err("no device".into()) };
    let found = verify(store, graph, inputs, &Options::default())?;
    match found.ops.iter().find(|op| !op.ok()) {
        Some(op) => Err(format!("{} ({}) is {:.2} of its bound", op.label, op.at, op.ratio()).into()),
        None => Ok(()),
    }
}

/// A copy of a fixture in another folder, its tensors and config changed; `null` removes a key.
fn changed(
    case: &str,
    tensors: impl FnOnce(&mut Tensors),
    config: serde_json::Value,
) -> Result<tempfile::TempDir, Failed> {
    let copy = tempfile::tempdir()?;
    let mut map: serde_json::Map<_, _> = serde_json::from_slice(&std::fs::read(folder(case).join("config.json"))?)?;
    map.extend(config.as_object().cloned().unwrap_or_default());
    std::fs::write(copy.path().join("config.json"), serde_json::to_vec(&map)?)?;
    let mut all = load_tensors(folder(case).join("model.safetensors"))?;
    tensors(&mut all);
    save_tensors(copy.path().join("model.safetensors"), &all.into_iter().collect::<Vec<_>>(), true)?;
    Ok(copy)
}

fn scaled(tensor: &HostTensor, factor: f32) -> HostTensor {
    HostTensor::f32(tensor.shape(), tensor.as_f32().expect("f32").iter().map(|v| v * factor).collect())
}

/// A vocabulary matrix of its own, with and without a bias of its own; keys of the pretraining are passed over.
fn bert_other_keys(engine: &Engine) -> Check {
    let case = "bert_masked_lm";
    let input = inputs(case)?;
    let want = open(&folder(case), engine)?.run(&input)?["logits"].clone();
    for own_bias in [false, true] {
        let tensors = |all: &mut Tensors| {
            let words = all["bert.embeddings.word_embeddings.weight"].clone();
            all.insert("cls.predictions.decoder.weight".into(), scaled(&words, 2.0));
            let bias = scaled(&all["cls.predictions.bias"], 2.0);
            all.insert(format!("cls.predictions.{}bias", if own_bias { "decoder." } else { "" }), bias);
            all.insert("cls.seq_relationship.bias".into(), HostTensor::f32(&[2], vec![0.0; 2]));
        };
        let copy = changed(case, tensors, json!({"tie_word_embeddings": false}))?;
        let got = open(copy.path(), engine)?.run(&input)?;
        same("logits", &got["logits"], &scaled(&want, 2.0))?;
    }
    Ok(())
}

/// Rotations under the keys of older files, and keys of the body alone.
fn llama_older_files(engine: &Engine) -> Check {
    let mut rope = json!({"factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "type": "llama3",
        "original_max_position_embeddings": 64});
    let body = |all: &mut Tensors| {
        let plain = |key: String| key.strip_prefix("model.").map_or(key.clone(), str::to_owned);
        *all = std::mem::take(all).into_iter().map(|(key, t)| (plain(key), t)).collect();
        all.insert("layers.0.self_attn.rotary_emb.inv_freq".into(), HostTensor::f32(&[4], vec![1.0; 4]));
    };
    let older = json!({"rope_parameters": null, "rope_theta": 10000, "rope_scaling": rope});
    let copy = changed("llama3_rope", body, older)?;
    as_fixture("llama3_rope", &open(copy.path(), engine)?.run(&inputs("llama3_rope")?)?)?;

    // The factor counts, and so does the base.
    let logits = |config| -> Result<HostTensor, Failed> {
        let copy = changed("llama3_rope", |_| {}, config)?;
        Ok(open(copy.path(), engine)?.run(&inputs("llama3_rope")?)?["logits"].clone())
    };
    let want = logits(json!({}))?;
    rope["factor"] = 2.0.into();
    for other in [
        json!({"rope_parameters": rope}),
        json!({"rope_parameters": null, "rope_theta": 10000.0}),
        json!({"rope_parameters": {"rope_type": "linear", "factor": 8.0}}),
    ] {
        same("the same logits", logits(other)? == want, false)?;
    }
    Ok(())
}

/// Biases of zero change nothing; those of one projection do.
fn llama_biases(engine: &Engine) -> Check {
    let input = inputs("llama")?;
    for (value, unchanged) in [(0.0, true), (0.5, false)] {
        let tensors = |all: &mut Tensors| {
            let keys: Vec<String> = all.keys().filter(|k| k.contains("_proj")).cloned().collect();
            for key in keys {
                let n = all[&key].shape()[0];
                all.insert(key.replace(".weight", ".bias"), HostTensor::f32(&[n], vec![value; n]));
            }
        };
        let copy = changed("llama", tensors, json!({"attention_bias": true, "mlp_bias": true}))?;
        let got = open(copy.path(), engine)?.run(&input)?;
        same("as without biases", as_fixture("llama", &got).is_ok(), unchanged)?;
    }
    Ok(())
}

/// With and without caches, twice each; the program alone.
fn llama_generated(engine: &Engine) -> Check {
    for case in ["llama", "llama3_rope"] {
        let context = open(&folder(case), engine)?;
        let want = load_tensors(folder(case).join("outputs.safetensors"))?["generated_ids"].clone();
        let input = inputs(case)?;
        let (prompt, most) = (input["prompt_ids"].as_i32()?, input["max_new_tokens"].as_i32()?[0] as usize);
        for cache in [Cache::Kept, Cache::None] {
            let mut decoder = Decoder::open(&context, &llama::CAUSAL, 40, cache)?;
            for again in 0..2 {
                let rules = Rules::greedy(&context.generation, most);
                let got = decoder.generate(prompt, &rules, &mut |_| {})?;
                same(&format!("{case}, {cache:?}, time {again}"), got.as_slice(), want.as_i32()?)?;
            }
        }
        let only = input.into_iter().filter(|(name, _)| name == "prompt_ids" || name == "max_new_tokens");
        same("outputs", context.run(&only.collect())?, [("generated_ids".to_owned(), want)].into())?;
    }
    Ok(())
}

/// The text encoder of a whole model, with a prefix before its keys.
fn clip_other_keys(engine: &Engine) -> Check {
    let prefixed = |all: &mut Tensors| {
        *all = std::mem::take(all).into_iter().map(|(key, t)| (format!("text_model.{key}"), t)).collect();
        all.insert("text_model.embeddings.position_ids".into(), ids(&[1, 16], &[0; 16]));
    };
    let copy = changed("clip_text", prefixed, json!({}))?;
    as_fixture("clip_text", &open(copy.path(), engine)?.run(&inputs("clip_text")?)?)
}

/// The pooled row is that of the first end token; in older files, of the first largest id.
fn clip_end(engine: &Engine) -> Check {
    let text = ids(&[3, 5], &[60, 63, 5, 63, 7, 63, 1, 2, 3, 4, 9, 8, 7, 6, 5]);
    for (eos, places) in [(63, [1, 0, 0]), (2, [1, 0, 0]), (7, [4, 0, 2]), (5, [2, 0, 4])] {
        let copy = changed("clip_text", |_| {}, json!({"eos_token_id": eos}))?;
        let got = open(copy.path(), engine)?.run(&named(&[("input_ids", text.clone())]))?;
        let (states, pooled) = (got["last_hidden_state"].as_f32()?, got["pooler_output"].as_f32()?);
        for (row, place) in places.into_iter().enumerate() {
            same(&format!("row {row}"), &pooled[row * 24..][..24], &states[(row * 5 + place) * 24..][..24])?;
        }
    }
    Ok(())
}

/// The error of a check or of a graph.
fn refusal(model: &str, config: &str, inputs: &[(&str, HostTensor)]) -> Result<String, Failed> {
    let (model, config, inputs) = (models::named(model)?, Config::parse("config.json", config)?, named(inputs));
    let given = if inputs.is_empty() { Inputs::defaults() } else { Inputs::of(&inputs) };
    let checked = (model.check)(&config, &inputs).err();
    let error = checked.or_else(|| models::build(model, &config, &given, None).err());
    error.map(|e| e.to_string()).ok_or("nothing was refused".into())
}

/// What a model cannot do is an error that names the key; no size panics.
fn refused() -> Check {
    let llama = "LlamaForCausalLM";
    for (model, config, inputs, expected) in [
        (llama, r#"{"num_key_value_heads": 5}"#, vec![], "num_key_value_heads: found 5, expected a divisor"),
        (llama, r#"{"head_dim": 7}"#, vec![], "head_dim: found 7, expected an even number"),
        (llama, r#"{"rope_scaling": {"type": "yarn"}}"#, vec![], "rope_scaling: type: found \"yarn\", expected one of"),
        (llama, r#"{"rope_parameters": {"rope_type": "llama3"}}"#, vec![], "factor: is missing"),
        (llama, r#"{"vocab_size": 64}"#, vec![("input_ids", ids(&[1, 1], &[64]))], "input_ids: id 64 is not in 0..64"),
        (llama, r#"{"head_dim": 2147483648, "num_hidden_layers": 1}"#, vec![], "rotations"),
        ("BertForSequenceClassification", r#"{"id2label": {}}"#, vec![], "id2label: expected an object"),
        ("BertForSequenceClassification", r#"{"id2label": 3}"#, vec![], "id2label: expected an object"),
        ("ViTForImageClassification", r#"{"num_attention_heads": 5}"#, vec![], "num_attention_heads: found 5"),
        ("ViTForImageClassification", r#"{"image_size": 8}"#, vec![], "conv2d"),
        (
            "ViTForImageClassification",
            r#"{"num_hidden_layers": 1}"#,
            vec![("pixel_values", HostTensor::f32(&[1, 3, 16, 32], vec![0.0; 1536]))],
            "patches: images are (16, 32), and the model's (224, 224)",
        ),
        ("CLIPModel", r#"{"text_config": {"hidden_act": "x"}}"#, vec![], "text_config: hidden_act: found \"x\""),
        ("CLIPModel", r#"{"vision_config": {"image_size": 0}}"#, vec![], "vision_config: image_size: found 0"),
        ("CLIPTextModel", "{}", vec![("input_ids", ids(&[1, 78], &[0; 78]))], "has 78 positions, and the model has 77"),
    ] {
        let error = refusal(model, config, &inputs)?;
        same(&format!("{model} {config}: \"{error}\" says \"{expected}\""), error.contains(expected), true)?;
    }
    let huge = ["hidden_size", "intermediate_size", "vocab_size", "image_size", "patch_size", "projection_dim"];
    let more = ["num_attention_heads", "head_dim", "num_key_value_heads", "max_position_embeddings", "num_channels"];
    for key in huge.into_iter().chain(more) {
        for model in [llama, "BertForMaskedLM", "ViTForImageClassification", "CLIPTextModel", "CLIPModel"] {
            let part = format!(r#""{key}": 2147483648, "num_hidden_layers": 1"#);
            let config = format!(r#"{{{part}, "text_config": {{{part}}}, "vision_config": {{{part}}}}}"#);
            let config = if model == "CLIPTextModel" { format!("{{{part}}}") } else { config };
            // Either it is refused, or the model has no such key: nothing panics.
            let _ = refusal(model, &config, &[]);
        }
    }
    Ok(())
}
