//! Every fusion pattern: it happens, and fused and unfused plans agree.

use std::sync::Arc;

use handmill::kernels::conv::conv2d::Conv2d;
use handmill::{Adapter, Dtype, FixedGraph, Graph, Plan, Tensor};

use crate::support::agree;

/// Labels of the plan's operations without the variant, after checking that all ways to run it agree.
fn ops(build: impl FnOnce(&Graph)) -> Vec<String> {
    let graph = Graph::new();
    build(&graph);
    names(&agree(graph.build().unwrap()))
}

fn names(graph: &Arc<FixedGraph>) -> Vec<String> {
    let plan = Plan::new(graph, &Adapter::webgpu()).unwrap();
    plan.ops.iter().map(|o| format!("{}×{}", o.call.kernel.name, o.nodes.len())).collect()
}

fn input<'g>(g: &'g Graph, name: &str, shape: &[usize]) -> Tensor<'g> {
    g.input(name, Dtype::F32, shape)
}

fn product(g: &Graph) -> Tensor<'_> {
    input(g, "x", &[3, 5, 8]).matmul_t(g.weight("w.weight", &[12, 8]))
}

#[test]
fn bias_into_matmul() {
    assert_eq!(ops(|g| g.output("y", product(g) + g.weight("b", &[12]))), ["matmul×2"]);
}

#[test]
fn bias_and_activation_into_matmul() {
    assert_eq!(ops(|g| g.output("y", (product(g) + g.weight("b", &[12])).gelu())), ["matmul×3"]);
}

#[test]
fn scale_into_matmul() {
    assert_eq!(ops(|g| g.output("y", product(g) * 0.25)), ["matmul×2"]);
}

#[test]
fn residual_into_matmul() {
    assert_eq!(ops(|g| g.output("y", input(g, "r", &[3, 5, 12]) + product(g))), ["matmul×2"]);
}

#[test]
fn the_whole_epilogue() {
    let all = |g: &Graph| {
        let inner = (product(g) * 0.5 + g.weight("b", &[12])).silu();
        g.output("y", (inner + input(g, "r", &[3, 5, 12])).relu());
    };
    assert_eq!(ops(all), ["matmul×6"]);
}

#[test]
fn a_residual_made_after_the_product() {
    let late = |g: &Graph| {
        let y = product(g);
        let r = input(g, "r", &[3, 5, 12]).exp();
        g.output("y", y + r);
    };
    assert_eq!(ops(late), ["exp×1", "matmul×2"]);
}

#[test]
fn a_value_that_is_read_twice_stays() {
    let twice = |g: &Graph| {
        let y = product(g);
        g.output("y", y.relu() + y);
    };
    assert_eq!(ops(twice), ["matmul×1", "relu×1", "add×1"]);
}

#[test]
fn a_value_that_is_a_result_stays() {
    let result = |g: &Graph| {
        let y = product(g);
        g.output("raw", y);
        g.output("y", y.relu());
    };
    assert_eq!(ops(result), ["matmul×1", "relu×1"]);
}

#[test]
fn a_sum_with_itself_is_no_residual() {
    let doubled = |g: &Graph| {
        let y = product(g);
        g.output("y", y + y);
    };
    assert_eq!(ops(doubled), ["matmul×1", "add×1"]);
}

#[test]
fn a_column_is_no_bias() {
    let column = |g: &Graph| g.output("y", product(g) + input(g, "c", &[5, 1]));
    assert_eq!(ops(column), ["matmul×1", "add×1"]);
}

#[test]
fn a_bias_after_the_activation_stays() {
    let after = |g: &Graph| g.output("y", product(g).relu() + g.weight("b", &[12]));
    assert_eq!(ops(after), ["matmul×2", "add×1"]);
}

#[test]
fn a_gate_is_one_kernel() {
    let gate = |g: &Graph| g.output("y", input(g, "b", &[3, 8]) * input(g, "a", &[3, 8]).silu());
    assert_eq!(ops(gate), ["mul_activation×2"]);
    let spread = |g: &Graph| g.output("y", input(g, "a", &[3, 8]).sigmoid() * input(g, "b", &[8]));
    assert_eq!(ops(spread), ["mul_activation×2"]);
}

#[test]
fn an_activation_of_a_sum_is_one_kernel() {
    let relu = |g: &Graph| g.output("y", (input(g, "a", &[3, 8]) + input(g, "b", &[3, 1])).relu());
    assert_eq!(ops(relu), ["add_activation×2"]);
    let square = |g: &Graph| {
        let y = input(g, "a", &[3, 8]).tanh();
        g.output("y", y * y);
    };
    assert_eq!(ops(square), ["tanh×1", "mul×1"]);
}

fn convolution(g: &Graph) -> Tensor<'_> {
    let x = input(g, "x", &[2, 3, 6, 7]);
    x.conv2d(g.weight("conv.weight", &[4, 3, 3, 3]), Some(g.weight("conv.bias", &[4])), Conv2d::padded(1))
}

fn batch_norm<'g>(g: &'g Graph, x: Tensor<'g>) -> Tensor<'g> {
    let w = |name: &str| g.weight(&format!("bn.{name}"), &[4]);
    x.batch_norm(w("running_mean"), w("running_var"), Some(w("weight")), Some(w("bias")), 1e-5)
}

#[test]
fn activation_and_residual_into_conv() {
    let block = |g: &Graph| g.output("y", (convolution(g).relu() + input(g, "r", &[2, 4, 6, 7])).relu());
    assert_eq!(ops(block), ["conv2d×4"]);
}

#[test]
fn batch_norm_folds_into_conv() {
    assert_eq!(ops(|g| g.output("y", batch_norm(g, convolution(g)).relu())), ["conv2d×3"]);
}

#[test]
fn batch_norm_of_an_input_stays() {
    assert_eq!(ops(|g| g.output("y", batch_norm(g, input(g, "x", &[2, 4, 5, 5])))), ["batch_norm×1"]);
}

#[test]
fn activation_into_group_norm() {
    let norm = |g: &Graph| {
        let x = input(g, "x", &[2, 6, 5, 5]);
        g.output("y", x.group_norm(3, Some(g.weight("weight", &[6])), Some(g.weight("bias", &[6])), 1e-5).silu());
    };
    assert_eq!(ops(norm), ["group_norm×2"]);
}

#[test]
fn a_shift_of_channels_into_group_norm() {
    let norm = |g: &Graph, shape: &[usize]| {
        let sum = input(g, "t", shape) + input(g, "x", &[2, 6, 5, 5]);
        g.output("y", sum.group_norm(3, Some(g.weight("weight", &[6])), None, 1e-5).silu());
    };
    assert_eq!(ops(|g| norm(g, &[2, 6, 1, 1])), ["group_norm×3"]);
    assert_eq!(ops(|g| norm(g, &[6, 1, 1])), ["copy×0", "group_norm×3"]);
    assert_eq!(ops(|g| norm(g, &[2, 6, 5, 1])), ["add×1", "group_norm×2"]);
    let twice = |g: &Graph| {
        let sum = input(g, "x", &[2, 6, 5, 5]) + input(g, "t", &[2, 6, 1, 1]);
        g.output("y", sum.group_norm(3, None, None, 1e-5) + sum);
    };
    assert_eq!(ops(twice), ["add×1", "group_norm×1", "add×1"]);
}

/// A state, what an input gives the gates, and what the state gives them.
fn step(g: &Graph, rows: usize, gates: usize) -> [Tensor<'_>; 3] {
    let h = input(g, "h", &[rows, 6]);
    let u = h.matmul_t(g.weight("w", &[gates * 6, 6])) + g.weight("b", &[gates * 6]);
    [h, input(g, "a", &[rows, gates * 6]), u]
}

#[test]
fn a_recurrent_product_into_its_cell() {
    let lstm = |g: &Graph, rows: usize| {
        let [_, a, u] = step(g, rows, 4);
        let [h, c] = a.lstm_cell(u, input(g, "c", &[rows, 6]));
        g.output("h", h);
        g.output("c_next", c);
    };
    assert_eq!(ops(|g| lstm(g, 3)), ["lstm_step×3"]);
    assert_eq!(ops(|g| lstm(g, 33)), ["matmul×2", "lstm_cell×1"]);
    let gru = |g: &Graph| {
        let [h, a, u] = step(g, 2, 3);
        g.output("h_next", a.gru_cell(u, h));
    };
    assert_eq!(ops(gru), ["gru_step×3"]);
    let twice = |g: &Graph| {
        let [h, a, u] = step(g, 2, 3);
        g.output("h_next", a.gru_cell(u, h));
        g.output("u", u.relu());
    };
    assert_eq!(ops(twice), ["matmul×2", "gru_cell×1", "relu×1"]);
}

#[test]
fn channel_bias_into_conv() {
    let bias = |g: &Graph| {
        let x = input(g, "x", &[2, 3, 6, 7]);
        let y = x.conv2d(g.weight("conv.weight", &[4, 3, 3, 3]), None, Conv2d::padded(1));
        g.output("y", y + g.weight("bias", &[4]).reshape(&[4, 1, 1]));
    };
    assert_eq!(ops(bias), ["conv2d×2"]);
}

#[test]
fn dead_nodes_are_dropped_and_equal_ones_shared() {
    let build = |g: &Graph| {
        let x = input(g, "x", &[4, 5]);
        let _dead = x.exp().matmul(g.weight("unused", &[5, 6]));
        g.output("y", (x.tanh() * 2.0) + (x.tanh() * 2.0).square());
    };
    assert_eq!(ops(build), ["mul_activation×2", "square×1", "add×1"]);
}
