//! Compositions without a shader of their own, under the names their checkpoints use.

mod additive_attention;
mod linear;
mod patches;
mod recurrent;

pub use additive_attention::AdditiveAttention;
pub use linear::linear;
pub use patches::patches;
pub use recurrent::{Cell, CellWeights, Recurrent};
