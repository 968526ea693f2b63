//! When to send a datagram again: the round-trip estimate of RFC 6298, backoff and a budget.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::xid::Random;
use crate::Procedure;

/// More than this is never waited, so that no sum of times overflows.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The bounds of the time until a call is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The first timeout as long as the server's round-trip time is not known. Default 1 s
    /// (RFC 6298 §2.1).
    pub initial: Duration,
    /// The shortest timeout, and the least that is added to the round-trip time. Default 10 ms.
    pub min: Duration,
    /// The longest timeout. Default 60 s (RFC 6298 §2.5).
    pub max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(1),
            min: Duration::from_millis(10),
            max: Duration::from_secs(60),
        }
    }
}

/// A server's round-trip time, estimated as RFC 6298 has it (Jacobson), and the timeout made of it.
#[derive(Debug, Clone)]
pub struct RttEstimate {
    policy: RetryPolicy,
    /// SRTT and RTTVAR of RFC 6298 §2, in nanoseconds.
    smoothed: Option<(u64, u64)>,
    /// The timeout that a call had reached when a server that has become slow answered it. It holds
    /// for the next calls until one is answered before it is sent again (Karn).
    backed_off: Option<Duration>,
}

impl RttEstimate {
    /// No estimate yet.
    #[must_use]
    pub fn new(mut policy: RetryPolicy) -> Self {
        policy.max = policy.max.min(LONGEST);
        policy.min = policy.min.min(policy.max);
        Self { policy, smoothed: None, backed_off: None }
    }

    /// Takes in the round-trip time of a call that was sent once. That of a call sent more than
    /// once says nothing, as it is not known which one was answered (Karn).
    pub fn sample(&mut self, rtt: Duration) {
        self.backed_off = None;
        let rtt = nanos(rtt);
        self.smoothed = Some(match self.smoothed {
            None => (rtt, rtt / 2),
            Some((smoothed, variation)) => {
                (smoothed * 7 / 8 + rtt / 8, variation * 3 / 4 + smoothed.abs_diff(rtt) / 4)
            }
        });
    }

    /// Says that a call was answered after it had been sent again: `since` the last time, when its
    /// timeout had reached `reached`.
    ///
    /// If that is about the time that an answer takes, a datagram was lost, and the estimate is as
    /// good as before. Otherwise the server takes longer than was waited, and unless the next call
    /// waits longer, it is never seen how long.
    pub fn answered_late(&mut self, since: Duration, reached: Duration) {
        let since = nanos(since);
        let was_lost = self.smoothed.is_some_and(|(smoothed, variation)| {
            since >= smoothed / 2 && since <= smoothed + smoothed / 8 + variation * 4
        });
        if !was_lost {
            self.backed_off = Some(reached.min(self.policy.max));
        }
    }

    /// The smoothed round-trip time, if any call was answered at once.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.smoothed.map(|(smoothed, _)| Duration::from_nanos(smoothed))
    }

    /// The timeout of a call sent for the first time (RFC 6298 §2.3).
    #[must_use]
    pub fn timeout(&self) -> Duration {
        let estimated = match self.smoothed {
            None => self.policy.initial,
            Some((smoothed, variation)) => {
                Duration::from_nanos(smoothed)
                    + Duration::from_nanos(variation * 4).max(self.policy.min)
            }
        };
        estimated.max(self.backed_off.unwrap_or_default()).min(self.policy.max)
    }

    /// The timeout that follows `timeout` (RFC 6298 §5.5).
    #[must_use]
    pub fn backoff(&self, timeout: Duration) -> Duration {
        (timeout * 2).min(self.policy.max)
    }
}

/// A time in nanoseconds, as far as times are told apart.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.min(LONGEST).as_nanos()).unwrap_or(u64::MAX)
}

/// Procedures of one server whose times are told apart. Those that come later count as the server.
const CLASSES: usize = 64;

/// The round-trip times of one server: one estimate for each procedure, because a procedure that
/// takes a second says nothing of one that takes none, and one of all for procedures that were not
/// answered yet.
#[derive(Debug, Clone)]
pub struct Estimates {
    server: RttEstimate,
    procedures: BTreeMap<Procedure, RttEstimate>,
}

impl Estimates {
    /// No estimate yet.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Self {
        Self { server: RttEstimate::new(policy), procedures: BTreeMap::new() }
    }

    /// Takes in the round-trip time of a call that was sent once.
    pub fn sample(&mut self, procedure: Procedure, rtt: Duration) {
        self.server.sample(rtt);
        if let Some(own) = self.own(procedure) {
            own.sample(rtt);
        }
    }

    /// Says that a call was answered after it had been sent again; see
    /// [`RttEstimate::answered_late`].
    pub fn answered_late(&mut self, procedure: Procedure, since: Duration, reached: Duration) {
        match self.own(procedure) {
            Some(own) => own.answered_late(since, reached),
            None => self.server.answered_late(since, reached),
        }
    }

    /// The timeout of a call sent for the first time.
    #[must_use]
    pub fn timeout(&self, procedure: Procedure) -> Duration {
        match self.procedures.get(&procedure) {
            Some(own) if own.rtt().is_some() => own.timeout(),
            Some(own) => own.backed_off.unwrap_or_else(|| self.server.timeout()),
            None => self.server.timeout(),
        }
    }

    /// The timeout that follows `timeout`.
    #[must_use]
    pub fn backoff(&self, timeout: Duration) -> Duration {
        self.server.backoff(timeout)
    }

    /// The server's smoothed round-trip time, over all procedures.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.server.rtt()
    }

    /// The procedure's own estimate, as long as there is room.
    fn own(&mut self, procedure: Procedure) -> Option<&mut RttEstimate> {
        if self.procedures.len() < CLASSES {
            let policy = self.server.policy;
            self.procedures.entry(procedure).or_insert_with(|| RttEstimate::new(policy));
        }
        self.procedures.get_mut(&procedure)
    }
}

/// `timeout` and up to a quarter more, so that clients that failed together do not come back
/// together. Never less: that would send again what is only about to be answered.
#[must_use]
pub fn jittered(timeout: Duration, random: &mut Random) -> Duration {
    timeout + timeout / (4 << 16) * (random.u32() >> 16)
}

/// How many resends a client may make: one for every ten calls, and ten a second.
///
/// It bounds what all clients together add to the load of a server that has gone down under it.
#[derive(Debug, Clone)]
pub struct RetryBudget {
    /// In thousandths of a resend.
    credit: u64,
    /// Up to when the credit for passing time is given.
    credited: Option<Instant>,
}

impl RetryBudget {
    const RESEND: u64 = 1000;
    const PER_CALL: u64 = Self::RESEND / 10;
    const PER_MILLISECOND: u64 = Self::RESEND * 10 / 1000;
    /// What passing time gives at most: bursts are earned by calls.
    const IDLE_MAX: u64 = 20 * Self::RESEND;
    const MAX: u64 = 1000 * Self::RESEND;

    /// A budget for some resends at once.
    #[must_use]
    pub fn new() -> Self {
        Self { credit: Self::IDLE_MAX, credited: None }
    }

    /// Gives credit for a call.
    pub fn earn(&mut self) {
        self.credit = (self.credit + Self::PER_CALL).min(Self::MAX);
    }

    /// Takes one resend; false if there is no credit for it at `now`.
    pub fn spend(&mut self, now: Instant) -> bool {
        self.credit_time(now);
        let left = self.credit.checked_sub(Self::RESEND);
        self.credit = left.unwrap_or(self.credit);
        left.is_some()
    }

    /// How long it takes until there is credit for another resend.
    #[must_use]
    pub fn refill(&self) -> Duration {
        let missing = Self::RESEND.saturating_sub(self.credit);
        Duration::from_millis(missing.div_ceil(Self::PER_MILLISECOND))
    }

    fn credit_time(&mut self, now: Instant) {
        let since = *self.credited.get_or_insert(now);
        let passed = now.saturating_duration_since(since);
        let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        if self.credit < Self::IDLE_MAX {
            let earned = millis.saturating_mul(Self::PER_MILLISECOND);
            self.credit = self.credit.saturating_add(earned).min(Self::IDLE_MAX);
        }
        // What is left of a millisecond counts later.
        self.credited = Some(since + Duration::from_millis(millis));
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_estimate_is_rfc_6298s() {
        // RFC 6298 §2.2 and §2.3, by hand: (sample, SRTT, timeout) in milliseconds, in a row.
        let table = [
            (200, 200, 200 + 4 * 100), // SRTT = R, RTTVAR = R/2
            (200, 200, 200 + 4 * 75),  // RTTVAR = 3/4 RTTVAR
            (280, 210, 210 + 305),     // RTTVAR = 3/4 * 75 + 1/4 * 80 = 76.25
        ];
        let mut estimate = RttEstimate::new(RetryPolicy::default());
        assert_eq!((estimate.rtt(), estimate.timeout()), (None, ms(1000)));
        for (rtt, smoothed, timeout) in table {
            estimate.sample(ms(rtt));
            assert_eq!((estimate.rtt(), estimate.timeout()), (Some(ms(smoothed)), ms(timeout)));
        }
    }

    #[test]
    fn a_steady_server_gets_the_minimum_on_top() {
        let mut estimate = RttEstimate::new(RetryPolicy::default());
        for _ in 0..100 {
            estimate.sample(ms(200));
        }
        let above = estimate.timeout() - ms(200);
        assert!(above >= ms(10) && above < ms(11), "{above:?}");
    }

    #[test]
    fn timeouts_double_up_to_the_maximum() {
        let estimate = RttEstimate::new(RetryPolicy { max: ms(5000), ..RetryPolicy::default() });
        let mut timeout = estimate.timeout();
        let row = std::array::from_fn(|_| {
            let this = timeout;
            timeout = estimate.backoff(timeout);
            this
        });
        assert_eq!(row, [ms(1000), ms(2000), ms(4000), ms(5000)]);
    }

    #[test]
    fn a_late_answer_holds_the_timeout_until_a_prompt_one() {
        let mut estimate = RttEstimate::new(RetryPolicy::default());
        estimate.answered_late(ms(1), ms(2000));
        assert_eq!(estimate.timeout(), ms(2000));
        estimate.sample(ms(8));
        assert_eq!(estimate.timeout(), ms(24));
        for since in [0, 3, 26, 1000] {
            estimate.answered_late(ms(since), ms(192));
            assert_eq!(estimate.timeout(), ms(192), "{since} ms");
            estimate.sample(ms(8));
        }
        assert!(estimate.timeout() <= ms(20));
    }

    #[test]
    fn an_answer_to_the_last_resend_is_one_after_a_loss() {
        let mut estimate = RttEstimate::new(RetryPolicy::default());
        estimate.sample(ms(8));
        for since in [4, 8, 25] {
            estimate.answered_late(ms(since), ms(192));
            assert_eq!(estimate.timeout(), ms(24), "{since} ms");
        }
    }

    #[test]
    fn a_slow_procedure_does_not_slow_down_a_fast_one() {
        let [fast, slow, new] = [1, 2, 3].map(Procedure);
        let mut estimates = Estimates::new(RetryPolicy::default());
        assert_eq!(estimates.timeout(fast), ms(1000));
        for _ in 0..200 {
            estimates.sample(fast, ms(1));
            estimates.sample(slow, ms(2000));
        }
        assert!(estimates.timeout(fast) <= ms(12), "{:?}", estimates.timeout(fast));
        assert!(estimates.timeout(slow) >= ms(2010), "{:?}", estimates.timeout(slow));
        assert!(estimates.timeout(new) >= ms(500), "that of the server as a whole");
        estimates.answered_late(new, ms(1), ms(4000));
        assert_eq!(estimates.timeout(new), ms(4000));
        assert!(estimates.timeout(fast) <= ms(12));
    }

    #[test]
    fn procedures_without_end_take_memory_to_a_bound() {
        let mut estimates = Estimates::new(RetryPolicy::default());
        for procedure in (0..1000).map(Procedure) {
            estimates.sample(procedure, ms(8));
            estimates.answered_late(procedure, ms(1), ms(100));
        }
        assert_eq!(estimates.procedures.len(), CLASSES);
        assert_eq!(estimates.timeout(Procedure(999)), ms(100));
    }

    #[test]
    fn jitter_only_adds_and_at_most_a_quarter() {
        let mut random = Random::new(5);
        let drawn: Vec<Duration> = (0..1000).map(|_| jittered(ms(1000), &mut random)).collect();
        assert!(drawn.iter().all(|&d| d >= ms(1000) && d < ms(1250)));
        assert!(drawn.iter().any(|&d| d < ms(1010)) && drawn.iter().any(|&d| d > ms(1240)));
    }

    #[test]
    fn the_budget_is_ten_a_second_and_a_tenth_of_the_calls() {
        let start = crate::epoch::epoch();
        let mut budget = RetryBudget::new();
        let spent = |budget: &mut RetryBudget, at: u64| {
            (0..).take_while(|_| budget.spend(start + ms(at))).count()
        };
        assert_eq!(spent(&mut budget, 0), 20);
        assert_eq!(budget.refill(), ms(100));
        assert_eq!(spent(&mut budget, 99), 0);
        assert_eq!(budget.refill(), ms(1));
        assert_eq!(spent(&mut budget, 1_000), 10);
        for _ in 0..1_000 {
            budget.earn();
        }
        assert_eq!(spent(&mut budget, 1_000), 100);
        assert_eq!(spent(&mut budget, 3_600_000), 20);
    }
}
