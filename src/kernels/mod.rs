//! Every kernel of the engine, by family; mirrors `shaders/`.

use crate::kernel::Kernel;

pub mod attention;
pub mod conv;
pub mod elementwise;
pub mod index;
pub mod layout;
pub mod linalg;
pub mod loss;
pub mod matmul;
pub(crate) mod near;
pub mod norm;
pub mod optimizer;
pub mod pool;
pub mod random;
pub mod recurrent;
pub mod reduce;
pub mod resize;
pub mod softmax;

/// Families and their kernels, in the order of the documentation.
pub static FAMILIES: &[(&str, &[&Kernel])] = &[
    ("elementwise", elementwise::KERNELS),
    ("reduce", reduce::KERNELS),
    ("matmul", matmul::KERNELS),
    ("linalg", linalg::KERNELS),
    ("conv", conv::KERNELS),
    ("pool", pool::KERNELS),
    ("softmax", softmax::KERNELS),
    ("attention", attention::KERNELS),
    ("norm", norm::KERNELS),
    ("layout", layout::KERNELS),
    ("index", index::KERNELS),
    ("resize", resize::KERNELS),
    ("random", random::KERNELS),
    ("recurrent", recurrent::KERNELS),
    ("loss", loss::KERNELS),
    ("optimizer", optimizer::KERNELS),
];

/// Every kernel.
pub fn all() -> impl Iterator<Item = &'static Kernel> {
    FAMILIES.iter().flat_map(|(_, kernels)| kernels.iter().copied())
}

/// The kernel called `name`.
pub fn named(name: &str) -> Option<&'static Kernel> {
    all().find(|k| k.name == name)
}
