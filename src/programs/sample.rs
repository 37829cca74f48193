//! Choice of a token from logits, on the host in f64.

use kernels_ref::random::philox4x32_10;

use crate::error::{Error, Result};

/// How a token is chosen. The default takes the best one.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// Logits are divided by it; 0 takes the best token.
    pub temperature: f64,
    /// Only the `top_k` best tokens can be drawn; 0 is all.
    pub top_k: usize,
    /// Only the fewest tokens whose probabilities reach `top_p` together can be drawn; 1 is all.
    pub top_p: f64,
    /// Divides positive logits of tokens that occurred, and multiplies negative ones (Keskar et al. 2019,
    /// arXiv:1909.05858); 1 changes nothing.
    pub repetition_penalty: f64,
    /// The draw of token `n` is a function of the seed and `n` alone.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling { temperature: 0.0, top_k: 0, top_p: 1.0, repetition_penalty: 1.0, seed: 0 }
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
            s if !(s.repetition_penalty > 0.0 && s.repetition_penalty < f64::INFINITY) => {
                fail("repetition_penalty", s.repetition_penalty, "above 0")
            }
            _ => Ok(()),
        }
    }
}

/// The token that follows `before`, as new token `number`, by its `logits`.
///
/// # Errors
/// If a logit is NaN, or a value of `sampling` is out of range
pub fn choose(logits: &[f32], before: &[i32], number: u64, sampling: &Sampling) -> Result<i32> {
    sampling.check()?;
    if let Some(id) = logits.iter().position(|l| l.is_nan()) {
        return Err(Error::tensor("logits", format!("that of token {id} is NaN")));
    }
    let mut scores: Vec<f64> = logits.iter().map(|&l| f64::from(l)).collect();
    if sampling.repetition_penalty != 1.0 {
        penalise(&mut scores, before, sampling.repetition_penalty);
    }
    if scores.is_empty() {
        return Err(Error::tensor("logits", "are empty"));
    }
    if sampling.temperature == 0.0 {
        return Ok(best(&scores));
    }
    let kept = candidates(&scores, sampling);
    Ok(draw(&kept, uniform(sampling.seed, number)))
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

/// Ids with their probabilities, best first, after top-k and then top-p; they need not add up to 1.
fn candidates(scores: &[f64], sampling: &Sampling) -> Vec<(i32, f64)> {
    let mut ids: Vec<usize> = (0..scores.len()).collect();
    let order = |&a: &usize, &b: &usize| scores[b].total_cmp(&scores[a]).then(a.cmp(&b));
    if (1..ids.len()).contains(&sampling.top_k) {
        ids.select_nth_unstable_by(sampling.top_k - 1, order);
        ids.truncate(sampling.top_k);
    }
    ids.sort_unstable_by(order);
    let largest = scores[ids[0]];
    // inf − inf: an infinite logit takes all.
    let weight =
        |id: usize| if scores[id] == largest { 1.0 } else { ((scores[id] - largest) / sampling.temperature).exp() };
    let total: f64 = ids.iter().map(|&id| weight(id)).sum();
    let mut kept = vec![];
    let mut sum = 0.0;
    for id in ids {
        kept.push((id as i32, weight(id) / total));
        sum += weight(id) / total;
        if sum >= sampling.top_p {
            break;
        }
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
fn uniform(seed: u64, number: u64) -> f64 {
    let words = philox4x32_10([number as u32, (number >> 32) as u32, 0, 0], [seed as u32, (seed >> 32) as u32]);
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
    }

    #[test]
    fn draws_follow_the_probabilities_and_repeat() {
        let logits = [0.3f64, 0.5, 0.2].map(|p| p.ln() as f32);
        let mut counts = [0; 3];
        for number in 0..20_000 {
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
