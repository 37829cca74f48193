//! The `handmill` command.
fn main() {}
