//! One step of training as a graph: forward, loss, backward and update, planned and submitted as one.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::graph::{ARENA_ALIGN, FixedGraph, Graph, Phase, Source, Tensor};
use crate::kernel::Spec;
use crate::kernels::norm::running_update::RUNNING_UPDATE;
use crate::models::{self, Model};
use crate::tensor::{Dtype, HostTensor};

use super::losses;
use super::objective::{Labels, Objective, Shapes, objective};
use super::optimizer::Optimizer;
use super::settings::Settings;

/// Elements of an arena, at most: 64 MiB fit a binding of every adapter.
const ARENA: usize = 1 << 24;

/// What is trained, and how.
pub struct Task {
    /// The model.
    pub model: &'static Model,
    /// Its `config.json`.
    pub config: Config,
    /// `train.json`.
    pub settings: Settings,
    /// Keys of the checkpoint, if there is one.
    pub keys: Option<Vec<String>>,
}

/// What a graph of a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Step,
    /// Adds its gradients to those of the micro-batches before it.
    Micro,
    /// The same, and then updates the weights by all of them.
    Last,
    /// The discriminator's part of a step.
    Discriminator,
    /// The generator's part of a step.
    Generator,
    /// The data loss in evaluation mode.
    Validation,
}

impl Role {
    /// True if the graph updates weights.
    pub fn updates(self) -> bool {
        !matches!(self, Role::Micro | Role::Validation)
    }
}

/// Weights that one dispatch updates: keys, shapes and first elements.
pub type Arena = Vec<(String, Spec, usize)>;

/// A step, or a part of one, as a graph.
pub struct StepGraph {
    /// The graph. Its results are `loss` and the names of `recorded`, and `gradient/<key>` for every weight.
    pub graph: Arc<FixedGraph>,
    /// What it does.
    pub role: Role,
    /// Results that are recorded in every step.
    pub recorded: Vec<String>,
    /// The weights it updates, in the order of its states.
    pub arenas: Vec<Arena>,
    /// Integer tensors of a batch that name classes.
    pub labels: Vec<Labels>,
    /// Weights that the loss does not use; decay may still move them.
    pub unused: Vec<String>,
    /// Weights that the loss uses only as constants.
    pub stopped: Vec<String>,
    /// How often a run updates the running statistics of each batch norm, by the prefix of its keys.
    pub batch_norms: BTreeMap<String, i64>,
}

/// Buffers of a checkpoint that no gradient moves.
pub fn is_buffer(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key);
    matches!(name, "running_mean" | "running_var" | "num_batches_tracked")
}

/// The name of an optimizer's state of arena `index`.
pub fn state_name(role: Role, state: &str, index: usize) -> String {
    match role {
        Role::Discriminator => format!("optimizer.discriminator.{state}.{index}"),
        Role::Generator => format!("optimizer.generator.{state}.{index}"),
        _ => format!("optimizer.{state}.{index}"),
    }
}

/// The name of the moving average of arena `index`.
pub fn ema_name(role: Role, index: usize) -> String {
    match role {
        Role::Discriminator => format!("ema.discriminator.{index}"),
        Role::Generator => format!("ema.generator.{index}"),
        _ => format!("ema.{index}"),
    }
}

impl Task {
    /// The optimizer of the weights that `role` updates.
    ///
    /// # Errors
    /// Whatever is wrong with its settings
    pub fn optimizer(&self, role: Role) -> Result<Optimizer> {
        let config = match role {
            Role::Generator => self.settings.generator_optimizer().unwrap_or_else(|| self.settings.optimizer()),
            _ => self.settings.optimizer(),
        };
        let optimizer = Optimizer::read(&config);
        config.finish()?;
        Ok(optimizer)
    }

    /// True if `role` trains the weight `key`.
    fn trains(&self, role: Role, key: &str) -> bool {
        let own = match role {
            Role::Discriminator => key.starts_with("discriminator."),
            Role::Generator => key.starts_with("generator."),
            _ => true,
        };
        own && !is_buffer(key)
    }

    /// Fails unless the model can be trained with the loss of the settings.
    fn expect_loss(&self) -> Result<()> {
        let (name, loss) = (self.model.name, self.settings.loss);
        let fault = |message| Err(Error::config(self.settings.place_of("loss"), message));
        match self.model.trains {
            None => fault(format!("{name} has no loss that it is trained with")),
            Some(trains) if !trains.losses.contains(&loss) => {
                fault(format!("{name} is not trained with {loss}; it takes {}", trains.losses.join(", ")))
            }
            Some(_) => Ok(()),
        }
    }

    /// The graph that does what `role` says to a batch of `shapes`.
    ///
    /// # Errors
    /// Whatever is wrong with the configuration, the settings or the shapes
    pub fn graph(&self, role: Role, shapes: &Shapes) -> Result<StepGraph> {
        self.expect_loss()?;
        let g = models::graph_for(self.model, self.keys.clone());
        g.set_training(role != Role::Validation);
        let args = self.settings.loss_args();
        let found = match role {
            Role::Discriminator | Role::Generator => {
                args.text("kind", "non_saturating", &["non_saturating"]);
                super::gan::objective(&g, &self.config, role, shapes)
            }
            _ if self.settings.reset_every.is_some() && role != Role::Validation => {
                super::bptt::objective(&g, self, &args, shapes)
            }
            _ => objective(&g, self.model, &self.config, (self.settings.loss, &args), shapes),
        };
        self.config.finish()?;
        args.finish()?;
        let mut built = Building { task: self, g: &g, role, outputs: vec![], arenas: vec![] };
        let labels = found.labels.clone();
        let (unused, stopped) = built.finish(found)?;
        let Building { outputs, arenas, .. } = built;
        let graph = g.build()?;
        let known: HashSet<&str> = graph.inputs().map(|(n, _)| n).collect();
        if let Some(extra) = shapes.keys().find(|n| !known.contains(n.as_str())) {
            let mut takes: Vec<_> = known.into_iter().filter(|n| !n.contains('/')).collect();
            takes.sort_unstable();
            let message = format!(
                "{} does not use it for the loss {}; it takes {}",
                self.model.name,
                self.settings.loss,
                takes.join(", ")
            );
            return Err(Error::tensor(extra, message));
        }
        let recorded = outputs.into_iter().filter(|n| !n.starts_with("gradient/")).collect();
        let batch_norms = batch_norms(&graph);
        Ok(StepGraph { graph: Arc::new(graph), role, recorded, arenas, labels, unused, stopped, batch_norms })
    }
}

/// How often a run of `graph` updates each pair of running statistics.
fn batch_norms(graph: &FixedGraph) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for node in graph.nodes.iter().filter(|n| std::ptr::eq(n.call.kernel, &RUNNING_UPDATE)) {
        let mut value = node.inputs[0];
        while let Some(v) = value
            && let Source::Updated { before, .. } = graph.values[v].source
        {
            value = Some(before);
        }
        if let Some(v) = value
            && let Source::Weight(key) = &graph.values[v].source
            && let Some(prefix) = key.strip_suffix("running_mean")
        {
            *counts.entry(prefix.to_owned()).or_insert(0) += 1;
        }
    }
    counts
}

/// A graph of a step in the making.
struct Building<'g, 'a> {
    task: &'a Task,
    g: &'g Graph,
    role: Role,
    outputs: Vec<String>,
    arenas: Vec<Arena>,
}

impl<'g> Building<'g, '_> {
    fn output(&mut self, name: &str, tensor: Tensor<'g>) {
        self.g.output(name, tensor);
        self.outputs.push(name.to_owned());
    }

    /// Penalties, gradients and updates; returns the weights without a gradient.
    fn finish(&mut self, found: Objective<'g>) -> Result<(Vec<String>, Vec<String>)> {
        let (g, settings) = (self.g, &self.task.settings);
        g.clear_results();
        if self.role == Role::Validation {
            self.output("loss", found.loss);
            return Ok((vec![], vec![]));
        }
        let (total, mut recorded) = self.penalised(&found);
        let gradients = g.gradients(total, |key| self.task.trains(self.role, key));
        if gradients.of.is_empty() {
            g.reject("backward", format!("{} has no weights to train", self.task.model.name));
            return Ok((vec![], vec![]));
        }
        let keyed: BTreeMap<String, Tensor<'g>> = g.weights_so_far().into_iter().collect();
        let mut flat = vec![];
        for group in grouped(&gradients.of) {
            let weights: Vec<_> = group.iter().map(|(key, _)| keyed[key]).collect();
            let d: Vec<_> = group.iter().map(|(_, d)| *d).collect();
            let d = g.arena(&d);
            for ((key, _), part) in group.iter().zip(g.parts_of(d)) {
                self.output(&format!("gradient/{key}"), part);
            }
            let mut at = 0;
            let arena = group.iter().map(|(key, d)| {
                let (spec, first) = (d.spec(), at);
                at += spec.len().next_multiple_of(ARENA_ALIGN);
                (key.clone(), spec, first)
            });
            self.arenas.push(arena.collect());
            flat.push((weights, d));
        }
        g.inner.borrow_mut().phase = Phase::Update;
        if settings.accumulate > 1 {
            let keep = g.input("accumulate/keep", Dtype::F32, &[1]);
            for (i, (_, d)) in flat.iter_mut().enumerate() {
                let sum = g.state(&format!("accumulated.{i}"), Dtype::F32, &d.shape());
                *d = sum.accumulate(*d, keep);
            }
        }
        if self.role.updates() {
            let norm = self.update(flat)?;
            recorded.extend(norm.map(|n| ("grad_norm", n)));
        }
        self.output("loss", total);
        for (name, part) in recorded {
            self.output(name, part.reshape(&[]));
        }
        Ok((gradients.unused, gradients.stopped))
    }

    /// The loss with its penalties, and its parts.
    fn penalised(&self, found: &Objective<'g>) -> (Tensor<'g>, Vec<(&'static str, Tensor<'g>)>) {
        let mut recorded = found.parts.clone();
        let Some(r) = &self.task.settings.regularization else { return (found.loss, recorded) };
        let counts =
            |(key, w): &(String, Tensor<'g>)| self.task.trains(self.role, key) && (r.include_bias || w.rank() >= 2);
        let weights: Vec<_> = self.g.weights_so_far().into_iter().filter(counts).map(|w| w.1).collect();
        let mut total = found.loss;
        recorded.push(("data", found.loss));
        if weights.is_empty() {
            return (total, recorded);
        }
        if let Some(l1) = r.l1 {
            let l1 = losses::l1_penalty(self.g, &weights, l1);
            recorded.push(("l1", l1));
            total = total + l1;
        }
        if let Some(l2) = r.l2 {
            let l2 = losses::l2_penalty(self.g, &weights, l2);
            recorded.push(("l2", l2));
            total = total + l2;
        }
        (total, recorded)
    }

    /// Updates every arena of `(weights, gradients)`; returns the norm of the gradients, if they are clipped by it.
    fn update(&self, flat: Vec<(Vec<Tensor<'g>>, Tensor<'g>)>) -> Result<Option<Tensor<'g>>> {
        let (g, settings) = (self.g, &self.task.settings);
        let optimizer = self.task.optimizer(self.role)?;
        let factor = 1.0 / settings.accumulate as f64;
        let mut norm = None;
        let scale = if settings.clip_grad_norm.is_some() || settings.accumulate > 1 {
            let squares: Vec<_> = flat.iter().map(|(_, d)| d.sum_of_squares()).collect();
            let squares = g.concat(&squares, 0);
            let most = settings.clip_grad_norm.map_or(f32::MAX, |n| n as f32);
            let hyper = g.constant(HostTensor::f32(&[2], vec![most, factor as f32]));
            let [length, scale] = squares.clip_scale(hyper);
            norm = settings.clip_grad_norm.map(|_| length);
            Some(scale)
        } else {
            None
        };
        let hyper = g.input("optimizer/hyper", Dtype::F32, &[optimizer.hyper(1, 1.0, None).len()]);
        let ema = settings.ema.map(|_| g.input("ema/decay", Dtype::F32, &[3]));
        for (i, (weights, d)) in flat.into_iter().enumerate() {
            let decay =
                decay_table(&optimizer, &weights).map(|table| g.constant(HostTensor::f32(&[table.len()], table)));
            let w = g.arena(&weights);
            let states = optimizer.states();
            let states = states.iter().map(|s| g.state(&state_name(self.role, s, i), Dtype::F32, &w.shape()));
            let mut inputs = vec![Some(w)];
            inputs.extend(states.map(Some));
            inputs.extend([Some(d), Some(hyper), decay, scale]);
            let updated = g.dispatch(optimizer.kernel(), &inputs, &[])[0];
            if let Some(ema) = ema {
                g.state(&ema_name(self.role, i), Dtype::F32, &w.shape()).ema_update(updated, ema);
            }
        }
        Ok(norm)
    }
}

/// The weight decay of each block of 64 elements of an arena of `weights`, if any of them decays.
fn decay_table(optimizer: &Optimizer, weights: &[Tensor<'_>]) -> Option<Vec<f32>> {
    let blocks = |w: &Tensor<'_>| {
        let blocks = w.shape().iter().product::<usize>().div_ceil(ARENA_ALIGN);
        vec![optimizer.decay(w.rank()) as f32; blocks]
    };
    let table: Vec<f32> = weights.iter().flat_map(blocks).collect();
    table.iter().any(|d| *d != 0.0).then_some(table)
}

/// Weights with their gradients, in groups of at most [`ARENA`] elements.
fn grouped<'a, 'g>(all: &'a [(String, Tensor<'g>)]) -> Vec<&'a [(String, Tensor<'g>)]> {
    let mut groups = vec![];
    let (mut start, mut size) = (0, 0);
    for (i, (_, d)) in all.iter().enumerate() {
        let len: usize = d.shape().iter().product();
        if size > 0 && size + len > ARENA {
            groups.push(&all[start..i]);
            (start, size) = (i, 0);
        }
        size += len.next_multiple_of(ARENA_ALIGN);
    }
    groups.push(&all[start..]);
    groups
}
