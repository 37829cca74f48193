//! The cases: kernels of `handmill bench`, and models, with everybody who computes them.

use std::sync::Arc;

use burn::tensor::Device as BurnDevice;
use handmill::bench::suite::cases;
use handmill::device::Device;
use handmill::error::Result;

use crate::measure::{Case, Contender, Make};
use crate::ours::Model;
use crate::{burn_models, models, on_burn, on_cpu, ours};

/// Kernels, by their names in `handmill bench`.
const KERNELS: &[&str] = &[
    "matmul/f32/256x256x256",
    "matmul/f32/512x512x512",
    "matmul/f32/1024x1024x1024",
    "matmul/f32/1x2048x2048",
    "conv2d/f32/1x64x56x56/64x3x3",
    "conv2d/f32/1x64x56x56/256x1x1",
    "conv2d/f32/1x128x32x32/128x3x3/ddpm",
    "attention/f32/1x8x256x64",
    "attention/f32/1x12x512x64/gpt2_causal",
    "softmax/f32/1024x1024",
    "layer_norm/f32/1024x768/gpt2",
    "add/f32/4096x1024",
    "gelu/f32/1024x3072/gpt2",
];

type OnBurn = fn(&Model, &BurnDevice, u64) -> Result<Box<dyn Contender>, String>;

/// Models: a name, Handmill's graph, and burn's modules.
const MODELS: &[(&str, fn() -> Result<Model>, OnBurn)] = &[
    ("bert_layer/f32/1x128", models::bert_layer, |model, device, _| burn_models::bert_layer(model, device)),
    ("unet_block/f32/1x128x16x16", models::unet_block, |model, device, _| burn_models::unet_block(model, device)),
    ("gpt2_decode/f32/256_of_1024", models::gpt2_decode, burn_models::gpt2_decode),
];

/// The names of all cases.
pub fn names() -> impl Iterator<Item = &'static str> {
    KERNELS.iter().copied().chain(MODELS.iter().map(|model| model.0))
}

/// The case `name`, ours found right and the peers' yet to be made.
///
/// # Errors
/// If ours is wrong, or the device fails
pub fn case<'a>(name: &'static str, device: &Arc<Device>, burn: &'a BurnDevice) -> Result<Case<'a>> {
    match MODELS.iter().find(|model| model.0 == name) {
        Some((_, graph, on_burn)) => {
            let model = graph()?;
            let (ours, expected) = model.prepare(device)?;
            let max_binding = device.adapter().max_binding;
            let data = model.data();
            let make: Make<'a> = Box::new(move || on_burn(&model, burn, max_binding));
            Ok(Case { name, data, expected, ours, peers: vec![("burn", make)] })
        }
        None => kernel(name, device, burn),
    }
}

fn kernel<'a>(name: &'static str, device: &Arc<Device>, burn: &'a BurnDevice) -> Result<Case<'a>> {
    let entry = cases().find(|entry| entry.name() == name).expect("bug: a case that `handmill bench` lacks");
    let case = Arc::new(entry.case());
    let (ours, expected) = ours::kernel(name, &case, device)?;
    let mut peers: Vec<(&'static str, Make<'a>)> = vec![];
    let mut add = |peer, make: fn(&handmill::check::Case, &BurnDevice) -> Result<Box<dyn Contender>, String>| {
        let case = case.clone();
        peers.push((peer, Box::new(move || make(&case, burn)) as Make<'a>));
    };
    add("burn", on_burn::kernel);
    if case.kernel.name == "attention" {
        add("burn, unfused", on_burn::unfused_attention);
    }
    if on_cpu::candle_has(case.kernel.name) {
        add("candle (CPU)", |case, _| on_cpu::candle(case));
    }
    if case.kernel.name == "matmul" {
        add("gemm (CPU)", |case, _| on_cpu::gemm(case));
    }
    let ports = case.kernel.inputs.iter().zip(&case.inputs);
    let data = ports.filter_map(|(port, input)| Some((port.name.to_owned(), input.as_ref()?.tensor.clone()))).collect();
    Ok(Case { name, data, expected, ours, peers })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_kernel_is_a_case_of_the_bench() {
        for name in super::KERNELS {
            assert!(handmill::bench::suite::cases().any(|entry| entry.name() == *name), "{name}");
        }
    }
}
