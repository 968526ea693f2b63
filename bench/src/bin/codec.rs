//! `codec [secs=S]`: times encoding and decoding of the array of structs.

use std::hint::black_box;
use std::time::{Duration, Instant};

use farcall::xdr::{Bytes, Decoder, Encoder, InField};
use farcall::xdr::{Decode, DecodeError, Encode, EncodeError};
use farcall_bench::bench::Item;
use farcall_bench::{Args, ITEMS, items};

fn encode(items: &[(Item, Vec<Item>)], e: &mut Encoder) -> Result<(), EncodeError> {
    e.array_with(items, 4096, |e, (item, rest)| {
        item.encode(e)?;
        e.list(rest)
    })
    .field("items")
}

fn decode(input: &Bytes) -> Result<Vec<(Item, Vec<Item>)>, DecodeError> {
    Decoder::new(input).array_with(4096, |d| Ok((Item::decode(d)?, d.list()?)))
}

/// The median of batches, in nanoseconds for one turn.
fn time(length: Duration, mut turn: impl FnMut()) -> f64 {
    let mut batches = Vec::new();
    let start = Instant::now();
    while start.elapsed() < length {
        let batch = Instant::now();
        (0..20).for_each(|_| turn());
        batches.push(batch.elapsed().as_nanos() as f64 / 20.0);
    }
    batches.sort_by(f64::total_cmp);
    batches[batches.len() / 2]
}

fn report(case: &str, nanos: f64, bytes: usize) {
    println!(
        "{{\"lib\":\"ours\",\"case\":\"{case}\",\"ns\":{nanos:.1},\"ns_per_unit\":{:.2},\
         \"gb_s\":{:.3},\"bytes\":{bytes}}}",
        nanos / f64::from(ITEMS),
        bytes as f64 / nanos,
    );
}

fn main() {
    let length = Duration::from_secs_f64(Args::parse(std::env::args().skip(1)).get("secs", 0.25));
    let values = items();
    let mut e = Encoder::new();
    encode(&values, &mut e).expect("within bounds");
    let wire = {
        let mut e = Encoder::new();
        encode(&values, &mut e).expect("within bounds");
        e.into_bytes()
    };
    assert_eq!(decode(&wire).expect("just encoded"), values);
    let nanos = time(length, || {
        e.clear();
        encode(black_box(&values), &mut e).expect("within bounds");
        black_box(&e);
    });
    report("structs_encode", nanos, wire.len());
    let nanos = time(length, || {
        black_box(decode(black_box(&wire)).expect("just encoded"));
    });
    report("structs_decode", nanos, wire.len());
}
