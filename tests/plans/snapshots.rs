//! Plans of the fixture models as text, made from named profiles: a change in behaviour shows here.

use std::path::Path;

use handmill::models::{Inputs, Loaded};
use handmill::weights::load_tensors;
use handmill::{Adapter, Plan};

fn plan(case: &str, adapter: &Adapter) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(case);
    let loaded = Loaded::open(&folder).unwrap();
    let inputs = loaded.model.graph_inputs(&load_tensors(folder.join("inputs.safetensors")).unwrap());
    let keys = loaded.folder.checkpoint().unwrap().tensors().iter().map(|t| t.name.clone()).collect();
    let graph = loaded.graph(&Inputs::of(&inputs), Some(keys)).unwrap();
    let text = Plan::new(&graph, adapter).unwrap().to_string();
    assert_eq!(text, Plan::new(&graph, adapter).unwrap().to_string(), "a plan is deterministic");
    text
}

#[test]
fn plans_of_models() {
    for case in [
        "feedforward/mlp_two_hidden",
        "feedforward/lenet",
        "transformers/bert",
        "transformers/gpt2",
        "generative/unet2d",
    ] {
        for adapter in [Adapter::lavapipe(), Adapter::nvidia(), Adapter::webgpu()] {
            let name = format!("{}@{}", case.rsplit('/').next().unwrap(), adapter.name);
            insta::assert_snapshot!(name, plan(case, &adapter));
        }
    }
}
