//! Rows of the norm family.

use crate::row::Row;
use handmill::kernels::norm::layer_norm::LAYER_NORM;

/// Every row.
pub fn rows() -> Vec<Row> {
    let layer_norm =
        |r: usize, c: usize| Row::new(&LAYER_NORM, &format!("f32/{r}x{c}")).f32(&[r, c]).f32(&[c]).f32(&[c]);
    vec![
        // numpy: x=np.array([1.,2,4]); (x-x.mean())/np.sqrt(x.var()+1e-5)
        Row::new(&LAYER_NORM, "f32/1x3/golden").list(&[1, 3], &[1.0, 2.0, 4.0]).none().none().golden(
            0,
            &[-1.0690416, -0.2672604, 1.3363020],
            1e-6,
        ),
        layer_norm(8, 768),
        layer_norm(1, 1),
        layer_norm(3, 63),
        layer_norm(3, 64),
        layer_norm(3, 65),
        layer_norm(2, 257),
        layer_norm(65_537, 2),
        Row::new(&LAYER_NORM, "f32/2x3x17/plain").f32(&[2, 3, 17]).none().none().param("eps", 1e-6),
        Row::new(&LAYER_NORM, "f32/4x96/mean_1000").range(&[4, 96], 999.0, 1001.0).f32(&[96]).f32(&[96]),
        Row::new(&LAYER_NORM, "f32/2x8/all_equal").list(&[2, 8], &[3.0; 16]).none().none(),
    ]
}
