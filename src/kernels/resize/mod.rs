//! Images of other sizes. Source positions and weights are tables made on the host ([`table`]), so that the
//! index arithmetic is exact and one row or column of it is computed once.

use crate::graph::Tensor;
use crate::kernel::{Call, Grid, Kernel, Ref, Scalars, Scratch, Spec, Step as Dispatch};
use crate::shape::Dims;

pub mod resize_bicubic;
pub mod resize_bicubic_backward;
pub mod resize_bilinear;
pub mod resize_bilinear_backward;
pub mod resize_nearest;
pub mod resize_nearest_backward;
pub mod table;

use table::Step;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[
    &resize_nearest::RESIZE_NEAREST,
    &resize_bilinear::RESIZE_BILINEAR,
    &resize_bicubic::RESIZE_BICUBIC,
    &resize_nearest_backward::RESIZE_NEAREST_BACKWARD,
    &resize_bilinear_backward::RESIZE_BILINEAR_BACKWARD,
    &resize_bicubic_backward::RESIZE_BICUBIC_BACKWARD,
];

/// How an image is resized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// The nearest element.
    Nearest,
    /// Linear along both axes.
    Bilinear,
    /// Cubic convolution along both axes.
    Bicubic,
}

/// The size an image is resized to, vertical and horizontal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// This size.
    Size([usize; 2]),
    /// `⌊n · factor⌋`; positions are counted in the factor, not in the ratio of sizes.
    Factor([f64; 2]),
}

/// Shape rule: `tables` lists, for rows and columns, the port of positions and the one of `taps` weights each.
fn shape(c: &Call, tables: [(usize, Option<usize>); 2], taps: &[usize]) -> Result<Vec<Spec>, String> {
    let [b, channels, _, _] = c.shape(0) else {
        return Err(format!("x is {}, expected (B, C, H, W)", Dims(c.shape(0))));
    };
    let mut out = vec![*b, *channels];
    for (position, weight) in tables {
        let [n] = c.shape(position) else {
            let name = c.kernel.inputs[position].name;
            return Err(format!("{name} is {}, expected one axis", Dims(c.shape(position))));
        };
        let expected: Vec<usize> = std::iter::once(*n).chain(taps.iter().copied()).collect();
        if let Some(port) = weight.filter(|&port| c.shape(port) != expected) {
            let name = c.kernel.inputs[port].name;
            return Err(format!("{name} is {}, expected {}", Dims(c.shape(port)), Dims(&expected)));
        }
        out.push(*n);
    }
    Ok(vec![Spec::new(c.input(0).dtype, &out)])
}

fn scalars(c: &Call) -> Scalars {
    let (x, y) = (c.shape(0), c.out(0));
    Scalars::new().set("n", c.outputs[0].len()).set("ih", x[2]).set("iw", x[3]).set("oh", y[2]).set("ow", y[3])
}

fn grid(c: &Call) -> Grid {
    Grid::Threads(c.outputs[0].len() as u64)
}

/// Shape rule of a gradient: the tables say how many outputs there are, `input_size` where they came from.
fn shape_back(c: &Call, tables: [(usize, Option<usize>); 2], taps: &[usize]) -> Result<Vec<Spec>, String> {
    let expected = shape(c, tables, taps)?;
    if expected[0].shape != c.shape(0) {
        return Err(format!("d_y is {}, expected {}", Dims(c.shape(0)), Dims(&expected[0].shape)));
    }
    match c.ints("input_size") {
        &[h, w] if [h, w].iter().all(|n| (1..=i64::from(i32::MAX)).contains(n)) => {
            Ok(vec![Spec::f32(&[c.shape(0)[0], c.shape(0)[1], h as usize, w as usize])])
        }
        other => Err(format!("input_size is {other:?}, expected two numbers from 1 to {}", i32::MAX)),
    }
}

/// The scalars of `lib/resize_backward.wgsl`.
fn scalars_back(c: &Call) -> Scalars {
    let (d_y, d_x) = (c.shape(0), c.out(0));
    let all = Scalars::new().set("planes", d_y[0] * d_y[1]).set("ih", d_x[2]).set("iw", d_x[3]);
    all.set("oh", d_y[2]).set("ow", d_y[3])
}

/// The first and last output that read a row or column.
const RANGE: Scratch = Scratch { name: "range", spec: |c| Spec::u32(&[c.out(0)[2] + c.out(0)[3], 2]) };
/// What the outputs of each row give to the columns.
const COLUMNS: Scratch =
    Scratch { name: "columns", spec: |c| Spec::f32(&[c.shape(0)[0] * c.shape(0)[1], c.shape(0)[2], c.out(0)[3]]) };

/// A step that finds the ranges.
const fn ranges(entry: &'static str) -> Dispatch {
    Dispatch {
        entry,
        grid: |c| Grid::Threads((c.out(0)[2] + c.out(0)[3]) as u64),
        loops: |c| c.shape(0)[2].max(c.shape(0)[3]) as u64,
    }
}

/// A step that gathers columns.
const fn columns(entry: &'static str) -> Dispatch {
    Dispatch { entry, grid: |c| Grid::Threads((COLUMNS.spec)(c).len() as u64), loops: |c| c.shape(0)[3] as u64 }
}

/// A step that gathers rows.
const fn rows(entry: &'static str) -> Dispatch {
    Dispatch { entry, grid, loops: |c| c.shape(0)[2] as u64 }
}

/// The bound of a gradient whose products have magnitudes that sum to `magnitudes`. Each passes through two weights, two
/// products and the sums along both axes, of as many terms as outputs read one row, and one column.
fn bound_back(r: &Ref, [row, column]: [usize; 2], reach: usize, d_x: &[f64], magnitudes: &[f64]) -> Vec<Vec<f64>> {
    let most = |port: usize, n: usize| {
        let mut count = vec![0; n];
        for &at in r.f64(port) {
            // The taps of bicubic begin one before; at the edge they fall together.
            let first = at - if reach == 4 { 1.0 } else { 0.0 };
            let read = |k: usize| (first + k as f64).clamp(0.0, n as f64 - 1.0) as usize;
            (read(0)..=read(reach - 1)).for_each(|i| count[i] += 1);
        }
        count.into_iter().max().unwrap_or(0)
    };
    let terms = most(row, r.out(0)[2]) + most(column, r.out(0)[3]);
    let flushed = terms as f64 * f64::from(f32::MIN_POSITIVE);
    vec![d_x.iter().zip(magnitudes).map(|(&d, &a)| r.tol.dot(terms + 8, a, d) + flushed).collect()]
}

impl<'g> Tensor<'g> {
    /// The image in another size.
    ///
    /// Output `i` of an axis lies at `i · r` with `align_corners`, where `r = (n − 1)/(m − 1)`; otherwise at
    /// `r · (i + ½) − ½`, where `r` is `n/m`, or one over the factor. Nearest takes `min(⌊i · r⌋, n − 1)`.
    ///
    /// # Shapes
    /// `self (B, C, IH, IW)` → `(B, C, OH, OW)`
    /// # Errors
    /// [`crate::Error::Graph`] if a size is 0 or above [`table::MAX_SIDE`], a factor is not a positive number, `self` has not four axes, or
    /// corners are to be aligned with the nearest element
    /// # Gradient
    /// `x`
    /// # Source
    /// PyTorch `F.interpolate`; cubic: Keys 1981, eq. 15 with a = −0.75
    #[track_caller]
    pub fn interpolate(self, mode: Interpolation, target: Target, align_corners: bool) -> Tensor<'g> {
        let graph = self.graph();
        let [_, _, h, w] = self.dims();
        if align_corners && mode == Interpolation::Nearest {
            graph.reject("interpolate", "nearest has no corners to align");
            return self;
        }
        let steps = [Step::new(h, target, 0, align_corners), Step::new(w, target, 1, align_corners)];
        let [rows, columns] = match steps {
            [Ok(rows), Ok(columns)] => [rows, columns],
            [Err(message), _] | [_, Err(message)] => {
                graph.reject("interpolate", message);
                return self;
            }
        };
        match mode {
            Interpolation::Nearest => self.resize_nearest(rows.nearest(), columns.nearest()),
            Interpolation::Bilinear => self.resize_bilinear(rows.linear(), columns.linear()),
            Interpolation::Bicubic => self.resize_bicubic(rows.cubic(), columns.cubic()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::tensor::Dtype;

    fn shape(mode: Interpolation, target: Target, align_corners: bool) -> Result<Vec<usize>, String> {
        let g = Graph::new();
        let y = g.input("x", Dtype::F32, &[2, 3, 5, 6]).interpolate(mode, target, align_corners);
        let shape = y.shape();
        g.output("y", y);
        let message = |e: crate::Error| e.to_string().split_once("interpolate: ").map(|(_, m)| m.to_owned());
        g.build().map(|_| shape).map_err(|e| message(e).unwrap_or_default())
    }

    #[test]
    fn sizes_by_factor_are_rounded_down() {
        let factor = Target::Factor([1.7, 0.5]);
        assert_eq!(shape(Interpolation::Bilinear, factor, false).unwrap(), [2, 3, 8, 3]);
        assert_eq!(shape(Interpolation::Bicubic, Target::Size([1, 9]), true).unwrap(), [2, 3, 1, 9]);
        assert_eq!(shape(Interpolation::Nearest, factor, false).unwrap(), [2, 3, 8, 3]);
    }

    #[test]
    fn what_cannot_be_done_is_an_error() {
        let nearest = |target, corners| shape(Interpolation::Nearest, target, corners).unwrap_err();
        assert_eq!(nearest(Target::Size([2, 2]), true), "nearest has no corners to align");
        let zero = "output size is 0, expected 1 to 1048576 for an input of 6";
        assert_eq!(nearest(Target::Size([2, 0]), false), zero);
    }
}
