//! Examples in memory: named tensors with a leading axis of examples, taken row by row.

use std::path::Path;

use crate::engine::Tensors;
use crate::error::{Error, Result};
use crate::file::{available_memory, bytes};
use crate::shape::Dims;
use crate::tensor::{Data, HostTensor};
use crate::train::checkpoint::Fingerprint;

/// Examples: row `i` of every tensor belongs to example `i`.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    tensors: Tensors,
    examples: usize,
}

impl Dataset {
    /// The examples of `tensors`.
    ///
    /// # Errors
    /// [`Error::Tensor`] if there is none, or if two tensors disagree on their number
    pub fn new(tensors: Tensors) -> Result<Dataset> {
        let Some((first, tensor)) = tensors.first_key_value() else {
            return Err(Error::tensor("data", "has no tensors"));
        };
        let count = |tensor: &HostTensor| tensor.shape().first().copied().unwrap_or(0);
        let examples = count(tensor);
        for (name, tensor) in &tensors {
            if tensor.shape().is_empty() || examples == 0 {
                let found = Dims(tensor.shape());
                return Err(Error::tensor(name, format!("has shape {found}, expected a leading axis of examples")));
            }
            if count(tensor) != examples {
                let message = format!("has {} examples, {first} has {examples}", count(tensor));
                return Err(Error::tensor(name, message));
            }
        }
        Ok(Dataset { tensors, examples })
    }

    /// How many examples there are: one or more.
    pub fn examples(&self) -> usize {
        self.examples
    }

    /// All tensors.
    pub fn tensors(&self) -> &Tensors {
        &self.tensors
    }

    /// The examples `rows`, in that order; one may be taken more than once.
    ///
    /// # Errors
    /// [`Error::Tensor`] if there is no such row
    pub fn rows(&self, rows: &[usize]) -> Result<Tensors> {
        if let Some(row) = rows.iter().find(|&&row| row >= self.examples) {
            return Err(Error::tensor("data", format!("has {} examples, there is no row {row}", self.examples)));
        }
        self.tensors.iter().map(|(name, tensor)| Ok((name.clone(), rows_of(tensor, rows)?))).collect()
    }

    /// Two parts: all but the examples `rows`, and these.
    ///
    /// # Errors
    /// As [`Dataset::rows`], and if either part is empty
    pub fn split(&self, rows: &[usize]) -> Result<(Dataset, Dataset)> {
        let mut taken = vec![false; self.examples];
        rows.iter().filter_map(|&row| taken.get_mut(row).map(|slot| *slot = true)).count();
        let rest: Vec<usize> = (0..self.examples).filter(|&row| !taken[row]).collect();
        Ok((Dataset::new(self.rows(&rest)?)?, Dataset::new(self.rows(rows)?)?))
    }

    /// The same examples with the tensor `name` made anew by `change`.
    ///
    /// # Errors
    /// Whatever `change` says, and as [`Dataset::new`]
    pub fn map(mut self, name: &str, change: impl FnOnce(HostTensor) -> Result<HostTensor>) -> Result<Dataset> {
        if let Some(tensor) = self.tensors.remove(name) {
            self.tensors.insert(name.to_owned(), change(tensor)?);
        }
        Dataset::new(self.tensors)
    }

    /// Adds names, shapes and values to `print`.
    pub fn fingerprint(&self, print: &mut Fingerprint) {
        for (name, tensor) in &self.tensors {
            print.add(format!("{name} {} {}", tensor.dtype(), Dims(tensor.shape())).as_bytes());
            print.add(tensor.bytes());
        }
    }
}

fn rows_of(tensor: &HostTensor, rows: &[usize]) -> Result<HostTensor> {
    fn take<T: Copy>(values: &[T], rows: &[usize], width: usize) -> Vec<T> {
        let mut out = Vec::with_capacity(rows.len() * width);
        rows.iter().for_each(|row| out.extend_from_slice(&values[row * width..][..width]));
        out
    }
    let width = tensor.shape()[1..].iter().product();
    let data = match tensor.data() {
        Data::F32(v) => Data::F32(take(v, rows, width)),
        Data::F16(v) => Data::F16(take(v, rows, width)),
        Data::I32(v) => Data::I32(take(v, rows, width)),
        Data::U32(v) => Data::U32(take(v, rows, width)),
    };
    let mut shape = tensor.shape().to_vec();
    shape[0] = rows.len();
    HostTensor::new(&shape, data)
}

/// Fails unless the host has room for `n` values of four bytes from `path`.
pub(super) fn room(path: &Path, n: u64) -> Result<()> {
    let (need, have) = (n.saturating_mul(4), available_memory());
    if need <= have {
        return Ok(());
    }
    Err(Error::limit(
        path.display().to_string(),
        format!("needs {} of host memory, {} can be used", bytes(need), bytes(have)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Dataset {
        let x = HostTensor::f32(&[3, 2], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        Dataset::new([("x".into(), x), ("y".into(), HostTensor::i32(&[3], vec![7, 8, 9]))].into()).unwrap()
    }

    #[test]
    fn rows_come_in_the_order_asked_for() {
        let rows = some().rows(&[2, 0, 2]).unwrap();
        assert_eq!(rows["x"], HostTensor::f32(&[3, 2], vec![4.0, 5.0, 0.0, 1.0, 4.0, 5.0]));
        assert_eq!(rows["y"], HostTensor::i32(&[3], vec![9, 7, 9]));
        assert_eq!(some().rows(&[3]).unwrap_err().to_string(), "data: has 3 examples, there is no row 3");
    }

    #[test]
    fn a_split_keeps_every_example_once() {
        let (rest, part) = some().split(&[1]).unwrap();
        assert_eq!(rest.tensors()["y"], HostTensor::i32(&[2], vec![7, 9]));
        assert_eq!(part.tensors()["x"], HostTensor::f32(&[1, 2], vec![2.0, 3.0]));
        assert!(some().split(&[0, 1, 2]).is_err() && some().split(&[]).is_err());
    }

    #[test]
    fn tensors_must_agree() {
        let error = |tensors: Tensors| Dataset::new(tensors).unwrap_err().to_string();
        assert_eq!(error(Tensors::new()), "data: has no tensors");
        let (two, three) = (HostTensor::f32(&[2], vec![0.0; 2]), HostTensor::f32(&[3], vec![0.0; 3]));
        assert_eq!(error([("a".into(), two), ("b".into(), three)].into()), "b: has 3 examples, a has 2");
        let none = HostTensor::f32(&[], vec![0.0]);
        assert_eq!(error([("a".into(), none)].into()), "a: has shape (), expected a leading axis of examples");
    }
}
