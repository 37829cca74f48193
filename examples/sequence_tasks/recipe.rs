//! The models of the tasks, and how they are trained.

use handmill::json::Value;
use serde_json::json;

use super::sequences::{STEPS, WAVES};
use super::tasks::{ADDED, COUNTED, Cell, REVERSE, REVERSED, Task};
use super::words::{END, PAD, SPECIAL, START};

impl Task {
    /// `config.json`
    pub fn config(self, cell: Cell, hidden_size: usize) -> Value {
        let cell = cell.name();
        match self {
            Task::OneToMany => json!({
                "architectures": ["OneToMany"], "in_features": WAVES.len() + 2, "cell": cell,
                "hidden_size": hidden_size, "out_features": 1, "num_steps": STEPS,
            }),
            Task::ManyToOne => json!({
                "architectures": ["ManyToOne"], "input_size": COUNTED, "cell": cell, "hidden_size": hidden_size,
                "num_classes": COUNTED,
            }),
            Task::ManyToMany => json!({
                "architectures": ["ManyToMany"], "input_size": ADDED, "cell": cell, "hidden_size": hidden_size,
                "num_classes": ADDED,
            }),
            Task::Seq2seq => json!({
                "architectures": ["Seq2Seq"], "src_vocab_size": SPECIAL.len() + REVERSED,
                "tgt_vocab_size": SPECIAL.len() + REVERSED, "embedding_dim": 16, "hidden_size": 2 * hidden_size,
                "pad_token_id": PAD, "start_token_id": START, "end_token_id": END, "max_length": REVERSE + 1,
            }),
        }
    }

    /// `train.json`
    pub fn settings(self, steps: u32, lr: f64, seed: u32) -> Value {
        json!({
            "loss": if self == Task::OneToMany { "mse" } else { "cross_entropy" }, "steps": steps, "seed": seed,
            "optimizer": {"name": "adam", "lr": lr}, "clip_grad_norm": 1.0, "validate_every": 300,
            "schedule": {"name": "one_cycle", "total_steps": steps, "pct_start": 0.1},
        })
    }
}
