//! Pooling over windows.

use kernels_ref::pool::Window;

use crate::check::U;
use crate::kernel::{Call, Kernel, Ref, Scalars, Value};
use crate::shape::Dims;

pub mod adaptive_avg_pool2d;
pub mod adaptive_avg_pool2d_backward;
pub mod avg_pool2d;
pub mod avg_pool2d_backward;
pub mod max_pool2d;
pub mod max_pool2d_backward;
pub mod stochastic_pool2d;
pub mod stochastic_pool2d_backward;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[
    &max_pool2d::MAX_POOL2D,
    &avg_pool2d::AVG_POOL2D,
    &adaptive_avg_pool2d::ADAPTIVE_AVG_POOL2D,
    &stochastic_pool2d::STOCHASTIC_POOL2D,
    &max_pool2d_backward::MAX_POOL2D_BACKWARD,
    &avg_pool2d_backward::AVG_POOL2D_BACKWARD,
    &adaptive_avg_pool2d_backward::ADAPTIVE_AVG_POOL2D_BACKWARD,
    &stochastic_pool2d_backward::STOCHASTIC_POOL2D_BACKWARD,
];

/// Windows of a pooling, each pair vertical and horizontal.
#[derive(Debug, Clone, Copy)]
pub struct Pool2d {
    /// Elements of a window.
    pub kernel: [usize; 2],
    /// Distance between windows; `None` is the kernel's size.
    pub stride: Option<[usize; 2]>,
    /// Positions added on each side; at most half a window.
    pub padding: [usize; 2],
    /// Distance between elements of a window (max only).
    pub dilation: [usize; 2],
    /// The number of windows is rounded up; a last one that would begin behind the image is dropped.
    pub ceil_mode: bool,
    /// The divisor of a mean counts padding.
    pub count_include_pad: bool,
}

impl Pool2d {
    /// Windows of `kernel` that touch but do not overlap.
    pub fn new(kernel: [usize; 2]) -> Pool2d {
        let (padding, dilation) = ([0, 0], [1, 1]);
        Pool2d { kernel, stride: None, padding, dilation, ceil_mode: false, count_include_pad: true }
    }
    /// Square windows of `kernel` that touch but do not overlap.
    pub fn square(kernel: usize) -> Pool2d {
        Pool2d::new([kernel, kernel])
    }
    /// With this distance between windows, both ways.
    #[must_use]
    pub fn stride(self, stride: usize) -> Pool2d {
        Pool2d { stride: Some([stride, stride]), ..self }
    }
    /// With this padding, both ways.
    #[must_use]
    pub fn padding(self, padding: usize) -> Pool2d {
        Pool2d { padding: [padding, padding], ..self }
    }
    /// The windows of a call that its shape rule accepted.
    fn of(c: &Call, window: &Window) -> Pool2d {
        let flag = |name, absent| match c.params.get(name) {
            Some(Value::Flag(v)) => *v,
            _ => absent,
        };
        Pool2d {
            kernel: window.kernel,
            stride: Some(window.stride),
            padding: window.padding,
            dilation: window.dilation,
            ceil_mode: flag("ceil_mode", false),
            count_include_pad: flag("count_include_pad", true),
        }
    }
    fn window_params(self) -> Vec<(&'static str, Value)> {
        vec![
            ("kernel", self.kernel.into()),
            ("stride", self.stride.unwrap_or(self.kernel).into()),
            ("padding", self.padding.into()),
            ("ceil_mode", self.ceil_mode.into()),
        ]
    }
}

/// Planes, height and width of x `(B, C, H, W)`.
fn image(c: &Call) -> Result<[usize; 2], String> {
    match c.shape(0) {
        [_, _, h, w] => Ok([*h, *w]),
        other => Err(format!("x is {}, expected (B, C, H, W)", Dims(other))),
    }
}

/// A parameter of one or two positive whole numbers (from `least` on), vertical and horizontal.
fn pair(c: &Call, name: &str, least: i64, default: [usize; 2]) -> Result<[usize; 2], String> {
    let Some(Value::Ints(values)) = c.params.get(name) else { return Ok(default) };
    let both = match values[..] {
        [] => return Ok(default),
        [v] => [v, v],
        [v, w] => [v, w],
        _ => return Err(format!("{name} is {values:?}, expected two numbers")),
    };
    if both.iter().any(|v| *v < least || *v > i64::from(i32::MAX)) {
        return Err(format!("{name} is {values:?}, expected numbers from {least} to {}", i32::MAX));
    }
    Ok(both.map(|v| v as usize))
}

/// The windows of a call, checked: each has at least one element of the image.
fn window(c: &Call) -> Result<Window, String> {
    window_over(c, image(c)?)
}

/// The windows over an image of the size that the call's `input_size` names, if its first input has one element for
/// each of them.
fn window_back(c: &Call) -> Result<Window, String> {
    let out = image(c)?;
    let window = window_over(c, input_size(c)?)?;
    if window.out != out {
        let ([oh, ow], [h, w]) = (out, window.out);
        return Err(format!("{} has {oh} by {ow} windows, expected {h} by {w}", c.kernel.inputs[0].name));
    }
    Ok(window)
}

/// The parameter `input_size` of a gradient.
fn input_size(c: &Call) -> Result<[usize; 2], String> {
    match pair(c, "input_size", 1, [0, 0])? {
        [0, 0] => Err("input_size is empty, expected two numbers".into()),
        size => Ok(size),
    }
}

/// The windows of a call over an image of this size.
fn window_over(c: &Call, image: [usize; 2]) -> Result<Window, String> {
    let kernel = pair(c, "kernel", 1, [1, 1])?;
    let stride = pair(c, "stride", 1, kernel)?;
    let padding = pair(c, "padding", 0, [0, 0])?;
    let dilation = pair(c, "dilation", 1, [1, 1])?;
    let ceil = matches!(c.params.get("ceil_mode"), Some(Value::Flag(true)));
    let mut out = [0, 0];
    for a in 0..2 {
        // All below 2³¹, so that nothing overflows 64 bits.
        let [n, k, s, p, d] = [image[a], kernel[a], stride[a], padding[a], dilation[a]].map(|v| v as i64);
        let extent = d * (k - 1) + 1;
        if 2 * p > extent {
            return Err(format!("padding {p} is more than half of a window of {extent}"));
        }
        let room = n + 2 * p - extent + if ceil { s - 1 } else { 0 };
        let mut count = room.div_euclid(s) + 1;
        // A window that would begin behind the image.
        if ceil && (count - 1) * s >= n + p {
            count -= 1;
        }
        if count < 1 {
            return Err(format!("a window of {extent} does not fit the padded size {}", n + 2 * p));
        }
        if n + 2 * p + s + extent > i64::from(i32::MAX) {
            return Err(format!("a window of {extent}, stride {s} and padded size {} pass 2^31", n + 2 * p));
        }
        let empty = |o: &i64| {
            let first = (p - o * s).max(0).div_euclid(d) + i64::from((p - o * s).max(0) % d != 0);
            first >= k || o * s + first * d >= p + n
        };
        if let Some(o) = (0..count).find(empty) {
            return Err(format!("window {o} of {count} has no element of the image (dilation {d}, padding {p})"));
        }
        out[a] = count as usize;
    }
    Ok(Window { image, out, kernel, stride, padding, dilation })
}

/// The windows of a call that the shape rule accepted.
fn checked(c: &Call) -> Window {
    accepted(c, window(c))
}

/// The windows of a gradient's call that the shape rule accepted.
fn checked_back(c: &Call) -> Window {
    accepted(c, window_back(c))
}

fn accepted(c: &Call, window: Result<Window, String>) -> Window {
    match window {
        Ok(window) => window,
        Err(message) => panic!("bug: {} has windows that its shape rule refuses: {message}", c.kernel.name),
    }
}

/// Shape of the output.
fn pooled(c: &Call, out: [usize; 2]) -> Vec<usize> {
    vec![c.shape(0)[0], c.shape(0)[1], out[0], out[1]]
}

fn scalars(c: &Call) -> Scalars {
    window_scalars(c, &checked(c))
}

fn window_scalars(c: &Call, w: &Window) -> Scalars {
    let mut all = Scalars::new().set("n", c.outputs[0].len());
    for (names, values) in [
        (["ih", "iw"], w.image),
        (["oh", "ow"], w.out),
        (["kh", "kw"], w.kernel),
        (["stride_h", "stride_w"], w.stride),
        (["pad_h", "pad_w"], w.padding),
        (["dilation_h", "dilation_w"], w.dilation),
    ] {
        all = all.set(names[0], values[0]).set(names[1], values[1]);
    }
    all
}

/// Iterations over a window.
fn window_loops(c: &Call) -> u64 {
    let [kh, kw] = checked(c).kernel.map(|k| k as u64);
    kh.saturating_mul(kw + 1)
}

/// The bound of a sum of `n` quotients, whose magnitudes sum to `magnitudes`: each quotient's rounding, or its flushing,
/// and the sum's.
fn shared_bound(r: &Ref, n: usize, d_x: &[f64], magnitudes: &[f64]) -> Vec<f64> {
    let flushed = n as f64 * f64::from(f32::MIN_POSITIVE);
    let quotients = r.tol.pick(2.0, 5.0) * U;
    d_x.iter().zip(magnitudes).map(|(&d, &a)| r.tol.sum(n, a, d) + quotients * a + flushed).collect()
}

/// Windows that cover an element of the image, vertically and horizontally, at most.
fn covering(w: &Window) -> [usize; 2] {
    [0, 1].map(|a| (w.dilation[a] * (w.kernel[a] - 1) + 1).div_ceil(w.stride[a]).min(w.out[a]))
}

/// Iterations over the windows that cover an element, `each` for one of them.
fn covering_loops(w: &Window, each: u64) -> u64 {
    let [rows, columns] = covering(w).map(|n| n as u64);
    rows.saturating_mul(1 + columns.saturating_mul(1 + each))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::tensor::Dtype;

    /// The shape of `pool` over an image, or the error.
    fn max(image: [usize; 2], pool: Pool2d) -> Result<Vec<usize>, String> {
        let g = Graph::new();
        let y = g.input("x", Dtype::F32, &[1, 1, image[0], image[1]]).max_pool2d(pool);
        let shape = y.shape();
        g.output("y", y);
        let message = |e: crate::Error| e.to_string().split_once("max_pool2d: ").map(|(_, m)| m.to_owned());
        g.build().map(|_| shape[2..].to_vec()).map_err(|e| message(e).unwrap_or_default())
    }

    // torch.nn.MaxPool2d(k, s, p, ceil_mode=c)(torch.zeros(1, 1, *image)).shape
    #[test]
    fn sizes_are_pytorchs() {
        let ceil = |pool| Pool2d { ceil_mode: true, ..pool };
        let sizes = [
            max([8, 7], Pool2d::square(2)),
            max([9, 8], Pool2d::square(3).stride(2).padding(1)),
            max([5, 6], ceil(Pool2d::square(2))),
            max([5, 4], ceil(Pool2d::square(2).stride(3).padding(1))),
            max([2, 3], ceil(Pool2d::square(3).stride(2))),
        ];
        assert_eq!(sizes.map(Result::unwrap), [[4, 3], [5, 4], [3, 3], [2, 2], [1, 1]]);
    }

    #[test]
    fn impossible_windows_are_errors() {
        let dilated = Pool2d { dilation: [3, 3], padding: [1, 1], ..Pool2d::square(2).stride(1) };
        let messages = [
            max([4, 4], Pool2d::square(5)),
            max([4, 4], Pool2d::square(3).padding(2)),
            max([4, 4], Pool2d::square(2).stride(0)),
            max([4, 4], Pool2d::square(0)),
            max([2, 2], dilated),
            max([4, 4], Pool2d::square(usize::MAX >> 1)),
            max([4, 4], Pool2d::square(2).stride(i32::MAX as usize)),
        ];
        let expected = [
            "a window of 5 does not fit the padded size 4",
            "padding 2 is more than half of a window of 3",
            "stride is [0, 0], expected numbers from 1 to 2147483647",
            "kernel is [0, 0], expected numbers from 1 to 2147483647",
            "window 0 of 1 has no element of the image (dilation 3, padding 1)",
            "kernel is [9223372036854775807, 9223372036854775807], expected numbers from 1 to 2147483647",
            "a window of 2, stride 2147483647 and padded size 4 pass 2^31",
        ];
        assert_eq!(messages.map(Result::unwrap_err), expected);
    }
}
