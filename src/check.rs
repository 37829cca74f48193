//! The one comparator, and the rounding model its bounds are built from.
//!
//! A bound is a number per element, derived from the data by the rules of `docs/numerics.md`; nothing is
//! compared with a global tolerance, and NaN never passes by accident.

use std::fmt;

use half::f16;

use crate::shape::row_major;
use crate::tensor::Dtype;

mod case;

pub use case::{Case, CaseInput, Expected, POISON};

/// How an adapter rounds: round-to-nearest with measured function errors, or the weakest thing the
/// WGSL specification allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Round-to-nearest adapters (lavapipe, named drivers): statistical √n bounds.
    Gold,
    /// Any conformant adapter: directed rounding, linear bounds.
    Spec,
}

/// Builders of per-element tolerances (`docs/numerics.md`). `r` is always the reference value.
#[derive(Debug, Clone, Copy)]
pub struct Tol {
    /// The rounding model.
    pub tier: Tier,
}

/// Unit roundoff of f32 rounded to nearest.
pub const U: f64 = 1.0 / (1u64 << 24) as f64;

/// One unit in the last place of the f32 nearest to `r`; at least the smallest denormal step.
pub fn ulp(r: f64) -> f64 {
    let magnitude = r.abs().max(f64::from(f32::MIN_POSITIVE));
    if !magnitude.is_finite() {
        return 0.0;
    }
    2f64.powi(magnitude.log2().floor() as i32 - 23)
}

/// One unit in the last place of the f16 nearest to `r`; at least the denormal step.
fn ulp_f16(r: f64) -> f64 {
    2f64.powi((r.abs().min(65504.0).log2().floor() as i32).max(-14) - 10)
}

impl Tol {
    /// The tier of round-to-nearest adapters.
    pub const GOLD: Tol = Tol { tier: Tier::Gold };
    /// The tier of any conformant adapter.
    pub const SPEC: Tol = Tol { tier: Tier::Spec };

    /// `gold` here, `spec` on an adapter of which only conformance is known.
    pub fn pick(self, gold: f64, spec: f64) -> f64 {
        if self.tier == Tier::Gold { gold } else { spec }
    }

    /// Correctly rounded arithmetic (`+ − ×`) of exact inputs: half an ulp plus the smallest denormal.
    pub fn rounded(self, r: f64) -> f64 {
        self.ulps(0.5, 1.0, r)
    }

    /// `gold` or `spec` ulps of `r`, plus room for flushing a denormal to zero.
    pub fn ulps(self, gold: f64, spec: f64, r: f64) -> f64 {
        self.pick(gold, spec) * ulp(r) * (1.0 + 1e-9) + f64::from(f32::MIN_POSITIVE)
    }

    /// Stored as `dtype`, what lay within `t` of `r`: in f16, half an ulp more, and the one rounding where it was exact.
    pub fn stored(self, dtype: Dtype, r: f64, t: f64) -> f64 {
        if dtype != Dtype::F16 || !r.is_finite() {
            return t;
        }
        let rounding = (f16::from_f64(r).to_f64() - r).abs();
        if t == 0.0 && (rounding == 0.0 || self.tier == Tier::Gold) {
            return rounding.min(ulp_f16(r));
        }
        t + self.pick(0.5, 1.0) * ulp_f16(r.abs() + t) * (1.0 + 1e-9) + self.pick(0.0, f16::MIN_POSITIVE.to_f64())
    }

    /// `exp(x)`, whose error grows with `|x|`.
    pub fn exp(self, x: f64, r: f64) -> f64 {
        self.ulps(1.5 + 0.75 * x.abs(), 3.0 + 2.0 * x.abs(), r)
    }

    /// A sum of `n` terms with `a = Σ|xᵢ|`.
    pub fn sum(self, n: usize, a: f64, r: f64) -> f64 {
        let n = n.max(1) as f64;
        self.pick(4.0 * n.sqrt() * U, n * 2.0 * U) * a + ulp(r) + f64::from(f32::MIN_POSITIVE)
    }

    /// A dot product of `k` terms with `s = Σ|aᵢ·bᵢ|`.
    pub fn dot(self, k: usize, s: f64, r: f64) -> f64 {
        self.sum(k, s, r)
    }
}

/// One bound per element, all zero: bit for bit.
pub fn exact(outputs: &[Vec<f64>]) -> Vec<Vec<f64>> {
    outputs.iter().map(|o| vec![0.0; o.len()]).collect()
}

/// One bound per element from the reference value alone.
pub fn each(outputs: &[Vec<f64>], bound: impl Fn(f64) -> f64) -> Vec<Vec<f64>> {
    outputs.iter().map(|o| o.iter().map(|&r| bound(r)).collect()).collect()
}

/// What [`compare`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Elements compared.
    pub count: usize,
    /// Elements outside their bound.
    pub failures: usize,
    /// The first of them.
    pub first: Option<Difference>,
    /// The element with the largest `|got − want| / bound` (infinite where only one is finite).
    pub worst: Option<Difference>,
    /// Largest `|got − want|`.
    pub max_abs: f64,
    /// Largest `|got − want| / bound`.
    pub ratio: f64,
}

impl Report {
    /// True if every element is within its bound.
    pub fn ok(&self) -> bool {
        self.failures == 0
    }
}

/// One element of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Coordinates.
    pub at: Vec<usize>,
    /// Value found.
    pub got: f64,
    /// Reference value.
    pub want: f64,
    /// Its bound.
    pub bound: f64,
    /// Distance in f32 ulps of the reference value.
    pub ulps: f64,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "at {:?}: got {:e}, want {:e}, |difference| {:.3e} over bound {:.3e} ({:.1} ulp)",
            self.at,
            self.got,
            self.want,
            (self.got - self.want).abs(),
            self.bound,
            self.ulps
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} elements outside their bound", self.failures, self.count)?;
        if let Some(first) = &self.first {
            write!(f, "; first {first}")?;
        }
        if let (Some(worst), true) = (&self.worst, self.failures > 0) {
            write!(f, "; worst {worst}")?;
        }
        Ok(())
    }
}

/// Compares `got` with `want`, each element within its bound.
///
/// Lengths are checked first; NaN matches only NaN and an infinity only the same infinity. A value beyond
/// the largest f32 counts as that infinity on the reference's side if the device's dtype is f32.
///
/// # Panics
/// If `got` and `want` are one slice, or a length differs: a harness that compares a thing with itself
/// proves nothing.
pub fn compare(got: &[f64], want: &[f64], bound: &[f64], shape: &[usize], dtype: Dtype) -> Report {
    assert!(!std::ptr::eq(got.as_ptr(), want.as_ptr()) || got.is_empty(), "bug: compared a slice with itself");
    assert_eq!(got.len(), want.len(), "bug: compared {} values with {}", got.len(), want.len());
    assert_eq!(got.len(), bound.len(), "bug: {} values have {} bounds", got.len(), bound.len());
    assert_eq!(got.len(), shape.iter().product::<usize>(), "bug: shape {shape:?} has another count");
    let overflow = match dtype {
        Dtype::F32 => f64::from(f32::MAX),
        Dtype::F16 => 65504.0,
        Dtype::I32 | Dtype::U32 => f64::INFINITY,
    };
    let mut report = Report { count: got.len(), failures: 0, first: None, worst: None, max_abs: 0.0, ratio: 0.0 };
    for (i, ((&g, &w), &t)) in got.iter().zip(want).zip(bound).enumerate() {
        let w = if w.abs() > overflow + t { w.signum() * f64::INFINITY } else { w };
        let difference = (g - w).abs();
        // Inside the rounding distance of the largest f32, both the value and the infinity are right.
        let edge = w.is_finite() && g.is_infinite() && g.signum() == w.signum() && w.abs() + t >= overflow;
        let ratio = match (g.is_nan(), w.is_nan()) {
            (true, true) => 0.0,
            (true, false) | (false, true) => f64::INFINITY,
            _ if g == w || edge => 0.0,
            _ if g.is_infinite() || w.is_infinite() => f64::INFINITY,
            _ if difference == 0.0 => 0.0,
            _ if t.is_nan() || t <= 0.0 => f64::INFINITY,
            _ => difference / t,
        };
        let failed = ratio > 1.0;
        report.failures += usize::from(failed);
        if difference.is_finite() {
            report.max_abs = report.max_abs.max(difference);
        }
        let worse = ratio > report.ratio;
        if worse || (failed && report.first.is_none()) {
            let entry = Difference { at: coordinates(i, shape), got: g, want: w, bound: t, ulps: difference / ulp(w) };
            if failed && report.first.is_none() {
                report.first = Some(entry.clone());
            }
            if worse {
                report.ratio = ratio;
                report.worst = Some(entry);
            }
        }
    }
    report
}

fn coordinates(index: usize, shape: &[usize]) -> Vec<usize> {
    row_major(shape).iter().zip(shape).map(|(s, n)| index / s % n).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(got: &[f64], want: &[f64], bound: f64) -> Report {
        // Equal literals may be one constant: compare a copy.
        let got = got.to_owned();
        compare(&got, want, &vec![bound; got.len()], &[got.len()], Dtype::F32)
    }

    #[test]
    fn nan_matches_only_nan() {
        assert!(run(&[f64::NAN], &[f64::NAN], 0.0).ok());
        assert!(!run(&[f64::NAN], &[1.0], 1e9).ok());
        assert!(!run(&[1.0], &[f64::NAN], 1e9).ok());
    }

    #[test]
    fn infinity_must_match_its_sign() {
        let inf = f64::INFINITY;
        assert!(run(&[inf], &[inf], 0.0).ok());
        assert!(!run(&[inf], &[-inf], 1.0).ok());
        assert!(!run(&[1.0], &[inf], 1e300).ok());
        assert!(run(&[inf], &[1e39], 0.0).ok(), "overflow of f32");
    }

    #[test]
    fn one_wrong_element_in_a_million_fails_with_its_place() {
        let want = vec![1.0; 1_000_000];
        let mut got = want.clone();
        got[765_432] = 1.0 + 3.0 * ulp(1.0);
        let report = compare(&got, &want, &vec![Tol::GOLD.ulps(2.0, 2.0, 1.0); got.len()], &[1000, 1000], Dtype::F32);
        assert_eq!((report.failures, report.first.map(|d| d.at)), (1, Some(vec![765, 432])));
    }

    #[test]
    fn a_nan_bound_fails() {
        assert!(!run(&[1.0], &[2.0], f64::NAN).ok());
    }

    #[test]
    #[should_panic(expected = "bug: compared a slice with itself")]
    fn a_slice_is_not_compared_with_itself() {
        let v = [1.0];
        compare(&v, &v, &[0.0], &[1], Dtype::F32);
    }

    #[test]
    fn storing_as_f16_adds_half_an_ulp_and_nothing_to_what_fits() {
        let stored = |r, t| Tol::GOLD.stored(Dtype::F16, r, t);
        assert_eq!((stored(1.0, 0.0), stored(-0.0, 0.0), stored(2f64.powi(-24), 0.0)), (0.0, 0.0, 0.0));
        assert_eq!(stored(1.0 + 2f64.powi(-12), 0.0), 2f64.powi(-12));
        assert!((stored(1.0, 1e-9) - 2f64.powi(-11)).abs() < 1e-8);
        assert!((stored(1e-7, 1e-12) - 2f64.powi(-25)).abs() < 1e-11);
        assert_eq!(stored(1e6, 0.0), 32.0, "an infinity is no wider than its neighbours");
        assert_eq!(Tol::GOLD.stored(Dtype::F32, 1.1, 0.0), 0.0);
    }

    #[test]
    fn ulp_of_one() {
        assert_eq!(ulp(1.0), f64::from(f32::EPSILON));
        assert_eq!(ulp(0.0), 2f64.powi(-149));
    }
}
