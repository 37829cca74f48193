//! Gradients of views. Shader: shaders/layout/view_backward.wgsl

use crate::check;
use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Default, Grid, Kernel, Param, Port, Scalars, Spec, Step, Variant, Work};
use crate::shape::{Dims, Layout, MAX_RANK};

const D_Y: usize = 0;
const BASE: usize = 1;

/// Puts the gradient of a view back where the view reads.
pub static VIEW_BACKWARD: Kernel = Kernel {
    name: "view_backward",
    inputs: &[Port::f32("d_y").strided(), Port::f32("base").optional()],
    outputs: &["d_x"],
    params: &[
        Param::new("shape", Default::NeedInts),
        Param::new("strides", Default::NeedInts),
        Param::new("offset", Default::Int(0)),
    ],
    shape,
    scalars,
    variants: &[Variant {
        shader: "layout/view_backward",
        steps: &[Step { entry: "view_backward", grid: |c| Grid::Threads(c.outputs[0].len() as u64), loops: |_| 0 }],
        ..Variant::BASE
    }],
    work: |c| Work { flops: 0, bytes: c.bytes() },
    reference: |r| vec![kernels_ref::layout::view_backward(r.f64(D_Y), &shown(r), r.opt(BASE), r.outputs[0].len())],
    bound: |r, y| if r.has(BASE) { check::each(y, |v| r.tol.rounded(v)) } else { check::exact(y) },
    backward: Backward::None("gradients of gradients are not part of the engine"),
    ..Kernel::BASE
};

/// Where the view reads, in elements.
fn view(c: &Call) -> Layout {
    Layout { shape: c.shape(D_Y).to_vec(), strides: c.sizes("strides"), offset: c.int("offset") as usize }
}

fn shown(c: &Call) -> Vec<usize> {
    view(c).indices().collect()
}

/// The axes of the view and of `d_y`, merged where both allow it, in the order of their strides in x.
fn axes(c: &Call) -> [Layout; 2] {
    let merged = Layout::collapse(&[&view(c), &c.input(D_Y).layout]);
    let mut order: Vec<usize> = (0..merged[0].shape.len()).collect();
    order.sort_by_key(|&a| std::cmp::Reverse(merged[0].strides[a]));
    let sorted = |v: &[usize]| order.iter().map(|&a| v[a]).collect();
    [0, 1].map(|i| Layout {
        shape: sorted(&merged[i].shape),
        strides: sorted(&merged[i].strides),
        offset: merged[i].offset,
    })
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let positive = |name: &str, low: i64| match c.ints(name).iter().find(|v| !(low..=i64::from(i32::MAX)).contains(*v))
    {
        Some(v) => Err(format!("{v} is among its {name}")),
        None => Ok(c.sizes(name)),
    };
    let (shape, strides) = (positive("shape", 1)?, positive("strides", 0)?);
    if strides.len() != c.shape(D_Y).len() || c.int("offset") < 0 {
        let found = format!("{} strides and offset {}", strides.len(), c.int("offset"));
        return Err(format!("{found} for a view of shape {}", Dims(c.shape(D_Y))));
    }
    let mut reach = 0;
    for axis in (0..strides.len()).rev() {
        reach += (c.shape(D_Y)[axis] - 1) * strides[axis];
    }
    if c.int("offset") as usize + reach >= shape.iter().product() {
        return Err(format!("the view reads beyond {}", Dims(&shape)));
    }
    // Below each stride, the axes inside it must not reach it: then no element is shown twice.
    let [seen, _] = axes(c);
    let mut inside = 0;
    for (n, stride) in seen.shape.iter().zip(&seen.strides).rev().filter(|(n, _)| **n > 1) {
        if *stride <= inside {
            return Err(format!("the view shows elements twice, with strides {strides:?}"));
        }
        inside += (n - 1) * stride;
    }
    if c.has(BASE) && c.shape(BASE) != shape {
        return Err(format!("base is {}, expected {}", Dims(c.shape(BASE)), Dims(&shape)));
    }
    Ok(vec![Spec::f32(&shape)])
}

fn scalars(c: &Call) -> Scalars {
    let n = c.outputs[0].len();
    let [to, from] = axes(c);
    let rank = to.shape.len();
    let all = Scalars::new().set("n", n).set("first", to.offset).set("d_offset", from.offset).set("RANK", rank);
    (0..MAX_RANK).fold(all, |all, k| {
        let at = |v: &[usize], absent| (k + rank).checked_sub(MAX_RANK).map_or(absent, |a| v[a]);
        all.set(&format!("n{k}"), at(&to.shape, 1))
            .set(&format!("to{k}"), at(&to.strides, n).max(1))
            .set(&format!("d{k}"), at(&from.strides, 0))
    })
}

impl<'g> Tensor<'g> {
    /// The gradient of a value of `shape` of which `view` shows elements, each once, and `self` is the gradient of what
    /// it shows; added to `base`.
    ///
    /// # Shapes
    /// `self` of the view's shape · `base` of `shape` → `shape`
    /// # Errors
    /// [`crate::Error::Graph`] if the view reads outside, or an element twice
    #[track_caller]
    pub fn view_backward(self, view: &Layout, shape: &[usize], base: Option<Tensor<'g>>) -> Tensor<'g> {
        let params = [("shape", shape.into()), ("strides", view.strides[..].into()), ("offset", view.offset.into())];
        self.graph().dispatch(&VIEW_BACKWARD, &[Some(self), base], &params)[0]
    }
}
