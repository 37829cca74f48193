//! Weights and tensors in safetensors files: a strict reader, a lazy view of a checkpoint, and a
//! writer that never leaves part of a file.
//!
//! Files come from outside, so nothing in them is believed: sizes are checked before memory is taken,
//! offsets must tile the data without hole, overlap or rest, and names must be printable. Integers of
//! any width become range-checked `i32`, floats `f32` (or `f16` when asked).

mod checkpoint;
mod convert;
mod header;
mod index;
mod resolve;
mod save;

pub use checkpoint::{Checkpoint, TensorInfo, load_tensors};
pub use header::{MAX_HEADER, MAX_NAME, MAX_TENSORS};
pub use resolve::Resolved;
/// The element type of a tensor in a file.
pub use safetensors::Dtype as FileDtype;
pub(crate) use save::save_described;
pub use save::save_tensors;
