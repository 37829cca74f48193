//! Bugs planted in kernels, references and goldens: the harness that judges rows must fail each of them,
//! and pass the same kernel without the bug.

#[path = "gradients/judge.rs"]
mod gradient_judge;
#[path = "kernels/judge.rs"]
mod judge;
#[allow(dead_code)]
#[path = "kernels/row.rs"]
mod row;

use std::sync::{Arc, OnceLock};

use gradient_judge::Gradient;
use handmill::check::{self, Tol};
use handmill::device::{Device, Select};
use handmill::engine::Tensors;
use handmill::kernel::{Backward, Call, Grid, Kernel, Port, Scalars, Spec, Step, Variant};
use handmill::plan::Options;
use handmill::shader::Shaders;
use handmill::store::{Store, Weights};
use handmill::verify::verify;
use handmill::{Dtype, FixedGraph, Graph, HostTensor};
use row::Row;

fn device() -> Option<Arc<Device>> {
    static DEVICE: OnceLock<Option<Arc<Device>>> = OnceLock::new();
    let opened = DEVICE.get_or_init(|| {
        let device = Device::open(&Select::Auto);
        if let Err(e) = &device {
            assert!(std::env::var_os("HANDMILL_REQUIRE_GPU").is_none_or(|v| v != "1"), "{e}");
            println!("ignored: {e}");
        }
        device.ok()
    });
    opened.clone()
}

/// What the row runner says about `row`.
fn judged(device: &Arc<Device>, row: &Row) -> Result<(), String> {
    let text = |e: libtest_mimic::Failed| e.message().unwrap_or_default().to_owned();
    judge::reference_row(row).map_err(text)?;
    judge::gpu_row(row, device, &Shaders::built_in()).map_err(text)
}

/// The sound kernel passes, and the planted one fails with `words`.
fn fails(sound: fn() -> Row, planted: fn() -> Row, words: &str) {
    let Some(device) = device() else { return };
    assert_eq!(judged(&device, &sound()), Ok(()));
    let found = judged(&device, &planted()).expect_err("the planted bug passed");
    println!("{found}");
    assert!(found.contains(words), "'{words}' is not in: {found}");
}

/// `y = x · w`, with its bug between the two halves of the shader.
macro_rules! product {
    ($body:literal) => {{
        static KERNEL: Kernel = Kernel {
            name: "product",
            inputs: &[Port::f32("x")],
            shape: |c| Ok(vec![c.spec(0)]),
            scalars: size,
            variants: &[Variant {
                shader: concat!(
                    "struct Params { n: u32, cols: u32 }\n",
                    "@group(0) @binding(0) var<uniform> params: Params;\n",
                    "@group(0) @binding(1) var<storage, read> x: array<f32>;\n",
                    "@group(0) @binding(2) var<storage, read_write> y: array<f32>;\n",
                    "@compute @workgroup_size(64)\n",
                    "fn product(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,\n",
                    "           @builtin(local_invocation_index) lane: u32) {\n",
                    "    let i = (group.y * groups.x + group.x) * 64u + lane;\n",
                    $body,
                    "\n}\n"
                ),
                steps: &[Step { entry: "product", grid: elements, loops: |_| 0 }],
                ..Variant::BASE
            }],
            reference: |r| vec![r.f64(0).iter().map(|x| x * 3.0).collect()],
            bound: |r, y| check::each(y, |v| r.tol.rounded(v)),
            ..Kernel::BASE
        };
        || Row::new(&KERNEL, "f32/1000x1000").f32(&[1000, 1000])
    }};
}

fn size(c: &Call) -> Scalars {
    Scalars::new().set("n", c.spec(0).len()).set("cols", c.shape(0)[c.shape(0).len() - 1])
}

fn elements(c: &Call) -> Grid {
    Grid::Threads(c.spec(0).len() as u64)
}

fn sound() -> Row {
    product!("if i < params.n { y[i] = x[i] * 3.0; }")()
}

#[test]
fn one_wrong_element_in_a_million() {
    let planted = product!("if i < params.n { y[i] = select(x[i] * 3.0, x[i] * 3.0 + 1e-5, i == 765432u); }");
    fails(sound, planted, "1 of 1000000 elements outside their bound; first at [765, 432]");
}

#[test]
fn nan_in_one_lane() {
    let planted =
        product!("if i < params.n { y[i] = select(x[i] * 3.0, bitcast<f32>(0x7fc00000u + i * 0u), i == 63u); }");
    fails(sound, planted, "1 of 1000000 elements outside their bound; first at [0, 63]: got NaN");
}

#[test]
fn a_dispatch_that_writes_nothing() {
    let planted = product!("if i > params.n + 64u { y[i % 7u] = x[i % 7u] * 3.0; }");
    fails(sound, planted, "1000000 of 1000000 elements outside their bound");
}

#[test]
fn a_last_element_that_is_not_written() {
    let planted = product!("if i + 1u < params.n { y[i] = x[i] * 3.0; }");
    fails(sound, planted, "first at [999, 999]: got NaN");
}

#[test]
fn one_word_past_the_end() {
    let planted = product!("if i < params.n { y[i] = x[i] * 3.0; } if i + 1u == params.n { y[i + 1u] = 0.0; }");
    fails(sound, planted, "to word 0 past the end of 'y'");
}

#[test]
fn a_transposed_output() {
    let planted =
        product!("if i < params.n { y[(i % params.cols) * (params.n / params.cols) + i / params.cols] = x[i] * 3.0; }");
    fails(sound, planted, "elements outside their bound; first at [0, 1]");
}

#[test]
fn an_output_read_before_it_is_written() {
    let planted = product!("if i < params.n { y[i] = f32(bitcast<u32>(y[i]) & 1u) + x[i] * 3.0; }");
    fails(sound, planted, "elements outside their bound");
}

#[test]
fn a_result_that_depends_on_the_poison() {
    // Both results stay within a loose bound; only the comparison of the two runs finds it.
    static DEPENDS: Kernel = Kernel {
        name: "depends",
        inputs: &[Port::f32("x")],
        shape: |c| Ok(vec![c.spec(0)]),
        scalars: |_| Scalars::new(),
        variants: &[Variant {
            shader: "@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn depends(@builtin(local_invocation_index) i: u32) {
    y[i] = x[i] + f32(bitcast<u32>(y[i]) >> 31u) * 1e-3;
}
",
            steps: &[Step { entry: "depends", grid: |_| Grid::Groups(1), loops: |_| 0 }],
            ..Variant::BASE
        }],
        reference: |r| vec![r.f64(0).to_vec()],
        bound: |_, y| check::each(y, |_| 1.0),
        ..Kernel::BASE
    };
    fails(sound, || Row::new(&DEPENDS, "f32/64").f32(&[64]), "differs between two runs");
}

/// `y[r] = Σ_k a[r,k]·b[k]` in one lane a row, as finding tests of lax tolerances.
macro_rules! dot {
    ($body:literal) => {{
        static KERNEL: Kernel = Kernel {
            name: "dot",
            inputs: &[Port::f32("a"), Port::f32("b")],
            shape: |c| Ok(vec![Spec::f32(&c.shape(0)[..1])]),
            scalars: |c| Scalars::new().set("rows", c.shape(0)[0]).set("k", c.shape(0)[1]),
            variants: &[Variant {
                shader: concat!(
                    "struct Params { rows: u32, k: u32 }\n",
                    "@group(0) @binding(0) var<uniform> params: Params;\n",
                    "@group(0) @binding(1) var<storage, read> a: array<f32>;\n",
                    "@group(0) @binding(2) var<storage, read> b: array<f32>;\n",
                    "@group(0) @binding(3) var<storage, read_write> y: array<f32>;\n",
                    "@compute @workgroup_size(64)\n",
                    "fn dot(@builtin(global_invocation_id) id: vec3<u32>) {\n",
                    "    let r = id.x; var sum = 0.0; let K = params.k;\n",
                    "    if r < params.rows {\n",
                    $body,
                    "\n    y[r] = sum;\n    }\n}\n"
                ),
                steps: &[Step {
                    entry: "dot",
                    grid: |c| Grid::Threads(c.shape(0)[0] as u64),
                    loops: |c| c.shape(0)[1] as u64,
                }],
                ..Variant::BASE
            }],
            reference: |r| {
                vec![
                    r.f64(0).chunks(r.f64(1).len()).map(|a| a.iter().zip(r.f64(1)).map(|(a, b)| a * b).sum()).collect(),
                ]
            },
            bound: |r, y| {
                let magnitude = |a: &[f64]| a.iter().zip(r.f64(1)).map(|(a, b)| (a * b).abs()).sum::<f64>();
                let rows = r.f64(0).chunks(r.f64(1).len()).zip(&y[0]);
                vec![rows.map(|(a, &v)| r.tol.dot(a.len(), magnitude(a), v)).collect()]
            },
            ..Kernel::BASE
        };
        || Row::new(&KERNEL, "f32/256x4096").f32(&[256, 4096]).f32(&[4096])
    }};
}

fn sound_dot() -> Row {
    dot!("for (var k = 0u; k < K; k++) { sum += a[r * K + k] * b[k]; }")()
}

/// Mutants that pass where one error number stands for a whole tensor.
#[test]
fn mutants_of_a_dot_product() {
    let outside = "elements outside their bound";
    fails(sound_dot, dot!("for (var k = 0u; k + 1u < K; k++) { sum += a[r * K + k] * b[k]; }"), outside);
    fails(
        sound_dot,
        dot!("for (var k = 0u; k < K; k++) { sum += a[r * K + k] * b[k]; }\n if r == 200u { sum = 0.0; }"),
        "1 of 256",
    );
    fails(
        sound_dot,
        dot!("for (var k = 0u; k < K; k++) { sum += a[r * K + k] * b[k]; }\n if r == 3u { sum = -sum; }"),
        "1 of 256",
    );
    fails(sound_dot, dot!("for (var k = 0u; k < K; k++) { sum += a[r * K + k] * b[k]; }\n sum *= 1.02;"), outside);
    fails(
        sound_dot,
        dot!("for (var k = 0u; k < K; k++) { sum += bitcast<f32>(bitcast<u32>(a[r * K + k]) & 0xffff0000u) * b[k]; }"),
        outside,
    );
}

#[test]
fn a_golden_that_differs_and_a_bound_that_is_no_number() {
    let text = |r: Result<(), libtest_mimic::Failed>| r.unwrap_err().message().unwrap_or_default().to_owned();
    let golden = |last: f64| {
        let row: fn() -> Row = product!("if i < params.n { y[i] = x[i] * 3.0; }");
        Row::new(row().case.kernel, "f32/3").list(&[3], &[1.0, 2.0, 3.0]).golden(0, &[3.0, 6.0, last], 1e-6)
    };
    judge::reference_row(&golden(9.0)).unwrap();
    let found = text(judge::reference_row(&golden(9.1)));
    assert!(found.starts_with("reference against golden, output 0: 1 of 3 elements"), "{found}");
    static BOUNDLESS: Kernel = Kernel {
        name: "boundless",
        inputs: &[Port::f32("x")],
        shape: |c| Ok(vec![c.spec(0)]),
        reference: |r| vec![r.f64(0).to_vec()],
        bound: |_, y| check::each(y, |_| f64::NAN),
        ..Kernel::BASE
    };
    assert_eq!(text(judge::reference_row(&Row::new(&BOUNDLESS, "f32/3").f32(&[3]))), "a bound is not a number");
}

#[test]
#[should_panic(expected = "bug: compared a slice with itself")]
fn a_comparison_of_a_result_with_itself() {
    let v = vec![1.0; 4];
    check::compare(&v, &v, &[Tol::GOLD.ulps(1.0, 1.0, 1.0); 4], &[4], Dtype::F32);
}

#[test]
#[should_panic(expected = "bug: compared 3 values with 4")]
fn a_comparison_of_different_lengths() {
    check::compare(&[1.0; 3], &[1.0; 4], &[0.0; 3], &[3], Dtype::F32);
}

fn two_norms() -> Arc<FixedGraph> {
    let g = Graph::new();
    let x = g.input("x", Dtype::F32, &[7, 33]);
    let scaled = x.softmax(-1) * 3.0;
    g.output("y", scaled.layer_norm(None, None, 1e-5).softmax(-1));
    Arc::new(g.build().unwrap())
}

/// A bug in the middle of a model: the first operation that differs is the one with the bug.
#[test]
fn lock_step_finds_the_operation_with_the_bug() {
    let Some(device) = device() else { return };
    let graph = two_norms();
    let values = (0..7 * 33).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
    let inputs = Tensors::from([("x".to_owned(), HostTensor::f32(&[7, 33], values))]);
    let store = Store::new(&device, Arc::new(Weights::default()));
    // The plain variant, whose shader is replaced.
    let plain = Options { variant: Some(String::new()), ..Options::default() };
    let found = verify(&store, &graph, &inputs, &plain).unwrap();
    assert!(found.ok() && found.ops.len() >= 4);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("norm")).unwrap();
    let original = Shaders::built_in().original("norm/layer_norm").unwrap();
    let planted = original.replace("params.eps", "(params.eps + 1e-3)");
    assert_ne!(planted, original, "the shader no longer reads params.eps");
    std::fs::write(folder.path().join("norm/layer_norm.wgsl"), planted).unwrap();
    let options = Options { shaders: Shaders::folder(folder.path()).unwrap(), ..plain };
    let found = verify(&store, &graph, &inputs, &options).unwrap();
    let wrong: Vec<_> = found.ops.iter().filter(|o| !o.ok()).map(|o| o.label.clone()).collect();
    assert_eq!(wrong, ["layer_norm"], "only the operation with the bug differs");
    let (index, repro) = found.first.expect("the bug was not found");
    assert_eq!((found.ops[index].label.as_str(), repro.kernel.as_str()), ("layer_norm", "layer_norm"));
}

/// `y = a² + a·b`, with a gradient rule.
macro_rules! quadratic {
    ($rule:expr) => {{
        static KERNEL: Kernel = Kernel {
            name: "quadratic",
            inputs: &[Port::f32("a"), Port::f32("b")],
            shape: |c| Ok(vec![c.spec(0)]),
            scalars: |c| Scalars::new().set("n", c.spec(0).len()),
            variants: &[Variant {
                shader: "struct Params { n: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn quadratic(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < params.n { y[id.x] = a[id.x] * a[id.x] + a[id.x] * b[id.x]; }
}
",
                steps: &[Step { entry: "quadratic", grid: elements, loops: |_| 0 }],
                ..Variant::BASE
            }],
            reference: |r| vec![r.f64(0).iter().zip(r.f64(1)).map(|(a, b)| a * a + a * b).collect()],
            bound: |r, _| {
                let one = |(a, b): (&f64, &f64)| r.tol.sum(4, a * a + (a * b).abs(), a * a + a * b);
                vec![r.f64(0).iter().zip(r.f64(1)).map(one).collect()]
            },
            backward: Backward::Rule($rule),
            ..Kernel::BASE
        };
        || Gradient::of(Row::new(&KERNEL, "f32/3x4").f32(&[3, 4]).f32(&[3, 4]))
    }};
}

/// The sound rule passes both rows; the planted one fails that on the references, or if it passes there, on the adapter.
fn gradient_fails(planted: fn() -> Gradient, on_the_references: bool, words: &str) {
    let sound = quadratic!(|n| vec![Some(n.d(0) * (n.x(0) * 2.0 + n.x(1))), Some(n.d(0) * n.x(0))])();
    gradient_judge::reference_row(&sound).unwrap();
    let found = gradient_judge::reference_row(&planted());
    assert_eq!(found.is_err(), on_the_references, "{found:?}");
    let found = match device() {
        Some(device) => {
            gradient_judge::gpu_row(&sound, &device).unwrap();
            found.and_then(|()| gradient_judge::gpu_row(&planted(), &device))
        }
        None if on_the_references => found,
        None => return,
    };
    let found = found.expect_err("the planted bug passed").message().unwrap_or_default().to_owned();
    println!("{found}");
    assert!(found.contains(words), "'{words}' is not in: {found}");
}

#[test]
fn a_gradient_that_forgets_d_y() {
    let planted = quadratic!(|n| vec![Some(n.x(0) * 2.0 + n.x(1)), Some(n.d(0) * n.x(0))]);
    gradient_fails(planted, true, "d_a[0] is");
}

#[test]
fn a_gradient_that_drops_a_term() {
    let planted = quadratic!(|n| vec![Some(n.d(0) * (n.x(0) * 2.0)), Some(n.d(0) * n.x(0))]);
    gradient_fails(planted, true, "and central differences give");
}

#[test]
fn a_gradient_of_the_wrong_input() {
    let planted = quadratic!(|n| vec![Some(n.d(0) * n.x(0)), Some(n.d(0) * (n.x(0) * 2.0 + n.x(1)))]);
    gradient_fails(planted, true, "and central differences give");
}

#[test]
fn a_gradient_of_the_wrong_sign_in_one_input() {
    let planted = quadratic!(|n| vec![Some(n.d(0) * (n.x(0) * 2.0 + n.x(1))), Some(-(n.d(0) * n.x(0)))]);
    gradient_fails(planted, true, "d_b[0] is");
}

#[test]
fn a_gradient_that_is_not_there() {
    let planted = quadratic!(|n| vec![Some(n.d(0) * (n.x(0) * 2.0 + n.x(1))), None]);
    // On its other path, b has a gradient: only its value is wrong.
    gradient_fails(planted, true, "d_b[0] is");
}

/// `d_b = d_y·a` by a kernel whose reference is right and whose shader forgets `d_y`: differences see the reference alone.
static FORGETFUL: Kernel = Kernel {
    name: "forgetful",
    inputs: &[Port::f32("a"), Port::f32("d_y")],
    outputs: &["d_b"],
    shape: |c| Ok(vec![c.spec(0)]),
    scalars: |c| Scalars::new().set("n", c.spec(0).len()),
    variants: &[Variant {
        shader: "struct Params { n: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read_write> d_b: array<f32>;
@compute @workgroup_size(64)
fn forgetful(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < params.n { d_b[id.x] = a[id.x]; }
}
",
        steps: &[Step { entry: "forgetful", grid: elements, loops: |_| 0 }],
        ..Variant::BASE
    }],
    reference: |r| vec![r.f64(0).iter().zip(r.f64(1)).map(|(a, d)| a * d).collect()],
    bound: |r, y| check::each(y, |v| r.tol.rounded(v)),
    ..Kernel::BASE
};

#[test]
fn a_gradient_kernel_whose_shader_forgets_d_y() {
    let planted = quadratic!(|n| {
        let d_b = n.graph().dispatch(&FORGETFUL, &[Some(n.x(0)), Some(n.d(0))], &[])[0];
        vec![Some(n.d(0) * (n.x(0) * 2.0 + n.x(1))), Some(d_b)]
    });
    gradient_fails(planted, false, "forgetful");
}
