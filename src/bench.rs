//! Times of kernels: every variant of a case is compared with the reference, then timed in turn with the others, and
//! set against what the adapter can do at most.

use std::sync::Arc;
use std::time::Instant;

use crate::check::{self, Case, POISON};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::kernel::{Variant, Work};
use crate::plan::{Options, Plan};
use crate::run::timed::Timer;
use crate::run::{Checks, Runner};
use crate::shader::Shaders;

pub mod ceiling;
pub mod record;
pub mod suite;

use ceiling::Ceilings;

/// What was measured of one variant of one case.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Row {
    /// `kernel/dtype/shape`.
    pub case: String,
    /// How it was computed; `plain` where the kernel has a single way.
    pub variant: String,
    /// The adapter's name.
    pub adapter: String,
    /// The median of all samples.
    pub median_s: f64,
    /// The distance between the quarters of the samples.
    pub spread_s: f64,
    /// Floating-point operations, billions a second.
    pub gflops: f64,
    /// Bytes, each element counted once, billions a second.
    pub gbps: f64,
    /// The least time that the ceilings allow, as a share of the median.
    pub roofline: f64,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Samples of every variant.
    pub samples: usize,
    /// Seconds after which a case has enough samples, if it has three.
    pub seconds: f64,
}

impl Default for Effort {
    fn default() -> Effort {
        Effort { samples: 15, seconds: 2.0 }
    }
}

/// Median and distance of the quarters of `samples`, which are not empty.
pub fn median(samples: &[f64]) -> (f64, f64) {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    // Between two places where the rank falls between them.
    let at = |share: f64| {
        let rank = share * (sorted.len() - 1) as f64;
        let (low, part) = (rank.floor() as usize, rank.fract());
        sorted[low] + part * (sorted[(low + 1).min(sorted.len() - 1)] - sorted[low])
    };
    (at(0.5), at(0.75) - at(0.25))
}

/// One variant of a case, found right and ready to run.
pub struct Contender {
    /// The variant.
    pub how: &'static Variant,
    /// Its plan on the device, with the inputs in place.
    pub runner: Runner,
    /// What it computes and moves.
    pub work: Work,
}

/// The variants of `case` that fit the adapter, each compared with the reference. One that no kernel chooses
/// ([`Variant::tuned`]) is left out where it is not within its bounds.
///
/// # Errors
/// If a variant is not within its bounds, or the device fails
pub fn contenders(name: &str, case: &Case, device: &Arc<Device>) -> Result<Vec<Contender>> {
    verified(name, case, &case.variants(device.adapter())?, device)
}

/// The variant of `case` that a plan takes on the adapter, compared with the reference.
///
/// # Errors
/// As [`contenders`]
pub fn planned(name: &str, case: &Case, device: &Arc<Device>) -> Result<Contender> {
    let plan = Plan::with(&Arc::new(case.graph()?), device.adapter(), &Options::default())?;
    let op = plan.ops.iter().find(|op| std::ptr::eq(op.call.kernel, case.kernel));
    let how = op.expect("bug: the plan of a case does not compute it").variant();
    let mut found = verified(name, case, &[how], device)?;
    Ok(found.remove(0))
}

fn verified(name: &str, case: &Case, hows: &[&'static Variant], device: &Arc<Device>) -> Result<Vec<Contender>> {
    let expected = case.expected(device.tol())?;
    let verified = |&how: &&'static Variant| {
        let got = case.run(device, &Shaders::built_in(), how.how, Checks::Earned, POISON[0])?;
        for (got, e) in got.iter().zip(&expected) {
            let report = check::compare(&got.to_f64(), &e.values, &e.bound, &e.spec.shape, e.spec.dtype);
            if !report.ok() && how.tuned {
                return Ok(None);
            }
            if !report.ok() {
                return Err(Error::Mismatch(format!("{name}, {}: {report}", how.label(case.kernel))));
            }
        }
        prepare(case, how, device).map(Some)
    };
    hows.iter().filter_map(|how| verified(how).transpose()).collect()
}

/// Times every variant of `case` that fits the adapter; the fastest comes first.
///
/// # Errors
/// As [`contenders`]
pub fn case(name: &str, case: &Case, device: &Arc<Device>, ceilings: &Ceilings, effort: Effort) -> Result<Vec<Row>> {
    let contenders = contenders(name, case, device)?;
    let samples = samples(&contenders, device, effort, || ceilings.evict())?;
    let row = |(contender, samples): (&Contender, &Vec<f64>)| {
        let (median_s, spread_s) = median(samples);
        let Work { flops, bytes } = contender.work;
        Row {
            case: name.to_owned(),
            variant: contender.how.word().to_owned(),
            adapter: device.adapter().name.clone(),
            median_s,
            spread_s,
            gflops: flops as f64 / median_s / 1e9,
            gbps: bytes as f64 / median_s / 1e9,
            roofline: ceilings.least(contender.work) / median_s,
        }
    };
    let mut rows: Vec<_> = contenders.iter().zip(&samples).map(row).collect();
    rows.sort_by(|a, b| a.median_s.total_cmp(&b.median_s));
    Ok(rows)
}

/// Seconds of every contender's runs, one of each in turn, `before` each of them.
pub(crate) fn samples(
    contenders: &[Contender],
    device: &Device,
    effort: Effort,
    before: impl Fn() -> Result<()>,
) -> Result<Vec<Vec<f64>>> {
    let timer = |c| if device.adapter().timestamps { Timer::new(c).map(Some) } else { Ok(None) };
    let timers = contenders.iter().map(|c| timer(&c.runner)).collect::<Result<Vec<_>>>()?;
    let mut samples = vec![vec![]; contenders.len()];
    let began = Instant::now();
    // The first round warms up, and is not counted.
    for round in 0..=effort.samples {
        for ((contender, timer), samples) in contenders.iter().zip(&timers).zip(&mut samples) {
            before()?;
            let seconds = sample(&contender.runner, timer.as_ref())?;
            if round > 0 {
                samples.push(seconds);
            }
        }
        if round >= 3 && began.elapsed().as_secs_f64() > effort.seconds {
            break;
        }
    }
    Ok(samples)
}

/// Seconds of one run: by the adapter's clock where it has one, else with the submission and the wait.
fn sample(runner: &Runner, timer: Option<&Timer<'_>>) -> Result<f64> {
    match timer {
        Some(timer) => Ok(timer.run()?.iter().sum()),
        None => {
            let start = Instant::now();
            runner.run()?;
            runner.wait()?;
            Ok(start.elapsed().as_secs_f64())
        }
    }
}

fn prepare(case: &Case, how: &'static Variant, device: &Arc<Device>) -> Result<Contender> {
    let graph = Arc::new(case.graph()?);
    let options = Options { variant: Some(how.how.to_owned()), ..case.options() };
    let plan = Arc::new(Plan::with(&graph, device.adapter(), &options)?);
    let runner = case.runner(device, &plan, Checks::Earned)?;
    let work = plan.ops.iter().filter(|op| !op.nodes.is_empty()).map(|op| (op.call.kernel.work)(&op.call));
    let work = work.fold(Work::default(), |a, b| Work { flops: a.flops + b.flops, bytes: a.bytes + b.bytes });
    Ok(Contender { how, runner, work })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_lie_between_two_samples_and_ignore_one_that_is_far_off() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), (2.0, 1.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), (2.5, 1.5));
        assert_eq!(median(&[1.0]), (1.0, 0.0));
        assert_eq!(median(&[1.0, 1.0, 1.0, 1.0, 1000.0]).0, 1.0);
    }
}
