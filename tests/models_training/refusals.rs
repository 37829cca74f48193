//! What a model cannot do is an error that names the key or the input; no size panics.

use handmill::config::Config;
use handmill::graph::Graph;
use handmill::models::{self, Inputs, named};
use handmill::tensor::HostTensor;

use super::{Outcome, tensors};

const DENSE: &str = r#""input_size": 4, "hidden_sizes": [3], "activation": "tanh", "output_activation": "linear""#;
const VAE: &str = r#"{"input_size": 4, "hidden_sizes": [3], "latent_size": 2, "activation": "tanh"}"#;
const DCGAN: &str = r#"{"latent_size": 3, "image_channels": 1, "generator_channels": [4],
    "discriminator_channels": [4, 5], "last_kernel": 2}"#;
const MLP: &str = r#"{"in_features": 4, "hidden_sizes": [3], "out_features": 2, "activation": "relu", "dropout": 0.5}"#;
const SKIP_GRAM: &str = r#"{"vocab_size": 5, "embedding_dim": 3}"#;
const NET: &str = r#"{"in_channels": 1, "channels": [3], "num_classes": 2}"#;

fn refused(what: &str, result: handmill::Result<()>, expected: &str) -> Outcome {
    match result {
        Ok(()) => Err(format!("{what} was accepted").into()),
        Err(e) if e.to_string().contains(expected) => Ok(()),
        Err(e) => Err(format!("{what}: \"{e}\" does not say \"{expected}\"").into()),
    }
}

pub fn configs() -> Outcome {
    let conv = r#""activation": "relu", "output_activation": "tanh""#;
    let dense = |more: &str| format!("{{{more}, \"activation\": \"tanh\", \"output_activation\": \"linear\"}}");
    for (model, config, expected) in [
        (
            "Autoencoder",
            dense(r#""input_size": 4, "hidden_sizes": []"#),
            "hidden_sizes: is empty, and its last is the code's",
        ),
        ("Autoencoder", dense(r#""hidden_sizes": [3]"#), "input_size: is missing"),
        ("Autoencoder", DENSE.replace("linear", "softmax"), "expected one of relu, tanh, sigmoid, gelu, linear"),
        ("DenoisingAutoencoder", format!("{{{DENSE}}}"), "corruption: is missing, expected one of gaussian, masking"),
        (
            "DenoisingAutoencoder",
            format!(r#"{{{DENSE}, "corruption": "gaussian"}}"#),
            "noise_std: is missing, expected a number above 0",
        ),
        (
            "DenoisingAutoencoder",
            format!(r#"{{{DENSE}, "corruption": "gaussian", "noise_std": -1}}"#),
            "noise_std: found -1",
        ),
        ("VAE", VAE.replace("\"latent_size\": 2", "\"latent_size\": 0"), "latent_size: found 0"),
        ("VAE", VAE.replace("[3]", "[2147483648, 2147483648]"), "2147483647 elements"),
        (
            "ConvTransposeDecoder",
            format!(r#"{{"latent_size": 2, "base_size": 2, "channels": [4], {conv}}}"#),
            "channels: has 1 entries, expected two or more",
        ),
        (
            "ConvTransposeDecoder",
            format!(r#"{{"latent_size": 2, "base_size": 2147483648, "channels": [2147483648, 1], {conv}}}"#),
            "2147483647 elements",
        ),
        ("DCGAN", DCGAN.replace("[4]", "[]"), "generator_channels: has 0 entries, expected 1 to 12"),
        (
            "DCGAN",
            DCGAN.replace("[4, 5]", "[1,1,1,1,1,1,1,1,1,1,1,1,1]"),
            "discriminator_channels: has 13 entries, expected 1 to 12",
        ),
        ("DCGAN", DCGAN.replace("\"last_kernel\": 2", "\"last_kernel\": 2147483648"), "2147483647 elements"),
        ("ConvBatchNormNet", NET.replace("[3]", "[]"), "channels: has 0 entries, expected 1 to 12"),
        ("ConvBatchNormNet", NET.replace('}', r#", "momentum": null}"#), "momentum: found null"),
        (
            "ConvBatchNormNet",
            NET.replace('}', r#", "momentum": 2}"#),
            "momentum: found 2, expected a number from 0 to 1",
        ),
        ("ConvBatchNormNet", NET.replace('}', r#", "eps": 0}"#), "eps: found 0, expected a number above 0"),
        ("SkipGram", SKIP_GRAM.replace('5', "2147483648"), "elements"),
        ("MLP", MLP.replace("0.5", "1"), "dropout: found 1, which drops everything"),
        ("MLP", MLP.replace("0.5", "-0.5"), "dropout: found -0.5, expected a number from 0 to 1"),
    ] {
        let config = if config.starts_with('{') { config } else { format!("{{{config}}}") };
        let build = || models::build(named(model)?, &Config::parse("config.json", &config)?, &Inputs::defaults(), None);
        refused(&format!("{model} {config}"), build().map(|_| ()), expected)?;
    }
    Ok(())
}

/// In training mode where a row says so.
pub fn inputs() -> Outcome {
    let x = |shape: &[usize]| HostTensor::f32(shape, vec![0.5; shape.iter().product()]);
    let ids = |shape: &[usize]| HostTensor::i32(shape, vec![0; shape.iter().product()]);
    let denoising = format!(r#"{{{DENSE}, "corruption": "masking"}}"#);
    let auto = format!("{{{DENSE}}}");
    for (model, config, training, inputs, expected) in [
        ("Autoencoder", &auto[..], false, vec![("input", x(&[2, 5]))], "input: is (2, 5), expected (B, 4)"),
        ("Autoencoder", &auto, false, vec![("input", x(&[4]))], "input: is (4,), expected (B, 4)"),
        (
            "Autoencoder",
            &auto,
            false,
            vec![("input", x(&[2, 4])), ("mask", x(&[2, 4]))],
            "mask: is no input of Autoencoder",
        ),
        (
            "DenoisingAutoencoder",
            &denoising,
            false,
            vec![("input", x(&[2, 4])), ("mask", x(&[1, 4]))],
            "mask: is (1, 4), expected (2, 4)",
        ),
        (
            "DenoisingAutoencoder",
            &denoising,
            false,
            vec![("input", x(&[2, 4])), ("noise", x(&[2, 4]))],
            "noise: is no input of DenoisingAutoencoder",
        ),
        ("DenoisingAutoencoder", &denoising, true, vec![("input", x(&[2, 4]))], "mask: the input is missing"),
        ("VAE", VAE, true, vec![("input", x(&[2, 4]))], "eps: the input is missing"),
        ("VAE", VAE, false, vec![("input", x(&[2, 4])), ("eps", x(&[2, 3]))], "eps: is (2, 3), expected (2, 2)"),
        ("VAE", VAE, false, vec![("input", x(&[2, 4])), ("z", x(&[2, 2]))], "z: is no input of VAE"),
        ("VAE", VAE, false, vec![("z", x(&[2, 3]))], "z: is (2, 3), expected (B, 2)"),
        (
            "MLP",
            MLP,
            false,
            vec![("input", x(&[2, 4])), ("dropout.0", x(&[2, 3]))],
            "dropout.0: is given, and nothing is dropped in evaluation mode",
        ),
        (
            "MLP",
            MLP,
            true,
            vec![("input", x(&[2, 4])), ("dropout.0", x(&[1, 3]))],
            "dropout.0: is (1, 3), expected (2, 3)",
        ),
        ("DCGAN", DCGAN, false, vec![("input", x(&[2, 1, 8, 8]))], "z: the input is missing; given are input"),
        ("DCGAN", DCGAN, false, vec![("z", x(&[2, 3]))], "z: is (2, 3), expected (B, 3, 1, 1)"),
        (
            "DCGAN",
            DCGAN,
            false,
            vec![("pixel_values", x(&[2, 2, 8, 8]))],
            "pixel_values: is (2, 2, 8, 8), expected (B, 1, H, W)",
        ),
        (
            "DCGAN",
            DCGAN,
            false,
            vec![("pixel_values", x(&[2, 1, 16, 16]))],
            "pixel_values: (2, 1, 16, 16) leaves (2, 5, 4, 4), and last_kernel is 2",
        ),
        (
            "ConvBatchNormNet",
            NET,
            false,
            vec![("pixel_values", x(&[2, 8, 8]))],
            "pixel_values: is (2, 8, 8), expected (B, 1, H, W)",
        ),
        ("ConvBatchNormNet", NET, false, vec![("pixel_values", x(&[2, 1, 1, 1]))], "max_pool2d"),
        ("SkipGram", SKIP_GRAM, false, vec![("center", ids(&[2, 2]))], "has not 1 axes"),
        (
            "SkipGram",
            SKIP_GRAM,
            false,
            vec![("center", ids(&[2])), ("target", ids(&[3]))],
            "target: is (3,), expected (2,)",
        ),
        (
            "SkipGram",
            SKIP_GRAM,
            false,
            vec![("center", ids(&[2])), ("negatives", ids(&[3, 4]))],
            "negatives: is (3, 4), expected (2, K)",
        ),
    ] {
        let given: Vec<_> = inputs.iter().map(|(n, t)| (*n, t)).collect();
        let given = Inputs::of(&tensors(&given));
        let build = || {
            let (model, config) = (named(model)?, Config::parse("config.json", config)?);
            if !training {
                return models::build(model, &config, &given, None).map(|_| ());
            }
            let graph = Graph::new();
            graph.set_training(true);
            (model.build)(&graph, &config, &given);
            graph.build().map(|_| ())
        };
        refused(&format!("{model} with {inputs:?}"), build(), expected)?;
    }
    Ok(())
}

/// Words beyond the vocabulary.
pub fn ids() -> Outcome {
    let model = named("SkipGram")?;
    for (name, id, expected) in [
        ("center", 5, "center: id 5 is not in 0..5"),
        ("target", -1, "target: id -1 is not in 0..5"),
        ("negatives", 7, "negatives: id 7 is not in 0..5"),
    ] {
        let inputs = tensors(&[(name, &HostTensor::i32(&[1], vec![id]))]);
        refused(name, (model.check)(&Config::parse("config.json", SKIP_GRAM)?, &inputs), expected)?;
    }
    Ok(())
}
