//! Rows of the resize family.

use crate::norm::fixture::{golden, input};
use crate::row::Row;
use handmill::kernel::Kernel;
use handmill::kernels::resize::Target;
use handmill::kernels::resize::resize_bicubic::RESIZE_BICUBIC;
use handmill::kernels::resize::resize_bicubic_backward::RESIZE_BICUBIC_BACKWARD;
use handmill::kernels::resize::resize_bilinear::RESIZE_BILINEAR;
use handmill::kernels::resize::resize_bilinear_backward::RESIZE_BILINEAR_BACKWARD;
use handmill::kernels::resize::resize_nearest::RESIZE_NEAREST;
use handmill::kernels::resize::resize_nearest_backward::RESIZE_NEAREST_BACKWARD;
use handmill::kernels::resize::table::Step;
use handmill::tensor::{Dtype, HostTensor};

/// Every row.
pub fn rows() -> Vec<Row> {
    let mut rows = torch();
    rows.extend([&RESIZE_NEAREST, &RESIZE_BILINEAR, &RESIZE_BICUBIC].into_iter().flat_map(sizes));
    rows.extend([
        Row::new(&RESIZE_NEAREST, "i32/1x2x2x3/ids").ids(&[1, 2, 2, 3], 9).list_ids(&[0, 1, 1, 0]).list_ids(&[2, 0]),
        // Positions beyond the image are cut to it, whatever a caller puts into a table.
        Row::new(&RESIZE_NEAREST, "f32/1x1x2x3/beyond").f32(&[1, 1, 2, 3]).list_ids(&[1, 0, 1]).list_ids(&[2, 2]),
        Row::new(&RESIZE_NEAREST, "u32/1x1x2x2/bits")
            .value(HostTensor::u32(&[1, 1, 2, 2], vec![0x7fc0_1234, 0xff80_0001, 0, 0x8000_0000]))
            .list_ids(&[0, 1, 1])
            .list_ids(&[1, 0, 1]),
    ]);
    rows.extend(gradients());
    rows
}

trait Ids {
    /// The next input: i32, listed.
    fn list_ids(self, values: &[i32]) -> Row;
}

impl Ids for Row {
    fn list_ids(self, values: &[i32]) -> Row {
        self.value(HostTensor::i32(&[values.len()], values.to_vec()))
    }
}

/// `row` with the tables of its kernel.
fn tabled(row: Row, [h, w]: [usize; 2], target: Target, align_corners: bool) -> Row {
    let kernel = row.case.kernel.name;
    let step = |n, axis| Step::new(n, target, axis, align_corners).expect("a valid size");
    let (rows, columns) = (step(h, 0), step(w, 1));
    match kernel.trim_end_matches("_backward") {
        "resize_nearest" => row.value(rows.nearest()).value(columns.nearest()),
        "resize_bilinear" => {
            let ((r, rw), (c, cw)) = (rows.linear(), columns.linear());
            row.value(r).value(rw).value(c).value(cw)
        }
        _ => {
            let ((r, rw), (c, cw)) = (rows.cubic(), columns.cubic());
            row.value(r).value(rw).value(c).value(cw)
        }
    }
}

fn torch() -> Vec<Row> {
    let size = |h, w| Target::Size([h, w]);
    let factor = |f| Target::Factor([f, f]);
    let cases: [(&'static Kernel, &str, Target, bool); 11] = [
        (&RESIZE_NEAREST, "interpolate_nearest_down", size(3, 4), false),
        (&RESIZE_NEAREST, "interpolate_nearest_up", factor(2.0), false),
        (&RESIZE_BILINEAR, "interpolate_bilinear_down", size(3, 4), false),
        (&RESIZE_BILINEAR, "interpolate_bilinear_down_align_corners", size(5, 3), true),
        (&RESIZE_BILINEAR, "interpolate_bilinear_fraction", factor(1.7), false),
        (&RESIZE_BILINEAR, "interpolate_bilinear_up", factor(2.0), false),
        (&RESIZE_BILINEAR, "interpolate_bilinear_up_align_corners", size(7, 9), true),
        (&RESIZE_BICUBIC, "interpolate_bicubic_down", size(3, 4), false),
        (&RESIZE_BICUBIC, "interpolate_bicubic_down_align_corners", size(5, 3), true),
        (&RESIZE_BICUBIC, "interpolate_bicubic_up", factor(2.0), false),
        (&RESIZE_BICUBIC, "interpolate_bicubic_up_align_corners", size(9, 7), true),
    ];
    cases
        .map(|(kernel, case, target, align_corners)| {
            let x = input(case);
            let (h, w) = (x.shape()[2], x.shape()[3]);
            let row = Row::new(kernel, &format!("f32/2x3x{h}x{w}/torch_{case}")).value(x);
            golden(tabled(row, [h, w], target, align_corners), case)
        })
        .into()
}

fn sizes(kernel: &'static Kernel) -> Vec<Row> {
    let row = |shape: [usize; 4], target: Target, note: &str, align_corners: bool| {
        let [b, c, h, w] = shape;
        let row = Row::new(kernel, &format!("f32/{b}x{c}x{h}x{w}/{note}")).f32(&shape);
        tabled(row, [h, w], target, align_corners)
    };
    let mut rows = vec![
        row([2, 3, 8, 8], Target::Factor([2.0, 2.0]), "twice", false),
        row([1, 1, 1, 1], Target::Size([1, 1]), "one", false),
        row([1, 1, 1, 1], Target::Size([3, 5]), "from_one", false),
        row([2, 3, 7, 11], Target::Size([13, 5]), "to13x5", false),
        row([1, 1, 5, 6], Target::Size([7, 9]), "workgroup_less_1", false),
        row([1, 1, 5, 6], Target::Size([8, 8]), "workgroup", false),
        row([1, 1, 5, 6], Target::Size([5, 13]), "workgroup_and_1", false),
        row([1, 1, 3, 2], Target::Factor([0.5, 2.6]), "factors", false),
        row([1, 1, 16, 16], Target::Size([2048, 2056]), "many", false),
        tabled(
            Row::new(kernel, "f32/1x1x2x4/special")
                .list(&[1, 1, 2, 4], &[0.0, -0.0, 1e30, -1e30, 1e-40, f32::MIN_POSITIVE, -1e-39, 1e30]),
            [2, 4],
            Target::Size([3, 5]),
            false,
        ),
        tabled(
            Row::new(kernel, "f32/1x2x4x6/strided").value(hwc()).view(|x| x.permute(&[0, 3, 1, 2])),
            [4, 6],
            Target::Size([6, 5]),
            false,
        ),
    ];
    if !std::ptr::eq(kernel, &RESIZE_NEAREST) {
        rows.push(row([2, 3, 7, 11], Target::Size([13, 5]), "corners", true));
        rows.push(row([1, 2, 7, 3], Target::Size([1, 1]), "corner", true));
    }
    rows
}

fn hwc() -> HostTensor {
    HostTensor::from_f64(Dtype::F32, &[1, 4, 6, 2], &(0..48).map(|i| f64::from(i * i % 17)).collect::<Vec<_>>())
}

/// The gradient of the output of a resize of `[b, c, h, w]`.
fn gradient(kernel: &'static Kernel, [b, c, h, w]: [usize; 4], target: Target, note: &str, corners: bool) -> Row {
    let size = |n, axis| Step::new(n, target, axis, corners).expect("a valid size").m;
    let row = Row::new(kernel, &format!("f32/{b}x{c}x{h}x{w}/{note}")).f32(&[b, c, size(h, 0), size(w, 1)]);
    tabled(row, [h, w], target, corners).param("input_size", [h, w])
}

fn gradients() -> Vec<Row> {
    let kernels = [&RESIZE_NEAREST_BACKWARD, &RESIZE_BILINEAR_BACKWARD, &RESIZE_BICUBIC_BACKWARD];
    let mut rows = vec![];
    for kernel in kernels {
        let row = |shape, target, note| gradient(kernel, shape, target, note, false);
        rows.extend([
            row([2, 3, 8, 8], Target::Factor([2.0, 2.0]), "twice"),
            row([1, 1, 1, 1], Target::Size([1, 1]), "one"),
            row([1, 1, 1, 1], Target::Size([3, 5]), "from_one"),
            row([2, 3, 7, 11], Target::Size([13, 5]), "to13x5"),
            // Rows and columns that nothing reads.
            row([1, 2, 17, 13], Target::Size([3, 2]), "down"),
            row([1, 1, 3, 2], Target::Factor([0.5, 2.6]), "factors"),
            row([1, 1, 7, 9], Target::Size([5, 6]), "workgroup_less_1"),
            row([1, 1, 8, 8], Target::Size([5, 6]), "workgroup"),
            row([1, 1, 5, 13], Target::Size([5, 6]), "workgroup_and_1"),
            row([1, 1, 2048, 2056], Target::Size([16, 16]), "many"),
            row([1, 1, 4, 3], Target::Size([300, 301]), "many_read_one"),
        ]);
        if !std::ptr::eq(kernel, &RESIZE_NEAREST_BACKWARD) {
            rows.push(gradient(kernel, [2, 3, 7, 11], Target::Size([13, 5]), "corners", true));
            rows.push(gradient(kernel, [1, 2, 7, 3], Target::Size([1, 1]), "corner", true));
        }
        let special = [0.0, -0.0, 1e30, -1e30, 1e-40, f32::MIN_POSITIVE, -1e-39, 1e30];
        let list = Row::new(kernel, "f32/1x1x2x3/special").list(&[1, 1, 2, 4], &special);
        rows.push(tabled(list, [2, 3], Target::Size([2, 4]), false).param("input_size", [2usize, 3]));
        let view = Row::new(kernel, "f32/1x2x4x6/strided").value(hwc()).view(|d| d.permute(&[0, 3, 1, 2]));
        rows.push(tabled(view, [3, 5], Target::Size([4, 6]), false).param("input_size", [3usize, 5]));
    }
    rows.extend(gradient_goldens());
    rows
}

const NEAREST: [f64; 6] = [5.0, 0.0, 10.0, 10.0, 0.0, 20.0];
const BILINEAR: [f64; 4] = [16.5, 23.5, 44.5, 51.5];
const BICUBIC: [f64; 4] = [13.1015625, 21.4609375, 46.5390625, 54.8984375];

fn gradient_goldens() -> Vec<Row> {
    vec![
        // numpy: d=np.zeros((2,3)); np.add.at(d, np.ix_([1,0,1],[2,0,2]), np.arange(1.,10).reshape(3,3)); tables in any order
        Row::new(&RESIZE_NEAREST_BACKWARD, "f32/1x1x2x3/golden")
            .list(&[1, 1, 3, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])
            .list_ids(&[1, 0, 1])
            .list_ids(&[2, 0, 2])
            .param("input_size", [2usize, 3])
            .golden(0, &NEAREST, 0.0),
        // numpy: A=np.array([[1,0],[.75,.25],[.25,.75],[0,1]]); A.T @ np.arange(1.,17).reshape(4,4) @ A
        gradient_of_four(&RESIZE_BILINEAR_BACKWARD).golden(0, &BILINEAR, 1e-6),
        // numpy: with k the cubic convolution kernel of Keys with a = -0.75, A=np.zeros((4,2)), and for i in range(4):
        // s=(i+.5)/2-.5, f=floor(s): A[i,clip(f-1+a,0,1)] += k(abs(s-f+1-a)) for a in range(4); then as above
        gradient_of_four(&RESIZE_BICUBIC_BACKWARD).golden(0, &BICUBIC, 1e-6),
    ]
}

/// 1 … 16 for an image of 2 × 2 that was doubled.
fn gradient_of_four(kernel: &'static Kernel) -> Row {
    let row = Row::new(kernel, "f32/1x1x2x2/golden");
    let row = row.list(&[1, 1, 4, 4], &(1..=16).map(|i| i as f32).collect::<Vec<_>>());
    tabled(row, [2, 2], Target::Factor([2.0, 2.0]), false).param("input_size", [2usize, 2])
}
