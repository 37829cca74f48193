//! What a user gets wrong in a training: exit status 1, one sentence, and everything as it was.

use std::fs;

use handmill::engine::Tensors;
use handmill::tensor::HostTensor;
use handmill::weights::save_tensors;
use libtest_mimic::Trial;

use super::replay;
use crate::Folder;

type Wrong = (&'static str, fn(&Folder), &'static [&'static str], &'static str);

const REFERENCE: &[&str] = &["--out", "out", "--device", "reference"];
const MLP_LOSSES: &str = "cross_entropy, mse, l1, huber, binary_cross_entropy_with_logits, nll, hinge, multi_margin, \
                          gaussian_nll, kl_standard_normal, kl_gaussians, kl_divergence, cosine_embedding";

/// One trial a row, and those that need a run before.
pub fn trials(gpu: bool) -> Vec<Trial> {
    let trial = |row: &'static Wrong| {
        Trial::test(format!("train/refused/{}", row.0), move || {
            refused(row);
            Ok(())
        })
        .with_ignored_flag(row.2.contains(&"gpu") && !gpu)
    };
    let mut trials: Vec<_> = WRONG.iter().map(trial).collect();
    trials.push(Trial::test("train/refused/resume", || {
        resume(&Folder::new());
        Ok(())
    }));
    let small = Trial::test("train/refused/max_memory", || {
        let folder = Folder::new();
        folder.fixture("training/optim_adam");
        let ran = folder.handmill(replay(&["--out", "out", "--device", "gpu", "--max-memory", "1000"])).exits(1);
        assert!(ran.err.starts_with("handmill: the plan: needs "), "{}", ran.err);
        assert!(ran.err.ends_with(" bytes, and 1000 are allowed\n") && ran.err.lines().count() == 1, "{}", ran.err);
        assert!(!folder.at("out").exists());
        Ok(())
    });
    trials.push(small.with_ignored_flag(!gpu));
    trials
}

fn refused((_, change, args, expected): &Wrong) {
    let folder = Folder::new();
    folder.fixture("training/optim_adam").write("out/model.safetensors", "old");
    change(&folder);
    let before = folder.tree(".");
    let sentence = expected.replace("{MLP}", MLP_LOSSES);
    folder.handmill(replay(args)).without_lines().fails(&sentence);
    assert!(folder.tree(".") == before, "something changed");
}

/// The batches changed.
fn batches(folder: &Folder, change: impl FnOnce(&mut Tensors)) {
    let mut tensors = folder.load("model/batches.safetensors");
    change(&mut tensors);
    let tensors: Vec<_> = tensors.into_iter().collect();
    save_tensors(folder.at("model/batches.safetensors"), &tensors, true).unwrap();
}

/// The label of the first example of step 2.
fn label(folder: &Folder, value: i32) {
    batches(folder, |tensors| {
        let mut values = tensors["target"].as_i32().unwrap().to_vec();
        values[24] = value;
        tensors.insert("target".into(), HostTensor::i32(&[6, 12], values));
    });
}

/// The third value of the first example of step 2.
fn value(folder: &Folder, value: f32) {
    batches(folder, |tensors| {
        let mut values = tensors["input"].as_f32().unwrap().to_vec();
        values[2 * 96 + 2] = value;
        tensors.insert("input".into(), HostTensor::f32(&[6, 12, 8], values));
    });
}

/// Replaces text in `train.json`.
fn settings(folder: &Folder, from: &str, to: &str) {
    let text = fs::read_to_string(folder.at("model/train.json")).unwrap();
    assert!(text.contains(from), "{text}");
    folder.write("model/train.json", text.replace(from, to));
}

const WRONG: &[Wrong] = &[
    // Batches.
    ("label/too_large", |f| label(f, 4), REFERENCE, "step 2: target: label 4 is not in 0..4 nor the ignored -100"),
    ("label/negative", |f| label(f, -1), REFERENCE, "step 2: target: label -1 is not in 0..4 nor the ignored -100"),
    (
        "label/float",
        |f| batches(f, |t| drop(t.insert("target".into(), HostTensor::f32(&[6, 12], vec![0.0; 72])))),
        REFERENCE,
        "src/train/objective.rs:N: target: the input is f32, expected i32",
    ),
    ("data/nan", |f| value(f, f32::NAN), REFERENCE, "step 2: input: element 2 is NaN, expected a finite number"),
    (
        "data/inf",
        |f| value(f, f32::NEG_INFINITY),
        REFERENCE,
        "step 2: input: element 2 is -inf, expected a finite number",
    ),
    (
        "batches/shape",
        |f| batches(f, |t| drop(t.insert("input".into(), HostTensor::f32(&[6, 12, 7], vec![0.0; 504])))),
        REFERENCE,
        "src/models/feedforward/mlp.rs:N: input: is (12, 7), and in_features is 8",
    ),
    (
        "batches/examples",
        |f| batches(f, |t| drop(t.insert("target".into(), HostTensor::i32(&[6, 11], vec![0; 66])))),
        REFERENCE,
        "src/train/objective.rs:N: target: is (11,), expected (12,) for output",
    ),
    (
        "batches/steps_differ",
        |f| batches(f, |t| drop(t.insert("target".into(), HostTensor::i32(&[5, 12], vec![0; 60])))),
        REFERENCE,
        "model/batches.safetensors: tensor \"target\" has 5 steps, \"input\" has 6",
    ),
    (
        "batches/missing",
        |f| batches(f, |t| drop(t.remove("target"))),
        REFERENCE,
        "src/train/objective.rs:N: target: the input is missing; given are input",
    ),
    (
        "batches/extra",
        |f| batches(f, |t| drop(t.insert("surplus".into(), HostTensor::f32(&[6, 1], vec![0.0; 6])))),
        REFERENCE,
        "surplus: MLP does not use it for the loss cross_entropy; it takes input, target",
    ),
    (
        "batches/too_few",
        |f| settings(f, "\"steps\": 6", "\"steps\": 7"),
        REFERENCE,
        "model/batches.safetensors: has 6 batches, the steps of train.json need 7",
    ),
    (
        "batches/too_few_for_micro_batches",
        |f| settings(f, "\"steps\": 6", "\"steps\": 4, \"accumulate\": 2"),
        REFERENCE,
        "model/batches.safetensors: has 6 batches, the steps of train.json need 8",
    ),
    (
        "batches/absent",
        |f| fs::remove_file(f.at("model/batches.safetensors")).unwrap(),
        REFERENCE,
        "model/batches.safetensors: cannot be opened: No such file or directory (os error 2)",
    ),
    // Settings.
    (
        "settings/absent",
        |f| fs::remove_file(f.at("model/train.json")).unwrap(),
        REFERENCE,
        "model/train.json: cannot be opened: No such file or directory (os error 2)",
    ),
    (
        "settings/no_steps",
        |f| settings(f, "\"steps\": 6", "\"seed\": 6"),
        REFERENCE,
        "model/train.json: steps: is missing, expected a whole number from 1 to 2147483648",
    ),
    (
        "settings/misspelt_key",
        |f| settings(f, "\"steps\"", "\"clip_grad_nrom\": 1, \"steps\""),
        REFERENCE,
        "model/train.json: clip_grad_nrom: is not a key here; did you mean \"clip_grad_norm\"?",
    ),
    (
        "settings/misspelt_key_of_the_optimizer",
        |f| settings(f, "\"betas\"", "\"beta\""),
        REFERENCE,
        "model/train.json: optimizer: beta: is not a key here; did you mean \"betas\"?",
    ),
    (
        "settings/lr_0",
        |f| settings(f, "\"lr\": 0.01", "\"lr\": 0"),
        REFERENCE,
        "model/train.json: optimizer: lr: found 0, expected a number above 0",
    ),
    (
        "settings/lr_negative",
        |f| settings(f, "\"lr\": 0.01", "\"lr\": -0.01"),
        REFERENCE,
        "model/train.json: optimizer: lr: found -0.01, expected a number above 0",
    ),
    (
        "settings/loss_of_another_model",
        |f| settings(f, "cross_entropy", "vae"),
        REFERENCE,
        "model/train.json: loss: MLP is not trained with vae; it takes {MLP}",
    ),
    (
        "settings/model_without_loss",
        |f| {
            f.write("model/config.json", r#"{"architectures": ["Softmax"], "dim": 1}"#);
        },
        REFERENCE,
        "model/train.json: loss: Softmax has no loss that it is trained with",
    ),
    (
        "settings/loss_of_other_targets",
        |f| settings(f, "cross_entropy", "mse"),
        REFERENCE,
        "src/train/objective.rs:N: target: the input is i32, expected f32",
    ),
    (
        "settings/early_stopping_without_validation",
        |f| settings(f, "\"steps\"", "\"early_stopping\": {\"patience\": 2}, \"steps\""),
        REFERENCE,
        "model/train.json: early_stopping: needs validation data: tensors validation.* beside those of the steps",
    ),
    (
        "settings/gan_with_validation",
        |f| {
            f.fixture("training/dcgan");
            batches(f, |t| drop(t.insert("validation.input".into(), HostTensor::f32(&[1, 1, 8, 8], vec![0.0; 64]))));
        },
        REFERENCE,
        "model/train.json: loss: gan is not judged by examples for validation; train without them",
    ),
    (
        "settings/bptt_without_state",
        |f| settings(f, "\"steps\"", "\"bptt\": {\"reset_every\": 2}, \"steps\""),
        REFERENCE,
        "src/train/step.rs:N: bptt: MLP has no hidden state to carry from step to step",
    ),
    (
        "settings/schedule_without_lr",
        |f| {
            settings(
                f,
                "\"adam\", \"lr\": 0.01, \"betas\": [0.9, 0.999], \"eps\": 1e-08",
                "\"ftrl\", \"alpha\": 1, \"beta\": 1",
            );
            settings(f, "\"steps\"", "\"schedule\": {\"name\": \"cosine\"}, \"steps\"");
        },
        REFERENCE,
        "model/train.json: schedule: the optimizer has no learning rate that could change",
    ),
    // Places.
    (
        "out/model",
        |_| {},
        &["--out", "model", "--device", "reference"],
        "model: is the model's own folder; write the results to another one",
    ),
    (
        "out/model_by_another_name",
        |_| {},
        &["--out", "out/../model", "--device", "reference"],
        "out/../model: is the model's own folder; write the results to another one",
    ),
    (
        "out/below_a_file",
        |_| {},
        &["--out", "model/config.json/out", "--device", "reference"],
        "model/config.json/out: cannot be made: Not a directory (os error 20)",
    ),
    (
        "out/file",
        |_| {},
        &["--out", "model/config.json", "--device", "reference"],
        "model/config.json: cannot be made: File exists (os error 17)",
    ),
    (
        "out/not_writable",
        |_| {},
        &["--out", "/proc", "--device", "reference"],
        "/proc: cannot be written: No such file or directory (os error 2)",
    ),
    (
        "out/result_is_a_folder",
        |f| fs::create_dir_all(f.at("out/losses.safetensors")).unwrap(),
        REFERENCE,
        "out/losses.safetensors: is a folder, not a file",
    ),
    (
        "gradients/no_folder",
        |_| {},
        &["--out", "out", "--gradients", "nosuch/g.safetensors", "--device", "reference"],
        "nosuch/g.safetensors: cannot be written: there is no folder nosuch",
    ),
    (
        "gradients/input",
        |_| {},
        &["--out", "out", "--gradients", "model/batches.safetensors", "--device", "reference"],
        "model/batches.safetensors: is an input too; write the outputs to another file",
    ),
    (
        "dtype",
        |_| {},
        &["--out", "out", "--dtype", "f16", "--device", "reference"],
        "--dtype: f16 is for running a model; training keeps its weights in f32",
    ),
];

/// Checkpoints that are not there, damaged, or of another run.
fn resume(folder: &Folder) {
    folder.fixture("training/optim_adam");
    settings(folder, "\"steps\": 6", "\"steps\": 6, \"checkpoint_every\": 2");
    folder.handmill(replay(&["--out", "run", "--device", "reference"])).exits(0);
    let last = "run/checkpoints/step-000006.safetensors";
    let before = "run/checkpoints/step-000004.safetensors";
    let whole = folder.read(last);
    let train = folder.read("model/train.json");
    let from = |path| folder.handmill(replay(&["--out", "out", "--device", "reference", "--resume", path]));
    from("nosuch").fails("nosuch: cannot be opened: No such file or directory (os error 2)");
    folder.write("empty/file", "");
    from("empty").fails("empty: has no checkpoints");
    from("run/model.safetensors")
        .fails("run/model.safetensors: is not a checkpoint of a training: it has no state of one; there is no other that is whole");
    let other = "go on with what it was made with";
    settings(folder, "0.01", "0.02");
    from("run").fails(&format!("{last}: was made with another train.json; {other}"));
    folder.write("model/train.json", &train);
    settings(folder, "\"steps\"", "\"seed\": 5, \"steps\"");
    from("run").fails(&format!("{last}: was made with seed 0, not 5; {other}"));
    folder.write("model/train.json", &train);
    let data = folder.read("model/batches.safetensors");
    value(folder, 0.5);
    from("run").fails(&format!("{last}: was made with other data; {other}"));
    folder.write("model/batches.safetensors", data);
    settings(folder, "\"steps\": 6", "\"steps\": 5");
    from("run").fails(&format!("{last}: has 6 steps behind it, train.json asks for 5"));
    folder.write("model/train.json", &train);
    // Every tenth byte in turn: each is noticed, and the checkpoint before is offered.
    let hint = format!("; the one before is whole: --resume {before}\n");
    for at in (0..10).map(|tenth| whole.len() * tenth / 10 + 5) {
        let mut bytes = whole.clone();
        bytes[at] ^= 16;
        folder.write(last, bytes);
        let ran = from("run").exits(1);
        assert!(
            ran.err.starts_with(&format!("handmill: {last}: ")) && ran.err.ends_with(&hint),
            "byte {at}: {}",
            ran.err
        );
        assert_eq!(ran.err.lines().count(), 1);
    }
    folder.write(last, &whole[..whole.len() - 100]);
    let ran = from("run").exits(1);
    assert!(ran.err.ends_with(&hint), "{}", ran.err);
    assert!(!folder.at("out").exists(), "nothing was written");
    from(before).exits(0);
    assert!(folder.read("out/checkpoints/step-000006.safetensors") == whole);
    assert_eq!(folder.read("out/model.safetensors"), folder.read("run/model.safetensors"));
}
