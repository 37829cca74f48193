//! The cases: kernels at sizes of real models, by name.

use crate::check::Case;
use crate::kernel::Kernel;
use crate::kernels::attention::attention::ATTENTION;
use crate::kernels::attention::attention_decode::ATTENTION_DECODE;
use crate::kernels::conv::conv_transpose2d::CONV_TRANSPOSE2D;
use crate::kernels::conv::conv2d::CONV2D;
use crate::kernels::conv::conv2d_backward_data::CONV2D_BACKWARD_DATA;
use crate::kernels::conv::conv2d_backward_weight::CONV2D_BACKWARD_WEIGHT;
use crate::kernels::elementwise::binary::{ADD, MUL};
use crate::kernels::elementwise::unary::{GELU, SILU};
use crate::kernels::elementwise::unary_backward::GELU_BACKWARD;
use crate::kernels::index::embedding::EMBEDDING;
use crate::kernels::loss::cross_entropy::CROSS_ENTROPY;
use crate::kernels::matmul::matmul::MATMUL;
use crate::kernels::norm::group_norm::GROUP_NORM;
use crate::kernels::norm::layer_norm::LAYER_NORM;
use crate::kernels::norm::rms_norm::RMS_NORM;
use crate::kernels::softmax::softmax::SOFTMAX;
use crate::kernels::softmax::softmax_backward::SOFTMAX_BACKWARD;
use crate::tensor::HostTensor;

/// A group of cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// Products of matrices.
    Matmul,
    /// Convolutions.
    Conv,
    /// Attention.
    Attention,
    /// Norms, softmax and losses: a row at a time.
    Rows,
    /// Element by element.
    Elementwise,
}

/// A case that is made when it is measured.
pub struct Entry {
    /// `kernel/dtype/shape[/note]`
    pub name: &'static str,
    /// Its group.
    pub suite: Suite,
    /// Its inputs.
    pub case: fn() -> Case,
}

/// Values in −1..1 that no two neighbours share, the same for a seed everywhere.
pub fn values(shape: &[usize], seed: u32) -> HostTensor {
    let n = shape.iter().product::<usize>();
    let key = [seed, 0x68_6d];
    let words = (0..n.div_ceil(4) as u32).flat_map(|i| kernels_ref::random::philox4x32_10([i, 0, 0, 0], key));
    HostTensor::f32(shape, words.take(n).map(|w| (w >> 8) as f32 / (1 << 23) as f32 - 1.0).collect())
}

fn of(kernel: &'static Kernel, shapes: &[&[usize]]) -> Case {
    shapes.iter().zip(1..).fold(Case::new(kernel), |case, (shape, seed)| case.input(values(shape, seed)))
}

/// `(M, K) · (K, N)`
fn matmul(m: usize, k: usize, n: usize) -> Case {
    of(&MATMUL, &[&[m, k], &[k, n]])
}

/// An affine layer, whose weight is `(N, K)`.
fn linear(m: usize, k: usize, n: usize) -> Case {
    of(&MATMUL, &[&[m, k], &[n, k]]).view(|w| w.transpose(0, 1))
}

/// A convolution that keeps the size of the image.
fn conv(x: [usize; 4], o: usize, kernel: usize) -> Case {
    let pad = (kernel / 2) as i64;
    of(&CONV2D, &[&x, &[o, x[1], kernel, kernel]]).param("padding", vec![pad; 4])
}

fn same(kernel: &'static Kernel, shape: &[usize], inputs: usize) -> Case {
    of(kernel, &vec![shape; inputs])
}

fn ids(shape: &[usize], below: usize) -> HostTensor {
    let n = shape.iter().product::<usize>();
    HostTensor::i32(shape, (0..n).map(|i| (i * 7919 % below) as i32).collect())
}

const fn entry(suite: Suite, name: &'static str, case: fn() -> Case) -> Entry {
    Entry { name, suite, case }
}

/// Every case.
pub static CASES: &[Entry] = &[
    entry(Suite::Matmul, "matmul/f32/256x256x256", || matmul(256, 256, 256)),
    entry(Suite::Matmul, "matmul/f32/512x512x512", || matmul(512, 512, 512)),
    entry(Suite::Matmul, "matmul/f32/1024x1024x1024", || matmul(1024, 1024, 1024)),
    entry(Suite::Matmul, "matmul/f32/1x2048x2048", || matmul(1, 2048, 2048)),
    entry(Suite::Matmul, "matmul/f32/1x768x2304/gpt2_decode", || matmul(1, 768, 2304)),
    entry(Suite::Matmul, "matmul/f32/1x4096x4096/llama_decode", || linear(1, 4096, 4096)),
    entry(Suite::Matmul, "matmul/f32/128x768x3072/bert", || linear(128, 768, 3072)),
    entry(Suite::Matmul, "matmul/f32/128x3072x768/bert", || linear(128, 3072, 768)),
    entry(Suite::Matmul, "matmul/f32/197x768x768/vit", || linear(197, 768, 768)),
    entry(Suite::Conv, "conv2d/f32/1x64x56x56/64x3x3", || conv([1, 64, 56, 56], 64, 3)),
    entry(Suite::Conv, "conv2d/f32/1x64x56x56/256x1x1", || conv([1, 64, 56, 56], 256, 1)),
    entry(Suite::Conv, "conv2d/f32/1x256x14x14/1024x1x1/resnet", || conv([1, 256, 14, 14], 1024, 1)),
    entry(Suite::Conv, "conv2d/f32/1x256x14x14/256x3x3", || conv([1, 256, 14, 14], 256, 3)),
    entry(Suite::Conv, "conv2d/f32/1x3x224x224/64x7x7/stem", || {
        conv([1, 3, 224, 224], 64, 7).param("stride", [2usize, 2])
    }),
    entry(Suite::Conv, "conv2d/f32/1x128x32x32/128x3x3/ddpm", || conv([1, 128, 32, 32], 128, 3)),
    entry(Suite::Conv, "conv2d/f32/8x16x28x28/16x3x3", || conv([8, 16, 28, 28], 16, 3)),
    entry(Suite::Conv, "conv2d/f32/1x144x56x56/144x3x3/depthwise", || {
        of(&CONV2D, &[&[1, 144, 56, 56], &[144, 1, 3, 3]]).param("padding", vec![1i64; 4]).param("groups", 144usize)
    }),
    entry(Suite::Conv, "conv_transpose2d/f32/1x128x16x16/64x4x4/dcgan", || {
        of(&CONV_TRANSPOSE2D, &[&[1, 128, 16, 16], &[128, 64, 4, 4]])
            .param("stride", [2usize, 2])
            .param("padding", [1usize, 1])
    }),
    entry(Suite::Conv, "conv2d_backward_data/f32/1x64x56x56/64x3x3", || {
        of(&CONV2D_BACKWARD_DATA, &[&[1, 64, 56, 56], &[64, 64, 3, 3]])
            .param("padding", vec![1i64; 4])
            .param("input_size", [56usize, 56])
    }),
    entry(Suite::Conv, "conv2d_backward_weight/f32/1x64x56x56/64x3x3", || {
        same(&CONV2D_BACKWARD_WEIGHT, &[1, 64, 56, 56], 2).param("padding", vec![1i64; 4]).param("kernel", [3usize, 3])
    }),
    entry(Suite::Attention, "attention/f32/1x8x256x64", || same(&ATTENTION, &[1, 8, 256, 64], 3)),
    entry(Suite::Attention, "attention/f32/1x12x128x64/bert", || same(&ATTENTION, &[1, 12, 128, 64], 3)),
    entry(Suite::Attention, "attention/f32/1x12x512x64/gpt2_causal", || {
        same(&ATTENTION, &[1, 12, 512, 64], 3).param("causal", true)
    }),
    entry(Suite::Attention, "attention_decode/f32/1x12x1024x64/gpt2", || {
        of(&ATTENTION_DECODE, &[&[1, 12, 1, 64], &[1, 12, 1024, 64], &[1, 12, 1024, 64]])
            .input(HostTensor::i32(&[1], vec![1024]))
    }),
    entry(Suite::Rows, "softmax/f32/1024x1024", || same(&SOFTMAX, &[1024, 1024], 1)),
    entry(Suite::Rows, "softmax_backward/f32/1024x1024", || same(&SOFTMAX_BACKWARD, &[1024, 1024], 2)),
    entry(Suite::Rows, "layer_norm/f32/1024x768/gpt2", || of(&LAYER_NORM, &[&[1024, 768], &[768], &[768]])),
    entry(Suite::Rows, "rms_norm/f32/512x4096/llama", || of(&RMS_NORM, &[&[512, 4096], &[4096]])),
    entry(Suite::Rows, "group_norm/f32/1x320x64x64/stable_diffusion", || {
        of(&GROUP_NORM, &[&[1, 320, 64, 64], &[320], &[320]]).param("num_groups", 32usize)
    }),
    entry(Suite::Rows, "cross_entropy/f32/64x50257/gpt2", || {
        of(&CROSS_ENTROPY, &[&[64, 50257]]).input(ids(&[64], 50257))
    }),
    entry(Suite::Elementwise, "add/f32/4096x1024", || same(&ADD, &[4096, 1024], 2)),
    entry(Suite::Elementwise, "mul/f32/4096x1024", || same(&MUL, &[4096, 1024], 2)),
    entry(Suite::Elementwise, "gelu/f32/1024x3072/gpt2", || same(&GELU, &[1024, 3072], 1)),
    entry(Suite::Elementwise, "gelu_backward/f32/4096x1024", || same(&GELU_BACKWARD, &[4096, 1024], 2)),
    entry(Suite::Elementwise, "silu/f32/1x320x64x64/stable_diffusion", || same(&SILU, &[1, 320, 64, 64], 1)),
    entry(Suite::Elementwise, "embedding/f32/512/30522x768/bert", || {
        Case::new(&EMBEDDING).input(ids(&[512], 30_522)).input(values(&[30_522, 768], 1))
    }),
];
