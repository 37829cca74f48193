//! What translates: the models, and how they are trained.

use handmill::engine::Tensors;
use handmill::json::Value;
use serde_json::json;

use super::words::{END, PAD, START, Words, padded};

/// What translates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// `AttentionSeq2Seq`: recurrent networks with attention.
    Attention,
    /// `Transformer`.
    Transformer,
}

impl Kind {
    /// `config.json` of a model as wide as `size`, for translations of `max_length` tokens with their end.
    pub fn config(self, size: usize, [source, target]: [&Words; 2], max_length: usize) -> Value {
        let mut config = json!({
            "src_vocab_size": source.size(), "tgt_vocab_size": target.size(),
            "pad_token_id": PAD, "start_token_id": START, "end_token_id": END, "max_length": max_length,
        });
        let own = match self {
            Kind::Attention => json!({
                "architectures": ["AttentionSeq2Seq"], "embedding_dim": size / 2, "hidden_size": size,
                "attention_dim": size, "bidirectional": true,
            }),
            Kind::Transformer => json!({
                "architectures": ["Transformer"], "d_model": size, "nhead": 2, "num_encoder_layers": 2,
                "num_decoder_layers": 2, "dim_feedforward": 2 * size, "norm_first": true, "output_attentions": true,
            }),
        };
        if let (Value::Object(config), Value::Object(own)) = (&mut config, own) {
            config.extend(own);
        }
        config
    }

    /// `train.json`
    pub fn settings(self, steps: Option<u32>, lr: Option<f64>, seed: u32) -> Value {
        let (usual, rate, init) = match self {
            Kind::Attention => (400, 0.005, "default"),
            // Embeddings of the default would be louder than the positions that are added to them.
            Kind::Transformer => (600, 0.003, "xavier_uniform"),
        };
        let steps = steps.unwrap_or(usual);
        json!({
            "loss": "cross_entropy", "steps": steps, "seed": seed, "init": init, "clip_grad_norm": 1.0,
            "optimizer": {"name": "adam", "lr": lr.unwrap_or(rate)}, "validate_every": 100,
            "schedule": {"name": "one_cycle", "total_steps": steps, "pct_start": 0.1},
        })
    }

    /// The kind of a model.
    pub fn of(architecture: &str) -> Option<Kind> {
        match architecture {
            "AttentionSeq2Seq" => Some(Kind::Attention),
            "Transformer" => Some(Kind::Transformer),
            _ => None,
        }
    }

    /// Sources as the model takes them, filled up to `length`: a Transformer masks padding by its id.
    pub fn sources(self, rows: &[Vec<i32>], length: usize) -> Tensors {
        let mut inputs = Tensors::from([("input_ids".to_owned(), padded(rows, length, PAD))]);
        if self == Kind::Attention {
            let real: Vec<_> = rows.iter().map(|row| vec![1; row.len()]).collect();
            inputs.insert("attention_mask".to_owned(), padded(&real, length, 0));
        }
        inputs
    }
}
