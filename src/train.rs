//! Training, the host's side of it: settings, data, checkpoints, curves.

pub mod checkpoint;
pub mod curve;
pub mod data;
pub mod progress;
pub mod settings;
