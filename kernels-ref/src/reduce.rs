//! Sums and extremes over axes.
