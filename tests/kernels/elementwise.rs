//! Rows of the elementwise family.

use handmill::graph::Tensor;
use handmill::kernel::Kernel;
use handmill::kernels::elementwise::{activation, binary, binary_backward, cast, chain, compare, fill};
use handmill::kernels::elementwise::{parametric, parametric_backward, unary, unary_backward, r#where};
use handmill::tensor::HostTensor;

use crate::row::Row;

/// Every row.
pub fn rows() -> Vec<Row> {
    let parts =
        [unary_rows(), angle_rows(), parametric_rows(), binary_rows(), choice_rows(), chain_rows(), cast_rows()];
    let gradients = [unary_backward_rows(), parametric_backward_rows(), binary_backward_rows()];
    parts.into_iter().chain(gradients).flatten().collect()
}

/// `n` values with exponents spread evenly over `low..high` and random mantissas, of alternating sign if
/// `signed`.
fn spread(low: i32, high: i32, n: usize, signed: bool) -> Vec<f32> {
    let mut state = 0x2545_f491u32;
    (0..n)
        .map(|i| {
            state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
            let exponent = low + (i64::from(high - low) * i as i64 / n as i64) as i32;
            let sign = if signed && i % 2 == 1 { 0x8000_0000 } else { 0 };
            f32::from_bits((((exponent + 127) as u32) << 23) | (state >> 9) | sign)
        })
        .collect()
}

/// Zeros, denormals, the smallest normal, and the largest finite values.
const SPECIAL: [f32; 10] =
    [0.0, -0.0, 1e-45, -1e-45, 1e-39, -1e-39, f32::MIN_POSITIVE, -f32::MIN_POSITIVE, f32::MAX, -f32::MAX];

const POINTS: [f32; 7] = [-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0];
const POSITIVE: [f32; 7] = [0.25, 0.5, 1.0, 2.0, 3.0, 10.0, 1000.0];

/// What values a function is tried on beside those every one is.
#[derive(PartialEq)]
enum Domain {
    All,
    Positive,
    Nonzero,
}

/// mpmath at POINTS, or at POSITIVE for functions of positive numbers (30 digits, printed as f64).
#[rustfmt::skip]
fn unary_table() -> Vec<(&'static Kernel, Domain, [f64; 7])> {
    use Domain::{All, Nonzero, Positive};
    vec![
        (&unary::NEG, All, [3.0, 1.0, 0.5, 0.0, -0.5, -1.0, -3.0]),
        (&unary::ABS, All, [3.0, 1.0, 0.5, 0.0, 0.5, 1.0, 3.0]),
        (&unary::SIGN, All, [-1.0, -1.0, -1.0, 0.0, 1.0, 1.0, 1.0]),
        (&unary::EXP, All, [0.049787068367863944, 0.36787944117144233, 0.6065306597126334, 1.0, 1.6487212707001282, std::f64::consts::E, 20.085536923187668]),
        (&unary::SQUARE, All, [9.0, 1.0, 0.25, 0.0, 0.25, 1.0, 9.0]),
        (&unary::FLOOR, All, [-3.0, -1.0, -1.0, 0.0, 0.0, 1.0, 3.0]),
        (&unary::SIN, All, [-0.1411200080598672, -0.8414709848078965, -0.479425538604203, 0.0, 0.479425538604203, 0.8414709848078965, 0.1411200080598672]),
        (&unary::COS, All, [-0.9899924966004454, 0.5403023058681398, 0.8775825618903728, 1.0, 0.8775825618903728, 0.5403023058681398, -0.9899924966004454]),
        (&unary::TANH, All, [-0.9950547536867305, -0.7615941559557649, -0.46211715726000974, 0.0, 0.46211715726000974, 0.7615941559557649, 0.9950547536867305]),
        (&unary::ERF, All, [-0.9999779095030014, -0.8427007929497149, -0.5204998778130465, 0.0, 0.5204998778130465, 0.8427007929497149, 0.9999779095030014]),
        (&unary::SIGMOID, All, [0.04742587317756678, 0.2689414213699951, 0.37754066879814546, 0.5, 0.6224593312018546, 0.7310585786300049, 0.9525741268224333]),
        (&unary::RELU, All, [0.0, 0.0, 0.0, 0.0, 0.5, 1.0, 3.0]),
        (&unary::GELU, All, [-0.0040496940948902835, -0.15865525393145705, -0.15426876936299344, 0.0, 0.34573123063700656, 0.8413447460685429, 2.99595030590511]),
        (&unary::GELU_TANH, All, [-0.003637392081773019, -0.1588080093917233, -0.15428599017485609, 0.0, 0.34571400982514394, 0.8411919906082767, 2.996362607918227]),
        (&unary::QUICK_GELU, All, [-0.018071309707785966, -0.1542042340671787, -0.1496115633936199, 0.0, 0.35038843660638014, 0.8457957659328212, 2.981928690292214]),
        (&unary::SILU, All, [-0.14227761953270035, -0.2689414213699951, -0.18877033439907273, 0.0, 0.3112296656009273, 0.7310585786300049, 2.8577223804672998]),
        (&unary::HARDSWISH, All, [0.0, -0.3333333333333333, -0.20833333333333334, 0.0, 0.2916666666666667, 0.6666666666666666, 3.0]),
        (&unary::MISH, All, [-0.14564746127562458, -0.3034014613741089, -0.22074377465173, 0.0, 0.37524521130489513, 0.8650983882673103, 2.9865350049679575]),
        (&unary::LOG, Positive, [-1.3862943611198906, -std::f64::consts::LN_2, 0.0, std::f64::consts::LN_2, 1.0986122886681098, std::f64::consts::LN_10, 6.907755278982137]),
        (&unary::SQRT, Positive, [0.5, std::f64::consts::FRAC_1_SQRT_2, 1.0, std::f64::consts::SQRT_2, 1.7320508075688772, 3.1622776601683795, 31.622776601683793]),
        (&unary::RSQRT, Positive, [2.0, std::f64::consts::SQRT_2, 1.0, std::f64::consts::FRAC_1_SQRT_2, 0.5773502691896257, 0.31622776601683794, 0.03162277660168379]),
        (&unary::RECIPROCAL, Nonzero, [4.0, 2.0, 1.0, 0.5, 0.3333333333333333, 0.1, 0.001]),
    ]
}

fn unary_rows() -> Vec<Row> {
    let mut rows = vec![];
    for (kernel, domain, golden) in unary_table() {
        let new = |label: &str| Row::new(kernel, label);
        let points = if domain == Domain::All { POINTS } else { POSITIVE };
        let (low, high) = if domain == Domain::All { (-8.0, 8.0) } else { (0.01, 8.0) };
        rows.push(new("f32/7/golden").list(&[7], &points).golden(0, &golden, 1e-14));
        rows.push(new("f32/1").range(&[1], low, high));
        rows.push(new("f32/2x1024").range(&[2, 1024], low, high));
        rows.push(new("f32/3x5x7/permuted").range(&[3, 5, 7], low, high).view(|t| t.permute(&[2, 0, 1])));
        let full = match domain {
            Domain::All => spread(-126, 127, 1021, true),
            Domain::Positive => spread(-126, 127, 1021, false),
            Domain::Nonzero => spread(-125, 125, 1021, true),
        };
        rows.push(new("f32/1021/every_exponent").list(&[1021], &full));
        if domain == Domain::All {
            rows.push(new("f32/10/special").list(&[10], &SPECIAL));
        }
    }
    for n in [63, 64, 65, 255, 256, 257] {
        rows.push(Row::new(&unary::GELU, &format!("f32/{n}")).range(&[n], -4.0, 4.0));
    }
    let bent: fn(Tensor<'_>) -> Tensor<'_> = |t| t.slice(0, 1, 3).slice_step(1, 1, 3, 2).broadcast_to(&[2, 3, 3]);
    rows.push(Row::new(&unary::TANH, "f32/2x3x3/sliced_and_repeated").f32(&[5, 7]).view(bent));
    rows.push(Row::new(&unary::NEG, "f32/12/offset").f32(&[16]).view(|t| t.slice(0, 4, 12)));
    rows.push(
        Row::new(&unary::SQUARE, "f32/2x1x3x2x2x3x2x2/rank_8")
            .f32(&[2; 8])
            .view(|t| t.permute(&[7, 5, 3, 1, 6, 4, 2, 0])),
    );
    // 65,537 workgroups of 64, one element over.
    rows.push(Row::new(&unary::RELU, "f32/4194305/folded").f32(&[4_194_305]));
    rows.push(Row::new(&unary::TANH, "f32/1021/tiny").list(&[1021], &spread(-30, 2, 1021, true)));
    rows.push(Row::new(&unary::ERF, "f32/1021/small").list(&[1021], &spread(-20, 3, 1021, true)));
    rows.push(Row::new(&unary::GELU, "f32/1021/tail").range(&[1021], -14.0, -1.0));
    rows.push(Row::new(&unary::EXP, "f32/1021/wide").range(&[1021], -110.0, 95.0));
    rows.push(Row::new(&unary::SIGMOID, "f32/1021/wide").range(&[1021], -110.0, 110.0));
    rows.push(Row::new(&unary::LOG, "f32/1021/near_1").range(&[1021], 0.98, 1.02));
    let edges = [0.0, -0.0, 1e-45, 1e-39, f32::MIN_POSITIVE, f32::MAX, 1.0, 0.99999994, 1.0000001, f32::INFINITY, -1.0];
    rows.push(Row::new(&unary::LOG, "f32/11/special").list(&[11], &edges));
    rows.push(Row::new(&unary::SQRT, "f32/4/zeros").list(&[4], &[0.0, -0.0, 4.0, 1.0]));
    let halves = [0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 8_388_607.5, -8_388_607.5];
    rows.push(Row::new(&unary::FLOOR, "f32/8/halves").list(&[8], &halves));
    rows
}

/// Sine and cosine beside multiples of π/2, and where reduction needs every bit.
fn angle_rows() -> Vec<Row> {
    let large = [1e4, 8191.5, 12_345.679, 1e9, 1e30];
    let multiples: Vec<f32> = (0..999).map(|i| ((f64::from(i) * 13.0) * std::f64::consts::FRAC_PI_2) as f32).collect();
    let golden_sin = [-0.30561438888825215, -0.9794975520550289, -0.7035762853815885, 0.5458434494486996, 0.0];
    let golden_cos = [-0.9521553682590148, -0.20145606349327386, 0.7106197370244128, 0.8378871813639024, 0.0];
    let mut rows = vec![];
    for (kernel, golden) in [(&unary::SIN, golden_sin), (&unary::COS, golden_cos)] {
        // mpmath; the f64 nearest to 1e30 is another number than the f32, so it is left out.
        rows.push(Row::new(kernel, "f32/4/large").list(&[4], &large[..4]).golden(0, &golden[..4], 1e-12));
        rows.push(Row::new(kernel, "f32/5/huge").list(&[5], &large));
        rows.push(Row::new(kernel, "f32/1021/10000").range(&[1021], -1e4, 1e4));
        rows.push(Row::new(kernel, "f32/999/multiples_of_half_pi").list(&[999], &multiples));
        rows.push(Row::new(kernel, "f32/2/odd_multiple").list(&[2], &[8192.0, 5.874_1e9]));
    }
    rows
}

fn parametric_rows() -> Vec<Row> {
    use parametric::{CLAMP, ELU, LEAKY_RELU, SOFTPLUS};
    // mpmath at POINTS
    let elu = [-0.950212931632136, -0.6321205588285577, -0.3934693402873666, 0.0, 0.5, 1.0, 3.0];
    let softplus = [
        0.04858735157374206,
        0.3132616875182228,
        0.4740769841801067,
        std::f64::consts::LN_2,
        0.9740769841801067,
        1.3132616875182228,
        3.048587351573742,
    ];
    let leaky = [-0.03, -0.01, -0.005, 0.0, 0.5, 1.0, 3.0];
    let mut rows = vec![
        Row::new(&LEAKY_RELU, "f32/7/golden").list(&[7], &POINTS).golden(0, &leaky, 1e-8),
        Row::new(&LEAKY_RELU, "f32/1021/slope").range(&[1021], -8.0, 8.0).param("slope", 0.3),
        Row::new(&ELU, "f32/7/golden").list(&[7], &POINTS).golden(0, &elu, 1e-12),
        Row::new(&ELU, "f32/1021/alpha").range(&[1021], -8.0, 8.0).param("alpha", 1.7),
        Row::new(&ELU, "f32/1021/tiny").list(&[1021], &spread(-30, 2, 1021, true)),
        Row::new(&SOFTPLUS, "f32/7/golden").list(&[7], &POINTS).golden(0, &softplus, 1e-12),
        Row::new(&SOFTPLUS, "f32/1021/beta").range(&[1021], -8.0, 8.0).param("beta", 2.5),
        Row::new(&SOFTPLUS, "f32/1021/threshold").range(&[1021], -8.0, 8.0).param("beta", -0.5).param("threshold", 2.0),
        Row::new(&SOFTPLUS, "f32/1021/wide").range(&[1021], -110.0, 110.0),
        Row::new(&CLAMP, "f32/7/golden").list(&[7], &POINTS).param("min", -1.0).param("max", 0.5).golden(
            0,
            &[-1.0, -1.0, -0.5, 0.0, 0.5, 0.5, 0.5],
            0.0,
        ),
        Row::new(&CLAMP, "f32/1021/defaults").list(&[1021], &spread(-126, 127, 1021, true)),
    ];
    for kernel in [&LEAKY_RELU, &ELU, &SOFTPLUS, &CLAMP] {
        rows.push(Row::new(kernel, "f32/10/special").list(&[10], &SPECIAL));
        rows.push(Row::new(kernel, "f32/1021/every_exponent").list(&[1021], &spread(-126, 127, 1021, true)));
        rows.push(Row::new(kernel, "f32/1").f32(&[1]));
        rows.push(Row::new(kernel, "f32/7x9/transposed").f32(&[7, 9]).view(|t| t.transpose(0, 1)));
    }
    rows
}

fn binary_rows() -> Vec<Row> {
    use binary::{ADD, DIV, MAXIMUM, MINIMUM, MUL, POW, SUB};
    let mut rows = vec![];
    // numpy: a = np.array([1.5, -2, 3, 8]); b = np.array([2., 3, -2, 0.5]); a + b, …
    let table: [(&'static Kernel, [f64; 4]); 7] = [
        (&ADD, [3.5, 1.0, 1.0, 8.5]),
        (&SUB, [-0.5, -5.0, 5.0, 7.5]),
        (&MUL, [3.0, -6.0, -6.0, 4.0]),
        (&DIV, [0.75, -0.6666666666666666, -1.5, 16.0]),
        (&MAXIMUM, [2.0, 3.0, 3.0, 8.0]),
        (&MINIMUM, [1.5, -2.0, -2.0, 0.5]),
        (&POW, [2.25, -8.0, 0.1111111111111111, 2.8284271247461903]),
    ];
    for (kernel, golden) in table {
        let new = |label: &str| Row::new(kernel, label);
        let (low, high) = if std::ptr::eq(kernel, &POW) { (0.1, 4.0) } else { (-4.0, 4.0) };
        rows.push(
            new("f32/4/golden")
                .list(&[4], &[1.5, -2.0, 3.0, 8.0])
                .list(&[4], &[2.0, 3.0, -2.0, 0.5])
                .golden(0, &golden, 1e-14),
        );
        rows.push(new("f32/1").range(&[1], low, high).range(&[1], 0.5, 2.0));
        rows.push(new("f32/3x256").range(&[3, 256], low, high).range(&[3, 256], 0.5, 2.0));
        rows.push(new("f32/2x251").range(&[2, 251], low, high).range(&[2, 251], 0.5, 2.0));
        rows.push(
            new("f32/3x5x7/bias_on_channels")
                .range(&[3, 5, 7], low, high)
                .range(&[5, 1], 0.5, 2.0)
                .view(|t| t.broadcast_to(&[3, 5, 7])),
        );
        rows.push(
            new("f32/5x7/outer")
                .range(&[5, 1], low, high)
                .view(|t| t.broadcast_to(&[5, 7]))
                .range(&[7, 5], 0.5, 2.0)
                .view(|t| t.transpose(0, 1)),
        );
        rows.push(new("f32/64/scalar").range(&[64], low, high).range(&[], 0.5, 2.0).view(|t| t.broadcast_to(&[64])));
    }
    for kernel in [&ADD, &SUB, &MUL, &MAXIMUM, &MINIMUM] {
        let ints = |n: usize, seed: i32| {
            let value = |i: usize| (i as i32).wrapping_mul(-1_640_531_527).wrapping_add(seed);
            HostTensor::i32(&[n], (0..n).map(value).collect())
        };
        rows.push(Row::new(kernel, "i32/256/wraps").value(ints(256, 7)).value(ints(256, -9)));
        rows.push(Row::new(kernel, "i32/65").value(ints(65, 5)).value(ints(65, 1_000_000_007)));
        rows.push(Row::new(kernel, "i32/3x4/row").ids(&[3, 4], 100).ids(&[4], 100).view(|t| t.broadcast_to(&[3, 4])));
        rows.push(Row::new(kernel, "f32/10/special").list(&[10], &SPECIAL).list(&[10], &[1.0; 10]));
        rows.push(
            Row::new(kernel, "f32/1021/every_exponent")
                .list(&[1021], &spread(-126, 126, 1021, true))
                .list(&[1021], &spread(-126, 126, 1021, true)),
        );
    }
    rows.push(
        Row::new(&DIV, "f32/1021/every_exponent")
            .list(&[1021], &spread(-62, 62, 1021, true))
            .list(&[1021], &spread(-62, 62, 1021, false)),
    );
    // IEEE 754-2019, 9.2.1: x^±0 is 1; ±0 with odd, even and fractional exponents; negative bases.
    let a = [0.0, -0.0, 5.0, 0.0, -0.0, -0.0, -2.0, -2.0, -8.0, 1.0, 10.0, 2.0, -1.0, 1e-40];
    let b = [0.0, 0.0, 0.0, 2.5, 3.0, 4.0, 3.0, -2.0, 5.0, 77.0, -1.0, 0.5, 1e9, 2.0];
    let y = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, -8.0, 0.25, -32768.0, 1.0, 0.1, std::f64::consts::SQRT_2, 1.0, 0.0];
    rows.push(Row::new(&POW, "f32/14/special").list(&[14], &a).list(&[14], &b).golden(0, &y, 1e-14));
    rows.push(Row::new(&POW, "f32/1021/every_exponent").list(&[1021], &spread(-60, 60, 1021, false)).range(
        &[1021],
        -2.0,
        2.0,
    ));
    rows.push(Row::new(&POW, "f32/1021/near_1").range(&[1021], 0.99, 1.01).range(&[1021], -1000.0, 1000.0));
    rows.push(
        Row::new(&ADD, "f32/1024x4097/folded")
            .f32(&[1024, 1])
            .view(|t| t.broadcast_to(&[1024, 4097]))
            .f32(&[4097])
            .view(|t| t.broadcast_to(&[1024, 4097])),
    );
    rows
}

fn choice_rows() -> Vec<Row> {
    use compare::COMPARE;
    use r#where::WHERE;
    let mut rows = vec![];
    // numpy: np.array([1., 2, 3, -0.]) < np.array([2., 2, 2, 0]), …
    let table = [
        ("eq", [0.0, 1.0, 0.0, 1.0]),
        ("ne", [1.0, 0.0, 1.0, 0.0]),
        ("lt", [1.0, 0.0, 0.0, 0.0]),
        ("le", [1.0, 1.0, 0.0, 1.0]),
        ("gt", [0.0, 0.0, 1.0, 0.0]),
        ("ge", [0.0, 1.0, 1.0, 1.0]),
    ];
    for (op, golden) in table {
        let row = |label: &str| Row::new(&COMPARE, &format!("{label}/{op}")).param("op", op);
        rows.push(
            row("f32/4/golden")
                .list(&[4], &[1.0, 2.0, 3.0, -0.0])
                .list(&[4], &[2.0, 2.0, 2.0, 0.0])
                .golden(0, &golden, 0.0),
        );
        rows.push(row("i32/257").ids(&[257], 5).ids(&[257], 5));
        rows.push(row("f32/5x7").f32(&[5, 7]).f32(&[7]).view(|t| t.broadcast_to(&[5, 7])));
        let extreme = [i32::MIN, i32::MAX, -1, 0];
        rows.push(
            row("i32/4/extremes")
                .value(HostTensor::i32(&[4], extreme.to_vec()))
                .value(HostTensor::i32(&[4], vec![0; 4])),
        );
    }
    // numpy: np.where([1, 0, 2], [1., 2, 3], [4., 5, 6])
    rows.push(
        Row::new(&WHERE, "f32/3/golden")
            .value(HostTensor::i32(&[3], vec![1, 0, 2]))
            .list(&[3], &[1.0, 2.0, 3.0])
            .list(&[3], &[4.0, 5.0, 6.0])
            .golden(0, &[1.0, 5.0, 3.0], 0.0),
    );
    rows.push(Row::new(&WHERE, "f32/1").ids(&[1], 2).f32(&[1]).f32(&[1]));
    rows.push(
        Row::new(&WHERE, "f32/2x3x65/causal")
            .ids(&[3, 65], 2)
            .view(|t| t.broadcast_to(&[2, 3, 65]))
            .f32(&[2, 3, 65])
            .range(&[], -1e9, -1e8)
            .view(|t| t.broadcast_to(&[2, 3, 65])),
    );
    rows.push(Row::new(&WHERE, "i32/257").ids(&[257], 2).ids(&[257], 9).ids(&[257], 9));
    rows.push(
        Row::new(&WHERE, "u32/2/bits")
            .value(HostTensor::i32(&[2], vec![0, 1]))
            .value(HostTensor::u32(&[2], vec![0x7fc0_0001, 0x7fc0_0002]))
            .value(HostTensor::u32(&[2], vec![0xff80_0003, 1])),
    );
    rows
}

fn chain_rows() -> Vec<Row> {
    let mut rows = vec![];
    for kernel in [&chain::ADD_ACTIVATION, &chain::MUL_ACTIVATION] {
        for name in activation::NAMES {
            let row = |label: &str| Row::new(kernel, &format!("{label}/{name}")).param("activation", name);
            rows.push(row("f32/2x512").range(&[2, 512], -4.0, 4.0).range(&[2, 512], -2.0, 2.0));
            rows.push(row("f32/251/wide").range(&[251], -30.0, 30.0).range(&[251], -2.0, 2.0));
        }
        let gate: fn(Tensor<'_>) -> Tensor<'_> = |t| t.slice(-1, 0, 5);
        let up: fn(Tensor<'_>) -> Tensor<'_> = |t| t.slice(-1, 5, 5);
        rows.push(Row::new(kernel, "f32/3x5/halves").f32(&[3, 10]).view(gate).f32(&[3, 10]).view(up));
        rows.push(Row::new(kernel, "f32/1").f32(&[1]).f32(&[1]));
        rows.push(Row::new(kernel, "f32/4x6/bias").f32(&[4, 6]).f32(&[6]).view(|t| t.broadcast_to(&[4, 6])));
    }
    // mpmath: silu(1)·2, silu(−3)·0.5; relu is exact.
    rows.push(
        Row::new(&chain::MUL_ACTIVATION, "f32/2/golden").list(&[2], &[1.0, -3.0]).list(&[2], &[2.0, 0.5]).golden(
            0,
            &[1.4621171572600098, -0.07113880976635017],
            1e-14,
        ),
    );
    rows.push(
        Row::new(&chain::ADD_ACTIVATION, "f32/2/golden").list(&[2], &[1.0, -3.0]).list(&[2], &[2.0, 0.5]).golden(
            0,
            &[3.0, 0.0],
            0.0,
        ),
    );
    rows
}

fn cast_rows() -> Vec<Row> {
    use cast::CAST;
    use fill::{FILL, IOTA};
    let edges =
        [0.9, -0.9, 2_147_483_520.0, 2_147_483_648.0, -2_147_483_648.0, -3e9, f32::NAN, 1e-40, 4e9, f32::INFINITY];
    let ints = vec![0, 1, -1, 16_777_217, -16_777_219, i32::MAX, i32::MIN];
    let bits = vec![0, 1, 16_777_217, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    // Rust: 0.9f32 as i32, …
    let clamped =
        [0.0, 0.0, 2147483520.0, 2147483647.0, -2147483648.0, -2147483648.0, 0.0, 0.0, 2147483647.0, 2147483647.0];
    vec![
        Row::new(&CAST, "f32/10/to_i32").list(&[10], &edges).param("to", "i32").golden(0, &clamped, 0.0),
        Row::new(&CAST, "f32/10/to_u32").list(&[10], &edges).param("to", "u32"),
        Row::new(&CAST, "f32/1021/to_i32").range(&[1021], -1e6, 1e6).param("to", "i32"),
        Row::new(&CAST, "i32/7/to_f32").value(HostTensor::i32(&[7], ints.clone())),
        Row::new(&CAST, "i32/7/to_u32").value(HostTensor::i32(&[7], ints)).param("to", "u32"),
        Row::new(&CAST, "u32/6/to_f32").value(HostTensor::u32(&[6], bits.clone())),
        Row::new(&CAST, "u32/6/to_i32").value(HostTensor::u32(&[6], bits)).param("to", "i32"),
        Row::new(&CAST, "f32/5/to_f32").f32(&[5]),
        Row::new(&CAST, "i32/5x7/transposed").ids(&[5, 7], 1000).view(|t| t.transpose(0, 1)),
        Row::new(&FILL, "f32/2x3").param("shape", vec![2, 3]).param("value", 0.1).golden(0, &[0.1; 6], 1e-8),
        Row::new(&FILL, "i32/65").param("shape", vec![65]).param("value", -7i64).param("dtype", "i32"),
        Row::new(&FILL, "u32/1").param("shape", vec![]).param("value", 4294967295.0).param("dtype", "u32"),
        Row::new(&IOTA, "i32/5/golden").param("n", 5i64).param("start", 3.0).param("step", -2.0).golden(
            0,
            &[3.0, 1.0, -1.0, -3.0, -5.0],
            0.0,
        ),
        Row::new(&IOTA, "i32/257").param("n", 257i64),
        Row::new(&IOTA, "u32/3").param("n", 3i64).param("start", 9.0).param("step", -4.0).param("dtype", "u32"),
        Row::new(&IOTA, "f32/1021/tenths").param("n", 1021i64).param("step", 0.1).param("dtype", "f32"),
        Row::new(&IOTA, "f32/65/whole").param("n", 65i64).param("start", -32.0).param("dtype", "f32"),
    ]
}

/// Where gradients are tried in terms of y: between 0 and 1, where each function has such a value.
const RESULTS: [f32; 7] = [0.0625, 0.125, 0.25, 0.5, 0.75, 0.875, 0.984375];
const D_Y: [f32; 7] = [2.0, -1.0, 0.5, 3.0, 1.0, -2.0, 4.0];

/// mpmath: d·diff(f, x) at POINTS, or at the x whose y is in RESULTS, and d in D_Y (40 digits, printed as f64); at a kink
/// the value is the convention of PyTorch.
#[rustfmt::skip]
fn unary_backward_table() -> Vec<(&'static Kernel, [f64; 7])> {
    use unary_backward::*;
    vec![
        (&ABS_BACKWARD, [-2.0, 1.0, -0.5, 0.0, 1.0, -2.0, 4.0]),
        (&SIN_BACKWARD, [-1.9799849932008908, -0.5403023058681398, 0.4387912809451864, 3.0, 0.8775825618903728, -1.0806046117362795, -3.9599699864017817]),
        (&COS_BACKWARD, [0.2822400161197344, -0.8414709848078965, 0.2397127693021015, 0.0, -0.479425538604203, 1.682941969615793, -0.5644800322394689]),
        (&ERF_BACKWARD, [0.00027850610389349573, -0.4151074974205947, 0.4393912894677224, 3.385137501286538, 0.8787825789354448, -0.8302149948411894, 0.0005570122077869915]),
        (&GELU_BACKWARD, [-0.023891294408367854, 0.0833154705876863, 0.06625243767191857, 1.5, 0.8674951246561629, -2.166630941175373, 4.047782588816736]),
        (&GELU_TANH_BACKWARD, [-0.023168333261939452, 0.08296408384578255, 0.06631504823267885, 1.5, 0.8673699035346423, -2.165928167691565, 4.046336666523879]),
        (&QUICK_GELU_BACKWARD, [-0.0490966478113047, 0.06777960655633405, 0.060389044017292864, 1.5, 0.8792219119654142, -2.135559213112668, 4.098193295622609]),
        (&SILU_BACKWARD, [-0.17620821203033923, -0.07232948812851327, 0.1300194063486741, 1.5, 0.7399611873026518, -1.8553410237429735, 4.352416424060679]),
        (&HARDSWISH_BACKWARD, [0.0, -0.16666666666666666, 0.16666666666666666, 1.5, 0.6666666666666666, -1.6666666666666667, 4.0]),
        (&MISH_BACKWARD, [-0.18678622906464168, -0.05921675587739495, 0.1447553389567561, 1.8, 0.8864243753577272, -2.0980724401995845, 4.084427643717775]),
        (&RELU_BACKWARD, [0.0, 0.0, 0.0, 0.0, 1.0, -2.0, 4.0]),
        (&SQRT_BACKWARD, [16.0, -4.0, 1.0, 3.0, 0.6666666666666666, -1.1428571428571428, 2.0317460317460316]),
        (&RSQRT_BACKWARD, [-0.000244140625, 0.0009765625, -0.00390625, -0.1875, -0.2109375, 0.669921875, -1.9077072143554688]),
        (&RECIPROCAL_BACKWARD, [-0.0078125, 0.015625, -0.03125, -0.75, -0.5625, 1.53125, -3.8759765625]),
        (&TANH_BACKWARD, [1.9921875, -0.984375, 0.46875, 2.25, 0.4375, -0.46875, 0.1240234375]),
        (&SIGMOID_BACKWARD, [0.1171875, -0.109375, 0.09375, 0.75, 0.1875, -0.21875, 0.0615234375]),
    ]
}

fn unary_backward_rows() -> Vec<Row> {
    use unary_backward::*;
    let mut rows = vec![];
    for (kernel, golden) in unary_backward_table() {
        let new = |label: &str| Row::new(kernel, label);
        let of_y = kernel.inputs[0].name == "y" && kernel.name != "relu_backward";
        let (low, high) = if of_y { (0.01, 1.0) } else { (-8.0, 8.0) };
        let points = if of_y { RESULTS } else { POINTS };
        rows.push(new("f32/7/golden").list(&[7], &points).list(&[7], &D_Y).golden(0, &golden, 1e-14));
        rows.push(new("f32/1").range(&[1], low, high).f32(&[1]));
        rows.push(new("f32/2x1024").range(&[2, 1024], low, high).range(&[2, 1024], -4.0, 4.0));
        rows.push(new("f32/1021").range(&[1021], low, high).range(&[1021], -4.0, 4.0));
        let turned: fn(Tensor<'_>) -> Tensor<'_> = |t| t.permute(&[2, 0, 1]);
        rows.push(new("f32/3x5x7/permuted").range(&[3, 5, 7], low, high).view(turned).f32(&[3, 5, 7]).view(turned));
        rows.push(new("f32/5x7/d_y_transposed").range(&[5, 7], low, high).f32(&[7, 5]).view(|t| t.transpose(0, 1)));
        rows.push(new("f32/8x8/d_y_repeated").range(&[8, 8], low, high).f32(&[]).view(|t| t.broadcast_to(&[8, 8])));
        let wide = spread(-126, 126, 1021, true);
        rows.push(new("f32/1021/d_y_every_exponent").range(&[1021], low, high).list(&[1021], &wide));
        rows.push(new("f32/10/d_y_special").range(&[10], low, high).list(&[10], &SPECIAL));
        if !of_y {
            rows.push(new("f32/10/special").list(&[10], &SPECIAL).f32(&[10]));
            rows.push(new("f32/1021/every_exponent").list(&[1021], &spread(-126, 127, 1021, true)).f32(&[1021]));
            rows.push(new("f32/1021/tails").range(&[1021], -120.0, 120.0).f32(&[1021]));
        }
    }
    // Beside the zero of the slope, where its terms cancel.
    for (kernel, at) in [
        (&GELU_BACKWARD, -0.7518),
        (&GELU_TANH_BACKWARD, -0.7525),
        (&QUICK_GELU_BACKWARD, -0.7511),
        (&SILU_BACKWARD, -1.2785),
        (&HARDSWISH_BACKWARD, -1.5),
        (&MISH_BACKWARD, -1.1925),
    ] {
        rows.push(Row::new(kernel, "f32/1021/minimum").range(&[1021], at - 1e-3, at + 1e-3).f32(&[1021]));
    }
    for n in [63, 64, 65, 255, 256, 257] {
        rows.push(Row::new(&GELU_BACKWARD, &format!("f32/{n}")).range(&[n], -4.0, 4.0).f32(&[n]));
    }
    let positive = spread(-40, 40, 1021, false);
    for kernel in [&SQRT_BACKWARD, &RSQRT_BACKWARD, &RECIPROCAL_BACKWARD] {
        rows.push(Row::new(kernel, "f32/1021/every_exponent").list(&[1021], &positive).f32(&[1021]));
    }
    let edge = [1.0, 0.99999994, 0.9999999, 0.0, 1e-30, 1e-40];
    for kernel in [&TANH_BACKWARD, &SIGMOID_BACKWARD] {
        rows.push(Row::new(kernel, "f32/6/saturated").list(&[6], &edge).range(&[6], 0.5, 2.0));
    }
    rows.push(Row::new(&TANH_BACKWARD, "f32/1021/negative").range(&[1021], -1.0, 0.0).f32(&[1021]));
    rows.push(Row::new(&RELU_BACKWARD, "f32/4194305/folded").f32(&[4_194_305]).f32(&[4_194_305]));
    rows
}

fn parametric_backward_rows() -> Vec<Row> {
    use parametric_backward::{CLAMP_BACKWARD, ELU_BACKWARD, LEAKY_RELU_BACKWARD, SOFTPLUS_BACKWARD};
    // mpmath: d·diff(f, x) at POINTS; PyTorch's conventions at the kinks.
    let golden = |kernel, values: &[f64]| {
        Row::new(kernel, "f32/7/golden").list(&[7], &POINTS).list(&[7], &D_Y).golden(0, values, 1e-8)
    };
    let elu = [0.14936120510359183, -0.5518191617571635, 0.45489799478447507, 4.5, 1.0, -2.0, 4.0];
    let softplus =
        [0.004945246313269549, -0.11920292202211756, 0.13447071068499755, 1.5, 0.7310585786300049, -2.0, 4.0];
    let wide = |kernel, label: &str| Row::new(kernel, label).range(&[1021], -8.0, 8.0).f32(&[1021]);
    let mut rows = vec![
        golden(&LEAKY_RELU_BACKWARD, &[0.02, -0.01, 0.005, 0.03, 1.0, -2.0, 4.0]),
        golden(&ELU_BACKWARD, &elu).param("alpha", 1.5),
        golden(&SOFTPLUS_BACKWARD, &softplus).param("beta", 2.0).param("threshold", 1.5),
        // Both edges pass the gradient on.
        golden(&CLAMP_BACKWARD, &[0.0, -1.0, 0.5, 3.0, 1.0, 0.0, 0.0]).param("min", -1.0).param("max", 0.5),
        wide(&LEAKY_RELU_BACKWARD, "f32/1021/slope").param("slope", 0.3),
        wide(&ELU_BACKWARD, "f32/1021/alpha").param("alpha", -1.7),
        wide(&SOFTPLUS_BACKWARD, "f32/1021/beta").param("beta", 2.5),
        wide(&SOFTPLUS_BACKWARD, "f32/1021/threshold").param("beta", -0.5).param("threshold", 2.0),
        Row::new(&SOFTPLUS_BACKWARD, "f32/1021/tails").range(&[1021], -110.0, 110.0).f32(&[1021]),
        wide(&CLAMP_BACKWARD, "f32/1021/range").param("min", -2.0).param("max", 3.0),
    ];
    for kernel in [&LEAKY_RELU_BACKWARD, &ELU_BACKWARD, &SOFTPLUS_BACKWARD, &CLAMP_BACKWARD] {
        rows.push(Row::new(kernel, "f32/10/special").list(&[10], &SPECIAL).f32(&[10]));
        rows.push(Row::new(kernel, "f32/10/d_y_special").f32(&[10]).list(&[10], &SPECIAL));
        rows.push(
            Row::new(kernel, "f32/1021/every_exponent").list(&[1021], &spread(-126, 127, 1021, true)).f32(&[1021]),
        );
        for n in [1, 63, 64, 65] {
            rows.push(Row::new(kernel, &format!("f32/2x{n}")).f32(&[2, n]).f32(&[2, n]));
        }
        rows.push(
            Row::new(kernel, "f32/9x7/transposed")
                .f32(&[7, 9])
                .view(|t| t.transpose(0, 1))
                .f32(&[7])
                .view(|t| t.broadcast_to(&[9, 7])),
        );
    }
    rows
}

fn binary_backward_rows() -> Vec<Row> {
    use binary_backward::{MAXIMUM_BACKWARD, MINIMUM_BACKWARD, POW_BACKWARD_A, POW_BACKWARD_B};
    let mut rows = pow_backward_rows();
    // torch.maximum, torch.minimum: a tie is shared.
    let (a, b, d) = ([1.0, 2.0, 2.0, -0.0], [2.0, 1.0, 2.0, 0.0], [3.0, 5.0, 7.0, 1.0]);
    let golden = |kernel| Row::new(kernel, "f32/4/golden").list(&[4], &a).list(&[4], &b).list(&[4], &d);
    let (one, other) = ([0.0, 5.0, 3.5, 0.5], [3.0, 0.0, 3.5, 0.5]);
    rows.push(golden(&MAXIMUM_BACKWARD).golden(0, &one, 0.0).golden(1, &other, 0.0));
    rows.push(golden(&MINIMUM_BACKWARD).golden(0, &other, 0.0).golden(1, &one, 0.0));
    for kernel in [&MAXIMUM_BACKWARD, &MINIMUM_BACKWARD] {
        let special = Row::new(kernel, "f32/10/special").list(&[10], &SPECIAL).list(&[10], &SPECIAL);
        rows.push(special.list(&[10], &SPECIAL));
        rows.push(
            Row::new(kernel, "f32/257/all_equal").list(&[257], &[3.0; 257]).list(&[257], &[3.0; 257]).f32(&[257]),
        );
    }
    for kernel in [&MAXIMUM_BACKWARD, &MINIMUM_BACKWARD, &POW_BACKWARD_A, &POW_BACKWARD_B] {
        let power = kernel.name.starts_with("pow");
        let (low, high) = if power { (0.1, 4.0) } else { (-4.0, 4.0) };
        let with_y =
            |row: Row, shape: &[usize]| if kernel.inputs.len() == 4 { row.range(shape, 0.1, 9.0) } else { row };
        let new = |label: &str| Row::new(kernel, label);
        for n in [1, 63, 64, 65, 251] {
            let row = new(&format!("f32/2x{n}")).range(&[2, n], low, high).range(&[2, n], -2.0, 2.0);
            rows.push(with_y(row, &[2, n]).f32(&[2, n]));
        }
        let row = new("f32/5x7/outer").range(&[5, 1], low, high).view(|t| t.broadcast_to(&[5, 7]));
        let row = with_y(row.range(&[7, 5], -2.0, 2.0).view(|t| t.transpose(0, 1)), &[5, 7]);
        rows.push(row.f32(&[]).view(|t| t.broadcast_to(&[5, 7])));
        if power {
            let row = new("f32/1021/every_exponent").list(&[1021], &spread(-60, 60, 1021, false));
            rows.push(with_y(row.range(&[1021], -1.0, 2.0), &[1021]).f32(&[1021]));
            let row = new("f32/1021/near_1").range(&[1021], 0.99, 1.01).range(&[1021], -1000.0, 1000.0);
            rows.push(with_y(row, &[1021]).f32(&[1021]));
        }
    }
    rows
}

fn pow_backward_rows() -> Vec<Row> {
    use binary_backward::{POW_BACKWARD_A, POW_BACKWARD_B};
    let mut rows = vec![];
    // mpmath: d·diff(a → a^b, a), d·diff(b → a^b, b)
    let row =
        |kernel, label: &str, a: &[f32], b: &[f32]| Row::new(kernel, label).list(&[a.len()], a).list(&[b.len()], b);
    rows.push(
        row(&POW_BACKWARD_A, "f32/4/golden", &[1.5, -2.0, 3.0, 8.0], &[2.0, 3.0, -2.0, 0.5])
            .list(&[4], &[2.0, -1.0, 0.5, 3.0])
            .golden(0, &[6.0, -12.0, -0.037037037037037035, 0.5303300858899106], 1e-14),
    );
    // The y of the second is an f32, a power of 3 is not: their product has its digits.
    rows.push(
        row(&POW_BACKWARD_B, "f32/2/golden", &[1.5, 2.0], &[2.0, 3.0])
            .list(&[2], &[2.25, 8.0])
            .list(&[2], &[2.0, -1.0])
            .golden(0, &[1.8245929864867396, -5.545177444479562], 1e-14),
    );
    // 0^0, 0^b, x^0, x^1, x^2; torch.pow.
    let (a, b) = ([0.0, 0.0, 0.0, 0.0, 5.0, -5.0, -5.0, 7.0], [0.0, 1.0, 2.0, 2.5, 0.0, 1.0, 2.0, 3.0]);
    rows.push(row(&POW_BACKWARD_A, "f32/8/special", &a, &b).list(&[8], &[2.0; 8]).golden(
        0,
        &[0.0, 2.0, 0.0, 0.0, 0.0, 2.0, -20.0, 294.0],
        1e-14,
    ));
    rows.push(
        row(&POW_BACKWARD_B, "f32/3/special", &[0.0, 0.0, 1.0], &[0.0, 2.0, 9.0])
            .list(&[3], &[1.0, 0.0, 1.0])
            .list(&[3], &[2.0; 3])
            .golden(0, &[0.0, 0.0, 0.0], 0.0),
    );
    rows
}
