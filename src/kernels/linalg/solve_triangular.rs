//! Triangular systems. Shader: shaders/linalg/solve_triangular.wgsl

use super::triangle::Triangle;
use super::{WG, expect_square, lower, matrices};
use crate::adapter::AdapterKind;
use crate::backward::Adjoint;
use crate::check::U;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Grid, Kernel, Param, Port, Ref, Scalars, Spec, Step, Variant, Work};
use crate::shape::Dims;
use rayon::prelude::*;

const L: usize = 0;
const B: usize = 1;
const M: f64 = f32::MIN_POSITIVE as f64;

/// Solves systems of a lower triangle, or of its transpose.
pub static SOLVE_TRIANGULAR: Kernel = Kernel {
    name: "solve_triangular",
    inputs: &[Port::f32("l"), Port::f32("b")],
    outputs: &["x"],
    params: &[Param::new("transposed", Default::Flag(false))],
    shape: |c| {
        let (batch, n) = expect_square(c, L)?;
        match c.shape(B) {
            [own @ .., rows, _] if own == batch && *rows == n => Ok(vec![Spec::f32(c.shape(B))]),
            other => {
                let expected = Dims(&[batch, &[n]].concat()).to_string();
                let expected = expected.trim_end_matches([',', ')']);
                Err(format!("b is {}, expected {expected}, K) for l {}", Dims(other), Dims(c.shape(L))))
            }
        }
    },
    scalars: |c| {
        let (count, n) = matrices(c, L);
        Scalars::new().set("count", count).set("n", n).set("k", right_sides(c)).set("TRANSPOSED", c.flag("transposed"))
    },
    variants: &[
        Variant {
            how: "direct",
            shader: "linalg/solve_triangular",
            steps: &[Step {
                entry: "solve_triangular_direct",
                grid: |c| Grid::Threads(columns(c)),
                loops: |c| {
                    let n = matrices(c, L).1 as u64;
                    n * (n + 1) / 2
                },
            }],
            ..Variant::BASE
        },
        Variant {
            shader: "linalg/solve_triangular",
            steps: &[Step {
                entry: "solve_triangular",
                grid: |c| Grid::Groups(columns(c)),
                loops: |c| {
                    let n = matrices(c, L).1;
                    (n.div_ceil(WG) + (0..n).map(|step| 1 + (n - step).div_ceil(WG)).sum::<usize>()) as u64
                },
            }],
            ..Variant::BASE
        },
    ],
    choose: |c, adapter| {
        let n = matrices(c, L).1;
        let lanes_own_columns = n <= 8 || (adapter.kind == AdapterKind::Cpu && (n <= 64 || columns(c) >= WG as u64));
        usize::from(!lanes_own_columns)
    },
    work: |c| Work { flops: columns(c) * (matrices(c, L).1 as u64).pow(2), bytes: c.bytes() },
    reference: |r| {
        let sizes = [matrices(r, L).1, right_sides(r)];
        vec![kernels_ref::linalg::solve_triangular(r.f64(L), r.f64(B), sizes, r.flag("transposed"))]
    },
    bound,
    backward: Backward::Rule(backward),
    ..Kernel::BASE
};

fn right_sides(c: &Call) -> usize {
    c.shape(B)[c.shape(B).len() - 1]
}

fn columns(c: &Call) -> u64 {
    (matrices(c, L).0 * right_sides(c)) as u64
}

/// `d_b` solves the other system, of `d_x`; `d_l = −d_b·xᵀ` where `l·x = b`, and `−x·d_bᵀ` where `lᵀ·x = b`, of the
/// lower triangle.
fn backward<'g>(n: &Adjoint<'_, 'g>) -> Vec<Option<Tensor<'g>>> {
    let (l, x, transposed) = (n.x(L), n.y(0), n.flag("transposed"));
    let d_b = l.solve_triangular(n.d(0), !transposed);
    let d_l = n.wanted(L, || {
        let (left, right) = if transposed { (x, d_b) } else { (d_b, x) };
        -(left.matmul(right.transpose(-1, -2)) * lower(n.graph(), matrices(n, L).1))
    });
    vec![d_l, Some(d_b)]
}

/// What is computed solves a system whose triangle is off by a relative `γ`, of up to `n` terms and a quotient (Higham
/// 2002, theorem 8.5).
fn bound(r: &Ref, out: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (n, k) = (matrices(r, L).1, right_sides(r));
    let gamma = r.tol.pick((4.0 * (n as f64).sqrt() + 3.0) * U, 2.0 * (n as f64 + 5.0) * U);
    let of_matrix = |(l, x): (&[f64], &[f64])| {
        let triangle = Triangle::of(l, n, n, r.flag("transposed"));
        // A term or a quotient may be flushed.
        let flushed: Vec<f64> = (0..n).map(|i| M * ((n + 1) as f64 + l[i * n + i].abs())).collect();
        let mut bounds = vec![0.0; n * k];
        for c in 0..k {
            let column: Vec<f64> = (0..n).map(|i| x[i * k + c]).collect();
            let error = triangle.error(&column, gamma, None, &flushed);
            error.into_iter().enumerate().for_each(|(i, e)| bounds[i * k + c] = e);
        }
        bounds
    };
    vec![r.f64(L).par_chunks(n * n).zip(out[0].par_chunks(n * k)).flat_map_iter(of_matrix).collect()]
}

impl<'g> Tensor<'g> {
    /// The solution `x` of `self·x = b`, or of `selfᵀ·x = b` if `transposed`, for lower triangles `self`; what is above
    /// the diagonal is not read.
    ///
    /// # Shapes
    /// `self (…, N, N)` · `b (…, N, K)` → `(…, N, K)`
    /// # Errors
    /// [`crate::Error::Graph`] if the shapes do not fit or `N` is above [`super::MAX`]
    /// # Gradient
    /// `self`, of the lower triangle, and `b`
    /// # Source
    /// PyTorch `torch.linalg.solve_triangular(self, b, upper=False)`, or with `self.mT` and `upper=True`
    #[track_caller]
    pub fn solve_triangular(self, b: Tensor<'g>, transposed: bool) -> Tensor<'g> {
        let params = [("transposed", transposed.into())];
        self.graph().dispatch(&SOLVE_TRIANGULAR, &[Some(self), Some(b)], &params)[0]
    }

    /// The solution `x` of `a·x = self`, where `l` is the Cholesky factor of `a`: forward, then back substitution.
    ///
    /// # Shapes
    /// `self (…, N, K)` · `l (…, N, N)` → `(…, N, K)`
    /// # Errors
    /// As [`Tensor::solve_triangular`]
    /// # Gradient
    /// `self`, `l`
    /// # Source
    /// PyTorch `torch.cholesky_solve(self, l)`
    #[track_caller]
    pub fn cholesky_solve(self, l: Tensor<'g>) -> Tensor<'g> {
        l.solve_triangular(l.solve_triangular(self, false), true)
    }
}
