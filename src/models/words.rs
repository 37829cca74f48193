//! Models of words.

use crate::models::Model;

pub mod skip_gram;

/// Every model of words.
pub static MODELS: &[&Model] = &[&skip_gram::SKIP_GRAM];
