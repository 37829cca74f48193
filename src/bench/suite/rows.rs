//! A row at a time: norms, softmax, losses, reductions.

use super::{BERT, DDPM, Entry, GPT2, LLAMA, RESNET50, STABLE_DIFFUSION, VIT, entry};
use crate::kernels::loss::cross_entropy::CROSS_ENTROPY;
use crate::kernels::loss::cross_entropy_backward::CROSS_ENTROPY_BACKWARD;
use crate::kernels::loss::elementwise::{BCE_WITH_LOGITS, HUBER};
use crate::kernels::norm::batch_norm::BATCH_NORM;
use crate::kernels::norm::batch_norm_train::BATCH_NORM_TRAIN;
use crate::kernels::norm::batch_norm_train_backward::BATCH_NORM_TRAIN_BACKWARD;
use crate::kernels::norm::group_norm::GROUP_NORM;
use crate::kernels::norm::group_norm_backward::GROUP_NORM_BACKWARD;
use crate::kernels::norm::group_norm_backward_w::GROUP_NORM_BACKWARD_W;
use crate::kernels::norm::instance_norm::INSTANCE_NORM;
use crate::kernels::norm::layer_norm::LAYER_NORM;
use crate::kernels::norm::layer_norm_backward::LAYER_NORM_BACKWARD;
use crate::kernels::norm::layer_norm_backward_w::LAYER_NORM_BACKWARD_W;
use crate::kernels::norm::rms_norm::RMS_NORM;
use crate::kernels::norm::rms_norm_backward::RMS_NORM_BACKWARD;
use crate::kernels::norm::rms_norm_backward_w::RMS_NORM_BACKWARD_W;
use crate::kernels::norm::running_update::RUNNING_UPDATE;
use crate::kernels::reduce::over_axes::{ARGMAX, ARGMIN, LOGSUMEXP, MAX, MEAN, MIN, PROD, SUM, VARIANCE};
use crate::kernels::reduce::reduce_backward::{LOGSUMEXP_BACKWARD, PROD_BACKWARD};
use crate::kernels::softmax::log_softmax::LOG_SOFTMAX;
use crate::kernels::softmax::softmax::SOFTMAX;
use crate::kernels::softmax::softmax_backward::{LOG_SOFTMAX_BACKWARD, SOFTMAX_BACKWARD};

pub(super) static CASES: &[Entry] = &[
    entry(&SOFTMAX, "f32/1024x1024", &[], |c| c.x(&[1024, 1024])),
    entry(&SOFTMAX, "f32/8x50257/gpt2", &[GPT2], |c| c.x(&[8, 50_257])),
    entry(&LOG_SOFTMAX, "f32/64x50257/gpt2", &[GPT2], |c| c.x(&[64, 50_257])),
    entry(&SOFTMAX_BACKWARD, "f32/1024x1024", &[], |c| c.x(&[1024, 1024]).x(&[1024, 1024])),
    entry(&LOG_SOFTMAX_BACKWARD, "f32/1024x1024", &[], |c| c.range(&[1024, 1024], -8.0, -6.0).x(&[1024, 1024])),
    entry(&LAYER_NORM, "f32/1024x768/gpt2", &[GPT2], |c| c.x(&[1024, 768]).x(&[768]).x(&[768])),
    entry(&LAYER_NORM, "f32/197x768/vit", &[VIT, BERT], |c| c.x(&[197, 768]).x(&[768]).x(&[768])),
    entry(&RMS_NORM, "f32/512x4096/llama", &[LLAMA], |c| c.x(&[512, 4096]).x(&[4096])),
    entry(&RMS_NORM, "f32/1x4096/llama_decode", &[LLAMA], |c| c.x(&[1, 4096]).x(&[4096])),
    entry(&GROUP_NORM, "f32/1x320x64x64/stable_diffusion", &[STABLE_DIFFUSION], |c| {
        c.x(&[1, 320, 64, 64]).x(&[320]).x(&[320]).param("num_groups", 32usize)
    }),
    entry(&GROUP_NORM, "f32/1x128x32x32/ddpm", &[DDPM], |c| {
        c.x(&[1, 128, 32, 32]).x(&[128]).x(&[128]).param("num_groups", 32usize)
    }),
    entry(&INSTANCE_NORM, "f32/1x64x128x128", &[], |c| c.x(&[1, 64, 128, 128]).x(&[64]).x(&[64])),
    entry(&BATCH_NORM, "f32/1x256x56x56/resnet50", &[RESNET50], |c| {
        c.x(&[1, 256, 56, 56]).x(&[256]).range(&[256], 0.1, 2.0).x(&[256]).x(&[256])
    }),
    entry(&BATCH_NORM_TRAIN, "f32/4x64x56x56/resnet50", &[RESNET50], |c| c.x(&[4, 64, 56, 56]).x(&[64]).x(&[64])),
    entry(&RUNNING_UPDATE, "f32/2048/resnet50", &[RESNET50], |c| c.x(&[2048]).x(&[2048])),
    entry(&LAYER_NORM_BACKWARD, "f32/1024x768/gpt2", &[GPT2], |c| {
        c.x(&[1024, 768]).x(&[768]).x(&[1024, 768]).x(&[1024]).range(&[1024], 1.0, 2.0)
    }),
    entry(&LAYER_NORM_BACKWARD_W, "f32/1024x768/gpt2", &[GPT2], |c| {
        c.x(&[1024, 768]).x(&[1024, 768]).x(&[1024]).range(&[1024], 1.0, 2.0)
    }),
    entry(&RMS_NORM_BACKWARD, "f32/512x4096/llama", &[LLAMA], |c| {
        c.x(&[512, 4096]).x(&[4096]).x(&[512, 4096]).range(&[512], 1.0, 2.0)
    }),
    entry(&RMS_NORM_BACKWARD_W, "f32/512x4096/llama", &[LLAMA], |c| {
        c.x(&[512, 4096]).x(&[512, 4096]).range(&[512], 1.0, 2.0)
    }),
    entry(&GROUP_NORM_BACKWARD, "f32/1x128x32x32/ddpm", &[DDPM], |c| {
        c.x(&[1, 128, 32, 32]).x(&[128]).x(&[1, 128, 32, 32]).x(&[1, 32]).range(&[1, 32], 1.0, 2.0).x(&[1, 128, 2])
    }),
    entry(&GROUP_NORM_BACKWARD_W, "f32/1x128x32x32/ddpm", &[DDPM], |c| {
        c.x(&[1, 128, 32, 32]).x(&[1, 128, 32, 32]).x(&[1, 32]).range(&[1, 32], 1.0, 2.0)
    }),
    entry(&BATCH_NORM_TRAIN_BACKWARD, "f32/4x64x56x56/resnet50", &[RESNET50], |c| {
        c.x(&[4, 64, 56, 56]).x(&[64]).x(&[4, 64, 56, 56]).x(&[64]).range(&[64], 1.0, 2.0).x(&[64]).x(&[64])
    }),
    entry(&CROSS_ENTROPY, "f32/64x50257/gpt2", &[GPT2], |c| c.x(&[64, 50_257]).ids(&[64], 50_257)),
    entry(&CROSS_ENTROPY_BACKWARD, "f32/64x50257/gpt2", &[GPT2], |c| {
        c.x(&[64, 50_257]).ids(&[64], 50_257).absent().range(&[64], 11.0, 12.0).x(&[64])
    }),
    entry(&BCE_WITH_LOGITS, "f32/1024x1024", &[], |c| c.x(&[1024, 1024]).range(&[1024, 1024], 0.0, 1.0)),
    entry(&HUBER, "f32/1024x1024", &[], |c| c.x(&[1024, 1024]).x(&[1024, 1024])),
    entry(&SUM, "f32/4194304/all", &[], |c| c.x(&[1 << 22])),
    entry(&SUM, "f32/1024x1024/rows", &[], |c| c.x(&[1024, 1024]).param("axes", vec![1i64])),
    entry(&MAX, "f32/1024x1024/rows", &[], |c| c.x(&[1024, 1024]).param("axes", vec![1i64])),
    entry(&MIN, "f32/1024x1024/rows", &[], |c| c.x(&[1024, 1024]).param("axes", vec![1i64])),
    entry(&PROD, "f32/1024x1024/rows", &[], |c| c.range(&[1024, 1024], 0.99, 1.01).param("axes", vec![1i64])),
    entry(&VARIANCE, "f32/1024x1024/rows", &[], |c| c.x(&[1024, 1024]).param("axes", vec![1i64])),
    entry(&MEAN, "f32/1x2048x7x7/resnet50", &[RESNET50], |c| c.x(&[1, 2048, 7, 7]).param("axes", vec![2i64, 3])),
    entry(&LOGSUMEXP, "f32/64x50257/gpt2", &[GPT2], |c| c.x(&[64, 50_257]).param("axes", vec![1i64])),
    entry(&ARGMAX, "f32/8x50257/gpt2", &[GPT2], |c| c.x(&[8, 50_257])),
    entry(&ARGMIN, "f32/1024x1024/rows", &[], |c| c.x(&[1024, 1024])),
    entry(&LOGSUMEXP_BACKWARD, "f32/1024x1024", &[], |c| {
        c.x(&[1024, 1024]).range(&[1024, 1024], 7.0, 8.0).x(&[1024, 1024])
    }),
    entry(&PROD_BACKWARD, "f32/1024x1024", &[], |c| c.range(&[1024, 1024], 0.99, 1.01).x(&[1024])),
];
