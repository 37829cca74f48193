//! Numbers in British words, and in digits.

use handmill::train::data::permutation;

use super::pairs::{HELD_OUT, Pair, TRAINING};

/// Numbers below a million: all up to three digits, and as many of four, five and six.
pub fn numbers(seed: u64) -> Vec<Pair> {
    let each = (TRAINING + HELD_OUT).div_ceil(3);
    let drawn = [1_000, 10_000, 100_000].into_iter().flat_map(|first: u32| {
        let order = permutation(seed, u64::from(first), 9 * first as usize);
        order.into_iter().take(each).map(move |n| first + n)
    });
    (0..1000).chain(drawn).map(|n| Pair { source: in_words(n), target: n.to_string() }).collect()
}

#[rustfmt::skip]
const ONES: [&str; 20] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
];
const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// A number below a million in British words.
pub fn in_words(n: u32) -> String {
    let rest = |n: u32, and: bool| match n {
        0 => String::new(),
        n if and => format!(" and {}", in_words(n)),
        n => format!(" {}", in_words(n)),
    };
    match n {
        0..20 => ONES[n as usize].to_owned(),
        20..100 => {
            let ones = if n.is_multiple_of(10) { String::new() } else { format!("-{}", ONES[n as usize % 10]) };
            format!("{}{ones}", TENS[n as usize / 10 - 2])
        }
        100..1000 => format!("{} hundred{}", ONES[n as usize / 100], rest(n % 100, true)),
        _ => format!("{} thousand{}", in_words(n / 1000), rest(n % 1000, n % 1000 < 100)),
    }
}
