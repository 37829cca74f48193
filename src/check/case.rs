//! One call of one kernel with its inputs: what a test row, `kernel run` and `kernel verify` execute.

use crate::error::Result;
use crate::graph::{FixedGraph, Graph, Tensor};
use crate::kernel::{Kernel, Value};
use crate::tensor::HostTensor;

/// A kernel, its inputs (each perhaps through a view) and parameters.
pub struct Case {
    /// The kernel.
    pub kernel: &'static Kernel,
    /// Inputs by port.
    pub inputs: Vec<Option<CaseInput>>,
    /// Parameters that differ from their defaults.
    pub params: Vec<(&'static str, Value)>,
}

/// An input of a [`Case`].
pub struct CaseInput {
    /// The values.
    pub tensor: HostTensor,
    /// How the kernel sees them.
    pub view: fn(Tensor<'_>) -> Tensor<'_>,
}

impl Case {
    /// A call of `kernel` without inputs yet.
    pub fn new(kernel: &'static Kernel) -> Case {
        Case { kernel, inputs: vec![], params: vec![] }
    }

    /// With the next input.
    #[must_use]
    pub fn input(mut self, tensor: HostTensor) -> Case {
        self.inputs.push(Some(CaseInput { tensor, view: |t| t }));
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

    /// The graph of this one call: inputs and outputs are named like the kernel's ports. An input that is
    /// updated in place is a state.
    pub fn graph(&self) -> Result<FixedGraph> {
        let graph = Graph::new();
        let state = self.kernel.in_place.map(|(_, input)| input);
        let inputs: Vec<_> = (0..self.kernel.inputs.len())
            .map(|port| {
                let input = self.inputs.get(port)?.as_ref()?;
                let (name, t) = (self.kernel.inputs[port].name, &input.tensor);
                let source = if state == Some(port) {
                    graph.state(name, t.dtype(), t.shape())
                } else {
                    graph.input(name, t.dtype(), t.shape())
                };
                Some((input.view)(source))
            })
            .collect();
        let outputs = graph.dispatch(self.kernel, &inputs, &self.params);
        for (name, tensor) in self.kernel.outputs.iter().zip(outputs) {
            graph.output(name, tensor);
        }
        graph.build()
    }
}
