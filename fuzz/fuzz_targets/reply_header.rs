//! A reply's header, and what is no such thing.

#![no_main]

#[path = "../../runtime/tests/any_input/mod.rs"]
mod any_input;

use any_input::messages;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| messages::reply_header(data));
