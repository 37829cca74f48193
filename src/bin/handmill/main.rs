//! The `handmill` command: runs and verifies models and kernels.
//!
//! Results go to stdout, progress and notices to stderr. Exit status: 0 done, 1 an error (one sentence),
//! 2 usage, 3 verification failed.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod devices;
mod kernel;
mod models;
mod plan;
mod profile;
mod run;
mod target;
mod train;
mod tune;
mod verify;

/// Hand-written WGSL kernels, run as fixed graphs and checked against a CPU reference.
#[derive(Parser)]
#[command(name = "handmill", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List the adapters with their features and limits, and which one `auto` takes
    Devices,
    /// List the models; for one: config keys, inputs, outputs, source
    Models(models::Args),
    /// Run a model folder on tensors from a file
    Run(run::Args),
    /// Check a model node by node against the reference
    Verify(verify::Args),
    /// Train a model folder on batches from a file, or on data
    Train(train::Args),
    /// Time kernels beside what the adapter can do at most
    Bench(bench::Args),
    /// Time a model's dispatches by node, kernel and scope
    Profile(profile::Args),
    /// Measure variants for a model or a suite, and keep the fastest for later runs
    Tune(tune::Args),
    /// One kernel at a time
    #[command(subcommand)]
    Kernel(kernel::Verb),
    /// Print the plan of a model: dispatches, buffers, bytes, flops
    Plan(plan::Args),
}

/// How a verb that did not fail ended.
#[derive(PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// A comparison with the reference failed.
    Differs,
    /// It was told to stop, and saved what it had.
    Interrupted,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version are results; everything else is wrong usage.
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { 2 } else { 0 });
        }
    };
    let result = match cli.verb {
        Verb::Devices => devices::devices(),
        Verb::Models(args) => models::models(&args),
        Verb::Run(args) => run::run(&args),
        Verb::Verify(args) => verify::verify(&args),
        Verb::Train(args) => train::train(&args),
        Verb::Bench(args) => bench::bench(&args),
        Verb::Profile(args) => profile::profile(&args),
        Verb::Tune(args) => tune::tune(&args),
        Verb::Kernel(verb) => kernel::kernel(&verb),
        Verb::Plan(args) => plan::plan(&args),
    };
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Differs) => ExitCode::from(3),
        Ok(Outcome::Interrupted) => ExitCode::from(130),
        Err(e) => {
            notice(&e.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Prints a result. A reader that went away (`| head -1`) is no error, and the exit status stays that of the
/// work: `verify` still says what it found.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            notice(&format!("stdout: cannot be written: {e}"));
            std::process::exit(1);
        }
        _ => {}
    }
}

/// A notice, apart from the results. Unlike `eprintln!` it does not panic when nobody reads stderr.
pub fn notice(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "handmill: {text}");
}
