//! Predictors that are linear in their weights: regressions and classifiers.

use crate::models::Model;

mod least_squares;
pub mod linear_regression;
pub mod logistic_regression;
pub mod perceptron;
pub mod polynomial_regression;
pub mod softmax_regression;

/// Every predictor.
pub static MODELS: &[&Model] = &[
    &linear_regression::LINEAR_REGRESSION,
    &polynomial_regression::POLYNOMIAL_REGRESSION,
    &logistic_regression::LOGISTIC_REGRESSION,
    &softmax_regression::SOFTMAX_REGRESSION,
    &perceptron::PERCEPTRON,
];
