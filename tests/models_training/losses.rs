//! Losses of one batch, as plain loops in f64: the formulas of the papers, from outputs of the models.

use handmill::engine::Tensors;
use handmill::json::Value;
use handmill::models::Model;
use handmill::tensor::HostTensor;
use libtest_mimic::Failed;

/// What of `batch` the model takes.
pub fn inputs(model: &Model, train: &Value, batch: &Tensors) -> Tensors {
    let takes = |name: &str| {
        let known = model.inputs.iter().filter_map(|line| line.split(' ').next());
        known.into_iter().any(|k| k == name || (k == "dropout.{i}" && name.starts_with("dropout.")))
    };
    let mut inputs: Tensors = batch.iter().filter(|(n, _)| takes(n)).map(|(n, t)| (n.clone(), t.clone())).collect();
    if train["loss"] == "noise_prediction" {
        inputs.insert("sample".to_owned(), noised(&train["loss_args"], batch));
    }
    if train["loss"] == "gan" {
        inputs = [("z", "z_discriminator"), ("pixel_values", "input")]
            .map(|(n, from)| (n.to_owned(), batch[from].clone()))
            .into();
    }
    inputs
}

/// `√ᾱ_t · x + √(1 − ᾱ_t) · noise`, t of every image its own.
fn noised(args: &Value, batch: &Tensors) -> HostTensor {
    let number = |name: &str| args[name].as_f64().unwrap_or_default();
    let (steps, [start, end]) = (number("num_train_timesteps"), ["beta_start", "beta_end"].map(number));
    let alpha_bar = |t: f64| -> f64 {
        (0..=t as usize).map(|i| 1.0 - (start + (end - start) * i as f64 / (steps - 1.0))).product()
    };
    let (x, noise, t) = (&batch["input"], batch["noise"].to_f64(), batch["timestep"].to_f64());
    let each = noise.len() / t.len();
    let value = |(i, (x, noise)): (usize, (f64, &f64))| {
        let a = alpha_bar(t[i / each]);
        (a.sqrt() * x + (1.0 - a).sqrt() * noise) as f32
    };
    HostTensor::f32(x.shape(), x.to_f64().into_iter().zip(&noise).enumerate().map(value).collect())
}

/// The loss that train.json names, and its named parts.
pub fn of(train: &Value, outputs: &Tensors, batch: &Tensors) -> Result<Vec<(&'static str, f64)>, Failed> {
    let args = &train["loss_args"];
    let number = |name: &str, default: f64| args[name].as_f64().unwrap_or(default);
    let out = |name: &str| outputs.get(name).ok_or(format!("the model gives no {name}"));
    let given = |name: &str| batch.get(name).ok_or(format!("the batch has no {name}"));
    let o = ["output", "logits", "sample"].iter().find_map(|name| outputs.get(*name));
    let o = || o.ok_or("the model gives neither output, logits nor sample");
    let loss = match train["loss"].as_str().unwrap_or_default() {
        "mse" => squared(&o()?.to_f64(), &given("target").or(given("input"))?.to_f64()),
        "noise_prediction" => squared(&o()?.to_f64(), &given("noise")?.to_f64()),
        "binary_cross_entropy_with_logits" => bernoulli(&o()?.to_f64(), &given("target")?.to_f64()),
        "cross_entropy" => {
            let (smoothing, ignored) = (number("label_smoothing", 0.0), number("ignore_index", -100.0));
            cross_entropy(o()?, &given("target")?.to_f64(), smoothing, ignored)
        }
        "masked_lm" => cross_entropy(o()?, &given("labels")?.to_f64(), 0.0, -100.0),
        "causal_lm" => cross_entropy(o()?, &next(given("labels")?), 0.0, -100.0),
        "gaussian_nll" => gaussian(o()?, &given("target")?.to_f64(), args["full"] == true),
        "kl_standard_normal" => {
            let (mu, logvar) = halves(o()?);
            kl(&mu, &logvar, o()?.shape()[0])
        }
        "hinge" => hinge(&o()?.to_f64(), &given("target")?.to_f64(), number("margin", 1.0)),
        "multi_margin" => multi_margin(o()?, &given("target")?.to_f64(), number("margin", 1.0)),
        "mdn_nll" => mean(&out("nll")?.to_f64()),
        "negative_sampling" => negative_sampling(&out("target_score")?.to_f64(), &out("negative_scores")?.to_f64()),
        "vae" => {
            let (x, rows) = (given("input")?, given("input")?.shape()[0]);
            let per_row = x.len() as f64 / rows as f64;
            let each = if args["reconstruction"] == "bce" { bernoulli } else { squared };
            let reconstruction = per_row * each(&o()?.to_f64(), &x.to_f64());
            let kl = kl(&out("mu")?.to_f64(), &out("logvar")?.to_f64(), rows);
            let loss = reconstruction + number("beta", 1.0) * kl;
            return Ok(vec![("loss", loss), ("reconstruction", reconstruction), ("kl", kl)]);
        }
        other => return Err(format!("there is no loss {other} here").into()),
    };
    Ok(vec![("loss", loss)])
}

fn mean(v: &[f64]) -> f64 {
    v.iter().sum::<f64>() / v.len() as f64
}

/// `log(1 + eˣ)`
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn squared(o: &[f64], y: &[f64]) -> f64 {
    mean(&o.iter().zip(y).map(|(o, y)| (o - y).powi(2)).collect::<Vec<_>>())
}

fn bernoulli(o: &[f64], y: &[f64]) -> f64 {
    mean(&o.iter().zip(y).map(|(&o, y)| softplus(o) - o * y).collect::<Vec<_>>())
}

fn hinge(o: &[f64], y: &[f64], margin: f64) -> f64 {
    mean(&o.iter().zip(y).map(|(o, y)| (margin - y * o).max(0.0)).collect::<Vec<_>>())
}

/// `labels (B, T)` one place earlier; the last of a row has none.
fn next(labels: &HostTensor) -> Vec<f64> {
    let t = labels.shape()[1];
    labels.to_f64().chunks(t).flat_map(|row| row[1..].iter().copied().chain([-100.0])).collect()
}

fn cross_entropy(o: &HostTensor, y: &[f64], smoothing: f64, ignored: f64) -> f64 {
    let c = o.shape().last().copied().unwrap_or(1);
    let rows = o.to_f64();
    let one = |(row, &y): (&[f64], &f64)| {
        let lse = row.iter().map(|v| v.exp()).sum::<f64>().ln();
        let all: f64 = row.iter().map(|v| v - lse).sum();
        -(1.0 - smoothing) * (row[y as usize] - lse) - smoothing / c as f64 * all
    };
    mean(&rows.chunks(c).zip(y).filter(|(_, y)| **y != ignored).map(one).collect::<Vec<_>>())
}

fn multi_margin(o: &HostTensor, y: &[f64], margin: f64) -> f64 {
    let c = o.shape()[1];
    let one = |(row, &y): (&[f64], &f64)| {
        let others = row.iter().enumerate().filter(|(i, _)| *i != y as usize);
        others.map(|(_, v)| (margin - row[y as usize] + v).max(0.0)).sum::<f64>() / c as f64
    };
    mean(&o.to_f64().chunks(c).zip(y).map(one).collect::<Vec<_>>())
}

/// The first and the second half of every row.
fn halves(o: &HostTensor) -> (Vec<f64>, Vec<f64>) {
    let d = o.shape()[1] / 2;
    let part = |second: bool| o.to_f64().chunks(d).skip(usize::from(second)).step_by(2).flatten().copied().collect();
    (part(false), part(true))
}

fn gaussian(o: &HostTensor, y: &[f64], full: bool) -> f64 {
    let (mu, logvar) = halves(o);
    let one = |((mu, logvar), y): ((&f64, &f64), &f64)| 0.5 * (logvar + (y - mu).powi(2) * (-logvar).exp());
    let constant = if full { 0.5 * std::f64::consts::TAU.ln() } else { 0.0 };
    constant + mean(&mu.iter().zip(&logvar).zip(y).map(one).collect::<Vec<_>>())
}

fn kl(mu: &[f64], logvar: &[f64], rows: usize) -> f64 {
    let sum: f64 = mu.iter().zip(logvar).map(|(mu, logvar)| 1.0 + logvar - mu * mu - logvar.exp()).sum();
    -0.5 * sum / rows as f64
}

/// `mean softplus(−D(real)) + mean softplus(D(made))`
pub fn discriminator(real: &HostTensor, made: &HostTensor) -> f64 {
    let [real, made] = [(real, -1.0), (made, 1.0)]
        .map(|(logits, sign)| logits.to_f64().iter().map(|v| softplus(sign * v)).collect::<Vec<_>>());
    mean(&real) + mean(&made)
}

fn negative_sampling(target: &[f64], negatives: &[f64]) -> f64 {
    let positive: f64 = target.iter().map(|&s| softplus(-s)).sum();
    (positive + negatives.iter().map(|&s| softplus(s)).sum::<f64>()) / target.len() as f64
}
