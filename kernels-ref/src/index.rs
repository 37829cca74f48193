//! Reading and writing at computed places.
