//! The cases: every kernel at least once, at sizes of real models.

use crate::check::Case;
use crate::kernel::Kernel;
use crate::kernels::FAMILIES;
use crate::tensor::HostTensor;

mod elementwise;
mod optimizer;
mod places;
mod products;
mod rows;

/// GPT-2 small.
pub const GPT2: &str = "gpt2";
/// BERT-base.
pub const BERT: &str = "bert";
/// ViT-B/16.
pub const VIT: &str = "vit";
/// ResNet-50.
pub const RESNET50: &str = "resnet50";
/// The U-Net of DDPM on 32 × 32 images.
pub const DDPM: &str = "ddpm";
/// The U-Net and the text encoder of Stable Diffusion 1.
pub const STABLE_DIFFUSION: &str = "stable-diffusion";
/// Llama 7B, a token at a time where it decodes.
pub const LLAMA: &str = "llama";

/// The models whose sizes the cases have; each is a suite.
pub const MODELS: [&str; 7] = [GPT2, BERT, VIT, RESNET50, DDPM, STABLE_DIFFUSION, LLAMA];

/// A case that is made when it is measured.
pub struct Entry {
    /// Its kernel.
    pub kernel: &'static Kernel,
    /// `dtype/shape[/note]`
    pub size: &'static str,
    /// The models that have this size.
    pub models: &'static [&'static str],
    fill: fn(Case) -> Case,
}

impl Entry {
    /// `kernel/dtype/shape[/note]`
    pub fn name(&self) -> String {
        format!("{}/{}", self.kernel.name, self.size)
    }

    /// The case, with its inputs.
    pub fn case(&self) -> Case {
        (self.fill)(Case::new(self.kernel))
    }

    /// True if `suite`, a family of kernels or a model, has it.
    pub fn is_in(&self, suite: &str) -> bool {
        let family = FAMILIES.iter().find(|(name, _)| *name == suite);
        let kernels = family.map_or(&[][..], |(_, kernels)| kernels);
        self.models.contains(&suite) || kernels.iter().any(|k| std::ptr::eq(*k, self.kernel))
    }
}

/// Every case.
pub fn cases() -> impl Iterator<Item = &'static Entry> {
    [products::CASES, rows::CASES, places::CASES, elementwise::CASES, optimizer::CASES].into_iter().flatten()
}

/// Every suite: the families of kernels, and the models.
pub fn suites() -> Vec<&'static str> {
    FAMILIES.iter().map(|(name, _)| *name).chain(MODELS).collect()
}

const fn entry(
    kernel: &'static Kernel,
    size: &'static str,
    models: &'static [&'static str],
    fill: fn(Case) -> Case,
) -> Entry {
    Entry { kernel, size, models, fill }
}

/// Values in −1..1 that no two neighbours share, the same for a seed everywhere.
pub fn values(shape: &[usize], seed: u32) -> HostTensor {
    between(shape, seed, -1.0, 1.0)
}

fn between(shape: &[usize], seed: u32, low: f32, high: f32) -> HostTensor {
    let n = shape.iter().product::<usize>();
    let key = [seed, 0x68_6d];
    let words = (0..n.div_ceil(4) as u32).flat_map(|i| kernels_ref::random::philox4x32_10([i, 0, 0, 0], key));
    let value = |w: u32| low + (high - low) * ((w >> 8) as f32 / (1 << 24) as f32);
    HostTensor::f32(shape, words.take(n).map(value).collect())
}

/// The next input of a case.
impl Case {
    /// Values in −1..1.
    fn x(self, shape: &[usize]) -> Case {
        self.range(shape, -1.0, 1.0)
    }

    fn range(self, shape: &[usize], low: f32, high: f32) -> Case {
        let seed = self.inputs.len() as u32 + 1;
        self.input(between(shape, seed, low, high))
    }

    fn list(self, values: &[f32]) -> Case {
        self.input(HostTensor::f32(&[values.len()], values.to_vec()))
    }

    /// Integers from 0 on, in no order.
    fn ids(self, shape: &[usize], below: usize) -> Case {
        let n = shape.iter().product::<usize>();
        self.input(HostTensor::i32(shape, (0..n).map(|i| (i * 7919 % below) as i32).collect()))
    }

    fn list_ids(self, ids: &[i32]) -> Case {
        self.input(HostTensor::i32(&[ids.len()], ids.to_vec()))
    }
}
