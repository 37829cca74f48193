//! Source positions and weights of resized rows or columns.

use super::Target;
use crate::tensor::HostTensor;

/// The most rows or columns of an output: the tables have an element for each, and no shape has been checked yet.
pub const MAX_SIDE: usize = 1 << 20;

/// One axis of a resizing: how far a step of the output goes in the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Elements of the input.
    pub n: usize,
    /// Elements of the output.
    pub m: usize,
    /// Input elements a step of the output.
    pub r: f64,
    /// The first and last elements of input and output coincide.
    pub align_corners: bool,
}

impl Step {
    /// The step along axis `axis` (0 vertical, 1 horizontal) of `n` elements.
    pub fn new(n: usize, target: Target, axis: usize, align_corners: bool) -> Result<Step, String> {
        let (m, ratio) = match target {
            Target::Size(size) => (size[axis], n as f64 / size[axis] as f64),
            Target::Factor(factor) => {
                let f = factor[axis];
                if !f.is_finite() || f <= 0.0 {
                    return Err(format!("scale factor is {f}, expected a positive number"));
                }
                ((n as f64 * f).floor() as usize, 1.0 / f)
            }
        };
        if !(1..=MAX_SIDE).contains(&m) {
            return Err(format!("output size is {m}, expected 1 to {MAX_SIDE} for an input of {n}"));
        }
        let r = match (align_corners, m) {
            (true, 1) => 0.0,
            (true, _) => (n - 1) as f64 / (m - 1) as f64,
            (false, _) => ratio,
        };
        Ok(Step { n, m, r, align_corners })
    }

    /// Positions `min(⌊i · r⌋, n − 1)`, `(M)` i32.
    ///
    /// The product is formed in f32 as PyTorch forms it: a floor shows the last bit, and 41 · (1/41) is
    /// below 1 there.
    pub fn nearest(&self) -> HostTensor {
        let r = self.r as f32;
        let position = |i: usize| ((i as f32 * r).floor() as usize).min(self.n - 1) as i32;
        HostTensor::i32(&[self.m], (0..self.m).map(position).collect())
    }

    /// Positions `(M)` i32 and weights `(M)` of the element after each; positions before the image count as 0.
    pub fn linear(&self) -> (HostTensor, HostTensor) {
        let at = |i: usize| self.source(i).clamp(0.0, (self.n - 1) as f64);
        let position = (0..self.m).map(|i| at(i).floor() as i32).collect();
        let weight = (0..self.m).map(|i| (at(i) - at(i).floor()) as f32).collect();
        (HostTensor::i32(&[self.m], position), HostTensor::f32(&[self.m], weight))
    }

    /// Positions `(M)` i32 and weights `(M, 4)` of the elements from one before to two after each.
    pub fn cubic(&self) -> (HostTensor, HostTensor) {
        let position = (0..self.m).map(|i| self.source(i).floor() as i32).collect();
        let weight = (0..self.m).flat_map(|i| {
            let t = self.source(i) - self.source(i).floor();
            [keys(1.0 + t), keys(t), keys(1.0 - t), keys(2.0 - t)].map(|w| w as f32)
        });
        (HostTensor::i32(&[self.m], position), HostTensor::f32(&[self.m, 4], weight.collect()))
    }

    /// Where output `i` lies in the input.
    fn source(&self, i: usize) -> f64 {
        if self.align_corners { i as f64 * self.r } else { self.r * (i as f64 + 0.5) - 0.5 }
    }
}

/// The cubic convolution kernel at distance `x` in 0 ..= 2 (Keys 1981, eq. 15), with PyTorch's a = −0.75.
fn keys(x: f64) -> f64 {
    const A: f64 = -0.75;
    if x <= 1.0 { ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0 } else { ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Data;

    fn size(n: usize, m: usize, align_corners: bool) -> Step {
        Step::new(n, Target::Size([m, m]), 0, align_corners).unwrap()
    }

    fn ids(t: &HostTensor) -> Vec<i32> {
        match t.data() {
            Data::I32(v) => v.clone(),
            other => panic!("{other:?}"),
        }
    }

    // torch: F.interpolate(torch.arange(7.).view(1, 1, 1, 7), size=(1, 3)) and so on
    #[test]
    fn nearest_positions() {
        assert_eq!(ids(&size(7, 3, false).nearest()), [0, 2, 4]);
        assert_eq!(ids(&size(2, 4, false).nearest()), [0, 0, 1, 1]);
        assert_eq!(
            ids(&Step::new(5, Target::Factor([1.7, 1.0]), 0, false).unwrap().nearest()),
            [0, 0, 1, 1, 2, 2, 3, 4]
        );
        assert_eq!(ids(&size(2, 82, false).nearest())[41], 0, "the product in f32 is below 1");
    }

    #[test]
    fn aligned_corners_coincide() {
        let (position, weight) = size(4, 7, true).linear();
        assert_eq!(ids(&position), [0, 0, 1, 1, 2, 2, 3]);
        assert_eq!(weight.data(), &Data::F32(vec![0.0, 0.5, 0.0, 0.5, 0.0, 0.5, 0.0]));
        assert_eq!(ids(&size(4, 1, true).linear().0), [0]);
    }

    #[test]
    fn cubic_weights_sum_to_one() {
        let (position, weight) = size(3, 7, false).cubic();
        assert_eq!(ids(&position), [-1, 0, 0, 1, 1, 1, 2]);
        let Data::F32(w) = weight.data() else { panic!() };
        w.chunks(4).for_each(|w| assert!((w.iter().sum::<f32>() - 1.0).abs() < 1e-6));
        assert_eq!((keys(0.0), keys(1.0), keys(2.0), keys(0.5)), (1.0, 0.0, 0.0, 0.59375));
    }

    #[test]
    fn impossible_sizes_are_errors() {
        let message = |target| Step::new(5, target, 0, false).unwrap_err();
        assert_eq!(message(Target::Factor([0.1, 1.0])), "output size is 0, expected 1 to 1048576 for an input of 5");
        assert_eq!(message(Target::Factor([f64::NAN, 1.0])), "scale factor is NaN, expected a positive number");
    }
}
