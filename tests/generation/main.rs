//! Generation: what transformers generates, and what must hold for any weights.
//!
//! `HANDMILL_REQUIRE_GPU=1` makes a missing adapter a failure.

mod beams;
mod text;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use handmill::config::Config;
use handmill::device::{Counts, Device, Select};
use handmill::engine::{Engine, Tensors};
use handmill::json::Value;
use handmill::models::transformers::{bart, gpt2, llama, t5};
use handmill::models::{self, Loaded};
use handmill::programs::Context;
use handmill::programs::generate::{Beams, Cache, Causal, Decoder, EarlyStopping, Rows, Rules, generate, positions};
use handmill::programs::sample::{Sampling, probabilities};
use handmill::programs::seq2seq::{EncoderDecoder, Sizes, Translator};
use handmill::tensor::HostTensor;
use handmill::tokenizer::{StopStrings, TextStream, Tokenizer};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::json;

type Check = Result<(), Failed>;
/// A row of a model on an engine.
type OnModel = fn(&Model, &Engine) -> Check;
/// The logits after a sequence.
type Next<'a> = dyn FnMut(&[i32]) -> Result<Vec<f32>, Failed> + 'a;

/// What generates, with a fixture.
struct Model {
    case: &'static str,
    kind: Kind,
    /// A model of three tokens.
    tiny: (&'static models::Model, &'static str),
}

#[derive(Clone, Copy)]
enum Kind {
    Decoder(&'static Causal),
    Both(&'static EncoderDecoder),
}

const TINY_GPT2: &str = r#"{"vocab_size": 3, "n_positions": 8, "n_embd": 8, "n_head": 2, "n_layer": 2}"#;
const TINY_LLAMA: &str = r#"{"vocab_size": 3, "hidden_size": 16, "intermediate_size": 8, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 8}"#;
const TINY_T5: &str = r#"{"vocab_size": 3, "d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 2, "num_heads": 2,
    "tie_word_embeddings": false}"#;
const TINY_BART: &str = r#"{"vocab_size": 3, "d_model": 8, "encoder_layers": 1, "decoder_layers": 2,
    "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8,
    "max_position_embeddings": 8}"#;

const MODELS: &[Model] = &[
    Model { case: "gpt2", kind: Kind::Decoder(&gpt2::CAUSAL), tiny: (&gpt2::GPT2, TINY_GPT2) },
    Model { case: "llama", kind: Kind::Decoder(&llama::CAUSAL), tiny: (&llama::LLAMA, TINY_LLAMA) },
    Model { case: "llama3_rope", kind: Kind::Decoder(&llama::CAUSAL), tiny: (&llama::LLAMA, TINY_LLAMA) },
    Model { case: "t5", kind: Kind::Both(&t5::GENERATION), tiny: (&t5::T5, TINY_T5) },
    Model { case: "t5_v1_1", kind: Kind::Both(&t5::GENERATION), tiny: (&t5::T5, TINY_T5) },
    Model { case: "bart", kind: Kind::Both(&bart::GENERATION), tiny: (&bart::BART, TINY_BART) },
];

fn main() {
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let device = Device::open(&Select::Auto).inspect_err(|e| eprintln!("{e}: GPU rows are ignored")).ok();
    let required = std::env::var_os("HANDMILL_REQUIRE_GPU").is_some_and(|v| v == "1");
    let ignored = device.is_none() && !required;
    let mut trials = vec![Trial::test("warpers", warpers), Trial::test("text_stream", text::text_stream)];
    trials.push(Trial::test("text_stream/stop", text::stop_texts));
    trials.push(Trial::test("beams/toy", beams::toy_beams));
    let rows: &[(&str, OnModel)] = &[
        ("decoded", decoded),
        ("cached", cached),
        ("future", future),
        ("batch", batch),
        ("program", program),
        ("refused", refused),
        ("exhaustive", beams::exhaustive),
        ("seeds", seeds),
        ("ends", ends),
    ];
    for model in MODELS {
        for &(name, row) in rows {
            let name = format!("{}/{name}", model.case);
            both(&mut trials, &name, &device, ignored, move |engine| row(model, engine));
        }
        let device = device.clone();
        let row = move || allocates_nothing(model, device.clone().ok_or("no adapter was found")?);
        trials.push(Trial::test(format!("{}/allocates_nothing", model.case), row).with_ignored_flag(ignored));
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

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)
}

fn records(name: &str) -> Result<Vec<Value>, Failed> {
    Ok(serde_json::from_slice(&std::fs::read(data("generation").join(name))?)?)
}

fn same<T: PartialEq + std::fmt::Debug>(name: &str, got: T, want: T) -> Check {
    if got == want { Ok(()) } else { Err(format!("{name}: {got:?}, expected {want:?}").into()) }
}

/// `|got − want| ≤ atol` for every element.
fn near(name: &str, got: &[f32], want: &[f32], atol: f64) -> Check {
    same(&format!("{name}: values"), got.len(), want.len())?;
    let off = |i: &usize| (f64::from(got[*i]) - f64::from(want[*i])).abs();
    match (0..got.len()).find(|i| off(i).is_nan() || off(i) > atol) {
        Some(i) => Err(format!("{name}[{i}] is {}, expected {} ± {atol:e}", got[i], want[i]).into()),
        None => Ok(()),
    }
}

fn ids(shape: &[usize], values: &[i32]) -> HostTensor {
    HostTensor::i32(shape, values.to_vec())
}

fn named(inputs: &[(&str, HostTensor)]) -> Tensors {
    inputs.iter().map(|(n, t)| ((*n).to_owned(), t.clone())).collect()
}

fn open(case: &str, engine: &Engine) -> Result<Context, Failed> {
    let (context, notices) = Context::open(&Loaded::open(&data("transformers").join(case))?, engine)?;
    if notices.is_empty() { Ok(context) } else { Err(notices.join("; ").into()) }
}

fn numbers<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, Failed> {
    Ok(serde_json::from_value(value.clone())?)
}

/// Every row of `warpers.json`, to 1e-12.
fn warpers() -> Check {
    for (row, record) in records("warpers.json")?.iter().enumerate() {
        let settings = Config::parse("settings", &record["settings"].to_string())?;
        let drawn = Rules::default().with(&settings).sampling;
        settings.finish()?;
        let temperature = record["settings"]["temperature"].as_f64().unwrap_or(1.0);
        let top_k = record["settings"]["top_k"].as_u64().unwrap_or(0) as usize;
        let sampling = Sampling { temperature, top_k, ..drawn };
        let logits: Vec<f64> = numbers(&record["logits"])?;
        let logits: Vec<f32> = logits.iter().map(|&l| l as f32).collect();
        let before: Vec<i32> = numbers(&record["before"])?;
        let want: Vec<f64> = numbers(&record["probabilities"])?;
        let got = probabilities(&logits, &before, &sampling)?;
        if got.iter().zip(&want).any(|(g, w)| (g - w).abs() > 1e-12) || got.len() != want.len() {
            return Err(format!("row {row}, {}: {got:?}, expected {want:?}", record["settings"]).into());
        }
    }
    Ok(())
}

/// Every row of `decoded.json` of one model.
fn decoded(model: &Model, engine: &Engine) -> Check {
    let context = open(model.case, engine)?;
    let mut count = 0;
    for record in records("decoded.json")?.iter().filter(|r| r["case"] == model.case) {
        let settings = Config::parse("settings", &record["settings"].to_string())?;
        let most = record["max_new_tokens"].as_u64().ok_or("no max_new_tokens")? as usize;
        let mut rules = Rules::greedy(&context.generation, most).with(&settings);
        settings.finish()?;
        let tokens = Config::parse("record", &record.to_string())?;
        (rules.eos, rules.pad) = (tokens.ids("eos_token_id", 99), tokens.id("pad_token_id", 99));
        let (prompt, mask): (Vec<Vec<i32>>, Vec<Vec<i32>>) = (numbers(&record["prompt"])?, numbers(&record["mask"])?);
        let want: Vec<Vec<i32>> = numbers(&record["expected"])?;
        let got = answers(&context, model.kind, &prompt, &mask, &rules)?;
        same(&format!("{} eos {}", record["settings"], record["eos_token_id"]), got, want)?;
        count += 1;
    }
    same("rows", count, 40)
}

/// What follows prompts that are padded on the left, in the form of transformers.
fn answers(
    context: &Context,
    kind: Kind,
    prompt: &[Vec<i32>],
    mask: &[Vec<i32>],
    rules: &Rules,
) -> Result<Vec<Vec<i32>>, Failed> {
    let rows = Rows::of(prompt.len(), rules);
    match kind {
        Kind::Decoder(causal) => {
            let tokens = |(ids, mask): (&Vec<i32>, &Vec<i32>)| {
                ids.iter().zip(mask).filter(|(_, m)| **m == 1).map(|(id, _)| *id).collect::<Vec<_>>()
            };
            let prompts: Vec<Vec<i32>> = prompt.iter().zip(mask).map(tokens).collect();
            let capacity = positions(prompt[0].len(), rules.max_new_tokens);
            let mut decoder = Decoder::open_rows(context, causal, rows, capacity, Cache::Kept)?;
            let got = decoder.generate_rows(&prompts, rules, &mut |_, _| {})?;
            let new = got.iter().zip(&prompts).map(|(ids, prompt)| &ids[prompt.len()..]);
            Ok(prompt.iter().zip(new).map(|(prompt, new)| [prompt, new].concat()).collect())
        }
        Kind::Both(model) => {
            let shape = [prompt.len(), prompt[0].len()];
            let padded = mask.iter().flatten().any(|&m| m == 0);
            let sizes = Sizes { rows, source: shape[1], padded, capacity: positions(1, rules.max_new_tokens) };
            let mut translator = Translator::open(context, model, sizes)?;
            let [sources, mask] = [prompt, mask].map(|rows| ids(&shape, &rows.concat()));
            let start = start(context);
            Ok(translator.generate_rows(&sources, padded.then_some(&mask), start, rules, &mut |_, _| {})?)
        }
    }
}

/// The first token of an answer.
fn start(context: &Context) -> i32 {
    context.generation.id("decoder_start_token_id", 99).unwrap_or(0)
}

/// The logits of the model's own graph after `tokens`, which answer `source` where there is an encoder.
fn logits(context: &Context, kind: Kind, source: &[i32], tokens: &[i32]) -> Result<Vec<f32>, Failed> {
    let row = |tokens: &[i32]| ids(&[1, tokens.len()], tokens);
    let inputs = match kind {
        Kind::Decoder(_) => named(&[("input_ids", row(tokens))]),
        Kind::Both(_) => named(&[("input_ids", row(source)), ("decoder_input_ids", row(tokens))]),
    };
    let all = context.run(&inputs)?.remove("logits").ok_or("no logits")?;
    Ok(all.as_f32()?.chunks(all.shape()[2]).next_back().unwrap_or_default().to_vec())
}

fn atol(case: &str) -> Result<f64, Failed> {
    let meta: Value = serde_json::from_slice(&std::fs::read(data("transformers").join(case).join("meta.json"))?)?;
    Ok(meta["outputs"]["logits"]["atol"].as_f64().ok_or("logits have no atol")?)
}

/// What gives logits with caches, for `rows` of a decoder, or answers to `sources`.
enum Steps<'c> {
    Decoder(Decoder<'c>),
    Both(Translator),
}

impl<'c> Steps<'c> {
    fn open(context: &'c Context, kind: Kind, rows: Rows, sources: &[Vec<i32>]) -> Result<Steps<'c>, Failed> {
        Ok(match kind {
            Kind::Decoder(causal) => Steps::Decoder(Decoder::open_rows(context, causal, rows, 20, Cache::Kept)?),
            Kind::Both(model) => {
                let source = sources.iter().map(Vec::len).max().unwrap_or(1);
                let padded = sources.iter().any(|ids| ids.len() < source);
                let sizes = Sizes { rows, source, padded, capacity: 20 };
                let mut translator = Translator::open(context, model, sizes)?;
                let fill = |ids: &Vec<i32>, tokens: bool| {
                    let each = ids.iter().map(|&id| if tokens { id } else { 1 });
                    each.chain(std::iter::repeat_n(0, source - ids.len())).collect::<Vec<_>>()
                };
                let [tokens, mask] = [true, false].map(|tokens| {
                    let all: Vec<i32> = sources.iter().flat_map(|ids| fill(ids, tokens)).collect();
                    ids(&[sources.len(), source], &all)
                });
                translator.encode_rows(&tokens, padded.then_some(&mask))?;
                Steps::Both(translator)
            }
        })
    }

    fn logits(&mut self, rows: &[Vec<i32>], from: &[usize]) -> Result<HostTensor, Failed> {
        Ok(match self {
            Steps::Decoder(decoder) => decoder.logits_of(rows, from)?,
            Steps::Both(translator) => translator.logits_of(rows, from)?,
        })
    }
}

const SOURCE: [i32; 4] = [7, 3, 40, 21];

/// Logits from caches are those of the whole graph, token by token and several at once; and those of beams after they
/// were reordered those of the sequences that they continue.
fn cached(model: &Model, engine: &Engine) -> Check {
    let context = open(model.case, engine)?;
    let atol = atol(model.case)?;
    let tokens: Vec<i32> = (0..12).map(|i| (i * 7 + 3) % 48).collect();
    let mut steps = Steps::open(&context, model.kind, Rows::ONE, &[SOURCE.to_vec()])?;
    for length in [3, 4, 5, 8, 9, 12, 2, 3] {
        let got = steps.logits(&[tokens[..length].to_vec()], &[0])?;
        near(
            &format!("after {length}"),
            got.as_f32()?,
            &logits(&context, model.kind, &SOURCE, &tokens[..length])?,
            atol,
        )?;
    }
    // Two sources, three beams each; beams become copies of each other, and change places.
    let rows = Rows { batch: 2, beams: 3 };
    let sources = [SOURCE.to_vec(), vec![9, 30, 2, 11]];
    let mut steps = Steps::open(&context, model.kind, rows, &sources)?;
    let mut beams: Vec<Vec<i32>> = [vec![5, 6], vec![5, 6], vec![5, 6], vec![8, 1], vec![8, 1], vec![8, 1]].into();
    for (step, from) in
        [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5], [2, 2, 0, 4, 3, 5], [1, 0, 2, 5, 5, 5], [2, 0, 1, 3, 4, 3]]
            .into_iter()
            .enumerate()
    {
        if step > 0 {
            let next = |(row, &from): (usize, &usize)| [&beams[from][..], &[(row * 5 + step) as i32]].concat();
            beams = from.iter().enumerate().map(next).collect();
        }
        let got = steps.logits(&beams, &from)?;
        for (row, got) in got.as_f32()?.chunks(got.shape()[1]).enumerate() {
            let want = logits(&context, model.kind, &sources[row / 3], &beams[row])?;
            near(&format!("beam {row}, step {step}"), got, &want, atol)?;
        }
    }
    Ok(())
}

/// Later tokens, and other rows, leave logits as they are, bit for bit.
fn future(model: &Model, engine: &Engine) -> Check {
    let context = open(model.case, engine)?;
    let whole = |tokens: &[i32]| -> Result<Vec<f32>, Failed> {
        let row = ids(&[1, tokens.len()], tokens);
        let inputs = match model.kind {
            Kind::Decoder(_) => named(&[("input_ids", row)]),
            Kind::Both(_) => named(&[("input_ids", ids(&[1, 4], &SOURCE)), ("decoder_input_ids", row)]),
        };
        Ok(context.run(&inputs)?["logits"].as_f32()?.to_vec())
    };
    let (a, b) = (whole(&[4, 8, 15, 16, 23])?, whole(&[4, 8, 15, 46, 0])?);
    let seen = a.len() / 5 * 3;
    same("logits before the change", &a[..seen], &b[..seen])?;
    same("the changed tokens change nothing", a[seen..] == b[seen..], false)?;
    let row = |other: Vec<i32>, source: Vec<i32>| -> Result<Vec<f32>, Failed> {
        let rows = Rows { batch: 2, beams: 1 };
        let mut steps = Steps::open(&context, model.kind, rows, &[SOURCE.to_vec(), source])?;
        steps.logits(&[vec![4, 8, 15], other.clone()], &[0, 1])?;
        let got = steps.logits(&[vec![4, 8, 15, 16], [&other[..], &[9]].concat()], &[0, 1])?;
        Ok(got.as_f32()?[..got.shape()[1]].to_vec())
    };
    same("logits beside another row", row(vec![1, 2, 3], vec![1, 2, 3, 4])?, row(vec![44, 5, 9], vec![9, 2, 6, 5])?)
}

fn batch_prompts() -> Vec<Vec<i32>> {
    vec![vec![5, 11, 45, 46, 32, 44, 17], vec![47], vec![33, 15, 29], vec![33, 15, 29]]
}

/// Prompts of different lengths, side by side: each is continued as it is alone.
fn batch(model: &Model, engine: &Engine) -> Check {
    let context = open(model.case, engine)?;
    let (prompts, atol) = (batch_prompts(), atol(model.case)?);
    let mut rules = Rules { max_new_tokens: 10, ..Rules::greedy(&context.generation, 10) };
    rules.pad = Some(46);
    for beams in [1, 3] {
        rules.beams.num_beams = beams;
        let rows = Rows::of(4, &rules);
        let alone =
            |ids: &Vec<i32>| answers(&context, model.kind, std::slice::from_ref(ids), &[vec![1; ids.len()]], &rules);
        let mut want: Vec<Vec<i32>> = vec![];
        for prompt in &prompts {
            want.extend(alone(prompt)?);
        }
        let (got, tokens) = match model.kind {
            Kind::Decoder(causal) => {
                let mut decoder = Decoder::open_rows(&context, causal, rows, 16, Cache::Kept)?;
                let mut seen = prompts.clone();
                let got = decoder.generate_rows(&prompts, &rules, &mut |row, id| seen[row].push(id))?;
                (got, seen)
            }
            Kind::Both(_) => {
                // Padding on the right: positions are those of the row alone.
                let Steps::Both(mut translator) = Steps::open(&context, model.kind, rows, &prompts)? else {
                    return Err("no translator".into());
                };
                let padded = |fill: &dyn Fn(&Vec<i32>, usize) -> i32| {
                    let row = |p: &Vec<i32>| (0..7).map(|i| fill(p, i)).collect::<Vec<_>>();
                    ids(&[4, 7], &prompts.iter().flat_map(row).collect::<Vec<_>>())
                };
                let sources = padded(&|p, i| p.get(i).copied().unwrap_or(30));
                let mask = padded(&|p, i| i32::from(i < p.len()));
                let start = start(&context);
                let mut seen = vec![vec![start]; 4];
                let got = translator
                    .generate_rows(&sources, Some(&mask), start, &rules, &mut |row, id| seen[row].push(id))?;
                (got, seen)
            }
        };
        same(&format!("tokens of {beams} beams"), &tokens, &want)?;
        let first = |row: usize| if matches!(model.kind, Kind::Both(_)) { 1 } else { prompts[row].len() };
        let longest = (0..4).map(|row| want[row].len() - first(row)).max().unwrap_or(0);
        let fill = |(row, ids): (usize, &mut Vec<i32>)| ids.resize(first(row) + longest, 46);
        want.iter_mut().enumerate().for_each(fill);
        same(&format!("rows of {beams} beams"), got, want)?;
    }
    let mut steps = Steps::open(&context, model.kind, Rows { batch: 4, beams: 1 }, &prompts)?;
    let decoder = matches!(model.kind, Kind::Decoder(_));
    let mut rows = if decoder { prompts.clone() } else { vec![vec![3]; 4] };
    for step in 0..4 {
        let got = steps.logits(&rows, &[0, 1, 2, 3])?;
        for (row, got) in got.as_f32()?.chunks(got.shape()[1]).enumerate() {
            near(&format!("row {row}"), got, &logits(&context, model.kind, &prompts[row], &rows[row])?, atol)?;
        }
        rows.iter_mut().enumerate().for_each(|(row, ids)| ids.push((row * 9 + step) as i32));
    }
    Ok(())
}

/// Inputs of the program: padding on the left, settings, and greedy without them.
fn program(model: &Model, engine: &Engine) -> Check {
    let context = open(model.case, engine)?;
    let prompt = ids(&[2, 4], &[0, 0, 33, 15, 9, 8, 7, 6]);
    let mask = ids(&[2, 4], &[0, 0, 1, 1, 1, 1, 1, 1]);
    let number = |v: i32| ids(&[1], &[v]);
    let real = |v: f32| HostTensor::f32(&[1], vec![v]);
    let all = |settings: &[(&str, HostTensor)]| -> Result<HostTensor, Failed> {
        let mut inputs = named(settings);
        inputs.extend(named(&[("prompt_ids", prompt.clone()), ("prompt_attention_mask", mask.clone())]));
        inputs.insert("max_new_tokens".into(), number(6));
        context.run(&inputs)?.remove("generated_ids").ok_or_else(|| "no ids".into())
    };
    let rows = |settings: &str| -> Result<HostTensor, Failed> {
        let settings = Config::parse("settings", settings)?;
        let mut rules = Rules::greedy(&context.generation, 6).with(&settings);
        rules.sampling.seed = 5;
        let prompt = [vec![0, 0, 33, 15], vec![9, 8, 7, 6]];
        let rows = answers(&context, model.kind, &prompt, &[vec![0, 0, 1, 1], vec![1; 4]], &rules)?;
        Ok(ids(&[2, rows[0].len()], &rows.concat()))
    };
    same("greedy", all(&[])?, rows("{}")?)?;
    let got = all(&[("num_beams", number(3)), ("length_penalty", real(2.0)), ("early_stopping", number(1))])?;
    same("beams", got, rows(r#"{"num_beams": 3, "length_penalty": 2, "early_stopping": true}"#)?)?;
    let drawn = [("do_sample", number(1)), ("seed", number(5)), ("temperature", real(1.5)), ("top_k", number(9))];
    let drawn = all(&drawn)?;
    same("drawn", &drawn, &rows(r#"{"do_sample": true, "temperature": 1.5, "top_k": 9}"#)?)?;
    same("drawn as the best", drawn == all(&[])?, false)
}

/// What a program does not take gets a sentence.
fn refused(model: &Model, engine: &Engine) -> Check {
    let context = open(model.case, engine)?;
    let refusal = |changes: &[(&str, HostTensor)]| -> Result<String, Failed> {
        let mut inputs = named(&[("prompt_ids", ids(&[2, 3], &[5; 6])), ("max_new_tokens", ids(&[1], &[2]))]);
        inputs.extend(named(changes));
        Ok(context.run(&inputs).err().ok_or("nothing was refused")?.to_string())
    };
    let mask = |shape: &[usize], values: &[i32]| [("prompt_attention_mask", ids(shape, values))];
    let decoder = matches!(model.kind, Kind::Decoder(_));
    let name = "prompt_attention_mask";
    if decoder {
        let hole = "row 1 has a 0 at 1 after a 1, expected padding on the left only";
        same("hole", refusal(&mask(&[2, 3], &[1, 1, 1, 1, 0, 1]))?, format!("{name}: {hole}"))?;
        let right = "row 0 has a 0 at 2 after a 1, expected padding on the left only";
        same("right", refusal(&mask(&[2, 3], &[1, 1, 0, 1, 1, 1]))?, format!("{name}: {right}"))?;
    }
    let zero = refusal(&mask(&[2, 3], &[1, 1, 1, 0, 0, 0]))?;
    same("zero", zero, format!("{name}: row 1 is all 0, expected a token"))?;
    same("two", refusal(&mask(&[2, 3], &[1, 1, 1, 0, 2, 1]))?, format!("{name}: id 2 is not in 0..2"))?;
    let shape = refusal(&mask(&[1, 3], &[1, 1, 1]))?;
    same("shape", shape, format!("{name}: is (1, 3), expected (2, 3), as prompt_ids"))?;
    let number = |name, v: i32| refusal(&[(name, ids(&[1], &[v]))]);
    let expected = "inputs: num_beams: found 0, expected a whole number from 1 to 64";
    same("no beams", number("num_beams", 0)?, expected.into())?;
    let expected = "inputs: top_k: found -1, expected a whole number from 0 to 2147483648";
    same("top_k", number("top_k", -1)?, expected.into())?;
    let expected = "inputs: do_sample: found 2, expected true or false";
    same("do_sample", number("do_sample", 2)?, expected.into())?;
    let nan = refusal(&[("temperature", HostTensor::f32(&[1], vec![f32::NAN]))])?;
    same("NaN", nan, "temperature: is NaN, expected a finite number".into())?;
    let pair = refusal(&[("top_p", HostTensor::f32(&[2], vec![0.5; 2]))])?;
    same("pair", pair, "top_p: is (2,), expected (1,)".into())?;
    let both = refusal(&[("num_beams", ids(&[1], &[2])), ("do_sample", ids(&[1], &[1]))])?;
    same("beams that are drawn", both, "inputs: num_beams: found 2, expected 1 where do_sample is true".into())?;
    let Kind::Decoder(causal) = model.kind else { return Ok(()) };
    let mut decoder = Decoder::open(&context, causal, 8, Cache::Kept)?;
    let two = decoder.generate_rows(&[vec![1], vec![2]], &Rules::default(), &mut |_, _| {});
    let expected = "generation: found 2 prompts with 1 beams each, expected 1 prompts with 1 beams each";
    same("two prompts", two.map_err(|e| e.to_string()), Err(expected.into()))
}

/// A seed draws the same again; rows of a batch draw differently, the first as alone.
fn seeds(model: &Model, engine: &Engine) -> Check {
    let context = open(model.case, engine)?;
    let rules = |seed| Rules {
        max_new_tokens: 8,
        sampling: Sampling { temperature: 1.5, top_k: 30, min_p: 0.01, seed, ..Sampling::default() },
        ..Rules::default()
    };
    let prompt = vec![5, 9, 3];
    let drawn = |rows: usize, seed| {
        answers(&context, model.kind, &vec![prompt.clone(); rows], &vec![vec![1; 3]; rows], &rules(seed))
    };
    let rows = drawn(3, 1)?;
    same("again", drawn(3, 1)?, rows.clone())?;
    same("alone", &drawn(1, 1)?[0], &rows[0])?;
    same("the same in every row", rows[0] == rows[1] && rows[1] == rows[2], false)?;
    same("the same with every seed", drawn(1, 2)? == drawn(1, 1)? && drawn(1, 3)? == drawn(1, 1)?, false)
}

/// Tokens and texts that end a sequence, and those that may not yet.
fn ends(model: &Model, engine: &Engine) -> Check {
    let context = open(model.case, engine)?;
    let free = Rules {
        max_new_tokens: 10,
        sampling: Sampling { temperature: 2.0, seed: 3, ..Sampling::default() },
        ..Rules::default()
    };
    let tokenizer = Arc::new(text::bytes_tokenizer()?.1);
    let run =
        |rules: &Rules| answers(&context, model.kind, &[vec![5, 9]], &[vec![1; 2]], rules).map(|mut r| r.remove(0));
    let all = run(&free)?;
    let first = all.len() - 10;
    let new = &all[first..];
    let end = |until: &dyn Fn(&i32) -> bool| new.iter().position(until).map_or(10, |at| at + 1);
    let eos = vec![new[6], new[4], 98];
    let until = end(&|id| eos.contains(id));
    let ended = Rules { eos: eos.clone(), ..free.clone() };
    same("until a token", run(&ended)?, all[..first + until].to_vec())?;
    let later = run(&Rules { min_new_tokens: 9, ..ended })?;
    same("not before", later[first..].iter().take(9).any(|id| eos.contains(id)), false)?;
    same("at least", later.len() >= first + 10, true)?;
    // Ids are bytes: the text of the tokens 3 to 5 ends the sequence at the sixth, or where it was before.
    let text = |ids: &[i32]| tokenizer.decode(ids, true);
    let strings = vec!["never".to_owned(), text(&new[3..6])?];
    let until = (1..=10).find(|&n| text(&new[..n]).is_ok_and(|t| t.contains(&strings[1]))).unwrap_or(10);
    let stop = Some(Arc::new(StopStrings::new(tokenizer.clone(), strings.clone())));
    let stopped = run(&Rules { stop, ..free.clone() })?;
    same("until a text", &stopped, &all[..first + until].to_vec())?;
    let mut stream = TextStream::until(tokenizer.as_ref(), &strings);
    let mut shown = String::new();
    for &id in &stopped[first..] {
        shown += &stream.push(id)?;
    }
    same("stopped", stream.stopped(), true)?;
    shown += &stream.finish()?;
    let whole = text(new)?;
    same("text before it", shown.as_str(), &whole[..whole.find(&strings[1]).unwrap_or(whole.len())])
}

/// A token of a long generation makes no object of the driver: one submission runs the plan and copies the logits.
fn allocates_nothing(model: &Model, device: Arc<Device>) -> Check {
    let context = open(model.case, &Engine::Gpu(device.clone()))?;
    for rows in [Rows::ONE, Rows { batch: 3, beams: 2 }] {
        let sources = vec![SOURCE.to_vec(); rows.batch];
        let mut steps = Steps::open(&context, model.kind, rows, &sources)?;
        let from: Vec<usize> = (0..rows.total()).map(|row| row / rows.beams * rows.beams).collect();
        let mut tokens = vec![vec![4]; rows.total()];
        steps.logits(&tokens, &from)?;
        let before = device.counts();
        for id in 0..15 {
            tokens.iter_mut().for_each(|ids| ids.push(id));
            steps.logits(&tokens, &from)?;
        }
        let after = device.counts();
        same("submissions", after.submissions - before.submissions, 15)?;
        same("objects made", Counts { submissions: before.submissions, ..after }, before)?;
    }
    Ok(())
}
