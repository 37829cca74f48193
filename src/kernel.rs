//! A kernel as data: name, ports, parameters, shape rule, variants, reference, bound, backward, work.
//!
//! There is no op enum and no op trait. A kernel is one `static` [`Kernel`]; graph, plan and runner know
//! none of them by name.

use std::collections::BTreeMap;
use std::ops::Deref;

use crate::adapter::Adapter;
use crate::check::Tol;
use crate::shape::Layout;
use crate::tensor::Dtype;

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
    /// the engine sets: `HAS_<PORT>` and `<PORT>_F16`).
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
    /// The largest allowed `|y − r|` of every element of every output (`RELIABILITY.md` 4.3).
    pub bound: BoundRule,
    /// The gradient rule.
    pub backward: Backward,
    /// What the planner may do with it.
    pub fusion: Fusion,
    /// `(output, input)`: the output is the input's buffer, updated in place (states only).
    pub in_place: Option<(usize, usize)>,
    /// A weight that may be split by rows over several bindings.
    pub row_split: Option<RowSplit>,
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
        backward: Backward::Unwritten,
        fusion: Fusion::NONE,
        in_place: None,
        row_split: None,
    };

    /// The variant a plan takes for `call` on `adapter`.
    pub fn variant(&self, call: &Call, adapter: &Adapter) -> &'static Variant {
        let first = (self.choose)(call, adapter);
        let order = (first..self.variants.len()).chain(0..first);
        let last = self.variants.len() - 1;
        let index = order.into_iter().find(|&i| self.variants[i].fits(call, adapter)).unwrap_or(last);
        &self.variants[index]
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

/// A parameter's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// A real number.
    Float(f64),
    /// A switch.
    Flag(bool),
    /// A choice by name.
    Text(String),
    /// A list of whole numbers.
    Ints(Vec<i64>),
}

impl From<i64> for Value {
    fn from(v: i64) -> Value {
        Value::Int(v)
    }
}
impl From<usize> for Value {
    fn from(v: usize) -> Value {
        Value::Int(v as i64)
    }
}
impl From<f64> for Value {
    fn from(v: f64) -> Value {
        Value::Float(v)
    }
}
impl From<bool> for Value {
    fn from(v: bool) -> Value {
        Value::Flag(v)
    }
}
impl From<&str> for Value {
    fn from(v: &str) -> Value {
        Value::Text(v.to_owned())
    }
}
impl From<Vec<i64>> for Value {
    fn from(v: Vec<i64>) -> Value {
        Value::Ints(v)
    }
}
impl From<&[usize]> for Value {
    fn from(v: &[usize]) -> Value {
        Value::Ints(v.iter().map(|&n| n as i64).collect())
    }
}
impl<const N: usize> From<[usize; N]> for Value {
    fn from(v: [usize; N]) -> Value {
        Value::from(&v[..])
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Int(v) => write!(f, "{v}"),
            Value::Float(v) => write!(f, "{v:?}"),
            Value::Flag(v) => write!(f, "{v}"),
            Value::Text(v) => f.write_str(v),
            Value::Ints(v) => write!(f, "{v:?}"),
        }
    }
}

/// A declared parameter and its default.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Name, also the JSON key of `kernel run --params`.
    pub name: &'static str,
    /// Kind and default.
    pub default: Default,
}

/// Kind and default of a [`Param`].
#[derive(Debug, Clone, Copy)]
pub enum Default {
    /// A whole number that must be given.
    NeedInt,
    /// A real number that must be given.
    NeedFloat,
    /// A list of whole numbers that must be given.
    NeedInts,
    /// A whole number.
    Int(i64),
    /// A real number.
    Float(f64),
    /// A switch.
    Flag(bool),
    /// A choice by name.
    Text(&'static str),
    /// A list of whole numbers.
    Ints(&'static [i64]),
}

impl Param {
    /// Shorthand constructor.
    pub const fn new(name: &'static str, default: Default) -> Param {
        Param { name, default }
    }
}

/// The parameters of one call, by name; defaults filled in.
#[derive(Debug, Clone, PartialEq, std::default::Default)]
pub struct Params(BTreeMap<&'static str, Value>);

impl Params {
    /// The given values checked against `declared`, with defaults for the rest.
    pub fn new(declared: &'static [Param], given: &[(&str, Value)]) -> Result<Params, String> {
        for (name, _) in given {
            if !declared.iter().any(|p| p.name == *name) {
                let known: Vec<_> = declared.iter().map(|p| p.name).collect();
                return Err(format!(
                    "no parameter '{name}'; it has {}",
                    if known.is_empty() { "none".into() } else { known.join(", ") }
                ));
            }
        }
        let mut map = BTreeMap::new();
        for p in declared {
            let value = given.iter().rev().find(|(name, _)| *name == p.name).map(|(_, v)| v.clone());
            let value = match (p.default, value) {
                (Default::NeedFloat | Default::Float(_), Some(Value::Int(v))) => Value::Float(v as f64),
                (Default::NeedInt | Default::Int(_), Some(v @ Value::Int(_)))
                | (Default::NeedFloat | Default::Float(_), Some(v @ Value::Float(_)))
                | (Default::NeedInts | Default::Ints(_), Some(v @ Value::Ints(_)))
                | (Default::Flag(_), Some(v @ Value::Flag(_)))
                | (Default::Text(_), Some(v @ Value::Text(_))) => v,
                (_, Some(v)) => return Err(format!("parameter '{}' is {v}, which has the wrong type", p.name)),
                (Default::Int(v), None) => Value::Int(v),
                (Default::Float(v), None) => Value::Float(v),
                (Default::Flag(v), None) => Value::Flag(v),
                (Default::Text(v), None) => Value::Text(v.to_owned()),
                (Default::Ints(v), None) => Value::Ints(v.to_vec()),
                (Default::NeedInt | Default::NeedFloat | Default::NeedInts, None) => {
                    return Err(format!("parameter '{}' is missing", p.name));
                }
            };
            map.insert(p.name, value);
        }
        Ok(Params(map))
    }

    /// All values in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(k, v)| (*k, v))
    }

    /// The value called `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Replaces a declared value (the planner's fusions do).
    pub fn set(&mut self, name: &'static str, value: Value) {
        self.0.insert(name, value);
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

/// Dtype and shape of a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Spec {
    /// Element type.
    pub dtype: Dtype,
    /// Size of each axis.
    pub shape: Vec<usize>,
}

impl Spec {
    /// A spec of `dtype` and `shape`.
    pub fn new(dtype: Dtype, shape: &[usize]) -> Spec {
        Spec { dtype, shape: shape.to_vec() }
    }
    /// An f32 spec.
    pub fn f32(shape: &[usize]) -> Spec {
        Spec::new(Dtype::F32, shape)
    }
    /// An i32 spec.
    pub fn i32(shape: &[usize]) -> Spec {
        Spec::new(Dtype::I32, shape)
    }
    /// A u32 spec.
    pub fn u32(shape: &[usize]) -> Spec {
        Spec::new(Dtype::U32, shape)
    }
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }
    /// True if an axis has size 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Bytes in device memory, a multiple of 4.
    pub fn bytes(&self) -> u64 {
        ((self.len() * self.dtype.size()) as u64).next_multiple_of(4)
    }
}

/// An input as a call sees it: dtype and layout.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Operand {
    /// Element type.
    pub dtype: Dtype,
    /// Sizes, strides and offset.
    pub layout: Layout,
}

/// The rows of a split weight that one part of a dispatch handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// First row.
    pub first: usize,
    /// Number of rows.
    pub rows: usize,
}

/// One use of a kernel: input operands, parameters and, once known, output specs.
#[derive(Debug, Clone)]
pub struct Call {
    /// The kernel.
    pub kernel: &'static Kernel,
    /// Inputs by port; `None` where an optional one is absent.
    pub inputs: Vec<Option<Operand>>,
    /// Output specs (empty while the shape rule runs).
    pub outputs: Vec<Spec>,
    /// Parameters.
    pub params: Params,
    /// The rows of the split input this dispatch handles; `None` for all.
    pub part: Option<Part>,
}

impl Call {
    /// The operand at port `i`; only for ports that are present.
    pub fn input(&self, i: usize) -> &Operand {
        match &self.inputs[i] {
            Some(operand) => operand,
            None => panic!("bug: {} has no input '{}'", self.kernel.name, self.kernel.inputs[i].name),
        }
    }
    /// True if the optional port `i` is present.
    pub fn has(&self, i: usize) -> bool {
        self.inputs.get(i).is_some_and(Option::is_some)
    }
    /// Shape of the input at port `i`.
    pub fn shape(&self, i: usize) -> &[usize] {
        &self.input(i).layout.shape
    }
    /// Shape of output `i`.
    pub fn out(&self, i: usize) -> &[usize] {
        &self.outputs[i].shape
    }
    /// Spec of the input at port `i`.
    pub fn spec(&self, i: usize) -> Spec {
        Spec::new(self.input(i).dtype, self.shape(i))
    }
    /// An integer parameter.
    pub fn int(&self, name: &str) -> i64 {
        match self.params.get(name) {
            Some(Value::Int(v)) => *v,
            other => panic!("bug: {}: integer parameter '{name}' is {other:?}", self.kernel.name),
        }
    }
    /// A real parameter.
    pub fn float(&self, name: &str) -> f64 {
        match self.params.get(name) {
            Some(Value::Float(v)) => *v,
            other => panic!("bug: {}: real parameter '{name}' is {other:?}", self.kernel.name),
        }
    }
    /// A switch parameter.
    pub fn flag(&self, name: &str) -> bool {
        match self.params.get(name) {
            Some(Value::Flag(v)) => *v,
            other => panic!("bug: {}: switch parameter '{name}' is {other:?}", self.kernel.name),
        }
    }
    /// A choice parameter.
    pub fn text(&self, name: &str) -> &str {
        match self.params.get(name) {
            Some(Value::Text(v)) => v,
            other => panic!("bug: {}: choice parameter '{name}' is {other:?}", self.kernel.name),
        }
    }
    /// A list parameter.
    pub fn ints(&self, name: &str) -> &[i64] {
        match self.params.get(name) {
            Some(Value::Ints(v)) => v,
            other => panic!("bug: {}: list parameter '{name}' is {other:?}", self.kernel.name),
        }
    }
    /// A list parameter whose values the shape rule found to be non-negative.
    pub fn sizes(&self, name: &str) -> Vec<usize> {
        self.ints(name).iter().map(|&v| v as usize).collect()
    }
    /// Bytes read and written once: every input's elements and every output's.
    pub fn bytes(&self) -> u64 {
        let inputs: usize = self.inputs.iter().flatten().map(|o| o.layout.len() * o.dtype.size()).sum();
        let outputs: usize = self.outputs.iter().map(|s| s.len() * s.dtype.size()).sum();
        (inputs + outputs) as u64
    }
}

/// A call with its input values: what a reference and a bound see. Inputs are dense and row-major,
/// already rounded to their storage dtype, integers as exact f64.
pub struct Ref<'a> {
    /// The call; its input layouts are contiguous.
    pub call: &'a Call,
    /// Values by port.
    pub inputs: &'a [Option<&'a [f64]>],
    /// Rounding model of the adapter the result is compared with.
    pub tol: Tol,
}

impl Ref<'_> {
    /// Values of the input at port `i`; only for ports that are present.
    pub fn f64(&self, i: usize) -> &[f64] {
        self.inputs[i].unwrap_or_else(|| panic!("bug: {} has no input {i}", self.call.kernel.name))
    }
    /// Values of the optional input at port `i`.
    pub fn opt(&self, i: usize) -> Option<&[f64]> {
        self.inputs.get(i).copied().flatten()
    }
}

impl Deref for Ref<'_> {
    type Target = Call;
    fn deref(&self) -> &Call {
        self.call
    }
}

/// A 4-byte value for a `Params` field or an `override`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar {
    /// u32 (and bool overrides: 0 or 1).
    U32(u32),
    /// i32.
    I32(i32),
    /// f32.
    F32(f32),
}

impl Scalar {
    /// A size or index. Plans refuse tensors of 2³¹ elements and more, so it fits.
    pub fn size(n: usize) -> Scalar {
        Scalar::U32(u32::try_from(n).expect("bug: a size above 2³² reached a shader"))
    }
    /// The four bytes.
    pub fn to_bytes(self) -> [u8; 4] {
        match self {
            Scalar::U32(v) => v.to_le_bytes(),
            Scalar::I32(v) => v.to_le_bytes(),
            Scalar::F32(v) => v.to_le_bytes(),
        }
    }
    /// As the f64 a pipeline constant takes.
    pub fn to_f64(self) -> f64 {
        match self {
            Scalar::U32(v) => f64::from(v),
            Scalar::I32(v) => f64::from(v),
            Scalar::F32(v) => f64::from(v),
        }
    }
}

/// Values by name for a shader's `Params` fields and overrides.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scalars(Vec<(String, Scalar)>);

impl Scalars {
    /// None yet.
    pub fn new() -> Scalars {
        Scalars(vec![])
    }
    /// With `name` set to `value`; a later value replaces an earlier one.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<Scalar>) -> Scalars {
        self.0.retain(|(n, _)| n != name);
        self.0.push((name.to_owned(), value.into()));
        self
    }
    /// With the axes of `operands` for `lib/strided.wgsl`: sizes `n0…n7` (of the common shape), strides
    /// `<operand>0…<operand>7`, first elements `<operand>_offset`, and `RANK`. Axes are merged where all
    /// operands allow it and end at 7.
    #[must_use]
    pub fn axes(self, operands: &[(&str, &Layout)]) -> Scalars {
        let layouts: Vec<_> = operands.iter().map(|(_, l)| *l).collect();
        let merged = Layout::collapse(&layouts);
        let rank = merged[0].shape.len();
        let skip = crate::shape::MAX_RANK - rank;
        let mut all = self.set("RANK", rank);
        for axis in 0..crate::shape::MAX_RANK {
            let at = |v: &[usize], absent| axis.checked_sub(skip).map_or(absent, |i| v[i]);
            all = all.set(&format!("n{axis}"), at(&merged[0].shape, 1));
            for ((name, _), layout) in operands.iter().zip(&merged) {
                all = all.set(&format!("{name}{axis}"), at(&layout.strides, 0));
            }
        }
        for ((name, _), layout) in operands.iter().zip(&merged) {
            all = all.set(&format!("{name}_offset"), layout.offset);
        }
        all
    }
    /// The value called `name`.
    pub fn get(&self, name: &str) -> Option<Scalar> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| *v)
    }
    /// With all of `other`'s values, which replace equal names.
    #[must_use]
    pub fn extend(self, other: Scalars) -> Scalars {
        other.0.into_iter().fold(self, |all, (name, value)| all.set(&name, value))
    }
}

impl From<usize> for Scalar {
    fn from(n: usize) -> Scalar {
        Scalar::size(n)
    }
}
impl From<u32> for Scalar {
    fn from(n: u32) -> Scalar {
        Scalar::U32(n)
    }
}
impl From<i32> for Scalar {
    fn from(n: i32) -> Scalar {
        Scalar::I32(n)
    }
}
impl From<f32> for Scalar {
    fn from(n: f32) -> Scalar {
        Scalar::F32(n)
    }
}
impl From<f64> for Scalar {
    fn from(n: f64) -> Scalar {
        Scalar::F32(n as f32)
    }
}
impl From<bool> for Scalar {
    fn from(n: bool) -> Scalar {
        Scalar::U32(u32::from(n))
    }
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
    };

    /// True if it applies and no invocation loops longer than the adapter allows.
    pub fn fits(&self, call: &Call, adapter: &Adapter) -> bool {
        (self.applies)(call, adapter)
            && adapter.max_loop_iterations.is_none_or(|max| self.steps.iter().all(|s| (s.loops)(call) <= max))
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

/// How a kernel's gradient is made.
pub enum Backward {
    /// No gradient, and why (piecewise constant, integers, …).
    None(&'static str),
    /// The rule is not part of the engine yet; asking for the gradient is an error that says so.
    Unwritten,
}

/// What the planner may do with a kernel.
#[derive(Debug, Clone, Copy)]
pub struct Fusion {
    /// What this kernel is to a producer with an epilogue.
    pub role: Role,
    /// What this kernel can do to its own result before it writes it.
    pub epilogue: Option<Epilogue>,
}

impl Fusion {
    /// Neither fuses nor is fused.
    pub const NONE: Fusion = Fusion { role: Role::None, epilogue: None };
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
