//! A stream with a server and a client at its end, with any bytes read and written in any pieces.

#![no_main]

#[path = "../../runtime/tests/any_input/mod.rs"]
mod any_input;

use any_input::connection;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| connection::connection(data));
