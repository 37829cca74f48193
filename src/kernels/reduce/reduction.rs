//! What all reductions share: which axes go, how they lie in memory, and the choice between one workgroup
//! per output, one invocation per output, and two steps. Shader: shaders/lib/reduction.wgsl

use crate::adapter::{Adapter, AdapterKind};
use crate::kernel::{Call, Grid, Ref, Scalars, Spec, Work};
use crate::shape::{Dims, Layout, MAX_RANK, axis_index};
use crate::tensor::Dtype;

/// Workgroup size of every reduction.
const WG: usize = 64;
/// Slices of one output in the split variant keep at least this many elements.
const SLICE: usize = 32;
/// Invocations that the split variant wants: enough for the largest GPUs.
const LANES: usize = 1 << 16;

/// The kept and the reduced axes of a call, merged where memory allows it.
pub(super) struct Split {
    /// Axes of the outputs; has the offset.
    pub kept: Layout,
    /// Axes of the elements of one output.
    pub reduced: Layout,
}

/// `axes` of a tensor of `shape`, sorted; none means all.
pub(super) fn axes_of(shape: &[usize], axes: &[i64]) -> Result<Vec<usize>, String> {
    if axes.is_empty() {
        return Ok((0..shape.len()).collect());
    }
    let mut found = vec![];
    for &axis in axes {
        let a = axis_index(axis, shape.len()).ok_or_else(|| format!("axis {axis} is not in {}", Dims(shape)))?;
        if found.contains(&a) {
            return Err(format!("axis {axis} is given twice"));
        }
        found.push(a);
    }
    found.sort_unstable();
    Ok(found)
}

/// The reduced axes of a call: parameter `axes`, or `axis` of argmax and argmin.
fn axes(c: &Call) -> Result<Vec<usize>, String> {
    if c.params.get("axis").is_some() {
        axes_of(c.shape(0), &[c.int("axis")])
    } else {
        axes_of(c.shape(0), c.ints("axes"))
    }
}

/// The output's spec: reduced axes leave, or stay as 1 with `keepdim`.
pub(super) fn spec(c: &Call, dtype: Dtype) -> Result<Vec<Spec>, String> {
    let (x, axes, keep) = (c.shape(0), axes(c)?, c.flag("keepdim"));
    let size = |a: usize| if !axes.contains(&a) { Some(x[a]) } else { keep.then_some(1) };
    Ok(vec![Spec::new(dtype, &(0..x.len()).filter_map(size).collect::<Vec<_>>())])
}

/// How the input lies, seen as kept × reduced axes. The shape rule has accepted the axes.
pub(super) fn split(c: &Call) -> Split {
    let (layout, axes) = (&c.input(0).layout, axes(c).unwrap_or_default());
    let pick = |reduced: bool, offset: usize| {
        let chosen = |v: &[usize]| (0..v.len()).filter(|a| axes.contains(a) == reduced).map(|a| v[a]).collect();
        let part = Layout { shape: chosen(&layout.shape), strides: chosen(&layout.strides), offset };
        Layout::collapse(&[&part]).remove(0)
    };
    Split { kept: pick(false, layout.offset), reduced: pick(true, 0) }
}

/// Elements reduced into each output.
pub(super) fn count(c: &Call) -> usize {
    c.shape(0).iter().product::<usize>() / c.outputs[0].len()
}

/// Slices of one output in the split variant.
fn parts(c: &Call) -> usize {
    let (outputs, count) = (c.outputs[0].len(), count(c));
    LANES.div_ceil(outputs).min(count.div_ceil(SLICE)).max(count.div_ceil(16_384)).max(1)
}

/// True if neighbouring outputs are neighbours in memory, and elements of one output are not.
fn kept_fast(s: &Split) -> bool {
    let stride = |l: &Layout| l.strides.last().copied().unwrap_or(1);
    stride(&s.reduced) > stride(&s.kept) && s.kept.len() > 1
}

/// Scalars of every reduction; `divisor` is that of mean and variance.
pub(super) fn scalars(c: &Call, divisor: f64) -> Scalars {
    let s = split(c);
    let rank = s.reduced.shape.len();
    let mut all = Scalars::new()
        .set("outputs", c.outputs[0].len())
        .set("count", count(c))
        .set("parts", parts(c))
        .set("divisor", divisor)
        .set("KEPT_FAST", kept_fast(&s))
        .set("R_RANK", rank)
        .axes(&[("x", &s.kept)]);
    for axis in 0..MAX_RANK {
        let at = |v: &[usize], absent| (axis + rank).checked_sub(MAX_RANK).map_or(absent, |i| v[i]);
        all = all.set(&format!("r{axis}"), at(&s.reduced.shape, 1)).set(&format!("s{axis}"), at(&s.reduced.strides, 0));
    }
    all
}

/// Index of the variant: 0 one workgroup per output, whose lanes meet by shuffles where there are subgroups (a
/// prediction), 1 the same without, 2 one invocation per output, 3 two steps.
pub(super) fn choose(c: &Call, adapter: &Adapter) -> usize {
    let (outputs, count) = (c.outputs[0].len(), count(c));
    if count <= 32 {
        return 2;
    }
    if adapter.kind == AdapterKind::Cpu {
        // Barriers are dear on a CPU: lanes that own an output, or a slice where outputs are few.
        return if outputs >= WG || count < 4096 { 2 } else { 3 };
    }
    if kept_fast(&split(c)) {
        // Lanes side by side must read side by side, so they own outputs.
        return if outputs >= 1 << 14 || count < 256 { 2 } else { 3 };
    }
    if outputs < 64 && count > 1 << 14 { 3 } else { 0 }
}

/// One workgroup per output.
pub(super) fn groups(c: &Call) -> Grid {
    Grid::Groups(c.outputs[0].len() as u64)
}

/// One invocation per output.
pub(super) fn outputs(c: &Call) -> Grid {
    Grid::Threads(c.outputs[0].len() as u64)
}

/// One invocation per output and part.
pub(super) fn slices(c: &Call) -> Grid {
    Grid::Threads((c.outputs[0].len() * parts(c)) as u64)
}

/// Two passes over `1/lanes` of an output, and a tree.
pub(super) fn group_loops(c: &Call) -> u64 {
    2 * count(c).div_ceil(WG) as u64 + 8
}

/// Two passes over `1/lanes` of an output, shuffles, and up to a subgroup a lane.
pub(super) fn subgroup_loops(c: &Call) -> u64 {
    2 * count(c).div_ceil(WG) as u64 + 8 + WG as u64
}

/// Two passes over an output.
pub(super) fn direct_loops(c: &Call) -> u64 {
    2 * count(c) as u64
}

/// Two passes over one slice.
pub(super) fn slice_loops(c: &Call) -> u64 {
    2 * count(c).div_ceil(parts(c)) as u64
}

/// The parts of one output, and a tree.
pub(super) fn combine_loops(c: &Call) -> u64 {
    parts(c).div_ceil(WG) as u64 + 8
}

/// `(outputs, parts)` states.
pub(super) fn states(c: &Call) -> [usize; 2] {
    [c.outputs[0].len(), parts(c)]
}

/// One operation per element.
pub(super) fn work(c: &Call) -> Work {
    Work { flops: c.shape(0).iter().product::<usize>() as u64, bytes: c.bytes() }
}

/// The input with each output's elements in one row, for references and bounds.
pub(super) fn rows(r: &Ref) -> Vec<Vec<f64>> {
    let s = split(r.call);
    let elements: Vec<usize> = s.reduced.indices().collect();
    let x = r.f64(0);
    s.kept.indices().map(|o| elements.iter().map(|e| x[o + e]).collect()).collect()
}
