//! A server, with any messages of several peers, answers that come later, and time.

#![no_main]

#[path = "../../runtime/tests/any_input/mod.rs"]
mod any_input;

use any_input::server;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| server::server_core(data));
