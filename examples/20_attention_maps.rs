//! Where the heads of a Transformer look, as a picture: how much of every token's attention each token gets, or, over
//! an image, how much each patch gets from the token that names it.
//!
//! ```text
//! cargo run --release --example attention_maps -- --hub google-bert/bert-base-uncased --layer 3
//! cargo run --release --example attention_maps -- --hub google/vit-base-patch16-224 --image photo.jpg --layer 11
//! ```

#[path = "common/heat_map.rs"]
mod heat_map;
#[path = "common/source.rs"]
mod source;
#[path = "attention_maps/tokens.rs"]
mod tokens;

use std::path::PathBuf;

use clap::Parser;
use handmill::error::{Error, Result};
use handmill::models::{Inputs, transformers};
use heat_map::{save, sheet};
use source::Source;

/// Writes a picture of attentions. Without a checkpoint the weights are random and ids stand for bytes.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    source: Source,
    /// The architecture of a random model
    #[arg(long, default_value = "BertModel")]
    architecture: String,
    /// What is read
    #[arg(long, default_value = "The mill grinds the corn.")]
    text: String,
    /// What a decoder has written; the text where nothing is given
    #[arg(long)]
    answer: Option<String>,
    /// A PNG or JPEG file, where a model sees images
    #[arg(long)]
    image: Option<PathBuf>,
    /// Which attention, as they are listed; the last where none is named
    #[arg(long)]
    layer: Option<usize>,
    /// Which head; all where none is named
    #[arg(long)]
    head: Option<usize>,
    /// The picture
    #[arg(long, default_value = "attention.png")]
    out: PathBuf,
}

/// The configuration of a random model, whichever it is.
const SMALL: &str = r#"{"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,
    "vocab_size": 512, "n_embd": 64, "n_layer": 2, "n_head": 4, "d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2,
    "num_heads": 4, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 128,
    "decoder_attention_heads": 4, "decoder_ffn_dim": 128, "image_size": 64, "num_labels": 5, "text_config": {
    "vocab_size": 512, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128},
    "vision_config": {"image_size": 64, "patch_size": 16, "hidden_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "intermediate_size": 128}}"#;

fn main() {
    if let Err(error) = run(&Args::parse()) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}
fn run(args: &Args) -> Result<()> {
    let (mut models, name) = (transformers::MODELS.to_vec(), &args.architecture);
    models.sort_by_key(|model| model.name != *name);
    if models[0].name != *name {
        return Err(Error::config("--architecture", format!("{name} is not one of the Transformers")));
    }
    let opened = args.source.open_any(&models, SMALL)?;
    let answer = args.answer.as_ref().unwrap_or(&args.text);
    let (inputs, tokens) = tokens::inputs(&opened, &args.text, answer, args.image.as_deref())?;
    let context = &opened.context;
    (context.model.check)(&context.config, &inputs)?;
    let session = context.session_of(|g, config| {
        g.set_attentions(true);
        (context.model.build)(g, config, &Inputs::of(&inputs));
    })?;
    let found = session.run(&inputs)?;
    let maps: Vec<_> = found.iter().filter_map(|(name, map)| Some((name.strip_prefix("attentions.")?, map))).collect();
    for (i, (name, map)) in maps.iter().enumerate() {
        println!("{i:3}  {name}: {} heads, {} × {}", map.shape()[1], map.shape()[2], map.shape()[3]);
    }
    let layer = args.layer.unwrap_or(maps.len() - 1);
    if layer >= maps.len() {
        return Err(Error::tensor("--layer", format!("found {layer}, expected less than {}", maps.len())));
    }
    let (name, map) = maps[layer];
    let &[_, heads, t, s] = map.shape() else { return Err(Error::tensor(name, "is no attention")) };
    if let Some(head) = args.head.filter(|&head| head >= heads) {
        return Err(Error::tensor("--head", format!("found {head}, expected less than {heads}")));
    }
    let mut pictures = vec![];
    for head in (0..heads).filter(|&head| args.head.is_none_or(|wanted| wanted == head)) {
        let values = &map.as_f32()?[head * t * s..][..t * s];
        pictures.push((format!("head {head}"), tokens.picture(name, values, s)));
    }
    println!("{}: {name}, {} of {heads} heads", args.out.display(), pictures.len());
    save(&sheet(&pictures), &args.out)
}
