//! Every row of every kernel, in one process on one device.
//!
//! A row runs: reference against its golden, then for every variant that fits the adapter: GPU against
//! reference, bounds checks on against off, two poisons against each other, guards after every output. Then the same
//! with its floats stored as f16, where the adapter has them.
//! `HANDMILL_REQUIRE_GPU=1` makes a missing adapter a failure; `HANDMILL_SHADERS=DIR` reads WGSL from a folder.

mod attention;
mod conv;
mod elementwise;
mod emulated;
mod index;
mod judge;
mod layout;
mod linalg;
mod loss;
mod matmul;
mod norm;
mod optimizer;
mod pool;
mod random;
mod recurrent;
mod reduce;
mod resize;
mod row;
mod seeded;
mod softmax;

use std::collections::HashSet;
use std::sync::Arc;

use handmill::bench::suite::{cases, suites};
use handmill::device::{Device, Select};
use handmill::shader::Shaders;
use judge::{gpu_row, reference_row};
use libtest_mimic::{Arguments, Trial};
use row::Row;

fn rows() -> Vec<Row> {
    let families = [
        elementwise::rows as fn() -> Vec<Row>,
        reduce::rows,
        matmul::rows,
        linalg::rows,
        conv::rows,
        pool::rows,
        softmax::rows,
        attention::rows,
        norm::rows,
        layout::rows,
        index::rows,
        resize::rows,
        random::rows,
        recurrent::rows,
        loss::rows,
        optimizer::rows,
        seeded::rows,
    ];
    families.iter().flat_map(|f| f()).collect()
}

fn main() {
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let shaders = match std::env::var_os("HANDMILL_SHADERS") {
        Some(folder) => Shaders::folder(folder).unwrap_or_else(|e| panic!("HANDMILL_SHADERS: {e}")),
        None => Shaders::built_in(),
    };
    let device = Device::open(&Select::Auto).inspect_err(|e| eprintln!("{e}: GPU rows are ignored")).ok();
    let required = std::env::var_os("HANDMILL_REQUIRE_GPU").is_some_and(|v| v == "1");
    let missing = device.is_none();
    let mut trials = vec![];
    let mut names = HashSet::new();
    for row in rows() {
        assert!(names.insert(row.name.clone()), "two rows are called {}", row.name);
        let row = Arc::new(row);
        let reference = row.clone();
        trials.push(Trial::test(format!("{}/reference", row.name), move || reference_row(&reference)));
        if let Some(half) = row.half() {
            let (device, shaders) = (device.clone(), shaders.clone());
            let has = device.as_ref().is_some_and(|d| d.adapter().f16);
            let gpu = Trial::test(half.name.clone(), move || match &device {
                Some(device) => gpu_row(&half, device, &shaders),
                None => Err("no adapter was found".into()),
            });
            trials.push(gpu.with_ignored_flag(if missing { !required } else { !has }));
        }
        let (device, shaders) = (device.clone(), shaders.clone());
        let gpu = Trial::test(row.name.clone(), move || match &device {
            Some(device) => gpu_row(&row, device, &shaders),
            None => Err("no adapter was found".into()),
        });
        trials.push(gpu.with_ignored_flag(missing && !required));
    }
    if let Some(device) = device.as_ref().filter(|d| d.adapter().f16) {
        trials.extend(cooperative(device, &shaders));
    }
    trials.push(Trial::test("every_kernel_has_rows", || {
        let tested: HashSet<&str> = rows().iter().map(|r| r.case.kernel.name).collect();
        let lacking: Vec<_> = handmill::kernels::all().map(|k| k.name).filter(|n| !tested.contains(n)).collect();
        if lacking.is_empty() { Ok(()) } else { Err(format!("kernels without rows: {}", lacking.join(", ")).into()) }
    }));
    trials.push(Trial::test("every_kernel_has_a_case_of_the_benchmark", || benchmark().map_err(Into::into)));
    libtest_mimic::run(&arguments, trials).exit();
}

/// Rows of the variants with cooperative matrices, emulated, and bugs that they find.
fn cooperative(device: &Arc<Device>, shaders: &Arc<Shaders>) -> Vec<Trial> {
    let (folder, changed) = emulated::shaders(shaders, handmill::kernels::all(), str::to_owned)
        .unwrap_or_else(|e| panic!("cooperative matrices cannot be emulated: {e}"));
    let folder = Arc::new(folder);
    let mut trials = vec![];
    for (row, side) in matmul::rows().iter().flat_map(|row| [(row, 8), (row, 16)]) {
        let Some((half, how)) = emulated::row(row, device, side) else { continue };
        let (device, changed, folder) = (device.clone(), changed.clone(), folder.clone());
        trials.push(Trial::test(format!("{}/emulated_{how}", half.name), move || {
            let _kept = &folder;
            emulated::emulated_row(&half, &device, &emulated::adapter(&device, side), &changed, how)
        }));
    }
    let of = (device.clone(), shaders.clone());
    trials.push(Trial::test("emulated/bugs_of_a_product_fail", move || {
        let found = ["f32/130x36x140", "f32/130x36x131/transposed"].map(|label| format!("matmul/{label}"));
        let rows: Vec<Row> = matmul::rows().into_iter().filter(|row| found.contains(&row.name)).collect();
        emulated::bugs_of_a_product_fail(&rows, &of.0, &of.1).map_err(Into::into)
    }));
    let device = device.clone();
    trials.push(Trial::test("emulated/a_device_tries_its_matrices", move || {
        emulated::a_device_tries_its_matrices(&device).map_err(Into::into)
    }));
    trials
}

/// Every kernel and every suite has a case, whose name is its own and whose call is valid.
fn benchmark() -> Result<(), String> {
    let mut names = HashSet::new();
    for entry in cases() {
        entry.case().graph().map_err(|e| format!("{}: {e}", entry.name()))?;
        if !names.insert(entry.name()) {
            return Err(format!("two cases are called {}", entry.name()));
        }
    }
    let measured: HashSet<&str> = cases().map(|entry| entry.kernel.name).collect();
    let lacking = handmill::kernels::all().map(|k| k.name).filter(|name| !measured.contains(name));
    let empty = suites().into_iter().filter(|suite| !cases().any(|entry| entry.is_in(suite)));
    match lacking.chain(empty).collect::<Vec<_>>() {
        lacking if lacking.is_empty() => Ok(()),
        lacking => Err(format!("without a case: {}", lacking.join(", "))),
    }
}
