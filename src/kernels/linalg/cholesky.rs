//! Cholesky factors. Shader: shaders/linalg/cholesky.wgsl

use super::triangle::Triangle;
use super::{WG, WIDE, expect_square, half, matrices};
use crate::adapter::AdapterKind;
use crate::backward::Adjoint;
use crate::check::{Tol, U};
use crate::graph::Tensor;
use crate::kernel::{Backward, Grid, Kernel, Port, Ref, Scalars, Spec, Step, Variant, Work};
use rayon::prelude::*;

const A: usize = 0;
const M: f64 = f32::MIN_POSITIVE as f64;

/// Factors symmetric positive definite matrices.
pub static CHOLESKY: Kernel = Kernel {
    name: "cholesky",
    inputs: &[Port::f32("a")],
    outputs: &["l", "info"],
    shape: |c| {
        let (batch, _) = expect_square(c, A)?;
        Ok(vec![c.spec(A), Spec::i32(batch)])
    },
    scalars: |c| {
        let (count, n) = matrices(c, A);
        Scalars::new().set("count", count).set("n", n)
    },
    variants: &[
        Variant {
            how: "direct",
            shader: "linalg/cholesky",
            steps: &[Step {
                entry: "cholesky_direct",
                grid: |c| Grid::Threads(matrices(c, A).0 as u64),
                loops: |c| {
                    let n = matrices(c, A).1;
                    (0..n).map(|j| ((n - j) * (j / 8 + j % 8 + 1) + 1) as u64).sum()
                },
            }],
            ..Variant::BASE
        },
        Variant {
            shader: "linalg/cholesky",
            steps: &[Step {
                entry: "cholesky",
                grid: |c| Grid::Groups(matrices(c, A).0 as u64),
                loops: |c| {
                    let n = matrices(c, A).1;
                    let column = |j: usize| j.div_ceil(WIDE) + (n - j).div_ceil(WIDE) * (j / 8 + j % 8 + 2) + 1;
                    (0..n).map(|j| column(j) as u64).sum()
                },
            }],
            ..Variant::BASE
        },
    ],
    choose: |c, adapter| {
        let (count, n) = matrices(c, A);
        let lanes_own_matrices = n <= 8 || (adapter.kind == AdapterKind::Cpu && (n <= 32 || count >= WG));
        usize::from(!lanes_own_matrices)
    },
    work: |c| {
        let (count, n) = matrices(c, A);
        Work { flops: (count * n * n) as u64 * n as u64 / 3, bytes: c.bytes() }
    },
    reference: |r| {
        let (l, info) = kernels_ref::linalg::cholesky(r.f64(A), matrices(r, A).1);
        vec![l, info]
    },
    bound,
    backward: Backward::Rule(backward),
    ..Kernel::BASE
};

/// With `Φ` the lower triangle with half of the diagonal: `P = Φ(lᵀ·d_l)`, `S = l⁻ᵀ·P·l⁻¹`, and `d_a = Φ(S + Sᵀ)`, the
/// gradient of what is read: of an element below the diagonal it is that of both places together.
fn backward<'g>(n: &Adjoint<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
    let (l, half) = (n.y(0), half(n.graph(), n.shape(A)[n.shape(A).len() - 1]));
    let p = l.transpose(-1, -2).matmul(n.d(0)) * half;
    let right = l.solve_triangular(p, true).transpose(-1, -2);
    let s = l.solve_triangular(right, true);
    vec![Some((s + s.transpose(-1, -2)) * half)]
}

/// The relative error of what a column's operations leave, in units of `√(a_ii·a_jj)`: up to `n` terms, a root and a
/// quotient (Higham 2002, theorem 10.3 and equation 10.7).
fn gamma(n: usize, tol: Tol) -> f64 {
    let n = n as f64;
    let gamma = tol.pick((4.0 * n.sqrt() + 3.0) * U, 2.0 * (n + 5.0) * U);
    gamma / (1.0 - gamma)
}

fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = matrices(r, A).1;
    let each = r.f64(A).par_chunks(n * n).zip(out[0].par_chunks(n * n)).zip(&out[1]);
    let l = each.flat_map_iter(|((a, l), &info)| {
        let m = if info == 0.0 { n } else { info as usize - 1 };
        of_matrix(a, l, n, m, r.tol)
    });
    vec![l.collect(), vec![0.0; out[1].len()]]
}

/// The bounds of a matrix whose leading `m` rows are positive definite; rows below are solutions of their triangle.
fn of_matrix(a: &[f64], l: &[f64], n: usize, m: usize, tol: Tol) -> Vec<f64> {
    let (gamma, flushed) = (gamma(n, tol), M * (n + 2) as f64);
    let triangle = Triangle::of(l, n, m, false);
    // The first pass: |E_ij| ≤ γ·√(a_ii·a_jj). The second: ≤ γ·|l̂|·|l̂ᵀ|, with what the first knows of l̂.
    let roots: Vec<f64> = (0..m).map(|i| a[i * n + i].sqrt()).collect();
    let (t, s) = (triangle.times_inverse(&roots), triangle.times_inverse(&vec![1.0; m]));
    let first = moved(&triangle, |i, j| gamma * t[i] * t[j] + flushed * s[i] * s[j]);
    let known = first.iter().all(|e| e.is_finite());
    let w = triangle.inverse_times(&first);
    let dot = |i: usize, j: usize| (0..=j).map(|k| w[i * m + k] * w[j * m + k]).sum::<f64>();
    let second = if known { moved(&triangle, |i, j| gamma * dot(i, j) + flushed * s[i] * s[j]) } else { first };
    let mut bounds = vec![0.0; n * n];
    for i in 0..m {
        (0..=i).for_each(|j| bounds[i * n + j] = second[i * m + j] + M);
    }
    let second = Triangle::moved(second, m);
    for i in m..n {
        let error = triangle.error(&l[i * n..i * n + m], gamma, Some(&second), &vec![flushed; m]);
        let known = |e: f64| if e.is_nan() { f64::INFINITY } else { e + M };
        error.into_iter().enumerate().for_each(|(j, e)| bounds[i * n + j] = known(e));
    }
    bounds
}

/// How far `l` moves, at most, where `|l⁻¹·E·l⁻ᵀ|` is at most `of_e`, and what is computed is the factor of `a + E`.
///
/// It is `l·(1 + F)` with a lower `F` and `F + Fᵀ = l⁻¹·E·l⁻ᵀ − F·Fᵀ`. Where the norm `e` of the first term is below ½,
/// that of `F` is at most `√2·e`, so that `|F| ≤ Φ(|l⁻¹·E·l⁻ᵀ| + 2·e²)`; where it is not, nothing is known.
fn moved(triangle: &Triangle, of_e: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let m = triangle.n;
    let mut f: Vec<f64> = (0..m * m).map(|at| if at % m > at / m { 0.0 } else { of_e(at / m, at % m) }).collect();
    let squares = |(at, e): (usize, &f64)| e * e * if at % m == at / m { 1.0 } else { 2.0 };
    let norm = f.iter().enumerate().map(squares).sum::<f64>().sqrt();
    if norm.is_nan() || norm >= 0.5 {
        return vec![f64::INFINITY; m * m];
    }
    for (at, f) in f.iter_mut().enumerate().filter(|(at, _)| at % m <= at / m) {
        *f = (*f + 2.0 * norm * norm) * if at % m == at / m { 0.5 } else { 1.0 };
    }
    triangle.own_times(&f)
}

/// What [`Tensor::cholesky`] returns.
#[derive(Clone, Copy)]
pub struct Cholesky<'g> {
    /// The lower triangle, `(…, N, N)`; zeros above it.
    pub l: Tensor<'g>,
    /// `(…)` i32: 0, or the number, from 1, of the first pivot that is not above 0; `l` is NaN from its column on.
    pub info: Tensor<'g>,
}

impl<'g> Tensor<'g> {
    /// Cholesky factors of `self`, symmetric positive definite matrices of which only the lower triangle is read.
    ///
    /// `self = l·lᵀ`
    ///
    /// # Shapes
    /// `self (…, N, N)` → `l (…, N, N)` · `info (…)` i32
    /// # Errors
    /// [`crate::Error::Graph`] if the last two axes differ or are longer than [`super::MAX`]
    /// # Gradient
    /// `self`, of the lower triangle that is read: the gradient of an element below the diagonal counts both its places
    /// # Source
    /// PyTorch `torch.linalg.cholesky_ex` · Murray 2016, arXiv:1602.07527, eq. 10
    #[track_caller]
    pub fn cholesky(self) -> Cholesky<'g> {
        let y = self.graph().dispatch(&CHOLESKY, &[Some(self)], &[]);
        Cholesky { l: y[0], info: y[1] }
    }
}
