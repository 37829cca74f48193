//! Text that is printed as its tokens come.

use std::io::Write;
use std::time::Instant;

use crate::source::Text;

/// Prints what tokens add to a text.
pub struct Stream<'t> {
    text: &'t Text,
    ids: Vec<i32>,
    shown: usize,
    times: Vec<Instant>,
}

impl<'t> Stream<'t> {
    /// After `prompt`, which is not printed.
    pub fn after(text: &'t Text, prompt: &[i32]) -> Stream<'t> {
        Stream { text, ids: prompt.to_vec(), shown: text.decode(prompt).len(), times: vec![] }
    }

    /// Prints what `id` adds.
    pub fn push(&mut self, id: i32) {
        self.ids.push(id);
        let all = self.text.decode(&self.ids);
        // A character may take several tokens: half of one is not printed yet.
        if let Some(new) = all.get(self.shown..).filter(|new| !new.ends_with('\u{fffd}')) {
            print!("{new}");
            self.shown = all.len();
        }
        let _ = std::io::stdout().flush();
        self.times.push(Instant::now());
    }

    /// Ends the line, and says how fast it was on the adapter called `name`.
    pub fn finish(self, name: &str) {
        println!();
        if let [first, .., last] = self.times[..] {
            let rate = (self.times.len() - 1) as f64 / (last - first).as_secs_f64();
            eprintln!("{} tokens, {rate:.1} tokens/s after the first, on {name}", self.times.len());
        }
    }
}
