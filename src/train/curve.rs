//! The loss curve: what was recorded at which step, as CSV, as SVG, and as tensors.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::engine::Tensors;
use crate::error::{Error, Result};
use crate::file::write_atomic;
use crate::tensor::HostTensor;

/// The drawing, in pixels: all of it, and the room beside the axes.
const SIZE: [f64; 2] = [800.0, 480.0];
const MARGIN: [f64; 4] = [70.0, 20.0, 20.0, 50.0];
/// One color for each series, told apart by people who do not see all colors (Okabe, Ito 2008).
const COLORS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
/// The vertical axis is logarithmic where values span more than this factor.
const LOGARITHMIC: f64 = 100.0;
/// Values of a series are drawn one by one up to this many, then as the smallest and largest of each part.
const MAX_POINTS: usize = 2000;

/// One column: its name, and its values by step.
type Column = (String, Vec<(u32, f32)>);

/// Columns of numbers by step; not every column has a number at every step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    columns: Vec<Column>,
}

impl Curve {
    /// Records `value` under `name`. Steps of a column grow.
    pub fn push(&mut self, step: u32, name: &str, value: f32) {
        let at = self.columns.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.columns.push((name.to_owned(), Vec::new()));
            self.columns.len() - 1
        });
        self.columns[at].1.push((step, value));
    }

    /// The values of a column with their steps.
    pub fn column(&self, name: &str) -> &[(u32, f32)] {
        self.columns.iter().find(|(known, _)| known == name).map_or(&[], |(_, values)| values)
    }

    /// The columns that there are, in the order of their first value.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// Every column as a tensor of its values, in order: what `losses.safetensors` holds.
    pub fn losses(&self) -> Tensors {
        let values = |values: &[(u32, f32)]| values.iter().map(|&(_, v)| v).collect::<Vec<f32>>();
        let tensor = |(name, column): &Column| (name.clone(), HostTensor::f32(&[column.len()], values(column)));
        self.columns.iter().map(tensor).collect()
    }

    /// Everything, for a checkpoint: `losses.<number>.<name>.step` and `….value`.
    pub fn tensors(&self) -> Tensors {
        let mut tensors = Tensors::new();
        for (at, (name, values)) in self.columns.iter().enumerate() {
            let (steps, values): (Vec<i32>, Vec<f32>) = values.iter().map(|&(step, v)| (step.cast_signed(), v)).unzip();
            tensors.insert(format!("losses.{at:03}.{name}.step"), HostTensor::i32(&[steps.len()], steps));
            tensors.insert(format!("losses.{at:03}.{name}.value"), HostTensor::f32(&[values.len()], values));
        }
        tensors
    }

    /// The curve that [`Curve::tensors`] made; other tensors are left alone.
    ///
    /// # Errors
    /// [`Error::Tensor`] if a column has only one of its tensors, or they differ in length
    pub fn of(tensors: &Tensors) -> Result<Curve> {
        let mut curve = Curve::default();
        for (key, steps) in tensors {
            let Some(stem) = key.strip_prefix("losses.").and_then(|rest| rest.strip_suffix(".step")) else { continue };
            let name = stem.split_once('.').map_or(stem, |(_, name)| name);
            let values = tensors.get(&format!("losses.{stem}.value"));
            let values = values.ok_or_else(|| Error::tensor(key, "has no values beside it"))?;
            if values.len() != steps.len() {
                return Err(Error::tensor(key, format!("has {} steps for {} values", steps.len(), values.len())));
            }
            let steps = steps.as_i32()?.iter().map(|step| step.cast_unsigned());
            curve.columns.push((name.to_owned(), steps.zip(values.as_f32()?.iter().copied()).collect()));
        }
        Ok(curve)
    }

    /// Writes `step` and every column to `path`, atomically; a cell without a value is empty.
    ///
    /// # Errors
    /// As [`write_atomic`]
    pub fn write_csv(&self, path: &Path) -> Result<()> {
        let mut rows: BTreeMap<u32, Vec<Option<f32>>> = BTreeMap::new();
        for (at, (_, values)) in self.columns.iter().enumerate() {
            for &(step, value) in values {
                rows.entry(step).or_insert_with(|| vec![None; self.columns.len()])[at] = Some(value);
            }
        }
        write_atomic(path, |out| {
            let mut table = csv::Writer::from_writer(out);
            table.write_record(std::iter::once("step").chain(self.names()))?;
            for (step, values) in rows {
                // `{}` prints the shortest text that reads back as the same f32.
                let cells = values.iter().map(|v| v.map_or(String::new(), |v| v.to_string()));
                table.write_record(std::iter::once(step.to_string()).chain(cells))?;
            }
            table.flush()
        })
    }

    /// Draws the columns `names` to `path`, atomically: those that there are.
    ///
    /// The vertical axis is logarithmic where all values are positive and span more than two decades. A value that is
    /// not finite interrupts its line.
    ///
    /// # Errors
    /// As [`write_atomic`]
    pub fn write_svg(&self, path: &Path, names: &[&str]) -> Result<()> {
        let text = self.svg(names);
        write_atomic(path, |out| out.write_all(text.as_bytes()))
    }

    fn svg(&self, names: &[&str]) -> String {
        let series: Vec<&Column> =
            names.iter().filter_map(|name| self.columns.iter().find(|(known, _)| known == name)).collect();
        let finite = || series.iter().flat_map(|(_, v)| v).filter(|(_, v)| v.is_finite());
        let (low, high) = range(finite().map(|&(_, v)| f64::from(v)));
        let log = low > 0.0 && high / low > LOGARITHMIC;
        let (first, last) = range(series.iter().flat_map(|(_, v)| v).map(|&(step, _)| f64::from(step)));
        let across = Axis::new(first, last, false, [MARGIN[0], SIZE[0] - MARGIN[1]]);
        let up = Axis::new(low, high, log, [SIZE[1] - MARGIN[3], MARGIN[2]]);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
            w = SIZE[0],
            h = SIZE[1]
        );
        axes(&mut out, &across, &up, log);
        for (at, (name, values)) in series.iter().enumerate() {
            let color = COLORS[at % COLORS.len()];
            line(&mut out, values, &across, &up, color);
            let y = MARGIN[2] + 16.0 * (at as f64 + 1.0);
            let x = SIZE[0] - MARGIN[1] - 130.0;
            let _ = writeln!(out, "<path d=\"M{x:.1} {:.1}h18\" stroke=\"{color}\" stroke-width=\"2\"/>", y - 4.0);
            let _ = writeln!(out, "<text x=\"{:.1}\" y=\"{y:.1}\">{}</text>", x + 24.0, escaped(name));
        }
        out.push_str("</svg>\n");
        out
    }
}

/// A range of values, and where it lies on the drawing.
struct Axis {
    low: f64,
    high: f64,
    log: bool,
    pixels: [f64; 2],
}

impl Axis {
    fn new(low: f64, high: f64, log: bool, pixels: [f64; 2]) -> Axis {
        if log {
            return Axis { low: low.log10(), high: high.log10(), log, pixels };
        }
        // A single value lies in the middle.
        let room = if high > low { 0.0 } else { low.abs().max(1.0) / 2.0 };
        Axis { low: low - room, high: high + room, log, pixels }
    }

    fn at(&self, v: f64) -> f64 {
        let v = if self.log { v.log10() } else { v };
        self.pixels[0] + (v - self.low) / (self.high - self.low) * (self.pixels[1] - self.pixels[0])
    }

    /// Round numbers along the axis: 1, 2 or 5 times powers of ten, or powers of ten.
    fn ticks(&self) -> Vec<f64> {
        if self.log {
            let (low, high) = (self.low.ceil() as i32, self.high.floor() as i32);
            let every = (high - low) / 8 + 1;
            return (low..=high).filter(|n| (n - low) % every == 0).map(|n| 10f64.powi(n)).collect();
        }
        let rough = (self.high - self.low) / 6.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|n| n * power).into_iter().find(|&step| step >= rough).unwrap_or(rough);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last).map(|n| n as f64 * step).collect()
    }
}

/// The smallest and largest value; 0 and 1 of none.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

fn axes(out: &mut String, across: &Axis, up: &Axis, log: bool) {
    let [left, right] = across.pixels;
    let [bottom, top] = up.pixels;
    for tick in across.ticks() {
        let x = across.at(tick);
        let _ = writeln!(out, "<path d=\"M{x:.1} {bottom:.1}V{top:.1}\" stroke=\"#ddd\"/>");
        let _ = writeln!(
            out,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            bottom + 18.0,
            shown(tick)
        );
    }
    for tick in up.ticks() {
        let y = up.at(tick);
        let _ = writeln!(out, "<path d=\"M{left:.1} {y:.1}H{right:.1}\" stroke=\"#ddd\"/>");
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 6.0,
            y + 4.0,
            shown(tick)
        );
    }
    let _ = writeln!(out, "<path d=\"M{left:.1} {top:.1}V{bottom:.1}H{right:.1}\" fill=\"none\" stroke=\"black\"/>");
    let middle = [(left + right) / 2.0, (bottom + top) / 2.0];
    let _ =
        writeln!(out, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">step</text>", middle[0], SIZE[1] - 10.0);
    let label = if log { "loss (logarithmic)" } else { "loss" };
    let y = middle[1];
    let _ = writeln!(out, "<text transform=\"translate(16 {y:.1}) rotate(-90)\" text-anchor=\"middle\">{label}</text>");
}

/// Runs of finite values as lines, a single one as a dot.
fn line(out: &mut String, values: &[(u32, f32)], across: &Axis, up: &Axis, color: &str) {
    for run in thinned(values).split(|(_, v)| !v.is_finite()).filter(|run| !run.is_empty()) {
        let points = run.iter().map(|&(step, v)| format!("{:.1},{:.1}", across.at(step.into()), up.at(v.into())));
        let points = points.collect::<Vec<_>>();
        if let [point] = &points[..] {
            let (x, y) = point.split_once(',').unwrap_or_default();
            let _ = writeln!(out, "<circle cx=\"{x}\" cy=\"{y}\" r=\"2\" fill=\"{color}\"/>");
        } else {
            let points = points.join(" ");
            let _ =
                writeln!(out, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\"/>");
        }
    }
}

/// At most about [`MAX_POINTS`] of the values: the smallest and largest of each part, so that no peak is lost, and what
/// is not finite.
fn thinned(values: &[(u32, f32)]) -> Vec<(u32, f32)> {
    if values.len() <= MAX_POINTS {
        return values.to_vec();
    }
    let mut out = Vec::with_capacity(MAX_POINTS + 2);
    for part in values.chunks(values.len().div_ceil(MAX_POINTS / 2)) {
        if let Some(&wrong) = part.iter().find(|(_, v)| !v.is_finite()) {
            out.push(wrong);
            continue;
        }
        let place = |(at, _): (usize, _)| at;
        let values = || part.iter().map(|&(_, v)| v).enumerate();
        let low = values().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, place);
        let high = values().max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, place);
        out.push(part[low.min(high)]);
        if low != high {
            out.push(part[low.max(high)]);
        }
    }
    out
}

/// A tick for people: `0.25`, `1500`, `1e-7`.
fn shown(v: f64) -> String {
    // Multiples of a step carry rounding of the last digits.
    let v: f64 = format!("{v:.6e}").parse().unwrap_or(v);
    if v == 0.0 || (1e-4..1e7).contains(&v.abs()) { format!("{v}") } else { format!("{v:e}") }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(values: &[f32]) -> Curve {
        let mut curve = Curve::default();
        for (step, &v) in values.iter().enumerate() {
            curve.push(step as u32, "loss", v);
        }
        curve
    }

    #[test]
    fn the_table_has_every_column() {
        let mut curve = curve(&[1.0, 0.1, f32::NAN]);
        curve.push(1, "validation", 2.5);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curve.csv");
        curve.write_csv(&path).unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "step,loss,validation\n0,1,\n1,0.1,2.5\n2,NaN,\n");
    }

    #[test]
    fn tensors_give_the_curve_back() {
        let mut curve = curve(&[1.0, 0.1]);
        curve.push(7, "a.b", f32::INFINITY);
        let mut tensors = curve.tensors();
        assert_eq!(Curve::of(&tensors).unwrap(), curve);
        assert_eq!(curve.losses()["loss"], HostTensor::f32(&[2], vec![1.0, 0.1]));
        tensors.remove("losses.001.a.b.value");
        let error = Curve::of(&tensors).unwrap_err().to_string();
        assert_eq!(error, "losses.001.a.b.step: has no values beside it");
    }

    #[test]
    fn the_drawing_has_axes_series_and_no_gaps_that_are_not_there() {
        let mut curve = curve(&[4.0, 2.0, 1.0]);
        curve.push(2, "validation<1>", 3.0);
        let svg = curve.svg(&["loss", "validation<1>", "absent"]);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
        let loss = "<polyline points=\"70.0,20.0 425.0,293.3 780.0,430.0\" fill=\"none\" stroke=\"#0072b2\"";
        assert!(svg.contains(loss), "{svg}");
        assert!(
            svg.contains("<circle cx=\"780.0\" cy=\"156.7\"") && svg.contains(">validation&lt;1&gt;</text>"),
            "{svg}"
        );
        assert!(svg.contains(">step</text>") && svg.contains(">loss</text>") && !svg.contains("absent"), "{svg}");
    }

    #[test]
    fn wide_ranges_are_logarithmic() {
        let svg = curve(&[1000.0, 1.0, 0.001]).svg(&["loss"]);
        assert!(svg.contains("70.0,20.0 425.0,225.0 780.0,430.0") && svg.contains("(logarithmic)"), "{svg}");
        assert!(!curve(&[1000.0, 0.0]).svg(&["loss"]).contains("(logarithmic)"));
    }

    #[test]
    fn what_is_not_finite_interrupts_the_line() {
        let svg = curve(&[1.0, 2.0, f32::NAN, 3.0, f32::INFINITY, 4.0, 5.0]).svg(&["loss"]);
        assert_eq!((svg.matches("<polyline").count(), svg.matches("<circle").count()), (2, 1));
        for values in [&[][..], &[f32::NAN], &[0.0], &[-3.0, -3.0]] {
            let svg = curve(values).svg(&["loss"]);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }

    #[test]
    fn long_series_keep_their_peaks() {
        let mut values = vec![1.0; 100_000];
        values[54_321] = 9.0;
        let thin = thinned(&values.iter().enumerate().map(|(i, &v)| (i as u32, v)).collect::<Vec<_>>());
        assert!(thin.len() <= MAX_POINTS + 2 && thin.contains(&(54_321, 9.0)), "{}", thin.len());
        assert!(thin.is_sorted_by_key(|&(step, _)| step));
    }

    #[test]
    fn ticks_are_round() {
        let ticks =
            |low, high, log| Axis::new(low, high, log, [0.0, 1.0]).ticks().into_iter().map(shown).collect::<Vec<_>>();
        assert_eq!(ticks(0.0, 1.0, false), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(ticks(17.0, 1503.0, false), ["500", "1000", "1500"]);
        assert_eq!(ticks(3e-7, 2.0, true), ["1e-6", "1e-5", "0.0001", "0.001", "0.01", "0.1", "1"]);
    }
}
