//! Where the device waits within a run, as wgpu keeps track of buffers in a compute pass.
//!
//! Before a dispatch wgpu puts a barrier if a buffer changes from written to read or from read to written, or is written
//! again. Buffers that are read and were only read need none, nor do those that the pass has not used yet.

use std::collections::{HashMap, HashSet};

use super::{Bound, Dispatch};
use crate::shader::Access;

/// How far ahead dispatches are looked for that wait for the same.
const AHEAD: usize = 32;

/// Whether the last use of each buffer wrote it.
type State = HashMap<usize, bool>;

/// The buffers of a dispatch, and whether it writes them. One that is bound twice is used in one way: no dispatch reads
/// and writes one.
type Uses = Vec<(usize, bool)>;

fn uses(d: &Dispatch) -> Uses {
    let used = |b: &Bound| Some((b.place?.buffer, b.access == Access::ReadWrite));
    d.bindings.iter().filter_map(used).collect()
}

/// Barriers of a run.
pub(super) fn barriers(dispatches: &[Dispatch]) -> usize {
    let (mut state, mut count) = (State::new(), 0);
    for d in dispatches {
        count += usize::from(!d.early.is_empty());
        state.extend(d.early.iter().map(|buffer| (*buffer, false)));
        let used = uses(d);
        let conflicts = |(buffer, writes): &(usize, bool)| state.get(buffer).is_some_and(|wrote| *wrote || *writes);
        count += usize::from(used.iter().any(conflicts));
        state.extend(used);
    }
    count
}

/// Lets the first dispatch that waits also wait for what the next ones read, where they then need not wait themselves.
pub(super) fn gather(dispatches: &mut [Dispatch]) {
    let mut state = State::new();
    let all: Vec<Uses> = dispatches.iter().map(uses).collect();
    for (i, used) in all.iter().enumerate() {
        let mut early: HashSet<usize> = written(&state, used).collect();
        if !early.is_empty() {
            let saved = wave(&state, &all[i..all.len().min(i + AHEAD)], &mut early);
            // What this dispatch writes may need a barrier of its own beside that one.
            let own = usize::from(used.iter().any(|(buffer, writes)| *writes && state.contains_key(buffer)));
            if saved > own {
                state.extend(early.iter().map(|buffer| (*buffer, false)));
                dispatches[i].early = early.into_iter().collect();
                dispatches[i].early.sort_unstable();
            }
        }
        state.extend(used.iter().copied());
    }
}

/// The buffers that `used` reads and that were written before.
fn written<'a>(state: &'a State, used: &'a [(usize, bool)]) -> impl Iterator<Item = usize> + 'a {
    used.iter().filter(|(buffer, writes)| !writes && state.get(buffer) == Some(&true)).map(|(buffer, _)| *buffer)
}

/// Adds to `early` what dispatches after the first of `near` read, and counts those that then need not wait.
fn wave(state: &State, near: &[Uses], early: &mut HashSet<usize>) -> usize {
    let (mut touched, mut fresh, mut saved) = (HashSet::new(), HashSet::new(), 0);
    for (k, used) in near.iter().enumerate() {
        if used.iter().any(|(buffer, writes)| !writes && fresh.contains(buffer)) {
            break;
        }
        let first_use = |buffer: &usize| !state.contains_key(buffer) && !touched.contains(buffer);
        let free = used.iter().all(|(buffer, writes)| !writes || first_use(buffer));
        if k > 0 && free && written(state, used).next().is_some() {
            early.extend(written(state, used));
            saved += 1;
        }
        touched.extend(used.iter().map(|(buffer, _)| *buffer));
        fresh.extend(used.iter().filter(|(_, writes)| *writes).map(|(buffer, _)| *buffer));
    }
    saved
}
