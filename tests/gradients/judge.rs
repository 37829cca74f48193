//! What a gradient row asserts. `tests/harness.rs` plants bugs that must fail here.

use std::collections::BTreeMap;
use std::sync::Arc;

use handmill::device::Device;
use handmill::engine::Tensors;
use handmill::plan::Options;
use handmill::store::{Store, Weights};
use handmill::tensor::{Dtype, HostTensor};
use handmill::verify::verify;
use handmill::{FixedGraph, Graph, reference};
use libtest_mimic::Failed;

use super::row::Row;

/// Elements of one input that central differences move, at most.
const MOVED: usize = 96;

/// A row whose f32 inputs are differentiated.
pub struct Gradient {
    /// The kernel, its inputs and parameters.
    pub row: Row,
    /// Ports that count as constants.
    pub constant: Vec<usize>,
    /// Outputs that the loss leaves out.
    pub left_out: Vec<usize>,
}

impl Gradient {
    /// Differentiates every f32 input of `row`.
    pub fn of(row: Row) -> Gradient {
        Gradient { row, constant: vec![], left_out: vec![] }
    }

    /// Takes the input at `port` as a constant.
    #[allow(dead_code)]
    pub fn constant(mut self, port: usize) -> Gradient {
        self.constant.push(port);
        self
    }

    /// Leaves output `index` out of the loss.
    #[allow(dead_code)]
    pub fn without(mut self, index: usize) -> Gradient {
        self.left_out.push(index);
        self
    }

    /// The names of the inputs that are differentiated.
    fn wrt(&self) -> Vec<&'static str> {
        let port = |(i, input): (usize, &Option<handmill::check::CaseInput>)| {
            let float = input.as_ref()?.tensor.dtype() == Dtype::F32 && !self.constant.contains(&i);
            float.then(|| self.row.case.kernel.inputs[i].name)
        };
        self.row.case.inputs.iter().enumerate().filter_map(port).collect()
    }

    /// The graph of the loss, and with `gradients` an output `d_<name>` for each input differentiated.
    fn graph(&self, gradients: bool) -> Result<FixedGraph, Failed> {
        let graph = Graph::new();
        let case = &self.row.case;
        let mut sources = vec![];
        let mut ports = vec![];
        for (i, port) in case.kernel.inputs.iter().enumerate() {
            let Some(Some(input)) = case.inputs.get(i) else {
                ports.push(None);
                continue;
            };
            let source = graph.input(port.name, input.tensor.dtype(), input.tensor.shape());
            sources.push((port.name, source));
            ports.push(Some((input.view)(source)));
        }
        let mut loss = graph.scalar(0.0);
        for (i, y) in graph.dispatch(case.kernel, &ports, &case.params).into_iter().enumerate() {
            if y.dtype() == Dtype::F32 && !self.left_out.contains(&i) {
                loss = loss + (y * 0.75 * graph.constant(weights(&y.shape(), 7))).sum(&[], false);
            }
        }
        let wrt = self.wrt();
        let sources: Vec<_> = sources.into_iter().filter(|(name, _)| wrt.contains(name)).collect();
        for (_, x) in &sources {
            loss = loss + (*x * graph.constant(weights(&x.shape(), 11))).sum(&[], false);
        }
        if gradients {
            let tensors: Vec<_> = sources.iter().map(|s| s.1).collect();
            for ((name, _), d) in sources.iter().zip(graph.backward(loss, &tensors)) {
                match d {
                    Some(d) => graph.output(&format!("d_{name}"), d),
                    None => graph.reject("backward", format!("no gradient reaches {name}")),
                }
            }
        }
        graph.output("loss", loss);
        graph.build().map_err(text)
    }

    fn inputs(&self) -> Tensors {
        let case = &self.row.case;
        let named = |(i, input): (usize, &Option<handmill::check::CaseInput>)| {
            Some((case.kernel.inputs[i].name.to_owned(), input.as_ref()?.tensor.clone()))
        };
        case.inputs.iter().enumerate().filter_map(named).collect()
    }
}

pub fn text(e: impl std::fmt::Display) -> Failed {
    e.to_string().into()
}

/// Weights of a sum, none of them zero and no two alike.
pub fn weights(shape: &[usize], seed: u64) -> HostTensor {
    let one = |i: usize| {
        let z = (i as u64 + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let u = ((z ^ (z >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f32 / (1u64 << 24) as f32;
        if u < 0.5 { u - 1.0 } else { u }
    };
    HostTensor::f32(shape, (0..shape.iter().product()).map(one).collect())
}

/// Runs `graph` in f64 on `inputs`.
pub fn evaluate(graph: &FixedGraph, inputs: &BTreeMap<String, Vec<f64>>) -> Result<BTreeMap<String, Vec<f64>>, Failed> {
    let given = |name: &str, _: &handmill::Spec| Ok(inputs[name].clone());
    let results = reference::evaluate(graph, &Weights::default(), &given, &mut Default::default()).map_err(text)?;
    Ok(graph.outputs.iter().map(|o| o.name.clone()).zip(results).collect())
}

/// The rule on the references against central differences of the kernel's own reference.
pub fn reference_row(gradient: &Gradient) -> Result<(), Failed> {
    let inputs = gradient.inputs().into_iter().map(|(name, t)| (name, t.to_f64())).collect();
    differences(&gradient.graph(false)?, &gradient.graph(true)?, inputs, &gradient.wrt())
}

/// Every operation of the loss and its gradients on the adapter, against its reference.
pub fn gpu_row(gradient: &Gradient, device: &Arc<Device>) -> Result<(), Failed> {
    on_adapter(gradient.graph(true)?, &gradient.inputs(), device)
}

/// The outputs `d_<name>` of `both`, in f64, against central differences of the output `loss` of `loss`.
pub fn differences(
    loss: &FixedGraph,
    both: &FixedGraph,
    mut inputs: BTreeMap<String, Vec<f64>>,
    wrt: &[&str],
) -> Result<(), Failed> {
    let found = evaluate(both, &inputs)?;
    for name in wrt {
        let d = &found[&format!("d_{name}")];
        let step = d.len().div_ceil(MOVED).max(1);
        for i in (0..d.len()).step_by(step) {
            let x = inputs[*name][i];
            let eps = 1e-5 * x.abs().max(1.0);
            let mut at = |v: f64| -> Result<f64, Failed> {
                inputs.get_mut(*name).expect("an input")[i] = v;
                Ok(evaluate(loss, &inputs)?["loss"][0])
            };
            let slope = (at(x + eps)? - at(x - eps)?) / (2.0 * eps);
            at(x)?;
            let gate = 1e-7 * (1.0 + slope.abs());
            if (d[i] - slope).abs().partial_cmp(&gate) != Some(std::cmp::Ordering::Less) {
                return Err(format!("d_{name}[{i}] is {}, and central differences give {slope}", d[i]).into());
            }
        }
    }
    Ok(())
}

/// Every operation of `graph` on the adapter, against its reference.
pub fn on_adapter(graph: FixedGraph, inputs: &Tensors, device: &Arc<Device>) -> Result<(), Failed> {
    let store = Store::new(device, Arc::new(Weights::default()));
    let found = verify(&store, &Arc::new(graph), inputs, &Options::default()).map_err(text)?;
    match found.ops.iter().find(|op| !op.ok()) {
        None => Ok(()),
        Some(op) => {
            let reports: Vec<_> = op.outputs.iter().map(|(name, r)| format!("{name}: {r}")).collect();
            Err(format!("{} ({}): {}", op.label, op.at, reports.join("; ")).into())
        }
    }
}
