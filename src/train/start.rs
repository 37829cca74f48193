//! What a run begins with: weights of a checkpoint or drawn from the seed, and the names they are saved under.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::Tensors;
use crate::error::{Error, Result};
use crate::kernel::Spec;
use crate::store::Weights;
use crate::tensor::HostTensor;
use crate::weights::Checkpoint;

use super::init::{Fan, Init, default_for};
use super::objective::Shapes;
use super::step::{Role, Task, is_buffer};
use super::trainer::roles;

/// Weights to begin with, and how they are named in files.
#[derive(Debug, Clone)]
pub struct Start {
    /// The weights, by the model's keys.
    pub weights: Weights,
    /// The name in the checkpoint of each key.
    names: BTreeMap<String, String>,
    /// Tensors of the checkpoint that training leaves as they are, counters among them.
    rest: Tensors,
    /// What the user should know though it is no error.
    pub notices: Vec<String>,
}

impl Start {
    /// The weights of `checkpoint` that `task` trains on batches of `shapes`.
    ///
    /// # Errors
    /// Whatever does not fit between the two
    pub fn from(checkpoint: &Checkpoint, task: &Task, shapes: &Shapes) -> Result<Start> {
        let wanted = wanted(task, shapes)?;
        let found = checkpoint.resolve(&wanted, task.model.prefixes, task.model.ignorable)?;
        let mut start = Start {
            weights: Weights::default(),
            names: BTreeMap::new(),
            rest: Tensors::new(),
            notices: checkpoint.notices().to_vec(),
        };
        let mut tensors = vec![];
        for ((key, spec), name) in wanted.iter().zip(&found.names) {
            tensors.push((key.clone(), checkpoint.load_as(name, spec.dtype)?));
            start.names.insert(key.clone(), name.clone());
        }
        let taken: BTreeSet<&String> = found.names.iter().collect();
        for info in checkpoint.tensors().iter().filter(|t| !taken.contains(&t.name)) {
            start.rest.insert(info.name.clone(), checkpoint.load(&info.name)?);
        }
        if !found.unused.is_empty() {
            let list = found.unused.join(", ");
            start
                .notices
                .push(format!("{} tensors of the checkpoint are kept as they are: {list}", found.unused.len()));
        }
        start.weights = Weights::new(tensors);
        Ok(start)
    }

    /// Weights drawn from the seed, as `train.json` says.
    ///
    /// # Errors
    /// Whatever is wrong with the configuration
    pub fn drawn(task: &Task, shapes: &Shapes) -> Result<Start> {
        let wanted = wanted(task, shapes)?;
        let known: BTreeMap<&str, &Spec> = wanted.iter().map(|(k, s)| (k.as_str(), s)).collect();
        let shape_of = |key: &str| known.get(key).map(|s| s.shape.clone());
        let one = |(key, spec): &(String, Spec)| {
            let init = match (spec.shape.len() >= 2 && !is_buffer(key), task.settings.init) {
                (true, "xavier_uniform") => Init::XavierUniform { gain: 1.0 },
                (true, "xavier_normal") => Init::XavierNormal { gain: 1.0 },
                (true, "kaiming_uniform") => Init::KaimingUniform { gain: 2f64.sqrt(), fan: Fan::In },
                (true, "kaiming_normal") => Init::KaimingNormal { gain: 2f64.sqrt(), fan: Fan::In },
                (true, "orthogonal") => Init::Orthogonal { gain: 1.0 },
                _ => (task.model.init)(&task.config, key, &spec.shape)
                    .unwrap_or_else(|| default_for(key, &spec.shape, shape_of)),
            };
            (key.clone(), init.weight(key, &spec.shape, task.settings.seed))
        };
        let rest = known.keys().filter_map(|key| key.strip_suffix("running_mean"));
        let rest = rest.map(|prefix| (format!("{prefix}num_batches_tracked"), HostTensor::i32(&[], vec![0])));
        Ok(Start {
            weights: Weights::new(wanted.iter().map(one)),
            names: wanted.iter().map(|(key, _)| (key.clone(), key.clone())).collect(),
            rest: rest.collect(),
            notices: vec![],
        })
    }

    /// What a file of `weights` holds, under the names of the checkpoint: with the tensors that training leaves alone,
    /// and the counters of batch norms increased by `batches`.
    ///
    /// # Errors
    /// [`Error::Tensor`] if a counter is no integer
    pub fn file(&self, weights: &Tensors, batches: &BTreeMap<String, i64>) -> Result<Tensors> {
        let mut all = self.rest.clone();
        for (prefix, n) in batches {
            let key = format!("{prefix}num_batches_tracked");
            if let Some(counter) = all.get_mut(&key) {
                let before = counter.as_i32()?.first().copied().unwrap_or(0);
                let after = i32::try_from(i64::from(before) + n);
                let after = after.map_err(|_| Error::tensor(&key, "is beyond 2147483647"))?;
                let shape = counter.shape().to_owned();
                *counter = HostTensor::i32(&shape, vec![after]);
            }
        }
        for (key, tensor) in weights {
            all.insert(self.names.get(key).unwrap_or(key).clone(), tensor.clone());
        }
        Ok(all)
    }
}

/// The weights of every graph of a step.
fn wanted(task: &Task, shapes: &Shapes) -> Result<Vec<(String, Spec)>> {
    let mut all: BTreeMap<String, Spec> = BTreeMap::new();
    let mut order = vec![];
    for role in roles(task) {
        let built = task.graph(role, &role.sees(shapes))?;
        for (key, spec) in built.graph.weights() {
            if all.insert(key.to_owned(), spec.clone()).is_none() {
                order.push(key.to_owned());
            }
        }
    }
    Ok(order.into_iter().map(|key| (key.clone(), all[&key].clone())).collect())
}

impl Role {
    /// Of a GAN's batch, each network sees its own part.
    pub fn sees(self, shapes: &Shapes) -> Shapes {
        let own = |name: &str| match self {
            Role::Discriminator => name != "z_generator",
            Role::Generator => name == "z_generator",
            _ => true,
        };
        shapes.iter().filter(|(n, _)| own(n)).map(|(n, s)| (n.clone(), s.clone())).collect()
    }
}
