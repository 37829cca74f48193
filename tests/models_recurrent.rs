//! Recurrent networks beyond their fixtures (which `models_layers` runs): what must be equal to what, refusals,
//! checks of inputs, and `verify` of a larger LSTM.
//!
//! `HANDMILL_REQUIRE_GPU=1` makes a missing adapter a failure.

use std::sync::Arc;

use handmill::config::Config;
use handmill::device::Device;
use handmill::engine::{Engine, Executor, Tensors};
use handmill::models::{self, Inputs, named};
use handmill::plan::Options;
use handmill::programs::Context;
use handmill::store::Weights;
use handmill::tensor::HostTensor;
use handmill::verify::verify;
use libtest_mimic::{Arguments, Failed, Trial};

type Check = Result<(), Failed>;
type OnEngine = fn(&Engine) -> Check;

fn main() {
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let (engine, note) = Engine::open("auto").unwrap_or_else(|e| panic!("{e}"));
    note.iter().for_each(|text| eprintln!("{text}: GPU rows are ignored"));
    let device = engine.device().cloned();
    let required = std::env::var_os("HANDMILL_REQUIRE_GPU").is_some_and(|v| v == "1");
    let missing = device.is_none() && !required;

    let mut trials = vec![
        Trial::test("refusals", refusals),
        Trial::test("checks", checks),
        Trial::test("sizes_without_bounds", sizes_without_bounds),
        Trial::test("the_graph_does_not_grow_with_the_steps", the_graph_does_not_grow_with_the_steps),
    ];
    let rows: [(&str, OnEngine); 7] = [
        ("bias", bias),
        ("layouts", layouts),
        ("reverse", reverse),
        ("lengths", lengths),
        ("padding", padding),
        ("generated", generated),
        ("fed_back", fed_back),
    ];
    for (name, row) in rows {
        trials.push(Trial::test(format!("{name}/reference"), move || row(&Engine::Reference)));
        let device = device.clone();
        let on_device = move || row(&Engine::Gpu(device.ok_or("no adapter was found")?));
        trials.push(Trial::test(name, on_device).with_ignored_flag(missing));
    }
    trials.push(Trial::test("verify", move || lockstep(device.as_ref())).with_ignored_flag(missing));
    libtest_mimic::run(&arguments, trials).exit();
}

fn ramp(shape: &[usize]) -> HostTensor {
    let values = (0..shape.iter().product::<usize>()).map(|i| ((i * 7919) % 101) as f32 / 50.0 - 1.0);
    HostTensor::f32(shape, values.collect())
}

fn ids(shape: &[usize], values: &[i32]) -> HostTensor {
    HostTensor::i32(shape, values.to_vec())
}

fn tensors(inputs: &[(&str, HostTensor)]) -> Tensors {
    inputs.iter().map(|(n, t)| ((*n).to_owned(), t.clone())).collect()
}

fn config(text: &str) -> Result<Config, Failed> {
    Ok(Config::parse("config.json", text)?)
}

/// The model with seeded weights.
fn open(engine: &Engine, model: &str, text: &str, inputs: &[(&str, HostTensor)]) -> Result<Context, Failed> {
    let inputs = Inputs::of(&tensors(inputs));
    Ok(Context::random_for(named(model)?, config(text)?, &inputs, engine, 7)?)
}

fn run(engine: &Engine, model: &str, text: &str, inputs: &[(&str, HostTensor)]) -> Result<Tensors, Failed> {
    Ok(open(engine, model, text, inputs)?.run(&tensors(inputs))?)
}

/// As [`run`], with weights of a kind: `weight(key, index)`.
fn run_with(
    engine: &Engine,
    (model, text): (&str, &str),
    inputs: &[(&str, HostTensor)],
    weight: fn(&str, usize) -> f32,
) -> Result<Tensors, Failed> {
    let inputs = tensors(inputs);
    let graph = models::build(named(model)?, &config(text)?, &Inputs::of(&inputs), None)?;
    let weights = Weights::new(graph.weights().map(|(key, spec)| {
        (key.to_owned(), HostTensor::f32(&spec.shape, (0..spec.len()).map(|i| weight(key, i)).collect()))
    }));
    let session = engine.executor(Arc::new(weights)).session(&graph, &Options::default(), None)?;
    Ok(session.run(&inputs)?.into_iter().collect())
}

fn near(name: &str, got: &[f64], want: &[f64]) -> Check {
    if got.len() != want.len() {
        return Err(format!("{name}: {} values, expected {}", got.len(), want.len()).into());
    }
    match got.iter().zip(want).position(|(g, w)| (g - w).is_nan() || (g - w).abs() > 1e-5) {
        Some(i) => Err(format!("{name}[{i}] is {}, expected {}", got[i], want[i]).into()),
        None => Ok(()),
    }
}

fn values(outputs: &Tensors, name: &str) -> Result<Vec<f64>, Failed> {
    Ok(outputs.get(name).ok_or(format!("{name} is missing"))?.to_f64())
}

/// The axes of `x (a, b, n)` swapped.
fn turned(x: &HostTensor) -> HostTensor {
    let &[a, b, n] = x.shape() else { return x.clone() };
    let from = x.as_f32().expect("f32");
    let rows = (0..b).flat_map(|j| (0..a).flat_map(move |i| (0..n).map(move |k| from[(i * b + j) * n + k])));
    HostTensor::f32(&[b, a, n], rows.collect())
}

/// No biases are biases of 0.
fn bias(engine: &Engine) -> Check {
    let input = [("input", ramp(&[5, 2, 3]))];
    let weight = |key: &str, i: usize| if key.starts_with("bias") { 0.0 } else { (i % 7) as f32 / 10.0 - 0.3 };
    for model in ["RNN", "LSTM", "GRU"] {
        let text = |bias| format!(r#"{{"input_size": 3, "hidden_size": 4, "num_layers": 2, "bias": {bias}}}"#);
        let [without, with] = [false, true].map(|bias| run_with(engine, (model, &text(bias)), &input, weight));
        let (without, with) = (without?, with?);
        for name in with.keys() {
            near(&format!("{model}, {name}"), &values(&without, name)?, &values(&with, name)?)?;
        }
    }
    Ok(())
}

/// `batch_first` only turns input and output; states of zeros are no states.
fn layouts(engine: &Engine) -> Check {
    let text = |first| {
        format!(
            r#"{{"input_size": 3, "hidden_size": 5, "bidirectional": true, "proj_size": 2, "batch_first": {first}}}"#
        )
    };
    let x = ramp(&[4, 3, 3]);
    let zeros = |n| HostTensor::f32(&[2, 3, n], vec![0.0; 6 * n]);
    let time = run(engine, "LSTM", &text(false), &[("input", x.clone())])?;
    let states = [("input", turned(&x)), ("h_0", zeros(2)), ("c_0", zeros(5))];
    let batch = run(engine, "LSTM", &text(true), &states)?;
    near("output", &turned(&batch["output"]).to_f64(), &values(&time, "output")?)?;
    near("h_n", &values(&batch, "h_n")?, &values(&time, "h_n")?)?;
    near("c_n", &values(&batch, "c_n")?, &values(&time, "c_n")?)
}

/// The reverse direction is the forward one on the sequence from its end.
fn reverse(engine: &Engine) -> Check {
    let text = r#"{"input_size": 3, "hidden_size": 4, "bidirectional": true}"#;
    let x = ramp(&[6, 1, 3]);
    let backwards: Vec<f32> = x.as_f32()?.chunks(3).rev().flatten().copied().collect();
    let weight = |_: &str, i: usize| (i % 11) as f32 / 10.0 - 0.5;
    let forward = run_with(engine, ("GRU", text), &[("input", x)], weight)?;
    let backward = run_with(engine, ("GRU", text), &[("input", HostTensor::f32(&[6, 1, 3], backwards))], weight)?;
    let [there, back] = [values(&forward, "output")?, values(&backward, "output")?];
    // Same weights in both directions: each half is the other, from the end.
    let swapped: Vec<f64> = back.chunks(8).rev().flat_map(|row| [&row[4..], &row[..4]].concat()).collect();
    near("output", &there, &swapped)?;
    near("h_n", &values(&forward, "h_n")?[4..], &there[4..8])
}

/// A length is the sequence cut there.
fn lengths(engine: &Engine) -> Check {
    let text = r#"{"input_size": 3, "cell": "gru", "hidden_size": 5, "num_layers": 2, "num_classes": 4}"#;
    let x = ramp(&[3, 6, 3]);
    let all = run(engine, "ManyToOne", text, &[("input", x.clone()), ("lengths", ids(&[3], &[1, 6, 4]))])?;
    for (b, length) in [1, 6, 4].into_iter().enumerate() {
        let row = x.as_f32()?[b * 18..][..3 * length].to_vec();
        let one = run(engine, "ManyToOne", text, &[("input", HostTensor::f32(&[1, length, 3], row))])?;
        near("logits", &values(&all, "logits")?[b * 4..][..4], &values(&one, "logits")?)?;
    }
    Ok(())
}

/// A padded row is the row without padding, whatever stands there.
fn padding(engine: &Engine) -> Check {
    for bidirectional in [false, true] {
        let text = format!(
            r#"{{"src_vocab_size": 9, "tgt_vocab_size": 8, "embedding_dim": 4, "hidden_size": 5, "attention_dim": 3,
                "bidirectional": {bidirectional}}}"#
        );
        let model = |rows: &[(&str, HostTensor)]| run(engine, "AttentionSeq2Seq", &text, rows);
        let padded = model(&[
            ("input_ids", ids(&[2, 4], &[3, 1, 8, 8, 2, 7, 4, 1])),
            ("attention_mask", ids(&[2, 4], &[1, 1, 0, 0, 1, 1, 1, 1])),
            ("decoder_input_ids", ids(&[2, 3], &[1, 5, 2, 1, 7, 7])),
        ])?;
        let short = model(&[("input_ids", ids(&[1, 2], &[3, 1])), ("decoder_input_ids", ids(&[1, 3], &[1, 5, 2]))])?;
        let whole =
            model(&[("input_ids", ids(&[1, 4], &[2, 7, 4, 1])), ("decoder_input_ids", ids(&[1, 3], &[1, 7, 7]))])?;
        let want = [values(&short, "logits")?, values(&whole, "logits")?].concat();
        near("logits", &values(&padded, "logits")?, &want)?;
        let weights = values(&padded, "attentions")?;
        let hidden = values(&padded, "debug.encoder_hidden")?;
        let beyond = hidden.len() / 4..hidden.len() / 2;
        if weights[..12].chunks(4).any(|row| row[2..] != [0.0, 0.0]) || hidden[beyond].iter().any(|&h| h != 0.0) {
            return Err("padding has weight or states".into());
        }
    }
    Ok(())
}

/// Greedy ids are the best of the logits that teacher forcing on them gives, until a row ends.
fn generated(engine: &Engine) -> Check {
    let (start, end, pad, n) = (1, 2, 0, 7);
    for layers in [1, 2] {
        let text = format!(
            r#"{{"src_vocab_size": 9, "tgt_vocab_size": 6, "embedding_dim": 4, "hidden_size": 5, "num_layers": {layers},
                "pad_token_id": {pad}, "start_token_id": {start}, "end_token_id": {end}, "max_length": {n}}}"#
        );
        let source = ("input_ids", ids(&[3, 4], &[3, 1, 8, 8, 2, 7, 4, 1, 0, 0, 5, 6]));
        let greedy = run(engine, "Seq2Seq", &text, std::slice::from_ref(&source))?;
        let got = greedy["generated_ids"].as_i32()?.to_vec();
        let forced: Vec<i32> = got.chunks(n).flat_map(|row| [&[start], &row[..n - 1]].concat()).collect();
        let logits = run(engine, "Seq2Seq", &text, &[source, ("decoder_input_ids", ids(&[3, n], &forced))])?;
        let logits = values(&logits, "logits")?;
        for (b, row) in got.chunks(n).enumerate() {
            let mut ended = false;
            for (t, &id) in row.iter().enumerate() {
                let scores = &logits[(b * n + t) * 6..][..6];
                let best = (0..6).fold(0, |best, i| if scores[i] > scores[best] { i } else { best }) as i32;
                if id != if ended { pad } else { best } {
                    return Err(format!("row {b}, step {t}: {id}, best is {best}").into());
                }
                ended |= id == end;
            }
        }
    }
    Ok(())
}

/// `OneToMany` with fewer steps is the start of that with more.
fn fed_back(engine: &Engine) -> Check {
    for cell in ["rnn", "lstm", "gru"] {
        let text = |n| {
            format!(r#"{{"in_features": 3, "cell": "{cell}", "hidden_size": 5, "out_features": 2, "num_steps": {n}}}"#)
        };
        let input = [("input", ramp(&[1, 3]))];
        let (one, many) = (run(engine, "OneToMany", &text(1), &input)?, run(engine, "OneToMany", &text(9), &input)?);
        near(cell, &values(&many, "output")?[..2], &values(&one, "output")?)?;
    }
    Ok(())
}

fn build(model: &str, text: &str, inputs: &[(&str, HostTensor)]) -> handmill::Result<Arc<handmill::FixedGraph>> {
    let inputs = tensors(inputs);
    let inputs = if inputs.is_empty() { Inputs::defaults() } else { Inputs::of(&inputs) };
    models::build(named(model)?, &Config::parse("config.json", text)?, &inputs, None)
}

fn says(what: &str, result: handmill::Result<()>, expected: &str) -> Check {
    match result {
        Ok(()) => Err(format!("{what} was accepted").into()),
        Err(e) if e.to_string().contains(expected) => Ok(()),
        Err(e) => Err(format!("{what}: \"{e}\" does not say \"{expected}\"").into()),
    }
}

/// What a model cannot do is an error that names the key.
fn refusals() -> Check {
    for (model, text, expected) in [
        ("LSTM", r#"{"input_size": 2, "hidden_size": 4, "proj_size": 4}"#, "proj_size: found 4, expected"),
        ("GRU", r#"{"input_size": 2, "hidden_size": 4, "proj_size": 2}"#, "proj_size: found 2, expected"),
        ("RNN", r#"{"input_size": 2, "hidden_size": 4, "nonlinearity": "elu"}"#, "nonlinearity: found \"elu\""),
        ("RNN", r#"{"input_size": 2}"#, "hidden_size: is missing"),
        ("GRU", r#"{"input_size": 2, "hidden_size": 4, "num_layers": 1001}"#, "num_layers: found 1001"),
        ("ManyToMany", r#"{"input_size": 2, "num_classes": 2, "cell": "mgu"}"#, "cell: found \"mgu\""),
        ("AttentionCaptioner", r#"{"conv_channels": []}"#, "conv_channels: is empty"),
        (
            "Seq2Seq",
            r#"{"src_vocab_size": 5, "tgt_vocab_size": 5, "embedding_dim": 2, "pad_token_id": 5}"#,
            "pad_token_id: found 5",
        ),
    ] {
        says(&format!("{model} {text}"), build(model, text, &[]).map(drop), expected)?;
    }
    let lstm = r#"{"input_size": 2, "hidden_size": 4}"#;
    let (x, h) = (("input", ramp(&[3, 2, 2])), ("h_0", ramp(&[1, 2, 4])));
    says("h_0 alone", build("LSTM", lstm, &[x.clone(), h]).map(drop), "c_0: is missing")?;
    let narrow = ("h_0", ramp(&[1, 1, 4]));
    says(
        "h_0 of one row",
        build("GRU", lstm, &[x, narrow]).map(drop),
        "the initial state is (1, 1, 4), expected (1, 2, 4)",
    )
}

/// Values of inputs that a device would read past a table with.
fn checks() -> Check {
    let seq2seq =
        r#"{"src_vocab_size": 9, "tgt_vocab_size": 8, "embedding_dim": 4, "hidden_size": 5, "attention_dim": 3}"#;
    let tokens = [("input_ids", ids(&[1, 3], &[8, 0, 1])), ("decoder_input_ids", ids(&[1, 2], &[1, 7]))];
    let mask = |values: &[i32]| [&tokens[..], &[("attention_mask", ids(&[1, 3], values))]].concat();
    let one = r#"{"input_size": 2, "cell": "rnn", "hidden_size": 3, "num_classes": 2}"#;
    let length = |n| vec![("input", ramp(&[1, 4, 2])), ("lengths", ids(&[1], &[n]))];
    let chars = r#"{"vocab_size": 5}"#;
    for (model, text, inputs, expected) in [
        ("CharLanguageModel", chars, vec![("input_ids", ids(&[1, 2], &[4, 5]))], "input_ids: id 5 is not in 0..5"),
        ("ManyToOne", one, length(5), "lengths: length 5 is not in 1..=4"),
        ("ManyToOne", one, length(0), "lengths: length 0 is not in 1..=4"),
        ("AttentionSeq2Seq", seq2seq, mask(&[1, 0, 1]), "attention_mask: row 0 is not ones"),
        ("AttentionSeq2Seq", seq2seq, mask(&[0, 0, 0]), "attention_mask: row 0 is not ones"),
        ("AttentionSeq2Seq", seq2seq, mask(&[1, 2, 0]), "attention_mask: id 2 is not in 0..2"),
    ] {
        says(model, (named(model)?.check)(&config(text)?, &tensors(&inputs)), expected)?;
    }
    (named("AttentionSeq2Seq")?.check)(&config(seq2seq)?, &tensors(&mask(&[1, 1, 0])))?;
    (named("ManyToOne")?.check)(&config(one)?, &tensors(&length(4)))?;
    Ok(())
}

/// Sizes and shapes of every kind end in a graph or an error, and never in a panic.
fn sizes_without_bounds() -> Check {
    let most = 1u64 << 31;
    for model in models::recurrent::MODELS {
        for size in [1, most] {
            let mut fields = serde_json::Map::new();
            for key in model.config.iter().filter_map(|key| key.split([' ', ',']).next()) {
                fields.insert(key.into(), size.into());
            }
            for (key, value) in [
                ("cell", serde_json::json!("lstm")),
                ("input_encoding", "embedding".into()),
                ("nonlinearity", "tanh".into()),
                ("conv_channels", [size, size].as_slice().into()),
                ("num_layers", 2.into()),
                ("num_steps", 3.into()),
                ("max_length", 3.into()),
                ("proj_size", (size - 1).min(5).into()),
                ("pad_token_id", 0.into()),
                ("start_token_id", 0.into()),
                ("end_token_id", 0.into()),
            ] {
                fields.entry(key).and_modify(|v| *v = value);
            }
            for key in ["bias", "batch_first", "bidirectional", "gated", "deep_output"] {
                fields.entry(key).and_modify(|v| *v = true.into());
            }
            if model.name == "GRU" {
                fields.remove("proj_size");
            }
            let config = Config::new("config.json", fields);
            let built = models::build(model, &config, &Inputs::defaults(), None);
            if let (1, Err(e)) = (size, &built) {
                return Err(format!("{}: {e}", model.name).into());
            }
            // Inputs of a wrong rank.
            for shape in [&[][..], &[2], &[2, 2], &[2, 2, 2, 2]] {
                let given = model.inputs.iter().filter_map(|i| i.split([' ', ',']).next());
                let spec = |name: &str| match name.ends_with("_ids") || name.ends_with("mask") || name == "lengths" {
                    true => ids(shape, &vec![0; shape.iter().product()]),
                    false => ramp(shape),
                };
                let inputs: Vec<_> = given.map(|name| (name, spec(name))).collect();
                let _ = models::build(model, &config, &Inputs::of(&tensors(&inputs)), None);
            }
        }
    }
    Ok(())
}

fn the_graph_does_not_grow_with_the_steps() -> Check {
    let text = r#"{"input_size": 2, "hidden_size": 4, "bidirectional": true}"#;
    let [short, long] = [2, 500].map(|t| build("LSTM", text, &[("input", ramp(&[t, 1, 2]))]));
    if short?.nodes.len() == long?.nodes.len() { Ok(()) } else { Err("more nodes for more steps".into()) }
}

/// Every operation of a larger LSTM within its bound, fused and not.
fn lockstep(device: Option<&Arc<Device>>) -> Check {
    let engine = Engine::Gpu(device.ok_or("no adapter was found")?.clone());
    let text = r#"{"input_size": 19, "hidden_size": 64, "num_layers": 2, "bidirectional": true, "proj_size": 33}"#;
    let input = [("input", ramp(&[21, 3, 19]))];
    let context = open(&engine, "LSTM", text, &input)?;
    let Executor::Gpu(store) = &context.executor else { return Err("no device".into()) };
    let graph = build("LSTM", text, &input)?;
    for fuse in [true, false] {
        let found = verify(store, &graph, &tensors(&input), &Options { fuse, ..Options::default() })?;
        if let Some(op) = found.ops.iter().find(|op| !op.ok()) {
            return Err(format!("{} ({}) is {:.2} of its bound", op.label, op.at, op.ratio()).into());
        }
    }
    Ok(())
}
