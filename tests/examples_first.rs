//! The examples of predictors and small networks, run briefly: what they return, and what they write.
//!
//! `HANDMILL_REQUIRE_GPU=1` makes a missing adapter a failure; without one they run on the reference.

// Each example is a program, and some have the same files.
#![allow(clippy::duplicate_mod)]

use std::ffi::OsString;
use std::path::Path;

use clap::Parser;
use handmill::models::Loaded;

#[path = "../examples/01_linear_regression.rs"]
#[allow(dead_code)]
mod linear_regression;
#[path = "../examples/06_mixture_density.rs"]
#[allow(dead_code)]
mod mixture_density;
#[path = "../examples/02_regression_zoo.rs"]
#[allow(dead_code)]
mod regression_zoo;
#[path = "../examples/03_xor_mlp.rs"]
#[allow(dead_code)]
mod xor_mlp;

/// The command line `text`, with an adapter if one is required, and results in `out`.
fn args<A: Parser>(text: &str, out: &Path) -> A {
    let required = std::env::var_os("HANDMILL_REQUIRE_GPU").is_some_and(|v| v == "1");
    let words = ["example"].into_iter().chain(text.split_whitespace()).map(OsString::from);
    let device = ["--device", if required { "gpu" } else { "auto" }, "--out"].map(OsString::from);
    A::parse_from(words.chain(device).chain([out.into()]))
}

/// `out` is a model folder of `model`, and has the files `names` that are not empty.
fn expect_results(out: &Path, model: &str, names: &[&str]) {
    assert_eq!(Loaded::open(out).unwrap().model.name, model);
    for name in names.iter().chain(&["model.safetensors", "loss.svg"]) {
        assert!(out.join(name).metadata().is_ok_and(|file| file.len() > 100), "{name} was not written");
    }
}

/// R's `lm(dist ~ speed, cars)`, in closed form; descent comes to the same.
#[test]
fn cars_are_fitted_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let found = linear_regression::run(&args("", folder.path())).unwrap();
    for (got, want) in found.closed.iter().zip([3.932_408_8, -17.579_095]) {
        assert!((got / want - 1.0).abs() < 2e-6, "{:?}", found.closed);
    }
    for (descent, closed) in found.descent.iter().zip(&found.closed) {
        assert!((descent / closed - 1.0).abs() < 2e-5, "{:?} and {:?}", found.descent, found.closed);
    }
    assert!((found.r2 - 0.651_079).abs() < 1e-5, "{}", found.r2);
    expect_results(folder.path(), "LinearRegression", &["fit.svg", "descent.svg"]);
    let chart = std::fs::read_to_string(folder.path().join("fit.svg")).unwrap();
    assert!(chart.matches("<circle").count() >= 50 && chart.contains("closed form") && chart.contains("speed"));
}

#[test]
fn a_table_of_ones_own_is_fitted_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("own.csv");
    let run = |text: &str, target: &str| {
        std::fs::write(&csv, text).unwrap();
        let line = format!("--steps 300 --csv {} --target {target}", csv.display());
        linear_regression::run(&args(&line, &folder.path().join("out")))
    };
    let found = run("a,y,b\n0,1,0\n1,3,0\n2,4,1\n0,-1,2\n3,4,3\n", "y").unwrap();
    for (got, want) in found.closed.iter().chain(&found.descent).zip([2.0, -1.0, 1.0, 2.0, -1.0, 1.0]) {
        assert!((got - want).abs() < 1e-4, "{:?} and {:?}", found.closed, found.descent);
    }
    for (text, target, expected) in [
        ("a,b\n1,2\n", "c", "has no column c; it has a, b"),
        ("a,b\n1,2\n3,x\n", "a", "row 2, column b: found \"x\", expected a number"),
        ("a,b\n", "a", "has no rows"),
        ("a\n1\n", "a", "has the column a alone, expected others to fit it from"),
        ("a,b,y\n1,2,1\n2,4,2\n5,10,7\n9,18,1\n", "y", "column 1 is constant or a linear combination"),
    ] {
        let said = run(text, target).map(|_| String::new()).unwrap_or_else(|e| e.to_string());
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn linear_classifiers_read_digits() {
    let folder = tempfile::tempdir().unwrap();
    let [perceptron, logistic, softmax] = regression_zoo::run(&args("--steps 200 --passes 1", folder.path())).unwrap();
    assert!(perceptron >= 0.8, "perceptron: {perceptron}");
    assert!(logistic >= 0.95, "logistic regression: {logistic}");
    assert!(softmax >= 0.92, "softmax regression: {softmax}");
    for model in ["Perceptron", "LogisticRegression", "SoftmaxRegression"] {
        expect_results(&folder.path().join(model), model, &["weights.png"]);
    }
    let size = |model: &str| image::image_dimensions(folder.path().join(model).join("weights.png")).unwrap();
    assert_eq!([size("SoftmaxRegression"), size("LogisticRegression")], [(1048, 112), (112, 112)]);
}

#[test]
fn xor_is_learned_and_moons_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(xor_mlp::run(&args("", folder.path())).unwrap(), 1.0);
    expect_results(folder.path(), "MLP", &["boundary.png"]);
    // The corners of the picture have the colours of their class: 0 and 0, blue; 0 and 1, orange.
    let picture = image::open(folder.path().join("boundary.png")).unwrap().to_rgb8();
    let (side, pixel) = (picture.width(), |x, y| picture.get_pixel(x, y).0);
    let blue = |[r, _, b]: [u8; 3]| b > r;
    let corners = [pixel(0, side - 1), pixel(side - 1, side - 1), pixel(0, 0), pixel(side - 1, 0)];
    assert_eq!(corners.map(blue), [true, false, false, true]);
    // Without a hidden layer at work there is no boundary that does it.
    let moons = xor_mlp::run(&args("--data moons --steps 300", folder.path())).unwrap();
    assert!(moons >= 0.97, "{moons}");
}

#[test]
fn a_mixture_is_likelier_than_one_gaussian() {
    let folder = tempfile::tempdir().unwrap();
    let line = "--samples 400 --steps 400";
    let [mixture, one] = mixture_density::run(&args(line, folder.path())).unwrap();
    assert!(mixture < one - 0.25, "{mixture} nats with three Gaussians, {one} with one");
    expect_results(folder.path(), "MixtureDensityNetwork", &["density.png", "components.svg"]);
    expect_results(&folder.path().join("one_gaussian"), "MixtureDensityNetwork", &[]);
}
