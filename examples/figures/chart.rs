//! Charts of points and lines, as SVG.

use std::path::Path;

use handmill::file::write_atomic;
use handmill::{Error, Result};
use plotters::prelude::*;

/// How a series is drawn.
#[derive(Clone, Copy, PartialEq)]
pub enum Mark {
    Points,
    Line,
    Dashes,
}

/// What is drawn in one colour.
pub struct Series<'a> {
    pub name: &'a str,
    pub mark: Mark,
    pub color: RGBColor,
    pub points: Vec<(f64, f64)>,
}

pub const BLUE: RGBColor = RGBColor(31, 119, 180);
pub const ORANGE: RGBColor = RGBColor(230, 97, 1);
pub const GREY: RGBColor = RGBColor(110, 110, 110);

/// A chart with a legend; with `log`, the vertical axis is logarithmic, and what is not above 0 is left out.
pub struct Chart<'a> {
    pub title: &'a str,
    pub axes: [&'a str; 2],
    pub log: bool,
}

impl Chart<'_> {
    /// Writes the chart of `series` to `path`.
    pub fn write(&self, path: &Path, series: &[Series]) -> Result<()> {
        let text = self.svg(series).map_err(|e| Error::file(path, e))?;
        write_atomic(path, |out| out.write_all(text.as_bytes()))
    }

    fn svg(&self, series: &[Series]) -> std::result::Result<String, String> {
        let mut text = String::new();
        self.draw(SVGBackend::with_string(&mut text, (720, 480)), series).map_err(|e| e.to_string())?;
        Ok(text)
    }

    fn draw<'b>(
        &self,
        backend: SVGBackend<'b>,
        series: &[Series],
    ) -> std::result::Result<(), DrawingAreaErrorKind<<SVGBackend<'b> as DrawingBackend>::ErrorType>> {
        let height = |y: f64| if self.log { y.log10() } else { y };
        let drawn = |s: &Series| -> Vec<(f64, f64)> {
            s.points.iter().map(|&(x, y)| (x, height(y))).filter(|(_, y)| y.is_finite()).collect()
        };
        let all: Vec<(f64, f64)> = series.iter().flat_map(drawn).collect();
        let [across, up] = [range(all.iter().map(|p| p.0)), range(all.iter().map(|p| p.1))];
        let area = backend.into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, ("sans-serif", 20))
            .margin(14)
            .x_label_area_size(42)
            .y_label_area_size(64)
            .build_cartesian_2d(across, up)?;
        let label = |y: &f64| if self.log { format!("1e{}", (y * 10.0).round() / 10.0) } else { short(*y) };
        let mut mesh = chart.configure_mesh();
        mesh.x_desc(self.axes[0]).y_desc(self.axes[1]).light_line_style(WHITE).bold_line_style(RGBColor(225, 225, 225));
        mesh.label_style(("sans-serif", 14)).axis_desc_style(("sans-serif", 16));
        mesh.y_label_formatter(&label).x_label_formatter(&|x| short(*x)).draw()?;
        for s in series {
            let (color, points) = (s.color, drawn(s));
            let thick = color.stroke_width(2);
            let added = match s.mark {
                Mark::Points => {
                    chart.draw_series(points.iter().map(|&p| Circle::new(p, 3, color.mix(0.7).filled())))?
                }
                Mark::Line => chart.draw_series(LineSeries::new(points, thick))?,
                Mark::Dashes => chart.draw_series(DashedLineSeries::new(points, 7, 5, thick))?,
            };
            let of_points = s.mark == Mark::Points;
            added.label(s.name).legend(move |(x, y)| match of_points {
                true => Circle::new((x + 10, y), 3, color.mix(0.7).filled()).into_dyn(),
                false => PathElement::new([(x, y), (x + 20, y)], thick).into_dyn(),
            });
        }
        if series.len() < 2 {
            return area.present();
        }
        let mut legend = chart.configure_series_labels();
        legend.position(SeriesLabelPosition::UpperLeft).background_style(WHITE.mix(0.85)).border_style(GREY);
        legend.label_font(("sans-serif", 14)).draw()?;
        area.present()
    }
}

/// From the least to the largest, with room at both ends.
fn range(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    let room = if high > low { 0.04 * (high - low) } else { 0.5 };
    if low > high { 0.0..1.0 } else { low - room..high + room }
}

/// A number of an axis, to six digits.
fn short(v: f64) -> String {
    let text = format!("{v:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
