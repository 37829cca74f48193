//! Rows of the norm family.

#[path = "fixture.rs"]
pub mod fixture;

use crate::row::Row;
use fixture::{golden, input, weight};
use handmill::kernel::Kernel;
use handmill::kernels::elementwise::activation;
use handmill::kernels::norm::batch_norm::BATCH_NORM;
use handmill::kernels::norm::batch_norm_train::BATCH_NORM_TRAIN;
use handmill::kernels::norm::batch_norm_train_backward::BATCH_NORM_TRAIN_BACKWARD;
use handmill::kernels::norm::group_norm::GROUP_NORM;
use handmill::kernels::norm::group_norm_backward::GROUP_NORM_BACKWARD;
use handmill::kernels::norm::group_norm_backward_w::GROUP_NORM_BACKWARD_W;
use handmill::kernels::norm::instance_norm::INSTANCE_NORM;
use handmill::kernels::norm::layer_norm::LAYER_NORM;
use handmill::kernels::norm::layer_norm_backward::LAYER_NORM_BACKWARD;
use handmill::kernels::norm::layer_norm_backward_w::LAYER_NORM_BACKWARD_W;
use handmill::kernels::norm::rms_norm::RMS_NORM;
use handmill::kernels::norm::rms_norm_backward::RMS_NORM_BACKWARD;
use handmill::kernels::norm::rms_norm_backward_w::RMS_NORM_BACKWARD_W;
use handmill::kernels::norm::running_update::RUNNING_UPDATE;
use handmill::tensor::HostTensor;

/// Every row.
pub fn rows() -> Vec<Row> {
    let forward = [layer_norm(), rms_norm(), group_norm(), instance_norm(), batch_norm()];
    let gradients = [row_gradients(), column_gradients(), group_gradients(), batch_gradients()];
    forward.into_iter().chain([batch_norm_train(), running_update()]).chain(gradients).flatten().collect()
}

fn reshaped(tensor: HostTensor, shape: &[usize]) -> HostTensor {
    HostTensor::new(shape, tensor.data().clone()).expect("the counts agree")
}

/// Rows that every kernel over the last axis has; `finish` adds its weights.
fn row_cases(kernel: &'static Kernel, finish: fn(Row, usize) -> Row) -> Vec<Row> {
    // 1, workgroup − 1, workgroup, workgroup + 1 for both workgroup sizes, primes, more than 65,535 groups.
    let sizes: &[(usize, usize)] =
        &[(8, 768), (1, 1), (3, 63), (3, 64), (3, 65), (17, 257), (2, 1023), (1, 1025), (2, 4099), (65_537, 2)];
    // The same edges in fours, and the longest row that a workgroup holds.
    let fours = [(1, 4), (3, 252), (3, 256), (3, 260), (9, 1024), (2, 1028), (2, 8192), (2, 8196), (65_537, 4)];
    let mut rows: Vec<Row> = sizes
        .iter()
        .chain(&fours)
        .map(|&(r, c)| finish(Row::new(kernel, &format!("f32/{r}x{c}")).f32(&[r, c]), c))
        .collect();
    let tiny = [0.0, -0.0, 1e-40, -1e-39, f32::MIN_POSITIVE, 0.0, 1e-30, -1e-30];
    rows.extend([
        finish(Row::new(kernel, "f32/2x3x17/batch").f32(&[2, 3, 17]), 17),
        finish(Row::new(kernel, "f32/4x96/mean_1000").range(&[4, 96], 999.0, 1001.0), 96),
        finish(Row::new(kernel, "f32/3x70/large").range(&[3, 70], -1e15, 1e15), 70),
        finish(Row::new(kernel, "f32/2x8/all_equal").list(&[2, 8], &[3.0; 16]), 8),
        finish(Row::new(kernel, "f32/1x8/tiny").list(&[1, 8], &tiny), 8),
        finish(Row::new(kernel, "f32/1x7/tiny").list(&[1, 7], &tiny[..7]), 7),
        finish(Row::new(kernel, "f32/5x33/strided").f32(&[33, 5]).view(|x| x.transpose(0, 1)), 33),
    ]);
    rows
}

fn layer_norm() -> Vec<Row> {
    let mut rows = row_cases(&LAYER_NORM, |row, c| row.f32(&[c]).f32(&[c]));
    let case = "layer_norm";
    let affine = Row::new(&LAYER_NORM, "f32/2x5x8/torch")
        .value(input(case))
        .value(weight(case, "weight"))
        .value(weight(case, "bias"));
    let axes = "layer_norm_multi_axis";
    let flat = reshaped(input(axes), &[2, 3, 24]);
    rows.extend([
        // numpy: x=np.array([1.,2,4]); (x-x.mean())/np.sqrt(x.var()+1e-5)
        Row::new(&LAYER_NORM, "f32/1x3/golden").list(&[1, 3], &[1.0, 2.0, 4.0]).none().none().golden(
            0,
            &[-1.0690416, -0.2672604, 1.3363020],
            1e-6,
        ),
        golden(affine, case),
        Row::new(&LAYER_NORM, "f32/2x3x24/torch").value(flat).none().none().golden(
            0,
            &fixture::tensor(axes, "outputs", "output").to_f64(),
            1e-6,
        ),
        Row::new(&LAYER_NORM, "f32/2x3x17/plain").f32(&[2, 3, 17]).none().none().param("eps", 1e-6),
        Row::new(&LAYER_NORM, "f32/2x19/w").f32(&[2, 19]).f32(&[19]).none(),
        Row::new(&LAYER_NORM, "f32/2x19/b").f32(&[2, 19]).none().f32(&[19]),
    ]);
    rows
}

fn rms_norm() -> Vec<Row> {
    let mut rows = row_cases(&RMS_NORM, |row, c| row.f32(&[c]));
    let case = "rms_norm";
    let torch = Row::new(&RMS_NORM, "f32/2x5x8/torch").value(input(case)).value(weight(case, "weight"));
    rows.extend([
        golden(torch.param("eps", 1e-3), case),
        Row::new(&RMS_NORM, "f32/2x3x17/plain").f32(&[2, 3, 17]).none(),
        // numpy: x=np.array([3.,4]); x/np.sqrt((x*x).mean())
        Row::new(&RMS_NORM, "f32/1x2/golden")
            .list(&[1, 2], &[3.0, 4.0])
            .none()
            .param("eps", 0.0)
            .golden(0, &[0.848528137, 1.131370850], 1e-8)
            .golden(1, &[0.282842712], 1e-8),
    ]);
    rows
}

fn group_norm() -> Vec<Row> {
    let row = |shape: &[usize], groups: usize, note: &str| {
        let sizes: Vec<_> = shape.iter().map(|n| n.to_string()).collect();
        let label = format!("f32/{}/g{groups}{note}", sizes.join("x"));
        Row::new(&GROUP_NORM, &label).f32(shape).f32(&[shape[1]]).f32(&[shape[1]]).param("num_groups", groups)
    };
    let (case, plain) = ("group_norm", "group_norm_plain");
    let torch = Row::new(&GROUP_NORM, "f32/2x6x4x5/torch")
        .value(input(case))
        .value(weight(case, "weight"))
        .value(weight(case, "bias"))
        .param("num_groups", 2usize);
    let torch_plain =
        Row::new(&GROUP_NORM, "f32/2x4x9/torch").value(input(plain)).none().none().param("num_groups", 4usize);
    let mut rows = vec![
        golden(torch, case),
        golden(torch_plain, plain),
        row(&[1, 32, 8, 8], 8, ""),
        row(&[2, 6, 7, 3], 3, "/shift").f32(&[2, 6]),
        row(&[1, 2, 8193], 2, "/parts_shift").f32(&[1, 2]),
        row(&[3, 5], 1, "/no_space_shift").f32(&[3, 5]),
        row(&[2, 8, 65], 2, "/large_shift").range(&[2, 8], 99.0, 101.0).param("activation", "silu"),
        row(&[1, 1, 1], 1, ""),
        row(&[3, 5], 1, "/no_space"),
        row(&[2, 6, 7, 3], 3, ""),
        row(&[2, 6, 7, 3], 6, ""),
        row(&[2, 7, 9], 1, ""),
        row(&[2, 2, 63], 1, ""),
        row(&[1, 4, 16], 1, "/workgroup"),
        row(&[1, 5, 13], 1, "/workgroup_and_1"),
        row(&[1, 2, 3, 2, 5], 2, "/volume"),
        row(&[16, 4, 37], 2, ""),
        // Three parts, the last of one element; two groups.
        row(&[1, 2, 8193], 2, "/parts"),
        row(&[1, 3, 2731], 1, "/parts_across_channels"),
        row(&[32_769, 2, 1], 2, "/many"),
        Row::new(&GROUP_NORM, "f32/2x4x6/g2/w").f32(&[2, 4, 6]).f32(&[4]).none().param("num_groups", 2usize),
        Row::new(&GROUP_NORM, "f32/2x4x6/g2/b").f32(&[2, 4, 6]).none().f32(&[4]).param("num_groups", 2usize),
        Row::new(&GROUP_NORM, "f32/1x4x4099/g2/mean_1000")
            .range(&[1, 4, 4099], 999.0, 1001.0)
            .none()
            .none()
            .param("num_groups", 2usize),
        Row::new(&GROUP_NORM, "f32/1x2x5/g1/all_equal")
            .list(&[1, 2, 5], &[-7.0; 10])
            .none()
            .none()
            .param("num_groups", 1usize),
        Row::new(&GROUP_NORM, "f32/1x4x5/g2/large")
            .range(&[1, 4, 5], -1e15, 1e15)
            .none()
            .none()
            .param("num_groups", 2usize),
        row(&[2, 4, 6], 2, "/both_activations").param("activation", "relu").param("activation_out", "sigmoid"),
        row(&[1, 2, 8193], 1, "/parts_silu").param("activation", "silu"),
        // Planes of a multiple of 4: several in a vector's reach, across workgroup sizes, the largest that is held, one more.
        row(&[3, 4, 8], 2, "/fours"),
        row(&[2, 5, 52], 1, "/fours_shift").f32(&[2, 5]).param("activation", "silu"),
        row(&[2, 6, 8, 8], 3, "/fours_both").param("activation", "relu").param("activation_out", "sigmoid"),
        row(&[1, 2, 516], 1, "/fours_large"),
        row(&[1, 2, 4096], 1, "/held"),
        row(&[1, 2, 4100], 1, "/not_held"),
    ];
    rows.extend(
        activation::NAMES.iter().map(|name| row(&[2, 4, 9], 2, &format!("/{name}")).param("activation", *name)),
    );
    rows
}

fn instance_norm() -> Vec<Row> {
    let row = |shape: &[usize], note: &str| {
        let sizes: Vec<_> = shape.iter().map(|n| n.to_string()).collect();
        let label = format!("f32/{}{note}", sizes.join("x"));
        Row::new(&INSTANCE_NORM, &label).f32(shape).f32(&[shape[1]]).f32(&[shape[1]])
    };
    let (case, plain) = ("instance_norm2d", "instance_norm2d_plain");
    let torch = Row::new(&INSTANCE_NORM, "f32/2x4x5x6/torch")
        .value(input(case))
        .value(weight(case, "weight"))
        .value(weight(case, "bias"));
    vec![
        golden(torch, case),
        golden(Row::new(&INSTANCE_NORM, "f32/2x3x5x6/torch").value(input(plain)).none().none(), plain),
        row(&[2, 3, 8, 8], ""),
        row(&[1, 1, 1], ""),
        row(&[5, 7, 13], ""),
        row(&[5, 7, 12], "/fours"),
        row(&[1, 2, 1028], "/fours_large"),
        row(&[1, 2, 1031], ""),
        row(&[1, 2, 8193], "/parts"),
        row(&[32_769, 2, 1], "/many"),
        row(&[2, 3, 8, 8], "/silu").param("activation", "silu"),
        Row::new(&INSTANCE_NORM, "f32/1x2x5/all_equal").list(&[1, 2, 5], &[-7.0; 10]).none().none(),
    ]
}

fn batch_norm() -> Vec<Row> {
    let row = |shape: &[usize], note: &str| {
        let sizes: Vec<_> = shape.iter().map(|n| n.to_string()).collect();
        let label = format!("f32/{}{note}", sizes.join("x"));
        let c = &[shape[1]];
        Row::new(&BATCH_NORM, &label).f32(shape).f32(c).range(c, 0.1, 2.0).f32(c).f32(c)
    };
    let (case, plain) = ("batch_norm2d", "batch_norm2d_plain");
    let torch = Row::new(&BATCH_NORM, "f32/2x4x5x6/torch")
        .value(input(case))
        .value(weight(case, "running_mean"))
        .value(weight(case, "running_var"))
        .value(weight(case, "weight"))
        .value(weight(case, "bias"));
    let torch_plain = Row::new(&BATCH_NORM, "f32/2x3x4x4/torch")
        .value(input(plain))
        .value(weight(plain, "running_mean"))
        .value(weight(plain, "running_var"))
        .none()
        .none();
    vec![
        golden(torch, case),
        golden(torch_plain, plain),
        row(&[2, 8, 8, 8], ""),
        row(&[1, 1], ""),
        row(&[3, 7, 3], ""),
        row(&[1, 63], ""),
        row(&[1, 64], ""),
        row(&[1, 65], ""),
        row(&[1, 1, 252], ""),
        row(&[1, 1, 256], ""),
        row(&[1, 1, 260], ""),
        row(&[65_536, 65], "/many"),
        row(&[2, 3, 5], "/eps").param("eps", 1e-3),
        Row::new(&BATCH_NORM, "f32/2x3x5/w").f32(&[2, 3, 5]).f32(&[3]).range(&[3], 0.1, 2.0).f32(&[3]).none(),
        Row::new(&BATCH_NORM, "f32/2x3x5/b").f32(&[2, 3, 5]).f32(&[3]).range(&[3], 0.1, 2.0).none().f32(&[3]),
        Row::new(&BATCH_NORM, "f32/1x2x4/mean_1000")
            .range(&[1, 2, 4], 999.0, 1001.0)
            .range(&[2], 999.0, 1001.0)
            .list(&[2], &[0.0, 0.25])
            .none()
            .none(),
        Row::new(&BATCH_NORM, "f32/1x2x4/special")
            .list(&[1, 2, 4], &[0.0, -0.0, 1e-40, -1e-39, 1e30, -1e30, f32::MIN_POSITIVE, 1.0])
            .list(&[2], &[0.0, 0.0])
            .list(&[2], &[1.0, 1.0])
            .none()
            .none(),
    ]
}

/// `f32/<shape><note>`.
fn label(shape: &[usize], note: &str) -> String {
    let sizes: Vec<_> = shape.iter().map(|n| n.to_string()).collect();
    format!("f32/{}{note}", sizes.join("x"))
}

fn batch_norm_train() -> Vec<Row> {
    let row = |shape: &[usize], note: &str| {
        Row::new(&BATCH_NORM_TRAIN, &label(shape, note)).f32(shape).f32(&[shape[1]]).f32(&[shape[1]])
    };
    let case = "batch_norm2d";
    let x = input(case);
    vec![
        row(&[2, 8, 8, 8], ""),
        row(&[1, 1], ""),
        row(&[3, 7, 3], ""),
        row(&[64, 19], "/no_space"),
        row(&[63, 2], ""),
        row(&[65, 2], ""),
        row(&[5, 3, 5, 41], "/workgroup_of_256"),
        // Three parts, the last of one element; parts begin inside planes.
        row(&[3, 2, 2731], "/parts"),
        row(&[1, 65_537, 1], "/many"),
        Row::new(&BATCH_NORM_TRAIN, "f32/2x4x5x6/plain").value(x).none().none().param("eps", 1e-3),
        Row::new(&BATCH_NORM_TRAIN, "f32/2x3x5/w").f32(&[2, 3, 5]).f32(&[3]).none(),
        Row::new(&BATCH_NORM_TRAIN, "f32/2x3x5/b").f32(&[2, 3, 5]).none().f32(&[3]),
        Row::new(&BATCH_NORM_TRAIN, "f32/4x3x50/mean_1000").range(&[4, 3, 50], 999.0, 1001.0).none().none(),
        Row::new(&BATCH_NORM_TRAIN, "f32/2x2x5/large").range(&[2, 2, 5], -1e15, 1e15).none().none(),
        Row::new(&BATCH_NORM_TRAIN, "f32/2x2x5/all_equal").list(&[2, 2, 5], &[-7.0; 20]).none().none(),
        Row::new(&BATCH_NORM_TRAIN, "f32/3x5x2/strided")
            .f32(&[3, 2, 5])
            .view(|x| x.transpose(1, 2))
            .f32(&[5])
            .f32(&[5]),
        // numpy: x=np.array([[[1.,2],[0,1]],[[4,7],[1,0]]]); m=x.mean((0,2)); v=x.var((0,2)); r=1/np.sqrt(v+.5)
        //        (x-m[:,None])*(r*[1,2])[:,None]+[[.5],[0]]
        Row::new(&BATCH_NORM_TRAIN, "f32/2x2x2/golden")
            .list(&[2, 2, 2], &[1.0, 2.0, 0.0, 1.0, 4.0, 7.0, 1.0, 0.0])
            .list(&[2], &[1.0, 2.0])
            .list(&[2], &[0.5, 0.0])
            .param("eps", 0.5)
            .golden(
                0,
                &[
                    -0.54257207,
                    -0.125543242,
                    -1.154700538,
                    1.154700538,
                    0.708514414,
                    1.959600898,
                    1.154700538,
                    -1.154700538,
                ],
                1e-8,
            )
            .golden(1, &[3.5, 0.5], 1e-12)
            .golden(2, &[5.25, 0.25], 1e-12)
            .golden(3, &[0.4170288281, 1.1547005384], 1e-9),
    ]
}

fn running_update() -> Vec<Row> {
    let row = |n: usize, momentum: f64, scale: f64, note: &str| {
        let row = Row::new(&RUNNING_UPDATE, &label(&[n], note)).f32(&[n]).f32(&[n]);
        row.param("momentum", momentum).param("scale", scale)
    };
    vec![
        row(1, 0.1, 1.0, ""),
        row(63, 0.1, 64.0 / 63.0, ""),
        row(64, 0.0, 1.0, "/keeps"),
        row(65, 1.0, 1.0, "/forgets"),
        row(4099, 0.01, 1.5, ""),
        Row::new(&RUNNING_UPDATE, "f32/2x3/axes").f32(&[2, 3]).f32(&[2, 3]),
        Row::new(&RUNNING_UPDATE, "f32/4/special")
            .list(&[4], &[0.0, 1e30, -1e-40, 1.0])
            .list(&[4], &[0.0, 1e30, 1e-40, -9.0]),
        row(2, 0.25, 4.0 / 3.0, ""),
        // numpy: .75*np.array([1.,-2])+.25*4/3*np.array([6.,9])
        Row::new(&RUNNING_UPDATE, "f32/2/golden")
            .list(&[2], &[1.0, -2.0])
            .list(&[2], &[6.0, 9.0])
            .param("momentum", 0.25)
            .param("scale", 4.0 / 3.0)
            .golden(0, &[2.75, 1.5], 1e-12),
    ]
}

/// Gradients by rows. Statistics are given, so they need not be those of `x`.
fn row_gradients() -> Vec<Row> {
    let layer = |r: usize, c: usize, note: &str| {
        let row = Row::new(&LAYER_NORM_BACKWARD, &label(&[r, c], note)).f32(&[r, c]).f32(&[c]);
        row.f32(&[r, c]).range(&[r], -0.1, 0.1).range(&[r], 0.5, 2.0)
    };
    let rms = |r: usize, c: usize, note: &str| {
        Row::new(&RMS_NORM_BACKWARD, &label(&[r, c], note)).f32(&[r, c]).f32(&[c]).f32(&[r, c]).range(&[r], 0.5, 2.0)
    };
    let sizes: &[(usize, usize)] =
        &[(8, 96), (1, 1), (3, 63), (3, 64), (3, 65), (17, 257), (2, 1023), (1, 1025), (65_537, 2)];
    let mut rows: Vec<Row> = sizes.iter().flat_map(|&(r, c)| [layer(r, c, ""), rms(r, c, "")]).collect();
    let tiny = [0.0, -0.0, 1e-40, -1e-39, f32::MIN_POSITIVE, 1e-30];
    rows.extend([
        Row::new(&LAYER_NORM_BACKWARD, "f32/2x3x17/batch_plain")
            .f32(&[2, 3, 17])
            .none()
            .f32(&[2, 3, 17])
            .f32(&[2, 3])
            .range(&[2, 3], 0.5, 2.0),
        Row::new(&LAYER_NORM_BACKWARD, "f32/3x70/large")
            .range(&[3, 70], -1e15, 1e15)
            .none()
            .range(&[3, 70], -1e10, 1e10)
            .f32(&[3])
            .range(&[3], 1e-15, 2e-15),
        Row::new(&LAYER_NORM_BACKWARD, "f32/1x6/tiny")
            .list(&[1, 6], &tiny)
            .none()
            .list(&[1, 6], &tiny)
            .f32(&[1])
            .f32(&[1]),
        Row::new(&LAYER_NORM_BACKWARD, "f32/5x33/strided")
            .f32(&[33, 5])
            .view(|x| x.transpose(0, 1))
            .f32(&[33])
            .f32(&[33])
            .view(|d| d.broadcast_to(&[5, 33]))
            .f32(&[5])
            .f32(&[5]),
        // numpy: x=np.array([1.,2,4]); d=np.array([1.,-1,2]); g=d*[2,1,1]; m=x.mean(); r=1/np.sqrt(x.var()+.5); n=(x-m)*r
        //        r*(g-g.mean()-n*(g*n).mean())
        Row::new(&LAYER_NORM_BACKWARD, "f32/1x3/golden")
            .list(&[1, 3], &[1.0, 2.0, 4.0])
            .list(&[3], &[2.0, 1.0, 1.0])
            .list(&[1, 3], &[1.0, -1.0, 2.0])
            .list(&[1], &[7.0 / 3.0])
            .list(&[1], &[0.6974858])
            .golden(0, &[0.848293580, -1.357269728, 0.508976148], 1e-6),
        Row::new(&RMS_NORM_BACKWARD, "f32/2x3x17/batch_plain").f32(&[2, 3, 17]).none().f32(&[2, 3, 17]).range(
            &[2, 3],
            0.5,
            2.0,
        ),
        Row::new(&RMS_NORM_BACKWARD, "f32/1x6/tiny").list(&[1, 6], &tiny).none().list(&[1, 6], &tiny).f32(&[1]),
        // numpy: x=np.array([3.,4]); d=np.array([1.,-1])*[1,2]; r=1/np.sqrt((x*x).mean()); n=x*r; r*(d-n*(d*n).mean())
        Row::new(&RMS_NORM_BACKWARD, "f32/1x2/golden")
            .list(&[1, 2], &[3.0, 4.0])
            .list(&[2], &[1.0, 2.0])
            .list(&[1, 2], &[1.0, -1.0])
            .list(&[1], &[0.28284273])
            .golden(0, &[0.452548340, -0.339411255], 1e-7),
    ]);
    rows
}

/// Gradients by columns.
fn column_gradients() -> Vec<Row> {
    let layer = |r: usize, c: usize| {
        let row = Row::new(&LAYER_NORM_BACKWARD_W, &label(&[r, c], "")).f32(&[r, c]).f32(&[r, c]);
        row.f32(&[r]).range(&[r], 0.5, 2.0)
    };
    let rms = |r: usize, c: usize| {
        Row::new(&RMS_NORM_BACKWARD_W, &label(&[r, c], "")).f32(&[r, c]).f32(&[r, c]).range(&[r], 0.5, 2.0)
    };
    let sizes: &[(usize, usize)] =
        &[(1, 1), (2, 63), (3, 64), (4, 65), (5, 96), (17, 257), (1031, 3), (65_537, 2), (2, 16_777), (3, 2_100_001)];
    let mut rows: Vec<Row> = sizes.iter().flat_map(|&(r, c)| [layer(r, c), rms(r, c)]).collect();
    rows.extend([
        Row::new(&LAYER_NORM_BACKWARD_W, "f32/2x3x17/batch")
            .f32(&[2, 3, 17])
            .f32(&[2, 3, 17])
            .f32(&[2, 3])
            .f32(&[2, 3]),
        Row::new(&LAYER_NORM_BACKWARD_W, "f32/5x33/strided")
            .f32(&[33, 5])
            .view(|x| x.transpose(0, 1))
            .f32(&[])
            .view(|d| d.broadcast_to(&[5, 33]))
            .f32(&[5])
            .f32(&[5]),
        // numpy: x=np.array([[1.,2],[4,3]]); m=x.mean(1); r=np.array([2.,.5]); d=np.array([[1.,-1],[2,3]])
        //        (d*(x-m[:,None])*r[:,None]).sum(0), d.sum(0)
        Row::new(&LAYER_NORM_BACKWARD_W, "f32/2x2/golden")
            .list(&[2, 2], &[1.0, 2.0, 4.0, 3.0])
            .list(&[2, 2], &[1.0, -1.0, 2.0, 3.0])
            .list(&[2], &[1.5, 3.5])
            .list(&[2], &[2.0, 0.5])
            .golden(0, &[-0.5, -1.75], 1e-12)
            .golden(1, &[3.0, 2.0], 1e-12),
        Row::new(&RMS_NORM_BACKWARD_W, "f32/2x3x17/batch").f32(&[2, 3, 17]).f32(&[2, 3, 17]).f32(&[2, 3]),
        // numpy: (d*x*r[:,None]).sum(0), as above
        Row::new(&RMS_NORM_BACKWARD_W, "f32/2x2/golden")
            .list(&[2, 2], &[1.0, 2.0, 4.0, 3.0])
            .list(&[2, 2], &[1.0, -1.0, 2.0, 3.0])
            .list(&[2], &[2.0, 0.5])
            .golden(0, &[6.0, 0.5], 1e-12),
    ]);
    rows
}

fn group_gradients() -> Vec<Row> {
    let sums = |shape: &[usize], groups: usize, note: &str| {
        let row = Row::new(&GROUP_NORM_BACKWARD_W, &label(shape, &format!("/g{groups}{note}"))).f32(shape).f32(shape);
        row.f32(&[shape[0], groups]).range(&[shape[0], groups], 0.5, 2.0)
    };
    let inputs = |shape: &[usize], groups: usize, note: &str| {
        let row =
            Row::new(&GROUP_NORM_BACKWARD, &label(shape, &format!("/g{groups}{note}"))).f32(shape).f32(&[shape[1]]);
        let row = row.f32(shape).f32(&[shape[0], groups]).range(&[shape[0], groups], 0.5, 2.0);
        row.range(&[shape[0], shape[1], 2], -5.0, 5.0)
    };
    let cases: &[(&[usize], usize)] = &[
        (&[1, 32, 8, 8], 8),
        (&[1, 1, 1], 1),
        (&[3, 5], 1),
        (&[2, 6, 7, 3], 3),
        (&[2, 6, 7, 3], 6),
        (&[2, 2, 63], 1),
        (&[2, 2, 65], 2),
        (&[1, 2, 3, 2, 5], 2),
        (&[1, 3, 1031], 3),
        (&[32_769, 2, 1], 2),
    ];
    let mut rows: Vec<Row> = cases.iter().flat_map(|&(s, g)| [sums(s, g, ""), inputs(s, g, "")]).collect();
    rows.extend([
        Row::new(&GROUP_NORM_BACKWARD_W, "f32/4x3x5/g3/broadcast")
            .f32(&[4, 3, 5])
            .f32(&[4, 3, 5])
            .f32(&[3])
            .view(|m| m.broadcast_to(&[4, 3]))
            .f32(&[3, 4])
            .view(|r| r.transpose(0, 1)),
        Row::new(&GROUP_NORM_BACKWARD_W, "f32/4x300x2/g3/planes")
            .f32(&[4, 300, 2])
            .f32(&[4, 300, 2])
            .f32(&[4, 3])
            .f32(&[4, 3]),
        Row::new(&GROUP_NORM_BACKWARD, "f32/2x4x6/g2/plain")
            .f32(&[2, 4, 6])
            .none()
            .f32(&[2, 4, 6])
            .f32(&[2, 2])
            .range(&[2, 2], 0.5, 2.0)
            .f32(&[2, 4, 2]),
        // numpy: x=np.array([[1.,2],[4,0]]); d=np.array([[1.,-1],[2,3]]); n=(x-1.75)*.5; (d*n).sum(1), d.sum(1)
        Row::new(&GROUP_NORM_BACKWARD_W, "f32/1x2x2/g1/golden")
            .list(&[1, 2, 2], &[1.0, 2.0, 4.0, 0.0])
            .list(&[1, 2, 2], &[1.0, -1.0, 2.0, 3.0])
            .list(&[1, 1], &[1.75])
            .list(&[1, 1], &[0.5])
            .golden(0, &[-0.5, 0.0, -0.375, 5.0], 1e-12),
        // numpy: w=np.array([[1.],[2]]); g=d*w; .5*(g-g.mean()-n*(g*n).mean()), as above
        Row::new(&GROUP_NORM_BACKWARD, "f32/1x2x2/g1/golden")
            .list(&[1, 2, 2], &[1.0, 2.0, 4.0, 0.0])
            .list(&[2], &[1.0, 2.0])
            .list(&[1, 2, 2], &[1.0, -1.0, 2.0, 3.0])
            .list(&[1, 1], &[1.75])
            .list(&[1, 1], &[0.5])
            .list(&[1, 2, 2], &[-0.5, 0.0, -0.375, 5.0])
            .golden(0, &[-0.808593750, -1.730468750, 0.925781250, 1.613281250], 1e-9),
    ]);
    rows
}

fn batch_gradients() -> Vec<Row> {
    let row = |shape: &[usize], note: &str| {
        let c = &[shape[1]];
        let row = Row::new(&BATCH_NORM_TRAIN_BACKWARD, &label(shape, note)).f32(shape).f32(c).f32(shape);
        row.f32(c).range(c, 0.5, 2.0).range(c, -3.0, 3.0).range(c, -3.0, 3.0)
    };
    vec![
        row(&[2, 8, 8, 8], ""),
        row(&[1, 1], ""),
        row(&[3, 7, 3], ""),
        row(&[1, 63], ""),
        row(&[1, 64], ""),
        row(&[1, 65], ""),
        row(&[65_536, 65], "/many"),
        Row::new(&BATCH_NORM_TRAIN_BACKWARD, "f32/2x3x5/plain")
            .f32(&[2, 3, 5])
            .none()
            .f32(&[2, 3, 5])
            .f32(&[3])
            .f32(&[3])
            .f32(&[3])
            .f32(&[3]),
        // numpy: x=np.array([1.,2,4]); d=np.array([1.,-1,2]); m=x.mean(); r=.5; n=(x-m)*r
        //        3*r*(d-d.mean()-n*(d*n).mean()); (d*n).sum(), d.sum()
        Row::new(&BATCH_NORM_TRAIN_BACKWARD, "f32/3x1/golden")
            .list(&[3, 1], &[1.0, 2.0, 4.0])
            .list(&[1], &[3.0])
            .list(&[3, 1], &[1.0, -1.0, 2.0])
            .list(&[1], &[7.0 / 3.0])
            .list(&[1], &[0.5])
            .list(&[1], &[7.0 / 6.0])
            .list(&[1], &[2.0])
            .golden(0, &[0.888888889, -2.402777778, 1.513888889], 1e-6),
    ]
}
