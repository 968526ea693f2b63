//! `rpcutil ping`: whether a service answers, and how fast.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use farcall::bind::{Entry, Portmapper, Uaddr};
use farcall::proto::message::AcceptStatus;
use farcall::{Client, ClientOptions, Error, Netid, Refusal, Version};

use super::{Service, ToolError, Transport, interface, resolve};

/// What to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ping {
    /// The host, as it was named.
    pub(crate) host: String,
    /// The program, and the version; if none is given, all that there are.
    pub(crate) service: Service,
    /// Over this transport, or over the first that is registered: UDP, TCP, a Unix socket.
    pub(crate) transport: Option<Transport>,
    /// The port of the portmapper.
    pub(crate) portmapper_port: u16,
    /// The port of the service: the portmapper is not asked.
    pub(crate) port: Option<u16>,
    /// How many calls to each version.
    pub(crate) count: u32,
    /// From one call to the next.
    pub(crate) interval: Duration,
    /// How long to wait for each answer.
    pub(crate) timeout: Duration,
}

/// A version of a program at a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) version: Version,
    pub(super) place: Place,
}

/// Where a service is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Udp(SocketAddr),
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// What came of all calls.
#[derive(Debug, Default)]
struct Results {
    calls: u32,
    resent: u64,
    times: Vec<Duration>,
    status: u8,
}

/// Calls procedure 0, prints a line for each call, and a summary.
///
/// # Errors
/// The service is not registered; the portmapper does not answer; a call failed, which was printed.
pub(crate) fn ping(ping: &Ping, out: &mut impl Write) -> Result<(), ToolError> {
    let mut results = Results::default();
    for target in targets(ping)? {
        ping_version(ping, &target, &mut results, out)?;
    }
    writeln!(out, "{}", summary(&results))?;
    match results.status {
        0 => Ok(()),
        status => Err(ToolError::Shown { status }),
    }
}

fn targets(ping: &Ping) -> Result<Vec<Target>, ToolError> {
    let at = resolve(&ping.host, ping.portmapper_port)?;
    if let Some(port) = ping.port {
        let addr = SocketAddr::new(at.ip(), port);
        let place = match ping.transport {
            Some(Transport::Tcp) => Place::Tcp(addr),
            _ => Place::Udp(addr),
        };
        return versions_of(ping, &place);
    }
    let portmapper = Portmapper::at(at).timeout(ping.timeout);
    let asked = |error| ToolError::portmapper(&ping.host, error);
    let entries = portmapper.dump().map_err(asked)?;
    let mut targets = Vec::new();
    for (version, netid) in registered(&ping.service, ping.transport, at.ip(), &entries) {
        let address = match netid {
            Netid::Local => path(&ping.service, version, &entries),
            _ => portmapper.getaddr(ping.service.program, version, netid).map_err(asked)?,
        };
        let place = address.and_then(|address| Place::at(address, netid));
        let place = place.ok_or_else(|| not_registered(ping))?;
        targets.push(Target { version, place });
    }
    if targets.is_empty() { Err(not_registered(ping)) } else { Ok(targets) }
}

/// The version that was named, or all that the server says that it has.
fn versions_of(ping: &Ping, place: &Place) -> Result<Vec<Target>, ToolError> {
    let target = |version| Target { version: Version(version), place: place.clone() };
    if let Some(version) = ping.service.version {
        return Ok(vec![target(version.0)]);
    }
    let who = who(ping, &target(0));
    match connect(&ping.service, &target(0), ping.timeout).and_then(|client| client.null()) {
        Ok(()) => Ok(vec![target(0)]),
        Err(Error::Refused(Refusal::Accepted(AcceptStatus::ProgMismatch { low, high }))) => {
            // More is a claim, and not a list.
            let last = high.0.min(low.0.saturating_add(15));
            Ok((low.0..=last).map(target).collect())
        }
        Err(error) => Err(ToolError::Call { asked: who, error }),
    }
}

/// The versions to call, in ascending order, and over what: only what the host can be called over.
pub(super) fn registered(
    service: &Service,
    transport: Option<Transport>,
    host: IpAddr,
    entries: &[Entry],
) -> Vec<(Version, Netid)> {
    let of_it = entries.iter().filter(|entry| entry.program == service.program);
    let has = |version, netid| {
        of_it.clone().any(|entry| entry.version == version && entry.netid() == Some(netid))
    };
    let mut versions: Vec<_> = of_it.clone().map(|entry| entry.version).collect();
    versions.retain(|version| service.version.is_none_or(|wanted| wanted == *version));
    versions.sort_unstable();
    versions.dedup();
    let all = [Transport::Udp, Transport::Tcp, Transport::Local];
    let transports = transport.map_or_else(|| all.to_vec(), |transport| vec![transport]);
    let netids: Vec<_> = transports.into_iter().map(|one| one.netid(host)).collect();
    let over = |version| {
        let netid = netids.iter().copied().find(|&netid| has(version, netid))?;
        Some((version, netid))
    };
    versions.into_iter().filter_map(over).collect()
}

fn path(service: &Service, version: Version, entries: &[Entry]) -> Option<Uaddr> {
    let is_it = |entry: &&Entry| {
        let Entry { program, version: of, .. } = entry;
        *program == service.program && *of == version && entry.netid() == Some(Netid::Local)
    };
    entries.iter().find(is_it).and_then(|entry| entry.uaddr().ok())
}

fn not_registered(ping: &Ping) -> ToolError {
    let over = match ping.transport {
        Some(transport) => format!(" for {transport}"),
        None => String::new(),
    };
    ToolError::No(format!("{} is not registered at {}{over}", ping.service, ping.host))
}

fn ping_version(
    ping: &Ping,
    target: &Target,
    results: &mut Results,
    out: &mut impl Write,
) -> Result<(), ToolError> {
    let who = who(ping, target);
    let client = connect(&ping.service, target, ping.timeout);
    let calls = if client.is_ok() { ping.count } else { 1 };
    for call in 0..calls {
        if call > 0 {
            thread::sleep(ping.interval);
        }
        let started = Instant::now();
        let result = match &client {
            Ok(client) => client.null().map_err(|error| told(&error)),
            Err(error) => Err(told(error)),
        };
        results.calls += 1;
        match result {
            Ok(()) => {
                let time = started.elapsed();
                results.times.push(time);
                writeln!(out, "{who}: {:.3} ms", millis(time))?;
            }
            Err((text, status)) => {
                results.status = results.status.max(status);
                writeln!(out, "{who}: {text}")?;
            }
        }
        out.flush()?;
    }
    results.resent += client.map_or(0, |client| client.stats().resent);
    Ok(())
}

/// The text of an error, and the exit status that it makes.
fn told(error: &Error) -> (String, u8) {
    (error.to_string(), super::status_of(error))
}

fn who(ping: &Ping, target: &Target) -> String {
    let (service, host) = (&ping.service.name, &ping.host);
    let version = target.version;
    match &target.place {
        Place::Udp(addr) => {
            format!("{service} v{version} at {host} ({}) udp port {}", addr.ip(), addr.port())
        }
        Place::Tcp(addr) => {
            format!("{service} v{version} at {host} ({}) tcp port {}", addr.ip(), addr.port())
        }
        Place::Unix(path) => format!("{service} v{version} at {host} {:?}", path.display()),
    }
}

impl Place {
    pub(super) fn at(address: Uaddr, netid: Netid) -> Option<Self> {
        if !address.suits(netid) {
            return None;
        }
        Some(match (address, netid) {
            (Uaddr::Unix(path), _) => Self::Unix(path),
            (Uaddr::Ip(addr), Netid::Udp | Netid::Udp6) => Self::Udp(addr),
            (Uaddr::Ip(addr), _) => Self::Tcp(addr),
        })
    }

    pub(super) fn target(&self) -> String {
        match self {
            Self::Udp(addr) => format!("udp://{addr}"),
            Self::Tcp(addr) => format!("tcp://{addr}"),
            Self::Unix(path) => format!("unix://{}", path.display()),
        }
    }
}

pub(super) fn connect(
    service: &Service,
    target: &Target,
    timeout: Duration,
) -> Result<Client, Error> {
    let interface = interface(service.program, target.version);
    let options = ClientOptions::new().timeout(timeout);
    Client::connect(&target.place.target(), interface, &options)
}

fn summary(results: &Results) -> String {
    let Results { calls, resent, times, .. } = results;
    let number = |count: u64, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    };
    let replies = u32::try_from(times.len()).unwrap_or(u32::MAX);
    let counts = format!(
        "{}, {}, {}",
        number((*calls).into(), "call", "calls"),
        number(replies.into(), "reply", "replies"),
        number(*resent, "retransmission", "retransmissions")
    );
    let (Some(min), Some(max)) = (times.iter().min(), times.iter().max()) else { return counts };
    let total: f64 = times.iter().copied().map(millis).sum();
    let mean = total / f64::from(replies);
    let (min, max) = (millis(*min), millis(*max));
    format!("{counts}, min/avg/max {min:.3}/{mean:.3}/{max:.3} ms")
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use farcall::Program;

    use super::*;

    fn service(version: Option<u32>) -> Service {
        Service { program: Program(7), name: "kv".to_owned(), version: version.map(Version) }
    }

    #[test]
    fn what_is_registered_is_called_over_udp_if_possible() {
        let rows = [
            (7, 3, "tcp"),
            (7, 1, "udp"),
            (7, 1, "tcp"),
            (7, 2, "udp6"),
            (8, 9, "udp"),
            (7, 5, "local"),
        ];
        let entries = rows.map(|(program, version, netid)| Entry {
            program: Program(program),
            version: Version(version),
            netid: netid.to_owned(),
            address: String::new(),
            owner: String::new(),
        });
        let (v4, v6) = (IpAddr::from([192, 0, 2, 7]), "2001:db8::7".parse().expect("an address"));
        let (udp, tcp, udp6, local) = (Netid::Udp, Netid::Tcp, Netid::Udp6, Netid::Local);
        let (over_tcp, over_udp) = (Some(Transport::Tcp), Some(Transport::Udp));
        let table = [
            (None, None, v4, vec![(1, udp), (3, tcp), (5, local)]),
            (None, over_tcp, v4, vec![(1, tcp), (3, tcp)]),
            (None, over_udp, v4, vec![(1, udp)]),
            (Some(3), None, v4, vec![(3, tcp)]),
            (Some(4), None, v4, vec![]),
            (None, None, v6, vec![(2, udp6), (5, local)]),
        ];
        for (version, transport, host, expected) in table {
            let expected: Vec<_> =
                expected.into_iter().map(|(v, netid)| (Version(v), netid)).collect();
            assert_eq!(registered(&service(version), transport, host, &entries), expected);
        }
    }

    #[test]
    fn the_summary_counts_and_averages() {
        let text = |calls, resent, times: &[u64]| {
            let times = times.iter().map(|&us| Duration::from_micros(us)).collect();
            summary(&Results { calls, resent, times, status: 0 })
        };
        assert_eq!(text(1, 2, &[]), "1 call, 0 replies, 2 retransmissions");
        assert_eq!(
            text(1, 0, &[84]),
            "1 call, 1 reply, 0 retransmissions, min/avg/max 0.084/0.084/0.084 ms"
        );
        assert_eq!(
            text(4, 1, &[100, 50, 1350]),
            "4 calls, 3 replies, 1 retransmission, min/avg/max 0.050/0.500/1.350 ms"
        );
    }
}
