/// Steps per power of two: a value is known to less than 0.8 %.
const STEPS: u32 = 7;

/// Counts of durations in nanoseconds, in steps that grow with the duration.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; (u64::BITS as usize) << STEPS], total: 0 }
    }
}

impl Histogram {
    /// Counts one.
    pub fn add(&mut self, ns: u64) {
        self.counts[step(ns)] += 1;
        self.total += 1;
    }

    /// Counts those of another.
    pub fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.total += other.total;
    }

    /// How many were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The duration that this part of all does not exceed, from 0 to 1; 0 if there are none.
    #[must_use]
    pub fn quantile(&self, part: f64) -> u64 {
        let wanted = ((self.total as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.map_or(0, lower_end)
    }
}

fn step(ns: u64) -> usize {
    let exponent = ns.checked_ilog2().unwrap_or(0);
    if exponent < STEPS {
        return ns as usize;
    }
    let shift = exponent - STEPS;
    ((shift as usize + 1) << STEPS) + (ns >> shift) as usize - (1 << STEPS)
}

fn lower_end(step: usize) -> u64 {
    let (row, column) = (step >> STEPS, (step & ((1 << STEPS) - 1)) as u64);
    if row == 0 { column } else { (column + (1 << STEPS)) << (row - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_known_to_a_hundredth() {
        for ns in [0, 1, 127, 128, 1000, 4928, 1_000_000, u64::MAX] {
            let low = lower_end(step(ns));
            assert!(low <= ns && ns - low <= ns / 100, "{ns} {low}");
        }
    }

    #[test]
    fn quantiles_are_of_all() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), 0);
        (1..=100).for_each(|ns| histogram.add(ns));
        assert_eq!((histogram.quantile(0.5), histogram.quantile(0.99)), (50, 99));
        assert_eq!((histogram.quantile(1.0), histogram.total()), (100, 100));
    }
}
