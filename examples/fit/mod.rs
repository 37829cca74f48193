//! What the examples of small models have in common: a training of rows in memory, and numbers that are drawn.

use std::path::Path;

use handmill::config::Config;
use handmill::engine::{Engine, Tensors};
use handmill::file::write_atomic;
use handmill::models::named;
use handmill::train::checkpoint::fingerprint;
use handmill::train::data::{Data, Dataset};
use handmill::train::run::{Options, Run};
use handmill::train::settings::Settings;
use handmill::train::step::Task;
use handmill::train::trainer::How;
use handmill::{HostTensor, Result};
use serde_json::Value;

/// Trains the model of `config` as `train` says, on `rows` in batches of `batch_size`; `out` becomes its model folder.
pub fn fit(
    config: &Value,
    train: &Value,
    rows: &[(&str, HostTensor)],
    batch_size: usize,
    engine: &Engine,
    out: &Path,
) -> Result<Run<'static>> {
    let text = config.to_string();
    let settings = Settings::read(&Config::parse("train.json", &train.to_string())?, out)?;
    let rows = Dataset::new(tensors(rows))?;
    let shuffle = batch_size < rows.examples();
    let data = Data::rows(rows, None, batch_size, shuffle, settings.seed)?;
    let model = named(config["architectures"][0].as_str().unwrap_or_default())?;
    let task = Task { model, config: Config::parse("config.json", &text)?, settings, keys: None };
    let options = Options {
        how: How::default(),
        out: out.to_owned(),
        resume: None,
        gradients: None,
        config_fingerprint: fingerprint(text.as_bytes()),
        stop: None,
        verbose: false,
    };
    let mut run = Run::new(task, data, None, engine, options)?;
    run.finish()?;
    write_atomic(&out.join("config.json"), |file| writeln!(file, "{config:#}"))?;
    Ok(run)
}

/// Tensors by name.
pub fn tensors(named: &[(&str, HostTensor)]) -> Tensors {
    named.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone())).collect()
}

/// Numbers from 0 to 1, a function of the seed (SplitMix64).
#[allow(dead_code)]
pub fn uniform(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}
