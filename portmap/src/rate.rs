//! How often something is done for one network: the source of a datagram can be forged, and its
//! owner would be flooded (T20), or a service would (T21).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Networks that are told apart in a second; for more, nothing is done.
const MAX_NETWORKS: usize = 1024;

/// What was done in this second, by network: at most so often.
#[derive(Debug, Default)]
pub(crate) struct Rates<const MOST: u32> {
    until: Option<Instant>,
    done: HashMap<IpAddr, u32>,
}

impl<const MOST: u32> Rates<MOST> {
    /// Whether it may be done once more for this address; it is counted if so.
    pub(crate) fn allow(&mut self, now: Instant, source: IpAddr) -> bool {
        if self.until.is_none_or(|until| now >= until) {
            self.done.clear();
            self.until = Some(now + Duration::from_secs(1));
        }
        let network = network(source);
        if self.done.len() >= MAX_NETWORKS && !self.done.contains_key(&network) {
            return false;
        }
        let done = self.done.entry(network).or_default();
        let allowed = *done < MOST;
        *done += u32::from(allowed);
        allowed
    }
}

/// A /24, or a /64: what usually has one owner.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & !0xff).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an IP address")
    }

    #[test]
    fn a_network_gets_ten_in_a_second() {
        let mut rates = Rates::<10>::default();
        let start = Instant::now();
        for n in 0..30 {
            let to = ip(&format!("192.0.2.{n}"));
            assert_eq!(rates.allow(start, to), n < 10, "{n}");
        }
        assert!(rates.allow(start, ip("192.0.3.1")), "another network");
        assert!(!rates.allow(start, ip("::ffff:192.0.2.1")), "the same one");
        let later = start + Duration::from_secs(1);
        assert!(rates.allow(later, ip("192.0.2.1")));
    }

    #[test]
    fn a_network_of_ipv6_is_a_64() {
        let mut rates = Rates::<10>::default();
        let now = Instant::now();
        let allowed = (0..30).filter(|n| rates.allow(now, ip(&format!("2001:db8::{n}:1"))));
        assert_eq!(allowed.count(), 10);
        assert!(rates.allow(now, ip("2001:db8:0:1::1")));
    }

    #[test]
    fn it_does_not_grow_with_forged_addresses() {
        let mut rates = Rates::<10>::default();
        let now = Instant::now();
        let allowed =
            (0..100_000_u32).filter(|n| rates.allow(now, IpAddr::from((n << 8).to_be_bytes())));
        assert_eq!(allowed.count(), MAX_NETWORKS);
        assert_eq!(rates.done.len(), MAX_NETWORKS);
    }
}
