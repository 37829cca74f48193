//! What the updates share: ports, shapes, the gradient they see and the parts of their bounds. Snippet: lib/update

use crate::graph::Tensor;
use crate::kernel::{Backward, Call, Grid, Kernel, Port, Ref, Scalars, Spec, Work};
use crate::kernels::near::Near;
use crate::shape::Dims;

/// Elements that share one weight decay: every tensor of an arena begins at a multiple of them.
pub const BLOCK: usize = crate::graph::ARENA_ALIGN;

pub(super) const W: Port = Port::f32("w");
pub(super) const D_W: Port = Port::f32("d_w");
pub(super) const HYPER: Port = Port::f32("hyper");
pub(super) const DECAY: Port = Port::f32("decay").optional();
pub(super) const SCALE: Port = Port::f32("scale").optional();

const PAIRS: [(usize, usize); 4] = [(0, 0), (1, 1), (2, 2), (3, 3)];

/// The first `n` outputs are the first `n` inputs.
pub(super) const fn in_place(n: usize) -> &'static [(usize, usize)] {
    PAIRS.split_at(n).0
}

pub(super) const BASE: Kernel = Kernel {
    scalars: |c| Scalars::new().set("quads", c.outputs[0].len() / 4),
    backward: Backward::None("gradients end at the update of what they are of"),
    ..Kernel::BASE
};

/// One invocation per four elements.
pub(super) fn quads(c: &Call) -> Grid {
    Grid::Threads(c.outputs[0].len() as u64 / 4)
}

/// `flops` an element.
pub(super) fn work(c: &Call, flops: u64) -> Work {
    Work { flops: flops * c.outputs[0].len() as u64, bytes: c.bytes() }
}

/// Weights and states `(N)` first, then `d_w (N)`, `hyper`, `decay (N/64)` and `scale (1)`.
pub(super) fn shape(c: &Call, hyper: usize) -> Result<Vec<Spec>, String> {
    let kept = c.kernel.in_place.len();
    let w = c.shape(0);
    if w.len() != 1 || !w[0].is_multiple_of(BLOCK) {
        return Err(format!("w is {}, expected one axis of a multiple of {BLOCK}", Dims(w)));
    }
    let vector = |port: usize, n: usize| {
        let name = c.kernel.inputs[port].name;
        match c.has(port).then(|| c.shape(port)) {
            Some(found) if found != [n] => Err(format!("{name} is {}, expected ({n},) for w {}", Dims(found), Dims(w))),
            _ => Ok(()),
        }
    };
    for port in 1..=kept {
        vector(port, w[0])?;
    }
    vector(kept + 1, hyper)?;
    vector(kept + 2, w[0] / BLOCK)?;
    vector(kept + 3, 1)?;
    Ok(vec![Spec::f32(w); kept])
}

/// The inputs of a call, by what they are.
pub(super) struct Given<'a> {
    r: &'a Ref<'a>,
    kept: usize,
}

impl<'a> Given<'a> {
    pub fn of(r: &'a Ref<'a>) -> Given<'a> {
        Given { r, kept: r.kernel.in_place.len() }
    }
    /// Weights (0) and states.
    pub fn state(&self, i: usize) -> &'a [f64] {
        self.r.f64(i)
    }
    pub fn hyper(&self, i: usize) -> f64 {
        self.r.f64(self.kept + 1)[i]
    }
    /// A factor that comes as a sum of two, and the one beside it: `[β, 1 − β]`.
    pub fn factors(&self, at: usize) -> [f64; 2] {
        [self.hyper(at) + self.hyper(at + 1), self.hyper(at + 2)]
    }
    pub fn decay(&self) -> Option<&'a [f64]> {
        self.r.opt(self.kept + 2)
    }
    fn scale(&self) -> Option<f64> {
        self.r.opt(self.kept + 3).map(|s| s[0])
    }
    /// The gradient, with the decay if it is coupled.
    pub fn gradient(&self, coupled: bool) -> Vec<f64> {
        let decay = self.decay().filter(|_| coupled);
        kernels_ref::optimizer::gradient(self.state(0), self.r.f64(self.kept), self.scale(), self.hyper(1), decay)
    }
}

/// One element of a call, for its bounds: everything that is given is exact.
pub(super) struct Element<'a> {
    given: &'a Given<'a>,
    i: usize,
}

impl Element<'_> {
    /// A number that the shader has, too.
    pub fn exact(&self, v: f64) -> Near {
        Near::exact(v, self.given.r.tol)
    }
    /// The weight (0) or a state.
    pub fn state(&self, s: usize) -> Near {
        self.exact(self.given.state(s)[self.i])
    }
    pub fn hyper(&self, at: usize) -> Near {
        self.exact(self.given.hyper(at))
    }
    /// The weight decay of its tensor, 0 without one.
    pub fn decay(&self) -> Near {
        self.exact(self.given.decay().map_or(0.0, |decay| decay[self.i / BLOCK]))
    }
    /// `clip(scale·d_w)`
    pub fn clipped(&self) -> Near {
        let d_w = self.exact(self.given.r.f64(self.given.kept)[self.i]);
        let scaled = self.given.scale().map_or(d_w, |scale| self.exact(scale) * d_w);
        scaled.clamp(self.given.hyper(1))
    }
    /// `clip(scale·d_w) + decay·w`
    pub fn coupled(&self) -> Near {
        self.clipped() + self.decay() * self.state(0)
    }
    /// `(hyper[at] + hyper[at+1])·x + hyper[at+2]·y`
    pub fn mixed(&self, x: Near, y: Near, at: usize) -> Near {
        self.hyper(at) * x + (self.hyper(at + 1) * x + self.hyper(at + 2) * y)
    }
    /// [`Element::mixed`] of `y²`.
    pub fn mixed_square(&self, x: Near, y: Near, at: usize) -> Near {
        self.hyper(at) * x + (self.hyper(at + 1) * x + self.hyper(at + 2) * y * y)
    }
}

/// Bounds of every element of `N` outputs.
pub(super) fn bounds<const N: usize>(r: &Ref, one: fn(&Element) -> [Near; N]) -> Vec<Vec<f64>> {
    let given = Given::of(r);
    let mut all = vec![vec![]; N];
    for i in 0..given.state(0).len() {
        for (bounds, near) in all.iter_mut().zip(one(&Element { given: &given, i })) {
            bounds.push(near.bound());
        }
    }
    all
}

/// What an update takes beside the weights and the states of its optimizer.
#[derive(Clone, Copy)]
pub struct Update<'g> {
    /// The gradient `(N)`.
    pub d_w: Tensor<'g>,
    /// The numbers of this update ([`crate::train::optimizer::Optimizer::hyper`]); their order stands in the shader.
    pub hyper: Tensor<'g>,
    /// The weight decay of every block of 64 elements, `(N/64)`; none if absent.
    pub decay: Option<Tensor<'g>>,
    /// A factor on the gradient, `(1)`; 1 if absent.
    pub scale: Option<Tensor<'g>>,
}

impl<'g> Update<'g> {
    /// The weights `w` and the states after one update by `kernel`, in the order of its ports.
    ///
    /// # Shapes
    /// `w` and every state `(N)`, N a multiple of 64 → the same, updated
    /// # Errors
    /// [`crate::Error::Graph`] if a shape does not fit, or what is updated is neither weight nor state
    #[track_caller]
    pub fn apply(self, kernel: &'static Kernel, w: Tensor<'g>, states: &[Tensor<'g>]) -> Vec<Tensor<'g>> {
        let kept = std::iter::once(w).chain(states.iter().copied()).map(Some);
        let inputs: Vec<_> = kept.chain([Some(self.d_w), Some(self.hyper), self.decay, self.scale]).collect();
        w.graph().dispatch(kernel, &inputs, &[])
    }

    /// As [`Update::apply`], of a number of states that is known.
    #[track_caller]
    pub(super) fn of<const N: usize>(
        self,
        kernel: &'static Kernel,
        w: Tensor<'g>,
        states: &[Tensor<'g>],
    ) -> [Tensor<'g>; N] {
        let updated = self.apply(kernel, w, states);
        std::array::from_fn(|i| updated[i])
    }
}
