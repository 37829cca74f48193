//! Checkpoints of a training run: whole, damaged, missing, and saved by a process that is killed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use handmill::engine::Tensors;
use handmill::tensor::HostTensor;
use handmill::train::checkpoint::{Checkpoints, FORMAT, Identity, Meta, Resumed, fingerprint, resume};
use handmill::train::data::Position;
use tempfile::{TempDir, tempdir};

use super::{names, refuses, text};

fn identity() -> Identity {
    Identity { seed: 3, train: fingerprint(b"train"), config: fingerprint(b"config"), data: fingerprint(b"data") }
}

fn meta(step: u64) -> Meta {
    let mut meta = Meta::new(step, Position { epoch: 1, offset: 2 }, identity(), "an adapter");
    meta.numbers = [("best".into(), f64::INFINITY), ("third".into(), 1.0 / 3.0)].into();
    meta
}

/// Tensors that differ from step to step.
fn tensors(step: u64, size: usize) -> Tensors {
    let values = (0..size).map(|i| (i as f32 + step as f32 * 0.1).sin()).collect();
    let other = [half::f16::from_f32(1.5), half::f16::NAN].to_vec();
    [
        ("weights.w".into(), HostTensor::f32(&[size], values)),
        ("optimizer.m.w".into(), HostTensor::f32(&[2], vec![f32::NAN, -0.0])),
        ("weights.h".into(), HostTensor::f16(&[2, 1], other)),
        ("steps".into(), HostTensor::i32(&[], vec![step as i32])),
        ("key".into(), HostTensor::u32(&[1], vec![u32::MAX])),
    ]
    .into()
}

fn bytes(tensors: &Tensors) -> Vec<(String, String, Vec<usize>, Vec<u8>)> {
    let of = |t: &HostTensor| (t.dtype().to_string(), t.shape().to_vec(), t.bytes().to_vec());
    let row = |(name, t): (&String, &HostTensor)| {
        let (dtype, shape, bytes) = of(t);
        (name.clone(), dtype, shape, bytes)
    };
    tensors.iter().map(row).collect()
}

/// `OUT` with checkpoints of `steps`.
fn saved(steps: &[u64], size: usize) -> (TempDir, Checkpoints) {
    let out = tempdir().unwrap();
    let checkpoints = Checkpoints::new(out.path(), 10);
    steps.iter().for_each(|&step| drop(checkpoints.save(&meta(step), &tensors(step, size)).unwrap()));
    (out, checkpoints)
}

fn file(out: &Path, step: u64) -> PathBuf {
    out.join(format!("checkpoints/step-{step:06}.safetensors"))
}

#[track_caller]
fn holds(resumed: &Resumed, step: u64, size: usize) {
    assert_eq!(resumed.meta, meta(step));
    assert_eq!(bytes(&resumed.tensors), bytes(&tensors(step, size)));
}

#[test]
fn round_trip() {
    let (out, checkpoints) = saved(&[1, 2, 123], 50);
    for path in [out.path().to_owned(), checkpoints.folder().to_owned(), file(out.path(), 123)] {
        let resumed = resume(&path).unwrap();
        holds(&resumed, 123, 50);
        assert_eq!((resumed.path, resumed.notices), (file(out.path(), 123), vec![]));
    }
    holds(&resume(&file(out.path(), 2)).unwrap(), 2, 50);
    let again = fs::read(file(out.path(), 2)).unwrap();
    checkpoints.save(&meta(2), &tensors(2, 50)).unwrap();
    assert_eq!(fs::read(file(out.path(), 2)).unwrap(), again, "equal states make equal files");
}

#[test]
fn old_ones_are_removed_and_later_ones_stay() {
    let out = tempdir().unwrap();
    let checkpoints = Checkpoints::new(out.path(), 2);
    for step in [10, 20, 30, 40] {
        assert_eq!(checkpoints.save(&meta(step), &tensors(step, 5)).unwrap().1, Vec::<String>::new());
    }
    assert_eq!(names(checkpoints.folder()), ["latest", "step-000030.safetensors", "step-000040.safetensors"]);
    // A run that was resumed from an earlier step.
    checkpoints.save(&meta(35), &tensors(35, 5)).unwrap();
    let all = ["latest", "step-000030.safetensors", "step-000035.safetensors", "step-000040.safetensors"];
    assert_eq!(names(checkpoints.folder()), all);
    holds(&resume(out.path()).unwrap(), 35, 5);
}

#[test]
fn another_run_is_told_by_what_differs() {
    let path = Path::new("step-000001.safetensors");
    let other = |change: fn(&mut Identity)| {
        let mut now = identity();
        change(&mut now);
        identity().check(path, &now).unwrap_err().to_string()
    };
    identity().check(path, &identity()).unwrap();
    let what = "step-000001.safetensors: was made with";
    let end = "; go on with what it was made with";
    assert_eq!(other(|i| i.seed = 4), format!("{what} seed 3, not 4{end}"));
    assert_eq!(other(|i| i.train.clear()), format!("{what} another train.json{end}"));
    assert_eq!(other(|i| i.config.clear()), format!("{what} another config.json{end}"));
    let two = |i: &mut Identity| (i.data.clear(), i.seed = 0).1;
    assert_eq!(other(two), format!("{what} other data and seed 3, not 0{end}"));
    assert_eq!(meta(1).notices("an adapter"), Vec::<String>::new());
    let expected = "the checkpoint is from adapter an adapter, this is another: results may differ";
    assert_eq!(meta(1).notices("another"), [expected]);
}

#[test]
fn every_truncation_is_refused_and_the_one_before_offered() {
    let (out, _) = saved(&[1, 2], 40);
    let path = file(out.path(), 2);
    let whole = fs::read(&path).unwrap();
    let hint = "; the one before is whole: --resume checkpoints/step-000001.safetensors";
    for length in (0..whole.len()).step_by(7).chain([8, whole.len() - 1]) {
        fs::write(&path, &whole[..length]).unwrap();
        let found = text(&format!("{length} bytes"), out.path(), resume(out.path()));
        assert!(found.starts_with("checkpoints/step-000002.safetensors: is "), "{length} bytes: {found}");
        assert!(found.ends_with(hint), "{length} bytes: {found}");
    }
    fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
    let found = text("too long", out.path(), resume(out.path()));
    assert!(found.contains("1 bytes follow the last tensor"), "{found}");
}

/// Every bit of a file: refused, or without meaning.
#[test]
fn every_flipped_bit_is_refused_or_means_nothing() {
    let (out, _) = saved(&[1, 2], 3);
    let path = file(out.path(), 2);
    let whole = fs::read(&path).unwrap();
    let mut accepted = 0;
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, damaged).unwrap();
        match resume(&path) {
            Ok(resumed) => {
                holds(&resumed, 2, 3);
                accepted += 1;
            }
            Err(e) => assert!(e.to_string().contains("step-000002.safetensors: "), "bit {bit}: {e}"),
        }
    }
    // JSON has bytes that may change: a key of another case does not, a space to a tab would.
    assert!(accepted * 100 < whole.len() * 8, "{accepted} of {} bits", whole.len() * 8);
}

#[test]
fn damage_in_one_sentence() {
    let (out, _) = saved(&[1, 2], 40);
    let path = file(out.path(), 2);
    let whole = fs::read(&path).unwrap();
    let row = |name: &str, content: &[u8], expected: &str| {
        fs::write(&path, content).unwrap();
        let hint = "; the one before is whole: --resume checkpoints/step-000001.safetensors";
        let expected = format!("checkpoints/step-000002.safetensors: {expected}{hint}");
        refuses(name, out.path(), &expected, || resume(out.path()));
    };
    row("empty", b"", "is empty");
    let mut flipped = whole.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    let [found, expected] = checksums(&flipped, &whole);
    let message = format!("is damaged: tensor \"weights.h\" has checksum {found}, expected {expected}");
    row("a flipped bit", &flipped, &message);
    row(
        "a state changed",
        &replaced(&whole, "\"epoch\\\":1", "\"epoch\\\":7"),
        "is damaged: the checksum of its state is wrong",
    );
    row(
        "a name changed",
        &replaced(&whole, "\"weights.w\":{", "\"weights.v\":{"),
        "is damaged: tensor \"weights.v\" does not belong to its state",
    );
    row("another step", &fs::read(file(out.path(), 1)).unwrap(), "holds step 1, its name says 2");
    let plain = tensors(1, 3).into_iter().collect::<Vec<_>>();
    handmill::weights::save_tensors(&path, &plain, false).unwrap();
    let plain = fs::read(&path).unwrap();
    row("plain weights", &plain, "is not a checkpoint of a training: it has no state of one");
    let mut newer = meta(2);
    newer.format = FORMAT + 1;
    Checkpoints::new(out.path(), 10).save(&newer, &tensors(2, 3)).unwrap();
    row("another format", &fs::read(&path).unwrap(), "has format 2, this version reads 1");
    fs::write(file(out.path(), 1), b"").unwrap();
    fs::write(&path, b"").unwrap();
    let expected = "checkpoints/step-000002.safetensors: is empty; there is no other that is whole";
    refuses("both", out.path(), expected, || resume(out.path()));
}

/// `old` as `new`, of the same length.
fn replaced(bytes: &[u8], old: &str, new: &str) -> Vec<u8> {
    let at = bytes.windows(old.len()).position(|part| part == old.as_bytes()).expect(old);
    [&bytes[..at], new.as_bytes(), &bytes[at + old.len()..]].concat()
}

/// Of the last tensor of both files, the f16 pair.
fn checksums(found: &[u8], expected: &[u8]) -> [String; 2] {
    [found, expected].map(|file| {
        let mut crc = crc32fast::Hasher::new();
        crc.update(b"f16 (2, 1)");
        crc.update(&file[file.len() - 4..]);
        format!("{:08x}", crc.finalize())
    })
}

#[test]
fn the_file_latest() {
    let (out, checkpoints) = saved(&[1, 2], 5);
    let latest = checkpoints.folder().join("latest");
    fs::remove_file(&latest).unwrap();
    let resumed = resume(out.path()).unwrap();
    holds(&resumed, 2, 5);
    let newest = file(out.path(), 2);
    assert_eq!(resumed.notices, [format!("{} is missing; {} is the newest", latest.display(), newest.display())]);
    let hint = "the newest is: --resume checkpoints/step-000002.safetensors";
    for (row, content, message) in [
        ("garbage", &b"\x1b[2Jgone"[..], r#"holds "\u{1b}[2Jgone", not the name of a checkpoint"#),
        (
            "a path",
            b"../step-000001.safetensors",
            r#"holds "../step-000001.safetensors", not the name of a checkpoint"#,
        ),
        ("empty", b"", r#"holds "", not the name of a checkpoint"#),
        ("not there", b"step-000009.safetensors\n", "names step-000009.safetensors, which is not there"),
    ] {
        fs::write(&latest, content).unwrap();
        let expected = format!("checkpoints/latest: {message}; {hint}");
        refuses(row, out.path(), &expected, || resume(out.path()));
    }
    // The one that it names is taken, though a later one is there.
    fs::write(&latest, "step-000001.safetensors\n").unwrap();
    holds(&resume(out.path()).unwrap(), 1, 5);
    let empty = tempdir().unwrap();
    fs::create_dir(empty.path().join("checkpoints")).unwrap();
    refuses("none", empty.path(), "checkpoints: has no checkpoints", || resume(empty.path()));
    let absent = empty.path().join("x");
    let expected = format!("x: cannot be opened: {}", super::system(&absent));
    refuses("no folder", empty.path(), &expected, || resume(&absent));
}

#[test]
fn temporary_files_are_not_checkpoints_and_are_swept() {
    let (out, checkpoints) = saved(&[1], 5);
    let folder = checkpoints.folder();
    let old = std::time::SystemTime::now() - Duration::from_secs(7300);
    for name in [".step-000002.safetensors.tmp.4294967294", ".latest.tmp.4294967294", ".other.tmp.4294967294"] {
        fs::File::create(folder.join(name)).unwrap().set_modified(old).unwrap();
    }
    holds(&resume(out.path()).unwrap(), 1, 5);
    checkpoints.save(&meta(3), &tensors(3, 5)).unwrap();
    let left = names(folder).into_iter().filter(|name| name.starts_with('.')).collect::<Vec<_>>();
    let swept = Path::new("/proc/self").exists();
    assert_eq!(left.len(), if swept { 1 } else { 3 }, "{left:?}");
}

#[test]
fn a_folder_that_cannot_be_written() {
    let out = tempdir().unwrap();
    fs::write(out.path().join("checkpoints"), b"").unwrap();
    let checkpoints = Checkpoints::new(out.path(), 2);
    let error = fs::create_dir_all(checkpoints.folder()).unwrap_err();
    let expected = format!("checkpoints: cannot be made: {error}");
    refuses("a file in its place", out.path(), &expected, || checkpoints.save(&meta(1), &tensors(1, 5)));
    fs::remove_file(out.path().join("checkpoints")).unwrap();
    fs::create_dir_all(file(out.path(), 1)).unwrap();
    let expected = "checkpoints/step-000001.safetensors: is a folder, not a file";
    refuses("a folder in the file's place", out.path(), expected, || checkpoints.save(&meta(1), &tensors(1, 5)));
}

/// A full disk: a small file system in memory, which only root may make.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk() {
    let out = tempdir().unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(out.path()).output();
    if !mount.is_ok_and(|ran| ran.status.success()) {
        eprintln!("skipped: a_full_disk needs the right to mount a file system");
        return;
    }
    let result = std::panic::catch_unwind(|| {
        let checkpoints = Checkpoints::new(out.path(), 2);
        checkpoints.save(&meta(1), &tensors(1, 20_000)).unwrap();
        checkpoints.save(&meta(2), &tensors(2, 20_000)).unwrap();
        let full = std::io::Error::from_raw_os_error(28);
        let expected = format!("checkpoints/step-000003.safetensors: cannot be written: {full}");
        refuses("full", out.path(), &expected, || checkpoints.save(&meta(3), &tensors(3, 60_000)));
        assert_eq!(names(checkpoints.folder()), ["latest", "step-000001.safetensors", "step-000002.safetensors"]);
        holds(&resume(out.path()).unwrap(), 2, 20_000);
    });
    let unmounted = Command::new("umount").arg(out.path()).status().unwrap();
    assert!(unmounted.success());
    result.unwrap();
}

/// Saves until it is killed.
#[test]
#[ignore = "started by another test, in a process of its own"]
fn child() {
    let out = PathBuf::from(std::env::var_os("HANDMILL_OUT").expect("started by hand"));
    let checkpoints = Checkpoints::new(&out, 2);
    let from = resume(&out).map_or(0, |resumed| resumed.meta.step);
    for step in from + 1.. {
        checkpoints.save(&meta(step), &tensors(step, 50_000)).unwrap();
    }
}

fn start(out: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "checkpoints::child", "--ignored"])
        .env("HANDMILL_OUT", out)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Thirty processes in the same folder, each killed at another moment of its saving.
#[test]
fn the_newest_loads_after_every_kill() {
    let out = tempdir().unwrap();
    let (mut last, mut interrupted) = (0, 0);
    for round in 0..30 {
        let mut child = start(out.path());
        let begun = Instant::now();
        // Not before it has saved something new: starting takes longer than saving.
        while resume(out.path()).map_or(0, |resumed| resumed.meta.step) <= last {
            assert!(begun.elapsed() < Duration::from_secs(60), "round {round}: nothing is saved");
            assert!(child.try_wait().unwrap().is_none(), "round {round}: the child ended by itself");
            std::thread::sleep(Duration::from_millis(1));
        }
        // 17 and 101 are coprime: other microseconds in every round.
        std::thread::sleep(Duration::from_micros(round * 1_700 % 10_100));
        child.kill().unwrap();
        child.wait().unwrap();
        let resumed = resume(out.path()).unwrap();
        let step = resumed.meta.step;
        holds(&resumed, step, 50_000);
        assert!(step > last, "round {round}: {step} after {last}");
        last = step;
        let left = names(&out.path().join("checkpoints"));
        interrupted += left.iter().filter(|name| name.starts_with('.')).count();
    }
    assert!(interrupted > 0, "no kill met a save");
}
