//! Measured choices: a plan takes them where they fit, and only for the call, adapter and shaders they belong to.

use std::path::Path;
use std::sync::Arc;

use handmill::graph::{FixedGraph, Graph};
use handmill::kernel::Call;
use handmill::plan::Options;
use handmill::shader::Shaders;
use handmill::tensor::Dtype;
use handmill::tune::{Tuned, key};
use handmill::{Adapter, Plan};

/// `(M, 64) · (64, 64)`
fn product(m: usize) -> Arc<FixedGraph> {
    let g = Graph::new();
    let a = g.input("a", Dtype::F32, &[m, 64]);
    g.output("y", a.matmul(g.input("w", Dtype::F32, &[64, 64])));
    Arc::new(g.build().unwrap())
}

fn planned(graph: &Arc<FixedGraph>, tuned: &Tuned, adapter: &Adapter, shaders: &Arc<Shaders>) -> &'static str {
    let tuned = Some(Arc::new(tuned.clone()));
    let options = Options { tuned, shaders: shaders.clone(), ..Options::default() };
    Plan::with(graph, adapter, &options).unwrap().ops[0].how
}

/// The call, the variant that is taken cold, and another one that fits.
fn choices(graph: &Arc<FixedGraph>, adapter: &Adapter) -> (Call, &'static str, &'static str) {
    let op = Plan::new(graph, adapter).unwrap().ops[0].clone();
    let other = op.call.kernel.variants.iter().find(|v| v.how != op.how && v.fits(&op.call, adapter)).unwrap();
    (op.call, op.how, other.word())
}

#[test]
fn a_plan_takes_the_variant_of_the_table() {
    let (graph, adapter, shaders) = (product(64), Adapter::nvidia(), Shaders::built_in());
    let (call, cold, other) = choices(&graph, &adapter);
    let mut tuned = Tuned::default();
    assert_eq!(planned(&graph, &tuned, &adapter, &shaders), cold);
    tuned.insert(&call, &adapter, &shaders, other).unwrap();
    let how = if other == "plain" { "" } else { other };
    assert_eq!(planned(&graph, &tuned, &adapter, &shaders), how);
    // The same call on another adapter, and another call on the same.
    let webgpu = Adapter::webgpu();
    assert_eq!(planned(&graph, &tuned, &webgpu, &shaders), choices(&graph, &webgpu).1);
    let larger = product(128);
    assert_eq!(planned(&larger, &tuned, &adapter, &shaders), choices(&larger, &adapter).1);
    // A variant that is asked for comes first.
    let options = Options { tuned: Some(Arc::new(tuned)), variant: Some(cold.into()), ..Options::default() };
    assert_eq!(Plan::with(&graph, &adapter, &options).unwrap().ops[0].how, cold);
}

#[test]
fn a_variant_that_does_not_fit_or_exist_is_ignored() {
    let (graph, adapter, shaders) = (product(64), Adapter::nvidia(), Shaders::built_in());
    let (call, cold, _) = choices(&graph, &adapter);
    let unfit = call.kernel.variants.iter().find(|v| !v.fits(&call, &adapter)).expect("a variant for other shapes");
    for word in [unfit.how, "nosuch", ""] {
        let mut tuned = Tuned::default();
        tuned.insert(&call, &adapter, &shaders, word).unwrap();
        assert_eq!(planned(&graph, &tuned, &adapter, &shaders), cold, "'{word}' was taken");
    }
}

#[test]
fn a_choice_belongs_to_the_text_of_the_shaders() {
    let (graph, adapter, shaders) = (product(64), Adapter::nvidia(), Shaders::built_in());
    let (call, cold, other) = choices(&graph, &adapter);
    let folder = tempfile::tempdir().unwrap();
    let name = call.kernel.variants[0].shader;
    let path = folder.path().join(format!("{name}.wgsl"));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let text = shaders.original(name).unwrap();
    std::fs::write(&path, &text).unwrap();
    let same = Shaders::folder(folder.path()).unwrap();
    assert_eq!(key(&call, &shaders).unwrap(), key(&call, &same).unwrap());
    std::fs::write(&path, format!("{text}\n// edited\n")).unwrap();
    let edited = Shaders::folder(folder.path()).unwrap();
    assert_ne!(key(&call, &shaders).unwrap(), key(&call, &edited).unwrap());
    let mut tuned = Tuned::default();
    tuned.insert(&call, &adapter, &shaders, other).unwrap();
    assert_eq!(planned(&graph, &tuned, &adapter, &edited), cold);
}

#[test]
fn a_key_tells_shapes_strides_and_parameters() {
    let call = choices(&product(64), &Adapter::nvidia()).0;
    let text = key(&call, &Shaders::built_in()).unwrap();
    let (known, print) = text.split_once(" · shaders ").unwrap();
    assert_eq!(known, "matmul a (64, 64) f32 · w (64, 64) f32 · activation none · activation_out none · scale 1.0");
    assert!(print.len() == 16 && print.bytes().all(|b| b.is_ascii_hexdigit()), "{print}");
    let g = Graph::new();
    let a = g.input("a", Dtype::F32, &[64, 64]);
    g.output("y", a.matmul(g.input("w", Dtype::F32, &[64, 64]).transpose(0, 1)));
    let turned = choices(&Arc::new(g.build().unwrap()), &Adapter::nvidia()).0;
    let text = key(&turned, &Shaders::built_in()).unwrap();
    assert!(text.contains(" · w (64, 64) f32 strides (1, 64) from 0 · "), "{text}");
}

#[test]
fn tables_are_written_and_read() {
    let (adapter, shaders) = (Adapter::nvidia(), Shaders::built_in());
    let (call, _, other) = choices(&product(64), &adapter);
    let mut tuned = Tuned::default();
    tuned.insert(&call, &adapter, &shaders, other).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("cache/tune");
    assert_eq!(Tuned::read(&at), (Tuned::default(), vec![]), "there is no folder yet");
    let path = tuned.write(&at, &adapter).unwrap();
    assert_eq!(Tuned::read(&at), (tuned.clone(), vec![]));
    assert!(tuned.has(&call, &adapter, &shaders).unwrap());
    assert!(!tuned.has(&call, &Adapter::webgpu(), &shaders).unwrap());
    // Another driver has its own file.
    let other_driver = Adapter { driver: "another 1.0".into(), ..Adapter::nvidia() };
    tuned.insert(&call, &other_driver, &shaders, "plain").unwrap();
    assert_ne!(tuned.write(&at, &other_driver).unwrap(), path);
    assert_eq!(Tuned::read(&at).0, tuned);
}

#[test]
fn a_file_that_is_no_table_is_one_notice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let found = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let (tuned, notices) = Tuned::read(folder.path());
        assert_eq!(tuned, Tuned::default());
        let [notice] = &notices[..] else { panic!("{notices:?}") };
        notice.replace(&Path::new(&path).display().to_string(), "a.json")
    };
    for foreign in [
        "{}",
        r#"{"format": "handmill tune 2", "adapter": "x", "variants": {}}"#,
        r#"{"format": "handmill tune 1", "adapter": "x", "variants": []}"#,
        r#"{"format": "handmill tune 1", "adapter": "x", "variants": {"k": 1}}"#,
    ] {
        assert_eq!(found(foreign), "a.json: is no table of measured variants; it is ignored");
    }
    let cut = found(r#"{"format": "handmill tune 1", "#);
    assert!(cut.starts_with("a.json: ") && cut.ends_with("; it is ignored"), "{cut}");
}
