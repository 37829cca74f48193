//! Rows of the pool family.

use crate::norm::fixture::{golden, input};
use crate::row::Row;
use handmill::kernel::Kernel;
use handmill::kernels::pool::adaptive_avg_pool2d::ADAPTIVE_AVG_POOL2D;
use handmill::kernels::pool::avg_pool2d::AVG_POOL2D;
use handmill::kernels::pool::max_pool2d::MAX_POOL2D;
use handmill::kernels::pool::stochastic_pool2d::STOCHASTIC_POOL2D;

/// Every row.
pub fn rows() -> Vec<Row> {
    [max_pool2d(), avg_pool2d(), adaptive_avg_pool2d(), stochastic_pool2d()].into_iter().flatten().collect()
}

fn named(kernel: &'static Kernel, shape: [usize; 4], note: &str) -> Row {
    let [b, c, h, w] = shape;
    Row::new(kernel, &format!("f32/{b}x{c}x{h}x{w}/{note}")).f32(&shape)
}

/// What max and average have in common: shape, kernel, stride, padding, ceil_mode.
fn windows(kernel: &'static Kernel) -> Vec<Row> {
    type Case = ([usize; 4], [usize; 2], [usize; 2], [usize; 2], bool);
    let cases: [Case; 14] = [
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
    ];
    cases
        .map(|(shape, k, s, p, ceil)| {
            let note =
                format!("k{}x{}s{}x{}p{}x{}{}", k[0], k[1], s[0], s[1], p[0], p[1], if ceil { "ceil" } else { "" });
            let row = named(kernel, shape, &note).param("kernel", k).param("stride", s).param("padding", p);
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
