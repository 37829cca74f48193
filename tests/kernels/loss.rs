//! Rows of the loss family.

use crate::row::Row;
use handmill::kernels::loss::cross_entropy::CROSS_ENTROPY;
use handmill::kernels::loss::cross_entropy_backward::CROSS_ENTROPY_BACKWARD;
use handmill::kernels::loss::elementwise::{BCE_WITH_LOGITS, HUBER};
use handmill::tensor::HostTensor;

/// Every row.
pub fn rows() -> Vec<Row> {
    [cross_entropy(), cross_entropy_backward(), bce_with_logits(), huber()].into_iter().flatten().collect()
}

fn labels(labels: &[i32]) -> HostTensor {
    HostTensor::i32(&[labels.len()], labels.to_vec())
}

/// 1, workgroup − 1, workgroup, workgroup + 1 for both workgroup sizes, primes, more than 65,535 groups.
const SIZES: &[(usize, usize)] = &[
    (8, 96),
    (1, 1),
    (3, 63),
    (3, 64),
    (3, 65),
    (9, 10),
    (17, 257),
    (2, 1023),
    (1, 1025),
    (2, 4099),
    (65_537, 2),
    (70_000, 17),
];

/// Logits at which exponentials and their sums have no middle.
const EXTREME: [f32; 12] = [1e4, -1e4, 1e4, 0.0, 1e4, 1e4, 1e4, 1e4, -1e4, 5e3, -5e3, 88.0];

fn cross_entropy() -> Vec<Row> {
    let row = |r: usize, c: usize, note: &str| {
        Row::new(&CROSS_ENTROPY, &format!("f32/{r}x{c}{note}")).range(&[r, c], -5.0, 5.0).ids(&[r], c)
    };
    let weighted =
        |r: usize, c: usize| row(r, c, "/weights_smoothing").range(&[c], 0.0, 2.0).param("label_smoothing", 0.1);
    let mut rows: Vec<Row> = SIZES.iter().map(|&(r, c)| row(r, c, "").none()).collect();
    rows.extend(SIZES.iter().filter(|&&(r, _)| r < 100).map(|&(r, c)| weighted(r, c)));
    let z = |label: &str| {
        Row::new(&CROSS_ENTROPY, label).list(&[2, 3], &[1.0, 2.0, 3.0, 0.0, -1.0, 0.5]).value(labels(&[0, 2]))
    };
    rows.extend([
        row(5, 70, "/smoothing").none().param("label_smoothing", 0.25),
        row(5, 70, "/all_smooth").none().param("label_smoothing", 1.0),
        row(5, 70, "/weights").range(&[70], 0.1, 3.0),
        row(7, 3, "/ignored").none().param("ignore_index", 1i64),
        row(7, 3, "/ignored_smoothing").f32(&[3]).param("ignore_index", 1i64).param("label_smoothing", 0.5),
        Row::new(&CROSS_ENTROPY, "f32/2x3x11/batch").f32(&[2, 3, 11]).ids(&[2, 3], 11).none(),
        Row::new(&CROSS_ENTROPY, "f32/6/one_row").f32(&[6]).ids(&[], 6).none(),
        Row::new(&CROSS_ENTROPY, "f32/5x33/strided").f32(&[33, 5]).view(|z| z.transpose(0, 1)).ids(&[5], 33).none(),
        // Labels that are no class, beside ones that are, and one to ignore.
        Row::new(&CROSS_ENTROPY, "f32/6x4/no_class")
            .f32(&[6, 4])
            .value(labels(&[-1, 4, 3, i32::MAX, i32::MIN, -100]))
            .none(),
        Row::new(&CROSS_ENTROPY, "f32/3x4/extreme").list(&[3, 4], &EXTREME).value(labels(&[1, 2, 0])).none(),
        Row::new(&CROSS_ENTROPY, "f32/3x4/extreme_smoothing")
            .list(&[3, 4], &EXTREME)
            .value(labels(&[1, 2, 3]))
            .none()
            .param("label_smoothing", 0.1),
        Row::new(&CROSS_ENTROPY, "f32/9x80/large").range(&[9, 80], -1e4, 1e4).ids(&[9], 80).none(),
        Row::new(&CROSS_ENTROPY, "f32/1x8/all_equal").list(&[1, 8], &[-7.5; 8]).value(labels(&[5])).none(),
        Row::new(&CROSS_ENTROPY, "f32/1x1/one_class").list(&[1, 1], &[1e4]).value(labels(&[0])).none(),
        // The logarithm of a sum that is barely above 1.
        Row::new(&CROSS_ENTROPY, "f32/1x2/sure").list(&[1, 2], &[15.0, 0.0]).value(labels(&[0])).none(),
        // numpy: z=np.array([[1.,2,3],[0,-1,.5]]); t=[0,2]; l=np.log(np.exp(z).sum(1,keepdims=True))
        //        (l-z)[[0,1],t], l
        z("f32/2x3/golden")
            .none()
            .golden(0, &[2.4076059644, 0.6041306053], 1e-9)
            .golden(1, &[3.4076059644, 1.1041306053], 1e-9)
            .golden(2, &[1.0, 1.0], 0.0),
        // numpy: v=np.array([.5,1,2]); .9*v[t]*(l-z)[[0,1],t]+.1/3*((l-z)*v).sum(1)
        z("f32/2x3/golden_weights_smoothing")
            .list(&[3], &[0.5, 1.0, 2.0])
            .param("label_smoothing", 0.1)
            .golden(0, &[1.1976433799, 1.2162503269], 1e-9)
            .golden(2, &[0.5, 2.0], 0.0),
    ]);
    rows
}

fn cross_entropy_backward() -> Vec<Row> {
    let start = |r: usize, c: usize, note: &str| {
        Row::new(&CROSS_ENTROPY_BACKWARD, &format!("f32/{r}x{c}{note}")).range(&[r, c], -5.0, 5.0).ids(&[r], c)
    };
    // The logarithm of the sum of exponentials is given, so it need not be that of the logits.
    let finish = |row: Row, r: usize| row.range(&[r], 4.0, 6.0).f32(&[r]);
    let weighted = |r: usize, c: usize| {
        finish(start(r, c, "/weights_smoothing").range(&[c], 0.0, 2.0), r).param("label_smoothing", 0.1)
    };
    let mut rows: Vec<Row> = SIZES.iter().map(|&(r, c)| finish(start(r, c, "").none(), r)).collect();
    rows.extend(SIZES.iter().filter(|&&(r, _)| r < 100).map(|&(r, c)| weighted(r, c)));
    let z = |label: &str| {
        Row::new(&CROSS_ENTROPY_BACKWARD, label).list(&[2, 3], &[1.0, 2.0, 3.0, 0.0, -1.0, 0.5]).value(labels(&[0, 2]))
    };
    rows.extend([
        finish(start(5, 70, "/smoothing").none(), 5).param("label_smoothing", 0.25),
        finish(start(5, 70, "/all_smooth").none(), 5).param("label_smoothing", 1.0),
        finish(start(5, 70, "/weights").range(&[70], 0.1, 3.0), 5),
        finish(start(7, 3, "/ignored").none(), 7).param("ignore_index", 1i64),
        Row::new(&CROSS_ENTROPY_BACKWARD, "f32/2x3x11/batch")
            .f32(&[2, 3, 11])
            .ids(&[2, 3], 11)
            .none()
            .range(&[2, 3], 2.0, 3.0)
            .f32(&[2, 3]),
        Row::new(&CROSS_ENTROPY_BACKWARD, "f32/5x33/strided")
            .f32(&[33, 5])
            .view(|z| z.transpose(0, 1))
            .ids(&[5], 33)
            .none()
            .range(&[5], 3.0, 4.0)
            .f32(&[])
            .view(|d| d.broadcast_to(&[5])),
        Row::new(&CROSS_ENTROPY_BACKWARD, "f32/6x4/no_class")
            .f32(&[6, 4])
            .value(labels(&[-1, 4, 3, i32::MAX, i32::MIN, -100]))
            .none()
            .range(&[6], 1.0, 2.0)
            .f32(&[6]),
        Row::new(&CROSS_ENTROPY_BACKWARD, "f32/3x4/extreme")
            .list(&[3, 4], &EXTREME)
            .value(labels(&[1, 2, 0]))
            .none()
            .list(&[3], &[10000.693, 10001.386, 5000.0])
            .f32(&[3]),
        Row::new(&CROSS_ENTROPY_BACKWARD, "f32/1x8/all_equal")
            .list(&[1, 8], &[-7.5; 8])
            .value(labels(&[5]))
            .none()
            .list(&[1], &[-5.420558])
            .f32(&[1]),
        Row::new(&CROSS_ENTROPY_BACKWARD, "f32/1x1/one_class")
            .list(&[1, 1], &[1e4])
            .value(labels(&[0]))
            .none()
            .list(&[1], &[1e4])
            .f32(&[1]),
        // numpy, as for cross_entropy: d=np.array([2.,-1]); p=np.exp(z-l); o=np.eye(3)[t]; d[:,None]*(p-o)
        z("f32/2x3/golden").none().list(&[2], &LSE).list(&[2], &[2.0, -1.0]).golden(
            0,
            &[-1.8199388537, 0.4894569421, 1.3304819115, -0.3314989604, -0.1219516523, 0.4534506127],
            1e-6,
        ),
        // numpy: d[:,None]*(.9*v[t][:,None]*(p-o)+.1/3*(p*v.sum()-v))
        z("f32/2x3/golden_weights_smoothing")
            .list(&[3], &[0.5, 1.0, 2.0])
            .list(&[2], &LSE)
            .list(&[2], &[2.0, -1.0])
            .param("label_smoothing", 0.1)
            .golden(0, &[-0.8312986837, 0.2106922672, 0.6206064165, -0.6187063408, -0.2004073336, 0.8191136744], 1e-6),
    ]);
    rows
}

/// Of the logits of the goldens.
const LSE: [f32; 2] = [3.407606, 1.1041306];

fn bce_with_logits() -> Vec<Row> {
    let row = |n: usize| Row::new(&BCE_WITH_LOGITS, &format!("f32/{n}")).range(&[n], -8.0, 8.0).range(&[n], 0.0, 1.0);
    let mut rows: Vec<Row> = [1, 63, 64, 65, 4099, 4_200_001].into_iter().map(row).collect();
    let o = [1e4, -1e4, 1e4, -1e4, 0.0, -0.0, 1e-40, 88.0, -104.0, 20.0, 1e30];
    let y = [1.0, 0.0, 0.0, 1.0, 0.5, 1.0, 1.0, 1.0, 0.0, 0.25, 1.0];
    rows.extend([
        Row::new(&BCE_WITH_LOGITS, "f32/2x3x5/axes").f32(&[2, 3, 5]).range(&[2, 3, 5], 0.0, 1.0),
        Row::new(&BCE_WITH_LOGITS, "f32/4x3/strided")
            .f32(&[3, 4])
            .view(|o| o.transpose(0, 1))
            .range(&[3], 0.0, 1.0)
            .view(|y| y.broadcast_to(&[4, 3])),
        Row::new(&BCE_WITH_LOGITS, "f32/11/special").list(&[11], &o).list(&[11], &y),
        // numpy: o=np.array([2.,-3,0]); y=np.array([.25,1,0]); np.logaddexp(0,o)-o*y
        Row::new(&BCE_WITH_LOGITS, "f32/3/golden").list(&[3], &[2.0, -3.0, 0.0]).list(&[3], &[0.25, 1.0, 0.0]).golden(
            0,
            &[1.6269280110, 3.0485873516, std::f64::consts::LN_2],
            1e-9,
        ),
    ]);
    rows
}

fn huber() -> Vec<Row> {
    let row = |n: usize, delta: f64| {
        Row::new(&HUBER, &format!("f32/{n}/delta_{delta}")).range(&[n], -3.0, 3.0).f32(&[n]).param("delta", delta)
    };
    vec![
        row(1, 1.0),
        row(63, 1.0),
        row(64, 0.1),
        row(65, 1e-3),
        row(4099, 2.5),
        row(4_200_001, 1.0),
        Row::new(&HUBER, "f32/2x3x5/axes").f32(&[2, 3, 5]).f32(&[2, 3, 5]),
        Row::new(&HUBER, "f32/8/special")
            .list(&[8], &[0.0, -0.0, 1.0, -1.0, 1.0000001, 1e30, -1e-30, 1e-40])
            .list(&[8], &[0.0; 8]),
        // numpy: e=np.array([.5,-3,2]); np.where(abs(e)<=2, e*e/2, 2*(abs(e)-1))
        Row::new(&HUBER, "f32/3/golden")
            .list(&[3], &[1.5, -2.0, 3.0])
            .list(&[3], &[1.0, 1.0, 1.0])
            .param("delta", 2.0)
            .golden(0, &[0.125, 4.0, 2.0], 0.0),
    ]
}
