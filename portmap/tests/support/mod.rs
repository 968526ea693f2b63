//! Folders for tests, and calls made by hand; `cli/tests` has them too.
//!
//! Each test file uses its own part of it.
#![allow(dead_code)]

pub(crate) mod nothing;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use farcall::proto::auth::OpaqueAuth;
use farcall::proto::message::CallHeader;
use farcall::xdr::Encoder;
use farcall::{Procedure, Program, Version, Xid};

/// A folder that is removed with everything in it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("farcall-{}-{n}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder for temporary files");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) const XID: u32 = 0x0102_0304;

/// A call to the portmapper.
pub(crate) fn call(version: u32, procedure: u32, args: &[u8]) -> Vec<u8> {
    call_as(XID, version, procedure, args)
}

pub(crate) fn call_as(xid: u32, version: u32, procedure: u32, args: &[u8]) -> Vec<u8> {
    let header = CallHeader {
        xid: Xid(xid),
        program: Program(100_000),
        version: Version(version),
        procedure: Procedure(procedure),
        credential: OpaqueAuth::NONE,
        verifier: OpaqueAuth::NONE,
    };
    let mut e = Encoder::new();
    header.encode(&mut e).expect("short");
    [&e.into_bytes()[..], args].concat()
}

pub(crate) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

pub(crate) fn string(text: &str) -> Vec<u8> {
    let mut e = Encoder::new();
    e.string(text, u32::MAX).expect("no bound");
    e.into_bytes().to_vec()
}

/// The arguments of most calls of versions 3 and 4.
pub(crate) fn rpcb(program: u32, version: u32, netid: &str, address: &str) -> Vec<u8> {
    [words(&[program, version]), string(netid), string(address), string("owner")].concat()
}
