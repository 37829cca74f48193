//! Kernel rows.
mod attention;
mod conv;
mod elementwise;
mod index;
mod layout;
mod matmul;
mod norm;
mod pool;
mod random;
mod reduce;
mod resize;
mod row;
mod softmax;
fn main() {}
