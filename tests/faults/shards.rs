//! Folders, indexes and shards, and the report of weights that do not fit.

use std::fs;
use std::path::Path;

use handmill::weights::Checkpoint;
use handmill::{Dtype, Spec};
use tempfile::{TempDir, tempdir};

use super::refuses;
use super::safetensors::{entry, file};

/// A shard with one `F32` tensor of one element.
fn shard(folder: &Path, name: &str, tensor: &str, value: f32) {
    fs::write(folder.join(name), file(&entry(tensor, "F32", "[1]", 0, 4), &value.to_le_bytes())).unwrap();
}

fn with_index(index: &str) -> TempDir {
    let folder = tempdir().unwrap();
    shard(folder.path(), "model-1.safetensors", "a", 1.0);
    shard(folder.path(), "model-2.safetensors", "b", 2.0);
    fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    folder
}

fn map(pairs: &str) -> String {
    format!(r#"{{"metadata":{{"total_size":8}},"weight_map":{{{pairs}}}}}"#)
}

const GOOD: &str = r#""a":"model-1.safetensors","b":"model-2.safetensors""#;

#[test]
fn a_sharded_checkpoint_loads() {
    // 44: the size it states is wrong in many published indexes, so nothing rests on it.
    for size in ["8", "-1", "1e300", "\"many\""] {
        let folder = with_index(&map(GOOD).replace("8", size));
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        let values = ["a", "b"].map(|name| checkpoint.load(name).unwrap().as_f32().unwrap()[0]);
        assert_eq!((values, checkpoint.notices().len()), ([1.0, 2.0], 0));
        let index = Checkpoint::open(folder.path().join("model.safetensors.index.json")).unwrap();
        assert_eq!(index.tensors().len(), 2);
    }
}

#[test]
fn faulty_indexes() {
    let escape =
        |name: &str| format!("model.safetensors.index.json: shard \"{name}\" is not the name of a file in this folder");
    let wrong = "model.safetensors.index.json: is not a valid index of shards:";
    for (row, index, expected) in [
        ("39 parent", map(r#""a":"../x.safetensors""#), escape("../x.safetensors")),
        ("39 absolute", map(r#""a":"/etc/passwd""#), escape("/etc/passwd")),
        ("39 inside out", map(r#""a":"a/../../b.safetensors""#), escape("a/../../b.safetensors")),
        ("39 drive", map(r#""a":"C:\\x.safetensors""#), escape("C:\\x.safetensors")),
        ("39 hidden", map(r#""a":".safetensors""#), escape(".safetensors")),
        ("40 missing shard", map(r#""a":"model-1.safetensors","b":"gone.safetensors","c":"too.safetensors""#),
         "model.safetensors.index.json: 2 of 3 shards are missing: gone.safetensors, too.safetensors".into()),
        ("41 tensor not in its shard", map(r#""a":"model-1.safetensors","b":"model-2.safetensors","c":"model-2.safetensors""#),
         "model.safetensors.index.json: lists tensors that its shards do not hold: c in model-2.safetensors".into()),
        ("41 shards mixed up", map(r#""a":"model-2.safetensors","b":"model-1.safetensors""#),
         "model.safetensors.index.json: lists tensors that its shards do not hold: b in model-1.safetensors, a in model-2.safetensors".into()),
        ("46 the index as shard", map(r#""a":"model.safetensors.index.json""#),
         "model.safetensors.index.json: shard \"model.safetensors.index.json\" is not a .safetensors file".into()),
        ("no map", "{}".into(), format!("{wrong} missing field `weight_map` at line 1 column 2")),
        ("map of numbers", map(r#""a":1"#), format!("{wrong} invalid type: integer `1`, expected a string at line 1 column 48")),
        ("a tensor twice", map(r#""a":"model-1.safetensors","a":"model-1.safetensors""#), format!("{wrong} key \"a\" occurs twice at line 1 column 72")),
        ("not an object", "[]".into(), format!("{wrong} invalid type: sequence, expected an object at line 1 column 0")),
    ] {
        let folder = with_index(&index);
        refuses(row, folder.path(), &expected, || Checkpoint::open(folder.path()));
    }
}

#[test]
fn a_million_entries() {
    let line = |n: usize| format!(r#""{n}":"m.safetensors""#);
    for (row, count, expected) in [
        (
            "43 a million",
            1_000_000,
            "model.safetensors.index.json: is 24.9 MB long, more than the 16.8 MB allowed here",
        ),
        ("43 too many", 100_001, "model.safetensors.index.json: lists 100001 tensors, more than 100000"),
    ] {
        let folder = with_index(&map(&(0..count).map(line).collect::<Vec<_>>().join(",")));
        refuses(row, folder.path(), expected, || Checkpoint::open(folder.path()));
    }
    let lines: Vec<String> = (0..1_001).map(|n| format!(r#""{n}":"{n}.safetensors""#)).collect();
    let folder = with_index(&map(&lines.join(",")));
    let expected = "model.safetensors.index.json: lists 1001 shards, more than 1000";
    refuses("43 shards", folder.path(), expected, || Checkpoint::open(folder.path()));
}

#[test]
fn a_tensor_in_two_shards() {
    let folder = with_index(&map(GOOD));
    let both = format!(
        "{{{},{}}}",
        r#""b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#,
        r#""a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}"#
    );
    fs::write(folder.path().join("model-2.safetensors"), file(&both, &[0; 8])).unwrap();
    let expected = "model-2.safetensors: holds tensor \"a\", as model-1.safetensors does";
    refuses("42", folder.path(), expected, || Checkpoint::open(folder.path()));
}

#[cfg(unix)]
#[test]
fn links_may_lead_into_the_hub_cache_only() {
    let root = tempdir().unwrap();
    let snapshot = root.path().join("models--o--m/snapshots/abc");
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(root.path().join("models--o--m/blobs")).unwrap();
    shard(&root.path().join("models--o--m/blobs"), "00ff", "a", 3.0);
    shard(root.path(), "elsewhere", "a", 4.0);
    fs::write(snapshot.join("model.safetensors.index.json"), map(r#""a":"m.safetensors""#)).unwrap();
    let link = |to: &str| {
        let _ = fs::remove_file(snapshot.join("m.safetensors"));
        std::os::unix::fs::symlink(to, snapshot.join("m.safetensors")).unwrap();
    };
    link("../../blobs/00ff");
    assert_eq!(Checkpoint::open(&snapshot).unwrap().load("a").unwrap().as_f32().unwrap(), [3.0]);
    link("../../../elsewhere");
    let expected = "model.safetensors.index.json: shard m.safetensors is a link that leads out of the folder";
    refuses("39 link", &snapshot, expected, || Checkpoint::open(&snapshot));
    link("../../../gone");
    let expected = "model.safetensors.index.json: 1 of 1 shards are missing: m.safetensors";
    refuses("40 link to nothing", &snapshot, expected, || Checkpoint::open(&snapshot));
}

#[test]
fn which_file_of_a_folder_is_read() {
    let folder = with_index(&map(GOOD));
    shard(folder.path(), "diffusion_pytorch_model.safetensors", "d", 5.0);
    assert!(Checkpoint::open(folder.path()).unwrap().info("a").is_some());
    shard(folder.path(), "model.safetensors", "single", 6.0);
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    let notices: Vec<String> =
        checkpoint.notices().iter().map(|n| n.replace(&format!("{}/", folder.path().display()), "")).collect();
    assert!(checkpoint.info("single").is_some() && checkpoint.tensors().len() == 1);
    let expected = ["model.safetensors.index.json", "diffusion_pytorch_model.safetensors"];
    assert_eq!(notices, expected.map(|other| format!("model.safetensors is read, {other} is not")));

    let empty = tempdir().unwrap();
    let path = empty.path().join("m");
    fs::create_dir(&path).unwrap();
    let expected = "m: has neither model.safetensors nor model.safetensors.index.json";
    refuses("nothing", empty.path(), expected, || Checkpoint::open(&path));
    fs::write(path.join("pytorch_model.bin"), "x").unwrap();
    let expected = format!("{expected}; it has pytorch_model.bin, which has to be converted to safetensors");
    refuses("pickle only", empty.path(), &expected, || Checkpoint::open(&path));
}

#[test]
fn weights_are_found_under_the_names_of_related_models() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let list = [
        ("body.h.0.w", "F32", "[2]", 8),
        ("body.h.0.LayerNorm.gamma", "BF16", "[2]", 4),
        ("head.w", "F16", "[2]", 4),
        ("steps", "I64", "[1]", 8),
        ("h.attn.bias", "U8", "[1]", 1),
        ("extra", "U8", "[1]", 1),
    ];
    let (mut entries, mut at) = (Vec::new(), 0);
    for (name, dtype, shape, bytes) in list {
        let entry = entry(name, dtype, shape, at, at + bytes);
        entries.push(entry[1..entry.len() - 1].to_owned());
        at += bytes;
    }
    fs::write(&path, file(&format!("{{{}}}", entries.join(",")), &vec![0; at as usize])).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    let want = |key: &str, dtype, shape: &[usize]| (key.to_owned(), Spec::new(dtype, shape));
    let ignorable = |name: &str| name.ends_with("attn.bias");

    let wanted = [
        want("h.0.w", Dtype::F32, &[2]),
        want("h.0.LayerNorm.weight", Dtype::F32, &[2]),
        want("body.head.w", Dtype::F16, &[2]),
        want("steps", Dtype::I32, &[1]),
    ];
    let resolved = checkpoint.resolve(&wanted, &["body."], ignorable).unwrap();
    assert_eq!(resolved.names, ["body.h.0.w", "body.h.0.LayerNorm.gamma", "head.w", "steps"]);
    assert_eq!(resolved.unused, ["extra"]);

    let wanted = [
        want("h.0.w", Dtype::F32, &[2, 1]),
        want("h.1.w", Dtype::F32, &[2]),
        want("head.w", Dtype::I32, &[2]),
        want("steps", Dtype::F32, &[1]),
    ];
    let expected = "model.safetensors: 5 weights do not fit the model:\n  \
        h.0.w (as body.h.0.w): (2,) in the file, expected (2, 1)\n  \
        h.1.w: missing, expected f32 (2,)\n  \
        head.w: is stored as F16, expected integers\n  \
        steps: is stored as I64, expected floats\n  \
        not used by the model: body.h.0.LayerNorm.gamma, extra (2 in all)";
    refuses("all faults at once", folder.path(), expected, || checkpoint.resolve(&wanted, &["body"], ignorable));
}
