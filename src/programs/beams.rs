//! Beam search: the most probable sequence, looked for along the best few beginnings at once.
//!
//! What counts as finished, how long a sequence is and when a search ends are as in transformers, down to the order
//! of equal scores: its `_beam_search` is the reference here.

use super::generate::Next;
use super::rules::{EarlyStopping, Rules};
use super::sample;
use crate::error::Result;

/// The score of what is no beam yet, or none any more: far below every sum of log-probabilities.
const NO_BEAM: f64 = -1e9;

/// A sequence, and the sum of the log-probabilities of its new tokens; of a finished one, divided by its length.
#[derive(Clone)]
struct Beam {
    ids: Vec<i32>,
    score: f64,
    finished: bool,
}

/// The search of one row of a batch.
struct Search<'r> {
    rules: &'r Rules,
    prompt: usize,
    running: Vec<Beam>,
    /// The best finished sequences, best first; until there are enough, places with [`NO_BEAM`].
    finished: Vec<Beam>,
    /// True while a running beam may still become better than a finished one.
    improvable: bool,
    done: bool,
}

/// A beam with one token more.
#[derive(Clone, Copy)]
struct Candidate {
    score: f64,
    beam: usize,
    id: i32,
}

/// The best continuation of every row of `start`; see [`super::generate::generate`].
///
/// # Errors
/// Those of `next`, and logits that are NaN
pub(super) fn search(next: &mut Next<'_>, start: &[Vec<i32>], rules: &Rules) -> Result<Vec<Vec<i32>>> {
    let n = rules.beams.num_beams;
    let mut searches: Vec<Search> = start.iter().map(|prompt| Search::new(prompt, rules)).collect();
    let mut from: Vec<usize> = (0..start.len() * n).collect();
    for number in 1..=rules.max_new_tokens {
        let rows: Vec<Vec<i32>> = searches.iter().flat_map(|s| s.running.iter().map(|b| b.ids.clone())).collect();
        let logits = next(&rows, &from)?;
        let logits = logits.as_f32()?;
        for (i, search) in searches.iter_mut().enumerate() {
            let part = logits.len() / start.len();
            let continued = search.step(&logits[i * part..][..part], number)?;
            from.splice(i * n..(i + 1) * n, continued.into_iter().map(|beam| i * n + beam));
        }
        if searches.iter().all(|s| s.done) {
            break;
        }
    }
    let mut best: Vec<Vec<i32>> = searches.iter_mut().map(|s| std::mem::take(&mut s.finished[0].ids)).collect();
    // In a beam search of transformers a pad_token_id of 0 counts as none.
    let padding = rules.eos.first().copied().filter(|_| rules.padding() == 0).unwrap_or(rules.padding());
    let longest = searches.iter().zip(&best).map(|(s, ids)| ids.len() - s.prompt).max().unwrap_or(0);
    best.iter_mut().zip(start).for_each(|(ids, prompt)| ids.resize(prompt.len() + longest, padding));
    Ok(best)
}

impl<'r> Search<'r> {
    /// All beams begin alike: only the first of them counts.
    fn new(prompt: &[i32], rules: &'r Rules) -> Search<'r> {
        let beam = |score| Beam { ids: prompt.to_vec(), score, finished: false };
        let n = rules.beams.num_beams;
        let running = (0..n).map(|i| beam(if i == 0 { 0.0 } else { NO_BEAM })).collect();
        Search { rules, prompt: prompt.len(), running, finished: vec![beam(NO_BEAM); n], improvable: true, done: false }
    }

    /// Chooses new token `number` of every beam by the logits of all of them; returns the beams that the new ones
    /// continue.
    fn step(&mut self, logits: &[f32], number: usize) -> Result<Vec<usize>> {
        let n = self.running.len();
        if self.done {
            // Others of the batch go on; the caches still take a token of every row.
            self.running.iter_mut().for_each(|beam| beam.ids.push(self.rules.padding()));
            return Ok((0..n).collect());
        }
        let candidates = self.candidates(logits, number)?;
        let extended = |c: &Candidate, score: f64, finished| {
            let mut ids = self.running[c.beam].ids.clone();
            ids.push(c.id);
            Beam { ids, score, finished }
        };
        let last = number == self.rules.max_new_tokens;
        let mut all: Vec<Beam> = candidates.iter().map(|c| extended(c, c.score, false)).collect();
        for beam in &mut all {
            beam.finished = last || self.rules.ends(&beam.ids, self.prompt)?;
        }
        let ended = all.iter().all(|beam| beam.finished);

        // What goes on: the best that are not finished.
        let running = |i: usize| all[i].score + if all[i].finished { NO_BEAM } else { 0.0 };
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by(|&a, &b| running(b).total_cmp(&running(a)));
        // A vocabulary smaller than the beams leaves places.
        let next: Vec<usize> = order.iter().copied().cycle().take(n).collect();
        let score = |place: usize| running(next[place]) + if place < all.len() { 0.0 } else { NO_BEAM };
        let beams = (0..n).map(|place| Beam { score: score(place), finished: false, ..all[next[place]].clone() });
        let beams: Vec<Beam> = beams.collect();

        self.finish(&all, number);
        self.running = beams;
        self.improvable &= self.may_improve(number);
        let full = self.finished.iter().all(|beam| beam.finished);
        let early = full && self.rules.beams.early_stopping == EarlyStopping::AtOnce;
        self.done = !self.improvable || early || ended;
        Ok(next.iter().map(|&i| candidates[i].beam).collect())
    }

    /// The best continuations, best first: enough that `num_beams` are left where every end token is among them.
    fn candidates(&self, logits: &[f32], number: usize) -> Result<Vec<Candidate>> {
        let n = self.running.len();
        let mut all = Vec::with_capacity(logits.len());
        for (beam, (logits, running)) in logits.chunks(logits.len() / n).zip(&self.running).enumerate() {
            let mut scores = log_softmax(sample::scores(logits)?);
            self.rules.process(&mut scores, &running.ids, number);
            let candidate = |(id, s): (usize, &f64)| Candidate { score: running.score + s, beam, id: id as i32 };
            all.extend(scores.iter().enumerate().map(candidate));
        }
        let best = |a: &Candidate, b: &Candidate| b.score.total_cmp(&a.score).then((a.beam, a.id).cmp(&(b.beam, b.id)));
        let most = n * (1 + self.rules.eos.len()).max(2);
        if most < all.len() {
            all.select_nth_unstable_by(most, best);
            all.truncate(most);
        }
        all.sort_unstable_by(best);
        Ok(all)
    }

    /// Keeps the best finished sequences. Of the candidates only the `num_beams` best count: the others are there to go on.
    fn finish(&mut self, candidates: &[Beam], number: usize) {
        let n = self.running.len();
        let length = (number as f64).powf(self.rules.beams.length_penalty);
        for (i, beam) in candidates.iter().enumerate() {
            if beam.finished && i < n && self.improvable {
                self.finished.push(Beam { score: beam.score / length, ..beam.clone() });
            }
        }
        self.finished.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.finished.truncate(n);
    }

    /// True if the best running beam may become better than a finished one.
    fn may_improve(&self, number: usize) -> bool {
        let beams = &self.rules.beams;
        let longest = beams.early_stopping == EarlyStopping::Never && beams.length_penalty > 0.0;
        let length = if longest { self.rules.max_new_tokens } else { number };
        let best = self.running[0].score / (length as f64).powf(beams.length_penalty);
        let worst = self.finished.iter().map(|beam| beam.score).fold(f64::INFINITY, f64::min);
        self.finished.iter().any(|beam| best > if beam.finished { worst } else { NO_BEAM })
    }
}

/// `s − log Σ exp(s)`; an infinite score takes all.
fn log_softmax(mut scores: Vec<f64>) -> Vec<f64> {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    scores.iter_mut().for_each(|s| *s = if *s == largest { 0.0 } else { *s - largest });
    let total = scores.iter().map(|s| s.exp()).sum::<f64>().ln();
    scores.iter_mut().for_each(|s| *s -= total);
    scores
}
