//! `handmill bench` and `handmill profile`: what they say and write. No test looks at a time.

use crate::Needs::{Gpu, Nothing};
use crate::{Folder, Row};

pub const ROWS: &[Row] = &[
    ("list", Nothing, list),
    ("json_and_compare", Gpu, json),
    ("profile", Gpu, profile),
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
    let some = folder.handmill(["bench", "rows", "--only", "^softmax/", "--list"]).exits(0).out;
    assert_eq!(some, "softmax/f32/1024x1024\n");
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
    let args = ["bench", "--only", "^add/", "--samples", "3", "--json", "new.json"];
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
    let again = ["bench", "--only", "^add/", "--samples", "3", "--compare", "new.json"];
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
        assert!(lines[0].starts_with("BertModel on ") && lines[1].trim_start().starts_with("time "), "{}", ran.out);
        assert!(lines.len() == 5 && lines[4].ends_with(" more lines"), "{}", ran.out);
    }
    folder.handmill(args.iter().chain(&["--csv", "p.csv", "--trace", "p.json"])).exits(0);
    let table = std::fs::read_to_string(folder.at("p.csv")).unwrap();
    let trace: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.at("p.json")).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    assert_eq!(table.lines().next().unwrap(), "dispatch,node,kernel,scope,source,seconds,flops,bytes");
    assert_eq!(table.lines().count(), events.len() + 1);
    assert!(events.windows(2).all(|pair| {
        let [ts, duration, next] = [&pair[0]["ts"], &pair[0]["dur"], &pair[1]["ts"]].map(|v| v.as_f64().unwrap());
        (ts + duration - next).abs() < 1e-6 * next.max(1.0)
    }));
}
