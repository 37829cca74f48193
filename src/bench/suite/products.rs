//! Products of matrices, convolutions, attention and cells of recurrent networks.

use super::{BERT, DDPM, Entry, GPT2, LLAMA, RESNET50, STABLE_DIFFUSION, VIT, entry};
use crate::check::Case;
use crate::kernels::attention::attention::ATTENTION;
use crate::kernels::attention::attention_backward::{
    ATTENTION_BACKWARD_BIAS, ATTENTION_BACKWARD_DELTA, ATTENTION_BACKWARD_KV, ATTENTION_BACKWARD_Q,
};
use crate::kernels::attention::attention_decode::ATTENTION_DECODE;
use crate::kernels::attention::cache_append::CACHE_APPEND;
use crate::kernels::attention::cache_reorder::CACHE_REORDER;
use crate::kernels::attention::positions::{rope_frequencies, rope_tables, timestep_turns};
use crate::kernels::attention::rope::ROPE;
use crate::kernels::attention::timestep_embedding::TIMESTEP_EMBEDDING;
use crate::kernels::conv::conv_transpose2d::CONV_TRANSPOSE2D;
use crate::kernels::conv::conv2d::CONV2D;
use crate::kernels::conv::conv2d_backward_data::CONV2D_BACKWARD_DATA;
use crate::kernels::conv::conv2d_backward_weight::CONV2D_BACKWARD_WEIGHT;
use crate::kernels::linalg::cholesky::CHOLESKY;
use crate::kernels::linalg::solve_triangular::SOLVE_TRIANGULAR;
use crate::kernels::matmul::matmul::MATMUL;
use crate::kernels::recurrent::gru_cell::{GRU_CELL, GRU_CELL_BACKWARD};
use crate::kernels::recurrent::lstm_cell::{LSTM_CELL, LSTM_CELL_BACKWARD};
use crate::tensor::HostTensor;

/// `(M, K) · (K, N)`
fn matmul(c: Case, m: usize, k: usize, n: usize) -> Case {
    c.x(&[m, k]).x(&[k, n])
}

/// An affine layer, whose weight is `(N, K)`.
fn linear(c: Case, m: usize, k: usize, n: usize) -> Case {
    c.x(&[m, k]).x(&[n, k]).view(|w| w.transpose(0, 1))
}

/// `½^|i − j|`, which is positive definite.
fn near_diagonal(n: usize) -> HostTensor {
    let value = |at: usize| 0.5f32.powi((at / n).abs_diff(at % n) as i32);
    HostTensor::f32(&[1, n, n], (0..n * n).map(value).collect())
}

/// A convolution that keeps the size of the image.
fn conv(c: Case, x: [usize; 4], o: usize, kernel: usize) -> Case {
    c.x(&x).x(&[o, x[1], kernel, kernel]).param("padding", vec![(kernel / 2) as i64; 4])
}

/// `T` queries and `S` keys of `H` heads.
fn qkv(c: Case, [h, t, s, d]: [usize; 4]) -> Case {
    c.x(&[1, h, t, d]).x(&[1, h, s, d]).x(&[1, h, s, d])
}

fn attention_backward(c: Case) -> Case {
    qkv(c, [12, 128, 128, 64]).absent().absent().x(&[1, 12, 128, 2]).x(&[1, 128, 12, 64])
}

/// A token against a cache of 1024.
fn decode(c: Case, h: usize, kv: usize, d: usize) -> Case {
    c.x(&[1, h, 1, d]).x(&[1, kv, 1024, d]).x(&[1, kv, 1024, d]).list_ids(&[1024])
}

fn rope(c: Case) -> Case {
    let [cos, sin] = rope_tables(128, &rope_frequencies(128, 10_000.0));
    c.x(&[1, 32, 128, 128]).input(cos).input(sin)
}

pub(super) static CASES: &[Entry] = &[
    entry(&MATMUL, "f32/256x256x256", &[], |c| matmul(c, 256, 256, 256)),
    entry(&MATMUL, "f32/512x512x512", &[], |c| matmul(c, 512, 512, 512)),
    entry(&MATMUL, "f32/1024x1024x1024", &[], |c| matmul(c, 1024, 1024, 1024)),
    entry(&MATMUL, "f32/1x2048x2048", &[], |c| matmul(c, 1, 2048, 2048)),
    entry(&MATMUL, "f32/1x768x2304/gpt2_decode", &[GPT2], |c| matmul(c, 1, 768, 2304)),
    entry(&MATMUL, "f32/128x768x2304/gpt2", &[GPT2], |c| matmul(c, 128, 768, 2304)),
    entry(&MATMUL, "f32/1x4096x4096/llama_decode", &[LLAMA], |c| linear(c, 1, 4096, 4096)),
    entry(&MATMUL, "f32/1x4096x1024/llama_decode", &[LLAMA], |c| linear(c, 1, 4096, 1024)),
    entry(&MATMUL, "f32/128x768x3072/bert", &[BERT], |c| matmul(c, 128, 768, 3072)),
    entry(&MATMUL, "f32/128x3072x768/bert", &[BERT], |c| matmul(c, 128, 3072, 768)),
    entry(&MATMUL, "f32/197x768x768/vit", &[VIT], |c| linear(c, 197, 768, 768)),
    entry(&MATMUL, "f32/1x2048x1000/resnet50", &[RESNET50], |c| linear(c, 1, 2048, 1000)),
    entry(&MATMUL, "f32/1024x640x640/stable_diffusion", &[STABLE_DIFFUSION], |c| linear(c, 1024, 640, 640)),
    entry(&CHOLESKY, "f32/1x256x256", &[], |c| c.input(near_diagonal(256))),
    entry(&SOLVE_TRIANGULAR, "f32/1x256x64", &[], |c| c.input(near_diagonal(256)).x(&[1, 256, 64])),
    entry(&CONV2D, "f32/1x64x56x56/64x3x3", &[RESNET50], |c| conv(c, [1, 64, 56, 56], 64, 3)),
    entry(&CONV2D, "f32/1x64x56x56/256x1x1", &[RESNET50], |c| conv(c, [1, 64, 56, 56], 256, 1)),
    entry(&CONV2D, "f32/1x256x14x14/256x3x3", &[RESNET50], |c| conv(c, [1, 256, 14, 14], 256, 3)),
    entry(&CONV2D, "f32/1x3x224x224/64x7x7/stem", &[RESNET50], |c| {
        conv(c, [1, 3, 224, 224], 64, 7).param("stride", [2usize, 2])
    }),
    entry(&CONV2D, "f32/1x128x32x32/128x3x3/ddpm", &[DDPM], |c| conv(c, [1, 128, 32, 32], 128, 3)),
    entry(&CONV2D, "f32/1x256x16x16/256x3x3/ddpm", &[DDPM], |c| conv(c, [1, 256, 16, 16], 256, 3)),
    entry(&CONV2D, "f32/1x4x64x64/320x3x3/stable_diffusion", &[STABLE_DIFFUSION], |c| conv(c, [1, 4, 64, 64], 320, 3)),
    entry(&CONV2D, "f32/1x320x64x64/320x1x1/stable_diffusion", &[STABLE_DIFFUSION], |c| {
        conv(c, [1, 320, 64, 64], 320, 1)
    }),
    entry(&CONV2D, "f32/1x3x224x224/768x16x16/vit", &[VIT], |c| {
        c.x(&[1, 3, 224, 224]).x(&[768, 3, 16, 16]).param("stride", [16usize; 2])
    }),
    entry(&CONV2D, "f32/8x16x28x28/16x3x3", &[], |c| conv(c, [8, 16, 28, 28], 16, 3)),
    entry(&CONV2D, "f32/1x144x56x56/144x3x3/depthwise", &[], |c| {
        c.x(&[1, 144, 56, 56]).x(&[144, 1, 3, 3]).param("padding", vec![1i64; 4]).param("groups", 144usize)
    }),
    entry(&CONV_TRANSPOSE2D, "f32/1x128x16x16/64x4x4/dcgan", &[], |c| {
        c.x(&[1, 128, 16, 16]).x(&[128, 64, 4, 4]).param("stride", [2usize; 2]).param("padding", [1usize; 2])
    }),
    entry(&CONV2D_BACKWARD_DATA, "f32/1x64x56x56/64x3x3", &[RESNET50], |c| {
        c.x(&[1, 64, 56, 56]).x(&[64, 64, 3, 3]).param("padding", vec![1i64; 4]).param("input_size", [56usize; 2])
    }),
    entry(&CONV2D_BACKWARD_WEIGHT, "f32/1x64x56x56/64x3x3", &[RESNET50], |c| {
        c.x(&[1, 64, 56, 56]).x(&[1, 64, 56, 56]).param("padding", vec![1i64; 4]).param("kernel", [3usize; 2])
    }),
    entry(&CONV2D_BACKWARD_DATA, "f32/1x128x32x32/128x3x3/ddpm", &[DDPM], |c| {
        c.x(&[1, 128, 32, 32]).x(&[128, 128, 3, 3]).param("padding", vec![1i64; 4]).param("input_size", [32usize; 2])
    }),
    entry(&CONV2D_BACKWARD_WEIGHT, "f32/1x128x32x32/128x3x3/ddpm", &[DDPM], |c| {
        c.x(&[1, 128, 32, 32]).x(&[1, 128, 32, 32]).param("padding", vec![1i64; 4]).param("kernel", [3usize; 2])
    }),
    entry(&ATTENTION, "f32/1x8x256x64", &[], |c| qkv(c, [8, 256, 256, 64])),
    entry(&ATTENTION, "f32/1x12x128x64/bert", &[BERT], |c| qkv(c, [12, 128, 128, 64])),
    entry(&ATTENTION, "f32/1x12x197x64/vit", &[VIT], |c| qkv(c, [12, 197, 197, 64])),
    entry(&ATTENTION, "f32/1x12x512x64/gpt2_causal", &[GPT2], |c| qkv(c, [12, 512, 512, 64]).param("causal", true)),
    entry(&ATTENTION, "f32/1x1x256x256/ddpm", &[DDPM], |c| qkv(c, [1, 256, 256, 256])),
    entry(&ATTENTION, "f32/1x8x1024x80/stable_diffusion_cross", &[STABLE_DIFFUSION], |c| qkv(c, [8, 1024, 77, 80])),
    entry(&ATTENTION_BACKWARD_DELTA, "f32/1x128x12x64/bert", &[BERT], |c| {
        c.x(&[1, 128, 12, 64]).x(&[1, 128, 12, 64]).x(&[1, 12, 128])
    }),
    entry(&ATTENTION_BACKWARD_Q, "f32/1x12x128x64/bert", &[BERT], attention_backward),
    entry(&ATTENTION_BACKWARD_KV, "f32/1x12x128x64/bert", &[BERT], attention_backward),
    entry(&ATTENTION_BACKWARD_BIAS, "f32/1x12x128x64/bert", &[BERT], attention_backward),
    entry(&ATTENTION_DECODE, "f32/1x12x1024x64/gpt2", &[GPT2], |c| decode(c, 12, 12, 64)),
    entry(&ATTENTION_DECODE, "f32/1x32of8x1024x128/llama", &[LLAMA], |c| decode(c, 32, 8, 128)),
    entry(&CACHE_APPEND, "f32/1x12x1024x64/gpt2", &[GPT2], |c| {
        c.x(&[1, 12, 1024, 64]).x(&[1, 12, 1, 64]).list_ids(&[700])
    }),
    entry(&CACHE_REORDER, "f32/4x12x128x64/beams", &[], |c| {
        c.x(&[4, 12, 128, 64]).list_ids(&[1, 0, 2, 2]).list_ids(&[100]).param("beams", 4i64)
    }),
    entry(&ROPE, "f32/1x32x128x128/llama", &[LLAMA], rope),
    entry(&TIMESTEP_EMBEDDING, "i32/8x320/stable_diffusion", &[STABLE_DIFFUSION], |c| {
        c.ids(&[8], 1000).input(timestep_turns(160, 0.0)).param("dim", 320i64).param("flip_sin_to_cos", true)
    }),
    entry(&LSTM_CELL, "f32/64x1024", &[], |c| c.x(&[64, 4096]).x(&[64, 4096]).x(&[64, 1024])),
    entry(&LSTM_CELL_BACKWARD, "f32/64x1024", &[], |c| {
        (0..4).fold(c.range(&[64, 4096], 0.0, 1.0), |c, _| c.x(&[64, 1024]))
    }),
    entry(&GRU_CELL, "f32/64x1024", &[], |c| c.x(&[64, 3072]).x(&[64, 3072]).x(&[64, 1024])),
    entry(&GRU_CELL_BACKWARD, "f32/64x1024", &[], |c| {
        c.range(&[64, 3072], 0.0, 1.0).x(&[64, 3072]).x(&[64, 1024]).x(&[64, 1024])
    }),
];
