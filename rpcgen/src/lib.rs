//! Compiler from ONC RPC interface files (`.x`, RFC 4506 and RFC 5531) to Rust.
//!
//! Call it in `build.rs`; what it writes is for the crate `farcall`, which includes it:
//!
//! ```no_run
//! // build.rs
//! fn main() -> Result<(), farcall_rpcgen::Error> {
//!     farcall_rpcgen::compile("proto/kv.x")
//! }
//! ```
//!
//! ```ignore
//! // src/main.rs
//! mod kv {
//!     farcall::include_x!("kv");
//! }
//! ```
//!
//! Or commit what the command `rpcgen kv.x` writes, and let `rpcgen --check kv.x` tell when it is
//! stale. No other program is needed: neither a C preprocessor nor rustfmt.

mod ast;
#[cfg(feature = "tools")]
pub mod breaking;
mod code;
mod condition;
mod config;
#[cfg(feature = "tools")]
pub mod describe;
mod diag;
mod docs;
mod emit;
mod error;
#[cfg(feature = "tools")]
mod format;
mod lexer;
#[cfg(feature = "tools")]
pub mod lint;
mod model;
mod names;
mod naming;
mod options;
mod parser;
mod preprocess;
mod resolve;
mod source;
mod value;

use std::path::Path;

#[cfg(feature = "tools")]
pub use code::{codes, explain};
pub use config::{Config, Output, configure};
#[cfg(feature = "tools")]
pub use describe::{Description, describe};
pub use diag::{Finding, Report, Severity};
#[cfg(feature = "tools")]
pub use emit::Samples;
pub use error::Error;
#[cfg(feature = "tools")]
pub use format::format;

/// Compiles a `.x` file into `OUT_DIR`, where `farcall::include_x!` finds it. For `build.rs`.
///
/// Tells cargo which files were read. Writes only what has changed.
///
/// # Errors
/// What is wrong in the file, with every place; or a file that cannot be read or written.
pub fn compile(path: impl AsRef<Path>) -> Result<(), Error> {
    configure().compile(&[path])
}

/// The Rust for a `.x` file.
///
/// # Errors
/// What is wrong in the file, with every place; or a file that cannot be read.
pub fn generate(path: impl AsRef<Path>) -> Result<String, Error> {
    configure().generate(path)
}
