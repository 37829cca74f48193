//! Plans: every fusion pattern, slots, shared and dead nodes, scans, split weights, limits, f16, snapshots.
//!
//! `HANDMILL_REQUIRE_GPU=1` makes a missing adapter a failure; without one, what needs a device returns early.

mod counts;
mod fusion;
mod graphs;
mod half;
mod limits;
mod order;
mod scans;
mod snapshots;
mod support;
mod tuned;
