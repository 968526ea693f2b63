//! Times the generated codec: `codec [secs=SECONDS]`, one JSON line per case. `codec dump=1` writes
//! the encoded array instead, to be compared with what other codecs write.

use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

use farcall::xdr::{Bytes, Decode, DecodeError, Decoder, Encode, EncodeError, Encoder};
use farcall_bench::{ITEMS, Items, MAXITEMS, blob, items};

/// Shorter batches say more of the clock than of the code.
const BATCH: Duration = Duration::from_millis(2);

const BLOB: usize = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arg = |key: &str| std::env::args().find_map(|arg| Some(arg.strip_prefix(key)?.to_owned()));
    let items = items();
    let mut e = Encoder::new();
    encode(&items, &mut e)?;
    let encoded = e.into_bytes();
    if arg("dump=").is_some() {
        return Ok(std::io::stdout().write_all(&encoded)?);
    }
    if decode(&encoded)? != items {
        return Err("what was decoded is not what was encoded".into());
    }
    let secs = arg("secs=").map_or(Ok(0.3), |secs| secs.parse())?;
    structs(Duration::try_from_secs_f64(secs)?, &items, &encoded);
    opaque(Duration::try_from_secs_f64(secs)?);
    Ok(())
}

fn structs(time: Duration, items: &Items, encoded: &Bytes) {
    let units = ITEMS + ITEMS / 4;
    let mut e = Encoder::with_capacity(encoded.len());
    print(
        "structs_encode",
        units,
        encoded.len(),
        best(time, || {
            e.clear();
            // It was encoded before.
            let _ = black_box(encode(black_box(items), &mut e));
            black_box(&e);
        }),
    );
    print(
        "structs_decode",
        units,
        encoded.len(),
        best(time, || {
            let _ = black_box(decode(black_box(encoded)));
        }),
    );
}

/// Neither copies: a large value is sent from where it is, and shares the buffer it came in.
fn opaque(time: Duration) {
    let value = blob(BLOB);
    let mut e = Encoder::new();
    print(
        "opaque1m_encode",
        1,
        BLOB,
        best(time, || {
            e.clear();
            let _ = black_box(e.opaque(black_box(&value), u32::MAX));
            black_box(&e);
        }),
    );
    let encoded = e.into_bytes();
    print(
        "opaque1m_decode",
        1,
        BLOB,
        best(time, || {
            let _ = black_box(Decoder::new(black_box(&encoded)).opaque(u32::MAX));
        }),
    );
}

/// As the generated client does.
fn encode(items: &Items, e: &mut Encoder) -> Result<(), EncodeError> {
    e.array_with(items, MAXITEMS, |e, (first, rest)| first.encode(e).and_then(|()| e.list(rest)))
}

/// As the generated server does.
fn decode(encoded: &Bytes) -> Result<Items, DecodeError> {
    Decoder::new(encoded).array_with(MAXITEMS, |d| Ok((Decode::decode(d)?, d.list()?)))
}

/// Nanoseconds per run, in the batch that was disturbed least.
fn best(time: Duration, mut run: impl FnMut()) -> f64 {
    let begin = Instant::now();
    let (mut runs, mut best) = (1_u32, f64::INFINITY);
    while begin.elapsed() < time {
        let batch = Instant::now();
        (0..runs).for_each(|_| run());
        let took = batch.elapsed();
        if took < BATCH {
            runs *= 2;
        } else {
            best = best.min(took.as_nanos() as f64 / f64::from(runs));
        }
    }
    best
}

fn print(case: &str, units: usize, bytes: usize, ns: f64) {
    let (per_unit, gb_s) = (ns / units as f64, bytes as f64 / ns);
    println!(
        "{{\"lib\":\"ours\",\"case\":\"{case}\",\"ns\":{ns:.3},\"ns_per_unit\":{per_unit:.3},\
         \"gb_s\":{gb_s:.4},\"bytes\":{bytes}}}"
    );
}
