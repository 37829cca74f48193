//! Recurrent cells and stacks of them, under the names of PyTorch's `nn.RNN`, `nn.LSTM` and `nn.GRU`.

use crate::graph::{Graph, Scope, Tensor};
use crate::shape::Dims;
use crate::tensor::Dtype;

/// What a step makes of its input and its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// `h' = tanh(a + u)`.
    RnnTanh,
    /// `h' = max(a + u, 0)`.
    RnnRelu,
    /// Gates i, f, g, o, and a cell state beside the hidden one.
    Lstm,
    /// Gates r, z, n.
    Gru,
}

impl Cell {
    /// The cell that configurations call `name`: `lstm`, `gru`, or else the plain one with tanh.
    pub fn named(name: &str) -> Cell {
        match name {
            "lstm" => Cell::Lstm,
            "gru" => Cell::Gru,
            _ => Cell::RnnTanh,
        }
    }

    /// Blocks of H rows in its weights.
    fn gates(self) -> usize {
        match self {
            Cell::RnnTanh | Cell::RnnRelu => 1,
            Cell::Lstm => 4,
            Cell::Gru => 3,
        }
    }
}

/// The weights of one cell, or of one direction of a layer.
///
/// # Shapes
/// `weight_ih (G·H, in)` · `weight_hh (G·H, R)` · `bias_ih`, `bias_hh (G·H)` · `weight_hr (R, H)`, with G the number
/// of gates and R the size of the hidden state
#[derive(Clone, Copy)]
pub struct CellWeights<'g> {
    cell: Cell,
    ih: Tensor<'g>,
    hh: Tensor<'g>,
    bias: Option<[Tensor<'g>; 2]>,
    hr: Option<Tensor<'g>>,
}

impl<'g> CellWeights<'g> {
    /// The weights of a single cell with biases: names without a suffix.
    #[track_caller]
    pub fn single(w: Scope<'g>, cell: Cell, input: usize, hidden: usize) -> CellWeights<'g> {
        CellWeights::read(w, "", &Recurrent::new(cell, hidden, 1), input)
    }

    #[track_caller]
    fn read(w: Scope<'g>, suffix: &str, sizes: &Recurrent, input: usize) -> CellWeights<'g> {
        let (rows, state) = (sizes.cell.gates() * sizes.hidden, sizes.state());
        let weight = |name: &str, shape: &[usize]| w.weight(&format!("{name}{suffix}"), shape);
        CellWeights {
            cell: sizes.cell,
            ih: weight("weight_ih", &[rows, input]),
            hh: weight("weight_hh", &[rows, state]),
            bias: sizes.bias.then(|| ["bias_ih", "bias_hh"].map(|name| weight(name, &[rows]))),
            hr: (sizes.proj > 0).then(|| weight("weight_hr", &[state, sizes.hidden])),
        }
    }

    /// The inputs' part of the gates, `a = x W_ihᵀ + b_ih`, for all steps at once: `(…, in)` → `(…, G·H)`.
    #[track_caller]
    pub fn inputs(&self, x: Tensor<'g>) -> Tensor<'g> {
        let a = x.matmul_t(self.ih);
        self.bias.map_or(a, |[b, _]| a + b)
    }

    /// The state after a step whose inputs' part is `a (B, G·H)`: `[h (B, R)]`, or `[h, c (B, H)]` of an LSTM.
    ///
    /// # Source
    /// Elman 1990 · Hochreiter, Schmidhuber 1997 with the forget gate of Gers et al. 2000 · Cho et al. 2014,
    /// arXiv:1406.1078, with the bias of the recurrent part inside the product, as PyTorch has it
    #[track_caller]
    pub fn step(&self, a: Tensor<'g>, state: &[Tensor<'g>]) -> Vec<Tensor<'g>> {
        let h = state[0];
        let u = h.matmul_t(self.hh);
        let u = self.bias.map_or(u, |[_, b]| u + b); // (B, G·H)
        match self.cell {
            Cell::RnnTanh => vec![(u + a).tanh()],
            Cell::RnnRelu => vec![(u + a).relu()],
            Cell::Lstm => {
                let [h, c] = a.lstm_cell(u, state[1]);
                vec![self.hr.map_or(h, |w| h.matmul_t(w)), c]
            }
            Cell::Gru => vec![a.gru_cell(u, h)],
        }
    }

    /// All steps of `x (T, B, in)` from `state`: the hidden states `(T, B, R)` and the last state. Where `real
    /// (T, B, 1)` is 0 the state stays as it is, and the result is 0.
    #[track_caller]
    fn run(
        &self,
        x: Tensor<'g>,
        state: &[Tensor<'g>],
        reverse: bool,
        real: Option<Tensor<'g>>,
    ) -> (Tensor<'g>, Vec<Tensor<'g>>) {
        let slices: Vec<_> = std::iter::once(self.inputs(x)).chain(real).collect();
        let (last, made) = x.graph().scan(state, &slices, reverse, |state, slices| {
            let next = self.step(slices[0], state);
            let Some(&real) = slices.get(1) else { return (next.clone(), vec![next[0]]) };
            let kept = next.iter().zip(state).map(|(&new, &old)| real.r#where(new, old)).collect();
            (kept, vec![real.r#where(next[0], x.graph().scalar(0.0))])
        });
        (made.first().copied().unwrap_or(x), last)
    }
}

/// Layers of recurrent cells, in one direction or in both.
#[derive(Debug, Clone, Copy)]
pub struct Recurrent {
    /// The cell of every layer.
    pub cell: Cell,
    /// H.
    pub hidden: usize,
    /// Layers; each reads what the one before made, forward and reverse joined.
    pub layers: usize,
    /// Whether the products have biases.
    pub bias: bool,
    /// Whether a second cell of each layer goes through time backwards.
    pub bidirectional: bool,
    /// Size of an LSTM's projected hidden state; 0 for none.
    pub proj: usize,
}

impl Recurrent {
    /// One direction, with biases and without projection.
    pub fn new(cell: Cell, hidden: usize, layers: usize) -> Recurrent {
        Recurrent { cell, hidden, layers, bias: true, bidirectional: false, proj: 0 }
    }

    /// Directions, D.
    pub fn directions(&self) -> usize {
        1 + usize::from(self.bidirectional)
    }

    /// Size of the hidden state, R.
    pub fn state(&self) -> usize {
        if self.proj > 0 { self.proj } else { self.hidden }
    }

    /// Sizes of the states: hidden, and the cell state of an LSTM.
    fn states(&self) -> Vec<usize> {
        let cell = (self.cell == Cell::Lstm).then_some(self.hidden);
        std::iter::once(self.state()).chain(cell).collect()
    }

    /// The weights of layer `k` in a direction, for inputs of size `input`.
    #[track_caller]
    pub fn weights<'g>(&self, w: Scope<'g>, k: usize, reverse: bool, input: usize) -> CellWeights<'g> {
        let input = if k == 0 { input } else { self.directions() * self.state() };
        CellWeights::read(w, &format!("_l{k}{}", if reverse { "_reverse" } else { "" }), self, input)
    }

    /// States of zeros, `(B, R)` and `(B, H)`, for one direction of a layer.
    #[track_caller]
    pub fn zeros<'g>(&self, g: &'g Graph, b: usize) -> Vec<Tensor<'g>> {
        self.states().into_iter().map(|size| g.fill(Dtype::F32, &[b, size], 0.0)).collect()
    }

    /// The whole stack over `x (T, B, in)`.
    ///
    /// `initial` has `h_0 (layers·D, B, R)` and `c_0 (layers·D, B, H)` where they are not zero; `real (T, B)`, i32, is
    /// 0 where a sequence has ended.
    ///
    /// # Shapes
    /// → the last layer's hidden states `(T, B, D·R)`, and the last states `(layers·D, B, R)` and `(layers·D, B, H)`
    /// # Source
    /// PyTorch `nn.RNN`, `nn.LSTM`, `nn.GRU`
    #[track_caller]
    pub fn run<'g>(
        &self,
        w: Scope<'g>,
        x: Tensor<'g>,
        initial: &[Option<Tensor<'g>>],
        real: Option<Tensor<'g>>,
    ) -> (Tensor<'g>, Vec<Tensor<'g>>) {
        let (g, [_, b, features], directions) = (x.graph(), x.dims(), self.directions());
        for (state, size) in initial.iter().zip(self.states()) {
            let expected = [self.layers * directions, b, size];
            if let Some(state) = state.filter(|s| s.shape() != expected) {
                let message = format!("the initial state is {}, expected {}", Dims(&state.shape()), Dims(&expected));
                g.reject("recurrent", message);
                return (x, self.zeros(g, b));
            }
        }
        let real = real.map(|real| real.unsqueeze(-1)); // (T, B, 1)
        let (mut x, mut last) = (x, vec![vec![]; self.states().len()]);
        for k in 0..self.layers {
            let mut made = vec![];
            for reverse in [false, true].into_iter().take(directions) {
                let index = k * directions + usize::from(reverse);
                let mut state = self.zeros(g, b);
                for (own, given) in state.iter_mut().zip(initial) {
                    *own = given.map_or(*own, |given| given.slice(0, index, 1).squeeze(0));
                }
                let (h, end) = self.weights(w, k, reverse, features).run(x, &state, reverse, real);
                made.push(h);
                last.iter_mut().zip(end).for_each(|(all, one)| all.push(one));
            }
            x = g.concat(&made, -1); // (T, B, D·R)
        }
        (x, last.iter().map(|all| g.stack(all, 0)).collect())
    }
}
