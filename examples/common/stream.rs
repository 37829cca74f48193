//! Text that is printed as its tokens come.

use std::io::Write;
use std::time::Instant;

use handmill::tokenizer::TextStream;

use crate::source::Text;

/// Prints what tokens add to a text.
pub struct Stream<'t> {
    text: TextStream<'t>,
    times: Vec<Instant>,
}

impl<'t> Stream<'t> {
    /// After `prompt`, which is not printed.
    pub fn after(text: &'t Text, prompt: &[i32]) -> Stream<'t> {
        Stream { text: TextStream::new(text.0.as_ref()).after(prompt), times: vec![] }
    }

    /// Prints what `id` adds.
    pub fn push(&mut self, id: i32) {
        print!("{}", self.text.push(id).unwrap_or_default());
        let _ = std::io::stdout().flush();
        self.times.push(Instant::now());
    }

    /// Ends the line, and says how fast it was on the adapter called `name`.
    pub fn finish(mut self, name: &str) {
        println!("{}", self.text.finish().unwrap_or_default());
        if let [first, .., last] = self.times[..] {
            let rate = (self.times.len() - 1) as f64 / (last - first).as_secs_f64();
            eprintln!("{} tokens, {rate:.1} tokens/s after the first, on {name}", self.times.len());
        }
    }
}
