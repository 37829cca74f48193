//! Handmill runs and trains models as fixed graphs of hand-written WGSL kernels through wgpu, and checks
//! every kernel against a CPU reference in f64.

pub mod adapter;
pub mod check;
pub mod config;
pub mod error;
pub mod file;
pub mod folder;
pub mod graph;
mod guard;
pub mod json;
pub mod kernel;
pub mod kernels;
pub mod shape;
pub mod tensor;
pub mod tokenizer;
pub mod weights;

pub use adapter::Adapter;
pub use error::{Error, Result};
pub use graph::{FixedGraph, Graph, Scope, Tensor};
pub use kernel::{Call, Kernel, Spec, Value};
pub use tensor::{Dtype, HostTensor};
