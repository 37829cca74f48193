//! Feed-forward networks.

use crate::models::Model;

pub mod lenet;
pub mod mlp;

/// Every feed-forward model.
pub static MODELS: &[&Model] = &[&mlp::MLP, &lenet::LENET];
