//! Two networks that take turns: each has a graph of its own, over one set of weights.
//!
//! Source: Goodfellow et al. 2014, arXiv:1406.2661, algorithm 1, with the non-saturating loss of section 3

use crate::config::Config;
use crate::graph::{Graph, Tensor};
use crate::models::Inputs;
use crate::models::generative::dcgan::{DcganConfig, discriminator, generator};
use crate::tensor::Dtype;

use super::objective::{Objective, Shapes};
use super::step::Role;

/// The loss of the network whose turn `role` says it is.
///
/// The discriminator sees the batch's images, then the generator's as constants, in two passes whose statistics are
/// their own: `d_loss = mean softplus(−D(input)) + mean softplus(D(G(z_discriminator)))`. The generator is judged by
/// the discriminator of this step: `g_loss = mean softplus(−D(G(z_generator)))`.
#[track_caller]
pub fn objective<'g>(g: &'g Graph, config: &Config, role: Role, shapes: &Shapes) -> Objective<'g> {
    let cfg = DcganConfig::read(config);
    let inputs = Inputs::shapes(shapes.clone());
    let judged = |x| discriminator(g.root().at("discriminator"), &cfg, x);
    let made = |z| {
        let z = inputs.tensor(g, z, Dtype::F32, &[1, cfg.latent_size, 1, 1]);
        generator(g.root().at("generator"), &cfg, z)
    };
    let real = |logits: Tensor<'g>| (-logits).softplus(1.0, 20.0).mean(&[], false);
    let loss = if role == Role::Discriminator {
        let fake = made("z_discriminator").stop_gradient();
        let input = inputs.tensor(g, "input", Dtype::F32, &[1, cfg.image_channels, 1, 1]);
        let of_real = real(judged(input));
        of_real + judged(fake).softplus(1.0, 20.0).mean(&[], false)
    } else {
        real(judged(made("z_generator")))
    };
    Objective { loss, parts: vec![], labels: vec![] }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::models::generative::dcgan::DCGAN;
    use crate::train::settings::Settings;
    use crate::train::step::Task;

    #[test]
    fn another_kind_is_an_error() {
        let one = r#"{"name": "sgd", "lr": 1}"#;
        let text = format!(
            r#"{{"loss": "gan", "loss_args": {{"kind": "wasserstein"}}, "steps": 1,
                "optimizers": {{"discriminator": {one}, "generator": {one}}}}}"#
        );
        let settings = Settings::read(&Config::parse("train.json", &text).unwrap(), Path::new("")).unwrap();
        let config = r#"{"latent_size": 5, "image_channels": 1, "generator_channels": [6],
            "discriminator_channels": [6, 8], "last_kernel": 2}"#;
        let config = Config::parse("config.json", config).unwrap();
        let task = Task { model: &DCGAN, config, settings, keys: None };
        let Err(fault) = task.graph(Role::Discriminator, &Shapes::new()) else { panic!("it was built") };
        let expected = r#"train.json: loss_args: kind: found "wasserstein", expected "non_saturating""#;
        assert_eq!(fault.to_string(), expected);
    }
}
