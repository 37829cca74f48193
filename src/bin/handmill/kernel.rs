//! `handmill kernel list|show|run|verify`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use handmill::check::{self, Case, POISON, Tol};
use handmill::engine::Engine;
use handmill::error::{Error, Result};
use handmill::kernel::{Default, Kernel, Value};
use handmill::kernels::{FAMILIES, named};
use handmill::run::Checks;
use handmill::tensor::HostTensor;
use handmill::weights::save_tensors;
use serde_json::Value as Json;

use crate::target::{DeviceArgs, as_dtype, read_inputs};
use crate::{Outcome, print};

/// Verbs of `handmill kernel`.
#[derive(clap::Subcommand)]
pub enum Verb {
    /// List the kernels by family
    List,
    /// Show a kernel: inputs, outputs, parameters, variants, WGSL
    Show {
        /// The kernel
        name: String,
        #[command(flatten)]
        device: DeviceArgs,
    },
    /// Compute a kernel on tensors from a file
    Run {
        #[command(flatten)]
        call: CallArgs,
        /// Where the results go, safetensors; integers as I64
        #[arg(long, value_name = "FILE")]
        outputs: PathBuf,
    },
    /// Compare every variant of a kernel with the reference on tensors from a file
    Verify {
        #[command(flatten)]
        call: CallArgs,
    },
}

/// A call: a kernel with parameters and inputs, or a recorded one.
#[derive(clap::Args)]
pub struct CallArgs {
    /// The kernel
    #[arg(required_unless_present = "repro")]
    name: Option<String>,
    /// Parameters as a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}")]
    params: String,
    /// Inputs named as in the shader, safetensors
    #[arg(long, value_name = "FILE", required_unless_present = "repro")]
    inputs: Option<PathBuf>,
    /// The variant, such as tiled; `plain` is the one without a word
    #[arg(long)]
    variant: Option<String>,
    /// Replay the call that `handmill verify` wrote to this folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["name", "inputs"])]
    repro: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Runs a verb.
pub fn kernel(verb: &Verb) -> Result<Outcome> {
    match verb {
        Verb::List => list(),
        Verb::Show { name, device } => show(name, device),
        Verb::Run { call, outputs } => run(call, outputs),
        Verb::Verify { call } => verify(call),
    }
}

fn find(name: &str) -> Result<&'static Kernel> {
    named(name).ok_or_else(|| Error::config(name.to_owned(), "no such kernel; `handmill kernel list` lists them"))
}

fn list() -> Result<Outcome> {
    let mut out = String::new();
    for (family, kernels) in FAMILIES {
        let _ = writeln!(out, "{family}");
        for k in *kernels {
            let variants: Vec<_> = k.variants.iter().map(|v| if v.how.is_empty() { "plain" } else { v.how }).collect();
            let _ = writeln!(out, "    {:<24} {}", k.name, variants.join(", "));
        }
    }
    print(&out);
    Ok(Outcome::Done)
}

fn show(name: &str, device: &DeviceArgs) -> Result<Outcome> {
    let k = find(name)?;
    let mut out = format!("{}\ninputs\n", k.name);
    for p in k.inputs {
        let dtypes: Vec<_> = p.dtypes.iter().map(|d| d.name()).collect();
        let optional = if p.optional { ", optional" } else { "" };
        let strided = if p.strided { ", any strides" } else { "" };
        let _ = writeln!(out, "    {:<12} {}{optional}{strided}", p.name, dtypes.join("|"));
    }
    let _ = writeln!(out, "outputs\n    {}\nparameters", k.outputs.join(", "));
    for p in k.params {
        let _ = writeln!(out, "    {:<18} {:?}", p.name, p.default);
    }
    let shaders = device.shaders()?;
    for v in k.variants {
        let _ = writeln!(out, "variant {}", v.label(k));
        if v.shader.contains('\n') {
            continue;
        }
        let _ = writeln!(out, "// shaders/{}.wgsl\n{}", v.shader, shaders.original(v.shader)?);
    }
    print(&out);
    Ok(Outcome::Done)
}

/// A JSON value as a parameter.
fn from_json(name: &str, value: &Json) -> Result<Value> {
    let wrong = || {
        Error::config(
            format!("--params {name}"),
            format!("{value} is no number, text, true, false or list of whole numbers"),
        )
    };
    Ok(match value {
        Json::Bool(v) => Value::Flag(*v),
        Json::String(v) => Value::Text(v.clone()),
        Json::Number(n) => match n.as_i64() {
            Some(v) => Value::Int(v),
            None => Value::Float(n.as_f64().ok_or_else(wrong)?),
        },
        Json::Array(list) => Value::Ints(list.iter().map(|v| v.as_i64().ok_or_else(wrong)).collect::<Result<_>>()?),
        _ => return Err(wrong()),
    })
}

/// A parameter as JSON.
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Int(v) => Json::from(*v),
        Value::Float(v) => Json::from(*v),
        Value::Flag(v) => Json::from(*v),
        Value::Text(v) => Json::from(v.as_str()),
        Value::Ints(v) => Json::from(v.as_slice()),
    }
}

/// The kernel's own spelling of a parameter, so that an unknown one is an error.
fn declared(kernel: &'static Kernel, name: &str) -> Result<(&'static str, Default)> {
    let known = || kernel.params.iter().map(|p| p.name).collect::<Vec<_>>().join(", ");
    let found = kernel.params.iter().find(|p| p.name == name).map(|p| (p.name, p.default));
    found.ok_or_else(|| {
        Error::config(format!("--params {name}"), format!("{} has no such parameter; it has {}", kernel.name, known()))
    })
}

impl CallArgs {
    fn recorded(&self) -> Result<Option<(Json, PathBuf)>> {
        let Some(folder) = &self.repro else { return Ok(None) };
        let path = folder.join("call.json");
        let text = std::fs::read_to_string(&path).map_err(|e| Error::file(&path, format!("cannot be read: {e}")))?;
        let call = serde_json::from_str(&text).map_err(|e| Error::file(&path, format!("is not JSON: {e}")))?;
        Ok(Some((call, folder.join("inputs.safetensors"))))
    }

    fn case(&self) -> Result<Case> {
        let (name, params, inputs) = match self.recorded()? {
            Some((call, inputs)) => {
                (call["kernel"].as_str().unwrap_or_default().to_owned(), call["params"].clone(), inputs)
            }
            None => {
                let params = serde_json::from_str(&self.params)
                    .map_err(|e| Error::config("--params", format!("is not JSON: {e}")))?;
                (self.name.clone().unwrap_or_default(), params, self.inputs.clone().unwrap_or_default())
            }
        };
        let kernel = find(&name)?;
        let Json::Object(params) = params else { return Err(Error::config("--params", "is not a JSON object")) };
        let mut case = Case::new(kernel);
        for (key, value) in &params {
            let (name, default) = declared(kernel, key)?;
            // A whole number may stand for a real one.
            let value = match (from_json(key, value)?, default) {
                (Value::Int(v), Default::Float(_) | Default::NeedFloat) => Value::Float(v as f64),
                (value, _) => value,
            };
            case = case.param(name, value);
        }
        let mut tensors = read_inputs(&inputs)?;
        for port in kernel.inputs {
            case = match tensors.remove(port.name) {
                Some(tensor) => case.input(as_dtype(port.name, tensor, port.dtypes)?),
                None => case.absent(),
            };
        }
        if let Some(extra) = tensors.keys().next() {
            let known: Vec<_> = kernel.inputs.iter().map(|p| p.name).collect();
            return Err(Error::tensor(extra, format!("is no input of {}; it has {}", kernel.name, known.join(", "))));
        }
        case.graph()?;
        Ok(case)
    }

    /// The variants asked for, by name.
    fn variants(&self, case: &Case, engine: &Engine) -> Result<Vec<&'static str>> {
        let Engine::Gpu(device) = engine else { return Ok(vec![]) };
        let fitting: Vec<_> = case.variants(device.adapter())?.iter().map(|v| v.how).collect();
        let Some(wanted) = &self.variant else { return Ok(fitting) };
        let wanted = if wanted == "plain" { "" } else { wanted };
        let names = || {
            case.kernel
                .variants
                .iter()
                .map(|v| if v.how.is_empty() { "plain" } else { v.how })
                .collect::<Vec<_>>()
                .join(", ")
        };
        match (case.kernel.variants.iter().any(|v| v.how == wanted), fitting.iter().find(|h| **h == wanted)) {
            (_, Some(how)) => Ok(vec![how]),
            (true, None) => {
                Err(Error::config("--variant", format!("{wanted} cannot compute this call on {}", engine.name())))
            }
            (false, _) => Err(Error::config(
                "--variant",
                format!("{} has no variant '{wanted}'; it has {}", case.kernel.name, names()),
            )),
        }
    }
}

fn run(args: &CallArgs, path: &Path) -> Result<Outcome> {
    let case = args.case()?;
    let engine = args.device.engine()?;
    let names = case.kernel.outputs;
    let results: Vec<HostTensor> = match &engine {
        Engine::Reference => {
            let expected = case.expected(Tol::GOLD)?;
            expected.iter().map(|e| HostTensor::from_f64(e.spec.dtype, &e.spec.shape, &e.values)).collect()
        }
        Engine::Gpu(device) => {
            let graph = case.graph()?;
            let call =
                &graph.nodes.iter().find(|n| std::ptr::eq(n.call.kernel, case.kernel)).expect("bug: no node").call;
            let how = match args.variant {
                Some(_) => args.variants(&case, &engine)?[0],
                None => case.kernel.variant(call, device.adapter()).how,
            };
            case.run(device, &args.device.shaders()?, how, Checks::Earned, POISON[0])?
        }
    };
    let named: Vec<_> = names.iter().map(|n| (*n).to_owned()).zip(results).collect();
    save_tensors(path, &named, true)?;
    Ok(Outcome::Done)
}

fn verify(args: &CallArgs) -> Result<Outcome> {
    let case = args.case()?;
    let engine = args.device.engine()?;
    let Engine::Gpu(device) = &engine else {
        return Err(Error::Adapter("there is nothing to verify: the reference would be compared with itself".into()));
    };
    let expected = case.expected(device.tol())?;
    let mut outcome = Outcome::Done;
    for how in args.variants(&case, &engine)? {
        let label = if how.is_empty() { case.kernel.name.to_owned() } else { format!("{}_{how}", case.kernel.name) };
        let got = case.run(device, &args.device.shaders()?, how, Checks::Earned, POISON[0])?;
        for (i, e) in expected.iter().enumerate() {
            let report = check::compare(&got[i].to_f64(), &e.values, &e.bound, &e.spec.shape, e.spec.dtype);
            let output = case.kernel.outputs[i];
            if report.ok() {
                print(&format!(
                    "{label:<28} {output:<10} {:>12.3e} {:>9.3} of its bound\n",
                    report.max_abs, report.ratio
                ));
            } else {
                outcome = Outcome::Differs;
                print(&format!("{label:<28} {output:<10} FAILED: {report}\n"));
            }
        }
    }
    Ok(outcome)
}
