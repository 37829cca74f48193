//! One call of one kernel with its inputs: what a test row, `kernel run` and `kernel verify` execute.

use std::sync::Arc;

use super::Tol;
use crate::adapter::Adapter;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::{FixedGraph, Graph, Tensor};
use crate::kernel::{Kernel, Spec, Value, Variant};
use crate::plan::{BufferKind, Half, Options, Plan};
use crate::reference::{call_bound, call_reference, dense, gather};
use crate::run::{Checks, Runner};
use crate::shader::Shaders;
use crate::shape::Layout;
use crate::store::{Store, Weights};
use crate::tensor::{Dtype, HostTensor};

/// Words that poison outputs: two NaNs that no kernel writes, each of them two NaNs of f16.
pub const POISON: [u32; 2] = [0x7fc0_fead, 0xff80_7eef];

/// What the reference says about one output of a [`Case`].
pub struct Expected {
    /// Dtype and shape.
    pub spec: Spec,
    /// Values.
    pub values: Vec<f64>,
    /// Largest allowed difference of each.
    pub bound: Vec<f64>,
}

/// A kernel, its inputs (each perhaps through a view) and parameters.
#[derive(Clone)]
pub struct Case {
    /// The kernel.
    pub kernel: &'static Kernel,
    /// Inputs by port.
    pub inputs: Vec<Option<CaseInput>>,
    /// Parameters that differ from their defaults.
    pub params: Vec<(&'static str, Value)>,
    /// Whether floats are stored as f16 wherever they can be.
    pub half: bool,
}

/// An input of a [`Case`].
#[derive(Clone)]
pub struct CaseInput {
    /// The values.
    pub tensor: HostTensor,
    /// How the kernel sees them.
    pub view: fn(Tensor<'_>) -> Tensor<'_>,
    /// As a plan laid them out, in place of a view.
    layout: Option<Layout>,
    /// They are loaded once, and do not change.
    weight: bool,
}

impl Case {
    /// A call of `kernel` without inputs yet.
    pub fn new(kernel: &'static Kernel) -> Case {
        Case { kernel, inputs: vec![], params: vec![], half: false }
    }

    /// With the next input.
    #[must_use]
    pub fn input(mut self, tensor: HostTensor) -> Case {
        self.inputs.push(Some(CaseInput { tensor, view: |t| t, layout: None, weight: false }));
        self
    }

    /// With the next input as a plan found it: its place in `tensor`, and whether that is a weight.
    #[must_use]
    pub(crate) fn laid_out(mut self, tensor: HostTensor, layout: Layout, weight: bool) -> Case {
        let weight = weight && tensor.dtype() == Dtype::F32;
        self.inputs.push(Some(CaseInput { tensor, view: |t| t, layout: Some(layout), weight }));
        self
    }

    /// With the next input absent.
    #[must_use]
    pub fn absent(mut self) -> Case {
        self.inputs.push(None);
        self
    }

    /// With the last input seen through `view`.
    #[must_use]
    pub fn view(mut self, view: fn(Tensor<'_>) -> Tensor<'_>) -> Case {
        if let Some(Some(last)) = self.inputs.last_mut() {
            last.view = view;
        }
        self
    }

    /// With a parameter.
    #[must_use]
    pub fn param(mut self, name: &'static str, value: impl Into<Value>) -> Case {
        self.params.push((name, value.into()));
        self
    }

    /// With floats stored as f16 wherever they can be.
    #[must_use]
    pub fn half(self) -> Case {
        Case { half: true, ..self }
    }

    pub(crate) fn options(&self) -> Options {
        Options { half: if self.half { Half::Everything } else { Half::Nothing }, ..Options::default() }
    }

    /// The graph, and dtypes and shapes of its values as they are stored.
    fn stored(&self) -> Result<(Arc<FixedGraph>, Vec<Spec>)> {
        let graph = Arc::new(self.graph()?);
        let specs = Plan::stored(&graph, &Options { fuse: false, ..self.options() })?;
        Ok((graph, specs))
    }

    /// Names of the inputs and outputs that are stored as f16.
    ///
    /// # Errors
    /// As [`Case::graph`]
    pub fn halved(&self) -> Result<Vec<&'static str>> {
        let (graph, specs) = self.stored()?;
        let node = self.node(&graph);
        let inputs = node.inputs.iter().zip(self.kernel.inputs).filter_map(|(v, port)| Some(((*v)?, port.name)));
        let outputs = node.outputs.iter().copied().zip(self.kernel.outputs.iter().copied());
        Ok(inputs.chain(outputs).filter(|(v, _)| specs[*v].dtype == Dtype::F16).map(|(_, name)| name).collect())
    }

    /// The graph of this one call: inputs and outputs are named like the kernel's ports. An input that is
    /// updated in place is a state.
    pub fn graph(&self) -> Result<FixedGraph> {
        let graph = Graph::new();
        let inputs: Vec<_> = (0..self.kernel.inputs.len())
            .map(|port| {
                let input = self.inputs.get(port)?.as_ref()?;
                let (name, t) = (self.kernel.inputs[port].name, &input.tensor);
                let source = if self.kernel.updates(port) {
                    graph.state(name, t.dtype(), t.shape())
                } else if input.weight {
                    graph.weight(name, t.shape())
                } else {
                    graph.input(name, t.dtype(), t.shape())
                };
                Some(match &input.layout {
                    Some(layout) => source.laid_out(layout.clone()),
                    None => (input.view)(source),
                })
            })
            .collect();
        let outputs = graph.dispatch(self.kernel, &inputs, &self.params);
        for (name, tensor) in self.kernel.outputs.iter().zip(outputs) {
            graph.output(name, tensor);
        }
        graph.build()
    }

    /// The reference's outputs and their bounds.
    pub fn expected(&self, tol: Tol) -> Result<Vec<Expected>> {
        let (graph, stored) = self.stored()?;
        let node = self.node(&graph);
        let inputs: Vec<_> = (0..node.call.inputs.len())
            .map(|port| {
                let operand = node.call.inputs[port].as_ref()?;
                let spec = &stored[node.inputs[port]?];
                let input = rounded(&self.inputs[port].as_ref()?.tensor, spec.dtype);
                Some(gather(&input.to_f64(), &operand.layout))
            })
            .collect();
        let call = dense(&node.call);
        let outputs = call_reference(&call, &inputs, tol);
        let mut bounds = call_bound(&call, &inputs, &outputs, tol);
        assert_eq!(bounds.len(), outputs.len(), "bug: {} has bounds for another number of outputs", self.kernel.name);
        // A result that is a state is copied out of it.
        let specs: Vec<Spec> = graph.outputs.iter().map(|o| stored[o.value].clone()).collect();
        for ((bound, values), spec) in bounds.iter_mut().zip(&outputs).zip(&specs) {
            bound.iter_mut().zip(values).for_each(|(t, r)| *t = tol.stored(spec.dtype, *r, *t));
        }
        Ok(specs
            .into_iter()
            .zip(outputs)
            .zip(bounds)
            .map(|((spec, values), bound)| Expected { spec, values, bound })
            .collect())
    }

    fn node<'g>(&self, graph: &'g FixedGraph) -> &'g crate::graph::Node {
        graph.nodes.iter().find(|n| std::ptr::eq(n.call.kernel, self.kernel)).expect("bug: the case has no node")
    }

    /// The variants that can compute this case on `adapter`.
    pub fn variants(&self, adapter: &Adapter) -> Result<Vec<&'static Variant>> {
        let (graph, stored) = self.stored()?;
        let node = self.node(&graph);
        let mut call = node.call.clone();
        for (operand, value) in call.inputs.iter_mut().zip(&node.inputs) {
            if let (Some(operand), Some(value)) = (operand, value) {
                operand.dtype = stored[*value].dtype;
            }
        }
        Ok(self.kernel.variants.iter().filter(|v| v.fits(&call, adapter)).collect())
    }

    /// A runner of `plan`, the case's own, with the inputs in place.
    pub(crate) fn runner(&self, device: &Arc<Device>, plan: &Arc<Plan>, checks: Checks) -> Result<Runner> {
        let name = |port: usize| self.kernel.inputs[port].name;
        let given = || self.inputs.iter().enumerate().filter_map(|(port, input)| Some((port, input.as_ref()?)));
        let weights = given().filter(|g| g.1.weight).map(|(port, i)| (name(port).to_owned(), i.tensor.clone()));
        let store = Store::new(device, Arc::new(Weights::new(weights)));
        let runner = Runner::with(&store, plan, checks)?;
        for (port, input) in given().filter(|g| !g.1.weight) {
            if self.kernel.updates(port) {
                let state = plan.buffers.iter().find(|b| b.kind == BufferKind::State(name(port).to_owned()));
                let dtype = state.map_or(input.tensor.dtype(), |b| b.spec.dtype);
                store.set_state(name(port), &rounded(&input.tensor, dtype))?;
            } else {
                runner.upload(name(port), &input.tensor)?;
            }
        }
        Ok(runner)
    }

    /// Computes the case on `device` with the variant `how`, outputs poisoned and guarded.
    pub fn run(
        &self,
        device: &Arc<Device>,
        shaders: &Arc<Shaders>,
        how: &str,
        checks: Checks,
        poison: u32,
    ) -> Result<Vec<HostTensor>> {
        self.run_as(device.adapter(), device, shaders, how, checks, poison)
    }

    /// As [`Case::run`], planned for `adapter`: for shaders that do without what `device` lacks of it.
    pub fn run_as(
        &self,
        adapter: &Adapter,
        device: &Arc<Device>,
        shaders: &Arc<Shaders>,
        how: &str,
        checks: Checks,
        poison: u32,
    ) -> Result<Vec<HostTensor>> {
        let graph = Arc::new(self.graph()?);
        let options = Options {
            fuse: false,
            reuse: false,
            variant: Some(how.to_owned()),
            shaders: shaders.clone(),
            guard: 256,
            ..self.options()
        };
        let plan = Arc::new(Plan::with(&graph, adapter, &options)?);
        let chosen = plan.ops.iter().find(|o| std::ptr::eq(o.call.kernel, self.kernel)).map(|o| o.how);
        if chosen != Some(how) {
            return Err(Error::limit(self.kernel.name, format!("the variant '{how}' cannot compute this call")));
        }
        let runner = self.runner(device, &plan, checks)?;
        runner.run_guarded(poison)?;
        self.kernel.outputs.iter().map(|name| runner.read(name)).collect()
    }
}

/// `tensor` as it is stored.
fn rounded(tensor: &HostTensor, dtype: Dtype) -> HostTensor {
    if tensor.dtype() == dtype { tensor.clone() } else { HostTensor::from_f64(dtype, tensor.shape(), &tensor.to_f64()) }
}
