//! What matmul and the convolutions do to their result before they write it:
//! `y = activation_out(activation(scale · acc + b) + residual)`.

use crate::backward::Adjoint;
use crate::check::{U, ulp};
use crate::graph::Tensor;
use crate::kernel::{Call, Default, Epilogue, Param, Ref, Scalars};
use crate::kernels::elementwise::activation;
use crate::shape::Dims;

/// Parameter `scale`.
pub const SCALE: Param = Param::new("scale", Default::Float(1.0));
/// Parameter `activation`.
pub const ACTIVATION: Param = Param::new("activation", Default::Text("none"));
/// Parameter `activation_out`.
pub const ACTIVATION_OUT: Param = Param::new("activation_out", Default::Text("none"));

/// Refuses a bias that is not `(channels)`, a residual that is not of shape `y`, and unknown activations.
pub fn check(c: &Call, e: &Epilogue, channels: usize, y: &[usize]) -> Result<(), String> {
    if let Some(b) = e.bias.filter(|&b| c.has(b))
        && c.shape(b) != [channels]
    {
        return Err(format!("b is {}, expected {}", Dims(c.shape(b)), Dims(&[channels])));
    }
    if let Some(r) = e.residual.filter(|&r| c.has(r))
        && c.shape(r) != y
    {
        return Err(format!("residual is {}, expected {}", Dims(c.shape(r)), Dims(y)));
    }
    for param in ["activation", "activation_out"] {
        if activation::code(c.text(param)).is_none() {
            return Err(activation::unknown(param, c.text(param)));
        }
    }
    Ok(())
}

/// `scale`, `EPILOGUE`, `ACTIVATION` and `ACTIVATION_OUT`.
pub fn scalars(c: &Call, e: &Epilogue) -> Scalars {
    let code = |param| activation::code(c.text(param)).unwrap_or(0);
    let ports = [e.bias, e.residual].into_iter().flatten().any(|port| c.has(port));
    let some = ports || c.float("scale") != 1.0 || code("activation") != 0 || code("activation_out") != 0;
    Scalars::new()
        .set("EPILOGUE", some)
        .set("scale", c.float("scale"))
        .set("ACTIVATION", code("activation"))
        .set("ACTIVATION_OUT", code("activation_out"))
}

/// Applies the epilogue to the accumulated sums; a bias entry covers `inner` neighbours.
pub fn reference(r: &Ref, e: &Epilogue, mut acc: Vec<f64>, inner: usize) -> Vec<f64> {
    let (b, residual) = (e.bias.and_then(|b| r.opt(b)), e.residual.and_then(|p| r.opt(p)));
    let (first, last) = (r.text("activation"), r.text("activation_out"));
    let scale = r.float("scale");
    kernels_ref::matmul::epilogue(
        &mut acc,
        scale,
        b,
        inner,
        residual,
        |v| activation::apply(first, v),
        |v| activation::apply(last, v),
    );
    acc
}

/// The bound of a result whose sum `acc` of `k` terms has `s = Σ|terms|`: the dot bound, moved through
/// every step of the epilogue.
pub fn bound(r: &Ref, e: &Epilogue, acc: &[f64], s: &[f64], k: usize, inner: usize) -> Vec<f64> {
    let (b, residual) = (e.bias.and_then(|b| r.opt(b)), e.residual.and_then(|p| r.opt(p)));
    let (first, last) = (r.text("activation"), r.text("activation_out"));
    let (scale, t) = (r.float("scale"), r.tol);
    let rounding = |v: f64| t.pick(1.0, 2.0) * ulp(v);
    let one = |i: usize| {
        let mut error = t.dot(k, s[i], acc[i]);
        let mut v = acc[i];
        if scale != 1.0 {
            // The scale is rounded to f32 first.
            v *= scale;
            error = error * scale.abs() + 2.0 * U * v.abs() + rounding(v);
        }
        if let Some(b) = b {
            v += b[i / inner % b.len()];
            error += rounding(v);
        }
        let y = activation::apply(first, v);
        error = activation::bound(first, v, y, t, error);
        v = y;
        if let Some(residual) = residual {
            v += residual[i];
            error += rounding(v);
        }
        activation::bound(last, v, activation::apply(last, v), t, error)
    };
    (0..acc.len()).map(one).collect()
}

/// What an epilogue passes on of the gradient of its result.
pub struct Gradient<'g> {
    /// Of `scale · acc + b`.
    pub sum: Tensor<'g>,
    /// Of the bias, if it is asked for.
    pub bias: Option<Tensor<'g>>,
    /// Of the residual, if it is asked for.
    pub residual: Option<Tensor<'g>>,
}

/// The gradients behind the epilogue of `n`, from the last step to the first. What an activation was applied to is not
/// kept: it is computed again.
pub fn backward<'g>(n: &Adjoint<'_, 'g>, e: &Epilogue) -> Gradient<'g> {
    let (first, last) = (n.text("activation"), n.text("activation_out"));
    let sum = (first != "none").then(|| again(n, &[("activation", "none"), ("activation_out", "none")], e.residual));
    let mut d = n.d(0);
    if last != "none" {
        let out = match sum {
            None => again(n, &[("activation_out", "none")], None),
            Some(sum) => {
                let activated = activation::applied(sum, first);
                e.residual.and_then(|r| n.opt(r)).map_or(activated, |residual| activated + residual)
            }
        };
        d = out.activation_backward(d, last);
    }
    let residual = e.residual.and_then(|r| n.wanted(r, || d));
    if let Some(sum) = sum {
        d = sum.activation_backward(d, first);
    }
    let along = d.rank() - e.bias_axis_from_end;
    let others: Vec<i64> = (0..d.rank()).filter(|&axis| axis != along).map(|axis| axis as i64).collect();
    let bias = e.bias.and_then(|b| n.wanted(b, || d.sum(&others, false)));
    Gradient { sum: d, bias, residual }
}

/// The result of `n` with other texts for some parameters, and without the input at port `without`.
fn again<'g>(n: &Adjoint<'_, 'g>, texts: &[(&str, &str)], without: Option<usize>) -> Tensor<'g> {
    let inputs: Vec<_> = (0..n.inputs.len()).map(|i| n.opt(i).filter(|_| Some(i) != without)).collect();
    let kept = n.params.iter().map(|(name, value)| (name, value.clone()));
    let params: Vec<_> = kept.chain(texts.iter().map(|&(name, text)| (name, text.into()))).collect();
    n.graph().dispatch(n.kernel, &inputs, &params)[0]
}
