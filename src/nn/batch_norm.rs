//! Batch normalisation of images.

use crate::graph::{Scope, Tensor};

/// Normalises every channel, then scales and shifts, with the weights `weight`, `bias`, `running_mean` and
/// `running_var`, each `(C)`: by the running statistics in evaluation mode; in training mode by the batch's own,
/// towards which it moves the running ones.
///
/// `running ← (1 − momentum) · running + momentum · batch`, of the variance the unbiased one
///
/// # Shapes
/// `x (B, C, H, W)` → `(B, C, H, W)`
/// # Errors
/// [`crate::Error::Graph`] if `x` has not four axes, or in training mode one element per channel
/// # Gradient
/// `x`, `weight`, `bias`; `running_mean` and `running_var` are buffers
/// # Source
/// Ioffe, Szegedy 2015, arXiv:1502.03167 · PyTorch `nn.BatchNorm2d`, whose `num_batches_tracked` the host counts
#[track_caller]
pub fn batch_norm2d<'g>(scope: Scope<'g>, x: Tensor<'g>, eps: f64, momentum: f64) -> Tensor<'g> {
    let [batch, channels, height, width] = x.dims();
    let vector = |name| scope.weight(name, &[channels]);
    let (w, b) = (vector("weight"), vector("bias"));
    let (mean, variance) = (vector("running_mean"), vector("running_var"));
    if !x.graph().training() {
        return x.batch_norm(mean, variance, Some(w), Some(b), eps);
    }
    let n = batch * height * width;
    if n < 2 {
        x.graph().reject("batch_norm2d", "one element per channel has no variance to train on");
        return x;
    }
    let norm = x.batch_norm_train(Some(w), Some(b), eps);
    mean.running_update(norm.mean, momentum, 1.0);
    variance.running_update(norm.variance, momentum, n as f64 / (n - 1) as f64);
    norm.y
}

#[cfg(test)]
mod tests {
    use crate::graph::{Graph, Source};
    use crate::tensor::Dtype;

    fn graph(training: bool, shape: &[usize]) -> crate::Result<crate::FixedGraph> {
        let g = Graph::new();
        g.set_training(training);
        g.output("y", super::batch_norm2d(g.root(), g.input("x", Dtype::F32, shape), 1e-5, 0.1));
        g.build()
    }

    #[test]
    fn training_updates_both_running_statistics() {
        let graph = graph(true, &[2, 3, 2, 2]).unwrap();
        let names: Vec<_> = graph.nodes.iter().map(|n| n.call.kernel.name).collect();
        assert_eq!(names, ["batch_norm_train", "running_update", "running_update"]);
        let updated: Vec<_> = graph.nodes[1..].iter().map(|n| &graph.values[n.inputs[0].unwrap()].source).collect();
        let [Source::Weight(mean), Source::Weight(variance)] = updated[..] else { panic!("not weights") };
        assert_eq!([mean.as_str(), variance.as_str()], ["running_mean", "running_var"]);
        assert_eq!(graph.nodes[2].call.float("scale"), 8.0 / 7.0);
    }

    #[test]
    fn evaluation_uses_the_running_statistics() {
        let graph = graph(false, &[2, 3, 2, 2]).unwrap();
        assert_eq!(graph.nodes.iter().map(|n| n.call.kernel.name).collect::<Vec<_>>(), ["batch_norm"]);
    }

    #[test]
    fn one_element_has_no_variance() {
        let text = graph(true, &[1, 3, 1, 1]).unwrap_err().to_string();
        assert!(text.ends_with("batch_norm2d: one element per channel has no variance to train on"), "{text}");
    }
}
