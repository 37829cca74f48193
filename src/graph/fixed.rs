//! A finished graph, as plain data.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use crate::error::At;
use crate::kernel::{Call, Spec};
use crate::tensor::HostTensor;

/// Index of a value in [`FixedGraph::values`].
pub type ValueId = usize;

/// Elements to a multiple of which each part of an arena is padded: 256 bytes, where bindings can begin anywhere.
pub const ARENA_ALIGN: usize = 64;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// Given for every run.
    Input(String),
    /// Read from a checkpoint.
    Weight(String),
    /// Kept by the store from run to run.
    State(String),
    /// A table made on the host.
    Constant(Arc<HostTensor>),
    /// Written by a node.
    Node {
        /// Index of the node.
        node: usize,
        /// Which of its outputs.
        output: usize,
    },
    /// Weights, states or results of nodes that lie one after the other in one buffer, each padded to a multiple of
    /// [`ARENA_ALIGN`] elements: one dispatch updates them all. Flat f32.
    Arena(Vec<ValueId>),
    /// A state after a node updated it; the same buffer as the state before.
    Updated {
        /// Index of the node.
        node: usize,
        /// Which of its outputs.
        output: usize,
        /// The state before the update.
        before: ValueId,
    },
    /// Inside a scan's body: carry `index` at the beginning of a step.
    Carry {
        /// Index of the scan.
        scan: usize,
        /// Which carry.
        index: usize,
    },
    /// Inside a scan's body: slice `index` of the current step.
    Slice {
        /// Index of the scan.
        scan: usize,
        /// Which slice.
        index: usize,
    },
    /// Carry `index` after the last step.
    Final {
        /// Index of the scan.
        scan: usize,
        /// Which carry.
        index: usize,
    },
    /// Output `index` of every step, stacked along a new first axis.
    Stacked {
        /// Index of the scan.
        scan: usize,
        /// Which output.
        index: usize,
    },
}

/// A value: dtype, dense shape and source.
#[derive(Debug, Clone)]
pub struct ValueInfo {
    /// Dtype and shape.
    pub spec: Spec,
    /// Where it comes from.
    pub source: Source,
}

/// A dispatch of a kernel.
#[derive(Debug, Clone)]
pub struct Node {
    /// Kernel, operands, parameters, output specs.
    pub call: Call,
    /// The value behind each operand.
    pub inputs: Vec<Option<ValueId>>,
    /// The values written.
    pub outputs: Vec<ValueId>,
    /// Where the model made it.
    pub at: At,
    /// The part of a step it belongs to.
    pub phase: Phase,
}

/// A part of a step of training; a graph that is only run is all forward.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The model and its loss.
    #[default]
    Forward,
    /// The gradients.
    Backward,
    /// The optimizer.
    Update,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Phase; 3] = [Phase::Forward, Phase::Backward, Phase::Update];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Forward => "forward",
            Phase::Backward => "backward",
            Phase::Update => "update",
        }
    }
}

impl Node {
    /// `scope/kernel`, for tables and messages.
    pub fn label(&self) -> String {
        if self.at.scope.is_empty() {
            self.call.kernel.name.to_owned()
        } else {
            format!("{}/{}", self.at.scope, self.call.kernel.name)
        }
    }
}

/// A body of nodes that runs once per step, with values carried from step to step.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Number of steps, at least 1.
    pub steps: usize,
    /// The nodes of the body.
    pub body: Range<usize>,
    /// Values carried from step to step.
    pub carries: Vec<Carry>,
    /// `(whole, slice)`: `whole` has a leading axis of `steps`; the body reads one slice of it a step.
    pub slices: Vec<(ValueId, ValueId)>,
    /// `(step, stacked)`: what a step makes, and all steps of it.
    pub outputs: Vec<(ValueId, ValueId)>,
    /// Steps run from the last slice to the first (a reverse direction).
    pub reverse: bool,
}

/// A value carried from one step of a scan to the next.
#[derive(Debug, Clone)]
pub struct Carry {
    /// Before the first step.
    pub initial: ValueId,
    /// What the body reads.
    pub current: ValueId,
    /// What the body makes for the next step.
    pub next: ValueId,
    /// After the last step.
    pub last: ValueId,
}

/// A named result.
#[derive(Debug, Clone)]
pub struct Output {
    /// Name in files.
    pub name: String,
    /// The value; always dense and written by a node.
    pub value: ValueId,
}

/// A finished graph: checked, static, without a device.
#[derive(Debug, Clone)]
pub struct FixedGraph {
    /// All values.
    pub values: Vec<ValueInfo>,
    /// All dispatches, in order of construction.
    pub nodes: Vec<Node>,
    /// All scans, by first node of their body.
    pub scans: Vec<Scan>,
    /// Results by name.
    pub outputs: Vec<Output>,
}

impl FixedGraph {
    /// Inputs by name, with their specs.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &Spec)> {
        self.values.iter().filter_map(|v| match &v.source {
            Source::Input(name) => Some((name.as_str(), &v.spec)),
            _ => None,
        })
    }
    /// Weights by key, with their specs.
    pub fn weights(&self) -> impl Iterator<Item = (&str, &Spec)> {
        self.values.iter().filter_map(|v| match &v.source {
            Source::Weight(key) => Some((key.as_str(), &v.spec)),
            _ => None,
        })
    }
    /// States by name, with their specs.
    pub fn states(&self) -> impl Iterator<Item = (&str, &Spec)> {
        self.values.iter().filter_map(|v| match &v.source {
            Source::State(name) => Some((name.as_str(), &v.spec)),
            _ => None,
        })
    }
    /// Number of weight elements.
    pub fn parameters(&self) -> usize {
        self.weights().map(|(_, s)| s.len()).sum()
    }
    /// Weights that the graph updates: alone, or as parts of an arena.
    pub fn updated_weights(&self) -> HashSet<ValueId> {
        let ports = |n: &Node| n.call.kernel.in_place.iter().filter_map(|&(_, p)| n.inputs[p]).collect::<Vec<_>>();
        let mut updated = HashSet::new();
        for mut value in self.nodes.iter().flat_map(ports) {
            while let Source::Updated { before, .. } = self.values[value].source {
                value = before;
            }
            match &self.values[value].source {
                Source::Weight(_) => updated.extend([value]),
                Source::Arena(parts) => updated.extend(parts.iter().copied().filter(|&p| self.is_weight(p))),
                _ => {}
            }
        }
        updated
    }
    fn is_weight(&self, value: ValueId) -> bool {
        matches!(self.values[value].source, Source::Weight(_))
    }
    /// The parts of an arena with the first element of each.
    pub fn arena_parts(&self, parts: &[ValueId]) -> Vec<(ValueId, usize)> {
        let mut first = 0;
        let place = |&part: &ValueId| {
            let at = first;
            first += self.values[part].spec.len().next_multiple_of(ARENA_ALIGN);
            (part, at)
        };
        parts.iter().map(place).collect()
    }
    /// The arenas of weights, each as the keys, shapes and first elements of its parts.
    pub fn weight_arenas(&self) -> Vec<Vec<(String, Spec, usize)>> {
        let keyed = |(part, first): (ValueId, usize)| match &self.values[part].source {
            Source::Weight(key) => Some((key.clone(), self.values[part].spec.clone(), first)),
            _ => None,
        };
        let arena = |v: &ValueInfo| match &v.source {
            Source::Arena(parts) => self.arena_parts(parts).into_iter().map(keyed).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        self.values.iter().filter_map(arena).collect()
    }
    /// The scan whose body holds `node`.
    pub fn scan_of(&self, node: usize) -> Option<usize> {
        self.scans.iter().position(|s| s.body.contains(&node))
    }
}
