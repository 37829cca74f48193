//! Encoder-decoders: T5 and BART against what the transformers library computed, and generation.
//!
//! `HANDMILL_REQUIRE_GPU=1` makes a missing adapter a failure.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use handmill::adapter::Adapter;
use handmill::config::Config;
use handmill::device::{Counts, Device, Select};
use handmill::engine::{Engine, Executor, Tensors};
use handmill::models::transformers::{bart, t5};
use handmill::models::{self, Inputs, Loaded};
use handmill::plan::{Options, Plan};
use handmill::programs::Context;
use handmill::programs::generate::Rules;
use handmill::programs::seq2seq::{EncoderDecoder, Phase, Sizes, Translator};
use handmill::tensor::{Dtype, HostTensor};
use handmill::verify::verify;
use handmill::weights::{load_tensors, save_tensors};
use libtest_mimic::{Arguments, Failed, Trial};

type Check = Result<(), Failed>;
type OnEngine = fn(&Case, &Engine) -> Check;
type OnDevice = fn(&Case, Arc<Device>) -> Check;

/// A fixture with its model.
struct Case {
    name: &'static str,
    model: &'static models::Model,
    generation: &'static EncoderDecoder,
}

static CASES: &[Case] = &[
    Case { name: "t5", model: &t5::T5, generation: &t5::GENERATION },
    Case { name: "t5_v1_1", model: &t5::T5, generation: &t5::GENERATION },
    Case { name: "bart", model: &bart::BART, generation: &bart::GENERATION },
];

fn main() {
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let device = Device::open(&Select::Auto).inspect_err(|e| eprintln!("{e}: GPU rows are ignored")).ok();
    let required = std::env::var_os("HANDMILL_REQUIRE_GPU").is_some_and(|v| v == "1");
    let ignored = device.is_none() && !required;
    let mut trials = vec![
        // t5-small, and bart-large with its final_logits_bias of 50265.
        Trial::test("t5/parameters", || parameters(&t5::T5, 60_506_624)),
        Trial::test("bart/parameters", || parameters(&bart::BART, 406_291_456 + 50_265)),
        Trial::test("t5/refused", t5_refused),
        Trial::test("bart/refused", bart_refused),
        Trial::test("bart/other_keys", || bart_other_keys(&Engine::Reference)),
        Trial::test("bart/plans", || plans(&CASES[2])),
        Trial::test("t5/plans", || plans(&CASES[0])),
    ];
    let rows: &[(&str, OnEngine)] =
        &[("fixture", fixture), ("generated", generated), ("steps", steps), ("padding", padding), ("forced", forced)];
    let gpu_rows: &[(&str, OnDevice)] =
        &[("verify", lockstep), ("verify_phases", verify_phases), ("allocates_nothing", allocates_nothing)];
    for case in CASES {
        trials.push(Trial::test(format!("{}/weights", case.name), || weights(case)));
        for (row, test) in rows {
            let name = format!("{}/{row}", case.name);
            trials.push(Trial::test(format!("{name}/reference"), || test(case, &Engine::Reference)));
            trials.push(on_device(name, &device, ignored, |device| test(case, &Engine::Gpu(device))));
        }
        for (row, test) in gpu_rows {
            trials.push(on_device(format!("{}/{row}", case.name), &device, ignored, |device| test(case, device)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn on_device<F>(name: String, device: &Option<Arc<Device>>, ignored: bool, row: F) -> Trial
where
    F: Fn(Arc<Device>) -> Check + Send + 'static,
{
    let device = device.clone();
    Trial::test(name, move || row(device.clone().ok_or("no adapter was found")?)).with_ignored_flag(ignored)
}

impl Case {
    fn folder(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/transformers").join(self.name)
    }

    fn inputs(&self) -> Result<Tensors, Failed> {
        Ok(load_tensors(self.folder().join("inputs.safetensors"))?)
    }

    fn outputs(&self) -> Result<Tensors, Failed> {
        Ok(load_tensors(self.folder().join("outputs.safetensors"))?)
    }

    fn meta(&self) -> Result<serde_json::Value, Failed> {
        Ok(serde_json::from_slice(&std::fs::read(self.folder().join("meta.json"))?)?)
    }

    fn open(&self, engine: &Engine) -> Result<Context, Failed> {
        let (context, notices) = Context::open(&Loaded::open(&self.folder())?, engine)?;
        if notices.is_empty() { Ok(context) } else { Err(notices.join("; ").into()) }
    }

    /// The start token, and the prompt.
    fn prompt(&self, context: &Context) -> Result<(i32, Vec<i32>), Failed> {
        let start = context.generation.ids("decoder_start_token_id", usize::MAX / 2);
        Ok((start[0], self.inputs()?["prompt_ids"].as_i32()?.to_vec()))
    }
}

fn ids(shape: &[usize], values: &[i32]) -> HostTensor {
    HostTensor::i32(shape, values.to_vec())
}

fn tensors(inputs: &[(&str, HostTensor)]) -> Tensors {
    inputs.iter().map(|(n, t)| ((*n).to_owned(), t.clone())).collect()
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
fn plans(case: &Case) -> Check {
    let config = Config::parse("config.json", "{}")?;
    let mut graphs = vec![models::build(case.model, &config, &Inputs::defaults(), None)?];
    for phase in [Phase::Encode(Sizes::one(100, 1024)), Phase::Step(Sizes::one(100, 1024))] {
        let graph = handmill::Graph::new();
        (case.generation.phase)(&graph, &config, phase);
        graphs.push(Arc::new(graph.build()?));
    }
    for adapter in Adapter::profiles() {
        for graph in &graphs {
            Plan::new(graph, &adapter).map_err(|e| format!("{}: {e}", adapter.name))?;
        }
    }
    Ok(())
}

fn weights(case: &Case) -> Check {
    let loaded = Loaded::open(&case.folder())?;
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
fn fixture(case: &Case, engine: &Engine) -> Check {
    let got = case.open(engine)?.run(&case.inputs()?)?;
    let meta = case.meta()?;
    for (name, want) in case.outputs()? {
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

/// The program alone, and the same sequence twice from one object, token by token.
fn generated(case: &Case, engine: &Engine) -> Check {
    let context = case.open(engine)?;
    let want = case.outputs()?["generated_ids"].clone();
    let only = case.inputs()?.into_iter().filter(|(name, _)| name == "prompt_ids" || name == "max_new_tokens");
    same("outputs", context.run(&only.collect())?, [("generated_ids".to_owned(), want.clone())].into())?;
    let (start, prompt) = case.prompt(&context)?;
    let most = case.inputs()?["max_new_tokens"].as_i32()?[0] as usize;
    let rules = Rules::greedy(&context.generation, most);
    let mut translator = Translator::open(&context, case.generation, Sizes::one(prompt.len(), 20))?;
    for again in 0..2 {
        let mut streamed = vec![start];
        let got = translator.generate(&prompt, start, &rules, &mut |id| streamed.push(id))?;
        same(&format!("time {again}"), got.as_slice(), want.as_i32()?)?;
        same("streamed", streamed, got)?;
        // Another source in between leaves nothing behind.
        let other: Vec<i32> = prompt.iter().rev().copied().collect();
        translator.generate(&other, start, &rules, &mut |_| {})?;
    }
    let none = tensors(&[("prompt_ids", ids(&[1, 2], &[3, 4])), ("max_new_tokens", ids(&[1], &[0]))]);
    same("no new tokens", context.run(&none)?["generated_ids"].as_i32()?, &[start])
}

/// Logits from caches are those of the whole model, for every position.
fn steps(case: &Case, engine: &Engine) -> Check {
    let context = case.open(engine)?;
    let (_, prompt) = case.prompt(&context)?;
    let answer: Vec<i32> = (0..19).map(|i| (i * 7 + 3) % 48).collect();
    let inputs = [("input_ids", ids(&[1, prompt.len()], &prompt)), ("decoder_input_ids", ids(&[1, 19], &answer))];
    let whole = context.run(&tensors(&inputs))?["logits"].clone();
    let rows: Vec<&[f32]> = whole.as_f32()?.chunks(whole.shape()[2]).collect();
    let atol = case.meta()?["outputs"]["logits"]["atol"].as_f64().ok_or("logits have no atol")?;
    let mut translator = Translator::open(&context, case.generation, Sizes::one(prompt.len(), 19))?;
    translator.encode(&prompt)?;
    // Two tokens at once where one is forced; back to an earlier one.
    for length in [2, 3, 4, 5, 9, 10, 19, 1, 4] {
        near(&format!("logits after {length}"), &translator.logits(&answer[..length])?, rows[length - 1], atol)?;
    }
    Ok(())
}

/// Padding at the right, hidden by the mask, changes nothing beyond rounding; what follows a token neither.
fn padding(case: &Case, engine: &Engine) -> Check {
    let context = case.open(engine)?;
    let (source, mask) = ([7, 3, 40, 21, 5, 9, 9, 9], [1, 1, 1, 1, 1, 0, 0, 0]);
    let answer = [2, 4, 8, 15, 16];
    let short = [("input_ids", ids(&[1, 5], &source[..5])), ("decoder_input_ids", ids(&[1, 3], &answer[..3]))];
    let long = [
        ("input_ids", ids(&[1, 8], &source)),
        ("attention_mask", ids(&[1, 8], &mask)),
        ("decoder_input_ids", ids(&[1, 5], &answer)),
    ];
    let [short, long] = [tensors(&short), tensors(&long)].map(|inputs| context.run(&inputs));
    let (short, long) = (short?["logits"].clone(), long?["logits"].clone());
    let atol = case.meta()?["outputs"]["logits"]["atol"].as_f64().ok_or("logits have no atol")?;
    near("logits", &long.as_f32()?[..short.len()], short.as_f32()?, atol)
}

/// The checkpoint of a body alone has no prefix, and no bias of the head; one with a head of its own uses that.
fn bart_other_keys(engine: &Engine) -> Check {
    let case = &CASES[2];
    let inputs = case.inputs()?;
    let head = |all: &mut Tensors| {
        let shared = all["model.shared.weight"].clone();
        all.insert("lm_head.weight".into(), shared);
        all.remove("final_logits_bias");
    };
    let body = |all: &mut Tensors| {
        all.remove("final_logits_bias");
        let plain = |key: String| key.strip_prefix("model.").map_or(key.clone(), str::to_owned);
        *all = std::mem::take(all).into_iter().map(|(key, t)| (plain(key), t)).collect();
        let shared = all["shared.weight"].clone();
        all.insert("encoder.embed_tokens.weight".into(), shared);
    };
    let bias = load_tensors(case.folder().join("model.safetensors"))?["final_logits_bias"].as_f32()?.to_vec();
    let mut want = case.outputs()?["logits"].as_f32()?.to_vec();
    want.iter_mut().zip(bias.iter().cycle()).for_each(|(logit, b)| *logit -= b);
    let atol = case.meta()?["outputs"]["logits"]["atol"].as_f64().ok_or("logits have no atol")?;
    for change in [&head as &dyn Fn(&mut Tensors), &body] {
        let copy = tempfile::tempdir()?;
        std::fs::copy(case.folder().join("config.json"), copy.path().join("config.json"))?;
        let mut all = load_tensors(case.folder().join("model.safetensors"))?;
        change(&mut all);
        save_tensors(copy.path().join("model.safetensors"), &all.into_iter().collect::<Vec<_>>(), true)?;
        let (context, notices) = Context::open(&Loaded::open(copy.path())?, engine)?;
        same("notices", notices, vec![])?;
        near("logits", context.run(&inputs)?["logits"].as_f32()?, &want, atol)?;
    }
    Ok(())
}

/// Forced and final tokens, and answers that do not fit.
fn forced(case: &Case, engine: &Engine) -> Check {
    let context = case.open(engine)?;
    let mut translator = Translator::open(&context, case.generation, Sizes::one(3, 8))?;
    let source = [7, 30, 12];
    let rules = Rules { max_new_tokens: 4, ..Rules::default() };
    let bounds = Rules { forced_bos: Some(11), forced_eos: Some(12), ..rules.clone() };
    let ids = translator.generate(&source, 5, &bounds, &mut |_| {})?;
    same("forced tokens", [ids[0], ids[1], ids[4]], [5, 11, 12])?;
    let free = translator.generate(&source, 5, &rules, &mut |_| {})?;
    let eos = vec![free[1]];
    same("until the end", translator.generate(&source, 5, &Rules { eos, ..rules }, &mut |_| {})?, free[..2].to_vec())?;
    let long = Rules { max_new_tokens: 9, ..Rules::default() };
    let long = translator.generate(&source, 5, &long, &mut |_| {}).map_err(|e| e.to_string());
    same("too long", long, Err("generation: 9 new tokens take 9 positions, and there are 8".into()))?;
    let short = translator.encode(&source[..2]).map_err(|e| e.to_string());
    same("another length", short, Err("input_ids: has 2 tokens, expected 3".into()))?;
    let early = translator.logits(&[1]).map_err(|e| e.to_string());
    same("no source", early, Err("input_ids: no source was encoded".into()))?;
    let outside = translator.encode(&[1, 2, 56]).map_err(|e| e.to_string());
    let vocab = if case.name == "t5_v1_1" { 48 } else { 56 };
    same("an id outside", outside, Err(format!("input_ids: id 56 is not in 0..{vocab}")))
}

fn lockstep(case: &Case, device: Arc<Device>) -> Check {
    let context = case.open(&Engine::Gpu(device))?;
    let inputs = context.model.graph_inputs(&case.inputs()?);
    let graph = models::build(context.model, &context.config, &Inputs::of(&inputs), context.keys.clone())?;
    verified(&context, &graph, &inputs)
}

/// The two graphs of generation, operation by operation.
fn verify_phases(case: &Case, device: Arc<Device>) -> Check {
    let context = case.open(&Engine::Gpu(device))?;
    let (_, prompt) = case.prompt(&context)?;
    let graph = |phase| context.graph_of(|g, config| (case.generation.phase)(g, config, phase));
    let sizes = Sizes::one(prompt.len(), 16);
    let inputs = tensors(&[("input_ids", ids(&[1, prompt.len()], &prompt))]);
    verified(&context, &graph(Phase::Encode(sizes))?, &inputs)?;
    let inputs = tensors(&[("input_ids", ids(&[1, 1], &[33])), ("position", ids(&[1], &[5]))]);
    verified(&context, &graph(Phase::Step(sizes))?, &inputs)
}

fn verified(context: &Context, graph: &Arc<handmill::FixedGraph>, inputs: &Tensors) -> Check {
    let Executor::Gpu(store) = &context.executor else { return Err("no device".into()) };
    let found = verify(store, graph, inputs, &Options::default())?;
    match found.ops.iter().find(|op| !op.ok()) {
        Some(op) => Err(format!("{} ({}) is {:.2} of its bound", op.label, op.at, op.ratio()).into()),
        None => Ok(()),
    }
}

/// After the first token of an answer, a token makes no buffer, no bind group and no pipeline.
fn allocates_nothing(case: &Case, device: Arc<Device>) -> Check {
    let context = case.open(&Engine::Gpu(device.clone()))?;
    let mut translator = Translator::open(&context, case.generation, Sizes::one(2, 12))?;
    translator.encode(&[4, 5])?;
    let mut answer = vec![3];
    translator.logits(&answer)?;
    let before = device.counts();
    for id in 0..10 {
        answer.push(id);
        translator.logits(&answer)?;
    }
    let after = device.counts();
    same("submissions of a token", (after.submissions - before.submissions) % 10, 0)?;
    same("objects made", Counts { submissions: before.submissions, ..after }, before)
}

/// The error of a graph or of a check, for a configuration and inputs.
fn refusal(model: &'static models::Model, config: &str, inputs: &[(&str, HostTensor)]) -> Result<String, Failed> {
    let config = Config::parse("config.json", config)?;
    let inputs = tensors(inputs);
    let checked = (model.check)(&config, &inputs).err();
    let error = checked.or_else(|| models::build(model, &config, &Inputs::of(&inputs), None).err());
    error.map(|e| e.to_string()).ok_or("nothing was refused".into())
}

fn both(input: &[i32], decoder: &[i32]) -> [(&'static str, HostTensor); 2] {
    [("input_ids", ids(&[1, input.len()], input)), ("decoder_input_ids", ids(&[1, decoder.len()], decoder))]
}

fn t5_refused() -> Check {
    let refused = |config: &str, inputs: &[(&str, HostTensor)]| refusal(&t5::T5, config, inputs);
    let small = r#"{"vocab_size": 9, "d_model": 8, "d_kv": 2, "d_ff": 4, "num_heads": 2, "num_layers": 1}"#;
    same("vocabulary", refused(small, &both(&[9], &[1]))?, "input_ids: id 9 is not in 0..9".into())?;
    same("negative", refused(small, &both(&[1], &[-1]))?, "decoder_input_ids: id -1 is not in 0..9".into())?;
    let act = refused(r#"{"feed_forward_proj": "gated-tanh"}"#, &both(&[1], &[1]))?;
    same("activation", act.starts_with("config.json: feed_forward_proj: found \"gated-tanh\", expected one of"), true)?;
    let near = refused(r#"{"relative_attention_max_distance": 16}"#, &both(&[1], &[1]))?;
    let expected = "config.json: relative_attention_max_distance: found 16, expected more than half of the 32 buckets";
    same("distance", near, expected.into())?;
    for huge in ["vocab_size", "d_model", "d_kv", "d_ff", "num_heads"] {
        refused(&format!(r#"{{"{huge}": 2147483648, "num_layers": 1}}"#), &both(&[1], &[1]))?;
    }
    let alone = refused(small, &both(&[1], &[1])[..1])?;
    same("no decoder_input_ids", alone.contains("the input is missing; given are input_ids"), true)
}

fn bart_refused() -> Check {
    let refused = |config: &str, inputs: &[(&str, HostTensor)]| refusal(&bart::BART, config, inputs);
    let small = r#"{"vocab_size": 9, "max_position_embeddings": 3}"#;
    same("vocabulary", refused(small, &both(&[9], &[1]))?, "input_ids: id 9 is not in 0..9".into())?;
    let long = "decoder_input_ids: has 4 positions, and the model has 3";
    same("positions", refused(small, &both(&[1], &[1; 4]))?, long.into())?;
    let [a, b] = both(&[1], &[1]);
    let mask = refused(small, &[a, b, ("attention_mask", ids(&[1, 1], &[2]))])?;
    same("mask", mask, "attention_mask: id 2 is not in 0..2".into())?;
    let heads =
        refused(r#"{"d_model": 10, "encoder_attention_heads": 5, "decoder_attention_heads": 3}"#, &both(&[1], &[1]))?;
    let expected = "config.json: decoder_attention_heads: found 3, expected a divisor of d_model, 10";
    same("heads", heads, expected.into())?;
    for huge in ["vocab_size", "d_model", "encoder_ffn_dim", "max_position_embeddings"] {
        let layers = r#""encoder_layers": 1, "decoder_layers": 1"#;
        refused(&format!(r#"{{"{huge}": 2147483648, {layers}}}"#), &both(&[1], &[1]))?;
    }
    Ok(())
}
