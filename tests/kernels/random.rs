//! Rows of the random family.

use handmill::kernels::random::draws::{RANDOM_BERNOULLI, RANDOM_BITS, RANDOM_NORMAL, RANDOM_UNIFORM};
use handmill::tensor::HostTensor;

use crate::row::Row;

fn pair(low: u32, high: u32) -> HostTensor {
    HostTensor::u32(&[2], vec![low, high])
}

/// Every row.
pub fn rows() -> Vec<Row> {
    // Random123 1.14, tests/kat_vectors: philox4x32 10, counter 0, key 0.
    let known = [0x6627_e8d5u32, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8];
    let bits: Vec<f64> = known.iter().map(|&w| f64::from(w)).collect();
    let uniform: Vec<f64> = known.iter().map(|&w| f64::from(w >> 8) / 16_777_216.0).collect();
    let half: Vec<f64> = uniform.iter().map(|&u| f64::from(u8::from(u < 0.5))).collect();
    // mpmath, from u = 0x6627e880 / 2**32, v = 0xe169c5 / 2**24 and 0xbc57ac00, 0x9b00db likewise
    let normal = [0.991137515433137, -0.9246628179396438, -0.6176091364997016, -0.48206841089006547];
    let zero = || pair(0, 0);
    let mut rows = vec![
        Row::new(&RANDOM_BITS, "u32/4/random123").value(zero()).none().param("shape", vec![4]).golden(0, &bits, 0.0),
        Row::new(&RANDOM_UNIFORM, "f32/4/random123")
            .value(zero())
            .none()
            .param("shape", vec![4])
            .golden(0, &uniform, 0.0),
        Row::new(&RANDOM_BERNOULLI, "i32/4/random123")
            .value(zero())
            .none()
            .param("shape", vec![4])
            .param("p", 0.5)
            .golden(0, &half, 0.0),
        Row::new(&RANDOM_NORMAL, "f32/4/random123")
            .value(zero())
            .none()
            .param("shape", vec![4])
            .golden(0, &normal, 1e-12),
    ];
    for kernel in [&RANDOM_BITS, &RANDOM_UNIFORM, &RANDOM_BERNOULLI, &RANDOM_NORMAL] {
        let new = |label: &str| {
            let row = Row::new(kernel, label).value(pair(0xdead_beef, 0x0123_4567));
            if kernel.name == "random_bernoulli" { row.param("p", 0.3) } else { row }
        };
        for n in [1, 2, 3, 5, 255, 256, 257, 1021] {
            rows.push(new(&format!("{n}")).none().param("shape", vec![n]));
        }
        rows.push(
            new("2x3x7/offset")
                .value(HostTensor::u32(&[1], vec![0xffff_fff0]))
                .param("shape", vec![2, 3, 7])
                .param("stream", 4_294_967_295i64),
        );
        rows.push(new("65536/stream").none().param("shape", vec![65_536]).param("stream", 7i64));
    }
    for (label, p) in [("never", 0.0), ("always", 1.0), ("tiny", 1e-7)] {
        let row = Row::new(&RANDOM_BERNOULLI, &format!("f32/1000/{label}")).value(pair(1, 2)).none();
        rows.push(row.param("shape", vec![1000]).param("p", p).param("dtype", "f32"));
    }
    rows.push(
        Row::new(&RANDOM_NORMAL, "f32/3x333/moments")
            .value(pair(5, 6))
            .none()
            .param("shape", vec![3, 333])
            .param("mean", 10.0)
            .param("std", 0.02),
    );
    rows
}
