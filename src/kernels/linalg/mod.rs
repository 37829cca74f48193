//! Symmetric positive definite matrices: their factors, and the systems they make.

use crate::graph::{Graph, Tensor};
use crate::kernel::{Call, Kernel};
use crate::shape::Dims;
use crate::tensor::Dtype;

pub mod cholesky;
pub mod solve_triangular;
mod triangle;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[&cholesky::CHOLESKY, &solve_triangular::SOLVE_TRIANGULAR];

/// Rows of a matrix, at most: a workgroup keeps one row, and some drivers end an invocation after 65,535 iterations.
pub const MAX: usize = 512;

/// Lanes of `cholesky`, and matrices or columns that a workgroup of the other entry points has.
const WIDE: usize = 128;
const WG: usize = 64;

/// How many square matrices the input at `port` has, and their rows.
fn matrices(c: &Call, port: usize) -> (usize, usize) {
    let n = c.shape(port)[c.shape(port).len() - 1];
    (c.spec(port).len() / (n * n), n)
}

/// The input at `port` is square matrices of at most [`MAX`] rows; returns the axes before them and the rows.
fn expect_square(c: &Call, port: usize) -> Result<(&[usize], usize), String> {
    let (name, shape) = (c.kernel.inputs[port].name, c.shape(port));
    match shape {
        [batch @ .., rows, n] if rows == n && *n <= MAX => Ok((batch, *n)),
        [.., rows, n] if rows == n => Err(format!("{name} is {}, expected at most {MAX} rows", Dims(shape))),
        _ => Err(format!("{name} is {}, expected square matrices", Dims(shape))),
    }
}

/// 1 on and below the diagonal of an `n × n` matrix, 0 above it.
fn lower(g: &Graph, n: usize) -> Tensor<'_> {
    let i = g.iota(Dtype::I32, n, 0.0, 1.0);
    i.reshape(&[n, 1]).compare("ge", i.reshape(&[1, n])).cast(Dtype::F32)
}

/// As [`lower`], with ½ on the diagonal: what a symmetric matrix has half of.
fn half(g: &Graph, n: usize) -> Tensor<'_> {
    let lower = lower(g, n);
    (lower - lower.transpose(0, 1) + 1.0) * 0.5 * lower
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(build: impl for<'g> Fn(&'g Graph)) -> String {
        let g = Graph::new();
        build(&g);
        let text = g.build().unwrap_err().to_string();
        text.split_once(": ").map_or(text.clone(), |(_, message)| message.to_owned())
    }

    #[test]
    fn what_does_not_fit_is_named() {
        fn input<'g>(g: &'g Graph, shape: &[usize]) -> Tensor<'g> {
            g.input(&format!("x{shape:?}"), Dtype::F32, shape)
        }
        let messages = [
            error(|g| g.output("l", input(g, &[2, 3]).cholesky().l)),
            error(|g| g.output("l", input(g, &[5]).cholesky().l)),
            error(|g| g.output("l", input(g, &[513, 513]).cholesky().l)),
            error(|g| g.output("x", input(g, &[3, 3]).solve_triangular(input(g, &[4, 2]), false))),
            error(|g| g.output("x", input(g, &[2, 3, 3]).solve_triangular(input(g, &[3, 2]), true))),
            error(|g| g.output("x", input(g, &[3]).cholesky_solve(input(g, &[3, 3])))),
        ];
        let expected = [
            "cholesky: a is (2, 3), expected square matrices",
            "cholesky: a is (5,), expected square matrices",
            "cholesky: a is (513, 513), expected at most 512 rows",
            "solve_triangular: b is (4, 2), expected (3, K) for l (3, 3)",
            "solve_triangular: b is (3, 2), expected (2, 3, K) for l (2, 3, 3)",
            "solve_triangular: b is (3,), expected (3, K) for l (3, 3)",
        ];
        assert_eq!(messages, expected);
    }
}
