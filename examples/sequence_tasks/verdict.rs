//! How many answers are right, and some of them in words.

use handmill::engine::Tensors;
use handmill::{Error, HostTensor, Result};

use super::sequences::{STEPS, WAVES, Wave};
use super::tasks::{REVERSED, Task};
use super::words::{END, SPECIAL};

/// Answers that are shown.
const SHOWN: usize = 3;

/// What of the `outputs` for `asked` is right, as a fraction, and a few of them in words.
pub fn verdict(task: Task, asked: &Tensors, outputs: &Tensors) -> Result<(f64, Vec<String>)> {
    let name = match task {
        Task::OneToMany => "output",
        Task::Seq2seq => "generated_ids",
        _ => "logits",
    };
    let found = outputs.get(name).ok_or_else(|| Error::tensor(name, "is no output of the model"))?;
    match task {
        Task::OneToMany => waves(asked, found),
        Task::ManyToOne | Task::ManyToMany => classes(asked, found),
        Task::Seq2seq => digits(asked, found),
    }
}

/// A wave is right if it is nearer to the one that was asked for than to the others of its height and period.
fn waves(asked: &Tensors, found: &HostTensor) -> Result<(f64, Vec<String>)> {
    let (mut right, mut lines) = (0, vec![]);
    let told = asked["input"].as_f32()?;
    let n = asked["input"].shape()[0];
    for (told, values) in told.chunks(told.len() / n).zip(found.as_f32()?.chunks(STEPS)) {
        let wave = Wave::heard(told);
        let apart = |kind: &usize| -> f32 {
            let other = Wave { kind: *kind, ..wave }.values();
            other.iter().zip(values).map(|(a, b)| (a - b).powi(2)).sum()
        };
        let nearest = (0..WAVES.len()).min_by(|a, b| apart(a).total_cmp(&apart(b))).unwrap_or(0);
        right += usize::from(nearest == wave.kind);
        let (name, steps) = (WAVES[wave.kind], wave.period);
        lines.push(format!("{} a {name} of {steps:.1} steps, is a {}", drawn(values), WAVES[nearest]));
    }
    Ok((right as f64 / n as f64, lines.into_iter().take(SHOWN).collect()))
}

/// Values from −1 to 1 as bars.
fn drawn(values: &[f32]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    values.iter().map(|v| BARS[((v + 1.0) / 2.0 * 7.0).round().clamp(0.0, 7.0) as usize]).collect()
}

/// The best class of every row of logits, against the target.
fn classes(asked: &Tensors, logits: &HostTensor) -> Result<(f64, Vec<String>)> {
    let (target, width) = (asked["target"].as_i32()?, logits.shape()[logits.shape().len() - 1]);
    let found: Vec<i32> = logits.as_f32()?.chunks(width).map(best).collect();
    let right = found.iter().zip(target).filter(|(found, target)| found == target).count();
    let (n, steps) = (asked["input"].shape()[0], asked["input"].shape()[1]);
    let read: Vec<String> = asked["input"].as_f32()?.chunks(width).map(digit).collect();
    let (each, text) = (target.len() / n, |ids: &[i32]| ids.iter().map(i32::to_string).collect::<String>());
    let line = |i: usize| {
        let [found, target] = [&found, target].map(|all| text(&all[i * each..][..each]));
        format!("{} -> {found}, is {target}", read[i * steps..][..steps].concat())
    };
    Ok((right as f64 / target.len() as f64, (0..n.min(SHOWN)).map(line).collect()))
}

fn best(logits: &[f32]) -> i32 {
    (1..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best }) as i32
}

/// The digit of a vector with a single 1; nothing for zeros.
fn digit(one_hot: &[f32]) -> String {
    one_hot.iter().position(|&v| v == 1.0).map_or_else(String::new, |digit| digit.to_string())
}

/// Rows of ids that are right up to their end.
fn digits(asked: &Tensors, found: &HostTensor) -> Result<(f64, Vec<String>)> {
    let (target, n) = (asked["target"].as_i32()?, asked["target"].shape()[0]);
    let rows = || target.chunks(target.len() / n).zip(found.as_i32().unwrap_or(&[]).chunks(found.shape()[1]));
    let right = rows().filter(|(target, found)| target == found).count();
    let text = |ids: &[i32]| -> String {
        let digits = ids.iter().take_while(|&&id| id != END).map(|id| id - SPECIAL.len() as i32);
        digits.map(|d| if (0..REVERSED as i32).contains(&d) { d.to_string() } else { "_".into() }).collect()
    };
    let sources = asked["input_ids"].as_i32()?;
    let line = |(source, (target, found)): (&[i32], (&[i32], &[i32]))| {
        format!("{} -> {}, is {}", text(source), text(found), text(target))
    };
    let lines = sources.chunks(sources.len() / n).zip(rows()).take(SHOWN).map(line).collect();
    Ok((right as f64 / n as f64, lines))
}
