//! Tables of positions, computed in f64 on the host and rounded once.

use std::f64::consts::TAU;

use crate::tensor::HostTensor;

/// Vaswani et al. 2017, arXiv:1706.03762, 3.5: `(t, d)`; column 2i is `sin(pos / 10000^(2i/d))`, column 2i + 1
/// the cosine of the same angle; for odd `d` the last column is a sine.
pub fn sinusoidal_table(t: usize, d: usize) -> HostTensor {
    let values = (0..t * d).map(|i| {
        let (position, column) = (i / d, i % d);
        let angle = position as f64 / 10000f64.powf((column - column % 2) as f64 / d as f64);
        if column % 2 == 0 { angle.sin() } else { angle.cos() }
    });
    HostTensor::f32(&[t, d], values.map(|v| v as f32).collect())
}

/// Su et al. 2021, arXiv:2104.09864: angles per position `theta^(−2i/d)`, i < d/2, of `d` rotated dims.
pub fn rope_frequencies(d: usize, theta: f64) -> Vec<f64> {
    (0..d / 2).map(|i| theta.powf(-2.0 * i as f64 / d as f64)).collect()
}

/// The frequencies Llama 3.1 stretches to a longer context: unchanged where a wave is shorter than
/// `original / high`, divided by `factor` where it is longer than `original / low`, and between in between.
pub fn llama3_frequencies(frequencies: &[f64], factor: f64, low: f64, high: f64, original: f64) -> Vec<f64> {
    let stretch = |&f: &f64| {
        let wave = TAU / f;
        let s = ((original / wave - low) / (high - low)).clamp(0.0, 1.0);
        f * ((1.0 - s) / factor + s)
    };
    frequencies.iter().map(stretch).collect()
}

/// Cosines and sines `(positions, half)` for [`crate::graph::Tensor::rope`].
pub fn rope_tables(positions: usize, frequencies: &[f64]) -> [HostTensor; 2] {
    let half = frequencies.len();
    let angle = |i: usize| (i / half) as f64 * frequencies[i % half];
    let table = |f: fn(f64) -> f64| {
        HostTensor::f32(&[positions, half], (0..positions * half).map(|i| f(angle(i)) as f32).collect())
    };
    [table(f64::cos), table(f64::sin)]
}

/// `10000^(−i / (half − freq_shift))` in turns per step, as three parts of 11, 11 and 24 bits whose sum is it.
pub fn timestep_turns(half: usize, freq_shift: f64) -> HostTensor {
    let mut parts = vec![0f32; 3 * half];
    for i in 0..half {
        let mut rest = 10000f64.powf(-(i as f64) / (half as f64 - freq_shift)) / TAU;
        for part in 0..3 {
            let bits = if part < 2 { leading_bits(rest) } else { rest };
            parts[part * half + i] = bits as f32;
            rest -= bits;
        }
    }
    HostTensor::f32(&[3, half], parts)
}

/// `v` cut to its 11 leading bits.
fn leading_bits(v: f64) -> f64 {
    f64::from_bits(v.to_bits() & !((1 << 42) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sinusoids_by_hand() {
        let table = sinusoidal_table(2, 3);
        let angle = 10000f64.powf(-2.0 / 3.0);
        let want = [0.0, 1.0, 0.0, 1f64.sin() as f32, 1f64.cos() as f32, angle.sin() as f32];
        assert_eq!(table.as_f32().unwrap(), want);
    }

    #[test]
    fn turns_add_up_and_split_exactly() {
        let turns = timestep_turns(4, 1.0);
        let parts = turns.as_f32().unwrap();
        for i in 0..4 {
            let want = 10000f64.powf(-(i as f64) / 3.0) / TAU;
            let sum: f64 = (0..3).map(|p| f64::from(parts[4 * p + i])).sum();
            assert!((sum - want).abs() < 1e-13 * want);
            for p in 0..2 {
                let product = 8191.0 * f64::from(parts[4 * p + i]);
                assert_eq!(f64::from(product as f32), product);
            }
        }
    }

    #[test]
    fn llama3_keeps_short_waves_and_stretches_long_ones() {
        let f = llama3_frequencies(&[1.0, 1e-6], 8.0, 1.0, 4.0, 8192.0);
        assert_eq!(f, [1.0, 1e-6 / 8.0]);
    }

    #[test]
    fn rope_tables_start_unturned() {
        let [cos, sin] = rope_tables(2, &rope_frequencies(4, 10000.0));
        assert_eq!(cos.as_f32().unwrap()[..2], [1.0, 1.0]);
        assert_eq!(sin.as_f32().unwrap()[..2], [0.0, 0.0]);
        assert_eq!(sin.as_f32().unwrap()[3], 0.01f64.sin() as f32);
    }
}
