// cache_reorder — rows of a cache become those that they continue, in place.
//
//   cache[b, h, j, d] = cache[beam_idx[b], h, j, d]   for  j < length[b]
//
// Rows come in groups of `beams` side by side, and a row continues one of its own group: an invocation reads
// its element of every row of a group before it writes any.
//
// Paper     transformers' `reorder_cache`, a step of beam search
// Shapes    cache (B,KH,MAX,D), a state  beam_idx (B)  length (1) or (B)
// Grid      one invocation per group of rows and element of a row
// Numerics  bits are moved, never interpreted; where beam_idx is outside its group, a row is left as it was
// Cost      reads and writes the filled part of the cache once

// @import lib/grid

struct Params { n: u32, row: u32, max: u32, dims: u32, beams: u32, length_b: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> cache: array<u32>;   // (B,KH,MAX,D)
@group(0) @binding(2) var<storage, read> beam_idx: array<i32>;      // (B)
@group(0) @binding(3) var<storage, read> length: array<i32>;        // (1) or (B)

const WG = 64u;
const MOST = 64u;   // rows of a group

@compute @workgroup_size(WG)
fn cache_reorder(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_group(group, groups) * WG + lane;
    if (i >= params.n) { return; }
    let first = i / params.row * params.beams;   // row of the group
    let place = i % params.row;
    let j = i32(place / params.dims % params.max);
    let beams = min(params.beams, MOST);   // at most MOST: the shape rule
    var longest = 0;
    for (var b = first; b < first + beams; b++) { longest = max(longest, length[b * params.length_b]); }
    if (j >= longest) { return; }
    var before: array<u32, MOST>;
    for (var k = 0u; k < beams; k++) { before[k] = cache[(first + k) * params.row + place]; }
    for (var k = 0u; k < beams; k++) {
        let b = first + k;
        let source = beam_idx[b] - i32(first);
        if (source >= 0 && source < i32(beams) && j < length[b * params.length_b]) {
            cache[b * params.row + place] = before[u32(max(source, 0))];
        }
    }
}
