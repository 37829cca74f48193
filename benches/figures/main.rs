//! Makes the figures and the tables of docs/performance.md from the newest records: `cargo bench --bench figures`.

use std::path::Path;

use handmill::bench::suite::cases;
use handmill::file::{read_capped, write_atomic};
use handmill::{Error, Result};
use plotters::prelude::*;

use page::{Record, newest, section, with_section};

mod page;

/// Points of a bar and its name.
const LINE: i32 = 16;
const NAMES: i32 = 400;
const WIDTH: i32 = 960;
/// Points of 100 %.
const WHOLE: f64 = 400.0;

fn main() {
    // `cargo test --benches` runs this too, and is to change nothing.
    if std::env::args().all(|arg| arg != "--bench") {
        return;
    }
    if let Err(e) = figures(Path::new(env!("CARGO_MANIFEST_DIR"))) {
        eprintln!("figures: {e}");
        std::process::exit(1);
    }
}

fn figures(root: &Path) -> Result<()> {
    let records = newest(&root.join("benches/record"))?;
    let folder = root.join("docs/figures");
    std::fs::create_dir_all(&folder).map_err(|e| Error::file(&folder, format!("cannot be made: {e}")))?;
    for record in records.iter().filter(|record| !record.rows.is_empty()) {
        let path = root.join("docs").join(record.figure());
        let text = figure(record).map_err(|e| Error::file(&path, e))?;
        write_atomic(&path, |out| out.write_all(text.as_bytes()))?;
        println!("{}", path.display());
    }
    let path = root.join("docs/performance.md");
    let page = String::from_utf8_lossy(&read_capped(&path, 1 << 20)?).into_owned();
    let page = with_section(&page, &section(&records)).ok_or_else(|| Error::file(&path, "has lost its marks"))?;
    write_atomic(&path, |out| out.write_all(page.as_bytes()))
}

/// A bar for the fastest variant of each case of a model: its share of the roofline, with a line at 100 %.
fn figure(record: &Record) -> std::result::Result<String, String> {
    let of_a_model = |case: &str| cases().any(|entry| !entry.models.is_empty() && entry.name() == case);
    let rows: Vec<_> = record.fastest().into_iter().filter(|row| of_a_model(&row.case)).collect();
    let height = LINE * (rows.len() as i32 + 3);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (WIDTH as u32, height as u32)).into_drawing_area();
        let draw = || -> std::result::Result<(), DrawingAreaErrorKind<_>> {
            area.fill(&WHITE)?;
            let font = ("sans-serif", 12).into_text_style(&area);
            let title = format!("{}, {}: share of the roofline, fastest variant", record.adapter, record.date);
            area.draw_text(&title, &font, (8, 6))?;
            let end = NAMES + WHOLE as i32;
            area.draw(&PathElement::new([(end, 2 * LINE), (end, height - LINE)], BLACK.mix(0.3)))?;
            for (i, row) in rows.iter().enumerate() {
                let y = LINE * (i as i32 + 2);
                // What is above 100 % stayed in a cache; the bar ends where the figure does.
                let x = NAMES + (WHOLE * row.roofline.min(1.25)) as i32;
                area.draw_text(&row.case, &font, (8, y))?;
                area.draw(&Rectangle::new([(NAMES, y), (x, y + LINE - 4)], RGBColor(31, 119, 180).filled()))?;
                area.draw_text(&format!("{:.1} % {}", 100.0 * row.roofline, row.variant), &font, (x + 4, y))?;
            }
            area.present()
        };
        draw().map_err(|e| e.to_string())?;
    }
    Ok(text)
}
