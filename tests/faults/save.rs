//! Files that are written.

use std::fs;

use handmill::HostTensor;
use handmill::tensor::Data;
use handmill::weights::{load_tensors, save_tensors};
use safetensors::tensor::{Dtype, TensorView};
use tempfile::tempdir;

use super::{names, refuses, system};

fn some() -> Vec<(String, HostTensor)> {
    vec![
        ("x".into(), HostTensor::f32(&[2, 2], vec![1.0, -0.0, f32::NAN, f32::MIN_POSITIVE / 2.0])),
        ("h".into(), HostTensor::f16(&[3], [1.0, 2.0, -3.0].map(half::f16::from_f32).to_vec())),
        ("ids".into(), HostTensor::i32(&[2], vec![-1, i32::MAX])),
        ("bits".into(), HostTensor::u32(&[1], vec![u32::MAX])),
        ("none".into(), HostTensor::f32(&[0, 4], vec![])),
        ("one".into(), HostTensor::f32(&[], vec![7.0])),
    ]
}

/// The file is the one that the safetensors crate makes of the same tensors, byte for byte.
#[test]
fn equal_to_the_peer() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("out.safetensors");
    for wide in [false, true] {
        save_tensors(&path, &some(), wide).unwrap();
        let stored: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = some()
            .into_iter()
            .map(|(name, tensor)| {
                let long = |v: i64| v.to_le_bytes();
                let (dtype, bytes) = match tensor.data() {
                    Data::F32(_) => (Dtype::F32, tensor.bytes().to_vec()),
                    Data::F16(_) => (Dtype::F16, tensor.bytes().to_vec()),
                    Data::I32(v) if wide => (Dtype::I64, v.iter().flat_map(|&v| long(v.into())).collect()),
                    Data::U32(v) if wide => (Dtype::I64, v.iter().flat_map(|&v| long(v.into())).collect()),
                    Data::I32(_) => (Dtype::I32, tensor.bytes().to_vec()),
                    Data::U32(_) => (Dtype::U32, tensor.bytes().to_vec()),
                };
                (name, dtype, tensor.shape().to_vec(), bytes)
            })
            .collect();
        let views = stored
            .iter()
            .map(|(name, dtype, shape, bytes)| (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
        let metadata = [("format".to_owned(), "pt".to_owned())].into();
        assert_eq!(fs::read(&path).unwrap(), safetensors::serialize(views, Some(metadata)).unwrap());
    }
    assert_eq!(names(folder.path()), ["out.safetensors"]);
}

#[test]
fn round_trip() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("out.safetensors");
    let mut tensors = some();
    tensors.retain(|(name, _)| name != "bits");
    save_tensors(&path, &tensors, true).unwrap();
    let back = load_tensors(&path).unwrap();
    assert_eq!(back.len(), tensors.len());
    for (name, tensor) in &tensors {
        assert_eq!(back[name].shape(), tensor.shape());
        let bits = |t: &HostTensor| t.to_f64().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back[name]), bits(tensor), "{name}");
    }
    let mut reversed = tensors.clone();
    reversed.reverse();
    let first = fs::read(&path).unwrap();
    save_tensors(&path, &reversed, true).unwrap();
    assert_eq!(fs::read(&path).unwrap(), first);
    save_tensors(&path, &[], true).unwrap();
    assert!(load_tensors(&path).unwrap().is_empty());
}

#[test]
fn refused_without_a_trace() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("folder")).unwrap();
    fs::write(at("old"), "old").unwrap();
    let before = names(folder.path());
    let one = |name: &str| vec![(name.to_owned(), HostTensor::f32(&[1], vec![1.0]))];
    let twice = [one("a"), one("a")].concat();
    for (row, path, tensors, expected) in [
        ("121 a folder", at("folder"), one("a"), "folder: is a folder, not a file"),
        (
            "121 in no folder",
            at("gone/out"),
            one("a"),
            "gone/out: cannot be written: No such file or directory (os error 2)",
        ),
        (
            "121 below a file",
            at("old/out"),
            one("a"),
            &format!("old/out: cannot be written: {}", system(&at("old/out"))),
        ),
        ("no name", at("old"), one(""), "old: cannot be written: tensor \"\": the name is empty"),
        (
            "a reserved name",
            at("old"),
            one("__metadata__"),
            "old: cannot be written: tensor \"__metadata__\": the name is reserved",
        ),
        ("a name twice", at("old"), twice, "old: cannot be written: tensor \"a\" occurs twice"),
        ("no file name", folder.path().join(".."), one("a"), "..: is a folder, not a file"),
    ] {
        refuses(row, folder.path(), expected, || save_tensors(&path, &tensors, true));
        assert_eq!(names(folder.path()), before, "{row}");
    }
    assert_eq!(fs::read(at("old")).unwrap(), b"old");
}

#[test]
fn replaces_a_file_and_its_readers_keep_theirs() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("out.safetensors");
    fs::write(&path, "old").unwrap();
    let mut reader = fs::File::open(&path).unwrap();
    save_tensors(&path, &some(), true).unwrap();
    let mut old = String::new();
    std::io::Read::read_to_string(&mut reader, &mut old).unwrap();
    assert_eq!((old.as_str(), names(folder.path()).len()), ("old", 1));
}

#[cfg(unix)]
#[test]
fn a_device_is_not_replaced() {
    let one = [("a".to_owned(), HostTensor::f32(&[1], vec![1.0]))];
    let expected = "/dev/null: is not a regular file";
    refuses("121 a device", "".as_ref(), expected, || save_tensors("/dev/null", &one, true));
}

/// Where the test below, running as a child, saves to.
const TARGET: &str = "HANDMILL_TEST_SAVE_TO";

/// This test binary again, running [`save_in_a_child`] only, under `shell` commands that set limits.
#[cfg(unix)]
fn child(shell: &str, target: &std::path::Path) -> std::process::Command {
    let mut command = std::process::Command::new("sh");
    command.arg("-c").arg(format!("{shell} exec \"$0\" --exact save::save_in_a_child --nocapture"));
    command.arg(std::env::current_exe().unwrap()).env(TARGET, target).stdout(std::process::Stdio::piped());
    command
}

/// Four megabytes, all of one value.
fn large(value: f32) -> Vec<(String, HostTensor)> {
    vec![("x".into(), HostTensor::f32(&[1 << 20], vec![value; 1 << 20]))]
}

/// Saves until it is killed or fails, and prints the error.
#[test]
fn save_in_a_child() {
    let Some(path) = std::env::var_os(TARGET) else { return };
    for n in 0.. {
        if let Err(error) = save_tensors(&path, &large(n as f32), true) {
            println!("error: {error}");
            return;
        }
    }
}

#[cfg(unix)]
#[test]
fn killed_while_saving() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("out");
    save_tensors(&path, &large(-1.0), true).unwrap();
    let mut last = -1.0;
    for n in 0..20 {
        let mut saving = child("", &path).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20 + 7 * n));
        saving.kill().unwrap();
        saving.wait().unwrap();
        let all = load_tensors(&path).unwrap();
        let values = all["x"].as_f32().unwrap();
        assert!(values.iter().all(|&v| v == values[0]), "a mixture of two saves");
        last = values[0].max(last);
    }
    assert!(last >= 0.0, "no child came to save anything");
}

#[cfg(unix)]
#[test]
fn no_room_on_the_disk() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("out");
    fs::write(&path, "old").unwrap();
    // A limit on the size of files, with its signal off: writes fail in the middle, as on a full disk.
    let output = child("trap '' XFSZ; ulimit -f 1024;", &path).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let expected = format!("error: {}: cannot be written: File too large", path.display());
    assert!(output.contains(&expected), "{output}");
    assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"old".to_vec(), vec!["out".to_owned()]));
}

#[cfg(unix)]
#[test]
fn permissions_links_and_long_names() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    save_tensors(at("out"), &some(), true).unwrap();
    fs::write(at("plain"), "x").unwrap();
    let mode = |name: &str| fs::metadata(at(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("out"), mode("plain") & 0o644);
    symlink("plain", at("link")).unwrap();
    save_tensors(at("link"), &some(), true).unwrap();
    assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
    assert_eq!(fs::read(at("plain")).unwrap(), fs::read(at("out")).unwrap());
    let long = "ä".repeat(127);
    save_tensors(at(&long), &some()[..3], true).unwrap();
    assert_eq!(load_tensors(at(&long)).map(|all| all.len()).unwrap(), 3);
}
