//! What is compared, and how it is timed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use handmill::bench::{Effort, median};
use handmill::error::Result;
use handmill::tensor::HostTensor;

/// One library's way to compute a case, on data it already holds.
pub trait Contender {
    /// `times` runs one after another, and the wait for the last.
    fn run(&mut self, times: usize) -> Result<(), String>;
    /// The result of the last run, row-major.
    fn result(&mut self) -> Result<Vec<f32>, String>;
}

/// Makes a contender; what goes wrong is a sentence.
pub type Make<'a> = Box<dyn FnOnce() -> Result<Box<dyn Contender>, String> + 'a>;

/// A case with everybody who computes it.
pub struct Case<'a> {
    /// `kernel/dtype/shape` or `model/dtype/shape`
    pub name: &'static str,
    /// Everything that is computed with, by name.
    pub data: Vec<(String, HostTensor)>,
    /// The f64 reference's result.
    pub expected: Vec<f64>,
    /// Handmill's.
    pub ours: Box<dyn Contender>,
    /// The others, by name.
    pub peers: Vec<(&'static str, Make<'a>)>,
}

/// One peer's time beside ours.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Row {
    /// The case.
    pub case: String,
    /// The adapter of ours, and of burn.
    pub adapter: String,
    /// The library that ours is compared with.
    pub peer: String,
    /// Our median.
    pub ours_s: Option<f64>,
    /// The peer's median.
    pub peer_s: Option<f64>,
    /// The median, over the rounds, of the peer's time as a multiple of ours.
    pub ratio: Option<f64>,
    /// The distance between the quarters of these ratios.
    pub spread: Option<f64>,
    /// Why there is no time.
    pub problem: Option<String>,
}

/// Largest difference from the f64 reference, as a share of its largest element: far above the rounding of f32 and far
/// below what a wrong result shows.
pub const TOLERANCE: f64 = 1e-4;

/// Runs that warm up: burn measures its kernels in the first, and everybody fills caches.
const WARM_UP: usize = 3;

/// A sample lasts at least so long where a run is shorter.
const SAMPLE_SECONDS: f64 = 0.005;
const MOST_RUNS: f64 = 32.0;

/// Compares every contender of `case` with the reference, then times them in turn.
///
/// # Errors
/// A sentence, if ours fails or is wrong; of a peer, that is a row
pub fn measure(case: Case<'_>, adapter: &str, effort: Effort) -> Result<Vec<Row>, String> {
    let Case { name, expected, mut ours, peers, .. } = case;
    warm(&mut *ours, &expected).map_err(|problem| format!("{name}: handmill {problem}"))?;
    let ready = |make: Make<'_>| {
        let mut peer = make()?;
        warm(&mut *peer, &expected)?;
        Ok::<_, String>(peer)
    };
    let mut running: Vec<(&str, Result<Box<dyn Contender>, String>)> =
        peers.into_iter().map(|(peer, make)| (peer, caught(|| ready(make)))).collect();
    let mut timed: Vec<&mut dyn Contender> = vec![&mut *ours];
    timed.extend(running.iter_mut().filter_map(|(_, peer)| peer.as_mut().ok()).map(|peer| &mut **peer as _));
    let mut samples = samples(&mut timed, effort)?.into_iter();
    let ours = samples.next().unwrap_or_default();
    let empty = Row {
        case: name.into(),
        adapter: adapter.into(),
        peer: String::new(),
        ours_s: Some(median(&ours).0),
        peer_s: None,
        ratio: None,
        spread: None,
        problem: None,
    };
    let row = |(peer, state): (&str, Result<Box<dyn Contender>, String>)| {
        let row = Row { peer: peer.into(), ..empty.clone() };
        match state {
            Err(problem) => Row { problem: Some(problem), ..row },
            Ok(_) => {
                let theirs = samples.next().unwrap_or_default();
                let (ratio, spread) = median(&theirs.iter().zip(&ours).map(|(t, o)| t / o).collect::<Vec<_>>());
                Row { peer_s: Some(median(&theirs).0), ratio: Some(ratio), spread: Some(spread), ..row }
            }
        }
    };
    Ok(running.into_iter().map(row).collect())
}

/// Runs a contender until it is warm, and compares what it made.
///
/// # Errors
/// A sentence, if it fails or is wrong
pub fn warm(contender: &mut dyn Contender, expected: &[f64]) -> Result<(), String> {
    (0..WARM_UP).try_for_each(|_| contender.run(1))?;
    differs(&contender.result()?, expected).map_or(Ok(()), Err)
}

/// How `got` differs from `expected`, if it does.
pub fn differs(got: &[f32], expected: &[f64]) -> Option<String> {
    if got.len() != expected.len() {
        return Some(format!("differs: {} elements, expected {}", got.len(), expected.len()));
    }
    let largest = expected.iter().fold(0.0f64, |m, e| m.max(e.abs()));
    // NaN is never within the bound.
    let wrong = |(got, want): (&f32, &f64)| {
        let off = (f64::from(*got) - want).abs();
        (!(off <= TOLERANCE * largest)).then_some(off)
    };
    let wrong: Vec<f64> = got.iter().zip(expected).filter_map(wrong).collect();
    let worst = wrong.iter().copied().fold(0.0, |m: f64, off| if off.is_nan() { off } else { m.max(off) });
    (!wrong.is_empty()).then(|| {
        format!("differs: {} of {} elements, by up to {:.1e} of the largest", wrong.len(), got.len(), worst / largest)
    })
}

/// Seconds a run of every contender, one sample of each a round.
fn samples(contenders: &mut [&mut dyn Contender], effort: Effort) -> Result<Vec<Vec<f64>>, String> {
    let mut times = vec![];
    for contender in contenders.iter_mut() {
        let seconds = timed(&mut **contender, 1)?;
        times.push((SAMPLE_SECONDS / seconds).ceil().clamp(1.0, MOST_RUNS) as usize);
    }
    let mut samples = vec![vec![]; contenders.len()];
    let began = Instant::now();
    for round in 0..effort.samples {
        for ((contender, &times), samples) in contenders.iter_mut().zip(&times).zip(&mut samples) {
            samples.push(timed(&mut **contender, times)? / times as f64);
        }
        if round >= 2 && began.elapsed().as_secs_f64() > effort.seconds {
            break;
        }
    }
    Ok(samples)
}

/// Seconds of `times` runs.
///
/// # Errors
/// A sentence, if it fails
pub fn timed(contender: &mut dyn Contender, times: usize) -> Result<f64, String> {
    let start = Instant::now();
    contender.run(times)?;
    Ok(start.elapsed().as_secs_f64())
}

/// A library that panics has a problem, and the others go on.
fn caught<T>(f: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default();
        let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("without a word");
        Err(format!("panics: {first}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_element_is_found_and_nan_is_never_right() {
        assert_eq!(differs(&[1.0, 2.0], &[1.0, 2.0]), None);
        assert_eq!(differs(&[1.0, 2.00001], &[1.0, 2.0]), None);
        assert!(differs(&[1.0, 2.001], &[1.0, 2.0]).is_some());
        assert!(differs(&[1.0, f32::NAN], &[1.0, 2.0]).is_some());
        assert!(differs(&[1.0], &[1.0, 2.0]).is_some());
    }

    /// Returns `value`; fails if told so.
    struct Fixed(f32, bool);

    impl Contender for Fixed {
        fn run(&mut self, times: usize) -> Result<(), String> {
            std::thread::sleep(std::time::Duration::from_millis(if self.1 { 6 } else { 2 } * times as u64));
            Ok(())
        }
        fn result(&mut self) -> Result<Vec<f32>, String> {
            Ok(vec![self.0])
        }
    }

    #[test]
    fn peers_that_panic_or_differ_have_a_problem_and_the_others_a_ratio() {
        let slow: Make<'_> = Box::new(|| Ok(Box::new(Fixed(1.0, true))));
        let wrong: Make<'_> = Box::new(|| Ok(Box::new(Fixed(2.0, true))));
        let panics: Make<'_> = Box::new(|| panic!("no such kernel"));
        let case = Case {
            name: "case",
            data: vec![],
            expected: vec![1.0],
            ours: Box::new(Fixed(1.0, false)),
            peers: vec![("slow", slow), ("wrong", wrong), ("panics", panics)],
        };
        let rows = measure(case, "adapter", Effort { samples: 5, seconds: 1.0 }).unwrap();
        assert!(rows[0].ratio.is_some_and(|ratio| (2.0..4.0).contains(&ratio)), "{rows:?}");
        assert!(rows[1].problem.as_ref().is_some_and(|p| p.starts_with("differs")), "{rows:?}");
        assert_eq!(rows[2].problem.as_deref(), Some("panics: no such kernel"));
        assert_eq!(rows[1].ratio, None);
    }

    #[test]
    fn a_wrong_result_of_ours_is_an_error() {
        let case =
            Case { name: "case", data: vec![], expected: vec![1.0], ours: Box::new(Fixed(2.0, false)), peers: vec![] };
        let found = measure(case, "adapter", Effort { samples: 3, seconds: 1.0 });
        assert_eq!(found.unwrap_err(), "case: handmill differs: 1 of 1 elements, by up to 1.0e0 of the largest");
    }
}
