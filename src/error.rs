//! The one error of the engine: every variant is one sentence that names the thing, what was found and
//! what was expected.

use std::fmt;
use std::panic::Location;
use std::path::{Path, PathBuf};

/// Shorthand for a result with the engine's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where in a model's source a graph node was made: file, line and scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// Source file of the call that made the node.
    pub file: &'static str,
    /// Line in `file`.
    pub line: u32,
    /// Dotted scope, such as `h.0.attn.c_attn`; empty at the top level.
    pub scope: String,
}

impl At {
    /// The place of `location` inside `scope`.
    pub fn new(location: &'static Location<'static>, scope: &str) -> At {
        At { file: location.file(), line: location.line(), scope: scope.to_owned() }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        if !self.scope.is_empty() {
            write!(f, ", in {}", self.scope)?;
        }
        Ok(())
    }
}

/// What can go wrong, as data. The text of each variant is one sentence without a full stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A graph could not be built: shapes, dtypes or parameters do not fit an operation.
    #[error("{at}: {op}: {message}")]
    Graph {
        /// Where the node was made.
        at: At,
        /// The kernel or graph operation.
        op: String,
        /// What was found and what was expected.
        message: String,
    },
    /// A run made a value that is not finite: where first.
    #[error("{0}")]
    NotFinite(String),
    /// A file could not be read, or its content is not what its format says.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        message: String,
    },
    /// `config.json` (or another setting) has a value the model cannot be built with.
    #[error("{what}: {message}")]
    Config {
        /// The file or key.
        what: String,
        /// What was found and what was expected.
        message: String,
    },
    /// Weights of a checkpoint do not match what the model uses; lists all of them.
    #[error("{what}: {} weights do not fit the model:\n  {}", problems.len(), problems.join("\n  "))]
    Weights {
        /// The checkpoint.
        what: String,
        /// One line per missing or mis-shaped weight.
        problems: Vec<String>,
    },
    /// An input or output of a run has the wrong name, shape, dtype or value.
    #[error("{name}: {message}")]
    Tensor {
        /// The tensor.
        name: String,
        /// What was found and what was expected.
        message: String,
    },
    /// A plan does not fit the limits of an adapter.
    #[error("{what}: {message}")]
    Limit {
        /// The node, buffer or plan.
        what: String,
        /// The limit, the value found, and what to do.
        message: String,
    },
    /// No adapter, or the adapter lacks something.
    #[error("no usable adapter: {0}")]
    Adapter(String),
    /// A shader does not compile or does not fit its kernel.
    #[error("{shader}: {message}")]
    Shader {
        /// The shader's path below `shaders/`.
        shader: String,
        /// The compiler's or the engine's finding.
        message: String,
    },
    /// The device was lost, or a driver call failed.
    #[error("the device was lost: {0}; open it again and repeat the run")]
    DeviceLost(String),
    /// The adapter or the host ran out of memory.
    #[error("out of memory: {0}")]
    OutOfMemory(String),
    /// The driver refused a call that the engine had checked.
    #[error("the driver refused {call}: {message}")]
    Driver {
        /// What the engine was doing.
        call: String,
        /// The driver's text.
        message: String,
    },
    /// A comparison with the reference failed.
    #[error("{0}")]
    Mismatch(String),
}

impl Error {
    /// An [`Error::File`] about `path`.
    pub fn file(path: impl AsRef<Path>, message: impl Into<String>) -> Error {
        Error::File { path: path.as_ref().to_owned(), message: message.into() }
    }
    /// An [`Error::Config`] about `what`.
    pub fn config(what: impl Into<String>, message: impl Into<String>) -> Error {
        Error::Config { what: what.into(), message: message.into() }
    }
    /// An [`Error::Tensor`] about the tensor `name`.
    pub fn tensor(name: impl Into<String>, message: impl Into<String>) -> Error {
        Error::Tensor { name: name.into(), message: message.into() }
    }
    /// An [`Error::Limit`] about `what`.
    pub fn limit(what: impl Into<String>, message: impl Into<String>) -> Error {
        Error::Limit { what: what.into(), message: message.into() }
    }
    /// An [`Error::Shader`] about `shader`.
    pub fn shader(shader: impl Into<String>, message: impl Into<String>) -> Error {
        Error::Shader { shader: shader.into(), message: message.into() }
    }
}
