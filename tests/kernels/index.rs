//! Rows of the index family.

use crate::row::Row;
use handmill::kernels::index::embedding::EMBEDDING;
use handmill::kernels::index::gather::GATHER;
use handmill::kernels::index::gather_backward::GATHER_BACKWARD;
use handmill::kernels::index::one_hot::ONE_HOT;
use handmill::kernels::index::scatter_add::SCATTER_ADD;
use handmill::kernels::index::top_k::TOP_K;
use handmill::tensor::HostTensor;

/// Every row.
pub fn rows() -> Vec<Row> {
    [embedding(), gather(), gather_backward(), scatter_add(), top_k(), one_hot()].into_iter().flatten().collect()
}

fn embedding() -> Vec<Row> {
    vec![
        // torch: F.embedding(torch.tensor([[2, 0]]), torch.tensor([[1., 2.], [3., 4.], [5., 6.]]))
        Row::new(&EMBEDDING, "f32/1x2x3x2/golden")
            .value(HostTensor::i32(&[1, 2], vec![2, 0]))
            .list(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
            .golden(0, &[5.0, 6.0, 1.0, 2.0], 0.0),
        Row::new(&EMBEDDING, "f32/2x16x100x64").ids(&[2, 16], 100).f32(&[100, 64]),
        Row::new(&EMBEDDING, "f32/1x1x1").ids(&[1], 1).f32(&[1, 1]),
        Row::new(&EMBEDDING, "f32/7x13x17").ids(&[7], 13).f32(&[13, 17]),
        Row::new(&EMBEDDING, "f32/scalar_id").value(HostTensor::i32(&[], vec![4])).f32(&[5, 3]),
        Row::new(&EMBEDDING, "f32/65x300x65/many_groups").ids(&[65, 1009], 300).f32(&[300, 65]),
        Row::new(&EMBEDDING, "f32/4x3x5/out_of_range")
            .value(HostTensor::i32(&[4], vec![-1, 3, i32::MAX, 2]))
            .f32(&[3, 5]),
        Row::new(&EMBEDDING, "f16/9x11x7").ids(&[9], 11).f16(&[11, 7]),
        Row::new(&EMBEDDING, "f32/3x2/special")
            .ids(&[3], 2)
            .list(&[2, 3], &[0.0, -0.0, 1e-40, f32::MAX, f32::MIN, f32::MIN_POSITIVE]),
    ]
}

fn gather() -> Vec<Row> {
    vec![
        // torch.gather(torch.tensor([[1., 2.], [3., 4.]]), 1, torch.tensor([[0, 0], [1, 0]]))
        Row::new(&GATHER, "f32/2x2/golden")
            .list(&[2, 2], &[1.0, 2.0, 3.0, 4.0])
            .value(HostTensor::i32(&[2, 2], vec![0, 0, 1, 0]))
            .param("axis", 1i64)
            .golden(0, &[1.0, 1.0, 4.0, 3.0], 0.0),
        Row::new(&GATHER, "f32/4x7x5/axis_0").f32(&[4, 7, 5]).ids(&[6, 7, 5], 4).param("axis", 0i64),
        Row::new(&GATHER, "f32/4x7x5/axis_1_smaller").f32(&[4, 7, 5]).ids(&[3, 9, 2], 7).param("axis", 1i64),
        Row::new(&GATHER, "f32/4x7x5/last").f32(&[4, 7, 5]).ids(&[4, 7, 1], 5).param("axis", -1i64),
        Row::new(&GATHER, "f32/1").f32(&[1]).ids(&[1], 1).param("axis", 0i64),
        Row::new(&GATHER, "i32/3x65").ids(&[3, 65], 1000).ids(&[3, 64], 65).param("axis", 1i64),
        Row::new(&GATHER, "f32/3x4/clamped")
            .f32(&[3, 4])
            .value(HostTensor::i32(&[3, 1], vec![-1, 4, i32::MIN]))
            .param("axis", 1i64),
        Row::new(&GATHER, "f32/5x3x4/permuted")
            .f32(&[5, 3, 4])
            .view(|t| t.permute(&[2, 0, 1]))
            .ids(&[5, 3, 4], 5)
            .view(|t| t.permute(&[2, 0, 1]))
            .param("axis", 1i64),
        // A row of each batch by one id each: the last token.
        Row::new(&GATHER, "f32/2x6x5/select")
            .f32(&[2, 6, 5])
            .ids(&[2, 1, 1], 6)
            .view(|t| t.broadcast_to(&[2, 1, 5]))
            .param("axis", 1i64),
    ]
}

fn gather_backward() -> Vec<Row> {
    let row = |note: &str, shape: &[usize], axis: i64, size: usize| {
        let label = format!("f32/{note}");
        Row::new(&GATHER_BACKWARD, &label).f32(shape).ids(shape, size).param("axis", axis).param("size", size)
    };
    vec![
        // numpy: y=np.zeros((2,3)); np.add.at(y,(np.array([[0],[1]]),[[0,0],[2,0]]),[[1.,2.],[4.,8.]]); y
        Row::new(&GATHER_BACKWARD, "f32/2x2x3/golden")
            .list(&[2, 2], &[1.0, 2.0, 4.0, 8.0])
            .value(HostTensor::i32(&[2, 2], vec![0, 0, 2, 0]))
            .param("axis", 1i64)
            .param("size", 3i64)
            .golden(0, &[3.0, 0.0, 0.0, 8.0, 0.0, 4.0], 0.0),
        row("6x7x5/axis_0", &[6, 7, 5], 0, 4),
        row("3x9x2/axis_1", &[3, 9, 2], 1, 70),
        row("4x7x1/last", &[4, 7, 1], -1, 5),
        row("1", &[1], 0, 1),
        row("3x300/one_place", &[3, 300], 1, 1),
        row("63", &[63], 0, 65),
        row("2x3x2x3/axis_2", &[2, 3, 2, 3], 2, 64),
        row("5x1x70000/many_groups", &[5, 1], 1, 900_001),
        Row::new(&GATHER_BACKWARD, "f32/3x4/clamped")
            .f32(&[3, 1])
            .value(HostTensor::i32(&[3, 1], vec![-1, 4, i32::MIN]))
            .param("axis", 1i64)
            .param("size", 4i64),
        Row::new(&GATHER_BACKWARD, "f32/4x5x3/permuted")
            .f32(&[5, 3, 4])
            .view(|t| t.permute(&[2, 0, 1]))
            .ids(&[5, 3, 4], 6)
            .view(|t| t.permute(&[2, 0, 1]))
            .param("axis", 1i64)
            .param("size", 6i64),
        // One id for each row, whatever the column.
        Row::new(&GATHER_BACKWARD, "f32/2x1x5/broadcast")
            .f32(&[1])
            .view(|t| t.broadcast_to(&[2, 1, 5]))
            .ids(&[2, 1, 1], 6)
            .view(|t| t.broadcast_to(&[2, 1, 5]))
            .param("axis", 1i64)
            .param("size", 6i64),
    ]
}

fn scatter_add() -> Vec<Row> {
    let row = |n: usize, c: usize, rows: usize, note: &str| {
        let label = format!("f32/{n}x{c}x{rows}{note}");
        Row::new(&SCATTER_ADD, &label).f32(&[n, c]).ids(&[n], rows).param("rows", rows)
    };
    vec![
        // numpy: y=np.array([[10.],[20.],[30.]]); np.add.at(y,[2,0,2],[[1.],[2.],[4.]]); y
        Row::new(&SCATTER_ADD, "f32/3x1x3/golden")
            .list(&[3, 1], &[1.0, 2.0, 4.0])
            .value(HostTensor::i32(&[3], vec![2, 0, 2]))
            .list(&[3, 1], &[10.0, 20.0, 30.0])
            .param("rows", 3i64)
            .golden(0, &[12.0, 20.0, 35.0], 0.0),
        row(64, 32, 16, "").none(),
        row(37, 13, 101, "").none(),
        row(1, 1, 1, "").none(),
        row(300, 3, 1, "/all_equal").f32(&[1, 3]),
        row(65, 17, 7, "/base").f32(&[7, 17]),
        row(5, 70, 65_537, "/many_groups").none(),
        Row::new(&SCATTER_ADD, "f32/4x2x3/out_of_range")
            .f32(&[4, 2])
            .value(HostTensor::i32(&[4], vec![-1, 3, 1, i32::MAX]))
            .none()
            .param("rows", 3i64),
    ]
}

fn top_k() -> Vec<Row> {
    let row = |r: usize, n: usize, k: usize| Row::new(&TOP_K, &format!("f32/{r}x{n}/{k}")).f32(&[r, n]).param("k", k);
    let steps = |n: usize, of: usize| (0..n).map(|i| (i * 7919 % of) as f32 - of as f32 / 2.0).collect::<Vec<_>>();
    vec![
        // torch.topk(torch.tensor([1., 5., 5., -2., 7.]), 3)
        Row::new(&TOP_K, "f32/5/3/golden")
            .list(&[5], &[1.0, 5.0, 5.0, -2.0, 7.0])
            .param("k", 3i64)
            .golden(0, &[7.0, 5.0, 5.0], 0.0)
            .golden(1, &[4.0, 1.0, 2.0], 0.0),
        row(3, 1000, 50),
        row(1, 1, 1),
        row(2, 255, 255),
        row(2, 256, 1),
        row(2, 257, 100),
        row(1, 1025, 1024),
        row(1, 50_257, 40),
        row(1, 70_001, 1000),
        row(65_537, 3, 2),
        Row::new(&TOP_K, "f32/2x600/ties").list(&[2, 600], &steps(1200, 5)).param("k", 400i64),
        Row::new(&TOP_K, "f32/1x300/all_equal").list(&[1, 300], &[3.0; 300]).param("k", 7i64),
        Row::new(&TOP_K, "f32/1x8/special")
            .list(&[1, 8], &[-0.0, 0.0, f32::MAX, f32::MIN, 1e-40, -1e-40, f32::MIN_POSITIVE, -1.0])
            .param("k", 8i64),
    ]
}

fn one_hot() -> Vec<Row> {
    vec![
        // torch: F.one_hot(torch.tensor([1, 0]), 3)
        Row::new(&ONE_HOT, "i32/2x3/golden").value(HostTensor::i32(&[2], vec![1, 0])).param("classes", 3i64).golden(
            0,
            &[0.0, 1.0, 0.0, 1.0, 0.0, 0.0],
            0.0,
        ),
        Row::new(&ONE_HOT, "i32/3x7x65").ids(&[3, 7], 65).param("classes", 65i64),
        Row::new(&ONE_HOT, "i32/1x1").ids(&[1], 1).param("classes", 1i64),
        Row::new(&ONE_HOT, "i32/3x2/out_of_range").value(HostTensor::i32(&[3], vec![-1, 2, 1])).param("classes", 2i64),
    ]
}
