// top_k — the k largest of every row, in descending order, with their places.
//
//   values[r, i] = the i-th largest of x[r, ·];  indices[r, i] = where; of equal values the lower index first
//
// An element's key is 64 bits: its value as an ordered integer, then its distance to the end of the row, so that
// all keys differ. The k-th largest key is found by radix selection, a byte at a time from the top; the k keys
// not below it are collected and sorted by a bitonic network.
//
// Paper     selection: Alabi et al. 2012, J. Exp. Algorithmics 17; sorting: Batcher 1968
// Shapes    x (R,N)  →  values (R,k)  indices (R,k), k ≤ 1024
// Grid      one workgroup per row; lanes stride over N
// Numerics  values are moved; −0 ranks equal to 0; rows with NaN are in no defined order. Counters are integer
//           atomics of workgroup memory, whose sums do not depend on their order
// Cost      reads each row 2 to 9 times (2 + the bytes needed to tell the k-th from the next)

// @import lib/grid

// size is k rounded up to a power of two; bytes is how many the key has that matter: 4 and those of N − 1.
struct Params { rows: u32, cols: u32, k: u32, size: u32, bytes: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;               // (R,N)
@group(0) @binding(2) var<storage, read_write> values: array<f32>;    // (R,k)
@group(0) @binding(3) var<storage, read_write> indices: array<i32>;   // (R,k)

const WG = 256u;
const KEPT = 1024u;

var<workgroup> counts: array<atomic<u32>, 256>;
var<workgroup> kept: atomic<u32>;
var<workgroup> kept_key: array<u32, KEPT>;
var<workgroup> kept_index: array<u32, KEPT>;
var<workgroup> bound: vec2<u32>;    // key of the k-th largest, as far as its bytes are known
var<workgroup> missing: u32;        // how many keys with the known bytes belong to the k
var<workgroup> found: u32;          // 1 when all keys with the known bytes do

// The value as an integer of the same order, then what makes equal values differ.
fn key(v: f32, i: u32) -> vec2<u32> {
    var bits = bitcast<u32>(v);
    if (bits == 0x80000000u) { bits = 0u; }
    return vec2(select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u), params.cols - 1u - i);
}

fn not_below(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.x > b.x || (a.x == b.x && a.y >= b.y);
}

@compute @workgroup_size(WG)
fn top_k(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_group(group, groups);
    if (row >= params.rows) { return; }   // uniform: row is the same in the whole workgroup
    let base = row * params.cols;
    if (lane == 0u) {
        bound = vec2(0u);
        missing = params.k;
        found = 0u;
        atomicStore(&kept, 0u);
    }

    var known = vec2(0u);   // mask of the bytes already in bound
    for (var byte = params.bytes; byte > 0u; byte--) {
        if (workgroupUniformLoad(&found) == 1u) { break; }
        // Bytes of the value come first: four of them, then those of the place.
        let place = params.bytes - 4u;
        let high = byte > place;
        var below = byte - 1u;
        if (high) { below -= place; }
        let shift = 8u * below;
        atomicStore(&counts[lane], 0u);
        workgroupBarrier();
        for (var i = lane; i < params.cols; i += WG) {
            let u = key(x[base + i], i);
            if (all((u & known) == bound)) { atomicAdd(&counts[(select(u.y, u.x, high) >> shift) & 255u], 1u); }
        }
        workgroupBarrier();
        if (lane == 0u) {
            var bin = 255u;
            var rest = missing;
            var here = atomicLoad(&counts[bin]);
            while (here < rest && bin > 0u) {
                rest -= here;
                bin--;
                here = atomicLoad(&counts[bin]);
            }
            bound |= vec2(select(0u, bin << shift, high), select(bin << shift, 0u, high));
            missing = rest;
            found = u32(here == rest);
        }
        known |= vec2(select(0u, 255u << shift, high), select(255u << shift, 0u, high));
        workgroupBarrier();
    }

    for (var i = lane; i < params.size; i += WG) {
        kept_key[i] = 0u;
        kept_index[i] = 0xffffffffu;
    }
    let limit = workgroupUniformLoad(&bound);
    for (var i = lane; i < params.cols; i += WG) {
        let u = key(x[base + i], i);
        if (not_below(u, limit)) {
            let slot = min(atomicAdd(&kept, 1u), KEPT - 1u);
            kept_key[slot] = u.x;
            kept_index[slot] = i;
        }
    }
    workgroupBarrier();

    for (var run = 2u; run <= params.size; run *= 2u) {
        for (var gap = run / 2u; gap > 0u; gap /= 2u) {
            for (var pair = lane; pair < params.size / 2u; pair += WG) {
                let a = 2u * pair - pair % gap;   // the pair-th place whose bit `gap` is 0
                let b = a + gap;
                let first = vec2(kept_key[a], ~kept_index[a]);
                let second = vec2(kept_key[b], ~kept_index[b]);
                let descending = (a & run) == 0u;
                if (not_below(second, first) == descending) {
                    kept_key[a] = second.x;
                    kept_index[a] = ~second.y;
                    kept_key[b] = first.x;
                    kept_index[b] = ~first.y;
                }
            }
            workgroupBarrier();
        }
    }
    for (var i = lane; i < params.k; i += WG) {
        let place = min(kept_index[i], params.cols - 1u);
        values[row * params.k + i] = x[base + place];
        indices[row * params.k + i] = i32(place);
    }
}
