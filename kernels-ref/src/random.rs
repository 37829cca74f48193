//! Counter-based random numbers (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3").

use std::f64::consts::TAU;

/// Philox 4×32-10: four words from a counter and a key.
pub fn philox4x32_10(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let p = u64::from(counter[0]) * 0xd251_1f53;
        let q = u64::from(counter[2]) * 0xcd9e_8d57;
        counter = [(q >> 32) as u32 ^ counter[1] ^ key[0], q as u32, (p >> 32) as u32 ^ counter[3] ^ key[1], p as u32];
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    counter
}

/// Words of elements `0..n`, rounded up to whole blocks: element `i` is word `i mod 4` of the counter
/// `(i div 4, stream, offset, 0)`.
pub fn words(seed: [u32; 2], offset: u32, stream: u32, n: usize) -> Vec<u32> {
    let mut words: Vec<u32> =
        (0..n.div_ceil(4) as u32).flat_map(|block| philox4x32_10([block, stream, offset, 0], seed)).collect();
    words.truncate(n.next_multiple_of(2));
    words
}

/// The words of `words`, without the odd last one that completes a pair.
pub fn random_bits(words: &[u32], n: usize) -> Vec<f64> {
    words[..n].iter().map(|&w| f64::from(w)).collect()
}

/// `⌊w/2⁸⌋·2⁻²⁴`.
pub fn random_uniform(words: &[u32], n: usize) -> Vec<f64> {
    words[..n].iter().map(|&w| f64::from(w >> 8) / 16_777_216.0).collect()
}

/// How many of the 2²⁴ values of `⌊w/2⁸⌋` mean 1 for a probability of `p`.
pub fn threshold(p: f64) -> u32 {
    (p * 16_777_216.0).round() as u32
}

/// 1 where `⌊w/2⁸⌋ < threshold(p)`, else 0.
pub fn random_bernoulli(words: &[u32], p: f64, n: usize) -> Vec<f64> {
    words[..n].iter().map(|&w| f64::from(u8::from((w >> 8) < threshold(p)))).collect()
}

/// `mean + std·√(−2 ln u)·(cos 2πv, sin 2πv)` for every pair of words (Box, Muller 1958); `u` is the first
/// over 2³², cut to 24 significant bits and at least 2⁻³³, `v` the 24 upper bits of the second over 2²⁴.
pub fn random_normal(words: &[u32], mean: f64, std: f64, n: usize) -> Vec<f64> {
    let mut y: Vec<f64> = words
        .chunks(2)
        .flat_map(|pair| {
            let cut = 8u32.saturating_sub(pair[0].leading_zeros());
            let u = f64::from((pair[0] >> cut) << cut).max(0.5) / 4_294_967_296.0;
            let v = f64::from(pair[1] >> 8) / 16_777_216.0;
            let radius = (-2.0 * u.ln()).sqrt();
            [mean + std * radius * (TAU * v).cos(), mean + std * radius * (TAU * v).sin()]
        })
        .collect();
    y.truncate(n);
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random123 1.14, tests/kat_vectors, `philox4x32 10`.
    #[test]
    fn philox_answers_what_random123_does() {
        let zero = philox4x32_10([0; 4], [0; 2]);
        assert_eq!(zero, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let ones = philox4x32_10([u32::MAX; 4], [u32::MAX; 2]);
        assert_eq!(ones, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = philox4x32_10([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]);
        assert_eq!(pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let n = 1 << 18;
        let w = words([1, 2], 3, 4, n);
        let mean = |y: &[f64]| y.iter().sum::<f64>() / n as f64;
        // Five standard errors.
        let close = |got: f64, want: f64, sigma: f64| assert!((got - want).abs() < 5.0 * sigma / (n as f64).sqrt());
        close(mean(&random_uniform(&w, n)), 0.5, 0.289);
        close(mean(&random_bernoulli(&w, 0.3, n)), 0.3, 0.458);
        let z = random_normal(&w, 0.0, 1.0, n);
        close(mean(&z), 0.0, 1.0);
        close(mean(&z.iter().map(|z| z * z).collect::<Vec<_>>()), 1.0, 2f64.sqrt());
        close(mean(&z.iter().map(|z| z.powi(4)).collect::<Vec<_>>()), 3.0, 96f64.sqrt());
    }
}
