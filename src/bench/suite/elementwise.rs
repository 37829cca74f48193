//! Element by element.

use super::{BERT, DDPM, Entry, GPT2, LLAMA, RESNET50, STABLE_DIFFUSION, VIT, entry};
use crate::check::Case;
use crate::kernels::elementwise::binary::{ADD, DIV, MAXIMUM, MINIMUM, MUL, POW, SUB};
use crate::kernels::elementwise::binary_backward::{
    MAXIMUM_BACKWARD, MINIMUM_BACKWARD, POW_BACKWARD_A, POW_BACKWARD_B,
};
use crate::kernels::elementwise::cast::CAST;
use crate::kernels::elementwise::chain::{ADD_ACTIVATION, MUL_ACTIVATION};
use crate::kernels::elementwise::compare::COMPARE;
use crate::kernels::elementwise::fill::{FILL, IOTA};
use crate::kernels::elementwise::parametric::{CLAMP, ELU, LEAKY_RELU, SOFTPLUS};
use crate::kernels::elementwise::parametric_backward::{
    CLAMP_BACKWARD, ELU_BACKWARD, LEAKY_RELU_BACKWARD, SOFTPLUS_BACKWARD,
};
use crate::kernels::elementwise::unary::{
    ABS, COS, ERF, EXP, FLOOR, GELU, GELU_TANH, HARDSWISH, LOG, MISH, NEG, QUICK_GELU, RECIPROCAL, RELU, RSQRT,
    SIGMOID, SIGN, SILU, SIN, SQRT, SQUARE, TANH,
};
use crate::kernels::elementwise::unary_backward::{
    ABS_BACKWARD, COS_BACKWARD, ERF_BACKWARD, GELU_BACKWARD, GELU_TANH_BACKWARD, HARDSWISH_BACKWARD, MISH_BACKWARD,
    QUICK_GELU_BACKWARD, RECIPROCAL_BACKWARD, RELU_BACKWARD, RSQRT_BACKWARD, SIGMOID_BACKWARD, SILU_BACKWARD,
    SIN_BACKWARD, SQRT_BACKWARD, TANH_BACKWARD,
};
use crate::kernels::elementwise::r#where::WHERE;

/// Where no model says more.
const SIZE: [usize; 2] = [1024, 1024];

fn one(c: Case) -> Case {
    c.x(&SIZE)
}

fn two(c: Case) -> Case {
    c.x(&SIZE).x(&SIZE)
}

fn positive(c: Case) -> Case {
    c.range(&SIZE, 0.1, 2.0)
}

fn positive_two(c: Case) -> Case {
    positive(c).range(&SIZE, 0.1, 2.0)
}

pub(super) static CASES: &[Entry] = &[
    entry(&NEG, "f32/1024x1024", &[], one),
    entry(&ABS, "f32/1024x1024", &[], one),
    entry(&SIGN, "f32/1024x1024", &[], one),
    entry(&EXP, "f32/1024x1024", &[], one),
    entry(&SIN, "f32/1024x1024", &[], one),
    entry(&COS, "f32/1024x1024", &[], one),
    entry(&FLOOR, "f32/1024x1024", &[], one),
    entry(&SQUARE, "f32/1024x1024", &[], one),
    entry(&ERF, "f32/1024x1024", &[], one),
    entry(&SIGMOID, "f32/1024x1024", &[], one),
    entry(&MISH, "f32/1024x1024", &[], one),
    entry(&HARDSWISH, "f32/1024x1024", &[], one),
    entry(&LOG, "f32/1024x1024", &[], positive),
    entry(&SQRT, "f32/1024x1024", &[], positive),
    entry(&RSQRT, "f32/1024x1024", &[], positive),
    entry(&RECIPROCAL, "f32/1024x1024", &[], positive),
    entry(&TANH, "f32/128x768/bert", &[BERT], |c| c.x(&[128, 768])),
    entry(&RELU, "f32/1x256x56x56/resnet50", &[RESNET50], |c| c.x(&[1, 256, 56, 56])),
    entry(&GELU, "f32/1024x3072/gpt2", &[BERT, VIT], |c| c.x(&[1024, 3072])),
    entry(&GELU_TANH, "f32/1024x3072/gpt2", &[GPT2], |c| c.x(&[1024, 3072])),
    entry(&QUICK_GELU, "f32/77x3072/stable_diffusion", &[STABLE_DIFFUSION], |c| c.x(&[77, 3072])),
    entry(&SILU, "f32/1x320x64x64/stable_diffusion", &[STABLE_DIFFUSION], |c| c.x(&[1, 320, 64, 64])),
    entry(&SILU, "f32/1x128x32x32/ddpm", &[DDPM], |c| c.x(&[1, 128, 32, 32])),
    entry(&LEAKY_RELU, "f32/1024x1024", &[], one),
    entry(&ELU, "f32/1024x1024", &[], one),
    entry(&SOFTPLUS, "f32/1024x1024", &[], one),
    entry(&CLAMP, "f32/1024x1024", &[], |c| one(c).param("min", -0.5).param("max", 0.5)),
    entry(&ADD, "f32/4096x1024", &[], |c| c.x(&[4096, 1024]).x(&[4096, 1024])),
    entry(&MUL, "f32/4096x1024", &[], |c| c.x(&[4096, 1024]).x(&[4096, 1024])),
    entry(&ADD, "f32/1024x768/gpt2", &[GPT2, BERT, VIT], |c| c.x(&[1024, 768]).x(&[1024, 768])),
    entry(&ADD, "f32/1x320x64x64/stable_diffusion", &[STABLE_DIFFUSION], |c| {
        c.x(&[1, 320, 64, 64]).x(&[1, 320, 64, 64])
    }),
    entry(&SUB, "f32/1024x1024", &[], two),
    entry(&MAXIMUM, "f32/1024x1024", &[], two),
    entry(&MINIMUM, "f32/1024x1024", &[], two),
    entry(&DIV, "f32/1024x1024", &[], positive_two),
    entry(&POW, "f32/1024x1024", &[], positive_two),
    entry(&COMPARE, "f32/1024x1024", &[], |c| two(c).param("op", "lt")),
    entry(&WHERE, "f32/1024x1024", &[], |c| c.ids(&SIZE, 2).x(&SIZE).x(&SIZE)),
    entry(&ADD_ACTIVATION, "f32/1x256x56x56/resnet50", &[RESNET50], |c| c.x(&[1, 256, 56, 56]).x(&[1, 256, 56, 56])),
    entry(&MUL_ACTIVATION, "f32/128x11008/llama", &[LLAMA], |c| c.x(&[128, 11_008]).x(&[128, 11_008])),
    entry(&CAST, "f32/1024x1024/to_i32", &[], |c| c.range(&SIZE, -99.0, 99.0).param("to", "i32")),
    entry(&FILL, "f32/1024x1024", &[], |c| c.param("shape", vec![1024i64; 2]).param("value", 0.5)),
    entry(&IOTA, "i32/1048576", &[], |c| c.param("n", 1i64 << 20)),
    entry(&ABS_BACKWARD, "f32/1024x1024", &[], two),
    entry(&SIN_BACKWARD, "f32/1024x1024", &[], two),
    entry(&COS_BACKWARD, "f32/1024x1024", &[], two),
    entry(&TANH_BACKWARD, "f32/1024x1024", &[], two),
    entry(&ERF_BACKWARD, "f32/1024x1024", &[], two),
    entry(&SIGMOID_BACKWARD, "f32/1024x1024", &[], two),
    entry(&QUICK_GELU_BACKWARD, "f32/1024x1024", &[], two),
    entry(&HARDSWISH_BACKWARD, "f32/1024x1024", &[], two),
    entry(&MISH_BACKWARD, "f32/1024x1024", &[], two),
    entry(&SQRT_BACKWARD, "f32/1024x1024", &[], positive_two),
    entry(&RSQRT_BACKWARD, "f32/1024x1024", &[], positive_two),
    entry(&RECIPROCAL_BACKWARD, "f32/1024x1024", &[], positive_two),
    entry(&RELU_BACKWARD, "f32/1x256x56x56/resnet50", &[RESNET50], |c| c.x(&[1, 256, 56, 56]).x(&[1, 256, 56, 56])),
    entry(&GELU_BACKWARD, "f32/4096x1024", &[], |c| c.x(&[4096, 1024]).x(&[4096, 1024])),
    entry(&GELU_TANH_BACKWARD, "f32/1024x3072/gpt2", &[GPT2], |c| c.x(&[1024, 3072]).x(&[1024, 3072])),
    entry(&SILU_BACKWARD, "f32/1x128x32x32/ddpm", &[DDPM], |c| c.x(&[1, 128, 32, 32]).x(&[1, 128, 32, 32])),
    entry(&LEAKY_RELU_BACKWARD, "f32/1024x1024", &[], two),
    entry(&ELU_BACKWARD, "f32/1024x1024", &[], two),
    entry(&SOFTPLUS_BACKWARD, "f32/1024x1024", &[], two),
    entry(&CLAMP_BACKWARD, "f32/1024x1024", &[], |c| two(c).param("min", -0.5).param("max", 0.5)),
    entry(&MAXIMUM_BACKWARD, "f32/1024x1024", &[], |c| two(c).x(&SIZE)),
    entry(&MINIMUM_BACKWARD, "f32/1024x1024", &[], |c| two(c).x(&SIZE)),
    entry(&POW_BACKWARD_A, "f32/1024x1024", &[], |c| positive_two(c).x(&SIZE)),
    entry(&POW_BACKWARD_B, "f32/1024x1024", &[], |c| positive_two(c).range(&SIZE, 0.1, 2.0).x(&SIZE)),
];
