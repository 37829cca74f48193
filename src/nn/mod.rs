//! Compositions without a shader of their own, under the names their checkpoints use.

mod linear;
pub mod multi_head;
mod patches;
pub mod resnet2d;

pub use linear::linear;
pub use patches::patches;
