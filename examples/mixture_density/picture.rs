//! Pictures of a mixture density network.

use std::f64::consts::TAU;
use std::path::Path;

use handmill::train::run::Run;
use handmill::{HostTensor, Result};

#[path = "../figures/chart.rs"]
#[allow(dead_code)]
mod chart;
#[path = "../figures/plane.rs"]
#[allow(dead_code)]
mod plane;

use super::{SCALE, fit, seen};
use chart::{Chart, Mark, Series};
use plane::{BLACK, ORANGE, Plane};

/// The mixtures at `x`: of each, its components' weights, means and deviations.
fn mixtures(trained: &Run, x: &[f64]) -> Result<Vec<Vec<[f64; 3]>>> {
    let input = HostTensor::f32(&[x.len(), 1], x.iter().map(|&x| seen(x) as f32).collect());
    let found = trained.trainer().context().run(&fit::tensors(&[("input", input)]))?;
    let [pi, mu, sigma] = ["pi", "mu", "sigma"].map(|name| found[name].to_f64());
    let k = pi.len() / x.len();
    Ok((0..x.len())
        .map(|b| (b * k..(b + 1) * k).map(|at| [pi[at], mu[at] / SCALE + 0.5, sigma[at] / SCALE]).collect())
        .collect())
}

/// Writes the density with data and modes, and the components.
pub fn draw(out: &Path, trained: &Run, pairs: &[[f64; 2]]) -> Result<()> {
    let mut plane = Plane::new([-0.1, -0.1], [1.1, 1.1], 200);
    let (across, up) = (plane.along(0), plane.along(1));
    let mixtures = mixtures(trained, &across)?;
    let normal =
        |y: f64, [pi, mu, sigma]: [f64; 3]| pi / (sigma * TAU.sqrt()) * (-0.5 * ((y - mu) / sigma).powi(2)).exp();
    let density = |mixture: &[[f64; 3]], y: f64| mixture.iter().map(|&c| normal(y, c)).sum::<f64>();
    let columns: Vec<Vec<f64>> = mixtures.iter().map(|m| up.iter().map(|&y| density(m, y)).collect()).collect();
    let most = columns.iter().flatten().copied().fold(0.0, f64::max);
    let cells = (0..up.len()).flat_map(|j| columns.iter().map(move |column| column[j]));
    plane.paint(cells.map(|p| plane::rising((p / most).sqrt())));
    pairs.iter().for_each(|&pair| plane.dot(pair, 1.6, BLACK, 0.45));
    // Modes: where the density is higher than on both sides, and not next to nothing.
    for (x, column) in across.iter().zip(&columns) {
        let top = column.iter().copied().fold(0.0, f64::max);
        for j in 1..up.len() - 1 {
            if column[j] > column[j - 1] && column[j] >= column[j + 1] && column[j] > 0.1 * top {
                plane.dot([*x, up[j]], 2.5, ORANGE, 1.0);
            }
        }
    }
    plane.write(&out.join("density.png"))?;

    let mut series = vec![Series { name: "data", mark: Mark::Points, color: chart::GREY, points: vec![] }];
    series[0].points = pairs.iter().map(|p| (p[0], p[1])).collect();
    let names: Vec<String> = (1..=mixtures[0].len()).map(|k| format!("mean of Gaussian {k}")).collect();
    let colors = [chart::BLUE, chart::ORANGE, plotters::style::RGBColor(0, 140, 90)];
    for (k, name) in names.iter().enumerate() {
        // A component is drawn where the mixture uses it.
        let used = across.iter().zip(&mixtures).filter(|(_, m)| m[k][0] > 0.1);
        let points = used.map(|(&x, m)| (x, m[k][1])).collect();
        series.push(Series { name, mark: Mark::Line, color: colors[k % colors.len()], points });
    }
    let title = "Components where their weight is above 0.1";
    Chart { title, axes: ["x", "y"], log: false }.write(&out.join("components.svg"), &series)
}
