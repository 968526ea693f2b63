//! `rpcutil doctor`: why a service cannot be reached, from the host's name to the service's answer,
//! and what to do.

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use farcall::bind::{Entry, Portmapper};
use farcall::proto::message::{AcceptStatus, AuthStatus, RejectStatus};
use farcall::{Error, Netid, Refusal, Version};

use super::ping::{Place, Target, connect};
use super::{Service, ToolError, Transport, resolve, status_of};

/// What is not reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Doctor {
    /// The host, as it was named.
    pub(crate) host: String,
    /// The program, and the version; if none is given, all that are registered.
    pub(crate) service: Service,
    /// The port of the portmapper.
    pub(crate) portmapper_port: u16,
    /// How long to wait for each answer.
    pub(crate) timeout: Duration,
}

/// A line of what was found.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    text: String,
    /// What is to be done, if it is not well, and the exit status that it makes.
    trouble: Option<(String, u8)>,
}

impl Finding {
    fn well(text: String) -> Self {
        Self { text, trouble: None }
    }

    fn ill(text: String, help: &str, status: u8) -> Self {
        Self { text, trouble: Some((help.to_owned(), status)) }
    }
}

/// Looks at one thing after the other, prints what it finds, and ends where nothing more can be
/// found out.
///
/// # Errors
/// Something is not well, which was printed: status 3 if nobody answered at all, else 1.
pub(crate) fn doctor(doctor: &Doctor, out: &mut impl Write) -> Result<(), ToolError> {
    let mut report = Report { out, status: 0 };
    let done = examine(doctor, &mut report);
    match (done?, report.status) {
        ((), 0) => Ok(()),
        ((), status) => Err(ToolError::Shown { status }),
    }
}

struct Report<'a, W> {
    out: &'a mut W,
    status: u8,
}

impl<W: Write> Report<'_, W> {
    fn add(&mut self, finding: &Finding) -> Result<(), ToolError> {
        match &finding.trouble {
            None => writeln!(self.out, "ok  {}", finding.text)?,
            Some((help, status)) => {
                writeln!(self.out, "no  {}\n    help: {help}", finding.text)?;
                self.status = self.status.max(*status);
            }
        }
        self.out.flush()?;
        Ok(())
    }
}

fn examine(doctor: &Doctor, report: &mut Report<'_, impl Write>) -> Result<(), ToolError> {
    let at = match resolve(&doctor.host, doctor.portmapper_port) {
        Ok(at) => at,
        Err(error) => return report.add(&unknown_host(&doctor.host, &error)),
    };
    report.add(&Finding::well(format!("{} is {}", doctor.host, at.ip())))?;
    let portmapper = Portmapper::at(at).timeout(doctor.timeout);
    let started = Instant::now();
    let entries = match portmapper.dump() {
        Ok(entries) => entries,
        Err(error) => return report.add(&no_portmapper(at, &error)),
    };
    let millis = started.elapsed().as_secs_f64() * 1000.0;
    report.add(&Finding::well(format!(
        "the portmapper at {at} answers in {millis:.1} ms and has {} registrations",
        entries.len()
    )))?;
    let found = registration(&doctor.service, &doctor.host, &entries);
    let is_there = found.trouble.is_none();
    report.add(&found)?;
    if !is_there {
        return Ok(());
    }
    for (version, netid) in all(&doctor.service, &entries) {
        report.add(&service(doctor, &portmapper, at, version, netid))?;
    }
    Ok(())
}

fn unknown_host(host: &str, error: &ToolError) -> Finding {
    let text = match error {
        ToolError::Call { error, .. } => format!("{host}: {error}"),
        other => other.to_string(),
    };
    Finding::ill(text, "is it spelled right? `getent hosts NAME` says what this host knows", 3)
}

fn no_portmapper(at: SocketAddr, error: &Error) -> Finding {
    use std::io::ErrorKind;
    let text = format!("no portmapper at {at}: {error}");
    let help = match error {
        Error::Io { source, .. } => match source.kind() {
            ErrorKind::ConnectionRefused => {
                "the host is there, but nobody listens: start rpcbind or portmapd on it, or, if \
                 the service's port is known, use it: `rpcutil ping -p PORT`"
            }
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                "there is no route to the host: is it up, and is this the right network?"
            }
            _ => "the system does not let this host connect: see what it says",
        },
        Error::TimedOut { .. } => {
            "something drops what is sent: is the host up, and does a firewall let port 111 pass?"
        }
        Error::Refused(Refusal::Denied(RejectStatus::AuthError(_))) => {
            "it refuses this host: look at its access rules (hosts.allow, portmapd's access list)"
        }
        Error::Refused(_) => "somebody is there that is no portmapper, or one of another version",
        Error::Decode(_) | Error::Disconnected { .. } => {
            "somebody is there that does not talk as a portmapper does: who has the port?"
        }
        _ => "see what it says",
    };
    Finding::ill(text, help, status_of(error))
}

/// Whether it is registered, or what is.
fn registration(service: &Service, host: &str, entries: &[Entry]) -> Finding {
    let of_it: Vec<_> = entries.iter().filter(|entry| entry.program == service.program).collect();
    if of_it.is_empty() {
        return Finding::ill(
            format!("{} is not registered at {host}", service.name),
            "is the server running? Services must be started after the portmapper, and again after \
             it was restarted, unless it is portmapd",
            1,
        );
    }
    let list = registered_text(&of_it);
    if service.version.is_some_and(|wanted| of_it.iter().all(|entry| entry.version != wanted)) {
        let text = format!("{service} is not registered at {host}: only {list}");
        return Finding::ill(text, "use a version that there is, or update the server", 1);
    }
    Finding::well(format!("{} is registered: {list}", service.name))
}

/// `v3 tcp udp, v4 tcp`.
fn registered_text(entries: &[&Entry]) -> String {
    let mut versions: Vec<Version> = entries.iter().map(|entry| entry.version).collect();
    versions.sort_unstable();
    versions.dedup();
    let of = |version: Version| {
        let mut text = format!("v{version}");
        for entry in entries.iter().filter(|entry| entry.version == version) {
            text += &format!(" {}", entry.netid.escape_debug());
        }
        text
    };
    versions.into_iter().map(of).collect::<Vec<_>>().join(", ")
}

/// What is registered of it, and can be called from here.
fn all(service: &Service, entries: &[Entry]) -> Vec<(Version, Netid)> {
    let is_wanted = |version| service.version.is_none_or(|wanted| wanted == version);
    let mut all: Vec<_> = entries
        .iter()
        .filter(|entry| entry.program == service.program && is_wanted(entry.version))
        .filter_map(|entry| Some((entry.version, entry.netid()?)))
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn service(
    doctor: &Doctor,
    portmapper: &Portmapper,
    at: SocketAddr,
    version: Version,
    netid: Netid,
) -> Finding {
    let what = format!("{} v{version} {netid}", doctor.service.name);
    let is_of_family = [Transport::Udp, Transport::Tcp].iter().any(|t| t.netid(at.ip()) == netid);
    if !is_of_family {
        return Finding::well(format!("{what}: not looked at, {} is of another family", at.ip()));
    }
    let place = match portmapper.getaddr(doctor.service.program, version, netid) {
        Ok(address) => address.and_then(|address| Place::at(address, netid)),
        Err(error) => return no_portmapper(at, &error),
    };
    let Some(place) = place else {
        let help = "the portmapper lists it, but has no address for it that is one: register again";
        return Finding::ill(format!("{what}: it has no address"), help, 1);
    };
    let text = format!("{what} at {}", place.target());
    let target = Target { version, place };
    let started = Instant::now();
    let called = connect(&doctor.service, &target, doctor.timeout).and_then(|client| client.null());
    match called {
        Ok(()) => {
            let millis = started.elapsed().as_secs_f64() * 1000.0;
            Finding::well(format!("{text} answers in {millis:.1} ms"))
        }
        Err(error) => Finding::ill(format!("{text}: {error}"), advice(&error), status_of(&error)),
    }
}

fn advice(error: &Error) -> &'static str {
    match error {
        Error::TimedOut { .. } => {
            "registered but silent: the server hangs or is overloaded, or a firewall drops its port"
        }
        Error::Unreachable { .. } | Error::Io { .. } => {
            "registered, but nobody listens there: the server has died or moved; start it again"
        }
        Error::Disconnected { .. } => {
            "the server closes the connection: look into its log, and at its access rules"
        }
        Error::Refused(Refusal::Accepted(AcceptStatus::ProgMismatch { .. })) => {
            "the server has only the versions that it names: use one of them, and register those"
        }
        Error::Refused(Refusal::Accepted(AcceptStatus::ProgUnavail)) => {
            "another program is at that port now: the registration is stale; remove it"
        }
        Error::Refused(Refusal::Denied(RejectStatus::AuthError(AuthStatus::TooWeak))) => {
            "the server wants to know who calls: AUTH_SYS, a reserved port, or RPCSEC_GSS"
        }
        Error::Refused(Refusal::Denied(RejectStatus::AuthError(_))) | Error::Auth(_) => {
            "the server does not let this caller in: look at its access rules"
        }
        Error::Refused(_) => "the server is there, and fails: look into its log",
        _ => "what is there does not talk as this protocol does: who has the port?",
    }
}

#[cfg(test)]
mod tests {
    use farcall::Program;

    use super::*;

    fn entry(version: u32, netid: &str) -> Entry {
        Entry {
            program: Program(7),
            version: Version(version),
            netid: netid.to_owned(),
            address: String::new(),
            owner: String::new(),
        }
    }

    #[test]
    fn what_is_registered_is_told() {
        let entries = [entry(4, "tcp"), entry(3, "tcp"), entry(3, "\x1b"), entry(3, "udp")];
        let service = |program, version: Option<u32>| {
            let (program, version) = (Program(program), version.map(Version));
            Service { program, name: "kv".to_owned(), version }
        };
        let found = |program, version| {
            let found = registration(&service(program, version), "db1", &entries);
            (found.text, found.trouble.map(|(_, status)| status))
        };
        let list = "v3 tcp \\u{1b} udp, v4 tcp";
        assert_eq!(found(7, None), (format!("kv is registered: {list}"), None));
        assert_eq!(found(7, Some(4)), (format!("kv is registered: {list}"), None));
        let text = format!("kv v5 is not registered at db1: only {list}");
        assert_eq!(found(7, Some(5)), (text, Some(1)));
        assert_eq!(found(8, None), ("kv is not registered at db1".to_owned(), Some(1)));
        let calls = [(Version(3), Netid::Udp), (Version(3), Netid::Tcp), (Version(4), Netid::Tcp)];
        assert_eq!(all(&service(7, None), &entries), calls);
    }
}
