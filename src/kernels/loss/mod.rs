//! Losses as one kernel.

use crate::adapter::{Adapter, AdapterKind};
use crate::kernel::{Call, Kernel, Ref, Scalars};
use crate::kernels::norm::lanes;
use crate::shape::Dims;

pub mod cross_entropy;
pub mod cross_entropy_backward;
pub mod elementwise;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[
    &cross_entropy::CROSS_ENTROPY,
    &cross_entropy_backward::CROSS_ENTROPY_BACKWARD,
    &elementwise::BCE_WITH_LOGITS,
    &elementwise::HUBER,
];

const LOGITS: usize = 0;
const LABELS: usize = 1;
const CLASS_WEIGHT: usize = 2;

/// Up to this many classes, a lane a row pays on every adapter: a workgroup would idle.
const FEW: usize = 16;

/// Rows and classes of a cross entropy.
fn rows_cols(c: &Call) -> (usize, usize) {
    let cols = c.shape(LOGITS).last().copied().unwrap_or(1);
    (c.spec(LOGITS).len() / cols, cols)
}

/// Indices in the order plain, direct.
fn choose(c: &Call, adapter: &Adapter) -> usize {
    let (rows, cols) = rows_cols(c);
    usize::from(cols <= FEW || (adapter.kind == AdapterKind::Cpu && rows >= 8 && cols < 512))
}

/// What a cross entropy and its gradient ask of logits, labels, weights and parameters; returns the shape of the rows.
fn expect_rows(c: &Call) -> Result<Vec<usize>, String> {
    let Some((cols, rows)) = c.shape(LOGITS).split_last() else { return Err("logits have no axis of classes".into()) };
    if c.shape(LABELS) != rows {
        return Err(format!("labels are {}, expected {}", Dims(c.shape(LABELS)), Dims(rows)));
    }
    if c.has(CLASS_WEIGHT) && c.shape(CLASS_WEIGHT) != [*cols] {
        return Err(format!("class_weight is {}, expected {}", Dims(c.shape(CLASS_WEIGHT)), Dims(&[*cols])));
    }
    let (smoothing, ignored) = (c.float("label_smoothing"), c.int("ignore_index"));
    if !(0.0..=1.0).contains(&smoothing) {
        return Err(format!("label_smoothing is {smoothing}, expected 0 to 1"));
    }
    if i32::try_from(ignored).is_err() {
        return Err(format!("ignore_index is {ignored}, which is no i32"));
    }
    Ok(rows.to_vec())
}

fn scalars(c: &Call) -> Scalars {
    let ((rows, cols), smoothing) = (rows_cols(c), c.float("label_smoothing"));
    Scalars::new()
        .set("rows", rows)
        .set("cols", cols)
        .set("ignore_index", c.int("ignore_index") as i32)
        .set("keep", 1.0 - smoothing)
        .set("share", smoothing / cols as f64)
        .set("SMOOTHING", smoothing > 0.0)
        .set("WG", lanes(cols) as u32)
}

fn of<'a>(r: &'a Ref<'_>) -> kernels_ref::loss::CrossEntropy<'a> {
    kernels_ref::loss::CrossEntropy {
        class_weight: r.opt(CLASS_WEIGHT),
        classes: rows_cols(r).1,
        label_smoothing: r.float("label_smoothing"),
        ignore_index: r.int("ignore_index") as f64,
    }
}

/// What the bounds of a cross entropy and its gradient are made of.
struct Share {
    keep: f64,
    share: f64,
    /// Weights of all classes.
    weights: Vec<f64>,
}

impl Share {
    fn of(r: &Ref) -> Share {
        let (cols, smoothing) = (rows_cols(r).1, r.float("label_smoothing"));
        let weights = r.opt(CLASS_WEIGHT).map_or_else(|| vec![1.0; cols], <[f64]>::to_vec);
        Share { keep: 1.0 - smoothing, share: smoothing / cols as f64, weights }
    }
    /// The class of row `row`, if its label is one that counts.
    fn class(&self, r: &Ref, row: usize) -> Option<usize> {
        let t = r.f64(LABELS)[row];
        let counts = t != r.int("ignore_index") as f64 && (0.0..self.weights.len() as f64).contains(&t);
        counts.then_some(t as usize)
    }
    /// The sum of the weights' magnitudes.
    fn magnitude(&self) -> f64 {
        self.weights.iter().map(|w| w.abs()).sum()
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::{Graph, Tensor};
    use crate::tensor::Dtype;

    fn error(build: impl for<'g> Fn(&'g Graph, Tensor<'g>) -> Tensor<'g>) -> String {
        let g = Graph::new();
        build(&g, g.input("logits", Dtype::F32, &[2, 6]));
        let text = g.build().unwrap_err().to_string();
        text.split_once(": ").map_or(text.clone(), |(_, message)| message.to_owned())
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let messages = [
            error(|g, z| z.cross_entropy(g.input("labels", Dtype::I32, &[3]), None, 0.0, -100).loss),
            error(|g, z| z.cross_entropy(g.input("labels", Dtype::I32, &[2]), None, 1.5, -100).loss),
            error(|g, z| z.cross_entropy(g.input("labels", Dtype::I32, &[2]), None, 0.0, 1 << 40).loss),
            error(|g, z| {
                let weight = g.input("weight", Dtype::F32, &[5]);
                z.cross_entropy(g.input("labels", Dtype::I32, &[2]), Some(weight), 0.0, -100).loss
            }),
            error(|g, z| z.bce_with_logits(g.input("y", Dtype::F32, &[6]))),
            error(|_, z| z.huber(z, 0.0)),
        ];
        let expected = [
            "cross_entropy: labels are (3,), expected (2,)",
            "cross_entropy: label_smoothing is 1.5, expected 0 to 1",
            "cross_entropy: ignore_index is 1099511627776, which is no i32",
            "cross_entropy: class_weight is (5,), expected (6,)",
            "bce_with_logits: o is (2, 6) and y is (6,)",
            "huber: delta is 0, expected a number above 0",
        ];
        assert_eq!(messages, expected);
    }
}
