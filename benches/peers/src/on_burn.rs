//! burn through wgpu, tuned and fused: kernels.

use burn::tensor::activation::{gelu, softmax};
use burn::tensor::module::{attention, conv2d, layer_norm};
use burn::tensor::ops::{AttentionModuleOptions, ConvOptions};
use burn::tensor::{Device, DeviceKind, Tensor, TensorData};
use handmill::adapter::{Adapter, AdapterKind};
use handmill::check::Case;
use handmill::kernel::Value;
use handmill::tensor::HostTensor;

use crate::measure::Contender;

/// The device on which burn finds `adapter`.
pub fn device(adapter: &Adapter) -> Device {
    Device::wgpu(match adapter.kind {
        AdapterKind::Cpu => DeviceKind::Cpu,
        AdapterKind::Discrete => DeviceKind::DiscreteGpu(0),
        AdapterKind::Integrated => DeviceKind::IntegratedGpu(0),
        AdapterKind::Other => DeviceKind::DefaultDevice,
    })
}

/// A computation of a tensor, and its last result.
struct OnBurn<const D: usize, F> {
    device: Device,
    compute: F,
    /// The result in Handmill's order of axes.
    order: fn(Tensor<D>) -> Tensor<D>,
    last: Option<Tensor<D>>,
}

/// `compute` as a contender.
pub fn contender<const D: usize>(device: &Device, compute: impl FnMut() -> Tensor<D> + 'static) -> Box<dyn Contender> {
    Box::new(OnBurn { device: device.clone(), compute, order: |y| y, last: None })
}

/// As [`contender`]; Handmill's attention writes `(B, T, H, D)`, which is how the next layer reads it.
fn heads_last(device: &Device, compute: impl FnMut() -> Tensor<4> + 'static) -> Box<dyn Contender> {
    Box::new(OnBurn { device: device.clone(), compute, order: |y| y.swap_dims(1, 2), last: None })
}

impl<const D: usize, F: FnMut() -> Tensor<D>> Contender for OnBurn<D, F> {
    fn run(&mut self, times: usize) -> Result<(), String> {
        for _ in 0..times {
            let y = (self.compute)();
            // While the result is held, so that it is written, and before the next run, so that none is fused with it.
            self.device.flush().map_err(|e| e.to_string())?;
            self.last = Some(y);
        }
        self.device.sync().map_err(|e| e.to_string())
    }
    fn result(&mut self) -> Result<Vec<f32>, String> {
        let last = self.last.clone().ok_or("has no result before a run")?;
        (self.order)(last).into_data().try_to_vec::<f32>().map_err(|e| format!("{e:?}"))
    }
}

/// `t` on the device.
pub fn tensor<const D: usize>(t: &HostTensor, device: &Device) -> Result<Tensor<D>, String> {
    let values = t.as_f32().map_err(|e| e.to_string())?;
    Ok(Tensor::from_data(TensorData::new(values.to_vec(), t.shape().to_vec()), device))
}

/// How burn computes `case`.
///
/// # Errors
/// If it has no such operation
pub fn kernel(case: &Case, device: &Device) -> Result<Box<dyn Contender>, String> {
    let inputs: Vec<_> = case.inputs.iter().flatten().map(|input| &input.tensor).collect();
    Ok(match (case.kernel.name, inputs[..].len()) {
        ("matmul", 2) => {
            let [a, b] = [tensor::<2>(inputs[0], device)?, tensor::<2>(inputs[1], device)?];
            contender(device, move || a.clone().matmul(b.clone()))
        }
        ("conv2d", 2) => {
            let [x, w] = [tensor::<4>(inputs[0], device)?, tensor::<4>(inputs[1], device)?];
            let pad = inputs[1].shape()[2] / 2;
            let options = ConvOptions::new([1, 1], [pad, pad], [1, 1], 1);
            contender(device, move || conv2d(x.clone(), w.clone(), None, options.clone()))
        }
        ("attention", 3) => {
            let [q, k, v] = qkv(&inputs, device)?;
            let options = AttentionModuleOptions { is_causal: flag(case, "causal"), ..Default::default() };
            heads_last(device, move || attention(q.clone(), k.clone(), v.clone(), None, None, options))
        }
        ("softmax", 1) => {
            let x = tensor::<2>(inputs[0], device)?;
            contender(device, move || softmax(x.clone(), 1))
        }
        ("layer_norm", 3) => {
            let x = tensor::<2>(inputs[0], device)?;
            let [w, b] = [tensor::<1>(inputs[1], device)?, tensor::<1>(inputs[2], device)?];
            contender(device, move || layer_norm(x.clone(), w.clone(), Some(b.clone()), 1e-5))
        }
        ("add", 2) => {
            let [a, b] = [tensor::<2>(inputs[0], device)?, tensor::<2>(inputs[1], device)?];
            contender(device, move || a.clone() + b.clone())
        }
        ("gelu", 1) => {
            let x = tensor::<2>(inputs[0], device)?;
            contender(device, move || gelu(x.clone()))
        }
        (name, _) => return Err(format!("is not asked for {name}")),
    })
}

/// Attention by burn's products and softmax: another way to its result, which may be the faster.
///
/// # Errors
/// If the tensors are no f32
pub fn unfused_attention(case: &Case, device: &Device) -> Result<Box<dyn Contender>, String> {
    let inputs: Vec<_> = case.inputs.iter().flatten().map(|input| &input.tensor).collect();
    let [q, k, v] = qkv(&inputs, device)?;
    let [.., t, d] = q.dims();
    let hidden = flag(case, "causal").then(|| Tensor::<2>::ones([t, t], device).triu(1).bool());
    let hidden = hidden.map(|h| h.reshape([1, 1, t, t]));
    Ok(heads_last(device, move || {
        let scores = q.clone().matmul(k.clone().transpose()).div_scalar((d as f32).sqrt());
        let scores = match &hidden {
            Some(hidden) => scores.mask_fill(hidden.clone(), f32::NEG_INFINITY),
            None => scores,
        };
        softmax(scores, 3).matmul(v.clone())
    }))
}

fn qkv(inputs: &[&HostTensor], device: &Device) -> Result<[Tensor<4>; 3], String> {
    Ok([tensor(inputs[0], device)?, tensor(inputs[1], device)?, tensor(inputs[2], device)?])
}

fn flag(case: &Case, name: &str) -> bool {
    case.params.iter().any(|(param, value)| *param == name && matches!(value, Value::Flag(true)))
}
