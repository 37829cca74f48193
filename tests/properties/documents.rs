//! docs/models.md has every model, and every folder of tests/data.

use std::collections::BTreeSet;

use handmill::models;
use libtest_mimic::Trial;

use crate::{Check, cases, data};

pub fn trials() -> Vec<Trial> {
    vec![Trial::test("documents/models", table)]
}

fn table() -> Check {
    let text = std::fs::read_to_string(data().join("../../docs/models.md"))?;
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows: Vec<_> = text.lines().map(cells).filter(|row| row.len() == 8 && row[1].contains('/')).collect();
    let listed: BTreeSet<&str> = rows.iter().map(|row| row[1].as_str()).collect();
    let (known, cases): (BTreeSet<&str>, _) = (rows.iter().map(|row| row[2].as_str()).collect(), cases());
    let there: BTreeSet<&str> = cases.iter().map(String::as_str).collect();
    let mut wrong: Vec<String> = there.symmetric_difference(&listed).map(|case| (*case).to_owned()).collect();
    wrong.extend(models::all().map(|m| m.name).filter(|name| !known.contains(name)).map(str::to_owned));
    for row in &rows {
        let shares: Vec<f64> = row[4..7].iter().filter_map(|cell| cell.parse().ok()).collect();
        if shares.is_empty() || shares.iter().any(|share| *share > 1.0) {
            wrong.push(row.join(" | "));
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!("docs/models.md is not what `handmill verify --all tests/data` prints: {wrong:?}").into()),
    }
}
