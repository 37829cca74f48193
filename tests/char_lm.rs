//! Models of characters: the example that trains them, a step of truncated back-propagation operation by operation, and
//! what runs over the weights between steps.
//!
//! `HANDMILL_REQUIRE_GPU=1` makes a missing adapter a failure; without one, what needs a device returns early.

use std::sync::{Arc, OnceLock};

use clap::Parser;
use handmill::config::Config;
use handmill::device::{Device, Select};
use handmill::engine::{Engine, Tensors};
use handmill::models::{self, Inputs, Loaded, named};
use handmill::plan::Options;
use handmill::programs::characters::Stepper;
use handmill::store::{Store, Weights};
use handmill::tensor::{Dtype, HostTensor};
use handmill::train::objective::Shapes;
use handmill::train::settings::Settings;
use handmill::train::start::Start;
use handmill::train::step::{Role, Task};
use handmill::train::trainer::{How, Trainer, shapes_of};
use handmill::verify::verify;
use handmill::weights::load_tensors;

#[path = "../examples/07_char_lm.rs"]
#[allow(dead_code)]
mod char_lm;

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

/// The training of a small model with `cell`, two layers deep.
fn task(cell: &str) -> Task {
    let train = r#"{"loss": "cross_entropy", "optimizer": {"name": "adam", "lr": 0.1}, "steps": 9,
        "clip_grad_norm": 1, "bptt": {"reset_every": 3}}"#;
    let config = format!(
        r#"{{"vocab_size": 7, "cell": "{cell}", "input_encoding": "one_hot", "hidden_size": 5, "num_layers": 2}}"#
    );
    let settings = Settings::read(&Config::parse("train.json", train).unwrap(), "".as_ref()).unwrap();
    let config = Config::parse("config.json", &config).unwrap();
    Task { model: named("CharLanguageModel").unwrap(), config, settings, keys: None }
}

/// Two rows of six ids, and the same moved by one.
fn batch(from: i32) -> Tensors {
    let ids = |from: i32| HostTensor::i32(&[2, 6], (from..from + 12).map(|i| (i * i + i / 3) % 7).collect());
    [("input_ids".to_owned(), ids(from)), ("target".to_owned(), ids(from + 1))].into()
}

fn trainer(cell: &str, engine: &Engine) -> Trainer {
    let (task, shapes) = (task(cell), shapes_of(&batch(0)));
    let start = Start::drawn(&task, &shapes).unwrap();
    Trainer::new(task, start.weights, engine, How::default(), &shapes).unwrap()
}

/// Every operation of a step, forward, backward and update, within its bound, with a state that was carried.
#[test]
fn a_step_of_bptt_is_verified_operation_by_operation() {
    let Some(device) = device() else { return };
    for cell in ["rnn", "lstm", "gru"] {
        let (task, shapes) = (task(cell), shapes_of(&batch(0)));
        let built = task.graph(Role::Step, &shapes).unwrap();
        let hyper = task.optimizer(Role::Step).unwrap().hyper(1, 0.1, None);
        let mut inputs = batch(3);
        inputs.insert("optimizer/hyper".into(), HostTensor::f32(&[hyper.len()], hyper));
        inputs.insert("bptt/keep".into(), HostTensor::f32(&[1], vec![1.0]));
        for fuse in [true, false] {
            let store = Store::new(&device, Arc::new(Start::drawn(&task, &shapes).unwrap().weights));
            store.prepare(&built.graph).unwrap();
            let ramp = |n: usize| (0..n).map(|i| (i * 7 % 13) as f32 / 13.0).collect::<Vec<f32>>();
            for (name, spec) in built.graph.states().filter(|(_, s)| s.dtype == Dtype::F32) {
                store.set_state(name, &HostTensor::f32(&spec.shape, ramp(spec.len()))).unwrap();
            }
            let options = Options { fuse, fixed_weights: false, ..Options::default() };
            let found = verify(&store, &built.graph, &inputs, &options).unwrap();
            let first = found.first.as_ref().map(|(at, _)| &found.ops[*at]);
            assert!(found.ok(), "{cell}: {} at {}", first.unwrap().label, first.unwrap().at);
            assert!(found.ops.iter().any(|op| op.label.contains("step 5")), "{cell}: the steps are not among them");
        }
    }
}

/// A session of a trainer sees the weights of the steps so far, as one that begins with them.
#[test]
fn a_session_of_a_trainer_follows_its_steps() {
    for engine in engines() {
        let mut trainer = trainer("lstm", &engine);
        let ids = Tensors::from([("input_ids".to_owned(), batch(5)["input_ids"].clone())]);
        let graph = models::build(trainer.task().model, &trainer.task().config, &Inputs::of(&ids), None).unwrap();
        let session = trainer.session(&graph).unwrap();
        let logits =
            |session: &handmill::engine::Session| Tensors::from_iter(session.run(&ids).unwrap())["logits"].clone();
        let before = logits(&session);
        for number in 0..4 {
            trainer.step(&[batch(number)]).unwrap();
        }
        let after = logits(&session);
        assert_ne!(before, after);
        let weights = Arc::new(Weights::new(trainer.weights().unwrap()));
        let options = Options { fixed_weights: false, ..Options::default() };
        let anew = engine.executor(weights).session(&graph, &options, None).unwrap();
        assert!(apart(&after.to_f64(), &logits(&anew).to_f64()) < 1e-6);
    }
}

/// One character a run gives the logits that the whole sequence gives, and a second sequence begins anew.
#[test]
fn a_character_at_a_time_is_the_whole_sequence() {
    for (engine, cell) in engines().into_iter().zip(["gru", "lstm"]).chain(engines().into_iter().zip(["lstm", "rnn"])) {
        let trainer = trainer(cell, &engine);
        let context = trainer.context();
        let mut stepper = Stepper::open(&context).unwrap();
        for from in [0, 4] {
            let ids = HostTensor::i32(&[1, 6], batch(from)["input_ids"].as_i32().unwrap()[..6].to_vec());
            let inputs = Tensors::from([("input_ids".to_owned(), ids.clone())]);
            let whole = Tensors::from_iter(context.session(&inputs).unwrap().run(&inputs).unwrap())["logits"].to_f64();
            for n in [1, 2, 5, 6] {
                let got = stepper.logits(&ids.as_i32().unwrap()[..n]).unwrap();
                let got: Vec<f64> = got.iter().map(|&v| f64::from(v)).collect();
                assert!(apart(&got, &whole[7 * (n - 1)..7 * n]) < 1e-5, "{cell}, {n} characters");
            }
        }
        assert_eq!(stepper.logits(&[]).unwrap_err().to_string(), "input_ids: has no tokens, expected 1 or more");
        assert_eq!(stepper.logits(&[3, 7]).unwrap_err().to_string(), "input_ids: id 7 is not in 0..7");
    }
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// The example on every model, small: its files are there, and the folder is a model that knows the vocabulary.
#[test]
fn the_example_trains_and_writes_a_model_folder() {
    let device = if device().is_some() { "auto" } else { "reference" };
    for (model, corpus) in [("rnn", "sums"), ("lstm", "dates"), ("gru", "sums"), ("gpt", "dates")] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let args = format!(
            "char_lm --model {model} --corpus {corpus} --steps 6 --every 3 --batch-size 3 --time 5 --hidden-size 8 \
             --held-out 2 --device {device} --out"
        );
        let args = args.split(' ').map(std::ffi::OsString::from).chain([out.clone().into()]);
        assert!(char_lm::run(&char_lm::Args::parse_from(args)).unwrap() <= 2);
        for name in ["config.json", "model.safetensors", "vocab.json", "loss.svg", "corpus.txt"] {
            assert!(out.join(name).is_file(), "{model} writes no {name}");
        }
        let losses = load_tensors(out.join("losses.safetensors")).unwrap()["loss"].to_f64();
        assert!(losses.len() == 6 && losses.iter().all(|l| l.is_finite()), "{losses:?}");
        let loaded = Loaded::open(&out).unwrap();
        let vocabulary = handmill::train::data::Vocabulary::open(&out.join("vocab.json")).unwrap();
        assert_eq!(loaded.folder.config().usize("vocab_size", 0), vocabulary.size());
        let ids = Shapes::from([("input_ids".to_owned(), handmill::Spec::new(Dtype::I32, &[1, 4]))]);
        let graph = loaded.graph(&Inputs::shapes(ids), None).unwrap();
        loaded.weights(&loaded.folder.checkpoint().unwrap(), &graph).unwrap();
    }
}

/// A text of one's own is judged by its end.
#[test]
fn the_example_learns_a_file() {
    let device = if device().is_some() { "auto" } else { "reference" };
    let folder = tempfile::tempdir().unwrap();
    let (text, out) = (folder.path().join("text.txt"), folder.path().join("out"));
    std::fs::write(&text, "the mill grinds\n".repeat(40)).unwrap();
    let mut args: Vec<std::ffi::OsString> =
        format!("char_lm --model gru --steps 4 --every 2 --batch-size 2 --time 6 --hidden-size 8 --device {device}")
            .split(' ')
            .map(Into::into)
            .collect();
    args.extend(["--text".into(), text.into(), "--out".into(), out.clone().into()]);
    assert_eq!(char_lm::run(&char_lm::Args::parse_from(args)).unwrap(), 0);
    let losses = load_tensors(out.join("losses.safetensors")).unwrap();
    assert_eq!((losses["loss"].len(), losses["validation"].len()), (4, 2));
    assert!(!out.join("corpus.txt").exists());
}

/// Of a step only what its gradient reads is kept, so that the biases of the recurrent products stay in them.
#[test]
fn biases_in_a_scan_that_is_learned_are_part_of_the_products() {
    for cell in ["rnn", "lstm", "gru"] {
        let built = task(cell).graph(Role::Step, &shapes_of(&batch(0))).unwrap();
        let options = Options { fixed_weights: false, ..Options::default() };
        let plan = handmill::Plan::with(&built.graph, &handmill::Adapter::webgpu(), &options).unwrap();
        let lines = plan.to_string();
        assert!(!lines.lines().any(|line| line.contains("rnn/add ")), "{cell}: {lines}");
    }
}
