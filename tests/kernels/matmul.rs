//! Rows of the matmul family.

use crate::row::Row;
use handmill::kernels::elementwise::activation;
use handmill::kernels::matmul::matmul::MATMUL;

/// Every row.
pub fn rows() -> Vec<Row> {
    let mut all = plain();
    all.extend(views());
    all.extend(epilogues());
    all.extend(values());
    all
}

fn row(label: &str) -> Row {
    Row::new(&MATMUL, label)
}

/// `(m,k)·(k,n)` without bias and residual.
fn product(m: usize, k: usize, n: usize) -> Row {
    row(&format!("f32/{m}x{k}x{n}")).f32(&[m, k]).f32(&[k, n])
}

/// `(m,k)·(n,k)ᵀ`.
fn transposed(m: usize, k: usize, n: usize) -> Row {
    row(&format!("f32/{m}x{k}x{n}/transposed")).f32(&[m, k]).f32(&[n, k]).view(|t| t.transpose(0, 1))
}

fn plain() -> Vec<Row> {
    vec![
        // numpy: np.arange(6.).reshape(2,3) @ np.arange(12.).reshape(3,4)
        row("f32/2x3x4/golden")
            .list(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
            .list(&[3, 4], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0])
            .golden(0, &[20.0, 23.0, 26.0, 29.0, 56.0, 68.0, 80.0, 92.0], 0.0),
        product(1, 1, 1),
        product(16, 16, 64),
        product(64, 64, 64),
        product(63, 65, 66),
        product(65, 17, 63),
        product(37, 41, 43),
        product(130, 36, 140),
        // Two columns of tiles of 128, in strips of 8 rows and of one.
        product(1030, 8, 132),
        product(129, 48, 260),
        product(1, 96, 128),
        product(3, 97, 65),
        product(4, 64, 68),
        product(5, 64, 64),
        product(8, 128, 12),
        product(9, 20, 132),
        product(17, 4, 4),
        product(2, 3000, 5),
        product(65, 1024, 3),
        product(5, 2055, 70),
        product(3, 70_001, 5),
        product(65_537, 1, 1),
        transposed(64, 64, 64),
        transposed(33, 36, 35),
        transposed(37, 41, 43),
        transposed(130, 36, 131),
        transposed(1, 256, 130),
        transposed(2, 255, 67),
        transposed(7, 64, 10),
        transposed(20, 64, 129),
        row("f16/20x64x72").f32(&[20, 64]).f16(&[64, 72]),
        row("f16/19x33x35/odd").f32(&[19, 33]).f16(&[33, 35]),
        row("f16/130x24x136").f32(&[130, 24]).f16(&[24, 136]),
        row("f16/18x40x23/transposed").f32(&[18, 40]).f16(&[23, 40]).view(|t| t.transpose(0, 1)),
        row("f16/2x36x21/transposed").f32(&[2, 36]).f16(&[21, 36]).view(|t| t.transpose(0, 1)),
        row("f16/1x129x30").f32(&[1, 129]).f16(&[129, 30]),
        row("f16/6x129x70").f32(&[6, 129]).f16(&[129, 70]),
        row("f16/8x66x21/transposed").f32(&[8, 66]).f16(&[21, 66]).view(|t| t.transpose(0, 1)),
    ]
}

fn views() -> Vec<Row> {
    vec![
        row("f32/b3/5x12x16").f32(&[3, 5, 12]).f32(&[3, 12, 16]),
        row("f32/b2x3/5x12x16/shared").f32(&[2, 3, 5, 12]).f32(&[12, 16]),
        row("f32/b2x3/5x7x9/broadcast_w").f32(&[2, 3, 5, 7]).f32(&[2, 1, 7, 9]),
        row("f32/b2x3/5x8x12/broadcast_a").f32(&[3, 5, 8]).f32(&[2, 1, 8, 12]),
        row("f32/b4/6x8x12/one_a").f32(&[6, 8]).f32(&[4, 8, 12]),
        row("f32/b5/1x8x12/rows_from_batch").f32(&[5, 1, 8]).f32(&[8, 12]),
        row("f32/b2x2x2x3/4x4x4").f32(&[2, 1, 2, 1, 4, 4]).f32(&[1, 2, 1, 3, 4, 4]),
        row("f32/32x24x20/a_transposed").f32(&[24, 32]).view(|t| t.transpose(0, 1)).f32(&[24, 20]),
        row("f32/21x19x23/both_transposed")
            .f32(&[19, 21])
            .view(|t| t.transpose(0, 1))
            .f32(&[23, 19])
            .view(|t| t.transpose(0, 1)),
        // Heads of attention: (B, T, H·D) seen as (B, H, T, D), and its transpose.
        row("f32/b2x3/9x8x9/heads")
            .f32(&[2, 9, 24])
            .view(|t| t.heads(3))
            .f32(&[2, 9, 24])
            .view(|t| t.heads(3).transpose(-1, -2)),
        row("f32/b2x3/9x10x8/heads_of_values").f32(&[2, 3, 9, 10]).f32(&[2, 10, 24]).view(|t| t.heads(3)),
        row("f32/10x12x16/slice")
            .f32(&[10, 20])
            .view(|t| t.slice(1, 4, 12))
            .f32(&[14, 20])
            .view(|t| t.slice(0, 1, 12).slice(1, 4, 16)),
        row("f32/10x12x16/odd_slice")
            .f32(&[10, 20])
            .view(|t| t.slice(1, 3, 12))
            .f32(&[14, 20])
            .view(|t| t.slice(0, 1, 12).slice(1, 1, 16)),
        row("f32/9x8x7/every_second")
            .f32(&[9, 16])
            .view(|t| t.slice_step(1, 1, 8, 2))
            .f32(&[8, 14])
            .view(|t| t.slice_step(1, 0, 7, 2)),
        // A weight's gradient: the inner size is a batch of tokens, outermost in both.
        row("f32/17x1600x66/gradient").f32(&[1600, 17]).view(|t| t.transpose(0, 1)).f32(&[1600, 66]),
        row("f32/b3/5x1039x7/long").f32(&[3, 5, 1039]).f32(&[3, 1039, 7]),
        row("f32/9x8x12/row_repeated").f32(&[1, 8]).view(|t| t.broadcast_to(&[9, 8])).f32(&[8, 12]),
        row("f16/12x16x24/slice").f32(&[12, 16]).f16(&[16, 40]).view(|t| t.slice(1, 8, 24)),
        row("f16/12x16x24/odd_slice").f32(&[12, 16]).f16(&[16, 40]).view(|t| t.slice(1, 4, 24)),
    ]
}

fn epilogues() -> Vec<Row> {
    let mut all = vec![
        row("f32/17x20x24/bias").f32(&[17, 20]).f32(&[20, 24]).f32(&[24]),
        row("f32/17x20x24/residual").f32(&[17, 20]).f32(&[20, 24]).none().f32(&[17, 24]),
        row("f32/b2/17x20x24/all")
            .f32(&[2, 17, 20])
            .f32(&[20, 24])
            .f32(&[24])
            .f32(&[2, 17, 24])
            .param("scale", 0.125)
            .param("activation", "gelu")
            .param("activation_out", "relu"),
        row("f32/b2/66x20x132/relu")
            .f32(&[2, 66, 20])
            .f32(&[2, 20, 132])
            .f32(&[132])
            .f32(&[2, 66, 132])
            .param("activation", "relu")
            .param("activation_out", "relu"),
        row("f32/2x33x19/all")
            .f32(&[2, 33])
            .f32(&[33, 19])
            .f32(&[19])
            .f32(&[2, 19])
            .param("scale", -1.7)
            .param("activation", "silu")
            .param("activation_out", "tanh"),
    ];
    all.push(
        row("f32/b2/5x1100x19/long_all")
            .f32(&[2, 5, 1100])
            .f32(&[1100, 19])
            .f32(&[19])
            .f32(&[2, 5, 19])
            .param("scale", 0.125)
            .param("activation", "gelu")
            .param("activation_out", "relu"),
    );
    for (i, name) in activation::NAMES.iter().enumerate() {
        let other = activation::NAMES[(i + 5) % activation::NAMES.len()];
        let row = row(&format!("f32/2x7x6/{name}_{other}")).range(&[2, 7], -3.0, 3.0).f32(&[7, 6]).f32(&[6]);
        all.push(row.f32(&[2, 6]).param("activation", *name).param("activation_out", other));
    }
    all
}

fn values() -> Vec<Row> {
    let whole = |n: usize, step: usize| (0..n).map(|i| (i * step % 17) as f32 - 8.0).collect::<Vec<_>>();
    let identity: Vec<f32> = (0..24 * 24).map(|i| f32::from(u8::from(i % 25 == 0))).collect();
    let tiny = f32::MIN_POSITIVE / 8.0;
    vec![
        // Small whole numbers: every order of summation is exact, and the bound of a product is not.
        row("f32/24x24x28/whole").list(&[24, 24], &whole(576, 7)).list(&[24, 28], &whole(672, 5)),
        row("f32/20x24x24/identity").f32(&[20, 24]).list(&[24, 24], &identity),
        row("f32/5x16x8/all_equal").list(&[5, 16], &[0.1; 80]).list(&[16, 8], &[0.3; 128]),
        row("f32/5x16x8/large").range(&[5, 16], -1e18, 1e18).range(&[16, 8], -1e18, 1e18),
        row("f32/5x16x8/denormal").list(&[5, 16], &[tiny; 80]).range(&[16, 8], 0.5, 2.0),
        row("f32/2x4x4/signed_zero").list(&[2, 4], &[0.0, -0.0, 0.0, -0.0, -0.0, -0.0, 0.0, 0.0]).f32(&[4, 4]),
        row("f32/3x512x8/cancelling").range(&[3, 512], 999.0, 1001.0).f32(&[512, 8]),
    ]
}
