//! Steps of recurrent cells, and their gradients. Rows of gates lie one block of `hidden` after the other.

use crate::elementwise::sigmoid;

/// A step of a long short-term memory (Hochreiter, Schmidhuber 1997; Gers et al. 2000), blocks i, f, g, o: the hidden
/// state, the cell state, and the gates after their activations.
pub fn lstm_cell(a: &[f64], u: &[f64], c: &[f64], hidden: usize) -> [Vec<f64>; 3] {
    let (mut h, mut c_next, mut gates) = (vec![0.0; c.len()], vec![0.0; c.len()], vec![0.0; a.len()]);
    for b in 0..c.len() / hidden {
        for j in 0..hidden {
            let at = |block: usize| (4 * b + block) * hidden + j;
            let before = |block: usize| a[at(block)] + u[at(block)];
            let (i, f, g, o) = (sigmoid(before(0)), sigmoid(before(1)), before(2).tanh(), sigmoid(before(3)));
            let n = b * hidden + j;
            c_next[n] = f * c[n] + i * g;
            h[n] = o * c_next[n].tanh();
            for (block, gate) in [i, f, g, o].into_iter().enumerate() {
                gates[at(block)] = gate;
            }
        }
    }
    [h, c_next, gates]
}

/// What the state gives the gates: `h Wᵀ + b`, a row of `h` of `state` elements for each row of gates.
pub fn recurrent_product(h: &[f64], w: &[f64], b: Option<&[f64]>, state: usize) -> Vec<f64> {
    let units = w.len() / state;
    let one = |i: usize| {
        let (h, w) = (&h[i / units * state..][..state], &w[i % units * state..][..state]);
        h.iter().zip(w).map(|(h, w)| h * w).sum::<f64>() + b.map_or(0.0, |b| b[i % units])
    };
    (0..h.len() / state * units).map(one).collect()
}

/// [`lstm_cell`] with its recurrent product: of `h (B, R)` with `w (4·H, R)` and `b (4·H)`.
pub fn lstm_step(a: &[f64], c: &[f64], h: &[f64], w: &[f64], b: Option<&[f64]>, hidden: usize) -> [Vec<f64>; 3] {
    lstm_cell(a, &recurrent_product(h, w, b, w.len() / (4 * hidden)), c, hidden)
}

/// [`gru_cell`] with its recurrent product: of `h (B, R)` with `w (3·H, R)` and `b (3·H)`; `before` is the state that the
/// gates mix.
pub fn gru_step(a: &[f64], before: &[f64], h: &[f64], w: &[f64], b: Option<&[f64]>, hidden: usize) -> [Vec<f64>; 2] {
    gru_cell(a, &recurrent_product(h, w, b, w.len() / (3 * hidden)), before, hidden)
}

/// What a step of a long short-term memory passes back: to `a` and `u` alike, and to `c`.
pub fn lstm_cell_backward(
    gates: &[f64],
    c: &[f64],
    c_next: &[f64],
    d_h: &[f64],
    d_c_next: Option<&[f64]>,
    hidden: usize,
) -> [Vec<f64>; 2] {
    let (mut d_a, mut d_c) = (vec![0.0; gates.len()], vec![0.0; c.len()]);
    for b in 0..c.len() / hidden {
        for j in 0..hidden {
            let (n, at) = (b * hidden + j, |block: usize| (4 * b + block) * hidden + j);
            let [i, f, g, o] = [0, 1, 2, 3].map(|block| gates[at(block)]);
            let t = c_next[n].tanh();
            let d_o = d_h[n] * t;
            let d_cell = d_c_next.map_or(0.0, |d| d[n]) + d_h[n] * o * (1.0 - t * t);
            d_a[at(0)] = d_cell * g * i * (1.0 - i);
            d_a[at(1)] = d_cell * c[n] * f * (1.0 - f);
            d_a[at(2)] = d_cell * i * (1.0 - g * g);
            d_a[at(3)] = d_o * o * (1.0 - o);
            d_c[n] = d_cell * f;
        }
    }
    [d_a, d_c]
}

/// A step of gated recurrent units (Cho et al. 2014), blocks r, z, n: the hidden state, and the gates after their
/// activations.
pub fn gru_cell(a: &[f64], u: &[f64], h: &[f64], hidden: usize) -> [Vec<f64>; 2] {
    let (mut h_next, mut gates) = (vec![0.0; h.len()], vec![0.0; a.len()]);
    for b in 0..h.len() / hidden {
        for j in 0..hidden {
            let at = |block: usize| (3 * b + block) * hidden + j;
            let r = sigmoid(a[at(0)] + u[at(0)]);
            let z = sigmoid(a[at(1)] + u[at(1)]);
            let n = (a[at(2)] + r * u[at(2)]).tanh();
            h_next[b * hidden + j] = (1.0 - z) * n + z * h[b * hidden + j];
            for (block, gate) in [r, z, n].into_iter().enumerate() {
                gates[at(block)] = gate;
            }
        }
    }
    [h_next, gates]
}

/// What a step of gated recurrent units passes back: to `a`, to `u`, and to `h`.
pub fn gru_cell_backward(gates: &[f64], u: &[f64], h: &[f64], d_h_next: &[f64], hidden: usize) -> [Vec<f64>; 3] {
    let (mut d_a, mut d_u, mut d_h) = (vec![0.0; u.len()], vec![0.0; u.len()], vec![0.0; h.len()]);
    for b in 0..h.len() / hidden {
        for j in 0..hidden {
            let (i, at) = (b * hidden + j, |block: usize| (3 * b + block) * hidden + j);
            let [r, z, n] = [0, 1, 2].map(|block| gates[at(block)]);
            // n is tanh of a + r·u.
            let d_n = d_h_next[i] * (1.0 - z) * (1.0 - n * n);
            let d_r = d_n * u[at(2)] * r * (1.0 - r);
            let d_z = d_h_next[i] * (h[i] - n) * z * (1.0 - z);
            for (block, [to_a, to_u]) in [[d_r, d_r], [d_z, d_z], [d_n, d_n * r]].into_iter().enumerate() {
                d_a[at(block)] = to_a;
                d_u[at(block)] = to_u;
            }
            d_h[i] = d_h_next[i] * z;
        }
    }
    [d_a, d_u, d_h]
}
