//! Limits are checked when the plan is made, and large weights are split where kernels allow it.

use std::sync::Arc;

use handmill::plan::{BufferKind, Half, Options};
use handmill::store::{Store, Weights};
use handmill::{Adapter, Dtype, FixedGraph, Graph, Plan};

use crate::support::{close, device, run};

/// A lookup and the product with the same table, as in a language model.
fn tied(rows: usize, transposed: bool) -> Arc<FixedGraph> {
    let g = Graph::new();
    let ids = g.input("ids", Dtype::I32, &[2, 3]);
    let table = g.weight("wte.weight", &[rows, 16]);
    let x = ids.embedding(table).tanh();
    g.output("logits", if transposed { x.matmul_t(table) } else { x.matmul(g.weight("head", &[16, rows])) });
    Arc::new(g.build().unwrap())
}

fn small_bindings(bytes: u64) -> Adapter {
    Adapter { name: "small".into(), max_binding: bytes, ..Adapter::nvidia() }
}

#[test]
fn a_large_table_is_split_by_rows() {
    let graph = tied(100, true);
    // 6400 bytes of table in bindings of 2048: 32 rows each, the last with 4.
    let limits = small_bindings(2500);
    let plan = Plan::new(&graph, &limits).unwrap();
    let parts = plan.buffers.iter().filter(|b| matches!(b.kind, BufferKind::Weight { part: Some(_), .. })).count();
    assert_eq!(parts, 3);
    let Some(device) = device() else { return };
    let weights = Arc::new(Weights::random(&graph, 5));
    for half in [Half::Nothing, Half::Weights, Half::Values] {
        let options = Options { half, ..Options::default() };
        let limits = small_bindings(2500);
        let whole = run(&Store::new(&device, weights.clone()), &graph, &options, None);
        let split = run(&Store::new(&device, weights.clone()), &graph, &options, Some(&limits));
        close("split against whole", &split[0].1, &whole[0].1);
    }
}

#[test]
fn a_weight_that_cannot_be_split_is_an_error() {
    let text = Plan::new(&tied(100, false), &small_bindings(2500)).map(|_| ()).unwrap_err().to_string();
    assert!(
        text.contains("head") && text.contains("6400 bytes are more than one binding of small holds (2500)"),
        "{text}"
    );
}

#[test]
fn a_result_larger_than_a_binding_is_an_error() {
    let g = Graph::new();
    g.output("y", g.input("x", Dtype::F32, &[8]).unsqueeze(1).broadcast_to(&[8, 100]).exp());
    let text = Plan::new(&Arc::new(g.build().unwrap()), &small_bindings(2500)).map(|_| ()).unwrap_err().to_string();
    assert_eq!(text, "y: 3200 bytes are more than one binding of small holds (2500)");
}

/// Logits of every position, as in a language model, for `rows` words and `tokens` positions of two texts.
fn logits(tokens: usize, rows: usize) -> Arc<FixedGraph> {
    let g = Graph::new();
    let x = g.input("x", Dtype::F32, &[2, tokens, 16]).tanh();
    g.output("logits", x.matmul_t(g.weight("wte.weight", &[rows, 16])));
    Arc::new(g.build().unwrap())
}

/// Results whose rows do not begin where bindings may (37 words), alone and together with a table in parts.
#[test]
fn a_large_result_is_divided_by_rows() {
    for (words, bytes, dispatches) in [(37, 2500, 3), (64, 2500, 8), (64, 8200, 2)] {
        let graph = logits(17, words);
        let limits = Adapter { storage_alignment: 64, ..small_bindings(bytes) };
        let plan = Plan::new(&graph, &limits).unwrap();
        let products: Vec<_> = plan.dispatches.iter().filter(|d| plan.ops[d.op].call.kernel.name == "matmul").collect();
        assert_eq!(products.len(), dispatches, "{words} words in bindings of {bytes}");
        for place in products.iter().flat_map(|d| &d.bindings).filter_map(|b| b.place) {
            assert!(place.bytes <= bytes && place.offset.is_multiple_of(64), "{place:?}");
        }
        let Some(device) = device() else { continue };
        let weights = Arc::new(Weights::random(&graph, 5));
        for guard in [0, 64] {
            let options = Options { guard, ..Options::default() };
            let whole = run(&Store::new(&device, weights.clone()), &graph, &options, None);
            let divided = run(&Store::new(&device, weights.clone()), &graph, &options, Some(&limits));
            close("divided against whole", &divided[0].1, &whole[0].1);
        }
    }
}

#[test]
fn a_large_result_that_another_kernel_reads_is_an_error() {
    let g = Graph::new();
    let x = g.input("x", Dtype::F32, &[34, 16]);
    g.output("p", x.matmul_t(g.weight("w", &[37, 16])).softmax(-1));
    let text = Plan::new(&Arc::new(g.build().unwrap()), &small_bindings(2500)).map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("5032 bytes are more than one binding of small holds (2500)"), "{text}");
}

#[test]
fn f16_weights_stay_close() {
    let Some(device) = device() else { return };
    let graph = tied(40, true);
    let weights = Arc::new(Weights::random(&graph, 5));
    let of = |half| {
        let options = Options { half, ..Options::default() };
        run(&Store::new(&device, weights.clone()), &graph, &options, None)[0].1.to_f64()
    };
    let (wide, narrow) = (of(Half::Nothing), of(Half::Weights));
    let largest = wide.iter().zip(&narrow).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(largest > 0.0 && largest < 1e-4, "{largest}");
}

#[test]
fn a_grid_above_the_limit_is_folded() {
    let g = Graph::new();
    g.output("y", g.input("x", Dtype::F32, &[70_000, 3]).softmax(-1));
    let limits = Adapter { max_groups: 300, ..Adapter::nvidia() };
    let plan = Plan::new(&Arc::new(g.build().unwrap()), &limits).unwrap();
    assert!(plan.dispatches.iter().all(|d| d.grid.iter().all(|&n| n <= 300)));
}

#[test]
fn peak_memory_is_known_and_refused_with_both_figures() {
    let options = Options { max_bytes: Some(1000), ..Options::default() };
    let text = Plan::with(&tied(100, true), &Adapter::webgpu(), &options).map(|_| ()).unwrap_err().to_string();
    assert!(text.starts_with("the plan: needs ") && text.ends_with(" bytes, and 1000 are allowed"), "{text}");
}

#[test]
fn workgroup_limits_name_what_is_lacking() {
    let g = Graph::new();
    g.output("y", g.input("x", Dtype::F32, &[8, 8]).exp());
    let tiny = Adapter { name: "tiny".into(), max_invocations: 32, ..Adapter::webgpu() };
    let text = Plan::new(&Arc::new(g.build().unwrap()), &tiny).map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("invocations in a workgroup, and tiny has 32"), "{text}");
}
