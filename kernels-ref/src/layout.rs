//! Moving elements without changing them.

/// The elements in order, rows of `inner` padded with zeros to `pitch`.
pub fn copy(x: &[f64], inner: usize, pitch: usize) -> Vec<f64> {
    let mut y = vec![0.0; x.len() / inner * pitch];
    for (to, from) in y.chunks_mut(pitch).zip(x.chunks(inner)) {
        to[..inner].copy_from_slice(from);
    }
    y
}

/// The parts one after the other along an axis of which `inner` elements lie inside: each part is its elements
/// and its size along the axis.
pub fn concat(parts: &[(&[f64], usize)], inner: usize) -> Vec<f64> {
    let outer = parts[0].0.len() / (parts[0].1 * inner);
    let mut y = vec![];
    for o in 0..outer {
        for (x, size) in parts {
            y.extend_from_slice(&x[o * size * inner..][..size * inner]);
        }
    }
    y
}

/// What [`pad`] finds outside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outside {
    /// This value.
    Constant(f64),
    /// The tensor mirrored at its edge elements, which are not repeated.
    Reflect,
    /// The edge element.
    Replicate,
    /// The other end.
    Circular,
}

/// `x` of `shape` with `pads[a]` = (before, after) elements added along axis `a`.
pub fn pad(x: &[f64], shape: &[usize], pads: &[(usize, usize)], outside: Outside) -> Vec<f64> {
    let out: Vec<usize> = shape.iter().zip(pads).map(|(n, p)| n + p.0 + p.1).collect();
    (0..out.iter().product())
        .map(|i: usize| {
            let (mut rest, mut at, mut stride) = (i, 0, 1);
            for a in (0..shape.len()).rev() {
                let n = shape[a] as i64;
                let c = (rest % out[a]) as i64 - pads[a].0 as i64;
                rest /= out[a];
                let c = match outside {
                    _ if (0..n).contains(&c) => c,
                    Outside::Constant(v) => return v,
                    Outside::Reflect if c < 0 => -c,
                    Outside::Reflect => 2 * (n - 1) - c,
                    Outside::Replicate => c.clamp(0, n - 1),
                    Outside::Circular => c.rem_euclid(n),
                };
                at += c as usize * stride;
                stride *= shape[a];
            }
            x[at]
        })
        .collect()
}

/// The gradient of padding the middle axis of `x (outer, m, inner)`: each element of `d_y` is added where [`pad`] took it
/// from.
pub fn pad_backward(
    d_y: &[f64],
    [outer, m, inner]: [usize; 3],
    (before, after): (usize, usize),
    outside: Outside,
) -> Vec<f64> {
    let mut d_x = vec![0.0; outer * m * inner];
    let padded = before + m + after;
    for o in 0..outer {
        for k in 0..padded {
            let c = k as i64 - before as i64;
            let n = m as i64;
            let from = match outside {
                _ if (0..n).contains(&c) => c,
                Outside::Constant(_) => continue,
                Outside::Reflect if c < 0 => -c,
                Outside::Reflect => 2 * (n - 1) - c,
                Outside::Replicate => c.clamp(0, n - 1),
                Outside::Circular => c.rem_euclid(n),
            };
            for i in 0..inner {
                d_x[(o * m + from as usize) * inner + i] += d_y[(o * padded + k) * inner + i];
            }
        }
    }
    d_x
}

/// The gradient of a value of `len` elements: what arrives at each element that a view shows (`shown`, in the order of
/// `d_y`), added to `base`.
pub fn view_backward(d_y: &[f64], shown: &[usize], base: Option<&[f64]>, len: usize) -> Vec<f64> {
    let mut d_x = base.map_or_else(|| vec![0.0; len], <[f64]>::to_vec);
    for (d, &i) in d_y.iter().zip(shown) {
        d_x[i] += d;
    }
    d_x
}

/// The values as they are; their gradient is nothing.
pub fn stop_gradient(x: &[f64]) -> Vec<f64> {
    x.to_vec()
}

/// The values of `q`; their gradient is that of `x`.
pub fn straight_through(_x: &[f64], q: &[f64]) -> Vec<f64> {
    q.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concat_along_the_middle() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0]);
        assert_eq!(concat(&[(&a, 2), (&b, 1)], 1), [1.0, 2.0, 5.0, 3.0, 4.0, 6.0]);
        assert_eq!(concat(&[(&a, 2), (&b, 1)], 2), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn pads_as_numpy_does() {
        let x = [1.0, 2.0, 3.0];
        let at = |outside| pad(&x, &[3], &[(2, 1)], outside);
        assert_eq!(at(Outside::Constant(9.0)), [9.0, 9.0, 1.0, 2.0, 3.0, 9.0]);
        assert_eq!(at(Outside::Reflect), [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]);
        assert_eq!(at(Outside::Replicate), [1.0, 1.0, 1.0, 2.0, 3.0, 3.0]);
        assert_eq!(at(Outside::Circular), [2.0, 3.0, 1.0, 2.0, 3.0, 1.0]);
    }

    #[test]
    fn pads_two_axes() {
        let y = pad(&[1.0, 2.0], &[1, 2], &[(1, 0), (0, 1)], Outside::Constant(0.0));
        assert_eq!(y, [0.0, 0.0, 0.0, 1.0, 2.0, 0.0]);
    }
}
