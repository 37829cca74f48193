//! Training: losses, optimizers, schedules of learning rates, and the weights to begin with.

pub mod init;
pub mod losses;
pub mod optimizer;
pub mod schedule;
