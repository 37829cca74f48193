//! Days of the Gregorian calendar.

#![allow(dead_code)] // every example takes a part of it

use std::ops::Range;

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
#[rustfmt::skip]
const MONTHS: [&str; 12] = [
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
];

/// A day, with months and days from 1.
#[derive(Clone, Copy)]
pub struct Day {
    pub year: usize,
    pub month: usize,
    pub day: usize,
    /// From Monday, 0.
    weekday: usize,
}

impl Day {
    /// Of the month.
    pub fn name(self) -> &'static str {
        MONTHS[self.month - 1]
    }

    pub fn weekday(self) -> &'static str {
        WEEKDAYS[self.weekday]
    }

    /// "3rd"
    pub fn ordinal(self) -> String {
        let ending = match self.day {
            1 | 21 | 31 => "st",
            2 | 22 => "nd",
            3 | 23 => "rd",
            _ => "th",
        };
        format!("{}{ending}", self.day)
    }
}

/// All days of `years`, which are after the year 0.
pub fn days(years: Range<usize>) -> Vec<Day> {
    // 1 January of the year 1 is a Monday.
    let past = years.start - 1;
    let first = past * 365 + past / 4 - past / 100 + past / 400;
    let months = years.flat_map(|year| (1..=12).map(move |month| (year, month)));
    let days = months.flat_map(|(year, month)| (1..=length(year, month)).map(move |day| (year, month, day)));
    let day = |(n, (year, month, day)): (usize, _)| Day { year, month, day, weekday: (first + n) % 7 };
    days.enumerate().map(day).collect()
}

/// Days of a month.
fn length(year: usize, month: usize) -> usize {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + usize::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
