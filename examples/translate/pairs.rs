//! Two languages, made up by a seed: dates as people write them and as ISO 8601 does, numbers in words and in digits.

use handmill::train::data::permutation;

/// Pairs that are trained on, and pairs that are not.
const TRAINING: usize = 20_000;
const HELD_OUT: usize = 600;

/// A text and its translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// As people write it.
    pub source: String,
    /// By the rule.
    pub target: String,
}

/// What is translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Subject {
    /// "Tuesday, 3 March 1998" to "1998-03-03".
    Dates,
    /// "four hundred and two" to "402".
    Numbers,
}

impl Subject {
    /// Pairs to train on, and others, which are held out: no text is in both.
    pub fn pairs(self, seed: u64) -> [Vec<Pair>; 2] {
        let all = match self {
            Subject::Dates => dates(seed),
            Subject::Numbers => numbers(seed),
        };
        let order = permutation(seed, 0, all.len());
        let mut pairs = order.iter().map(|&i| all[i as usize].clone());
        let held_out = pairs.by_ref().take(HELD_OUT).collect();
        [pairs.take(TRAINING).collect(), held_out]
    }

    /// The tokens of a text: words, single digits and signs, in lower case. Spaces, and hyphens after a word, are between
    /// them.
    pub fn split(text: &str) -> Vec<String> {
        let mut tokens: Vec<String> = vec![];
        let mut inside = false;
        for c in text.chars().flat_map(char::to_lowercase) {
            match tokens.last_mut() {
                Some(last) if inside && c.is_alphabetic() => last.push(c),
                _ if c.is_whitespace() || (inside && c == '-') => {}
                _ => tokens.push(c.into()),
            }
            inside = c.is_alphabetic();
        }
        tokens
    }
}

/// Years of the dates: two digits are enough to tell which.
const YEARS: std::ops::Range<usize> = 1950..2050;
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A day: the weekday from Monday, 0.
#[derive(Clone, Copy)]
struct Day {
    year: usize,
    month: usize,
    day: usize,
    weekday: usize,
}

/// How a day is written: names in full or by three letters, the year in full or by two digits.
const FORMS: [fn(Day) -> String; 10] = [
    |d| format!("{}, {} {} {}", DAYS[d.weekday], d.day, d.name(), d.year),
    |d| format!("{} {} {}", d.day, d.name(), d.year),
    |d| format!("{} {}, {}", d.name(), d.day, d.year),
    |d| format!("{} {} {} {}", &DAYS[d.weekday][..3], d.day, &d.name()[..3], d.year),
    |d| format!("the {} of {}, {}", d.ordinal(), d.name(), d.year),
    |d| format!("{} {}, {}", d.name(), d.ordinal(), d.year),
    |d| format!("{}.{}.{:02}", d.day, d.month, d.year % 100),
    |d| format!("{}/{}/{}", d.year, d.month, d.day),
    |d| format!("{}-{}-{}", d.day, &d.name()[..3], d.year),
    |d| format!("{} {} '{:02}", d.day, &d.name()[..3], d.year % 100),
];

impl Day {
    fn name(self) -> &'static str {
        MONTHS[self.month - 1]
    }

    fn ordinal(self) -> String {
        let ending = match self.day {
            1 | 21 | 31 => "st",
            2 | 22 => "nd",
            3 | 23 => "rd",
            _ => "th",
        };
        format!("{}{ending}", self.day)
    }
}

/// Every day of the years once in some form, as often as the pairs need.
fn dates(seed: u64) -> Vec<Pair> {
    // 1 January 1950 is a Sunday.
    let months = YEARS.flat_map(|year| (1..=12).map(move |month| (year, month)));
    let days = months.flat_map(|(year, month)| (1..=length(year, month)).map(move |day| (year, month, day)));
    let day = |(n, (year, month, day))| Day { year, month, day, weekday: (n + 6) % 7 };
    let days: Vec<Day> = days.enumerate().map(day).collect();
    let order = permutation(seed, 1, days.len() * FORMS.len());
    let pair = |&i: &u32| {
        let day = days[i as usize / FORMS.len()];
        let target = format!("{}-{:02}-{:02}", day.year, day.month, day.day);
        Pair { source: FORMS[i as usize % FORMS.len()](day), target }
    };
    order[..TRAINING + HELD_OUT].iter().map(pair).collect()
}

/// Days of a month: of the years here that four divides, every one is a leap year.
fn length(year: usize, month: usize) -> usize {
    match month {
        2 => 28 + usize::from(year.is_multiple_of(4)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Numbers below a million: all up to three digits, and as many of four, five and six.
fn numbers(seed: u64) -> Vec<Pair> {
    let each = (TRAINING + HELD_OUT).div_ceil(3);
    let drawn = [1_000, 10_000, 100_000].into_iter().flat_map(|first: u32| {
        let order = permutation(seed, u64::from(first), 9 * first as usize);
        order.into_iter().take(each).map(move |n| first + n)
    });
    (0..1000).chain(drawn).map(|n| Pair { source: in_words(n), target: n.to_string() }).collect()
}

const ONES: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
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
