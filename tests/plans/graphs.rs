//! Graphs: sticky errors, views, states, and random graphs through every way to run them.

use handmill::{Dtype, Error, Graph, Tensor};

use crate::support::agree;

fn error(build: impl FnOnce(&Graph)) -> String {
    let graph = Graph::new();
    build(&graph);
    graph.build().map(|_| ()).unwrap_err().to_string()
}

#[test]
fn the_first_error_sticks_with_its_place() {
    let line = line!() + 4;
    let text = error(|g| {
        let x = g.input("x", Dtype::F32, &[2, 3]);
        let w = g.root().at("h").at(0).at("attn");
        let y = x.matmul(w.weight("c_attn", &[4, 5]));
        g.output("y", y.layer_norm(None, Some(x), 1e-5).reshape(&[7]));
    });
    let place = format!("tests/plans/graphs.rs:{line}, in h.0.attn: matmul: ");
    assert!(text.starts_with(&place), "{text}");
    assert!(text.contains("inner sizes differ, 3 and 4"), "{text}");
}

#[test]
fn views_that_do_not_fit_are_errors() {
    fn x(g: &Graph) -> Tensor<'_> {
        g.input("x", Dtype::F32, &[2, 3])
    }
    assert!(
        error(|g| {
            let _ = x(g).reshape(&[7]);
        })
        .ends_with("reshape: 6 elements of (2, 3) do not fill (7,)")
    );
    assert!(
        error(|g| {
            let _ = x(g).slice(1, 2, 2);
        })
        .contains("2 elements from 2 in steps of 1 along axis 1 are not in (2, 3)")
    );
    assert!(
        error(|g| {
            let _ = x(g).broadcast_to(&[2, 4]);
        })
        .ends_with("broadcast: (2, 3) does not broadcast to (2, 4)")
    );
    assert!(
        error(|g| {
            let _ = x(g).permute(&[0, 0]);
        })
        .contains("[0, 0] is no order of the axes of (2, 3)")
    );
    assert!(
        error(|g| {
            let _ = x(g) + g.input("i", Dtype::I32, &[3]);
        })
        .contains("f32 and i32")
    );
}

#[test]
fn empty_and_huge_shapes_are_errors() {
    assert!(
        error(|g| {
            let _ = g.input("x", Dtype::F32, &[2, 0]);
        })
        .contains("shape (2, 0) has no elements")
    );
    assert!(
        error(|g| {
            let _ = g.input("x", Dtype::F32, &[usize::MAX, 2]);
        })
        .contains("has more than 2147483647 elements")
    );
    assert!(
        error(|g| {
            let _ = g.input("x", Dtype::F32, &[1; 9]);
        })
        .contains("has 9 axes, and 8 are the most")
    );
}

#[test]
fn a_weight_asked_for_twice_is_one() {
    let g = Graph::new();
    let (a, b) = (g.weight("w", &[3]), g.weight("w", &[3]));
    g.output("y", a + b);
    assert_eq!(g.build().unwrap().weights().count(), 1);
    assert!(
        error(|g| {
            let _ = (g.weight("w", &[3]), g.weight("w", &[4]));
        })
        .contains("is (4,) here and (3,) elsewhere")
    );
}

#[test]
fn a_state_read_after_its_update_is_an_error() {
    let text = error(|g| {
        let cache = g.state("cache", Dtype::F32, &[1, 1, 4, 2]);
        let position = g.input("position", Dtype::I32, &[1]);
        let x = g.input("x", Dtype::F32, &[1, 1, 1, 2]);
        let updated = cache.cache_append(x, position);
        g.output("y", updated + cache);
    });
    assert!(text.contains("the state is read by add after this update; use the handle the update returned"), "{text}");
}

#[test]
fn updating_what_is_no_state_is_an_error() {
    let text = error(|g| {
        let cache = g.input("cache", Dtype::F32, &[1, 1, 4, 2]);
        let x = g.input("x", Dtype::F32, &[1, 1, 1, 2]);
        g.output("y", cache.cache_append(x, g.input("position", Dtype::I32, &[1])));
    });
    assert!(text.contains("input 'cache' is updated in place and must be a state"), "{text}");
}

#[test]
fn two_results_of_one_name_are_an_error() {
    let text = error(|g| {
        let x = g.input("x", Dtype::F32, &[3]);
        g.output("y", x.exp());
        g.output("y", x.tanh());
    });
    assert!(text.contains("the name 'y' is used twice"), "{text}");
}

#[test]
fn an_input_or_a_view_can_be_a_result() {
    let g = Graph::new();
    let x = g.input("x", Dtype::F32, &[2, 3]);
    g.output("same", x);
    g.output("turned", x.transpose(0, 1));
    let y = x.exp();
    g.output("y", y);
    g.output("again", y);
    g.output("row", y.slice(0, 1, 1));
    agree(g.build().unwrap());
}

#[test]
fn heads_split_and_merge_without_copies() {
    let g = Graph::new();
    let x = g.input("x", Dtype::F32, &[2, 3, 24]);
    let [q, k, _] = x.split(-1, [8, 8, 8]).map(|t| t.heads(2));
    g.output("scores", q.matmul(k.transpose(-2, -1)));
    let graph = agree(g.build().unwrap());
    assert_eq!(graph.nodes.len(), 1);
}

/// A seeded graph of elementwise nodes, products, norms and views over matrices.
fn random_graph(seed: u64) -> Graph {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % n as u64) as usize
    };
    let g = Graph::new();
    {
        let mut pool = vec![g.input("a", Dtype::F32, &[4, 6]), g.input("b", Dtype::F32, &[4, 6])];
        for i in 0..3 + next(12) {
            let x = pool[next(pool.len())];
            let y = pool[next(pool.len())];
            let w = g.weight(&format!("w{}", next(3)), &[6, 6]);
            let made = match next(12) {
                0 => x.tanh(),
                1 => x.relu() + 0.5,
                2 => x + y,
                3 => x * y,
                4 => x.matmul(w),
                5 => x.matmul_t(w) + g.weight("bias", &[6]),
                6 => x.layer_norm(None, None, 1e-5),
                7 => x.softmax(-1),
                8 => x.slice(1, 0, 3).copy().reshape(&[3, 4]).transpose(0, 1).matmul(w.slice(0, 0, 3)),
                9 => x.transpose(0, 1).reshape(&[4, 6]),
                10 => (x.matmul(w) + y).gelu(),
                _ => x.slice(0, 1, 1).broadcast_to(&[4, 6]) - y,
            };
            if next(5) == 0 {
                g.output(&format!("r{i}"), made);
            }
            pool.push(made);
        }
        g.output("last", *pool.last().unwrap());
    }
    g
}

#[test]
fn random_graphs_agree() {
    let count = if std::env::var_os("HANDMILL_LONG").is_some() { 400 } else { 12 };
    for seed in 1..=count {
        agree(random_graph(seed).build().unwrap_or_else(|e: Error| panic!("seed {seed}: {e}")));
    }
}
