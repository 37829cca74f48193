//! Pooling, copies, tables, images of other sizes, random numbers.

use super::{BERT, DDPM, Entry, GPT2, RESNET50, STABLE_DIFFUSION, VIT, entry};
use crate::check::Case;
use crate::kernels::index::embedding::EMBEDDING;
use crate::kernels::index::gather::GATHER;
use crate::kernels::index::gather_backward::GATHER_BACKWARD;
use crate::kernels::index::one_hot::ONE_HOT;
use crate::kernels::index::scatter_add::SCATTER_ADD;
use crate::kernels::index::top_k::TOP_K;
use crate::kernels::layout::concat::CONCAT;
use crate::kernels::layout::copy::COPY;
use crate::kernels::layout::pad::PAD;
use crate::kernels::layout::pad_backward::PAD_BACKWARD;
use crate::kernels::layout::stop_gradient::{STOP_GRADIENT, STRAIGHT_THROUGH};
use crate::kernels::layout::view_backward::VIEW_BACKWARD;
use crate::kernels::pool::adaptive_avg_pool2d::ADAPTIVE_AVG_POOL2D;
use crate::kernels::pool::adaptive_avg_pool2d_backward::ADAPTIVE_AVG_POOL2D_BACKWARD;
use crate::kernels::pool::avg_pool2d::AVG_POOL2D;
use crate::kernels::pool::avg_pool2d_backward::AVG_POOL2D_BACKWARD;
use crate::kernels::pool::max_pool2d::MAX_POOL2D;
use crate::kernels::pool::max_pool2d_backward::MAX_POOL2D_BACKWARD;
use crate::kernels::pool::stochastic_pool2d::STOCHASTIC_POOL2D;
use crate::kernels::pool::stochastic_pool2d_backward::STOCHASTIC_POOL2D_BACKWARD;
use crate::kernels::random::draws::{RANDOM_BERNOULLI, RANDOM_BITS, RANDOM_NORMAL, RANDOM_UNIFORM};
use crate::kernels::resize::Target;
use crate::kernels::resize::resize_bicubic::RESIZE_BICUBIC;
use crate::kernels::resize::resize_bicubic_backward::RESIZE_BICUBIC_BACKWARD;
use crate::kernels::resize::resize_bilinear::RESIZE_BILINEAR;
use crate::kernels::resize::resize_bilinear_backward::RESIZE_BILINEAR_BACKWARD;
use crate::kernels::resize::resize_nearest::RESIZE_NEAREST;
use crate::kernels::resize::resize_nearest_backward::RESIZE_NEAREST_BACKWARD;
use crate::kernels::resize::table::Step;
use crate::tensor::HostTensor;

fn three_by_three(c: Case) -> Case {
    c.param("kernel", [3usize; 2]).param("stride", [2usize; 2]).param("padding", [1usize; 2])
}

/// The element in the middle of each of 56 × 56 windows, in an image of 112 × 112.
fn middles() -> HostTensor {
    let at = |i: usize| (2 * (i / 56 % 56) * 112 + 2 * (i % 56)) as i32;
    HostTensor::i32(&[1, 64, 56, 56], (0..64 * 56 * 56).map(at).collect())
}

/// From `n` elements to twice as many.
fn step(n: usize) -> Step {
    Step::new(n, Target::Size([2 * n; 2]), 0, false).expect("bug: every size can be doubled")
}

fn nearest(c: Case) -> Case {
    c.input(step(32).nearest()).input(step(32).nearest())
}

fn linear(c: Case) -> Case {
    let (position, weight) = step(56).linear();
    c.input(position.clone()).input(weight.clone()).input(position).input(weight)
}

fn cubic(c: Case) -> Case {
    let (position, weight) = step(56).cubic();
    c.input(position.clone()).input(weight.clone()).input(position).input(weight)
}

/// A million numbers.
fn drawn(c: Case) -> Case {
    c.input(HostTensor::u32(&[2], vec![1, 2])).param("shape", vec![1i64 << 20])
}

pub(super) static CASES: &[Entry] = &[
    entry(&MAX_POOL2D, "f32/1x64x112x112/resnet50", &[RESNET50], |c| three_by_three(c.x(&[1, 64, 112, 112]))),
    entry(&MAX_POOL2D_BACKWARD, "f32/1x64x112x112/resnet50", &[RESNET50], |c| {
        three_by_three(c.x(&[1, 64, 56, 56]).input(middles())).param("input_size", [112usize; 2])
    }),
    entry(&AVG_POOL2D, "f32/1x64x56x56", &[], |c| c.x(&[1, 64, 56, 56]).param("kernel", [2usize; 2])),
    entry(&AVG_POOL2D_BACKWARD, "f32/1x64x56x56", &[], |c| {
        c.x(&[1, 64, 28, 28]).param("kernel", [2usize; 2]).param("input_size", [56usize; 2])
    }),
    entry(&ADAPTIVE_AVG_POOL2D, "f32/1x2048x7x7/resnet50", &[RESNET50], |c| {
        c.x(&[1, 2048, 7, 7]).param("output_size", [1usize; 2])
    }),
    entry(&ADAPTIVE_AVG_POOL2D_BACKWARD, "f32/1x2048x7x7/resnet50", &[RESNET50], |c| {
        c.x(&[1, 2048, 1, 1]).param("input_size", [7usize; 2])
    }),
    entry(&STOCHASTIC_POOL2D, "f32/1x64x56x56", &[], |c| {
        c.range(&[1, 64, 56, 56], 0.0, 1.0).param("kernel", [2usize; 2])
    }),
    entry(&STOCHASTIC_POOL2D_BACKWARD, "f32/1x64x56x56", &[], |c| {
        c.range(&[1, 64, 56, 56], 0.1, 1.0)
            .range(&[1, 64, 28, 28], 0.1, 1.0)
            .x(&[1, 64, 28, 28])
            .param("kernel", [2usize; 2])
    }),
    entry(&COPY, "f32/12x1024x64/gpt2_heads", &[GPT2, BERT, VIT], |c| {
        c.x(&[1024, 12, 64]).view(|t| t.permute(&[1, 0, 2]))
    }),
    entry(&CONCAT, "f32/1x640x64x64/stable_diffusion", &[STABLE_DIFFUSION], |c| {
        c.x(&[1, 320, 64, 64]).x(&[1, 320, 64, 64]).param("axis", 1i64)
    }),
    entry(&PAD, "f32/1x128x32x32/ddpm", &[DDPM], |c| c.x(&[1, 128, 32, 32]).param("pads", vec![0i64, 1, 0, 1])),
    entry(&PAD_BACKWARD, "f32/1x64x58x56/reflect", &[], |c| {
        c.x(&[1, 64, 58, 56]).param("axis", 2i64).param("before", 1i64).param("after", 1i64).param("mode", "reflect")
    }),
    entry(&STOP_GRADIENT, "f32/1024x1024", &[], |c| c.x(&[1024, 1024])),
    entry(&STRAIGHT_THROUGH, "f32/1024x1024", &[], |c| c.x(&[1024, 1024]).x(&[1024, 1024])),
    entry(&VIEW_BACKWARD, "f32/1024x2304/gpt2_split", &[GPT2], |c| {
        c.x(&[1024, 768]).param("shape", vec![1024i64, 2304]).param("strides", vec![2304i64, 1]).param("offset", 768i64)
    }),
    entry(&EMBEDDING, "f32/512/30522x768/bert", &[BERT], |c| c.ids(&[512], 30_522).x(&[30_522, 768])),
    entry(&GATHER, "f32/1024x1024/64_columns", &[], |c| c.x(&[1024, 1024]).ids(&[1024, 64], 1024).param("axis", 1i64)),
    entry(&GATHER_BACKWARD, "f32/1024x1024/64_columns", &[], |c| {
        c.x(&[1024, 64]).ids(&[1024, 64], 1024).param("axis", 1i64).param("size", 1024i64)
    }),
    entry(&SCATTER_ADD, "f32/128/512x768/bert", &[BERT], |c| c.x(&[128, 768]).ids(&[128], 512).param("rows", 512i64)),
    entry(&TOP_K, "f32/8x50257/gpt2", &[GPT2], |c| c.x(&[8, 50_257]).param("k", 50i64)),
    entry(&ONE_HOT, "f32/1024x1000", &[], |c| c.ids(&[1024], 1000).param("classes", 1000i64)),
    entry(&RESIZE_NEAREST, "f32/1x320x32x32/stable_diffusion", &[STABLE_DIFFUSION], |c| {
        nearest(c.x(&[1, 320, 32, 32]))
    }),
    entry(&RESIZE_BILINEAR, "f32/1x64x56x56", &[], |c| linear(c.x(&[1, 64, 56, 56]))),
    entry(&RESIZE_BICUBIC, "f32/1x64x56x56", &[], |c| cubic(c.x(&[1, 64, 56, 56]))),
    entry(&RESIZE_NEAREST_BACKWARD, "f32/1x320x32x32/stable_diffusion", &[STABLE_DIFFUSION], |c| {
        nearest(c.x(&[1, 320, 64, 64])).param("input_size", [32usize; 2])
    }),
    entry(&RESIZE_BILINEAR_BACKWARD, "f32/1x64x56x56", &[], |c| {
        linear(c.x(&[1, 64, 112, 112])).param("input_size", [56usize; 2])
    }),
    entry(&RESIZE_BICUBIC_BACKWARD, "f32/1x64x56x56", &[], |c| {
        cubic(c.x(&[1, 64, 112, 112])).param("input_size", [56usize; 2])
    }),
    entry(&RANDOM_BITS, "u32/1048576", &[], drawn),
    entry(&RANDOM_UNIFORM, "f32/1048576", &[], drawn),
    entry(&RANDOM_BERNOULLI, "i32/1048576", &[], |c| drawn(c).param("p", 0.1)),
    entry(&RANDOM_NORMAL, "f32/1048576", &[DDPM, STABLE_DIFFUSION], drawn),
];
