//! `handmill kernel list|show|run|verify|bench|tune`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use handmill::adapter::Adapter;
use handmill::check::{self, Case, POISON, Tol};
use handmill::engine::{Engine, Tensors};
use handmill::error::{Error, Result};
use handmill::folder::read_object;
use handmill::json::{Map, Value as Json};
use handmill::kernel::{Default, Kernel, Value};
use handmill::kernels::{FAMILIES, named};
use handmill::run::Checks;
use handmill::tensor::HostTensor;
use handmill::weights::save_tensors;

use crate::target::{DeviceArgs, check_output, read_ports};
use crate::{Outcome, bench, notice, print, tune};

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
    /// Time the benchmark's cases of a kernel, all variants side by side
    Bench {
        /// The kernel
        name: String,
        #[command(flatten)]
        how: bench::How,
    },
    /// Measure the variants for the benchmark's cases of a kernel, and keep the fastest for later runs
    Tune {
        /// The kernel
        name: String,
        /// auto, gpu, gpu:N, or a part of an adapter's name
        #[arg(long, default_value = "auto")]
        device: String,
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
    #[arg(long, value_name = "FILE")]
    inputs: Option<PathBuf>,
    /// The variant, such as tiled; `plain` is the one without a word. A recorded call has its own
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
        Verb::Bench { name, how } => bench::of_cases(&bench::cases_of(find(name)?.name), how),
        Verb::Tune { name, device } => tune::of_cases(&bench::cases_of(find(name)?.name), device),
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
            let variants: Vec<_> = k.variants.iter().map(|v| spelled(v.how)).collect();
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
        let _ = writeln!(out, "    {:<18} {}", p.name, described(p.default));
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

/// What a parameter is, and its value when none is given.
fn described(default: Default) -> String {
    match default {
        Default::NeedInt => "whole number".into(),
        Default::NeedFloat => "number".into(),
        Default::NeedInts => "list of whole numbers".into(),
        Default::Int(v) => format!("whole number [{v}]"),
        Default::Float(v) => format!("number [{v:?}]"),
        Default::Flag(v) => format!("true or false [{v}]"),
        Default::Text(v) => format!("text [{v}]"),
        Default::Ints(v) => format!("list of whole numbers {v:?}"),
    }
}

fn fits(value: &Value, default: Default) -> bool {
    match default {
        Default::NeedInt | Default::Int(_) => matches!(value, Value::Int(_)),
        Default::NeedFloat | Default::Float(_) => matches!(value, Value::Float(_)),
        Default::NeedInts | Default::Ints(_) => matches!(value, Value::Ints(_)),
        Default::Flag(_) => matches!(value, Value::Flag(_)),
        Default::Text(_) => matches!(value, Value::Text(_)),
    }
}

/// The name of a variant on the command line.
fn spelled(how: &str) -> &str {
    if how.is_empty() { "plain" } else { how }
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
    let known = || match kernel.params {
        [] => "none".to_owned(),
        params => params.iter().map(|p| p.name).collect::<Vec<_>>().join(", "),
    };
    let found = kernel.params.iter().find(|p| p.name == name).map(|p| (p.name, p.default));
    found.ok_or_else(|| {
        Error::config(format!("--params {name}"), format!("{} has no such parameter; it has {}", kernel.name, known()))
    })
}

/// A call as its arguments or its recording say.
struct Recorded {
    kernel: &'static Kernel,
    params: Map<String, Json>,
    variant: Option<String>,
    inputs: Option<PathBuf>,
}

impl CallArgs {
    fn recorded(&self) -> Result<Recorded> {
        let Some(folder) = &self.repro else {
            let params: Json = serde_json::from_str(&self.params)
                .map_err(|e| Error::config("--params", format!("is not JSON: {e}")))?;
            let Json::Object(params) = params else { return Err(Error::config("--params", "is not a JSON object")) };
            let kernel = find(self.name.as_deref().unwrap_or_default())?;
            return Ok(Recorded { kernel, params, variant: self.variant.clone(), inputs: self.inputs.clone() });
        };
        let path = folder.join("call.json");
        let mut call = read_object(&path)?;
        let mut take = |key: &str| call.remove(key).unwrap_or_default();
        let (Json::String(kernel), Json::Object(params)) = (take("kernel"), take("params")) else {
            return Err(Error::file(&path, "is not a recorded call: it needs the text kernel and the object params"));
        };
        let recorded = take("variant").as_str().map(str::to_owned);
        let kernel = named(&kernel).ok_or_else(|| {
            Error::file(&path, format!("no kernel is called '{kernel}'; `handmill kernel list` lists them"))
        })?;
        let variant = self.variant.clone().or(recorded);
        Ok(Recorded { kernel, params, variant, inputs: Some(folder.join("inputs.safetensors")) })
    }
}

impl Recorded {
    fn case(&self) -> Result<Case> {
        let kernel = self.kernel;
        let mut case = Case::new(kernel);
        for (key, value) in &self.params {
            let (name, default) = declared(kernel, key)?;
            // A whole number may stand for a real one.
            let value = match (from_json(key, value)?, default) {
                (Value::Int(v), Default::Float(_) | Default::NeedFloat) => Value::Float(v as f64),
                (value, _) => value,
            };
            if !fits(&value, default) {
                let kind = described(default);
                let kind = kind.split(" [").next().unwrap_or_default();
                return Err(Error::config(
                    format!("--params {name}"),
                    format!("found {}, expected {kind}", to_json(&value)),
                ));
            }
            case = case.param(name, value);
        }
        let mut tensors = self.inputs.as_deref().map_or_else(|| Ok(Tensors::new()), |path| read_ports(path, kernel))?;
        for port in kernel.inputs {
            case = match tensors.remove(port.name) {
                Some(tensor) => case.input(tensor),
                None => case.absent(),
            };
        }
        // The node stands in no model: its place in this program's source would tell nothing.
        case.graph().map_err(|e| match e {
            Error::Graph { op, message, .. } => Error::config(op, message),
            other => other,
        })?;
        self.known_variant()?;
        Ok(case)
    }

    fn known_variant(&self) -> Result<()> {
        let Some(wanted) = &self.variant else { return Ok(()) };
        let known: Vec<_> = self.kernel.variants.iter().map(|v| spelled(v.how)).collect();
        if known.contains(&wanted.as_str()) {
            return Ok(());
        }
        let message =
            format!("{} has no variant '{}'; it has {}", self.kernel.name, wanted.escape_debug(), known.join(", "));
        Err(Error::config("--variant", message))
    }

    /// The variants asked for: the named one, or all that can compute the call.
    fn variants(&self, case: &Case, adapter: &Adapter) -> Result<Vec<&'static str>> {
        let fitting: Vec<_> = case.variants(adapter)?.iter().map(|v| v.how).collect();
        let Some(wanted) = &self.variant else { return Ok(fitting) };
        let found = fitting.iter().find(|how| spelled(how) == wanted);
        let message = || format!("{wanted} cannot compute this call on {}", adapter.name);
        found.map(|how| vec![*how]).ok_or_else(|| Error::config("--variant", message()))
    }
}

fn run(args: &CallArgs, path: &Path) -> Result<Outcome> {
    let recorded = args.recorded()?;
    check_output(path, recorded.inputs.as_slice())?;
    let case = recorded.case()?;
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
            let how = match recorded.variant {
                Some(_) => recorded.variants(&case, device.adapter())?[0],
                None => case.kernel.variant(call, device.adapter()).how,
            };
            case.run(device, &args.device.shaders()?, how, Checks::Earned, POISON[0])?
        }
    };
    let named: Vec<_> = names.iter().map(|n| (*n).to_owned()).zip(results).collect();
    save_tensors(path, &named, true)?;
    notice(&format!("{} tensors from {} written to {}", named.len(), engine.name(), path.display()));
    Ok(Outcome::Done)
}

fn verify(args: &CallArgs) -> Result<Outcome> {
    let recorded = args.recorded()?;
    let case = recorded.case()?;
    let device = &args.device.adapter()?;
    let shaders = args.device.shaders()?;
    let expected = case.expected(device.tol())?;
    let mut outcome = Outcome::Done;
    for how in recorded.variants(&case, device.adapter())? {
        let label = if how.is_empty() { case.kernel.name.to_owned() } else { format!("{}_{how}", case.kernel.name) };
        let got = case.run(device, &shaders, how, Checks::Earned, POISON[0])?;
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
