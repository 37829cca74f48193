//! Pictures of where a model looks for every token that it writes.

use std::path::Path;

use handmill::engine::Tensors;
use handmill::{Error, HostTensor, Result};

use super::heat_map::heat_map;
use super::learn::save;
use super::pairs::Subject;
use super::translator::Translator;
use super::words::START;

impl Translator {
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
}
