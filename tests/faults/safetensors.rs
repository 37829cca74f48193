//! Single safetensors files.

use std::fs::{self, File};
use std::path::Path;

use handmill::weights::{Checkpoint, FileDtype, load_tensors};
use handmill::{Dtype, Error};
use tempfile::tempdir;

use super::{LIMIT, refuses, system, text};

/// A file of `header` and `data`.
pub fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// A header with one entry.
pub fn entry(name: &str, dtype: &str, shape: &str, begin: u64, end: u64) -> String {
    format!(r#"{{"{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{begin},{end}]}}}}"#)
}

/// A header of several entries, without the outer braces of each.
fn join(entries: &[String]) -> String {
    format!("{{{}}}", entries.iter().map(|e| &e[1..e.len() - 1]).collect::<Vec<_>>().join(","))
}

fn table(rows: &[(&str, Vec<u8>, &str)]) {
    let folder = tempdir().unwrap();
    for (row, bytes, expected) in rows {
        let path = folder.path().join("x.safetensors");
        fs::write(&path, bytes).unwrap();
        refuses(row, folder.path(), &format!("x.safetensors: {expected}"), || load_tensors(&path));
    }
}

#[test]
fn framing() {
    let length = |n: u64, rest: &[u8]| [&n.to_le_bytes(), rest].concat();
    table(&[
        ("1 empty", vec![], "is empty"),
        ("2 one byte", vec![7], "is 1 bytes long, too short for a safetensors file"),
        ("2 seven bytes", vec![0; 7], "is 7 bytes long, too short for a safetensors file"),
        (
            "3 length 0",
            length(0, b""),
            "is not a valid safetensors file: its header is wrong: EOF while parsing a value at line 1 column 0",
        ),
        ("4 one byte more than there is", length(3, b"{}"), "is cut off: the header should be 3 bytes, the file has 2"),
        (
            "5 100,000,001",
            length(100_000_001, b"{}"),
            "is cut off: the header should be 100000001 bytes, the file has 2",
        ),
        (
            "6 2^63",
            length(1 << 63, b"{}"),
            "is cut off: the header should be 9223372036854775808 bytes, the file has 2",
        ),
        (
            "6 2^64-1",
            length(u64::MAX, b"{}"),
            "is cut off: the header should be 18446744073709551615 bytes, the file has 2",
        ),
        ("20 trailing bytes", file("{}", b"x"), "is not a valid safetensors file: 1 bytes follow the last tensor"),
        (
            "20 trailing zip",
            file(&entry("a", "U8", "[1]", 0, 1), b"\x01PK\x03\x04"),
            "is not a valid safetensors file: 4 bytes follow the last tensor",
        ),
    ]);
}

#[test]
fn header_text() {
    let wrong = |header: &[u8]| [&(header.len() as u64).to_le_bytes(), header].concat();
    let bad = "is not a valid safetensors file: its header";
    table(&[
        (
            "7 null",
            wrong(b"null"),
            &format!("{bad} is wrong: invalid type: null, expected an object of tensors at line 1 column 4"),
        ),
        (
            "7 list",
            wrong(b"[]"),
            &format!("{bad} is wrong: invalid type: sequence, expected an object of tensors at line 1 column 0"),
        ),
        (
            "7 number",
            wrong(b"1"),
            &format!("{bad} is wrong: invalid type: integer `1`, expected an object of tensors at line 1 column 1"),
        ),
        (
            "7 text",
            wrong(b"\"x\""),
            &format!("{bad} is wrong: invalid type: string \"x\", expected an object of tensors at line 1 column 3"),
        ),
        ("8 not UTF-8", wrong(b"{\"\xff\":1}"), &format!("{bad} is not UTF-8 text, at byte 2")),
        (
            "9 byte order mark",
            wrong(b"\xef\xbb\xbf{}"),
            &format!("{bad} begins with a byte order mark, which JSON does not allow"),
        ),
        ("10 NUL padding", wrong(b"{}\0\0\0\0\0\0"), &format!("{bad} contains a NUL byte, at byte 2")),
        (
            "28 nested",
            wrong(&[b"{\"a\":".as_slice(), &b"[".repeat(200_000)].concat()),
            &format!("{bad} is wrong: \"a\": invalid type: sequence, expected an object at line 1 column 5"),
        ),
        (
            "28 nested objects",
            wrong(&b"{\"a\":".repeat(100_000)),
            &format!(
                "{bad} is wrong: \"a\": unknown field `a`, expected one of `dtype`, `shape`, `data_offsets` at line 1 column 9"
            ),
        ),
        (
            "a tensor as a list",
            wrong(br#"{"a":["U8",[0],[0,0]]}"#),
            &format!("{bad} is wrong: \"a\": invalid type: sequence, expected an object at line 1 column 5"),
        ),
        (
            "25 metadata twice",
            wrong(br#"{"__metadata__":{},"__metadata__":{}}"#),
            &format!("{bad} is wrong: \"__metadata__\" occurs twice at line 1 column 33"),
        ),
        (
            "25 metadata key twice",
            wrong(br#"{"__metadata__":{"a":"1","a":"2"}}"#),
            &format!("{bad} is wrong: __metadata__: key \"a\" occurs twice at line 1 column 28"),
        ),
        (
            "27 metadata value",
            wrong(br#"{"__metadata__":{"a":1}}"#),
            &format!("{bad} is wrong: __metadata__: invalid type: integer `1`, expected a string at line 1 column 22"),
        ),
    ]);
}

#[test]
fn entries() {
    let bad = "is not a valid safetensors file:";
    let f32_at = |name: &str, begin, end| entry(name, "F32", "[1]", begin, end);
    let nine: Vec<String> = (0..9)
        .map(|n| {
            entry(
                &format!("t{n}"),
                "U8",
                "[2305843009213693951]",
                n * ((1 << 61) - 1),
                (n + 1).saturating_mul((1 << 61) - 1),
            )
        })
        .collect();
    let ones = format!("[{}]", vec!["1"; 10_000].join(","));
    let fields = r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"note":1}}"#;
    table(&[
        (
            "12 nine tensors to 2^64",
            file(&join(&nine), &[0; 9]),
            &format!("{bad} tensor \"t0\": bytes 0 to 2305843009213693951 do not lie in the 9 bytes of data"),
        ),
        (
            "13 product overflows",
            file(&entry("a", "U8", "[2,18446744073709551614]", 0, 1), b"x"),
            &format!("{bad} tensor \"a\": shape [2, 18446744073709551614] is too large"),
        ),
        (
            "14 overflow behind a zero",
            file(&entry("a", "U8", "[0,18446744073709551615,18446744073709551615]", 0, 0), b""),
            &format!("{bad} tensor \"a\": shape [0, 18446744073709551615, 18446744073709551615] is too large"),
        ),
        (
            "14 overflow before a zero",
            file(&entry("a", "U8", "[18446744073709551615,18446744073709551615,0]", 0, 0), b""),
            &format!("{bad} tensor \"a\": shape [18446744073709551615, 18446744073709551615, 0] is too large"),
        ),
        (
            "15 rank 10,000",
            file(&entry("a", "U8", &ones, 0, 1), b"x"),
            &format!("{bad} tensor \"a\": rank 10000, more than 8"),
        ),
        (
            "16 negative size",
            file(&entry("a", "U8", "[-1]", 0, 1), b"x"),
            &format!("{bad} its header is wrong: \"a\": invalid value: integer `-1`, expected u64 at line 1 column 30"),
        ),
        (
            "16 fraction",
            file(&entry("a", "U8", "[1.5]", 0, 1), b"x"),
            &format!(
                "{bad} its header is wrong: \"a\": invalid type: floating point `1.5`, expected u64 at line 1 column 31"
            ),
        ),
        (
            "16 text",
            file(&entry("a", "U8", "[\"1\"]", 0, 1), b"x"),
            &format!("{bad} its header is wrong: \"a\": invalid type: string \"1\", expected u64 at line 1 column 31"),
        ),
        (
            "17 begin after end",
            file(&entry("a", "F32", "[1]", 4, 0), &[0; 4]),
            &format!("{bad} tensor \"a\": bytes 4 to 0 do not lie in the 4 bytes of data"),
        ),
        (
            "18 hole",
            file(&join(&[f32_at("a", 0, 4), f32_at("b", 8, 12)]), &[0; 12]),
            &format!("{bad} tensor \"b\" lies behind a hole"),
        ),
        ("18 hole in front", file(&f32_at("a", 4, 8), &[0; 8]), &format!("{bad} tensor \"a\" lies behind a hole")),
        (
            "19 overlap",
            file(&join(&[f32_at("a", 0, 4), f32_at("b", 2, 6)]), &[0; 6]),
            &format!("{bad} tensor \"b\" overlaps the tensor before it"),
        ),
        (
            "19 the same bytes",
            file(&join(&[f32_at("a", 0, 4), f32_at("b", 0, 4)]), &[0; 4]),
            &format!("{bad} tensor \"b\" overlaps the tensor before it"),
        ),
        (
            "21 cut by a byte",
            file(&entry("a", "F32", "[2]", 0, 8), &[0; 7]),
            &format!("{bad} tensor \"a\": bytes 0 to 8 do not lie in the 7 bytes of data"),
        ),
        (
            "21 cut by a page",
            file(&entry("a", "U8", "[8192]", 0, 8192), &[0; 4096]),
            &format!("{bad} tensor \"a\": bytes 0 to 8192 do not lie in the 4096 bytes of data"),
        ),
        (
            "size and shape differ",
            file(&entry("a", "F32", "[2]", 0, 4), &[0; 4]),
            &format!("{bad} tensor \"a\": 4 bytes for shape [2] of F32, expected 8"),
        ),
        (
            "22 unknown dtype",
            file(&entry("a", "F31", "[1]", 0, 4), &[0; 4]),
            &format!("{bad} tensor \"a\": its dtype \"F31\" is not known"),
        ),
        (
            "23 three of F4",
            file(&entry("a", "F4", "[3]", 0, 2), &[0; 2]),
            &format!("{bad} tensor \"a\": 12 bits of F4 do not fill whole bytes"),
        ),
        (
            "23 three of F6",
            file(&entry("a", "F6_E2M3", "[3]", 0, 2), &[0; 2]),
            &format!("{bad} tensor \"a\": 18 bits of F6_E2M3 do not fill whole bytes"),
        ),
        (
            "24 a tensor twice",
            file(&join(&[f32_at("a", 0, 4), entry("a", "I32", "[1]", 0, 4)]), &[0; 4]),
            &format!("{bad} its header is wrong: \"a\" occurs twice at line 1 column 57"),
        ),
        (
            "26 unknown field",
            file(fields, b"x"),
            &format!(
                "{bad} its header is wrong: \"a\": unknown field `note`, expected one of `dtype`, `shape`, `data_offsets` at line 1 column 58"
            ),
        ),
    ]);
}

#[test]
fn tensor_names() {
    let bad = "is not a valid safetensors file: tensor";
    let named = |name: &str| file(&entry(name, "U8", "[1]", 0, 1), b"x");
    let long = "x".repeat(65_536);
    table(&[
        ("30 empty", named(""), &format!("{bad} \"\": the name is empty")),
        ("30 path", named("../../etc/x"), &format!("{bad} \"../../etc/x\": the name is a path out of its folder")),
        ("30 NUL", named("a\\u0000b"), &format!("{bad} \"a\\0b\": the name has characters that cannot be printed")),
        (
            "30 64 KB",
            named(&long),
            &format!("{bad} \"{}…\": the name is 65536 bytes long, more than 512", &long[..120]),
        ),
        (
            "30 right to left",
            named("\u{202e}gnp.a"),
            &format!("{bad} \"\\u{{202e}}gnp.a\": the name has characters that cannot be printed"),
        ),
        (
            "30 escape sequence",
            named("\\u001b[2J"),
            &format!("{bad} \"\\u{{1b}}[2J\": the name has characters that cannot be printed"),
        ),
    ]);
}

#[test]
fn other_formats() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    table(&[
        ("32 Git LFS", pointer.to_vec(), "is a Git LFS pointer, not the weights; run `git lfs pull` in its folder"),
        ("33 gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03abc".to_vec(), "is compressed with gzip; unpack it first"),
        (
            "33 zip",
            b"PK\x03\x04\0\0\x08\x08\0\0\0\0archive/data.pkl".to_vec(),
            "is a zip archive, as PyTorch's .bin and .pt files are; convert it to safetensors",
        ),
        ("33 pickle", b"\x80\x02}q\0X\x05\0\0\0model".to_vec(), "is a Python pickle; convert it to safetensors"),
        ("33 GGUF", b"GGUF\x03\0\0\0\x23\x01\0\0\0\0\0\0".to_vec(), "is a GGUF file; only safetensors is read"),
        ("33 HDF5", b"\x89HDF\r\n\x1a\n\0\0\0\0".to_vec(), "is an HDF5 file; convert it to safetensors"),
        ("33 NumPy", b"\x93NUMPY\x01\0v\0{'descr'".to_vec(), "is a NumPy file; convert it to safetensors"),
        ("33 web page", b"<!DOCTYPE html><html>".to_vec(), "is a web page, not the weights; download the file itself"),
    ]);
}

#[test]
fn large_headers() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let sparse = |length: u64, size: u64| {
        fs::write(&path, length.to_le_bytes()).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(size).unwrap();
    };
    sparse(99_999_990, 99_999_998);
    refuses(
        "11 100 MB of header",
        folder.path(),
        "x.safetensors: has a header of 100.0 MB, more than the 16.8 MB allowed",
        || load_tensors(&path),
    );
    let zero = |n: usize| format!(r#""{n}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#);
    let many = |count: usize| format!("{{{}}}", (0..count).map(zero).collect::<Vec<_>>().join(","));
    fs::write(&path, file(&many(1_000_000), b"")).unwrap();
    refuses(
        "29 1,000,000 tensors",
        folder.path(),
        "x.safetensors: has a header of 56.9 MB, more than the 16.8 MB allowed",
        || load_tensors(&path),
    );
    let header = many(100_001);
    fs::write(&path, file(&header, b"")).unwrap();
    let place = format!("line 1 column {}", header.rfind("\"100000\"").unwrap() + 8);
    let expected = format!(
        "x.safetensors: is not a valid safetensors file: its header is wrong: more than 100000 tensors at {place}"
    );
    refuses("29 100,001 tensors", folder.path(), &expected, || load_tensors(&path));
    fs::write(&path, file(&many(100_000), b"")).unwrap();
    assert_eq!(Checkpoint::open(&path).unwrap().tensors().len(), 100_000);
    fs::write(&path, file(&format!("{{}}{}", " ".repeat(15 << 20)), b"")).unwrap();
    assert!(load_tensors(&path).unwrap().is_empty());
}

#[test]
fn more_data_than_memory() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let size = 1u64 << 40;
    let header = entry("w", "U8", &format!("[{size}]"), 0, size);
    fs::write(&path, file(&header, b"")).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(size + 8 + header.len() as u64).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap().max_memory(1 << 30);
    refuses(
        "34 a tensor of 1 TB",
        folder.path(),
        "x.safetensors, w: needs 4.4 TB of host memory, 1.1 GB can be used",
        || checkpoint.load("w"),
    );
    let all = text("34 all", folder.path(), load_tensors(&path));
    assert!(all.starts_with("x.safetensors, all tensors: needs 4.4 TB of host memory, "), "{all}");
    // Without a bound the allocation itself is refused: this is no abort.
    let header = entry("w", "U8", "[1152921504606846976]", 0, 1 << 60);
    fs::write(&path, file(&header, b"")).unwrap();
    if File::options().write(true).open(&path).unwrap().set_len((1 << 60) + 8 + header.len() as u64).is_ok() {
        let huge = Checkpoint::open(&path).unwrap().max_memory(u64::MAX).load("w");
        assert!(matches!(huge, Err(Error::OutOfMemory(_))), "{huge:?}");
    }
}

#[test]
fn a_file_that_changes() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    fs::write(&path, file(&entry("a", "F32", "[2]", 0, 8), &[0; 8])).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    checkpoint.load("a").unwrap();
    File::options().write(true).open(&path).unwrap().set_len(20).unwrap();
    refuses("35 shrinks", folder.path(), "x.safetensors: changed since it was opened", || checkpoint.load("a"));
    fs::remove_file(&path).unwrap();
    refuses("35 vanishes", folder.path(), &format!("x.safetensors: cannot be opened: {}", system(&path)), || {
        checkpoint.load("a")
    });
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    fs::create_dir(at("folder")).unwrap();
    std::os::unix::fs::symlink(at("loop"), at("loop")).unwrap();
    for (row, path, expected) in [
        ("36 pipe", at("pipe"), "pipe: is not a regular file"),
        ("36 folder", at("folder"), "folder: is a folder, not a file"),
        ("36 endless device", "/dev/zero".into(), "/dev/zero: is not a regular file"),
        ("36 full device", "/dev/full".into(), "/dev/full: is not a regular file"),
        ("36 loop of links", at("loop"), &format!("loop: cannot be opened: {}", system(&at("loop")))),
        ("36 missing", at("none"), &format!("none: cannot be opened: {}", system(&at("none")))),
        (
            "36 below a file",
            Path::new("/dev/null/x").into(),
            &format!("/dev/null/x: cannot be opened: {}", system("/dev/null/x".as_ref())),
        ),
    ] {
        refuses(row, folder.path(), expected, || load_tensors(&path));
    }
}

#[test]
fn dtypes_that_do_not_fit() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let stored = |dtype: &str, bytes: &[u8]| {
        let width = FileDtype::bitsize(&serde_json::from_str(&format!("\"{dtype}\"")).unwrap()) / 8;
        let n = bytes.len() / width;
        fs::write(&path, file(&entry("w", dtype, &format!("[{n}]"), 0, bytes.len() as u64), bytes)).unwrap();
        Checkpoint::open(&path).unwrap()
    };
    let three_billion = 3_000_000_000i64.to_le_bytes();
    let f64s = [1.5f64.to_le_bytes(), 1e300f64.to_le_bytes()].concat();
    let half = 70_000f32.to_le_bytes();
    for (row, dtype, bytes, wanted, expected) in [
        ("37 I64 for floats", "I64", [0; 8].as_slice(), Dtype::F32, "tensor \"w\" is stored as I64, expected floats"),
        ("37 F32 for integers", "F32", &[0; 4], Dtype::I32, "tensor \"w\" is stored as F32, expected integers"),
        ("37 BOOL of 2", "BOOL", &[1, 2], Dtype::I32, "tensor \"w\": element 1: 2 is not a boolean, 0 or 1"),
        (
            "37 C64",
            "C64",
            &[0; 8],
            Dtype::F32,
            "tensor \"w\" is stored as C64, which is not supported; convert it to F32, F16 or BF16",
        ),
        (
            "37 F8",
            "F8_E4M3",
            &[0; 8],
            Dtype::F32,
            "tensor \"w\" is stored as F8_E4M3, which is not supported; convert it to F32, F16 or BF16",
        ),
        ("37 F64 above f32", "F64", &f64s, Dtype::F32, "tensor \"w\": element 1: 1e300 does not fit f32"),
        ("37 F32 above f16", "F32", &half, Dtype::F16, "tensor \"w\": element 0: 7e4 does not fit f16"),
        ("83 I64 above i32", "I64", &three_billion, Dtype::I32, "tensor \"w\": element 0: 3000000000 does not fit i32"),
        (
            "83 U64 above i32",
            "U64",
            &[255; 8],
            Dtype::I32,
            "tensor \"w\": element 0: 18446744073709551615 does not fit i32",
        ),
        ("83 negative for u32", "I8", &[255], Dtype::U32, "tensor \"w\": element 0: -1 does not fit u32"),
    ] {
        let checkpoint = stored(dtype, bytes);
        refuses(row, folder.path(), &format!("x.safetensors: {expected}"), || checkpoint.load_as("w", wanted));
    }
    refuses("no such tensor", folder.path(), "x.safetensors: has no tensor \"v\"", || stored("I8", &[1]).load("v"));
}

#[test]
fn values_are_read_as_they_are() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    // 31: after one byte, every later element is misaligned. 38: not finite and denormal values pass.
    let bits = [0x7fc0_1234u32, 0xff80_0000, 0x7f80_0000, 1, 0x8000_0000];
    let f32s: Vec<u8> = bits.iter().flat_map(|b| b.to_le_bytes()).collect();
    let half = |v: f32| half::f16::from_f32(v).to_le_bytes();
    let brain = |v: f32| half::bf16::from_f32(v).to_le_bytes();
    let entries = [
        entry("odd", "U8", "[1]", 0, 1),
        entry("f", "F32", "[5]", 1, 21),
        entry("h", "F16", "[2,1]", 21, 25),
        entry("b", "BF16", "[1,1,1]", 25, 27),
        entry("d", "F64", "[]", 27, 35),
        entry("i", "I64", "[2]", 35, 51),
        entry("s", "I16", "[1]", 51, 53),
        entry("z", "F32", "[0,3]", 53, 53),
        entry("t", "BOOL", "[2]", 53, 55),
    ];
    let data = [
        &[200u8][..],
        &f32s,
        &half(0.5),
        &half(f32::INFINITY),
        &brain(-3.0),
        &0.1f64.to_le_bytes(),
        &(-5i64).to_le_bytes(),
        &i64::from(i32::MAX).to_le_bytes(),
        &(-2i16).to_le_bytes(),
        &[1, 0],
    ]
    .concat();
    fs::write(&path, file(&join(&entries), &data)).unwrap();
    let all = load_tensors(&path).unwrap();
    let f32_of = |name: &str| all[name].as_f32().unwrap().to_vec();
    assert_eq!(f32_of("f").iter().map(|v| v.to_bits()).collect::<Vec<_>>(), bits);
    assert_eq!((f32_of("h"), f32_of("b"), f32_of("d")), (vec![0.5, f32::INFINITY], vec![-3.0], vec![0.1]));
    assert_eq!(all["i"].as_i32().unwrap(), [-5, i32::MAX]);
    assert_eq!(
        (all["s"].as_i32().unwrap(), all["odd"].as_i32().unwrap(), all["t"].as_i32().unwrap()),
        (&[-2][..], &[200][..], &[1, 0][..])
    );
    assert_eq!((all["z"].shape(), all["z"].len(), all["d"].shape()), (&[0, 3][..], 0, &[][..]));
    let checkpoint = Checkpoint::open(&path).unwrap();
    assert_eq!(checkpoint.load_as("h", Dtype::F16).unwrap().dtype(), Dtype::F16);
    assert_eq!(checkpoint.load_as("d", Dtype::F16).unwrap().to_f64(), [f64::from(half::f16::from_f64(0.1))]);
    assert_eq!(checkpoint.load_as("odd", Dtype::U32).unwrap().to_f64(), [200.0]);
    let order: Vec<&str> = checkpoint.tensors().iter().map(|info| &*info.name).collect();
    assert_eq!(order, ["odd", "f", "h", "b", "d", "i", "s", "z", "t"]);
}

/// Every bit of a header flipped, one at a time: refused, or a file that the safetensors crate reads
/// with the same values.
#[test]
fn flipped_bits_of_a_header() {
    let header = join(&[entry("a", "F32", "[2,1]", 0, 8), entry("b.c", "I16", "[2]", 8, 12)]);
    let good = file(&header, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let start = std::time::Instant::now();
    let mut accepted = 0;
    for bit in 0..8 * (8 + header.len()) {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bytes).unwrap();
        let Ok(checkpoint) = Checkpoint::open(&path) else { continue };
        let peer = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(checkpoint.tensors().len(), peer.len(), "bit {bit}");
        for info in checkpoint.tensors() {
            let view = peer.tensor(&info.name).unwrap();
            assert_eq!((info.dtype, &*info.shape), (view.dtype(), view.shape()), "bit {bit}");
            if let Ok(tensor) = checkpoint.load(&info.name) {
                let element = |b: &[u8]| match info.dtype {
                    FileDtype::F32 => f64::from(f32::from_le_bytes(b.try_into().unwrap())),
                    FileDtype::I16 => f64::from(i16::from_le_bytes(b.try_into().unwrap())),
                    FileDtype::U16 => f64::from(u16::from_le_bytes(b.try_into().unwrap())),
                    other => panic!("bit {bit} makes {other}"),
                };
                let values: Vec<f64> = view.data().chunks(info.dtype.bitsize() / 8).map(element).collect();
                assert_eq!(tensor.to_f64(), values, "bit {bit}");
            }
        }
        accepted += 1;
    }
    assert!(accepted > 0 && start.elapsed() < LIMIT);
}
