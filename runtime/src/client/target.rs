//! Targets: `udp://host[:port]`, `tcp://host[:port]` and `unix:///path`.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use crate::error::{BadTarget, Doing, Result};
use crate::net::client::Deadline;
use crate::{Error, Netid};

/// A server as a user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A host, and a port unless its portmapper is to be asked for it.
    Ip { transport: IpTransport, host: String, port: Option<u16> },
    /// A Unix socket.
    Unix(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IpTransport {
    Udp,
    Tcp,
}

impl IpTransport {
    /// The transport's name in the portmapper's table for an address of its kind.
    pub(super) fn netid(self, ip: IpAddr) -> Netid {
        match (self, ip) {
            (Self::Udp, IpAddr::V4(_)) => Netid::Udp,
            (Self::Udp, IpAddr::V6(_)) => Netid::Udp6,
            (Self::Tcp, IpAddr::V4(_)) => Netid::Tcp,
            (Self::Tcp, IpAddr::V6(_)) => Netid::Tcp6,
        }
    }
}

impl Target {
    pub(super) fn parse(target: &str) -> Result<Self, BadTarget> {
        let (scheme, rest) = target.split_once("://").ok_or(BadTarget::Scheme)?;
        let transport = match scheme {
            "udp" => IpTransport::Udp,
            "tcp" => IpTransport::Tcp,
            "unix" if rest.is_empty() => return Err(BadTarget::Empty),
            "unix" => return Ok(Self::Unix(PathBuf::from(rest))),
            _ => return Err(BadTarget::Scheme),
        };
        let (host, port) = split_port(rest);
        if host.is_empty() {
            return Err(BadTarget::Empty);
        }
        let port = port.map(parse_port).transpose()?;
        Ok(Self::Ip { transport, host: host.to_owned(), port })
    }
}

/// The host without brackets, and what follows its colon.
fn split_port(rest: &str) -> (&str, Option<&str>) {
    if let Some((host, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return match after {
            "" => (host, None),
            _ => (host, Some(after.strip_prefix(':').unwrap_or(after))),
        };
    }
    let address = rest.split_once('%').map_or(rest, |(address, _)| address);
    if address.parse::<Ipv6Addr>().is_ok() {
        return (rest, None);
    }
    rest.rsplit_once(':').map_or((rest, None), |(host, port)| (host, Some(port)))
}

fn parse_port(port: &str) -> Result<u16, BadTarget> {
    port.parse().ok().filter(|&port| port != 0).ok_or(BadTarget::Port)
}

/// The addresses of a host, in the order in which the system wants them tried.
pub(super) fn lookup(host: &str, port: u16, deadline: &Deadline) -> Result<Vec<SocketAddr>> {
    let failed = |source| Error::Io { doing: Doing::Resolve, source };
    if let Ok(ip) = host.parse() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    // The system's lookup cannot be interrupted. One that takes too long is left to itself.
    let (sender, receiver) = mpsc::channel();
    let name = host.to_owned();
    let ask = move || {
        let addrs = (name.as_str(), port).to_socket_addrs().map(Iterator::collect);
        // Nobody waits any more: then nobody needs it.
        let _ = sender.send(addrs);
    };
    thread::Builder::new().name("farcall-lookup".to_owned()).spawn(ask).map_err(failed)?;
    let answer = receiver.recv_timeout(deadline.left()).map_err(|_| deadline.missed())?;
    answer.map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ip(transport: IpTransport, host: &str, port: Option<u16>) -> Result<Target, BadTarget> {
        Ok(Target::Ip { transport, host: host.to_owned(), port })
    }

    #[test]
    fn targets_are_read_as_written() {
        use IpTransport::{Tcp, Udp};
        let unix = |path: &str| Ok(Target::Unix(PathBuf::from(path)));
        let table = [
            ("udp://db1", ip(Udp, "db1", None)),
            ("tcp://db1:2049", ip(Tcp, "db1", Some(2049))),
            ("tcp://192.0.2.7:1", ip(Tcp, "192.0.2.7", Some(1))),
            ("udp://[::1]:65535", ip(Udp, "::1", Some(65535))),
            ("udp://[::1]", ip(Udp, "::1", None)),
            ("udp://::1", ip(Udp, "::1", None)),
            ("tcp://[fe80::1%3]:9", ip(Tcp, "fe80::1%3", Some(9))),
            ("tcp://fe80::1%3", ip(Tcp, "fe80::1%3", None)),
            ("unix:///run/kv.sock", unix("/run/kv.sock")),
            ("unix://kv.sock", unix("kv.sock")),
            ("db1", Err(BadTarget::Scheme)),
            ("http://db1", Err(BadTarget::Scheme)),
            ("", Err(BadTarget::Scheme)),
            ("udp://", Err(BadTarget::Empty)),
            ("udp://:111", Err(BadTarget::Empty)),
            ("udp://[]:111", Err(BadTarget::Empty)),
            ("unix://", Err(BadTarget::Empty)),
            ("tcp://db1:", Err(BadTarget::Port)),
            ("tcp://db1:0", Err(BadTarget::Port)),
            ("tcp://db1:65536", Err(BadTarget::Port)),
            ("tcp://db1:nfs", Err(BadTarget::Port)),
            ("tcp://[::1]9", ip(Tcp, "::1", Some(9))),
        ];
        for (target, expected) in table {
            assert_eq!(Target::parse(target), expected, "{target}");
        }
    }

    #[test]
    fn an_address_needs_no_lookup() {
        let over = Deadline::after(Duration::ZERO);
        let addrs = lookup("::1", 111, &over).expect("an address");
        assert_eq!(addrs, ["[::1]:111".parse().expect("an address")]);
    }
}
