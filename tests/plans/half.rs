//! What is stored as f16, what stays f32, and what it saves.

use std::collections::BTreeSet;
use std::sync::Arc;

use handmill::graph::Source;
use handmill::kernels::conv::conv_transpose2d::ConvTranspose2d;
use handmill::kernels::conv::conv2d::Conv2d;
use handmill::plan::{BufferKind, Half, Options, Plan};
use handmill::shader::Shaders;
use handmill::{Adapter, Dtype, FixedGraph, Graph, kernels};

fn plan(graph: &Arc<FixedGraph>, adapter: &Adapter, half: Half) -> Plan {
    Plan::with(graph, adapter, &Options { half, adjacent: false, ..Options::default() }).unwrap()
}

fn built(g: Graph) -> Arc<FixedGraph> {
    Arc::new(g.build().unwrap())
}

/// Two layers, a norm and a softmax, with sizes that are whole words in f16 too.
fn layers() -> Arc<FixedGraph> {
    let g = Graph::new();
    let x = g.input("x", Dtype::F32, &[4, 16]);
    let h = x.matmul_t(g.weight("up.weight", &[32, 16])).gelu();
    let h = h.layer_norm(Some(g.weight("norm.weight", &[32])), None, 1e-5).matmul_t(g.weight("down.weight", &[8, 32]));
    g.output("p", h.softmax(-1).exp());
    built(g)
}

#[test]
fn weights_and_temporaries_take_half() {
    for adapter in [Adapter::lavapipe(), Adapter::nvidia(), Adapter::apple()] {
        let (wide, narrow) = (plan(&layers(), &adapter, Half::Nothing), plan(&layers(), &adapter, Half::Values));
        assert_eq!(wide.dispatches.len(), narrow.dispatches.len());
        let (wide, narrow) = (wide.totals(), narrow.totals());
        let weights = 4 * (32 * 16 + 32 + 8 * 32);
        assert_eq!((wide.weight_bytes, narrow.weight_bytes), (weights, weights / 2), "{}", adapter.name);
        // Means and deviations of four rows stay as they are: two slots of 16 bytes.
        assert_eq!(narrow.slot_bytes - 32, (wide.slot_bytes - 32) / 2, "{}", adapter.name);
    }
}

/// A convolution and a transposed one, whose weights CPU adapters keep in another order too.
#[test]
fn packed_weights_take_half() {
    let g = Graph::new();
    let x = g.input("x", Dtype::F32, &[1, 8, 6, 6]);
    let h = x.conv2d(g.weight("conv.weight", &[16, 8, 3, 3]), None, Conv2d::padded(1)).relu();
    g.output("y", h.conv_transpose2d(g.weight("up.weight", &[16, 8, 2, 2]), None, ConvTranspose2d::default()));
    let graph = built(g);
    let (wide, narrow) =
        [Half::Nothing, Half::Values].map(|half| plan(&graph, &Adapter::lavapipe(), half).totals().weight_bytes).into();
    assert_eq!((wide, narrow), (2 * 4 * (16 * 8 * 9 + 16 * 8 * 4), wide / 2));
}

#[test]
fn inputs_results_and_statistics_stay() {
    let plan = plan(&layers(), &Adapter::nvidia(), Half::Values);
    for (id, value) in plan.graph.values.iter().enumerate() {
        let result = plan.graph.outputs.iter().any(|o| o.value == id);
        let (wide, what) = match value.source {
            Source::Input(_) => (true, "an input"),
            Source::Node { output: 1.., .. } => (true, "a statistic"),
            Source::Node { .. } if result => (true, "a result"),
            Source::Node { .. } => (false, "a value between operations"),
            _ => (false, "a weight"),
        };
        // What is fused away has no place, and no dtype that matters.
        if plan.places.contains_key(&id) {
            assert_eq!(plan.specs[id].dtype == Dtype::F32, wide, "{what}");
        }
    }
}

#[test]
fn a_state_is_as_large_as_what_it_holds() {
    let g = Graph::new();
    let cache = g.state("cache", Dtype::F32, &[1, 2, 8, 4]);
    let x = g.input("x", Dtype::F32, &[1, 2, 1, 4]).exp();
    let cache = cache.cache_append(x, g.input("position", Dtype::I32, &[1]));
    g.output("y", cache.sum(&[2], false).exp());
    let plan = plan(&built(g), &Adapter::nvidia(), Half::Values);
    let state = plan.buffers.iter().find(|b| b.kind == BufferKind::State("cache".into())).unwrap();
    assert_eq!((state.spec.dtype, state.bytes), (Dtype::F16, 2 * 64));
}

#[test]
fn what_a_scan_carries_stays_and_its_slices_shrink() {
    let g = Graph::new();
    let x = g.input("x", Dtype::F32, &[5, 2, 8]).tanh();
    let start = g.input("h0", Dtype::F32, &[2, 8]);
    let w = g.weight("w.weight", &[8, 8]);
    let (last, all) = g.scan(&[start], &[x], false, |carry, slice| {
        let h = (slice[0] + carry[0].matmul_t(w)).tanh();
        (vec![h], vec![h.square()])
    });
    g.output("h_n", last[0]);
    g.output("energy", all[0].exp());
    let plan = plan(&built(g), &Adapter::nvidia(), Half::Values);
    let of = |wanted: fn(&Source) -> bool| {
        let found = plan.graph.values.iter().position(|v| wanted(&v.source)).unwrap();
        plan.specs[found].dtype
    };
    assert_eq!(of(|s| matches!(s, Source::Carry { .. })), Dtype::F32);
    assert_eq!(of(|s| matches!(s, Source::Slice { .. })), Dtype::F16);
    assert_eq!(of(|s| matches!(s, Source::Stacked { .. })), Dtype::F16);
}

#[test]
fn an_adapter_without_f16_is_told() {
    let options = Options { half: Half::Values, ..Options::default() };
    let text = Plan::with(&layers(), &Adapter::webgpu(), &options).map(|_| ()).unwrap_err().to_string();
    assert_eq!(text, "f16: needs 16-bit floats in shaders (SHADER_F16), and webgpu has none");
    let limited = Adapter::lavapipe().limited_to(&Adapter::webgpu());
    let text = Plan::with(&layers(), &limited, &options).map(|_| ()).unwrap_err().to_string();
    assert_eq!(text, "f16: needs 16-bit floats in shaders (SHADER_F16), and the limits of webgpu have none");
    // Weights alone are unpacked from whole words.
    assert!(plan(&layers(), &Adapter::webgpu(), Half::Weights).totals().weight_bytes < 4 * (32 * 16 + 32 + 8 * 32));
}

/// A kernel that reads its own output would round it on the way. The list is here so that none joins it unseen.
#[test]
fn few_kernels_read_what_they_wrote() {
    let shaders = Shaders::built_in();
    let mut found = BTreeSet::new();
    for kernel in kernels::all().filter(|k| k.in_place.is_empty()) {
        for variant in kernel.variants {
            let module = shaders.module(variant.shader).unwrap();
            let entries = variant.steps.iter().filter_map(|s| module.entries.get(s.entry));
            if entries.flat_map(|e| &e.bindings).any(|b| b.read_back && b.name == kernel.outputs[0]) {
                found.insert(kernel.name);
            }
        }
    }
    let known = ["cholesky", "prod_backward", "scatter_add", "solve_triangular"];
    assert_eq!(found.into_iter().collect::<Vec<_>>(), known);
}
