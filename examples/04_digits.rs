//! A LeNet, trained by the example `train_digits`, reads 360 handwritten digits that it has not seen.
//!
//! `cargo run --release --example digits` writes `digits.png`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use handmill::config::Config;
use handmill::engine::{Engine, Tensors};
use handmill::models::{self, Inputs};
use handmill::plan::Options;
use handmill::store::{Store, Weights};
use handmill::verify::verify;
use handmill::weights::load_tensors;
use handmill::{Error, HostTensor, Result};

#[derive(Parser)]
#[command(about = "Classifies 360 held-out handwritten digits with a LeNet")]
struct Args {
    /// auto, gpu, gpu:N, a part of an adapter's name, or reference
    #[arg(long, default_value = "auto")]
    device: String,
    /// The picture of all digits and answers
    #[arg(long, default_value = "digits.png")]
    out: PathBuf,
}

fn main() {
    if let Err(e) = run(&Args::parse()) {
        eprintln!("digits: {e}");
        std::process::exit(1);
    }
}

fn run(args: &Args) -> Result<()> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits"));
    let digits = load_tensors(folder.join("digits.safetensors"))?;
    // Every fifth of the 1797 images was held out of the training.
    let pixels: Vec<f32> = digits["images"].to_f64().iter().map(|&v| v as f32 / 16.0).collect();
    let held_out: Vec<f32> = pixels.chunks(64).step_by(5).flatten().copied().collect();
    let labels: Vec<usize> = digits["labels"].as_i32()?.iter().step_by(5).map(|&l| l as usize).collect();
    let images = HostTensor::f32(&[labels.len(), 1, 8, 8], held_out.clone());
    let inputs = Tensors::from([("pixel_values".to_owned(), images)]);

    let config = Config::new("config.json", handmill::folder::read_object(&folder.join("config.json"))?);
    let graph = models::build(models::named("LeNet")?, &config, &Inputs::of(&inputs), None)?;
    let weights = Arc::new(Weights::new(load_tensors(folder.join("lenet.safetensors"))?));

    let (engine, notice) = Engine::open(&args.device)?;
    notice.iter().for_each(|text| eprintln!("{text}"));
    let logits = |engine: &Engine, runs: u32| -> Result<(Vec<f64>, f64)> {
        let session = engine.executor(weights.clone()).session(&graph, &Options::default(), None)?;
        let mut results = session.run(&inputs)?;
        let start = Instant::now();
        for _ in 0..runs {
            results = session.run(&inputs)?;
        }
        let each = start.elapsed().as_secs_f64() / f64::from(runs) / labels.len() as f64;
        Ok((Tensors::from_iter(results)["logits"].to_f64(), each))
    };
    let (got, each) = logits(&engine, 20)?;
    let best = |row: &[f64]| (0..10).fold(0, |best, i| if row[i] > row[best] { i } else { best });
    let answers: Vec<usize> = got.chunks(10).map(best).collect();
    let right = answers.iter().zip(&labels).filter(|(a, l)| a == l).count();
    let (n, percent, on) = (labels.len(), 100.0 * right as f64 / labels.len() as f64, engine.name());
    println!("{right} of {n} digits right, {percent:.2} %; {:.1} µs an image on {on}", 1e6 * each);

    if let Some(device) = engine.device() {
        let difference = apart(&got, &logits(&Engine::Reference, 1)?.0);
        let found = verify(&Store::new(device, weights.clone()), &graph, &inputs, &Options::default())?;
        let (within, worst) = (if found.ok() { "within" } else { "NOT within" }, 100.0 * found.ratio());
        print!("GPU and f64 reference: {difference:.1e} apart, every operation {within} its bound ({worst:.0} %); ");
    }
    let recorded = load_tensors(folder.join("expected.safetensors"))?["logits"].to_f64();
    println!("{:.1e} from the logits in data/digits, which the f64 reference gave", apart(&got, &recorded));

    let saved = picture(&held_out, &answers, &labels).save(&args.out);
    saved.map_err(|e| Error::file(&args.out, e.to_string()))?;
    println!("{} shows them; where the answer is wrong it is red, beside the right one in green", args.out.display());
    Ok(())
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Numerals of 5 × 7 dots, a row in five bits.
#[rustfmt::skip]
const NUMERALS: [[u8; 7]; 10] = [
    [14, 17, 19, 21, 25, 17, 14], [4, 12, 4, 4, 4, 4, 14], [14, 17, 1, 2, 4, 8, 31], [31, 2, 4, 2, 1, 17, 14],
    [2, 6, 10, 18, 31, 2, 2], [31, 16, 30, 1, 1, 17, 14], [6, 8, 16, 30, 17, 17, 14], [31, 1, 2, 4, 8, 8, 8],
    [14, 17, 17, 14, 17, 17, 14], [14, 17, 17, 15, 1, 2, 12],
];

/// A grid of the digits, each over its answer.
fn picture(pixels: &[f32], answers: &[usize], labels: &[usize]) -> image::RgbImage {
    let (columns, wide, high) = (24, 52, 70);
    let size = [columns as u32 * wide + 4, labels.len().div_ceil(columns) as u32 * high + 4];
    let mut picture = image::RgbImage::from_pixel(size[0], size[1], image::Rgb([236, 238, 242]));
    let mut fill = |x: u32, y: u32, w: u32, h: u32, colour: [u8; 3]| {
        (0..w * h).for_each(|i| picture.put_pixel(x + i % w, y + i / w, image::Rgb(colour)));
    };
    for (n, (&answer, &label)) in answers.iter().zip(labels).enumerate() {
        let (x, y, right) = ((n % columns) as u32 * wide + 4, (n / columns) as u32 * high + 4, answer == label);
        fill(x, y, wide - 4, high - 4, if right { [255, 255, 255] } else { [255, 205, 200] });
        for (i, &ink) in pixels[n * 64..][..64].iter().enumerate() {
            let shade = (255.0 * (1.0 - ink)) as u8;
            fill(x + 4 + i as u32 % 8 * 5, y + 4 + i as u32 / 8 * 5, 5, 5, [shade; 3]);
        }
        let (wrong, truth) = ((answer, 9, [205, 20, 20]), (label, 29, [20, 135, 60]));
        for (digit, left, colour) in if right { vec![(answer, 19, [70, 80, 100])] } else { vec![wrong, truth] } {
            for i in (0..35).filter(|i| NUMERALS[digit][*i as usize / 5] >> (4 - i % 5) & 1 == 1) {
                fill(x + left + i % 5 * 2, y + 48 + i / 5 * 2, 2, 2, colour);
            }
        }
    }
    picture
}
