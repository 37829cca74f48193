//! Text models: BERT and GPT-2 against what the transformers library computed, and generation.
//!
//! `HANDMILL_REQUIRE_GPU=1` makes a missing adapter a failure.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use handmill::adapter::Adapter;
use handmill::config::Config;
use handmill::device::{Device, Select};
use handmill::engine::{Engine, Executor, Tensors};
use handmill::models::transformers::{bert::BERT, gpt2};
use handmill::models::{self, Inputs, Loaded};
use handmill::plan::{Options, Plan};
use handmill::programs::Context;
use handmill::programs::generate::{Cache, Decoder, Phase, Rows, Rules};
use handmill::programs::sample::Sampling;
use handmill::tensor::{Dtype, HostTensor};
use handmill::verify::verify;
use handmill::weights::{load_tensors, save_tensors};
use libtest_mimic::{Arguments, Failed, Trial};

type Check = Result<(), Failed>;
type OnEngine = fn(&Engine) -> Check;
type OnDevice = fn(Arc<Device>) -> Check;

fn main() {
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let device = Device::open(&Select::Auto).inspect_err(|e| eprintln!("{e}: GPU rows are ignored")).ok();
    let required = std::env::var_os("HANDMILL_REQUIRE_GPU").is_some_and(|v| v == "1");
    let missing = device.is_none();
    let mut trials = vec![
        Trial::test("bert/parameters", || parameters(&BERT, 109_482_240)),
        Trial::test("gpt2/parameters", || parameters(&gpt2::GPT2, 124_439_808)),
        Trial::test("bert/weights", || weights("bert")),
        Trial::test("gpt2/weights", || weights("gpt2")),
        Trial::test("bert/plans", || plans(&BERT)),
        Trial::test("gpt2/plans", || plans(&gpt2::GPT2)),
        Trial::test("bert/refused", bert_refused),
        Trial::test("gpt2/refused", gpt2_refused),
    ];
    let rows: &[(&str, OnEngine)] = &[
        ("bert/fixture", |engine| fixture("bert", engine)),
        ("gpt2/fixture", |engine| fixture("gpt2", engine)),
        ("bert/other_keys", bert_other_keys),
        ("gpt2/other_keys", gpt2_other_keys),
        ("bert/padding", bert_padding),
        ("gpt2/future", gpt2_future),
        ("gpt2/scales", gpt2_scales),
        ("gpt2/generated", gpt2_generated),
        ("gpt2/sampled", gpt2_sampled),
        ("gpt2/stops", gpt2_stops),
    ];
    for (name, row) in rows {
        trials.push(Trial::test(format!("{name}/reference"), || row(&Engine::Reference)));
        trials.push(on_device(name, &device, missing && !required, |device| row(&Engine::Gpu(device))));
    }
    let rows: &[(&str, OnDevice)] = &[
        ("bert/verify", |device| lockstep("bert", device)),
        ("gpt2/verify", |device| lockstep("gpt2", device)),
        ("gpt2/verify_phases", gpt2_verify_phases),
        ("gpt2/allocates_nothing", gpt2_allocates_nothing),
    ];
    for (name, row) in rows {
        trials.push(on_device(name, &device, missing && !required, row));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn on_device<F>(name: &str, device: &Option<Arc<Device>>, ignored: bool, row: F) -> Trial
where
    F: Fn(Arc<Device>) -> Check + Send + 'static,
{
    let device = device.clone();
    Trial::test(name, move || row(device.clone().ok_or("no adapter was found")?)).with_ignored_flag(ignored)
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

/// What the model of `case` makes of `inputs`.
fn run(context: &Context, inputs: &[(&str, HostTensor)]) -> Result<Tensors, Failed> {
    Ok(context.run(&inputs.iter().map(|(n, t)| ((*n).to_owned(), t.clone())).collect())?)
}

fn ids(shape: &[usize], values: &[i32]) -> HostTensor {
    HostTensor::i32(shape, values.to_vec())
}

/// `|got − want| ≤ atol` for every element.
fn near(name: &str, got: &[f32], want: &[f32], atol: f64) -> Check {
    if got.len() != want.len() {
        return Err(format!("{name}: {} values, expected {}", got.len(), want.len()).into());
    }
    let off = |i: &usize| (f64::from(got[*i]) - f64::from(want[*i])).abs();
    match (0..got.len()).find(|i| off(i).is_nan() || off(i) > atol) {
        Some(i) => Err(format!("{name}[{i}] is {}, expected {} ± {atol:e}", got[i], want[i]).into()),
        None => Ok(()),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(name: &str, got: T, want: T) -> Check {
    if got == want { Ok(()) } else { Err(format!("{name}: {got:?}, expected {want:?}").into()) }
}

fn parameters(model: &'static models::Model, published: usize) -> Check {
    let graph = models::build(model, &Config::parse("config.json", "{}")?, &Inputs::defaults(), None)?;
    same("weights", graph.parameters(), published)
}

/// The published size fits every named adapter.
fn plans(model: &'static models::Model) -> Check {
    let config = Config::parse("config.json", "{}")?;
    let mut graphs = vec![models::build(model, &config, &Inputs::defaults(), None)?];
    if model.program.is_some() {
        for phase in [
            Phase::Prefill { rows: Rows::ONE, tokens: 100, capacity: 1024 },
            Phase::Step { rows: Rows::ONE, capacity: 1024 },
        ] {
            let graph = handmill::Graph::new();
            (gpt2::CAUSAL.next_token)(&graph, &config, phase);
            graphs.push(Arc::new(graph.build()?));
        }
    }
    for adapter in Adapter::profiles() {
        for graph in &graphs {
            Plan::new(graph, &adapter).map_err(|e| format!("{}: {e}", adapter.name))?;
        }
    }
    Ok(())
}

fn weights(case: &str) -> Check {
    let loaded = Loaded::open(&folder(case))?;
    let checkpoint = loaded.folder.checkpoint()?;
    let keys: Vec<String> = checkpoint.tensors().iter().map(|t| t.name.clone()).collect();
    let graph = loaded.graph(&Inputs::defaults(), Some(keys.clone()))?;
    let used: BTreeSet<&str> = graph.weights().map(|(key, _)| key).collect();
    same("keys", used, keys.iter().map(String::as_str).collect())?;
    // Shapes: a mismatch is an error.
    let (_, notices) = loaded.weights(&checkpoint, &graph)?;
    same("notices", notices, vec![])
}

/// Outputs within the tolerances of `meta.json`; integers exactly.
fn fixture(case: &str, engine: &Engine) -> Check {
    let got = open(&folder(case), engine)?.run(&inputs(case)?)?;
    let meta: serde_json::Value = serde_json::from_slice(&std::fs::read(folder(case).join("meta.json"))?)?;
    for (name, want) in load_tensors(folder(case).join("outputs.safetensors"))? {
        let got = got.get(&name).ok_or(format!("{name} is missing"))?;
        same(&name, got.shape(), want.shape())?;
        match want.dtype() {
            Dtype::F32 => {
                let atol = meta["outputs"][&name]["atol"].as_f64().ok_or(format!("{name} has no atol"))?;
                near(&name, got.as_f32()?, want.as_f32()?, atol)?;
            }
            _ => same(&name, got.as_i32()?, want.as_i32()?)?,
        }
    }
    Ok(())
}

fn lockstep(case: &str, device: Arc<Device>) -> Check {
    let context = open(&folder(case), &Engine::Gpu(device))?;
    let inputs = context.model.graph_inputs(&inputs(case)?);
    let graph = models::build(context.model, &context.config, &Inputs::of(&inputs), context.keys.clone())?;
    verified(&context, &graph, &inputs)
}

fn verified(context: &Context, graph: &Arc<handmill::FixedGraph>, inputs: &Tensors) -> Check {
    let Executor::Gpu(store) = &context.executor else { return Err("no device".into()) };
    let found = verify(store, graph, inputs, &Options::default())?;
    match found.ops.iter().find(|op| !op.ok()) {
        Some(op) => Err(format!("{} ({}) is {:.2} of its bound", op.label, op.at, op.ratio()).into()),
        None => Ok(()),
    }
}

/// A copy of a fixture in another folder, its tensors and config changed.
fn changed(
    case: &str,
    tensors: impl FnOnce(&mut Tensors),
    config: &[(&str, serde_json::Value)],
) -> Result<tempfile::TempDir, Failed> {
    let copy = tempfile::tempdir()?;
    let mut map: serde_json::Map<_, _> = serde_json::from_slice(&std::fs::read(folder(case).join("config.json"))?)?;
    map.extend(config.iter().map(|(k, v)| ((*k).to_owned(), v.clone())));
    std::fs::write(copy.path().join("config.json"), serde_json::to_vec(&map)?)?;
    let mut all = load_tensors(folder(case).join("model.safetensors"))?;
    tensors(&mut all);
    save_tensors(copy.path().join("model.safetensors"), &all.into_iter().collect::<Vec<_>>(), true)?;
    Ok(copy)
}

fn scaled(tensor: &HostTensor, factor: impl Fn(usize) -> f32) -> HostTensor {
    let values = tensor.as_f32().expect("f32").iter().enumerate().map(|(i, v)| v * factor(i));
    HostTensor::f32(tensor.shape(), values.collect())
}

/// A checkpoint of a model with a head: a prefix, no pooler, and ids nobody needs.
fn bert_other_keys(engine: &Engine) -> Check {
    let copy = changed(
        "bert",
        |all| {
            *all = std::mem::take(all).into_iter().map(|(key, t)| (format!("bert.{key}"), t)).collect();
            all.retain(|key, _| !key.starts_with("bert.pooler"));
            all.insert("bert.embeddings.position_ids".into(), ids(&[1, 16], &[0; 16]));
        },
        &[],
    )?;
    let (context, whole) = (open(copy.path(), engine)?, open(&folder("bert"), engine)?);
    let inputs = inputs("bert")?;
    let (got, want) = (context.run(&inputs)?, whole.run(&inputs)?);
    same("outputs", got.keys().map(String::as_str).collect(), vec!["debug.hidden_states.1", "last_hidden_state"])?;
    same("last_hidden_state", &got["last_hidden_state"], &want["last_hidden_state"])
}

/// The body's checkpoint has no prefix; one with a head of its own uses that.
fn gpt2_other_keys(engine: &Engine) -> Check {
    let head = |all: &mut Tensors| {
        let wte = scaled(&all["transformer.wte.weight"], |_| 2.0);
        all.insert("lm_head.weight".into(), wte);
    };
    let body = |all: &mut Tensors| {
        let plain = |key: String| key.strip_prefix("transformer.").map_or(key.clone(), str::to_owned);
        *all = std::mem::take(all).into_iter().map(|(key, t)| (plain(key), t)).collect();
        all.insert("h.0.attn.bias".into(), HostTensor::f32(&[1, 1, 2, 2], vec![1.0; 4]));
    };
    let input = [("input_ids", inputs("gpt2")?["input_ids"].clone())];
    let want = run(&open(&folder("gpt2"), engine)?, &input)?["logits"].clone();
    for (tensors, factor) in [(&head as &dyn Fn(&mut Tensors), 2.0), (&body, 1.0)] {
        let copy = changed("gpt2", tensors, &[])?;
        let got = run(&open(copy.path(), engine)?, &input)?;
        same("logits", &got["logits"], &scaled(&want, |_| factor))?;
    }
    Ok(())
}

/// Padding at the right, hidden by the mask, changes nothing beyond rounding.
fn bert_padding(engine: &Engine) -> Check {
    let context = open(&folder("bert"), engine)?;
    let tokens = [7, 3, 60, 21, 5];
    let short = run(&context, &[("input_ids", ids(&[1, 5], &tokens))])?;
    let mut padded = tokens.to_vec();
    padded.extend([9, 9, 9]);
    let mask = ids(&[1, 8], &[1, 1, 1, 1, 1, 0, 0, 0]);
    let long = run(&context, &[("input_ids", ids(&[1, 8], &padded)), ("attention_mask", mask)])?;
    let states = |t: &Tensors| t["last_hidden_state"].as_f32().map(|v| v[..5 * 32].to_vec());
    near("last_hidden_state", &states(&long)?, &states(&short)?, 4.37e-5)?;
    near("pooler_output", long["pooler_output"].as_f32()?, short["pooler_output"].as_f32()?, 1.09e-5)
}

/// Logits know nothing of later tokens, bit for bit.
fn gpt2_future(engine: &Engine) -> Check {
    let context = open(&folder("gpt2"), engine)?;
    let tokens = [[4, 8, 15, 16, 23, 42, 1, 2], [4, 8, 15, 16, 23, 42, 63, 0]];
    let [a, b] = tokens.map(|t| run(&context, &[("input_ids", ids(&[1, 8], &t))]));
    let (a, b) = (a?, b?);
    let (a, b) = (a["logits"].as_f32()?, b["logits"].as_f32()?);
    same("logits before the change", &a[..6 * 64], &b[..6 * 64])?;
    if a[6 * 64..] == b[6 * 64..] { Err("the changed tokens change nothing".into()) } else { Ok(()) }
}

/// What the flags of the scale do, queries can do as well.
fn gpt2_scales(engine: &Engine) -> Check {
    let queries = |layer: usize, factor: f32| {
        move |all: &mut Tensors| {
            for name in ["weight", "bias"] {
                let key = format!("transformer.h.{layer}.attn.c_attn.{name}");
                let q = scaled(&all[&key], |i| if i % 72 < 24 { factor } else { 1.0 });
                all.insert(key, q);
            }
        }
    };
    let root = 8f32.sqrt();
    let input = [("input_ids", inputs("gpt2")?["input_ids"].clone())];
    let want = run(&open(&folder("gpt2"), engine)?, &input)?["logits"].clone();
    let by_depth = changed("gpt2", queries(1, 2.0), &[("scale_attn_by_inverse_layer_idx", true.into())])?;
    let plain = |all: &mut Tensors| [0, 1].into_iter().for_each(|layer| queries(layer, 1.0 / root)(all));
    let plain = changed("gpt2", plain, &[("scale_attn_weights", false.into())])?;
    for copy in [by_depth, plain] {
        let got = run(&open(copy.path(), engine)?, &input)?;
        near("logits", got["logits"].as_f32()?, want.as_f32()?, 8.76e-5)?;
    }
    Ok(())
}

fn prompt() -> Result<Vec<i32>, Failed> {
    Ok(inputs("gpt2")?["prompt_ids"].as_i32()?.to_vec())
}

fn gpt2_generated(engine: &Engine) -> Check {
    let context = open(&folder("gpt2"), engine)?;
    let want = load_tensors(folder("gpt2").join("outputs.safetensors"))?["generated_ids"].clone();
    let most = inputs("gpt2")?["max_new_tokens"].as_i32()?[0] as usize;
    for cache in [Cache::Kept, Cache::None] {
        let mut decoder = Decoder::open(&context, &gpt2::CAUSAL, 24, cache)?;
        for again in 0..2 {
            let mut streamed = prompt()?;
            let rules = Rules::greedy(&context.generation, most);
            let got = decoder.generate(&prompt()?, &rules, &mut |id| streamed.push(id))?;
            same(&format!("{cache:?}, time {again}"), got.as_slice(), want.as_i32()?)?;
            same("streamed", streamed, got)?;
        }
    }
    // The program alone, without the graph.
    let only = inputs("gpt2")?.into_iter().filter(|(name, _)| !name.starts_with("input") && name != "attention_mask");
    same("outputs", context.run(&only.collect())?, [("generated_ids".to_owned(), want)].into())?;
    let half = run(&context, &[("prompt_ids", ids(&[1, 1], &[3]))]);
    same(
        "half a request",
        half.map_err(|e| e.message().map(str::to_owned)),
        Err(Some("max_new_tokens: the input is missing".into())),
    )
}

/// Draws are the same with and without caches, and differ with the seed.
fn gpt2_sampled(engine: &Engine) -> Check {
    let context = open(&folder("gpt2"), engine)?;
    let rules = |seed| Rules {
        max_new_tokens: 12,
        sampling: Sampling {
            temperature: 1.2,
            top_k: 20,
            top_p: 0.95,
            repetition_penalty: 1.1,
            seed,
            ..Sampling::default()
        },
        ..Rules::default()
    };
    let mut kept = Decoder::open(&context, &gpt2::CAUSAL, 20, Cache::Kept)?;
    let mut none = Decoder::open(&context, &gpt2::CAUSAL, 20, Cache::None)?;
    let mut all = BTreeSet::new();
    for seed in 0..3 {
        let ids = kept.generate(&prompt()?, &rules(seed), &mut |_| {})?;
        same("without caches", none.generate(&prompt()?, &rules(seed), &mut |_| {})?, ids.clone())?;
        all.insert(ids);
    }
    same("different seeds", all.len(), 3)
}

/// Forced and final tokens, and prompts that do not fit.
fn gpt2_stops(engine: &Engine) -> Check {
    let context = open(&folder("gpt2"), engine)?;
    let mut decoder = Decoder::open(&context, &gpt2::CAUSAL, 8, Cache::Kept)?;
    let free = decoder.generate(&[7], &Rules { max_new_tokens: 4, ..Rules::default() }, &mut |_| {})?;
    let eos = vec![free[1]];
    let stopped = decoder.generate(&[7], &Rules { max_new_tokens: 4, eos, ..Rules::default() }, &mut |_| {})?;
    same("until the end token", stopped.as_slice(), &free[..2])?;
    let forced = Rules { max_new_tokens: 4, forced_bos: Some(11), forced_eos: Some(12), ..Rules::default() };
    let forced = decoder.generate(&[7], &forced, &mut |_| {})?;
    same("forced tokens", [forced[1], forced[4]], [11, 12])?;
    let mut whole = Decoder::open(&context, &gpt2::CAUSAL, 8, Cache::None)?;
    same(
        "what follows a forced token",
        whole.generate(&[7, 11], &Rules { max_new_tokens: 2, ..Rules::default() }, &mut |_| {})?,
        forced[..4].to_vec(),
    )?;
    let long = decoder.generate(&[1, 2, 3], &Rules { max_new_tokens: 7, ..Rules::default() }, &mut |_| {});
    let expected = "generation: 3 tokens and 7 new ones take 9 positions, and there are 8";
    same("too long", long.map_err(|e| e.to_string()), Err(expected.into()))?;
    let outside = decoder.logits(&[1, 64]).map_err(|e| e.to_string());
    same("an id outside", outside, Err("input_ids: id 64 is not in 0..64".into()))?;
    let beyond = Decoder::open(&context, &gpt2::CAUSAL, 25, Cache::Kept).err().map(|e| e.to_string());
    same("too many positions", beyond.as_deref(), Some("generation: 25 positions are asked for, and the model has 24"))
}

/// The two graphs of generation, operation by operation.
fn gpt2_verify_phases(device: Arc<Device>) -> Check {
    let context = open(&folder("gpt2"), &Engine::Gpu(device))?;
    let graph = |phase| context.graph_of(|g, config| (gpt2::CAUSAL.next_token)(g, config, phase));
    let prompt = prompt()?;
    let named = |inputs: &[(&str, HostTensor)]| inputs.iter().map(|(n, t)| ((*n).to_owned(), t.clone())).collect();
    let prefill = graph(Phase::Prefill { rows: Rows::ONE, tokens: prompt.len(), capacity: 16 })?;
    let last = ids(&[1], &[prompt.len() as i32 - 1]);
    verified(&context, &prefill, &named(&[("input_ids", ids(&[1, prompt.len()], &prompt)), ("last", last)]))?;
    let [position, length] = [prompt.len() as i32, prompt.len() as i32 + 1].map(|n| ids(&[1], &[n]));
    let inputs = [("input_ids", ids(&[1, 1], &[33])), ("position", position), ("length", length)];
    verified(&context, &graph(Phase::Step { rows: Rows::ONE, capacity: 16 })?, &named(&inputs))?;
    let window = graph(Phase::Window { rows: 1, tokens: 16 })?;
    verified(&context, &window, &named(&[("input_ids", ids(&[1, 16], &[5; 16])), ("last", ids(&[1], &[9]))]))
}

/// After the first token of a sequence, a token makes no buffer, no bind group and no pipeline.
fn gpt2_allocates_nothing(device: Arc<Device>) -> Check {
    let context = open(&folder("gpt2"), &Engine::Gpu(device.clone()))?;
    let mut decoder = Decoder::open(&context, &gpt2::CAUSAL, 24, Cache::Kept)?;
    let mut sequence = prompt()?;
    decoder.logits(&sequence)?;
    let before = device.counts();
    for id in 0..10 {
        sequence.push(id);
        decoder.logits(&sequence)?;
    }
    let after = device.counts();
    same("submissions of a token", (after.submissions - before.submissions) % 10, 0)?;
    same("objects made", handmill::device::Counts { submissions: before.submissions, ..after }, before)
}

/// The error of a graph or of a check, for a configuration and inputs.
fn refusal(model: &'static models::Model, config: &str, inputs: &[(&str, HostTensor)]) -> Result<String, Failed> {
    let config = Config::parse("config.json", config)?;
    let inputs: Tensors = inputs.iter().map(|(n, t)| ((*n).to_owned(), t.clone())).collect();
    let checked = (model.check)(&config, &inputs).err();
    let error = checked.or_else(|| models::build(model, &config, &Inputs::of(&inputs), None).err());
    error.map(|e| e.to_string()).ok_or("nothing was refused".into())
}

fn gpt2_refused() -> Check {
    let config = r#"{"vocab_size": 64, "n_positions": 4, "n_embd": 8, "n_head": 2, "n_layer": 1}"#;
    let one = |shape: &[usize], values: &[i32]| [("input_ids", ids(shape, values))];
    let refused = |config: &str, input: &[(&str, HostTensor)]| refusal(&gpt2::GPT2, config, input);
    same("vocabulary", refused(config, &one(&[1, 2], &[3, 64]))?, "input_ids: id 64 is not in 0..64".into())?;
    same("negative", refused(config, &one(&[1, 2], &[-1, 6]))?, "input_ids: id -1 is not in 0..64".into())?;
    let long = "input_ids: has 5 positions, and the model has 4";
    same("positions", refused(config, &one(&[1, 5], &[0; 5]))?, long.into())?;
    let heads = r#"{"n_embd": 10, "n_head": 3}"#;
    let expected = "config.json: n_head: found 3, expected a divisor of n_embd, 10";
    same("heads", refused(heads, &one(&[1, 1], &[0]))?, expected.into())?;
    let cross = refused(r#"{"add_cross_attention": true}"#, &one(&[1, 1], &[0]))?;
    same("cross-attention", cross, "config.json: add_cross_attention: found true, expected false".into())?;
    for huge in ["n_embd", "n_inner", "vocab_size", "n_positions"] {
        let config = format!(r#"{{"{huge}": 2147483648, "n_head": 1, "n_layer": 1}}"#);
        refused(&config, &one(&[1, 1], &[0]))?;
    }
    let two = [("input_ids", ids(&[1, 1], &[0])), ("mask", ids(&[1, 1], &[0]))];
    let expected = "mask: is no input of GPT2LMHeadModel; it has input_ids";
    same("another input", refused(config, &two)?, expected.into())
}

fn bert_refused() -> Check {
    let config = r#"{"vocab_size": 64, "max_position_embeddings": 4, "hidden_size": 8, "num_attention_heads": 2,
        "num_hidden_layers": 1, "intermediate_size": 8}"#;
    let refused = |config: &str, input: &[(&str, HostTensor)]| refusal(&BERT, config, input);
    let tokens = ("input_ids", ids(&[1, 2], &[3, 4]));
    let types = refused(config, &[tokens.clone(), ("token_type_ids", ids(&[1, 2], &[0, 2]))])?;
    same("token types", types, "token_type_ids: id 2 is not in 0..2".into())?;
    let mask = refused(config, &[tokens.clone(), ("attention_mask", ids(&[1, 2], &[0, 7]))])?;
    same("mask", mask, "attention_mask: id 7 is not in 0..2".into())?;
    let act = refused(r#"{"hidden_act": "gelu_10"}"#, std::slice::from_ref(&tokens))?;
    same("activation", act.starts_with("config.json: hidden_act: found \"gelu_10\", expected one of gelu, "), true)?;
    let relative = refused(r#"{"position_embedding_type": "relative_key"}"#, &[tokens])?;
    let expected = "config.json: position_embedding_type: found \"relative_key\", expected \"absolute\"";
    same("positions", relative, expected.into())
}
