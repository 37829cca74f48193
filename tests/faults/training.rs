//! Files of examples.

use std::fs;
use std::path::Path;

use handmill::config::Config;
use handmill::engine::Tensors;
use handmill::tensor::HostTensor;
use handmill::train::data::{Batches, Data, Position, Source};
use handmill::train::settings::Settings;
use handmill::weights::save_tensors;
use tempfile::tempdir;

use super::{refuses, text};

/// The examples that the part `data` of the settings names, below `folder`.
fn open(folder: &Path, data: &str) -> handmill::Result<Data> {
    let config = Config::parse("train.json", data).unwrap();
    let source = Source::read(&config, folder, false);
    config.finish()?;
    source.open(7)
}

fn idx(sizes: &[u32], values: &[u8]) -> Vec<u8> {
    let magic = 0x800 + sizes.len() as u32;
    [magic].iter().chain(sizes).flat_map(|v| v.to_be_bytes()).chain(values.iter().copied()).collect()
}

const IDX: &str = r#"{"reader": "idx", "images": "x", "labels": "y", "batch_size": 2, "shuffle": false, "classes": 3"#;

#[test]
fn idx_files() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("x"), idx(&[3, 1, 2], &[0, 255, 1, 2, 3, 4])).unwrap();
    fs::write(at("y"), idx(&[3], &[2, 0, 1])).unwrap();
    let mut data = open(folder.path(), &format!("{IDX}}}")).unwrap();
    let batch = data.batch(1).unwrap();
    assert_eq!(batch["pixel_values"], HostTensor::f32(&[2, 1, 1, 2], vec![3.0, 4.0, 0.0, 255.0]));
    assert_eq!(batch["target"], HostTensor::i32(&[2], vec![1, 2]));
    assert_eq!(data.position(1), Position { epoch: 0, offset: 2 });
    let options = r#", "flatten": true, "normalize": {"scale": 0.5, "shift": 1}, "names": {"input": "input"}}"#;
    let mut data = open(folder.path(), &format!("{IDX}{options}")).unwrap();
    assert_eq!(data.batch(0).unwrap()["input"], HostTensor::f32(&[2, 2], vec![1.0, 128.5, 1.5, 2.0]));

    let huge = idx(&[u32::MAX, u32::MAX, u32::MAX], &[]);
    for (row, file, content, expected) in [
        ("gzip", "x", b"\x1f\x8b\x08\0".to_vec(), "is compressed with gzip; unpack it first"),
        ("empty", "x", vec![], "is 0 bytes long, too short for an IDX file"),
        ("labels for images", "x", idx(&[3], &[0; 3]), "starts with 0x00000801, an IDX file of images with 0x00000803"),
        (
            "floats",
            "y",
            b"\0\0\x0d\x01\0\0\0\x03".to_vec(),
            "starts with 0x00000d01, an IDX file of labels with 0x00000801",
        ),
        (
            "cut off",
            "x",
            idx(&[3, 1, 2], &[0; 5]),
            "is cut off: sizes [3, 1, 2] need 6 bytes of data, the file has 5 bytes",
        ),
        (
            "too long",
            "x",
            idx(&[3, 1, 2], &[0; 7]),
            "is too long: sizes [3, 1, 2] need 6 bytes of data, the file has 7 bytes",
        ),
        ("sizes of 0", "x", idx(&[0, 1, 2], &[]), "has sizes [0, 1, 2], expected none of 0"),
        (
            "huge",
            "x",
            huge,
            "is cut off: sizes [4294967295, 4294967295, 4294967295] need 18.4 EB of data, the file has 0 bytes",
        ),
    ] {
        let old = fs::read(at(file)).unwrap();
        fs::write(at(file), content).unwrap();
        refuses(row, folder.path(), &format!("{file}: {expected}"), || open(folder.path(), &format!("{IDX}}}")));
        fs::write(at(file), old).unwrap();
    }
    fs::write(at("x"), &idx(&[3, 1, 2], &[])[..10]).unwrap();
    refuses("cut header", folder.path(), "x: is cut off: 10 bytes of a header of 16", || {
        open(folder.path(), &format!("{IDX}}}"))
    });
    fs::write(at("x"), idx(&[3, 1, 2], &[0; 6])).unwrap();
    fs::write(at("y"), idx(&[4], &[0; 4])).unwrap();
    let expected = format!("y: has 4 labels, {} has 3 images", "x");
    refuses("counts", folder.path(), &expected, || open(folder.path(), &format!("{IDX}}}")));
    fs::write(at("y"), idx(&[3], &[0, 3, 1])).unwrap();
    refuses("label", folder.path(), "y: label 1 is 3, expected one below 3", || {
        open(folder.path(), &format!("{IDX}}}"))
    });
}

#[test]
fn tables() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let base = r#"{"reader": "csv", "path": "t.csv", "batch_size": 2, "shuffle": false"#;
    let load = |content: &[u8], rest: &str| {
        fs::write(at("t.csv"), content).unwrap();
        open(folder.path(), &format!("{base}{rest}}}"))
    };
    let table = b"a, b,\"c, d\"\r\n1,2,3\r\n4,\"5e-1\",6\r\n\r\n".as_slice();
    let batch = load(table, r#", "target": "b""#).unwrap().batch(0).unwrap();
    assert_eq!(batch["input"], HostTensor::f32(&[2, 2], vec![1.0, 3.0, 4.0, 6.0]));
    assert_eq!(batch["target"], HostTensor::f32(&[2, 1], vec![2.0, 0.5]));
    let batch = load(table, r#", "target": [2, "a"], "columns": ["b"]"#).unwrap().batch(0).unwrap();
    assert_eq!(batch["input"], HostTensor::f32(&[2, 1], vec![2.0, 0.5]));
    assert_eq!(batch["target"], HostTensor::f32(&[2, 2], vec![3.0, 1.0, 6.0, 4.0]));
    let batch = load(b"1;0\n2;2.0\n", r#", "header": false, "delimiter": ";", "target": 1, "classes": 3"#);
    assert_eq!(batch.unwrap().batch(0).unwrap()["target"], HostTensor::i32(&[2], vec![0, 2]));

    let none = r#", "header": false"#;
    for (row, content, rest, expected) in [
        ("empty", &b""[..], "", "has no lines"),
        ("names only", b"a,b\n", "", "has a line of names and no examples"),
        ("ragged", b"a,b\n1,2\n3\n", "", "line 3 has 1 cells, expected 2"),
        ("long", b"a,b\n1,2,3\n", "", "line 2 has 3 cells, expected 2"),
        ("words", b"a,b\n1,x\n", "", "line 2, column \"b\": found \"x\", expected a number"),
        ("hole", b"a,b\n1,\n", "", "line 2, column \"b\": found \"\", expected a number"),
        ("NaN", b"a,b\n1,nan\n", "", "line 2, column \"b\": found \"nan\", expected a finite number"),
        ("too large", b"a,b\n1,1e39\n", "", "line 2, column \"b\": 1e39 does not fit f32"),
        ("no names", b"1,2\n3,4\n", "", "line 1 holds numbers, expected names; set header to false"),
        (
            "names",
            b"a,b\n3,4\n",
            none,
            "line 1, column 0: found \"a\", expected a number; set header to true if line 1 holds names",
        ),
        ("no such name", b"a,b\n1,2\n", r#", "target": "c""#, "has no column \"c\""),
        ("two names", b"a,a\n1,2\n", r#", "target": "a""#, "has several columns \"a\"; give its number"),
        ("no such number", b"1,2\n", r#", "header": false, "target": 2"#, "has 2 columns, there is no column 2"),
        (
            "name of none",
            b"1,2\n",
            r#", "header": false, "target": "a""#,
            "has no names of columns, \"a\" cannot be found; give its number",
        ),
        ("nothing left", b"a\n1\n", r#", "target": "a""#, "has 1 columns, none of them left for the input"),
        (
            "both",
            b"a,b\n1,2\n",
            r#", "target": "a", "columns": [0, 1]"#,
            "column \"a\" is among the target and among columns",
        ),
        (
            "label",
            b"a,b\n1,3\n",
            r#", "target": "b", "classes": 3"#,
            "line 2, column \"b\": found \"3\", expected a whole number from 0 to 2",
        ),
        (
            "half a label",
            b"a,b\n1,0.5\n",
            r#", "target": "b", "classes": 3"#,
            "line 2, column \"b\": found \"0.5\", expected a whole number from 0 to 2",
        ),
        ("not UTF-8", b"a,b\n1,2\n1,\xff\n", "", "line 3 is not UTF-8 text"),
        ("one example", b"a,b\n1,2\n", r#", "validation": 0.5"#, "has 1 examples, too few to keep some for validation"),
    ] {
        refuses(row, folder.path(), &format!("t.csv: {expected}"), || load(content, rest));
    }
    refuses("a folder", folder.path(), "t: is a folder, not a file", || {
        fs::create_dir(at("t")).unwrap();
        open(folder.path(), r#"{"reader": "csv", "path": "t", "batch_size": 2}"#)
    });
}

#[test]
fn normalisation_is_fitted_on_the_training_alone() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("t.csv"), "a\n0\n10\n1000\n").unwrap();
    let rest = r#""batch_size": 2, "shuffle": false, "validation": 0.34, "normalize": "min_max"}"#;
    let mut data = open(folder.path(), &format!(r#"{{"reader": "csv", "path": "t.csv", {rest}"#)).unwrap();
    assert_eq!(data.batch(0).unwrap()["input"], HostTensor::f32(&[2, 1], vec![0.0, 1.0]));
    assert_eq!(data.validation.unwrap().tensors()["input"], HostTensor::f32(&[1, 1], vec![100.0]));
    fs::write(folder.path().join("v.csv"), "a,b\n1,2\n").unwrap();
    let rest = r#""batch_size": 2, "validation": "v.csv"}"#;
    let expected = "v.csv: examples of input have shape (2,), in the training (1,)";
    refuses("other columns", folder.path(), expected, || {
        open(folder.path(), &format!(r#"{{"reader": "csv", "path": "t.csv", {rest}"#))
    });
}

#[test]
fn the_order_and_the_fingerprint_follow_from_seed_and_files() {
    let folder = tempdir().unwrap();
    let lines: String = (0..20).map(|i| format!("{i}\n")).collect();
    fs::write(folder.path().join("t.csv"), format!("a\n{lines}")).unwrap();
    let data = r#"{"reader": "csv", "path": "t.csv", "batch_size": 3, "validation": 0.25}"#;
    let take = |seed: u64, numbers: &[u64]| {
        let config = Config::parse("train.json", data).unwrap();
        let mut data = Source::read(&config, folder.path(), false).open(seed).unwrap();
        let batches = numbers.iter().map(|&n| data.batch(n).unwrap()["input"].to_f64()).collect::<Vec<_>>();
        (batches, data.fingerprint())
    };
    let (all, print) = take(1, &(0..10).collect::<Vec<_>>());
    let (late, again) = take(1, &[9, 4]);
    assert_eq!((late, again), (vec![all[9].clone(), all[4].clone()], print.clone()));
    assert!(take(2, &[0, 1, 2, 3]).0 != all[..4]);
    let mut epoch = all[..5].concat();
    epoch.sort_by(f64::total_cmp);
    epoch.dedup();
    assert_eq!(epoch.len(), 15);
    fs::write(folder.path().join("t.csv"), format!("a\n{}", lines.replacen('7', "70", 1))).unwrap();
    assert_ne!(take(1, &[]).1, print);
}

fn png(path: &Path, w: u32, h: u32, kind: image::ExtendedColorType, values: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::save_buffer(path, values, w, h, kind).unwrap();
}

#[test]
fn folders_of_images() {
    use image::ExtendedColorType::{L8, L16, La8, Rgb8};
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join("i").join(name);
    let load = |rest: &str| {
        open(folder.path(), &format!(r#"{{"reader": "images", "path": "i", "batch_size": 2, "shuffle": false{rest}}}"#))
    };
    refuses("no folder", folder.path(), "i: no such folder", || load(""));
    fs::create_dir(folder.path().join("i")).unwrap();
    refuses("empty folder", folder.path(), "i: has no images", || load(""));
    png(&at("cat/1.png"), 2, 1, Rgb8, &[1, 2, 3, 4, 5, 6]);
    png(&at("dog/0.PNG"), 2, 1, L8, &[7, 8]);
    fs::write(at(".hidden"), b"").unwrap();
    let mut data = load("").unwrap();
    let batch = data.batch(0).unwrap();
    let pixels = vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0, 7.0, 8.0, 7.0, 8.0, 7.0, 8.0];
    assert_eq!(batch["pixel_values"], HostTensor::f32(&[2, 3, 1, 2], pixels));
    assert_eq!(
        (&batch["target"], data.classes),
        (&HostTensor::i32(&[2], vec![0, 1]), vec!["cat".into(), "dog".into()])
    );
    let mut gray = load(r#", "color": "gray", "flatten": true"#).unwrap();
    assert_eq!(gray.batch(0).unwrap()["pixel_values"].shape(), [2, 2]);

    let row = |row: &str, name: &str, make: &dyn Fn(&Path), expected: &str| {
        make(&at(name));
        refuses(row, folder.path(), expected, || load(""));
        if at(name).is_dir() { fs::remove_dir(at(name)).unwrap() } else { fs::remove_file(at(name)).unwrap() }
    };
    let other = format!("i/dog/1.png: is 1 × 2, {} is 2 × 1", "i/cat/1.png");
    row("other size", "dog/1.png", &|p| png(p, 1, 2, L8, &[1, 2]), &other);
    row(
        "transparent",
        "dog/1.png",
        &|p| png(p, 2, 1, La8, &[1, 2, 3, 4]),
        "i/dog/1.png: has transparency, expected plain gray or color",
    );
    row(
        "16 bits",
        "dog/1.png",
        &|p| png(p, 2, 1, L16, &[1, 2, 3, 4]),
        "i/dog/1.png: has more than 8 bits a channel, expected 8",
    );
    row(
        "other file",
        "dog/Thumbs.db",
        &|p| fs::write(p, b"").unwrap(),
        "i/dog/Thumbs.db: is not an image, expected a name ending in png, jpg or jpeg",
    );
    row(
        "a file beside",
        "x.png",
        &|p| png(p, 2, 1, L8, &[1, 2]),
        "i: has files (x.png) and folders (cat) side by side",
    );
    row("an empty class", "eel", &|p| fs::create_dir(p).unwrap(), "i/eel: has no images");
    row("a folder inside", "dog/x", &|p| fs::create_dir(p).unwrap(), "i/dog: has a folder (x), expected images");
    let whole = fs::read(at("cat/1.png")).unwrap();
    fs::write(at("dog/1.png"), &whole[..40]).unwrap();
    let found = text("cut off", folder.path(), load(""));
    assert!(found.starts_with("i/dog/1.png: cannot be decoded: "), "{found}");
    fs::write(at("dog/1.png"), b"text").unwrap();
    let found = text("text", folder.path(), load(""));
    assert!(found.starts_with("i/dog/1.png: cannot be decoded: "), "{found}");
}

#[test]
fn texts() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let base = r#"{"reader": "text", "path": "t.txt", "batch_size": 2, "time": 2"#;
    let load = |content: &[u8], rest: &str| {
        fs::write(at("t.txt"), content).unwrap();
        open(folder.path(), &format!("{base}{rest}}}"))
    };
    let mut data = load(b"abcabcabc", r#", "shuffle": false"#).unwrap();
    assert_eq!(data.batch(0).unwrap()["input_ids"], HostTensor::i32(&[2, 2], vec![0, 1, 1, 2]));
    assert_eq!(data.batch(0).unwrap()["target"], HostTensor::i32(&[2, 2], vec![1, 2, 2, 0]));
    let vocabulary = data.vocabulary.clone().unwrap();
    vocabulary.save(&at("vocab.json")).unwrap();
    assert_eq!(fs::read_to_string(at("vocab.json")).unwrap(), "[\"a\",\"b\",\"c\"]\n");
    let known = load(b"cacacacac", r#", "vocabulary": "vocab.json""#).unwrap();
    assert_eq!(known.vocabulary.unwrap(), vocabulary);
    let held = load(b"abcabcabcabcabcabcab", r#", "validation": 0.25, "shuffle": true"#).unwrap();
    assert_eq!(held.validation.unwrap().examples(), 2);

    let few = "gives 3 characters, too few for 2 × 2: expected 5 or more";
    for (row, content, rest, expected) in [
        ("few", &b"abc"[..], r#", "shuffle": false"#, format!("t.txt: {few}")),
        ("not UTF-8", b"ab\xff", "", "t.txt: is not UTF-8 text, at byte 2".into()),
        (
            "unknown",
            b"ab\nabc",
            r#", "vocabulary": "vocab.json""#,
            "t.txt: line 1: '\\n' is not in the vocabulary".into(),
        ),
    ] {
        refuses(row, folder.path(), &expected, || load(content, rest));
    }
    for (row, content, expected) in [
        ("an object", "{}", "is an object, expected a list of characters"),
        ("a word", r#"["ab"]"#, "element 0: found \"ab\", expected one character"),
        ("order", r#"["b", "a"]"#, "element 1: 'a' is not sorted after the one before"),
    ] {
        fs::write(at("vocab.json"), content).unwrap();
        refuses(row, folder.path(), &format!("vocab.json: {expected}"), || {
            load(b"aaaaaa", r#", "vocabulary": "vocab.json""#)
        });
    }
}

#[test]
fn files_of_batches() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("b.safetensors");
    let save = |tensors: &[(&str, HostTensor)]| {
        let named: Vec<_> = tensors.iter().map(|(name, tensor)| (name.to_string(), tensor.clone())).collect();
        save_tensors(&path, &named, true).unwrap();
    };
    let x = HostTensor::f32(&[2, 3], (0..6).map(|v| v as f32).collect());
    let one = HostTensor::f32(&[1], vec![0.0]);
    save(&[("input", x.clone()), ("target", HostTensor::i32(&[2], vec![4, 5])), ("validation.input", one.clone())]);
    let batches = Batches::open(&path).unwrap();
    let expected: Tensors = [
        ("input".into(), HostTensor::f32(&[3], vec![3.0, 4.0, 5.0])),
        ("target".into(), HostTensor::i32(&[], vec![5])),
    ]
    .into();
    assert_eq!((batches.steps(), batches.batch(1).unwrap()), (2, expected));
    assert_eq!(batches.validation().unwrap().tensors()["input"], one);
    refuses("too few", folder.path(), "b.safetensors: has 2 batches, the run needs another", || batches.batch(2));
    for (row, tensors, expected) in [
        ("steps differ", vec![("a", x.clone()), ("b", one.clone())], "tensor \"b\" has 1 steps, \"a\" has 2"),
        (
            "no axis",
            vec![("a", HostTensor::f32(&[], vec![0.0]))],
            "tensor \"a\" has shape (), expected a leading axis of steps",
        ),
        (
            "no steps",
            vec![("a", HostTensor::f32(&[0, 2], vec![]))],
            "tensor \"a\" has shape (0, 2), expected a leading axis of steps",
        ),
        ("validation only", vec![("validation.a", one.clone())], "has no tensors with an axis of steps"),
        (
            "examples differ",
            vec![("a", x.clone()), ("validation.a", x.clone()), ("validation.b", one.clone())],
            "tensor \"validation.b\" has 1 examples, \"validation.a\" has 2",
        ),
    ] {
        save(&tensors);
        refuses(row, folder.path(), &format!("b.safetensors: {expected}"), || Batches::open(&path));
    }
}

#[test]
fn settings_of_data() {
    let settings = |data: &str, rest: &str| {
        let text = format!(r#"{{"loss": "mse", "optimizer": {{}}, "steps": 1, "data": {data}{rest}}}"#);
        Settings::read(&Config::parse("train.json", &text).unwrap(), Path::new(""))
    };
    let csv = |rest: &str| format!(r#"{{"reader": "csv", "path": "x", "batch_size": 1{rest}}}"#);
    let fraction = "expected a fraction above 0 and below 1, or a path";
    let bptt = r#", "bptt": {"reset_every": 2}"#;
    let size = "a whole number from 1 to 1048576";
    for (row, data, rest, expected) in [
        ("reader", r#"{"reader": "json"}"#.to_owned(), "", "data: reader: found \"json\", expected one of idx, csv, images, text".into()),
        ("no reader", "{}".into(), "", "data: reader: is missing, expected one of idx, csv, images, text".into()),
        ("unknown key", csv(r#", "headers": true"#), "", "data: headers: is not a key here; did you mean \"header\"?".into()),
        ("another reader's key", csv(r#", "time": 3"#), "", "data: time: is not a key here; the keys are reader, batch_size, shuffle, \
          validation, normalize, names, path, header, delimiter, target, columns, classes".into()),
        ("no path", r#"{"reader": "csv"}"#.into(), "", "data: path: is missing, expected a path".into()),
        ("no batch", r#"{"reader": "csv", "path": "x"}"#.into(), "", format!("data: batch_size: is missing, expected {size}")),
        ("fraction 0", csv(r#", "validation": 0"#), "", format!("data: validation: found 0, {fraction}")),
        ("fraction 1", csv(r#", "validation": 1"#), "", format!("data: validation: found 1, {fraction}")),
        ("object", csv(r#", "validation": {}"#), "", format!("data: validation: found an object, {fraction}")),
        ("normalize", csv(r#", "normalize": "max""#), "", "data: normalize: found \"max\", expected one of none, min_max, standard".into()),
        ("scale", csv(r#", "normalize": {"scale": 0}"#), "", "data: normalize: scale: found 0, expected another number".into()),
        ("scales", csv(r#", "normalize": {"scales": 1}"#), "", "data: normalize: scales: is not a key here; did you mean \"scale\"?".into()),
        ("classes", csv(r#", "classes": 3"#), "", "data: classes: is given with 0 target columns, expected one".into()),
        ("target", csv(r#", "target": [1.5]"#), "", "data: target: found a list of 1, expected names or numbers of columns".into()),
        ("names", csv(r#", "names": {"input": "target"}"#), "", "data: names: calls two tensors \"target\"".into()),
        ("bptt", csv(""), bptt, "data: reader: goes not together with bptt, which reads text".into()),
        ("patience", csv(""), r#", "early_stopping": {"patience": 1}"#, "early_stopping: needs validation data, which data.validation names".into()),
        ("text", r#"{"reader": "text", "path": "x", "time": 2, "batch_size": 1, "normalize": "min_max"}"#.into(), "", "data: normalize: is not for text".into()),
        ("idx", r#"{"reader": "idx", "images": "x", "batch_size": 1, "validation": "v"}"#.into(), "",
         "data: validation: found \"v\", expected a fraction above 0 and below 1, or an object with images and labels".into()),
        ("labels", r#"{"reader": "idx", "images": "x", "batch_size": 1, "classes": 2}"#.into(), "", "data: classes: is given without labels".into()),
    ] {
        refuses(row, Path::new(""), &format!("train.json: {expected}"), || settings(&data, rest));
    }
}
