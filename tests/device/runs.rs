//! Many runs: nothing is made anew, results repeat bit for bit, threads do not disturb each other.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use handmill::device::{Counts, Device, Select};
use handmill::{Dtype, Error, Graph};

use super::{block, device, inputs, numbers, once, own_device, runner, store};

#[test]
fn a_steady_run_makes_no_object_of_the_driver() {
    let Some(device) = own_device() else { return };
    let graph = block();
    let store = store(&device, &graph);
    let runner = runner(&store, &graph).unwrap();
    assert!(runner.plan().dispatches.len() >= 6, "the block should be several dispatches");
    let x = inputs(&graph, 0);
    once(&runner, &x).unwrap();
    let before = device.counts();
    for _ in 0..50 {
        once(&runner, &x).unwrap();
    }
    let after = device.counts();
    assert_eq!(
        (after.buffers, after.bind_groups, after.pipelines),
        (before.buffers, before.bind_groups, before.pipelines)
    );
    let read_backs = 50 * graph.outputs.len() as u64;
    assert_eq!(after.submissions - before.submissions, 50 + read_backs);
    for _ in 0..50 {
        runner.run().unwrap();
    }
    assert_eq!(device.counts().submissions - after.submissions, 50);
    let name = runner.plan().results[0].0.clone();
    let (want, before) = (runner.read(&name).unwrap(), device.counts());
    assert_eq!(runner.run_and_read(&name).unwrap(), want);
    assert_eq!(device.counts(), Counts { submissions: before.submissions + 1, ..before });
    let error = runner.run_and_read("nothing").unwrap_err().to_string();
    assert_eq!(
        (error.as_str(), device.counts().submissions),
        ("nothing: is no output of the model", before.submissions + 1)
    );
}

#[test]
fn runs_repeat_bit_for_bit() {
    let Some(device) = device() else { return };
    let graph = block();
    let store = store(&device, &graph);
    let (x, other) = (inputs(&graph, 0), inputs(&graph, 1));
    let first = once(&runner(&store, &graph).unwrap(), &x).unwrap();
    let again = runner(&store, &graph).unwrap();
    for _ in 0..20 {
        assert_eq!(once(&again, &x).unwrap(), first);
        assert_ne!(once(&again, &other).unwrap(), first, "other inputs give other results");
    }
}

#[test]
fn threads_on_one_store_get_the_bits_of_a_single_thread() {
    let Some(device) = own_device() else { return };
    let graph = block();
    let seeds = 0..8u32;
    let alone = store(&device, &graph);
    let wanted: Vec<_> = {
        let runner = runner(&alone, &graph).unwrap();
        seeds.clone().map(|seed| once(&runner, &inputs(&graph, seed)).unwrap()).collect()
    };
    let before = device.counts();
    let shared = store(&device, &graph);
    let start = Barrier::new(wanted.len());
    std::thread::scope(|scope| {
        for (seed, wanted) in seeds.zip(&wanted) {
            let (shared, graph, start) = (&shared, &graph, &start);
            scope.spawn(move || {
                start.wait();
                let runner = runner(shared, graph).unwrap();
                let x = inputs(graph, seed);
                for n in 0..50 {
                    assert!(once(&runner, &x).unwrap() == *wanted, "run {n} of thread {seed} differs");
                }
            });
        }
    });
    let after = device.counts();
    assert_eq!(after.pipelines, before.pipelines, "all pipelines were compiled before");
    let weights = graph.weights().count() as u64;
    let plan = handmill::Plan::new(&graph, device.adapter()).unwrap();
    // Besides its buffers a runner has parameters, read-back and two stamps.
    let own = plan.buffers.len() as u64 - weights + 4;
    assert_eq!(after.buffers - before.buffers, weights + 8 * own, "each weight is uploaded once");
}

#[test]
fn threads_compile_a_pipeline_once() {
    let Some(device) = own_device() else { return };
    let graph = block();
    let shared = store(&device, &graph);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| runner(&shared, &graph).unwrap());
        }
    });
    let plan = handmill::Plan::new(&graph, device.adapter()).unwrap();
    assert_eq!(device.counts().pipelines, plan.totals().pipelines as u64);
}

#[test]
fn a_device_destroyed_amid_runs_is_lost_and_opens_again() {
    let Some(reference) = device() else { return };
    let graph = block();
    let x = inputs(&graph, 0);
    let wanted = once(&runner(&store(&reference, &graph), &graph).unwrap(), &x).unwrap();
    for delay in [0, 1, 3, 7, 15, 30] {
        let device = Device::open(&Select::Auto).unwrap();
        let store = store(&device, &graph);
        let runner = runner(&store, &graph).unwrap();
        let error = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(delay));
                device.destroy();
            });
            loop {
                match once(&runner, &x) {
                    Ok(got) => assert!(got == wanted, "a dying device gave a wrong result"),
                    Err(e) => break e,
                }
            }
        });
        assert!(matches!(error, Error::DeviceLost(_)), "{error}");
        let text = "the device was lost: it was destroyed; open it again and repeat the run";
        assert_eq!(once(&runner, &x).unwrap_err().to_string(), text);
        assert_eq!(self::runner(&store, &graph).err().map(|e| e.to_string()).as_deref(), Some(text));
    }
    let reopened = Device::open(&Select::Auto).unwrap();
    assert_eq!(once(&runner(&store(&reopened, &graph), &graph).unwrap(), &x).unwrap(), wanted);
}

/// Resident bytes of this process, where the system tells.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[test]
fn runs_and_uploads_that_nobody_reads_use_bounded_memory() {
    let Some(device) = device() else { return };
    let g = Graph::new();
    let x = g.input("x", Dtype::F32, &[1 << 18]);
    g.output("y", x * 2.0);
    let graph = Arc::new(g.build().unwrap());
    let runner = runner(&store(&device, &graph), &graph).unwrap();
    let x = numbers(&[1 << 18], 3);
    runner.upload("x", &x).unwrap();
    (0..200).for_each(|_| runner.run().unwrap());
    let before = resident();
    (0..2000).for_each(|_| runner.run().unwrap());
    // One GB in all, without a run between.
    (0..1000).for_each(|_| runner.upload("x", &x).unwrap());
    let grown = resident().zip(before).map_or(0, |(after, before)| after.saturating_sub(before));
    assert!(grown < 300 << 20, "grew by {} MB", grown >> 20);
    let y = runner.read("y").unwrap();
    assert_eq!(y.as_f32().unwrap()[77], x.as_f32().unwrap()[77] * 2.0);
}

#[test]
fn a_result_before_the_first_run_is_an_error() {
    let Some(device) = device() else { return };
    let graph = block();
    let runner = runner(&store(&device, &graph), &graph).unwrap();
    assert_eq!(runner.read("x").unwrap_err().to_string(), "x: has no value before the first run");
    assert_eq!(runner.read("z").unwrap_err().to_string(), "z: is no output of the model");
}
