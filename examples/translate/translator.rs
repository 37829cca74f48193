//! A model that translates, with the words of both languages.

use std::io::{BufRead, IsTerminal};
use std::path::Path;

use handmill::engine::{Engine, Tensors};
use handmill::json::Value;
use handmill::models::Loaded;
use handmill::programs::Context;
use handmill::train::data::Dataset;
use handmill::{Error, HostTensor, Result};
use serde_json::json;

use super::heat_map::heat_map;
use super::learn::save;
use super::pairs::{Pair, Subject};
use super::words::{END, PAD, START, Words, padded, teaching};

/// What translates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// `AttentionSeq2Seq`: recurrent networks with attention.
    Attention,
    /// `Transformer`.
    Transformer,
}

impl Kind {
    /// `config.json` of a model as wide as `size`, for translations of `max_length` tokens with their end.
    pub fn config(self, size: usize, [source, target]: [&Words; 2], max_length: usize) -> Value {
        let mut config = json!({
            "src_vocab_size": source.size(), "tgt_vocab_size": target.size(),
            "pad_token_id": PAD, "start_token_id": START, "end_token_id": END, "max_length": max_length,
        });
        let own = match self {
            Kind::Attention => json!({
                "architectures": ["AttentionSeq2Seq"], "embedding_dim": size / 2, "hidden_size": size,
                "attention_dim": size, "bidirectional": true,
            }),
            Kind::Transformer => json!({
                "architectures": ["Transformer"], "d_model": size, "nhead": 2, "num_encoder_layers": 2,
                "num_decoder_layers": 2, "dim_feedforward": 2 * size, "norm_first": true, "output_attentions": true,
            }),
        };
        if let (Value::Object(config), Value::Object(own)) = (&mut config, own) {
            config.extend(own);
        }
        config
    }

    /// `train.json`
    pub fn settings(self, steps: Option<u32>, lr: Option<f64>, seed: u32) -> Value {
        let (usual, rate, init) = match self {
            Kind::Attention => (400, 0.005, "default"),
            // Embeddings of the default would be louder than the positions that are added to them.
            Kind::Transformer => (600, 0.003, "xavier_uniform"),
        };
        let steps = steps.unwrap_or(usual);
        json!({
            "loss": "cross_entropy", "steps": steps, "seed": seed, "init": init, "clip_grad_norm": 1.0,
            "optimizer": {"name": "adam", "lr": lr.unwrap_or(rate)}, "validate_every": 100,
            "schedule": {"name": "one_cycle", "total_steps": steps, "pct_start": 0.1},
        })
    }

    fn of(architecture: &str) -> Option<Kind> {
        match architecture {
            "AttentionSeq2Seq" => Some(Kind::Attention),
            "Transformer" => Some(Kind::Transformer),
            _ => None,
        }
    }

    /// Sources as the model takes them, filled up to `length`: a Transformer masks padding by its id.
    fn sources(self, rows: &[Vec<i32>], length: usize) -> Tensors {
        let mut inputs = Tensors::from([("input_ids".to_owned(), padded(rows, length, PAD))]);
        if self == Kind::Attention {
            let real: Vec<_> = rows.iter().map(|row| vec![1; row.len()]).collect();
            inputs.insert("attention_mask".to_owned(), padded(&real, length, 0));
        }
        inputs
    }
}

/// The words of the texts and of their translations.
pub fn vocabularies(pairs: &[Pair]) -> [Words; 2] {
    let source = pairs.iter().flat_map(|pair| Subject::split(&pair.source));
    let target = pairs.iter().flat_map(|pair| characters(&pair.target));
    [Words::of(source), Words::of(target)]
}

/// `pairs` to be learnt, and the longest translation with its end.
pub fn examples(kind: Kind, pairs: &[Pair], [source, target]: [&Words; 2]) -> Result<(Dataset, usize)> {
    let sources = pairs.iter().map(|p| source.encode(&Subject::split(&p.source))).collect::<Result<Vec<_>>>()?;
    let targets = pairs.iter().map(|p| target.encode(&characters(&p.target))).collect::<Result<Vec<_>>>()?;
    let mut tensors = kind.sources(&sources, sources.iter().map(Vec::len).max().unwrap_or(1));
    let [read, written] = teaching(&targets);
    let length = read.shape()[1];
    tensors.extend([("decoder_input_ids".to_owned(), read), ("target".to_owned(), written)]);
    Ok((Dataset::new(tensors)?, length))
}

fn characters(text: &str) -> Vec<String> {
    text.chars().map(String::from).collect()
}

/// A trained model and its vocabularies.
pub struct Translator {
    kind: Kind,
    context: Context,
    source: Words,
    target: Words,
}

impl Translator {
    /// The model of a folder that this example wrote.
    pub fn open(folder: &Path, engine: &Engine) -> Result<Translator> {
        let loaded = Loaded::open(folder)?;
        let Some(kind) = Kind::of(loaded.model.name) else {
            let message = format!("holds a {}, expected an AttentionSeq2Seq or a Transformer", loaded.model.name);
            return Err(Error::config(folder.display().to_string(), message));
        };
        let [source, target] = ["source_vocab.json", "target_vocab.json"].map(|name| Words::open(&folder.join(name)));
        let (source, target, (context, _)) = (source?, target?, Context::open(&loaded, engine)?);
        for (name, words) in [("src_vocab_size", &source), ("tgt_vocab_size", &target)] {
            let (found, expected) = (words.size(), context.config.required_usize(name));
            if found != expected {
                let message = format!("{name} is {expected}, the vocabulary has {found} words");
                return Err(Error::config(folder.join("config.json").display().to_string(), message));
            }
        }
        Ok(Translator { kind, context, source, target })
    }

    /// The translations of `texts`, all at once.
    pub fn translate(&self, texts: &[String]) -> Result<Vec<String>> {
        let (_, ids) = self.generated(texts)?;
        Ok(ids.iter().map(|row| self.target.decode(row).concat()).collect())
    }

    /// What the model takes of `texts`, and the ids that it makes of them.
    fn generated(&self, texts: &[String]) -> Result<(Tensors, Vec<Vec<i32>>)> {
        let rows = texts.iter().map(|text| self.source.encode(&Subject::split(text))).collect::<Result<Vec<_>>>()?;
        let mut inputs = self.kind.sources(&rows, rows.iter().map(Vec::len).max().unwrap_or(1));
        let start = HostTensor::i32(&[rows.len(), 1], vec![START; rows.len()]);
        inputs.insert("decoder_input_ids".to_owned(), start);
        let outputs = self.context.run(&inputs)?;
        let generated = outputs.get("generated_ids");
        let generated = generated.ok_or_else(|| Error::tensor("generated_ids", "config.json has no max_length"))?;
        let length = generated.shape()[1];
        Ok((inputs, generated.as_i32()?.chunks(length).map(<[i32]>::to_vec).collect()))
    }

    /// The translation of `text`, and a picture of where the model looked: a row for every token that it wrote, a
    /// column for every one that it read. Of a Transformer it is the mean over the heads of the last layer.
    fn show(&self, text: &str) -> Result<(String, image::RgbImage)> {
        let (mut inputs, ids) = self.generated(&[text.to_owned()])?;
        let written = self.target.decode(&ids[0]);
        let rows: Vec<String> = written.iter().cloned().chain(["</s>".to_owned()]).take(ids[0].len()).collect();
        let columns = Subject::split(text);
        let read = [&[START], &ids[0][..rows.len() - 1]].concat();
        inputs.insert("decoder_input_ids".to_owned(), HostTensor::i32(&[1, rows.len()], read));
        let outputs = Tensors::from_iter(self.context.session(&inputs)?.run(&inputs)?);
        let looked = outputs.iter().rfind(|(name, _)| name.contains("attentions"));
        let (_, looked) =
            looked.ok_or_else(|| Error::tensor("cross_attentions", "config.json has no output_attentions"))?;
        let size = rows.len() * columns.len();
        let heads = looked.len() / size;
        let looked = looked.as_f32()?;
        let mean = (0..size).map(|i| looked.iter().skip(i).step_by(size).sum::<f32>() / heads as f32);
        Ok((written.concat(), heat_map(&rows, &columns, &mean.collect::<Vec<_>>())))
    }

    /// Translates `texts` and draws where the model looks: `attention_0.png`, `attention_1.png` …
    pub fn show_all(&self, texts: &[String], out: &Path) -> Result<()> {
        for (i, text) in texts.iter().enumerate() {
            let (found, picture) = self.show(text)?;
            println!("{text} -> {found}");
            std::fs::create_dir_all(out).map_err(|e| Error::file(out, format!("cannot be made: {e}")))?;
            save(&picture, &out.join(format!("attention_{i}.png")))?;
        }
        Ok(())
    }

    /// Translates the standard input line by line; one with words that are unknown is told so.
    pub fn lines(&self) -> Result<()> {
        let input = std::io::stdin();
        if input.is_terminal() {
            eprintln!("type a line");
        }
        for line in input.lock().lines() {
            let line = line.map_err(|e| Error::file("the standard input", e.to_string()))?;
            match self.translate(&[line]) {
                Ok(found) => println!("{}", found.concat()),
                Err(e) => eprintln!("translate: {e}"),
            }
        }
        Ok(())
    }
}
