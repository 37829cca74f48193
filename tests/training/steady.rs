//! A long training holds its memory, and makes no object of the driver after its first step.

use std::path::Path;
use std::sync::Arc;

use handmill::config::Config;
use handmill::device::Device;
use handmill::engine::{Engine, Tensors};
use handmill::models;
use handmill::tensor::HostTensor;
use handmill::train::settings::Settings;
use handmill::train::start::Start;
use handmill::train::step::Task;
use handmill::train::trainer::{How, Trainer, shapes_of};
use libtest_mimic::Failed;

use crate::text;

/// Growth of the process from step 200 to step 2000, at most: allocators and drivers keep some pages.
const GROWTH: u64 = 8 << 20;

/// Bytes of memory that the process has in use, where the system tells.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).map_or(0, |kib| kib * 1024)
}

/// Another batch in every step.
fn batch(step: usize) -> Tensors {
    let value = |i: usize| ((step * 512 + i) * 37 % 101) as f32 / 50.0 - 1.0;
    let labels = (0..32).map(|i| ((step + i) % 10) as i32).collect();
    let input = HostTensor::f32(&[32, 16], (0..512).map(value).collect());
    [("input".into(), input), ("target".into(), HostTensor::i32(&[32], labels))].into()
}

/// Two thousand steps of a network of two hidden layers.
pub fn check(device: &Arc<Device>) -> Result<(), Failed> {
    let config = r#"{"in_features": 16, "hidden_sizes": [64, 64], "out_features": 10, "activation": "relu"}"#;
    let train = r#"{"loss": "cross_entropy", "optimizer": {"name": "adam", "lr": 0.001}, "steps": 2000,
        "clip_grad_norm": 1, "ema": {"decay": 0.99}}"#;
    let settings = Config::parse("train.json", train).and_then(|c| Settings::read(&c, Path::new(""))).map_err(text)?;
    let model = models::named("MLP").map_err(text)?;
    let config = Config::parse("config.json", config).map_err(text)?;
    let task = Task { model, config, settings, keys: None };
    let shapes = shapes_of(&batch(0));
    let weights = Start::drawn(&task, &shapes).map_err(text)?.weights;
    let engine = Engine::Gpu(device.clone());
    let mut trainer = Trainer::new(task, weights, &engine, How::default(), &shapes).map_err(text)?;
    let (mut made, mut before) = (device.counts(), 0);
    for step in 0..2000 {
        let recorded = trainer.step(&[batch(step)]).map_err(text)?;
        assert!(recorded.values().all(|v| v.is_finite()), "step {step}: {recorded:?}");
        match step {
            0 => made = device.counts(),
            200 => before = resident(),
            _ => {}
        }
    }
    let (after, now) = (device.counts(), resident());
    let objects = |c: handmill::device::Counts| (c.buffers, c.bind_groups, c.pipelines);
    assert_eq!(objects(after), objects(made), "buffers, bind groups and pipelines after the first step");
    let grown = now.saturating_sub(before);
    println!("steady: {before} bytes resident at step 200, {now} at step 2000");
    if grown > GROWTH { Err(format!("the process grew by {grown} bytes in 1800 steps").into()) } else { Ok(()) }
}
