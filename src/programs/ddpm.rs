//! Ancestral sampling of a denoising diffusion model: the host's part of a step, in f64.
//!
//! Paper     Ho, Jain, Abbeel 2020, arXiv:2006.11239, algorithm 2 and eq. 6, 7, 11, 15
//! Source    diffusers `DDPMScheduler`; keys of `scheduler_config.json`

use std::f64::consts::{FRAC_PI_2, TAU};
use std::path::Path;

use crate::config::Config;
use crate::error::Result;
use crate::folder::read_object;

/// What the network predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prediction {
    /// The noise in the image.
    Noise,
    /// The image without noise.
    Sample,
    /// `√ᾱ·noise − √(1−ᾱ)·image`.
    Velocity,
}

/// The noise schedule and how a step goes back along it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ddpm {
    /// `ᾱ_t`: the part of an image's variance that is left at step t.
    pub alpha_bar: Vec<f64>,
    /// What the network predicts.
    pub prediction: Prediction,
    /// Noise of variance β instead of `(1 − ᾱ_{t−1})/(1 − ᾱ_t)·β`.
    pub large_variance: bool,
    /// Predicted images are clamped to ± this.
    pub clip: Option<f64>,
    spacing: &'static str,
    offset: usize,
}

impl Default for Ddpm {
    /// The paper's: 1000 steps, β from 1e-4 to 0.02.
    fn default() -> Ddpm {
        Ddpm {
            alpha_bar: products((0..1000).map(|t| between(1e-4, 0.02, t, 1000))),
            prediction: Prediction::Noise,
            large_variance: false,
            clip: Some(1.0),
            spacing: "leading",
            offset: 0,
        }
    }
}

/// Element `i` of `n` from `first` to `last`, evenly spaced.
fn between(first: f64, last: f64, i: usize, n: usize) -> f64 {
    first + (last - first) * i as f64 / (n.max(2) - 1) as f64
}

/// Running products of `1 − β`.
fn products(betas: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut product = 1.0;
    betas
        .map(|beta| {
            product *= 1.0 - beta;
            product
        })
        .collect()
}

impl Ddpm {
    /// The schedule of the folder `model`: of `scheduler_config.json` there or in its folder `scheduler`, else
    /// the paper's.
    ///
    /// # Errors
    /// [`crate::Error::File`] if the file is not a JSON object, [`crate::Error::Config`] if it asks for what is
    /// not supported
    pub fn open(model: &Path) -> Result<Ddpm> {
        let places = ["scheduler_config.json", "scheduler/scheduler_config.json"].map(|file| model.join(file));
        let Some(path) = places.iter().find(|p| p.exists()) else { return Ok(Ddpm::default()) };
        let config = Config::new(path.display(), read_object(path)?);
        let ddpm = Ddpm::read(&config);
        config.finish().map(|()| ddpm)
    }

    /// The schedule of a `scheduler_config.json`. Faults are remembered by `config`.
    pub fn read(config: &Config) -> Ddpm {
        let n = config.usize_in("num_train_timesteps", 1000, 1..=1 << 20);
        let [first, last] =
            [("beta_start", 1e-4), ("beta_end", 0.02)].map(|(key, default)| config.f64_in(key, default, 0.0..=0.999));
        let betas: Vec<f64> =
            match config.text("beta_schedule", "linear", &["linear", "scaled_linear", "squaredcos_cap_v2"]) {
                "scaled_linear" => (0..n).map(|t| between(first.sqrt(), last.sqrt(), t, n).powi(2)).collect(),
                "squaredcos_cap_v2" => (0..n).map(|t| (1.0 - cosine(t + 1, n) / cosine(t, n)).min(0.999)).collect(),
                _ => (0..n).map(|t| between(first, last, t, n)).collect(),
            };
        config.require(!config.has("trained_betas"), "trained_betas", || "is not supported".into());
        config.require(!config.bool("thresholding", false), "thresholding", || "is not supported".into());
        let variance = config.text("variance_type", "fixed_small", &["fixed_small", "fixed_large"]);
        let range = config.positive("clip_sample_range", 1.0);
        Ddpm {
            alpha_bar: products(betas.into_iter()),
            prediction: match config.text("prediction_type", "epsilon", &["epsilon", "sample", "v_prediction"]) {
                "sample" => Prediction::Sample,
                "v_prediction" => Prediction::Velocity,
                _ => Prediction::Noise,
            },
            large_variance: variance == "fixed_large",
            clip: config.bool("clip_sample", true).then_some(range),
            spacing: config.text("timestep_spacing", "leading", &["leading", "trailing", "linspace"]),
            offset: config.usize_in("steps_offset", 0, 0..=n - 1),
        }
    }

    /// `steps` evenly spaced training steps, the noisiest first.
    pub fn timesteps(&self, steps: usize) -> Vec<usize> {
        let n = self.alpha_bar.len();
        let steps = steps.clamp(1, n);
        let at = |i: usize| match self.spacing {
            "trailing" => (n as f64 - i as f64 * n as f64 / steps as f64).round() as usize - 1,
            "linspace" => between(0.0, (n - 1) as f64, steps - 1 - i, steps).round() as usize,
            _ => ((steps - 1 - i) * (n / steps) + self.offset).min(n - 1),
        };
        (0..steps).map(at).collect()
    }

    /// One step back, from `x` at step `t` to step `previous` (`None`: to the image), in place.
    ///
    /// `x ← √ᾱ_s·β/(1−ᾱ_t)·x_0 + √α·(1−ᾱ_s)/(1−ᾱ_t)·x + σ·z` with `α = ᾱ_t/ᾱ_s`, `β = 1 − α`, and `x_0` from what
    /// the network `predicted`; no noise `z` is added at step 0
    pub fn step(&self, t: usize, previous: Option<usize>, x: &mut [f32], predicted: &[f32], noise: &mut Normal) {
        let (at, before) = (self.alpha_bar[t], previous.map_or(1.0, |s| self.alpha_bar[s]));
        let alpha = at / before;
        let (beta, rest) = (1.0 - alpha, 1.0 - at);
        let variance = if self.large_variance { beta } else { (1.0 - before) / rest * beta };
        let sigma = if t > 0 { variance.max(1e-20).sqrt() } else { 0.0 };
        let (of_image, of_x) = (before.sqrt() * beta / rest, alpha.sqrt() * (1.0 - before) / rest);
        for (x, &p) in x.iter_mut().zip(predicted) {
            let (noisy, p) = (f64::from(*x), f64::from(p));
            let image = match self.prediction {
                Prediction::Noise => (noisy - rest.sqrt() * p) / at.sqrt(),
                Prediction::Sample => p,
                Prediction::Velocity => at.sqrt() * noisy - rest.sqrt() * p,
            };
            let image = self.clip.map_or(image, |limit| image.clamp(-limit, limit));
            let z = if sigma > 0.0 { noise.draw() } else { 0.0 };
            *x = (of_image * image + of_x * noisy + sigma * z) as f32;
        }
    }
}

/// `ᾱ` of the cosine schedule (Nichol, Dhariwal 2021, arXiv:2102.09672, eq. 17), up to a factor.
fn cosine(t: usize, n: usize) -> f64 {
    ((t as f64 / n as f64 + 0.008) / 1.008 * FRAC_PI_2).cos().powi(2)
}

/// Seeded normal numbers: SplitMix64 and Box–Muller.
#[derive(Debug, Clone)]
pub struct Normal {
    state: u64,
}

impl Normal {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Normal {
        Normal { state: seed }
    }

    /// The next number.
    pub fn draw(&mut self) -> f64 {
        let mut uniform = || {
            self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
        };
        let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
        radius * (TAU * uniform()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Ddpm {
        let config = Config::parse("scheduler_config.json", text).unwrap();
        let read = Ddpm::read(&config);
        config.finish().unwrap();
        read
    }

    // math.prod(1 - (1e-4 + 0.0199 * i / 999) for i in range(t + 1))
    #[test]
    fn schedules() {
        let ddpm = Ddpm::default();
        for (t, want) in [(0, 0.9999), (499, 0.078_587_242_881_778_21), (999, 4.035_829_765_375_675e-5)] {
            assert!((ddpm.alpha_bar[t] - want).abs() < 1e-12 * want, "{t}: {}", ddpm.alpha_bar[t]);
        }
        assert_eq!(config("{}"), ddpm);
        let cosine = config(r#"{"beta_schedule": "squaredcos_cap_v2"}"#).alpha_bar;
        assert!(cosine.windows(2).all(|w| w[1] < w[0]) && cosine[500] > 0.48 && cosine[500] < 0.5);
    }

    #[test]
    fn timesteps_are_evenly_spaced() {
        assert_eq!(Ddpm::default().timesteps(4), [750, 500, 250, 0]);
        assert_eq!(Ddpm::default().timesteps(1), [0]);
        assert_eq!(Ddpm::default().timesteps(5000).len(), 1000);
        assert_eq!(config(r#"{"timestep_spacing": "trailing"}"#).timesteps(4), [999, 749, 499, 249]);
        assert_eq!(config(r#"{"timestep_spacing": "linspace"}"#).timesteps(4), [999, 666, 333, 0]);
        assert_eq!(config(r#"{"steps_offset": 1}"#).timesteps(2), [501, 1]);
    }

    /// Equation 11: the mean between neighbours is `1/√α·(x − β/√(1−ᾱ)·ε)`.
    #[test]
    fn a_step_is_the_papers() {
        let ddpm = Ddpm { clip: None, ..Ddpm::default() };
        let (t, x, e) = (400, 0.7f32, -0.3f32);
        let beta = between(1e-4, 0.02, t, 1000);
        let mean = (f64::from(x) - beta / (1.0 - ddpm.alpha_bar[t]).sqrt() * f64::from(e)) / (1.0 - beta).sqrt();
        let sigma = (beta * (1.0 - ddpm.alpha_bar[t - 1]) / (1.0 - ddpm.alpha_bar[t])).sqrt();
        let mut out = [x];
        ddpm.step(t, Some(t - 1), &mut out, &[e], &mut Normal::new(3));
        let want = mean + sigma * Normal::new(3).draw();
        assert!((f64::from(out[0]) - want).abs() < 1e-7, "{} is not {want}", out[0]);
    }

    #[test]
    fn the_last_step_gives_the_image_without_noise() {
        let ddpm = Ddpm::default();
        let (image, noise) = (0.25, 1.5);
        let x = ddpm.alpha_bar[0].sqrt() * image + (1.0 - ddpm.alpha_bar[0]).sqrt() * noise;
        let mut out = [x as f32];
        ddpm.step(0, None, &mut out, &[noise as f32], &mut Normal::new(0));
        assert!((f64::from(out[0]) - image).abs() < 1e-6);
    }

    #[test]
    fn normal_numbers_have_mean_0_and_variance_1() {
        let mut normal = Normal::new(7);
        let draws: Vec<f64> = (0..100_000).map(|_| normal.draw()).collect();
        let mean = draws.iter().sum::<f64>() / 1e5;
        let variance = draws.iter().map(|v| v * v).sum::<f64>() / 1e5 - mean * mean;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }
}
