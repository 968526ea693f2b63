//! `rpcutil ping`: whether a service answers, and how fast.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use farcall::bind::{Entry, Portmapper, Uaddr};
use farcall::proto::message::AcceptStatus;
use farcall::{Error, Netid, Refusal, Version};
use farcall_portmap::PORT;

use crate::error::{ToolError, status_of};
use crate::list;
use crate::place::{self, Place, millis};
use crate::portmapper::resolve;
use crate::service::{MOST, PROGRAMS, Service, Transport, some};
use crate::words::{seconds, service};

/// Show whether a service answers, and how fast.
///
/// Without a version, all versions that are registered are called.
#[derive(Debug, Args)]
pub(crate) struct PingArgs {
    /// A name or an address.
    host: String,
    /// A name or a number: nfs, nfs/3, 100003/3.
    #[arg(value_name = "PROGRAM[/VERSION]", value_parser = service)]
    service: Service,
    /// Over udp, tcp or local; without it, over the first of these that is registered.
    #[arg(short = 'T', long, value_name = "TRANSPORT")]
    transport: Option<Transport>,
    /// The port of the service: the portmapper is not asked.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Calls to each version.
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    count: u32,
    /// From one call to the next.
    #[arg(short, long, value_name = "SECS", default_value = "1", value_parser = seconds)]
    interval: Duration,
    /// The port of the portmapper.
    #[arg(long, value_name = "N", default_value_t = PORT)]
    portmapper_port: u16,
}

/// A version of a program at a server.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    version: Version,
    place: Place,
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
pub(crate) fn run(
    args: &PingArgs,
    timeout: Duration,
    out: &mut impl Write,
) -> Result<(), ToolError> {
    let mut results = Results::default();
    for target in targets(args, timeout)? {
        ping_version(args, &target, timeout, &mut results, out)?;
    }
    writeln!(out, "{}", summary(&results))?;
    match results.status {
        0 => Ok(()),
        status => Err(ToolError::Shown { status }),
    }
}

fn targets(args: &PingArgs, timeout: Duration) -> Result<Vec<Target>, ToolError> {
    let mut at = resolve(&args.host, args.portmapper_port)?;
    if let Some(port) = args.port {
        at.set_port(port);
        let place = match args.transport {
            None | Some(Transport::Udp) => Place::Udp(at),
            Some(Transport::Tcp) => Place::Tcp(at),
            Some(Transport::Local) => {
                return Err(ToolError::No("a Unix socket has no port".to_owned()));
            }
        };
        return versions_of(args, &place, timeout);
    }
    let portmapper = Portmapper::at(at).timeout(timeout);
    let asked = |error| ToolError::portmapper(&args.host, error);
    let entries = portmapper.dump().map_err(asked)?;
    let mut targets = Vec::new();
    let registered = registered(&args.service, args.transport, at.ip(), &entries);
    for (version, netid) in registered.into_iter().take(MOST) {
        let address = match netid {
            Netid::Local => path(&args.service, version, &entries),
            _ => portmapper.getaddr(args.service.program, version, netid).map_err(asked)?,
        };
        let place = address.and_then(|address| Place::at(address, netid));
        let place = place.ok_or_else(|| not_registered(args, &entries))?;
        targets.push(Target { version, place });
    }
    if targets.is_empty() { Err(not_registered(args, &entries)) } else { Ok(targets) }
}

/// The version that was named, or all that the server says that it has.
fn versions_of(
    args: &PingArgs,
    place: &Place,
    timeout: Duration,
) -> Result<Vec<Target>, ToolError> {
    let target = |version| Target { version: Version(version), place: place.clone() };
    if let Some(version) = args.service.version {
        return Ok(vec![target(version.0)]);
    }
    let first = target(0);
    match place::null(place, args.service.program, first.version, timeout) {
        Ok(_) => Ok(vec![first]),
        Err(Error::Refused {
            refusal: Refusal::Accepted(AcceptStatus::ProgMismatch { low, high }),
            ..
        }) => Ok((low.0..=high.0).take(MOST).map(target).collect()),
        Err(error) => Err(ToolError::Call { asked: who(args, &first), error }),
    }
}

/// The versions to call, in ascending order, and over what: only what the host can be called over.
fn registered(
    service: &Service,
    transport: Option<Transport>,
    host: IpAddr,
    entries: &[Entry],
) -> Vec<(Version, Netid)> {
    let is_it = |entry: &&Entry| {
        let is_wanted = service.version.is_none_or(|wanted| wanted == entry.version);
        entry.program == service.program && is_wanted
    };
    let offers = entries.iter().filter(is_it).filter_map(|e| Some((e.version, e.netid()?)));
    let offers: BTreeSet<_> = offers.collect();
    let versions: BTreeSet<_> = offers.iter().map(|&(version, _)| version).collect();
    let all = [Transport::Udp, Transport::Tcp, Transport::Local];
    let transports = transport.map_or_else(|| all.to_vec(), |transport| vec![transport]);
    let is_here = |one: &Transport| *one != Transport::Local || host.is_loopback();
    let netids: Vec<_> =
        transports.into_iter().filter(is_here).map(|one| one.netid(host)).collect();
    let over =
        |version| netids.iter().map(|&netid| (version, netid)).find(|offer| offers.contains(offer));
    versions.into_iter().filter_map(over).collect()
}

fn path(service: &Service, version: Version, entries: &[Entry]) -> Option<Uaddr> {
    let is_it = |entry: &&Entry| {
        let Entry { program, version: of, .. } = entry;
        *program == service.program && *of == version && entry.netid() == Some(Netid::Local)
    };
    entries.iter().find(is_it).and_then(|entry| entry.uaddr().ok())
}

fn not_registered(args: &PingArgs, entries: &[Entry]) -> ToolError {
    let PingArgs { service, host, .. } = args;
    let over = args.transport.map_or_else(String::new, |transport| format!(" for {transport}"));
    ToolError::No(format!(
        "{service} is not registered at {host}{over}\n  it does know: {}\n  help: is the server \
         running? If its port is known, `-p PORT` asks no portmapper",
        known(service, entries)
    ))
}

/// What there is of the program, or else which programs there are.
fn known(service: &Service, entries: &[Entry]) -> String {
    let of_it = entries.iter().filter(|entry| entry.program == service.program);
    let of_it: Vec<_> = of_it.cloned().collect();
    let lines = list::short(if of_it.is_empty() { entries } else { &of_it }, &PROGRAMS);
    if lines.is_empty() { "nothing".to_owned() } else { some(lines.into_iter()) }
}

fn ping_version(
    args: &PingArgs,
    target: &Target,
    timeout: Duration,
    results: &mut Results,
    out: &mut impl Write,
) -> Result<(), ToolError> {
    let who = who(args, target);
    let client = match place::connect(&target.place, args.service.program, target.version, timeout)
    {
        Ok(client) => client,
        Err(error) => return results.add(&who, Err(error), out),
    };
    for call in 0..args.count {
        if call > 0 {
            thread::sleep(args.interval);
        }
        let started = Instant::now();
        let answer = client.null().map(|()| started.elapsed());
        results.add(&who, answer, out)?;
    }
    results.resent += client.stats().resent;
    Ok(())
}

impl Results {
    /// Prints what came of a call, and remembers it.
    fn add(
        &mut self,
        who: &str,
        answer: Result<Duration, Error>,
        out: &mut impl Write,
    ) -> Result<(), ToolError> {
        self.calls += 1;
        match answer {
            Ok(time) => {
                self.times.push(time);
                writeln!(out, "{who}: {:.3} ms", millis(time))?;
            }
            Err(error) => {
                self.status = self.status.max(status_of(&error));
                writeln!(out, "{who}: {error}")?;
            }
        }
        Ok(out.flush()?)
    }
}

fn who(args: &PingArgs, target: &Target) -> String {
    let (service, host) = (&args.service.name, &args.host);
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
        let here = IpAddr::from([127, 0, 0, 1]);
        let (udp, tcp, udp6, local) = (Netid::Udp, Netid::Tcp, Netid::Udp6, Netid::Local);
        let (over_tcp, over_udp) = (Some(Transport::Tcp), Some(Transport::Udp));
        let table = [
            (None, None, v4, vec![(1, udp), (3, tcp)]),
            (None, None, here, vec![(1, udp), (3, tcp), (5, local)]),
            (None, over_tcp, v4, vec![(1, tcp), (3, tcp)]),
            (None, over_udp, v4, vec![(1, udp)]),
            (Some(3), None, v4, vec![(3, tcp)]),
            (Some(4), None, v4, vec![]),
            (None, None, v6, vec![(2, udp6)]),
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
