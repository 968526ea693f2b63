//! Every expected file compiles, without a warning, and does on the wire what its `.x` file says.

#![deny(missing_docs, warnings, clippy::all)]
#![forbid(unsafe_code)]

macro_rules! fixtures {
    ($($name:ident)*) => {$(
        #[doc = concat!("`", stringify!($name), "`")]
        pub mod $name {
            include!(concat!("fixtures/", stringify!($name), "/expected.rs"));
        }
    )*};
}

fixtures! {
    clashes keywords kv large multi_version namespaces recursion types unions
}

use std::fmt::Debug;

use farcall::xdr::{
    Bytes, Decode, DecodeError, DecodeErrorKind, Decoder, Encode, EncodeError, EncodeErrorKind,
    Encoder, Quadruple,
};
use farcall::{Procedure, Program, Version};

/// Encodes to exactly `wire`, knows how long that is, and comes back.
#[track_caller]
fn round_trip<T: Encode + Decode + PartialEq + Debug>(value: &T, wire: &[u8]) {
    assert_eq!(encode(value).as_deref(), Ok(wire));
    assert_eq!(value.encoded_len(), wire.len());
    let bytes = Bytes::copy_from_slice(wire);
    let mut d = Decoder::new(&bytes).strict(true);
    assert_eq!(T::decode(&mut d).as_ref(), Ok(value));
    assert_eq!(d.end(), Ok(()));
}

fn encode(value: &impl Encode) -> Result<Bytes, EncodeError> {
    let mut e = Encoder::new();
    value.encode(&mut e)?;
    Ok(e.into_bytes())
}

fn decode<T: Decode>(wire: &[u8]) -> Result<T, DecodeError> {
    T::decode(&mut Decoder::from_slice(wire))
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

const MINUS_4: u32 = u32::MAX - 3;

#[test]
fn enums_are_closed() {
    use kv::KvStatus;
    round_trip(&KvStatus::Noent, &words(&[2]));
    let error = decode::<KvStatus>(&words(&[1])).unwrap_err();
    assert_eq!(error.kind(), DecodeErrorKind::BadEnum { ty: "kv_status", value: 1 });
}

#[test]
fn bounds_hold_both_ways() {
    let entry = kv::KvEntry { key: "k".repeat(65) };
    let error = encode(&entry).unwrap_err();
    assert_eq!(error.to_string(), "key: length 65 is above the bound 64");

    let error = decode::<kv::KvEntry>(&words(&[65])).unwrap_err();
    assert_eq!(error.kind(), DecodeErrorKind::TooLong { len: 65, max: 64 });
    assert_eq!(error.to_string(), "key: length 65 is above the bound 64 at byte 0");
}

#[test]
fn scalars() {
    let value = types::Scalars {
        a_int: -1,
        a_uint: 2,
        a_unsigned: 3,
        a_hyper: -4,
        a_uhyper: 5,
        a_bool: true,
        a_color: types::Color::AZURE,
        a_quad: Quadruple([7; 16]),
        a_char: 8,
        a_quad_t: 9,
        an_int64: 10,
    };
    let sevens = 0x0707_0707;
    let wire = [
        &[u32::MAX, 2, 3, u32::MAX, MINUS_4, 0, 5, 1, 6][..],
        &[sevens, sevens, sevens, sevens, 8, 0, 9, 0, 10],
    ];
    round_trip(&value, &words(&wire.concat()));
    assert_eq!(types::Scalars::MAX_ENCODED_LEN, value.encoded_len());
    assert_eq!(types::Color::Blue as i32, 6);
}

#[test]
fn constants() {
    assert_eq!((types::DECIMAL, types::HEXADECIMAL, types::OCTAL, types::SAME), (10, 31, 15, 10));
    assert_eq!((types::NEGATIVE, types::BIG, types::BIG_NEGATIVE), (-5, u64::MAX, i64::MIN));
    assert_eq!(types::GREETING, "hello");
    assert_eq!(multi_version::DEBUGGING, 1);
}

#[test]
fn opaque_and_strings() {
    let value = types::Bytes {
        fixed: *b"12345",
        bounded: Bytes::from_static(b"a"),
        unbounded: Bytes::new(),
        text: "text".into(),
        any_text: "\u{e4}".into(),
    };
    let wire = b"12345\0\0\0\0\0\0\x01a\0\0\0\0\0\0\0\0\0\0\x04text\0\0\0\x02\xc3\xa4\0\0";
    round_trip(&value, wire);
}

#[test]
fn every_shape() {
    let point = |x| types::Point { x, y: x + 1 };
    let value = types::Shapes {
        ints: [1, 2, 3],
        bounded_ints: vec![4],
        all_ints: vec![],
        points: [point(5), point(7)],
        a_path: vec![point(9)],
        names: vec!["a".into()],
        pairs: [["b".into(), "c".into()], ["d".into(), String::new()]],
        handles: vec![[1; 15]],
        colors: vec![types::Color::Red],
        maybe: Some(11),
        maybe_name: Some("e".into()),
        maybe_point: None,
        maybe_path: Some(vec![]),
        words: [0; 40],
        reals: vec![types::Floats { f: 1.0, d: -2.0 }],
        maybe_pairs: None,
    };
    let letter = |c: u8| [1, u32::from(c) << 24];
    let ones = 0x0101_0101;
    let wire = [
        &[1, 2, 3, 1, 4, 0, 5, 6, 7, 8, 1, 9, 10, 1][..],
        &[letter(b'a'), letter(b'b'), letter(b'c'), letter(b'd')].concat(),
        &[0, 1, ones, ones, ones, 0x0101_0100, 1, 0, 1, 11, 1],
        &letter(b'e'),
        &[0, 1, 0],
        &[0; 40],
        &[1, 0x3f80_0000, 0xc000_0000, 0, 0],
    ];
    round_trip(&value, &words(&wire.concat()));
}

#[test]
fn bodies_inside_of_bodies() {
    let value = types::Outer {
        inner: types::OuterInner { a: 1, deep: types::OuterInnerDeep { b: 2 } },
        answer: types::OuterAnswer::Yes,
        choice: vec![types::OuterChoice::Case1(3), types::OuterChoice::Other(4)],
    };
    round_trip(&value, &words(&[1, 2, 1, 2, 1, 3, 4]));
}

#[test]
fn bodies_in_a_typedef() {
    use types::{ByTypedef, Choice, Chosen};
    round_trip(&Chosen::One, &words(&[1]));
    round_trip(&Chosen::Two(ByTypedef { a: 3 }), &words(&[2, 3]));
    assert_eq!(Chosen::One.which(), Choice::One);
}

#[test]
fn unions_by_enum() {
    use unions::{Basket, Fruit, Shelf};
    round_trip(&Basket::Apple(7), &words(&[1, 7]));
    let names = vec!["a".to_owned(), String::new()];
    round_trip(&Basket::Names(Fruit::Plum, names), &words(&[3, 2, 1, 0x6100_0000, 0]));
    round_trip(&Basket::Other(Fruit::Fig, "b".into()), &words(&[MINUS_4, 1, 0x6200_0000]));
    round_trip(&Shelf::AppleOrPear(Fruit::Pear), &words(&[2]));
    round_trip(&Shelf::Plum([1, 2, 3]), &words(&[3, 0x0102_0300]));
    assert_eq!(Basket::Names(Fruit::Plum, vec![]).kind(), Fruit::Plum);
    assert_eq!(Basket::Apple(7).kind(), Fruit::Apple);
}

#[test]
fn a_discriminant_of_another_arm_is_refused() {
    use unions::{AnyInt, AnyUnsigned, Basket, Fruit};
    let bad = |ty, discriminant| EncodeErrorKind::BadUnion { ty, discriminant };
    let error = encode(&Basket::Other(Fruit::Pear, String::new())).unwrap_err();
    assert_eq!(error.kind(), bad("basket", 2));
    let error = encode(&Basket::Names(Fruit::Apple, vec![])).unwrap_err();
    assert_eq!(error.kind(), bad("basket", 1));
    let error = encode(&AnyUnsigned::Other(9)).unwrap_err();
    assert_eq!(error.kind(), bad("any_unsigned", 9));
    let error = encode(&AnyInt::Other(0, Bytes::new())).unwrap_err();
    assert_eq!(error.kind(), bad("any_int", 0));
}

#[test]
fn a_discriminant_without_an_arm_is_refused() {
    let bad = |ty, discriminant| DecodeErrorKind::BadUnion { ty, discriminant };
    let error = decode::<unions::Crate>(&words(&[MINUS_4])).unwrap_err();
    assert_eq!(error.kind(), bad("crate", -4));
    assert_eq!(error.to_string(), "type: union `crate` has no arm for -4 at byte 0");
    let error = decode::<unions::ByUnsigned>(&words(&[9])).unwrap_err();
    assert_eq!(error.kind(), bad("by_unsigned", 9));
    let error = decode::<unions::OnlyTrue>(&words(&[0])).unwrap_err();
    assert_eq!(error.kind(), bad("only_true", 0));
    let error = decode::<unions::Crate>(&words(&[5])).unwrap_err();
    assert_eq!(error.kind(), DecodeErrorKind::BadEnum { ty: "fruit", value: 5 });
}

#[test]
fn unions_by_number_and_bool() {
    use unions::{AnyInt, AnyUnsigned, ByInt, ByUnsigned, Maybe, Nested, NestedDeep, OnlyDefault};
    round_trip(&ByInt::Small(5), &words(&[1, 5]));
    round_trip(&ByInt::Large(5), &words(&[2, 0, 5]));
    round_trip(&ByInt::CaseMinus3, &words(&[u32::MAX - 2]));
    round_trip(&ByInt::Forties(41, 5), &words(&[41, 5]));
    round_trip(&ByUnsigned::Case0, &words(&[0]));
    round_trip(&ByUnsigned::Case4294967295(1), &words(&[u32::MAX, 1]));
    round_trip(&AnyInt::Other(9, Bytes::from_static(b"abcd")), &words(&[9, 4, 0x6162_6364]));
    round_trip(&AnyUnsigned::Case3Etc(2), &words(&[2]));
    round_trip(&AnyUnsigned::Other(4), &words(&[4]));
    round_trip(&OnlyDefault::Other(9, 8), &words(&[9, 8]));
    round_trip(&Nested::Case0(Maybe::True(3)), &words(&[0, 1, 3]));
    round_trip(&Nested::Case1(NestedDeep::True(Some(Maybe::False))), &words(&[1, 1, 1, 0]));
    round_trip(&Nested::Case1(NestedDeep::False), &words(&[1, 0]));
}

#[test]
fn large_arrays_are_not_on_the_stack() {
    with_small_stack(|| {
        let names = vec!["a".to_owned(); 5000];
        let page =
            large::Page { first: Bytes::from(vec![1; 131_072]), numbers: vec![2; 100_000], names };
        let wire = encode(&page).unwrap();
        assert_eq!((wire.len(), page.encoded_len()), (131_072 + 400_000 + 40_000, wire.len()));
        assert_eq!(decode::<large::Page>(&wire).unwrap().clone(), page);

        let wrong = |len, wanted| EncodeErrorKind::WrongLength { len, wanted };
        let short = large::Page { first: Bytes::new(), ..page.clone() };
        assert_eq!(encode(&short).unwrap_err().kind(), wrong(0, 131_072));
        let long = large::Page { numbers: vec![2; 100_001], ..page.clone() };
        let error = encode(&long).unwrap_err();
        assert_eq!(error.to_string(), "numbers: length 100001 is not 100000");
        let short = large::Page { names: vec![], ..page };
        assert_eq!(encode(&short).unwrap_err().kind(), wrong(0, 5000));

        let error = decode::<large::Page>(&wire[..131_072]).unwrap_err();
        let missing = DecodeErrorKind::Truncated { needed: 400_000, remaining: 0 };
        assert_eq!((error.kind(), error.offset()), (missing, 131_072));
    });
}

#[test]
fn arrays_of_rust_up_to_16_kib() {
    let edge = large::Edge { small: [1; 16_384], few: [2; 4096] };
    let wire = [vec![0x0101_0101; 4096], vec![2; 4096]].concat();
    round_trip(&edge, &words(&wire));
}

/// Runs with little stack: what needs some for each element does not come through.
fn with_small_stack(run: fn()) {
    let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(run);
    thread.unwrap().join().unwrap();
}

#[test]
fn interfaces_are_data() {
    use multi_version::{first_prog, second_prog};
    let v3 = &first_prog::v3::INTERFACE;
    assert_eq!((v3.program, v3.version), (Program(0x2000_0010), Version(3)));
    assert_eq!((v3.program_name, v3.version_name), ("FIRST_PROG", "FIRST_V3"));
    let named: Vec<_> = v3.procedures.iter().map(|p| (p.number.0, p.name)).collect();
    let expected = [(1, "ECHO"), (2, "ECHO_AGAIN"), (7, "COUNT"), (u32::MAX, "LAST")];
    assert_eq!(
        named,
        expected
            .map(|(n, name)| (n, format!("FIRST_{name}")))
            .each_ref()
            .map(|(n, name)| (*n, name.as_str()))
    );
    assert_eq!(first_prog::v1::INTERFACE.procedure(Procedure(0)), None);
    assert_eq!(second_prog::v1::VERSION, Version(1));

    let tags = |p: u32| {
        let found = types::types_prog::v1::INTERFACE.procedure(Procedure(p)).unwrap();
        (found.idempotent, found.deferred)
    };
    assert_eq!([tags(10), tags(11), tags(12)], [(false, false), (true, true), (false, true)]);
    let with_null = keywords::self_::v2::INTERFACE.procedures;
    assert_eq!((with_null[0].number, with_null.len()), (Procedure(0), 1));
}

mod recursion_tests {
    //! Lists, trees and what is between.

    use super::recursion::{
        Branch, Bush, ByAlias, ByValue, Expr, Item, Node, Ping, Pong, Tick, Tree,
    };
    use super::{decode, encode, round_trip, with_small_stack, words};
    use farcall::xdr::{DecodeErrorKind, Decoder, Encoder, Limits};

    const NODES: i32 = 1_000_000;

    #[test]
    fn t5_a_long_list_takes_no_stack() {
        with_small_stack(|| {
            let list: Vec<_> = (0..NODES).map(|value| Node { value }).collect();
            let mut e = Encoder::new();
            e.list(&list).unwrap();
            let wire = e.into_bytes();
            assert_eq!(wire.len(), 8 * list.len() + 4);
            let decoded = Decoder::new(&wire).list::<Node>().unwrap();
            assert_eq!(decoded.clone(), list);
            assert_eq!(decoded.last(), Some(&Node { value: NODES - 1 }));
        });
    }

    #[test]
    fn t5_a_long_list_in_a_struct_takes_no_stack() {
        with_small_stack(|| {
            let children = (0..NODES).map(|value| Branch { value, children: vec![] }).collect();
            let root = Branch { value: -1, children };
            let wire = encode(&root).unwrap();
            assert_eq!(wire.len(), farcall::xdr::Encode::encoded_len(&root));
            assert_eq!(decode::<Branch>(&wire).unwrap().clone(), root);
        });
    }

    #[test]
    fn t5_a_long_chain_takes_no_stack() {
        with_small_stack(|| {
            let node = |value| Node { value };
            let value = ByAlias { first: (node(-1), (0..NODES).map(node).collect()), all: vec![] };
            let wire = encode(&value).unwrap();
            assert_eq!(wire.len(), farcall::xdr::Encode::encoded_len(&value));
            assert_eq!(decode::<ByAlias>(&wire).unwrap().clone(), value);
        });
    }

    #[test]
    fn t5_the_deepest_tree_takes_little_stack() {
        with_small_stack(|| {
            // The limit counts the optional at the end too.
            let depth = Limits::DEFAULT.depth as usize - 1;
            let wire = words(&[[7, 1].repeat(depth), vec![7, 0], vec![0; depth + 1]].concat());
            let tree = decode::<Tree>(&wire).unwrap();
            assert_eq!(encode(&tree).unwrap(), wire);
            assert_eq!(tree.clone(), tree);
            let deeper = words(&[7, 1].repeat(depth + 2));
            let error = decode::<Tree>(&deeper).unwrap_err();
            assert_eq!((error.kind(), error.offset()), (DecodeErrorKind::TooDeep, 128 * 8 + 4));
        });
    }

    #[test]
    fn nodes_by_value_bring_their_list() {
        let node = |value| Node { value };
        let value = ByValue {
            first: (node(1), vec![node(2), node(3)]),
            some: [(node(4), vec![]), (node(5), vec![node(6)])],
            many: vec![(node(7), vec![])],
            all: vec![node(8)],
        };
        let wire = [1, 1, 2, 1, 3, 0, 4, 0, 5, 1, 6, 0, 1, 7, 0, 1, 8, 0];
        round_trip(&value, &words(&wire));
        let value = ByAlias { first: (node(1), vec![]), all: vec![node(2)] };
        round_trip(&value, &words(&[1, 0, 1, 2, 0]));
    }

    #[test]
    fn lists_by_typedef_and_of_nothing() {
        let wire = words(&[1, 1, 0x6100_0000, 0]);
        let items = Decoder::from_slice(&wire).list::<Item>().unwrap();
        assert_eq!(items, [Item { name: "a".into() }]);
        let ticks = Decoder::from_slice(&words(&[1, 1, 0])).list::<Tick>().unwrap();
        assert_eq!(ticks, [Tick {}, Tick {}]);
    }

    #[test]
    fn trees() {
        let leaf = |value| Some(Box::new(Tree { value, left: None, right: None }));
        let tree = Tree { value: 1, left: leaf(2), right: leaf(3) };
        round_trip(&tree, &words(&[1, 1, 2, 0, 0, 1, 3, 0, 0]));
        let bush = Bush { value: 1, twigs: vec![Bush { value: 2, twigs: vec![] }] };
        round_trip(&bush, &words(&[1, 1, 2, 0]));
        let pong = Pong { value: 1, other: None, others: vec![Ping { other: None }] };
        let ping = Ping { other: Some(Box::new(pong)) };
        round_trip(&ping, &words(&[1, 1, 0, 1, 0]));
        let number = |n| Expr::Case1(Some(Box::new(Expr::Case0(n))));
        let sum = Expr::Case2(vec![number(3), Expr::Other(9)]);
        round_trip(&sum, &words(&[2, 2, 1, 1, 0, 3, 9]));
    }

    #[test]
    fn t5_deep_recursion_is_refused() {
        let spine = |depth: usize| [[7, 1].repeat(depth), vec![7, 0], vec![0; depth + 1]].concat();
        with_small_stack(|| {
            let deepest = [7, 1].repeat(100_000);
            let error = decode::<Tree>(&words(&deepest)).unwrap_err();
            assert_eq!(error.kind(), DecodeErrorKind::TooDeep);
        });
        let limits = |depth| Limits::DEFAULT.with_depth(depth);
        let wire = words(&spine(3));
        let decoded = |depth| {
            let mut d = Decoder::from_slice(&wire).with_limits(limits(depth));
            <Tree as farcall::xdr::Decode>::decode(&mut d)
                .map_err(|e| e.kind())
                .map(|tree| tree.value)
        };
        assert_eq!(decoded(4), Ok(7));
        assert_eq!(decoded(3), Err(DecodeErrorKind::TooDeep));
        let bush = [7, 1].repeat(100_000);
        assert_eq!(decode::<Bush>(&words(&bush)).unwrap_err().kind(), DecodeErrorKind::TooDeep);
        let negated = [1, 1].repeat(100_000);
        assert_eq!(decode::<Expr>(&words(&negated)).unwrap_err().kind(), DecodeErrorKind::TooDeep);
        let branch = [7, 1].repeat(100_000);
        assert_eq!(decode::<Branch>(&words(&branch)).unwrap_err().kind(), DecodeErrorKind::TooDeep);
    }
}

#[test]
fn a_client_that_there_is_gets_the_types_of_a_version() {
    let over: fn(farcall::Client) -> kv::kv_prog::v1::Client = kv::kv_prog::v1::Client::over;
    let options = farcall::ClientOptions::new();
    // Over UDP nothing is sent yet.
    let plain =
        farcall::Client::connect("udp://127.0.0.1:9", &kv::kv_prog::v1::INTERFACE, &options);
    let typed = over(plain.unwrap());
    assert_eq!(typed.inner().interface().version, Version(1));
}
