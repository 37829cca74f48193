//! Feed-forward networks.

use crate::models::Model;

pub mod conv1d_sequence;
pub mod conv_batch_norm_net;
pub mod convnext;
pub mod lenet;
pub mod mixture_density_network;
pub mod mlp;
pub mod rbf_network;

/// Every feed-forward model.
pub static MODELS: &[&Model] = &[
    &mlp::MLP,
    &rbf_network::RBF_NETWORK,
    &mixture_density_network::MIXTURE_DENSITY_NETWORK,
    &lenet::LENET,
    &conv_batch_norm_net::CONV_BATCH_NORM_NET,
    &conv1d_sequence::CONV1D_SEQUENCE,
    &convnext::CONVNEXT,
];
