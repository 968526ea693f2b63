//! Sockets, the clock and the event loop: the only place that touches them.

pub(crate) mod client;
mod scratch;
pub(crate) mod server;
