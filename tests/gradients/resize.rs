//! Rows of the resize family.

use super::judge::Gradient;
use super::row::Row;
use handmill::kernel::Kernel;
use handmill::kernels::resize::Target;
use handmill::kernels::resize::resize_bicubic::RESIZE_BICUBIC;
use handmill::kernels::resize::resize_bilinear::RESIZE_BILINEAR;
use handmill::kernels::resize::resize_nearest::RESIZE_NEAREST;
use handmill::kernels::resize::table::Step;

/// Every row.
pub fn rows() -> Vec<Gradient> {
    let mut rows = vec![];
    for kernel in [&RESIZE_NEAREST, &RESIZE_BILINEAR, &RESIZE_BICUBIC] {
        rows.push(row(kernel, [2, 2, 3, 4], Target::Factor([2.0, 2.0]), "twice", false));
        rows.push(row(kernel, [1, 2, 7, 5], Target::Size([3, 4]), "down", false));
        rows.push(row(kernel, [1, 1, 3, 1], Target::Size([2, 5]), "up_and_down", false));
        if !std::ptr::eq(kernel, &RESIZE_NEAREST) {
            rows.push(row(kernel, [1, 2, 4, 3], Target::Size([5, 7]), "corners", true));
        }
    }
    rows
}

fn row(kernel: &'static Kernel, shape: [usize; 4], target: Target, note: &str, corners: bool) -> Gradient {
    let [b, c, h, w] = shape;
    let row = Row::new(kernel, &format!("f32/{b}x{c}x{h}x{w}/{note}")).f32(&shape);
    let step = |n, axis| Step::new(n, target, axis, corners).expect("a valid size");
    let (rows, columns) = (step(h, 0), step(w, 1));
    if std::ptr::eq(kernel, &RESIZE_NEAREST) {
        return Gradient::of(row.value(rows.nearest()).value(columns.nearest()));
    }
    let cubic = std::ptr::eq(kernel, &RESIZE_BICUBIC);
    let ((r, r_weight), (c, c_weight)) =
        if cubic { (rows.cubic(), columns.cubic()) } else { (rows.linear(), columns.linear()) };
    Gradient::of(row.value(r).value(r_weight).value(c).value(c_weight)).constant(2).constant(4)
}
