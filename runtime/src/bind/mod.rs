//! The portmapper, as its clients see it (RFC 1833): where services register and are found.
//!
//! [`Portmapper`] asks one; [`proto`] is its protocol, for whatever else there is to ask.

mod broadcast;
mod client;
mod link;
pub mod proto;
mod registration;
mod uaddr;

pub use broadcast::{Broadcast, Replies, Responder};
pub use client::Portmapper;
pub use registration::{Entry, Registration};
pub use uaddr::{Family, Uaddr, UaddrError};
