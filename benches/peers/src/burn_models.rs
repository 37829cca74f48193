//! burn through wgpu, tuned and fused: whole models out of its own modules, with Handmill's weights.

use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::transformer::{TransformerEncoderConfig, TransformerEncoderInput};
use burn::nn::{
    Embedding, EmbeddingConfig, GroupNorm, GroupNormConfig, LayerNorm, LayerNormConfig, Linear, PaddingConfig2d,
};
use burn::tensor::activation::{gelu_approximate, silu};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Int, Tensor, TensorData};
use handmill::tensor::HostTensor;

use crate::measure::Contender;
use crate::models::{BERT_TOKENS, GPT2_CACHE, GPT2_TOKEN, UNET_CHANNELS, UNET_NORM};
use crate::on_burn::{contender, tensor};
use crate::ours::Model;

/// Modules from the weights of a model.
struct Modules<'a> {
    model: &'a Model,
    device: &'a Device,
}

impl Modules<'_> {
    fn host(&self, key: &str) -> Result<&HostTensor, String> {
        self.model.weight(key).map_err(|e| e.to_string())
    }

    fn param<const D: usize>(&self, key: &str) -> Result<Param<Tensor<D>>, String> {
        Ok(Param::from_tensor(tensor(self.host(key)?, self.device)?))
    }

    /// The weight of PyTorch is `(out, in)`; burn multiplies by `(in, out)`.
    fn linear(&self, key: &str) -> Result<Linear, String> {
        let w = self.host(&format!("{key}.weight"))?;
        let [rows, columns] = w.shape() else { return Err(format!("{key}.weight is no matrix")) };
        let values = w.as_f32().map_err(|e| e.to_string())?;
        let transposed = (0..*columns).flat_map(|c| (0..*rows).map(move |r| values[r * columns + c])).collect();
        let weight = tensor(&HostTensor::f32(&[*columns, *rows], transposed), self.device)?;
        Ok(Linear { weight: Param::from_tensor(weight), bias: Some(self.param(&format!("{key}.bias"))?) })
    }

    /// GPT-2's `Conv1D`, whose weight is `(in, out)`.
    fn conv1d(&self, key: &str) -> Result<Linear, String> {
        Ok(Linear { weight: self.param(&format!("{key}.weight"))?, bias: Some(self.param(&format!("{key}.bias"))?) })
    }

    fn embedding(&self, key: &str) -> Result<Embedding, String> {
        let w = self.host(key)?;
        let mut module = EmbeddingConfig::new(1, 1).init(self.device);
        module.weight = Param::from_tensor(tensor(w, self.device)?);
        Ok(module)
    }

    fn layer_norm(&self, key: &str, eps: f64) -> Result<LayerNorm, String> {
        let gamma: Param<Tensor<1>> = self.param(&format!("{key}.weight"))?;
        let [c] = gamma.dims();
        let mut module = LayerNormConfig::new(c).with_epsilon(eps).init(self.device);
        module.gamma = gamma;
        module.beta = Some(self.param(&format!("{key}.bias"))?);
        Ok(module)
    }

    fn group_norm(&self, key: &str) -> Result<GroupNorm, String> {
        let gamma: Param<Tensor<1>> = self.param(&format!("{key}.weight"))?;
        let [c] = gamma.dims();
        let mut module = GroupNormConfig::new(UNET_NORM.groups, c).with_epsilon(UNET_NORM.eps).init(self.device);
        module.gamma = Some(gamma);
        module.beta = Some(self.param(&format!("{key}.bias"))?);
        Ok(module)
    }

    fn conv(&self, key: &str) -> Result<Conv2d, String> {
        let weight: Param<Tensor<4>> = self.param(&format!("{key}.weight"))?;
        let [o, c, k, _] = weight.dims();
        let padding = PaddingConfig2d::Explicit(k / 2, k / 2, k / 2, k / 2);
        let mut module = Conv2dConfig::new([c, o], [k, k]).with_padding(padding).init(self.device);
        module.weight = weight;
        module.bias = Some(self.param(&format!("{key}.bias"))?);
        Ok(module)
    }

    fn input<const D: usize>(&self, name: &str) -> Result<Tensor<D>, String> {
        let t = self.model.inputs.get(name).ok_or_else(|| format!("the input {name} is missing"))?;
        tensor(t, self.device)
    }
}

/// Embeddings, their norm, and `burn::nn::transformer::TransformerEncoder` with one layer.
///
/// # Errors
/// If a weight is missing
pub fn bert_layer(model: &Model, device: &Device) -> Result<Box<dyn Contender>, String> {
    const EPS: f64 = 1e-12;
    let m = Modules { model, device };
    let table = |name: &str| m.embedding(&format!("embeddings.{name}_embeddings.weight"));
    let [words, positions, types] = [table("word")?, table("position")?, table("token_type")?];
    let norm = m.layer_norm("embeddings.LayerNorm", EPS)?;
    let mut encoder = TransformerEncoderConfig::new(768, 3072, 12, 1).with_layer_norm_eps(EPS).init(device);
    let layer = &mut encoder.layers[0];
    let at = |name: &str| format!("encoder.layer.0.{name}");
    layer.mha.query = m.linear(&at("attention.self.query"))?;
    layer.mha.key = m.linear(&at("attention.self.key"))?;
    layer.mha.value = m.linear(&at("attention.self.value"))?;
    layer.mha.output = m.linear(&at("attention.output.dense"))?;
    layer.norm_1 = m.layer_norm(&at("attention.output.LayerNorm"), EPS)?;
    layer.pwff.linear_inner = m.linear(&at("intermediate.dense"))?;
    layer.pwff.linear_outer = m.linear(&at("output.dense"))?;
    layer.norm_2 = m.layer_norm(&at("output.LayerNorm"), EPS)?;
    let pooler = m.linear("pooler.dense")?;

    let ids = model.inputs.get("input_ids").ok_or("the input input_ids is missing")?;
    let ids = ids.as_i32().map_err(|e| e.to_string())?.to_vec();
    let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [1, BERT_TOKENS]), device);
    let at = Tensor::<1, Int>::arange(0..BERT_TOKENS as i64, device).reshape([1, BERT_TOKENS]);
    let zeros = Tensor::<2, Int>::zeros([1, BERT_TOKENS], device);
    Ok(contender(device, move || {
        let x = words.forward(ids.clone()) + positions.forward(at.clone()) + types.forward(zeros.clone());
        let x = encoder.forward(TransformerEncoderInput::new(norm.forward(x))); // (1, T, C)
        // Handmill's model has the pooler too, and computes it in every run.
        let first: Tensor<2> = x.clone().slice([0..1, 0..1, 0..768]).reshape([1, 768]);
        drop(pooler.forward(first).tanh());
        x
    }))
}

/// A residual block with a shortcut, and an attention with one head over its positions.
///
/// # Errors
/// If a weight is missing
pub fn unet_block(model: &Model, device: &Device) -> Result<Box<dyn Contender>, String> {
    let m = Modules { model, device };
    let [_, c] = UNET_CHANNELS;
    let [norm1, norm2] = [m.group_norm("resnets.0.norm1")?, m.group_norm("resnets.0.norm2")?];
    let [conv1, conv2] = [m.conv("resnets.0.conv1")?, m.conv("resnets.0.conv2")?];
    let shortcut = m.conv("resnets.0.conv_shortcut")?;
    let time = m.linear("resnets.0.time_emb_proj")?;
    let norm = m.group_norm("attentions.0.group_norm")?;
    let linear = |name: &str| m.linear(&format!("attentions.0.{name}"));
    let [to_q, to_k, to_v, to_out] = [linear("to_q")?, linear("to_k")?, linear("to_v")?, linear("to_out.0")?];
    let (sample, e) = (m.input::<4>("sample")?, m.input::<2>("time_embedding")?);
    Ok(contender(device, move || {
        let h = conv1.forward(silu(norm1.forward(sample.clone())));
        let h = h + time.forward(silu(e.clone())).reshape([1, c, 1, 1]);
        let h = conv2.forward(silu(norm2.forward(h)));
        let x = shortcut.forward(sample.clone()) + h; // (1, 256, 16, 16)

        let [b, c, height, width] = x.dims();
        let tokens = norm.forward(x.clone()).reshape([b, c, height * width]).swap_dims(1, 2); // (1, 256, C)
        let heads = |linear: &Linear| linear.forward(tokens.clone()).reshape([b, 1, height * width, c]);
        let y = attention(heads(&to_q), heads(&to_k), heads(&to_v), None, None, AttentionModuleOptions::default());
        let y = to_out.forward(y.reshape([b, height * width, c])); // (1, 256, C)
        y.swap_dims(1, 2).reshape([b, c, height, width]) + x
    }))
}

/// A block of GPT-2, with its caches.
struct Block {
    ln_1: LayerNorm,
    c_attn: Linear,
    c_proj: Linear,
    ln_2: LayerNorm,
    c_fc: Linear,
    mlp_c_proj: Linear,
    /// Keys and values; taken out while a step writes to them, so that it can do so in place.
    caches: [Option<Tensor<4>>; 2],
}

impl Block {
    fn forward(&mut self, x: Tensor<3>) -> Tensor<3> {
        let (c, [_, length]) = (768, GPT2_CACHE);
        let qkv = self.c_attn.forward(self.ln_1.forward(x.clone())); // (1, 1, 3C)
        let head = |i: usize| qkv.clone().slice([0..1, 0..1, i * c..(i + 1) * c]).reshape([1, 12, 1, 64]);
        let [keys, values] = [0, 1].map(|i| {
            let cache = self.caches[i].take().expect("a cache that is there between steps");
            let cache = cache.slice_assign([0..1, 0..12, length - 1..length, 0..64], head(i + 1));
            let seen = cache.clone().slice([0..1, 0..12, 0..length, 0..64]);
            self.caches[i] = Some(cache);
            seen
        });
        let y = attention(head(0), keys, values, None, None, AttentionModuleOptions::default());
        let x = x + self.c_proj.forward(y.reshape([1, 1, c]));
        let inner = gelu_approximate(self.c_fc.forward(self.ln_2.forward(x.clone())));
        x + self.mlp_c_proj.forward(inner)
    }
}

/// One step of GPT-2 small. `max_binding` is the most bytes that a shader can see at once: the vocabulary's matrix is
/// in as many parts as that takes.
///
/// # Errors
/// If a weight or a cache is missing
pub fn gpt2_decode(model: &Model, device: &Device, max_binding: u64) -> Result<Box<dyn Contender>, String> {
    let m = Modules { model, device };
    let mut blocks = (0..12).map(|i| block(&m, i)).collect::<Result<Vec<_>, _>>()?;
    let ln_f = m.layer_norm("transformer.ln_f", 1e-5)?;
    let wpe = m.embedding("transformer.wpe.weight")?;
    let wte = m.host("transformer.wte.weight")?;
    let (rows, values) = (wte.shape()[0], wte.as_f32().map_err(|e| e.to_string())?);
    let parts = (wte.bytes().len() as u64).div_ceil(max_binding) as usize;
    let each = rows.div_ceil(parts);
    let part = |rows: &[f32]| tensor::<2>(&HostTensor::f32(&[rows.len() / 768, 768], rows.to_vec()), device);
    let wte = values.chunks(each * 768).map(part).collect::<Result<Vec<_>, _>>()?;
    let int = |i: usize| Tensor::<1, Int>::from_data(TensorData::new(vec![i as i32], [1]), device);
    let (of_part, position) = (int(GPT2_TOKEN % each), int(GPT2_CACHE[1] - 1).reshape([1, 1]));
    Ok(contender(device, move || {
        let token: Tensor<3> = wte[GPT2_TOKEN / each].clone().select(0, of_part.clone()).reshape([1, 1, 768]);
        let x = token + wpe.forward(position.clone());
        let x = blocks.iter_mut().fold(x, |x, block| block.forward(x));
        let x: Tensor<2> = ln_f.forward(x).reshape([1, 768]);
        let logits = wte.iter().map(|part| x.clone().matmul(part.clone().transpose())).collect::<Vec<_>>();
        Tensor::cat(logits, 1) // (1, V)
    }))
}

fn block(m: &Modules<'_>, i: usize) -> Result<Block, String> {
    let at = |name: &str| format!("transformer.h.{i}.{name}");
    let cache = |name: &str| {
        let name = at(&format!("attn.{name} of 1 x {}", GPT2_CACHE[0]));
        let host = m.model.states.get(&name).ok_or_else(|| format!("the state {name} is missing"))?;
        tensor::<4>(host, m.device)
    };
    Ok(Block {
        ln_1: m.layer_norm(&at("ln_1"), 1e-5)?,
        c_attn: m.conv1d(&at("attn.c_attn"))?,
        c_proj: m.conv1d(&at("attn.c_proj"))?,
        ln_2: m.layer_norm(&at("ln_2"), 1e-5)?,
        c_fc: m.conv1d(&at("mlp.c_fc"))?,
        mlp_c_proj: m.conv1d(&at("mlp.c_proj"))?,
        caches: [Some(cache("key")?), Some(cache("value")?)],
    })
}
