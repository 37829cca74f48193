//! Choice of a token from logits, on the host in f64.

use kernels_ref::random::philox4x32_10;

use crate::error::{Error, Result};

/// How a token is chosen: what transformers' logits processors and warpers do, in their order. The default takes the
/// best one.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// Divides positive logits of tokens that occurred, and multiplies negative ones (Keskar et al. 2019,
    /// arXiv:1909.05858); 1 changes nothing.
    pub repetition_penalty: f64,
    /// No run of so many tokens occurs twice; 0 forbids none.
    pub no_repeat_ngram_size: usize,
    /// Logits are divided by it; 0 takes the best token.
    pub temperature: f64,
    /// Only the `top_k` best tokens, and those as good as the last of them, can be drawn; 0 is all.
    pub top_k: usize,
    /// Only the fewest tokens whose probabilities reach `top_p` together can be drawn; 1 is all.
    pub top_p: f64,
    /// Only tokens with `min_p` times the probability of the best one can be drawn (Nguyen et al. 2024,
    /// arXiv:2407.01082); 0 is all.
    pub min_p: f64,
    /// The draw of token `n` of a row is a function of the seed, the row and `n` alone.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling {
            repetition_penalty: 1.0,
            no_repeat_ngram_size: 0,
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            seed: 0,
        }
    }
}

impl Sampling {
    /// An error that names the first value out of range.
    pub fn check(&self) -> Result<()> {
        let fail = |name: &str, value: f64, range: &str| {
            Err(Error::config(name, format!("found {value}, expected a number {range}")))
        };
        match self {
            s if !(0.0..f64::INFINITY).contains(&s.temperature) => fail("temperature", s.temperature, "of 0 or more"),
            s if !(s.top_p > 0.0 && s.top_p <= 1.0) => fail("top_p", s.top_p, "above 0, at most 1"),
            s if !(0.0..=1.0).contains(&s.min_p) => fail("min_p", s.min_p, "from 0 to 1"),
            s if !(s.repetition_penalty > 0.0 && s.repetition_penalty < f64::INFINITY) => {
                fail("repetition_penalty", s.repetition_penalty, "above 0")
            }
            _ => Ok(()),
        }
    }

    /// Changes the scores of tokens by those `before` them.
    pub fn process(&self, scores: &mut [f64], before: &[i32]) {
        if self.repetition_penalty != 1.0 {
            penalise(scores, before, self.repetition_penalty);
        }
        if let Some(known) = self.no_repeat_ngram_size.checked_sub(1).filter(|&known| known <= before.len()) {
            let newest = &before[before.len() - known..];
            for run in before.windows(known + 1).filter(|run| run[..known] == *newest) {
                forbid(scores, run[known]);
            }
        }
    }

    /// The token to take by its scores, as new token `number` of `row`.
    pub fn pick(&self, scores: &[f64], row: usize, number: usize) -> i32 {
        if self.temperature == 0.0 {
            return best(scores);
        }
        draw(&candidates(scores, self), uniform(self.seed, row as u64, number as u64))
    }
}

/// Logits as scores.
///
/// # Errors
/// If there are none, or one is NaN
pub fn scores(logits: &[f32]) -> Result<Vec<f64>> {
    if logits.is_empty() {
        return Err(Error::tensor("logits", "are empty"));
    }
    match logits.iter().position(|l| l.is_nan()) {
        Some(id) => Err(Error::tensor("logits", format!("that of token {id} is NaN"))),
        None => Ok(logits.iter().map(|&l| f64::from(l)).collect()),
    }
}

/// The token that follows `before`, as new token `number`, by its `logits`.
///
/// # Errors
/// If a logit is NaN, or a value of `sampling` is out of range
pub fn choose(logits: &[f32], before: &[i32], number: usize, sampling: &Sampling) -> Result<i32> {
    sampling.check()?;
    let mut scores = scores(logits)?;
    sampling.process(&mut scores, before);
    Ok(sampling.pick(&scores, 0, number))
}

/// The probability of each token to be drawn after `before`, by their `logits`.
///
/// # Errors
/// As [`choose`]
pub fn probabilities(logits: &[f32], before: &[i32], sampling: &Sampling) -> Result<Vec<f64>> {
    sampling.check()?;
    let mut scores = scores(logits)?;
    sampling.process(&mut scores, before);
    let kept = candidates(&scores, sampling);
    let total: f64 = kept.iter().map(|(_, p)| p).sum();
    let mut all = vec![0.0; scores.len()];
    kept.iter().for_each(|&(id, p)| all[id as usize] = p / total);
    Ok(all)
}

/// Makes it impossible that `id` is taken, unless nothing else is left.
pub(super) fn forbid(scores: &mut [f64], id: i32) {
    if let Some(score) = usize::try_from(id).ok().and_then(|id| scores.get_mut(id)) {
        *score = f64::NEG_INFINITY;
    }
}

/// Lowers the scores of tokens that occurred, each once.
fn penalise(scores: &mut [f64], before: &[i32], penalty: f64) {
    let mut seen: Vec<i32> = before.to_vec();
    seen.sort_unstable();
    seen.dedup();
    for id in seen {
        if let Some(score) = usize::try_from(id).ok().and_then(|id| scores.get_mut(id)) {
            *score = if *score > 0.0 { *score / penalty } else { *score * penalty };
        }
    }
}

/// The lowest id of those with the largest score.
fn best(scores: &[f64]) -> i32 {
    let best = scores.iter().enumerate().fold(0, |best, (id, &s)| if s > scores[best] { id } else { best });
    best as i32
}

/// Ids with their weights, best first, after top-k, top-p and min-p.
fn candidates(scores: &[f64], sampling: &Sampling) -> Vec<(i32, f64)> {
    let mut ids: Vec<usize> = (0..scores.len()).collect();
    let order = |&a: &usize, &b: &usize| scores[b].total_cmp(&scores[a]).then(a.cmp(&b));
    if (1..ids.len()).contains(&sampling.top_k) {
        let (_, &mut last, _) = ids.select_nth_unstable_by(sampling.top_k - 1, order);
        ids.retain(|&id| scores[id] >= scores[last]);
    }
    ids.sort_unstable_by(order);
    let largest = scores[ids[0]];
    // At a temperature of 0 all the weight is the best token's; inf − inf: an infinite logit takes all.
    let scale = if sampling.temperature == 0.0 { f64::INFINITY } else { 1.0 / sampling.temperature };
    let weight = |id: usize| if scores[id] == largest { 1.0 } else { ((scores[id] - largest) * scale).exp() };
    let total: f64 = ids.iter().map(|&id| weight(id)).sum();
    let mut kept = vec![];
    let mut sum = 0.0;
    for id in ids {
        let weight = weight(id);
        if !kept.is_empty() && (sum >= sampling.top_p || weight < sampling.min_p || weight == 0.0) {
            break;
        }
        kept.push((id as i32, weight));
        sum += weight / total;
    }
    kept
}

/// The candidate under `u` in 0..1.
fn draw(kept: &[(i32, f64)], u: f64) -> i32 {
    let total: f64 = kept.iter().map(|(_, p)| p).sum();
    let mut left = u * total;
    for &(id, p) in kept {
        left -= p;
        if left < 0.0 {
            return id;
        }
    }
    kept.last().map_or(0, |(id, _)| *id)
}

/// A number in 0..1 with 53 bits.
fn uniform(seed: u64, row: u64, number: u64) -> f64 {
    let halves = |v: u64| [v as u32, (v >> 32) as u32];
    let ([n, more], [r, rest]) = (halves(number), halves(row));
    let words = philox4x32_10([n, more, r, rest], halves(seed));
    let bits = (u64::from(words[0]) << 32 | u64::from(words[1])) >> 11;
    bits as f64 * 2f64.powi(-53)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampling(temperature: f64) -> Sampling {
        Sampling { temperature, ..Sampling::default() }
    }

    #[test]
    fn greedy_takes_the_lowest_of_equals() {
        assert_eq!(choose(&[1.0, 3.0, 3.0, -1.0], &[], 1, &sampling(0.0)).unwrap(), 1);
        assert_eq!(choose(&[f32::NEG_INFINITY, -2.0], &[], 1, &sampling(0.0)).unwrap(), 1);
    }

    #[test]
    fn the_penalty_counts_a_token_once() {
        let s = Sampling { repetition_penalty: 2.0, ..sampling(0.0) };
        assert_eq!(choose(&[3.0, 2.0], &[0, 0], 1, &s).unwrap(), 1);
        assert_eq!(choose(&[3.0, 1.4], &[0, 0], 1, &s).unwrap(), 0);
        assert_eq!(choose(&[-1.0, -1.5], &[0, 99, -3], 1, &s).unwrap(), 1);
    }

    #[test]
    fn candidates_are_the_fewest_that_reach_the_shares() {
        // Probabilities 0.5, 0.3, 0.2 at temperature 1.
        let scores = [0.3f64.ln(), 0.5f64.ln(), 0.2f64.ln()];
        let ids = |s: &Sampling| candidates(&scores, s).iter().map(|(id, _)| *id).collect::<Vec<_>>();
        assert_eq!(ids(&sampling(1.0)), [1, 0, 2]);
        assert_eq!(ids(&Sampling { top_k: 2, ..sampling(1.0) }), [1, 0]);
        assert_eq!(ids(&Sampling { top_p: 0.4, ..sampling(1.0) }), [1]);
        assert_eq!(ids(&Sampling { top_p: 0.6, ..sampling(1.0) }), [1, 0]);
        // Top-p is of what top-k leaves: 0.5 of 0.8.
        assert_eq!(ids(&Sampling { top_k: 2, top_p: 0.6, ..sampling(1.0) }), [1]);
        assert_eq!(ids(&Sampling { min_p: 0.5, ..sampling(1.0) }), [1, 0]);
        assert_eq!(ids(&Sampling { min_p: 0.7, ..sampling(1.0) }), [1]);
        assert_eq!(ids(&Sampling { min_p: 0.7, ..sampling(2.0) }), [1, 0]);
    }

    #[test]
    fn equals_of_the_last_of_top_k_stay() {
        let kept = |top_k| candidates(&[1.0, 2.0, 1.0, 0.0], &Sampling { top_k, ..sampling(1.0) });
        assert_eq!([1, 2, 3, 4].map(|k| kept(k).len()), [1, 3, 3, 4]);
    }

    #[test]
    fn runs_do_not_occur_twice() {
        let barred = |size, before: &[i32]| {
            let mut scores = vec![0.0; 5];
            Sampling { no_repeat_ngram_size: size, ..sampling(1.0) }.process(&mut scores, before);
            (0..5).filter(|&id| scores[id] == f64::NEG_INFINITY).collect::<Vec<_>>()
        };
        assert!(barred(0, &[1, 2, 1, 2]).is_empty());
        assert_eq!(barred(1, &[1, 2, 1, 2]), [1, 2]);
        assert_eq!(barred(2, &[1, 2, 1, 3, 1]), [2, 3]);
        assert_eq!(barred(3, &[1, 2, 4, 3, 1, 2]), [4]);
        assert!(barred(3, &[1, 2]).is_empty());
        assert!(barred(2, &[7, 9, 7]).is_empty());
        // What is forbidden is never drawn.
        let s = Sampling { no_repeat_ngram_size: 1, ..sampling(1.0) };
        assert!((0..50).all(|n| choose(&[5.0, 5.0, 0.0], &[0, 1], n, &s).unwrap() == 2));
    }

    #[test]
    fn draws_follow_the_probabilities_and_repeat() {
        let logits = [0.3f64, 0.5, 0.2].map(|p| p.ln() as f32);
        let mut counts = [0; 3];
        for number in 0..20_000usize {
            counts[choose(&logits, &[], number, &sampling(1.0)).unwrap() as usize] += 1;
        }
        // Five standard deviations of a count.
        for (count, p) in counts.iter().zip([0.3, 0.5, 0.2]) {
            let n = 20_000.0f64;
            assert!((f64::from(*count) - n * p).abs() < 5.0 * (n * p * (1.0 - p)).sqrt(), "{counts:?}");
        }
        let drawn = |seed| (0..32).map(move |n| choose(&logits, &[], n, &Sampling { seed, ..sampling(1.0) }).unwrap());
        assert!(drawn(1).eq(drawn(1)) && !drawn(1).eq(drawn(2)));
    }

    #[test]
    fn refuses_what_it_cannot_choose_from() {
        assert_eq!(
            choose(&[0.0, f32::NAN], &[], 1, &sampling(0.0)).unwrap_err().to_string(),
            "logits: that of token 1 is NaN"
        );
        let error = choose(&[0.0], &[], 1, &Sampling { top_p: 0.0, ..sampling(1.0) }).unwrap_err();
        assert_eq!(error.to_string(), "top_p: found 0, expected a number above 0, at most 1");
        assert_eq!(choose(&[f32::INFINITY, 0.0], &[], 1, &sampling(1.0)).unwrap(), 0);
    }
}
