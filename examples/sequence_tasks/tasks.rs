//! The tasks.

use clap::ValueEnum;

use super::sequences::WAVES;

/// Digits of which the most frequent is asked for.
pub const COUNTED: usize = 4;
/// Digits of the sums, which are taken modulo this.
pub const ADDED: usize = 3;
/// Digits that are reversed.
pub const REVERSED: usize = 10;
/// Digits of a sequence that is reversed.
pub const REVERSE: usize = 5;

/// What is learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Task {
    /// A wave from its name.
    OneToMany,
    /// The digit that comes most often.
    ManyToOne,
    /// The sum so far, modulo 3.
    ManyToMany,
    /// Digits in reverse.
    Seq2seq,
}

/// What a recurrent network is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Cell {
    /// Elman's cell.
    Rnn,
    /// Long short-term memory.
    Lstm,
    /// Gated recurrent units.
    Gru,
}

fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

impl Cell {
    /// As `config.json` has it.
    pub fn name(self) -> String {
        name(self)
    }
}

impl Task {
    /// As the command line has it.
    pub fn name(self) -> String {
        name(self)
    }

    /// What is asked and answered.
    pub fn title(self) -> &'static str {
        match self {
            Task::OneToMany => "a wave from its name, its height and its period",
            Task::ManyToOne => "the digit that comes most often in 5 to 12",
            Task::ManyToMany => "at every digit the sum so far, modulo 3",
            Task::Seq2seq => "five digits in reverse",
        }
    }

    /// The cells of its model: Seq2Seq has no choice.
    pub fn cells(self, asked: &[Cell]) -> Vec<Cell> {
        if self == Task::Seq2seq { vec![Cell::Gru] } else { asked.to_vec() }
    }

    /// What of a guess is right.
    pub fn chance(self) -> f64 {
        match self {
            Task::OneToMany => 1.0 / WAVES.len() as f64,
            Task::ManyToOne => 1.0 / COUNTED as f64,
            Task::ManyToMany => 1.0 / ADDED as f64,
            Task::Seq2seq => (REVERSED as f64).powi(-(REVERSE as i32)),
        }
    }

    /// The tensors that the model is asked with.
    pub fn inputs(self) -> &'static [&'static str] {
        match self {
            Task::OneToMany | Task::ManyToMany => &["input"],
            Task::ManyToOne => &["input", "lengths"],
            Task::Seq2seq => &["input_ids"],
        }
    }
}
