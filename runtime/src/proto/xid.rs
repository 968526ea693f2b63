//! Transaction ids (RFC 5531 §9) that a stranger cannot guess, and random numbers for timers.

use crate::Xid;

const ROUNDS: usize = 6;

/// Xids in an order that only the seed tells: the numbers from 0 on, each put through a permutation
/// of all 2^32 of them (a Feistel network). So none comes twice before all have come.
#[derive(Debug, Clone)]
pub struct Xids {
    keys: [u64; ROUNDS],
    next: u32,
}

impl Xids {
    /// The order that `seed` stands for.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self { keys: std::array::from_fn(|_| random.u64()), next: random.u32() }
    }

    /// The next one.
    pub fn draw(&mut self) -> Xid {
        let number = self.next;
        self.next = number.wrapping_add(1);
        let (mut left, mut right) = (number >> 16, number & 0xffff);
        for key in self.keys {
            (left, right) = (right, left ^ half(key ^ u64::from(right)));
        }
        Xid(left << 16 | right)
    }
}

/// 16 bits that depend on all bits of `x`.
fn half(x: u64) -> u32 {
    // The top 16 of 64 bits.
    (mix(x) >> 48) as u32
}

/// Random numbers from a seed (SplitMix64), for what need not be secret.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence that `seed` stands for.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// The next 32 bits.
    pub fn u32(&mut self) -> u32 {
        (self.u64() >> 32) as u32
    }
}

/// SplitMix64's finalizer: every bit of the input changes half of the output's.
fn mix(mut x: u64) -> u64 {
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn none_comes_twice() {
        let mut xids = Xids::new(1);
        let drawn: HashSet<Xid> = (0..100_000).map(|_| xids.draw()).collect();
        assert_eq!(drawn.len(), 100_000);
    }

    #[test]
    fn the_seed_tells_the_order() {
        let draw = |seed| {
            let mut xids = Xids::new(seed);
            [xids.draw(), xids.draw(), xids.draw()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn neighbours_have_nothing_in_common() {
        let mut xids = Xids::new(3);
        let drawn: Vec<u32> = (0..10_000).map(|_| xids.draw().0).collect();
        let flipped: u32 = drawn.windows(2).map(|w| (w[0] ^ w[1]).count_ones()).sum();
        // 16 of 32 bits on average; the standard deviation of the mean is 0.03.
        let mean = f64::from(flipped) / 9_999.0;
        assert!((mean - 16.0).abs() < 0.2, "{mean} bits differ");
        assert!(drawn.windows(2).all(|w| w[0].abs_diff(w[1]) > 1));
    }

    #[test]
    fn random_numbers_are_splitmix64() {
        // The first outputs of the reference implementation (Vigna) for seed 1234567.
        let mut random = Random::new(1_234_567);
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973];
        assert_eq!([random.u64(), random.u64()], expected);
    }
}
