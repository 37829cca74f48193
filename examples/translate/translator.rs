//! A model that translates, with the words of both languages.

use std::io::{BufRead, IsTerminal};
use std::path::Path;

use handmill::engine::{Engine, Tensors};
use handmill::models::Loaded;
use handmill::programs::Context;
use handmill::train::data::Dataset;
use handmill::{Error, HostTensor, Result};

use super::kind::Kind;
use super::pairs::{Pair, Subject};
use super::words::{START, Words, teaching};

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
    /// The model on its engine.
    pub context: Context,
    source: Words,
    /// The words of translations.
    pub target: Words,
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
    pub fn generated(&self, texts: &[String]) -> Result<(Tensors, Vec<Vec<i32>>)> {
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
