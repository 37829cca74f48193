//! Gradients of whole models: every model that trains, on a configuration of the fixtures, with its loss and an update.
//!
//! The graph must reach every weight; in f64 on the references, `⟨∇L, v⟩` must be the slope of the loss along `v`, for
//! all weights together and for each alone; on the adapter, every operation of the step, update included, must be
//! within its bound.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use handmill::config::Config;
use handmill::device::Device;
use handmill::engine::Tensors;
use handmill::models::{self, Inputs, Loaded, Model};
use handmill::plan::Options;
use handmill::reference::{self, States};
use handmill::store::{Store, Weights};
use handmill::tensor::HostTensor;
use handmill::train::data::Batches;
use handmill::train::draws;
use handmill::train::gan;
use handmill::train::objective::{Shapes, objective};
use handmill::train::settings::Settings;
use handmill::train::start::Start;
use handmill::train::step::{Role, StepGraph, Task};
use handmill::train::trainer::shapes_of;
use handmill::verify::verify;
use handmill::weights::load_tensors;
use handmill::{FixedGraph, Graph};
use libtest_mimic::{Failed, Trial};

use super::judge::{text, weights};

/// Examples of a batch, at most: the references are slow.
const ROWS: usize = 4;

/// A model with the folder of `tests/data` that has its configuration, its weights and a batch.
struct Case {
    folder: &'static str,
    /// A loss; the model's first where this is empty.
    loss: &'static str,
    role: Role,
}

const fn case(folder: &'static str) -> Case {
    Case { folder, loss: "", role: Role::Step }
}

impl Case {
    const fn loss(self, loss: &'static str) -> Case {
        Case { loss, ..self }
    }

    const fn role(self, role: Role) -> Case {
        Case { role, ..self }
    }
}

const MLP: Case = case("feedforward/mlp_two_hidden");

const CASES: &[Case] = &[
    case("training/linear_regression"),
    case("feedforward/polynomial_regression"),
    case("training/logistic_regression"),
    case("training/softmax_regression"),
    case("feedforward/perceptron"),
    MLP.loss("cross_entropy"),
    MLP.loss("mse"),
    MLP.loss("l1"),
    MLP.loss("huber"),
    MLP.loss("binary_cross_entropy_with_logits"),
    MLP.loss("nll"),
    MLP.loss("hinge"),
    MLP.loss("multi_margin"),
    MLP.loss("gaussian_nll"),
    MLP.loss("kl_standard_normal"),
    MLP.loss("kl_gaussians"),
    MLP.loss("kl_divergence"),
    MLP.loss("cosine_embedding"),
    case("training/reg_dropout"),
    case("training/rbf_network"),
    case("training/mixture_density_network"),
    case("feedforward/conv1d_sequence"),
    case("feedforward/conv1d_sequence_centered"),
    case("feedforward/convnext"),
    case("feedforward/convnext_unscaled"),
    case("training/lenet_digits"),
    case("feedforward/lenet_small"),
    case("training/conv_batchnorm"),
    case("recurrent/char_language_model_embedding"),
    case("recurrent/char_language_model_lstm"),
    case("recurrent/char_language_model_one_hot"),
    case("recurrent/one_to_many"),
    case("recurrent/one_to_many_lstm"),
    case("recurrent/many_to_one"),
    case("recurrent/many_to_one_lengths"),
    case("recurrent/many_to_many"),
    case("recurrent/many_to_many_bidirectional"),
    case("recurrent/seq2seq"),
    case("recurrent/attention_seq2seq"),
    case("recurrent/attention_seq2seq_bidirectional"),
    case("recurrent/attention_captioner"),
    case("recurrent/attention_captioner_plain"),
    case("attention/transformer"),
    case("attention/transformer_pre_norm"),
    case("transformers/gpt2"),
    case("transformers/llama"),
    case("transformers/llama3_rope"),
    case("transformers/bert_masked_lm"),
    case("transformers/bert_sequence_classification"),
    case("transformers/vit"),
    case("transformers/clip"),
    case("transformers/t5"),
    case("transformers/t5_v1_1"),
    case("transformers/bart"),
    case("training/autoencoder"),
    case("training/denoising_autoencoder"),
    case("training/denoising_autoencoder_masking"),
    case("training/conv_transpose_decoder"),
    case("training/vae_bce"),
    case("training/vae_mse"),
    case("training/dcgan").role(Role::Discriminator),
    case("training/dcgan").role(Role::Generator),
    case("training/ddpm_unet"),
    case("training/ddpm_unet_block"),
    case("generative/unet2d"),
    case("training/word2vec_softmax"),
    case("training/word2vec_negative_sampling").loss("negative_sampling"),
];

/// A case, ready to be built.
struct Ready {
    task: Task,
    shapes: Shapes,
    batch: Tensors,
    weights: Weights,
}

fn folder(case: &Case) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(case.folder)
}

/// `train.json` of a case.
fn settings(loss: &str) -> Result<Settings, Failed> {
    let adamw = r#"{"name": "adamw", "lr": 0.01, "weight_decay": 0.1}"#;
    let optimizer = match loss {
        "gan" => format!(r#""optimizers": {{"discriminator": {adamw}, "generator": {adamw}}}"#),
        _ => format!(r#""optimizer": {adamw}"#),
    };
    let args = match loss {
        "noise_prediction" => r#"{"num_train_timesteps": 50, "beta_start": 0.0001, "beta_end": 0.02}"#,
        "vae" => r#"{"beta": 0.5}"#,
        _ => "{}",
    };
    let json = format!(r#"{{"loss": "{loss}", "loss_args": {args}, {optimizer}, "steps": 1, "seed": 3}}"#);
    Settings::read(&Config::parse("train.json", &json).map_err(text)?, Path::new("")).map_err(text)
}

/// The first `rows` rows of every tensor.
fn few(all: Tensors, rows: usize) -> Tensors {
    let cut = |(name, t): (String, HostTensor)| {
        let mut shape = t.shape().to_vec();
        let each: usize = shape[1..].iter().product();
        shape[0] = shape[0].min(rows);
        let values = t.to_f64();
        (name, HostTensor::from_f64(t.dtype(), &shape, &values[..shape[0] * each]))
    };
    all.into_iter().map(cut).collect()
}

impl Case {
    fn name(&self) -> String {
        let mut name = format!("model/{}", self.folder.split('/').nth(1).unwrap_or(self.folder));
        if !self.loss.is_empty() {
            name = format!("{name}/{}", self.loss);
        }
        match self.role {
            Role::Discriminator => name + "/discriminator",
            Role::Generator => name + "/generator",
            _ => name,
        }
    }

    fn ready(&self) -> Result<Ready, Failed> {
        let loaded = Loaded::open(&folder(self)).map_err(text)?;
        let (model, config) = (loaded.model, loaded.folder.config());
        let trains = model.trains.ok_or("the model does not train")?;
        let loss = if self.loss.is_empty() { trains.losses[0] } else { self.loss };
        let recorded = folder(self).join("batches.safetensors");
        let mut batch = if recorded.exists() {
            few(Batches::open(&recorded).map_err(text)?.batch(0).map_err(text)?, ROWS)
        } else {
            model.graph_inputs(&load_tensors(folder(self).join("inputs.safetensors")).map_err(text)?)
        };
        if loss == "contrastive" {
            // As many images as texts.
            let pairs = batch.values().map(|t| t.shape()[0]).min().unwrap_or(0);
            batch = few(batch, pairs);
        }
        if loss == "noise_prediction"
            && let Some(sample) = batch.remove("sample")
        {
            batch.insert("input".into(), sample);
        }
        let checkpoint = loaded.folder.checkpoint().map_err(text)?;
        let keys = Some(checkpoint.tensors().iter().map(|t| t.name.clone()).collect());
        let task = Task { model, config, settings: settings(loss)?, keys };
        let drawn = draws::draws(&task, self.role, &shapes_of(&batch));
        draws::add(&mut batch, &drawn, 5, 0);
        if !matches!(loss, "noise_prediction" | "gan" | "vae" | "kl_standard_normal" | "contrastive") {
            targets(model, &task.config, loss, &mut batch)?;
        }
        let weights = Start::from(&checkpoint, &task, &shapes_of(&batch)).map_err(text)?.weights;
        let shapes = self.role.sees(&shapes_of(&batch));
        batch.retain(|name, _| shapes.contains_key(name));
        Ok(Ready { task, shapes, batch, weights })
    }
}

/// Adds what `loss` compares the output with, where the batch has none.
fn targets(model: &Model, config: &Config, loss: &str, batch: &mut Tensors) -> Result<(), Failed> {
    let trains = model.trains.ok_or("the model does not train")?;
    if batch.contains_key(trains.target) {
        return Ok(());
    }
    let g = Graph::new();
    (model.build)(&g, config, &Inputs::of(batch));
    let output = g.result(trains.output).map(|o| o.shape()).ok_or("the model has no such output")?;
    let classes = output[output.len() - 1];
    let rows = &output[..output.len() - 1];
    let n = |shape: &[usize]| shape.iter().product::<usize>();
    let signs = |shape: &[usize]| HostTensor::f32(shape, (0..n(shape)).map(|i| [1.0, -1.0, 1.0][i % 3]).collect());
    let target = match loss {
        "cross_entropy" | "nll" | "multi_margin" | "causal_lm" | "masked_lm" => {
            // One label is left out where labels may be.
            let label = |i: usize| if i == 1 && loss != "multi_margin" { -100 } else { (i * 7 % classes) as i32 };
            HostTensor::i32(rows, (0..n(rows)).map(label).collect())
        }
        "binary_cross_entropy_with_logits" => {
            HostTensor::f32(&output, (0..n(&output)).map(|i| (i % 2) as f32).collect())
        }
        "hinge" | "perceptron" => signs(&output),
        "gaussian_nll" => weights(&[rows, &[classes / 2]].concat(), 13),
        "kl_divergence" => {
            let each = |i: usize| (1.0 + (i % classes) as f32) / (classes * (classes + 1) / 2) as f32;
            HostTensor::f32(&output, (0..n(&output)).map(each).collect())
        }
        _ => weights(&output, 13),
    };
    if loss == "cosine_embedding" {
        batch.insert("sign".into(), signs(rows));
    }
    batch.insert(trains.target.into(), target);
    Ok(())
}

impl Ready {
    fn step(&self, case: &Case) -> Result<StepGraph, Failed> {
        let built = self.task.graph(case.role, &self.shapes).map_err(text)?;
        if !built.unused.is_empty() || !built.stopped.is_empty() {
            return Err(format!("unused are {:?}, stopped are {:?}", built.unused, built.stopped).into());
        }
        Ok(built)
    }

    /// The loss alone: what differences evaluate.
    fn loss(&self, case: &Case) -> Result<FixedGraph, Failed> {
        let g = Graph::with_keys(self.weights.keys().map(str::to_owned));
        g.set_training(true);
        let (task, args) = (&self.task, self.task.settings.loss_args());
        let found = match case.role {
            Role::Step => objective(&g, task.model, &task.config, (task.settings.loss, &args), &self.shapes),
            role => gan::objective(&g, &task.config, role, &self.shapes),
        };
        g.clear_results();
        g.output("loss", found.loss);
        g.build().map_err(text)
    }

    /// The batch, and the numbers of the first update.
    fn inputs(&self, role: Role) -> Result<Tensors, Failed> {
        let optimizer = self.task.optimizer(role).map_err(text)?;
        let hyper = optimizer.hyper(1, 0.01, None);
        let mut inputs = self.batch.clone();
        inputs.insert("optimizer/hyper".into(), HostTensor::f32(&[hyper.len()], hyper));
        Ok(inputs)
    }

    /// The results of `graph` in f64, with `moved` in place of weights.
    fn evaluate(
        &self,
        graph: &FixedGraph,
        inputs: &Tensors,
        moved: BTreeMap<String, Vec<f64>>,
    ) -> Result<BTreeMap<String, Vec<f64>>, Failed> {
        let given = |name: &str, _: &handmill::Spec| Ok(inputs[name].to_f64());
        let mut states = States { weights: moved.into_iter().collect(), ..States::default() };
        let results = reference::evaluate(graph, &self.weights, &given, &mut states).map_err(text)?;
        Ok(graph.outputs.iter().map(|o| o.name.clone()).zip(results).collect())
    }

    /// The slope of the loss along `along`.
    ///
    /// Five points, so that the error of the formula is of order ε⁴ and only rounding is left: about 2⁻⁵³·L/ε, which is
    /// 1e-11·L at ε = 1e-5. A larger ε would gain nothing and cross more corners of `relu` and `max`.
    fn slope(&self, graph: &FixedGraph, along: &BTreeMap<String, Vec<f64>>) -> Result<f64, Failed> {
        const EPS: f64 = 1e-5;
        let at = |by: f64| -> Result<f64, Failed> {
            let one = |(key, v): (&String, &Vec<f64>)| -> Result<(String, Vec<f64>), Failed> {
                let w = self.weights.get(key).map_err(text)?.to_f64();
                Ok((key.clone(), w.iter().zip(v).map(|(w, v)| w + by * v).collect()))
            };
            let moved = along.iter().map(one).collect::<Result<_, _>>()?;
            Ok(self.evaluate(graph, &self.batch, moved)?["loss"][0])
        };
        let near = at(EPS)? - at(-EPS)?;
        let far = at(2.0 * EPS)? - at(-2.0 * EPS)?;
        Ok((8.0 * near - far) / (12.0 * EPS))
    }
}

/// What a planted bug does to results.
type Tamper = fn(&mut BTreeMap<String, Vec<f64>>);

/// Every gradient in f64, against differences of the loss.
fn reference_case(case: &Case, tamper: Tamper) -> Result<(), Failed> {
    let ready = case.ready()?;
    let built = ready.step(case)?;
    let loss = ready.loss(case)?;
    let mut found = ready.evaluate(&built.graph, &ready.inputs(case.role)?, BTreeMap::new())?;
    tamper(&mut found);
    let mut problems = vec![];
    let mut judge = |name: &str, along: BTreeMap<String, Vec<f64>>| -> Result<(), Failed> {
        let terms = along.iter().flat_map(|(key, v)| found[&format!("gradient/{key}")].iter().zip(v));
        let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), (d, v)| (sum + d * v, size + (d * v).abs()));
        let slope = ready.slope(&loss, &along)?;
        // The second part is the rounding of the differences.
        let gate =
            1e-6 * if name == "all weights" { slope.abs() } else { size } + 1e-10 * (1.0 + found["loss"][0].abs());
        if (sum - slope).abs().partial_cmp(&gate) != Some(std::cmp::Ordering::Less) {
            problems.push(format!("{name}: the gradient gives {sum:.9e}, differences {slope:.9e}"));
        }
        Ok(())
    };
    let keys: Vec<String> = found.keys().filter_map(|name| name.strip_prefix("gradient/").map(str::to_owned)).collect();
    let along = |key: &String| {
        let seed = key.bytes().fold(17, |h: u64, b| h.wrapping_mul(31).wrapping_add(u64::from(b)));
        (key.clone(), weights(&[found[&format!("gradient/{key}")].len()], seed).to_f64())
    };
    judge("all weights", keys.iter().map(along).collect())?;
    for key in &keys {
        judge(key, BTreeMap::from([along(key)]))?;
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
}

/// Every operation of the step on the adapter, against its reference.
fn gpu_case(case: &Case, device: &Arc<Device>) -> Result<(), Failed> {
    let ready = case.ready()?;
    let built = ready.step(case)?;
    let inputs = ready.inputs(case.role)?;
    let store = Store::new(device, Arc::new(ready.weights.clone()));
    let options = Options { fixed_weights: false, ..Options::default() };
    let found = verify(&store, &built.graph, &inputs, &options).map_err(text)?;
    let report = |op: &handmill::verify::OpReport| {
        let reports: Vec<_> = op.outputs.iter().map(|(name, r)| format!("{name}: {r}")).collect();
        format!("{} ({}): {}", op.label, op.at, reports.join("; "))
    };
    let problems: Vec<_> = found.ops.iter().filter(|op| !op.ok()).map(report).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
}

/// Every model that trains is above, and the MLP with each of its losses.
fn complete() -> Result<(), Failed> {
    let mut here = BTreeSet::new();
    for case in CASES {
        let model = Loaded::open(&folder(case)).map_err(text)?.model;
        let first = model.trains.and_then(|t| t.losses.first()).ok_or("a case does not train")?;
        here.insert((model.name, if case.loss.is_empty() { first } else { case.loss }));
    }
    let wanted = models::all().filter_map(|m| Some((m, m.trains?))).flat_map(|(m, trains)| {
        let n = if m.name == "MLP" { trains.losses.len() } else { 1 };
        trains.losses[..n].iter().map(|loss| (m.name, *loss))
    });
    let lacking: Vec<_> = wanted.filter(|w| !here.contains(w)).map(|(m, loss)| format!("{m} with {loss}")).collect();
    if lacking.is_empty() { Ok(()) } else { Err(format!("not tested: {}", lacking.join(", ")).into()) }
}

/// A gradient that is off by a ten thousandth in one weight, or missing in one, fails and is named.
fn planted() -> Result<(), Failed> {
    let tampers: [(Tamper, &str); 2] = [
        (|found| found.values_mut().next().into_iter().flatten().for_each(|d| *d *= 1.0001), "layers.0.bias: the"),
        (|found| found.values_mut().nth(1).into_iter().flatten().for_each(|d| *d = 0.0), "layers.0.weight: the"),
    ];
    for (tamper, words) in tampers {
        let said = match reference_case(&MLP.loss("mse"), tamper) {
            Ok(()) => return Err("the planted bug passed".into()),
            Err(failed) => failed.message().unwrap_or_default().to_owned(),
        };
        if !said.contains(words) {
            return Err(format!("'{words}' is not in: {said}").into());
        }
    }
    Ok(())
}

/// The tests.
pub fn trials(device: Option<&Arc<Device>>, ignored: bool) -> Vec<Trial> {
    let mut all =
        vec![Trial::test("model/every_model_that_trains", complete), Trial::test("model/planted_bugs", planted)];
    for case in CASES {
        all.push(Trial::test(format!("{}/reference", case.name()), || reference_case(case, |_| {})));
        let device = device.cloned();
        let gpu = Trial::test(case.name(), move || match &device {
            Some(device) => gpu_case(case, device),
            None => Err("no adapter was found".into()),
        });
        all.push(gpu.with_ignored_flag(ignored));
    }
    all
}
