//! Polynomial regression: a linear map of the powers of one number.
//!
//! Weights   `weight` (out, d + 1), of the powers 0 … d; there is no bias beside that of power 0
//! Differs   `alpha` is scikit-learn's `Ridge(alpha)`, of the closed form alone: the weight of power 0 is not penalised
//! Shapes    input (B, 1) → output (B, out); with target (B, out) also solution.weight (out, d + 1)

use super::least_squares;
use crate::config::Config;
use crate::graph::{Graph, Tensor};
use crate::models::{Inputs, Model, Trains};
use crate::programs::Program;
use crate::shape::Dims;
use crate::tensor::Dtype;

/// `PolynomialRegression`.
pub static POLYNOMIAL_REGRESSION: Model = Model {
    name: "PolynomialRegression",
    title: "Polynomial regression",
    section: "1.2",
    source: "Gergonne 1815",
    config: &["degree", "out_features", "alpha [0]"],
    inputs: &["input (B, 1)", "target (B, out_features), optional: asks for the solution"],
    outputs: &[
        "output (B, out_features)",
        "debug.basis (B, degree + 1)",
        "solution.weight (out_features, degree + 1), with target",
    ],
    build,
    program: Some(Program {
        needs: &["input", "target"],
        own: &["target"],
        run: |context, inputs| least_squares::solve(context, inputs, columns, true),
    }),
    trains: Some(Trains { output: "output", target: "target", losses: &["mse", "l1", "huber"] }),
    ..Model::BASE
};

/// The highest degree: beyond it, numbers other than 1 leave the range of f32.
const MAX_DEGREE: usize = 1000;

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let degree = config.required_usize_in("degree", 0..=MAX_DEGREE);
    let out_features = config.required_usize("out_features");
    least_squares::alpha(config);
    let basis = basis(g, inputs, degree); // (B, d + 1)
    g.output("debug.basis", basis);
    g.output("output", basis.matmul_t(g.root().weight("weight", &[out_features, degree + 1])));
}

/// The powers of the input from 1 on, since the weight of power 0 is the bias: (B, d).
fn columns<'g>(g: &'g Graph, config: &Config, inputs: &Inputs) -> Tensor<'g> {
    let degree = config.required_usize_in("degree", 1..=MAX_DEGREE);
    basis(g, inputs, degree).slice(1, 1, degree)
}

/// The powers of the input: (B, d + 1).
fn basis<'g>(g: &'g Graph, inputs: &Inputs, degree: usize) -> Tensor<'g> {
    let input = inputs.tensor(g, "input", Dtype::F32, &[1, 1]); // (B, 1)
    let shape = input.shape();
    if shape.len() != 2 || shape[1] != 1 {
        g.reject("input", format!("is {}, expected (B, 1)", Dims(&shape)));
        return g.fill(Dtype::F32, &[1, degree + 1], 0.0);
    }
    powers(input, shape[0], degree)
}

/// `1, x, x², … , x^degree`, each the product of the one before with `x`.
fn powers(x: Tensor<'_>, b: usize, degree: usize) -> Tensor<'_> {
    let mut basis = vec![x.graph().fill(Dtype::F32, &[b, 1], 1.0)];
    let mut power = x;
    for k in 1..=degree {
        power = if k == 1 { x } else { power * x };
        basis.push(power);
    }
    x.graph().concat(&basis, 1)
}
