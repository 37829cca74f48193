//! The engine on a device: steady state, threads, limits, memory, and a device that fails or is lost.
//!
//! Tests that need a process of their own (environment, limits of the system, a layer of the driver) start
//! this binary again as the ignored test `child`; `HANDMILL_CHILD` says what it does.

#[cfg(target_os = "linux")]
mod children;
mod limits;
mod runs;

use std::sync::{Arc, OnceLock};

use handmill::device::{Device, Select};
use handmill::engine::Tensors;
use handmill::kernels::attention::attention::Attend;
use handmill::run::Runner;
use handmill::store::{Store, Weights};
use handmill::{Dtype, FixedGraph, Graph, HostTensor, Plan, Result};

/// The device that tests share, if there is one.
fn device() -> Option<Arc<Device>> {
    static DEVICE: OnceLock<Option<Arc<Device>>> = OnceLock::new();
    DEVICE.get_or_init(own_device).clone()
}

/// A device that a test may break.
fn own_device() -> Option<Arc<Device>> {
    let device = Device::open(&Select::Auto);
    if let Err(e) = &device {
        assert!(std::env::var_os("HANDMILL_REQUIRE_GPU").is_none_or(|v| v != "1"), "{e}");
        println!("ignored: {e}");
    }
    device.ok()
}

/// A layer of a transformer: views, norms, attention, fused epilogues, softmax.
fn block() -> Arc<FixedGraph> {
    let (b, t, h, c) = (2, 24, 4, 64);
    let g = Graph::new();
    let x = g.input("x", Dtype::F32, &[b, t, c]);
    let y = x.layer_norm(Some(g.weight("norm.weight", &[c])), Some(g.weight("norm.bias", &[c])), 1e-5);
    let [q, k, v] = y.matmul_t(g.weight("qkv.weight", &[3 * c, c])).split(-1, [c, c, c]).map(|z| z.heads(h));
    let x = x + q.attention(k, v, Attend::causal()).merge_heads().matmul_t(g.weight("out.weight", &[c, c]));
    let up = (x.matmul_t(g.weight("up.weight", &[4 * c, c])) + g.weight("up.bias", &[4 * c])).gelu();
    let x = x + up.matmul_t(g.weight("down.weight", &[c, 4 * c]));
    g.output("probabilities", x.softmax(-1));
    g.output("x", x);
    Arc::new(g.build().expect("the block is well formed"))
}

fn numbers(shape: &[usize], seed: u32) -> HostTensor {
    let n = shape.iter().product::<usize>() as u32;
    let value = |i: u32| (i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0;
    HostTensor::f32(shape, (0..n).map(value).collect())
}

fn inputs(graph: &FixedGraph, seed: u32) -> Tensors {
    graph.inputs().map(|(name, spec)| (name.to_owned(), numbers(&spec.shape, seed))).collect()
}

fn store(device: &Arc<Device>, graph: &FixedGraph) -> Arc<Store> {
    Store::new(device, Arc::new(Weights::random(graph, 7)))
}

fn runner(store: &Arc<Store>, graph: &Arc<FixedGraph>) -> Result<Runner> {
    Runner::new(store, &Arc::new(Plan::new(graph, store.device().adapter())?))
}

/// Uploads, runs once and reads everything, as bytes.
fn once(runner: &Runner, inputs: &Tensors) -> Result<Vec<Vec<u8>>> {
    inputs.iter().try_for_each(|(name, tensor)| runner.upload(name, tensor))?;
    runner.run()?;
    Ok(runner.read_all()?.iter().map(|(_, tensor)| tensor.bytes().to_vec()).collect())
}

/// A run on a device of its own, from opening it to closing it.
#[cfg(target_os = "linux")]
fn whole_life(graph: &Arc<FixedGraph>) -> Result<Vec<Vec<u8>>> {
    let store = store(&Device::open(&Select::Auto)?, graph);
    let runner = runner(&store, graph)?;
    once(&runner, &inputs(graph, 0))?;
    once(&runner, &inputs(graph, 1))
}
