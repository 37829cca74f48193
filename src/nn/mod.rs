//! Compositions without a shader of their own, under the names their checkpoints use.

mod additive_attention;
<<<<<<< HEAD
mod batch_norm2d;
=======
mod batch_norm;
>>>>>>> work-b
mod linear;
pub mod multi_head;
mod patches;
mod recurrent;
pub mod resnet2d;

pub use additive_attention::AdditiveAttention;
<<<<<<< HEAD
pub use batch_norm2d::batch_norm2d;
=======
pub use batch_norm::batch_norm2d;
>>>>>>> work-b
pub use linear::linear;
pub use patches::patches;
pub use recurrent::{Cell, CellWeights, Recurrent};
