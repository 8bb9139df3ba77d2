//! What a node counts about itself. Plain atomics; who renders them is somebody else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters since the start, and gauges.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Turns with the outcome `ok`.
    pub turns_ok: AtomicU64,
    /// Turns with the outcome `rejected`.
    pub turns_rejected: AtomicU64,
    /// Turns with the outcome `failed`.
    pub turns_failed: AtomicU64,
    /// Events answered with an earlier outcome.
    pub duplicates: AtomicU64,
    /// Calls refused, by the kernel or for lack of room.
    pub refused: AtomicU64,
    /// Events put into a mailbox.
    pub queued: AtomicU64,
    /// Events that became dead letters.
    pub dead_letters: AtomicU64,
    /// Instances of which something was let go of because its time was over.
    pub expired: AtomicU64,
    /// Seconds from the start of a commit until it is durable.
    pub commit_seconds: Histogram,
    /// Records in a commit.
    pub commit_records: Histogram,
    /// Inputs in a batch.
    pub batch_inputs: Histogram,
    /// Seconds by which timers fired late.
    pub timer_late_seconds: Histogram,
    /// Timers that are due and have not fired, at the end of the last batch.
    pub timers_late: AtomicU64,
    /// Events on their way between instances, at the end of the last batch.
    pub outbox: AtomicU64,
    /// Instances in memory, at the end of the last batch.
    pub instances_cached: AtomicU64,
}

/// Upper bounds of the buckets: powers of two of the unit, 1 to 2^31, and everything.
const BUCKETS: usize = 33;

/// A histogram with buckets that double. The unit is the caller's: microseconds for times, one for counts.
#[derive(Debug)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: std::array::from_fn(|_| AtomicU64::new(0)), sum: AtomicU64::new(0) }
    }
}

impl Histogram {
    /// Counts one value.
    pub fn count(&self, value: u64) {
        let bucket = (u64::BITS - value.saturating_sub(1).leading_zeros()) as usize;
        self.buckets[bucket.min(BUCKETS - 1)].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Counts a length of time in microseconds.
    pub fn count_time(&self, time: Duration) {
        self.count(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// The inclusive upper bound of each bucket (none: everything) and how many values fell into it or a lower one.
    pub fn cumulative(&self) -> Vec<(Option<u64>, u64)> {
        let mut total = 0;
        let bound = |bucket: usize| (bucket + 1 < BUCKETS).then(|| 1u64 << bucket);
        let counts = self.buckets.iter().enumerate();
        counts
            .map(|(bucket, count)| {
                total += count.load(Ordering::Relaxed);
                (bound(bucket), total)
            })
            .collect()
    }

    /// The sum of all values.
    pub fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }
}

/// Adds one.
pub(crate) fn bump(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for value in [0, 1, 2, 3, 4, 5, u64::MAX / 2] {
            histogram.count(value);
        }
        let cumulative = histogram.cumulative();
        assert_eq!(&cumulative[..4], &[(Some(1), 2), (Some(2), 3), (Some(4), 5), (Some(8), 6)]);
        assert_eq!(cumulative.last(), Some(&(None, 7)));
    }
}
