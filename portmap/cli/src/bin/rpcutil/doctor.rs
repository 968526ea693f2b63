//! `rpcutil doctor`: why a service cannot be reached, from the host's name to the service's answer,
//! and what to do.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use clap::Args;
use farcall::bind::{Entry, Portmapper};
use farcall::proto::message::{AcceptStatus, AuthStatus, RejectStatus};
use farcall::{Error, Netid, Refusal, Version};
use farcall_portmap::PORT;

use crate::error::{ToolError, status_of};
use crate::place::{self, Place, millis};
use crate::portmapper::resolve;
use crate::service::{MOST, Service, Transport, some};
use crate::words::service;

/// Find out why a service cannot be reached, and what to do.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// A name or an address.
    host: String,
    /// A name or a number: nfs, nfs/3, 100003/3.
    #[arg(value_name = "PROGRAM[/VERSION]", value_parser = service)]
    service: Service,
    /// The port of the portmapper.
    #[arg(long, value_name = "N", default_value_t = PORT)]
    portmapper_port: u16,
}

const WELL: Style = AnsiColor::Green.on_default().bold();
const ILL: Style = AnsiColor::Red.on_default().bold();

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
pub(crate) fn run(
    args: &DoctorArgs,
    timeout: Duration,
    out: &mut impl Write,
) -> Result<(), ToolError> {
    let mut report = Report { out, status: 0 };
    match resolve(&args.host, args.portmapper_port) {
        Err(error) => report.add(&unknown_host(&args.host, &error))?,
        Ok(at) => {
            report.add(&Finding::well(format!("{} is {}", args.host, at.ip())))?;
            let portmapper = Portmapper::at(at).timeout(timeout);
            Doctor { args, at, portmapper, timeout }.examine(&mut report)?;
        }
    }
    match report.status {
        0 => Ok(()),
        status => Err(ToolError::Shown { status }),
    }
}

struct Report<'a, W> {
    out: &'a mut W,
    status: u8,
}

impl<W: Write> Report<'_, W> {
    fn add(&mut self, finding: &Finding) -> Result<(), ToolError> {
        match &finding.trouble {
            None => writeln!(self.out, "{WELL}ok{WELL:#}  {}", finding.text)?,
            Some((help, status)) => {
                writeln!(self.out, "{ILL}no{ILL:#}  {}\n    help: {help}", finding.text)?;
                self.status = self.status.max(*status);
            }
        }
        Ok(self.out.flush()?)
    }
}

/// Who looks at a host that has an address.
struct Doctor<'a> {
    args: &'a DoctorArgs,
    at: SocketAddr,
    portmapper: Portmapper,
    timeout: Duration,
}

impl Doctor<'_> {
    fn examine(&self, report: &mut Report<'_, impl Write>) -> Result<(), ToolError> {
        let started = Instant::now();
        let entries = match self.portmapper.dump() {
            Ok(entries) => entries,
            Err(error) => return report.add(&no_portmapper(self.at, &error)),
        };
        report.add(&Finding::well(format!(
            "the portmapper at {} answers in {:.1} ms and has {} registrations",
            self.at,
            millis(started.elapsed()),
            entries.len()
        )))?;
        let found = registration(&self.args.service, &self.args.host, &entries);
        let is_there = found.trouble.is_none();
        report.add(&found)?;
        if is_there { self.call_all(&entries, report) } else { Ok(()) }
    }

    fn call_all(
        &self,
        entries: &[Entry],
        report: &mut Report<'_, impl Write>,
    ) -> Result<(), ToolError> {
        let all = all(&self.args.service, entries);
        let is_near = |&(_, netid): &(Version, Netid)| self.is_near(netid);
        let near: Vec<_> = all.iter().copied().filter(is_near).collect();
        if near.is_empty() {
            return report.add(&self.out_of_reach(&all));
        }
        for (version, netid) in near.into_iter().take(MOST) {
            report.add(&self.call(version, netid))?;
        }
        Ok(())
    }

    /// Whether what is registered for a transport can be called at the host's address.
    fn is_near(&self, netid: Netid) -> bool {
        let ip = self.at.ip();
        let over = |transport: Transport| transport.netid(ip) == netid;
        over(Transport::Udp) || over(Transport::Tcp) || (over(Transport::Local) && ip.is_loopback())
    }

    fn out_of_reach(&self, all: &[(Version, Netid)]) -> Finding {
        let mut netids: Vec<_> = all.iter().map(|(_, netid)| netid.to_string()).collect();
        netids.sort_unstable();
        netids.dedup();
        let text = format!("{}: it has only {}", self.args.service, netids.join(" "));
        let text = format!("{text}, which cannot be called at {}", self.at.ip());
        Finding::ill(text, "name the host by an address of that family, or call it there", 1)
    }

    fn call(&self, version: Version, netid: Netid) -> Finding {
        let Service { program, ref name, .. } = self.args.service;
        let what = format!("{name} v{version} {netid}");
        let place = match self.portmapper.getaddr(program, version, netid) {
            Ok(address) => address.and_then(|address| Place::at(address, netid)),
            Err(error) => {
                let help = "it has just answered: is it overloaded, or does it limit this host?";
                let text = format!("{what}: the portmapper does not say where: {error}");
                return Finding::ill(text, help, status_of(&error));
            }
        };
        let Some(place) = place else {
            let help =
                "the portmapper lists it, but has no address for it that is one: register again";
            return Finding::ill(format!("{what}: it has no address"), help, 1);
        };
        let text = format!("{what} at {}", place.target().escape_debug());
        match place::null(&place, program, version, self.timeout) {
            Ok(took) => Finding::well(format!("{text} answers in {:.1} ms", millis(took))),
            Err(error) => {
                let help = advice(&error, place.is_stream());
                Finding::ill(format!("{text}: {error}"), help, status_of(&error))
            }
        }
    }
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
    let what = match error {
        Error::Refused { refusal: Refusal::Denied(_), .. } => "the portmapper refuses this host",
        _ => "no portmapper",
    };
    let text = format!("{what} at {at}: {error}");
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
        // It is asked over TCP.
        error if place::hangs_up(error) || matches!(error, Error::Decode(_)) => {
            "somebody is there that does not talk as a portmapper does: who has the port?"
        }
        Error::TimedOut { .. } => {
            "something drops what is sent: is the host up, and does a firewall let port 111 pass?"
        }
        Error::Refused { refusal: Refusal::Denied(RejectStatus::AuthError(_)), .. } => {
            "look at its access rules: hosts.allow and hosts.deny, or those of portmapd's --config"
        }
        Error::Refused { .. } => {
            "somebody is there that is no portmapper, or one of another version"
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
    let mut versions = BTreeMap::<Version, Vec<String>>::new();
    for entry in entries {
        let netids = versions.entry(entry.version).or_default();
        if netids.len() < MOST {
            netids.push(entry.netid.escape_debug().to_string());
        }
    }
    let lines =
        versions.into_iter().map(|(version, netids)| format!("v{version} {}", netids.join(" ")));
    some(lines)
}

/// What is registered of it.
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

fn advice(error: &Error, is_stream: bool) -> &'static str {
    match error {
        error if is_stream && place::hangs_up(error) => {
            "the server closes the connection: look into its log, and at its access rules"
        }
        Error::TimedOut { .. } => {
            "registered but silent: the server hangs or is overloaded, or a firewall drops its port"
        }
        Error::Unreachable { .. } | Error::Io { .. } => {
            "registered, but nobody listens there: the server has died or moved; start it again"
        }
        Error::Refused {
            refusal: Refusal::Accepted(AcceptStatus::ProgMismatch { .. }), ..
        } => "the server has only the versions that it names: use one of them, and register those",
        Error::Refused { refusal: Refusal::Accepted(AcceptStatus::ProgUnavail), .. } => {
            "another program is at that port now: the registration is stale; remove it"
        }
        Error::Refused {
            refusal: Refusal::Denied(RejectStatus::AuthError(AuthStatus::TooWeak)),
            ..
        } => "the server wants to know who calls: AUTH_SYS, a reserved port, or RPCSEC_GSS",
        Error::Refused { refusal: Refusal::Denied(RejectStatus::AuthError(_)), .. }
        | Error::Auth(_) => "the server does not let this caller in: look at its access rules",
        Error::Refused { .. } => "the server is there, and fails: look into its log",
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
