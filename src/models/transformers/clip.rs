//! CLIP: texts and images as vectors of one space, near where they belong together.
//!
//! Paper     Radford et al. 2021, arXiv:2103.00020
//! Weights   transformers' `CLIPModel`, and `CLIPTextModel`, with or without `text_model.` before every key
//! Differs   dropout does nothing: it is for training; positions are not interpolated: images have `image_size`;
//!           training does not cut `logit_scale` at ln 100
//! Shapes    input_ids, attention_mask (B, T), pixel_values (N, C, H, W) → text_embeds (B, P), image_embeds (N, P),
//!           logits_per_text (B, N), logits_per_image (N, B); the text alone → last_hidden_state (B, T, C),
//!           pooler_output (B, C)

use super::{ACTIVATIONS, MAX_LAYERS, activation, check_mask, check_tokens};
use crate::config::Config;
use crate::engine::Tensors;
use crate::error::Result;
use crate::graph::{Graph, Scope, Tensor};
use crate::kernels::attention::attention::Attend;
use crate::models::{Inputs, Model, Trains};
use crate::nn::{linear, patches};
use crate::tensor::{Dtype, HostTensor};
use crate::train::init::Init;

/// `CLIPTextModel`.
pub static CLIP_TEXT: Model = Model {
    name: "CLIPTextModel",
    title: "CLIP, the text encoder",
    section: "5.13",
    source: "Radford et al. 2021, arXiv:2103.00020",
    config: &[
        "vocab_size [49408]",
        "hidden_size [512]",
        "intermediate_size [2048]",
        "num_hidden_layers [12]",
        "num_attention_heads [8]",
        "max_position_embeddings [77]",
        "hidden_act [quick_gelu]",
        "layer_norm_eps [1e-5]",
        "eos_token_id [49407]",
    ],
    inputs: &["input_ids (B, T)", "attention_mask (B, T), optional"],
    outputs: &[
        "last_hidden_state (B, T, hidden_size)",
        "pooler_output (B, hidden_size)",
        "debug.hidden_states.1 (B, T, hidden_size)",
    ],
    prefixes: &["text_model"],
    ignorable: position_ids,
    build: build_text,
    check: |config, inputs| check_text(TextConfig::read(&part(config, "text")), config, inputs),
    ..Model::BASE
};

/// `CLIPModel`.
pub static CLIP: Model = Model {
    name: "CLIPModel",
    title: "CLIP",
    section: "5.13",
    source: "Radford et al. 2021, arXiv:2103.00020",
    config: &[
        "text_config {vocab_size [49408], hidden_size [512], intermediate_size [2048], num_hidden_layers [12], \
         num_attention_heads [8], max_position_embeddings [77], hidden_act [quick_gelu], layer_norm_eps [1e-5], \
         eos_token_id [49407]}",
        "vision_config {hidden_size [768], intermediate_size [3072], num_hidden_layers [12], num_attention_heads [12], \
         image_size [224], patch_size [32], num_channels [3], hidden_act [quick_gelu], layer_norm_eps [1e-5]}",
        "projection_dim [512]",
    ],
    inputs: &[
        "input_ids (B, T)",
        "attention_mask (B, T), optional",
        "pixel_values (N, num_channels, image_size, image_size)",
    ],
    outputs: &[
        "logits_per_text (B, N)",
        "logits_per_image (N, B)",
        "text_embeds (B, projection_dim)",
        "image_embeds (N, projection_dim)",
        "debug.text_model_output.last_hidden_state (B, T, hidden_size)",
        "debug.vision_model_output.last_hidden_state (N, patches + 1, hidden_size)",
    ],
    ignorable: position_ids,
    build,
    check: |config, inputs| check_text(TextConfig::read(&section(config, "text")), config, inputs),
    init,
    trains: Some(Trains { output: "logits_per_text", target: "pixel_values", losses: &["contrastive"] }),
    ..Model::BASE
};

/// Vectors and matrices begin normal, and the temperature at 0.07 (section 2.5 of the paper).
fn init(config: &Config, key: &str, shape: &[usize]) -> Option<Init> {
    match key {
        "logit_scale" => Some(Init::Normal { mean: (1.0f64 / 0.07).ln(), std: 0.0 }),
        _ if key.ends_with("class_embedding") => Some(Init::Normal { mean: 0.0, std: 0.02 }),
        _ => super::small_normal(config, key, shape),
    }
}

fn position_ids(key: &str) -> bool {
    key.ends_with("embeddings.position_ids")
}

/// Fields that both encoders have.
struct EncoderConfig {
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    hidden_act: &'static str,
    layer_norm_eps: f64,
}

struct TextConfig {
    encoder: EncoderConfig,
    vocab_size: usize,
    max_position_embeddings: usize,
    eos_token_id: i32,
}

struct VisionConfig {
    encoder: EncoderConfig,
    image_size: usize,
    patch_size: usize,
    num_channels: usize,
}

/// `text_config` or `vision_config`; older files keep what holds in `text_config_dict`.
fn section(config: &Config, name: &str) -> Config {
    let inner = config.object(&format!("{name}_config_dict")).or_else(|| config.object(&format!("{name}_config")));
    inner.unwrap_or_else(|| Config::new(format!("{name}_config"), Default::default()))
}

/// The configuration of one encoder: the file's own, or a section of the whole model's.
fn part(config: &Config, name: &str) -> Config {
    if config.has(&format!("{name}_config")) { section(config, name) } else { config.clone() }
}

impl EncoderConfig {
    /// `defaults` are the hidden size, the heads and the intermediate size.
    fn read(config: &Config, defaults: [usize; 3]) -> EncoderConfig {
        let [hidden_size, heads, intermediate] = defaults;
        let hidden_size = config.usize("hidden_size", hidden_size);
        let heads = config.usize("num_attention_heads", heads);
        config.require(hidden_size.is_multiple_of(heads), "num_attention_heads", || {
            format!("found {heads}, expected a divisor of hidden_size, {hidden_size}")
        });
        EncoderConfig {
            hidden_size,
            intermediate_size: config.usize("intermediate_size", intermediate),
            num_hidden_layers: config.usize_in("num_hidden_layers", 12, 1..=MAX_LAYERS),
            num_attention_heads: heads,
            hidden_act: config.text("hidden_act", "quick_gelu", ACTIVATIONS),
            layer_norm_eps: config.positive("layer_norm_eps", 1e-5),
        }
    }
}

impl TextConfig {
    fn read(config: &Config) -> TextConfig {
        TextConfig {
            encoder: EncoderConfig::read(config, [512, 8, 2048]),
            vocab_size: config.usize("vocab_size", 49408),
            max_position_embeddings: config.usize("max_position_embeddings", 77),
            eos_token_id: config.id("eos_token_id", i32::MAX as usize).unwrap_or(49407),
        }
    }
}

impl VisionConfig {
    fn read(config: &Config) -> VisionConfig {
        VisionConfig {
            encoder: EncoderConfig::read(config, [768, 12, 3072]),
            image_size: config.usize("image_size", 224),
            patch_size: config.usize("patch_size", 32),
            num_channels: config.usize("num_channels", 3),
        }
    }
}

fn check_text(cfg: TextConfig, config: &Config, inputs: &Tensors) -> Result<()> {
    config.finish()?;
    check_tokens(inputs, "input_ids", cfg.vocab_size, cfg.max_position_embeddings)?;
    check_mask(inputs, "attention_mask")
}

fn build_text(g: &Graph, config: &Config, inputs: &Inputs) {
    let cfg = TextConfig::read(&part(config, "text"));
    let (states, pooled) = text_model(g.root(), &cfg, inputs, Some("debug.hidden_states.1"));
    g.output("last_hidden_state", states); // (B, T, C)
    g.output("pooler_output", pooled); // (B, C)
}

/// How well every text fits every image.
fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let text = TextConfig::read(&section(config, "text"));
    let vision = VisionConfig::read(&section(config, "vision"));
    let projection_dim = config.usize("projection_dim", 512);

    let w = g.root();
    let (states, pooled) = text_model(w.at("text_model"), &text, inputs, None);
    g.output("debug.text_model_output.last_hidden_state", states); // (B, T, C)
    let text_embeds = unit(linear(w.at("text_projection"), pooled, projection_dim, false)); // (B, P)
    let (states, pooled) = vision_model(w.at("vision_model"), &vision, inputs);
    g.output("debug.vision_model_output.last_hidden_state", states); // (N, patches + 1, C)
    let image_embeds = unit(linear(w.at("visual_projection"), pooled, projection_dim, false)); // (N, P)

    let logits = text_embeds.matmul_t(image_embeds) * w.weight("logit_scale", &[]).exp(); // (B, N)
    g.output("logits_per_image", logits.transpose(0, 1));
    g.output("logits_per_text", logits);
    g.output("text_embeds", text_embeds);
    g.output("image_embeds", image_embeds);
}

/// Every row divided by its Euclidean norm.
fn unit(x: Tensor<'_>) -> Tensor<'_> {
    x / (x * x).sum(&[-1], true).sqrt()
}

/// The states of all tokens, and that of the token which ends each text. `first` is the output of the first block.
fn text_model<'g>(w: Scope<'g>, cfg: &TextConfig, inputs: &Inputs, first: Option<&str>) -> (Tensor<'g>, Tensor<'g>) {
    let (g, c) = (w.graph(), cfg.encoder.hidden_size);
    let input_ids = inputs.tensor(g, "input_ids", Dtype::I32, &[1, cfg.max_position_embeddings.min(8)]);
    let attention_mask = inputs.optional(g, "attention_mask", Dtype::I32);
    let [b, t] = input_ids.dims();

    let e = w.at("embeddings");
    let tokens = input_ids.embedding(e.weight("token_embedding.weight", &[cfg.vocab_size, c])); // (B, T, C)
    let positions = e.weight("position_embedding.weight", &[cfg.max_position_embeddings, c]).slice(0, 0, t);
    let attend = attention_mask.map_or(Attend::causal(), |mask| Attend::causal().key_mask(mask));
    let x = encoder(w.at("encoder.layers"), &cfg.encoder, tokens + positions, attend, first);
    let x = layer_norm(w.at("final_layer_norm"), &cfg.encoder, x);

    let end = last_token(cfg, input_ids).reshape(&[b, 1, 1]).broadcast_to(&[b, 1, c]);
    (x, x.gather(1, end).squeeze(1))
}

/// The position of each text's end: the first token `eos_token_id`. Files that call it 2 are older than the key
/// and mean the largest id.
fn last_token<'g>(cfg: &TextConfig, input_ids: Tensor<'g>) -> Tensor<'g> {
    let score = match cfg.eos_token_id {
        2 => input_ids,
        eos => input_ids.compare("eq", input_ids.graph().constant(HostTensor::i32(&[], vec![eos]))),
    };
    score.cast(Dtype::F32).argmax(-1, false) // (B)
}

/// The states of all patches and of the token before them, and what that one says of its image.
fn vision_model<'g>(w: Scope<'g>, cfg: &VisionConfig, inputs: &Inputs) -> (Tensor<'g>, Tensor<'g>) {
    let (g, c, size) = (w.graph(), cfg.encoder.hidden_size, cfg.image_size);
    let pixel_values = inputs.tensor(g, "pixel_values", Dtype::F32, &[1, cfg.num_channels, size, size]); // (N, C, H, W)

    let e = w.at("embeddings");
    let kernel = e.weight("patch_embedding.weight", &[c, cfg.num_channels, cfg.patch_size, cfg.patch_size]);
    let x = patches(pixel_values, [size, size], kernel, None); // (N, patches, C)
    let [b, n, _] = x.dims();
    let first = e.weight("class_embedding", &[c]).broadcast_to(&[b, 1, c]);
    let positions = e.weight("position_embedding.weight", &[n.saturating_add(1), c]);
    let x = g.concat(&[first, x], 1) + positions; // (N, patches + 1, C)
    let x = layer_norm(w.at("pre_layrnorm"), &cfg.encoder, x);
    let x = encoder(w.at("encoder.layers"), &cfg.encoder, x, Attend::all(), None);
    (x, layer_norm(w.at("post_layernorm"), &cfg.encoder, x.slice(1, 0, 1).squeeze(1)))
}

fn encoder<'g>(
    w: Scope<'g>,
    cfg: &EncoderConfig,
    x: Tensor<'g>,
    attend: Attend<'g>,
    first: Option<&str>,
) -> Tensor<'g> {
    let mut x = x;
    for i in 0..cfg.num_hidden_layers {
        x = layer(w.at(i), cfg, x, attend);
        if let Some(name) = first.filter(|_| i == 0) {
            w.graph().output(name, x);
        }
    }
    x
}

/// A block: norm, attention, norm, two layers, each half added to what came in.
fn layer<'g>(w: Scope<'g>, cfg: &EncoderConfig, x: Tensor<'g>, attend: Attend<'g>) -> Tensor<'g> {
    let x = x + self_attn(w.at("self_attn"), cfg, layer_norm(w.at("layer_norm1"), cfg, x), attend);
    let inner = linear(w.at("mlp.fc1"), layer_norm(w.at("layer_norm2"), cfg, x), cfg.intermediate_size, true);
    x + linear(w.at("mlp.fc2"), activation(inner, cfg.hidden_act), cfg.hidden_size, true)
}

fn self_attn<'g>(w: Scope<'g>, cfg: &EncoderConfig, x: Tensor<'g>, attend: Attend<'g>) -> Tensor<'g> {
    let heads = |name: &str| linear(w.at(name), x, cfg.hidden_size, true).heads(cfg.num_attention_heads);
    let [q, k, v] = ["q_proj", "k_proj", "v_proj"].map(heads); // 3 × (B, H, T, D)
    linear(w.at("out_proj"), q.attention(k, v, attend).merge_heads(), cfg.hidden_size, true) // (B, T, C)
}

fn layer_norm<'g>(w: Scope<'g>, cfg: &EncoderConfig, x: Tensor<'g>) -> Tensor<'g> {
    let c = &[cfg.hidden_size];
    x.layer_norm(Some(w.weight("weight", c)), Some(w.weight("bias", c)), cfg.layer_norm_eps)
}
