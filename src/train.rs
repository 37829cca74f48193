//! Training: what is minimised, how weights move, where examples come from, and the loop that ties them together.

pub mod bptt;
pub mod checkpoint;
pub mod curve;
pub mod data;
pub mod draws;
pub mod gan;
pub mod init;
pub mod losses;
pub mod objective;
pub mod optimizer;
pub mod progress;
pub mod run;
pub mod schedule;
pub mod settings;
pub mod start;
pub mod step;
pub mod trainer;
