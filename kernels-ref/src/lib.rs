//! The CPU reference of every Handmill kernel: `f64`, slices and plain loops, written from the papers.
//! No GPU, no engine types. Arrays are row-major; ids, masks and flags are exact whole `f64`s.

pub mod attention;
pub mod conv;
pub mod elementwise;
pub mod index;
pub mod layout;
pub mod linalg;
pub mod loss;
pub mod matmul;
pub mod norm;
pub mod optimizer;
pub mod pool;
pub mod random;
pub mod recurrent;
pub mod reduce;
pub mod resize;
pub mod softmax;
