//! One output element from one element of each input.

use crate::kernel::Kernel;

pub mod activation;
pub mod binary;
pub mod binary_backward;
pub mod cast;
pub mod chain;
pub mod compare;
pub mod fill;
pub mod parametric;
pub mod parametric_backward;
pub mod unary;
pub mod unary_backward;
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
    &unary_backward::ABS_BACKWARD,
    &unary_backward::SQRT_BACKWARD,
    &unary_backward::RSQRT_BACKWARD,
    &unary_backward::RECIPROCAL_BACKWARD,
    &unary_backward::SIN_BACKWARD,
    &unary_backward::COS_BACKWARD,
    &unary_backward::TANH_BACKWARD,
    &unary_backward::ERF_BACKWARD,
    &unary_backward::SIGMOID_BACKWARD,
    &unary_backward::RELU_BACKWARD,
    &unary_backward::GELU_BACKWARD,
    &unary_backward::GELU_TANH_BACKWARD,
    &unary_backward::QUICK_GELU_BACKWARD,
    &unary_backward::SILU_BACKWARD,
    &unary_backward::HARDSWISH_BACKWARD,
    &unary_backward::MISH_BACKWARD,
    &parametric_backward::LEAKY_RELU_BACKWARD,
    &parametric_backward::ELU_BACKWARD,
    &parametric_backward::SOFTPLUS_BACKWARD,
    &parametric_backward::CLAMP_BACKWARD,
    &binary_backward::MAXIMUM_BACKWARD,
    &binary_backward::MINIMUM_BACKWARD,
    &binary_backward::POW_BACKWARD_A,
    &binary_backward::POW_BACKWARD_B,
];
