//! Rows of the reduce family.

use handmill::kernel::Kernel;
use handmill::kernels::reduce::over_axes::{ARGMAX, ARGMIN, LOGSUMEXP, MAX, MEAN, MIN, PROD, SUM, VARIANCE};
use handmill::kernels::reduce::reduce_backward::{LOGSUMEXP_BACKWARD, PROD_BACKWARD};

use crate::row::Row;

/// Every row.
pub fn rows() -> Vec<Row> {
    let mut rows = vec![];
    // numpy: x = np.array([[1., -2, 4, 4], [0.5, 0.25, -8, 3]]); x.sum(1), x.mean(1), …
    let x = [1.0, -2.0, 4.0, 4.0, 0.5, 0.25, -8.0, 3.0];
    let table: [(&'static Kernel, [f64; 2]); 9] = [
        (&SUM, [7.0, -4.25]),
        (&MEAN, [1.75, -1.0625]),
        (&MAX, [4.0, 3.0]),
        (&MIN, [-2.0, -8.0]),
        (&PROD, [-32.0, -3.0]),
        (&LOGSUMEXP, [4.718944461094357, 3.1363034133624668]),
        (&VARIANCE, [8.25, 22.932291666666668]),
        (&ARGMAX, [2.0, 3.0]),
        (&ARGMIN, [1.0, 2.0]),
    ];
    for (kernel, golden) in table {
        let over = |label: &str, axis: i64| {
            let row = Row::new(kernel, label);
            let one_axis = kernel.params.iter().any(|p| p.name == "axis");
            if one_axis { row.param("axis", axis) } else { row.param("axes", vec![axis]) }
        };
        // Products of numbers near 1 stay in range.
        let (low, high) = if kernel.name == "prod" { (0.9, 1.1) } else { (-4.0, 4.0) };
        rows.push(over("f32/2x4/golden", -1).list(&[2, 4], &x).golden(0, &golden, 1e-14));
        for n in [2, 33, 63, 64, 65, 129, 1021] {
            rows.push(over(&format!("f32/3x{n}/last"), 1).range(&[3, n], low, high));
        }
        rows.push(over("f32/67x130/first", 0).range(&[67, 130], low, high).param("keepdim", true));
        rows.push(over("f32/2x35x3x5/inner", 1).range(&[2, 35, 3, 5], low, high));
        rows.push(over("f32/5x97/transposed", 0).range(&[5, 97], low, high).view(|t| t.transpose(0, 1)));
        rows.push(over("f32/4x40/repeated", 1).range(&[4, 1], low, high).view(|t| t.broadcast_to(&[4, 40])));
        rows.push(over("f32/2x100/all_equal", 1).list(&[2, 100], &[1.5; 200]));
    }
    rows.extend(over_several_axes());
    rows.extend(special_values());
    rows.extend(logsumexp_backward_rows());
    rows.extend(prod_backward_rows());
    rows
}

/// Reductions that take a list of axes.
fn over_several_axes() -> Vec<Row> {
    let mut rows = vec![];
    for kernel in [&SUM, &MEAN, &MAX, &MIN, &LOGSUMEXP, &VARIANCE] {
        let over = |label: &str, axes: Vec<i64>| Row::new(kernel, label).param("axes", axes);
        rows.push(over("f32/2x3x5x7/channels", vec![0, 2, 3]).f32(&[2, 3, 5, 7]));
        rows.push(over("f32/2x3x5x7/outer", vec![0, 1]).f32(&[2, 3, 5, 7]));
        rows.push(over("f32/3x4x5/alternate", vec![0, -1]).f32(&[3, 4, 5]).param("keepdim", true));
        rows.push(over("f32/11x13x17/everything", vec![]).f32(&[11, 13, 17]));
        rows.push(
            over("f32/2x3x2x3x2x3x2x3/rank_8", vec![0, 2, 4, 6])
                .f32(&[2, 3, 2, 3, 2, 3, 2, 3])
                .view(|t| t.permute(&[1, 0, 3, 2, 5, 4, 7, 6]).transpose(1, 6)),
        );
        rows.push(
            over("f32/2x3x2x3x2x3x2x3/all_of_rank_8", vec![])
                .f32(&[2, 3, 2, 3, 2, 3, 2, 3])
                .view(|t| t.permute(&[6, 4, 2, 0, 7, 5, 3, 1])),
        );
    }
    // Beyond the loops of one invocation on lavapipe, and beyond 65,535 workgroups.
    rows.push(Row::new(&SUM, "f32/200001/scalar").f32(&[200_001]));
    rows.push(Row::new(&VARIANCE, "f32/2x70001").range(&[2, 70_001], 9.0, 11.0).param("axes", vec![1]));
    rows.push(Row::new(&ARGMAX, "f32/1x70001").f32(&[1, 70_001]));
    rows.push(Row::new(&SUM, "f32/65537x33/folded").f32(&[65_537, 33]).param("axes", vec![1]));
    rows.push(Row::new(&SUM, "f32/4x1x3/of_one").f32(&[4, 1, 3]).param("axes", vec![1]));
    rows.push(Row::new(&MEAN, "f32/rank_0").f32(&[]));
    rows.push(Row::new(&SUM, "f32/1000x300/columns").f32(&[1000, 300]).param("axes", vec![0]));
    rows
}

fn special_values() -> Vec<Row> {
    let lowest = f32::MIN;
    let signs = [0.0, -0.0, 1e-45, -1e-45, 1e-39, -1e-39, f32::MIN_POSITIVE, 3e38];
    let infinite = [f32::NEG_INFINITY; 4];
    vec![
        // Whole numbers below 2²⁴ in total: exact in any order.
        Row::new(&SUM, "f32/3x1021/whole").list(&[3, 1021], &whole(3 * 1021)).param("axes", vec![1]),
        Row::new(&SUM, "f32/1x1024/cancels").list(&[1, 1024], &alternating(1024)).param("axes", vec![1]),
        Row::new(&MAX, "f32/8/special").list(&[8], &signs),
        Row::new(&MIN, "f32/8/special").list(&[8], &signs),
        Row::new(&MAX, "f32/65/lowest").list(&[65], &[lowest; 65]),
        Row::new(&MAX, "f32/4/infinite").list(&[4], &infinite),
        Row::new(&LOGSUMEXP, "f32/4/large").list(&[4], &[1e4, 1e4, -1e4, 9999.0]),
        Row::new(&LOGSUMEXP, "f32/4/infinite").list(&[4], &infinite),
        Row::new(&LOGSUMEXP, "f32/100/masked").list(&[100], &masked(100)),
        Row::new(&VARIANCE, "f32/2x257/mean_1000").range(&[2, 257], 999.0, 1001.0).param("axes", vec![1]),
        Row::new(&VARIANCE, "f32/2x257/biased").f32(&[2, 257]).param("axes", vec![1]).param("correction", 0i64),
        Row::new(&VARIANCE, "f32/5/of_one").f32(&[5, 1]).param("axes", vec![1]).param("correction", 0i64),
        Row::new(&ARGMAX, "f32/1x300/tie").list(&[1, 300], &[2.0; 300]),
        Row::new(&ARGMIN, "f32/1x300/late_tie").list(&[1, 300], &step(300, 170)),
        Row::new(&ARGMAX, "f32/1x3/zeros").list(&[1, 3], &[-0.0, 0.0, -0.0]),
        Row::new(&PROD, "f32/4/signs").list(&[4], &[-1.0, 0.0, 3.0, -2.0]),
    ]
}

fn whole(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919) % 4096) as f32 - 2048.0).collect()
}

fn alternating(n: usize) -> Vec<f32> {
    (0..n).map(|i| if i % 2 == 0 { 1e6 } else { -1e6 + 0.125 }).collect()
}

fn masked(n: usize) -> Vec<f32> {
    (0..n).map(|i| if i % 3 == 0 { i as f32 * 0.1 } else { f32::NEG_INFINITY }).collect()
}

fn step(n: usize, at: usize) -> Vec<f32> {
    (0..n).map(|i| if i < at { 1.0 } else { -1.0 }).collect()
}

fn logsumexp_backward_rows() -> Vec<Row> {
    let infinite = f32::NEG_INFINITY;
    let row = |label: &str| Row::new(&LOGSUMEXP_BACKWARD, label);
    let mut rows = vec![
        // numpy: 3*np.exp(np.array([1.,-2,4,4])-4.75)
        row("f32/4/golden")
            .list(&[4], &[1.0, -2.0, 4.0, 4.0])
            .list(&[], &[4.75])
            .view(|y| y.broadcast_to(&[4]))
            .list(&[], &[3.0])
            .view(|d| d.broadcast_to(&[4]))
            .golden(0, &[0.07055323756802732, 0.0035126388623735235, 1.417099658223044, 1.417099658223044], 1e-14),
        row("f32/2x3/masked")
            .list(&[2, 3], &[infinite, 1.0, 2.0, infinite, infinite, infinite])
            .list(&[2, 1], &[2.3132617, infinite])
            .view(|y| y.broadcast_to(&[2, 3]))
            .f32(&[2, 3]),
        row("f32/5/far")
            .list(&[5], &[0.0, -90.0, -104.0, -1e4, f32::MIN])
            .list(&[], &[0.0])
            .view(|y| y.broadcast_to(&[5]))
            .f32(&[5]),
        row("f32/4/large").list(&[4], &[1e4, 1e4, -1e4, 9999.0]).list(&[4], &[10_000.841; 4]).f32(&[4]),
        row("f32/5x7x3/permuted")
            .range(&[3, 5, 7], -4.0, 0.0)
            .view(|t| t.permute(&[1, 2, 0]))
            .f32(&[5, 1, 3])
            .view(|t| t.broadcast_to(&[5, 7, 3]))
            .f32(&[3])
            .view(|t| t.broadcast_to(&[5, 7, 3])),
    ];
    for n in [1, 63, 64, 65, 1021] {
        rows.push(row(&format!("f32/2x{n}")).range(&[2, n], -30.0, 0.0).f32(&[2, n]).f32(&[2, n]));
    }
    rows
}

fn prod_backward_rows() -> Vec<Row> {
    let row = |label: &str| Row::new(&PROD_BACKWARD, label);
    let mut rows = vec![
        // numpy: [d*np.delete(x,i).prod() for i in range(3)], x=[2,3,4], d=5 and x=[0,3,-4], d=2
        row("f32/2x3/golden").list(&[2, 3], &[2.0, 3.0, 4.0, 0.0, 3.0, -4.0]).list(&[2], &[5.0, 2.0]).golden(
            0,
            &[60.0, 40.0, 30.0, -24.0, 0.0, 0.0],
            0.0,
        ),
        row("f32/3x4/zeros").list(&[3, 4], &[0.0, -0.0, 3.0, 2.0, 1.0, 0.0, 5.0, -7.0, 0.0, 0.0, 0.0, 0.0]).f32(&[3]),
        row("f32/5/one_row").f32(&[5]).f32(&[]),
        row("f32/2x3x7/batch").f32(&[2, 3, 7]).f32(&[2, 3]),
        row("f32/100x200/strided").range(&[200, 100], 0.98, 1.02).view(|t| t.transpose(0, 1)).f32(&[100]),
        row("f32/65537x3/folded").f32(&[65_537, 3]).f32(&[65_537]),
        row("f32/1x40000/long").range(&[1, 40_000], 0.999, 1.001).f32(&[1]),
    ];
    for n in [1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 129, 257, 1021] {
        rows.push(row(&format!("f32/3x{n}")).range(&[3, n], 0.9, 1.1).f32(&[3]));
    }
    rows
}
