//! ONC RPC (RFC 5531) clients and servers over UDP, TCP and Unix sockets.
//!
//! The stubs that the `.x` compiler `farcall-rpcgen` writes link to this crate. The protocol itself
//! is in [`proto`], as state machines without I/O.

// Generated code names this crate by its absolute path, here too.
extern crate self as farcall;

pub mod bind;
mod client;
#[doc(hidden)]
pub mod codegen;
#[cfg(test)]
mod epoch;
mod error;
mod ids;
mod interface;
mod net;
mod netid;
pub mod proto;
mod server;
mod service;

pub use client::{
    Auth, CallInterceptor, CallOptions, CallOutcome, Client, ClientOptions, OutgoingCall, Pending,
};
pub use error::{BadTarget, Doing, Error, Refusal, Result};
pub use farcall_xdr as xdr;
pub use ids::{Procedure, Program, Version, Xid};
pub use interface::{Interface, ProcedureInfo};
pub use netid::Netid;
pub use proto::client::ClientStats;
pub use proto::limits::Limits;
pub use proto::stats::{Histogram, ProcedureStats, Stats};
pub use server::{Running, Server, ServerBuilder, ServerHandle};
pub use service::{Answer, Context, Dispatch, Fault, Identity, Interceptor, Peer, PeerAddr, Reply};

/// Includes the Rust that `build.rs` had made of `NAME.x`.
///
/// ```ignore
/// mod kv {
///     farcall::include_x!("kv");
/// }
/// ```
#[macro_export]
macro_rules! include_x {
    ($name:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $name, ".rs"));
    };
}
