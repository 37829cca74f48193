//! Rows of the optimizer family.

use crate::row::Row;
use handmill::Kernel;
use handmill::config::Config;
use handmill::kernels::optimizer::accumulate::ACCUMULATE;
use handmill::kernels::optimizer::adadelta::ADADELTA;
use handmill::kernels::optimizer::adagrad::ADAGRAD;
use handmill::kernels::optimizer::adam::{ADAM, ADAMW, ADAMW_AMSGRAD, AMSGRAD};
use handmill::kernels::optimizer::clip_scale::{CLIP_SCALE, SUM_OF_SQUARES};
use handmill::kernels::optimizer::ema_update::EMA_UPDATE;
use handmill::kernels::optimizer::ftrl::FTRL;
use handmill::kernels::optimizer::rmsprop::{RMSPROP, RMSPROP_CENTERED, RMSPROP_CENTERED_MOMENTUM, RMSPROP_MOMENTUM};
use handmill::kernels::optimizer::sgd::{MOMENTUM, SGD};
use handmill::train::optimizer::{Optimizer, factors};

/// Every row.
pub fn rows() -> Vec<Row> {
    let updates = SETTINGS.iter().flat_map(|&(name, kernel, settings)| updates(name, kernel, settings));
    [accumulate(), goldens(), clipping(), ema()].into_iter().flatten().chain(updates).collect()
}

/// A note for the rows of a setting, its kernel, and what `train.json` says.
const SETTINGS: &[(&str, &Kernel, &str)] = &[
    ("", &SGD, r#"{"name": "sgd", "lr": 0.1}"#),
    ("", &MOMENTUM, r#"{"name": "momentum", "lr": 0.1, "momentum": 0.9, "dampening": 0.2}"#),
    ("/nesterov", &MOMENTUM, r#"{"name": "momentum", "lr": 0.1, "momentum": 0.9, "nesterov": true}"#),
    ("", &ADAGRAD, r#"{"name": "adagrad", "lr": 0.1, "lr_decay": 0.01}"#),
    ("", &RMSPROP, r#"{"name": "rmsprop", "lr": 0.01}"#),
    ("", &RMSPROP_MOMENTUM, r#"{"name": "rmsprop", "lr": 0.01, "momentum": 0.9}"#),
    ("", &RMSPROP_CENTERED, r#"{"name": "rmsprop", "lr": 0.01, "centered": true}"#),
    ("", &RMSPROP_CENTERED_MOMENTUM, r#"{"name": "rmsprop", "lr": 0.01, "centered": true, "momentum": 0.5}"#),
    ("", &ADADELTA, r#"{"name": "adadelta", "lr": 1.0}"#),
    ("", &ADAM, r#"{"name": "adam", "lr": 0.001}"#),
    ("/beta_0", &ADAM, r#"{"name": "adam", "lr": 0.001, "betas": [0, 0]}"#),
    ("", &AMSGRAD, r#"{"name": "adam", "lr": 0.001, "amsgrad": true}"#),
    ("", &ADAMW, r#"{"name": "adamw", "lr": 0.001}"#),
    ("", &ADAMW_AMSGRAD, r#"{"name": "adamw", "lr": 0.001, "amsgrad": true}"#),
    ("", &FTRL, r#"{"name": "ftrl", "alpha": 0.1, "beta": 1, "l1": 0.3, "l2": 0.01}"#),
];

/// Rows of an update: its first and a later one, and gradients of every size.
fn updates(setting: &str, kernel: &'static Kernel, settings: &str) -> Vec<Row> {
    let config = Config::parse("optimizer", settings).expect("settings");
    let optimizer = Optimizer::read(&config);
    config.finish().expect("settings");
    assert!(std::ptr::eq(optimizer.kernel(), kernel), "{settings} is not {}", kernel.name);
    let lr = optimizer.lr().unwrap_or(1.0);
    let row = |n: usize, note: &str, t: u64, g: f64, clip: Option<f64>| {
        let mut row = Row::new(kernel, &format!("f32/{n}{setting}{note}")).f32(&[n]);
        for state in optimizer.states() {
            row = match (*state, t) {
                (_, 1) => row.range(&[n], 0.0, 0.0),
                ("m" | "c" | "b" | "z", _) => row.range(&[n], -0.5, 0.5),
                _ => row.range(&[n], 0.3, 1.0),
            };
        }
        let hyper = optimizer.hyper(t, lr, clip);
        row.range(&[n], -g, g).list(&[hyper.len()], &hyper)
    };
    vec![
        row(64, "/first", 1, 1.0, None).none().none(),
        row(128, "/later", 5, 1.0, None).none().none(),
        row(64, "/decay", 5, 1.0, None).range(&[1], 0.01, 0.1).none(),
        row(64 * 257, "/all", 100, 1.0, None).range(&[257], 0.0, 0.1).list(&[1], &[0.3]),
        row(64 * 65, "/clipped", 2, 1.0, Some(0.25)).range(&[65], 0.0, 0.1).list(&[1], &[0.75]),
        row(64, "/zero_gradient", 3, 0.0, None).none().none(),
        row(64, "/zero_gradient_first", 1, 0.0, None).none().none(),
        row(192, "/huge", 3, 1e15, None).none().none(),
        row(192, "/tiny", 3, 1e-15, None).none().list(&[1], &[1.0]),
        row(192, "/tiny_first", 1, 1e-15, None).none().none(),
        // What pads a tensor to whole blocks: it must stay 0.
        padding(kernel, setting, &optimizer.hyper(1, lr, None)),
    ]
}

fn padding(kernel: &'static Kernel, setting: &str, hyper: &[f32]) -> Row {
    let zeros = |row: Row, _: &str| row.list(&[64], &[0.0; 64]);
    let row = kernel.outputs.iter().fold(Row::new(kernel, &format!("f32/64{setting}/padding")), |r, o| zeros(r, o));
    let row = zeros(row, "d_w").list(&[hyper.len()], hyper).list(&[1], &[0.1]).list(&[1], &[2.0]);
    (0..kernel.outputs.len()).fold(row, |row, output| row.golden(output, &[0.0; 64], 0.0))
}

/// Two values, 32 times over: one tensor of 64.
fn cycle<T: Copy>(pair: [T; 2]) -> Vec<T> {
    pair.iter().copied().cycle().take(64).collect()
}

/// A row of `w = np.array([1., -2.])` and `g = np.array([.5, -.25])`, with these states.
fn golden(kernel: &'static Kernel, states: &[[f32; 2]], hyper: &[f32], decay: Option<f32>, golden: &[[f64; 2]]) -> Row {
    let given = std::iter::once(&[1.0, -2.0]).chain(states).chain([&[0.5, -0.25]]);
    let row = given.fold(Row::new(kernel, "f32/64/golden"), |row, pair| row.list(&[64], &cycle(*pair)));
    let row = row.list(&[hyper.len()], hyper);
    let row = match decay {
        Some(decay) => row.list(&[1], &[decay]).none(),
        None => row.none().none(),
    };
    golden.iter().enumerate().fold(row, |row, (i, pair)| row.golden(i, &cycle(*pair), 1e-14))
}

const CLIP: f32 = f32::MAX;

/// numpy, after the line of [`golden`]: the line above each row.
fn goldens() -> Vec<Row> {
    let adam = [0.5, CLIP, 0.5, 0.0, 0.5, 0.75, 0.0, 0.25, 1.0, 2.0, 0.125];
    let [one, c, b] = [[1.0, 2.0], [0.5, 1.0], [1.0, -1.0]];
    let rms = [0.5, CLIP, 0.75, 0.0, 0.25, 0.125, 0.5, 0.0, 1.0];
    vec![
        // w - .5*(g + .125*w)
        golden(&SGD, &[], &[0.5, CLIP], Some(0.125), &[[0.6875, -1.75]]),
        // v = .5*np.array([1., 2.]) + .75*g; w - .5*(g + .5*v)
        golden(
            &MOMENTUM,
            &[one],
            &[0.5, CLIP, 0.5, 0.0, 0.75, 1.0, 0.5],
            None,
            &[[0.53125, -2.078125], [0.875, 0.8125]],
        ),
        // a = np.array([1., 0.]) + g*g; w - .5*g/(np.sqrt(a) + .125)
        golden(
            &ADAGRAD,
            &[[1.0, 0.0]],
            &[0.5, CLIP, 0.125],
            None,
            &[[0.79887919215192, -1.6666666666666667], [1.25, 0.0625]],
        ),
        // v = .75*np.array([1., 2.]) + .25*g*g; q = g/(np.sqrt(v) + .125); w - .5*q
        golden(&RMSPROP, &[one], &rms[..6], None, &[[0.7564273509440008, -1.9078243978979572], V]),
        // b = .5*np.array([1., -1.]) + q; w - .5*b
        golden(
            &RMSPROP_MOMENTUM,
            &[one, b],
            &rms,
            None,
            &[[0.5064273509440008, -1.6578243978979572], V, [0.9871452981119984, -0.6843512042040856]],
        ),
        // c = .75*np.array([.5, 1.]) + .25*g; q = g/(np.sqrt(v - c*c) + .125); w - .5*q
        golden(
            &RMSPROP_CENTERED,
            &[one, c],
            &rms[..6],
            None,
            &[[0.7142857142857143, -1.8909495464762875], V, [0.5, 0.6875]],
        ),
        // b = .5*np.array([1., -1.]) + q; w - .5*b
        golden(
            &RMSPROP_CENTERED_MOMENTUM,
            &[one, c, b],
            &rms,
            None,
            &[[0.4642857142857143, -1.6409495464762875], V, [0.5, 0.6875], [1.0714285714285714, -0.718100907047425]],
        ),
        // s = .75*np.array([1., 2.]) + .25*g*g; u = np.array([.5, 1.])
        // d = np.sqrt(u + .125)/np.sqrt(s + .125)*g; w - .5*d, .75*u + .25*d*d
        golden(
            &ADADELTA,
            &[one, c],
            &rms[..6],
            None,
            &[[0.7958758547680684, -1.8964901660986468], V, [0.4166666666666667, 0.7607142857142857]],
        ),
        // m = .5*np.array([1., 2.]) + .5*g; v = .75*np.array([1., 2.]) + .25*g*g
        // step = lambda v: .5*(m/(1 - .5))/(np.sqrt(v/(1 - .75)) + .125); w - step(v)
        golden(&ADAM, &[one, one], &adam, None, &[ADAM_W, M, V]),
        // v_max = np.maximum(v, [.5, 3.]); w - step(v_max)
        golden(&AMSGRAD, &[one, one, [0.5, 3.0]], &adam, None, &[AMSGRAD_W, M, V, [0.8125, 3.0]]),
        // w - .5*.25*w - step(v)
        golden(&ADAMW, &[one, one], &adam, Some(0.25), &[ADAMW_W, M, V]),
        // w - .5*.25*w - step(v_max)
        golden(&ADAMW_AMSGRAD, &[one, one, [0.5, 3.0]], &adam, Some(0.25), &[ADAMW_AMSGRAD_W, M, V, [0.8125, 3.0]]),
        // n = np.array([1., 4.]); z = np.array([.5, -3.]); z = z + g - (np.sqrt(n + g*g) - np.sqrt(n))/.5*w; n = n + g*g
        // np.where(abs(z) <= .25, 0, -(z - np.sign(z)*.25)/((1 + np.sqrt(n))/.5 + .125))
        golden(
            &FTRL,
            &[[0.5, -3.0], [1.0, 4.0]],
            &[2.0, CLIP, 2.125, 0.25],
            None,
            &[[-0.1178454509656253, 0.47720610009279935], [0.7639320225002102, -3.187742251701451], [1.25, 4.0625]],
        ),
    ]
}

const V: [f64; 2] = [0.8125, 1.515625];
const M: [f64; 2] = [0.75, 0.875];
const ADAM_W: [f64; 2] = [0.6109505767577983, -2.3382015742251823];
const AMSGRAD_W: [f64; 2] = [0.6109505767577983, -2.243793599019184];
const ADAMW_W: [f64; 2] = [0.48595057675779835, -2.0882015742251823];
const ADAMW_AMSGRAD_W: [f64; 2] = [0.48595057675779835, -1.9937935990191842];

fn clipping() -> Vec<Row> {
    let squares = |n: usize| Row::new(&SUM_OF_SQUARES, &format!("f32/{n}")).f32(&[n]);
    let scale = |p: usize, max: f32, factor: f32, note: &str| {
        Row::new(&CLIP_SCALE, &format!("f32/{p}{note}")).range(&[p], 0.0, 4.0).list(&[2], &[max, factor])
    };
    let threes = [3.0, 4.0].iter().copied().cycle().take(64).collect::<Vec<f32>>();
    vec![
        // numpy: x = np.array([3., 4.]*32); (x*x).sum()
        Row::new(&SUM_OF_SQUARES, "f32/64/golden").list(&[64], &threes).golden(0, &[800.0], 0.0),
        squares(64),
        squares(64 * 3),
        squares(16_384 - 64),
        squares(16_384),
        squares(16_384 + 64),
        squares(64 * 1021),
        Row::new(&SUM_OF_SQUARES, "f32/16448/all_equal").list(&[16_448], &[2.0; 16_448]),
        Row::new(&SUM_OF_SQUARES, "f32/64/zeros").list(&[64], &[0.0; 64]),
        Row::new(&SUM_OF_SQUARES, "f32/128/huge").range(&[128], -1e17, 1e17),
        // numpy: n = .5*np.sqrt(np.array([9., 16.]).sum()); n, .5*min(1, 2/(n + 1e-6))
        Row::new(&CLIP_SCALE, "f32/2/golden")
            .list(&[2], &[9.0, 16.0])
            .list(&[2], &[2.0, 0.5])
            .golden(0, &[2.5], 1e-15)
            .golden(1, &[0.399999840000064], 1e-15),
        scale(1, 1.0, 1.0, ""),
        scale(63, 0.1, 1.0, ""),
        scale(64, 0.1, 0.25, ""),
        scale(65, 100.0, 0.25, "/below"),
        scale(1031, f32::MAX, 1.0, "/no_clipping"),
        scale(3, 0.0, 1.0, "/nothing_passes"),
        Row::new(&CLIP_SCALE, "f32/2/zeros").list(&[2], &[0.0; 2]).list(&[2], &[1.0, 1.0]),
        Row::new(&CLIP_SCALE, "f32/2/huge").list(&[2], &[1e37, 1e38]).list(&[2], &[1.0, 1.0]),
    ]
}

fn ema() -> Vec<Row> {
    let row = |n: usize, decay: f64, note: &str| {
        Row::new(&EMA_UPDATE, &format!("f32/{n}{note}")).f32(&[n]).f32(&[n]).list(&[3], &factors(decay))
    };
    vec![
        // numpy: .75*np.array([.5, 1.]) + .25*np.array([1., -2.])
        Row::new(&EMA_UPDATE, "f32/2/golden")
            .list(&[2], &[0.5, 1.0])
            .list(&[2], &[1.0, -2.0])
            .list(&[3], &factors(0.75))
            .golden(0, &[0.625, 0.25], 0.0),
        row(1, 0.999, ""),
        row(63, 0.9999, ""),
        row(64, 0.0, "/no_memory"),
        row(65, 0.999, ""),
        row(4099, 0.5, ""),
        row(65 * 65_537, 0.99, "/many_groups"),
        Row::new(&EMA_UPDATE, "f32/3x5/axes").f32(&[3, 5]).f32(&[3, 5]).list(&[3], &factors(0.9)),
        Row::new(&EMA_UPDATE, "f32/3/special")
            .list(&[3], &[0.0, -0.0, 1e30])
            .list(&[3], &[0.0, 1e-40, -1e30])
            .list(&[3], &factors(0.5)),
    ]
}

fn accumulate() -> Vec<Row> {
    let row = |n: usize, keep: f32, note: &str| {
        Row::new(&ACCUMULATE, &format!("f32/{n}{note}")).f32(&[n]).f32(&[n]).list(&[1], &[keep])
    };
    vec![
        row(1, 1.0, ""),
        row(63, 0.5, ""),
        row(64, -1.5, ""),
        row(65, 1.0, ""),
        row(4099, 1.0, ""),
        row(65, 0.0, "/anew"),
        // What the state was does not matter then.
        Row::new(&ACCUMULATE, "f32/3/nan").list(&[3], &[f32::NAN, f32::INFINITY, 1.0]).f32(&[3]).list(&[1], &[0.0]),
        // numpy: 0.5*np.array([1.,2.]) + np.array([3.,-1.])
        Row::new(&ACCUMULATE, "f32/2/golden")
            .list(&[2], &[1.0, 2.0])
            .list(&[2], &[3.0, -1.0])
            .list(&[1], &[0.5])
            .golden(0, &[3.5, 0.0], 0.0),
        Row::new(&ACCUMULATE, "f32/2x3/axes").f32(&[2, 3]).f32(&[2, 3]).list(&[1], &[1.0]),
    ]
}
