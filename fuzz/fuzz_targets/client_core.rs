//! A client, with any calls, answers and failures, and time.

#![no_main]

#[path = "../../runtime/tests/any_input/mod.rs"]
mod any_input;

use any_input::client;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| client::client_core(data));
