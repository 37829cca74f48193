//! The labels that a BERT gives to texts, or to pairs of texts.
//!
//! ```text
//! cargo run --release --example bert_classify -- --hub textattack/bert-base-uncased-SST-2 "A mill to fall for."
//! cargo run --release --example bert_classify -- --model DIR --pairs "It is raining." "The sky is clear."
//! ```

#[path = "common/ranking.rs"]
mod ranking;
#[path = "common/source.rs"]
mod source;

use clap::Parser;
use handmill::config::Config;
use handmill::error::{Error, Result};
use handmill::models::transformers::bert::BERT_SEQUENCE_CLASSIFICATION;
use handmill::models::transformers::labels;
use handmill::tensor::HostTensor;
use ranking::{best, softmax};
use source::{Source, Text, batch};

/// Prints the labels of texts with their probabilities. Without a checkpoint the weights are random and ids stand for bytes.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    source: Source,
    /// How many labels of each
    #[arg(long, default_value_t = 5)]
    top: usize,
    /// The texts are pairs: the first and the second, the third and the fourth, and so forth
    #[arg(long)]
    pairs: bool,
    /// The texts
    #[arg(default_values = ["The bread was good.", "The mill has burnt down."])]
    texts: Vec<String>,
}

/// The configuration of a random model.
const SMALL: &str = r#"{"vocab_size": 256, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 128, "id2label": {"0": "negative", "1": "positive"}}"#;

fn main() {
    if let Err(error) = run(&Args::parse()) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}
fn run(args: &Args) -> Result<()> {
    let opened = args.source.open(&BERT_SEQUENCE_CLASSIFICATION, SMALL)?;
    let (config, text) = (&opened.context.config, opened.text()?);
    let (names, longest) = (labels(config), config.usize("max_position_embeddings", 512));
    config.finish()?;
    if !config.has("id2label") {
        eprintln!("{} names no labels (id2label): they are numbered", config.place());
    }
    let each = if args.pairs { 2 } else { 1 };
    if !args.texts.len().is_multiple_of(each) {
        return Err(Error::tensor("--pairs", format!("found {} texts, expected an even number", args.texts.len())));
    }
    let encoded = args.texts.chunks(each).map(|texts| encode(&text, texts, longest)).collect::<Result<Vec<_>>>()?;
    let (rows, mut types): (Vec<_>, Vec<_>) = encoded.into_iter().unzip();
    let mut inputs = batch(&rows);
    let shape = inputs["input_ids"].shape().to_vec(); // (B, T)
    types.iter_mut().for_each(|row: &mut Vec<i32>| row.resize(shape[1], 0));
    inputs.insert("token_type_ids".into(), HostTensor::i32(&shape, types.concat()));
    let logits = &opened.context.run(&inputs)?["logits"]; // (B, labels)
    for (row, texts) in logits.as_f32()?.chunks(names.len()).zip(args.texts.chunks(each)) {
        println!("{}", texts.join(" | "));
        for (label, p) in best(&scores(config, row), args.top) {
            println!("  {p:.4}  {}", names[label]);
        }
    }
    Ok(())
}

/// Probabilities of labels that exclude each other, or of each alone; a single output is a number, not a label.
fn scores(config: &Config, logits: &[f32]) -> Vec<f64> {
    let several = config.any_text("problem_type").is_some_and(|kind| kind == "multi_label_classification");
    match logits {
        [number] => vec![f64::from(*number)],
        _ if several => logits.iter().map(|&x| 1.0 / (1.0 + f64::from(-x).exp())).collect(),
        _ => softmax(logits),
    }
}

/// The ids of one text or two, and which of them each belongs to.
fn encode(text: &Text, texts: &[String], longest: usize) -> Result<(Vec<i32>, Vec<i32>)> {
    let [first, second] = texts else {
        let ids = text.encode_within(&texts[0], longest)?;
        let types = vec![0; ids.len()];
        return Ok((ids, types));
    };
    if first.trim().is_empty() || second.trim().is_empty() {
        return Err(Error::tensor("the text", "is empty, expected some words"));
    }
    let (mut ids, mut types) = match &text.0 {
        Some(tokenizer) => tokenizer.encode_pair(first, second)?,
        None => {
            let types = [vec![0; first.len()], vec![1; second.len()]].concat();
            (text.encode(&(first.clone() + second))?, types)
        }
    };
    text.cut(&mut ids, longest)?;
    types.truncate(ids.len());
    Ok((ids, types))
}
