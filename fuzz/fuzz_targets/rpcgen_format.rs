//! What the formatter writes says the same as what it was given, and stays as it is.

#![no_main]

use farcall_rpcgen::{configure, format};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if text.contains("include") {
        return;
    }
    let Ok(formatted) = format(text, "fuzz.x") else { return };
    assert_eq!(format(&formatted, "fuzz.x").ok().as_deref(), Some(formatted.as_str()));
    let compiles = |text: &str| configure().check_text("fuzz.x", text).is_ok();
    assert_eq!(compiles(text), compiles(&formatted));
});
