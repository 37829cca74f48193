//! Convolutions.

use rayon::prelude::*;

/// Sizes of a two-dimensional convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2d {
    /// Batch.
    pub batch: usize,
    /// Channels of `x`.
    pub c: usize,
    /// Rows and columns of `x`.
    pub input: [usize; 2],
    /// Channels of `y`.
    pub o: usize,
    /// Rows and columns of `y`.
    pub output: [usize; 2],
    /// Rows and columns of the window.
    pub kernel: [usize; 2],
    /// Distance of neighbouring windows.
    pub stride: [usize; 2],
    /// Zeros above and left of `x`.
    pub before: [usize; 2],
    /// Distance of neighbouring taps.
    pub dilation: [usize; 2],
    /// Groups of channels that do not mix.
    pub groups: usize,
}

/// Two-dimensional cross-correlation (PyTorch `F.conv2d`), `x (B,C,H,W)` with `w (O,C/groups,KH,KW)`.
///
/// `y[b,o,i,j] = Σ_{c,u,v} w[o,c,u,v] · x[b, g·C/groups + c, i·stride + u·dilation − before, …]`, zeros outside
pub fn conv2d(x: &[f64], w: &[f64], s: &Conv2d) -> Vec<f64> {
    let ([h, wd], [oh, ow], [kh, kw]) = (s.input, s.output, s.kernel);
    let (cg, og) = (s.c / s.groups, s.o / s.groups);
    let mut y = vec![0.0; s.batch * s.o * oh * ow];
    y.par_chunks_mut(oh * ow).enumerate().for_each(|(plane, y)| {
        let (b, o) = (plane / s.o, plane % s.o);
        for c in 0..cg {
            let x = &x[(b * s.c + o / og * cg + c) * h * wd..][..h * wd];
            for u in 0..kh {
                for v in 0..kw {
                    let weight = w[((o * cg + c) * kh + u) * kw + v];
                    for i in 0..oh {
                        let Some(r) = inside(i * s.stride[0] + u * s.dilation[0], s.before[0], h) else { continue };
                        for j in 0..ow {
                            if let Some(q) = inside(j * s.stride[1] + v * s.dilation[1], s.before[1], wd) {
                                y[i * ow + j] += weight * x[r * wd + q];
                            }
                        }
                    }
                }
            }
        }
    });
    y
}

/// Transposed two-dimensional convolution (PyTorch `F.conv_transpose2d`), `x (B,C,H,W)` with
/// `w (C,O/groups,KH,KW)`: every input position adds its window to the output.
///
/// `y[b,o, i·stride + u·dilation − before, …] += x[b,c,i,…] · w[c,o,u,…]`, over the channels of the group
pub fn conv_transpose2d(x: &[f64], w: &[f64], s: &Conv2d) -> Vec<f64> {
    let ([h, wd], [oh, ow], [kh, kw]) = (s.input, s.output, s.kernel);
    let (cg, og) = (s.c / s.groups, s.o / s.groups);
    let mut y = vec![0.0; s.batch * s.o * oh * ow];
    y.par_chunks_mut(oh * ow).enumerate().for_each(|(plane, y)| {
        let (b, o) = (plane / s.o, plane % s.o);
        for c in o / og * cg..(o / og + 1) * cg {
            for i in 0..h {
                for j in 0..wd {
                    let x = x[((b * s.c + c) * h + i) * wd + j];
                    for u in 0..kh {
                        let Some(r) = inside(i * s.stride[0] + u * s.dilation[0], s.before[0], oh) else { continue };
                        for v in 0..kw {
                            if let Some(q) = inside(j * s.stride[1] + v * s.dilation[1], s.before[1], ow) {
                                y[r * ow + q] += x * w[((c * og + o % og) * kh + u) * kw + v];
                            }
                        }
                    }
                }
            }
        }
    });
    y
}

/// Gradient of [`conv2d`] with respect to `x`, from `d_y (B,O,OH,OW)`: every window adds what it saw back to where it saw
/// it (Dumoulin, Visin 2016, arXiv:1603.07285, ch. 4).
///
/// `d_x[b, g·C/groups + c, i·stride + u·dilation − before, …] += w[o,c,u,v] · d_y[b,o,i,j]`, over the channels of the group
pub fn conv2d_backward_data(d_y: &[f64], w: &[f64], s: &Conv2d) -> Vec<f64> {
    let ([h, wd], [oh, ow], [kh, kw]) = (s.input, s.output, s.kernel);
    let (cg, og) = (s.c / s.groups, s.o / s.groups);
    let mut d_x = vec![0.0; s.batch * s.c * h * wd];
    d_x.par_chunks_mut(h * wd).enumerate().for_each(|(plane, d_x)| {
        let (b, c) = (plane / s.c, plane % s.c);
        for o in c / cg * og..(c / cg + 1) * og {
            let d_y = &d_y[(b * s.o + o) * oh * ow..][..oh * ow];
            for u in 0..kh {
                for v in 0..kw {
                    let weight = w[((o * cg + c % cg) * kh + u) * kw + v];
                    for i in 0..oh {
                        let Some(r) = inside(i * s.stride[0] + u * s.dilation[0], s.before[0], h) else { continue };
                        for j in 0..ow {
                            if let Some(q) = inside(j * s.stride[1] + v * s.dilation[1], s.before[1], wd) {
                                d_x[r * wd + q] += weight * d_y[i * ow + j];
                            }
                        }
                    }
                }
            }
        }
    });
    d_x
}

/// Gradient of [`conv2d`] with respect to `w`, from `d_y (B,O,OH,OW)`.
///
/// `d_w[o,c,u,v] = Σ_{b,i,j} d_y[b,o,i,j] · x[b, g·C/groups + c, i·stride + u·dilation − before, …]`, zeros outside
pub fn conv2d_backward_weight(x: &[f64], d_y: &[f64], s: &Conv2d) -> Vec<f64> {
    let ([h, wd], [oh, ow], [kh, kw]) = (s.input, s.output, s.kernel);
    let (cg, og) = (s.c / s.groups, s.o / s.groups);
    let mut d_w = vec![0.0; s.o * cg * kh * kw];
    d_w.par_chunks_mut(kh * kw).enumerate().for_each(|(filter, d_w)| {
        let (o, c) = (filter / cg, filter % cg);
        for b in 0..s.batch {
            let x = &x[(b * s.c + o / og * cg + c) * h * wd..][..h * wd];
            let d_y = &d_y[(b * s.o + o) * oh * ow..][..oh * ow];
            for u in 0..kh {
                for v in 0..kw {
                    for i in 0..oh {
                        let Some(r) = inside(i * s.stride[0] + u * s.dilation[0], s.before[0], h) else { continue };
                        for j in 0..ow {
                            if let Some(q) = inside(j * s.stride[1] + v * s.dilation[1], s.before[1], wd) {
                                d_w[u * kw + v] += d_y[i * ow + j] * x[r * wd + q];
                            }
                        }
                    }
                }
            }
        }
    });
    d_w
}

/// `at − before` if it lies in `0..n`.
fn inside(at: usize, before: usize, n: usize) -> Option<usize> {
    at.checked_sub(before).filter(|&i| i < n)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Conv2d = Conv2d {
        batch: 1,
        c: 1,
        input: [3, 3],
        o: 1,
        output: [2, 2],
        kernel: [2, 2],
        stride: [1, 1],
        before: [0, 0],
        dilation: [1, 1],
        groups: 1,
    };

    fn count(n: usize) -> Vec<f64> {
        (0..n).map(|i| i as f64).collect()
    }

    // scipy.signal.correlate2d(np.arange(9.).reshape(3,3), np.arange(4.).reshape(2,2), 'valid')
    #[test]
    fn a_plane_is_correlated() {
        assert_eq!(conv2d(&count(9), &count(4), &PLAIN), [19.0, 25.0, 37.0, 43.0]);
    }

    #[test]
    fn padding_stride_and_dilation_pick_the_taps() {
        // One row 1 2 3 4 5, window (1, 10) with taps 2 apart, stride 2, one zero before and one after:
        // 0 1 2 3 4 5 0 → 0+10·2, 2+10·4, 4+10·0
        let s = Conv2d {
            input: [1, 5],
            output: [1, 3],
            kernel: [1, 2],
            stride: [1, 2],
            before: [0, 1],
            dilation: [1, 2],
            ..PLAIN
        };
        assert_eq!(conv2d(&[1.0, 2.0, 3.0, 4.0, 5.0], &[1.0, 10.0], &s), [20.0, 42.0, 4.0]);
    }

    #[test]
    fn groups_do_not_mix() {
        let s = Conv2d { c: 4, o: 2, groups: 2, input: [1, 1], output: [1, 1], kernel: [1, 1], ..PLAIN };
        assert_eq!(conv2d(&[1.0, 2.0, 3.0, 4.0], &[1.0, 10.0, 1.0, 10.0], &s), [21.0, 43.0]);
    }

    #[test]
    fn a_transposed_convolution_spreads_its_window() {
        // 1 2 with stride 2 and window 1 10 100: 1 10 100+2 20 200, then one position cut at each end
        let s = Conv2d { input: [1, 2], output: [1, 5], kernel: [1, 3], stride: [1, 2], ..PLAIN };
        let w = [1.0, 10.0, 100.0];
        assert_eq!(conv_transpose2d(&[1.0, 2.0], &w, &s), [1.0, 10.0, 102.0, 20.0, 200.0]);
        let cut = Conv2d { output: [1, 3], before: [0, 1], ..s };
        assert_eq!(conv_transpose2d(&[1.0, 2.0], &w, &cut), [10.0, 102.0, 20.0]);
    }

    // By hand: windows 1 2 and 2 3 of the row 1 2 3, weights 10 100, gradients 1 and 2.
    #[test]
    fn gradients_of_two_windows() {
        let s = Conv2d { input: [1, 3], output: [1, 2], kernel: [1, 2], ..PLAIN };
        assert_eq!(conv2d_backward_data(&[1.0, 2.0], &[10.0, 100.0], &s), [10.0, 120.0, 200.0]);
        assert_eq!(conv2d_backward_weight(&[1.0, 2.0, 3.0], &[1.0, 2.0], &s), [5.0, 8.0]);
    }

    // ⟨conv(x), y⟩ = ⟨x, convᵀ(y)⟩: the transposed convolution with the same weight is the adjoint.
    #[test]
    fn transposed_is_the_adjoint() {
        let s = Conv2d {
            batch: 2,
            c: 4,
            input: [5, 6],
            o: 6,
            output: [3, 3],
            kernel: [3, 2],
            stride: [2, 2],
            before: [1, 0],
            dilation: [1, 1],
            groups: 2,
        };
        let wave = |n: usize, f: f64| (0..n).map(|i| (i as f64 * f).sin()).collect::<Vec<_>>();
        let (x, w, y) = (wave(2 * 4 * 30, 0.7), wave(6 * 2 * 6, 1.3), wave(2 * 6 * 9, 2.1));
        let back = Conv2d { c: s.o, o: s.c, input: s.output, output: s.input, ..s };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (left, right) = (dot(&conv2d(&x, &w, &s), &y), dot(&x, &conv_transpose2d(&y, &w, &back)));
        assert!((left - right).abs() < 1e-12 * left.abs().max(1.0), "{left} {right}");
    }
}
