//! Reading and writing at computed places. Ids are whole numbers.

/// Rows `w[id]` of `w (V,C)`; zeros for an id outside `0..V`.
pub fn embedding(ids: &[f64], w: &[f64], c: usize) -> Vec<f64> {
    let rows = w.len() / c;
    let mut y = vec![0.0; ids.len() * c];
    for (y, &id) in y.chunks_mut(c).zip(ids) {
        if id >= 0.0 && (id as usize) < rows {
            y.copy_from_slice(&w[id as usize * c..][..c]);
        }
    }
    y
}

/// `y[…, i, …] = x[…, index[…, i, …], …]` along `axis` (`torch.gather`); `index` may be smaller than `x` along the
/// other axes. Ids are clamped to the axis.
pub fn gather(x: &[f64], index: &[f64], x_shape: &[usize], index_shape: &[usize], axis: usize) -> Vec<f64> {
    let rank = x_shape.len();
    (0..index.len())
        .map(|i| {
            let (mut rest, mut at, mut stride) = (i, 0, 1);
            for a in (0..rank).rev() {
                let mut c = rest % index_shape[a];
                rest /= index_shape[a];
                if a == axis {
                    c = index[i].clamp(0.0, (x_shape[a] - 1) as f64) as usize;
                }
                at += c * stride;
                stride *= x_shape[a];
            }
            x[at]
        })
        .collect()
}

/// `d_x[…, i, …] = Σ_{j: index[…, j, …] = i} d_y[…, j, …]` along `axis`, which has `size` elements in `d_x`: the gradient
/// of [`gather`]. Ids are clamped to the axis.
pub fn gather_backward(d_y: &[f64], index: &[f64], shape: &[usize], axis: usize, size: usize) -> Vec<f64> {
    let (outer, taken) = (shape[..axis].iter().product::<usize>(), shape[axis]);
    let inner = shape[axis + 1..].iter().product::<usize>();
    let mut d_x = vec![0.0; outer * size * inner];
    for o in 0..outer {
        for j in 0..taken {
            for i in 0..inner {
                let from = (o * taken + j) * inner + i;
                let place = index[from].clamp(0.0, (size - 1) as f64) as usize;
                d_x[(o * size + place) * inner + i] += d_y[from];
            }
        }
    }
    d_x
}

/// `y[v] = base[v] + Σ_{n: ids[n] = v} x[n]` for rows of `c` elements, added in the order of `n`; ids outside
/// `0..V` add nothing. `base (V,C)` is zero if absent.
pub fn scatter_add(x: &[f64], ids: &[f64], base: Option<&[f64]>, rows: usize, c: usize) -> Vec<f64> {
    let mut y = base.map_or_else(|| vec![0.0; rows * c], <[f64]>::to_vec);
    for (x, &id) in x.chunks(c).zip(ids) {
        if id >= 0.0 && (id as usize) < rows {
            for (y, x) in y[id as usize * c..][..c].iter_mut().zip(x) {
                *y += x;
            }
        }
    }
    y
}

/// The `k` largest of every row of `n` elements, in descending order, and where they stand; of equal values the
/// one with the lower index comes first.
pub fn top_k(x: &[f64], n: usize, k: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut values, mut indices) = (vec![], vec![]);
    for row in x.chunks(n) {
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| row[b].partial_cmp(&row[a]).expect("no NaN").then(a.cmp(&b)));
        values.extend(order[..k].iter().map(|&i| row[i]));
        indices.extend(order[..k].iter().map(|&i| i as f64));
    }
    (values, indices)
}

/// Rows of length `classes` that are 1 at the id and 0 elsewhere; zeros for an id outside `0..classes`.
pub fn one_hot(ids: &[f64], classes: usize) -> Vec<f64> {
    ids.iter().flat_map(|&id| (0..classes).map(move |c| if c as f64 == id { 1.0 } else { 0.0 })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedding_picks_rows() {
        assert_eq!(embedding(&[1.0, 0.0, 7.0], &[1.0, 2.0, 3.0, 4.0], 2), [3.0, 4.0, 1.0, 2.0, 0.0, 0.0]);
    }

    #[test]
    fn gather_as_documented_by_torch() {
        // torch.gather(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[0, 0], [1, 0]]))
        let x = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(gather(&x, &[0.0, 0.0, 1.0, 0.0], &[2, 2], &[2, 2], 1), [1.0, 1.0, 4.0, 3.0]);
        // Along axis 0 with a smaller index: rows 1 and 0 of column 0.
        assert_eq!(gather(&x, &[1.0, 0.0], &[2, 2], &[2, 1], 0), [3.0, 1.0]);
    }

    #[test]
    fn scatter_adds_duplicates() {
        let y = scatter_add(&[1.0, 2.0, 4.0], &[2.0, 0.0, 2.0], Some(&[10.0, 10.0, 10.0]), 3, 1);
        assert_eq!(y, [12.0, 10.0, 15.0]);
    }

    #[test]
    fn top_k_takes_the_first_of_equals() {
        let (values, indices) = top_k(&[1.0, 5.0, 5.0, -2.0, 7.0], 5, 3);
        assert_eq!((values, indices), (vec![7.0, 5.0, 5.0], vec![4.0, 1.0, 2.0]));
    }

    #[test]
    fn one_hot_rows() {
        assert_eq!(one_hot(&[1.0, -1.0], 2), [0.0, 1.0, 0.0, 0.0]);
    }
}
