//! The order in which examples are taken: a function of the seed and the epoch alone, so that a run can go on at any
//! batch without knowing the ones before.

use kernels_ref::random::philox4x32_10;

/// Marks the draws for the split into training and validation, which belong to no epoch.
const SPLIT: u64 = u64::MAX;

/// Where a batch starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Passes over all examples before this one.
    pub epoch: u64,
    /// Examples of this pass that are taken already.
    pub offset: u64,
}

/// The order of `n` examples, in batches of `batch`.
///
/// Batches follow each other without gap: one that meets the end of an epoch goes on with the next, so that every
/// example is taken equally often and every batch is full.
#[derive(Debug, Clone)]
pub struct Order {
    seed: u64,
    n: usize,
    batch: usize,
    shuffle: bool,
    /// The epoch whose order is at hand.
    known: Option<(u64, Vec<u32>)>,
}

impl Order {
    /// The order of `n` examples: as they stand, or shuffled anew in every epoch. There are 1 to 2³² examples, and
    /// at least one in a batch.
    pub fn new(seed: u64, n: usize, batch: usize, shuffle: bool) -> Order {
        assert!(
            n > 0 && batch > 0 && u32::try_from(n - 1).is_ok(),
            "bug: an order of {n} examples in batches of {batch}"
        );
        Order { seed, n, batch, shuffle, known: None }
    }

    /// Where batch `number` starts, from 0.
    pub fn position(&self, number: u64) -> Position {
        let taken = u128::from(number) * self.batch as u128;
        Position { epoch: (taken / self.n as u128) as u64, offset: (taken % self.n as u128) as u64 }
    }

    /// The examples of batch `number`.
    pub fn batch(&mut self, number: u64) -> Vec<usize> {
        let Position { mut epoch, offset } = self.position(number);
        let mut at = offset as usize;
        let mut rows = Vec::with_capacity(self.batch);
        while rows.len() < self.batch {
            rows.push(self.row(epoch, at));
            at += 1;
            if at == self.n {
                (epoch, at) = (epoch + 1, 0);
            }
        }
        rows
    }

    fn row(&mut self, epoch: u64, at: usize) -> usize {
        if !self.shuffle {
            return at;
        }
        match &self.known {
            Some((known, order)) if *known == epoch => order[at] as usize,
            _ => {
                let order = permutation(self.seed, epoch, self.n);
                let row = order[at] as usize;
                self.known = Some((epoch, order));
                row
            }
        }
    }
}

/// `0..n` shuffled: Fisher and Yates' algorithm as Durstenfeld gave it, from the last place down. The draws are the
/// 64-bit halves of Philox blocks with key `seed` and counter `(block, epoch)`, taken below each bound without bias
/// (Lemire 2019, arXiv:1805.10941, algorithm 5).
pub fn permutation(seed: u64, epoch: u64, n: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    let mut draws = Draws { seed, epoch, block: 0, left: None };
    for last in (1..n).rev() {
        order.swap(last, draws.below(last as u64 + 1) as usize);
    }
    order
}

/// Which `count` of `n` examples are for validation: drawn where training shuffles, else the last.
pub(super) fn validation(seed: u64, n: usize, count: usize, shuffle: bool) -> Vec<usize> {
    if !shuffle {
        return (n - count..n).collect();
    }
    let mut rows: Vec<usize> = permutation(seed, SPLIT, n)[..count].iter().map(|&row| row as usize).collect();
    rows.sort_unstable();
    rows
}

struct Draws {
    seed: u64,
    epoch: u64,
    block: u64,
    left: Option<u64>,
}

impl Draws {
    fn next(&mut self) -> u64 {
        if let Some(left) = self.left.take() {
            return left;
        }
        let halves = |v: u64| [v as u32, (v >> 32) as u32];
        let ([a, b], [c, d]) = (halves(self.block), halves(self.epoch));
        let [w, x, y, z] = philox4x32_10([a, b, c, d], halves(self.seed));
        self.block += 1;
        let join = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        self.left = Some(join(y, z));
        join(w, x)
    }

    /// Uniform in `0..bound`.
    fn below(&mut self, bound: u64) -> u64 {
        let excess = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next()) * u128::from(bound);
            // Of the low half, the first 2⁶⁴ mod bound values would make some results likelier.
            if product as u64 >= excess {
                return (product >> 64) as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by 25 lines of Python with whole numbers of any size; its Philox passed Random123's known answer for a
    /// counter and key of zeros.
    #[test]
    fn orders_equal_the_golden() {
        assert_eq!(permutation(7, 0, 10), [2, 3, 5, 1, 4, 8, 9, 6, 0, 7]);
        assert_eq!(permutation(7, 1, 10), [0, 7, 4, 9, 5, 3, 8, 6, 2, 1]);
        assert_eq!(permutation(8, 0, 10), [6, 5, 8, 9, 2, 1, 0, 3, 4, 7]);
    }

    #[test]
    fn every_epoch_takes_every_example_once() {
        for (n, batch) in [(1, 1), (1, 4), (7, 3), (12, 4), (5, 12)] {
            let mut order = Order::new(3, n, batch, true);
            let taken: Vec<usize> = (0..n as u64).flat_map(|number| order.batch(number)).collect();
            for (epoch, rows) in taken.chunks(n).enumerate() {
                let mut sorted = rows.to_vec();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..n).collect::<Vec<_>>(), "{n} in {batch}, epoch {epoch}");
            }
        }
    }

    #[test]
    fn a_batch_does_not_depend_on_the_ones_before() {
        let mut run = Order::new(3, 7, 3, true);
        let all: Vec<Vec<usize>> = (0..20).map(|number| run.batch(number)).collect();
        for number in [0, 1, 9, 19, 2] {
            assert_eq!(Order::new(3, 7, 3, true).batch(number), all[number as usize]);
            assert_eq!(run.batch(number), all[number as usize]);
        }
        assert_eq!(run.position(5), Position { epoch: 2, offset: 1 });
    }

    #[test]
    fn places_are_equally_likely() {
        let mut count = [[0u32; 5]; 5];
        for epoch in 0..20_000 {
            permutation(1, epoch, 5).iter().enumerate().for_each(|(at, &row)| count[at][row as usize] += 1);
        }
        // 4000 on average with a standard deviation of 57: five of them.
        assert!(count.as_flattened().iter().all(|&n| n.abs_diff(4000) < 285), "{count:?}");
    }

    #[test]
    fn validation_examples_are_the_last_or_drawn() {
        assert_eq!(validation(1, 5, 2, false), [3, 4]);
        let drawn = validation(1, 100, 10, true);
        assert!(drawn.is_sorted() && drawn.len() == 10 && drawn != validation(2, 100, 10, true));
        assert_eq!(drawn, validation(1, 100, 10, true));
    }
}
