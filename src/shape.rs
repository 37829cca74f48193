//! Shapes, strides and NumPy broadcasting. Sizes are counted in elements.

use std::fmt;

/// The highest rank the engine accepts.
pub const MAX_RANK: usize = 8;

/// How a tensor lies in its buffer: sizes, strides and offset, all in elements.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Size of each axis.
    pub shape: Vec<usize>,
    /// Distance in elements between neighbours along each axis; 0 repeats (broadcast).
    pub strides: Vec<usize>,
    /// First element.
    pub offset: usize,
}

impl Layout {
    /// Row-major, dense, at offset 0.
    pub fn contiguous(shape: &[usize]) -> Layout {
        Layout { shape: shape.to_vec(), strides: row_major(shape), offset: 0 }
    }

    /// True if the elements lie row-major and dense from offset 0.
    pub fn is_contiguous(&self) -> bool {
        self.offset == 0 && self.is_dense()
    }

    /// True if the elements lie row-major and dense from `offset`.
    pub fn is_dense(&self) -> bool {
        let mut expected = 1;
        for (&n, &s) in self.shape.iter().zip(&self.strides).rev() {
            if n != 1 {
                if s != expected {
                    return false;
                }
                expected *= n;
            }
        }
        true
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True if an axis has size 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The buffer index of every element, in row-major order of `shape`.
    pub fn indices(&self) -> impl Iterator<Item = usize> + '_ {
        let mut at = vec![0usize; self.shape.len()];
        let mut index = self.offset;
        (0..self.len()).map(move |_| {
            let here = index;
            for axis in (0..self.shape.len()).rev() {
                at[axis] += 1;
                index += self.strides[axis];
                if at[axis] < self.shape[axis] {
                    break;
                }
                index -= self.strides[axis] * self.shape[axis];
                at[axis] = 0;
            }
            here
        })
    }

    /// The same elements with neighbouring axes merged wherever every one of `layouts` allows it, so
    /// that kernels see few axes. All layouts have one shape; returns them with it.
    pub fn collapse(layouts: &[&Layout]) -> Vec<Layout> {
        let shape = &layouts[0].shape;
        let mut out: Vec<Layout> =
            layouts.iter().map(|l| Layout { shape: vec![], strides: vec![], offset: l.offset }).collect();
        for axis in 0..shape.len() {
            if shape[axis] == 1 {
                continue;
            }
            let merge = !out[0].shape.is_empty()
                && layouts
                    .iter()
                    .zip(&out)
                    .all(|(l, o)| o.strides[o.strides.len() - 1] == l.strides[axis] * shape[axis]);
            for (l, o) in layouts.iter().zip(&mut out) {
                if merge {
                    let last = o.shape.len() - 1;
                    o.shape[last] *= shape[axis];
                    o.strides[last] = l.strides[axis];
                } else {
                    o.shape.push(shape[axis]);
                    o.strides.push(l.strides[axis]);
                }
            }
        }
        if out[0].shape.is_empty() {
            for o in &mut out {
                o.shape.push(1);
                o.strides.push(1);
            }
        }
        out
    }
}

/// Row-major strides of `shape`.
pub fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// Number of elements, or `None` on overflow (checked from every prefix, so that a zero hides nothing).
pub fn checked_len(shape: &[usize]) -> Option<usize> {
    let nonzero = shape.iter().filter(|&&n| n != 0).try_fold(1usize, |a, &n| a.checked_mul(n))?;
    Some(if shape.contains(&0) { 0 } else { nonzero })
}

/// The shape both broadcast to by NumPy's rules, or `None`.
pub fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], axis: usize| (axis + s.len()).checked_sub(rank).map_or(1, |i| s[i]);
    (0..rank)
        .map(|axis| match (at(a, axis), at(b, axis)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

/// `axis`, which may count from the end, as an index below `rank`.
pub fn axis_index(axis: i64, rank: usize) -> Option<usize> {
    let i = if axis < 0 { axis + rank as i64 } else { axis };
    (0..rank as i64).contains(&i).then_some(i as usize)
}

/// Prints a shape as `(2, 3)`.
pub struct Dims<'a>(pub &'a [usize]);

impl fmt::Display for Dims<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(")?;
        for (i, n) in self.0.iter().enumerate() {
            write!(f, "{}{n}", if i == 0 { "" } else { ", " })?;
        }
        write!(f, "{})", if self.0.len() == 1 { "," } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcast_follows_numpy() {
        assert_eq!(broadcast(&[2, 1, 3], &[4, 1]), Some(vec![2, 4, 3]));
        assert_eq!(broadcast(&[], &[5]), Some(vec![5]));
        assert_eq!(broadcast(&[2], &[3]), None);
        assert_eq!(broadcast(&[0], &[1]), Some(vec![0]));
    }

    #[test]
    fn collapse_merges_dense_axes_only() {
        let a = Layout::contiguous(&[2, 3, 4]);
        let b = Layout { shape: vec![2, 3, 4], strides: vec![0, 4, 1], offset: 0 };
        let c = Layout::collapse(&[&a, &b]);
        assert_eq!((c[0].shape.clone(), c[1].strides.clone()), (vec![2, 12], vec![0, 1]));
    }

    #[test]
    fn indices_walk_a_transposed_layout() {
        let t = Layout { shape: vec![3, 2], strides: vec![1, 3], offset: 1 };
        assert_eq!(t.indices().collect::<Vec<_>>(), [1, 4, 2, 5, 3, 6]);
    }

    #[test]
    fn checked_len_sees_overflow_behind_a_zero() {
        assert_eq!(checked_len(&[0, usize::MAX, usize::MAX]), None);
        assert_eq!(checked_len(&[0, 7]), Some(0));
        assert_eq!(checked_len(&[]), Some(1));
    }
}
