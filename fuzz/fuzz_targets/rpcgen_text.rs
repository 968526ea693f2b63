//! Any text compiles, or has errors that have places in it.

#![no_main]

use farcall_rpcgen::{Error, configure};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // What it would include is not part of the input.
    if text.contains("include") {
        return;
    }
    match configure().generate_text("fuzz.x", text) {
        Ok(_) => {}
        Err(Error::Source(report)) => {
            assert!(report.errors() > 0);
            let lines = text.split(['\n', '\r']).count();
            assert!(report.findings().all(|finding| (1..=lines).contains(&finding.line)));
            assert!(!report.render(true).is_empty());
        }
        Err(other) => panic!("{other}"),
    }
});
