//! Compiler from ONC RPC interface files (.x) to Rust.
