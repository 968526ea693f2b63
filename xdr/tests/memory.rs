//! A length on the wire takes no memory by itself (T1, T2).

use std::time::{Duration, Instant};

use farcall_xdr::{Bytes, Decode, Decoder, UNBOUNDED};
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// What decoding `T` takes at most beyond what was there before, in bytes. `longest` is the time of
/// the one that took most.
fn peak<T>(wire: &[u8], longest: &mut Duration, read: impl FnOnce(&mut Decoder<'_>) -> T) -> usize {
    let input = Bytes::copy_from_slice(wire);
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    let began = Instant::now();
    let mut d = Decoder::new(&input);
    drop(read(&mut d));
    *longest = began.elapsed().max(*longest);
    HEAP.peak_usage() - before
}

/// One test, because all threads share the heap that it watches.
#[test]
fn t1_t2_claimed_lengths_take_no_memory() {
    type Wide = [u64; 50];
    let mut longest = Duration::ZERO;
    let longest = &mut longest;
    for claim in [0, 1, 1 << 16, i32::MAX.unsigned_abs(), 1 << 31, u32::MAX] {
        for present in [0, 4, 8, 63, 64] {
            let mut wire = claim.to_be_bytes().to_vec();
            wire.resize(4 + present, 1);
            let allowed = 4 * wire.len() + 4096;
            let peaks = [
                peak(&wire, longest, |d| d.opaque(UNBOUNDED)),
                peak(&wire, longest, |d| d.string(UNBOUNDED)),
                peak(&wire, longest, |d| d.array::<u32>(UNBOUNDED)),
                peak(&wire, longest, |d| d.array::<u64>(UNBOUNDED)),
                peak(&wire, longest, |d| d.array::<Bytes>(UNBOUNDED)),
                peak(&wire, longest, |d| d.array::<String>(UNBOUNDED)),
                peak(&wire, longest, |d| d.array::<Wide>(UNBOUNDED)),
                peak(&wire, longest, |d| d.array::<()>(UNBOUNDED)),
                peak(&wire, longest, Vec::<Vec<Vec<u32>>>::decode),
            ];
            assert!(
                peaks.iter().all(|&bytes| bytes <= allowed),
                "claim {claim:#x} with {present} bytes: {peaks:?}, allowed {allowed}",
            );
        }
    }
    println!("the longest took {longest:?}");

    // Opaque data that is there is shared: what is taken is the handle's counter, not the MiB.
    let mut wire = (1u32 << 20).to_be_bytes().to_vec();
    wire.resize(4 + (1 << 20), 7);
    assert!(peak(&wire, longest, |d| d.opaque(UNBOUNDED).expect("complete").len()) <= 64);
}
