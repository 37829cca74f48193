//! How errors travel through a triangular system, for the bounds of this family.

/// A lower triangle of `n` rows, or its transpose, as magnitudes: its own, and those of its inverse.
pub(super) struct Triangle {
    /// Its rows.
    pub n: usize,
    transposed: bool,
    l: Vec<f64>,
    inverse: Vec<f64>,
}

impl Triangle {
    /// Of the leading `n` rows and columns of `l`, which has `stride` columns.
    pub fn of(l: &[f64], stride: usize, n: usize, transposed: bool) -> Triangle {
        let mut leading = vec![0.0; n * n];
        for i in 0..n {
            leading[i * n..i * n + i + 1].copy_from_slice(&l[i * stride..i * stride + i + 1]);
        }
        let mut unit = vec![0.0; n * n];
        (0..n).for_each(|i| unit[i * n + i] = 1.0);
        let inverse = match n {
            0 => vec![],
            _ => kernels_ref::linalg::solve_triangular(&leading, &unit, [n, n], false),
        };
        let magnitudes = |v: Vec<f64>| v.into_iter().map(f64::abs).collect();
        Triangle { n, transposed, l: magnitudes(leading), inverse: magnitudes(inverse) }
    }

    fn times(&self, m: &[f64], v: &[f64]) -> Vec<f64> {
        let n = self.n;
        let mut y = vec![0.0; n];
        for i in 0..n {
            for j in 0..=i {
                let (to, from) = if self.transposed { (j, i) } else { (i, j) };
                y[to] += m[i * n + j] * v[from];
            }
        }
        y
    }

    /// `|t|·v`
    pub fn times_own(&self, v: &[f64]) -> Vec<f64> {
        self.times(&self.l, v)
    }

    /// `|t⁻¹|·v`
    pub fn times_inverse(&self, v: &[f64]) -> Vec<f64> {
        self.times(&self.inverse, v)
    }

    /// `|t|·m`, of a lower `m`.
    pub fn own_times(&self, m: &[f64]) -> Vec<f64> {
        lower_product(&self.l, m, self.n)
    }

    /// `|t⁻¹|·(|t| + m)`, of a lower `m`.
    pub fn inverse_times(&self, m: &[f64]) -> Vec<f64> {
        let sum: Vec<f64> = self.l.iter().zip(m).map(|(l, m)| l + m).collect();
        lower_product(&self.inverse, &sum, self.n)
    }

    /// How far a solution `x` of the triangle is off, at most, where its elements are off by up to `gamma·|t| + moved`,
    /// and the right side by `side`.
    ///
    /// With `t′·x′ = b′` for what is computed: `|x′ − x| ≤ |t⁻¹|·(side + off·|x′|)`, and `|x′| ≤ |x| + |x′ − x|`. Where
    /// `|t⁻¹|·off` may double an error, nothing is known.
    pub fn error(&self, x: &[f64], gamma: f64, moved: Option<&Triangle>, side: &[f64]) -> Vec<f64> {
        let off = |v: &[f64]| {
            let mut y: Vec<f64> = self.times_own(v).into_iter().map(|y| gamma * y).collect();
            if let Some(moved) = moved {
                y.iter_mut().zip(moved.times_own(v)).for_each(|(y, m)| *y += m);
            }
            y
        };
        let sizes: Vec<f64> = x.iter().map(|x| x.abs()).collect();
        let growth = self.times_inverse(&off(&vec![1.0; self.n])).into_iter().fold(0.0, f64::max);
        let own = off(&sizes).into_iter().zip(side).map(|(own, side)| own + side).collect::<Vec<_>>();
        let first = self.times_inverse(&own);
        let rest = growth / (1.0 - growth) * first.iter().copied().fold(0.0, f64::max);
        let known = growth < 0.5 && first.iter().all(|e| e.is_finite());
        first.into_iter().map(|e| if known { e + rest } else { f64::INFINITY }).collect()
    }

    /// A triangle of these magnitudes alone.
    pub fn moved(l: Vec<f64>, n: usize) -> Triangle {
        Triangle { n, transposed: false, l, inverse: vec![] }
    }
}

/// The product of two lower triangles of `n` rows.
fn lower_product(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let mut y = vec![0.0; n * n];
    for i in 0..n {
        for k in 0..=i {
            for j in 0..=k {
                y[i * n + j] += a[i * n + k] * b[k * n + j];
            }
        }
    }
    y
}
