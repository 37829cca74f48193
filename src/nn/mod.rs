//! Compositions without a shader of their own, under the names their checkpoints use.

mod linear;

pub use linear::linear;
