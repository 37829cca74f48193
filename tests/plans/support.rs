//! The device all tests share, seeded tensors, and the symbolic execution of a plan.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use handmill::check::{self, Tol};
use handmill::device::{Device, Select};
use handmill::engine::Tensors;
use handmill::graph::{FixedGraph, Source};
use handmill::plan::{BufferKind, Half, Options, Plan};
use handmill::run::Runner;
use handmill::shader::Access;
use handmill::store::{Store, Weights};
use handmill::tensor::{Dtype, HostTensor};
use handmill::verify::verify;
use handmill::{Adapter, reference};

/// The device, opened once; `None` (with a notice) where there is no adapter and none is required.
pub fn device() -> Option<Arc<Device>> {
    static DEVICE: OnceLock<Option<Arc<Device>>> = OnceLock::new();
    let open = || match Device::open(&Select::Auto) {
        Ok(device) => Some(device),
        Err(e) if std::env::var_os("HANDMILL_REQUIRE_GPU").is_some_and(|v| v == "1") => panic!("{e}"),
        Err(e) => {
            eprintln!("{e}: ignored");
            None
        }
    };
    DEVICE.get_or_init(open).clone()
}

/// Seeded values in [−1, 1) (ids 0 and 1 for integers) for every input of `graph`.
pub fn inputs(graph: &FixedGraph) -> Tensors {
    let mut state = 7u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1u32 << 30) - 1.0
    };
    let mut out = BTreeMap::new();
    for (name, spec) in graph.inputs() {
        let integer = spec.dtype != Dtype::F32;
        let values: Vec<f64> = (0..spec.len())
            .map(|_| uniform())
            .map(|v| if integer { f64::from(u8::from(v > 0.0)) } else { v })
            .collect();
        out.insert(name.to_owned(), HostTensor::from_f64(spec.dtype, &spec.shape, &values));
    }
    out
}

/// Runs a plan of `graph` with `options` on the device.
pub fn run(
    store: &Arc<Store>,
    graph: &Arc<FixedGraph>,
    options: &Options,
    limits: Option<&Adapter>,
) -> Vec<(String, HostTensor)> {
    let own = store.device().adapter();
    let adapter = limits.map_or_else(|| own.clone(), |l| own.limited_to(l));
    let plan = Arc::new(Plan::with(graph, &adapter, options).unwrap());
    symbolic(&plan);
    let runner = Runner::new(store, &plan).unwrap();
    inputs(graph).iter().for_each(|(name, t)| runner.upload(name, t).unwrap());
    runner.run().unwrap();
    runner.read_all().unwrap()
}

/// The graph on the device, fused and not, with slots reused and not, against the reference and in lock-step, there
/// in f16 too.
pub fn agree(graph: FixedGraph) -> Arc<FixedGraph> {
    let graph = Arc::new(graph);
    let Some(device) = device() else { return graph };
    let weights = Arc::new(Weights::random(&graph, 3));
    let want = reference::run(&graph, &weights, &inputs(&graph), &mut Default::default()).unwrap();
    for (fuse, reuse) in [(true, true), (true, false), (false, true)] {
        let store = Store::new(&device, weights.clone());
        let got = run(&store, &graph, &Options { fuse, reuse, ..Options::default() }, None);
        for ((name, got), (_, want)) in got.iter().zip(&want) {
            close(&format!("{name} with fuse {fuse}, reuse {reuse}"), got, want);
        }
    }
    let f16 = if device.adapter().f16 { Half::Values } else { Half::Weights };
    for half in [Half::Nothing, f16] {
        let store = Store::new(&device, weights.clone());
        let found = verify(&store, &graph, &inputs(&graph), &Options { half, ..Options::default() }).unwrap();
        for op in &found.ops {
            for (output, report) in &op.outputs {
                assert!(report.ok(), "{half:?}: {} {output}: {report}", op.label);
            }
        }
    }
    graph
}

/// Equal within what a handful of f32 operations on values around 1 may lose.
pub fn close(what: &str, got: &HostTensor, want: &HostTensor) {
    let (got, want) = (got.to_f64(), want.to_f64());
    let largest = want.iter().fold(1.0, |a: f64, v| a.max(v.abs()));
    let bound = vec![1e-5 * largest; got.len()];
    let report = check::compare(&got, &want, &bound, &[got.len()], Dtype::F32);
    assert!(report.ok(), "{what}: {report} ({:?})", Tol::GOLD.tier);
}

/// Follows which value every buffer holds, dispatch by dispatch: an operation must find each input where it
/// reads it, and may not bind a buffer it writes under a second name.
pub fn symbolic(plan: &Plan) {
    let mut holds: HashMap<(usize, u64), usize> = HashMap::new();
    for d in plan.dispatches.iter().filter(|d| d.step.is_none()) {
        let op = &plan.ops[d.op];
        let kernel = op.call.kernel;
        for b in &d.bindings {
            let Some(place) = b.place else { continue };
            let slot = matches!(plan.buffers[place.buffer].kind, BufferKind::Slot | BufferKind::Output);
            let input = kernel.port(&b.name).and_then(|p| op.inputs[p]);
            if let (Some(value), true, Access::Read) = (input, slot, b.access)
                && plan.graph.values.get(value).is_none_or(|v| matches!(v.source, Source::Node { .. }))
                && plan.graph.scans.is_empty()
            {
                let found = holds.get(&(place.buffer, place.offset));
                assert_eq!(found, Some(&value), "{}: '{}' was overwritten", op.label(), b.name);
            }
            if b.access == Access::ReadWrite {
                let twice = d.bindings.iter().filter(|o| o.place.map(|p| p.buffer) == Some(place.buffer)).count();
                assert_eq!(twice, 1, "{}: '{}' shares its buffer", op.label(), b.name);
            }
        }
        for b in d.bindings.iter().filter(|b| b.access == Access::ReadWrite) {
            let place = b.place.unwrap();
            let output = kernel.outputs.iter().position(|o| *o == b.name).map(|o| op.outputs[o]);
            holds.insert((place.buffer, place.offset), output.unwrap_or(usize::MAX));
        }
    }
}
