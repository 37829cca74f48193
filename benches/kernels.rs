//! Times every variant of the large kernels at sizes of real models: `cargo bench --bench kernels -- matmul`.
//!
//! A variant is compared with the reference before it is timed. A sample is one submission and the wait for
//! its result, so small cases show the cost of a submission.

use std::collections::BTreeMap;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use handmill::check::{self, Case, POISON};
use handmill::device::{Device, Select};
use handmill::kernels::attention::attention::ATTENTION;
use handmill::kernels::conv::conv2d::CONV2D;
use handmill::kernels::elementwise::binary::ADD;
use handmill::kernels::elementwise::unary_backward::GELU_BACKWARD;
use handmill::kernels::matmul::matmul::MATMUL;
use handmill::kernels::norm::layer_norm::LAYER_NORM;
use handmill::kernels::softmax::softmax::SOFTMAX;
use handmill::kernels::softmax::softmax_backward::SOFTMAX_BACKWARD;
use handmill::plan::{Options, Plan};
use handmill::run::{Checks, Runner};
use handmill::shader::Shaders;
use handmill::store::{Store, Weights};
use handmill::{HostTensor, Kernel};

/// Values that no clock gating can profit from.
fn tensor(shape: &[usize], seed: u32) -> HostTensor {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let values = (0..shape.iter().product::<usize>()).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    });
    HostTensor::f32(shape, values.collect())
}

fn case(kernel: &'static Kernel, shapes: &[&[usize]]) -> Case {
    shapes.iter().zip(1..).fold(Case::new(kernel), |case, (shape, seed)| case.input(tensor(shape, seed)))
}

fn cases() -> BTreeMap<&'static str, Case> {
    BTreeMap::from([
        ("matmul/f32/256x256x256", case(&MATMUL, &[&[256, 256], &[256, 256]])),
        ("matmul/f32/512x512x512", case(&MATMUL, &[&[512, 512], &[512, 512]])),
        ("matmul/f32/1x2048x2048", case(&MATMUL, &[&[1, 2048], &[2048, 2048]])),
        ("conv2d/f32/1x64x56x56/64x3x3", case(&CONV2D, &[&[1, 64, 56, 56], &[64, 64, 3, 3]]).padded()),
        ("attention/f32/1x8x256x64", case(&ATTENTION, &[&[1, 8, 256, 64][..]; 3])),
        ("softmax/f32/1024x1024", case(&SOFTMAX, &[&[1024, 1024]])),
        ("softmax_backward/f32/1024x256", case(&SOFTMAX_BACKWARD, &[&[1024, 256][..]; 2])),
        ("softmax_backward/f32/1024x1024", case(&SOFTMAX_BACKWARD, &[&[1024, 1024][..]; 2])),
        ("gelu_backward/f32/4096x1024", case(&GELU_BACKWARD, &[&[4096, 1024][..]; 2])),
        ("layer_norm/f32/1024x768", case(&LAYER_NORM, &[&[1024, 768], &[768], &[768]])),
        ("add/f32/4096x1024", case(&ADD, &[&[4096, 1024], &[4096, 1024]])),
    ])
}

/// A convolution of kernel size 3 that keeps the size of the image.
trait Padded {
    fn padded(self) -> Case;
}

impl Padded for Case {
    fn padded(self) -> Case {
        self.param("padding", vec![1i64, 1, 1, 1])
    }
}

fn kernels(c: &mut Criterion) {
    let device = Device::open(&Select::Auto).expect("an adapter to measure");
    let shaders = Shaders::built_in();
    for (name, case) in cases() {
        let expected = case.expected(device.tol()).expect("a case that fits its kernel");
        let graph = Arc::new(case.graph().expect("a graph"));
        let work = graph.nodes.iter().map(|n| (n.call.kernel.work)(&n.call)).fold(0, |sum, w| sum + w.flops.max(1));
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(work)).sample_size(10);
        for variant in case.variants(device.adapter()).expect("variants") {
            let got = case.run(&device, &shaders, variant.how, Checks::Earned, POISON[0]).expect("a run");
            for (got, e) in got.iter().zip(&expected) {
                let report = check::compare(&got.to_f64(), &e.values, &e.bound, &e.spec.shape, e.spec.dtype);
                assert!(report.ok(), "{name} {}: {report}", variant.how);
            }
            let options = Options { variant: Some(variant.how.to_owned()), ..Options::default() };
            let plan = Arc::new(Plan::with(&graph, device.adapter(), &options).expect("a plan"));
            let store = Store::new(&device, Arc::new(Weights::default()));
            let runner = Runner::new(&store, &plan).expect("a runner");
            for (port, input) in case.kernel.inputs.iter().zip(&case.inputs) {
                input.iter().for_each(|i| runner.upload(port.name, &i.tensor).expect("an upload"));
            }
            group.bench_function(variant.label(case.kernel), |b| {
                b.iter(|| {
                    runner.run().expect("a run");
                    runner.wait().expect("a finished run");
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);
