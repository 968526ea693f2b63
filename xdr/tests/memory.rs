//! A length on the wire takes no memory by itself (T1, T2).

use farcall_xdr::{Bytes, Decode, Decoder, UNBOUNDED};
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// What decoding `T` takes at most beyond what was there before, in bytes.
fn peak<T>(wire: &[u8], read: impl FnOnce(&mut Decoder<'_>) -> T) -> usize {
    let input = Bytes::copy_from_slice(wire);
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    let mut d = Decoder::new(&input);
    drop(read(&mut d));
    HEAP.peak_usage() - before
}

/// One test, because all threads share the heap that it watches.
#[test]
fn t1_t2_claimed_lengths_take_no_memory() {
    type Wide = [u64; 50];
    for claim in [0, 1, 1 << 16, i32::MAX.unsigned_abs(), 1 << 31, u32::MAX] {
        for present in [0, 4, 8, 63, 64] {
            let mut wire = claim.to_be_bytes().to_vec();
            wire.resize(4 + present, 1);
            let allowed = 4 * wire.len() + 4096;
            let peaks = [
                peak(&wire, |d| d.opaque(UNBOUNDED)),
                peak(&wire, |d| d.string(UNBOUNDED)),
                peak(&wire, |d| d.array::<u32>(UNBOUNDED)),
                peak(&wire, |d| d.array::<u64>(UNBOUNDED)),
                peak(&wire, |d| d.array::<Bytes>(UNBOUNDED)),
                peak(&wire, |d| d.array::<String>(UNBOUNDED)),
                peak(&wire, |d| d.array::<Wide>(UNBOUNDED)),
                peak(&wire, |d| d.array::<()>(UNBOUNDED)),
                peak(&wire, Vec::<Vec<Vec<u32>>>::decode),
            ];
            assert!(
                peaks.iter().all(|&bytes| bytes <= allowed),
                "claim {claim:#x} with {present} bytes: {peaks:?}, allowed {allowed}",
            );
        }
    }

    // Opaque data that is there is shared: what is taken is the handle's counter, not the MiB.
    let mut wire = (1u32 << 20).to_be_bytes().to_vec();
    wire.resize(4 + (1 << 20), 7);
    assert!(peak(&wire, |d| d.opaque(UNBOUNDED).expect("complete").len()) <= 64);
}
