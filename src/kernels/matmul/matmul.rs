//! Products of matrices. Shaders: shaders/matmul/*.wgsl

use super::epilogue;
use super::matmul_backward::backward;
use crate::adapter::{Adapter, AdapterKind};
use crate::graph::Tensor;
use crate::kernel::{
    Backward, Call, Epilogue, Fusion, Grid, Kernel, Part, Port, Ref, RowSplit, Scalars, Scratch, Spec, Step, Steps,
    Variant, Work,
};
use crate::shape::{Dims, Layout, broadcast};
use crate::tensor::Dtype;

pub(super) const A: usize = 0;
pub(super) const W: usize = 1;
const B: usize = 2;
const RESIDUAL: usize = 3;

/// Columns of a workgroup of `vec4` and `direct`.
const COLUMNS: usize = 64;
/// Rows and columns of a tile of `tiled`.
const TILE: usize = 64;
/// Rows and columns of a tile of `wide`, and the tiles from which it is taken: fewer leave most of a GPU idle, where the
/// smaller tiles of `tiled` are four times as many.
const WIDE_TILE: usize = 128;
const MANY: usize = 64;
/// Workgroups that `split` makes at most, the shortest of its pieces, and the inner size from which it is taken.
const ENOUGH: usize = 512;
const SHORTEST: usize = 512;
const LONG: usize = 8192;
/// Rows a workgroup of `matvec` makes where there are no more; else it makes twice as many.
const FEW: usize = 4;

pub(super) const EPILOGUE: Epilogue =
    Epilogue { bias: Some(B), bias_axis_from_end: 1, residual: Some(RESIDUAL), scale: true, fold: None };

/// Products of matrices, with bias, activation and residual.
pub static MATMUL: Kernel = Kernel {
    name: "matmul",
    inputs: &[
        Port::f32("a").strided(),
        Port::f32_or_f16("w").strided(),
        Port::f32("b").optional(),
        Port::f32("residual").optional(),
    ],
    params: &[epilogue::SCALE, epilogue::ACTIVATION, epilogue::ACTIVATION_OUT],
    shape,
    scalars,
    variants: &[COOP, COOP8, SPLIT, WIDE, TILED, MATVEC, VEC4, DIRECT, PLAIN],
    choose,
    work: |c| {
        let p = Problem::of(c);
        Work { flops: 2 * (p.count() * p.m * p.columns) as u64 * p.k as u64, bytes: c.bytes() }
    },
    reference: |r| vec![epilogue::reference(r, &EPILOGUE, product(r, |v| v), 1)],
    bound: |r, _| {
        let sizes = product(r, f64::abs);
        vec![epilogue::bound(r, &EPILOGUE, &product(r, |v| v), &sizes, r.shape(A)[r.shape(A).len() - 1], 1)]
    },
    backward: Backward::Rule(backward),
    steps: Steps::Leading { fixed: W },
    fusion: Fusion { epilogue: Some(EPILOGUE), ..Fusion::NONE },
    row_split: Some(RowSplit { port: W, axis: 1 }),
    output_rows: |c| {
        let p = Problem::of(c);
        if p.count() == 1 && !c.has(RESIDUAL) { p.m } else { 1 }
    },
    ..Kernel::BASE
};

const PLAIN: Variant = Variant {
    shader: "matmul/matmul",
    steps: &[Step {
        entry: "matmul",
        grid: |c| {
            let p = Problem::of(c);
            Grid::Threads((p.count() * p.m * p.columns) as u64)
        },
        loops: |c| Problem::of(c).k as u64 / 8 + 8,
    }],
    ..Variant::BASE
};

const VEC4: Variant = Variant {
    how: "vec4",
    shader: "matmul/vec4",
    applies: |c, _| fours(c),
    steps: &[Step { entry: "matmul_vec4", grid: lanes, loops: |c| Problem::of(c).k as u64 / 4 + 144 }],
    scalars: |c| Scalars::new().set("K_INNERMOST", Problem::of(c).w[0] == 1).set("ROWS", rows(c)),
    ..Variant::BASE
};

/// True if both operands can be read in vectors of four words, of which one holds two values of f16.
fn fours(c: &Call) -> bool {
    Problem::of(c).vectors(if c.input(W).dtype == Dtype::F16 { 8 } else { 4 })
}

const DIRECT: Variant = Variant {
    how: "direct",
    shader: "matmul/direct",
    steps: &[Step { entry: "matmul_direct", grid: lanes, loops: |c| Problem::of(c).k as u64 + 96 }],
    scalars: |c| Scalars::new().set("ROWS", rows(c)),
    ..Variant::BASE
};

const TILED: Variant = Variant {
    how: "tiled",
    shader: "matmul/tiled",
    applies: |c, _| Problem::of(c).m > FEW,
    steps: &[Step {
        entry: "matmul_tiled",
        grid: |c| {
            let p = Problem::of(c);
            Grid::Groups(p.tiles(TILE) as u64)
        },
        loops: |c| Problem::of(c).k as u64 * 17 / 16 + 112,
    }],
    scalars: |c| {
        let p = Problem::of(c);
        Scalars::new().set("A_K_OUTERMOST", p.a[1] != 1).set("W_K_OUTERMOST", p.w[0] != 1)
    },
    ..Variant::BASE
};

const WIDE: Variant = Variant {
    how: "wide",
    shader: "matmul/wide",
    applies: |c, _| Problem::of(c).m > FEW && fours(c),
    steps: &[Step {
        entry: "matmul_wide",
        grid: |c| Grid::Groups(Problem::of(c).tiles(WIDE_TILE) as u64),
        loops: |c| Problem::of(c).k as u64 * 17 / 16 + 128,
    }],
    scalars: |c| Scalars::new().set("K_INNERMOST", Problem::of(c).w[0] == 1),
    ..Variant::BASE
};

const COOP: Variant = Variant {
    how: "coop",
    shader: "matmul/coop",
    applies: |c, adapter| adapter.cooperative == Some(16) && halves(c),
    steps: &[Step {
        entry: "matmul_coop",
        grid: |c| Grid::Groups(Problem::of(c).tiles(8 * 16) as u64),
        loops: |c| Problem::of(c).k as u64 * 3 + 512,
    }],
    scalars: cooperative,
    ..Variant::BASE
};

const COOP8: Variant = Variant {
    how: "coop8",
    shader: "matmul/coop8",
    applies: |c, adapter| adapter.cooperative == Some(8) && halves(c),
    steps: &[Step {
        entry: "matmul_coop8",
        grid: |c| Grid::Groups(Problem::of(c).tiles(8 * 8) as u64),
        loops: |c| Problem::of(c).k as u64 * 3 + 512,
    }],
    scalars: cooperative,
    ..Variant::BASE
};

/// Scalars of the variants with cooperative matrices: an adapter has those only with subgroups of 32 lanes, of which a
/// workgroup takes four.
fn cooperative(c: &Call) -> Scalars {
    Scalars::new().set("K_INNERMOST", Problem::of(c).w[0] == 1).set("WG", 4 * 32usize)
}

/// True if both operands are f16 and can be read four elements at a time.
fn halves(c: &Call) -> bool {
    let f16 = [A, W].iter().all(|&port| c.input(port).dtype == Dtype::F16);
    f16 && Problem::of(c).vectors(4)
}

const SPLIT: Variant = Variant {
    how: "split",
    shader: "matmul/split",
    applies: |c, _| c.part.is_none() && c.rows.is_none() && pieces(&Problem::of(c)).0 > 1,
    steps: &[
        Step {
            entry: "matmul_split_parts",
            grid: |c| {
                let p = Problem::of(c);
                Grid::Groups((pieces(&p).0 * p.tiles(TILE)) as u64)
            },
            loops: |c| pieces(&Problem::of(c)).1 as u64 * 17 / 16 + 96,
        },
        Step {
            entry: "matmul_split",
            grid: |c| Grid::Threads(c.outputs[0].len() as u64),
            loops: |c| pieces(&Problem::of(c)).0 as u64,
        },
    ],
    scratch: &[Scratch { name: "partial", spec: |c| Spec::f32(&[pieces(&Problem::of(c)).0, c.outputs[0].len()]) }],
    scalars: |c| {
        let p = Problem::of(c);
        let (pieces, piece) = pieces(&p);
        Scalars::new()
            .set("A_K_OUTERMOST", p.a[1] != 1)
            .set("W_K_OUTERMOST", p.w[0] != 1)
            .set("PIECES", pieces)
            .set("PIECE", piece)
    },
    ..Variant::BASE
};

/// How many pieces `split` makes of the inner size, and their size: enough workgroups for a large GPU, none of them
/// shorter than `SHORTEST`.
fn pieces(p: &Problem) -> (usize, usize) {
    let most = (ENOUGH / p.tiles(TILE)).min(p.k / SHORTEST).max(1);
    let piece = p.k.div_ceil(most).next_multiple_of(16);
    (p.k.div_ceil(piece), piece)
}

const MATVEC: Variant = Variant {
    how: "matvec",
    shader: "matmul/matvec",
    applies: |c, _| Problem::of(c).m <= 2 * FEW,
    steps: &[Step {
        entry: "matmul_matvec",
        grid: |c| {
            let p = Problem::of(c);
            Grid::Groups(
                (p.count() * p.m.div_ceil(matvec_rows(c)) * p.columns.div_ceil(4 * columns_of_lanes(c))) as u64,
            )
        },
        loops: |c| (Problem::of(c).k * columns_of_lanes(c)) as u64 / 64 + 16,
    }],
    scalars: |c| Scalars::new().set("LANES_N", columns_of_lanes(c)).set("ROWS", matvec_rows(c)),
    ..Variant::BASE
};

/// Rows of a `matvec` workgroup.
fn matvec_rows(c: &Call) -> usize {
    if Problem::of(c).m > FEW { 2 * FEW } else { FEW }
}

/// Lanes of a `matvec` workgroup that lie along the columns; the other factor of 64 lies along k.
fn columns_of_lanes(c: &Call) -> usize {
    if Problem::of(c).w[0] == 1 { 1 } else { 16 }
}

/// Rows a lane of `vec4` and `direct` makes: few where there are few.
fn rows(c: &Call) -> usize {
    match Problem::of(c).m {
        m @ 0..=2 => m,
        3..=4 => 4,
        5..=8 => 8,
        _ => 16,
    }
}

fn lanes(c: &Call) -> Grid {
    let p = Problem::of(c);
    Grid::Groups((p.count() * p.m.div_ceil(rows(c)) * p.columns.div_ceil(COLUMNS)) as u64)
}

fn choose(c: &Call, adapter: &Adapter) -> usize {
    let how = match (adapter.kind, Problem::of(c).m) {
        (AdapterKind::Cpu, _) => VEC4.how,
        (_, m) if m >= TILE && COOP.fits(c, adapter) => COOP.how,
        (_, m) if m >= TILE && COOP8.fits(c, adapter) => COOP8.how,
        // One tile alone would walk all of it: a long sum of few results leaves most of a GPU idle.
        _ if Problem::of(c).k >= LONG && SPLIT.fits(c, adapter) => SPLIT.how,
        (_, m) if m <= 2 * FEW => MATVEC.how,
        _ if Problem::of(c).tiles(WIDE_TILE) >= MANY && WIDE.fits(c, adapter) => WIDE.how,
        _ => TILED.how,
    };
    MATMUL.index_of(how)
}

/// A call as a batch of products, with as much of the batch as possible made rows of `a`.
struct Problem {
    /// The batch as both operands see it.
    batch: [Layout; 2],
    m: usize,
    n: usize,
    k: usize,
    /// First column and number of columns this dispatch writes.
    first: usize,
    columns: usize,
    /// Strides of `a` along m and k.
    a: [usize; 2],
    /// Strides of `w` along k and n.
    w: [usize; 2],
}

impl Problem {
    fn of(c: &Call) -> Problem {
        let (a, w) = (&c.input(A).layout, &c.input(W).layout);
        let (ra, rw) = (a.shape.len() - 2, w.shape.len() - 2);
        let mut shape = broadcast(&a.shape[..ra], &w.shape[..rw]).unwrap_or_default();
        let axes = shape.len();
        let spread = |l: &Layout, rank: usize| -> Vec<usize> {
            let at =
                |axis: usize| (axis + rank).checked_sub(axes).filter(|&i| l.shape[i] != 1).map_or(0, |i| l.strides[i]);
            (0..axes).map(at).collect()
        };
        let (mut sa, mut sw) = (spread(a, ra), spread(w, rw));
        // Where w does not change, neighbouring batches of a are just more rows.
        shape.push(a.shape[ra]);
        sa.push(a.strides[ra]);
        sw.push(0);
        let layout = |strides, offset| Layout { shape: shape.clone(), strides, offset };
        let mut merged = Layout::collapse(&[&layout(sa, a.offset), &layout(sw, w.offset)]);
        let (mut m, mut a_row) = (1, 0);
        if merged[1].strides.last() == Some(&0) {
            m = merged[0].shape.pop().unwrap_or(1);
            a_row = merged[0].strides.pop().unwrap_or(0);
            merged[1].shape.pop();
            merged[1].strides.pop();
        }
        let n = w.shape[rw + 1];
        let k = a.shape[ra + 1];
        // Rows of a stored weight are columns of y only if w is all of it, transposed.
        let whole = rw == 0 && w.offset == 0 && w.strides == [1, k];
        assert!(c.part.is_none() || whole, "bug: matmul: a weight split by rows reaches w as {w:?}");
        let Part { first, rows } = c.part.unwrap_or(Part { first: 0, rows: n });
        if let Some(part) = c.rows {
            merged[0].offset += part.first * a_row;
            m = part.rows;
        }
        let batch = [merged[0].clone(), merged[1].clone()];
        Problem {
            batch,
            m,
            n,
            k,
            first,
            columns: rows,
            a: [a_row, a.strides[ra + 1]],
            w: [w.strides[rw], w.strides[rw + 1]],
        }
    }

    /// Tiles of `side` rows and columns.
    fn tiles(&self, side: usize) -> usize {
        self.count() * self.m.div_ceil(side) * self.columns.div_ceil(side)
    }

    fn count(&self) -> usize {
        self.batch[0].len()
    }

    /// True if four neighbours along k start at multiples of four, and `by` along the inner axis of `w` at multiples of
    /// that.
    fn vectors(&self, by: usize) -> bool {
        let even = |by: usize, strides: &[usize], l: &Layout| {
            let moves = l.shape.iter().zip(&l.strides).filter(|(n, _)| **n != 1).map(|(_, s)| s);
            strides.iter().chain(moves).chain([&l.offset]).all(|s| s.is_multiple_of(by))
        };
        let a = self.a[1] == 1 && self.k.is_multiple_of(4) && even(4, &self.a[..1], &self.batch[0]);
        let along_k = self.w[0] == 1 && self.k.is_multiple_of(by) && even(by, &self.w[1..], &self.batch[1]);
        let along_n = self.w[1] == 1 && self.columns.is_multiple_of(by) && even(by, &self.w[..1], &self.batch[1]);
        a && (along_k || (along_n && self.w[0] != 1))
    }
}

fn shape(c: &Call) -> Result<Vec<Spec>, String> {
    let (a, w) = (c.shape(A), c.shape(W));
    let (Some((ba, &[m, k])), Some((bw, &[inner, n]))) = (a.split_last_chunk::<2>(), w.split_last_chunk::<2>()) else {
        return Err(format!("a is {} and w is {}, expected matrices", Dims(a), Dims(w)));
    };
    if k != inner {
        return Err(format!("inner sizes differ, {k} and {inner}; a {} · w {}", Dims(a), Dims(w)));
    }
    let Some(mut y) = broadcast(ba, bw) else {
        return Err(format!("batches {} and {} do not broadcast", Dims(ba), Dims(bw)));
    };
    y.extend([m, n]);
    epilogue::check(c, &EPILOGUE, n, &y)?;
    Ok(vec![Spec::f32(&y)])
}

fn scalars(c: &Call) -> Scalars {
    let p = Problem::of(c);
    Scalars::new()
        .axes(&[("a", &p.batch[0]), ("w", &p.batch[1])])
        .set("m", p.m)
        .set("n", p.n)
        .set("k", p.k)
        .set("count", p.count())
        .set("first", p.first)
        .set("columns", p.columns)
        .set("a_row", p.a[0])
        .set("a_col", p.a[1])
        .set("w_row", p.w[0])
        .set("w_col", p.w[1])
        .extend(epilogue::scalars(c, &EPILOGUE))
}

/// The products of `f(a)` and `f(w)`.
fn product(r: &Ref, f: impl Fn(f64) -> f64) -> Vec<f64> {
    let (a, w) = (r.shape(A), r.shape(W));
    let (m, k, n) = (a[a.len() - 2], a[a.len() - 1], w[w.len() - 1]);
    let batch = broadcast(&a[..a.len() - 2], &w[..w.len() - 2]).unwrap_or_default();
    let matrices = |s: &[usize]| -> Vec<usize> {
        let own = Layout::contiguous(s);
        let skip = batch.len() - s.len();
        let strides =
            (0..batch.len()).map(|i| if i < skip || s[i - skip] == 1 { 0 } else { own.strides[i - skip] }).collect();
        Layout { shape: batch.clone(), strides, offset: 0 }.indices().collect()
    };
    let of = |v: &[f64]| v.iter().map(|&v| f(v)).collect::<Vec<_>>();
    let (at_a, at_w) = (matrices(&a[..a.len() - 2]), matrices(&w[..w.len() - 2]));
    kernels_ref::matmul::matmul(&of(r.f64(A)), &at_a, &of(r.f64(W)), &at_w, m, k, n)
}

impl<'g> Tensor<'g> {
    /// Matrix product by NumPy's rules: batch axes broadcast, and a vector is a row on the left and a
    /// column on the right. Transposed and broadcast views need no copy.
    ///
    /// `y[…,m,n] = Σ_k x[…,m,k] · w[…,k,n]`
    ///
    /// # Shapes
    /// `self (…, M, K)` · `w (…, K, N)` → `(…, M, N)`
    /// # Errors
    /// [`crate::Error::Graph`] if the inner sizes differ or the batch axes do not broadcast
    /// # Gradient
    /// `self`, `w`
    /// # Source
    /// `numpy.matmul` · PyTorch `torch.matmul`
    #[track_caller]
    pub fn matmul(self, w: Tensor<'g>) -> Tensor<'g> {
        let a = if self.rank() == 1 { self.unsqueeze(0) } else { self };
        let b = if w.rank() == 1 { w.unsqueeze(-1) } else { w };
        let y = self.graph().dispatch(&MATMUL, &[Some(a), Some(b), None, None], &[])[0];
        // After an error of the graph, a result has one axis.
        if (self.rank() > 1 && w.rank() > 1) || y.rank() < 2 {
            return y;
        }
        let mut shape = y.shape();
        if w.rank() == 1 {
            shape.pop();
        }
        if self.rank() == 1 {
            shape.remove(shape.len().saturating_sub(if w.rank() == 1 { 1 } else { 2 }));
        }
        y.reshape(&shape)
    }

    /// Matrix product with the transpose of `w`, as PyTorch stores weights.
    ///
    /// `y[…,m,n] = Σ_k x[…,m,k] · w[…,n,k]`
    ///
    /// # Shapes
    /// `self (…, M, K)` · `w (…, N, K)` → `(…, M, N)`
    /// # Errors
    /// [`crate::Error::Graph`] if the inner sizes differ or the batch axes do not broadcast
    /// # Gradient
    /// `self`, `w`
    /// # Source
    /// PyTorch `F.linear` without bias
    #[track_caller]
    pub fn matmul_t(self, w: Tensor<'g>) -> Tensor<'g> {
        if w.rank() < 2 { self.matmul(w) } else { self.matmul(w.transpose(-1, -2)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::kernel::{Operand, Params};

    fn problem(g: &Graph, a: Tensor<'_>, w: Tensor<'_>) -> (Vec<usize>, usize, [usize; 2], [usize; 2]) {
        g.dispatch(&MATMUL, &[Some(a), Some(w), None, None], &[]);
        let operand = |t: Tensor<'_>| Some(crate::kernel::Operand { dtype: t.dtype(), layout: t.layout() });
        let params = crate::kernel::Params::new(MATMUL.params, &[]).unwrap();
        let inputs = vec![operand(a), operand(w), None, None];
        let p = Problem::of(&Call { kernel: &MATMUL, inputs, outputs: vec![], params, part: None, rows: None });
        (p.batch[0].shape.clone(), p.m, p.a, p.w)
    }

    #[test]
    fn a_batch_of_one_weight_becomes_rows() {
        let g = Graph::new();
        let (x, w) = (g.weight("x", &[2, 3, 5, 8]), g.weight("w", &[7, 8]));
        assert_eq!(problem(&g, x, w.transpose(0, 1)), (vec![], 30, [8, 1], [1, 8]));
        let heads = g.weight("y", &[2, 5, 24]).heads(3);
        assert_eq!(problem(&g, heads, heads.transpose(-1, -2)), (vec![2, 3], 5, [24, 1], [1, 24]));
    }

    #[test]
    fn halves_take_cooperative_matrices_where_an_adapter_has_them() {
        let how = |adapter: &Adapter, dtypes: [Dtype; 2], [m, k, n]: [usize; 3]| {
            let operand = |dtype, shape: &[usize]| Some(Operand { dtype, layout: Layout::contiguous(shape) });
            let inputs = vec![operand(dtypes[0], &[m, k]), operand(dtypes[1], &[k, n]), None, None];
            let params = Params::new(MATMUL.params, &[]).unwrap();
            let call =
                Call { kernel: &MATMUL, inputs, outputs: vec![Spec::f32(&[m, n])], params, part: None, rows: None };
            MATMUL.variant(&call, adapter).how
        };
        let (both, size) = ([Dtype::F16; 2], [128, 256, 128]);
        let without = Adapter { cooperative: None, ..Adapter::nvidia() };
        assert_eq!(how(&Adapter::nvidia(), both, size), "coop");
        assert_eq!(how(&Adapter::apple(), both, size), "coop8");
        assert_eq!(how(&without, both, size), "tiled");
        assert_eq!(how(&Adapter { cooperative: Some(16), ..Adapter::lavapipe() }, both, size), "vec4");
        for dtypes in [[Dtype::F32, Dtype::F16], [Dtype::F16, Dtype::F32], [Dtype::F32; 2]] {
            assert_eq!(how(&Adapter::nvidia(), dtypes, size), "tiled");
        }
        assert_eq!(how(&Adapter::nvidia(), both, [8, 256, 128]), "matvec");
        for odd in [[128, 254, 128], [128, 256, 126]] {
            assert_eq!(how(&Adapter::nvidia(), both, odd), "tiled", "{odd:?}");
        }
    }

    #[test]
    fn vectors_are_rows_and_columns() {
        let g = Graph::new();
        let (v, m) = (g.weight("v", &[4]), g.weight("m", &[2, 4, 4]));
        let shapes = [v.matmul(m), m.matmul(v), v.matmul(v), m.matmul(m)].map(|t| t.shape());
        assert_eq!(shapes, [vec![2, 4], vec![2, 4], vec![], vec![2, 4, 4]]);
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let said = |a: &[usize], w: &[usize]| {
            let g = Graph::new();
            g.weight("a", a).matmul(g.weight("w", w));
            g.build().unwrap_err().to_string()
        };
        assert!(said(&[2, 3], &[4, 5]).contains("inner sizes differ, 3 and 4; a (2, 3) · w (4, 5)"));
        assert!(said(&[2, 3, 4], &[3, 4, 5]).contains("batches (2,) and (3,) do not broadcast"));
    }
}
