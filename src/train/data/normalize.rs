//! Inputs brought to a common scale: `y = x · scale + shift`, fitted on the training examples alone.

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::json::Value;
use crate::shape::Dims;
use crate::tensor::HostTensor;

/// What the setting `normalize` asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Normalize {
    /// Nothing.
    None,
    /// Every column or channel to 0 … 1.
    MinMax,
    /// Every column or channel to mean 0 and (population) standard deviation 1.
    Standard,
    /// `x · scale + shift` with given numbers.
    Affine {
        /// The factor.
        scale: f64,
        /// What is added.
        shift: f64,
    },
}

/// One scale and shift for every column (axis 1), or for all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// The factors.
    pub scale: Vec<f64>,
    /// What is added.
    pub shift: Vec<f64>,
}

impl Normalize {
    /// The setting in `config`. Faults are remembered there.
    pub fn read(config: &Config) -> Normalize {
        if matches!(config.get("normalize"), Some(Value::Object(_)))
            && let Some(inner) = config.object("normalize")
        {
            inner.only(&["scale", "shift"]);
            let scale = inner.f64("scale", 1.0);
            inner.require(scale != 0.0, "scale", || "found 0, expected another number".into());
            return Normalize::Affine { scale, shift: inner.f64("shift", 0.0) };
        }
        match config.text("normalize", "none", &["none", "min_max", "standard"]) {
            "min_max" => Normalize::MinMax,
            "standard" => Normalize::Standard,
            _ => Normalize::None,
        }
    }

    /// The numbers for `x` (N,C,…): one pair a column. A column of equal values gets the factor 1: it becomes 0.
    ///
    /// # Errors
    /// [`Error::Tensor`] if `x` is not f32
    pub fn fit(self, x: &HostTensor) -> Result<Option<Fitted>> {
        let spread = |low: f64, width: f64| {
            let scale = if width > 0.0 { 1.0 / width } else { 1.0 };
            (scale, -low * scale)
        };
        let columns = match self {
            Normalize::None => return Ok(None),
            Normalize::Affine { scale, shift } => return Ok(Some(Fitted { scale: vec![scale], shift: vec![shift] })),
            Normalize::MinMax => columns(x, |values| {
                let low = values.clone().fold(f64::INFINITY, f64::min);
                spread(low, values.fold(f64::NEG_INFINITY, f64::max) - low)
            })?,
            Normalize::Standard => columns(x, |values| {
                let n = values.clone().count() as f64;
                let mean = values.clone().sum::<f64>() / n;
                spread(mean, (values.map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt())
            })?,
        };
        let (scale, shift) = columns.into_iter().unzip();
        Ok(Some(Fitted { scale, shift }))
    }
}

impl Fitted {
    /// `x · scale + shift`, computed in f64 and rounded once.
    ///
    /// # Errors
    /// [`Error::Tensor`] if `x` is not f32, has another number of columns, or a result is beyond f32
    pub fn apply(&self, x: &HostTensor) -> Result<HostTensor> {
        let (c, inner) = layout(x);
        let n = self.scale.len();
        if self.shift.len() != n || (n != 1 && n != c) {
            return Err(Error::tensor("normalize", format!("is for {n} columns, the data has {c}")));
        }
        let place = |i: usize| if n == 1 { 0 } else { i / inner % c };
        let values: Vec<f32> = x
            .as_f32()?
            .iter()
            .enumerate()
            .map(|(i, &v)| (f64::from(v) * self.scale[place(i)] + self.shift[place(i)]) as f32)
            .collect();
        match values.iter().position(|v| !v.is_finite()) {
            Some(at) => Err(Error::tensor("normalize", format!("makes {} of element {at}", values[at]))),
            None => Ok(HostTensor::f32(x.shape(), values)),
        }
    }
}

/// Columns, and the values of each column of an example.
fn layout(x: &HostTensor) -> (usize, usize) {
    let shape = x.shape();
    (shape.get(1).copied().unwrap_or(1), shape.iter().skip(2).product())
}

/// `summary` of the values of every column.
fn columns<'a, T>(x: &'a HostTensor, summary: impl Fn(Column<'a>) -> T) -> Result<Vec<T>> {
    let values = x.as_f32()?;
    let (c, inner) = layout(x);
    if x.is_empty() {
        return Err(Error::tensor("normalize", format!("has nothing to fit in shape {}", Dims(x.shape()))));
    }
    Ok((0..c).map(|column| summary(Column { values, column, columns: c, inner, at: 0 })).collect())
}

/// The values of one column, in order.
#[derive(Clone)]
struct Column<'a> {
    values: &'a [f32],
    column: usize,
    columns: usize,
    inner: usize,
    at: usize,
}

impl Iterator for Column<'_> {
    type Item = f64;
    fn next(&mut self) -> Option<f64> {
        let (row, i) = (self.at / self.inner, self.at % self.inner);
        self.at += 1;
        self.values.get((row * self.columns + self.column) * self.inner + i).map(|&v| f64::from(v))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_scaled_each_for_itself() {
        let x = HostTensor::f32(&[4, 2], vec![1.0, 5.0, 2.0, 5.0, 3.0, 5.0, 4.0, 5.0]);
        let fitted = Normalize::MinMax.fit(&x).unwrap().unwrap();
        let y = fitted.apply(&x).unwrap();
        assert_eq!(y.as_f32().unwrap(), [0.0, 0.0, 1.0 / 3.0, 0.0, 2.0 / 3.0, 0.0, 1.0, 0.0]);
        let fitted = Normalize::Standard.fit(&x).unwrap().unwrap();
        // numpy: x.std() of 1, 2, 3, 4 is 1.118033988749895.
        assert!((fitted.scale[0] - 1.0 / 1.118033988749895).abs() < 1e-15 && fitted.scale[1] == 1.0);
        assert!((fitted.shift[0] + 2.5 / 1.118033988749895).abs() < 1e-15 && fitted.shift[1] == -5.0);
    }

    #[test]
    fn channels_of_images_have_one_scale_each() {
        let x = HostTensor::f32(&[2, 2, 1, 2], vec![0.0, 2.0, 10.0, 10.0, 4.0, 1.0, 30.0, 20.0]);
        let fitted = Normalize::MinMax.fit(&x).unwrap().unwrap();
        assert_eq!(fitted, Fitted { scale: vec![0.25, 0.05], shift: vec![-0.0, -0.5] });
        assert_eq!(fitted.apply(&x).unwrap().as_f32().unwrap(), [0.0, 0.5, 0.0, 0.0, 1.0, 0.25, 1.0, 0.5]);
    }

    #[test]
    fn given_numbers_hold_for_all_columns() {
        let x = HostTensor::f32(&[1, 3], vec![0.0, 127.5, 255.0]);
        let fitted = Normalize::Affine { scale: 2.0 / 255.0, shift: -1.0 }.fit(&x).unwrap().unwrap();
        assert_eq!(fitted.apply(&x).unwrap().as_f32().unwrap(), [-1.0, 0.0, 1.0]);
    }

    #[test]
    fn refuses_other_columns() {
        let fitted = Fitted { scale: vec![1.0; 2], shift: vec![0.0; 2] };
        let error = fitted.apply(&HostTensor::f32(&[1, 3], vec![0.0; 3])).unwrap_err();
        assert_eq!(error.to_string(), "normalize: is for 2 columns, the data has 3");
    }
}
