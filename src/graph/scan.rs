//! Recurrence: a body of nodes that runs once per step.

use std::panic::Location;

use super::{Carry, Graph, Scan, Source, Tensor};
use crate::kernel::Spec;

impl Graph {
    /// Runs `body` once per step over the leading axis of `slices`, carrying values from step to step.
    ///
    /// `body(carries, slices)` returns the next carries (of the same shapes) and what the step makes.
    /// The body is planned once. Returns the last carries, and each output stacked along a new first axis.
    #[track_caller]
    pub fn scan<'g>(
        &'g self,
        carries: &[Tensor<'g>],
        slices: &[Tensor<'g>],
        reverse: bool,
        body: impl FnOnce(&[Tensor<'g>], &[Tensor<'g>]) -> (Vec<Tensor<'g>>, Vec<Tensor<'g>>),
    ) -> (Vec<Tensor<'g>>, Vec<Tensor<'g>>) {
        let location = Location::caller();
        let steps = slices.first().map_or(0, |s| s.shape().first().copied().unwrap_or(0));
        let even = slices.iter().all(|s| s.shape().first() == Some(&steps));
        if steps == 0 || !even || self.in_scan.get() {
            self.fail(location, "scan", "needs slices with one leading axis of steps, and no scan around it".into());
            return (carries.to_vec(), vec![]);
        }
        let scan = self.inner.borrow().scans.len();
        let dense = |t: &Tensor<'g>| if t.is_whole() { *t } else { t.copy() };
        let initial: Vec<_> = carries.iter().map(dense).collect();
        let wholes: Vec<_> = slices.iter().map(dense).collect();
        let start = self.inner.borrow().nodes.len();
        let current: Vec<_> =
            (0..initial.len()).map(|index| self.value(initial[index].spec(), Source::Carry { scan, index })).collect();
        let slice: Vec<_> = (0..wholes.len())
            .map(|index| {
                self.value(Spec::new(wholes[index].dtype(), &wholes[index].shape()[1..]), Source::Slice { scan, index })
            })
            .collect();
        self.in_scan.set(true);
        let (next, made) = body(&current, &slice);
        // What leaves a step must be written by a node of its body.
        let written = |t: &Tensor<'g>| {
            let inside =
                matches!(self.inner.borrow().values[t.value()].source, Source::Node { node, .. } if node >= start);
            if inside && t.is_whole() { *t } else { t.copy() }
        };
        let mut next: Vec<Tensor<'g>> = next.iter().map(written).collect();
        for i in 1..next.len() {
            if next[..i].iter().any(|t| t.value() == next[i].value()) {
                next[i] = next[i].copy();
            }
        }
        let mut made: Vec<Tensor<'g>> = made.iter().map(written).collect();
        for i in 0..made.len() {
            if next.iter().chain(&made[..i]).any(|t| t.value() == made[i].value()) {
                made[i] = made[i].copy();
            }
        }
        self.in_scan.set(false);
        let end = self.inner.borrow().nodes.len();
        let same = next.len() == current.len() && next.iter().zip(&current).all(|(n, c)| n.spec() == c.spec());
        if !same || start == end {
            self.fail(location, "scan", "the body must return every carry with its shape and dtype".into());
            return (carries.to_vec(), vec![]);
        }
        let last: Vec<_> =
            (0..next.len()).map(|index| self.value(next[index].spec(), Source::Final { scan, index })).collect();
        let stacked: Vec<_> = (0..made.len())
            .map(|index| {
                let spec = made[index].spec();
                let shape: Vec<_> = std::iter::once(steps).chain(spec.shape).collect();
                self.value(Spec::new(spec.dtype, &shape), Source::Stacked { scan, index })
            })
            .collect();
        let carries = (0..next.len())
            .map(|i| Carry {
                initial: initial[i].value(),
                current: current[i].value(),
                next: next[i].value(),
                last: last[i].value(),
            })
            .collect();
        let pairs = |a: &[Tensor<'g>], b: &[Tensor<'g>]| a.iter().zip(b).map(|(a, b)| (a.value(), b.value())).collect();
        let scan = Scan {
            steps,
            body: start..end,
            carries,
            slices: pairs(&wholes, &slice),
            outputs: pairs(&made, &stacked),
            reverse,
        };
        self.inner.borrow_mut().scans.push(scan);
        (last, stacked)
    }
}
