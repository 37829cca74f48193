//! Each loss on the references against its formula, written out in f64.

use std::collections::HashMap;

use super::*;
use crate::Spec;
use crate::reference::evaluate;
use crate::store::Weights;

/// Named inputs: shape and values; whole names in capitals are i32.
type Given<'a> = &'a [(&'a str, &'a [usize], &'a [f64])];

/// The values of the losses that `build` makes of the inputs.
fn values(given: Given, build: impl for<'g> Fn(&'g Graph, &[Tensor<'g>]) -> Vec<Tensor<'g>>) -> Vec<f64> {
    let graph = Graph::new();
    let dtype = |name: &str| if name.starts_with(char::is_uppercase) { Dtype::I32 } else { Dtype::F32 };
    let inputs: Vec<_> = given.iter().map(|(name, shape, _)| graph.input(name, dtype(name), shape)).collect();
    for (i, loss) in build(&graph, &inputs).into_iter().enumerate() {
        assert_eq!(loss.shape(), [0; 0], "a loss has no axes");
        graph.output(&i.to_string(), loss);
    }
    let graph = graph.build().unwrap();
    let by_name: HashMap<_, _> = given.iter().map(|(name, _, values)| (*name, values.to_vec())).collect();
    let input = |name: &str, _: &Spec| Ok(by_name[name].clone());
    let found = evaluate(&graph, &Weights::default(), &input, &mut Default::default()).unwrap();
    found.into_iter().map(|v| v[0]).collect()
}

#[track_caller]
fn check(given: Given, build: impl for<'g> Fn(&'g Graph, &[Tensor<'g>]) -> Tensor<'g>, expected: f64) {
    let found = values(given, |g, x| vec![build(g, x)])[0];
    // Coefficients are rounded to f32 on their way into a graph.
    assert!((found - expected).abs() <= 2e-7 * (1.0 + expected.abs()), "is {found}, expected {expected}");
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn log_softmax(row: &[f64]) -> Vec<f64> {
    let lse = row.iter().map(|x| x.exp()).sum::<f64>().ln();
    row.iter().map(|x| x - lse).collect()
}

const O: [f64; 6] = [0.5, -1.25, 2.0, 0.75, -0.5, 3.0];
const Y: [f64; 6] = [1.0, 0.25, -1.0, 0.5, 0.0, 0.5];
const OY: Given = &[("o", &[2, 3], &O), ("y", &[2, 3], &Y)];

fn pairs(f: impl Fn(f64, f64) -> f64) -> f64 {
    O.iter().zip(Y).map(|(&o, y)| f(o, y)).sum()
}

#[test]
fn errors_of_numbers() {
    check(OY, |_, x| mse(x[0], x[1]), pairs(|o, y| (o - y).powi(2)) / 6.0);
    check(OY, |_, x| noise_prediction(x[0], x[1]), pairs(|o, y| (o - y).powi(2)) / 6.0);
    check(OY, |_, x| l1(x[0], x[1]), pairs(|o, y| (o - y).abs()) / 6.0);
    let one = |o: f64, y: f64| {
        let e = (o - y).abs();
        if e <= 0.625 { e * e / 2.0 } else { 0.625 * (e - 0.3125) }
    };
    check(OY, |_, x| huber(x[0], x[1], 0.625), pairs(one) / 6.0);
}

#[test]
fn logits_of_two_classes() {
    check(OY, |_, x| binary_cross_entropy_with_logits(x[0], x[1]), pairs(|o, y| softplus(o) - o * y) / 6.0);
    // Beyond PyTorch's threshold of 20 the exact value still differs in f64.
    let far: Given = &[("o", &[2], &[25.0, -700.0]), ("y", &[2], &[1.0, 0.0])];
    let found = values(far, |_, x| vec![binary_cross_entropy_with_logits(x[0], x[1])])[0];
    let expected = (-25.0f64).exp() / 2.0;
    assert!((found / expected - 1.0).abs() < 1e-3, "is {found}, expected {expected}");
}

const LOGITS: [f64; 12] = [0.5, -1.0, 2.0, 1.5, 0.25, -0.75, 1.0, 3.0, -2.0, 0.0, 0.5, 1.0];
const TARGET: [f64; 4] = [2.0, 0.0, -100.0, 1.0];

/// PyTorch's definition, row by row.
fn entropy(smoothing: f64, ignore: Option<f64>, weight: &[f64; 3]) -> f64 {
    let (mut sum, mut of) = (0.0, 0.0);
    for (row, y) in LOGITS.chunks(3).zip(TARGET) {
        if Some(y) == ignore {
            continue;
        }
        let y = y.max(0.0) as usize;
        let p = log_softmax(row);
        let spread: f64 = p.iter().zip(weight).map(|(p, w)| w * p).sum();
        sum += -(1.0 - smoothing) * weight[y] * p[y] - smoothing / 3.0 * spread;
        of += weight[y];
    }
    sum / of
}

#[test]
fn cross_entropy_of_rows() {
    let given: Given = &[("o", &[2, 2, 3], &LOGITS), ("T", &[2, 2], &TARGET), ("w", &[3], &[0.5, 2.0, 1.25])];
    let flat = [1.0; 3];
    let all = Classes { ignore_index: Some(-100), ..Classes::default() };
    check(given, |_, x| cross_entropy(x[0], x[1], all), entropy(0.0, Some(-100.0), &flat));
    check(given, |_, x| nll(x[0].log_softmax(-1), x[1], all), entropy(0.0, Some(-100.0), &flat));
    let smooth = Classes { label_smoothing: 0.125, ignore_index: Some(-100), weight: None };
    check(given, |_, x| cross_entropy(x[0], x[1], smooth), entropy(0.125, Some(-100.0), &flat));
    check(
        given,
        |_, x| {
            cross_entropy(x[0], x[1], Classes { label_smoothing: 0.125, ignore_index: Some(-100), weight: Some(x[2]) })
        },
        entropy(0.125, Some(-100.0), &[0.5, 2.0, 1.25]),
    );
    check(
        given,
        |_, x| nll(x[0].log_softmax(-1), x[1], Classes { weight: Some(x[2]), ..all }),
        entropy(0.0, Some(-100.0), &[0.5, 2.0, 1.25]),
    );
    // torch: F.cross_entropy(torch.tensor([[1., 2., 3.]]), torch.tensor([2]))
    let golden: Given = &[("o", &[1, 3], &[1.0, 2.0, 3.0]), ("T", &[1], &[2.0])];
    check(golden, |_, x| cross_entropy(x[0], x[1], Classes::default()), 0.40760596444438);
    check(golden, |_, x| nll(x[0].log_softmax(-1), x[1], Classes::default()), 0.40760596444438);
}

#[test]
fn a_target_of_another_shape_is_an_error() {
    let graph = Graph::new();
    let (o, y) = (graph.input("o", Dtype::F32, &[2, 3]), graph.input("y", Dtype::I32, &[3]));
    nll(o, y, Classes::default());
    let error = graph.build().unwrap_err().to_string();
    assert!(error.ends_with("nll: target (3,) does not fit (2, 3)"), "{error}");
}

#[test]
fn margins() {
    let given: Given = &[("o", &[4, 1], &[0.5, -1.25, 2.0, -0.25]), ("y", &[4, 1], &[1.0, 1.0, -1.0, -1.0])];
    check(given, |_, x| hinge(x[0], x[1], 1.0), (0.5 + 2.25 + 3.0 + 0.75) / 4.0);
    let given: Given = &[("o", &[2, 2], &[0.5, -1.25, 2.0, -0.25]), ("y", &[2, 2], &[1.0, 1.0, -1.0, -1.0])];
    check(given, |_, x| perceptron(x[0], x[1]), (1.25 + 2.0) / 2.0);
    let given: Given = &[("o", &[4, 3], &LOGITS), ("T", &[4], &[2.0, 0.0, 1.0, 1.0])];
    let mut expected = 0.0;
    for (row, y) in LOGITS.chunks(3).zip([2, 0, 1, 1]) {
        let others = (0..3).filter(|&c| c != y).map(|c| (0.75 - row[y] + row[c]).max(0.0));
        expected += others.sum::<f64>() / 3.0 / 4.0;
    }
    check(given, |_, x| multi_margin(x[0], x[1], 0.75), expected);
}

const MU: [f64; 4] = [0.5, -1.0, 0.25, 2.0];
const LOGVAR: [f64; 4] = [0.0, 0.5, -1.0, 0.25];

#[test]
fn gaussians() {
    let given: Given = &[("m", &[2, 2], &MU), ("l", &[2, 2], &LOGVAR), ("y", &[2, 2], &[1.0, -0.5, 0.0, 2.5])];
    let one = |i: usize, y: f64| 0.5 * (LOGVAR[i] + (y - MU[i]).powi(2) * (-LOGVAR[i]).exp());
    let nll = [1.0, -0.5, 0.0, 2.5].iter().enumerate().map(|(i, &y)| one(i, y)).sum::<f64>() / 4.0;
    check(given, |_, x| gaussian_nll(x[0], x[1], x[2], false), nll);
    check(given, |_, x| gaussian_nll(x[0], x[1], x[2], true), nll + 0.5 * TAU.ln());
    let standard = (0..4).map(|i| -0.5 * (1.0 + LOGVAR[i] - MU[i].powi(2) - LOGVAR[i].exp())).sum::<f64>() / 2.0;
    check(given, |_, x| kl_standard_normal(x[0], x[1]), standard);
    // From (mu, logvar) to N(y, 1), and to itself.
    let zero: Given = &[("m", &[2, 2], &MU), ("l", &[2, 2], &LOGVAR), ("z", &[2, 2], &[0.0; 4])];
    check(zero, |_, x| kl_gaussians([x[0], x[1]], [x[2], x[2]]), standard);
    check(zero, |_, x| kl_gaussians([x[0], x[1]], [x[0], x[1]]), 0.0);
    let q = [0.5, -0.25, 1.0, 0.75];
    let given: Given = &[("m", &[2, 2], &MU), ("l", &[2, 2], &LOGVAR), ("n", &[2, 2], &Y[..4]), ("k", &[2, 2], &q)];
    let one = |i: usize| q[i] - LOGVAR[i] + (LOGVAR[i].exp() + (MU[i] - Y[i]).powi(2)) / q[i].exp() - 1.0;
    check(given, |_, x| kl_gaussians([x[0], x[1]], [x[2], x[3]]), (0..4).map(one).sum::<f64>() / 4.0);
}

#[test]
fn distributions() {
    let (p, q) = ([0.5f64, 0.5, 0.0, 0.25, 0.25, 0.5], [-1.0, -1.5, -0.75, -2.0, -0.5, -1.0]);
    let given: Given = &[("p", &[2, 3], &p), ("q", &[2, 3], &q)];
    let one = |(&p, q): (&f64, f64)| if p == 0.0 { 0.0 } else { p * (p.ln() - q) };
    check(given, |_, x| kl_divergence(x[0], x[1]), p.iter().zip(q).map(one).sum::<f64>() / 2.0);
}

#[test]
fn directions() {
    let (a, b) = ([1.0, 2.0, -0.5, 0.25, 1.0, 3.0], [0.5, 1.0, 0.25, 0.5, 1.5, 2.0]);
    let given: Given = &[("a", &[3, 2], &a), ("b", &[3, 2], &b), ("y", &[3], &[1.0, -1.0, -1.0])];
    let cos = |i: usize| {
        let dot = |x: &[f64], y: &[f64]| x[2 * i] * y[2 * i] + x[2 * i + 1] * y[2 * i + 1];
        dot(&a, &b) / ((dot(&a, &a) + 1e-12) * (dot(&b, &b) + 1e-12)).sqrt()
    };
    let expected = (1.0 - cos(0) + (cos(1) - 0.25).max(0.0) + (cos(2) - 0.25).max(0.0)) / 3.0;
    check(given, |_, x| cosine_embedding(x[0], x[1], x[2], 0.25), expected);
}

#[test]
fn mixtures() {
    let (pi, mu) = ([0.5, -0.25, 1.0, 0.0], [0.5, 1.0, -1.0, 0.25, 0.0, 0.5, 2.0, -0.5]);
    let (s, y) = ([0.0, 0.25, -0.5, 0.5], [0.25, 0.75, 1.0, -1.0]);
    let given: Given = &[("p", &[2, 2], &pi), ("m", &[2, 2, 2], &mu), ("s", &[2, 2], &s), ("y", &[2, 2], &y)];
    let mut expected = 0.0;
    for b in 0..2 {
        let log_pi = log_softmax(&pi[2 * b..2 * b + 2]);
        let density = |k: usize| {
            let sigma = s[2 * b + k].exp();
            let normal = |d: usize| {
                let z = (y[2 * b + d] - mu[4 * b + 2 * k + d]) / sigma;
                (-0.5 * z * z).exp() / (sigma * TAU.sqrt())
            };
            log_pi[k].exp() * normal(0) * normal(1)
        };
        expected -= (density(0) + density(1)).ln() / 2.0;
    }
    check(given, |_, x| mdn_nll(x[0], x[1], x[2], x[3]), expected);
}

#[test]
fn words_and_their_neighbours() {
    let (h, p) = ([0.5, -1.0, 2.0, 0.25], [1.0, 0.5, -0.5, 1.0]);
    let n = [0.25, 0.5, -1.0, 1.0, 0.0, 2.0, 1.5, -0.5, 0.75, 1.0, 0.5, -2.0];
    let given: Given = &[("h", &[2, 2], &h), ("p", &[2, 2], &p), ("n", &[2, 3, 2], &n)];
    let mut expected = 0.0;
    for b in 0..2 {
        let dot = |v: &[f64]| h[2 * b] * v[0] + h[2 * b + 1] * v[1];
        expected += softplus(-dot(&p[2 * b..])) / 2.0;
        expected += (0..3).map(|k| softplus(dot(&n[6 * b + 2 * k..])) / 2.0).sum::<f64>();
    }
    check(
        given,
        |_, x| {
            let positive = (x[0] * x[1]).sum(&[-1], false);
            negative_sampling(positive, (x[0].unsqueeze(1) * x[2]).sum(&[-1], false))
        },
        expected,
    );
}

#[test]
fn autoencoders() {
    let given: Given = &[
        ("o", &[2, 3], &O),
        ("x", &[2, 3], &[1.0, 0.0, 0.5, 0.25, 1.0, 0.0]),
        ("h", &[2, 4], &[0.5, -1.0, 0.0, 0.5, 0.25, 2.0, -1.0, 0.25]),
    ];
    let x = given[1].2;
    let kl = (0..4).map(|i| -0.5 * (1.0 + LOGVAR[i] - MU[i].powi(2) - LOGVAR[i].exp())).sum::<f64>() / 2.0;
    let pairs = |f: fn(f64, f64) -> f64| O.iter().zip(x).map(|(&o, &x)| f(o, x)).sum::<f64>() / 2.0;
    for (kind, expected) in
        [(Reconstruction::Bce, pairs(|o, x| softplus(o) - o * x)), (Reconstruction::Mse, pairs(|o, x| (o - x).powi(2)))]
    {
        let found = values(given, |_, t| {
            let [mu, logvar] = halves(t[2]);
            let found = vae(t[0], t[1], mu, logvar, kind, 0.5);
            vec![found.total, found.reconstruction, found.kl]
        });
        let expected = [expected + 0.5 * kl, expected, kl];
        assert!(found.iter().zip(expected).all(|(f, e): (&f64, f64)| (f - e).abs() < 1e-6), "{found:?} {expected:?}");
    }
}

#[test]
fn penalties() {
    let sum = |f: fn(f64) -> f64| O.iter().chain(&Y).map(|&w| f(w)).sum::<f64>();
    check(OY, |g, x| l1_penalty(g, x, 0.125), 0.125 * sum(f64::abs));
    check(OY, |g, x| l2_penalty(g, x, 0.25), 0.25 * sum(|w| w * w));
    check(OY, |g, _| l2_penalty(g, &[], 0.25), 0.0);
}

/// The gradients of a loss with respect to its inputs against central differences.
#[track_caller]
fn check_gradients(given: Given, build: impl for<'g> Fn(&[Tensor<'g>]) -> Tensor<'g>) {
    let graph_of = |gradients: bool| {
        let graph = Graph::new();
        let inputs: Vec<_> = given.iter().map(|(name, shape, _)| graph.input(name, Dtype::F32, shape)).collect();
        let loss = build(&inputs);
        if gradients {
            for ((name, ..), d) in given.iter().zip(graph.backward(loss, &inputs)) {
                graph.output(name, d.expect("a gradient"));
            }
        } else {
            graph.output("loss", loss);
        }
        graph.build().unwrap()
    };
    let (loss, gradients) = (graph_of(false), graph_of(true));
    let mut at: HashMap<_, _> = given.iter().map(|(name, _, values)| (*name, values.to_vec())).collect();
    let run = |graph: &_, at: &HashMap<&str, Vec<f64>>| {
        let input = |name: &str, _: &Spec| Ok(at[name].clone());
        evaluate(graph, &Weights::default(), &input, &mut Default::default()).unwrap()
    };
    for ((name, ..), d) in given.iter().zip(run(&gradients, &at)) {
        for i in 0..d.len() {
            let x = at[name][i];
            let mut moved = |by: f64| {
                at.get_mut(name).expect("an input")[i] = x + by;
                run(&loss, &at)[0][0]
            };
            let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            moved(0.0);
            assert!((d[i] - slope).abs() < 1e-7 * (1.0 + slope.abs()), "d_{name}[{i}] is {}, expected {slope}", d[i]);
        }
    }
}

#[test]
fn gradients_are_those_of_central_differences() {
    check_gradients(OY, |x| mse(x[0], x[1]));
    check_gradients(OY, |x| l1(x[0], x[1]));
    check_gradients(OY, |x| huber(x[0], x[1], 0.7));
    check_gradients(OY, |x| binary_cross_entropy_with_logits(x[0], x[1]));
    check_gradients(OY, |x| hinge(x[0], x[1], 0.9));
    check_gradients(OY, |x| gaussian_nll(x[0], x[1], x[1] * 0.5, true));
    check_gradients(OY, |x| kl_standard_normal(x[0], x[1]));
    check_gradients(OY, |x| kl_gaussians([x[0], x[1]], [x[1], x[0]]));
    check_gradients(OY, |x| kl_divergence(x[1].softmax(-1), x[0].log_softmax(-1)));
    check_gradients(OY, |x| vae(x[0], x[1], x[0], x[1], Reconstruction::Bce, 0.5).total);
    check_gradients(OY, |x| l1_penalty(x[0].graph(), &x[..1], 0.5) + l2_penalty(x[0].graph(), x, 0.25));
    for y in [1.0, -1.0] {
        check_gradients(OY, |x| {
            let y = x[0].graph().constant(HostTensor::f32(&[2], vec![y, 1.0]));
            cosine_embedding(x[0], x[1], y, -0.95)
        });
    }
    let mixture: Given = &[("p", &[2, 3], &O), ("m", &[2, 3, 2], &LOGITS), ("s", &[2, 3], &Y), ("y", &[2, 2], &MU)];
    check_gradients(mixture, |x| mdn_nll(x[0], x[1], x[2], x[3]));
    check_gradients(&[("p", &[2], &MU[..2]), ("n", &[2, 3], &O)], |x| negative_sampling(x[0], x[1]));
}

#[test]
fn gradients_of_cross_entropy_are_those_of_central_differences() {
    check_gradients(&[("o", &[2, 2, 3], &LOGITS)], |x| {
        let g = x[0].graph();
        let target = g.constant(HostTensor::i32(&[2, 2], TARGET.iter().map(|&y| y as i32).collect()));
        let weight = Some(g.constant(HostTensor::f32(&[3], vec![0.5, 2.0, 1.25])));
        cross_entropy(x[0], target, Classes { label_smoothing: 0.125, ignore_index: Some(-100), weight })
    });
}

/// The loss of figure 3, which is not that of one direction alone.
#[test]
fn pairs_among_all_texts_and_images() {
    let given: Given = &[("o", &[3, 3], &[2.0, 0.5, -1.0, 0.25, 1.5, 0.75, -0.5, 1.0, 3.0])];
    let columns: Vec<f64> = (0..9).map(|i| given[0].2[i % 3 * 3 + i / 3]).collect();
    let entropy = |o: &[f64]| o.chunks(3).enumerate().map(|(i, row)| -log_softmax(row)[i]).sum::<f64>() / 3.0;
    let expected = (entropy(given[0].2) + entropy(&columns)) / 2.0;
    check(given, |_, x| contrastive(x[0]), expected);
    assert!((entropy(given[0].2) - entropy(&columns)).abs() > 1e-2, "rows and columns differ");
    let graph = Graph::new();
    contrastive(graph.input("o", Dtype::F32, &[2, 3]));
    let message = graph.build().unwrap_err().to_string();
    assert!(message.ends_with("contrastive: 2 texts and 3 images are not pairs"), "{message}");
}
