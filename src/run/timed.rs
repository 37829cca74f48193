//! Runs with the adapter's own clock: a timestamp between any two dispatches.

use super::{Runner, dispatch};
use crate::device::{Owned, lock};
use crate::error::{Error, Result};
use crate::store::write;

/// The most timestamps of one query set.
const SET: usize = 4096;
const STAMP: u64 = 8;

/// Times the dispatches of a runner.
pub struct Timer<'r> {
    runner: &'r Runner,
    /// Every set begins with the time at which the one before ends.
    sets: Owned<Vec<wgpu::QuerySet>>,
    resolved: Owned<wgpu::Buffer>,
    staging: Owned<wgpu::Buffer>,
    bytes: u64,
    /// Seconds of a tick.
    period: f64,
}

impl<'r> Timer<'r> {
    /// Makes what the times of `runner` need.
    ///
    /// # Errors
    /// [`Error::Limit`] if the adapter has no timestamps inside a pass
    pub fn new(runner: &'r Runner) -> Result<Timer<'r>> {
        let device = &runner.device;
        if !device.adapter().timestamps {
            return Err(Error::limit(&device.adapter().name, "has no timestamps inside a compute pass"));
        }
        let times = runner.recorded.len() + 1;
        let count = times.div_ceil(SET - 1);
        let sets = device.guarded("making query sets", || {
            let set = |_| {
                device.raw.create_query_set(&wgpu::QuerySetDescriptor {
                    label: Some("times"),
                    ty: wgpu::QueryType::Timestamp,
                    count: SET as u32,
                })
            };
            (0..count).map(set).collect::<Vec<_>>()
        })?;
        let bytes = (count * SET) as u64 * STAMP;
        let resolve = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let read = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        Ok(Timer {
            runner,
            sets: Owned::new(sets),
            resolved: Owned::new(device.buffer("times", bytes, resolve)?),
            staging: Owned::new(device.buffer("times", bytes, read)?),
            bytes,
            period: f64::from(device.queue.get_timestamp_period()) * 1e-9,
        })
    }

    /// One run, and the seconds of every dispatch of the plan. Timestamps hold the dispatches apart: together they may
    /// take longer than a run without.
    ///
    /// # Errors
    /// As [`Runner::run`]
    pub fn run(&self) -> Result<Vec<f64>> {
        let (runner, device) = (self.runner, &self.runner.device);
        runner.wait()?;
        let mut progress = lock(&runner.progress);
        let epoch = progress.next_epoch();
        write(device, &runner.stamp[1], 0, &epoch.to_le_bytes())?;
        let commands = device.guarded("recording a timed run", || {
            let mut encoder =
                device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("timed") });
            {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                for (set, recorded) in self.sets.iter().zip(runner.recorded.chunks(SET - 1)) {
                    pass.write_timestamp(set, 0);
                    for (i, r) in recorded.iter().enumerate() {
                        dispatch(&mut pass, r);
                        pass.write_timestamp(set, i as u32 + 1);
                    }
                }
            }
            for (i, (set, recorded)) in self.sets.iter().zip(runner.recorded.chunks(SET - 1)).enumerate() {
                let written = 0..recorded.len() as u32 + 1;
                encoder.resolve_query_set(set, written, &self.resolved, (i * SET) as u64 * STAMP);
            }
            encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.staging, 0, self.bytes);
            encoder.finish()
        })?;
        let submitted = device.submit(commands)?;
        let data = device.map(&self.staging, self.bytes, &submitted)?;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&data);
        let seconds = |pair: &[u64]| pair[1].saturating_sub(pair[0]) as f64 * self.period;
        let of_set = |(set, recorded): (usize, &[super::Recorded])| {
            ticks[set * SET..][..recorded.len() + 1].windows(2).map(seconds).collect::<Vec<_>>()
        };
        Ok(runner.recorded.chunks(SET - 1).enumerate().flat_map(of_set).collect())
    }
}
