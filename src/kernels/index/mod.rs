//! Reading and writing at computed places.

use crate::kernel::Kernel;

pub mod embedding;
pub mod gather;
pub mod gather_backward;
pub mod one_hot;
pub mod scatter_add;
pub mod top_k;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] = &[
    &embedding::EMBEDDING,
    &gather::GATHER,
    &gather_backward::GATHER_BACKWARD,
    &scatter_add::SCATTER_ADD,
    &top_k::TOP_K,
    &one_hot::ONE_HOT,
];
