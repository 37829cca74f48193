//! Counter-based random numbers.

use crate::kernel::Kernel;

pub mod draws;

/// Every kernel of this family.
pub static KERNELS: &[&Kernel] =
    &[&draws::RANDOM_BITS, &draws::RANDOM_UNIFORM, &draws::RANDOM_BERNOULLI, &draws::RANDOM_NORMAL];
