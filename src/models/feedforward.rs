//! Feed-forward networks.

pub mod mlp;
