//! What the programs that measure have in common.

mod histogram;
pub mod portmapper;
mod settings;
mod wire;

use farcall::xdr::Bytes;
use farcall::{Context, Fault};

pub use self::bench::bench_prog::v1;
pub use self::bench::{Item, Items, MAXITEMS};
pub use self::histogram::Histogram;
pub use self::settings::{Settings, Transport};
pub use self::wire::{echo_call, echo_record, read_record};

/// What the compiler made of `proto/bench.x`.
pub mod bench {
    farcall::include_x!("bench");
}

/// The array that is sent has so many items at its top level.
pub const ITEMS: usize = 1000;

/// Sends back what it gets.
#[derive(Debug, Clone, Copy)]
pub struct Echo;

impl v1::Service for Echo {
    fn echo(&self, _cx: &Context, blob: Bytes) -> Result<Bytes, Fault> {
        Ok(blob)
    }

    fn structs(&self, _cx: &Context, items: Items) -> Result<Items, Fault> {
        Ok(items)
    }
}

/// The array that is measured with: every fourth of the items has another one behind it.
#[must_use]
pub fn items() -> Items {
    let next = |i: usize| if i.is_multiple_of(4) { vec![item(i + 100_000)] } else { Vec::new() };
    (0..ITEMS).map(|i| (item(i), next(i))).collect()
}

fn item(i: usize) -> Item {
    let letters = ('a'..='z').cycle().skip(i % 26);
    Item {
        name: letters.take(5 + i * 7 % 23).collect(),
        id: i as i64 * 1_000_003,
        value: i as f64 * 0.5,
        flag: i & 1 == 1,
    }
}

/// Bytes that are not all the same.
#[must_use]
pub fn blob(len: usize) -> Bytes {
    (0..=250_u8).map(|i| (u32::from(i) * 31 % 251) as u8).cycle().take(len).collect()
}
