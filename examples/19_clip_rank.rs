//! Which of some texts fits an image, by CLIP.
//!
//! ```text
//! cargo run --release --example clip_rank -- --hub openai/clip-vit-base-patch32 --image photo.jpg \
//!     "a photo of a mill" "a photo of a cat"
//! ```

#[path = "common/ranking.rs"]
mod ranking;
#[path = "common/source.rs"]
mod source;

use std::path::PathBuf;

use clap::Parser;
use handmill::error::Result;
use handmill::models::transformers::clip::CLIP;
use ranking::softmax;
use source::{Source, batch};

/// Prints the probability of every text for every image. Without a checkpoint the weights are random.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    source: Source,
    /// A PNG or JPEG file, once for each; a pattern where none is named and the weights are random
    #[arg(long = "image", value_name = "FILE")]
    images: Vec<PathBuf>,
    /// The texts
    #[arg(default_values = ["a photo of a mill", "a photo of a cat", "a pattern"])]
    texts: Vec<String>,
}

/// The configuration of a random model.
const SMALL: &str = r#"{"projection_dim": 32, "text_config": {"vocab_size": 300, "hidden_size": 64,
    "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "eos_token_id": 256},
    "vision_config": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
    "image_size": 64, "patch_size": 16}}"#;

/// The end of a text of the random model.
const END: i32 = 256;

fn main() {
    if let Err(error) = run(&Args::parse()) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}
fn run(args: &Args) -> Result<()> {
    let opened = args.source.open(&CLIP, SMALL)?;
    let text = opened.text()?;
    let section = opened.context.config.object("text_config");
    let longest = section.map_or(77, |section| section.usize("max_position_embeddings", 77));
    opened.context.config.finish()?;
    let random = usize::from(text.0.is_none());
    let encode = |given: &String| {
        let ids = text.encode_within(given, longest - random)?;
        Ok(if random == 1 { [ids, vec![END]].concat() } else { ids })
    };
    let rows = args.texts.iter().map(encode).collect::<Result<Vec<_>>>()?;
    let (files, images) = opened.images(
        &args.images,
        r#"{"feature_extractor_type": "CLIPFeatureExtractor", "size": 64,
        "crop_size": 64}"#,
    )?;
    let mut inputs = batch(&rows);
    inputs.insert("pixel_values".into(), images);
    let logits = &opened.context.run(&inputs)?["logits_per_image"]; // (N, B)
    let width = files.iter().map(|file| file.chars().count()).max().unwrap_or(0);
    for (n, given) in args.texts.iter().enumerate() {
        println!("{:width$}  {}", "", format_args!("{} {given}", letter(n)));
    }
    let heads: String = (0..rows.len()).map(|n| format!("{:>8}", letter(n))).collect();
    println!("{:width$}{heads}", "");
    for (row, file) in logits.as_f32()?.chunks(rows.len()).zip(&files) {
        let shares: String = softmax(row).iter().map(|p| format!("{p:8.4}")).collect();
        println!("{file:width$}{shares}");
    }
    Ok(())
}

/// The name of column `n`: A to Z, then a number.
fn letter(n: usize) -> String {
    u8::try_from(n).ok().filter(|n| *n < 26).map_or_else(|| (n + 1).to_string(), |n| char::from(b'A' + n).to_string())
}
