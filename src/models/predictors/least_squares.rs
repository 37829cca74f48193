//! Least squares in closed form: the normal equations of centred columns, by Cholesky factors.
//!
//! Centring takes the bias out of the equations. With a column of ones in its place, an input of mean `m` and deviation
//! `s` has a condition number of `(m/s)²`: years from 1947 to 1962 would cost five of the seven digits of f32. The unit
//! of a column costs nothing: errors of Cholesky's method do not change with the scale of rows and columns (Demmel
//! 1989).

use crate::check::U;
use crate::config::Config;
use crate::engine::Tensors;
use crate::error::{Error, Result};
use crate::graph::{Graph, Tensor};
use crate::models::Inputs;
use crate::programs::Context;
use crate::shape::Dims;
use crate::tensor::Dtype;

/// What the equations are solved by.
struct Solution<'g> {
    /// `(out, n)`
    weight: Tensor<'g>,
    /// `(out, 1)`
    bias: Tensor<'g>,
}

/// Columns less their means, `(B, n)`, and the means, `(1, n)`. A second pass takes off what the mean's rounding left.
fn centred(x: Tensor<'_>) -> [Tensor<'_>; 2] {
    let mean = x.mean(&[0], true);
    let left = x - mean;
    let rest = left.mean(&[0], true);
    [left - rest, mean + rest]
}

/// The weights `W` and the bias `b` that minimise `Σ|x·Wᵀ + b − y|² + alpha·Σ W²`; results `info`, and `pivots`: of
/// each column, the share of its variance that the columns before it leave.
fn least_squares<'g>(x: Tensor<'g>, y: Tensor<'g>, alpha: f64) -> Solution<'g> {
    let g = x.graph();
    let [_, n] = x.dims();
    let ([x, x_mean], [y, y_mean]) = (centred(x), centred(y));
    let ones = g.iota(Dtype::I32, n, 0.0, 1.0).one_hot(n); // (n, n)
    let gram = x.transpose(0, 1).matmul(x) + ones * alpha; // (n, n)
    let factor = gram.cholesky();
    let w = x.transpose(0, 1).matmul(y).cholesky_solve(factor.l); // (n, out)
    let diagonal = |m: Tensor<'g>| (m * ones).sum(&[-1], false); // (n)
    g.output("info", factor.info);
    g.output("pivots", diagonal(factor.l).square() / diagonal(gram));
    let bias = y_mean - x_mean.matmul(w); // (1, out)
    Solution { weight: w.transpose(0, 1), bias: bias.transpose(0, 1) }
}

/// The weight of the ridge, `alpha` of `config.json`.
pub fn alpha(config: &Config) -> f64 {
    config.f64_in("alpha", 0.0, 0.0..=f64::from(f32::MAX))
}

/// Solves for the weights of `inputs`, whose `input` `columns` turns into columns, and returns them as the outputs
/// `solution.weight` and `solution.bias`; the bias is column 0 of the weight where `bias_in_weight`.
///
/// # Errors
/// Shapes that do not fit; [`Error::Tensor`] if a column is constant, or as good as a combination of those before it
pub fn solve(
    context: &Context,
    inputs: &Tensors,
    columns: for<'g> fn(&'g Graph, &Config, &Inputs) -> Tensor<'g>,
    bias_in_weight: bool,
) -> Result<Tensors> {
    let given: Tensors = inputs.iter().filter(|(n, _)| ["input", "target"].contains(&n.as_str())).map(pair).collect();
    let rows = given.get("input").map_or(0, |t| t.shape()[0]);
    let session = context.session_of(|g, config| {
        let inputs = Inputs::of(&given);
        let (x, y) = (columns(g, config, &inputs), inputs.tensor(g, "target", Dtype::F32, &[1, 1]));
        let expected = [x.shape()[0], config.required_usize("out_features")];
        if y.shape() != expected {
            return g.reject("target", format!("is {}, expected {}", Dims(&y.shape()), Dims(&expected)));
        }
        let Solution { weight, bias } = least_squares(x, y, alpha(config));
        if bias_in_weight {
            g.output("solution.weight", g.concat(&[bias, weight], 1));
        } else {
            g.output("solution.weight", weight);
            g.output("solution.bias", bias.reshape(&[expected[1]]));
        }
    })?;
    let mut results: Tensors = session.run(&given)?.into_iter().collect();
    if let (Some(info), Some(pivots)) = (results.remove("info"), results.remove("pivots")) {
        expect_definite(info.to_f64()[0], pivots.as_f32()?, rows, usize::from(bias_in_weight))?;
    }
    Ok(results)
}

fn pair((name, tensor): (&String, &crate::HostTensor)) -> (String, crate::HostTensor) {
    (name.clone(), tensor.clone())
}

/// Every pivot is beyond what rounding makes of 0: sums of `rows` products, and of as many terms as there are columns.
fn expect_definite(info: f64, pivots: &[f32], rows: usize, first: usize) -> Result<()> {
    let limit = 2.0 * U * (4.0 * (rows as f64).sqrt() + 4.0 * (pivots.len() as f64).sqrt() + 3.0);
    let lost = pivots.iter().position(|&p| f64::from(p) <= limit);
    let failed = if info > 0.0 { Some(info as usize - 1) } else { lost };
    let Some(pivot) = failed else { return Ok(()) };
    let message = format!(
        "column {} is constant or a linear combination of those before it, as far as f32 tells: the matrix of the \
         normal equations is not positive definite, pivot {}; leave the column out, or set alpha above 0",
        pivot + first,
        pivot + 1,
    );
    Err(Error::tensor("input", message))
}
