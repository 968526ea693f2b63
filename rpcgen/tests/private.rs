//! Every expected file compiles without a warning where it is private, and most of it not used: in a
//! program's `mod` for instance.

#![deny(warnings, clippy::all)]
#![forbid(unsafe_code)]
// On for this project, but not by default.
#![allow(unreachable_pub)]

macro_rules! fixtures {
    ($($name:ident)*) => {$(
        mod $name {
            include!(concat!("fixtures/", stringify!($name), "/expected.rs"));
        }
    )*};
}

fixtures! {
    clashes keywords kv large multi_version recursion types unions
    option_bytes_strings option_c_names option_client option_deferred option_derive
    option_keep_prefix option_open_enum option_server
}

#[test]
fn one_type_is_used() {
    assert_eq!(kv::KvStatus::Noent as i32, 2);
}
