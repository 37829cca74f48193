//! `handmill bench` and `handmill profile`: what they say and write. No test looks at a time.

use crate::Needs::{Gpu, Nothing};
use crate::{Folder, Row};

pub const ROWS: &[Row] = &[
    ("list", Nothing, list),
    ("json_and_compare", Gpu, json),
    ("profile", Gpu, profile),
    ("profile_of_training", Gpu, training),
    ("pipelines_are_kept", Gpu, pipelines),
    ("tune_suite", Gpu, tune_suite),
    ("tune_model", Gpu, tune_model),
    ("nothing_to_tune", Nothing, |folder| {
        let nothing = "--device: there is nothing to tune: the reference has no variants";
        folder.handmill(["tune", "matmul", "--device", "reference"]).fails(nothing);
        let limits = "--limits: is for the plan of a model; cases are measured on the adapter as it is";
        folder.handmill(["tune", "matmul", "--limits", "webgpu"]).fails(limits);
        folder.handmill(["tune", "matmul", "--model", "x"]).exits(2);
        let kernel = "nosuch: no such kernel; `handmill kernel list` lists them";
        folder.handmill(["kernel", "tune", "nosuch"]).fails(kernel);
        folder.handmill(["kernel", "bench", "nosuch"]).fails(kernel);
    }),
    ("nothing_to_profile", Nothing, |folder| {
        let nothing = "--device: there is nothing to time: the reference dispatches nothing";
        folder
            .fixture("transformers/bert")
            .handmill(["profile", "--model", "model", "--device", "reference"])
            .fails(nothing);
    }),
];

fn list(folder: &Folder) {
    let all = folder.handmill(["bench", "--list"]).exits(0).out;
    for case in [
        "matmul/f32/1024x1024x1024",
        "matmul/f32/1x2048x2048",
        "conv2d/f32/1x64x56x56/64x3x3",
        "attention/f32/1x8x256x64",
        "softmax/f32/1024x1024",
        "add/f32/4096x1024",
    ] {
        assert!(all.lines().any(|line| line == case), "{case} is not in {all}");
    }
    let some = folder.handmill(["bench", "softmax", "--only", "^softmax/", "--list"]).exits(0).out;
    assert_eq!(some, "softmax/f32/1024x1024\nsoftmax/f32/8x50257/gpt2\n");
    let model = folder.handmill(["bench", "llama", "--list"]).exits(0).out;
    for case in
        ["matmul/f32/1x4096x4096/llama_decode", "rope/f32/1x32x128x128/llama", "mul_activation/f32/128x11008/llama"]
    {
        assert!(model.lines().any(|line| line == case), "{case} is not in {model}");
    }
    assert!(!model.contains("conv2d/"), "{model}");
    folder.handmill(["bench", "nosuch", "--list"]).exits(2);
    let none = "--only: finds no case; `handmill bench --list` names them";
    folder.handmill(["bench", "conv", "--only", "softmax"]).fails(none);
    folder.handmill(["bench", "--only", "("]).fails("--only: error: unclosed group");
    folder
        .handmill(["bench", "--compare", "nosuch"])
        .fails("nosuch: cannot be read: No such file or directory (os error 2)");
    let list = "old.json: is no list of measurements: invalid type: map, expected a sequence at line 1 column 0";
    folder.write("old.json", "{}").handmill(["bench", "--compare", "old.json"]).fails(list);
    let nothing = "--device: there is nothing to time: the reference is not a kernel";
    folder.handmill(["bench", "--device", "reference"]).fails(nothing);
}

fn json(folder: &Folder) {
    let args = ["bench", "--only", "^add/f32/4096", "--samples", "3", "--json", "new.json"];
    let ran = folder.handmill(args).exits(0);
    assert!(ran.out.contains("\ncopy ") && ran.out.contains("add/f32/4096x1024 "), "{}", ran.out);
    let text = std::fs::read(folder.at("new.json")).unwrap();
    let rows: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_slice(&text).unwrap();
    let keys = ["case", "variant", "adapter", "median_s", "spread_s", "gflops", "gbps", "roofline"];
    assert_eq!(rows.len(), 2);
    for row in &rows {
        assert!(row.keys().eq(keys), "{row:?}");
        assert_eq!(row["case"], "add/f32/4096x1024");
        let [time, gflops, gbps] = ["median_s", "gflops", "gbps"].map(|key| row[key].as_f64().unwrap());
        // 4 Mi additions of two numbers, 12 bytes each.
        let n = f64::from(4096 * 1024);
        assert!(time > 0.0 && (gflops * 1e9 * time / n - 1.0).abs() < 1e-9, "{row:?}");
        assert!((gbps * 1e9 * time / (12.0 * n) - 1.0).abs() < 1e-9, "{row:?}");
    }
    let again = ["bench", "--only", "^add/f32/4096", "--samples", "3", "--compare", "new.json"];
    let ran = folder.handmill(again).exits(0);
    let ratios = ran.out.lines().filter(|line| line.starts_with("add/")).filter_map(|l| l.split_whitespace().last());
    assert_eq!(ratios.filter(|ratio| ratio.parse::<f64>().is_ok_and(|r| r > 0.0)).count(), 2, "{}", ran.out);
}

fn profile(folder: &Folder) {
    folder.fixture("transformers/bert");
    let args = ["profile", "--model", "model", "--inputs", "in.safetensors", "--runs", "2"];
    for by in ["kernel", "node", "scope"] {
        let ran = folder.handmill(args.iter().chain(&["--by", by, "--top", "2"])).exits(0);
        let lines: Vec<&str> = ran.out.lines().collect();
        assert!(lines[0].starts_with("first result after ") && lines[0].contains(": plan "), "{}", ran.out);
        assert!(lines[1].starts_with("BertModel on ") && lines[2].trim_start().starts_with("time "), "{}", ran.out);
        assert!(lines.len() == 6 && lines[5].ends_with(" more lines"), "{}", ran.out);
    }
    folder.handmill(args.iter().chain(&["--csv", "p.csv", "--trace", "p.json"])).exits(0);
    let table = std::fs::read_to_string(folder.at("p.csv")).unwrap();
    let trace: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.at("p.json")).unwrap()).unwrap();
    let events: Vec<_> = trace["traceEvents"].as_array().unwrap().iter().filter(|e| e["ph"] == "X").collect();
    assert_eq!(table.lines().next().unwrap(), "dispatch,phase,node,kernel,scope,source,seconds,flops,bytes");
    assert_eq!(table.lines().count(), events.len() + 1);
    assert!(events.windows(2).all(|pair| {
        let [ts, duration, next] = [&pair[0]["ts"], &pair[0]["dur"], &pair[1]["ts"]].map(|v| v.as_f64().unwrap());
        (ts + duration - next).abs() < 1e-6 * next.max(1.0)
    }));
}

/// Every phase has lines, its own lane in the trace, and the dispatches of the plan are there once.
fn training(folder: &Folder) {
    folder.fixture("training/gpt2");
    let args = ["profile", "--model", "model", "--train", "model/train.json", "--batches", "model/batches.safetensors"];
    let ran = folder.handmill(args.iter().chain(&["--runs", "2", "--csv", "p.csv", "--trace", "p.json"])).exits(0);
    let first = ran.out.lines().next().unwrap();
    assert!(first.starts_with("a step of GPT2LMHeadModel on ") && first.contains("; a step without "), "{}", ran.out);
    let table = std::fs::read_to_string(folder.at("p.csv")).unwrap();
    let phases: Vec<&str> = table.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
    for (tid, phase) in ["forward", "backward", "update"].into_iter().enumerate() {
        let count = phases.iter().filter(|p| **p == phase).count();
        let line = |l: &str| l.ends_with(&format!(" {count}  {phase}"));
        assert!(count > 0 && ran.out.lines().any(line), "{count} {phase} in {}", ran.out);
        let trace: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.at("p.json")).unwrap()).unwrap();
        let events = trace["traceEvents"].as_array().unwrap().iter();
        assert_eq!(events.filter(|e| e["ph"] == "X" && e["tid"] == tid).count(), count);
    }
    assert_eq!(phases.first(), Some(&"forward"));
    assert_eq!(phases.last(), Some(&"update"));
    assert!(first.contains(&format!(": {} dispatches, ", phases.len())), "{first}");
    let by = folder.handmill(args.iter().chain(&["--runs", "1", "--by", "phase"])).exits(0);
    assert_eq!(by.out.lines().count(), 5, "{}", by.out);
}

/// The only table in the cache, and its choices by call.
fn choices(folder: &Folder) -> serde_json::Map<String, serde_json::Value> {
    let files: Vec<_> = std::fs::read_dir(folder.at("cache/tune")).unwrap().map(|e| e.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    let table: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    table["variants"].as_object().unwrap().clone()
}

fn tune_suite(folder: &Folder) {
    let ran = folder.handmill(["tune", "gpt2", "--only", "^add/"]).exits(0);
    let line = ran.out.strip_prefix("add/f32/1024x768/gpt2 ").unwrap_or_else(|| panic!("{}", ran.out));
    assert!(line.contains("plain ") && line.contains("vec4 ") && line.ends_with(" ms\n"), "{}", ran.out);
    assert!(ran.err.starts_with("handmill: 1 calls measured on ") && ran.err.contains("cache/tune/"), "{}", ran.err);
    let found = choices(folder);
    assert_eq!(found.len(), 1);
    assert!(found.keys().all(|k| k.starts_with("add a (1024, 768) f32 · b (1024, 768) f32 · shaders ")), "{found:?}");
    // The benchmark marks what a plan takes: the table's choice, whatever it is, or the kernel's own.
    let file = std::fs::read_dir(folder.at("cache/tune")).unwrap().next().unwrap().unwrap().path();
    let table = std::fs::read_to_string(&file).unwrap();
    let marked = |more: &[&str]| {
        let ran = folder.handmill(["bench", "gpt2", "--only", "^add/", "--samples", "3"].iter().chain(more)).exits(0);
        let line = ran.out.lines().find(|l| l.contains(" * ") && l.starts_with("add/")).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{}", ran.out)).split_whitespace().nth(1).unwrap().to_owned()
    };
    for word in ["plain", "vec4"] {
        let (key, was) = found.iter().next().unwrap();
        std::fs::write(&file, table.replace(&format!("{key}\": {was}"), &format!("{key}\": \"{word}\""))).unwrap();
        assert_eq!(marked(&[]), word);
        assert_eq!(marked(&["--no-tune"]), "vec4");
    }
    // A second run adds to it.
    folder.handmill(["kernel", "tune", "where"]).exits(0);
    assert!(choices(folder).len() >= found.len());
    let rows = folder.handmill(["kernel", "bench", "running_update", "--samples", "3", "--json", "new.json"]).exits(0);
    assert!(rows.out.contains("running_update/f32/2048/resnet50"), "{}", rows.out);
}

/// What is measured is kept and used; what cannot be used is a notice, and nothing more.
fn tune_model(folder: &Folder) {
    folder.fixture("transformers/bert");
    let ran = folder.handmill(["tune", "--model", "model", "--inputs", "in.safetensors"]).exits(0);
    let found = choices(folder);
    assert_eq!(ran.out.lines().count(), found.len(), "{}", ran.out);
    assert!(found.keys().any(|key| key.starts_with("matmul ")), "{found:?}");
    let plan = |more: &[&str]| folder.handmill(["plan", "--model", "model"].iter().chain(more)).exits(0);
    let cold = plan(&["--no-tune"]).out;
    // Every choice turned into another one of the same kernel shows in the plan.
    let file = std::fs::read_dir(folder.at("cache/tune")).unwrap().next().unwrap().unwrap().path();
    let table = std::fs::read_to_string(&file).unwrap();
    let mut turned: serde_json::Value = serde_json::from_str(&table).unwrap();
    for (key, word) in turned["variants"].as_object_mut().unwrap() {
        if key.starts_with("layer_norm ") {
            *word = if cold.contains("/layer_norm_vec4 ") { "plain" } else { "vec4" }.into();
        }
    }
    std::fs::write(&file, turned.to_string()).unwrap();
    let inputs = ["--inputs", "in.safetensors"];
    let (cold, warm) = (plan(&[&inputs[..], &["--no-tune"]].concat()).out, plan(&inputs).out);
    assert_ne!(cold, warm);
    let verify = ["verify", "--model", "model", "--inputs", "in.safetensors"];
    folder.handmill(verify).exits(0);
    // A file that is none of ours is one notice.
    std::fs::write(&file, "{").unwrap();
    let ran = folder.handmill(verify).exits(0);
    let notices: Vec<_> = ran.err.lines().filter(|l| l.ends_with("; it is ignored")).collect();
    assert_eq!(notices.len(), 1, "{}", ran.err);
    let ran = folder.handmill(verify.iter().chain(&["--no-tune"])).exits(0);
    assert!(!ran.err.contains("ignored"), "{}", ran.err);
}

/// Where the driver hands out what it compiled, a file holds it; one that is broken is written anew.
fn pipelines(folder: &Folder) {
    folder.fixture("transformers/bert");
    let run = |out: &str| {
        let ran = folder.handmill(["run", "--model", "model", "--inputs", "in.safetensors", "--outputs", out]).exits(0);
        assert!(!ran.err.contains("pipelines"), "{}", ran.err);
        std::fs::read(folder.at(out)).unwrap()
    };
    let first = run("first");
    let kept = std::fs::read_dir(folder.at("cache/pipelines")).into_iter().flatten().map(|e| e.unwrap().path());
    for path in kept {
        let whole = std::fs::read(&path).unwrap();
        assert!(whole.starts_with(b"handmill pipelines 1\n"), "{}", path.display());
        for broken in [&b"garbage"[..], &whole[..whole.len() - 1], b""] {
            std::fs::write(&path, broken).unwrap();
            assert_eq!(run("again"), first);
            assert!(std::fs::read(&path).unwrap().starts_with(b"handmill pipelines 1\n"), "{}", path.display());
        }
    }
}
