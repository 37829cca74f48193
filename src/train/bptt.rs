//! Truncated back-propagation through time: the last hidden state of a step begins the next one, as a constant.
//!
//! Source: Williams, Peng 1990; SPEC of PyTorch's word-language example

use crate::config::Config;
use crate::graph::Graph;
use crate::kernel::Spec;
use crate::tensor::{Dtype, HostTensor};

use super::objective::{self, Objective, Shapes};
use super::step::Task;

/// The states that are handed on, as inputs and results of a model; an LSTM has both.
pub const STATES: [(&str, &str); 2] = [("h_0", "h_n"), ("c_0", "c_n")];

/// The loss of a model whose hidden states begin as the step before left them, or at zero where the input `bptt/keep`
/// is 0.
#[track_caller]
pub fn objective<'g>(g: &'g Graph, task: &Task, args: &Config, shapes: &Shapes) -> Objective<'g> {
    let Some(state) = task.model.carries else {
        g.reject("bptt", format!("{} has no hidden state to carry from step to step", task.model.name));
        return Objective { loss: g.scalar(0.0), parts: vec![], labels: vec![] };
    };
    let keep = g.input("bptt/keep", Dtype::F32, &[1]);
    let mut with = shapes.clone();
    let mut carried = vec![];
    for ((first, last), shape) in STATES.iter().zip(state(&task.config, shapes)) {
        let kept = g.state(&format!("bptt.{first}"), Dtype::F32, &shape);
        g.substitute(first, kept * keep);
        with.insert((*first).to_owned(), Spec::f32(&shape));
        carried.push((kept, *last));
    }
    let found = objective::objective(g, task.model, &task.config, (task.settings.loss, args), &with);
    let anew = g.constant(HostTensor::f32(&[1], vec![0.0]));
    for (kept, last) in carried {
        match g.result(last) {
            Some(last) => {
                kept.accumulate(last, anew);
            }
            None => g.reject("bptt", format!("the model has no result '{last}'")),
        }
    }
    found
}
