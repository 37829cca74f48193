//! Every key of every `config.json` with values that do not belong there: the model is built or refused in a sentence.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use handmill::adapter::Adapter;
use handmill::config::Config;
use handmill::json::Value;
use handmill::models::{self, Inputs, Loaded};
use handmill::plan::Plan;
use libtest_mimic::Trial;
use serde_json::json;

use crate::{Check, cases, data};

/// A trial for every set of keys that a model is given.
pub fn trials() -> Vec<Trial> {
    let mut seen = BTreeSet::new();
    let new = |case: &String| {
        let text = std::fs::read(data().join(case).join("config.json")).unwrap_or_default();
        let Ok(whole) = serde_json::from_slice::<Value>(&text) else { return true };
        let mut places = vec![];
        paths(&whole, String::new(), &mut places);
        let model = whole.get("architectures").or(whole.get("_class_name"));
        seen.insert((model.map(Value::to_string), places))
    };
    let cases: Vec<_> = cases().into_iter().filter(new).collect();
    cases.into_iter().map(|case| Trial::test(format!("configs/{case}"), move || swapped(&case))).collect()
}

/// What takes the place of a value.
fn wrong() -> Vec<Value> {
    let long = "x".repeat(100_000);
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(7),
        json!(1.5),
        json!(-0.0),
        json!(1e-30),
        json!(1e18),
        json!(1e30),
        json!(4_294_967_360u64),
        json!(1u64 << 40),
        json!(1_000_000_000),
        json!("relu "),
        json!("Infinity"),
        json!(""),
        json!(long),
        json!([]),
        json!([0]),
        json!([[1, -1], [2]]),
        json!({}),
        json!({"rope_type": "default", "factor": "x"}),
    ]
}

fn swapped(case: &str) -> Check {
    let folder = data().join(case);
    let whole: Value = serde_json::from_slice(&std::fs::read(folder.join("config.json"))?)?;
    let model = Loaded::open(&folder)?.model;
    let mut places = vec![];
    paths(&whole, String::new(), &mut places);
    for place in &places {
        for value in wrong() {
            let mut config = whole.clone();
            *config.pointer_mut(place).ok_or("a path leads nowhere")? = value.clone();
            let what = || format!("{case}: {place} = {}", value.to_string().chars().take(40).collect::<String>());
            let built = catch_unwind(AssertUnwindSafe(|| planned(model, &config)));
            let Ok(built) = built else { return Err(format!("{}: panicked", what()).into()) };
            if let Err(sentence) = built
                && (sentence.is_empty() || sentence.len() > 1000 || sentence.contains("bug: "))
            {
                return Err(format!("{}: {sentence}", what()).into());
            }
        }
    }
    Ok(())
}

/// Pointers to every value, inner ones included, but not what names the model.
fn paths(value: &Value, at: String, found: &mut Vec<String>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, v)| (key.clone(), v)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        _ => vec![],
    };
    for (key, value) in inner {
        let path = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        if !["/architectures", "/_class_name"].contains(&path.as_str()) {
            found.push(path.clone());
            paths(value, path, found);
        }
    }
}

/// The most nodes of a graph: a model of a small configuration with one value changed that has more was not refused.
const MOST: usize = 300_000;

/// The error of building and planning the model for its own inputs.
fn planned(model: &models::Model, config: &Value) -> Result<(), String> {
    let config = Config::parse("config.json", &config.to_string()).map_err(|e| e.to_string())?;
    let graph = models::build(model, &config, &Inputs::defaults(), None).map_err(|e| e.to_string())?;
    if graph.nodes.len() > MOST {
        return Err(format!("bug: a graph of {} nodes", graph.nodes.len()));
    }
    Plan::new(&Arc::clone(&graph), &Adapter::webgpu()).map(|_| ()).map_err(|e| e.to_string())
}
