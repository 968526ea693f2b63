//! The protocol without I/O: messages, and state machines that are given bytes and the time.
//!
//! Nothing here touches a socket, a clock or a thread. A `handle_*` method puts something into a
//! state machine, a `poll_*` method takes something out, and `poll_timeout` says when it wants to
//! be called again. So all that can go wrong on a network can be tested in virtual time.

pub mod auth;
pub mod client;
pub mod connection;
pub mod drc;
mod histogram;
pub mod limits;
pub mod message;
mod pending;
pub mod record;
pub mod retry;
pub mod server;
pub mod stats;
pub mod xid;
