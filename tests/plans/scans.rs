//! Scans: forward and reverse, aligned slices and not, several carries, results in every position.

use handmill::{Dtype, Graph, Tensor};

use crate::support::agree;

/// A recurrence with `h` hidden features over `t` steps; returns the graph's number of nodes.
fn recurrence(t: usize, h: usize, reverse: bool) -> usize {
    let g = Graph::new();
    let x = g.input("x", Dtype::F32, &[t, 2, h]);
    let start = g.input("h0", Dtype::F32, &[2, h]);
    let total = g.input("total", Dtype::F32, &[2, h]);
    let w = g.weight("w.weight", &[h, h]);
    let (last, all) = g.scan(&[start, total], &[x], reverse, |carry, slice| {
        let h = (slice[0] + carry[0].matmul_t(w)).tanh();
        (vec![h, carry[1] + h], vec![h, h.square()])
    });
    g.output("h_n", last[0]);
    g.output("sum", last[1] * 0.5);
    g.output("all", all[0]);
    g.output("energy", all[1].exp());
    agree(g.build().unwrap()).nodes.len()
}

#[test]
fn forward_and_reverse() {
    for reverse in [false, true] {
        // 2·8 floats are a multiple of every storage alignment of a software adapter, 2·3 are of none.
        recurrence(5, 8, reverse);
        recurrence(4, 3, reverse);
        recurrence(1, 3, reverse);
    }
}

#[test]
fn the_graph_does_not_grow_with_the_steps() {
    assert_eq!(recurrence(2, 4, false), recurrence(9, 4, false));
}

#[test]
fn a_carry_that_only_turns_is_copied() {
    let g = Graph::new();
    let x = g.input("x", Dtype::F32, &[3, 4]);
    let (a, b) = (g.input("a", Dtype::F32, &[4]), g.input("b", Dtype::F32, &[4]));
    // Carries that swap, and a slice that becomes a carry.
    let (last, all) = g.scan(&[a, b], &[x], false, |c, s| (vec![c[1], c[0] + s[0]], vec![c[0]]));
    g.output("a", last[0]);
    g.output("b", last[1]);
    g.output("seen", all[0]);
    agree(g.build().unwrap());
}

#[test]
fn values_around_a_scan_live_through_it() {
    let g = Graph::new();
    let x = g.input("x", Dtype::F32, &[6, 2, 4]);
    let before = g.input("b", Dtype::F32, &[2, 4]).exp();
    let gate = before.sigmoid();
    let step = |c: &[Tensor<'_>], s: &[Tensor<'_>]| -> bool { c.len() == 1 && s.len() == 1 };
    let (last, _) = g.scan(&[before], &[x.exp()], false, |c, s| {
        assert!(step(c, s));
        let noise = (s[0] * gate).tanh().square();
        (vec![c[0] * gate + noise], vec![])
    });
    g.output("y", last[0] + before + gate);
    agree(g.build().unwrap());
}

#[test]
fn a_scan_nobody_reads_is_dropped() {
    let g = Graph::new();
    let x = g.input("x", Dtype::F32, &[3, 4]);
    let _ = g.scan(&[g.input("h", Dtype::F32, &[4])], &[x], false, |c, s| (vec![c[0] + s[0]], vec![]));
    g.output("y", x.exp());
    agree(g.build().unwrap());
}

#[test]
fn a_scan_whose_carry_changes_shape_is_an_error() {
    let g = Graph::new();
    let x = g.input("x", Dtype::F32, &[3, 4]);
    g.scan(&[g.input("h", Dtype::F32, &[4])], &[x], false, |c, s| (vec![(c[0] + s[0]).slice(0, 0, 2)], vec![]));
    let text = g.build().map(|_| ()).unwrap_err().to_string();
    assert!(text.ends_with("scan: the body must return every carry with its shape and dtype"), "{text}");
}
