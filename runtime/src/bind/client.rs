use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::slice;
use std::time::{Duration, Instant};

use super::link::{Answer, Link};
use super::proto::pmap_prot::pmap_prog::v2;
use super::proto::pmap_prot::{IPPROTO_TCP, IPPROTO_UDP, Mapping};
use super::proto::rpcb_prot::Rpcb;
use super::proto::rpcb_prot::rpcbprog::{v3, v4};
use super::{Entry, Family, Registration, Uaddr};
use crate::proto::message::AcceptStatus;
use crate::{ClientOptions, Doing, Error, Netid, Program, Refusal, Result, Version};

/// Where portmappers listen on this host, in the order in which they are tried. The second is
/// FreeBSD's.
const SOCKETS: [&str; 2] = ["/run/rpcbind.sock", "/var/run/rpcbind.sock"];

/// The port of every portmapper.
const PORT: u16 = 111;

/// As long as C clients wait for a portmapper.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// A portmapper to ask, or to register with.
///
/// It is asked in version 4 of its protocol, then in 3, then (over IPv4) in 2, as far as it says
/// that it does not have the former. Each question is a connection of its own, as C clients have
/// it; nothing is kept.
///
/// ```no_run
/// use farcall::bind::Portmapper;
/// use farcall::{Netid, Program, Version};
///
/// let portmapper = Portmapper::at("192.0.2.7:111".parse()?);
/// if let Some(address) = portmapper.getaddr(Program(100_003), Version(3), Netid::Tcp)? {
///     println!("nfs is at {address}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portmapper {
    place: Place,
    timeout: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Local,
    Unix(PathBuf),
    Ip(SocketAddr),
}

/// Calls a procedure on a client of one version.
type Call<'a, C, T> = &'a dyn Fn(&C) -> Result<T>;

/// How to put a question in each version of the protocol.
struct Question<'a, T> {
    v4: Call<'a, v4::Client, T>,
    v3: Call<'a, v3::Client, T>,
    v2: Option<Call<'a, v2::Client, T>>,
}

impl Portmapper {
    /// The portmapper of this host: by its Unix socket, or else by TCP.
    #[must_use]
    pub fn local() -> Self {
        Self::new(Place::Local)
    }

    /// The portmapper that listens at a Unix socket.
    #[must_use]
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::new(Place::Unix(path.into()))
    }

    /// The portmapper that listens at an address, usually at port 111.
    #[must_use]
    pub fn at(addr: SocketAddr) -> Self {
        Self::new(Place::Ip(addr))
    }

    fn new(place: Place) -> Self {
        Self { place, timeout: DEFAULT_TIMEOUT }
    }

    /// The same, asked for at most this long, all versions and ways together.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Registers a service. What is registered already with the same address is a success.
    ///
    /// # Errors
    /// [`Error::NotAccepted`] if it is registered with another address; what a call can fail with.
    pub fn set(&self, registration: &Registration) -> Result<()> {
        let args = to_rpcb(registration);
        let mapping = to_mapping(registration);
        let v2 = mapping.map(|mapping| move |client: &v2::Client| client.set(&mapping));
        let accepted = self.ask(
            &self.streams(),
            &Question {
                v4: &|client| client.set(&args),
                v3: &|client| client.set(&args),
                v2: v2.as_ref().map(|set| set as Call<'_, v2::Client, bool>),
            },
        )?;
        accept(accepted, registration.program, registration.version)
    }

    /// Removes the registration of a version of a program over a transport, or over all. That there
    /// is none is a success.
    ///
    /// # Errors
    /// [`Error::NotAccepted`] if another user registered it; what a call can fail with.
    pub fn unset(&self, program: Program, version: Version, netid: Option<Netid>) -> Result<()> {
        let args = Rpcb {
            r_prog: program.0,
            r_vers: version.0,
            r_netid: netid.map_or_else(String::new, |netid| netid.to_string()),
            ..Rpcb::default()
        };
        let mapping = Mapping { prog: program.0, vers: version.0, ..Mapping::default() };
        let accepted = self.ask(
            &self.streams(),
            &Question {
                v4: &|client| client.unset(&args),
                v3: &|client| client.unset(&args),
                v2: Some(&|client| client.unset(&mapping)),
            },
        )?;
        accept(accepted, program, version)
    }

    /// The address of a program over a transport; `None` if it is not registered.
    ///
    /// If the version is not registered but another one is, its address is returned: the service
    /// says better which versions it has. An answer that is not a universal address counts as none.
    ///
    /// # Errors
    /// What a call can fail with.
    pub fn getaddr(
        &self,
        program: Program,
        version: Version,
        netid: Netid,
    ) -> Result<Option<Uaddr>> {
        let Some(link) = self.link_over(netid) else {
            return self.find_in_dump(program, version, netid);
        };
        let args = Rpcb {
            r_prog: program.0,
            r_vers: version.0,
            r_netid: netid.to_string(),
            r_addr: link.address().to_string(),
            r_owner: String::new(),
        };
        let mapping = Mapping { prog: program.0, vers: version.0, prot: protocol(netid), port: 0 };
        let answer = self.ask(
            slice::from_ref(&link),
            &Question {
                v4: &|client| client.getaddr(&args).map(Answer::Text),
                v3: &|client| client.getaddr(&args).map(Answer::Text),
                v2: Some(&|client| client.getport(&mapping).map(Answer::Port)),
            },
        )?;
        Ok(answer.at(&link))
    }

    /// The port of a program over a transport; `None` if it is not registered, or at a Unix
    /// socket. Otherwise as [`getaddr`](Self::getaddr).
    ///
    /// # Errors
    /// What a call can fail with.
    pub fn getport(&self, program: Program, version: Version, netid: Netid) -> Result<Option<u16>> {
        let address = self.getaddr(program, version, netid)?;
        Ok(address.and_then(|address| address.ip()).map(|addr| addr.port()))
    }

    /// The whole table.
    ///
    /// # Errors
    /// What a call can fail with.
    pub fn dump(&self) -> Result<Vec<Entry>> {
        self.ask(
            &self.streams(),
            &Question {
                v4: &|client| {
                    Ok(client.dump()?.into_iter().map(|item| from_rpcb(item.rpcb_map)).collect())
                },
                v3: &|client| {
                    Ok(client.dump()?.into_iter().map(|item| from_rpcb(item.rpcb_map)).collect())
                },
                v2: Some(&|client| {
                    Ok(client.dump()?.into_iter().map(|item| from_mapping(&item.map)).collect())
                }),
            },
        )
    }

    /// The ways to reach it over a stream.
    fn streams(&self) -> Vec<Link> {
        match &self.place {
            Place::Local => {
                let sockets = SOCKETS.iter().map(|path| Link::Unix(PathBuf::from(path)));
                sockets.chain([Link::Tcp(loopback(Family::Inet))]).collect()
            }
            Place::Unix(path) => vec![Link::Unix(path.clone())],
            Place::Ip(addr) => vec![Link::Tcp(*addr)],
        }
    }

    /// The way to reach it over a transport: GETADDR answers for the one that it is asked over.
    /// `None` if it is not to be reached over it.
    fn link_over(&self, netid: Netid) -> Option<Link> {
        let family = Family::of(netid);
        let addr = match &self.place {
            Place::Unix(path) => {
                return (family == Family::Loopback).then(|| Link::Unix(path.clone()));
            }
            Place::Local if family == Family::Loopback => {
                return Some(Link::Unix(PathBuf::from(SOCKETS[0])));
            }
            Place::Local => loopback(family),
            Place::Ip(addr) => *addr,
        };
        if !Uaddr::Ip(addr).suits(netid) {
            return None;
        }
        let is_udp = matches!(netid, Netid::Udp | Netid::Udp6);
        Some(if is_udp { Link::Udp(addr) } else { Link::Tcp(addr) })
    }

    /// As a portmapper would look it up.
    fn find_in_dump(
        &self,
        program: Program,
        version: Version,
        netid: Netid,
    ) -> Result<Option<Uaddr>> {
        let mut entries = self.dump()?;
        entries.retain(|e| e.program == program && e.netid() == Some(netid));
        let exact = entries.iter().find(|e| e.version == version);
        let entry = exact.or_else(|| entries.last());
        Ok(entry.and_then(|entry| entry.uaddr().ok()))
    }

    /// Puts a question to the first of `links` where somebody listens.
    fn ask<T>(&self, links: &[Link], question: &Question<'_, T>) -> Result<T> {
        let deadline = Instant::now() + self.timeout;
        let nobody = io::Error::from(io::ErrorKind::NotFound);
        let mut result = Err(Error::Io { doing: Doing::Connect, source: nobody });
        for link in links {
            result = question.put(link, deadline);
            if !matches!(result, Err(Error::Io { doing: Doing::Connect, .. })) {
                break;
            }
        }
        result
    }
}

impl<T> Question<'_, T> {
    /// Puts the question over a link, in one version after the other.
    fn put(&self, link: &Link, deadline: Instant) -> Result<T> {
        let target = link.target();
        // On the Unix socket C clients speak version 3, and every portmapper there answers it.
        if link.family() != Family::Loopback {
            let client = v4::Client::connect_with(&target, &until(deadline));
            let result = client.and_then(|client| (self.v4)(&client));
            if !lacks_version(&result) {
                return result;
            }
        }
        let client = v3::Client::connect_with(&target, &until(deadline));
        let result = client.and_then(|client| (self.v3)(&client));
        match self.v2 {
            Some(v2) if link.family() == Family::Inet && lacks_version(&result) => {
                let client = v2::Client::connect_with(&target, &until(deadline))?;
                v2(&client)
            }
            _ => result,
        }
    }
}

fn until(deadline: Instant) -> ClientOptions {
    ClientOptions::new().timeout(deadline.saturating_duration_since(Instant::now()))
}

/// Whether the portmapper said that it does not have the version: the answers after which C clients
/// try the next one.
fn lacks_version<T>(result: &Result<T>) -> bool {
    let Err(Error::Refused { refusal: Refusal::Accepted(status), .. }) = result else {
        return false;
    };
    matches!(
        status,
        AcceptStatus::ProgUnavail | AcceptStatus::ProgMismatch { .. } | AcceptStatus::GarbageArgs
    )
}

fn loopback(family: Family) -> SocketAddr {
    let ip = match family {
        Family::Inet6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
        Family::Inet | Family::Loopback => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    SocketAddr::new(ip, PORT)
}

fn accept(accepted: bool, program: Program, version: Version) -> Result<()> {
    if accepted { Ok(()) } else { Err(Error::NotAccepted { program, version }) }
}

fn protocol(netid: Netid) -> u32 {
    match netid {
        Netid::Udp | Netid::Udp6 => IPPROTO_UDP,
        Netid::Tcp | Netid::Tcp6 | Netid::Local => IPPROTO_TCP,
    }
}

fn to_rpcb(registration: &Registration) -> Rpcb {
    Rpcb {
        r_prog: registration.program.0,
        r_vers: registration.version.0,
        r_netid: registration.netid.to_string(),
        r_addr: registration.address.to_string(),
        r_owner: registration.owner.clone(),
    }
}

/// The registration in version 2, which knows only ports of UDP and TCP over IPv4.
fn to_mapping(registration: &Registration) -> Option<Mapping> {
    let Uaddr::Ip(SocketAddr::V4(addr)) = registration.address else { return None };
    registration.address.suits(registration.netid).then(|| Mapping {
        prog: registration.program.0,
        vers: registration.version.0,
        prot: protocol(registration.netid),
        port: u32::from(addr.port()),
    })
}

fn from_rpcb(rpcb: Rpcb) -> Entry {
    Entry {
        program: Program(rpcb.r_prog),
        version: Version(rpcb.r_vers),
        netid: rpcb.r_netid,
        address: rpcb.r_addr,
        owner: rpcb.r_owner,
    }
}

/// What version 2 does not say is filled in as rpcinfo does.
fn from_mapping(mapping: &Mapping) -> Entry {
    let netid = match mapping.prot {
        IPPROTO_UDP => Netid::Udp.to_string(),
        IPPROTO_TCP => Netid::Tcp.to_string(),
        other => other.to_string(),
    };
    // A port that is none gives an address that is none.
    let (high, low) = (mapping.port >> 8, mapping.port & 0xff);
    Entry {
        program: Program(mapping.prog),
        version: Version(mapping.vers),
        netid,
        address: format!("0.0.0.0.{high}.{low}"),
        owner: "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_asked_over_the_transport_in_question() {
        let targets = |portmapper: &Portmapper| {
            Netid::ALL.map(|netid| portmapper.link_over(netid).map(|link| link.target()))
        };
        let some = |target: &str| Some(target.to_owned());
        let host = Portmapper::at("192.0.2.7:1111".parse().expect("an address"));
        let (udp, tcp) = (some("udp://192.0.2.7:1111"), some("tcp://192.0.2.7:1111"));
        assert_eq!(targets(&host), [udp, tcp, None, None, None]);
        assert_eq!(
            targets(&Portmapper::local()),
            [
                some("udp://127.0.0.1:111"),
                some("tcp://127.0.0.1:111"),
                some("udp://[::1]:111"),
                some("tcp://[::1]:111"),
                some("unix:///run/rpcbind.sock"),
            ]
        );
        let unix = Portmapper::unix("/tmp/s");
        assert_eq!(targets(&unix), [None, None, None, None, some("unix:///tmp/s")]);
    }

    #[test]
    fn the_next_version_is_tried_only_if_this_one_is_lacking() {
        let refused = |status| lacks_version::<()>(&Err(Refusal::Accepted(status).into()));
        let (low, high) = (Version(2), Version(2));
        assert!(refused(AcceptStatus::ProgMismatch { low, high }));
        assert!(refused(AcceptStatus::ProgUnavail));
        assert!(refused(AcceptStatus::GarbageArgs));
        assert!(!refused(AcceptStatus::ProcUnavail));
        assert!(!refused(AcceptStatus::SystemErr));
        let after = Duration::from_secs(1);
        assert!(!lacks_version::<()>(&Err(Error::TimedOut { after, sent: 1 })));
        assert!(!lacks_version(&Ok(())));
    }

    #[test]
    fn version_2_takes_and_gives_ports_only() {
        let registration = |netid, address: &str| {
            let address = address.parse().expect("a universal address");
            to_mapping(&Registration::new(Program(7), Version(1), netid, address))
        };
        let mapping = |prot, port| Mapping { prog: 7, vers: 1, prot, port };
        assert_eq!(registration(Netid::Udp, "0.0.0.0.8.1"), Some(mapping(17, 2049)));
        assert_eq!(registration(Netid::Tcp, "127.0.0.1.0.111"), Some(mapping(6, 111)));
        assert_eq!(registration(Netid::Tcp6, "::.8.1"), None);
        assert_eq!(registration(Netid::Tcp6, "0.0.0.0.8.1"), None);
        assert_eq!(registration(Netid::Local, "/tmp/s"), None);
        let rows = [(17, 2049, "udp", "0.0.0.0.8.1"), (99, 1, "99", "0.0.0.0.0.1")];
        for (prot, port, netid, address) in rows {
            let entry = from_mapping(&mapping(prot, port));
            assert_eq!((entry.netid.as_str(), entry.address.as_str()), (netid, address));
        }
        assert!(from_mapping(&mapping(6, 70_000)).uaddr().is_err());
    }
}
