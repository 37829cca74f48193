//! Fused softmax attention.
