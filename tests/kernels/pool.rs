//! Rows of the pool family.

use crate::norm::fixture::{golden, input};
use crate::row::Row;
use handmill::kernel::Kernel;
use handmill::kernels::pool::adaptive_avg_pool2d::ADAPTIVE_AVG_POOL2D;
use handmill::kernels::pool::adaptive_avg_pool2d_backward::ADAPTIVE_AVG_POOL2D_BACKWARD;
use handmill::kernels::pool::avg_pool2d::AVG_POOL2D;
use handmill::kernels::pool::avg_pool2d_backward::AVG_POOL2D_BACKWARD;
use handmill::kernels::pool::max_pool2d::MAX_POOL2D;
use handmill::kernels::pool::max_pool2d_backward::MAX_POOL2D_BACKWARD;
use handmill::kernels::pool::stochastic_pool2d::STOCHASTIC_POOL2D;
use handmill::kernels::pool::stochastic_pool2d_backward::STOCHASTIC_POOL2D_BACKWARD;
use handmill::tensor::HostTensor;
use kernels_ref::pool::Window;

/// Every row.
pub fn rows() -> Vec<Row> {
    let mut all = vec![max_pool2d(), avg_pool2d(), adaptive_avg_pool2d(), stochastic_pool2d()];
    all.extend([max_pool2d_backward(), avg_pool2d_backward(), adaptive_avg_pool2d_backward()]);
    all.push(stochastic_pool2d_backward());
    all.into_iter().flatten().collect()
}

fn named(kernel: &'static Kernel, shape: [usize; 4], note: &str) -> Row {
    let [b, c, h, w] = shape;
    Row::new(kernel, &format!("f32/{b}x{c}x{h}x{w}/{note}")).f32(&shape)
}

/// Shape, kernel, stride, padding, ceil_mode.
type Pooling = ([usize; 4], [usize; 2], [usize; 2], [usize; 2], bool);

fn note((_, k, s, p, ceil): &Pooling) -> String {
    format!("k{}x{}s{}x{}p{}x{}{}", k[0], k[1], s[0], s[1], p[0], p[1], if *ceil { "ceil" } else { "" })
}

/// What max and average have in common.
fn poolings() -> [Pooling; 14] {
    [
        ([2, 3, 8, 8], [2, 2], [2, 2], [0, 0], false),
        ([1, 1, 1, 1], [1, 1], [1, 1], [0, 0], false),
        ([2, 3, 7, 11], [3, 3], [1, 1], [1, 1], false),
        ([2, 3, 7, 11], [3, 3], [2, 2], [1, 1], false),
        ([1, 2, 13, 5], [5, 2], [3, 1], [2, 1], false),
        ([1, 2, 5, 6], [2, 3], [2, 3], [0, 0], true),
        ([1, 2, 6, 6], [3, 3], [2, 2], [1, 1], true),
        // Rounded up, the last window would begin in the padding behind the image: dropped.
        ([1, 1, 5, 5], [2, 2], [3, 3], [1, 1], true),
        ([1, 1, 6, 4], [2, 2], [3, 3], [1, 1], true),
        ([1, 1, 2, 2], [3, 3], [2, 2], [0, 0], true),
        ([1, 1, 9, 7], [1, 1], [3, 2], [0, 0], false),
        ([1, 3, 3, 7], [1, 1], [1, 1], [0, 0], false),
        ([1, 1, 13, 5], [1, 1], [1, 1], [0, 0], false),
        ([3, 1, 17, 29], [17, 29], [1, 1], [0, 0], false),
    ]
}

fn windows(kernel: &'static Kernel) -> Vec<Row> {
    poolings()
        .map(|pooling| {
            let (shape, k, s, p, ceil) = pooling;
            let row = named(kernel, shape, &note(&pooling)).param("kernel", k).param("stride", s).param("padding", p);
            row.param("ceil_mode", ceil)
        })
        .into()
}

fn max_pool2d() -> Vec<Row> {
    let inf = f32::INFINITY;
    let torch = Row::new(&MAX_POOL2D, "f32/2x3x8x7/torch").value(input("max_pool2d")).param("kernel", [2usize]);
    let padded = Row::new(&MAX_POOL2D, "f32/2x3x9x8/torch_padded").value(input("max_pool2d_padded"));
    let padded = padded.param("kernel", [3usize]).param("stride", [2usize]).param("padding", [1usize]);
    let mut rows = windows(&MAX_POOL2D);
    rows.extend([
        golden(torch, "max_pool2d"),
        golden(padded, "max_pool2d_padded"),
        // By hand: ties take the lowest index; −∞ and denormals are values like others.
        Row::new(&MAX_POOL2D, "f32/1x1x2x6/special")
            .list(&[1, 1, 2, 6], &[1.0, 1.0, -inf, -inf, -1e-40, -3.0, 1.0, 1.0, -inf, -inf, -2.0, -4.0])
            .param("kernel", [2usize, 2])
            .golden(0, &[1.0, f64::NEG_INFINITY, -9.99994610111476e-41], 1e-45)
            .golden(1, &[0.0, 2.0, 4.0], 0.0),
        Row::new(&MAX_POOL2D, "f32/1x1x2x2/infinite")
            .list(&[1, 1, 2, 2], &[-inf, inf, f32::MAX, -f32::MAX])
            .param("kernel", [2usize, 2])
            .golden(1, &[1.0], 0.0),
        named(&MAX_POOL2D, [1, 2, 9, 10], "dilated").param("kernel", [3usize, 2]).param("dilation", [2usize, 3]),
        named(&MAX_POOL2D, [1, 2, 9, 10], "dilated_padded")
            .param("kernel", [3usize, 3])
            .param("stride", [2usize, 1])
            .param("padding", [2usize, 1])
            .param("dilation", [2usize, 1])
            .param("ceil_mode", true),
        named(&MAX_POOL2D, [1, 1, 2048, 2056], "many").param("kernel", [1usize, 1]),
        Row::new(&MAX_POOL2D, "f32/1x2x4x6/strided")
            .f32(&[1, 4, 6, 2])
            .view(|x| x.permute(&[0, 3, 1, 2]))
            .param("kernel", [2usize, 2]),
    ]);
    rows
}

fn avg_pool2d() -> Vec<Row> {
    let torch = Row::new(&AVG_POOL2D, "f32/2x3x8x7/torch").value(input("avg_pool2d")).param("kernel", [2usize]);
    let inside = Row::new(&AVG_POOL2D, "f32/2x3x9x8/torch_inside").value(input("avg_pool2d_exclude_padding"));
    let inside = inside.param("kernel", [3usize]).param("stride", [2usize]).param("padding", [1usize]);
    let mut rows = windows(&AVG_POOL2D);
    rows.extend(windows(&AVG_POOL2D).into_iter().map(|row| {
        let mut row = row.param("count_include_pad", false);
        row.name.push_str("/inside");
        row
    }));
    rows.extend([
        golden(torch, "avg_pool2d"),
        golden(inside.param("count_include_pad", false), "avg_pool2d_exclude_padding"),
        Row::new(&AVG_POOL2D, "f32/1x1x2x6/special")
            .list(
                &[1, 1, 2, 6],
                &[0.0, -0.0, 1e30, -1e30, 1e-40, 0.0, -0.0, 0.0, 1e30, 1e30, -1e-40, f32::MIN_POSITIVE],
            )
            .param("kernel", [2usize, 2]),
        Row::new(&AVG_POOL2D, "f32/1x1x3x3/all_equal").list(&[1, 1, 3, 3], &[0.1; 9]).param("kernel", [3usize, 3]),
    ]);
    rows
}

fn adaptive_avg_pool2d() -> Vec<Row> {
    let row = |shape: [usize; 4], out: [usize; 2]| {
        named(&ADAPTIVE_AVG_POOL2D, shape, &format!("to{}x{}", out[0], out[1])).param("output_size", out)
    };
    let (case, global) = ("adaptive_avg_pool2d", "adaptive_avg_pool2d_global");
    let torch = Row::new(&ADAPTIVE_AVG_POOL2D, "f32/2x3x7x5/torch").value(input(case));
    let torch_global = Row::new(&ADAPTIVE_AVG_POOL2D, "f32/2x4x5x6/torch_global").value(input(global));
    vec![
        golden(torch.param("output_size", [3usize, 2]), case),
        golden(torch_global.param("output_size", [1usize]), global),
        row([2, 3, 8, 8], [4, 4]),
        row([1, 1, 1, 1], [1, 1]),
        row([2, 3, 5, 7], [3, 4]),
        row([1, 2, 3, 2], [7, 5]),
        row([1, 2, 7, 9], [1, 1]),
        row([1, 2, 8, 8], [1, 1]),
        row([1, 2, 5, 13], [1, 1]),
        row([17, 4, 7, 7], [1, 1]),
        row([1, 1, 301, 307], [1, 1]),
        row([1, 1, 301, 307], [2, 3]),
        row([1, 65_537, 1, 2], [1, 1]),
        Row::new(&ADAPTIVE_AVG_POOL2D, "f32/1x1x3x3/all_equal")
            .list(&[1, 1, 3, 3], &[0.1; 9])
            .param("output_size", [2usize, 2]),
        Row::new(&ADAPTIVE_AVG_POOL2D, "f32/1x1x2x4/special")
            .list(&[1, 1, 2, 4], &[0.0, -0.0, 1e30, -1e30, 1e-40, f32::MIN_POSITIVE, 1e30, 1e30])
            .param("output_size", [1usize, 2]),
    ]
}

fn stochastic_pool2d() -> Vec<Row> {
    let row = |shape: [usize; 4], k: [usize; 2], s: [usize; 2], out: [usize; 2]| {
        let [b, c, h, w] = shape;
        let label = format!("f32/{b}x{c}x{h}x{w}/k{}x{}s{}x{}", k[0], k[1], s[0], s[1]);
        let row = Row::new(&STOCHASTIC_POOL2D, &label).range(&shape, -0.5, 1.0);
        row.range(&[b, c, out[0], out[1]], 0.0, 1.0).param("kernel", k).param("stride", s)
    };
    // Zeiler & Fergus 2013, figure 1: 1.6 and 2.4 among zeros have probabilities 0.4 and 0.6.
    let figure = [1.6, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.4];
    let drawn = |note: &str, u: f32, y: f64, at: f64| {
        Row::new(&STOCHASTIC_POOL2D, &format!("f32/1x1x3x3/{note}"))
            .list(&[1, 1, 3, 3], &figure)
            .list(&[1, 1, 1, 1], &[u])
            .param("kernel", [3usize, 3])
            .golden(0, &[y], 1e-7)
            .golden(1, &[at], 0.0)
    };
    vec![
        drawn("u39", 0.39, 1.6, 0.0),
        drawn("u41", 0.41, 2.4, 8.0),
        drawn("u0", 0.0, 1.6, 0.0),
        Row::new(&STOCHASTIC_POOL2D, "f32/1x1x3x3/mean")
            .list(&[1, 1, 3, 3], &figure)
            .none()
            .param("kernel", [3usize, 3])
            .golden(0, &[2.08], 1e-7)
            .golden(1, &[-1.0], 0.0),
        row([2, 3, 8, 8], [2, 2], [2, 2], [4, 4]),
        row([2, 3, 7, 11], [3, 3], [2, 2], [3, 5]),
        row([1, 1, 1, 1], [1, 1], [1, 1], [1, 1]),
        row([1, 1, 5, 13], [1, 1], [1, 1], [5, 13]),
        row([1, 2, 31, 37], [31, 37], [1, 1], [1, 1]),
        Row::new(&STOCHASTIC_POOL2D, "f32/2x3x7x11/mean")
            .range(&[2, 3, 7, 11], -0.5, 1.0)
            .none()
            .param("kernel", [3usize, 3])
            .param("stride", [2usize, 2]),
        Row::new(&STOCHASTIC_POOL2D, "f32/1x1x2x4/zeros")
            .list(&[1, 1, 2, 4], &[0.0, -0.0, -1.0, -2.0, 0.0, 0.0, -3.0, 0.0])
            .list(&[1, 1, 1, 2], &[0.0, 0.999])
            .param("kernel", [2usize, 2]),
        Row::new(&STOCHASTIC_POOL2D, "f32/1x1x2x4/zeros_mean")
            .list(&[1, 1, 2, 4], &[0.0, -0.0, -1.0, -2.0, 0.0, 0.0, -3.0, 0.0])
            .none()
            .param("kernel", [2usize, 2]),
        Row::new(&STOCHASTIC_POOL2D, "f32/1x1x2x4/all_equal")
            .list(&[1, 1, 2, 4], &[0.25; 8])
            .list(&[1, 1, 1, 2], &[0.3, 0.9])
            .param("kernel", [2usize, 2])
            .golden(1, &[1.0, 7.0], 0.0),
    ]
}

/// The windows of a pooling.
fn geometry(&(shape, kernel, stride, padding, ceil): &Pooling, dilation: [usize; 2]) -> Window {
    let image = [shape[2], shape[3]];
    let out = [0, 1].map(|a| {
        let room = image[a] + 2 * padding[a] + if ceil { stride[a] - 1 } else { 0 };
        let count = (room - dilation[a] * (kernel[a] - 1) - 1) / stride[a] + 1;
        // A window that would begin behind the image.
        count - usize::from(ceil && (count - 1) * stride[a] >= image[a] + padding[a])
    });
    Window { image, out, kernel, stride, padding, dilation }
}

/// The windows' gradients, and the size of what they go back to.
fn backward_row(kernel: &'static Kernel, pooling: &Pooling, dilation: [usize; 2]) -> Row {
    let &([b, c, h, w], k, s, p, ceil) = pooling;
    let [oh, ow] = geometry(pooling, dilation).out;
    let label = format!("f32/{b}x{c}x{h}x{w}/{}d{}x{}", note(pooling), dilation[0], dilation[1]);
    let row = Row::new(kernel, &label).f32(&[b, c, oh, ow]).param("input_size", [h, w]).param("kernel", k);
    row.param("stride", s).param("padding", p).param("ceil_mode", ceil)
}

/// With the places of the maxima of some image, many of them equal.
fn max_row(pooling: &Pooling, dilation: [usize; 2]) -> Row {
    let ([b, c, h, w], window) = (pooling.0, geometry(pooling, dilation));
    let x: Vec<f64> = (0..b * c * h * w).map(|i| (i * i * 7 % 11) as f64).collect();
    let index = kernels_ref::pool::max_pool2d(&x, &window).1.iter().map(|&i| i as i32).collect();
    let row = backward_row(&MAX_POOL2D_BACKWARD, pooling, dilation).param("dilation", dilation);
    row.value(HostTensor::i32(&[b, c, window.out[0], window.out[1]], index))
}

fn max_pool2d_backward() -> Vec<Row> {
    let mut rows: Vec<Row> = poolings().iter().map(|pooling| max_row(pooling, [1, 1])).collect();
    rows.extend([
        max_row(&([1, 2, 9, 10], [3, 2], [1, 1], [0, 0], false), [2, 3]),
        max_row(&([1, 2, 9, 10], [3, 3], [2, 1], [2, 1], true), [2, 1]),
        max_row(&([1, 1, 2048, 2056], [1, 1], [1, 1], [0, 0], false), [1, 1]),
        Row::new(&MAX_POOL2D_BACKWARD, "f32/1x1x1x4/special")
            .list(&[1, 1, 1, 3], &[1e30, -1e-40, -0.0])
            .value(HostTensor::i32(&[1, 1, 1, 3], vec![1, 1, 2]))
            .param("input_size", [1usize, 4])
            .param("kernel", [1usize, 2])
            .param("stride", [1usize]),
        // numpy: x=np.array([[1.,3,2],[5,4,6],[0,9,8]]); d=np.zeros(9), then for each window of 2 × 2 (row-major):
        // d[argmax's flat place] += 1, 2, 4, 8
        Row::new(&MAX_POOL2D_BACKWARD, "f32/1x1x3x3/golden")
            .list(&[1, 1, 2, 2], &[1.0, 2.0, 4.0, 8.0])
            .value(HostTensor::i32(&[1, 1, 2, 2], vec![3, 5, 7, 7]))
            .param("input_size", [3usize, 3])
            .param("kernel", [2usize])
            .param("stride", [1usize])
            .golden(0, &[0.0, 0.0, 0.0, 1.0, 0.0, 2.0, 0.0, 12.0, 0.0], 0.0),
        Row::new(&MAX_POOL2D_BACKWARD, "f32/1x2x4x6/strided")
            .f32(&[1, 2, 3, 2])
            .view(|d| d.permute(&[0, 3, 1, 2]))
            .value(HostTensor::i32(&[1, 2, 2, 3], vec![0, 3, 5, 12, 20, 17, 7, 8, 10, 18, 15, 23]))
            .param("input_size", [4usize, 6])
            .param("kernel", [2usize, 2]),
    ]);
    rows
}

fn avg_pool2d_backward() -> Vec<Row> {
    let mut rows: Vec<Row> = vec![];
    for inside in [false, true] {
        rows.extend(poolings().iter().map(|pooling| {
            let mut row = backward_row(&AVG_POOL2D_BACKWARD, pooling, [1, 1]).param("count_include_pad", !inside);
            row.name.push_str(if inside { "/inside" } else { "" });
            row
        }));
    }
    // torch: F.avg_pool2d(x, 2, 2, 1) of a 3 × 3 image, .backward of 4, 8, 16, 32: corners have 1 of 4 elements,
    // so shares are 1, 2, 4, 8, and inside the image 4, 4, 8, 8.
    let padded = |note: &str| {
        Row::new(&AVG_POOL2D_BACKWARD, &format!("f32/1x1x3x3/{note}"))
            .list(&[1, 1, 2, 2], &[4.0, 8.0, 16.0, 32.0])
            .param("input_size", [3usize, 3])
            .param("kernel", [2usize])
            .param("padding", [1usize])
    };
    rows.extend([
        padded("golden").golden(0, &[1.0, 2.0, 2.0, 4.0, 8.0, 8.0, 4.0, 8.0, 8.0], 0.0),
        padded("golden_inside").param("count_include_pad", false).golden(
            0,
            &[4.0, 4.0, 4.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0],
            0.0,
        ),
        Row::new(&AVG_POOL2D_BACKWARD, "f32/1x1x2x4/special")
            .list(&[1, 1, 1, 4], &[1e30, -1e30, 1e-40, -0.0])
            .param("input_size", [2usize, 5])
            .param("kernel", [2usize])
            .param("stride", [1usize]),
    ]);
    rows
}

fn adaptive_avg_pool2d_backward() -> Vec<Row> {
    let row = |[b, c, h, w]: [usize; 4], out: [usize; 2]| {
        Row::new(&ADAPTIVE_AVG_POOL2D_BACKWARD, &format!("f32/{b}x{c}x{h}x{w}/from{}x{}", out[0], out[1]))
            .f32(&[b, c, out[0], out[1]])
            .param("input_size", [h, w])
    };
    vec![
        row([2, 3, 8, 8], [4, 4]),
        row([1, 1, 1, 1], [1, 1]),
        row([2, 3, 5, 7], [3, 4]),
        row([1, 2, 3, 2], [7, 5]),
        row([1, 2, 7, 9], [1, 1]),
        row([1, 1, 8, 8], [1, 1]),
        row([1, 1, 5, 13], [2, 13]),
        row([1, 1, 301, 307], [2, 3]),
        row([1, 1, 1, 2], [301, 307]),
        row([1, 65_537, 1, 65], [1, 1]),
        // By hand, of 5 elements in 2 windows 0 … 2 and 2 … 4, for 3 and 6.
        Row::new(&ADAPTIVE_AVG_POOL2D_BACKWARD, "f32/1x1x1x5/golden")
            .list(&[1, 1, 1, 2], &[3.0, 6.0])
            .param("input_size", [1usize, 5])
            .golden(0, &[1.0, 1.0, 3.0, 2.0, 2.0], 0.0),
        Row::new(&ADAPTIVE_AVG_POOL2D_BACKWARD, "f32/1x1x2x4/special")
            .list(&[1, 1, 1, 2], &[1e30, -1e-40])
            .param("input_size", [2usize, 4]),
    ]
}

fn stochastic_pool2d_backward() -> Vec<Row> {
    let row = |shape: [usize; 4], k: [usize; 2], s: [usize; 2]| {
        let [b, c, h, w] = shape;
        let window = geometry(&(shape, k, s, [0, 0], false), [1, 1]);
        let out = [b, c, window.out[0], window.out[1]];
        let row =
            Row::new(&STOCHASTIC_POOL2D_BACKWARD, &format!("f32/{b}x{c}x{h}x{w}/k{}x{}s{}x{}", k[0], k[1], s[0], s[1]));
        row.range(&shape, -0.5, 1.0).range(&out, 0.0, 1.0).f32(&out).param("kernel", k).param("stride", s)
    };
    vec![
        row([2, 3, 8, 8], [2, 2], [2, 2]),
        row([2, 3, 7, 11], [3, 3], [2, 2]),
        row([2, 1, 7, 11], [3, 2], [1, 1]),
        row([1, 1, 1, 1], [1, 1], [1, 1]),
        row([1, 1, 5, 13], [1, 1], [1, 1]),
        row([1, 1, 7, 9], [1, 2], [3, 2]),
        row([1, 2, 31, 37], [31, 37], [1, 1]),
        // Zeiler & Fergus 2013, figure 1: 1.6 and 2.4 among zeros, of mean 2.08: (3.2 − 2.08)/4 and (4.8 − 2.08)/4.
        Row::new(&STOCHASTIC_POOL2D_BACKWARD, "f32/1x1x3x3/golden")
            .list(&[1, 1, 3, 3], &[1.6, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.4])
            .list(&[1, 1, 1, 1], &[2.08])
            .list(&[1, 1, 1, 1], &[1.0])
            .param("kernel", [3usize, 3])
            .golden(0, &[0.28, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.68], 1e-6),
        Row::new(&STOCHASTIC_POOL2D_BACKWARD, "f32/1x1x2x4/zeros")
            .list(&[1, 1, 2, 4], &[0.0, -0.0, -1.0, -2.0, 0.0, 0.0, -3.0, 0.0])
            .list(&[1, 1, 1, 2], &[0.0, 0.0])
            .f32(&[1, 1, 1, 2])
            .param("kernel", [2usize, 2]),
    ]
}
