//! How a run tells how far it is: a bar on a terminal, lines elsewhere. Both on stderr.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often the bar changes, at most.
const REDRAW: Duration = Duration::from_millis(100);

/// The progress of a run of `steps` steps.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    steps: u64,
    log_every: u64,
    /// The steps done when it began: those are not this run's speed.
    from: u64,
    began: Instant,
    drawn: Option<Instant>,
}

impl Progress {
    /// Progress from step `from` to `steps`, with a line every `log_every` steps where stderr is no terminal.
    pub fn new(from: u64, steps: u64, log_every: u64) -> Progress {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(steps);
            // The template is a constant; where it could not be read the default bar will do.
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {msg}") {
                bar.set_style(style);
            }
            bar.set_position(from);
            bar
        });
        Progress { bar, steps, log_every: log_every.max(1), from, began: Instant::now(), drawn: None }
    }

    /// Tells that `done` steps are done, the last with these values, the loss first.
    pub fn step(&mut self, done: u64, values: &[(&str, f32)]) {
        let line = || line(done, self.steps, self.began.elapsed(), done.saturating_sub(self.from), values);
        match &self.bar {
            Some(bar) => {
                if done < self.steps && self.drawn.is_some_and(|drawn| drawn.elapsed() < REDRAW) {
                    return;
                }
                bar.set_position(done);
                bar.set_message(line());
                self.drawn = Some(Instant::now());
            }
            None if done.is_multiple_of(self.log_every) || done == self.steps => eprintln!("{}", line()),
            None => {}
        }
    }

    /// Says `text` without disturbing the bar.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// Ends the bar; its last state stays.
    pub fn finish(&self) {
        self.bar.iter().for_each(ProgressBar::abandon);
    }
}

/// `step 100/1000  loss 0.1234  12.3 steps/s  1:13 left`
fn line(done: u64, steps: u64, elapsed: Duration, counted: u64, values: &[(&str, f32)]) -> String {
    let mut line = format!("step {done}/{steps}");
    for (name, value) in values {
        line += &format!("  {name} {}", shown(*value));
    }
    let seconds = elapsed.as_secs_f64();
    if counted == 0 || seconds <= 0.0 {
        return line;
    }
    let rate = counted as f64 / seconds;
    line += &if rate < 1.0 { format!("  {:.1} s/step", 1.0 / rate) } else { format!("  {rate:.1} steps/s") };
    if done < steps {
        line += &format!("  {} left", clock((steps - done) as f64 / rate));
    }
    line
}

/// Four digits.
fn shown(v: f32) -> String {
    if v == 0.0 || !v.is_finite() || (1e-3..1e4).contains(&v.abs()) {
        let digits = if v.abs() >= 1000.0 { 1 } else { 4 };
        return format!("{v:.digits$}");
    }
    format!("{v:.3e}")
}

fn clock(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match (s / 3600, s / 60 % 60, s % 60) {
        (0, m, s) => format!("{m}:{s:02}"),
        (h, m, s) => format!("{h}:{m:02}:{s:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_loss_speed_and_time_left() {
        let at = |done, counted, seconds, values: &[(&str, f32)]| {
            line(done, 1000, Duration::from_secs_f64(seconds), counted, values)
        };
        assert_eq!(at(100, 100, 8.0, &[("loss", 0.123_45)]), "step 100/1000  loss 0.1235  12.5 steps/s  1:12 left");
        let two = [("loss", 1e-5), ("lr", 0.5)];
        assert_eq!(at(500, 10, 50.0, &two), "step 500/1000  loss 1.000e-5  lr 0.5000  5.0 s/step  41:40 left");
        assert_eq!(at(1000, 1000, 10.0, &[("loss", f32::NAN)]), "step 1000/1000  loss NaN  100.0 steps/s");
        assert_eq!(at(7, 0, 0.0, &[]), "step 7/1000");
    }

    #[test]
    fn times_are_short() {
        assert_eq!([0.4, 59.6, 3599.0, 7325.0].map(clock), ["0:00", "1:00", "59:59", "2:02:05"]);
    }
}
