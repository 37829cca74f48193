//! Resizing images by tables of source positions and weights.

use rayon::prelude::*;

/// `y[p, i, j] = x[p, row[i], col[j]]`: nearest-neighbour resizing of planes `h × w`.
pub fn resize_nearest(x: &[f64], row: &[f64], col: &[f64], h: usize, w: usize) -> Vec<f64> {
    let (oh, ow) = (row.len(), col.len());
    planes(x, h * w, oh * ow, |x, y| {
        for i in 0..oh {
            for j in 0..ow {
                y[i * ow + j] = x[row[i] as usize * w + col[j] as usize];
            }
        }
    })
}

/// Bilinear resizing of planes `h × w`: output `(i, j)` interpolates between rows `row[i]` and `row[i] + 1`
/// with weight `row_weight[i]` on the second, and likewise for columns; positions beyond the edge repeat it.
pub fn resize_bilinear(
    x: &[f64],
    row: &[f64],
    row_weight: &[f64],
    col: &[f64],
    col_weight: &[f64],
    h: usize,
    w: usize,
) -> Vec<f64> {
    let (oh, ow) = (row.len(), col.len());
    planes(x, h * w, oh * ow, |x, y| {
        for i in 0..oh {
            for j in 0..ow {
                let (top, left) = (row[i] as usize, col[j] as usize);
                let (bottom, right) = ((top + 1).min(h - 1), (left + 1).min(w - 1));
                let (u, v) = (row_weight[i], col_weight[j]);
                y[i * ow + j] = (1.0 - u) * ((1.0 - v) * x[top * w + left] + v * x[top * w + right])
                    + u * ((1.0 - v) * x[bottom * w + left] + v * x[bottom * w + right]);
            }
        }
    })
}

/// Bicubic resizing of planes `h × w`: output `(i, j)` is the sum over the 4 × 4 positions from
/// `(row[i] − 1, col[j] − 1)`, clamped to the image, with weights `row_weight[i, ·] · col_weight[j, ·]`.
pub fn resize_bicubic(
    x: &[f64],
    row: &[f64],
    row_weight: &[f64],
    col: &[f64],
    col_weight: &[f64],
    h: usize,
    w: usize,
) -> Vec<f64> {
    let (oh, ow) = (row.len(), col.len());
    let clamped = |first: f64, tap: usize, n: usize| (first + tap as f64 - 1.0).clamp(0.0, n as f64 - 1.0) as usize;
    planes(x, h * w, oh * ow, |x, y| {
        for i in 0..oh {
            for j in 0..ow {
                let mut sum = 0.0;
                for a in 0..4 {
                    for b in 0..4 {
                        let at = clamped(row[i], a, h) * w + clamped(col[j], b, w);
                        sum += row_weight[i * 4 + a] * col_weight[j * 4 + b] * x[at];
                    }
                }
                y[i * ow + j] = sum;
            }
        }
    })
}

/// Gradient of [`resize_nearest`]: that of every output, added to the element it took.
pub fn resize_nearest_backward(d_y: &[f64], row: &[f64], col: &[f64], h: usize, w: usize) -> Vec<f64> {
    let (oh, ow) = (row.len(), col.len());
    planes(d_y, oh * ow, h * w, |d_y, d_x| {
        for i in 0..oh {
            for j in 0..ow {
                d_x[row[i] as usize * w + col[j] as usize] += d_y[i * ow + j];
            }
        }
    })
}

/// Gradient of [`resize_bilinear`]: that of every output, added to its four elements by their weights.
pub fn resize_bilinear_backward(
    d_y: &[f64],
    row: &[f64],
    row_weight: &[f64],
    col: &[f64],
    col_weight: &[f64],
    h: usize,
    w: usize,
) -> Vec<f64> {
    let (oh, ow) = (row.len(), col.len());
    planes(d_y, oh * ow, h * w, |d_y, d_x| {
        for i in 0..oh {
            for j in 0..ow {
                let (top, left) = (row[i] as usize, col[j] as usize);
                let (bottom, right) = ((top + 1).min(h - 1), (left + 1).min(w - 1));
                let (u, v, d) = (row_weight[i], col_weight[j], d_y[i * ow + j]);
                d_x[top * w + left] += (1.0 - u) * (1.0 - v) * d;
                d_x[top * w + right] += (1.0 - u) * v * d;
                d_x[bottom * w + left] += u * (1.0 - v) * d;
                d_x[bottom * w + right] += u * v * d;
            }
        }
    })
}

/// Gradient of [`resize_bicubic`]: that of every output, added to its 4 × 4 elements by their weights.
pub fn resize_bicubic_backward(
    d_y: &[f64],
    row: &[f64],
    row_weight: &[f64],
    col: &[f64],
    col_weight: &[f64],
    h: usize,
    w: usize,
) -> Vec<f64> {
    let (oh, ow) = (row.len(), col.len());
    let clamped = |first: f64, tap: usize, n: usize| (first + tap as f64 - 1.0).clamp(0.0, n as f64 - 1.0) as usize;
    planes(d_y, oh * ow, h * w, |d_y, d_x| {
        for i in 0..oh {
            for j in 0..ow {
                for a in 0..4 {
                    for b in 0..4 {
                        let at = clamped(row[i], a, h) * w + clamped(col[j], b, w);
                        d_x[at] += row_weight[i * 4 + a] * col_weight[j * 4 + b] * d_y[i * ow + j];
                    }
                }
            }
        }
    })
}

fn planes(x: &[f64], from: usize, to: usize, one: impl Fn(&[f64], &mut [f64]) + Sync) -> Vec<f64> {
    let mut y = vec![0.0; x.len() / from * to];
    y.par_chunks_mut(to).zip(x.par_chunks(from)).for_each(|(y, x)| one(x, y));
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    // np.array([[1., 2], [3, 4]]).repeat(2, 1)
    #[test]
    fn nearest_repeats_columns() {
        let y = resize_nearest(&[1.0, 2.0, 3.0, 4.0], &[0.0, 1.0], &[0.0, 0.0, 1.0, 1.0], 2, 2);
        assert_eq!(y, [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0]);
    }

    // By hand: halfway between rows, a quarter of the way between columns; then the last corner.
    #[test]
    fn bilinear_between_four() {
        let y = resize_bilinear(&[1.0, 2.0, 3.0, 4.0], &[0.0], &[0.5], &[0.0, 1.0], &[0.25, 0.5], 2, 2);
        assert_eq!(y, [2.25, 3.0]);
    }

    // By hand: the adjoints of the rows below and above.
    #[test]
    fn gradients_go_back_to_what_was_read() {
        assert_eq!(resize_nearest_backward(&[1.0, 2.0, 4.0], &[0.0], &[0.0, 0.0, 1.0], 1, 2), [3.0, 4.0]);
        let d_x = resize_bilinear_backward(&[8.0], &[0.0], &[0.5], &[0.0], &[0.25], 2, 2);
        assert_eq!(d_x, [3.0, 1.0, 3.0, 1.0]);
        let w = [1.0, 2.0, 4.0, 8.0];
        let d_x = resize_bicubic_backward(&[1.0], &[0.0], &[0.0, 1.0, 0.0, 0.0], &[0.0], &w, 1, 3);
        assert_eq!(d_x, [3.0, 4.0, 8.0]);
    }

    // One row, taps at columns −1 … 2 of three: 1·0.1 + 1·0.2 + 2·0.3 + 4·0.4.
    #[test]
    fn bicubic_clamps_its_taps() {
        let y = resize_bicubic(&[1.0, 2.0, 4.0], &[0.0], &[0.0, 1.0, 0.0, 0.0], &[0.0], &[0.1, 0.2, 0.3, 0.4], 1, 3);
        assert!((y[0] - 2.5).abs() < 1e-12);
    }
}
