//! Attention probabilities as results of graphs: that they are what the fused kernel uses, what PyTorch records, and what
//! every Transformer gives.
//!
//! `HANDMILL_REQUIRE_GPU=1` makes a missing adapter a failure; without one, what needs a device returns early.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use handmill::Graph;
use handmill::device::{Device, Select};
use handmill::engine::{Engine, Tensors};
use handmill::kernels::attention::attention::Attend;
use handmill::models::{Inputs, Loaded};
use handmill::nn::multi_head::project;
use handmill::plan::Options;
use handmill::programs::Context;
use handmill::reference::evaluate;
use handmill::store::{Store, Weights};
use handmill::tensor::{Dtype, HostTensor};
use handmill::verify::verify;
use handmill::weights::load_tensors;

#[path = "../examples/common/heat_map.rs"]
mod heat_map;

/// The device, opened once; `None` (with a notice) where there is no adapter and none is required.
fn device() -> Option<Arc<Device>> {
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

fn data(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(case)
}

/// Values in [−2, 2) that repeat late.
fn some(n: usize, seed: usize) -> Vec<f64> {
    (0..n).map(|i| f64::from(((i + 7 * seed) * 7919 % 997) as f32 / 249.25 - 2.0)).collect()
}

/// Sizes B, H, KH, T, S and D of an attention, and whether it is causal, has a bias and has a mask of keys. Without a bias
/// and its scale, 1/√D is exact in f32.
type Case = ([usize; 6], bool, bool, bool);

const CASES: &[(&str, Case)] = &[
    ("plain", ([2, 3, 3, 5, 7, 4], false, false, false)),
    ("causal", ([1, 2, 2, 6, 6, 4], true, false, false)),
    ("causal, fewer queries", ([1, 4, 2, 3, 7, 16], true, false, false)),
    ("causal, fewer keys", ([1, 2, 1, 7, 3, 4], true, false, true)),
    ("groups and masks", ([2, 6, 2, 4, 9, 5], false, true, true)),
    ("everything", ([2, 4, 2, 8, 8, 4], true, true, true)),
];

/// In f64, probabilities times values are what the fused kernel gives, and on the adapter every operation of both is within
/// its bound.
#[test]
fn are_what_the_fused_kernel_uses() {
    for (name, case) in CASES {
        let ([b, h, kh, t, s, d], causal, biased, masked) = *case;
        let g = Graph::new();
        g.set_attentions(true);
        let [q, k, v] = [("q", h, t, d), ("k", kh, s, d), ("v", kh, s, d + 1)]
            .map(|(name, heads, rows, dims)| g.input(name, Dtype::F32, &[b, heads, rows, dims]));
        let mut attend = if causal { Attend::causal() } else { Attend::all() };
        let mut given = HashMap::from([
            ("q", some(b * h * t * d, 1)),
            ("k", some(b * kh * s * d, 2)),
            ("v", some(b * kh * s * (d + 1), 3)),
        ]);
        if biased {
            // The first query of every head may attend to nothing, and the second not to key 1.
            let hidden = |i: usize| matches!((i / s % t, i % s), (0, _) | (1, 1));
            let bias = some(h * t * s, 4).into_iter().enumerate();
            let bias = bias.map(|(i, x)| if hidden(i) { f64::from(f32::MIN) } else { x }).collect();
            attend = attend.bias(g.input("bias", Dtype::F32, &[1, h, t, s])).scale(0.75);
            given.insert("bias", bias);
        }
        if masked {
            attend = attend.key_mask(g.input("mask", Dtype::I32, &[b, s]));
            given.insert("mask", (0..b * s).map(|i| f64::from(u8::from(i % 4 != 2))).collect());
        }
        g.output("y", q.attention(k, v, attend));
        let graph = Arc::new(g.build().unwrap());
        let inputs = |name: &str, _: &handmill::Spec| Ok(given[name].clone());
        let found = evaluate(&graph, &Weights::default(), &inputs, &mut Default::default()).unwrap();
        let names: Vec<&str> = graph.outputs.iter().map(|o| o.name.as_str()).collect();
        assert_eq!(names, ["attentions", "y"], "{name}");
        let (p, y, v) = (&found[0], &found[1], &given["v"]);
        assert_eq!(p.len(), b * h * t * s, "{name}");
        for (i, y) in y.iter().enumerate() {
            let (row, c) = (i / (d + 1), i % (d + 1)); // y (B, H, T, D + 1)
            let head = row / t / h * kh + row / t % h / (h / kh);
            let wanted: f64 = (0..s).map(|j| p[row * s + j] * v[(head * s + j) * (d + 1) + c]).sum();
            assert!((y - wanted).abs() < 1e-12 * (1.0 + wanted.abs()), "{name}: y[{i}] is {y}, expected {wanted}");
        }
        let alone = |row: &[f64]| row.iter().sum::<f64>() == 0.0;
        assert_eq!(p.chunks(s).any(alone), biased || (causal && t > s), "{name}: queries that may attend to nothing");
        let Some(device) = device() else { continue };
        let of = |(name, spec): (&str, &handmill::Spec)| {
            (name.to_owned(), HostTensor::from_f64(spec.dtype, &spec.shape, &given[name]))
        };
        let inputs: Tensors = graph.inputs().map(of).collect();
        let store = Store::new(&device, Arc::new(Weights::default()));
        let report = verify(&store, &graph, &inputs, &Options::default()).unwrap();
        assert!(report.ok(), "{name}: {:.2} of the bound", report.ratio());
    }
}

/// `attn_output_weights` of `torch.nn.MultiheadAttention`, of every head and averaged over heads.
#[test]
fn are_what_pytorch_records() {
    for case in ["mha_self", "mha_cross", "mha_causal", "mha_key_padding"] {
        let loaded = Loaded::open(&data("attention").join(case)).unwrap();
        let config = loaded.folder.config();
        let given = load_tensors(loaded.folder.path().join("inputs.safetensors")).unwrap();
        let g = Graph::new();
        g.set_attentions(true);
        let first = config.bool("batch_first", false);
        let [q, k, v] = ["query", "key", "value"].map(|name| {
            let x = g.input(name, Dtype::F32, given[name].shape());
            if first { x } else { x.transpose(0, 1) }
        });
        let [q, k, v] = project(g.root(), [q, k, v], config.usize("num_heads", 1), config.bool("bias", true));
        let mut attend = if case == "mha_causal" { Attend::causal() } else { Attend::all() };
        if let Some(padding) = given.get("key_padding_mask") {
            attend = attend.key_mask(1.0 - g.input("key_padding_mask", Dtype::I32, padding.shape()));
        }
        g.output("y", q.attention(k, v, attend));
        let probabilities = g.result("attentions").unwrap();
        let all = config.bool("average_attn_weights", true);
        g.output("found", if all { probabilities.mean(&[1], false) } else { probabilities });
        let graph = Arc::new(g.build().unwrap());
        let (weights, _) = loaded.weights(&loaded.folder.checkpoint().unwrap(), &graph).unwrap();
        let wanted = &load_tensors(loaded.folder.path().join("outputs.safetensors")).unwrap()["attn_output_weights"];
        let meta = handmill::folder::read_object(&loaded.folder.path().join("meta.json")).unwrap();
        let atol = meta["outputs"]["attn_output_weights"]["atol"].as_f64().unwrap() as f32;
        for engine in std::iter::once(Engine::Reference).chain(device().map(Engine::Gpu)) {
            let session = engine.executor(weights.clone()).session(&graph, &Options::default(), None).unwrap();
            let inputs = graph.inputs().map(|(name, _)| (name.to_owned(), given[name].clone())).collect();
            let found: Tensors = session.run(&inputs).unwrap().into_iter().collect();
            let (found, wanted) = (&found["found"], wanted);
            assert_eq!(found.shape(), wanted.shape(), "{case}");
            let pairs = found.as_f32().unwrap().iter().zip(wanted.as_f32().unwrap());
            for (i, (found, wanted)) in pairs.enumerate() {
                assert!((found - wanted).abs() <= atol, "{case}: [{i}] is {found}, expected {wanted}");
            }
        }
    }
}

/// A fixture, how many attentions it has, and the names and shapes of the first two.
type Model = (&'static str, usize, [(&'static str, [usize; 4]); 2]);

const MODELS: &[Model] = &[
    ("bert", 2, [("encoder.layer.0.attention.self", [2, 4, 8, 8]), ("encoder.layer.1.attention.self", [2, 4, 8, 8])]),
    ("gpt2", 2, [("transformer.h.0.attn", [2, 3, 8, 8]), ("transformer.h.1.attn", [2, 3, 8, 8])]),
    ("llama", 2, [("model.layers.0.self_attn", [2, 4, 8, 8]), ("model.layers.1.self_attn", [2, 4, 8, 8])]),
    (
        "t5",
        6,
        [
            ("encoder.block.0.layer.0.SelfAttention", [2, 3, 10, 10]),
            ("encoder.block.1.layer.0.SelfAttention", [2, 3, 10, 10]),
        ],
    ),
    (
        "bart",
        6,
        [("model.encoder.layers.0.self_attn", [2, 3, 9, 9]), ("model.encoder.layers.1.self_attn", [2, 3, 9, 9])],
    ),
    (
        "vit",
        2,
        [
            ("vit.encoder.layer.0.attention.attention", [2, 3, 17, 17]),
            ("vit.encoder.layer.1.attention.attention", [2, 3, 17, 17]),
        ],
    ),
    (
        "clip",
        4,
        [
            ("text_model.encoder.layers.0.self_attn", [2, 3, 9, 9]),
            ("text_model.encoder.layers.1.self_attn", [2, 3, 9, 9]),
        ],
    ),
];

/// Rows are probabilities, masked keys have none, and the other results stay as they are.
#[test]
fn are_given_by_every_transformer() {
    for (case, count, first) in MODELS {
        let folder = data("transformers").join(case);
        for engine in std::iter::once(Engine::Reference).chain(device().map(Engine::Gpu)) {
            let (context, _) = Context::open(&Loaded::open(&folder).unwrap(), &engine).unwrap();
            let given = context.model.graph_inputs(&load_tensors(folder.join("inputs.safetensors")).unwrap());
            let build = |g: &Graph, config: &_| {
                g.set_attentions(true);
                (context.model.build)(g, config, &Inputs::of(&given));
            };
            let found = context.session_of(build).unwrap().run(&given).unwrap();
            let plain = context.session(&given).unwrap().run(&given).unwrap();
            let (maps, others): (Vec<_>, Vec<_>) =
                found.into_iter().partition(|(name, _)| name.starts_with("attentions"));
            assert!(plain.iter().all(|p| others.contains(p)) && plain.len() == others.len(), "{case}");
            assert_eq!(maps.len(), *count, "{case}");
            for ((name, map), (wanted, shape)) in maps.iter().zip(first) {
                assert_eq!((name.as_str(), map.shape()), (&*format!("attentions.{wanted}"), &shape[..]), "{case}");
            }
            for (name, map) in &maps {
                let keys = map.shape()[3];
                for row in map.as_f32().unwrap().chunks(keys) {
                    let sum: f64 = row.iter().map(|&p| f64::from(p)).sum();
                    // Every p is off by a few units in its last place.
                    assert!((sum - 1.0).abs() < 1e-6 || sum == 0.0, "{case}: {name}: a row sums to {sum}");
                    assert!(row.iter().all(|p| (0.0..=1.0).contains(p)), "{case}: {name}");
                }
                if let Some(mask) = given.get("attention_mask").filter(|mask| mask.shape()[1] == keys) {
                    let rows = map.len() / map.shape()[0];
                    for (i, p) in map.as_f32().unwrap().iter().enumerate() {
                        let seen = mask.to_f64()[i / rows * keys + i % keys] != 0.0;
                        let decoder = name.contains(".decoder.") && name.contains("elf");
                        assert!(seen || decoder || *p == 0.0, "{case}: {name}: [{i}] is {p} for a masked key");
                    }
                }
            }
        }
    }
}
