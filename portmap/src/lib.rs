//! The portmapper (RFC 1833): what programs this host serves, and where.

pub mod access;
pub mod address;
pub mod daemon;
mod portmap;
pub mod programs;
pub mod registry;
mod service;
pub mod sockaddr;
pub mod stats;
pub mod tool;

pub use portmap::{Located, PROGRAM, Portmap, Service};
