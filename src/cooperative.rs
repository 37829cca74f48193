//! Cooperative matrices: which of them an adapter offers, and whether it computes them right.
//!
//! They are experimental in wgpu, and what naga writes for them leaves some of the memory model to the driver: so a
//! device computes two small products of whole numbers when it is opened, and does without the feature if one is wrong.

use std::sync::Arc;

use half::f16;

use crate::adapter::Adapter;
use crate::check::{self, Case, Expected, POISON};
use crate::device::Device;
use crate::kernel::{Call, Grid, Kernel, Port, Scalars, Spec, Step, Variant};
use crate::run::Checks;
use crate::shader::Shaders;
use crate::tensor::{Dtype, HostTensor};

const F16: &[Dtype] = &[Dtype::F16];
/// Lanes of a subgroup.
const LANES: u32 = 32;

/// Two products of matrices of one side, twice as long inside.
static COOPERATIVE: Kernel = PRODUCTS;

const PRODUCTS: Kernel = Kernel {
    name: "cooperative",
    inputs: &[Port::new("a", F16), Port::new("w", F16), Port::new("v", F16)],
    outputs: &["y", "z"],
    shape: |c| Ok(vec![Spec::f32(&[side(c), side(c)]), Spec::f32(&[side(c), side(c)])]),
    scalars: |c| Scalars::new().set("n", 2 * side(c) * side(c)).set("WG", LANES),
    variants: &[COOP, COOP8],
    reference: |r| {
        let n = side(r);
        let sum = |i: usize, j: usize, w: fn(&[f64], usize, usize, usize) -> f64, m: &[f64]| -> f64 {
            (0..2 * n).map(|k| r.f64(0)[i * 2 * n + k] * w(m, k, j, n)).sum()
        };
        let all = |w: fn(&[f64], usize, usize, usize) -> f64, m: &[f64]| -> Vec<f64> {
            (0..n * n).map(|e| sum(e / n, e % n, w, m)).collect()
        };
        vec![all(|w, k, j, n| w[k * n + j], r.f64(1)), all(|v, k, j, n| v[j * 2 * n + k], r.f64(2))]
    },
    // Whole numbers, whose sums every format here holds.
    bound: |_, y| check::exact(y),
    ..Kernel::BASE
};

const COOP: Variant = Variant {
    how: "coop",
    shader: concat!(
        "enable f16;\nenable wgpu_cooperative_matrix;\nconst SIDE = 16u;\n",
        "alias Left = coop_mat16x16<f16, A>;\nalias Right = coop_mat16x16<f16, B>;\n",
        "alias Sum = coop_mat16x16<f32, C>;\n",
        include_str!("cooperative.wgsl")
    ),
    applies: |c, adapter| side(c) == 16 && adapter.cooperative == Some(16),
    ..VARIANT
};

const COOP8: Variant = Variant {
    how: "coop8",
    shader: concat!(
        "enable f16;\nenable wgpu_cooperative_matrix;\nconst SIDE = 8u;\n",
        "alias Left = coop_mat8x8<f16, A>;\nalias Right = coop_mat8x8<f16, B>;\n",
        "alias Sum = coop_mat8x8<f32, C>;\n",
        include_str!("cooperative.wgsl")
    ),
    ..VARIANT
};

const VARIANT: Variant = Variant {
    steps: &[Step { entry: "cooperative", grid: |_| Grid::Exact([1, 1, 1]), loops: |c| 4 * side(c) as u64 + 8 }],
    scalars: |_| Scalars::new(),
    ..Variant::BASE
};

fn side(c: &Call) -> usize {
    c.shape(0)[0]
}

/// The side of the matrices that `offered` has in f16 with sums in f32, square, on an adapter whose
/// subgroups all have 32 lanes: the larger one where there are several.
pub(crate) fn offered(adapter: &wgpu::Adapter, f16: bool, subgroup: Option<(u32, u32)>) -> Option<u32> {
    let feature = adapter.features().contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX);
    if !feature || !f16 || subgroup != Some((LANES, LANES)) {
        return None;
    }
    let square = |p: &wgpu::CooperativeMatrixProperties| {
        let (half, single) = (wgpu::CooperativeScalarType::F16, wgpu::CooperativeScalarType::F32);
        let fits = p.m_size == p.n_size && p.n_size == p.k_size && p.ab_type == half && p.cr_type == single;
        Some(p.m_size).filter(|side| fits && [8, 16].contains(side))
    };
    adapter.cooperative_matrix_properties().iter().filter_map(square).max()
}

/// Two products on matrices of `side`, of whole numbers that differ in every place: a matrix in another order, or half
/// of a sum, gives other ones.
fn case(kernel: &'static Kernel, side: usize) -> Case {
    let matrix = |rows: usize, columns: usize, (r, c): (usize, usize), n: usize| {
        let value = |i: usize| ((i / columns * r + i % columns * c + i / 7) % n) as f32 - (n / 2) as f32;
        HostTensor::f16(&[rows, columns], (0..rows * columns).map(|i| f16::from_f32(value(i))).collect())
    };
    let (a, w, v) = ((3, 5), (7, 2), (4, 9));
    let short = Case::new(kernel).input(matrix(side, 2 * side, a, 13)).input(matrix(2 * side, side, w, 17));
    short.input(matrix(side, 2 * side, v, 11))
}

/// Why `device` is to do without its cooperative matrices, if it is.
pub(crate) fn wrong(device: &Arc<Device>) -> Option<String> {
    judged(device, device.adapter().cooperative?, &COOPERATIVE)
}

/// As a device tries its matrices of `side`, with the text of the shader changed: how tests see right products pass and
/// wrong ones fail on an adapter without cooperative matrices.
pub fn tried(device: &Arc<Device>, side: u32, change: impl Fn(&str) -> String) -> Option<String> {
    let own = if side == 16 { COOP } else { COOP8 };
    let shader: &'static str = change(own.shader).leak();
    let variants: &'static [Variant] = vec![Variant { shader, applies: |_, _| true, ..own }].leak();
    judged(device, side, Box::leak(Box::new(Kernel { variants, ..PRODUCTS })))
}

fn judged(device: &Arc<Device>, side: u32, kernel: &'static Kernel) -> Option<String> {
    let case = case(kernel, side as usize);
    let how = if side == 16 { "coop" } else { "coop8" };
    let expected = case.expected(device.tol());
    let got = case.run(device, &Shaders::built_in(), how, Checks::On, POISON[0]);
    match (expected, got) {
        (Ok(expected), Ok(got)) => judge(&got, &expected),
        (Err(e), _) | (_, Err(e)) => Some(e.to_string()),
    }
}

/// What is wrong with the products `got`.
fn judge(got: &[HostTensor], expected: &[Expected]) -> Option<String> {
    got.iter().zip(expected).zip(["a · w", "a · vᵀ"]).find_map(|((got, e), what)| {
        let report = check::compare(&got.to_f64(), &e.values, &e.bound, &e.spec.shape, e.spec.dtype);
        (!report.ok()).then(|| format!("the product {what} of small whole numbers is wrong: {report}"))
    })
}

/// The words about cooperative matrices in a list of adapters: what is offered, and what a device found of it.
pub fn described(adapter: &Adapter, refused: Option<&str>) -> String {
    match (adapter.cooperative, refused) {
        (_, Some(reason)) => format!("off: {reason}"),
        (Some(side), None) => format!("{side} × {side} in f16, sums in f32"),
        (None, None) => "none".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Tol;

    fn products(side: usize, change: impl Fn(usize, &mut Vec<f64>)) -> Option<String> {
        let expected = case(&COOPERATIVE, side).expected(Tol::SPEC).unwrap();
        let got = expected.iter().enumerate().map(|(o, e)| {
            let mut values = e.values.clone();
            change(o, &mut values);
            HostTensor::from_f64(Dtype::F32, &e.spec.shape, &values)
        });
        judge(&got.collect::<Vec<_>>(), &expected)
    }

    #[test]
    fn right_products_pass_and_wrong_ones_are_told() {
        for side in [8, 16] {
            assert_eq!(products(side, |_, _| {}), None);
            let transposed = |wrong: usize| {
                products(side, |o, y| {
                    if o == wrong {
                        *y = (0..side * side).map(|i| y[i % side * side + i / side]).collect();
                    }
                })
            };
            assert!(transposed(0).unwrap().starts_with("the product a · w of small whole numbers is wrong: "));
            assert!(transposed(1).unwrap().starts_with("the product a · vᵀ of small whole numbers is wrong: "));
            assert!(products(side, |_, y| y[side + 3] += 1.0).unwrap().contains("1 of "));
            assert!(products(side, |_, y| y[0] = f64::NAN).is_some());
            assert!(products(side, |_, y| y.fill(0.0)).is_some());
        }
    }

    /// An operand loaded in another order, and half of a sum, differ in most places.
    #[test]
    fn what_a_driver_may_get_wrong_changes_the_products() {
        for side in [8, 16] {
            let case = case(&COOPERATIVE, side);
            let right = case.expected(Tol::SPEC).unwrap();
            let values: Vec<Vec<f64>> = case.inputs.iter().flatten().map(|i| i.tensor.to_f64()).collect();
            let product = |terms: std::ops::Range<usize>, a: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
                let sum = |e: usize| terms.clone().map(|k| a(e / side, k) * values[1][k * side + e % side]).sum();
                (0..side * side).map(sum).collect()
            };
            let row = |i: usize, k: usize| values[0][i * 2 * side + k];
            let tile = |i: usize, k: usize| values[0][k % side * 2 * side + k / side * side + i];
            let differing = |y: Vec<f64>| y.iter().zip(&right[0].values).filter(|(a, b)| a != b).count();
            assert_eq!(differing(product(0..2 * side, &row)), 0);
            assert!(differing(product(0..2 * side, &tile)) > side * side / 2, "a transposed");
            assert!(differing(product(0..side, &row)) > side * side / 2, "the first half of a sum");
            assert!(differing(product(side..2 * side, &row)) > side * side / 2, "the second half of a sum");
        }
    }

    #[test]
    fn a_list_of_adapters_says_why_they_are_off() {
        let (without, with) = (Adapter::webgpu(), Adapter::nvidia());
        assert_eq!(described(&without, None), "none");
        assert_eq!(described(&with, None), "16 × 16 in f16, sums in f32");
        assert_eq!(described(&without, Some("the driver said no")), "off: the driver said no");
    }
}
