//! Pooling over windows.
