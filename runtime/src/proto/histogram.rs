//! How long things took, in buckets whose width grows with the duration.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Buckets of one power of two: a bucket is at most an eighth of its duration wide.
const STEPS: usize = 8;

/// Powers of two above the first, up to 2^40 ns: 18 minutes.
const POWERS: usize = 38;

const BUCKETS: usize = STEPS * POWERS;

/// Counts of durations. It has one writer; anybody may read.
#[derive(Debug)]
pub(crate) struct Recorder([AtomicU64; BUCKETS]);

impl Recorder {
    pub(crate) fn new() -> Self {
        Self([const { AtomicU64::new(0) }; BUCKETS])
    }

    pub(crate) fn record(&self, took: Duration) {
        let bucket = &self.0[bucket(took)];
        bucket.store(bucket.load(Relaxed) + 1, Relaxed);
    }

    pub(crate) fn add_to(&self, histogram: &mut Histogram) {
        histogram.0.resize(BUCKETS, 0);
        for (sum, bucket) in histogram.0.iter_mut().zip(&self.0) {
            *sum += bucket.load(Relaxed);
        }
    }
}

/// How often which duration occurred, to an eighth of it, from 1 ns to 18 minutes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histogram(Vec<u64>);

impl Histogram {
    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The duration that the part `p` (0 to 1) of all is not above: 0.5 for the median. `None` if
    /// nothing was counted.
    #[must_use]
    pub fn quantile(&self, p: f64) -> Option<Duration> {
        let mut below = 0;
        // Rounding is to the next one: of one duration, every quantile is that one.
        let wanted = p.clamp(0.0, 1.0) * to_f64(self.count());
        self.0.iter().enumerate().find_map(|(at, &count)| {
            below += count;
            (count > 0 && to_f64(below) >= wanted).then(|| highest(at))
        })
    }
}

/// Counts are far below 2^52.
#[allow(clippy::cast_precision_loss)]
fn to_f64(count: u64) -> f64 {
    count as f64
}

fn bucket(took: Duration) -> usize {
    let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1);
    let power = nanos.ilog2() as usize;
    // The first powers have fewer numbers than there are steps.
    let at = match power {
        0..3 => nanos - 1,
        _ => ((power as u64 - 2) << 3) + (nanos >> (power - 3)) - 9,
    };
    usize::try_from(at).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// The longest duration of a bucket.
fn highest(bucket: usize) -> Duration {
    let at = bucket as u64 + 1;
    Duration::from_nanos(match at {
        0..8 => at,
        _ => {
            let power = (at >> 3) + 2;
            (((at & 7) + 9) << (power - 3)) - 1
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_an_eighth_wide() {
        let mut last = 0;
        for nanos in (1..100_000u64).chain((17..40).map(|power| (1 << power) + 1)) {
            let bucket = bucket(Duration::from_nanos(nanos));
            assert!(bucket == last || bucket == last + 1 || nanos > 100_000, "{nanos}");
            last = bucket;
            let highest = u64::try_from(highest(bucket).as_nanos()).expect("short");
            assert!(nanos <= highest && highest - nanos <= nanos / 8, "{nanos} in {highest}");
        }
        assert_eq!(bucket(Duration::ZERO), 0);
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_those_of_what_was_counted() {
        let recorder = Recorder::new();
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for millis in 1..=100 {
            recorder.record(Duration::from_millis(millis));
        }
        recorder.add_to(&mut histogram);
        assert_eq!(histogram.count(), 100);
        for (p, millis) in [(0.0, 1), (0.5, 50), (0.99, 99), (1.0, 100)] {
            let exact = Duration::from_millis(millis);
            let found = histogram.quantile(p).expect("counted");
            assert!(found >= exact && found <= exact + exact / 8, "{p}: {found:?}");
        }
        recorder.add_to(&mut histogram);
        assert_eq!(histogram.count(), 200);
    }
}
