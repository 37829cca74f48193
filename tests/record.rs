//! docs/performance.md is made from the newest records.

use std::path::Path;

use page::{MARKS, Record, newest, section, with_section};

#[path = "../benches/figures/page.rs"]
mod page;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_page_names_the_newest_record_of_every_adapter() {
    let records = newest(&root().join("benches/record")).unwrap();
    assert!(!records.is_empty());
    let page = std::fs::read_to_string(root().join("docs/performance.md")).unwrap();
    let made = with_section(&page, &section(&records)).expect("the marks are there");
    assert_eq!(page, made, "cargo bench --bench figures makes it anew");
    for record in records.iter().filter(|record| !record.rows.is_empty()) {
        let figure = std::fs::read_to_string(root().join("docs").join(record.figure())).unwrap();
        assert!(figure.contains(&format!("{}, {}: ", record.adapter, record.date)), "{} is older", record.figure());
    }
}

#[test]
fn a_record_is_told_in_short() {
    let row = |case: &str, variant: &str, roofline: f64| handmill::bench::Row {
        case: case.into(),
        variant: variant.into(),
        adapter: "x".into(),
        median_s: 1.0,
        spread_s: 0.0,
        gflops: 1.0,
        gbps: 1.0,
        roofline,
    };
    let rows = vec![
        row("matmul/f32/256x256x256", "vec4", 0.5),
        row("matmul/f32/256x256x256", "plain", 0.25),
        row("matmul/f32/512x512x512", "tiled", 0.75),
        row("add/f32/4096x1024", "vec4", 1.25),
    ];
    let text = "an adapter\nits ceilings\n\nrows".into();
    let record = Record { adapter: "card".into(), date: "2026-11-24".into(), text, rows };
    let expected = "### card\n\n[2026-11-24](../benches/record/card/2026-11-24.txt):\n\n\
        ```\nan adapter\nits ceilings\n```\n\n\
        ![share of the roofline of each case](figures/card.svg)\n\n\
        | family | cases | least | median | largest |\n|---|--:|--:|--:|--:|\n\
        | elementwise | 1 | 125.0 % | 125.0 % | 125.0 % |\n\
        | matmul | 2 | 50.0 % | 75.0 % | 75.0 % |\n\n";
    assert_eq!(section(&[record]), expected);
    let page = format!("before {}\nold\n{} after", MARKS[0], MARKS[1]);
    let made = with_section(&page, "new\n").unwrap();
    assert_eq!(made, format!("before {}\n\nnew\n{} after", MARKS[0], MARKS[1]));
    assert_eq!(with_section("no marks", "new"), None);
}
