//! A kernel as data: name, ports, parameters, shape rule, variants, reference, bound, backward, work.
//!
//! There is no op enum and no op trait. A kernel is one `static` [`Kernel`]; graph, plan and runner know
//! none of them by name.

use crate::adapter::Adapter;
use crate::backward::Adjoint;
use crate::graph::Tensor;
use crate::tensor::Dtype;

mod call;
mod params;
mod scalars;

pub use call::{Call, Operand, Part, Ref, Spec};
pub use params::{Default, Param, Params, Value};
pub use scalars::{Scalar, Scalars};

/// Bounds of every element of every output, from the inputs and the reference's outputs.
pub type BoundRule = fn(&Ref, &[Vec<f64>]) -> Vec<Vec<f64>>;

/// One operation: one name in four places (shader, this value, reference function, test rows).
pub struct Kernel {
    /// The name: entry point, reference function, test prefix, bench prefix, timestamp label.
    pub name: &'static str,
    /// Inputs in order; port names are the shader's binding names.
    pub inputs: &'static [Port],
    /// Outputs in order; names are the shader's binding names.
    pub outputs: &'static [&'static str],
    /// Parameters a call carries (`eps`, `stride`, …), with defaults.
    pub params: &'static [Param],
    /// Shapes and dtypes of the outputs, or what does not fit, as `inner sizes differ, 3 and 4`.
    pub shape: fn(&Call) -> Result<Vec<Spec>, String>,
    /// Values for every field of the shader's `Params` and every `override` it declares (except those
    /// the engine sets: `HAS_<PORT>`, `<PORT>_F16` and `LEAST_SUBGROUP`, the lanes of the adapter's smallest one).
    pub scalars: fn(&Call) -> Scalars,
    /// Ways to compute it; the last one fits every call on every adapter.
    pub variants: &'static [Variant],
    /// Index of the variant to take on an adapter, cold. It may name one that does not fit: the next
    /// fitting one in the list is taken.
    pub choose: fn(&Call, &Adapter) -> usize,
    /// Flops and bytes of a call.
    pub work: fn(&Call) -> Work,
    /// The reference in f64: one vector per output.
    pub reference: fn(&Ref) -> Vec<Vec<f64>>,
    /// The largest allowed `|y − r|` of every element of every output (`docs/numerics.md`).
    pub bound: BoundRule,
    /// The gradient rule.
    pub backward: Backward,
    /// Whether one call can do the work of many steps of a scan.
    pub steps: Steps,
    /// What the planner may do with it.
    pub fusion: Fusion,
    /// `(output, input)`: the output is the input's buffer, updated in place (states and weights only).
    pub in_place: &'static [(usize, usize)],
    /// A weight that may be split by rows over several bindings.
    pub row_split: Option<RowSplit>,
    /// Into how many rows of one size, one behind the other, a plan may divide an output that is too large for one
    /// binding; a dispatch then writes those of [`Call::rows`]. 1 if it may not.
    pub output_rows: fn(&Call) -> usize,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kernel({})", self.name)
    }
}

impl Kernel {
    /// Defaults for the fields most kernels leave alone.
    pub const BASE: Kernel = Kernel {
        name: "",
        inputs: &[],
        outputs: &["y"],
        params: &[],
        shape: |_| Err("bug: kernel without a shape rule".into()),
        scalars: |_| Scalars::new(),
        variants: &[],
        choose: |_, _| 0,
        work: |call| Work { flops: 0, bytes: call.bytes() },
        reference: |_| vec![],
        bound: |_, out| out.iter().map(|o| vec![0.0; o.len()]).collect(),
        backward: Backward::None(NO_RULE),
        steps: Steps::One,
        fusion: Fusion::NONE,
        in_place: &[],
        row_split: None,
        output_rows: |_| 1,
    };

    /// The variant a plan takes for `call` on `adapter`.
    pub fn variant(&self, call: &Call, adapter: &Adapter) -> &'static Variant {
        let first = (self.choose)(call, adapter);
        let order = (first..self.variants.len()).chain(0..first);
        let last = self.variants.len() - 1;
        let serves = |&i: &usize| !self.variants[i].tuned && self.variants[i].fits(call, adapter);
        &self.variants[order.into_iter().find(serves).unwrap_or(last)]
    }

    /// The index of the variant `how`, for [`Kernel::choose`].
    pub fn index_of(&self, how: &str) -> usize {
        self.variants.iter().position(|v| v.how == how).expect("bug: a kernel has the variants that it chooses")
    }

    /// True if the input at `port` is updated in place.
    pub fn updates(&self, port: usize) -> bool {
        self.in_place.iter().any(|&(_, input)| input == port)
    }

    /// Index of the input port called `name`.
    pub fn port(&self, name: &str) -> Option<usize> {
        self.inputs.iter().position(|p| p.name == name)
    }
}

/// An input of a kernel.
#[derive(Debug, Clone, Copy)]
pub struct Port {
    /// Binding name in the shader.
    pub name: &'static str,
    /// Accepted dtypes.
    pub dtypes: &'static [Dtype],
    /// May be absent; the shader's `override HAS_<NAME>` says whether it is there.
    pub optional: bool,
    /// Takes any strides and offset (read them in `scalars`); otherwise the plan copies what is not dense.
    pub strided: bool,
}

impl Port {
    /// A port of one or more dtypes.
    pub const fn new(name: &'static str, dtypes: &'static [Dtype]) -> Port {
        Port { name, dtypes, optional: false, strided: false }
    }
    /// An f32 port.
    pub const fn f32(name: &'static str) -> Port {
        Port::new(name, &[Dtype::F32])
    }
    /// An i32 port.
    pub const fn i32(name: &'static str) -> Port {
        Port::new(name, &[Dtype::I32])
    }
    /// A u32 port.
    pub const fn u32(name: &'static str) -> Port {
        Port::new(name, &[Dtype::U32])
    }
    /// A port that also reads f16 weights; the shader's `override <NAME>_F16` says which it is.
    pub const fn f32_or_f16(name: &'static str) -> Port {
        Port::new(name, &[Dtype::F32, Dtype::F16])
    }
    /// A port of any 32-bit dtype.
    pub const fn any32(name: &'static str) -> Port {
        Port::new(name, &[Dtype::F32, Dtype::I32, Dtype::U32])
    }
    /// The port, optional.
    pub const fn optional(self) -> Port {
        Port { optional: true, ..self }
    }
    /// The port, taking strided inputs.
    pub const fn strided(self) -> Port {
        Port { strided: true, ..self }
    }
}

/// A weight that may be split by rows over several bindings; each part of a dispatch writes only its own rows
/// or columns ([`Call::part`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowSplit {
    /// Its port.
    pub port: usize,
    /// The axis of the operand, of rank 2, that runs over the weight's rows: 1 if the kernel sees it transposed.
    pub axis: usize,
}

/// One way to compute a kernel.
pub struct Variant {
    /// Empty for the plain one, else a word of the closed list in `docs/notation.md`.
    pub how: &'static str,
    /// Path below `shaders/`, without `.wgsl`.
    pub shader: &'static str,
    /// Can it compute this call on this adapter (shapes, features; limits are checked by the engine)?
    pub applies: fn(&Call, &Adapter) -> bool,
    /// Dispatches, in order.
    pub steps: &'static [Step],
    /// Entries of the first steps, which write scratch from weights alone: where the inputs they read are
    /// weights, they run once when the weights are loaded, and their scratch stays.
    pub pack: &'static [&'static str],
    /// Buffers between the steps, by binding name.
    pub scratch: &'static [Scratch],
    /// Scalars beyond the kernel's own (tile counts, split factors).
    pub scalars: fn(&Call) -> Scalars,
    /// True if a plan takes it only where it was measured, never by [`Kernel::choose`] or in the place of another.
    pub tuned: bool,
}

impl Variant {
    /// Defaults: plain, applies always, one scratchless step to be given.
    pub const BASE: Variant = Variant {
        how: "",
        shader: "",
        applies: |_, _| true,
        steps: &[],
        pack: &[],
        scratch: &[],
        scalars: |_| Scalars::new(),
        tuned: false,
    };

    /// True if it applies and no invocation loops longer than the adapter allows.
    pub fn fits(&self, call: &Call, adapter: &Adapter) -> bool {
        (self.applies)(call, adapter)
            && adapter.max_loop_iterations.is_none_or(|max| self.steps.iter().all(|s| (s.loops)(call) <= max))
    }

    /// Its word in tables and on the command line; `plain` where it has none.
    pub fn word(&self) -> &'static str {
        if self.how.is_empty() { "plain" } else { self.how }
    }

    /// `<op>` or `<op>_<how>`.
    pub fn label(&self, kernel: &Kernel) -> String {
        if self.how.is_empty() { kernel.name.to_owned() } else { format!("{}_{}", kernel.name, self.how) }
    }
}

/// One dispatch of a variant.
pub struct Step {
    /// Entry point.
    pub entry: &'static str,
    /// How many workgroups.
    pub grid: fn(&Call) -> Grid,
    /// Loop iterations of one invocation, summed over all loops, at most.
    pub loops: fn(&Call) -> u64,
}

/// A buffer that lives between the steps of one variant.
pub struct Scratch {
    /// Binding name in the shader.
    pub name: &'static str,
    /// Size and dtype.
    pub spec: fn(&Call) -> Spec,
}

/// How many workgroups a step needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grid {
    /// This many invocations along x, rounded up to workgroups and folded over y above 65,535
    /// (`lib/grid.wgsl` unfolds).
    Threads(u64),
    /// This many workgroups, folded over y above 65,535 (`lib/grid.wgsl` unfolds).
    Groups(u64),
    /// Exactly these workgroups along x, y and z.
    Exact([u64; 3]),
}

/// Floating-point operations and bytes moved, counted once each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Additions and multiplications; a fused multiply-add counts two.
    pub flops: u64,
    /// Bytes read and written if every element moves once.
    pub bytes: u64,
}

/// Whether one call, of inputs with a new first axis of steps, does what a call a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steps {
    /// No, or nobody said.
    One,
    /// Yes; an input that is the same in every step is repeated.
    Elementwise,
    /// Yes; the input at port `fixed`, if it is the same in every step, stays without the new axis.
    Leading {
        /// Its port.
        fixed: usize,
    },
}

/// A gradient rule: for each input, in order, its gradient in the shape in which the kernel sees it, or nothing for
/// an input that has none (integers) or that nobody asks for.
pub type Rule = for<'a, 'g> fn(&Adjoint<'a, 'g>) -> Vec<Option<Tensor<'g>>>;

/// Why a kernel that says nothing of gradients has none.
pub const NO_RULE: &str = "its kernel has no rule for it";

/// How a kernel's gradient is made.
pub enum Backward {
    /// No gradient, and why (piecewise constant, integers, …).
    None(&'static str),
    /// A node that ends the path of gradients on purpose: what lies behind it is constant, and no error.
    Stop,
    /// Nodes that compute the gradients of the inputs from those of the outputs.
    Rule(Rule),
}

/// What the planner may do with a kernel.
#[derive(Debug, Clone, Copy)]
pub struct Fusion {
    /// What this kernel is to a producer with an epilogue.
    pub role: Role,
    /// What this kernel can do to its own result before it writes it.
    pub epilogue: Option<Epilogue>,
    /// The kernel that computes this one of an activation of its first input, named by the parameter
    /// `activation`: `activation(a) ∘ b`, for a commutative `a ∘ b`.
    pub of_activation: Option<&'static Kernel>,
    /// The kernel that computes an activation of this one, named by the parameter `activation`.
    pub then_activation: Option<&'static Kernel>,
    /// The kernel that computes this one and the matrix product before one of its inputs.
    pub of_product: Option<Product>,
    /// Port of what a sum before this kernel adds to its first input: a value per channel of a sample, `(B, C)`.
    pub shift: Option<usize>,
}

impl Fusion {
    /// Neither fuses nor is fused.
    pub const NONE: Fusion = Fusion {
        role: Role::None,
        epilogue: None,
        of_activation: None,
        then_activation: None,
        of_product: None,
        shift: None,
    };
}

/// A matrix product that a kernel's input is, and the kernel of both.
#[derive(Debug, Clone, Copy)]
pub struct Product {
    /// The input.
    pub port: usize,
    /// The kernel of the product, whose first two inputs are the operands; the second is a transposed weight.
    pub of: &'static Kernel,
    /// The kernel of both: its inputs are the other inputs of this kernel, then the left operand, the weight as it lies in
    /// memory, and the bias.
    pub with: &'static Kernel,
    /// Rows of the product up to which the kernel of both is worth it.
    pub rows: usize,
}

/// What a kernel is to a producer with an [`Epilogue`].
#[derive(Debug, Clone, Copy)]
pub enum Role {
    /// Nothing.
    None,
    /// A unary function without parameters, whose name the `activation` parameter accepts.
    Activation,
    /// The sum of two tensors: a bias or a residual.
    Add,
    /// The product of two tensors: a scale, if one is a constant scalar.
    Mul,
    /// `y = x · scale[c] + shift[c]` with weights only: folded into the producer's own weights.
    ChannelAffine(fn(&Ref) -> (Vec<f64>, Vec<f64>)),
}

/// `y = activation_out(activation(scale · acc + bias) + residual)`: what a kernel can do to its result
/// before it writes it. It then has the float parameter `scale` and the choices `activation` and
/// `activation_out` (defaults 1, `none`, `none`).
#[derive(Debug, Clone, Copy)]
pub struct Epilogue {
    /// Port of the bias.
    pub bias: Option<usize>,
    /// Axis of the output the bias runs along, counted from the end (1 is the last).
    pub bias_axis_from_end: usize,
    /// Port of the residual, of the output's shape.
    pub residual: Option<usize>,
    /// Has `scale`.
    pub scale: bool,
    /// Port of the weight whose first axis (per output channel) a [`Role::ChannelAffine`] may scale.
    pub fold: Option<usize>,
}
