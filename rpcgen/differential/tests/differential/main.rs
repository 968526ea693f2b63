//! The compiler's Rust and what Debian's rpcgen and libtirpc make of the same `.x` files, on the
//! same bytes: random values, and inputs that are nearly values. Where they differ on purpose says
//! one table, in `differences.rs` and `docs/c-differences.md`.
//!
//! Of each interface 10,000 values and as many other inputs, the same in each run; the environment
//! variable `FARCALL_DIFF_VALUES` asks for another number. Without the C tools the comparison is
//! skipped, and says so; with FARCALL_INTEROP=require it fails then.

mod compare;
mod differences;
mod extremes;
mod installed;
mod mutate;
mod peer;
mod random;
mod reader;
mod sample;
mod schema;
