//! Gradients where the derivative jumps, and where a rule could make NaN of an infinity: by convention, PyTorch's.

use handmill::store::Weights;
use handmill::{Dtype, Graph, Spec, Tensor, reference};
use libtest_mimic::{Failed, Trial};

const MASKED: f64 = f64::NEG_INFINITY;

/// A function of x, the x it is tried on, and the gradients of the sum of its results times 1, 2, 3, ….
type Kink = (&'static str, for<'g> fn(Tensor<'g>) -> Tensor<'g>, Vec<f64>, Vec<f64>);

#[rustfmt::skip]
fn kinks() -> Vec<Kink> {
    vec![
        ("abs", |x| x.abs(), vec![-2.0, 0.0, -0.0, 2.0], vec![-1.0, 0.0, 0.0, 4.0]),
        ("relu", |x| x.relu(), vec![-1.0, 0.0, -0.0, 1.0], vec![0.0, 0.0, 0.0, 4.0]),
        ("leaky_relu", |x| x.leaky_relu(0.5), vec![-1.0, 0.0, 1.0], vec![0.5, 1.0, 3.0]),
        ("elu", |x| x.elu(3.0), vec![0.0, 1.0], vec![3.0, 2.0]),
        ("hardswish", |x| x.hardswish(), vec![-4.0, -3.0, 3.0, 4.0], vec![0.0, 0.0, 3.0, 4.0]),
        ("clamp", |x| x.clamp(-1.0, 2.0), vec![-1.5, -1.0, 0.0, 2.0, 2.5], vec![0.0, 2.0, 3.0, 4.0, 0.0]),
        ("maximum", |x| x.slice(0, 0, 3).maximum(x.slice(0, 3, 3)), vec![1.0, 2.0, 2.0, 0.0, 2.0, 5.0], vec![1.0, 1.0, 0.0, 0.0, 1.0, 3.0]),
        ("minimum", |x| x.slice(0, 0, 3).minimum(x.slice(0, 3, 3)), vec![1.0, 2.0, 2.0, 0.0, 2.0, 5.0], vec![0.0, 1.0, 3.0, 1.0, 1.0, 0.0]),
        ("max", |x| x.reshape(&[2, 3]).max(&[1], false), vec![1.0, 4.0, 4.0, 7.0, 7.0, 7.0], vec![0.0, 0.5, 0.5, 2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0]),
        ("min", |x| x.reshape(&[2, 3]).min(&[0], true), vec![1.0, 4.0, 4.0, 1.0, 7.0, 2.0], vec![0.5, 2.0, 0.0, 0.5, 0.0, 3.0]),
        ("pow", |x| x.pow(x.graph().scalar(2.0)), vec![0.0, -3.0], vec![0.0, -12.0]),
        ("pow_0", |x| x.pow(x.graph().scalar(0.0)), vec![0.0, -3.0], vec![0.0, 0.0]),
        ("where_inf", |x| x.compare("gt", x.graph().scalar(0.0)).r#where(x, x.graph().scalar(MASKED)).maximum(x.graph().scalar(0.0)), vec![-1.0, 1.0], vec![0.0, 2.0]),
        ("softmax", |x| x.softmax(0), vec![MASKED, 1.0, 1.0], vec![0.0, -0.25, 0.25]),
        ("softmax_masked", |x| x.softmax(0), vec![MASKED, MASKED], vec![0.0, 0.0]),
        ("log_softmax_masked", |x| x.log_softmax(0).maximum(x.graph().scalar(-9.0)), vec![MASKED, 1.0, 1.0], vec![0.0, -0.5, 0.5]),
        ("logsumexp", |x| x.logsumexp(&[], false), vec![MASKED, 1.0, 1.0], vec![0.0, 0.5, 0.5]),
        ("logsumexp_masked", |x| x.logsumexp(&[], false), vec![MASKED, MASKED], vec![0.0, 0.0]),
    ]
}

/// One test for each.
pub fn trials() -> Vec<Trial> {
    let one = |(name, f, x, expected): Kink| Trial::test(format!("kink/{name}"), move || judge(f, &x, &expected));
    kinks().into_iter().map(one).collect()
}

fn judge(f: for<'g> fn(Tensor<'g>) -> Tensor<'g>, values: &[f64], expected: &[f64]) -> Result<(), Failed> {
    let graph = Graph::new();
    let x = graph.input("x", Dtype::F32, &[values.len()]);
    let y = f(x);
    let n = y.shape().iter().product::<usize>();
    let weights = graph.iota(Dtype::F32, n, 1.0, 1.0).reshape(&y.shape());
    let d = graph.backward((y * weights).sum(&[], false), &[x])[0];
    graph.output("d_x", d.ok_or("x has no gradient")?);
    let graph = graph.build().map_err(|e| e.to_string())?;
    let given = |_: &str, _: &Spec| Ok(values.to_vec());
    let found = reference::evaluate(&graph, &Weights::default(), &given, &mut Default::default());
    let found = found.map_err(|e| e.to_string())?.remove(0);
    let close = |(d, e): (&f64, &f64)| (d - e).abs() < 1e-12;
    if found.iter().zip(expected).all(close) {
        Ok(())
    } else {
        Err(format!("d_x is {found:?}, expected {expected:?}").into())
    }
}
