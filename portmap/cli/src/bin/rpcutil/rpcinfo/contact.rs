//! Finding the portmapper of a host, and services by it, in the order in which C's library does.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use farcall::bind::Uaddr;
use farcall::bind::proto::pmap_prot::pmap_prog::v2;
use farcall::bind::proto::pmap_prot::{IPPROTO_TCP, IPPROTO_UDP, Mapping};
use farcall::bind::proto::rpcb_prot::Rpcb;
use farcall::bind::proto::rpcb_prot::rpcbprog::{v3, v4};
use farcall::{CallOptions, ClientOptions, Netid, Result};

use super::status::Status;
pub(super) use crate::place::Place as Server;
use farcall_portmap::{PORT, SOCKET};

/// How long a portmapper may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A larger list than any portmapper can have in good faith.
const MAX_REPLY: usize = 16 << 20;

/// A row of `/etc/netconfig`, as every system has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Of(Netid),
    /// `rawip`, which nothing can be called over.
    Raw,
}

impl Transport {
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"udp" => Self::Of(Netid::Udp),
            b"tcp" => Self::Of(Netid::Tcp),
            b"udp6" => Self::Of(Netid::Udp6),
            b"tcp6" => Self::Of(Netid::Tcp6),
            b"local" | b"unix" => Self::Of(Netid::Local),
            b"rawip" => Self::Raw,
            _ => return None,
        })
    }
}

impl Server {
    pub(super) fn uaddr(&self) -> String {
        match self {
            Self::Udp(addr) | Self::Tcp(addr) => Uaddr::Ip(*addr).to_string(),
            Self::Unix(path) => path.display().to_string(),
        }
    }

    /// Over a stream a call is sent once: C does not connect again.
    pub(super) fn calls(&self) -> CallOptions {
        CallOptions::new().retransmit(matches!(self, Self::Udp(_)))
    }

    fn with_port(&self, port: u16) -> Self {
        let at = |addr: &SocketAddr| {
            let mut addr = *addr;
            addr.set_port(port);
            addr
        };
        match self {
            Self::Udp(addr) => Self::Udp(at(addr)),
            Self::Tcp(addr) => Self::Tcp(at(addr)),
            Self::Unix(path) => Self::Unix(path.clone()),
        }
    }
}

pub(super) fn options(patience: Duration) -> ClientOptions {
    ClientOptions::new().timeout(patience).max_reply(MAX_REPLY)
}

/// How a client of one version of the portmapper is connected.
type Connect<C> = fn(&str, &ClientOptions) -> Result<C>;

/// A client of the portmapper, and where that is.
#[derive(Debug)]
pub(super) struct Reached<C> {
    pub(super) client: C,
    pub(super) server: Server,
    pub(super) netid: Netid,
}

/// The portmapper's Unix socket.
pub(super) fn local() -> Server {
    Server::Unix(PathBuf::from(SOCKET))
}

/// Connects to this host's portmapper.
pub(super) fn reach_local<C>(connect: Connect<C>) -> Result<Reached<C>, Status> {
    reach_server(local(), Netid::Local, connect)
}

/// Connects to the portmapper at `server`.
pub(super) fn reach_server<C>(
    server: Server,
    netid: Netid,
    connect: Connect<C>,
) -> Result<Reached<C>, Status> {
    let client =
        connect(&server.target(), &options(PATIENCE)).map_err(|e| Status::of_connect(&e))?;
    Ok(Reached { client, server, netid })
}

/// Connects to the portmapper of a host over a transport, or over the first that works: TCP, or
/// else UDP, where it shows only later whether anybody is there.
pub(super) fn reach<C>(
    host: &str,
    transport: Option<Transport>,
    connect: Connect<C>,
) -> Result<Reached<C>, Status> {
    // C has no word for a host that is unknown here.
    let addr = addresses(host).first().copied().ok_or(Status::Wordless)?;
    let over = |transport| match transport {
        Transport::Raw => Err(Status::SystemError(nix::errno::Errno::ENOTSOCK)),
        Transport::Of(netid) => {
            let server = Server::at(Uaddr::Ip(addr), netid).ok_or(Status::UnknownHost)?;
            reach_server(server, netid, connect)
        }
    };
    if let Some(transport) = transport {
        return over(transport);
    }
    let mut reached = Err(Status::UnknownProto);
    for netid in [Netid::Tcp, Netid::Tcp6, Netid::Udp, Netid::Udp6] {
        reached = over(Transport::Of(netid));
        if reached.is_ok() {
            break;
        }
    }
    reached
}

fn addresses(host: &str) -> Vec<SocketAddr> {
    (host, PORT).to_socket_addrs().map(Iterator::collect).unwrap_or_default()
}

/// Where a version of a program is, as the portmapper of a host says over the transport in question.
pub(super) fn find(program: u32, version: u32, netid: Netid, host: &str) -> Result<Server, Status> {
    let ask = |reached: Reached<v4::Client>| found(program, version, reached);
    if netid == Netid::Local {
        return match reach_local(v4::Client::connect_with) {
            Ok(reached) => ask(reached),
            Err(_) => find_by_loopback(program, version),
        };
    }
    let mut status = Status::UnknownHost;
    for addr in addresses(host) {
        let Some(server) = Server::at(Uaddr::Ip(addr), netid) else { continue };
        match reach_server(server, netid, v4::Client::connect_with) {
            Ok(reached) => return ask(reached),
            Err(failed) => status = failed,
        }
    }
    Err(status)
}

/// Where this host's portmapper has no Unix socket, C asks at the last stream in `/etc/netconfig`.
fn find_by_loopback(program: u32, version: u32) -> Result<Server, Status> {
    find(program, version, Netid::Tcp6, "::1")
}

/// Asks in version 4, then 3, then 2, as far as the portmapper lacks the former.
fn found(program: u32, version: u32, at: Reached<v4::Client>) -> Result<Server, Status> {
    let Reached { client, server, netid } = at;
    let args = Rpcb {
        r_prog: program,
        r_vers: version,
        r_netid: netid.to_string(),
        r_addr: server.uaddr(),
        r_owner: "libtirpc".to_owned(),
    };
    let mut answer = client.with(server.calls()).getaddr(&args);
    if lacks(&answer)? {
        let reached = reach_server(server.clone(), netid, v3::Client::connect_with)?;
        answer = reached.client.with(server.calls()).getaddr(&args);
    }
    if !lacks(&answer)? {
        let text = answer.map_err(|e| Status::of_call(&e))?;
        return registered(&text, &server, netid);
    }
    match netid {
        Netid::Udp | Netid::Tcp => found_in_version_2(program, version, server, netid),
        _ => Err(Status::ProgNotRegistered),
    }
}

/// Whether the portmapper said that it does not have the version, and may have a lower one.
fn lacks<T>(answer: &Result<T>) -> Result<bool, Status> {
    let Err(error) = answer else { return Ok(false) };
    match Status::of_call(error) {
        newer @ Status::ProgVersMismatch { low: 5.., .. } => Err(newer),
        Status::ProgVersMismatch { .. } | Status::ProgUnavail | Status::CantDecodeArgs => Ok(true),
        _ => Ok(false),
    }
}

fn registered(text: &str, portmapper: &Server, netid: Netid) -> Result<Server, Status> {
    if text.is_empty() {
        return Err(Status::ProgNotRegistered);
    }
    let address: Uaddr = text.parse().map_err(|_| Status::Wordless)?;
    let server = Server::at(address, netid).ok_or(Status::Wordless)?;
    Ok(server.in_scope_of(portmapper))
}

impl Server {
    /// A universal address has no scope: it is that of the portmapper.
    fn in_scope_of(mut self, portmapper: &Self) -> Self {
        if let (Self::Udp(SocketAddr::V6(addr)), Self::Udp(SocketAddr::V6(asked)))
        | (Self::Tcp(SocketAddr::V6(addr)), Self::Tcp(SocketAddr::V6(asked))) =
            (&mut self, portmapper)
            && addr.ip().is_unicast_link_local()
        {
            addr.set_scope_id(asked.scope_id());
        }
        self
    }
}

fn found_in_version_2(
    program: u32,
    version: u32,
    server: Server,
    netid: Netid,
) -> Result<Server, Status> {
    let prot = if netid == Netid::Udp { IPPROTO_UDP } else { IPPROTO_TCP };
    let mapping = Mapping { prog: program, vers: version, prot, port: 0 };
    let Reached { client, server, .. } = reach_server(server, netid, v2::Client::connect_with)?;
    let port = client.with(server.calls()).getport(&mapping);
    let port = port.map_err(|e| Status::PmapFailure(Box::new(Status::of_call(&e))))?;
    // C keeps the low half of what is no port.
    match u16::try_from(port & 0xffff) {
        Ok(0) | Err(_) => Err(Status::ProgNotRegistered),
        Ok(port) => Ok(server.with_port(port)),
    }
}

/// Whether this host's portmapper says that it removed a registration.
pub(super) fn unset(program: u32, version: u32, netid: Option<&[u8]>) -> bool {
    let args = Rpcb {
        r_prog: program,
        r_vers: version,
        r_netid: netid.map(super::text::of).unwrap_or_default(),
        r_addr: String::new(),
        r_owner: nix::unistd::geteuid().to_string(),
    };
    let removed = match reach_local(v3::Client::connect_with) {
        Ok(reached) => reached.client.with(reached.server.calls()).unset(&args),
        Err(_) => {
            let tcp6 = Some(Transport::Of(Netid::Tcp6));
            let Ok(reached) = reach("::1", tcp6, v4::Client::connect_with) else { return false };
            reached.client.with(reached.server.calls()).unset(&args)
        }
    };
    removed.unwrap_or(false)
}
