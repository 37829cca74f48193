//! The charts of a fit.

use std::path::Path;

use handmill::Result;

#[path = "../figures/chart.rs"]
mod chart;

use super::table::Table;
use chart::{BLUE, Chart, GREY, Mark, ORANGE, Series};

/// The points with both fits, and how far each step's loss is above the least one.
pub fn draw(out: &Path, table: &Table, fits: [&[f64]; 2], best: f64, losses: &[(u32, f32)]) -> Result<()> {
    let one = table.names.len() == 1;
    let across = |p: &[f64]| if one { table.x.iter().map(|&x| f64::from(x)).collect() } else { p.to_vec() };
    let points = |x: Vec<f64>, y: &[f64]| {
        let mut points: Vec<(f64, f64)> = x.into_iter().zip(y.iter().copied()).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    };
    let y: Vec<f64> = table.y.iter().map(|&y| f64::from(y)).collect();
    let [closed, descent] = fits.map(|fit| table.predicted(fit));
    let mut series = vec![
        Series { name: "measured", mark: Mark::Points, color: GREY, points: points(across(&closed), &y) },
        Series { name: "closed form", mark: Mark::Line, color: BLUE, points: points(across(&closed), &closed) },
    ];
    if one {
        series.push(Series {
            name: "descent",
            mark: Mark::Dashes,
            color: ORANGE,
            points: points(across(&closed), &descent),
        });
    }
    let axes = [if one { &table.names[0] } else { "fitted" }, &table.target];
    Chart { title: "Least squares", axes, log: false }.write(&out.join("fit.svg"), &series)?;

    // What f32 cannot tell from the least loss is left out.
    let above = |&(step, loss): &(u32, f32)| (f64::from(step), f64::from(loss) - best);
    let points = losses.iter().map(above).filter(|(_, above)| *above > 1e-6 * best).collect();
    let series = [Series { name: "descent", mark: Mark::Line, color: ORANGE, points }];
    let axes = ["step", "mean squared error above the least"];
    Chart { title: "Gradient descent on the way to it", axes, log: true }.write(&out.join("descent.svg"), &series)
}
