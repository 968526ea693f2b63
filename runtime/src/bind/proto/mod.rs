//! The protocols themselves, as generated from their `.x` files: portmap version 2 and rpcbind
//! versions 3 and 4.

/// Portmap version 2 (RFC 1833 §3).
#[rustfmt::skip]
#[path = "generated/pmap_prot.rs"]
pub mod pmap_prot;
/// Rpcbind versions 3 and 4 (RFC 1833 §2).
#[rustfmt::skip]
#[path = "generated/rpcb_prot.rs"]
pub mod rpcb_prot;
