//! Faults that need a process of their own.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use handmill::device::{Device, Select, adapters};
use handmill::engine::Engine;
use handmill::kernel::{Grid, Kernel, Spec, Step, Variant};
use handmill::{Dtype, Error, Graph};

use super::{block, inputs, limits, once, own_device, runner, store, whole_life};

/// Runs this binary's `child` as `name`, after `shell` (such as a `ulimit`), with variables set.
fn start(name: &str, shell: &str, variables: &[(&str, &Path)]) -> Output {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{shell} exec \"$0\" --exact children::child --ignored --nocapture"));
    command.arg(std::env::current_exe().unwrap()).env("HANDMILL_CHILD", name).env_remove("HANDMILL_TIMEOUT");
    command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let id = child.id().to_string();
    let (done, waiting) = std::sync::mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        if waiting.recv_timeout(Duration::from_secs(100)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-9", &id]).status();
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(done);
    watchdog.join().unwrap();
    output
}

/// Fails unless the child succeeded; returns what it printed.
fn succeed(output: Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}:\n{text}\n{errors}", output.status);
    assert!(text.contains("1 passed"), "the child did not run: {text}");
    text
}

#[test]
#[ignore = "started by other tests, in a process of its own"]
fn child() {
    match std::env::var("HANDMILL_CHILD").as_deref() {
        Ok("no adapter") => no_adapter(),
        Ok("address space") => address_space(),
        Ok("long dispatch") => long_dispatch(),
        Ok("faults") => faults(),
        other => panic!("started by hand: {other:?}"),
    }
}

#[test]
fn without_an_adapter_the_error_says_so_and_auto_takes_the_reference() {
    succeed(start(
        "no adapter",
        "",
        &[("VK_ICD_FILENAMES", Path::new("/dev/null")), ("VK_DRIVER_FILES", Path::new("/dev/null"))],
    ));
}

fn no_adapter() {
    assert_eq!(adapters().unwrap(), []);
    let text = "no usable adapter: none was found; a software driver such as Mesa's lavapipe will do";
    assert_eq!(Device::open(&Select::Auto).err().unwrap().to_string(), text);
    assert_eq!(Engine::open("gpu").err().unwrap().to_string(), text);
    let (engine, notice) = Engine::open("auto").unwrap();
    assert_eq!(engine.name(), "reference");
    assert_eq!(notice.unwrap(), format!("{text}; running the CPU reference, which is slow and exact"));
}

#[test]
fn memory_that_the_system_refuses_is_an_error_and_the_device_lives() {
    if own_device().is_none_or(|d| d.adapter().kind != handmill::adapter::AdapterKind::Cpu) {
        return println!("ignored: a GPU has memory of its own");
    }
    // Room for the driver and a few of the buffers.
    succeed(start("address space", "ulimit -v 2500000;", &[]));
}

fn address_space() {
    let device = own_device().unwrap();
    // Each result fits the limits, and all of them do not fit the address space.
    let graph = limits::hungry(24, 120 << 20);
    for _ in 0..3 {
        let error = runner(&store(&device, &graph), &graph).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::OutOfMemory(_)), "{error}");
        println!("{error}");
        let small = block();
        once(&runner(&store(&device, &small), &small).unwrap(), &inputs(&small, 0)).unwrap();
    }
}

/// Millions of invocations that loop to lavapipe's own limit: minutes of work.
static SLOW: Kernel = Kernel {
    name: "slow",
    shape: |_| Ok(vec![Spec::f32(&[1 << 22])]),
    variants: &[Variant {
        shader: "@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn slow(@builtin(global_invocation_id) id: vec3<u32>) {
    var v = f32(id.x);
    for (var i = 0u; i < 60000u; i++) {
        v = sin(v) + cos(v);
    }
    if id.x < arrayLength(&y) {
        y[id.x] = v;
    }
}
",
        steps: &[Step { entry: "slow", grid: |_| Grid::Threads(1 << 22), loops: |_| 60_000 }],
        ..Variant::BASE
    }],
    ..Kernel::BASE
};

#[test]
fn waiting_for_a_dispatch_without_end_has_a_bound() {
    if own_device().is_none_or(|d| d.adapter().kind != handmill::adapter::AdapterKind::Cpu) {
        return println!("ignored: a GPU may finish in time, or its driver reset it");
    }
    let before = Instant::now();
    let text = succeed(start("long dispatch", "", &[("HANDMILL_TIMEOUT", Path::new("1.5"))]));
    assert!(before.elapsed() < Duration::from_secs(20), "took {:?}: {text}", before.elapsed());
}

fn long_dispatch() {
    let device = own_device().unwrap();
    let g = Graph::new();
    g.output("y", g.dispatch(&SLOW, &[], &[])[0]);
    let graph = Arc::new(g.build().unwrap());
    let runner = runner(&store(&device, &graph), &graph).unwrap();
    runner.run().unwrap();
    let before = Instant::now();
    let lost = "the device was lost: no answer within 1.5 s (HANDMILL_TIMEOUT, in seconds, allows more); open it \
                again and repeat the run";
    assert_eq!(runner.read("y").unwrap_err().to_string(), lost);
    assert_eq!(runner.run().unwrap_err().to_string(), lost);
    drop(runner);
    drop(device);
    assert!(before.elapsed() < Duration::from_secs(6), "took {:?}", before.elapsed());
}

const OUT_OF_HOST_MEMORY: i32 = -1;
const OUT_OF_DEVICE_MEMORY: i32 = -2;
const INITIALIZATION_FAILED: i32 = -3;
const DEVICE_LOST: i32 = -4;
const MEMORY_MAP_FAILED: i32 = -5;

/// Functions of the driver that may fail, and how.
const FAULTS: [(&str, i32); 19] = [
    ("vkCreateBuffer", OUT_OF_DEVICE_MEMORY),
    ("vkAllocateMemory", OUT_OF_DEVICE_MEMORY),
    ("vkBindBufferMemory", OUT_OF_DEVICE_MEMORY),
    ("vkMapMemory", MEMORY_MAP_FAILED),
    ("vkCreateShaderModule", OUT_OF_HOST_MEMORY),
    ("vkCreateComputePipelines", OUT_OF_DEVICE_MEMORY),
    ("vkCreateComputePipelines", INITIALIZATION_FAILED),
    ("vkCreatePipelineLayout", OUT_OF_HOST_MEMORY),
    ("vkCreateDescriptorSetLayout", OUT_OF_HOST_MEMORY),
    ("vkCreateDescriptorPool", OUT_OF_DEVICE_MEMORY),
    ("vkAllocateDescriptorSets", OUT_OF_DEVICE_MEMORY),
    ("vkCreateCommandPool", OUT_OF_HOST_MEMORY),
    ("vkAllocateCommandBuffers", OUT_OF_DEVICE_MEMORY),
    ("vkBeginCommandBuffer", OUT_OF_HOST_MEMORY),
    ("vkEndCommandBuffer", OUT_OF_HOST_MEMORY),
    ("vkQueueSubmit", DEVICE_LOST),
    ("vkQueueSubmit", OUT_OF_DEVICE_MEMORY),
    ("vkWaitSemaphores", DEVICE_LOST),
    ("vkGetSemaphoreCounterValue", DEVICE_LOST),
];

#[test]
#[cfg(target_pointer_width = "64")]
fn every_call_of_the_driver_may_fail() {
    if own_device().is_none_or(|d| d.adapter().backend != "Vulkan") {
        return println!("ignored: the layer is for Vulkan");
    }
    // The test depends on the layer's crate, so cargo puts the library beside this binary.
    let library = std::env::current_exe().unwrap().with_file_name("libfault_layer.so");
    assert!(library.exists(), "{} was not built", library.display());
    let folder = tempfile::tempdir().unwrap();
    let manifest = format!(
        r#"{{"file_format_version": "1.1.2", "layer": {{"name": "VK_LAYER_HANDMILL_fault", "type": "GLOBAL",
        "library_path": {library:?}, "api_version": "1.3.0", "implementation_version": "1", "description": "faults"}}}}"#
    );
    std::fs::write(folder.path().join("fault.json"), manifest).unwrap();
    let fault = folder.path().join("fault");
    let layer = Path::new("VK_LAYER_HANDMILL_fault");
    let variables =
        [("VK_LAYER_PATH", folder.path()), ("VK_INSTANCE_LAYERS", layer), ("HANDMILL_FAULT", fault.as_path())];
    let text = succeed(start("faults", "", &variables));
    println!("{text}");
}

/// For every function and n: a right result or a typed error if its n-th call fails, until it has fewer calls.
fn faults() {
    let file = std::env::var_os("HANDMILL_FAULT").unwrap();
    let g = Graph::new();
    let x = g.input("x", Dtype::F32, &[24, 64]).layer_norm(Some(g.weight("norm.weight", &[64])), None, 1e-5);
    g.output("y", x.matmul_t(g.weight("w", &[32, 64])).softmax(-1));
    let graph = Arc::new(g.build().unwrap());
    let wanted = whole_life(&graph).unwrap();
    let mut tried = 0;
    for (function, result) in FAULTS {
        let mut n = 1;
        loop {
            std::fs::write(&file, format!("{function} {n} {result}")).unwrap();
            let outcome = whole_life(&graph);
            let hit = std::fs::read_to_string(&file).unwrap() == "hit";
            let said = outcome.as_ref().map_or_else(ToString::to_string, |_| "a result".to_owned());
            println!("{function} {n} {result}: {said}");
            // A driver's refusal of something else means that the first failure went unnoticed.
            match outcome {
                Ok(got) => assert!(got == wanted, "{function} {n}: a wrong result"),
                Err(Error::DeviceLost(_) | Error::OutOfMemory(_) | Error::Adapter(_)) if hit => {}
                Err(Error::Driver { .. }) if hit && result != OUT_OF_DEVICE_MEMORY => {}
                Err(e) => panic!("{function} {n}: {e}"),
            }
            tried += usize::from(hit);
            n += 1;
            if !hit {
                break;
            }
        }
        println!("{function}: {} calls", n - 2);
    }
    assert!(tried >= 80, "only {tried} faults: is the layer loaded?");
    std::fs::write(&file, "").unwrap();
    assert_eq!(whole_life(&graph).unwrap(), wanted, "after all that, a new device works");
    println!("{tried} faults");
}
