//! Libraries that compute on the CPU: candle's tensors, and the `gemm` crate alone.

use candle_core::{Device, Tensor};
use handmill::check::Case;
use handmill::tensor::HostTensor;

use crate::measure::Contender;

/// A computation of a tensor in candle, and its last result.
struct OnCandle<F> {
    compute: F,
    last: Option<Tensor>,
}

impl<F: FnMut() -> candle_core::Result<Tensor>> Contender for OnCandle<F> {
    fn run(&mut self, times: usize) -> Result<(), String> {
        for _ in 0..times {
            self.last = Some((self.compute)().map_err(|e| e.to_string())?);
        }
        Ok(())
    }
    fn result(&mut self) -> Result<Vec<f32>, String> {
        let last = self.last.as_ref().ok_or("has no result before a run")?;
        last.flatten_all().and_then(|t| t.to_vec1()).map_err(|e| e.to_string())
    }
}

fn tensor(t: &HostTensor) -> Result<Tensor, String> {
    let values = t.as_f32().map_err(|e| e.to_string())?;
    Tensor::from_slice(values, t.shape(), &Device::Cpu).map_err(|e| e.to_string())
}

/// True if candle's core has a kernel for what `kernel` computes.
pub fn candle_has(kernel: &str) -> bool {
    ["matmul", "conv2d", "add", "gelu"].contains(&kernel)
}

/// How candle computes `case`.
///
/// # Errors
/// If it has no such operation
pub fn candle(case: &Case) -> Result<Box<dyn Contender>, String> {
    let inputs = case.inputs.iter().flatten().map(|input| tensor(&input.tensor)).collect::<Result<Vec<_>, _>>()?;
    let pad = inputs.get(1).and_then(|w| w.dims().get(2)).map_or(0, |k| k / 2);
    fn contender(compute: impl FnMut() -> candle_core::Result<Tensor> + 'static) -> Box<dyn Contender> {
        Box::new(OnCandle { compute, last: None })
    }
    Ok(match case.kernel.name {
        "matmul" => contender(move || inputs[0].matmul(&inputs[1])),
        "conv2d" => contender(move || inputs[0].conv2d(&inputs[1], pad, 1, 1, 1)),
        "add" => contender(move || &inputs[0] + &inputs[1]),
        "gelu" => contender(move || inputs[0].gelu_erf()),
        name => return Err(format!("is not asked for {name}")),
    })
}

/// A product of row-major matrices by the `gemm` crate, on all cores.
struct Gemm {
    sizes: [usize; 3],
    a: Vec<f32>,
    b: Vec<f32>,
    y: Vec<f32>,
}

impl Contender for Gemm {
    fn run(&mut self, times: usize) -> Result<(), String> {
        let [m, k, n] = self.sizes;
        for _ in 0..times {
            // SAFETY: the pointers are to m·n, m·k and k·n values, which the strides of row-major matrices stay within;
            // `y` overlaps neither.
            unsafe {
                gemm::gemm(
                    m,
                    n,
                    k,
                    self.y.as_mut_ptr(),
                    1,
                    n as isize,
                    false,
                    self.a.as_ptr(),
                    1,
                    k as isize,
                    self.b.as_ptr(),
                    1,
                    n as isize,
                    0.0,
                    1.0,
                    false,
                    false,
                    false,
                    gemm::Parallelism::Rayon(0),
                );
            }
        }
        Ok(())
    }
    fn result(&mut self) -> Result<Vec<f32>, String> {
        Ok(self.y.clone())
    }
}

/// How `gemm` computes the product `case`.
///
/// # Errors
/// If its inputs are not two matrices
pub fn gemm(case: &Case) -> Result<Box<dyn Contender>, String> {
    let inputs: Vec<_> = case.inputs.iter().flatten().map(|input| &input.tensor).collect();
    let [a, b] = inputs[..] else { return Err(format!("has {} inputs, expected 2", inputs.len())) };
    let ([m, k], [rows, n]) = (a.shape(), b.shape()) else { return Err("is for matrices".into()) };
    if k != rows {
        return Err(format!("has inner sizes {k} and {rows}"));
    }
    let values = |t: &HostTensor| t.as_f32().map(<[f32]>::to_vec).map_err(|e| e.to_string());
    Ok(Box::new(Gemm { sizes: [*m, *k, *n], a: values(a)?, b: values(b)?, y: vec![0.0; m * n] }))
}
