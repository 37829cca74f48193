//! Pooling over windows of images `(planes, ih, iw)`. A window is `(kernel, stride, padding, dilation)`, each
//! vertical and horizontal; every window has an element of the image.

use rayon::prelude::*;

/// Geometry of a pooling, each pair vertical and horizontal.
pub struct Window {
    /// Sizes of the image.
    pub image: [usize; 2],
    /// Number of windows.
    pub out: [usize; 2],
    /// Elements of a window.
    pub kernel: [usize; 2],
    /// Distance between windows.
    pub stride: [usize; 2],
    /// Positions before the image.
    pub padding: [usize; 2],
    /// Distance between elements of a window.
    pub dilation: [usize; 2],
}

impl Window {
    /// Flat indices of the elements of window `(oi, oj)` inside the image, in row-major order.
    fn elements(&self, oi: usize, oj: usize) -> Vec<usize> {
        let axis = |a: usize, o: usize| {
            (0..self.kernel[a])
                .filter_map(|k| (o * self.stride[a] + k * self.dilation[a]).checked_sub(self.padding[a]))
                .filter(|&i| i < self.image[a])
                .collect::<Vec<_>>()
        };
        let columns = axis(1, oj);
        axis(0, oi).iter().flat_map(|i| columns.iter().map(move |j| i * self.image[1] + j)).collect()
    }

    /// `one(plane of x, its index, window (oi, oj))` for every window.
    fn each<T: Send>(&self, x: &[f64], one: impl Fn(&[f64], usize, usize, usize) -> T + Sync) -> Vec<T> {
        let per_image = self.image[0] * self.image[1];
        let per_plane = |(plane, x): (usize, &[f64])| -> Vec<T> {
            (0..self.out[0] * self.out[1]).map(|o| one(x, plane, o / self.out[1], o % self.out[1])).collect()
        };
        x.par_chunks(per_image).enumerate().flat_map_iter(per_plane).collect()
    }

    /// Planes of the image to which `one(plane's index, window (oi, oj), plane)` adds for each of `windows` windows.
    fn back(&self, one: impl Fn(usize, usize, usize, &mut [f64]) + Sync, windows: usize) -> Vec<f64> {
        let per_plane = self.out[0] * self.out[1];
        let mut d_x = vec![0.0; windows / per_plane * self.image[0] * self.image[1]];
        d_x.par_chunks_mut(self.image[0] * self.image[1]).enumerate().for_each(|(plane, d_x)| {
            (0..per_plane).for_each(|o| one(plane, o / self.out[1], o % self.out[1], d_x));
        });
        d_x
    }
}

/// The largest element of every window and its flat index in the plane (the lowest of equals).
pub fn max_pool2d(x: &[f64], window: &Window) -> (Vec<f64>, Vec<f64>) {
    window
        .each(x, |x, _, oi, oj| {
            let elements = window.elements(oi, oj);
            let best = elements.iter().copied().fold(elements[0], |best, i| if x[i] > x[best] { i } else { best });
            (x[best], best as f64)
        })
        .into_iter()
        .unzip()
}

/// The sum of every window over its divisor: its positions inside the padded image, or inside the image.
pub fn avg_pool2d(x: &[f64], window: &Window, count_include_pad: bool) -> Vec<f64> {
    window.each(x, |x, _, oi, oj| {
        let elements = window.elements(oi, oj);
        let inside = |a: usize, o: usize| {
            let (start, end) = (o * window.stride[a], window.image[a] + 2 * window.padding[a]);
            (start + window.kernel[a]).min(end) - start
        };
        let count = if count_include_pad { inside(0, oi) * inside(1, oj) } else { elements.len() };
        elements.iter().map(|&i| x[i]).sum::<f64>() / count as f64
    })
}

/// The mean of positions `⌊i·n/m⌋ … ⌈(i+1)·n/m⌉ − 1` along both axes, for `m` outputs of `n` positions.
pub fn adaptive_avg_pool2d(x: &[f64], image: [usize; 2], out: [usize; 2]) -> Vec<f64> {
    let range = |a: usize, i: usize| i * image[a] / out[a]..((i + 1) * image[a]).div_ceil(out[a]);
    let per_plane = |x: &[f64]| -> Vec<f64> {
        (0..out[0] * out[1])
            .map(|o| {
                let (rows, columns) = (range(0, o / out[1]), range(1, o % out[1]));
                let count = rows.len() * columns.len();
                let sum: f64 = rows.flat_map(|i| columns.clone().map(move |j| x[i * image[1] + j])).sum();
                sum / count as f64
            })
            .collect()
    };
    x.par_chunks(image[0] * image[1]).flat_map_iter(per_plane).collect()
}

/// Stochastic pooling of non-negative activations (Zeiler, Fergus 2013, arXiv:1301.3557, eq. 2–6); negative
/// ones count as 0. With uniform numbers `u`, one a window: the element at which the running sum of the window
/// first exceeds `u` times its sum, and its flat index in the plane. Without: `Σ a² / Σ a`, and index −1.
/// A window of zeros gives 0 and its first index.
pub fn stochastic_pool2d(x: &[f64], u: Option<&[f64]>, window: &Window) -> (Vec<f64>, Vec<f64>) {
    let per_plane = window.out[0] * window.out[1];
    window
        .each(x, |x, plane, oi, oj| {
            let elements = window.elements(oi, oj);
            let sum: f64 = elements.iter().map(|&i| x[i].max(0.0)).sum();
            let Some(u) = u else {
                let squares: f64 = elements.iter().map(|&i| x[i].max(0.0).powi(2)).sum();
                return (if sum > 0.0 { squares / sum } else { 0.0 }, -1.0);
            };
            let threshold = u[plane * per_plane + oi * window.out[1] + oj] * sum;
            let mut running = 0.0;
            let mut chosen = None;
            let mut last = elements[0];
            for &i in &elements {
                running += x[i].max(0.0);
                if x[i] > 0.0 {
                    last = i;
                    chosen = chosen.or((running > threshold).then_some(i));
                }
            }
            // u below 1 always finds one, up to the rounding of the sum.
            let chosen = chosen.unwrap_or(last);
            (x[chosen].max(0.0), chosen as f64)
        })
        .into_iter()
        .unzip()
}

/// Gradient of [`max_pool2d`]: the gradient of every window, added where `index` says its maximum is.
pub fn max_pool2d_backward(d_y: &[f64], index: &[f64], window: &Window) -> Vec<f64> {
    window.back(
        |plane, oi, oj, d_x| {
            let at = (plane * window.out[0] + oi) * window.out[1] + oj;
            d_x[index[at] as usize] += d_y[at];
        },
        d_y.len(),
    )
}

/// Gradient of [`avg_pool2d`]: the gradient of every window over its divisor, added to each of its elements.
pub fn avg_pool2d_backward(d_y: &[f64], window: &Window, count_include_pad: bool) -> Vec<f64> {
    window.back(
        |plane, oi, oj, d_x| {
            let elements = window.elements(oi, oj);
            let inside = |a: usize, o: usize| {
                let (start, end) = (o * window.stride[a], window.image[a] + 2 * window.padding[a]);
                (start + window.kernel[a]).min(end) - start
            };
            let count = if count_include_pad { inside(0, oi) * inside(1, oj) } else { elements.len() };
            let share = d_y[(plane * window.out[0] + oi) * window.out[1] + oj] / count as f64;
            elements.iter().for_each(|&i| d_x[i] += share);
        },
        d_y.len(),
    )
}

/// Gradient of [`adaptive_avg_pool2d`]: the gradient of every window over its elements, added to each of them.
pub fn adaptive_avg_pool2d_backward(d_y: &[f64], image: [usize; 2], out: [usize; 2]) -> Vec<f64> {
    let range = |a: usize, i: usize| i * image[a] / out[a]..((i + 1) * image[a]).div_ceil(out[a]);
    let per_plane = |d_y: &[f64]| -> Vec<f64> {
        let mut d_x = vec![0.0; image[0] * image[1]];
        for (o, d) in d_y.iter().enumerate() {
            let (rows, columns) = (range(0, o / out[1]), range(1, o % out[1]));
            let share = d / (rows.len() * columns.len()) as f64;
            rows.for_each(|i| columns.clone().for_each(|j| d_x[i * image[1] + j] += share));
        }
        d_x
    };
    d_y.par_chunks(out[0] * out[1]).flat_map_iter(per_plane).collect()
}

/// Gradient of [`stochastic_pool2d`] without `u`, whose result is `y = Σ a² / S` with `a = max(x, 0)` and `S = Σ a`:
/// `∂y/∂a = (2a − y) / S` where `x` is above 0.
pub fn stochastic_pool2d_backward(x: &[f64], y: &[f64], d_y: &[f64], window: &Window) -> Vec<f64> {
    window.back(
        |plane, oi, oj, d_x| {
            let x = &x[plane * window.image[0] * window.image[1]..];
            let at = (plane * window.out[0] + oi) * window.out[1] + oj;
            let elements = window.elements(oi, oj);
            let sum: f64 = elements.iter().map(|&i| x[i].max(0.0)).sum();
            for &i in elements.iter().filter(|&&i| x[i] > 0.0) {
                d_x[i] += d_y[at] * (2.0 * x[i] - y[at]) / sum;
            }
        },
        d_y.len(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(image: [usize; 2], out: [usize; 2], kernel: usize, stride: usize, padding: usize) -> Window {
        let two = |n| [n, n];
        Window { image, out, kernel: two(kernel), stride: two(stride), padding: two(padding), dilation: [1, 1] }
    }

    const NINE: [f64; 9] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];

    #[test]
    fn max_of_windows_and_the_lowest_index_of_equals() {
        let (y, index) = max_pool2d(&NINE, &window([3, 3], [2, 2], 2, 1, 0));
        assert_eq!((y, index), (vec![5.0, 6.0, 8.0, 9.0], vec![4.0, 5.0, 7.0, 8.0]));
        assert_eq!(max_pool2d(&[-3.0; 4], &window([2, 2], [1, 1], 2, 2, 0)), (vec![-3.0], vec![0.0]));
        let dilated = Window { dilation: [2, 2], ..window([3, 3], [1, 1], 2, 1, 0) };
        assert_eq!(max_pool2d(&NINE, &dilated), (vec![9.0], vec![8.0]));
    }

    // torch: F.avg_pool2d(x, 2, 2, 1) of arange(1., 10).view(1, 1, 3, 3): corners have 1 of 4 elements.
    #[test]
    fn average_with_and_without_padding() {
        let w = window([3, 3], [2, 2], 2, 2, 1);
        assert_eq!(avg_pool2d(&NINE, &w, true), [0.25, 1.25, 2.75, 7.0]);
        assert_eq!(avg_pool2d(&NINE, &w, false), [1.0, 2.5, 5.5, 7.0]);
    }

    // ceil_mode: the last window has one column of the image and none of padding, so it counts 1.
    #[test]
    fn average_of_a_window_cut_off() {
        let w = Window { kernel: [1, 2], ..window([1, 3], [1, 2], 1, 2, 0) };
        assert_eq!(avg_pool2d(&[1.0, 2.0, 3.0], &w, true), [1.5, 3.0]);
    }

    // By hand: windows of two, one apart, of 1 5 2; gradients 1 and 2.
    #[test]
    fn gradients_of_two_windows() {
        let w = Window { kernel: [1, 2], ..window([1, 3], [1, 2], 1, 1, 0) };
        assert_eq!(max_pool2d_backward(&[1.0, 2.0], &[1.0, 1.0], &w), [0.0, 3.0, 0.0]);
        assert_eq!(avg_pool2d_backward(&[1.0, 2.0], &w, true), [0.5, 1.5, 1.0]);
        assert_eq!(adaptive_avg_pool2d_backward(&[1.0, 2.0], [1, 3], [1, 2]), [0.5, 1.5, 1.0]);
        // y is (1 + 25)/6 and (25 + 4)/7.
        let y = [26.0 / 6.0, 29.0 / 7.0];
        let d_x = stochastic_pool2d_backward(&[1.0, 5.0, 2.0], &y, &[1.0, 2.0], &w);
        let expected = [-14.0 / 36.0, 34.0 / 36.0 + 82.0 / 49.0, -2.0 / 49.0];
        d_x.iter().zip(expected).for_each(|(d, e)| assert!((d - e).abs() < 1e-12, "{d} {e}"));
    }

    #[test]
    fn adaptive_windows_overlap() {
        assert_eq!(adaptive_avg_pool2d(&[1.0, 2.0, 3.0, 4.0, 5.0], [1, 5], [1, 2]), [2.0, 4.0]);
        assert_eq!(adaptive_avg_pool2d(&NINE, [3, 3], [1, 1]), [5.0]);
        assert_eq!(adaptive_avg_pool2d(&[1.0, 2.0], [1, 2], [2, 2]), [1.0, 2.0, 1.0, 2.0]);
    }

    // Zeiler & Fergus 2013, figure 1: activations 1.6 and 2.4 of a window have probabilities 0.4 and 0.6.
    #[test]
    fn stochastic_by_running_sum() {
        let x = [1.6, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.4];
        let w = window([3, 3], [1, 1], 3, 3, 0);
        assert_eq!(stochastic_pool2d(&x, Some(&[0.39]), &w), (vec![1.6], vec![0.0]));
        assert_eq!(stochastic_pool2d(&x, Some(&[0.41]), &w), (vec![2.4], vec![8.0]));
        assert_eq!(stochastic_pool2d(&[0.0; 9], Some(&[0.5]), &w), (vec![0.0], vec![0.0]));
        let (mean, index) = stochastic_pool2d(&x, None, &w);
        assert!((mean[0] - 2.08).abs() < 1e-12 && index == [-1.0]);
    }
}
