// Unfolds a grid of more than 65,535 workgroups, which the engine folds over y.

fn flat_group(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}
