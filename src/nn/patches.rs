//! Images as sequences of patches.

use crate::graph::Tensor;
use crate::kernels::conv::conv2d::Conv2d;
use crate::shape::Dims;

/// The patches of images, row by row, each mapped to one vector by a convolution whose stride is its kernel.
///
/// # Shapes
/// `x (B, C, H, W)`, with H and W those of `image_size` · `w (O, C, KH, KW)` · `bias (O)` → `(B, N, O)`, with
/// `N = ⌊H/KH⌋·⌊W/KW⌋`
/// # Errors
/// [`crate::Error::Graph`] if the images have another size or no whole patch
/// # Source
/// Dosovitskiy et al. 2020, arXiv:2010.11929, 3.1
#[track_caller]
pub fn patches<'g>(x: Tensor<'g>, image_size: [usize; 2], w: Tensor<'g>, bias: Option<Tensor<'g>>) -> Tensor<'g> {
    let ([_, _, ih, iw], [_, _, kh, kw]) = (x.dims(), w.dims());
    if [ih, iw] != image_size {
        let message = format!("images are {}, and the model's {}", Dims(&[ih, iw]), Dims(&image_size));
        x.graph().reject("patches", message);
    }
    let map = x.conv2d(w, bias, Conv2d { stride: [kh, kw], ..Conv2d::default() }); // (B, O, OH, OW)
    if map.rank() != 4 {
        return map;
    }
    let [b, o, oh, ow] = map.dims();
    map.reshape(&[b, o, oh * ow]).permute(&[0, 2, 1])
}
