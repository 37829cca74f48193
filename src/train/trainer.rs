//! A model in training: its weights and states on an engine, and what one step does to them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::adapter::Adapter;
use crate::engine::{Engine, Executor, Session, Tensors};
use crate::error::{Error, Result};
use crate::graph::FixedGraph;
use crate::kernel::Spec;
use crate::plan::{Options, Totals};
use crate::programs::Context;
use crate::run::Runner;
use crate::store::Weights;
use crate::tensor::{Data, Dtype, HostTensor};

use super::objective::{Labels, Shapes};
use super::optimizer::Optimizer;
use super::schedule::Schedule;
use super::step::{Role, StepGraph, Task, ema_name, state_name};

/// How a step is planned and watched.
#[derive(Debug, Clone, Default)]
pub struct How {
    /// How plans are made.
    pub options: Options,
    /// A smaller adapter that plans must fit too.
    pub limits: Option<Adapter>,
    /// Names the first node whose result is not finite.
    pub watch_nan: bool,
}

/// A graph of a step with its session and its optimizer.
struct Phase {
    built: StepGraph,
    session: Session,
    optimizer: Option<Optimizer>,
}

/// A model in training.
pub struct Trainer {
    task: Task,
    how: How,
    executor: Executor,
    phases: Vec<Phase>,
    schedule: Schedule,
    /// Steps that are done: updates of the weights.
    step: u64,
    /// Sessions that judge, by the shapes of the batch.
    judges: HashMap<String, (Session, Vec<Labels>)>,
    keys: Vec<String>,
}

/// What is recorded of a step, by name.
pub type Recorded = BTreeMap<String, f64>;

impl Trainer {
    /// Prepares the steps of `task` for batches of `shapes`, from `weights`.
    ///
    /// # Errors
    /// Whatever is wrong with the settings, the shapes, the weights or the plan, such as [`Error::Limit`] with both
    /// figures if the plan needs more memory than is allowed
    pub fn new(task: Task, weights: Weights, engine: &Engine, how: How, shapes: &Shapes) -> Result<Trainer> {
        let mut keys: Vec<String> = weights.keys().map(str::to_owned).collect();
        keys.sort_unstable();
        let graphs =
            roles(&task).into_iter().map(|role| task.graph(role, &role.sees(shapes))).collect::<Result<Vec<_>>>()?;
        let executor = engine.executor(Arc::new(weights));
        graphs.iter().try_for_each(|built| executor.prepare(&built.graph))?;
        let how = How { options: Options { fixed_weights: false, ..how.options }, ..how };
        let options = Options { reuse: how.options.reuse && !how.watch_nan, ..how.options.clone() };
        let mut phases = vec![];
        for built in graphs {
            let session = executor.session(&built.graph, &options, how.limits.as_ref())?;
            let optimizer = built.role.updates().then(|| task.optimizer(built.role)).transpose()?;
            phases.push(Phase { built, session, optimizer });
        }
        let schedule = schedule(&task)?;
        let mut trainer = Trainer { task, how, executor, phases, schedule, step: 0, judges: HashMap::new(), keys };
        trainer.begin_states()?;
        Ok(trainer)
    }

    /// Gives every state of the optimizers what it begins with.
    fn begin_states(&mut self) -> Result<()> {
        for (name, spec) in self.states() {
            self.executor.set_state(&name, &HostTensor::zeros(spec.dtype, &spec.shape))?;
        }
        for phase in &self.phases {
            let Some(optimizer) = &phase.optimizer else { continue };
            for (i, arena) in phase.built.arenas.iter().enumerate() {
                let begin = |name: &str| -> Result<Vec<f32>> {
                    let mut all = vec![];
                    for (key, _, first) in arena {
                        all.resize(*first, 0.0);
                        let w = self.executor.weight(key)?;
                        all.extend(if name == "ema" {
                            w.as_f32()?.to_vec()
                        } else {
                            optimizer.initial(name, w.as_f32()?)
                        });
                    }
                    all.resize(arena_len(arena), 0.0);
                    Ok(all)
                };
                for name in optimizer.states() {
                    let all = begin(name)?;
                    let tensor = HostTensor::f32(&[all.len()], all);
                    self.executor.set_state(&state_name(phase.built.role, name, i), &tensor)?;
                }
                if self.task.settings.ema.is_some() {
                    let all = begin("ema")?;
                    self.executor.set_state(&ema_name(phase.built.role, i), &HostTensor::f32(&[all.len()], all))?;
                }
            }
        }
        Ok(())
    }

    /// The task.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// Steps that are done.
    pub fn done(&self) -> u64 {
        self.step
    }

    /// Weights without a gradient: those the loss does not use, and those it uses only as constants.
    pub fn without_gradient(&self) -> (Vec<String>, Vec<String>) {
        let pick = |f: fn(&StepGraph) -> &Vec<String>| self.phases.iter().flat_map(|p| f(&p.built).clone()).collect();
        (pick(|b| &b.unused), pick(|b| &b.stopped))
    }

    /// Counts of the plans of a step, where there is a device.
    pub fn totals(&self) -> Vec<Totals> {
        self.runners().map(|runner| runner.plan().totals()).collect()
    }

    /// The graphs of a step, in order, and what each does.
    pub fn graphs(&self) -> impl Iterator<Item = (Role, &Arc<FixedGraph>)> {
        self.phases.iter().map(|phase| (phase.built.role, &phase.built.graph))
    }

    /// What runs a step on a device, in order: one part of it each.
    pub fn runners(&self) -> impl Iterator<Item = &Runner> {
        self.phases.iter().filter_map(|phase| match &phase.session {
            Session::Gpu(runner) => Some(&**runner),
            Session::Reference(..) => None,
        })
    }

    /// Another graph over the weights: each of its runs takes them as the steps so far have left them.
    ///
    /// # Errors
    /// Whatever is wrong with the plan
    pub fn session(&self, graph: &Arc<FixedGraph>) -> Result<Session> {
        self.executor.session(graph, &self.how.options, self.how.limits.as_ref())
    }

    /// The model over the weights, as [`Trainer::session`]: for programs that run between steps.
    pub fn context(&self) -> Context {
        Context {
            model: self.task.model,
            config: self.task.config.clone(),
            generation: self.task.config.clone(),
            keys: self.task.keys.clone(),
            executor: self.executor.clone(),
            options: self.how.options.clone(),
            limits: self.how.limits.clone(),
        }
    }

    /// How many batches a step takes.
    pub fn batches_per_step(&self) -> usize {
        self.task.settings.accumulate
    }

    /// One step on its batches; returns what is recorded of it.
    ///
    /// # Errors
    /// [`Error::Tensor`] for values that cannot be trained on; whatever the device says; with `watch_nan`, the first
    /// result that is not finite
    pub fn step(&mut self, batches: &[Tensors]) -> Result<Recorded> {
        self.one_step(batches, false).map(|(recorded, _)| recorded)
    }

    /// As [`Trainer::step`], and hands the gradients to `gradients`, by key.
    ///
    /// # Errors
    /// As [`Trainer::step`]
    pub fn step_for(&mut self, batches: &[Tensors], mut gradients: impl FnMut(&str, HostTensor)) -> Result<Recorded> {
        let (recorded, all) = self.one_step(batches, true)?;
        all.into_iter().for_each(|(key, gradient)| gradients(&key, gradient));
        Ok(recorded)
    }

    /// One step; with its gradients, if they are wanted.
    fn one_step(&mut self, batches: &[Tensors], gradients: bool) -> Result<(Recorded, Vec<(String, HostTensor)>)> {
        let t = self.step + 1;
        let factor = self.schedule.factor(self.step as usize);
        let (mut recorded, mut all) = (Recorded::new(), vec![]);
        let gan = self.task.settings.loss == "gan";
        let turns = if gan { self.phases.len() } else { batches.len() };
        for turn in 0..turns {
            let last = turn + 1 == turns;
            let phase = &self.phases[if gan { turn } else { usize::from(last).min(self.phases.len() - 1) }];
            let batch = &batches[if gan { 0 } else { turn }];
            let mut inputs = self.inputs(phase, batch)?;
            if let Some(optimizer) = &phase.optimizer {
                let lr = optimizer.lr().unwrap_or(1.0) * factor;
                let hyper = optimizer.hyper(t, lr, self.task.settings.clip_grad_value);
                inputs.insert("optimizer/hyper".into(), HostTensor::f32(&[hyper.len()], hyper));
            }
            if self.task.settings.accumulate > 1 {
                let keep = if turn == 0 { 0.0 } else { 1.0 };
                inputs.insert("accumulate/keep".into(), HostTensor::f32(&[1], vec![keep]));
            }
            if let (Some(decay), true) = (self.task.settings.ema, phase.built.role.updates()) {
                inputs.insert("ema/decay".into(), HostTensor::f32(&[3], super::optimizer::factors(decay).to_vec()));
            }
            let wanted = |name: &str| gradients || !name.starts_with("gradient/");
            let results = self.run(phase, &inputs, wanted)?;
            self.record(phase, results, turns, &mut recorded, &mut all);
        }
        if self.task.settings.schedule().is_some() {
            let optimizer = self.phases.iter().find_map(|p| p.optimizer.as_ref());
            recorded.insert("lr".into(), optimizer.and_then(Optimizer::lr).unwrap_or(1.0) * factor);
        }
        self.executor.round();
        self.step = t;
        Ok((recorded, all))
    }

    /// What a phase takes of a batch, checked.
    fn inputs(&self, phase: &Phase, batch: &Tensors) -> Result<Tensors> {
        check_batch(&self.task, &phase.built.labels, batch).map_err(|e| self.at_step(e))?;
        let takes = |name: &str| phase.built.graph.inputs().any(|(n, _)| n == name);
        let mut inputs: Tensors = batch.iter().filter(|(n, _)| takes(n)).map(|(n, t)| (n.clone(), t.clone())).collect();
        if takes("bptt/keep") {
            let reset = self.task.settings.reset_every.map_or(1, |n| n as u64);
            let keep = if self.step.is_multiple_of(reset) { 0.0 } else { 1.0 };
            inputs.insert("bptt/keep".into(), HostTensor::f32(&[1], vec![keep]));
        }
        Ok(inputs)
    }

    fn at_step(&self, e: Error) -> Error {
        match e {
            Error::Tensor { name, message } => Error::Tensor { name: format!("step {}: {name}", self.step), message },
            e => e,
        }
    }

    fn run(&self, phase: &Phase, inputs: &Tensors, wanted: impl Fn(&str) -> bool) -> Result<Vec<(String, HostTensor)>> {
        if !self.how.watch_nan {
            return phase.session.run_for(inputs, wanted);
        }
        let results = phase.session.run_watched(inputs, wanted);
        results.map_err(|e| match e {
            Error::NotFinite(message) => Error::NotFinite(format!("step {}: {message}", self.step)),
            e => e,
        })
    }

    fn record(
        &self,
        phase: &Phase,
        results: Vec<(String, HostTensor)>,
        turns: usize,
        recorded: &mut Recorded,
        gradients: &mut Vec<(String, HostTensor)>,
    ) {
        for (name, tensor) in results {
            if let Some(key) = name.strip_prefix("gradient/") {
                if phase.built.role.updates() {
                    gradients.push((key.to_owned(), tensor));
                }
                continue;
            }
            let value = tensor.to_f64()[0];
            match phase.built.role {
                Role::Discriminator => recorded.insert("d_loss".into(), value),
                Role::Generator => recorded.insert("g_loss".into(), value),
                Role::Micro | Role::Last if name != "grad_norm" => {
                    *recorded.entry(name).or_insert(0.0) += value / turns as f64;
                    None
                }
                _ => recorded.insert(name, value),
            };
        }
    }

    /// The data loss of batches in evaluation mode: the mean over their examples.
    ///
    /// # Errors
    /// As [`Trainer::step`]
    pub fn validate(&mut self, batches: &[Tensors]) -> Result<f64> {
        let (mut sum, mut examples) = (0.0, 0);
        for batch in batches {
            let shapes = shapes_of(batch);
            let id = format!("{shapes:?}");
            if !self.judges.contains_key(&id) {
                let built = self.task.graph(Role::Validation, &shapes)?;
                let session = self.executor.session(&built.graph, &self.how.options, self.how.limits.as_ref())?;
                self.judges.insert(id.clone(), (session, built.labels));
            }
            let (session, labels) = &self.judges[&id];
            check_batch(&self.task, labels, batch)?;
            let n = batch.values().next().and_then(|t| t.shape().first().copied()).unwrap_or(1);
            let results = session.run(batch)?;
            sum += n as f64 * results.iter().find(|(name, _)| name == "loss").map_or(0.0, |(_, t)| t.to_f64()[0]);
            examples += n;
        }
        Ok(sum / examples.max(1) as f64)
    }

    /// Every weight and buffer, by key, as the steps so far have left them.
    ///
    /// # Errors
    /// What the device says
    pub fn weights(&self) -> Result<Tensors> {
        self.keys.iter().map(|key| Ok((key.clone(), self.executor.weight(key)?))).collect()
    }

    /// Gives weights and buffers other values.
    ///
    /// # Errors
    /// [`Error::Tensor`] if one is missing or does not fit
    pub fn set_weights(&self, weights: &Tensors) -> Result<()> {
        for key in &self.keys {
            let tensor = weights.get(key).ok_or_else(|| Error::tensor(key, "the weight is missing"))?;
            self.executor.set_weight(key, tensor)?;
        }
        Ok(())
    }

    /// The moving average of the weights, if the settings ask for one; buffers as they are.
    ///
    /// # Errors
    /// What the device says
    pub fn averaged(&self) -> Result<Option<Tensors>> {
        if self.task.settings.ema.is_none() {
            return Ok(None);
        }
        let mut all = self.weights()?;
        for phase in self.phases.iter().filter(|p| p.built.role.updates()) {
            for (i, arena) in phase.built.arenas.iter().enumerate() {
                let flat = self.executor.state(&ema_name(phase.built.role, i), &Spec::f32(&[arena_len(arena)]))?;
                for (key, spec, first) in arena {
                    let values = flat.as_f32()?[*first..first + spec.len()].to_vec();
                    all.insert(key.clone(), HostTensor::f32(&spec.shape, values));
                }
            }
        }
        Ok(Some(all))
    }

    /// The states of all plans: those of optimizers, sums of gradients, averages, hidden states.
    fn states(&self) -> BTreeMap<String, Spec> {
        let of = |p: &Phase| p.built.graph.states().map(|(n, s)| (n.to_owned(), s.clone())).collect::<Vec<_>>();
        self.phases.iter().flat_map(of).collect()
    }

    /// Every state by name; with [`Trainer::weights`] and [`Trainer::done`] all that the next step depends on.
    ///
    /// # Errors
    /// What the device says
    pub fn state(&self) -> Result<Tensors> {
        self.states().iter().map(|(name, spec)| Ok((name.clone(), self.executor.state(name, spec)?))).collect()
    }

    /// Goes on after `step` steps, with weights and states as they were then.
    ///
    /// # Errors
    /// [`Error::Tensor`] if one is missing or does not fit
    pub fn resume(&mut self, step: u64, weights: &Tensors, states: &Tensors) -> Result<()> {
        self.set_weights(weights)?;
        for (name, spec) in self.states() {
            let found = states.get(&name).ok_or_else(|| Error::tensor(&name, "the state is missing"))?;
            if found.shape() != spec.shape || found.dtype() != spec.dtype {
                return Err(Error::tensor(&name, "has another shape than the model's state"));
            }
            self.executor.set_state(&name, found)?;
        }
        self.step = step;
        Ok(())
    }

    /// How often the batch norm at each prefix has been updated: what PyTorch calls `num_batches_tracked`.
    pub fn batch_norms(&self) -> BTreeMap<String, i64> {
        let mut counts = BTreeMap::new();
        for phase in &self.phases {
            let times = match phase.built.role {
                Role::Micro => self.task.settings.accumulate as i64 - 1,
                _ => 1,
            };
            for (prefix, n) in &phase.built.batch_norms {
                *counts.entry(prefix.clone()).or_insert(0) += n * times * self.step as i64;
            }
        }
        counts
    }
}

fn arena_len(arena: &super::step::Arena) -> usize {
    arena.last().map_or(0, |(_, spec, first)| first + spec.len().next_multiple_of(crate::graph::ARENA_ALIGN))
}

fn schedule(task: &Task) -> Result<Schedule> {
    let Some(config) = task.settings.schedule() else { return Ok(Schedule::Constant) };
    let optimizer = task.optimizer(Role::Step)?;
    let Some(lr) = optimizer.lr() else {
        let message = "the optimizer has no learning rate that could change";
        return Err(Error::config(task.settings.place_of("schedule"), message));
    };
    let schedule = Schedule::read(&config, lr);
    config.finish()?;
    Ok(schedule)
}

/// The shapes of a batch's tensors.
pub fn shapes_of(batch: &Tensors) -> Shapes {
    batch.iter().map(|(name, t)| (name.clone(), Spec::new(t.dtype(), t.shape()))).collect()
}

/// What the graphs of a step do, in their order.
pub(super) fn roles(task: &Task) -> Vec<Role> {
    match (task.settings.loss, task.settings.accumulate) {
        ("gan", _) => vec![Role::Discriminator, Role::Generator],
        (_, 1) => vec![Role::Step],
        _ => vec![Role::Micro, Role::Last],
    }
}

/// Refuses a batch with values that cannot be trained on.
fn check_batch(task: &Task, labels: &[Labels], batch: &Tensors) -> Result<()> {
    for (name, tensor) in batch {
        if let Data::F32(values) = tensor.data()
            && let Some(at) = values.iter().position(|v| !v.is_finite())
        {
            return Err(Error::tensor(name, format!("element {at} is {}, expected a finite number", values[at])));
        }
    }
    for l in labels {
        let Some(tensor) = batch.get(&l.name) else { continue };
        if tensor.dtype() != Dtype::I32 {
            return Err(Error::tensor(&l.name, format!("is {}, expected integers", tensor.dtype())));
        }
        let wrong = |&&v: &&i32| (v < 0 || v as usize >= l.classes) && Some(v) != l.ignore;
        if let Some(v) = tensor.as_i32()?.iter().find(wrong) {
            let ignored = l.ignore.map(|i| format!(" nor the ignored {i}")).unwrap_or_default();
            return Err(Error::tensor(&l.name, format!("label {v} is not in 0..{}{ignored}", l.classes)));
        }
    }
    (task.model.check)(&task.config, batch)
}
