//! Polynomial regression: a linear map of the powers of one number.
//!
//! Weights   `weight` (out, d + 1), of the powers 0 … d; there is no bias beside that of power 0
//! Shapes    input (B, 1) → output (B, out)

use crate::config::Config;
use crate::graph::{Graph, Tensor};
use crate::models::{Inputs, Model, Trains};
use crate::shape::Dims;
use crate::tensor::Dtype;

/// `PolynomialRegression`.
pub static POLYNOMIAL_REGRESSION: Model = Model {
    name: "PolynomialRegression",
    title: "Polynomial regression",
    section: "1.2",
    source: "Gergonne 1815",
    config: &["degree", "out_features"],
    inputs: &["input (B, 1)"],
    outputs: &["output (B, out_features)", "debug.basis (B, degree + 1)"],
    build,
    trains: Some(Trains { output: "output", target: "target", losses: &["mse", "l1", "huber"] }),
    ..Model::BASE
};

/// The highest degree: beyond it, numbers other than 1 leave the range of f32.
const MAX_DEGREE: usize = 1000;

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let degree = config.required_usize_in("degree", 0..=MAX_DEGREE);
    let out_features = config.required_usize("out_features");
    let input = inputs.tensor(g, "input", Dtype::F32, &[1, 1]); // (B, 1)
    let [b, features] = input.dims();
    if features != 1 {
        return g.reject("input", format!("is {}, expected (B, 1)", Dims(&input.shape())));
    }
    let basis = powers(input, b, degree); // (B, d + 1)
    g.output("debug.basis", basis);
    g.output("output", basis.matmul_t(g.root().weight("weight", &[out_features, degree + 1])));
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
