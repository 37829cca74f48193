//! A kernel of your own: WGSL, reference and bound in this file and beside it, checked and timed by the engine.
//!
//! `cargo run --release --example your_own_kernel`

use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use handmill::check::{Case, POISON, Tol, compare};
use handmill::engine::Engine;
use handmill::kernel::{Call, Grid, Kernel, Port, Ref, Scalars, Spec, Step, Variant, Work};
use handmill::plan::Plan;
use handmill::run::{Checks, Runner};
use handmill::shader::Shaders;
use handmill::store::{Store, Weights};
use handmill::{HostTensor, Result};

/// Half of every row gates the other: `y = a · sigmoid(a) · b` for a row `a ‖ b`.
static SWISH_GATE: Kernel = Kernel {
    name: "swish_gate",
    inputs: &[Port::f32("x")],
    shape,
    scalars: |c| Scalars::new().set("n", c.outputs[0].len()).set("cols", c.out(0)[1]),
    variants: &[Variant {
        // A path below `shaders/`, or the text itself. Text that is not the engine's keeps its bounds checks.
        shader: include_str!("22_your_own_kernel.wgsl"),
        steps: &[Step { entry: "swish_gate", grid: |c| Grid::Threads(c.outputs[0].len() as u64), loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 6 * c.outputs[0].len() as u64, bytes: c.bytes() },
    reference: |r| vec![reference(r.f64(0), r.out(0)[1])],
    bound: |r, y| vec![bound(r, &y[0])],
    ..Kernel::BASE
};

/// Shapes that fit, or a sentence about what does not.
fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    match c.shape(0) {
        [rows, cols] if cols % 2 == 0 => Ok(vec![Spec::f32(&[*rows, cols / 2])]),
        other => Err(format!("x is {other:?}, expected (R, 2·C)")),
    }
}

/// The formula in f64: what the shader is judged by.
fn reference(x: &[f64], cols: usize) -> Vec<f64> {
    let halves = x.chunks(2 * cols).map(|row| row.split_at(cols));
    halves.flat_map(|(a, b)| a.iter().zip(b).map(|(a, b)| a / (1.0 + (-a).exp()) * b)).collect()
}

/// How far f32 may be off: e^(−|a|) loses |a| ulps, the sum, the quotient and two products a few more.
fn bound(r: &Ref, y: &[f64]) -> Vec<f64> {
    let cols = r.out(0)[1];
    let gate = |i: usize| r.f64(0)[i / cols * 2 * cols + i % cols].abs();
    y.iter().enumerate().map(|(i, &y)| r.tol.ulps(6.0 + gate(i), 10.0 + 2.0 * gate(i), y)).collect()
}

#[derive(Parser)]
#[command(about = "Checks a kernel against its reference, and times it")]
struct Args {
    /// auto, gpu, gpu:N, a part of an adapter's name, or reference
    #[arg(long, default_value = "auto")]
    device: String,
}

fn main() {
    if let Err(e) = run(&Args::parse()) {
        eprintln!("your_own_kernel: {e}");
        std::process::exit(1);
    }
}

fn run(args: &Args) -> Result<()> {
    let (engine, notice) = Engine::open(&args.device)?;
    let (rows, cols) = (2048, 2 * 1000);
    let values = (0..rows * cols).map(|i| ((i * 7919) % 20_011) as f32 / 1000.0 - 10.0);
    let x = HostTensor::f32(&[rows, cols], values.collect());
    let case = Case::new(&SWISH_GATE).input(x.clone());
    let expected = &case.expected(engine.device().map_or(Tol::GOLD, |d| d.tol()))?[0];
    let Some(device) = engine.device() else {
        println!(
            "{}: the reference made {} values; nothing to compare them with",
            notice.unwrap_or_default(),
            expected.values.len()
        );
        return Ok(());
    };

    let got = case.run(device, &Shaders::built_in(), "", Checks::On, POISON[0])?.remove(0);
    let report = compare(&got.to_f64(), &expected.values, &expected.bound, got.shape(), got.dtype());
    println!("{report}; max |difference| {:.2e}, at most {:.0} % of its bound", report.max_abs, 100.0 * report.ratio);
    if !report.ok() {
        return Err(handmill::Error::Mismatch("the kernel is wrong".into()));
    }

    // In a graph it is a node like any other: `graph.dispatch(&SWISH_GATE, &[Some(x)], &[])`.
    let graph = Arc::new(case.graph()?);
    let plan = Arc::new(Plan::new(&graph, device.adapter())?);
    let runner = Runner::new(&Store::new(device, Arc::new(Weights::default())), &plan)?;
    runner.upload("x", &x)?;
    runner.run()?;
    runner.read("y")?;
    let (runs, start) = (100, Instant::now());
    (0..runs).try_for_each(|_| runner.run())?;
    runner.read("y")?;
    let seconds = start.elapsed().as_secs_f64() / f64::from(runs);
    let bytes = (SWISH_GATE.work)(&graph.nodes[0].call).bytes as f64;
    println!(
        "swish_gate is right, and takes {:.3} ms or {:.1} GB/s on {}",
        1e3 * seconds,
        bytes / seconds / 1e9,
        engine.name()
    );
    Ok(())
}
