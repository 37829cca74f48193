//! Dates as people write them, and as ISO 8601 does.

use handmill::train::data::permutation;

use super::calendar::{Day, days};
use super::pairs::{HELD_OUT, Pair, TRAINING};

/// Years of the dates: two digits are enough to tell which.
const YEARS: std::ops::Range<usize> = 1950..2050;

/// How a day is written: names in full or by three letters, the year in full or by two digits.
const FORMS: [fn(Day) -> String; 10] = [
    |d| format!("{}, {} {} {}", d.weekday(), d.day, d.name(), d.year),
    |d| format!("{} {} {}", d.day, d.name(), d.year),
    |d| format!("{} {}, {}", d.name(), d.day, d.year),
    |d| format!("{} {} {} {}", &d.weekday()[..3], d.day, &d.name()[..3], d.year),
    |d| format!("the {} of {}, {}", d.ordinal(), d.name(), d.year),
    |d| format!("{} {}, {}", d.name(), d.ordinal(), d.year),
    |d| format!("{}.{}.{:02}", d.day, d.month, d.year % 100),
    |d| format!("{}/{}/{}", d.year, d.month, d.day),
    |d| format!("{}-{}-{}", d.day, &d.name()[..3], d.year),
    |d| format!("{} {} '{:02}", d.day, &d.name()[..3], d.year % 100),
];

/// Every day of the years once in some form, as often as the pairs need.
pub fn dates(seed: u64) -> Vec<Pair> {
    let days = days(YEARS);
    let order = permutation(seed, 1, days.len() * FORMS.len());
    let pair = |&i: &u32| {
        let day = days[i as usize / FORMS.len()];
        let target = format!("{}-{:02}-{:02}", day.year, day.month, day.day);
        Pair { source: FORMS[i as usize % FORMS.len()](day), target }
    };
    order[..TRAINING + HELD_OUT].iter().map(pair).collect()
}
