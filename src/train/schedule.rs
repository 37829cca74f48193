//! Schedules: what the learning rate is multiplied by at each step.

use std::f64::consts::PI;

use crate::config::{Config, MAX_SIZE};

/// A schedule of learning rates.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// 1.
    Constant,
    /// `gamma^⌊s/step_size⌋`
    Step {
        /// Steps between two drops.
        step_size: usize,
        /// Factor of a drop.
        gamma: f64,
    },
    /// From `start_factor` to 1 over the first steps; then 1, or down to 0 at `total_steps`.
    LinearWarmup {
        /// Steps of the rise.
        warmup_steps: usize,
        /// Where it begins.
        start_factor: f64,
        /// Where the fall ends.
        total_steps: Option<usize>,
    },
    /// From `start_factor` to 1 over the first steps, then down by half a cosine (Loshchilov, Hutter 2016,
    /// arXiv:1608.03983, eq. 5).
    Cosine {
        /// Where the fall ends.
        total_steps: usize,
        /// The factor there: `eta_min`, a learning rate, over `lr`.
        min_factor: f64,
        /// Steps of the rise.
        warmup_steps: usize,
        /// Where it begins.
        start_factor: f64,
    },
    /// Up by half a cosine, then down by another, as PyTorch's `OneCycleLR` with two phases (Smith, Topin 2017,
    /// arXiv:1708.07120). The peak is `lr·max_factor`, in place of PyTorch's `max_lr`; momentum stays as it is.
    OneCycle {
        /// Steps in all; later ones have the last factor.
        total_steps: usize,
        /// The factor at the peak.
        max_factor: f64,
        /// The part of the steps that rises.
        pct_start: f64,
        /// The peak over the first factor.
        div_factor: f64,
        /// The first factor over the last.
        final_div_factor: f64,
    },
}

const NAMES: [&str; 5] = ["constant", "step", "linear_warmup", "cosine", "one_cycle"];

impl Schedule {
    /// The schedule that `c`, such as `{"name": "step", "step_size": 10, "gamma": 0.5}`, describes, of the learning rate
    /// `lr`.
    ///
    /// # Errors
    /// By [`Config::finish`]: an unknown name or key, and a number out of its range
    pub fn read(c: &Config, lr: f64) -> Schedule {
        let name = c.required_text("name", &NAMES);
        c.only(keys(name));
        match name {
            "step" => Schedule::Step { step_size: c.required_usize("step_size"), gamma: c.required_positive("gamma") },
            "linear_warmup" => {
                let warmup_steps = c.required_usize_in("warmup_steps", 0..=MAX_SIZE);
                let total_steps = c.has("total_steps").then(|| after(c, warmup_steps));
                Schedule::LinearWarmup { warmup_steps, start_factor: start(c), total_steps }
            }
            "cosine" => {
                let warmup_steps = c.usize_in("warmup_steps", 0, 0..=MAX_SIZE);
                let min_factor = c.f64_in("eta_min", 0.0, 0.0..=f64::from(f32::MAX)) / lr;
                Schedule::Cosine {
                    total_steps: after(c, warmup_steps),
                    min_factor,
                    warmup_steps,
                    start_factor: start(c),
                }
            }
            "one_cycle" => Schedule::OneCycle {
                total_steps: c.required_usize("total_steps"),
                max_factor: c.positive("max_factor", 1.0),
                pct_start: c.f64_in("pct_start", 0.3, 0.0..=1.0),
                div_factor: c.positive("div_factor", 25.0),
                final_div_factor: c.positive("final_div_factor", 1e4),
            },
            _ => Schedule::Constant,
        }
    }

    /// What the learning rate of step `s`, from 0, is multiplied by.
    pub fn factor(&self, s: usize) -> f64 {
        match *self {
            Schedule::Constant => 1.0,
            Schedule::Step { step_size, gamma } => gamma.powf((s / step_size) as f64),
            Schedule::LinearWarmup { warmup_steps, start_factor, total_steps } => match total_steps {
                _ if s < warmup_steps => rise(s, warmup_steps, start_factor),
                None => 1.0,
                Some(total) => (total.saturating_sub(s)) as f64 / (total - warmup_steps) as f64,
            },
            Schedule::Cosine { warmup_steps, start_factor, .. } if s < warmup_steps => {
                rise(s, warmup_steps, start_factor)
            }
            Schedule::Cosine { total_steps, min_factor, warmup_steps, .. } => {
                let passed = (s - warmup_steps) as f64 / (total_steps - warmup_steps) as f64;
                between(1.0, min_factor, passed)
            }
            Schedule::OneCycle { total_steps, max_factor, pct_start, div_factor, final_div_factor } => {
                let first = max_factor / div_factor;
                // The peak may lie between two steps, as in PyTorch; one before 0 has passed.
                let (peak, last) = (pct_start * total_steps as f64 - 1.0, total_steps as f64 - 1.0);
                let s = s as f64;
                if s <= peak && peak > 0.0 {
                    between(first, max_factor, s / peak)
                } else if peak >= last {
                    max_factor
                } else {
                    between(max_factor, first / final_div_factor, (s - peak) / (last - peak))
                }
            }
        }
    }
}

fn keys(name: &str) -> &'static [&'static str] {
    match name {
        "step" => &["name", "step_size", "gamma"],
        "linear_warmup" => &["name", "warmup_steps", "start_factor", "total_steps"],
        "cosine" => &["name", "total_steps", "eta_min", "warmup_steps", "start_factor"],
        "one_cycle" => &["name", "total_steps", "max_factor", "pct_start", "div_factor", "final_div_factor"],
        _ => &["name"],
    }
}

/// From `start` to 1 in `steps` steps.
fn rise(s: usize, steps: usize, start: f64) -> f64 {
    start + (1.0 - start) * s as f64 / steps as f64
}

/// From `a` to `b` by half a cosine, where `passed` goes from 0 to 1.
fn between(a: f64, b: f64, passed: f64) -> f64 {
    b + (a - b) * (1.0 + (PI * passed.min(1.0)).cos()) / 2.0
}

fn start(c: &Config) -> f64 {
    c.f64_in("start_factor", 0.0, 0.0..=f64::from(f32::MAX))
}

/// `total_steps`, which must lie after the rise.
fn after(c: &Config, warmup_steps: usize) -> usize {
    let total = c.required_usize("total_steps");
    c.require(total > warmup_steps, "total_steps", || format!("is {total}, not above warmup_steps {warmup_steps}"));
    total.max(warmup_steps + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, lr: f64) -> Result<Schedule, String> {
        let c = Config::parse("schedule", text).map_err(|e| e.to_string())?;
        let schedule = Schedule::read(&c, lr);
        c.finish().map(|()| schedule).map_err(|e| e.to_string())
    }

    #[track_caller]
    fn check(schedule: &Schedule, expected: &[f64]) {
        for (s, e) in expected.iter().enumerate() {
            let f = schedule.factor(s);
            assert!((f - e).abs() < 1e-12, "factor({s}) is {f}, expected {e}");
        }
    }

    #[test]
    fn step_and_constant() {
        check(&read(r#"{"name": "step", "step_size": 2, "gamma": 0.5}"#, 1.0).unwrap(), &[1.0, 1.0, 0.5, 0.5, 0.25]);
        check(&read(r#"{"name": "constant"}"#, 1.0).unwrap(), &[1.0, 1.0]);
    }

    #[test]
    fn warmup_rises_and_may_fall() {
        check(
            &read(r#"{"name": "linear_warmup", "warmup_steps": 4}"#, 1.0).unwrap(),
            &[0.0, 0.25, 0.5, 0.75, 1.0, 1.0],
        );
        let falls = read(r#"{"name": "linear_warmup", "warmup_steps": 2, "start_factor": 0.5, "total_steps": 4}"#, 1.0);
        check(&falls.unwrap(), &[0.5, 0.75, 1.0, 0.5, 0.0, 0.0]);
    }

    #[test]
    fn cosine_ends_at_eta_min() {
        // python: [0.2+0.8*(1+math.cos(math.pi*s/4))/2 for s in range(5)]
        let cosine = read(r#"{"name": "cosine", "total_steps": 4, "eta_min": 0.1}"#, 0.5).unwrap();
        check(&cosine, &[1.0, 0.8828427124746191, 0.6000000000000001, 0.3171572875253809, 0.2, 0.2]);
        let warm =
            read(r#"{"name": "cosine", "total_steps": 4, "warmup_steps": 2, "start_factor": 0.5}"#, 0.5).unwrap();
        check(&warm, &[0.5, 0.75, 1.0, 0.5, 0.0]);
    }

    #[test]
    fn one_cycle_is_that_of_pytorch() {
        // By the formula of torch.optim.lr_scheduler.OneCycleLR(max_lr=1, total_steps=10), in Python:
        // cos=lambda a,b,p: b+(a-b)/2*(1+math.cos(math.pi*p))
        // [cos(.04,1,s/2) if s<=2 else cos(1,4e-6,(s-2)/7) for s in range(10)]
        let expected = [
            0.04,
            0.52,
            1.0,
            0.9504846320134737,
            0.8117456539497631,
            0.6112620219362893,
            0.38874197806371075,
            0.1882583460502369,
            0.04951936798652637,
            4e-6,
        ];
        check(&read(r#"{"name": "one_cycle", "total_steps": 10}"#, 1.0).unwrap(), &expected);
        let one = read(r#"{"name": "one_cycle", "total_steps": 1}"#, 1.0).unwrap();
        assert!(one.factor(0).is_finite() && one.factor(5).is_finite());
    }

    #[test]
    fn faults_are_one_sentence() {
        let fault = |text: &str| read(text, 1.0).unwrap_err();
        let expected = "schedule: total_steps: is 4, not above warmup_steps 4";
        assert_eq!(fault(r#"{"name": "cosine", "total_steps": 4, "warmup_steps": 4}"#), expected);
        let expected = "schedule: gama: is not a key here; did you mean \"gamma\"?";
        assert_eq!(fault(r#"{"name": "step", "step_size": 2, "gamma": 1, "gama": 1}"#), expected);
        let expected = "schedule: gamma: is missing, expected a number above 0";
        assert_eq!(fault(r#"{"name": "step", "step_size": 2}"#), expected);
    }
}
