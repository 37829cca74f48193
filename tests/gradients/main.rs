//! Every gradient rule, in the middle of a graph: the kernel's outputs scaled and summed up with random weights, and
//! every input on a second path, so that a rule that forgets what arrives, or replaces what is there, fails.
//!
//! Each row runs twice: in f64 on the references, against central differences, and on the adapter, each operation
//! against its reference. Whole models stand in `models`.

mod attention;
mod conv;
mod elementwise;
#[path = "../kernels/fixture.rs"]
#[allow(dead_code)]
mod fixture;
mod index;
mod judge;
mod kinks;
mod layout;
mod linalg;
mod loss;
mod matmul;
mod models;
mod norm;
mod pool;
mod recurrent;
mod reduce;
mod resize;
#[path = "../kernels/row.rs"]
#[allow(dead_code)]
mod row;
mod scan;
mod softmax;

use std::collections::HashSet;
use std::sync::Arc;

use handmill::device::{Device, Select};
use handmill::kernel::{Backward, NO_RULE};
use handmill::store::Weights;
use handmill::{Dtype, Graph, HostTensor};
use judge::{Gradient, gpu_row, reference_row};
use libtest_mimic::{Arguments, Trial};

fn rows() -> Vec<Gradient> {
    let families = [
        elementwise::rows as fn() -> Vec<Gradient>,
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
        recurrent::rows,
        loss::rows,
    ];
    families.iter().flat_map(|f| f()).collect()
}

fn main() {
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let device = Device::open(&Select::Auto).inspect_err(|e| eprintln!("{e}: GPU rows are ignored")).ok();
    let required = std::env::var_os("HANDMILL_REQUIRE_GPU").is_some_and(|v| v == "1");
    let missing = device.is_none();
    let mut trials = vec![];
    let mut names = HashSet::new();
    for gradient in rows() {
        let name = gradient.row.name.clone();
        assert!(names.insert(name.clone()), "two rows are called {name}");
        let gradient = Arc::new(gradient);
        let reference = gradient.clone();
        trials.push(Trial::test(format!("{name}/reference"), move || reference_row(&reference)));
        let device = device.clone();
        let gpu = Trial::test(name, move || match &device {
            Some(device) => gpu_row(&gradient, device),
            None => Err("no adapter was found".into()),
        });
        trials.push(gpu.with_ignored_flag(missing && !required));
    }
    for case in scan::CASES {
        trials.push(Trial::test(format!("{}/reference", case.name), || case.reference()));
        let device = device.clone();
        let gpu = Trial::test(case.name, move || match &device {
            Some(device) => case.gpu(device),
            None => Err("no adapter was found".into()),
        });
        trials.push(gpu.with_ignored_flag(missing && !required));
    }
    trials.push(Trial::test("every_rule_has_rows", || {
        let mut tested: HashSet<&str> = rows().iter().map(|r| r.row.case.kernel.name).collect();
        // Tested below: differences see nothing of the gradient it passes on.
        tested.insert("straight_through");
        let has_rule = |k: &&handmill::Kernel| matches!(k.backward, Backward::Rule(_));
        let all = handmill::kernels::all().filter(has_rule).map(|k| k.name);
        let lacking: Vec<_> = all.filter(|n| !tested.contains(n)).collect();
        if lacking.is_empty() { Ok(()) } else { Err(format!("rules without rows: {}", lacking.join(", ")).into()) }
    }));
    trials.push(Trial::test("straight_through/f32/3", || {
        let graph = Graph::new();
        let (x, q) = (graph.input("x", Dtype::F32, &[3]), graph.input("q", Dtype::F32, &[3]));
        let c = graph.constant(HostTensor::f32(&[3], vec![2.0, -3.0, 5.0]));
        let loss = (x.straight_through(q).square() * c).sum(&[], false);
        let [d_x, d_q] = [0, 1].map(|i| graph.backward(loss, &[x, q])[i]);
        if d_q.is_some() {
            return Err("q has a gradient".into());
        }
        graph.output("d_x", d_x.ok_or("x has no gradient")?);
        let graph = graph.build().map_err(|e| e.to_string())?;
        let given = |name: &str, _: &handmill::Spec| Ok(if name == "x" { vec![9.0; 3] } else { vec![1.0, 2.0, 3.0] });
        let found = handmill::reference::evaluate(&graph, &Weights::default(), &given, &mut Default::default());
        let found = found.map_err(|e| e.to_string())?;
        // 2·c·q: the slope where q is.
        if found == [vec![4.0, -12.0, 30.0]] { Ok(()) } else { Err(format!("d_x is {found:?}").into()) }
    }));
    trials.push(Trial::test("every_kernel_has_a_rule_or_a_reason", || {
        let silent =
            |k: &&handmill::Kernel| matches!(k.backward, Backward::None(why) if why.is_empty() || why == NO_RULE);
        let silent: Vec<_> = handmill::kernels::all().filter(silent).map(|k| k.name).collect();
        if silent.is_empty() { Ok(()) } else { Err(format!("neither rule nor reason: {}", silent.join(", ")).into()) }
    }));
    trials.extend(models::trials(device.as_ref(), missing && !required));
    trials.extend(kinks::trials());
    libtest_mimic::run(&arguments, trials).exit();
}
