//! The portmapper (RFC 1833): what programs this host serves, and where.
//!
//! [`Portmap`] is one, to be served by any server; [`system_or_embedded`] is for servers that are
//! to register on hosts that may have none. The daemon around it, which takes the place of
//! rpcbind, is behind the feature `daemon`; the command `portmapd` is in `farcall-portmap-cli`.
//!
//! What is pure is apart: the table in [`registry`], the rules on who may change it in [`access`],
//! those of its operator in [`rules`],
//! and the choice of the address that a caller is told in [`address`]. What outlives a restart is in
//! a [`journal`]. The client's side, for services that register and for who looks them up, is
//! [`farcall::bind`].
//!
//! ```no_run
//! use farcall::{Netid, Server};
//! use farcall_portmap::Portmap;
//!
//! let portmap = Portmap::default();
//! let mut builder = Server::builder().tcp("127.0.0.1:1111").unix("/run/user/1000/portmap.sock");
//! for version in portmap.services() {
//!     builder = builder.shared_service(version);
//! }
//! portmap.set_own(Netid::Tcp, &"127.0.0.1.4.87".parse()?);
//! builder.run_until_signal()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod access;
pub mod activity;
pub mod address;
#[cfg(feature = "daemon")]
pub mod config;
#[cfg(feature = "daemon")]
pub mod daemon;
pub mod embedded;
mod files;
mod forward;
mod holder;
mod hosts_access;
pub mod journal;
#[cfg(feature = "daemon")]
mod notify;
mod portmap;
mod probe;
pub mod programs;
mod rate;
pub mod registry;
mod reserved;
pub mod rpcbind;
pub mod rules;
#[cfg(feature = "daemon")]
mod sandbox;
mod scribe;
mod service;
pub mod sockaddr;
mod sockets;
pub mod stats;
#[cfg(feature = "daemon")]
mod status;
mod table;
mod ties;

pub use embedded::system_or_embedded;
pub use portmap::{Located, PROGRAM, Portmap, Service, Snapshot};
pub use sockets::{ListenError, PORT, SOCKET};
