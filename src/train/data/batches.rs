//! A file of batches: every tensor has a leading axis of steps, but for those of the validation.

use std::path::{Path, PathBuf};

use crate::engine::Tensors;
use crate::error::{Error, Result};
use crate::shape::Dims;
use crate::tensor::HostTensor;
use crate::weights::load_tensors;

use super::dataset::Dataset;

/// What tensors of the validation are named after.
const VALIDATION: &str = "validation.";

/// The batches of a run, made beforehand.
#[derive(Debug, Clone, PartialEq)]
pub struct Batches {
    path: PathBuf,
    steps: Dataset,
    validation: Option<Dataset>,
}

impl Batches {
    /// Reads the safetensors file at `path`. Integers are i32.
    ///
    /// # Errors
    /// [`Error::File`] if it is not such a file, or its tensors disagree on the number of steps or of examples
    pub fn open(path: &Path) -> Result<Batches> {
        let (mut steps, mut validation) = (Tensors::new(), Tensors::new());
        for (name, tensor) in load_tensors(path)? {
            if tensor.shape().first().is_none_or(|&n| n == 0) {
                let shape = Dims(tensor.shape());
                let message = format!("tensor \"{name}\" has shape {shape}, expected a leading axis of steps");
                return Err(Error::file(path, message));
            }
            match name.strip_prefix(VALIDATION) {
                Some(rest) => validation.insert(rest.to_owned(), tensor),
                None => steps.insert(name, tensor),
            };
        }
        agree(path, &steps, "", "steps")?;
        agree(path, &validation, VALIDATION, "examples")?;
        if steps.is_empty() {
            return Err(Error::file(path, "has no tensors with an axis of steps"));
        }
        let validation = if validation.is_empty() { None } else { Some(Dataset::new(validation)?) };
        Ok(Batches { path: path.to_owned(), steps: Dataset::new(steps)?, validation })
    }

    /// How many batches there are.
    pub fn steps(&self) -> usize {
        self.steps.examples()
    }

    /// Fails unless there are `n` batches.
    ///
    /// # Errors
    /// [`Error::File`] if there are fewer
    pub fn expect(&self, n: u64) -> Result<()> {
        if self.steps() as u64 >= n {
            return Ok(());
        }
        Err(Error::file(&self.path, format!("has {} batches, the steps of train.json need {n}", self.steps())))
    }

    /// Batch `number`, without the axis of steps.
    ///
    /// # Errors
    /// [`Error::File`] if there are not so many
    pub fn batch(&self, number: u64) -> Result<Tensors> {
        let row = usize::try_from(number)
            .ok()
            .filter(|&row| row < self.steps())
            .ok_or_else(|| Error::file(&self.path, format!("has {} batches, the run needs another", self.steps())))?;
        let whole = |(name, tensor): (String, HostTensor)| {
            let shape = tensor.shape()[1..].to_vec();
            Ok((name, tensor.reshape(&shape)?))
        };
        self.steps.rows(&[row])?.into_iter().map(whole).collect()
    }

    /// The batches as examples: one a step.
    pub fn dataset(&self) -> &Dataset {
        &self.steps
    }

    /// The tensors `validation.*`, without that prefix, if there are any.
    pub fn validation(&self) -> Option<&Dataset> {
        self.validation.as_ref()
    }
}

/// All tensors have the same first size.
fn agree(path: &Path, tensors: &Tensors, prefix: &str, what: &str) -> Result<()> {
    let Some((first, tensor)) = tensors.first_key_value() else { return Ok(()) };
    let n = tensor.shape()[0];
    match tensors.iter().find(|(_, tensor)| tensor.shape()[0] != n) {
        Some((name, other)) => {
            let found = other.shape()[0];
            let message = format!("tensor \"{prefix}{name}\" has {found} {what}, \"{prefix}{first}\" has {n}");
            Err(Error::file(path, message))
        }
        None => Ok(()),
    }
}
