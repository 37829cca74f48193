//! Where the model of an example comes from: a folder, the hub cache, or random weights.

#![allow(dead_code)] // every example takes a part of it

use std::path::{Path, PathBuf};

use handmill::config::Config;
use handmill::engine::{Engine, Tensors};
use handmill::error::{Error, Result};
use handmill::folder::{ModelFolder, hub_cache};
use handmill::images::{ImageProcessor, Kind};
use handmill::models::{Loaded, Model};
use handmill::programs::Context;
use handmill::tensor::HostTensor;
use handmill::tokenizer::Tokenizer;
use image::RgbImage;

/// Flags that name the model and what computes.
#[derive(clap::Args)]
pub struct Source {
    /// Model folder: config.json, model.safetensors, and tokenizer.json or preprocessor_config.json
    #[arg(long, value_name = "DIR", conflicts_with_all = ["hub", "random"])]
    pub model: Option<PathBuf>,
    /// A model of the hub cache
    #[arg(long, value_name = "ORG/NAME", conflicts_with = "random")]
    pub hub: Option<String>,
    /// Random weights; the default where no checkpoint is named
    #[arg(long)]
    pub random: bool,
    /// Seed of random weights, and of draws if there are any
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// auto, gpu, gpu:N, a part of an adapter's name, or reference
    #[arg(long, default_value = "auto")]
    pub device: String,
}

/// A model on an engine.
pub struct Opened {
    /// What computes.
    pub engine: Engine,
    /// The model and its weights.
    pub context: Context,
    /// Where it comes from; `None` with random weights.
    pub folder: Option<ModelFolder>,
}

impl Source {
    /// The `model` of the folder that is named, or of the configuration `small` with random weights.
    pub fn open(&self, model: &'static Model, small: &str) -> Result<Opened> {
        self.open_any(&[model], small)
    }

    /// As [`Source::open`], of any of `models`; the first of them is the random one.
    pub fn open_any(&self, models: &[&'static Model], small: &str) -> Result<Opened> {
        let (engine, notice) = Engine::open(&self.device)?;
        notice.iter().for_each(|text| eprintln!("{text}"));
        let Some(path) = self.hub.as_deref().map(hub_cache).transpose()?.or(self.model.clone()) else {
            eprintln!("random weights: the results mean nothing; --model or --hub names a checkpoint");
            let config = Config::parse("the random model", small)?;
            let context = Context::random(models[0], config, &engine, self.seed)?;
            return Ok(Opened { engine, context, folder: None });
        };
        let loaded = load(&path, models)?;
        let (context, notices) = Context::open(&loaded, &engine)?;
        notices.iter().for_each(|text| eprintln!("{text}"));
        Ok(Opened { engine, context, folder: Some(loaded.folder) })
    }
}

/// A folder that holds one of `models`.
fn load(path: &Path, models: &[&'static Model]) -> Result<Loaded> {
    let loaded = Loaded::open(path)?;
    if models.iter().any(|model| model.name == loaded.model.name) {
        return Ok(loaded);
    }
    let names: Vec<_> = models.iter().map(|model| model.name).collect();
    let message = format!("holds a {}, expected a {}", loaded.model.name, names.join(" or "));
    Err(Error::config(path.display().to_string(), message))
}

impl Opened {
    /// The tokenizer of the folder.
    pub fn text(&self) -> Result<Text> {
        Ok(Text(self.folder.as_ref().map(ModelFolder::tokenizer).transpose()?))
    }

    /// How the folder wants images; with random weights, as `small` says.
    pub fn processor(&self, small: &str) -> Result<ImageProcessor> {
        let Some(folder) = &self.folder else {
            let config = Config::parse("the random model", small)?;
            let processor = ImageProcessor::read(&config, Kind::Vit);
            config.finish()?;
            return Ok(processor);
        };
        ImageProcessor::of(folder)
    }

    /// The names of images, and `pixel_values` (N, 3, H, W); with random weights and no files, a pattern.
    pub fn images(&self, files: &[PathBuf], small: &str) -> Result<(Vec<String>, HostTensor)> {
        let processor = self.processor(small)?;
        if files.is_empty() && self.folder.is_none() {
            return Ok((vec!["a pattern".into()], processor.pixel_values(&[pattern()])?));
        }
        if files.is_empty() {
            return Err(Error::tensor("images", "no file is named, expected a PNG or JPEG"));
        }
        let images = files.iter().map(|file| processor.open(file)).collect::<Result<Vec<_>>>()?;
        Ok((files.iter().map(|file| file.display().to_string()).collect(), processor.pixel_values(&images)?))
    }
}

/// Texts as token ids: those of a tokenizer, or, with random weights, bytes.
pub struct Text(pub Option<Tokenizer>);

impl Text {
    /// The ids of `text`, with the special tokens that the model expects.
    pub fn encode(&self, text: &str) -> Result<Vec<i32>> {
        match &self.0 {
            Some(tokenizer) => tokenizer.encode(text, true),
            None => Ok(text.bytes().map(i32::from).collect()),
        }
    }

    /// The ids of `text`, which must have some, cut to `most`.
    pub fn encode_within(&self, text: &str, most: usize) -> Result<Vec<i32>> {
        if text.trim().is_empty() {
            return Err(Error::tensor("the text", "is empty, expected some words"));
        }
        let mut ids = self.encode(text)?;
        self.cut(&mut ids, most)?;
        Ok(ids)
    }

    /// Cuts a sequence to `most` tokens, with a notice; a special token at its end, such as `[SEP]`, stays.
    pub fn cut(&self, ids: &mut Vec<i32>, most: usize) -> Result<()> {
        let (count, Some(&end)) = (ids.len(), ids.last()) else { return Ok(()) };
        if count > most {
            eprintln!("a text has {count} tokens and the model takes {most}: the end is cut off");
            ids.truncate(most);
            if self.0.is_some() && self.encode("")?.last() == Some(&end) {
                ids[most - 1] = end;
            }
        }
        Ok(())
    }

    /// The text of `ids` without special tokens; ids in the place of words without a tokenizer.
    pub fn decode(&self, ids: &[i32]) -> String {
        match &self.0 {
            Some(tokenizer) => tokenizer.decode(ids, true).unwrap_or_default(),
            None => ids.iter().map(|id| format!(" {id}")).collect(),
        }
    }

    /// The token `id`, as a reader knows it: word pieces without the signs of their vocabularies for spaces.
    pub fn token(&self, id: i32) -> String {
        match &self.0 {
            Some(tokenizer) => {
                let token = tokenizer.token(id).unwrap_or_else(|| id.to_string());
                token.trim_start_matches(['\u{120}', '\u{2581}']).trim_end_matches("</w>").to_owned()
            }
            None if id == 32 => "_".into(),
            None => u8::try_from(id).ok().filter(u8::is_ascii_graphic).map_or(id.to_string(), |b| char::from(b).into()),
        }
    }
}

/// `input_ids` and `attention_mask`, both (B, T), of sequences of several lengths.
pub fn batch(rows: &[Vec<i32>]) -> Tensors {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let padded = |name: &str, token: fn(i32) -> i32| {
        let row =
            |ids: &Vec<i32>| ids.iter().map(|&id| token(id)).chain(vec![0; columns - ids.len()]).collect::<Vec<i32>>();
        (name.to_owned(), HostTensor::i32(&[rows.len(), columns], rows.iter().flat_map(row).collect()))
    };
    [padded("input_ids", |id| id), padded("attention_mask", |_| 1)].into()
}

/// A picture where none is given: rings.
pub fn pattern() -> RgbImage {
    RgbImage::from_fn(96, 80, |x, y| {
        let ring = ((x as f32 - 48.0).hypot(y as f32 - 40.0) / 6.0).sin();
        image::Rgb([((ring + 1.0) * 127.0) as u8, (x * 2) as u8, (y * 3) as u8])
    })
}
