//! The cases of `handmill bench` under criterion: `cargo bench --bench kernels -- matmul`.
//!
//! A sample is one submission and the wait for its result, so small cases show the cost of a submission;
//! `handmill bench` takes the adapter's own clock.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use handmill::bench::{contenders, suite::cases};
use handmill::device::{Device, Select};

fn kernels(c: &mut Criterion) {
    let device = Device::open(&Select::Auto).expect("an adapter to measure");
    for entry in cases() {
        let case = entry.case();
        let mut group = c.benchmark_group(entry.name());
        for contender in contenders(&entry.name(), &case, &device).expect("a case that is right") {
            group.throughput(Throughput::Elements(contender.work.flops.max(1))).sample_size(10);
            group.bench_function(contender.how.label(case.kernel), |b| {
                b.iter(|| {
                    contender.runner.run().expect("a run");
                    contender.runner.wait().expect("a finished run");
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);
