//! Images out of noise: a denoising diffusion U-Net, a step at a time (Ho, Jain, Abbeel 2020, algorithm 2).
//!
//! `cargo run --release --example ddpm -- --random`, or `--model DIR` with a folder in diffusers' layout

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use handmill::config::Config;
use handmill::engine::{Engine, Tensors};
use handmill::models::Loaded;
use handmill::models::generative::unet2d::UNET2D;
use handmill::programs::Context;
use handmill::programs::ddpm::{Ddpm, Normal};
use handmill::{Error, HostTensor, Result};
use image::{Rgb, RgbImage};
use indicatif::ProgressBar;

#[derive(Parser)]
#[command(about = "Samples images from a denoising diffusion model")]
struct Args {
    /// Model folder: config.json and safetensors, or a folder `unet` with them
    #[arg(long, value_name = "DIR", required_unless_present = "random")]
    model: Option<PathBuf>,
    /// A small network with random weights in place of a model
    #[arg(long, conflicts_with = "model")]
    random: bool,
    /// Steps of the process, evenly spaced over those of the training
    #[arg(long, default_value_t = 50)]
    steps: usize,
    /// Images made at once
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    batch: u16,
    /// Height and width; the model's without it
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=2048))]
    size: Option<u16>,
    /// Seed of the noise, and of random weights
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// auto, gpu, gpu:N, a part of an adapter's name, or reference
    #[arg(long, default_value = "auto")]
    device: String,
    /// The picture: a row an image, from noise on the left to the result on the right
    #[arg(long, default_value = "ddpm.png")]
    out: PathBuf,
}

const SMALL: &str = r#"{"sample_size": 32, "block_out_channels": [16, 32], "layers_per_block": 1, "norm_num_groups": 4,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "up_block_types": ["AttnUpBlock2D", "UpBlock2D"]}"#;
const SHOWN: usize = 9; // pictures of a row, the noise included

fn main() {
    if let Err(e) = run(&Args::parse()) {
        eprintln!("ddpm: {e}");
        std::process::exit(1);
    }
}

fn run(args: &Args) -> Result<()> {
    let (engine, notice) = Engine::open(&args.device)?;
    let (context, notices) = match &args.model {
        Some(m) => {
            let unet = if m.join("unet").is_dir() { m.join("unet") } else { m.clone() };
            Context::open(&Loaded::open_as(&unet, &UNET2D)?, &engine)?
        }
        None => (Context::random(&UNET2D, Config::parse("the small network", SMALL)?, &engine, args.seed)?, vec![]),
    };
    notice.iter().chain(&notices).for_each(|text| eprintln!("{text}"));
    let ddpm = args.model.as_deref().map_or_else(|| Ok(Ddpm::default()), Ddpm::open)?;

    let config = &context.config;
    let [height, width] = args.size.map_or_else(|| config.pair("sample_size", [32, 32]), |s| [usize::from(s); 2]);
    let shape = [usize::from(args.batch), config.usize("in_channels", 3), height, width];
    let inputs = |x: &[f32], t: usize| {
        let (sample, t) = (HostTensor::f32(&shape, x.to_vec()), HostTensor::i32(&shape[..1], vec![t as i32; shape[0]]));
        Tensors::from([("sample".to_owned(), sample), ("timestep".to_owned(), t)])
    };
    let mut noise = Normal::new(args.seed);
    let mut x: Vec<f32> = (0..shape.iter().product()).map(|_| noise.draw() as f32).collect();
    let session = context.session(&inputs(&x, 0))?; // one plan for all steps
    let (timesteps, mut shown) = (ddpm.timesteps(args.steps), vec![x.clone()]);
    let (bar, start) = (ProgressBar::new(timesteps.len() as u64), Instant::now());
    for (i, &t) in timesteps.iter().enumerate() {
        let results: Tensors = session.run(&inputs(&x, t))?.into_iter().collect();
        ddpm.step(t, timesteps.get(i + 1).copied(), &mut x, results["sample"].as_f32()?, &mut noise);
        let passed = |i: usize| i * (SHOWN - 1) / timesteps.len();
        shown.extend((passed(i + 1) > passed(i)).then(|| x.clone()));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let (seconds, [b, ..], n, on) = (start.elapsed().as_secs_f64(), shape, timesteps.len(), engine.name());
    let speed = b as f64 / seconds;
    println!("{b} images of {height} × {width} in {n} steps: {seconds:.1} s, {speed:.2} images/s on {on}");
    picture(&shown, shape).save(&args.out).map_err(|e| Error::file(&args.out, e.to_string()))?;
    let what = if args.random { "what a network that has learned nothing makes" } else { "how they came out" };
    println!("{} shows {what} of noise", args.out.display());
    Ok(())
}

/// A row an image, a column a moment; −1 is black and 1 is white.
fn picture(shown: &[Vec<f32>], [batch, channels, h, w]: [usize; 4]) -> RgbImage {
    let (k, gap) = (96usize.div_ceil(h.max(w)), 4);
    let side = |n: usize, count: usize| (count * (n * k + gap) + gap) as u32;
    let place = |v: u32, n: usize| (v as usize / (n * k + gap), v as usize % (n * k + gap));
    RgbImage::from_fn(side(w, shown.len()), side(h, batch), |x, y| {
        let ((column, j), (row, i)) = (place(x, w), place(y, h));
        if i < gap || j < gap {
            return Rgb([255; 3]);
        }
        let (i, j) = ((i - gap) / k, (j - gap) / k);
        let channel = |c: usize| shown[column][((row * channels + c.min(channels - 1)) * h + i) * w + j];
        Rgb([0, 1, 2].map(|c| ((channel(c) + 1.0) * 127.5).round() as u8))
    })
}
