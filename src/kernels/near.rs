//! Running error analysis: a number of the reference with how far a device's may be from it, after the same
//! operations in the order of the shader.

use std::ops;

use crate::check::Tol;

/// A number, and the largest distance of a device's from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Near {
    v: f64,
    e: f64,
    t: Tol,
}

impl Near {
    /// What the device holds exactly.
    pub fn exact(v: f64, t: Tol) -> Near {
        Near { v, e: 0.0, t }
    }

    /// The same number where the device's is up to `e` further away.
    pub fn off(self, e: f64) -> Near {
        Near { e: self.e + e, ..self }
    }

    /// The largest distance.
    pub fn bound(self) -> f64 {
        self.e
    }

    /// Of value `v`, `e` away, and rounded.
    fn rounded(self, v: f64, e: f64, gold: f64, spec: f64) -> Near {
        Near { v, e: e + self.t.ulps(gold, spec, v.abs() + e), t: self.t }
    }

    fn is_zero(self) -> bool {
        self.v == 0.0 && self.e == 0.0
    }

    /// The square root; a number that may be off by `e` is not below 0.
    pub fn sqrt(self) -> Near {
        let (v, low, high) = (self.v.sqrt(), (self.v - self.e).max(0.0).sqrt(), (self.v + self.e).sqrt());
        self.rounded(v, (v - low).max(high - v), 1.0, 5.0)
    }

    /// The logistic function, as `lib/activation.wgsl` computes it.
    pub fn sigmoid(self) -> Near {
        let at = |x: f64| kernels_ref::elementwise::sigmoid(x);
        // The slope falls with the distance from 0.
        let near = (self.v.abs() - self.e).max(0.0);
        let (v, e) = (at(self.v), self.e * at(near) * at(-near));
        let far = self.v.abs() + self.e;
        self.rounded(v, e, 5.0 + far, 7.0 + 2.0 * far)
    }

    /// The hyperbolic tangent, as `lib/activation.wgsl` computes it.
    pub fn tanh(self) -> Near {
        let near = (self.v.abs() - self.e).max(0.0).tanh();
        self.rounded(self.v.tanh(), self.e * (1.0 - near * near), 8.0, 16.0)
    }

    /// The larger of two numbers.
    pub fn max(self, other: Near) -> Near {
        Near { v: self.v.max(other.v), e: self.e.max(other.e), t: self.t }
    }

    /// The smaller of two numbers.
    pub fn min(self, other: Near) -> Near {
        Near { v: self.v.min(other.v), e: self.e.max(other.e), t: self.t }
    }

    /// Between `−limit` and `limit`.
    pub fn clamp(self, limit: f64) -> Near {
        Near { v: self.v.max(-limit).min(limit), ..self }
    }

    /// `sign(v)·max(|v| − by, 0)`, of an exact `by`: its slope is at most 1.
    pub fn shrunk(self, by: Near) -> Near {
        let by = by.v;
        let v = self.v.signum() * (self.v.abs() - by).max(0.0);
        if self.v.abs() + self.e <= by { Near { v, e: 0.0, ..self } } else { self.rounded(v, self.e, 0.5, 1.0) }
    }
}

impl ops::Add for Near {
    type Output = Near;
    fn add(self, other: Near) -> Near {
        if self.is_zero() || other.is_zero() {
            return if self.is_zero() { other } else { self };
        }
        self.rounded(self.v + other.v, self.e + other.e, 0.5, 1.0)
    }
}

impl ops::Sub for Near {
    type Output = Near;
    fn sub(self, other: Near) -> Near {
        self + Near { v: -other.v, ..other }
    }
}

impl ops::Mul for Near {
    type Output = Near;
    fn mul(self, other: Near) -> Near {
        if self.is_zero() || other.is_zero() {
            return Near::exact(0.0, self.t);
        }
        let e = self.v.abs() * other.e + other.v.abs() * self.e + self.e * other.e;
        self.rounded(self.v * other.v, e, 0.5, 1.0)
    }
}

impl ops::Div for Near {
    type Output = Near;
    /// Of a divisor that may be 0 nothing is known.
    fn div(self, other: Near) -> Near {
        if self.is_zero() && other.v.abs() > other.e {
            return self;
        }
        let v = self.v / other.v;
        let e = (self.e + v.abs() * other.e) / (other.v.abs() - other.e).max(0.0);
        self.rounded(v, e, 1.0, 2.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(v: f64, e: f64) -> Near {
        Near { v, e, t: Tol::GOLD }
    }

    /// What may lie `e` around the operands lies within the bound of the result.
    #[test]
    fn errors_of_operands_are_carried_on() {
        let (a, b) = (near(3.0, 0.1), near(-2.0, 0.05));
        let ends = |x: Near| [x.v - x.e, x.v + x.e];
        for (result, of) in [
            (a + b, (|a, b| a + b) as fn(f64, f64) -> f64),
            (a - b, |a, b| a - b),
            (a * b, |a, b| a * b),
            (a / b, |a, b| a / b),
            (a.sqrt(), |a, _| a.sqrt()),
            (b.tanh(), |_, b| b.tanh()),
            (b.sigmoid(), |_, b| 1.0 / (1.0 + (-b).exp())),
            (a.max(b), |a, b| a.max(b)),
            (b.shrunk(near(0.5, 0.0)), |_, b| b.signum() * (b.abs() - 0.5).max(0.0)),
        ] {
            let worst = ends(a).into_iter().flat_map(|x| ends(b).map(|y| (of(x, y) - of(a.v, b.v)).abs()));
            let worst = worst.fold(0.0, f64::max);
            assert!(
                worst <= result.bound() + 1e-12 && result.bound() < 1.6 * worst + 1e-5,
                "{worst} and {}",
                result.bound()
            );
            assert_eq!(result.v, of(a.v, b.v));
        }
    }

    #[test]
    fn zeros_stay_exact_and_nothing_is_known_beside_a_divisor_of_zero() {
        let zero = near(0.0, 0.0);
        assert_eq!((zero * near(5.0, 1.0)).bound(), 0.0);
        assert_eq!(near(0.3, 0.1).shrunk(near(0.5, 0.0)).bound(), 0.0);
        assert!((near(1.0, 0.0) / near(0.1, 0.2)).bound().is_infinite());
    }
}
