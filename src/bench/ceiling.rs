//! What an adapter can do at most, measured: bytes a second of a copy, and multiply-adds a second out of registers.

use std::sync::Arc;

use super::suite::values;
use super::{Contender, Effort};
use crate::adapter::AdapterKind;
use crate::check::Case;
use crate::device::Device;
use crate::error::Result;
use crate::kernel::{Grid, Kernel, Port, Scalars, Step, Variant, Work};
use crate::kernels::elementwise::unary::NEG;
use crate::run::Runner;

/// Multiply-adds of one invocation: 256 rounds of 8 vectors of 4.
const ROUNDS: u64 = 256;
const FLOPS: u64 = ROUNDS * 8 * 4 * 2;

/// A chain of multiply-adds on eight vectors at once, so that none waits for the one before it:
/// `y[i] = Σ v` after 256 rounds of `v = v · ½ + x[i]`, begun at 0 … 7. Its result is 64·x[i].
static MULTIPLY_ADD: Kernel = Kernel {
    name: "multiply_add",
    inputs: &[Port::f32("x")],
    shape: |c| Ok(vec![c.spec(0)]),
    scalars: |c| Scalars::new().set("n", c.outputs[0].len()),
    variants: &[Variant {
        shader: include_str!("multiply_add.wgsl"),
        steps: &[Step { entry: "multiply_add", grid: |c| Grid::Threads(c.outputs[0].len() as u64), loops: |_| ROUNDS }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: FLOPS * c.outputs[0].len() as u64, bytes: c.bytes() },
    reference: |r| vec![r.f64(0).iter().map(|x| 64.0 * x).collect()],
    bound: |r, y| vec![y[0].iter().map(|&y| r.tol.sum(64, y.abs(), y)).collect()],
    ..Kernel::BASE
};

/// How long a ceiling is looked for; the best sample counts.
const EFFORT: Effort = Effort { samples: 25, seconds: 2.0 };

/// What an adapter can do at most.
pub struct Ceilings {
    /// Bytes a second, of a copy that reads and writes.
    pub bandwidth: f64,
    /// f32 operations a second.
    pub flops: f64,
    /// Writes over the adapter's caches.
    evict: Runner,
}

impl Ceilings {
    /// Measures `device`.
    ///
    /// # Errors
    /// If the device fails, or a result is wrong
    pub fn measure(device: &Arc<Device>) -> Result<Ceilings> {
        // Larger than the caches of every adapter with memory of its own; a CPU adapter is measured as it is used.
        let elements = device.adapter().max_binding.min(256 << 20) as usize / 8;
        let copy = Case::new(&NEG).input(values(&[elements], 1));
        let threads = if device.adapter().kind == AdapterKind::Cpu { 1 << 14 } else { 1 << 20 };
        let chain = Case::new(&MULTIPLY_ADD).input(values(&[threads], 2));
        let fastest = |case: &Case| {
            let contenders = super::contenders(case.kernel.name, case, device)?;
            let samples = super::samples(&contenders, device, EFFORT, || Ok(()))?;
            let rate = |(contender, samples): (&Contender, &Vec<f64>)| {
                let seconds = samples.iter().copied().fold(f64::INFINITY, f64::min);
                (contender.work.bytes as f64 / seconds, contender.work.flops as f64 / seconds)
            };
            let rates = contenders.iter().zip(&samples).map(rate);
            Ok::<_, crate::Error>(rates.fold((0.0, 0.0), |best: (f64, f64), r| (best.0.max(r.0), best.1.max(r.1))))
        };
        let (bandwidth, flops) = (fastest(&copy)?.0, fastest(&chain)?.1);
        let evict = super::prepare(&copy, copy.variants(device.adapter())?[0], device)?.runner;
        Ok(Ceilings { bandwidth, flops, evict })
    }

    /// The least time that `work` takes.
    pub fn least(&self, work: Work) -> f64 {
        (work.flops as f64 / self.flops).max(work.bytes as f64 / self.bandwidth)
    }

    /// Fills the adapter's caches with something else.
    pub(super) fn evict(&self) -> Result<()> {
        self.evict.run()
    }
}
