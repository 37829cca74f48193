//! Compositions without a shader of their own, under the names their checkpoints use.

mod linear;
mod patches;

pub use linear::linear;
pub use patches::patches;
