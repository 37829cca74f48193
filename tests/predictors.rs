//! Predictors that are fitted in closed form, and the perceptron's rule.
//!
//! `HANDMILL_REQUIRE_GPU=1` makes a missing adapter a failure; without one, the reference runs alone.

use std::sync::OnceLock;

use handmill::config::Config;
use handmill::device::{Device, Select};
use handmill::engine::{Engine, Tensors};
use handmill::models::named;
use handmill::programs::Context;
use handmill::tensor::HostTensor;
use handmill::train::settings::Settings;
use handmill::train::start::Start;
use handmill::train::step::Task;
use handmill::train::trainer::{How, Trainer, shapes_of};
use handmill::weights::{load_tensors, save_tensors};

/// The reference, and the adapter if there is one.
fn engines() -> &'static [Engine] {
    static ENGINES: OnceLock<Vec<Engine>> = OnceLock::new();
    ENGINES.get_or_init(|| match Device::open(&Select::Auto) {
        Ok(device) => vec![Engine::Reference, Engine::Gpu(device)],
        Err(e) if std::env::var_os("HANDMILL_REQUIRE_GPU").is_some_and(|v| v == "1") => panic!("{e}"),
        Err(e) => {
            eprintln!("{e}: the reference runs alone");
            vec![Engine::Reference]
        }
    })
}

/// What `model` of `config` makes of `inputs`, with drawn weights.
fn run(engine: &Engine, model: &str, config: &str, inputs: &[(&str, HostTensor)]) -> handmill::Result<Tensors> {
    let config = Config::parse("config.json", config)?;
    let inputs: Tensors = inputs.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone())).collect();
    Context::random(named(model)?, config, engine, 3)?.run(&inputs)
}

fn column(values: &[f32]) -> HostTensor {
    HostTensor::f32(&[values.len(), 1], values.to_vec())
}

/// Longley 1967, as NIST's Statistical Reference Datasets have it: employment, then ten times the deflator of prices, the
/// national product, the unemployed, the armed forces, the population, the year.
const LONGLEY: [[f32; 7]; 16] = [
    [60323.0, 830.0, 234289.0, 2356.0, 1590.0, 107608.0, 1947.0],
    [61122.0, 885.0, 259426.0, 2325.0, 1456.0, 108632.0, 1948.0],
    [60171.0, 882.0, 258054.0, 3682.0, 1616.0, 109773.0, 1949.0],
    [61187.0, 895.0, 284599.0, 3351.0, 1650.0, 110929.0, 1950.0],
    [63221.0, 962.0, 328975.0, 2099.0, 3099.0, 112075.0, 1951.0],
    [63639.0, 981.0, 346999.0, 1932.0, 3594.0, 113270.0, 1952.0],
    [64989.0, 990.0, 365385.0, 1870.0, 3547.0, 115094.0, 1953.0],
    [63761.0, 1000.0, 363112.0, 3578.0, 3350.0, 116219.0, 1954.0],
    [66019.0, 1012.0, 397469.0, 2904.0, 3048.0, 117388.0, 1955.0],
    [67857.0, 1046.0, 419180.0, 2822.0, 2857.0, 118734.0, 1956.0],
    [68169.0, 1084.0, 442769.0, 2936.0, 2798.0, 120445.0, 1957.0],
    [66513.0, 1108.0, 444546.0, 4681.0, 2637.0, 121950.0, 1958.0],
    [68655.0, 1126.0, 482704.0, 3813.0, 2552.0, 123366.0, 1959.0],
    [69564.0, 1142.0, 502601.0, 3931.0, 2514.0, 125368.0, 1960.0],
    [69331.0, 1157.0, 518173.0, 4806.0, 2572.0, 127852.0, 1961.0],
    [70551.0, 1169.0, 554894.0, 4007.0, 2827.0, 130081.0, 1962.0],
];

/// NIST's certified values; the first weight is for a tenth of its unit.
const WEIGHTS: [f64; 6] = [
    1.50618722713733,
    -0.0358191792925910,
    -2.02022980381683,
    -1.03322686717359,
    -0.0511041056535807,
    1829.15146461355,
];
const BIAS: f64 = -3482258.63459582;

/// Sizes of the centred columns, and the condition number, by row sums, of their correlations.
fn condition(columns: &[Vec<f64>]) -> (Vec<f64>, f64) {
    let n = columns.len();
    let centred: Vec<Vec<f64>> = columns
        .iter()
        .map(|c| {
            let mean = c.iter().sum::<f64>() / c.len() as f64;
            c.iter().map(|v| v - mean).collect()
        })
        .collect();
    let sizes: Vec<f64> = centred.iter().map(|c| c.iter().map(|v| v * v).sum::<f64>().sqrt()).collect();
    let dot = |i: usize, j: usize| centred[i].iter().zip(&centred[j]).map(|(a, b)| a * b).sum::<f64>();
    let c: Vec<f64> = (0..n * n).map(|at| dot(at / n, at % n) / sizes[at / n] / sizes[at % n]).collect();
    let (l, _) = kernels_ref::linalg::cholesky(&c, n);
    let unit: Vec<f64> = (0..n * n).map(|at| f64::from(at / n == at % n)).collect();
    let forward = kernels_ref::linalg::solve_triangular(&l, &unit, [n, n], false);
    let inverse = kernels_ref::linalg::solve_triangular(&l, &forward, [n, n], true);
    let norm = |m: &[f64]| m.chunks(n).map(|row| row.iter().map(|v| v.abs()).sum::<f64>()).fold(0.0, f64::max);
    (sizes, norm(&c) * norm(&inverse))
}

/// In f64 nine digits of the certified values; in f32 what the condition number leaves of seven.
#[test]
fn longley_is_solved_as_certified() {
    let y = column(&LONGLEY.map(|row| row[0]));
    let x = HostTensor::f32(&[16, 6], LONGLEY.iter().flat_map(|row| row[1..].to_vec()).collect());
    let columns: Vec<Vec<f64>> = (1..7).map(|c| LONGLEY.iter().map(|row| f64::from(row[c])).collect()).collect();
    let (sizes, condition) = condition(&columns);
    assert!(condition > 1e4, "the data are not those that are hard");
    for engine in engines() {
        let config = r#"{"in_features": 6, "out_features": 1}"#;
        let found = run(engine, "LinearRegression", config, &[("input", x.clone()), ("target", y.clone())]).unwrap();
        assert_eq!(found["output"].shape(), [16, 1]);
        assert_eq!((found["solution.weight"].shape(), found["solution.bias"].shape()), (&[1, 6][..], &[1][..]));
        // Sums of 16 products and a factor of 6 rows, in the units of the columns; results are f32.
        let on_device = condition * (4.0 * 16f64.sqrt() + 4.0 * 6f64.sqrt() + 3.0) * 2f64.powi(-24);
        let limit = if engine.device().is_some() { on_device } else { 1e-7 };
        let largest = WEIGHTS.iter().zip(&sizes).map(|(w, s)| (w * s).abs()).fold(0.0, f64::max);
        for ((got, want), size) in found["solution.weight"].to_f64().iter().zip(WEIGHTS).zip(&sizes) {
            let off = (got - want).abs() * size / largest;
            assert!(off <= limit, "{}: {got} is off {want} by {off:e}, beyond {limit:e}", engine.name());
        }
        let bias = found["solution.bias"].to_f64()[0];
        assert!((bias / BIAS - 1.0).abs() <= limit, "{}: {bias}", engine.name());
    }
}

/// A ridge of one column is `Sxy/(Sxx + alpha)`: scikit-learn's `Ridge(alpha=2).fit(x, y)`.
#[test]
fn alpha_is_that_of_a_ridge() {
    let (x, y) = (column(&[1.0, 2.0, 3.0, 6.0]), column(&[2.0, 3.0, 5.0, 10.0]));
    for engine in engines() {
        let config = r#"{"in_features": 1, "out_features": 1, "alpha": 2}"#;
        let found = run(engine, "LinearRegression", config, &[("input", x.clone()), ("target", y.clone())]).unwrap();
        let (weight, bias) = (found["solution.weight"].to_f64()[0], found["solution.bias"].to_f64()[0]);
        assert!(
            (weight - 23.0 / 16.0).abs() < 1e-6 && (bias - (5.0 - 3.0 * 23.0 / 16.0)).abs() < 1e-6,
            "{weight} {bias}"
        );
    }
}

/// Two targets, each with its own polynomial through the points.
#[test]
fn a_polynomial_is_found_through_its_points() {
    let x: Vec<f32> = (0..12).map(|i| i as f32 / 4.0 - 1.0).collect();
    let of = |x: f32| [1.0 - 2.0 * x + 0.5 * x * x + 3.0 * x * x * x, 4.0 * x * x - 7.0];
    let y = HostTensor::f32(&[12, 2], x.iter().flat_map(|&x| of(x)).collect());
    for engine in engines() {
        let config = r#"{"degree": 3, "out_features": 2}"#;
        let inputs = [("input", column(&x)), ("target", y.clone())];
        let found = run(engine, "PolynomialRegression", config, &inputs).unwrap();
        assert_eq!(found["solution.weight"].shape(), [2, 4]);
        for (got, want) in found["solution.weight"].to_f64().iter().zip([1.0, -2.0, 0.5, 3.0, -7.0, 0.0, 4.0, 0.0]) {
            assert!((got - want).abs() < 1e-3, "{}: {:?}", engine.name(), found["solution.weight"]);
        }
    }
}

#[test]
fn what_has_no_solution_is_refused_in_a_sentence() {
    let rows = |columns: usize, values: &[f32]| HostTensor::f32(&[values.len() / columns, columns], values.to_vec());
    let y = column(&[1.0, 0.0, 2.0, 5.0]);
    // The third column is the sum of the others; the second is constant; there are no more rows than columns.
    let sum = rows(3, &[1.1, 2.3, 3.4, 0.2, 0.9, 1.1, 4.7, -1.3, 3.4, 2.2, 2.9, 5.1]);
    let constant = rows(2, &[1.0, 0.1, 2.0, 0.1, 4.0, 0.1, 0.5, 0.1]);
    let few = rows(4, &[1.0, 2.0, 3.0, 4.0, 4.0, 3.0, 1.0, 2.0, 0.0, 1.0, 0.0, 1.0, 5.0, 0.0, 2.0, 0.0]);
    let lost = |column: usize, pivot: usize| {
        format!(
            "input: column {column} is constant or a linear combination of those before it, as far as f32 tells: the \
             matrix of the normal equations is not positive definite, pivot {pivot}; leave the column out, or set alpha \
             above 0"
        )
    };
    for engine in engines() {
        let linear = |x: &HostTensor, y: &HostTensor, more: &str| {
            let config = format!(r#"{{"in_features": {}, "out_features": 1{more}}}"#, x.shape()[1]);
            run(engine, "LinearRegression", &config, &[("input", x.clone()), ("target", y.clone())])
        };
        let text =
            |result: handmill::Result<Tensors>| result.map(|_| "solved".to_owned()).unwrap_or_else(|e| e.to_string());
        assert_eq!(text(linear(&sum, &y, "")), lost(2, 3), "{}", engine.name());
        assert_eq!(text(linear(&constant, &y, "")), lost(1, 2), "{}", engine.name());
        assert_eq!(text(linear(&few, &y, "")), lost(3, 4), "{}", engine.name());
        assert_eq!(text(linear(&sum, &y, r#", "alpha": 0.01"#)), "solved");
        let wrong = text(linear(&constant, &column(&[1.0, 2.0]), ""));
        assert!(wrong.ends_with("target: is (2, 1), expected (4, 1)"), "{wrong}");
        let wrong = text(linear(&constant, &y, r#", "alpha": -1"#));
        assert!(wrong.contains("alpha: found -1, expected a number from 0 to"), "{wrong}");
        let same = [("input", column(&[2.0, 2.0, 2.0])), ("target", column(&[1.0, 2.0, 3.0]))];
        let power = text(run(engine, "PolynomialRegression", r#"{"degree": 2, "out_features": 1}"#, &same));
        assert_eq!(power, lost(1, 1), "{}", engine.name());
        let alone = [("target", column(&[1.0]))];
        let missing = text(run(engine, "LinearRegression", r#"{"in_features": 1, "out_features": 1}"#, &alone));
        assert!(missing.contains("input: the input is missing; given are target"), "{missing}");
    }
}

/// `handmill run` gives the solution beside the output, and refuses what has none without writing anything.
#[test]
fn the_command_gives_the_solution() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(
        at("config.json"),
        r#"{"architectures": ["LinearRegression"], "in_features": 1, "out_features": 1}"#,
    )
    .unwrap();
    let command = |x: &[f32], outputs: &str| {
        let inputs = [("input".to_owned(), column(x)), ("target".to_owned(), column(&[1.0, 3.0, 5.0]))];
        save_tensors(at("inputs.safetensors"), &inputs, true).unwrap();
        let mut command = assert_cmd::Command::cargo_bin("handmill").unwrap();
        command.args(["run", "--random", "1", "--device", "reference", "--model"]).arg(folder.path());
        command.arg("--inputs").arg(at("inputs.safetensors")).arg("--outputs").arg(at(outputs)).assert()
    };
    command(&[0.0, 1.0, 2.0], "outputs.safetensors").success();
    let found = load_tensors(at("outputs.safetensors")).unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["output", "solution.bias", "solution.weight"]);
    assert_eq!((found["solution.weight"].to_f64(), found["solution.bias"].to_f64()), (vec![2.0], vec![1.0]));
    let refused = command(&[1.0, 1.0, 1.0], "none.safetensors").failure().code(1);
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("column 0 is constant") && !at("none.safetensors").exists(), "{said}");
}

/// Points of two classes with room between them, on a grid on which every sum of the rule is exact in f32; the square of
/// the largest `|(x, 1)|`, and the square of the margin.
fn separable() -> (Vec<[f32; 3]>, Vec<f32>, f64) {
    let teacher = [2.0f32, -1.0, 1.5, 0.5];
    let side = |x: &[f32; 3]| x.iter().zip(teacher).map(|(x, w)| x * w).sum::<f32>() + teacher[3];
    let mut state = 7u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 26) as f32 / 8.0 - 4.0
    };
    let mut points = vec![];
    while points.len() < 40 {
        let x = [next(), next(), next()];
        if side(&x).abs() >= 1.5 {
            points.push(x);
        }
    }
    let y = points.iter().map(|x| side(x).signum()).collect();
    let largest = points.iter().map(|x| x.iter().map(|v| v * v).sum::<f32>() + 1.0).fold(0.0, f32::max);
    let length: f32 = teacher.iter().map(|w| w * w).sum();
    let margin = points.iter().map(|x| side(x).abs()).fold(f32::INFINITY, f32::min);
    (points, y, f64::from(largest * length / (margin * margin)))
}

/// Update for update the rule of Rosenblatt 1958, and no more mistakes than Novikoff 1962 allows.
#[test]
fn the_perceptron_learns_by_its_rule() {
    let (points, y, most) = separable();
    let train = r#"{"loss": "perceptron", "optimizer": {"name": "sgd", "lr": 1}, "steps": 1}"#;
    for engine in engines() {
        let settings = Settings::read(&Config::parse("train.json", train).unwrap(), "".as_ref()).unwrap();
        let config = Config::parse("config.json", r#"{"in_features": 3, "out_features": 1}"#).unwrap();
        let task = Task { model: named("Perceptron").unwrap(), config, settings, keys: None };
        let batch = |n: usize| {
            let x = HostTensor::f32(&[1, 3], points[n].to_vec());
            Tensors::from([("input".to_owned(), x), ("target".to_owned(), column(&[y[n]]))])
        };
        let shapes = shapes_of(&batch(0));
        let start = Start::drawn(&task, &shapes).unwrap();
        let mut trainer = Trainer::new(task, start.weights, engine, How::default(), &shapes).unwrap();
        let (mut w, mut b, mut mistakes, mut passes) = ([0.0f32; 3], 0.0f32, 0, 0);
        loop {
            let before = mistakes;
            for n in 0..points.len() {
                let s = w.iter().zip(points[n]).map(|(w, x)| w * x).sum::<f32>() + b;
                let predicted = if s >= 0.0 { 1.0 } else { -1.0 };
                if predicted != y[n] {
                    w.iter_mut().zip(points[n]).for_each(|(w, x)| *w += y[n] * x);
                    b += y[n];
                    mistakes += 1;
                }
                trainer.step(&[batch(n)]).unwrap();
                let weights = trainer.weights().unwrap();
                let got = (weights["weight"].as_f32().unwrap(), weights["bias"].as_f32().unwrap());
                assert_eq!(got, (&w[..], &[b][..]), "{}: pass {passes}, point {n}", engine.name());
            }
            passes += 1;
            if mistakes == before {
                break;
            }
            assert!(f64::from(mistakes) <= most, "{mistakes} mistakes, at most {most:.0} are allowed");
        }
        assert!(mistakes >= 5, "{mistakes} mistakes: the data are too easy to say anything");
    }
}
