//! One output element from one element of each input.

use crate::kernel::Kernel;

pub mod activation;
pub mod binary;
pub mod cast;
pub mod chain;
pub mod compare;
pub mod fill;
pub mod parametric;
pub mod unary;
pub mod r#where;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[
    &unary::NEG,
    &unary::ABS,
    &unary::SIGN,
    &unary::EXP,
    &unary::LOG,
    &unary::SQRT,
    &unary::RSQRT,
    &unary::SQUARE,
    &unary::RECIPROCAL,
    &unary::FLOOR,
    &unary::SIN,
    &unary::COS,
    &unary::TANH,
    &unary::ERF,
    &unary::SIGMOID,
    &unary::RELU,
    &unary::GELU,
    &unary::GELU_TANH,
    &unary::QUICK_GELU,
    &unary::SILU,
    &unary::HARDSWISH,
    &unary::MISH,
    &parametric::LEAKY_RELU,
    &parametric::ELU,
    &parametric::SOFTPLUS,
    &parametric::CLAMP,
    &binary::ADD,
    &binary::SUB,
    &binary::MUL,
    &binary::DIV,
    &binary::MAXIMUM,
    &binary::MINIMUM,
    &binary::POW,
    &compare::COMPARE,
    &r#where::WHERE,
    &chain::ADD_ACTIVATION,
    &chain::MUL_ACTIVATION,
    &cast::CAST,
    &fill::FILL,
    &fill::IOTA,
];
