//! A training on rows in memory, with a line now and then that says how it goes.

#![allow(dead_code)] // every example takes a part of it

use std::path::Path;
use std::time::Instant;

use handmill::config::Config;
use handmill::engine::Engine;
use handmill::file::write_atomic;
use handmill::json::Value;
use handmill::models::named;
use handmill::train::checkpoint::fingerprint;
use handmill::train::data::{Data, Dataset};
use handmill::train::run::{Options, Run};
use handmill::train::settings::Settings;
use handmill::train::step::Task;
use handmill::train::trainer::How;
use handmill::{Error, Result};

/// What is learnt from what.
pub struct Lesson {
    /// `config.json`
    pub config: Value,
    /// `train.json`
    pub train: Value,
    /// What is seen.
    pub rows: Dataset,
    /// What is not.
    pub held_out: Dataset,
    /// Rows of a step.
    pub batch_size: usize,
}

/// Trains the model of the lesson's `config.json` and makes `out` its folder.
pub fn learn(lesson: Lesson, engine: &Engine, out: &Path) -> Result<Run<'static>> {
    let (config, train) = (lesson.config.to_string(), lesson.train.to_string());
    let settings = Settings::read(&Config::parse("train.json", &train)?, Path::new(""))?;
    let (steps, every) = (settings.steps as u64, settings.validate_every as u64);
    let data = Data::rows(lesson.rows, Some(lesson.held_out), lesson.batch_size, true, settings.seed)?;
    let model = named(lesson.config.pointer("/architectures/0").and_then(Value::as_str).unwrap_or_default())?;
    let options = Options {
        how: How::default(),
        out: out.to_owned(),
        resume: None,
        gradients: None,
        config_fingerprint: fingerprint(config.as_bytes()),
        stop: None,
        verbose: false,
    };
    let task = Task { model, config: Config::parse("config.json", &config)?, settings, keys: None };
    let mut run = Run::new(task, data, None, engine, options)?;
    let dispatches: usize = run.trainer().totals().iter().map(|t| t.dispatches).sum();
    println!("{}: {steps} steps of {dispatches} dispatches on {}", model.name, engine.name());
    let start = Instant::now();
    run.finish_with(|trainer, recorded| {
        let done = trainer.done();
        if done.is_multiple_of(every) || done == steps {
            let losses = recorded.iter().filter(|(name, _)| name == "loss" || name == "validation");
            let losses: String = losses.map(|(name, value)| format!("  {name} {value:.4}")).collect();
            println!("step {done}/{steps}{losses}  {:.0} s", start.elapsed().as_secs_f64());
        }
        Ok(())
    })?;
    for (name, value) in [("config.json", &lesson.config), ("train.json", &lesson.train)] {
        write_atomic(&out.join(name), |file| writeln!(file, "{value:#}"))?;
    }
    Ok(run)
}

/// Saves a picture.
pub fn save(image: &image::RgbImage, path: &Path) -> Result<()> {
    let mut png = std::io::Cursor::new(vec![]);
    image.write_to(&mut png, image::ImageFormat::Png).map_err(|e| Error::file(path, e.to_string()))?;
    write_atomic(path, |file| file.write_all(png.get_ref()))
}
