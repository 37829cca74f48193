//! Gradients through scans: against central differences, with weights whose gradients are summed in carries, and
//! with those computed for all steps at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use handmill::device::Device;
use handmill::engine::Tensors;
use handmill::{Dtype, FixedGraph, Graph, Tensor};
use libtest_mimic::Failed;

use super::judge::{differences, on_adapter, text, weights};

type Named<'g> = BTreeMap<&'static str, Tensor<'g>>;

/// A graph function over named inputs that returns a loss.
pub struct Case {
    /// Its name.
    pub name: &'static str,
    inputs: &'static [(&'static str, &'static [usize])],
    loss: for<'g> fn(&'g Graph, &Named<'g>) -> Tensor<'g>,
}

/// Every case.
pub const CASES: &[Case] = &[
    // h ← h·w + x, two carries of which one is read late; u is in every step, c outside.
    Case {
        name: "scan/products",
        inputs: &[("x", &[4, 2, 3]), ("h", &[2, 3]), ("w", &[3, 3]), ("u", &[3]), ("c", &[2, 3])],
        loss: |g, t| {
            let (last, made) = g.scan(&[t["h"], t["c"]], &[t["x"]], false, |state, x| {
                let h = state[0].matmul(t["w"]) * 0.25 + x[0] * t["u"];
                let c = state[1] * state[0] * 0.5 + h;
                (vec![h, c], vec![h * c])
            });
            made[0].square().sum(&[], false) + (last[1] * last[0]).sum(&[], false)
        },
    },
    Case {
        name: "scan/reverse",
        inputs: &[("x", &[3, 2, 2]), ("h", &[2, 2]), ("w", &[2, 2])],
        loss: |g, t| {
            let (last, _) = g.scan(&[t["h"]], &[t["x"]], true, |state, x| {
                (vec![(state[0].matmul_t(t["w"]) + x[0]).square()], vec![])
            });
            last[0].sum(&[], false)
        },
    },
    // A step count of one, a carry nobody changes, an output that is the next carry.
    Case {
        name: "scan/one_step",
        inputs: &[("x", &[1, 5]), ("h", &[5])],
        loss: |g, t| {
            let (last, made) = g.scan(&[t["h"]], &[t["x"]], false, |state, x| {
                let h = state[0] * x[0] + state[0].slice(0, 1, 3).sum(&[], false);
                (vec![h], vec![h])
            });
            (last[0] * made[0].squeeze(0)).sum(&[], false)
        },
    },
    // Two scans, the second over what the first made, in the other direction.
    Case {
        name: "scan/stacked",
        inputs: &[("x", &[3, 1, 2]), ("w", &[2, 2]), ("v", &[2, 2])],
        loss: |g, t| {
            let zero = g.fill(Dtype::F32, &[1, 2], 0.0);
            let run = |x, name, reverse| {
                g.scan(&[zero], &[x], reverse, |s, x| {
                    let h = s[0].matmul(t[name]) * 0.5 + x[0];
                    (vec![h], vec![h])
                })
            };
            let (_, first) = run(t["x"], "w", false);
            let (last, second) = run(first[0], "v", true);
            (second[0] * first[0]).sum(&[], false) + last[0].square().sum(&[], false)
        },
    },
    // A divisor that all steps share: its gradient reads what every step made.
    Case {
        name: "scan/divisor",
        inputs: &[("x", &[3, 2, 2]), ("h", &[2, 2]), ("u", &[2])],
        loss: |g, t| {
            let u = t["u"].square() + 1.5;
            let (last, _) = g.scan(&[t["h"]], &[t["x"]], false, |state, x| (vec![(state[0] + x[0]) / u], vec![]));
            last[0].square().sum(&[], false)
        },
    },
];

impl Case {
    fn graph(&self, gradients: bool) -> Result<FixedGraph, Failed> {
        let graph = Graph::new();
        let inputs: Named<'_> =
            self.inputs.iter().map(|&(name, shape)| (name, graph.input(name, Dtype::F32, shape))).collect();
        let loss = (self.loss)(&graph, &inputs);
        if gradients {
            let tensors: Vec<_> = inputs.values().copied().collect();
            for (name, d) in inputs.keys().zip(graph.backward(loss, &tensors)) {
                match d {
                    Some(d) => graph.output(&format!("d_{name}"), d),
                    None => graph.reject("backward", format!("no gradient reaches {name}")),
                }
            }
        }
        graph.output("loss", loss);
        graph.build().map_err(text)
    }

    fn inputs(&self) -> Tensors {
        let seeds = 1..;
        let all =
            self.inputs.iter().zip(seeds).map(|(&(name, shape), seed)| (name.to_owned(), weights(shape, 50 * seed)));
        all.collect()
    }

    /// In f64, against central differences.
    pub fn reference(&self) -> Result<(), Failed> {
        let names: Vec<&str> = self.inputs.iter().map(|i| i.0).collect();
        let inputs = self.inputs().into_iter().map(|(name, t)| (name, t.to_f64())).collect();
        differences(&self.graph(false)?, &self.graph(true)?, inputs, &names)
    }

    /// On the adapter, each operation against its reference.
    pub fn gpu(&self, device: &Arc<Device>) -> Result<(), Failed> {
        on_adapter(self.graph(true)?, &self.inputs(), device)
    }
}
