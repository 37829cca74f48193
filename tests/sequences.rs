//! The examples that learn sequences: what they make up, what they learn in seconds, and what the models write by
//! themselves, on the adapter as on the reference.
//!
//! `HANDMILL_REQUIRE_GPU=1` makes a missing adapter a failure; without one, what needs a device returns early.

// Each example brings the files that examples share as modules of its own.
#![allow(clippy::duplicate_mod)]

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use clap::Parser;
use handmill::config::Config;
use handmill::device::{Device, Select};
use handmill::engine::{Engine, Tensors};
use handmill::models::{self, Inputs, named};
use handmill::plan::Options;
use handmill::programs::Context;
use handmill::store::Weights;
use handmill::tensor::HostTensor;

#[path = "../examples/10_caption.rs"]
#[allow(dead_code)]
mod caption;
#[path = "../examples/08_sequence_tasks.rs"]
#[allow(dead_code)]
mod sequence_tasks;
#[path = "../examples/09_translate.rs"]
#[allow(dead_code)]
mod translate;

use sequence_tasks::sequences::{Wave, most_often};
use sequence_tasks::tasks::Task;
use translate::pairs::{Pair, Subject};
use translate::translator::Translator;
use translate::words::Words;

/// The device, opened once; `None` (with a notice) where there is no adapter and none is required.
fn device() -> Option<Arc<Device>> {
    static DEVICE: OnceLock<Option<Arc<Device>>> = OnceLock::new();
    let open = || match Device::open(&Select::Auto) {
        Ok(device) => Some(device),
        Err(e) if std::env::var_os("HANDMILL_REQUIRE_GPU").is_some_and(|v| v == "1") => panic!("{e}"),
        Err(e) => {
            eprintln!("{e}: ignored");
            None
        }
    };
    DEVICE.get_or_init(open).clone()
}

fn engines() -> Vec<Engine> {
    std::iter::once(Engine::Reference).chain(device().map(Engine::Gpu)).collect()
}

/// Texts of both parts are all different, and follow from the seed.
fn expect_apart(subject: Subject) -> Vec<Pair> {
    let [training, held_out] = subject.pairs(3);
    assert_eq!([training.len(), held_out.len()], [20_000, 600]);
    let all: Vec<Pair> = training.iter().chain(&held_out).cloned().collect();
    let texts: HashSet<Vec<String>> = all.iter().map(|pair| Subject::split(&pair.source)).collect();
    assert_eq!(texts.len(), all.len());
    assert_eq!(subject.pairs(3), [training.clone(), held_out]);
    assert_ne!(subject.pairs(4)[0], training);
    all
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// A date as a reader takes it: year, month, day, and the weekday from Sunday, if it is said.
fn read_date(text: &str) -> (usize, usize, usize, Option<usize>) {
    const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let lower = text.to_lowercase();
    let parts: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect();
    let named = |list: &[&str], part: &str| list.iter().position(|name| part.len() > 2 && part.starts_with(name));
    let weekday = parts.iter().find_map(|part| named(&DAYS, part));
    let number = |part: &&str| part.trim_end_matches(char::is_alphabetic).parse::<usize>().ok();
    let numbers: Vec<usize> = parts.iter().filter_map(number).collect();
    let whole = |year: usize| match year {
        0..50 => 2000 + year,
        50..100 => 1900 + year,
        year => year,
    };
    match parts.iter().find_map(|part| named(&MONTHS, part)) {
        Some(month) => (whole(numbers[1]), month + 1, numbers[0], weekday),
        None if text.contains('/') => (numbers[0], numbers[1], numbers[2], weekday),
        None => (whole(numbers[2]), numbers[1], numbers[0], weekday),
    }
}

/// The weekday of a date from Sunday, by Sakamoto's method.
fn weekday(year: usize, month: usize, day: usize) -> usize {
    let year = if month < 3 { year - 1 } else { year };
    (year + year / 4 - year / 100 + year / 400 + [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4][month - 1] + day) % 7
}

#[test]
fn every_date_is_the_one_it_is_translated_to() {
    let pairs = expect_apart(Subject::Dates);
    for Pair { source, target } in &pairs {
        let (year, month, day, said) = read_date(source);
        assert_eq!(format!("{year}-{month:02}-{day:02}"), *target, "{source}");
        assert!(said.is_none_or(|said| said == weekday(year, month, day)), "{source}");
    }
    assert!(pairs.iter().any(|pair| read_date(&pair.source).3.is_some()));
    assert!(pairs.iter().any(|pair| pair.target.ends_with("-02-29")));
}

/// A number in words, from its parts.
fn read_number(text: &str) -> u32 {
    const NAMES: &str = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen \
        sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety";
    let value = |word: &str| match NAMES.split_whitespace().position(|name| name == word) {
        Some(n @ 0..=20) => n as u32,
        Some(n) => (n as u32 - 18) * 10,
        None => panic!("{word} in {text}"),
    };
    text.split([' ', '-']).filter(|word| *word != "and").fold(0, |sum, word| match word {
        "hundred" => sum / 1000 * 1000 + sum % 1000 * 100,
        "thousand" => sum * 1000,
        word => sum + value(word),
    })
}

#[test]
fn every_number_is_the_one_it_is_translated_to() {
    let pairs = expect_apart(Subject::Numbers);
    pairs.iter().for_each(|pair| assert_eq!(read_number(&pair.source).to_string(), pair.target, "{}", pair.source));
    let digits = |n: usize| pairs.iter().filter(|pair| pair.target.len() == n).count();
    assert!((3..=6).all(|n| digits(n) > 500), "{:?}", [digits(3), digits(4), digits(5), digits(6)]);
    assert_eq!(translate::numbers::in_words(402), "four hundred and two");
    assert_eq!(translate::numbers::in_words(20_015), "twenty thousand and fifteen");
}

#[test]
fn texts_are_split_into_words_digits_and_signs() {
    assert_eq!(Subject::split("Mar 3rd, 1998"), ["mar", "3", "rd", ",", "1", "9", "9", "8"]);
    assert_eq!(Subject::split(" forty-two 3-Mar-1"), ["forty", "two", "3", "-", "mar", "1"]);
    let words = Words::of(Subject::split("forty two"));
    let unknown = words.encode(&Subject::split("forty three")).unwrap_err().to_string();
    assert_eq!(unknown, "the text: 'three' is not in the vocabulary");
    assert_eq!(words.encode(&[]).unwrap_err().to_string(), "the text: has no words, expected one or more");
    assert_eq!(words.decode(&words.encode(&Subject::split("two forty")).unwrap()), ["two", "forty"]);
}

#[test]
fn a_vocabulary_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vocab.json");
    let words = Words::of(["b", "a", "ä"].map(str::to_owned));
    words.save(&path).unwrap();
    assert_eq!(Words::open(&path).unwrap(), words);
    let refused = |text: &str| {
        std::fs::write(&path, text).unwrap();
        Words::open(&path).unwrap_err().to_string()
    };
    assert!(refused(r#"{"<pad>": 0, "<s>": 2, "</s>": 2}"#).ends_with("expected each id from 0 to 2 once"));
    assert!(refused(r#"{"<pad>": 0, "</s>": 1, "<s>": 2}"#).ends_with("begins not with <pad>, <s>, </s>"));
}

#[test]
fn no_sequence_that_is_held_out_is_trained_on() {
    for task in [Task::OneToMany, Task::ManyToOne, Task::ManyToMany, Task::Seq2seq] {
        let data = task.data(1).unwrap();
        let rows = |part: usize| {
            let tensor = &data[part].tensors()[task.inputs()[0]];
            let width = tensor.bytes().len() / tensor.shape()[0];
            tensor.bytes().chunks(width).map(<[u8]>::to_vec).collect::<Vec<_>>()
        };
        let (seen, held_out) = (rows(0).into_iter().collect::<HashSet<_>>(), rows(1));
        assert!(held_out.len() >= 200 && held_out.iter().all(|row| !seen.contains(row)), "{task:?}");
    }
    assert_eq!([most_often(&[0, 2, 2, 1], 3), most_often(&[0, 1], 3)], [Some(2), None]);
    let wave = Wave { kind: 2, amplitude: 0.5, period: 12.0 };
    assert_eq!((wave.values()[0], wave.values()[9], Wave::heard(&wave.told())), (-0.5, 0.25, wave));
}

/// Captions that are held out are new, and a picture shows the shapes of its caption in their order.
#[test]
fn pictures_show_what_their_captions_say() {
    use caption::scene::{SIDE, scenes};
    let [training, held_out] = scenes(5);
    let seen: HashSet<String> = training.iter().map(|scene| scene.caption()).collect();
    assert!(seen.contains("a red circle") && held_out.iter().all(|scene| !seen.contains(&scene.caption())));
    let colours = [
        ("red", [0.9, 0.1, 0.1]),
        ("green", [0.1, 0.65, 0.2]),
        ("blue", [0.1, 0.25, 0.9]),
        ("yellow", [0.95, 0.8, 0.1]),
    ];
    for (seed, scene) in held_out.iter().enumerate() {
        let (caption, pixels) = (scene.caption(), scene.draw(seed as u64));
        assert_eq!(pixels, scene.draw(seed as u64));
        let words: Vec<&str> = caption.split(' ').collect();
        let said: Vec<&str> =
            words.iter().copied().filter(|word| colours.iter().any(|(name, _)| name == word)).collect();
        let middle = |name: &str| {
            let colour = colours.iter().find(|(known, _)| *known == name).unwrap().1;
            let at = |i: usize| (0..3).all(|c| (pixels[c * SIDE * SIDE + i] + 1.0 - colour[c]).abs() < 1e-6);
            let places: Vec<usize> = (0..SIDE * SIDE).filter(|&i| at(i)).collect();
            assert!(places.len() > 30, "{caption}: {} of {name}", places.len());
            let along = |i: &usize| if caption.contains("above") { i / SIDE } else { i % SIDE };
            places.iter().map(along).sum::<usize>() as f64 / places.len() as f64
        };
        if said.iter().collect::<HashSet<_>>().len() == said.len() {
            let middles: Vec<f64> = said.iter().map(|name| middle(name)).collect();
            assert!(middles.is_sorted(), "{caption}: {middles:?}");
        }
    }
}

fn args<T: Parser>(text: &str, out: &std::path::Path) -> T {
    let device = if device().is_some() { "auto" } else { "reference" };
    let words = text.split(' ').map(std::ffi::OsString::from);
    T::parse_from(words.chain(["--device".into(), device.into(), "--out".into(), out.into()]))
}

#[test]
fn a_network_learns_which_digit_comes_most_often() {
    if device().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let shares = |out: &str| {
        let out = folder.path().join(out);
        let text = "sequence_tasks --task many-to-one --steps 60 --hidden-size 32";
        sequence_tasks::run(&args(text, &out)).unwrap()
    };
    let first = shares("a");
    assert!(first[0][0] > 0.6 && first[0][1] == 0.25, "{first:?}");
    assert_eq!(shares("b"), first, "the same seed");
    assert!(folder.path().join("a/many-to-one-gru/loss.svg").is_file());
}

#[test]
fn every_sequence_task_runs_with_every_cell() {
    let folder = tempfile::tempdir().unwrap();
    let text = "sequence_tasks --steps 2 --batch-size 4 --hidden-size 4 --cell rnn,lstm,gru";
    assert_eq!(sequence_tasks::run(&args(text, folder.path())).unwrap().len(), 10);
}

/// A model that learns to translate, and translates alike on the adapter and on the reference.
#[test]
fn numbers_are_learnt_and_translated_alike() {
    if device().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let text = "translate --task numbers --steps 150 --show nine";
    let share = translate::run(&args(text, out)).unwrap().unwrap();
    assert!(share > 0.3, "{share}");
    for name in ["config.json", "model.safetensors", "source_vocab.json", "loss.svg", "attention_0.png"] {
        assert!(out.join(name).is_file(), "{name} is not written");
    }
    let texts: Vec<String> = (0..40).map(|n| translate::numbers::in_words(n * 24_989)).collect();
    let found: Vec<_> =
        engines().iter().map(|engine| Translator::open(out, engine).unwrap().translate(&texts).unwrap()).collect();
    assert_eq!(found[0], found[1]);
    let loaded: translate::Args = args(&format!("translate --load {} --show forty-two", out.display()), out);
    assert_eq!(translate::run(&loaded).unwrap(), None);
}

#[test]
fn a_transformer_and_a_captioner_write_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let [translating, captioning] = ["t", "c"].map(|name| folder.path().join(name));
    if device().is_some() {
        let text = "translate --model transformer --steps 2 --batch-size 4 --hidden-size 8";
        translate::run(&args(text, &translating)).unwrap();
        caption::run(&args("caption --steps 2 --batch-size 4 --hidden-size 8 --samples 2", &captioning)).unwrap();
        assert!(translating.join("attention_2.png").is_file() && captioning.join("captions.png").is_file());
    }
}

/// The model of `config` with seeded weights on `engine`, and what it makes of `inputs`.
fn outputs(engine: &Engine, model: &str, config: &str, inputs: &Tensors) -> Tensors {
    let config = Config::parse("config.json", config).unwrap();
    let context = Context::random_for(named(model).unwrap(), config, &Inputs::of(inputs), engine, 7).unwrap();
    context.run(inputs).unwrap()
}

const GENERATION: &str = r#""pad_token_id": 0, "start_token_id": 1, "end_token_id": 2, "max_length": 7"#;

/// Greedy ids are the best of the logits that teacher forcing on them gives, until a row ends, and the same on the
/// adapter as on the reference.
#[test]
fn attention_models_write_what_they_find_best() {
    let (ids, n) = (|shape: &[usize], values: &[i32]| HostTensor::i32(shape, values.to_vec()), 7);
    let translator = format!(
        r#"{{"src_vocab_size": 9, "tgt_vocab_size": 6, "embedding_dim": 4, "hidden_size": 5, "attention_dim": 3,
            "bidirectional": true, {GENERATION}}}"#
    );
    let captioner = format!(
        r#"{{"in_channels": 2, "conv_channels": [4], "vocab_size": 6, "embedding_dim": 4, "hidden_size": 5,
            "attention_dim": 3, "gated": true, "deep_output": true, {GENERATION}}}"#
    );
    let source = Tensors::from([
        ("input_ids".to_owned(), ids(&[3, 4], &[3, 1, 8, 8, 2, 7, 4, 1, 0, 0, 5, 6])),
        ("attention_mask".to_owned(), ids(&[3, 4], &[1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0])),
    ]);
    let pixels = (0..3 * 2 * 64).map(|i| ((i * 7919) % 101) as f32 / 5.0 - 10.0).collect();
    let picture = Tensors::from([("pixel_values".to_owned(), HostTensor::f32(&[3, 2, 8, 8], pixels))]);
    let cases = [
        ("AttentionSeq2Seq", &translator, source, "decoder_input_ids"),
        ("AttentionCaptioner", &captioner, picture, "input_ids"),
    ];
    for (model, config, mut inputs, forced) in cases {
        let all: Vec<_> = engines().iter().map(|engine| outputs(engine, model, config, &inputs)).collect();
        assert!(all.iter().all(|one| one["generated_ids"] == all[0]["generated_ids"]), "{model}");
        assert!(!all[0].contains_key("logits"));
        let got = all[0]["generated_ids"].as_i32().unwrap().to_vec();
        let read: Vec<i32> = got.chunks(n).flat_map(|row| [&[1], &row[..n - 1]].concat()).collect();
        inputs.insert(forced.to_owned(), ids(&[3, n], &read));
        let logits = outputs(&Engine::Reference, model, config, &inputs)["logits"].to_f64();
        for (b, row) in got.chunks(n).enumerate() {
            let mut ended = false;
            for (t, &id) in row.iter().enumerate() {
                let scores = &logits[(b * n + t) * 6..][..6];
                let best = (0..6).fold(0, |best, i| if scores[i] > scores[best] { i } else { best }) as i32;
                assert_eq!(id, if ended { 0 } else { best }, "{model}, row {b}, step {t}");
                ended |= id == 2;
            }
        }
    }
}

/// Where a decoder layer looks, with weights that make queries, keys and norms plain: softmax(x·m / √D), 0 at padding.
#[test]
fn cross_attentions_are_those_of_the_paper() {
    let (d, vocab) = (4, 5);
    let config = format!(
        r#"{{"src_vocab_size": {vocab}, "tgt_vocab_size": {vocab}, "d_model": {d}, "nhead": 1, "num_encoder_layers": 0,
            "num_decoder_layers": 1, "dim_feedforward": 8, "output_attentions": true, {GENERATION}}}"#
    );
    let ids = |values: &[i32]| HostTensor::i32(&[1, values.len()], values.to_vec());
    let (source, read) = ([3, 4, 2, 0], [1, 3, 2]);
    let inputs = Tensors::from([("input_ids".to_owned(), ids(&source)), ("decoder_input_ids".to_owned(), ids(&read))]);
    let row = |id: i32| (0..d).map(|c| f64::from((id * 7 + c as i32 * 3) % 5) / 4.0).collect::<Vec<_>>();
    let value = |key: &str, i: usize| match key {
        key if key.contains("self_attn") => 0.0,
        key if key.ends_with("in_proj_weight") => f32::from(u8::from(i / d % d == i % d)),
        key if key.ends_with("embedding.weight") => row((i / d) as i32)[i % d] as f32,
        key if key.contains("norm") && key.ends_with("weight") => 1.0,
        _ => 0.0,
    };
    // The embedding as the decoder reads it, of mean 0 and variance 1.
    let normal = |t: usize, id: i32| {
        let angle = |c: usize| t as f64 / 10_000f64.powf((c / 2 * 2) as f64 / d as f64);
        let position = |c: usize| if c.is_multiple_of(2) { angle(c).sin() } else { angle(c).cos() };
        let x: Vec<f64> = row(id).iter().enumerate().map(|(c, v)| v * (d as f64).sqrt() + position(c)).collect();
        let mean = x.iter().sum::<f64>() / d as f64;
        let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / d as f64;
        x.iter().map(|v| (v - mean) / (variance + 1e-5).sqrt()).collect::<Vec<_>>()
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut expected = vec![];
    for (t, &id) in read.iter().enumerate() {
        let x = normal(t, id);
        let scores: Vec<f64> = (0..3).map(|j| (dot(&x, &normal(j, source[j])) / (d as f64).sqrt()).exp()).collect();
        let sum: f64 = scores.iter().sum();
        expected.extend(scores.iter().map(|s| s / sum).chain([0.0]));
    }
    for engine in engines() {
        let graph = models::build(
            named("Transformer").unwrap(),
            &Config::parse("config.json", &config).unwrap(),
            &Inputs::of(&inputs),
            None,
        )
        .unwrap();
        let weight = |spec: &handmill::Spec, key: &str| {
            HostTensor::f32(&spec.shape, (0..spec.len()).map(|i| value(key, i)).collect())
        };
        let weights = Weights::new(graph.weights().map(|(key, spec)| (key.to_owned(), weight(spec, key))));
        let session = engine.executor(Arc::new(weights)).session(&graph, &Options::default(), None).unwrap();
        let outputs = Tensors::from_iter(session.run(&inputs).unwrap());
        assert_eq!(outputs["cross_attentions.0"].shape(), [1, 1, 3, 4]);
        for (got, want) in outputs["cross_attentions.0"].to_f64().iter().zip(&expected) {
            assert!((got - want).abs() < 1e-5, "{got}, expected {want}, on {}", engine.name());
        }
    }
}
