//! Layers, feed-forward networks and diffusion networks against PyTorch: every case folder of `tests/data`
//! (its `meta.json` names versions and tolerances) on the reference and on the GPU, fused and not.
//!
//! `HANDMILL_REQUIRE_GPU=1` makes a missing adapter a failure.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use handmill::config::Config;
use handmill::device::Device;
use handmill::engine::{Engine, Tensors};
use handmill::graph::FixedGraph;
use handmill::models::{self, Inputs, Loaded};
use handmill::plan::Options;
use handmill::programs::Context;
use handmill::store::{Store, Weights};
use handmill::tensor::HostTensor;
use handmill::train::init::Init;
use handmill::verify::verify;
use handmill::weights::load_tensors;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

type Outcome = Result<(), Failed>;
type Test = fn() -> Outcome;
type Run = fn(&Case, Option<&Arc<Device>>) -> Outcome;

fn main() {
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let (engine, note) = Engine::open("auto").unwrap_or_else(|e| panic!("{e}"));
    note.iter().for_each(|text| eprintln!("{text}: GPU rows are ignored"));
    let device = engine.device().cloned();
    let required = std::env::var_os("HANDMILL_REQUIRE_GPU").is_some_and(|v| v == "1");
    let missing = device.is_none() && !required;

    let mut trials = vec![];
    for case in
        ["layers", "feedforward", "recurrent", "attention", "generative"].iter().flat_map(|family| cases(family))
    {
        let (name, case) = (case.name.clone(), Arc::new(case));
        let mut row = |suffix: &str, gpu: bool, run: Run| {
            let (case, device) = (case.clone(), device.clone());
            let trial = Trial::test(format!("{name}{suffix}"), move || run(&case, device.as_ref()));
            trials.push(trial.with_ignored_flag(gpu && missing));
        };
        row("/reference", false, |case, _| case.check(&case.run(&Engine::Reference, true)?));
        row("/weights", false, |case, _| case.weights());
        row("", true, gpu);
        if !name.starts_with("layers") {
            row("/verify", true, lockstep);
        }
    }
    let gpu = device.clone();
    trials.push(Trial::test("digits", move || digits(gpu.as_ref())).with_ignored_flag(missing));
    for (name, test) in GRAPHS {
        trials.push(Trial::test(*name, test));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// Held-out digits that the bundled LeNet reads right: README.md and data/digits/README.md have the number too.
const RIGHT: usize = 355;

/// Tests that need no device.
const GRAPHS: &[(&str, Test)] = &[
    ("parameters", parameters),
    ("refusals", refusals),
    ("layer_norm_over_axes", layer_norm_over_axes),
    ("any_rank", any_rank),
    ("keywords", keywords),
    ("first_weights", first_weights),
];

/// A folder of `tests/data`, loaded.
struct Case {
    name: String,
    graph: Arc<FixedGraph>,
    weights: Arc<Weights>,
    notices: Vec<String>,
    inputs: Tensors,
    outputs: Tensors,
    meta: Value,
}

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn cases(family: &str) -> Vec<Case> {
    let folder = data("tests/data").join(family);
    let mut paths: Vec<_> =
        std::fs::read_dir(&folder).into_iter().flatten().map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|p| Case::open(family, p).unwrap_or_else(|e| panic!("{}: {e}", p.display()))).collect()
}

fn text(e: impl std::fmt::Display) -> Failed {
    e.to_string().into()
}

fn f32s(tensor: &HostTensor) -> Vec<f64> {
    tensor.to_f64()
}

impl Case {
    fn open(family: &str, path: &Path) -> handmill::Result<Case> {
        let loaded = Loaded::open(path)?;
        let inputs = load_tensors(path.join("inputs.safetensors"))?;
        let checkpoint = loaded.folder.checkpoint()?;
        let keys = checkpoint.tensors().iter().map(|t| t.name.clone()).collect();
        let graph = loaded.graph(&Inputs::of(&inputs), Some(keys))?;
        let (weights, notices) = loaded.weights(&checkpoint, &graph)?;
        let meta = handmill::json::parse(path, &std::fs::read(path.join("meta.json")).expect("meta.json"), 32)?;
        let outputs = load_tensors(path.join("outputs.safetensors"))?;
        let name = format!("{family}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        Ok(Case { name, graph, weights, notices, inputs, outputs, meta })
    }

    fn run(&self, engine: &Engine, fuse: bool) -> Result<Tensors, Failed> {
        let options = Options { fuse, ..Options::default() };
        let session = engine.executor(self.weights.clone()).session(&self.graph, &options, None).map_err(text)?;
        let mut outputs: Tensors = session.run(&self.inputs).map_err(text)?.into_iter().collect();
        // Those that a program makes.
        if self.outputs.keys().any(|name| !name.starts_with("debug.") && !outputs.contains_key(name)) {
            let loaded = Loaded::open(&data("tests/data").join(&self.name)).map_err(text)?;
            let (mut context, _) = Context::open(&loaded, engine).map_err(text)?;
            context.options = options;
            outputs.extend(context.run(&self.inputs).map_err(text)?);
        }
        Ok(outputs)
    }

    /// Every expected output is there (`debug.*` may be absent) and within the tolerance of `meta.json`.
    fn check(&self, got: &Tensors) -> Outcome {
        for (name, want) in &self.outputs {
            match got.get(name) {
                None if name.starts_with("debug.") => {}
                None => return Err(format!("there is no output {name}").into()),
                Some(got) => close(name, got, want, self.tolerance(name)?)?,
            }
        }
        Ok(())
    }

    fn tolerance(&self, output: &str) -> Result<f64, Failed> {
        let entry = &self.meta["outputs"][output];
        match entry["dtype"].as_str() {
            Some("I64") => Ok(0.0),
            _ => entry["atol"].as_f64().ok_or_else(|| text(format!("meta.json has no atol of {output}"))),
        }
    }

    /// The graph uses every tensor of the file, and the file has no other.
    fn weights(&self) -> Outcome {
        if !self.notices.is_empty() {
            return Err(self.notices.join("; ").into());
        }
        let buffers = |key: &str| ["running_mean", "running_var"].iter().any(|b| key.ends_with(b));
        let parameters: usize = self.graph.weights().filter(|(k, _)| !buffers(k)).map(|(_, s)| s.len()).sum();
        match self.meta["parameters"].as_u64() {
            Some(n) if n != parameters as u64 => Err(format!("{parameters} parameters, expected {n}").into()),
            _ => Ok(()),
        }
    }
}

fn close(name: &str, got: &HostTensor, want: &HostTensor, atol: f64) -> Outcome {
    if got.shape() != want.shape() || got.dtype() != want.dtype() {
        return Err(format!("{name} is {:?} {}, expected {:?}", got.shape(), got.dtype(), want.shape()).into());
    }
    let worst = f32s(got)
        .iter()
        .zip(f32s(want))
        .map(|(g, w)| (g - w).abs())
        .fold(0.0, |a: f64, d| if d.is_nan() { f64::INFINITY } else { a.max(d) });
    if worst <= atol { Ok(()) } else { Err(format!("{name}: difference {worst:.3e}, allowed {atol:.3e}").into()) }
}

/// Fused and unfused plans are within tolerance of PyTorch, and of each other.
fn gpu(case: &Case, device: Option<&Arc<Device>>) -> Outcome {
    let engine = Engine::Gpu(device.ok_or("no adapter was found")?.clone());
    let [fused, plain] = [case.run(&engine, true)?, case.run(&engine, false)?];
    case.check(&fused)?;
    case.check(&plain)?;
    case.outputs.keys().filter(|name| fused.contains_key(*name)).try_for_each(|name| {
        close(&format!("{name}, fused and not"), &fused[name], &plain[name], case.tolerance(name)?)
    })
}

/// Every operation of the plan within the bound of its reference.
fn lockstep(case: &Case, device: Option<&Arc<Device>>) -> Outcome {
    let store = Store::new(device.ok_or("no adapter was found")?, case.weights.clone());
    for fuse in [true, false] {
        let options = Options { fuse, ..Options::default() };
        let found = verify(&store, &case.graph, &case.inputs, &options).map_err(text)?;
        if let Some((first, _)) = &found.first {
            let op = &found.ops[*first];
            let report = op.outputs.iter().find(|(_, r)| !r.ok()).map(|(name, r)| format!("{name}: {r}"));
            return Err(format!("{} at {}: {}", op.label, op.at, report.unwrap_or_default()).into());
        }
    }
    Ok(())
}

/// The bundled LeNet on the held-out digits gives the recorded logits of the f64 reference, and as many right answers as
/// the README says.
fn digits(device: Option<&Arc<Device>>) -> Outcome {
    let engine = Engine::Gpu(device.ok_or("no adapter was found")?.clone());
    let folder = data("data/digits");
    let read = |name: &str| load_tensors(folder.join(name)).map_err(text);
    let (digits, expected, weights) =
        (read("digits.safetensors")?, read("expected.safetensors")?, read("lenet.safetensors")?);
    let pixels: Vec<f32> = digits["images"].to_f64().iter().map(|&v| v as f32 / 16.0).collect();
    let held: Vec<f32> = pixels.chunks(64).step_by(5).flatten().copied().collect();
    let images = HostTensor::f32(&[held.len() / 64, 1, 8, 8], held);
    let inputs = Tensors::from([("pixel_values".to_owned(), images)]);

    let config = std::fs::read_to_string(folder.join("config.json")).map_err(text)?;
    let config = Config::parse("config.json", &config).map_err(text)?;
    let graph =
        models::build(models::named("LeNet").map_err(text)?, &config, &Inputs::of(&inputs), None).map_err(text)?;
    let executor = engine.executor(Arc::new(Weights::new(weights)));
    let session = executor.session(&graph, &Options::default(), None).map_err(text)?;
    let got: Tensors = session.run(&inputs).map_err(text)?.into_iter().collect();
    let (got, want) = (&got["logits"], &expected["logits"]);
    let largest = want.to_f64().iter().fold(0.0, |a: f64, v| a.max(v.abs()));
    close("logits", got, want, 1e-4 * largest)?;
    let best = |row: &[f64]| (0..10).fold(0, |best, i| if row[i] > row[best] { i } else { best }) as f64;
    let labels = digits["labels"].to_f64().into_iter().step_by(5);
    let right = got.to_f64().chunks(10).map(best).zip(labels).filter(|(answer, label)| answer == label).count();
    if right == RIGHT { Ok(()) } else { Err(format!("{right} digits are right, expected {RIGHT}").into()) }
}

fn graph(model: &str, config: &str, inputs: &[(&str, HostTensor)]) -> handmill::Result<Arc<FixedGraph>> {
    let inputs: Tensors = inputs.iter().map(|(n, t)| ((*n).to_owned(), t.clone())).collect();
    let inputs = if inputs.is_empty() { Inputs::defaults() } else { Inputs::of(&inputs) };
    models::build(models::named(model)?, &Config::parse("config.json", config)?, &inputs, None)
}

/// A layer on the reference with the given weights.
fn layer(model: &str, config: &str, x: &HostTensor, weights: &[(&str, HostTensor)]) -> Result<HostTensor, Failed> {
    let graph = graph(model, config, &[("input", x.clone())]).map_err(text)?;
    let weights = Weights::new(weights.iter().map(|(n, t)| ((*n).to_owned(), t.clone())));
    let session =
        Engine::Reference.executor(Arc::new(weights)).session(&graph, &Options::default(), None).map_err(text)?;
    let results = session.run(&Tensors::from([("input".to_owned(), x.clone())])).map_err(text)?;
    Ok(results.into_iter().next().ok_or("no output")?.1)
}

fn ramp(shape: &[usize]) -> HostTensor {
    let values = (0..shape.iter().product::<usize>()).map(|i| ((i * 7919) % 101) as f32 / 50.0 - 1.0);
    HostTensor::f32(shape, values.collect())
}

/// Published sizes of published configurations.
fn parameters() -> Outcome {
    let cifar = r#"{"attention_head_dim": null, "block_out_channels": [128, 256, 256, 256], "downsample_padding": 0,
        "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"], "flip_sin_to_cos": false,
        "freq_shift": 1, "norm_eps": 1e-06, "up_block_types": ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"]}"#;
    let lenet5 = r#"{"in_channels": 1, "image_size": [28, 28], "conv_channels": [6, 16], "kernel_size": 5, "padding": "valid",
        "pooling": "mean", "activation": "tanh", "fc_sizes": [120, 84], "num_classes": 10}"#;
    let latent = r#"{"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "sample_size": 64,
        "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
        "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"]}"#;
    let imagenet = r#"{"num_labels": 1000}"#;
    for (model, config, count) in [
        ("UNet2DModel", cifar, 35_746_307),
        ("LeNet", lenet5, 44_426),
        ("ConvNextForImageClassification", imagenet, 28_589_128),
        ("AutoencoderKL", latent, 83_653_863),
    ] {
        let found = graph(model, config, &[]).map_err(text)?.parameters();
        if found != count {
            return Err(format!("{model} has {found} parameters, published are {count}").into());
        }
    }
    Ok(())
}

/// What a layer cannot do is an error that names the key; no size panics.
fn refusals() -> Outcome {
    let conv = r#""in_channels": 4, "out_channels": 6, "kernel_size": 3"#;
    for (model, config, expected) in [
        ("Conv2d", format!("{{{conv}, \"groups\": 4}}"), "groups: found 4, which does not divide the 4 and 6 channels"),
        (
            "Conv2d",
            format!("{{{conv}, \"padding\": \"full\"}}"),
            "padding: found \"full\", expected one of valid, same",
        ),
        ("Conv2d", format!("{{{conv}, \"padding\": -1}}"), "padding: found -1, expected a whole number from 0"),
        (
            "Conv2d",
            format!("{{{conv}, \"stride\": 2, \"padding\": \"same\"}}"),
            "is \"same\", which needs a stride of 1",
        ),
        ("Conv2d", format!("{{{conv}, \"stride\": [1, 2, 3]}}"), "stride: found a list of 3, expected 2 numbers"),
        ("Conv1d", "{}".into(), "in_channels: is missing"),
        ("LayerNorm", r#"{"normalized_shape": [2147483648, 2147483648, 4]}"#.into(), "elements"),
        ("Linear", r#"{"in_features": 2147483648, "out_features": 2147483648}"#.into(), "2147483647 elements"),
        ("MaxPool2d", r#"{"kernel_size": 2147483648}"#.into(), "kernel is"),
        ("AvgPool2d", r#"{"kernel_size": 2, "divisor_override": 3}"#.into(), "divisor_override: is not supported"),
        (
            "Embedding",
            r#"{"num_embeddings": 4, "embedding_dim": 2, "max_norm": 1.0}"#.into(),
            "max_norm: is not supported",
        ),
        ("Interpolate", r#"{"mode": "area", "size": 3}"#.into(), "mode: found \"area\""),
        ("Interpolate", "{}".into(), "expected either size or scale_factor"),
        ("Softmax", r#"{"dim": 3}"#.into(), "axis"),
        (
            "UNet2DModel",
            r#"{"down_block_types": ["SkipDownBlock2D"]}"#.into(),
            "down_block_types: found [\"SkipDownBlock2D\"]",
        ),
        ("UNet2DModel", r#"{"block_out_channels": []}"#.into(), "block_out_channels: is empty"),
        ("UNet2DModel", r#"{"block_out_channels": [33, 64, 64, 64]}"#.into(), "32 does not divide 33 channels"),
        ("UNet2DModel", r#"{"num_class_embeds": 10}"#.into(), "found 10, and class embeddings are not supported"),
        ("UNet2DModel", r#"{"sample_size": 20}"#.into(), "concat"),
        (
            "ConvNextForImageClassification",
            r#"{"num_stages": 3}"#.into(),
            "hidden_sizes: has 4 entries, expected num_stages, 3",
        ),
        (
            "ConvNextForImageClassification",
            r#"{"depths": [3, 3, 991, 4]}"#.into(),
            "depths: are 1001 layers, expected at most 1000",
        ),
        ("ConvNextForImageClassification", r#"{"image_size": 31}"#.into(), "conv2d"),
    ] {
        match graph(model, &config, &[]) {
            Ok(_) => return Err(format!("{model} {config} was accepted").into()),
            Err(e) if e.to_string().contains(expected) => {}
            Err(e) => return Err(format!("{model} {config}: \"{e}\" does not say \"{expected}\"").into()),
        }
    }
    Ok(())
}

/// Weights over several axes, against the formula.
fn layer_norm_over_axes() -> Outcome {
    let (x, w, b) = (ramp(&[2, 3, 4]), ramp(&[3, 4]), ramp(&[3, 4]));
    let config = r#"{"normalized_shape": [3, 4], "eps": 0.01}"#;
    let got = layer("LayerNorm", config, &x, &[("weight", w.clone()), ("bias", b)])?;
    let rms = layer("RMSNorm", config, &x, &[("weight", w.clone())])?;
    for (row, x) in f32s(&x).chunks(12).enumerate() {
        let mean = x.iter().sum::<f64>() / 12.0;
        let rstd = (x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 12.0 + 0.01).sqrt().recip();
        let root = (x.iter().map(|v| v * v).sum::<f64>() / 12.0 + 0.01).sqrt();
        for (i, (v, w)) in x.iter().zip(f32s(&w)).enumerate() {
            let differences =
                [f32s(&got)[row * 12 + i] - ((v - mean) * rstd * w + w), f32s(&rms)[row * 12 + i] - v / root * w];
            if differences.iter().any(|d| d.abs() > 1e-6) {
                return Err(format!("row {row}, element {i}: {differences:?}").into());
            }
        }
    }
    Ok(())
}

/// One layer on the same numbers in several shapes.
fn any_rank() -> Outcome {
    let reshape = |t: HostTensor, shape: &[usize]| t.reshape(shape).map_err(text);
    let same = |model: &str, config: &str, shapes: [&[usize]; 2], weights: &[(&str, HostTensor)]| -> Outcome {
        let [a, b] = shapes.map(|shape| layer(model, config, &ramp(shape), weights));
        let (a, b) = (a?, b?);
        let shape = b.shape().to_vec();
        close(&format!("{model} on {:?} and {:?}", shapes[0], shapes[1]), &reshape(a, &shape)?, &b, 0.0)
    };
    let group = r#"{"num_groups": 2, "num_channels": 4, "affine": false}"#;
    same("GroupNorm", group, [&[2, 4, 6], &[2, 4, 1, 2, 3]], &[])?;
    same("GroupNorm", group, [&[3, 4], &[3, 4, 1]], &[])?;
    let conv = r#"{"in_channels": 2, "out_channels": 3, "kernel_size": [2, 3], "bias": false}"#;
    same("Conv2d", conv, [&[2, 5, 6], &[1, 2, 5, 6]], &[("weight", ramp(&[3, 2, 2, 3]))])?;
    let conv = r#"{"in_channels": 2, "out_channels": 4, "kernel_size": 3, "groups": 2}"#;
    same("Conv1d", conv, [&[2, 9], &[1, 2, 9]], &[("weight", ramp(&[4, 1, 3])), ("bias", ramp(&[4]))])?;
    same(
        "ConvTranspose2d",
        conv,
        [&[2, 5, 4], &[1, 2, 5, 4]],
        &[("weight", ramp(&[2, 2, 3, 3])), ("bias", ramp(&[4]))],
    )?;
    same("MaxPool2d", r#"{"kernel_size": 3, "stride": null, "ceil_mode": true}"#, [&[2, 5, 6], &[1, 2, 5, 6]], &[])?;
    same("AdaptiveAvgPool2d", r#"{"output_size": [null, 2]}"#, [&[2, 5, 6], &[1, 2, 5, 6]], &[])?;
    same("InstanceNorm2d", r#"{"num_features": 2}"#, [&[2, 5, 6], &[1, 2, 5, 6]], &[])?;
    same(
        "Linear",
        r#"{"in_features": 6, "out_features": 1, "bias": false}"#,
        [&[6], &[1, 6]],
        &[("weight", ramp(&[1, 6]))],
    )?;
    same("Softmax", r#"{"dim": 0}"#, [&[5], &[5, 1]], &[])?;
    same("Softmax", r#"{"dim": -2}"#, [&[2, 5, 6], &[1, 2, 5, 6]], &[])
}

/// Keywords that say the same thing in two ways.
fn keywords() -> Outcome {
    let same = |model: &str, configs: [&str; 2], x: &[usize], weights: &[(&str, HostTensor)]| -> Outcome {
        let [a, b] = configs.map(|config| layer(model, config, &ramp(x), weights));
        close(&format!("{model} with {} and {}", configs[0], configs[1]), &a?, &b?, 0.0)
    };
    let w = [("weight", ramp(&[3, 2, 3, 3])), ("bias", ramp(&[3]))];
    let conv = |rest: &str| format!(r#"{{"in_channels": 2, "out_channels": 3, "kernel_size": 3, {rest}}}"#);
    let (same_, two) = (conv(r#""padding": "same", "dilation": 2"#), conv(r#""padding": [2, 2], "dilation": [2, 2]"#));
    same("Conv2d", [&same_, &two], &[1, 2, 6, 7], &w)?;
    let (valid, none) =
        (conv(r#""padding": "valid", "stride": null"#), conv(r#""padding": 0, "padding_mode": "circular""#));
    same("Conv2d", [&valid, &none], &[1, 2, 6, 7], &w)?;
    same("MaxPool2d", [r#"{"kernel_size": [2, 2]}"#, r#"{"kernel_size": 2, "stride": 2}"#], &[1, 2, 6, 7], &[])?;
    same(
        "LayerNorm",
        [r#"{"normalized_shape": 6, "elementwise_affine": false}"#, r#"{"normalized_shape": [6], "bias": false}"#],
        &[2, 6],
        &[("weight", HostTensor::f32(&[6], vec![1.0; 6]))],
    )?;
    same("AdaptiveAvgPool2d", [r#"{"output_size": 3}"#, r#"{"output_size": [3, 3]}"#], &[1, 2, 6, 7], &[])?;
    same("Interpolate", [r#"{"scale_factor": 2}"#, r#"{"mode": "nearest", "size": [12, 14]}"#], &[1, 2, 6, 7], &[])?;
    same(
        "Interpolate",
        [
            r#"{"mode": "bilinear", "scale_factor": 1.7, "recompute_scale_factor": true}"#,
            r#"{"mode": "bilinear", "size": [10, 11]}"#,
        ],
        &[1, 2, 6, 7],
        &[],
    )?;
    same(
        "RMSNorm",
        [r#"{"normalized_shape": 6, "eps": null}"#, r#"{"normalized_shape": 6, "eps": 1.1920928955078125e-07}"#],
        &[2, 6],
        &[("weight", ramp(&[6]))],
    )
}

/// What ConvNeXt's weights begin with is what its configuration says.
fn first_weights() -> Outcome {
    let config = r#"{"initializer_range": 0.5, "layer_scale_init_value": 0.25}"#;
    let config = Config::parse("config.json", config).map_err(text)?;
    let init = models::named("ConvNextForImageClassification").map_err(text)?.init;
    let normal = Some(Init::Normal { mean: 0.0, std: 0.5 });
    for (key, shape, expected) in [
        ("stages.0.layers.0.dwconv.weight", &[96, 1, 7, 7][..], normal),
        ("stages.0.layers.0.pwconv1.weight", &[384, 96], normal),
        ("stages.0.layers.0.pwconv1.bias", &[384], Some(Init::Zeros)),
        ("stages.0.layers.0.layer_scale_parameter", &[96], Some(Init::Constant(0.25))),
        ("stages.0.layers.0.layernorm.weight", &[96], None),
    ] {
        let found = init(&config, key, shape);
        if found != expected {
            return Err(format!("{key} begins with {found:?}, expected {expected:?}").into());
        }
    }
    Ok(())
}
