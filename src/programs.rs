//! Programs: loops on the host over plans, where what happens next depends on what came out.

pub mod ddpm;
