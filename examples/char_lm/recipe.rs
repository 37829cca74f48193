//! What the flags make: `config.json` and `train.json`.

use std::path::Path;

use handmill::json::Value;
use serde_json::json;

use super::args::{Args, Kind};
use super::writer::SAMPLE;

impl Args {
    /// A value that was not given: one for recurrent models, one for a GPT.
    pub fn or<T>(&self, given: Option<T>, recurrent: T, gpt: T) -> T {
        given.unwrap_or(if self.model == Kind::Gpt { gpt } else { recurrent })
    }

    /// Updates of the weights.
    pub fn steps(&self) -> u64 {
        self.or(self.steps, 5000, 1000)
    }

    /// Characters of a stream, or a window, in a step.
    pub fn time(&self) -> usize {
        self.or(self.time, 16, 32)
    }

    /// Layers.
    pub fn layers(&self) -> usize {
        self.or(self.layers, 1, 2)
    }

    /// Positions of a GPT: those of a step, and enough for a sample and for every line.
    pub fn positions(&self) -> usize {
        self.time().max(SAMPLE)
    }
}

/// `config.json`
pub fn config(args: &Args, vocab_size: usize) -> Value {
    let cell = match args.model {
        Kind::Rnn => "rnn",
        Kind::Lstm => "lstm",
        Kind::Gru => "gru",
        Kind::Gpt => {
            return json!({
                "architectures": ["GPT2LMHeadModel"], "vocab_size": vocab_size, "n_positions": args.positions(),
                "n_embd": args.hidden_size, "n_layer": args.layers(), "n_head": 4,
            });
        }
    };
    json!({
        "architectures": ["CharLanguageModel"], "vocab_size": vocab_size, "cell": cell, "input_encoding": "one_hot",
        "hidden_size": args.hidden_size, "num_layers": args.layers(),
    })
}

/// `train.json`
pub fn settings(args: &Args, path: &Path) -> Value {
    let gpt = args.model == Kind::Gpt;
    let mut settings = json!({
        "loss": if gpt { "causal_lm" } else { "cross_entropy" },
        "optimizer": {"name": "adam", "lr": args.or(args.lr, 0.01, 0.003)},
        "schedule": {"name": "one_cycle", "total_steps": args.steps(), "pct_start": 0.1},
        "clip_grad_norm": 1.0, "steps": args.steps(), "seed": args.seed,
        "data": {"reader": "text", "path": path, "time": args.time(), "batch_size": args.batch_size, "shuffle": gpt},
    });
    if gpt {
        settings["data"]["shift"] = false.into();
        settings["data"]["names"] = json!({"target": "labels"});
    } else {
        settings["bptt"] = json!({"reset_every": 64});
    }
    if args.text.is_some() {
        settings["data"]["validation"] = 0.05.into();
        settings["validate_every"] = args.every.into();
    }
    settings
}
