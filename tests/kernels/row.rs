//! A row: one call of one kernel, with seeded inputs and, where there is one, a golden from a third source.

use handmill::check::Case;
use handmill::graph::Tensor;
use handmill::kernel::{Kernel, Value};
use handmill::tensor::{Dtype, HostTensor};

/// One named, filterable test.
pub struct Row {
    /// `kernel/dtype/shape[/note]`.
    pub name: String,
    /// Kernel, inputs and parameters.
    pub case: Case,
    /// Expected values of an output by a third source, and the relative tolerance they were printed with.
    pub golden: Vec<(usize, Vec<f64>, f64)>,
    seed: u64,
}

impl Row {
    /// A row of `kernel`; `label` is `dtype/shape` or `dtype/shape/note`.
    pub fn new(kernel: &'static Kernel, label: &str) -> Row {
        let name = format!("{}/{label}", kernel.name);
        // FNV-1a: the seed is a function of the name alone.
        let seed =
            name.bytes().fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        Row { name, case: Case::new(kernel), golden: vec![], seed }
    }

    /// The next number of a SplitMix64 sequence.
    fn next(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The next input: f32, uniform in [−1, 1).
    pub fn f32(self, shape: &[usize]) -> Row {
        self.range(shape, -1.0, 1.0)
    }

    /// The next input: f32, uniform in [low, high).
    pub fn range(mut self, shape: &[usize], low: f64, high: f64) -> Row {
        let values: Vec<f64> = (0..shape.iter().product()).map(|_| low + (high - low) * self.uniform()).collect();
        self.value(HostTensor::from_f64(Dtype::F32, shape, &values))
    }

    /// The next input: f16, uniform in [−1, 1).
    pub fn f16(mut self, shape: &[usize]) -> Row {
        let values: Vec<f64> = (0..shape.iter().product()).map(|_| 2.0 * self.uniform() - 1.0).collect();
        self.value(HostTensor::from_f64(Dtype::F16, shape, &values))
    }

    /// The next input: i32, uniform in 0..n.
    pub fn ids(mut self, shape: &[usize], n: usize) -> Row {
        let values: Vec<i32> = (0..shape.iter().product::<usize>()).map(|_| (self.next() % n as u64) as i32).collect();
        self.value(HostTensor::i32(shape, values))
    }

    /// The next input: f32 with values listed.
    pub fn list(self, shape: &[usize], values: &[f32]) -> Row {
        self.value(HostTensor::f32(shape, values.to_vec()))
    }

    /// The next input, given.
    pub fn value(mut self, tensor: HostTensor) -> Row {
        self.case = self.case.input(tensor);
        self
    }

    /// The next input is absent.
    pub fn none(mut self) -> Row {
        self.case = self.case.absent();
        self
    }

    /// The last input reaches the kernel through this view.
    pub fn view(mut self, view: fn(Tensor<'_>) -> Tensor<'_>) -> Row {
        self.case = self.case.view(view);
        self
    }

    /// A parameter.
    pub fn param(mut self, name: &'static str, value: impl Into<Value>) -> Row {
        self.case = self.case.param(name, value);
        self
    }

    /// The row with floats stored as f16, called `kernel/f16/shape`; `None` where nothing of it is, where a number of an
    /// input is larger than any f16, and where it is about large grids alone.
    pub fn half(&self) -> Option<Row> {
        let case = self.case.clone().half();
        let fits = |tensor: &HostTensor| {
            let wide = |v: &f64| v.is_finite() && v.abs() > 65504.0;
            tensor.dtype() != Dtype::F32 || !tensor.to_f64().iter().any(wide)
        };
        let few = self.case.inputs.iter().flatten().map(|input| input.tensor.len()).sum::<usize>() < 1 << 18;
        let inputs = few && self.case.inputs.iter().flatten().all(|input| fits(&input.tensor));
        let some = case.halved().is_ok_and(|names| !names.is_empty());
        let name = self.name.replacen("/f32/", "/f16/", 1);
        let name = if name == self.name { format!("{name}/f16") } else { name };
        (inputs && some).then(|| Row { name, case, golden: vec![], seed: self.seed })
    }

    /// What a third source says output `index` is; `tolerance` is relative to max(1, |value|).
    pub fn golden(mut self, index: usize, values: &[f64], tolerance: f64) -> Row {
        self.golden.push((index, values.to_vec(), tolerance));
        self
    }
}
