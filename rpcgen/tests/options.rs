//! What the builder's options make of a `.x` file: it compiles, without a warning, and does on the
//! wire what it should; and options that make no sense are errors.

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
    option_bytes_strings option_c_names option_client option_deferred option_derive
    option_extern_type option_keep_prefix option_open_enum option_server
}

use std::fmt::Debug;
use std::fs;

use farcall::Procedure;
use farcall::xdr::{
    Bytes, Decode, DecodeError, DecodeErrorKind, Decoder, Encode, EncodeError, EncodeErrorKind,
    Encoder,
};
use farcall_rpcgen::{Config, Error, configure};

/// A type by hand: neither `Copy` nor `Default` nor `Eq`.
#[derive(Debug, Clone, PartialEq)]
pub struct Token(f32);

impl Encode for Token {
    fn encoded_len(&self) -> usize {
        4
    }

    fn encode(&self, e: &mut Encoder) -> Result<(), EncodeError> {
        self.0.encode(e)
    }
}

impl Decode for Token {
    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.f32().map(Self)
    }
}

/// One for a type that the file defines.
pub type Stamp = i64;

#[track_caller]
fn round_trip<T: Encode + Decode + PartialEq + Debug>(value: &T, wire: &[u32]) {
    let wire: Vec<u8> = wire.iter().flat_map(|word| word.to_be_bytes()).collect();
    let mut e = Encoder::new();
    assert_eq!(value.encode(&mut e), Ok(()));
    assert_eq!(e.into_bytes(), wire);
    assert_eq!(value.encoded_len(), wire.len());
    assert_eq!(T::decode(&mut Decoder::from_slice(&wire)).as_ref(), Ok(value));
}

fn encode_error(value: &impl Encode) -> EncodeErrorKind {
    value.encode(&mut Encoder::new()).unwrap_err().kind()
}

fn decode_error<T: Decode + Debug>(wire: &[u8]) -> DecodeErrorKind {
    T::decode(&mut Decoder::from_slice(wire)).unwrap_err().kind()
}

const ONE: u32 = 0x3f80_0000;

#[test]
fn a_type_by_hand() {
    use option_extern_type::{Check, Ticket};
    let value = Ticket { owner: Some(Token(1.0)), issued: [2, 3], others: vec![Token(1.0)] };
    round_trip(&value, &[1, ONE, 0, 2, 0, 3, 1, ONE]);
    round_trip(&Check::Case0(Token(1.0)), &[0, ONE]);
    let too_many = Ticket { others: vec![Token(0.0); 4], ..value };
    assert_eq!(encode_error(&too_many), EncodeErrorKind::TooLong { len: 4, max: 3 });
}

#[test]
fn strings_as_bytes() {
    use option_bytes_strings::{Answer, Entry};
    let latin_1 = Bytes::from_static(b"\xe9t\xe9");
    let value = Entry {
        name: latin_1.clone(),
        target: latin_1.clone(),
        owner: "me".into(),
        note: latin_1.clone(),
        labels: vec![latin_1.clone()],
        plain: "a".into(),
    };
    let bytes = [3, 0xe974_e900];
    let wire = [&bytes[..], &bytes, &[2, 0x6d65_0000], &bytes, &[1], &bytes, &[1, 0x6100_0000]];
    round_trip(&value, &wire.concat());
    round_trip(&Answer::True(latin_1.clone()), &[1, 3, 0xe974_e900]);
    let too_long = Entry { name: Bytes::from_static(b"123456789"), ..value };
    assert_eq!(encode_error(&too_long), EncodeErrorKind::TooLong { len: 9, max: 8 });
}

#[test]
fn open_enums_refuse_nothing() {
    use option_open_enum::{Kind, Status};
    round_trip(&Status::Ok, &[0]);
    round_trip(&Status::FINE, &[0]);
    round_trip(&Status::Unknown, &[u32::MAX]);
    round_trip(&Status::Unknown_(7), &[7]);
    round_trip(&Kind::Unknown(-2), &[u32::MAX - 1]);
    assert_eq!((i32::from(Status::Full), Status::from(28)), (28, Status::Full));
}

#[test]
fn unions_over_open_enums() {
    use option_open_enum::{Kind, Node, Outcome, Status};
    round_trip(&Outcome::Other(Status::Unknown_(7), Kind::Unknown(9)), &[7, 9]);
    round_trip(&Outcome::Full, &[28]);
    round_trip(&Node::Links(Kind::Link, 3), &[3, 3]);
    assert_eq!(Outcome::Other(Status::Unknown_(7), Kind::File).code(), Status::Unknown_(7));
    // Without a default, what is unknown has no arm.
    let bad = DecodeErrorKind::BadUnion { ty: "node", discriminant: 4 };
    assert_eq!(decode_error::<Node>(&[0, 0, 0, 4]), bad);
    // An arm's value by the name for all others would be read as that arm.
    let disguised = Outcome::Other(Status::Unknown_(28), Kind::File);
    let bad = EncodeErrorKind::BadUnion { ty: "outcome", discriminant: 28 };
    assert_eq!(encode_error(&disguised), bad);
    round_trip(&Node::Links(Kind::Folder, 3), &[2, 3]);
    let bad = EncodeErrorKind::BadUnion { ty: "node", discriminant: 1 };
    assert_eq!(encode_error(&Node::Links(Kind::Unknown(1), 3)), bad);
}

#[test]
fn prefixes_stay() {
    use option_keep_prefix::{Kept, Short};
    assert_eq!((Kept::KeptOne as i32, Short::Two as i32), (1, 2));
    let _: fn(&option_keep_prefix::prefix_prog::v1::Client) -> _ =
        option_keep_prefix::prefix_prog::v1::Client::a;
    let _: fn(&option_keep_prefix::prefix_prog::v2::Client) -> _ =
        option_keep_prefix::prefix_prog::v2::Client::prefix_a;
}

#[test]
fn names_of_c() {
    use option_c_names::{MaxName, Ok_, file_data, file_data_folder, nfs_ftype, usize_, wide};
    assert_eq!((MaxName, Ok_), (8, 1));
    assert_eq!((nfs_ftype::NF_FOLDER, nfs_ftype::r#type as i32), (nfs_ftype::NF_DIR, 3));
    round_trip(&usize_ { flag: true, u32: 2, crate_: "a".into() }, &[1, 2, 1, 0x6100_0000]);
    round_trip(&file_data::NF_DIR(file_data_folder { entryCount: 4 }), &[2, 4]);
    round_trip(&wide::MaxName(4), &[8, 4]);
    assert_eq!(file_data::Self_OrNFS(nfs_ftype::NFS).fileType(), nfs_ftype::NFS);
    assert_eq!(option_c_names::NFS_Program::v9::INTERFACE.procedures.len(), 4);
}

#[test]
fn derives() {
    use option_derive::{Level, Point, Shape};
    fn serde<T: serde::Serialize + serde::de::DeserializeOwned>() {}
    serde::<Point>();
    assert!(Level::Low < Level::High);
    assert!(Shape::Low(Point { x: 1, y: 2 }) < Shape::High);
}

#[test]
fn procedures() {
    let tags = |interface: &farcall::Interface, number| {
        let found = interface.procedure(Procedure(number)).unwrap();
        (found.deferred, found.idempotent)
    };
    use option_deferred::later_prog::{v1, v2};
    assert_eq!([tags(&v1::INTERFACE, 1), tags(&v1::INTERFACE, 2)], [(true, false), (false, true)]);
    assert_eq!([tags(&v2::INTERFACE, 1), tags(&v2::INTERFACE, 2)], [(true, false), (true, false)]);
}

/// The message about an option for this file.
fn message(config: Config) -> String {
    let text = "\
        enum kv_status { KV_OK, KV_NO }; typedef string kv_key<8>; struct entry { string name<>; };
        program KV { version KV_V1 { kv_status KV_GET(kv_key) = 1; } = 1; } = 0x20000000;";
    let error = config.generate_text("kv.x", text).unwrap_err();
    assert!(matches!(error, Error::UnknownName { .. } | Error::NotRust { .. }));
    error.to_string()
}

#[test]
fn an_option_for_nothing_is_an_error() {
    let table = [
        (configure().extern_type("netob", "crate::A"), "extern_type: there is no type `netob`"),
        (
            configure().bytes_strings("entry.nam"),
            "bytes_strings: there is no string `entry.nam`, but there is `entry.name`",
        ),
        (configure().bytes_strings("kv_status"), "bytes_strings: there is no string `kv_status`"),
        (
            configure().open_enum("kv_statu"),
            "open_enum: there is no enum `kv_statu`, but there is `kv_status`",
        ),
        (configure().open_enum("entry"), "open_enum: there is no enum `entry`"),
        (
            configure().keep_prefix("KV_V2"),
            "keep_prefix: there is no enum or version `KV_V2`, but there is `KV_V1`",
        ),
        (
            configure().derive("kv_key", "serde::Serialize"),
            "derive: there is no struct, enum or union `kv_key`",
        ),
        (
            configure().deferred("KV_GTE"),
            "deferred: there is no procedure `KV_GTE`, but there is `KV_GET`",
        ),
        (
            configure().idempotent("KV.KV_V2.KV_GET"),
            "idempotent: there is no procedure `KV.KV_V2.KV_GET`, but there is `KV.KV_V1.KV_GET`",
        ),
        (
            configure().extern_type("kv_key", "crate::"),
            "extern_type: `crate::` is no path to a Rust type: \
             unexpected end of input, expected identifier",
        ),
        (
            configure().derive("*", "serde Serialize"),
            "derive: `serde Serialize` is no path to a Rust type: unexpected token",
        ),
    ];
    for (config, expected) in table {
        assert_eq!(message(config), expected);
    }
}

#[test]
fn an_option_may_be_for_one_of_several_files() {
    let folder = std::env::temp_dir().join(format!("farcall-options-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let files = [("a.x", "enum a { A_ONE, A_TWO };"), ("b.x", "enum b { B_ONE, B_TWO };")];
    let paths = files.map(|(name, text)| {
        fs::write(folder.join(name), text).unwrap();
        folder.join(name)
    });
    let config = configure().out_dir(&folder);
    assert!(config.clone().open_enum("a").open_enum("b").compile(&paths).is_ok());
    assert!(fs::read_to_string(folder.join("b.rs")).unwrap().contains("Unknown(i32)"));
    let error = config.open_enum("a").open_enum("c").compile(&paths).unwrap_err();
    assert!(matches!(error, Error::UnknownName { name, .. } if name == "c"));
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_star_is_all() {
    let text = "\
        enum a { A_ONE, A_TWO }; typedef string name<8>; struct s { string text<>; };
        program P { version V { string P_GET(string) = 1; void P_SET(name) = 2; } = 1; } = 1;";
    let config = configure().bytes_strings("*").open_enum("*").keep_prefix("*");
    let code = config.generate_text("p.x", text).unwrap();
    for expected in [
        "Unknown(i32)",
        "    AOne,",
        "pub type Name = ::farcall::codegen::Bytes;",
        "pub text: ::farcall::codegen::Bytes",
        "fn p_get",
        "e.opaque(arg, ::farcall::codegen::UNBOUNDED)",
        "d.opaque(::farcall::codegen::UNBOUNDED)",
        "e.opaque(name, 8)",
    ] {
        assert!(code.contains(expected), "{expected} in {code}");
    }
    assert!(!code.contains("::farcall::codegen::String"));
}

#[test]
fn names_in_a_namespace() {
    let text = "namespace net { enum a { A_ONE, A_TWO }; typedef string name<8>; };";
    for prefix in ["", "net::"] {
        let config = configure().open_enum(format!("{prefix}a"));
        let code = config.bytes_strings(format!("{prefix}name")).generate_text("p.x", text);
        let code = code.unwrap();
        assert!(code.contains("Unknown(i32)") && code.contains("codegen::Bytes;"), "{code}");
    }
}

#[test]
fn what_is_asked_for_twice_is_done_once() {
    let config = configure().derive("*", "Ord, PartialOrd").derive("*", "Ord").derive("s", "Eq");
    let code = config.generate_text("s.x", "struct s { int a; };").unwrap();
    assert!(code.contains("Default, Ord, PartialOrd)]"), "{code}");
}
