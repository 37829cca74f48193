//! Recurrent language models one token at a time: one plan, with the state that it leaves as the state of its next run.

use std::collections::BTreeMap;

use super::Context;
use super::generate::{Rules, generate};
use crate::engine::{Session, Tensors};
use crate::error::{Error, Result};
use crate::kernel::Spec;
use crate::tensor::{Dtype, HostTensor};
use crate::train::bptt::STATES;

/// A recurrent language model, ready to generate sequences of any length.
pub struct Stepper<'c> {
    context: &'c Context,
    session: Session,
    /// `h_0`, and `c_0` of an LSTM, after the tokens so far.
    state: Tensors,
    /// Tokens that the state has seen.
    filled: usize,
}

impl<'c> Stepper<'c> {
    /// Plans for one token a run.
    ///
    /// # Errors
    /// If the model has no state, or the plan cannot be made
    pub fn open(context: &'c Context) -> Result<Stepper<'c>> {
        let state = zeros(context)?;
        let session = context.session(&token(&state, 0))?;
        Ok(Stepper { context, session, state, filled: 0 })
    }

    /// Begins another sequence, with a state of zeros.
    ///
    /// # Errors
    /// As [`Stepper::open`]
    pub fn restart(&mut self) -> Result<()> {
        self.filled = 0;
        self.state = zeros(self.context)?;
        Ok(())
    }

    /// The logits of the token after `ids`, which extend the `ids` of the call before, if there was one since
    /// [`Stepper::restart`].
    ///
    /// # Errors
    /// If there are no ids, or some beyond the vocabulary
    pub fn logits(&mut self, ids: &[i32]) -> Result<Vec<f32>> {
        if ids.is_empty() {
            return Err(Error::tensor("input_ids", "has no tokens, expected 1 or more"));
        }
        if self.filled == 0 || ids.len() <= self.filled {
            self.restart()?;
        }
        // What fails begins anew.
        let filled = std::mem::replace(&mut self.filled, 0);
        let mut logits = vec![];
        for &id in &ids[filled..] {
            let inputs = token(&self.state, id);
            (self.context.model.check)(&self.context.config, &inputs)?;
            let first = |last: &str| STATES.iter().find(|s| s.1 == last).map(|s| s.0);
            for (name, tensor) in self.session.run_for(&inputs, |name| name == "logits" || first(name).is_some())? {
                match first(&name) {
                    Some(first) => drop(self.state.insert(first.to_owned(), tensor)),
                    None => logits = tensor.as_f32()?.to_vec(),
                }
            }
        }
        self.filled = ids.len();
        Ok(logits)
    }

    /// Continues `prompt`; see [`generate`].
    ///
    /// # Errors
    /// As [`Stepper::logits`]
    pub fn generate(&mut self, prompt: &[i32], rules: &Rules, on_token: &mut dyn FnMut(i32)) -> Result<Vec<i32>> {
        self.restart()?;
        if rules.beams.num_beams != 1 {
            let message = format!("found {}, expected 1: a recurrent model has one state", rules.beams.num_beams);
            return Err(Error::config("num_beams", message));
        }
        let mut next = |rows: &[Vec<i32>], _: &[usize]| {
            let logits = self.logits(&rows[0])?;
            Ok(HostTensor::f32(&[1, logits.len()], logits))
        };
        let mut rows = generate(&mut next, &[prompt.to_vec()], rules, &mut |_, id| on_token(id))?;
        rows.pop().ok_or_else(|| Error::tensor("input_ids", "has no rows"))
    }
}

/// The state before the first token.
fn zeros(context: &Context) -> Result<Tensors> {
    let carries = context.model.carries.ok_or_else(|| {
        Error::config("config.json", format!("{} has no hidden state to carry from step to step", context.model.name))
    })?;
    let one = BTreeMap::from([("input_ids".to_owned(), Spec::new(Dtype::I32, &[1, 1]))]);
    let shapes = carries(&context.config, &one);
    context.config.finish()?;
    let zeros =
        |((first, _), shape): (&(&str, &str), Vec<usize>)| ((*first).to_owned(), HostTensor::zeros(Dtype::F32, &shape));
    Ok(STATES.iter().zip(shapes).map(zeros).collect())
}

/// The inputs of a run for the token `id`.
fn token(state: &Tensors, id: i32) -> Tensors {
    let mut inputs = state.clone();
    inputs.insert("input_ids".into(), HostTensor::i32(&[1, 1], vec![id]));
    inputs
}
