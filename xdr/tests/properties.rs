//! What holds for all values and all bytes.

use farcall_xdr::{Bytes, Decode, Decoder, Encode, Encoder, Limits, UNBOUNDED};
use proptest::collection::vec;
use proptest::prelude::*;

fn wire<T: Encode>(value: &T) -> Bytes {
    let mut e = Encoder::new();
    value.encode(&mut e).expect("unbounded");
    e.into_bytes()
}

fn round_trip<T: Encode + Decode + PartialEq + std::fmt::Debug>(value: &T) {
    let bytes = wire(value);
    assert_eq!(bytes.len(), value.encoded_len());
    assert_eq!(bytes.len() % 4, 0);
    let mut d = Decoder::new(&bytes).strict(true);
    assert_eq!(T::decode(&mut d).as_ref(), Ok(value));
    assert_eq!(d.end(), Ok(()));
}

/// Bytes that a strict decoder accepts are the only ones for that value.
fn canonical<T: Encode + Decode>(bytes: &Bytes) {
    let mut d = Decoder::new(bytes).strict(true);
    if let Ok(value) = T::decode(&mut d) {
        assert_eq!(wire(&value), bytes[..d.offset()]);
    }
}

proptest! {
    #[test]
    fn values_come_back(
        scalars in any::<(i32, u32, i64, u64, bool)>(),
        strings in vec(any::<String>(), 0..5),
        opaques in vec(vec(any::<u8>(), 0..2000), 0..4),
        numbers in vec(any::<u64>(), 0..50),
        optional in any::<Option<u32>>(),
        fixed in any::<[u8; 5]>(),
    ) {
        round_trip(&scalars.0);
        round_trip(&scalars.1);
        round_trip(&scalars.2);
        round_trip(&scalars.3);
        round_trip(&scalars.4);
        round_trip(&strings);
        round_trip(&opaques.into_iter().map(Bytes::from).collect::<Vec<_>>());
        round_trip(&numbers);
        round_trip(&optional);
        round_trip(&fixed);
        round_trip(&[Some(fixed), None]);
    }

    #[test]
    fn floats_keep_their_bits(single in any::<u32>(), double in any::<u64>()) {
        let mut e = Encoder::new();
        e.f32(f32::from_bits(single));
        e.f64(f64::from_bits(double));
        let bytes = e.into_bytes();
        let mut d = Decoder::new(&bytes);
        prop_assert_eq!(d.f32().map(f32::to_bits), Ok(single));
        prop_assert_eq!(d.f64().map(f64::to_bits), Ok(double));
    }

    #[test]
    fn any_bytes_decode_or_fail_and_what_decodes_is_canonical(
        bytes in vec(prop_oneof![4 => 0u8..4, 1 => any::<u8>()], 0..64)
    ) {
        let bytes = Bytes::from(bytes);
        canonical::<Vec<String>>(&bytes);
        canonical::<Vec<Bytes>>(&bytes);
        canonical::<Vec<Option<bool>>>(&bytes);
        canonical::<[Vec<u64>; 2]>(&bytes);
        canonical::<Option<[u8; 3]>>(&bytes);
        let limits = Limits::DEFAULT.with_bytes(100);
        if let Ok(list) = Decoder::new(&bytes).with_limits(limits).list::<u64>() {
            prop_assert!(list.len() * 8 <= 100);
        }
    }

    /// An encoder is a queue: however much of it is written out at a time, the bytes are the same.
    #[test]
    fn draining_a_queue_gives_its_bytes(
        payloads in vec((vec(any::<u8>(), 0..3000), 1usize..5000), 1..12)
    ) {
        let mut queue = Encoder::new();
        let mut expected = Vec::new();
        let mut drained = Vec::new();
        for (payload, step) in payloads {
            expected.extend_from_slice(&wire(&Bytes::from(payload.clone())));
            queue.opaque(&Bytes::from(payload), UNBOUNDED).expect("fits");
            drain(&mut queue, step, &mut drained);
        }
        drain(&mut queue, usize::MAX, &mut drained);
        prop_assert!(queue.is_empty());
        prop_assert_eq!(drained, expected);
    }

    /// Taking back leaves what was there at the mark.
    #[test]
    fn truncate_undoes(
        before in vec(any::<u8>(), 0..3000),
        after in vec(any::<u8>(), 0..3000),
        drained in 0usize..100,
    ) {
        let mut e = Encoder::new();
        e.opaque(&Bytes::from(before), UNBOUNDED).expect("fits");
        e.advance(drained.min(e.len()));
        let whole: Vec<u8> = e.chunks().flatten().copied().collect();
        prop_assert!(e.contiguous().is_none_or(|all| all == whole));
        let mark = e.mark();
        let after = Bytes::from(after);
        e.opaque(&after, UNBOUNDED).expect("fits");
        prop_assert_eq!(e.since(mark), after.encoded_len());
        let since: Vec<u8> = e.chunks_since(mark).flatten().copied().collect();
        prop_assert_eq!(&since[..], &wire(&after)[..]);
        e.truncate(mark);
        prop_assert_eq!(e.len(), whole.len());
        prop_assert_eq!(e.chunks().flatten().copied().collect::<Vec<_>>(), whole);
    }
}

/// A reserved reply is appended to a connection's queue as it is, its large parts shared.
#[test]
fn appending_gives_the_same_bytes_and_shares_large_ones() {
    let large = Bytes::from(vec![7; 5000]);
    let mut part = Encoder::new();
    part.u32(1);
    part.opaque(&large, UNBOUNDED).expect("fits");
    part.u32(2);
    part.advance(4);
    let mut queue = Encoder::new();
    queue.u32(0);
    queue.append(&part);
    queue.append_bytes(&Bytes::from_static(b"tiny"));
    queue.append_bytes(&large);
    assert!(queue.chunks().filter(|chunk| chunk.as_ptr() == large.as_ptr()).count() == 2);
    let expected =
        [&[0; 4], &5000u32.to_be_bytes()[..], &large, &[0, 0, 0, 2], b"tiny", &large].concat();
    assert_eq!(queue.into_bytes(), expected);
}

#[test]
fn opaque_values_of_one_message_share_the_buffer_of_many() {
    let buffer = Bytes::from_static(b"before\0\0\0\x04dataafter");
    let mut d = Decoder::within(&buffer, &buffer[6..14]);
    let data = d.opaque(UNBOUNDED).expect("there");
    assert_eq!((&data[..], d.remaining()), (&b"data"[..], 0));
    assert_eq!(data.as_ptr(), buffer[10..].as_ptr());
}

fn drain(queue: &mut Encoder, step: usize, into: &mut Vec<u8>) {
    let mut left = step.min(queue.len());
    let taken = left;
    for chunk in queue.chunks() {
        let n = chunk.len().min(left);
        into.extend_from_slice(&chunk[..n]);
        left -= n;
    }
    queue.advance(taken);
}

#[test]
fn a_queue_that_never_runs_empty_does_not_grow() {
    let mut queue = Encoder::new();
    let message = [1u8; 1000];
    queue.opaque_fixed(&message);
    for _ in 0..10_000 {
        queue.opaque_fixed(&message);
        queue.advance(message.len());
    }
    assert_eq!(queue.len(), message.len());
    assert!(queue.capacity() <= 512 << 10, "{} bytes held", queue.capacity());
}
