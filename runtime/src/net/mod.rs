//! Sockets, the clock and the event loop: the only place that touches them.

pub(crate) mod client;
pub(crate) mod server;
