//! Barriers, and operations that stand side by side so that there are fewer of them.

use std::sync::Arc;

use handmill::graph::{FixedGraph, Graph, Tensor};
use handmill::plan::Options;
use handmill::tensor::Dtype;
use handmill::{Adapter, Plan};

use crate::support::{agree, symbolic};

fn graph(build: impl FnOnce(&Graph)) -> Arc<FixedGraph> {
    let g = Graph::new();
    build(&g);
    Arc::new(g.build().unwrap())
}

fn planned(graph: &Arc<FixedGraph>, adjacent: bool) -> Plan {
    let options = Options { adjacent, ..Options::default() };
    let plan = Plan::with(graph, &Adapter::nvidia(), &options).unwrap();
    symbolic(&plan);
    plan
}

#[test]
fn a_dispatch_that_reads_what_was_written_waits() {
    let chain = |n: usize| {
        let one = |g: &Graph| g.output("y", (0..n).fold(g.input("x", Dtype::F32, &[64]), |x, _| x.sin()));
        planned(&graph(one), true).barriers()
    };
    assert_eq!([1, 2, 3, 4].map(chain), [0, 1, 2, 3]);
    let apart = graph(|g| {
        let x = g.input("x", Dtype::F32, &[64]);
        g.output("y", x.sin());
        g.output("z", x.cos());
    });
    assert_eq!(planned(&apart, true).barriers(), 0);
    let together = graph(|g| {
        let y = g.input("x", Dtype::F32, &[64]).sin();
        g.output("y", y.cos());
        g.output("z", y.exp());
    });
    assert_eq!(planned(&together, true).barriers(), 1, "both wait for the first, once");
}

/// `Σ cos(sin(x + i))`, written one branch after the other.
fn branches(g: &Graph) -> Tensor<'_> {
    let x = g.input("x", Dtype::F32, &[4, 64]);
    let big = g.input("big", Dtype::F32, &[4096, 64]);
    g.output("z", big.sin());
    let branch = |i: usize| (x + i as f64).sin().cos();
    (1..6).fold(branch(0), |sum, i| sum * branch(i))
}

#[test]
fn branches_stand_side_by_side() {
    let graph = graph(|g| g.output("y", branches(g)));
    let (apart, beside) = (planned(&graph, false), planned(&graph, true));
    assert!(beside.barriers() * 2 <= apart.barriers(), "{apart}{beside}");
    assert_eq!(beside.ops.len(), apart.ops.len());
    let [most, peak] = [&apart, &beside].map(|plan| plan.totals().peak_bytes);
    assert!(peak <= most + most / 16, "{most} {peak}");
}

#[test]
fn the_order_changes_no_result() {
    let g = Graph::new();
    g.output("y", branches(&g));
    agree(g.build().unwrap());
}

#[test]
fn an_update_stays_where_it_is() {
    // What reads the state before the update, and what reads it after.
    let graph = graph(|g| {
        let (state, x) = (g.state("s", Dtype::F32, &[64]), g.input("x", Dtype::F32, &[64]));
        let before = [1.0, 2.0].map(|v| (state + v).sin().cos());
        let after = state.accumulate(x, g.input("keep", Dtype::F32, &[1]));
        g.output("y", before[0] + before[1] + (after + 1.0).sin());
    });
    let plan = planned(&graph, true);
    let at = plan.ops.iter().position(|op| op.call.kernel.name == "accumulate").unwrap();
    let state = plan.ops[at].inputs[0];
    let reads = |ops: &[handmill::plan::Op]| ops.iter().filter(|op| op.inputs.contains(&state)).count();
    assert_eq!((reads(&plan.ops[..at]), reads(&plan.ops[at + 1..])), (2, 0), "{plan}");
}
