//! A table of numbers: the columns a target is fitted from, and the target.

use std::path::Path;

use handmill::{Error, Result};

pub struct Table {
    /// The columns but the target's.
    pub names: Vec<String>,
    pub target: String,
    /// Their values, row after row.
    pub x: Vec<f32>,
    pub y: Vec<f32>,
}

impl Table {
    /// The numbers of a CSV file with names in its first line.
    pub fn read(path: &Path, target: &str) -> Result<Table> {
        let wrong = |message: String| Error::file(path, message);
        let mut reader = csv::Reader::from_path(path).map_err(|e| wrong(e.to_string()))?;
        let header: Vec<String> =
            reader.headers().map_err(|e| wrong(e.to_string()))?.iter().map(str::to_owned).collect();
        let found = || header.join(", ");
        let at = header.iter().position(|name| name == target);
        let at = at.ok_or_else(|| wrong(format!("has no column {target}; it has {}", found())))?;
        if header.len() < 2 {
            return Err(wrong(format!("has the column {} alone, expected others to fit it from", found())));
        }
        let names = header.iter().filter(|name| *name != target).cloned().collect();
        let mut table = Table { names, target: target.to_owned(), x: vec![], y: vec![] };
        for (n, record) in reader.records().enumerate() {
            for (column, cell) in record.map_err(|e| wrong(e.to_string()))?.iter().enumerate() {
                let value = cell.trim().parse().ok().filter(|v: &f32| v.is_finite());
                let place = || format!("row {}, column {}: found {cell:?}, expected a number", n + 1, header[column]);
                let value = value.ok_or_else(|| wrong(place()))?;
                if column == at { table.y.push(value) } else { table.x.push(value) }
            }
        }
        match table.y.len() {
            0 => Err(wrong("has no rows".into())),
            _ => Ok(table),
        }
    }

    /// The columns with mean 0 and deviation 1, and what they had; a constant column has 0 everywhere.
    pub fn standardised(&self) -> (Vec<f32>, Vec<(f64, f64)>) {
        let (n, rows) = (self.names.len(), self.y.len() as f64);
        let moments = |c: usize| {
            let values = || self.x.iter().skip(c).step_by(n).map(|&v| f64::from(v));
            let mean = values().sum::<f64>() / rows;
            let deviation = (values().map(|v| (v - mean).powi(2)).sum::<f64>() / rows).sqrt();
            (mean, if deviation > 0.0 { deviation } else { 1.0 })
        };
        let moments: Vec<(f64, f64)> = (0..n).map(moments).collect();
        let scaled = |(i, &v): (usize, &f32)| ((f64::from(v) - moments[i % n].0) / moments[i % n].1) as f32;
        (self.x.iter().enumerate().map(scaled).collect(), moments)
    }

    /// What weights, and a bias behind them, make of every row.
    pub fn predicted(&self, fit: &[f64]) -> Vec<f64> {
        let (bias, weights) = fit.split_last().expect("a bias");
        let row = |x: &[f32]| x.iter().zip(weights).map(|(&x, w)| f64::from(x) * w).sum::<f64>() + bias;
        self.x.chunks(weights.len()).map(row).collect()
    }

    /// The mean squared error of a fit, and the share of the variance that it explains.
    pub fn errors(&self, fit: &[f64]) -> (f64, f64) {
        let rows = self.y.len() as f64;
        let y = || self.y.iter().map(|&y| f64::from(y));
        let mean = y().sum::<f64>() / rows;
        let variance = y().map(|y| (y - mean).powi(2)).sum::<f64>() / rows;
        let squares = self.predicted(fit).iter().zip(y()).map(|(p, y)| (p - y).powi(2)).sum::<f64>() / rows;
        (squares, if variance > 0.0 { 1.0 - squares / variance } else { 0.0 })
    }
}
