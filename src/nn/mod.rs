//! Compositions without a shader of their own, under the names their checkpoints use.

mod additive_attention;
mod batch_norm;
pub mod cache;
mod dropout;
mod linear;
pub mod multi_head;
mod patches;
mod recurrent;
pub mod resnet2d;

pub use additive_attention::AdditiveAttention;
pub use batch_norm::batch_norm2d;
pub use dropout::{Draws, dropout};
pub use linear::linear;
pub use patches::patches;
pub use recurrent::{Cell, CellWeights, Recurrent};
