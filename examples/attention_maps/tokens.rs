//! What a Transformer reads for `attention_maps`, and the names of its tokens.

use std::path::Path;

use handmill::engine::Tensors;
use handmill::error::{Error, Result};
use handmill::tensor::HostTensor;
use image::RgbImage;

use crate::heat_map::{heat_map, overlay};
use crate::source::{Opened, Text, pattern};

/// The tokens of a model, as readers know them.
#[derive(Default)]
pub struct Tokens {
    /// Those that are read.
    source: Vec<String>,
    /// Those that a decoder has written.
    answer: Vec<String>,
    /// The image that is seen.
    image: Option<RgbImage>,
}

/// How the random model wants images.
const SQUARE: &str = r#"{"size": 64}"#;

/// The inputs of the model for a text, an answer of its decoder and an image, as far as it takes them.
pub fn inputs(opened: &Opened, text: &str, answer: &str, image: Option<&Path>) -> Result<(Tensors, Tokens)> {
    let takes = |name: &str| opened.context.model.inputs.iter().any(|input| input.split(' ').next() == Some(name));
    let (mut inputs, mut tokens) = (Tensors::new(), Tokens::default());
    if takes("input_ids") {
        let own = opened.text()?;
        let ids = own.encode_within(text, usize::MAX)?;
        tokens.source = names(&own, &ids);
        inputs.insert("input_ids".into(), HostTensor::i32(&[1, ids.len()], ids));
        if takes("decoder_input_ids") {
            let start = opened.context.generation.id("decoder_start_token_id", i32::MAX as usize).unwrap_or(0);
            let ids = [vec![start], own.encode(answer)?].concat();
            tokens.answer = names(&own, &ids);
            inputs.insert("decoder_input_ids".into(), HostTensor::i32(&[1, ids.len()], ids));
        }
    }
    if takes("pixel_values") {
        let processor = opened.processor(SQUARE)?;
        let image = match image {
            Some(path) => processor.open(path)?,
            None if opened.folder.is_none() => pattern(),
            None => return Err(Error::tensor("--image", "is missing, expected a PNG or JPEG file")),
        };
        inputs.insert("pixel_values".into(), processor.pixel_values(std::slice::from_ref(&image))?);
        tokens.image = Some(processor.pixels(&image)?);
    }
    Ok((inputs, tokens))
}

fn names(text: &Text, ids: &[i32]) -> Vec<String> {
    ids.iter().map(|&id| text.token(id)).collect()
}

impl Tokens {
    /// A picture of a head's `values`, `keys` for each query, of the attention called `name`.
    pub fn picture(&self, name: &str, values: &[f32], keys: usize) -> RgbImage {
        let sees = name.starts_with("vit.") || name.starts_with("vision_model.");
        if let Some(image) = self.image.as_ref().filter(|_| sees) {
            // The first query is the token that names the image, the first key too.
            let patches = keys - 1;
            let rows = (1..=patches).find(|rows| {
                patches.is_multiple_of(*rows)
                    && rows * image.width() as usize >= patches / rows * image.height() as usize
            });
            let rows = rows.unwrap_or(1);
            return overlay(image, [rows, patches / rows], &values[1..keys]);
        }
        let cross = ["EncDecAttention", "encoder_attn"].iter().any(|part| name.contains(part));
        let (rows, columns) = match name.contains("decoder.") {
            true if cross => (&self.answer, &self.source),
            true => (&self.answer, &self.answer),
            false => (&self.source, &self.source),
        };
        heat_map(rows, columns, values)
    }
}
