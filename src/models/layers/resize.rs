//! Images in another size: `torch.nn.functional.interpolate` as a layer.

use super::{LAYER, axes, input, only};
use crate::config::Config;
use crate::graph::{Graph, Tensor};
use crate::json::Value;
use crate::kernels::resize::{Interpolation, Target};
use crate::models::{Inputs, Model};

/// `Interpolate`.
pub static INTERPOLATE: Model = Model {
    name: "Interpolate",
    title: "An image in another size",
    source: "PyTorch torch.nn.functional.interpolate",
    config: &["mode (nearest|bilinear|bicubic) [nearest]", "size or scale_factor", "align_corners [false]"],
    inputs: &["input (B, C, H, W)"],
    outputs: &["output (B, C, H', W')"],
    build,
    ..LAYER
};

fn build(g: &Graph, config: &Config, inputs: &Inputs) {
    let mode = match config.text("mode", "nearest", &["nearest", "bilinear", "bicubic"]) {
        "bilinear" => Interpolation::Bilinear,
        "bicubic" => Interpolation::Bicubic,
        _ => Interpolation::Nearest,
    };
    let align_corners = config.bool("align_corners", false);
    only(config, "antialias", &Value::Bool(false));
    let both = config.has("size") == config.has("scale_factor");
    config.require(!both, "size", || "expected either size or scale_factor".into());

    let x = input(g, inputs, &[1, 4, 16, 16]);
    g.output("output", x.interpolate(mode, target(config, x), align_corners));
}

fn target(config: &Config, x: Tensor<'_>) -> Target {
    if config.has("size") {
        return Target::Size(axes(config, "size", 1, 1));
    }
    let factor = match config.get("scale_factor") {
        Some(Value::Array(_)) => config.floats("scale_factor", &[1.0, 1.0]).try_into().unwrap_or_else(|_| {
            config.fail("scale_factor", "expected a number, or two of them");
            [1.0, 1.0]
        }),
        _ => [config.positive("scale_factor", 1.0); 2],
    };
    if !config.bool("recompute_scale_factor", false) {
        return Target::Factor(factor);
    }
    // Positions are then counted in the ratio of sizes.
    let [_, _, h, w] = x.dims();
    Target::Size([(h as f64 * factor[0]).floor() as usize, (w as f64 * factor[1]).floor() as usize])
}
