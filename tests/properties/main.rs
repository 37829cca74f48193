//! What must hold for every model whatever its numbers are: a batch is its rows, what comes later changes nothing
//! before it, padding changes nothing, no configuration makes anything panic, and every model is in docs/models.md.
//!
//! `HANDMILL_REQUIRE_GPU=1` makes a missing adapter a failure.

mod batch;
mod configs;
mod documents;
mod published;
mod tokens;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use handmill::device::{Device, Select};
use handmill::engine::{Engine, Session, Tensors};
use handmill::json::Value;
use handmill::models::Loaded;
use handmill::programs::Context;
use handmill::tensor::{Dtype, HostTensor};
use handmill::weights::load_tensors;
use libtest_mimic::{Arguments, Failed, Trial};

type Check = Result<(), Failed>;
/// Kernels and variants of a plan, in order.
type Ops = Vec<(&'static str, &'static str)>;
/// A row that runs on the adapter and on the reference.
type Row = Box<dyn Fn(&Engine) -> Check + Send + Sync>;

fn main() {
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let device = Device::open(&Select::Auto).inspect_err(|e| eprintln!("{e}: GPU rows are ignored")).ok();
    let required = std::env::var_os("HANDMILL_REQUIRE_GPU").is_some_and(|v| v == "1");
    let ignored = device.is_none() && !required;
    let mut trials = documents::trials();
    trials.extend(configs::trials());
    trials.extend(published::trials());
    let minilm = published::minilm().is_some();
    let rows = batch::rows().into_iter().chain(tokens::rows());
    for (name, row) in rows.chain([("published/all_minilm_l6_v2".to_owned(), published::vectors())]) {
        let (row, device): (Arc<Row>, _) = (Arc::new(row), device.clone());
        // The checkpoint has 90 MB and is not in the repository.
        let absent = name.ends_with("all_minilm_l6_v2") && !minilm;
        let reference = row.clone();
        trials.push(
            Trial::test(format!("{name}/reference"), move || reference(&Engine::Reference)).with_ignored_flag(absent),
        );
        let on_device = move || row(&Engine::Gpu(device.clone().ok_or("no adapter was found")?));
        trials.push(Trial::test(name, on_device).with_ignored_flag(ignored || absent));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// Model folders of `tests/data`, as `family/case`.
fn cases() -> Vec<String> {
    let names = |folder: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("a folder of tests/data").map(|e| e.expect("an entry"));
        let folders = entries.filter(|e| e.path().is_dir());
        folders.map(|e| e.file_name().into_string().expect("a name")).collect()
    };
    let of = |family: String| names(&data().join(&family)).into_iter().map(move |case| format!("{family}/{case}"));
    let mut cases: Vec<_> = names(&data()).into_iter().flat_map(of).collect();
    cases.retain(|case| data().join(case).join("config.json").exists());
    cases.sort();
    cases
}

/// A fixture on an engine, with its inputs.
struct Fixture {
    case: String,
    context: Context,
    inputs: Tensors,
    meta: Value,
}

impl Fixture {
    fn open(case: &str, engine: &Engine) -> Result<Fixture, Failed> {
        let folder = data().join(case);
        let (context, _) = Context::open(&Loaded::open(&folder)?, engine)?;
        let inputs = context.model.graph_inputs(&load_tensors(folder.join("inputs.safetensors"))?);
        let meta = serde_json::from_slice(&std::fs::read(folder.join("meta.json"))?)?;
        Ok(Fixture { case: case.to_owned(), context, inputs, meta })
    }

    /// The outputs for `inputs`, and which kernels and variants made them.
    fn run(&self, inputs: &Tensors) -> Result<(Tensors, Ops), Failed> {
        let session = self.context.session(inputs)?;
        let outputs = session.run(inputs)?.into_iter().collect();
        let ops = match &session {
            Session::Gpu(runner) => runner.plan().ops.iter().map(|op| (op.call.kernel.name, op.how)).collect(),
            Session::Reference(..) => vec![],
        };
        Ok((outputs, ops))
    }

    /// The largest error that the fixture allows in an output.
    fn atol(&self, output: &str) -> f64 {
        self.meta["outputs"][output]["atol"].as_f64().unwrap_or(0.0)
    }

    /// An error unless `got` is `want` within `atol`.
    fn near(&self, what: &str, got: &HostTensor, want: &HostTensor, atol: f64) -> Check {
        let place = format!("{}: {what}", self.case);
        if got.shape() != want.shape() || got.dtype() != want.dtype() {
            return Err(format!("{place} is {:?}, expected {:?}", got.shape(), want.shape()).into());
        }
        let mut pairs = got.to_f64().into_iter().zip(want.to_f64()).enumerate();
        let off = |(g, w): (f64, f64)| g != w && ((g - w).is_nan() || (g - w).abs() > atol);
        match pairs.find(|(_, pair)| off(*pair)) {
            None => Ok(()),
            Some((i, (g, w))) => Err(format!("{place}[{i}] is {g}, expected {w} ± {atol:e}").into()),
        }
    }
}

/// `length` places of `tensor` from `start` on, along `axis`.
fn slice(tensor: &HostTensor, axis: usize, start: usize, length: usize) -> HostTensor {
    let mut shape = tensor.shape().to_vec();
    let (all, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    shape[axis] = length;
    let values = tensor.to_f64();
    let rows = values.chunks(all * inner).flat_map(|row| &row[start * inner..(start + length) * inner]);
    HostTensor::from_f64(tensor.dtype(), &shape, &rows.copied().collect::<Vec<_>>())
}

/// `tensor` with `before` and `after` places of `value` added along `axis`.
fn padded(tensor: &HostTensor, axis: usize, [before, after]: [usize; 2], value: f64) -> HostTensor {
    let mut shape = tensor.shape().to_vec();
    let (all, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    shape[axis] += before + after;
    let some = |n: usize| vec![value; n * inner];
    let values = tensor.to_f64();
    let rows = values.chunks(all * inner).flat_map(|row| [&some(before)[..], row, &some(after)[..]].concat());
    HostTensor::from_f64(tensor.dtype(), &shape, &rows.collect::<Vec<_>>())
}

/// `tensor` with other values in the place `at` of `axis`: ids one lower, floats moved.
fn changed(tensor: &HostTensor, axis: usize, at: usize) -> HostTensor {
    let (all, inner) = (tensor.shape()[axis], tensor.shape()[axis + 1..].iter().product::<usize>());
    let ids = matches!(tensor.dtype(), Dtype::I32 | Dtype::U32);
    let other = |v: f64| match ids {
        true if v == 0.0 => 1.0,
        true => v - 1.0,
        false => 0.75 - v,
    };
    let change = |(i, v): (usize, f64)| if (i / inner) % all == at { other(v) } else { v };
    HostTensor::from_f64(
        tensor.dtype(),
        tensor.shape(),
        &tensor.to_f64().into_iter().enumerate().map(change).collect::<Vec<_>>(),
    )
}
