//! The rows stored as f16: they plan with every variant, and what the loader makes of the shaders translates.

use std::collections::BTreeSet;
use std::sync::Arc;

use handmill::adapter::Adapter;
use handmill::plan::{Half, Plan};

use super::{Row, SHADERS, hlsl, none, plan, rows, translate};

/// Plans of the rows in f16 on every adapter that has it, with every variant that fits.
fn plans(found: &mut Vec<String>) -> Vec<Plan> {
    let mut made = vec![];
    for row in rows().iter().filter_map(Row::half) {
        let Ok(graph) = row.case.graph().map(Arc::new) else { continue };
        for adapter in Adapter::profiles().iter().filter(|a| a.f16) {
            for variant in row.case.variants(adapter).unwrap_or_default() {
                match plan(&graph, adapter, variant.how, false, Half::Everything) {
                    Ok(plan) => made.push(plan),
                    Err(e) => found.push(format!("{}, {}, '{}': {e}", row.name, adapter.name, variant.how)),
                }
            }
        }
    }
    made
}

/// The kernels and variants that rows in f16 plan.
pub fn planned(found: &mut Vec<String>) -> BTreeSet<String> {
    let label = |op: &handmill::plan::Op| op.variant().label(op.call.kernel);
    plans(found).iter().flat_map(|plan| plan.ops.iter().map(label)).collect()
}

#[test]
fn shaders_with_bindings_in_f16_translate_for_every_backend() {
    let (mut found, mut modules) = (vec![], BTreeSet::new());
    for plan in plans(&mut found) {
        let half = plan.dispatches.iter().filter(|d| !d.half.is_empty());
        modules.extend(half.map(|d| (plan.ops[d.op].variant().shader, d.half.clone())));
    }
    for (name, half) in &modules {
        match SHADERS.module_with(name, half) {
            Ok(module) => _ = translate(name, &module, hlsl::ShaderModel::V6_2, &mut found),
            Err(e) => found.push(format!("{name} with {half:?}: {e}")),
        }
    }
    assert!(modules.len() > 100, "only {} shaders with bindings in f16", modules.len());
    none("shaders in f16", found);
}
