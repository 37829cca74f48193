//! Adapters that are too small, and memory that is not there.

use std::sync::Arc;

use handmill::file::available_memory;
use handmill::kernels::elementwise::fill::FILL;
use handmill::plan::Options;
use handmill::run::Runner;
use handmill::{Adapter, Dtype, Error, FixedGraph, Graph, Plan};

use super::{block, own_device, runner, store};

/// A graph with `buffers` results of `bytes` each.
pub fn hungry(buffers: usize, bytes: usize) -> Arc<FixedGraph> {
    let g = Graph::new();
    for n in 0..buffers {
        let shape = vec![(bytes / 4) as i64];
        let y = g.dispatch(&FILL, &[], &[("shape", shape.into()), ("value", (n as f64 + 1.0).into())])[0];
        g.output(&format!("y{n}"), y);
    }
    Arc::new(g.build().unwrap())
}

fn refused(graph: &Arc<FixedGraph>, adapter: &Adapter) -> String {
    match Plan::new(graph, adapter) {
        Err(e @ Error::Limit { .. }) => e.to_string(),
        other => panic!("{adapter:?} is no limit: {:?}", other.map(|p| p.totals())),
    }
}

#[test]
fn a_plan_beyond_a_limit_names_it() {
    let big = hungry(1, 1 << 20);
    let base = Adapter { name: "tiny".into(), ..Adapter::webgpu() };
    let cases = [
        (refused(&big, &Adapter { max_buffer: 64 << 10, ..base.clone() }), "65536"),
        (refused(&block(), &Adapter { max_invocations: 32, ..base.clone() }), "32"),
        (refused(&block(), &Adapter { max_workgroup_bytes: 16, ..base.clone() }), "16"),
        (refused(&block(), &Adapter { max_storage_buffers: 2, ..base.clone() }), "2"),
        (refused(&big, &Adapter { max_groups: 4, ..base.clone() }), "tiny"),
    ];
    for (text, figure) in cases {
        println!("{text}");
        assert!(text.contains(figure), "'{figure}' is not in: {text}");
    }
}

#[test]
fn a_result_beyond_a_binding_is_refused_before_the_driver_sees_it() {
    let Some(device) = own_device() else { return };
    let graph = hungry(1, 1 << 20);
    let tiny = device.adapter().limited_to(&Adapter { max_binding: 64 << 10, ..Adapter::webgpu() });
    let before = device.counts().buffers;
    let error = Plan::new(&graph, &tiny).and_then(|plan| Runner::new(&store(&device, &graph), &Arc::new(plan)));
    let text = error.map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("1048576 bytes") && text.contains("65536"), "{text}");
    assert_eq!(device.counts().buffers, before, "nothing was allocated");
}

#[test]
fn a_plan_beyond_the_bytes_allowed_says_both_figures() {
    let options = Options { max_bytes: Some(1000), ..Options::default() };
    let error = Plan::with(&hungry(1, 4096), &Adapter::webgpu(), &options).unwrap_err();
    assert_eq!(error.to_string(), "the plan: needs 4096 bytes, and 1000 are allowed");
}

#[test]
fn a_plan_beyond_host_memory_is_refused_on_a_software_adapter() {
    let Some(device) = own_device() else { return };
    if device.adapter().kind != handmill::adapter::AdapterKind::Cpu || available_memory() > 1 << 40 {
        return println!("ignored: the adapter has memory of its own, or the system does not tell how much is free");
    }
    let before = device.counts().buffers;
    let each = device.adapter().max_binding.min(1 << 30) as usize;
    let graph = hungry((2 * available_memory() / each as u64) as usize + 1, each);
    let error = runner(&store(&device, &graph), &graph).map(|_| ()).unwrap_err();
    let text = error.to_string();
    println!("{text}");
    assert!(matches!(error, Error::OutOfMemory(_)), "{text}");
    assert!(text.contains("the plan needs ") && text.contains(" of host memory are free"), "{text}");
    assert_eq!(device.counts().buffers, before, "nothing was allocated");
}

#[test]
fn impossible_sizes_are_errors_of_the_graph() {
    let g = Graph::new();
    let x = g.input("x", Dtype::F32, &[1 << 40, 1 << 40]);
    g.output("y", x + 1.0);
    assert!(matches!(g.build(), Err(Error::Graph { .. })));
}
