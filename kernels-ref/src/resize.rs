//! Interpolation of images.
