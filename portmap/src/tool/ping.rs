//! `rpcutil ping`: whether a service answers, and how fast.

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use farcall::bind::{Entry, Portmapper};
use farcall::{Client, ClientOptions, Error, Interface, Netid, Program, Version};

use super::{ToolError, resolve};

/// What to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ping {
    /// The host, as it was named.
    pub host: String,
    /// The program.
    pub program: Program,
    /// Its name, or its number.
    pub name: String,
    /// The version; if none is given, all that are registered.
    pub version: Option<Version>,
    /// Over UDP or, if that is given, over TCP; if nothing is given, over what is registered.
    pub tcp: Option<bool>,
    /// The port of the portmapper.
    pub port: u16,
    /// How many calls to each version.
    pub count: u32,
    /// How long to wait for each answer.
    pub timeout: Duration,
}

/// Calls procedure 0, prints a line for each answer, and a summary.
///
/// # Errors
/// The service is not registered; a call fails.
pub fn ping(ping: &Ping, out: &mut impl Write) -> Result<(), ToolError> {
    let portmapper_at = resolve(&ping.host, ping.port)?;
    let portmapper = Portmapper::at(portmapper_at).timeout(ping.timeout);
    let asked = |error| ToolError::Call { asked: format!("portmapper at {}", ping.host), error };
    let targets = match (ping.version, ping.tcp) {
        (Some(version), Some(tcp)) => vec![(version, netid(tcp, portmapper_at))],
        _ => registered(ping, portmapper_at, &portmapper.dump().map_err(asked)?),
    };
    if targets.is_empty() {
        return Err(not_registered(ping));
    }
    let mut times = Vec::new();
    for (version, netid) in targets {
        let address = portmapper.getaddr(ping.program, version, netid).map_err(asked)?;
        let addr = address.and_then(|address| address.ip()).ok_or_else(|| not_registered(ping))?;
        ping_version(ping, version, netid, addr, &mut times, out)?;
    }
    summary(&times, out)
}

fn not_registered(ping: &Ping) -> ToolError {
    let version = ping.version.map_or_else(String::new, |version| format!(" v{version}"));
    let over = match ping.tcp {
        Some(true) => " for tcp",
        Some(false) => " for udp",
        None => "",
    };
    let Ping { name, host, .. } = ping;
    ToolError::No(format!("{name}{version} is not registered at {host}{over}"))
}

fn netid(tcp: bool, addr: SocketAddr) -> Netid {
    match (tcp, addr) {
        (false, SocketAddr::V4(_)) => Netid::Udp,
        (true, SocketAddr::V4(_)) => Netid::Tcp,
        (false, SocketAddr::V6(_)) => Netid::Udp6,
        (true, SocketAddr::V6(_)) => Netid::Tcp6,
    }
}

/// The versions to call, in ascending order, each over UDP if it is registered for that.
fn registered(ping: &Ping, host: SocketAddr, entries: &[Entry]) -> Vec<(Version, Netid)> {
    let has = |version, netid| {
        entries
            .iter()
            .any(|e| e.program == ping.program && e.version == version && e.netid() == Some(netid))
    };
    let mut versions: Vec<_> =
        entries.iter().filter(|e| e.program == ping.program).map(|e| e.version).collect();
    versions.retain(|version| ping.version.is_none_or(|wanted| wanted == *version));
    versions.sort_unstable();
    versions.dedup();
    let transports = ping.tcp.map_or_else(|| vec![false, true], |tcp| vec![tcp]);
    let netids: Vec<_> = transports.into_iter().map(|tcp| netid(tcp, host)).collect();
    let over = |version| {
        let netid = netids.iter().copied().find(|&netid| has(version, netid))?;
        Some((version, netid))
    };
    versions.into_iter().filter_map(over).collect()
}

fn ping_version(
    ping: &Ping,
    version: Version,
    netid: Netid,
    addr: SocketAddr,
    times: &mut Vec<Duration>,
    out: &mut impl Write,
) -> Result<(), ToolError> {
    let is_udp = matches!(netid, Netid::Udp | Netid::Udp6);
    let transport = if is_udp { "udp" } else { "tcp" };
    let Ping { name, host, .. } = ping;
    let who =
        format!("{name} v{version} at {host} ({}) {transport} port {}", addr.ip(), addr.port());
    let asked = |error| ToolError::Call { asked: who.clone(), error };
    let client = connect(ping, version, &format!("{transport}://{addr}")).map_err(asked)?;
    for _ in 0..ping.count {
        let sent = Instant::now();
        client.null().map_err(asked)?;
        let time = sent.elapsed();
        times.push(time);
        writeln!(out, "{who}: {:.3} ms", millis(time))?;
    }
    Ok(())
}

fn connect(ping: &Ping, version: Version, target: &str) -> Result<Client, Error> {
    // Interfaces are static; this one is for the rest of a process that ends soon.
    let interface: &'static Interface = Box::leak(Box::new(Interface {
        program: ping.program,
        program_name: "",
        version,
        version_name: "",
        procedures: &[],
    }));
    Client::connect(target, interface, &ClientOptions::new().timeout(ping.timeout))
}

fn summary(times: &[Duration], out: &mut impl Write) -> Result<(), ToolError> {
    let (Some(min), Some(max)) = (times.iter().min(), times.iter().max()) else { return Ok(()) };
    let total: f64 = times.iter().copied().map(millis).sum();
    let count = u32::try_from(times.len()).unwrap_or(u32::MAX);
    let mean = total / f64::from(count);
    let (min, max) = (millis(*min), millis(*max));
    let replies = if count == 1 { "1 reply".to_owned() } else { format!("{count} replies") };
    writeln!(out, "{replies}, min/avg/max {min:.3}/{mean:.3}/{max:.3} ms")?;
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_ping(version: Option<u32>, tcp: Option<bool>) -> Ping {
        Ping {
            host: "db1".to_owned(),
            program: Program(7),
            name: "kv".to_owned(),
            version: version.map(Version),
            tcp,
            port: 111,
            count: 1,
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn what_is_registered_is_called_over_udp_if_possible() {
        let rows = [(7, 3, "tcp"), (7, 1, "udp"), (7, 1, "tcp"), (7, 2, "udp6"), (8, 9, "udp")];
        let entries = rows.map(|(program, version, netid)| Entry {
            program: Program(program),
            version: Version(version),
            netid: netid.to_owned(),
            address: String::new(),
            owner: String::new(),
        });
        let v4 = SocketAddr::from(([192, 0, 2, 7], 111));
        let v6 = "[2001:db8::7]:111".parse().expect("an address");
        let (udp, tcp, udp6) = (Netid::Udp, Netid::Tcp, Netid::Udp6);
        let table = [
            (a_ping(None, None), v4, vec![(Version(1), udp), (Version(3), tcp)]),
            (a_ping(None, Some(true)), v4, vec![(Version(1), tcp), (Version(3), tcp)]),
            (a_ping(None, Some(false)), v4, vec![(Version(1), udp)]),
            (a_ping(Some(3), None), v4, vec![(Version(3), tcp)]),
            (a_ping(Some(4), None), v4, vec![]),
            (a_ping(None, None), v6, vec![(Version(2), udp6)]),
        ];
        for (ping, host, expected) in table {
            assert_eq!(registered(&ping, host, &entries), expected, "{ping:?} {host}");
        }
    }

    #[test]
    fn the_summary_counts_and_averages() {
        let text = |times: &[u64]| {
            let times: Vec<_> = times.iter().map(|&us| Duration::from_micros(us)).collect();
            let mut out = Vec::new();
            summary(&times, &mut out).expect("memory takes it");
            String::from_utf8(out).expect("ASCII")
        };
        assert_eq!(text(&[]), "");
        assert_eq!(text(&[84]), "1 reply, min/avg/max 0.084/0.084/0.084 ms\n");
        assert_eq!(text(&[100, 50, 1350]), "3 replies, min/avg/max 0.050/0.500/1.350 ms\n");
    }

    #[test]
    fn what_is_missing_is_said() {
        let text = |version, tcp| not_registered(&a_ping(version, tcp)).to_string();
        assert_eq!(text(None, None), "kv is not registered at db1");
        assert_eq!(text(Some(3), Some(true)), "kv v3 is not registered at db1 for tcp");
    }
}
