// What the updates of optimizers share: the gradient an update sees, and averages that decay. The importing file
// declares w, d_w, hyper, decay and scale; w and d_w lie in vectors of four. Every tensor begins at a multiple of 64
// elements, so that a vector lies in one tensor, and one element of decay serves 16 vectors.
//
// hyper[1] bounds the gradient by value; f32::MAX bounds nothing.

override HAS_DECAY: bool;
override HAS_SCALE: bool;

const WG = 64u;
const BLOCK = 16u;   // vectors of four in 64 elements

struct At {
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
}

fn quad(at: At) -> u32 { return flat_group(at.group, at.groups) * WG + at.lane; }

// The weight decay of the tensor that vector i belongs to.
fn decay_of(i: u32) -> f32 {
    if (HAS_DECAY) { return decay[i / BLOCK]; }
    return 0.0;
}

// clip(scale·d_w)
fn clipped(i: u32) -> vec4<f32> {
    var g = d_w[i];
    if (HAS_SCALE) { g *= scale[0]; }
    return clamp(g, vec4(-hyper[1]), vec4(hyper[1]));
}

// clip(scale·d_w) + decay·w
fn coupled(i: u32) -> vec4<f32> {
    let g = clipped(i);
    if (HAS_DECAY) { return g + decay_of(i) * w[i]; }
    return g;
}

// (hyper[at] + hyper[at+1])·x + hyper[at+2]·y. A factor near 1 comes as the sum of two numbers: 0.999 rounded to f32 is
// off by 1.3e-5 of 1 − 0.999, and an average that decays by it would be off as much.
fn mixed(x: vec4<f32>, y: vec4<f32>, at: u32) -> vec4<f32> {
    return hyper[at] * x + (hyper[at + 1u] * x + hyper[at + 2u] * y);
}

// As mixed, of y²; it overflows later than y·y does.
fn mixed_square(x: vec4<f32>, y: vec4<f32>, at: u32) -> vec4<f32> {
    return hyper[at] * x + (hyper[at + 1u] * x + (hyper[at + 2u] * y) * y);
}
