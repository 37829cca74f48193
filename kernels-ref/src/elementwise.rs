//! One output element from one element of each input.
