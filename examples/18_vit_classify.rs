//! What a Vision Transformer sees in images.
//!
//! ```text
//! cargo run --release --example vit_classify -- --hub google/vit-base-patch16-224 photo.jpg
//! ```

#[path = "common/ranking.rs"]
mod ranking;
#[path = "common/source.rs"]
mod source;

use std::path::PathBuf;

use clap::Parser;
use handmill::error::Result;
use handmill::models::transformers::labels;
use handmill::models::transformers::vit::VIT;
use ranking::{best, softmax};
use source::Source;

/// Prints the most probable labels of images. Without a checkpoint the weights are random.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    source: Source,
    /// How many labels of each
    #[arg(long, default_value_t = 5)]
    top: usize,
    /// PNG or JPEG files; a pattern where none is named and the weights are random
    images: Vec<PathBuf>,
}

/// The configuration of a random model.
const SMALL: &str = r#"{"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128,
    "image_size": 64, "num_labels": 5}"#;

fn main() {
    if let Err(error) = run(&Args::parse()) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}
fn run(args: &Args) -> Result<()> {
    let opened = args.source.open(&VIT, SMALL)?;
    let config = &opened.context.config;
    let names = labels(config);
    config.finish()?;
    if !config.has("id2label") {
        eprintln!("{} names no labels (id2label): they are numbered", config.place());
    }
    let (files, images) = opened.images(&args.images, r#"{"size": 64}"#)?;
    let inputs = [("pixel_values".to_owned(), images)].into();
    let logits = &opened.context.run(&inputs)?["logits"]; // (B, labels)
    for (row, file) in logits.as_f32()?.chunks(names.len()).zip(files) {
        println!("{file}");
        for (label, p) in best(&softmax(row), args.top) {
            println!("  {p:.4}  {}", names[label]);
        }
    }
    Ok(())
}
