//! The models that train, against the first step of every run of `tests/data/training`: each builds for one batch, has the
//! checkpoint's weights, and gives the loss that PyTorch recorded (the losses here are plain loops in f64). Then what
//! these models do in evaluation mode, which those runs do not show, and what they refuse.
//!
//! `HANDMILL_REQUIRE_GPU=1` makes a missing adapter a failure.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use handmill::config::Config;
use handmill::device::Device;
use handmill::engine::{Engine, Tensors};
use handmill::graph::{FixedGraph, Graph};
use handmill::json::Value;
use handmill::models::{self, Inputs, Loaded, named};
use handmill::plan::Options;
use handmill::store::{Store, Weights};
use handmill::tensor::{Dtype, HostTensor};
use handmill::verify::verify;
use handmill::weights::load_tensors;
use libtest_mimic::{Arguments, Failed, Trial};

#[path = "models_training/images.rs"]
mod images;
#[path = "models_training/losses.rs"]
mod losses;
#[path = "models_training/refusals.rs"]
mod refusals;

type Outcome = Result<(), Failed>;
type OnEngine = fn(&Engine) -> Outcome;

fn main() {
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let (engine, note) = Engine::open("auto").unwrap_or_else(|e| panic!("{e}"));
    note.iter().for_each(|text| eprintln!("{text}: GPU rows are ignored"));
    let device = engine.device().cloned();
    let required = std::env::var_os("HANDMILL_REQUIRE_GPU").is_some_and(|v| v == "1");
    let missing = device.is_none() && !required;

    let mut trials = vec![
        Trial::test("refusals", refusals::configs),
        Trial::test("refused_inputs", refusals::inputs),
        Trial::test("refused_ids", refusals::ids),
        Trial::test("planted_losses_are_found", planted),
    ];
    let mut on_engines = |name: String, row: Arc<dyn Fn(&Engine) -> Outcome + Send + Sync>| {
        let (reference, device) = (row.clone(), device.clone());
        trials.push(Trial::test(format!("{name}/reference"), move || reference(&Engine::Reference)));
        let gpu = move || row(&Engine::Gpu(device.ok_or("no adapter was found")?));
        trials.push(Trial::test(name, gpu).with_ignored_flag(missing));
    };
    let rows: [(&str, OnEngine); 6] = [
        ("denoising_autoencoder_in_evaluation", denoising_in_evaluation),
        ("vae_in_evaluation", vae_in_evaluation),
        ("skip_gram_scores", skip_gram_scores),
        ("dropout_of_nothing", dropout_of_nothing),
        ("conv_batch_norm_net_in_evaluation", images::conv_batch_norm_net),
        ("dcgan_in_evaluation", images::dcgan),
    ];
    rows.into_iter().for_each(|(name, row)| on_engines(name.to_owned(), Arc::new(row)));
    for path in cases() {
        let case = Arc::new(Case::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())));
        on_engines(format!("{}/loss", case.name), Arc::new(move |engine| case.first_loss(engine)));
    }
    for path in cases() {
        let (case, device) = (Case::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())), device.clone());
        let name = case.name.clone();
        if case.loaded.model.section != "3.1" || name == "reg_dropout" {
            let again = Case::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let row = move || again.verified(device.as_ref().ok_or("no adapter was found")?);
            trials.push(Trial::test(format!("{name}/verify"), row).with_ignored_flag(missing));
        }
        trials.push(Trial::test(format!("{name}/weights"), move || case.weights()));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/training");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = entries.map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    paths
}

/// A run's folder, its model, and the first batch.
struct Case {
    name: String,
    path: PathBuf,
    loaded: Loaded,
    batch: Tensors,
}

impl Case {
    fn open(path: &Path) -> handmill::Result<Case> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut batch = load_tensors(path.join("batches.safetensors"))?;
        batch.retain(|name, _| !name.starts_with("validation."));
        batch.values_mut().for_each(|t| *t = first(t));
        Ok(Case { name, path: path.to_owned(), loaded: Loaded::open(path)?, batch })
    }

    fn object(&self, file: &str) -> Result<Value, Failed> {
        Ok(Value::Object(handmill::folder::read_object(&self.path.join(file))?))
    }

    /// The graph in training mode for `inputs`, and the weights of the file.
    fn training(&self, inputs: &Tensors) -> Result<(Arc<FixedGraph>, Arc<Weights>), Failed> {
        let checkpoint = self.loaded.folder.checkpoint()?;
        let graph = Graph::with_keys(checkpoint.tensors().iter().map(|t| t.name.clone()));
        graph.set_training(true);
        let config = self.loaded.folder.config();
        (self.loaded.model.build)(&graph, &config, &Inputs::of(inputs));
        config.finish()?;
        let graph = Arc::new(graph.build()?);
        let (weights, _) = self.loaded.weights(&checkpoint, &graph)?;
        Ok((graph, weights))
    }

    fn run(&self, engine: &Engine, inputs: &Tensors) -> Result<Tensors, Failed> {
        let (graph, weights) = self.training(inputs)?;
        let session = engine.executor(weights).session(&graph, &Options::default(), None)?;
        Ok(session.run(inputs)?.into_iter().collect())
    }

    /// The recorded losses of the first step, by a forward pass and plain loops in f64.
    fn first_loss(&self, engine: &Engine) -> Outcome {
        let train = self.object("train.json")?;
        let inputs = self.loaded.model.graph_inputs(&losses::inputs(self.loaded.model, &train, &self.batch));
        let outputs = self.run(engine, &inputs)?;
        if train["loss"] == "gan" {
            // Real images and those of the generator are batches of their own.
            let made = self.run(engine, &tensors(&[("pixel_values", &outputs["image"])]))?;
            return self.compare(&[("d_loss", losses::discriminator(&outputs["logit"], &made["logit"]))]);
        }
        self.compare(&losses::of(&train, &outputs, &self.batch)?)
    }

    /// `found` against the first step of losses.safetensors. Penalties are no part of a forward pass.
    fn compare(&self, found: &[(&str, f64)]) -> Outcome {
        let (meta, expected) = (self.object("meta.json")?, load_tensors(self.path.join("losses.safetensors"))?);
        for &(name, got) in found {
            let name = if name == "loss" && expected.contains_key("data") { "data" } else { name };
            let want = expected.get(name).ok_or(format!("losses.safetensors has no {name}"))?.to_f64()[0];
            let atol = meta["tolerance"]["losses"][name].as_f64().ok_or(format!("no tolerance of {name}"))?;
            if (got - want).is_nan() || (got - want).abs() > atol {
                return Err(format!("{name} is {got}, expected {want} within {atol}").into());
            }
        }
        Ok(())
    }

    /// The graph uses every tensor of the file, the file has no other, and they are as many as PyTorch counted.
    fn weights(&self) -> Outcome {
        let checkpoint = self.loaded.folder.checkpoint()?;
        let keys = checkpoint.tensors().iter().map(|t| t.name.clone()).collect();
        let graph = self.loaded.graph(&Inputs::defaults(), Some(keys))?;
        let (_, notices) = self.loaded.weights(&checkpoint, &graph)?;
        if !notices.is_empty() {
            return Err(notices.join("; ").into());
        }
        let buffer = |key: &str| ["running_mean", "running_var"].iter().any(|b| key.ends_with(b));
        let parameters: usize = graph.weights().filter(|(key, _)| !buffer(key)).map(|(_, spec)| spec.len()).sum();
        match self.object("meta.json")?["parameters"].as_u64() {
            Some(n) if n == parameters as u64 => Ok(()),
            expected => Err(format!("{parameters} parameters, expected {expected:?}").into()),
        }
    }

    /// Every operation of the plan within the bound of its reference, fused and not.
    fn verified(&self, device: &Arc<Device>) -> Outcome {
        let inputs = losses::inputs(self.loaded.model, &self.object("train.json")?, &self.batch);
        let inputs = self.loaded.model.graph_inputs(&inputs);
        let (graph, weights) = self.training(&inputs)?;
        let store = Store::new(device, weights);
        for fuse in [true, false] {
            let found = verify(&store, &graph, &inputs, &Options { fuse, ..Options::default() })?;
            if let Some((first, _)) = &found.first {
                let op = &found.ops[*first];
                return Err(format!("{} at {} is out of its bound", op.label, op.at).into());
            }
        }
        Ok(())
    }
}

/// The losses have teeth: a wrong weight, a wrong target, a wrong argument are seen.
fn planted() -> Outcome {
    let path = cases().into_iter().find(|p| p.ends_with("vae_bce")).ok_or("vae_bce is missing")?;
    let case = Case::open(&path)?;
    let train = case.object("train.json")?;
    let outputs = case.run(&Engine::Reference, &losses::inputs(case.loaded.model, &train, &case.batch))?;
    case.compare(&losses::of(&train, &outputs, &case.batch)?)?;
    for name in ["output", "mu", "logvar"] {
        let mut wrong = outputs.clone();
        let mut values = outputs[name].to_f64();
        values[1] += 1e-2;
        wrong.insert(name.to_owned(), HostTensor::from_f64(Dtype::F32, outputs[name].shape(), &values));
        if case.compare(&losses::of(&train, &wrong, &case.batch)?).is_ok() {
            return Err(format!("a wrong {name} passes").into());
        }
    }
    Ok(())
}

/// The first of the rows of `t`.
fn first(t: &HostTensor) -> HostTensor {
    let shape = &t.shape()[1..];
    HostTensor::from_f64(t.dtype(), shape, &t.to_f64()[..shape.iter().product()])
}

/// Numbers between −1 and 1 that no two keys share.
fn ramp(key: &str, shape: &[usize]) -> HostTensor {
    let seed = key.bytes().fold(7usize, |h, b| (h * 31 + usize::from(b)) % 9973);
    let value = |i: usize| ((i * 7919 + seed * 104_729) % 1013) as f32 / 506.0 - 1.0;
    HostTensor::f32(shape, (0..shape.iter().product()).map(value).collect())
}

/// As [`ramp`], made smaller by the root of the sums that they take part in; variances are positive.
fn weight(key: &str, shape: &[usize]) -> HostTensor {
    let fan_in = shape.iter().skip(1).product::<usize>() as f32;
    let scale = if shape.len() > 1 { 1.7 / fan_in.sqrt() } else { 1.0 };
    let values = ramp(key, shape).to_f64();
    let fitted = values.iter().map(|&v| if key.ends_with("var") { 1.2 + v as f32 } else { v as f32 * scale });
    HostTensor::f32(shape, fitted.collect())
}

fn tensors(inputs: &[(&str, &HostTensor)]) -> Tensors {
    inputs.iter().map(|(n, t)| ((*n).to_owned(), (*t).clone())).collect()
}

/// The outputs in evaluation mode, and the weights, which depend on nothing but their keys and shapes.
fn evaluate(
    engine: &Engine,
    model: &str,
    config: &str,
    inputs: &[(&str, &HostTensor)],
) -> Result<(Tensors, Tensors), Failed> {
    let inputs = tensors(inputs);
    let config = Config::parse("config.json", config)?;
    let graph = models::build(named(model)?, &config, &Inputs::of(&inputs), None)?;
    let made: Tensors = graph.weights().map(|(k, s)| (k.to_owned(), weight(k, &s.shape))).collect();
    let executor = engine.executor(Arc::new(Weights::new(made.clone())));
    let session = executor.session(&graph, &Options::default(), None)?;
    Ok((session.run(&inputs)?.into_iter().collect(), made))
}

/// Every element within 1e-5 of the largest magnitude, as in the fixtures.
fn near(name: &str, got: &[f64], want: &[f64]) -> Outcome {
    if got.len() != want.len() {
        return Err(format!("{name}: {} values, expected {}", got.len(), want.len()).into());
    }
    let atol = 1e-5 * want.iter().fold(0.0, |a: f64, v| a.max(v.abs()));
    match got.iter().zip(want).position(|(g, w)| (g - w).is_nan() || (g - w).abs() > atol) {
        Some(i) => Err(format!("{name}[{i}] is {}, expected {} within {atol:.1e}", got[i], want[i]).into()),
        None => Ok(()),
    }
}

fn values(outputs: &Tensors, name: &str) -> Result<Vec<f64>, Failed> {
    Ok(outputs.get(name).ok_or(format!("{name} is missing"))?.to_f64())
}

const DENOISING: &str =
    r#""input_size": 10, "hidden_sizes": [7, 3], "activation": "gelu", "output_activation": "sigmoid""#;

/// Without damage it is an autoencoder; with damage, one that sees the damaged input.
fn denoising_in_evaluation(engine: &Engine) -> Outcome {
    let (input, noise) = (ramp("input", &[4, 10]), ramp("noise", &[4, 10]));
    let mask = HostTensor::f32(&[4, 10], (0..40).map(|i| f32::from(i % 3 != 0)).collect());
    let plain = |x: &HostTensor| evaluate(engine, "Autoencoder", &format!("{{{DENOISING}}}"), &[("input", x)]);
    for (more, name, damage) in [(r#""gaussian", "noise_std": 0.25"#, "noise", &noise), (r#""masking""#, "mask", &mask)]
    {
        let config = format!(r#"{{{DENOISING}, "corruption": {more}}}"#);
        let seen = input.to_f64().into_iter().zip(damage.to_f64());
        let seen = seen.map(|(x, d)| if name == "noise" { x + 0.25 * d } else { x * d });
        let seen = HostTensor::f32(&[4, 10], seen.map(|v| v as f32).collect());
        for (inputs, same) in [(vec![("input", &input)], &input), (vec![("input", &input), (name, damage)], &seen)] {
            let (got, _) = evaluate(engine, "DenoisingAutoencoder", &config, &inputs)?;
            let (want, _) = plain(same)?;
            for output in ["output", "code"] {
                near(&format!("{output} with {name}"), &values(&got, output)?, &values(&want, output)?)?;
            }
        }
    }
    Ok(())
}

/// Without noise z is mu; and z alone is decoded as it was before.
fn vae_in_evaluation(engine: &Engine) -> Outcome {
    let config = r#"{"input_size": 9, "hidden_sizes": [8, 5], "latent_size": 3, "activation": "tanh"}"#;
    let (input, eps) = (ramp("input", &[4, 9]), ramp("eps", &[4, 3]));
    let (mean, _) = evaluate(engine, "VAE", config, &[("input", &input)])?;
    let (drawn, _) = evaluate(engine, "VAE", config, &[("input", &input), ("eps", &eps)])?;
    near("z", &values(&mean, "z")?, &values(&mean, "mu")?)?;
    near("mu", &values(&drawn, "mu")?, &values(&mean, "mu")?)?;
    let moments = values(&drawn, "mu")?.into_iter().zip(values(&drawn, "logvar")?).zip(eps.to_f64());
    let want: Vec<f64> = moments.map(|((mu, logvar), eps)| mu + (0.5 * logvar).exp() * eps).collect();
    near("z with eps", &values(&drawn, "z")?, &want)?;
    for outputs in [&mean, &drawn] {
        let (decoded, weights) = evaluate(engine, "VAE", config, &[("z", &outputs["z"])])?;
        near("output", &values(&decoded, "output")?, &values(outputs, "output")?)?;
        if decoded.len() != 1 || weights.keys().any(|key| !key.starts_with("decoder.")) {
            return Err("decoding takes more than the decoder".into());
        }
    }
    // The decoder by itself: 3 → 5 → 8 → 9.
    let (outputs, weights) = evaluate(engine, "VAE", config, &[("z", &eps)])?;
    let mut want = vec![];
    for row in eps.to_f64().chunks(3) {
        let mut x = row.to_vec();
        for i in 0..3 {
            let (w, b) = (&weights[&format!("decoder.{i}.weight")], &weights[&format!("decoder.{i}.bias")]);
            x = affine(&x, w, b);
            x.iter_mut().filter(|_| i < 2).for_each(|v| *v = v.tanh());
        }
        want.extend(x);
    }
    near("output of z", &values(&outputs, "output")?, &want)
}

/// `w · x + b` of one row.
fn affine(x: &[f64], w: &HostTensor, b: &HostTensor) -> Vec<f64> {
    let (w, b) = (w.to_f64(), b.to_f64());
    w.chunks(x.len()).zip(b).map(|(row, b)| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() + b).collect()
}

/// Scores are the logits of the same words, products of the two tables.
fn skip_gram_scores(engine: &Engine) -> Outcome {
    let config = r#"{"vocab_size": 7, "embedding_dim": 5}"#;
    let ids = |shape: &[usize], v: &[i32]| HostTensor::i32(shape, v.to_vec());
    let (center, target) = (ids(&[3], &[6, 0, 6]), ids(&[3], &[1, 6, 0]));
    let negatives = ids(&[3, 4], &[0, 1, 2, 3, 6, 6, 6, 5, 4, 4, 0, 1]);
    let given = [("center", &center), ("target", &target)];
    let (all, weights) = evaluate(engine, "SkipGram", config, &given)?;
    let (few, _) = evaluate(engine, "SkipGram", config, &[&given[..], &[("negatives", &negatives)]].concat())?;
    let vector = |table: &str, id: f64| weights[table].to_f64()[5 * id as usize..][..5].to_vec();
    let score = |c: f64, o: f64| -> f64 {
        let (h, out) = (vector("in_embeddings.weight", c), vector("out_embeddings.weight", o));
        h.iter().zip(out).map(|(h, o)| h * o).sum()
    };
    let centers = center.to_f64();
    let logits: Vec<f64> =
        centers.iter().flat_map(|&c| (0..7).map(move |o| (c, f64::from(o)))).map(|(c, o)| score(c, o)).collect();
    near("logits", &values(&all, "logits")?, &logits)?;
    let positive: Vec<f64> = centers.iter().zip(target.to_f64()).map(|(&c, o)| score(c, o)).collect();
    near("target_score", &values(&all, "target_score")?, &positive)?;
    near("target_score with negatives", &values(&few, "target_score")?, &positive)?;
    let negative: Vec<f64> = negatives.to_f64().iter().enumerate().map(|(i, &o)| score(centers[i / 4], o)).collect();
    near("negative_scores", &values(&few, "negative_scores")?, &negative)?;
    if few.contains_key("logits") || few["h"] != all["h"] {
        return Err("negative sampling took the whole vocabulary, or another vector".into());
    }
    Ok(())
}

/// Dropout changes nothing in evaluation mode.
fn dropout_of_nothing(engine: &Engine) -> Outcome {
    let config = |more| {
        format!(r#"{{"in_features": 5, "hidden_sizes": [6, 4], "out_features": 3, "activation": "tanh"{more}}}"#)
    };
    let input = ramp("input", &[3, 5]);
    let (without, _) = evaluate(engine, "MLP", &config(""), &[("input", &input)])?;
    let (with, _) = evaluate(engine, "MLP", &config(r#", "dropout": 0.5"#), &[("input", &input)])?;
    if with == without { Ok(()) } else { Err("dropout acts in evaluation mode".into()) }
}
