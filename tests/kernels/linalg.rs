//! Rows of the linalg family.

use crate::row::Row;
use handmill::HostTensor;
use handmill::kernels::linalg::cholesky::CHOLESKY;
use handmill::kernels::linalg::solve_triangular::SOLVE_TRIANGULAR;

/// Every row.
pub fn rows() -> Vec<Row> {
    [cholesky(), special_factors(), solve_triangular()].into_iter().flatten().collect()
}

/// Numbers in [−1, 1), a function of `seed` alone.
fn numbers(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// Symmetric positive definite matrices: `g·gᵀ/n + shift·1`, row and column `i` times `scale(i)`.
pub fn definite(count: usize, n: usize, shift: f64, scale: fn(usize) -> f64) -> HostTensor {
    let mut a = vec![];
    for matrix in 0..count {
        let mut next = numbers((matrix * 1000 + n) as u64);
        let g: Vec<f64> = (0..n * n).map(|_| next()).collect();
        for (i, j) in (0..n * n).map(|at| (at / n, at % n)) {
            let dot: f64 = (0..n).map(|k| g[i * n + k] * g[j * n + k]).sum();
            let v = dot / n as f64 + if i == j { shift } else { 0.0 };
            a.push((v * scale(i) * scale(j)) as f32);
        }
    }
    HostTensor::f32(&[count, n, n], a)
}

/// Lower triangles with a diagonal away from 0, and what must not be read above it.
pub fn triangles(count: usize, n: usize) -> HostTensor {
    let mut next = numbers((count * 1000 + n) as u64);
    let mut l = vec![];
    for (i, j) in (0..count * n * n).map(|at| (at / n % n, at % n)) {
        l.push(match i.cmp(&j) {
            std::cmp::Ordering::Less => f32::NAN,
            std::cmp::Ordering::Equal => (1.5 + next()) as f32 * if i % 3 == 1 { -1.0 } else { 1.0 },
            std::cmp::Ordering::Greater => (next() / (n as f64).sqrt()) as f32,
        });
    }
    HostTensor::f32(&[count, n, n], l)
}

fn cholesky() -> Vec<Row> {
    let row = |label: &str, a: HostTensor| Row::new(&CHOLESKY, &format!("f32/{label}")).value(a);
    let mut rows: Vec<Row> = [1, 2, 7, 8, 9, 16, 17, 31, 63, 64, 65, 127, 128, 129, 200]
        .map(|n| row(&format!("1x{n}x{n}"), definite(1, n, 0.5, |_| 1.0)))
        .into();
    let apart = |i: usize| [1e-9, 3e6, 1.0, 7e-3, 2e9][i % 5];
    rows.extend([
        row("3x5x5/batch", definite(3, 5, 0.1, |_| 1.0)),
        row("65x12x12/batch", definite(65, 12, 0.1, |_| 1.0)),
        row("65537x2x2/many_groups", definite(65_537, 2, 0.1, |_| 1.0)),
        row("1x512x512/largest", definite(1, 512, 1.0, |_| 1.0)),
        row("2x19x19/units_apart", definite(2, 19, 0.2, apart)),
        row("1x40x40/nearly_singular", definite(1, 40, 1e-4, |_| 1.0)),
        Row::new(&CHOLESKY, "f32/2x6x6/view").value(definite(2, 6, 0.3, |_| 1.0)).view(|a| a.transpose(1, 2)),
        // numpy: np.linalg.cholesky([[4, 12, -16], [12, 37, -43], [-16, -43, 98]])
        Row::new(&CHOLESKY, "f32/3x3/golden")
            .list(&[3, 3], &[4.0, 12.0, -16.0, 12.0, 37.0, -43.0, -16.0, -43.0, 98.0])
            .golden(0, &[2.0, 0.0, 0.0, 6.0, 1.0, 0.0, -8.0, 5.0, 3.0], 1e-14)
            .golden(1, &[0.0], 0.0),
        // The matrix of Hilbert, 1/(i + j + 1).
        Row::new(&CHOLESKY, "f32/4x4/hilbert")
            .value(HostTensor::f32(&[4, 4], (0..16).map(|at| 1.0 / (at / 4 + at % 4 + 1) as f32).collect())),
    ]);
    rows
}

/// Matrices that are not positive definite, what is not read, and numbers at the ends.
fn special_factors() -> Vec<Row> {
    let nan = f32::NAN;
    let list = |label: &str, n: usize, a: &[f32]| {
        Row::new(&CHOLESKY, &format!("f32/{label}")).list(&[a.len() / (n * n), n, n], a)
    };
    let mut late = definite(1, 150, 0.5, |_| 1.0).as_f32().unwrap_or_default().to_vec();
    late[140 * 150 + 140] = -1.0;
    vec![
        list("1x2x2/upper_not_read", 2, &[4.0, nan, 2.0, 5.0]).golden(0, &[2.0, 0.0, 1.0, 2.0], 1e-14),
        list("1x3x3/identity", 3, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]),
        list("1x1x1/negative", 1, &[-2.0]).golden(0, &[f64::NAN], 0.0).golden(1, &[1.0], 0.0),
        list("2x1x1/zeros", 1, &[0.0, -0.0]).golden(1, &[1.0, 1.0], 0.0),
        list("1x2x2/singular", 2, &[1.0, 1.0, 1.0, 1.0]).golden(1, &[2.0], 0.0),
        list("1x2x2/nan", 2, &[nan, 1.0, 1.0, 1.0]).golden(1, &[1.0], 0.0),
        // scipy.linalg.lapack.dpotrf gives info 2: columns before that are those of the factor.
        list("1x3x3/indefinite", 3, &[4.0, 6.0, 2.0, 6.0, 5.0, 3.0, 2.0, 3.0, 9.0])
            .golden(0, &[2.0, 0.0, 0.0, 3.0, f64::NAN, 0.0, 1.0, f64::NAN, f64::NAN], 1e-14)
            .golden(1, &[2.0], 0.0),
        list("3x2x2/one_of_three", 2, &[4.0, 2.0, 2.0, 5.0, 1.0, 3.0, 3.0, 2.0, 9.0, 0.0, 0.0, 1.0]).golden(
            1,
            &[0.0, 2.0, 0.0],
            0.0,
        ),
        Row::new(&CHOLESKY, "f32/1x150x150/late").value(HostTensor::f32(&[1, 150, 150], late)).golden(1, &[141.0], 0.0),
    ]
}

fn solve_triangular() -> Vec<Row> {
    let mut rows = vec![];
    for transposed in [false, true] {
        let way = if transposed { "transposed" } else { "plain" };
        let row = |count: usize, n: usize, k: usize, note: &str| {
            Row::new(&SOLVE_TRIANGULAR, &format!("f32/{count}x{n}x{k}/{way}{note}"))
                .value(triangles(count, n))
                .f32(&[count, n, k])
                .param("transposed", transposed)
        };
        for (n, k) in [(1, 1), (2, 3), (7, 1), (13, 64), (31, 65), (63, 2), (64, 2), (65, 3), (129, 1), (200, 5)] {
            rows.push(row(1, n, k, ""));
        }
        rows.extend([
            row(3, 5, 4, "/batch"),
            row(32_769, 2, 2, "/many_groups"),
            row(1, 512, 2, "/largest"),
            Row::new(&SOLVE_TRIANGULAR, &format!("f32/2x6x4/{way}/view"))
                .value(triangles(2, 6))
                .f32(&[2, 4, 6])
                .view(|b| b.transpose(1, 2))
                .param("transposed", transposed),
            Row::new(&SOLVE_TRIANGULAR, &format!("f32/1x9x2/{way}/large"))
                .value(triangles(1, 9))
                .range(&[1, 9, 2], -1e30, 1e30)
                .param("transposed", transposed),
            Row::new(&SOLVE_TRIANGULAR, &format!("f32/1x4x2/{way}/zeros"))
                .value(triangles(1, 4))
                .list(&[1, 4, 2], &[0.0, -0.0, 0.0, -0.0, 0.0, 0.0, 0.0, 0.0])
                .param("transposed", transposed),
        ]);
        // torch: torch.linalg.solve_triangular(l, b, upper=False), and with l.mT and upper=True
        let (b, x) = if transposed {
            ([6.0, 10.0, 7.0, -11.0, 3.0, -6.0], [1.0, 0.0, 2.0, -1.0, 1.0, -2.0])
        } else {
            ([2.0, 1.0, 7.0, -3.0, -3.0, 2.0], [1.0, 0.5, 1.0, -6.0, 0.0, 12.0])
        };
        rows.push(
            Row::new(&SOLVE_TRIANGULAR, &format!("f32/3x2/{way}/golden"))
                .list(&[3, 3], &[2.0, 0.0, 0.0, 6.0, 1.0, 0.0, -8.0, 5.0, 3.0])
                .list(&[3, 2], &b)
                .param("transposed", transposed)
                .golden(0, &x, 1e-13),
        );
    }
    rows
}
