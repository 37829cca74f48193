//! A text to read: a file's, or what comes in at stdin.

use std::io::{IsTerminal, Read};
use std::path::Path;

use handmill::error::{Error, Result};

/// What is read where weights are random and nothing is given.
const SAMPLE: &str = "A hand mill is two flat stones, one upon the other. The upper one is turned by a handle, and \
                      grain that falls through a hole in its middle is ground between the two. Before mills were \
                      driven by water and wind, every house had one, and an hour of work gave flour for a day.";

/// The text of `file`, else of stdin, else, with random weights, a sample.
pub fn read(file: Option<&Path>, random: bool) -> Result<String> {
    let mut text = String::new();
    if let Some(file) = file {
        let content = handmill::file::read_capped(file, 4 << 20)?;
        text = String::from_utf8(content).map_err(|_| Error::file(file, "is not a text in UTF-8"))?;
    } else if !std::io::stdin().is_terminal() || !random {
        if std::io::stdin().is_terminal() {
            eprintln!("reading the text from the terminal; Ctrl-D ends it");
        }
        let read = std::io::stdin().take(4 << 20).read_to_string(&mut text);
        read.map_err(|e| Error::file("stdin", format!("cannot be read: {e}")))?;
    }
    if random && file.is_none() && text.trim().is_empty() {
        text = SAMPLE.to_owned();
    }
    // Lines are broken for readers; models know paragraphs as one.
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
}
