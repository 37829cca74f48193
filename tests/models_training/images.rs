//! Convolutional networks with batch normalisation in evaluation mode, against plain loops in f64.

use handmill::engine::{Engine, Tensors};
use handmill::tensor::HostTensor;

use super::{Outcome, affine, evaluate, near, ramp, values};

/// Images in f64.
struct Images {
    shape: [usize; 4],
    values: Vec<f64>,
}

impl Images {
    fn of(t: &HostTensor) -> Images {
        let shape = t.shape().try_into().expect("four axes");
        Images { shape, values: t.to_f64() }
    }

    fn zeros(shape: [usize; 4]) -> Images {
        Images { shape, values: vec![0.0; shape.iter().product()] }
    }

    fn at(&mut self, [b, c, h, w]: [usize; 4]) -> &mut f64 {
        let [_, cs, hs, ws] = self.shape;
        &mut self.values[((b * cs + c) * hs + h) * ws + w]
    }

    /// Calls `f` with every pair of an element `[b, c, h, w]` and a place `[u, v]` in a window.
    fn windows(&self, k: usize, mut f: impl FnMut([usize; 4], [usize; 2], f64)) {
        let [bs, cs, hs, ws] = self.shape;
        for (i, &value) in self.values.iter().enumerate() {
            let [b, c, h, w] = [i / (cs * hs * ws), i / (hs * ws) % cs, i / ws % hs, i % ws];
            assert!(b < bs);
            (0..k * k).for_each(|j| f([b, c, h, w], [j / k, j % k], value));
        }
    }

    /// A convolution, element of the input by element: which sums it is part of.
    fn conv(&self, w: &HostTensor, stride: usize, padding: usize) -> Images {
        let (&[o, c_in, k, _], weights) = (w.shape(), w.to_f64()) else { panic!("weights of four axes") };
        let size = |n: usize| (n + 2 * padding - k) / stride + 1;
        let [b, _, h, wide] = self.shape;
        let mut y = Images::zeros([b, o, size(h), size(wide)]);
        let [_, _, oh, ow] = y.shape;
        self.windows(k, |[b, c, h, w], [u, v], x| {
            let place =
                |n: usize, u: usize| (n + padding).checked_sub(u).filter(|p| p % stride == 0).map(|p| p / stride);
            let (Some(p), Some(q)) = (place(h, u).filter(|p| *p < oh), place(w, v).filter(|q| *q < ow)) else { return };
            (0..o).for_each(|o| *y.at([b, o, p, q]) += x * weights[((o * c_in + c) * k + u) * k + v]);
        });
        y
    }

    /// A transposed convolution: every element adds its window to a larger image.
    fn conv_transpose(&self, w: &HostTensor, stride: usize, padding: usize) -> Images {
        let (&[_, o, k, _], weights) = (w.shape(), w.to_f64()) else { panic!("weights of four axes") };
        let size = |n: usize| (n - 1) * stride + k - 2 * padding;
        let [b, _, h, wide] = self.shape;
        let mut y = Images::zeros([b, o, size(h), size(wide)]);
        let [_, _, oh, ow] = y.shape;
        self.windows(k, |[b, c, h, w], [u, v], x| {
            let place = |n: usize, u: usize| (n * stride + u).checked_sub(padding);
            let (Some(p), Some(q)) = (place(h, u).filter(|p| *p < oh), place(w, v).filter(|q| *q < ow)) else { return };
            (0..o).for_each(|n| *y.at([b, n, p, q]) += x * weights[((c * o + n) * k + u) * k + v]);
        });
        y
    }

    /// The norm below `name` by its running statistics.
    fn norm(mut self, weights: &Tensors, name: &str, eps: f64) -> Images {
        let [mean, var, w, b] =
            ["running_mean", "running_var", "weight", "bias"].map(|k| weights[&format!("{name}.{k}")].to_f64());
        let [_, cs, hs, ws] = self.shape;
        for (i, x) in self.values.iter_mut().enumerate() {
            let c = i / (hs * ws) % cs;
            *x = (*x - mean[c]) / (var[c] + eps).sqrt() * w[c] + b[c];
        }
        self
    }

    fn map(mut self, f: impl Fn(f64) -> f64) -> Images {
        self.values.iter_mut().for_each(|v| *v = f(*v));
        self
    }

    /// The largest of every 2 × 2 elements; an odd last row or column is dropped.
    fn pooled(&self) -> Images {
        let [b, c, h, w] = self.shape;
        let mut y = Images { shape: [b, c, h / 2, w / 2], values: vec![f64::NEG_INFINITY; b * c * (h / 2) * (w / 2)] };
        self.windows(1, |[b, c, p, q], _, x| {
            if p / 2 < h / 2 && q / 2 < w / 2 {
                let largest = y.at([b, c, p / 2, q / 2]);
                *largest = largest.max(x);
            }
        });
        y
    }
}

pub fn conv_batch_norm_net(engine: &Engine) -> Outcome {
    let config = r#"{"in_channels": 2, "channels": [3, 5], "num_classes": 4, "eps": 0.01}"#;
    let x = ramp("x", &[2, 2, 7, 9]);
    let (got, weights) = evaluate(engine, "ConvBatchNormNet", config, &[("pixel_values", &x)])?;
    let mut h = Images::of(&x);
    for i in 0..2 {
        h = h.conv(&weights[&format!("convs.{i}.weight")], 1, 1).norm(&weights, &format!("norms.{i}"), 0.01);
        h = h.map(|v| v.max(0.0)).pooled();
        if i == 0 {
            near("debug.pool.0", &values(&got, "debug.pool.0")?, &h.values)?;
        }
    }
    let plane = h.shape[2] * h.shape[3];
    let means: Vec<f64> = h.values.chunks(plane).map(|p| p.iter().sum::<f64>() / plane as f64).collect();
    let want: Vec<f64> =
        means.chunks(5).flat_map(|row| affine(row, &weights["head.weight"], &weights["head.bias"])).collect();
    near("logits", &values(&got, "logits")?, &want)
}

/// Each network alone, and both beside each other.
pub fn dcgan(engine: &Engine) -> Outcome {
    let config = r#"{"latent_size": 3, "image_channels": 2, "generator_channels": [5, 4],
        "discriminator_channels": [3, 4, 5], "last_kernel": 2}"#;
    let (z, x) = (ramp("z", &[2, 3, 1, 1]), ramp("x", &[2, 2, 16, 16]));
    let (both, weights) = evaluate(engine, "DCGAN", config, &[("z", &z), ("pixel_values", &x)])?;
    let weight = |name: &str, i: usize| &weights[&format!("{name}.main.{i}.weight")];

    let mut h = Images::of(&z);
    for i in 0..2 {
        let (stride, padding) = if i == 0 { (1, 0) } else { (2, 1) };
        h = h.conv_transpose(weight("generator", 3 * i), stride, padding);
        h = h.norm(&weights, &format!("generator.main.{}", 3 * i + 1), 1e-5).map(|v| v.max(0.0));
    }
    let image = h.conv_transpose(weight("generator", 6), 2, 1).map(f64::tanh);
    assert_eq!(image.shape, [2, 2, 16, 16]);
    near("image", &values(&both, "image")?, &image.values)?;

    let leaky = |v: f64| if v > 0.0 { v } else { 0.2 * v };
    let mut h = Images::of(&x).conv(weight("discriminator", 0), 2, 1).map(leaky);
    for i in [2, 5] {
        h = h.conv(weight("discriminator", i), 2, 1);
        h = h.norm(&weights, &format!("discriminator.main.{}", i + 1), 1e-5).map(leaky);
    }
    let logit = h.conv(weight("discriminator", 8), 1, 0);
    assert_eq!(logit.shape, [2, 1, 1, 1]);
    near("logit", &values(&both, "logit")?, &logit.values)?;

    for (input, tensor, output, other) in
        [("z", &z, "image", "discriminator."), ("pixel_values", &x, "logit", "generator.")]
    {
        let (alone, weights) = evaluate(engine, "DCGAN", config, &[(input, tensor)])?;
        near(output, &values(&alone, output)?, &values(&both, output)?)?;
        if alone.len() != 1 || weights.keys().any(|key| key.starts_with(other)) {
            return Err(format!("{output} takes more than its own network").into());
        }
    }
    Ok(())
}
