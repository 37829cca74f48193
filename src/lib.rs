//! Handmill runs and trains models as fixed graphs of hand-written WGSL kernels through wgpu, and checks
//! every kernel against a CPU reference in f64.

pub mod adapter;
pub mod backward;
pub mod bench;
pub mod check;
pub mod config;
pub mod cooperative;
pub mod device;
pub mod engine;
pub mod error;
pub mod file;
pub mod folder;
pub mod graph;
mod guard;
pub mod images;
pub mod json;
pub mod kernel;
pub mod kernels;
pub mod models;
pub mod nn;
pub mod plan;
pub mod programs;
pub mod reference;
pub mod run;
pub mod shader;
pub mod shape;
pub mod store;
pub mod tensor;
pub mod tokenizer;
pub mod train;
pub mod tune;
pub mod verify;
pub mod watch;
pub mod weights;

pub use adapter::Adapter;
pub use error::{Error, Result};
pub use graph::{FixedGraph, Graph, Scope, Tensor};
pub use kernel::{Call, Kernel, Spec, Value};
pub use plan::Plan;
pub use tensor::{Dtype, HostTensor};
