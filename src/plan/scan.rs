//! Scans: the body's operations once per step, over places that change from step to step.

use std::collections::HashMap;

use super::assign::scan_of_value;
use super::emit::{Emitter, StepPlaces, copy_op};
use super::{Op, Place};
use crate::error::Result;
use crate::graph::{Carry, Scan, ValueId};
use crate::kernel::{Operand, Spec};
use crate::shape::Layout;

/// A scan whose values around the body have their places.
struct Placed {
    scan: usize,
    info: Scan,
    /// Operations of the body.
    body: std::ops::Range<usize>,
    /// Slice, first step, bytes of a step, distance between steps.
    slices: Vec<(ValueId, Place, u64, u64)>,
    /// Carry, place before the first step, places that take turns.
    carries: Vec<(Carry, Place, Vec<Place>)>,
    stacks: Vec<Stack>,
    /// Padded copies of slices.
    padded: Vec<Place>,
    /// Scratch places of each operation of the body.
    scratch: Vec<HashMap<&'static str, Place>>,
}

/// An output that is stacked over the steps.
struct Stack {
    made: ValueId,
    stacked: ValueId,
    place: Place,
    step: Spec,
    pitch: u64,
}

impl Stack {
    /// True if the steps lie one after the other; otherwise a copy closes the gaps.
    fn dense(&self) -> bool {
        self.pitch == self.step.bytes()
    }
}

impl Emitter<'_> {
    /// Emits the body of `scan`, which begins at operation `start`, once per step; returns the next operation.
    pub(super) fn scan(&mut self, scan: usize, start: usize) -> Result<usize> {
        let mut info = self.draft.graph.scans[scan].clone();
        // What nobody reads of all steps is not kept.
        info.outputs.retain(|(_, all)| self.last.contains_key(all) || self.memory.places.contains_key(all));
        let end = (start..self.ops.len()).find(|&i| self.ops[i].scan != Some(scan)).unwrap_or(self.ops.len());
        let (slices, carries, stacks) = (vec![], vec![], vec![]);
        let mut placed =
            Placed { scan, info, body: start..end, slices, carries, stacks, padded: vec![], scratch: vec![] };
        self.place_slices(&mut placed)?;
        self.place_carries(&mut placed)?;
        self.place_stacks(&mut placed)?;
        self.place_body(&mut placed)?;
        for step in 0..placed.info.steps {
            self.step(&placed, step)?;
        }
        self.scratch.clear();
        self.finish_carries(&placed)?;
        self.finish_stacks(&placed)?;
        placed.padded.iter().for_each(|place| self.memory.release(*place));
        self.release_around(&placed.info, start, end);
        Ok(end)
    }

    /// Distance between steps of `spec`, which bindings can begin at.
    fn pitch(&self, spec: &Spec) -> u64 {
        spec.bytes().next_multiple_of(u64::from(self.adapter.storage_alignment))
    }

    /// Slices whose steps are not aligned are read from a padded copy.
    fn place_slices(&mut self, placed: &mut Placed) -> Result<()> {
        for &(whole, slice) in &placed.info.slices {
            let whole = self.draft.resolve(whole);
            let step = self.spec(slice).clone();
            let pitch = self.pitch(&step);
            let mut place = self.source_place(whole)?;
            if pitch != step.bytes() {
                let (dtype, words) = (step.dtype, pitch as usize / step.dtype.size());
                let padded = self.draft.new_value(dtype, &[placed.info.steps, words]);
                let operand = Operand { dtype, layout: Layout::contiguous(&[placed.info.steps, step.len()]) };
                place = self.extra_op(copy_op(whole, operand, padded, words, None, &self.ops[placed.body.start]))?;
                placed.padded.push(place);
            }
            placed.slices.push((slice, place, step.bytes(), pitch));
        }
        Ok(())
    }

    /// Two places take turns; where every value is to stay readable, each step has its own.
    fn place_carries(&mut self, placed: &mut Placed) -> Result<()> {
        for c in &placed.info.carries {
            let initial = self.source_place(self.draft.resolve(c.initial))?;
            let bytes = self.spec(c.current).bytes();
            let count = if self.options.reuse { 2 } else { placed.info.steps + 1 };
            let turns = (0..count).map(|_| self.memory.slot(bytes)).collect();
            placed.carries.push((c.clone(), initial, turns));
        }
        Ok(())
    }

    fn place_stacks(&mut self, placed: &mut Placed) -> Result<()> {
        for &(made, stacked) in &placed.info.outputs {
            let step = self.spec(made).clone();
            let pitch = self.pitch(&step);
            let total = pitch * placed.info.steps as u64;
            self.fits(total, "the stacked output of a scan")?;
            let dense = pitch == step.bytes();
            let place = match self.memory.places.get(&stacked) {
                Some(place) if dense => *place,
                _ => self.memory.slot(total),
            };
            if dense {
                self.memory.places.insert(stacked, place);
            }
            placed.stacks.push(Stack { made, stacked, place, step, pitch });
        }
        Ok(())
    }

    /// The body's own temporaries are placed once and serve every step.
    fn place_body(&mut self, placed: &mut Placed) -> Result<()> {
        let info = &placed.info;
        for i in placed.body.clone() {
            let leaves =
                |v: &ValueId| info.carries.iter().any(|c| c.next == *v) || info.outputs.iter().any(|o| o.0 == *v);
            let held: Vec<_> = self.ops[i].outputs.iter().copied().filter(leaves).collect();
            // What leaves a step is placed by the step: this keeps it from a slot.
            for &value in &held {
                self.memory.places.insert(value, Place { buffer: usize::MAX, offset: 0, bytes: 0 });
            }
            self.write_places(i)?;
            placed.scratch.push(self.scratch.clone());
            for value in &held {
                self.memory.places.remove(value);
            }
            self.release_in_body(i, placed.scan);
        }
        Ok(())
    }

    fn step(&mut self, placed: &Placed, step: usize) -> Result<()> {
        let t = if placed.info.reverse { placed.info.steps - 1 - step } else { step } as u64;
        let part = |place: &Place, pitch: u64, bytes: u64| Place { offset: place.offset + t * pitch, bytes, ..*place };
        let mut at = StepPlaces::new();
        for (slice, place, bytes, pitch) in &placed.slices {
            at.insert(*slice, part(place, *pitch, *bytes));
        }
        for (c, initial, turns) in &placed.carries {
            at.insert(c.current, if step == 0 { *initial } else { turns[step % turns.len()] });
            at.insert(c.next, turns[(step + 1) % turns.len()]);
        }
        for s in &placed.stacks {
            at.insert(s.made, part(&s.place, s.pitch, s.step.bytes()));
        }
        for i in placed.body.clone() {
            if !self.options.reuse && step > 0 {
                self.fresh_places(i, &mut at);
            }
            self.scratch = placed.scratch[i - placed.body.start].clone();
            self.dispatch(i, Some(step), &at)?;
        }
        if !self.options.reuse {
            for value in self.ops[placed.body.clone()].iter().flat_map(|o| &o.outputs) {
                let place = at.get(value).or_else(|| self.memory.places.get(value)).copied();
                at.extend(place.map(|p| (*value, p)));
            }
            self.step_places.insert((placed.scan, step), at);
        }
        Ok(())
    }

    /// The last carries stay where the last step wrote them, or are copied to where a result is expected.
    fn finish_carries(&mut self, placed: &Placed) -> Result<()> {
        for (c, _, turns) in &placed.carries {
            let last = turns[placed.info.steps % turns.len()];
            turns.iter().filter(|t| **t != last).for_each(|t| self.memory.release(*t));
            if self.memory.places.contains_key(&c.last) {
                let spec = self.spec(c.last).clone();
                let operand = Operand { dtype: spec.dtype, layout: Layout::contiguous(&spec.shape) };
                let from = self.draft.new_value(spec.dtype, &spec.shape);
                self.memory.places.insert(from, last);
                self.extra_op(copy_op(from, operand, c.last, 0, None, &self.ops[placed.body.start]))?;
            } else {
                self.memory.places.insert(c.last, last);
            }
            if !self.last.contains_key(&c.last) {
                self.memory.release(last);
            }
        }
        Ok(())
    }

    fn finish_stacks(&mut self, placed: &Placed) -> Result<()> {
        for s in placed.stacks.iter().filter(|s| !s.dense()) {
            let words = s.pitch as usize / s.step.dtype.size();
            let padded = self.draft.new_value(s.step.dtype, &[placed.info.steps, words]);
            self.memory.places.insert(padded, s.place);
            let layout = Layout { shape: vec![placed.info.steps, s.step.len()], strides: vec![words, 1], offset: 0 };
            let operand = Operand { dtype: s.step.dtype, layout };
            self.extra_op(copy_op(padded, operand, s.stacked, 0, None, &self.ops[placed.body.start]))?;
            self.memory.release(s.place);
        }
        Ok(())
    }

    /// Frees what only the scan read of the values around it.
    fn release_around(&mut self, info: &Scan, start: usize, end: usize) {
        let read = self.ops[start..end].iter().flat_map(|o| o.inputs.iter().flatten().copied());
        let around = info.carries.iter().map(|c| c.initial).chain(info.slices.iter().map(|s| s.0));
        let mut values: Vec<_> = read.chain(around.map(|v| self.draft.resolve(v))).collect();
        values.sort_unstable();
        values.dedup();
        for value in values {
            let outside = scan_of_value(&self.draft, &self.ops, value).is_none();
            if outside
                && self.last.get(&value).is_some_and(|&last| last < end)
                && let Some(&place) = self.memory.places.get(&value)
            {
                self.memory.release(place);
            }
        }
    }

    /// Places of its own, in this step, for what operation `i` of a scan's body writes.
    fn fresh_places(&mut self, i: usize, at: &mut StepPlaces) {
        for value in self.ops[i].outputs.clone() {
            let bytes = self.spec(value).bytes();
            at.entry(value).or_insert_with(|| self.memory.slot(bytes));
        }
    }

    /// Frees, inside a scan's body, what the body itself made and reads no more.
    fn release_in_body(&mut self, i: usize, scan: usize) {
        let op = self.ops[i].clone();
        for place in std::mem::take(&mut self.scratch).into_values() {
            self.memory.release(place);
        }
        for &value in op.inputs.iter().flatten().chain(&op.outputs) {
            let own = scan_of_value(&self.draft, &self.ops, value) == Some(scan);
            let dead = self.last.get(&value).is_none_or(|&last| last <= i);
            if own
                && dead
                && let Some(&place) = self.memory.places.get(&value)
            {
                self.memory.release(place);
            }
        }
    }

    /// Emits an operation that the plan adds around a scan; it stands at the end of the list of operations.
    fn extra_op(&mut self, mut op: Op) -> Result<Place> {
        op.how = op.call.kernel.variant(&op.call, self.adapter).how;
        let value = op.outputs[0];
        self.ops.push(op);
        let i = self.ops.len() - 1;
        self.write_places(i)?;
        self.dispatch(i, None, &StepPlaces::new())?;
        Ok(self.memory.places[&value])
    }
}
