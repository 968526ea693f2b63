//! What the programs for measuring share: the interface, its values, and `key=value` arguments.

use std::collections::HashMap;
use std::str::FromStr;

use farcall::xdr::Bytes;
use farcall::{Context, Fault};

use self::bench::Item;
use self::bench::bench_prog::v1;

/// What the compiler made of `proto/bench.x`.
pub mod bench {
    farcall::include_x!("bench");
}

/// Elements of the array of structs that is sent.
pub const ITEMS: u32 = 1000;

/// Answers with what it is given.
pub struct Echo;

impl v1::Service for Echo {
    fn echo(&self, _cx: &Context, blob: Bytes) -> Result<Bytes, Fault> {
        Ok(blob)
    }

    fn structs(
        &self,
        _cx: &Context,
        items: Vec<(Item, Vec<Item>)>,
    ) -> Result<Vec<(Item, Vec<Item>)>, Fault> {
        Ok(items)
    }
}

/// The structs that all systems are measured with; every fourth has a next.
#[must_use]
pub fn items() -> Vec<(Item, Vec<Item>)> {
    (0..ITEMS)
        .map(|i| (item(i), if i % 4 == 0 { vec![item(i + 100_000)] } else { Vec::new() }))
        .collect()
}

fn item(i: u32) -> Item {
    let letter = |k: u32| char::from(b'a' + u8::try_from((i + k) % 26).expect("below 26"));
    Item {
        name: (0..5 + i * 7 % 23).map(letter).collect(),
        id: i64::from(i) * 1_000_003,
        value: f64::from(i) * 0.5,
        flag: i & 1 == 1,
    }
}

/// `key=value` arguments.
pub struct Args(HashMap<String, String>);

impl Args {
    /// Takes what is left of the command line.
    pub fn parse(args: impl Iterator<Item = String>) -> Self {
        Self(
            args.filter_map(|arg| {
                arg.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()))
            })
            .collect(),
        )
    }

    /// The value of `key`, or `default` where there is none.
    ///
    /// # Panics
    /// If there is one that cannot be read.
    pub fn get<T: FromStr>(&self, key: &str, default: T) -> T {
        self.0.get(key).map_or(default, |value| {
            value.parse().unwrap_or_else(|_| panic!("{key}={value} cannot be read"))
        })
    }
}
