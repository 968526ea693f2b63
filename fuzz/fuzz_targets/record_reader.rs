//! Any bytes in any pieces are read as the same records.

#![no_main]

#[path = "../../runtime/tests/any_input/mod.rs"]
mod any_input;

use any_input::records;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| records::record_reader(data));
