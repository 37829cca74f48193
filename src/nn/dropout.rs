//! Dropout.

use crate::graph::Tensor;
use crate::tensor::Dtype;

/// Where the masks of a step come from: a seed, and the step's number, both inputs of the graph. Forward and backward
/// read the same draw, and a run with the same seed draws the same masks on every adapter.
#[derive(Clone, Copy)]
pub struct Draws<'g> {
    /// u32 `(2)`.
    pub seed: Tensor<'g>,
    /// u32 `(1)`.
    pub step: Tensor<'g>,
}

/// In training, each element is 0 with probability `p`, and divided by `1 − p` else; in evaluation, `x`.
///
/// `y = x · keep / (1 − p)`, `keep` a draw of the step from `stream`; every use in a graph has a stream of its own
///
/// # Shapes
/// `x (…)` → `(…)`
/// # Errors
/// [`crate::Error::Graph`] if `p` is not in 0 to 1, or the seed and step do not fit
/// # Gradient
/// `x`, by the same mask
/// # Source
/// Srivastava et al. 2014, JMLR 15, section 4, scaled in training · PyTorch `F.dropout`
#[track_caller]
pub fn dropout<'g>(x: Tensor<'g>, p: f64, draws: Draws<'g>, stream: u32) -> Tensor<'g> {
    if !(0.0..=1.0).contains(&p) {
        x.graph().reject("dropout", format!("p is {p}, expected 0 to 1"));
        return x;
    }
    if !x.graph().training() || p == 0.0 {
        return x;
    }
    if p == 1.0 {
        return x * 0.0;
    }
    let keep = draws.seed.random_bernoulli(Some(draws.step), &x.shape(), stream, 1.0 - p, Dtype::F32);
    x * (keep * (1.0 / (1.0 - p)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::reference::evaluate;
    use crate::store::Weights;

    /// The result and the gradient of its sum, for 4000 twos.
    fn run(training: bool, p: f64, seed: f64, step: f64) -> [Vec<f64>; 2] {
        let g = Graph::new();
        g.set_training(training);
        let draws = Draws { seed: g.input("seed", Dtype::U32, &[2]), step: g.input("step", Dtype::U32, &[1]) };
        let x = g.input("x", Dtype::F32, &[40, 100]);
        let y = dropout(x, p, draws, 3);
        let d = g.backward(y.sum(&[], false), &[x])[0].unwrap();
        g.output("y", y);
        g.output("d", d);
        let given = |name: &str, _: &crate::Spec| {
            Ok(match name {
                "seed" => vec![seed, 1.0],
                "step" => vec![step],
                _ => vec![2.0; 4000],
            })
        };
        evaluate(&g.build().unwrap(), &Weights::default(), &given, &mut Default::default()).unwrap().try_into().unwrap()
    }

    #[test]
    fn evaluation_passes_everything_on() {
        assert_eq!(run(false, 0.5, 7.0, 0.0), [vec![2.0; 4000], vec![1.0; 4000]]);
        assert_eq!(run(true, 0.0, 7.0, 0.0), [vec![2.0; 4000], vec![1.0; 4000]]);
        assert_eq!(run(true, 1.0, 7.0, 0.0), [vec![0.0; 4000], vec![0.0; 4000]]);
    }

    #[test]
    fn training_drops_p_of_all_and_its_gradient_the_same() {
        let [y, d] = run(true, 0.25, 7.0, 5.0);
        let kept = y.iter().filter(|&&v| v != 0.0).count() as f64 / 4000.0;
        assert!((kept - 0.75).abs() < 4.0 * (0.25 * 0.75 / 4000.0f64).sqrt(), "{kept} were kept");
        for (y, d) in y.iter().zip(&d) {
            assert!(*y == 2.0 * d && (*d == 0.0 || (*d - 1.0 / 0.75).abs() < 1e-7), "y {y}, d {d}");
        }
    }

    #[test]
    fn a_draw_is_of_its_seed_and_step() {
        let [y, _] = run(true, 0.5, 7.0, 5.0);
        assert_eq!(y, run(true, 0.5, 7.0, 5.0)[0]);
        assert_ne!(y, run(true, 0.5, 7.0, 6.0)[0]);
        assert_ne!(y, run(true, 0.5, 8.0, 5.0)[0]);
    }
}
