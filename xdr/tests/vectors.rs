//! The bytes that RFC 4506 gives for each type, written and read: a row for each section.

use std::fmt::Debug;

use farcall_xdr::{
    AsOpaque, Bytes, Decode, DecodeError, DecodeErrorKind as Kind, Decoder, Encode, EncodeError,
    EncodeErrorKind, Encoder, InField, Limits, PathSegment, Quadruple, UNBOUNDED,
};

fn encoded(write: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>) -> Vec<u8> {
    let mut e = Encoder::new();
    write(&mut e).expect("fits");
    e.into_bytes().to_vec()
}

/// The value is these bytes, says so beforehand, and comes back from them.
fn vector<T: Encode + Decode + PartialEq + Debug>(section: &str, value: &T, wire: &[u8]) {
    assert_eq!(encoded(|e| value.encode(e)), wire, "§{section} encode {value:?}");
    assert_eq!(value.encoded_len(), wire.len(), "§{section} encoded_len {value:?}");
    let input = Bytes::copy_from_slice(wire);
    let mut d = Decoder::new(&input).strict(true);
    assert_eq!(T::decode(&mut d).as_ref(), Ok(value), "§{section} decode {value:?}");
    assert_eq!(d.end(), Ok(()), "§{section} nothing left of {value:?}");
}

#[test]
fn every_type_has_its_bytes() {
    vector("4.1", &-2i32, &[0xff, 0xff, 0xff, 0xfe]);
    vector("4.1", &i32::MIN, &[0x80, 0, 0, 0]);
    vector("4.2", &0xdead_beef_u32, &[0xde, 0xad, 0xbe, 0xef]);
    vector("4.4", &true, &[0, 0, 0, 1]);
    vector("4.4", &false, &[0, 0, 0, 0]);
    vector("4.5", &-2i64, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]);
    vector("4.5", &0x0102_0304_0506_0708_u64, &[1, 2, 3, 4, 5, 6, 7, 8]);
    vector("4.6", &1.0f32, &[0x3f, 0x80, 0, 0]);
    vector("4.6", &-0.0f32, &[0x80, 0, 0, 0]);
    vector("4.7", &-2.5f64, &[0xc0, 0x04, 0, 0, 0, 0, 0, 0]);
    let quadruple: [u8; 16] = std::array::from_fn(|i| b'a' + u8::try_from(i).expect("below 16"));
    vector("4.8", &Quadruple(quadruple), &quadruple);
    vector("4.9", b"abc", b"abc\0");
    vector("4.9", b"abcd", b"abcd");
    vector("4.10", &Bytes::from_static(b"hello"), b"\0\0\0\x05hello\0\0\0");
    vector("4.10", &Bytes::new(), b"\0\0\0\0");
    vector("4.11", &"grüß".to_owned(), b"\0\0\0\x06gr\xc3\xbc\xc3\x9f\0\0");
    vector("4.12", &[1i32, 2], &[0, 0, 0, 1, 0, 0, 0, 2]);
    vector("4.13", &vec![7u64], &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7]);
    vector("4.13", &vec!["a".to_owned()], b"\0\0\0\x01\0\0\0\x01a\0\0\0");
    vector("4.16", &(), &[]);
    vector("4.19", &None::<u32>, &[0, 0, 0, 0]);
    vector("4.19", &Some(9u32), &[0, 0, 0, 1, 0, 0, 0, 9]);
    vector("4.19", &Some(Box::new(9u32)), &[0, 0, 0, 1, 0, 0, 0, 9]);
}

#[test]
fn number_arrays_are_the_same_as_their_elements() {
    let wire = [0, 0, 0, 2, 0xbf, 0x80, 0, 0, 0x40, 0, 0, 0];
    vector("4.13", &vec![-1.0f32, 2.0], &wire);
    vector("4.13", &vec![i32::from_be_bytes([0xbf, 0x80, 0, 0]), 0x4000_0000], &wire);
    vector("4.13", &vec![0xbf80_0000_u32, 0x4000_0000], &wire);
    vector("4.13", &vec![-1i64], &[0, 0, 0, 1, 255, 255, 255, 255, 255, 255, 255, 255]);
    vector("4.13", &vec![1.5f64], &[0, 0, 0, 1, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0]);
    vector("4.13", &vec![true, false], &[0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0]);
}

/// The file of RFC 4506 §7: an executable called sillyprog, for lisp, owned by john.
#[test]
fn the_example_of_section_7() {
    let wire =
        b"\0\0\0\x09sillyprog\0\0\0\0\0\0\x02\0\0\0\x04lisp\0\0\0\x04john\0\0\0\x06(quit)\0\0";
    let written = encoded(|e| {
        e.string("sillyprog", 255)?;
        e.i32(2);
        e.string("lisp", 255)?;
        e.string("john", 32)?;
        e.opaque(b"(quit)", 65535)
    });
    assert_eq!(written, wire);
    let mut d = Decoder::from_slice(wire).strict(true);
    assert_eq!(d.string(255).as_deref(), Ok("sillyprog"));
    assert_eq!(d.i32(), Ok(2));
    assert_eq!(d.string(255).as_deref(), Ok("lisp"));
    assert_eq!(d.string(32).as_deref(), Ok("john"));
    assert_eq!(d.opaque(65535).as_deref(), Ok(&b"(quit)"[..]));
    assert_eq!(d.end(), Ok(()));
}

#[test]
fn a_list_is_a_chain_of_optionals() {
    let wire = [0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0];
    assert_eq!(encoded(|e| e.list(&[5u32, 6])), wire);
    assert_eq!(Decoder::from_slice(&wire).list::<u32>(), Ok(vec![5, 6]));
    assert_eq!(encoded(|e| e.list::<u32>(&[])), [0, 0, 0, 0]);
}

#[test]
fn elements_with_bounds_of_their_own() {
    let wire = b"\0\0\0\x02\0\0\0\x01a\0\0\0\0\0\0\x02bc\0\0";
    let names = ["a".to_owned(), "bc".to_owned()];
    assert_eq!(encoded(|e| e.array_with(&names, 2, |e, name| e.string(name, 2))), wire);
    assert_eq!(Decoder::from_slice(wire).array_with(2, |d| d.string(2)), Ok(names.to_vec()));
    assert_eq!(
        Decoder::from_slice(&wire[4..]).array_fixed_with::<_, 2>(|d| d.string(2)),
        Ok(names.clone()),
    );
    let mut e = Encoder::new();
    let error = e.array_with(&names, 2, |e, name| e.string(name, 1)).field("names");
    let error = error.expect_err("the second name is too long");
    assert_eq!(error.kind(), EncodeErrorKind::TooLong { len: 2, max: 1 });
    assert_eq!(error.to_string(), "names[1]: length 2 is above the bound 1");
}

fn fails<T: Debug + PartialEq>(
    wire: &[u8],
    strict: bool,
    read: impl FnOnce(&mut Decoder<'_>) -> Result<T, DecodeError>,
) -> (Kind, usize) {
    let input = Bytes::copy_from_slice(wire);
    let error = read(&mut Decoder::new(&input).strict(strict)).expect_err("malformed");
    (error.kind(), error.offset())
}

#[test]
fn what_is_malformed_is_named_with_its_offset() {
    let truncated = |needed, remaining| Kind::Truncated { needed, remaining };
    assert_eq!(fails(&[0, 0, 0], false, |d| d.u32()), (truncated(4, 3), 0));
    assert_eq!(fails(&[0; 7], false, |d| d.u64()), (truncated(8, 7), 0));
    assert_eq!(fails(&[0, 0, 0, 5, 1, 2, 3, 4], false, |d| d.opaque(9)), (truncated(5, 4), 4));
    assert_eq!(fails(b"\0\0\0\x03abc", false, |d| d.string(9)), (truncated(4, 3), 4));
    assert_eq!(fails(&[0, 0, 0, 9], false, |d| d.opaque(8)), (Kind::TooLong { len: 9, max: 8 }, 0),);
    assert_eq!(
        fails(&[0, 0, 0, 3, 0, 0, 0, 1], false, |d| d.array::<u32>(2)),
        (Kind::TooLong { len: 3, max: 2 }, 0),
    );
    assert_eq!(
        fails(&[0, 0, 0, 2, 0, 0, 0, 1], false, |d| d.array::<u32>(2)),
        (truncated(8, 4), 4),
    );
    assert_eq!(fails(b"\0\0\0\x04a\xff..", false, |d| d.string(9)), (Kind::NotUtf8, 4));
    let bad_enum = Kind::BadEnum { ty: "color", value: 7 };
    let read_enum =
        |d: &mut Decoder<'_>| d.i32().and_then(|v| Err::<(), _>(d.bad_enum("color", v)));
    assert_eq!(fails(&[0, 0, 0, 7], false, read_enum), (bad_enum, 0));
    let bad_union = Kind::BadUnion { ty: "u", discriminant: -1 };
    let read_union = |d: &mut Decoder<'_>| d.i32().and_then(|v| Err::<(), _>(d.bad_union("u", v)));
    assert_eq!(fails(&[255; 4], false, read_union), (bad_union, 0));
}

#[test]
fn c_peers_are_tolerated_unless_strict() {
    assert_eq!(Decoder::from_slice(&[0, 0, 1, 0]).bool(), Ok(true));
    assert_eq!(fails(&[0, 0, 1, 0], true, |d| d.bool()), (Kind::BadBool(256), 0));
    assert_eq!(Decoder::from_slice(b"\0\0\0\x01axyz").string(9).as_deref(), Ok("a"));
    assert_eq!(fails(b"\0\0\0\x01axyz", true, |d| d.string(9)), (Kind::BadPadding, 5));
    let mut d = Decoder::from_slice(&[0; 12]);
    assert_eq!(d.u32(), Ok(0));
    assert_eq!((d.end(), d.trailing()), (Ok(()), 8));
    assert_eq!(fails(&[0; 12], true, |d| d.u32().and_then(|_| d.end())), (Kind::Trailing(8), 4));
}

#[test]
fn limits_end_a_decode() {
    fn nest(d: &mut Decoder<'_>) -> Result<u32, DecodeError> {
        d.nested(|d| d.option_with(nest)).map(|inner| inner.map_or(0, |depth| depth + 1))
    }
    let chain: Vec<u8> = [0, 0, 0, 1].repeat(3).into_iter().chain([0; 4]).collect();
    let deep = Limits::DEFAULT.with_depth(4);
    assert_eq!(nest(&mut Decoder::from_slice(&chain).with_limits(deep)), Ok(3));
    let shallow = Limits::DEFAULT.with_depth(3);
    let error = nest(&mut Decoder::from_slice(&chain).with_limits(shallow)).expect_err("too deep");
    assert_eq!((error.kind(), error.offset()), (Kind::TooDeep, 12));

    let strings = b"\0\0\0\x01\0\0\0\x04abcd";
    let room = size_of::<String>() + 4;
    let within = Limits::DEFAULT.with_bytes(room);
    let read = |limits| Decoder::from_slice(strings).with_limits(limits).array::<String>(UNBOUNDED);
    assert_eq!(read(within), Ok(vec!["abcd".to_owned()]));
    let error = read(within.with_bytes(room - 1)).expect_err("one byte short");
    assert_eq!((error.kind(), error.offset()), (Kind::TooLarge, 12));
}

#[test]
fn an_error_knows_the_path() {
    let wire = [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let error = Decoder::from_slice(&wire)
        .array_with(UNBOUNDED, |d| d.opaque(0).and_then(|_| d.u32()).field("id"))
        .field("entries")
        .field("reply")
        .expect_err("the second id is cut off");
    let path = [
        PathSegment::Field("reply"),
        PathSegment::Field("entries"),
        PathSegment::Index(1),
        PathSegment::Field("id"),
    ];
    assert_eq!(error.path().collect::<Vec<_>>(), path);
    assert_eq!(
        error.to_string(),
        "reply.entries[1].id: truncated: 4 bytes needed, 2 left at byte 12",
    );
}

#[test]
fn decoded_opaque_shares_the_input_and_encoded_opaque_is_spliced() {
    let payload = Bytes::from(vec![7; 4096]);
    let mut e = Encoder::new();
    e.u32(1);
    e.opaque(&payload, UNBOUNDED).expect("fits");
    let chunks: Vec<_> = e.chunks().map(<[u8]>::as_ptr).collect();
    assert_eq!(chunks[1], payload.as_ptr(), "the payload itself is what is written out");
    assert_eq!(e.len(), 8 + 4096);

    let wire = e.into_bytes();
    let mut d = Decoder::new(&wire);
    assert_eq!(d.u32(), Ok(1));
    let read = d.opaque(UNBOUNDED).expect("complete");
    assert_eq!(read.as_ptr(), wire[8..].as_ptr());
    assert_eq!(read, payload);
}

#[test]
fn whatever_has_bytes_is_opaque() {
    fn write(value: &(impl AsOpaque + ?Sized)) -> Vec<u8> {
        encoded(|e| e.opaque(value, 2))
    }
    let wire = b"\0\0\0\x02ab\0\0";
    assert_eq!(write(b"ab"), wire);
    assert_eq!(write("ab"), wire);
    assert_eq!(write(&b"ab"[..]), wire);
    assert_eq!(write(&b"ab".to_vec()), wire);
    assert_eq!(write(&"ab".to_owned()), wire);
    assert_eq!(write(&Bytes::from_static(b"ab")), wire);
}

#[test]
fn lengths_that_must_be_exact() {
    let bytes = Bytes::from_static(b"abcde");
    let wire = encoded(|e| e.opaque_exact(&bytes, 5));
    assert_eq!(wire, b"abcde\0\0\0");
    let shared = Bytes::from(wire);
    let mut d = Decoder::new(&shared).strict(true);
    assert_eq!(d.opaque_exact(5), Ok(bytes));
    assert_eq!(d.end(), Ok(()));
    let wire = encoded(|e| e.array_exact(&[1u32, 2], 2));
    assert_eq!(wire, [0, 0, 0, 1, 0, 0, 0, 2]);
    assert_eq!(Decoder::from_slice(&wire).array_exact(2), Ok(vec![1u32, 2]));
    let wire = encoded(|e| e.array_exact_with(&["a"], 1, |e, item| e.string(item, 1)));
    let decoded = Decoder::from_slice(&wire).array_exact_with(1, |d| d.string(1));
    assert_eq!(decoded, Ok(vec!["a".to_owned()]));
}

#[test]
fn lengths_that_are_not_exact() {
    let mut e = Encoder::new();
    let wrong = |len, wanted| EncodeErrorKind::WrongLength { len, wanted };
    let kind = |result: Result<(), EncodeError>| result.map_err(|error| error.kind());
    assert_eq!(kind(e.opaque_exact(b"abc", 4)), Err(wrong(3, 4)));
    assert_eq!(kind(e.array_exact(&[1u32], 0)), Err(wrong(1, 0)));
    assert_eq!(kind(e.array_exact_with(&[1u32], 2, |e, n| n.encode(e))), Err(wrong(1, 2)));
    assert!(e.is_empty());

    let mut d = Decoder::from_slice(&[0; 8]);
    let error = d.array_exact::<u64>(2).unwrap_err();
    assert_eq!(error.kind(), Kind::Truncated { needed: 16, remaining: 8 });
    let error = d.array_exact_with(3, |d| d.u32()).unwrap_err();
    assert_eq!(error.kind(), Kind::Truncated { needed: 12, remaining: 8 });
    assert_eq!(d.opaque_exact(9).unwrap_err().kind(), Kind::Truncated { needed: 9, remaining: 8 });
    let mut d = Decoder::from_slice(&[0; 8]).with_limits(Limits::DEFAULT.with_bytes(7));
    assert_eq!(d.clone().opaque_exact(8).unwrap_err().kind(), Kind::TooLarge);
    assert_eq!(d.array_exact::<u32>(2).unwrap_err().kind(), Kind::TooLarge);
}

#[test]
fn number_arrays_of_fixed_length() {
    vector("4.12", &[-1.0f32, 2.0], &[0xbf, 0x80, 0, 0, 0x40, 0, 0, 0]);
    vector("4.12", &[-2.5f64], &[0xc0, 0x04, 0, 0, 0, 0, 0, 0]);
    vector(
        "4.12",
        &[1u64, u64::MAX],
        &[0, 0, 0, 0, 0, 0, 0, 1, 255, 255, 255, 255, 255, 255, 255, 255],
    );
    let error = <[u32; 3]>::decode(&mut Decoder::from_slice(&[0; 8])).unwrap_err();
    assert_eq!(error.kind(), Kind::Truncated { needed: 12, remaining: 8 });
    assert_eq!(error.offset(), 0);
}
