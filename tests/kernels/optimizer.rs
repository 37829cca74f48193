//! Rows of the optimizer family.

use crate::row::Row;

/// Every row.
pub fn rows() -> Vec<Row> {
    vec![]
}
