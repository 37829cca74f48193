//! The recipes, which are beside this file.

use std::path::Path;

use handmill::Result;
use handmill::config::Config;
use handmill::file::write_atomic;
use handmill::json::Value;

use super::args::{Args, Kind};

/// How a model is made and trained: `config.json`, `train.json`, and what only the data knows.
pub struct Recipe {
    pub config: Value,
    pub train: Value,
    pub batch_size: usize,
}

impl Kind {
    fn recipe(self) -> &'static str {
        match self {
            Kind::Mlp => include_str!("mlp.json"),
            Kind::Lenet => include_str!("lenet.json"),
            Kind::Autoencoder => include_str!("autoencoder.json"),
            Kind::Denoising => include_str!("denoising.json"),
            Kind::Vae => include_str!("vae.json"),
            Kind::Gan => include_str!("gan.json"),
            Kind::Ddpm => include_str!("ddpm.json"),
        }
    }
}

impl Recipe {
    /// The recipe of the model, with what the command line says otherwise.
    pub fn of(args: &Args) -> Result<Recipe> {
        let recipe = Config::parse("the recipe", args.model.recipe())?;
        let part = |key: &str| recipe.get(key).cloned().unwrap_or_default();
        let mut train = part("train");
        let steps = args.steps.map(Value::from);
        let changes = [
            ("/seed", args.seed.map(Value::from)),
            ("/steps", steps.clone()),
            ("/schedule/total_steps", steps),
            ("/optimizer/lr", args.lr.map(Value::from)),
            ("/optimizers/discriminator/lr", args.lr.map(Value::from)),
            ("/optimizers/generator/lr", args.lr.map(Value::from)),
        ];
        for (place, value) in changes {
            if let (Some(slot), Some(value)) = (train.pointer_mut(place), value) {
                *slot = value;
            }
        }
        let batch_size = args.batch_size.map_or_else(|| recipe.required_usize("batch_size"), usize::from);
        recipe.finish()?;
        Ok(Recipe { config: part("config"), train, batch_size })
    }

    /// Writes what belongs in a model folder, and the settings; samplers of a diffusion model read its schedule.
    pub fn write(&self, out: &Path) -> Result<()> {
        let schedule = self.train.get("loss_args").filter(|args| args.get("beta_schedule").is_some());
        let files = [
            ("config.json", Some(&self.config)),
            ("train.json", Some(&self.train)),
            ("scheduler_config.json", schedule),
        ];
        for (name, value) in files {
            let Some(value) = value else { continue };
            write_atomic(&out.join(name), |file| writeln!(file, "{value:#}"))?;
        }
        Ok(())
    }
}
