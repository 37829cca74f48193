//! Three classifiers that are linear in the pixels, on the bundled digits: a perceptron by Rosenblatt's rule (ten of
//! them, each for one digit against the rest), logistic regression (one digit against the rest), softmax regression.
//!
//! `cargo run --release --example regression_zoo` prints how many of 360 digits each reads right, and writes pictures of
//! the weights to `regression_zoo/`: orange is ink that speaks for a digit, blue ink that speaks against it.

use std::path::PathBuf;

use clap::Parser;
use handmill::engine::Engine;
use handmill::{HostTensor, Result};
use serde_json::{Value, json};

#[path = "regression_zoo/digits.rs"]
mod digits;
#[path = "fit/mod.rs"]
mod fit;

use digits::{Digits, digits, picture, pixels};

/// Trains three linear classifiers on 1,437 handwritten digits and judges them by 360 others
#[derive(Parser)]
pub struct Args {
    /// The digit that logistic regression tells from the others
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=9))]
    digit: u8,
    /// Updates of the weights of logistic and softmax regression, with 64 digits each
    #[arg(long, default_value_t = 600)]
    steps: u32,
    /// How often the perceptron sees every digit
    #[arg(long, default_value_t = 3)]
    passes: u16,
    /// Of the first weights and the order of the digits
    #[arg(long, default_value_t = 0)]
    seed: u32,
    /// auto, gpu, gpu:N, a part of an adapter's name, or reference
    #[arg(long, default_value = "auto")]
    device: String,
    /// The folder of results
    #[arg(long, value_name = "DIR", default_value = "regression_zoo")]
    out: PathBuf,
}

fn main() {
    if let Err(e) = run(&Args::parse()) {
        eprintln!("regression_zoo: {e}");
        std::process::exit(1);
    }
}

/// Trains, and returns the share of the held-out digits that perceptron, logistic and softmax regression read right.
pub fn run(args: &Args) -> Result<[f64; 3]> {
    let (engine, notice) = Engine::open(&args.device)?;
    notice.iter().for_each(|text| eprintln!("{text}"));
    let [seen, new] = digits()?;
    let own = i32::from(args.digit);
    let sides = |(_, labels): &Digits, no: f32| -> HostTensor {
        let side = |&label: &i32| (0..10).map(move |digit| if digit == label { 1.0 } else { no });
        HostTensor::f32(&[labels.len(), 10], labels.iter().flat_map(side).collect())
    };
    let one = HostTensor::f32(&[seen.1.len(), 1], seen.1.iter().map(|&l| f32::from(u8::from(l == own))).collect());
    let classes = HostTensor::i32(&[seen.1.len()], seen.1.clone());
    let adam = |loss: &str| {
        json!({"loss": loss, "optimizer": {"name": "adam", "lr": 0.02}, "steps": args.steps,
        "regularization": {"l2": 0.0005}, "seed": args.seed})
    };
    let rule = json!({"loss": "perceptron", "optimizer": {"name": "sgd", "lr": 1},
        "steps": seen.1.len() * usize::from(args.passes), "seed": args.seed});
    let zoo: [(&str, Value, Value, HostTensor, usize); 3] = [
        ("Perceptron", json!({"in_features": 64, "out_features": 10}), rule, sides(&seen, -1.0), 1),
        ("LogisticRegression", json!({"in_features": 64}), adam("binary_cross_entropy_with_logits"), one, 64),
        ("SoftmaxRegression", json!({"in_features": 64, "num_classes": 10}), adam("cross_entropy"), classes, 64),
    ];
    let mut shares = [0.0; 3];
    for ((name, mut config, train, target, batch), share) in zoo.into_iter().zip(&mut shares) {
        config["architectures"] = json!([name]);
        let out = args.out.join(name);
        let trained = fit::fit(&config, &train, &[("input", pixels(&seen)), ("target", target)], batch, &engine, &out)?;
        let found = trained.trainer().context().run(&fit::tensors(&[("input", pixels(&new))]))?;
        let (scores, wanted) = match name {
            "Perceptron" => (&found["debug.activation"], "digits"),
            "LogisticRegression" => (&found["logits"], "answers whether it is the digit"),
            _ => (&found["logits"], "digits"),
        };
        let right = |(scores, label): (&[f64], &i32)| match scores {
            [score] => (*score >= 0.0) == (*label == own),
            _ => (0..10).all(|other| scores[other] <= scores[*label as usize]),
        };
        let rows = scores.to_f64();
        let count = rows.chunks(rows.len() / new.1.len()).zip(&new.1).filter(|row| right(*row)).count();
        *share = count as f64 / new.1.len() as f64;
        println!("{name:>18}: {count} of {} held-out {wanted} right, {:.2} %", new.1.len(), 100.0 * *share);
        picture(&trained.result()?["weight"].to_f64(), &out.join("weights.png"))?;
    }
    let rest = new.1.iter().filter(|&&label| label != own).count() as f64 / new.1.len() as f64;
    println!(
        "always \"not {own}\" would be right for {:.2} %; models and weights.png are in {}",
        100.0 * rest,
        args.out.display()
    );
    Ok(shares)
}
