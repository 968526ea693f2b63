//! One way to reach a portmapper, and what its answers mean there.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Family, Uaddr};

/// One way to reach a portmapper.
#[derive(Debug, Clone)]
pub(super) enum Link {
    Unix(PathBuf),
    Tcp(SocketAddr),
    Udp(SocketAddr),
}

impl Link {
    pub(super) fn target(&self) -> String {
        match self {
            Self::Unix(path) => format!("unix://{}", path.display()),
            Self::Tcp(addr) => format!("tcp://{addr}"),
            Self::Udp(addr) => format!("udp://{addr}"),
        }
    }

    pub(super) fn address(&self) -> Uaddr {
        match self {
            Self::Unix(path) => Uaddr::Unix(path.clone()),
            Self::Tcp(addr) | Self::Udp(addr) => Uaddr::Ip(*addr),
        }
    }

    pub(super) fn family(&self) -> Family {
        self.address().family()
    }
}

/// How the versions answer where something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Text(String),
    Port(u32),
}

impl Answer {
    /// The address, as it was answered over `link`.
    pub(super) fn at(&self, link: &Link) -> Option<Uaddr> {
        match (self, link) {
            (Self::Text(text), Link::Tcp(asked) | Link::Udp(asked)) => match text.parse().ok()? {
                Uaddr::Ip(addr) => Some(Uaddr::Ip(reachable(addr, *asked))),
                Uaddr::Unix(_) => None,
            },
            (Self::Text(text), Link::Unix(_)) => text.parse().ok(),
            (Self::Port(0), _) | (Self::Port(_), Link::Unix(_)) => None,
            (Self::Port(port), Link::Tcp(asked) | Link::Udp(asked)) => {
                let port = u16::try_from(*port).ok()?;
                Some(Uaddr::Ip(SocketAddr::new(asked.ip(), port)))
            }
        }
    }
}

/// What a universal address leaves out: the host's address where it says only "any", and the
/// scope of a link-local one.
fn reachable(mut addr: SocketAddr, asked: SocketAddr) -> SocketAddr {
    if addr.ip().is_unspecified() {
        addr.set_ip(asked.ip());
    }
    if let (SocketAddr::V6(addr), SocketAddr::V6(asked)) = (&mut addr, asked)
        && addr.ip().is_unicast_link_local()
    {
        addr.set_scope_id(asked.scope_id());
    }
    addr
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(addr: &str) -> Link {
        Link::Tcp(addr.parse().expect("a socket address"))
    }

    fn at(answer: &str, link: &Link) -> Option<String> {
        Answer::Text(answer.to_owned()).at(link).map(|address| address.to_string())
    }

    #[test]
    fn an_answer_is_completed_by_what_was_asked() {
        let (v4, v6) = (tcp("192.0.2.7:111"), tcp("[fe80::7%3]:111"));
        assert_eq!(at("192.0.2.9.8.1", &v4).as_deref(), Some("192.0.2.9.8.1"));
        assert_eq!(at("0.0.0.0.8.1", &v4).as_deref(), Some("192.0.2.7.8.1"));
        assert_eq!(at("::.8.1", &v6).as_deref(), Some("fe80::7.8.1"));
        let scoped = Answer::Text("fe80::9.8.1".to_owned()).at(&v6);
        assert_eq!(scoped, "[fe80::9%3]:2049".parse().ok().map(Uaddr::Ip));
        for none in ["", "nonsense", "/run/sock"] {
            assert_eq!(at(none, &v4), None, "{none}");
        }
        let unix = Link::Unix("/run/rpcbind.sock".into());
        assert_eq!(at("/run/kv.sock", &unix).as_deref(), Some("/run/kv.sock"));
    }

    #[test]
    fn a_port_of_version_2_is_one_or_none() {
        let asked = tcp("192.0.2.7:111");
        let port = |port| Answer::Port(port).at(&asked);
        assert_eq!(port(2049), "192.0.2.7:2049".parse().ok().map(Uaddr::Ip));
        assert_eq!((port(0), port(65_536), port(u32::MAX)), (None, None, None));
    }
}
